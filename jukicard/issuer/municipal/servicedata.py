"""What each municipal service is personalised with: the one block of STORE DATA that its application takes.

A block is made anew for each card, from its serial and from the public key that its application has generated.  Made
again, it holds the same but for the bytes of certificates and signatures: applications take that, as long as they have
not been used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from jukicard.applets.points.records import Member
from jukicard.applets.vending.layout import TAG_CERTIFICATES, TAG_TYPES
from jukicard.applets.vending.records import NAMES, CertificateType
from jukicard.iso7816.tlv import Tlv
from jukicard.issuer.authority import certificates as x
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.terminals import Area
from jukicard.issuer.municipal.pointscentre import PointsCentre
from jukicard.issuer.municipal.services import LIBRARY, POINTS, VENDING, Service
from jukicard.securechannel.scp11 import encode_point

FIRST_CERTIFICATES = 30
"""How many certificates of each usual type a new card may have issued, until the office lets it have more."""
POINTS_LIMIT = 50_000
"""The most points that a purse holds."""


@dataclass(frozen=True, slots=True)
class ServiceCard:
    """The card that a service is personalised on, and the public key of the service's application, if it has one."""

    serial: str
    issued_on: date
    expires: date
    key: EllipticCurvePublicKey | None


def service_data(service: Service, authority: Authority, card: ServiceCard) -> bytes:
    """Return the block of STORE DATA for a service on a card."""
    return _BLOCKS[service](authority, card)


def _library(authority: Authority, card: ServiceCard) -> bytes:
    return authority.patron_number(card.serial).encode()


def _vending(authority: Authority, card: ServiceCard) -> bytes:
    leaf = authority.certify_card(
        Area.MUNICIPAL,
        x.CARD_AUTHENTICATION,
        card.serial,
        _key(card),
        not_before=card.issued_on,
        not_after=card.expires,
    )
    types = b"".join(CertificateType(number, FIRST_CERTIFICATES).encode() for number in NAMES)
    chain = b"".join((*authority.card_authorities(Area.MUNICIPAL), leaf))
    return Tlv(TAG_CERTIFICATES, chain).encode() + Tlv(TAG_TYPES, types).encode()


def _points(authority: Authority, card: ServiceCard) -> bytes:
    centre = PointsCentre(authority)
    member: Member = centre.admit(card.serial, _key(card))
    return POINTS_LIMIT.to_bytes(4) + encode_point(centre.public_key) + member.encode()


def _key(card: ServiceCard) -> EllipticCurvePublicKey:
    if card.key is None:
        raise ValueError("the service has a key pair, and the card has not told its public key")
    return card.key


_BLOCKS: dict[Service, Callable[[Authority, ServiceCard], bytes]] = {
    LIBRARY: _library,
    VENDING: _vending,
    POINTS: _points,
}
