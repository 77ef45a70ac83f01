"""How a host makes a card prove itself: its certificates, and whom they are about."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.applets.gp.client import ApplicationClient
from jukicard.applets.gp.layout import KID_SCP11A
from jukicard.applets.juki.client import JukiClient
from jukicard.iso7816.errors import AuthenticationFailed
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.certificates import Subject, last_valid_day
from jukicard.issuer.authority.terminals import Area
from jukicard.issuer.errors import CertificateProfileError
from jukicard.issuer.keys.keystore import Randomness
from jukicard.issuer.line.plan import CHANNEL_KVN
from jukicard.securechannel.certificates import CertificateError, LeafUsage, verify_chain

_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True, slots=True)
class CertifiedKey:
    """A key that a card claims, as its certificates have it: whose card, of which municipality, until which day.

    `certificate` is the card's own, DER, the last of its chain.
    """

    public_key: ec.EllipticCurvePublicKey
    serial: str
    city_code: str
    last_day: date
    certificate: bytes = field(repr=False)


def card_channel_key(
    client: ApplicationClient,
    authority: Authority,
    *,
    today: date,
    area: Area = Area.JUKI,
    expired_too: bool = False,
) -> CertifiedKey:
    """Return the card's key of KID 11 from certificates that verify, or raise AuthenticationFailed ("card
    certificate").  See `certified`.
    """
    chain = client.certificates(KID_SCP11A, CHANNEL_KVN)
    return certified(authority, area, chain, LeafUsage.KEY_AGREEMENT, today, expired_too=expired_too)


def card_authentication_key(
    client: JukiClient, authority: Authority, *, today: date, expired_too: bool = False
) -> CertifiedKey:
    """Return the card's authentication key from certificates that verify, or raise AuthenticationFailed.

    See `certified`.
    """
    chain = client.authentication_certificates()
    return certified(authority, Area.JUKI, chain, LeafUsage.DIGITAL_SIGNATURE, today, expired_too=expired_too)


def certified(
    authority: Authority,
    area: Area,
    chain: tuple[bytes, ...],
    usage: LeafUsage,
    today: date,
    *,
    expired_too: bool = False,
) -> CertifiedKey:
    """Verify a card's chain under an area's anchor.  Every certificate in it must be of one and the same municipality.

    In the municipal area the card's certificate stands directly below the municipality's own root.  A card's
    certificates end with the card: with `expired_too`, those of an expired card are judged as of its last day, and the
    caller judges the card.
    """
    try:
        last_day = last_valid_day(chain[-1]) if chain else today
        day = min(today, last_day) if expired_too else today
        verified = verify_chain(authority.anchor(area), chain, today=iso_day(day), usage=usage)
        subjects = [Subject.read(certificate) for certificate in chain]
    except (CertificateError, CertificateProfileError, ValueError) as error:
        raise AuthenticationFailed("card certificate", str(error)) from error
    if verified.authorization is not None:
        raise AuthenticationFailed("card certificate", "it is a terminal's, not a card's")
    leaf = subjects[-1]
    if leaf.serial is None or leaf.city_code is None:
        raise AuthenticationFailed("card certificate", "it names no card")
    if any(subject.city_code != leaf.city_code for subject in subjects):
        raise AuthenticationFailed("card certificate", "it was issued by another municipality than it names")
    return CertifiedKey(verified.public_key, leaf.serial, leaf.city_code, last_day, chain[-1])


def ephemeral_key(random: Randomness) -> ec.EllipticCurvePrivateKey:
    """Return a fresh P-256 key made of the randomness port's bytes (FIPS 186-5 A.2.1)."""
    scalar = int.from_bytes(random(40)) % (_P256_ORDER - 1) + 1
    return ec.derive_private_key(scalar, ec.SECP256R1())


def iso_day(day: date) -> int:
    """Return a date as certificates' verification takes it: YYYYMMDD as a number."""
    return int(f"{day:%Y%m%d}")
