"""The forger's workshop: blank chips made to look like somebody's card, by the commands that everybody knows.

A blank chip's transport keys are public, so a forger can put onto one whatever he likes: files, keys of his own,
certificates that he has copied.  What he has not got is the genuine card's private keys and the genuine CA's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from jukicard.applets.gp.client import DomainClient, EncryptedKey
from jukicard.applets.gp.layout import DOMAIN_MODULE, ISSUER_DOMAIN_AID, JUKI_DOMAIN_AID, KID_SCP11A, KID_SCP11B
from jukicard.applets.juki import layout as juki
from jukicard.applets.juki.client import JukiClient
from jukicard.applets.juki.records import CardData
from jukicard.iso7816.aid import AID
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.wrappers import standard
from jukicard.issuer.authority import certificates as x
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.terminals import Area
from jukicard.issuer.counter.authentication import COUNTER_TERMINAL
from jukicard.issuer.keys.keystore import Randomness
from jukicard.issuer.line.plan import ANCHOR_KVN, CHANNEL_KVN, DOMAIN_PRIVILEGES
from jukicard.issuer.line.provers import ephemeral_key
from jukicard.securechannel.host import StaticKeyring
from jukicard.securechannel.scp03 import TRANSPORT_KEYS, encrypt_sensitive, key_check_value

_KVN = 0x02
_INVENTED_CODE = b"01234567892"

Certify = Callable[[EllipticCurvePublicKey], tuple[bytes, ...]]
"""From a key that the chip has made to the certificates to be put beside it."""


@dataclass(frozen=True, slots=True)
class Forgery:
    """What a forged card is to show: card data, the anchor of the terminals it lets in, certificates for its keys."""

    data: CardData
    anchor: EllipticCurvePublicKey = field(repr=False)
    authentication: Certify = field(repr=False)
    channel: Certify = field(repr=False)


def copied(data: CardData, anchor: EllipticCurvePublicKey, genuine: CardConnection) -> Forgery:
    """Copy from the genuine card what anybody may read; the keys beside it will be the forged chip's own."""
    client = JukiClient(standard(genuine))
    client.select()
    authentication = client.authentication_certificates()
    channel = client.certificates(KID_SCP11A, CHANNEL_KVN)
    return Forgery(data, anchor, lambda key: authentication, lambda key: channel)


def certified_by(
    issuer: Authority, data: CardData, anchor: EllipticCurvePublicKey, *, not_before: date, not_after: date
) -> Forgery:
    """Have the chip's keys certified by somebody's card CA, under the genuine card's serial."""

    def certify(profile: x.Profile) -> Certify:
        def chain(key: EllipticCurvePublicKey) -> tuple[bytes, ...]:
            leaf = issuer.certify_card(Area.JUKI, profile, data.serial, key, not_before=not_before, not_after=not_after)
            return (*issuer.card_authorities(Area.JUKI), leaf)

        return chain

    return Forgery(data, anchor, certify(x.CARD_AUTHENTICATION), certify(x.CARD_CHANNEL))


def forge(blank: CardConnection, forgery: Forgery, forger: Authority, password: str, random: Randomness) -> None:
    """Make the blank chip there a forged card: in the end it is active, with a password that the impostor knows.

    `forger` is the impostor's own authority, opened with its password; its terminals set the card's password.
    """
    connection = standard(blank)
    channel_key = _make_domain(connection, forgery, forger, random)
    client = _make_application(connection, forgery, random)
    client.select()
    client.open_scp11a(forger.terminal_key(COUNTER_TERMINAL), channel_key, ephemeral_key(random))
    client.set_initial_password(juki.PASSWORD, password.encode())
    _domain(connection, JUKI_DOMAIN_AID, random).put_anchor(ANCHOR_KVN, forgery.anchor, replaces=ANCHOR_KVN)


def _make_domain(
    connection: CardConnection, forgery: Forgery, forger: Authority, random: Randomness
) -> EllipticCurvePublicKey:
    """Make the Juki domain; for now it trusts the forger's terminals.  Return the card's channel key."""
    _domain(connection, ISSUER_DOMAIN_AID, random).install(DOMAIN_MODULE, JUKI_DOMAIN_AID, DOMAIN_PRIVILEGES)
    _domain(connection, JUKI_DOMAIN_AID, random).put_key_set(_KVN, _transport_keys_again())
    domain = _domain(connection, JUKI_DOMAIN_AID, random)
    domain.put_anchor(ANCHOR_KVN, forger.anchor(Area.JUKI))
    key = domain.generate_key(KID_SCP11A, CHANNEL_KVN)
    domain.store_certificates(KID_SCP11A, CHANNEL_KVN, forgery.channel(key))
    domain.generate_key(KID_SCP11B, CHANNEL_KVN)
    domain.install(juki.JUKI_AID, juki.JUKI_AID)
    return key


def _make_application(connection: CardConnection, forgery: Forgery, random: Randomness) -> JukiClient:
    client = JukiClient(connection)
    client.select()
    client.open_scp03(StaticKeyring(TRANSPORT_KEYS), random(8))
    certificates = b"".join(forgery.authentication(client.generate_authentication_key()))
    client.write(0x02, certificates.ljust(juki.CERTIFICATES_SIZE, b"\0"), "EF.CERTIFICATES")
    client.write(0x06, forgery.data.encode(), "EF.CARD")
    client.write(0x01, _INVENTED_CODE, "EF.CODE")
    client.activate()
    return client


def _domain(connection: CardConnection, aid: AID, random: Randomness) -> DomainClient:
    """Open a session in a domain, with keys that everybody knows."""
    domain = DomainClient(connection, aid)
    domain.select()
    domain.open_scp03(StaticKeyring(TRANSPORT_KEYS), random(8))
    return domain


def _transport_keys_again() -> tuple[EncryptedKey, ...]:
    """Return the public keys once more, as a domain's own set: it needs one before it takes other keys."""
    dek = TRANSPORT_KEYS.dek
    keys = (TRANSPORT_KEYS.enc, TRANSPORT_KEYS.mac, dek)
    return tuple(EncryptedKey(len(key), encrypt_sensitive(dek, key), key_check_value(key)) for key in keys)
