"""The forger's workshop: blank chips made to look like somebody's card, by the commands that everybody knows.

A blank chip's transport keys are public, so a forger can put onto one whatever he likes: files, keys of his own,
certificates that he has copied.  What he has not got is the genuine card's private keys and the genuine CA's.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from jukicard.applets.gp.client import DomainClient, EncryptedKey
from jukicard.applets.gp.layout import DOMAIN_MODULE, ISSUER_DOMAIN_AID, JUKI_DOMAIN_AID, KID_SCP11A, KID_SCP11B
from jukicard.applets.juki import layout as juki
from jukicard.applets.juki.client import JukiClient
from jukicard.applets.juki.records import CardData
from jukicard.commands.demo.desk import card_on_desk
from jukicard.iso7816.aid import AID
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.wrappers import standard
from jukicard.issuer.authentication import COUNTER_TERMINAL
from jukicard.issuer.authority import Authority
from jukicard.issuer.plan import ANCHOR_KVN, CHANNEL_KVN, DOMAIN_PRIVILEGES
from jukicard.issuer.provers import ephemeral_key
from jukicard.issuer.terminals import Area
from jukicard.reader.chips import create_chip
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


def forge(card: Path, forgery: Forgery, forger: Authority, password: str, trace: Path) -> None:
    """Make a forged card in a new card file: in the end it is active, with a password that the impostor knows."""
    create_chip(card, forger.storage_key)
    with card_on_desk(card, forger.storage_key, trace) as desk:
        connection = standard(desk.connection)
        channel_key = _make_domain(connection, forgery, forger)
        client = _make_application(connection, forgery)
        client.select()
        client.open_scp11a(forger.terminal_key(COUNTER_TERMINAL), channel_key, ephemeral_key(os.urandom))
        client.set_initial_password(juki.PASSWORD, password.encode())
        _domain(connection, JUKI_DOMAIN_AID).put_anchor(ANCHOR_KVN, forgery.anchor, replaces=ANCHOR_KVN)


def _make_domain(connection: CardConnection, forgery: Forgery, forger: Authority) -> EllipticCurvePublicKey:
    """Make the Juki domain; for now it trusts the forger's terminals.  Return the card's channel key."""
    _domain(connection, ISSUER_DOMAIN_AID).install(DOMAIN_MODULE, JUKI_DOMAIN_AID, DOMAIN_PRIVILEGES)
    _domain(connection, JUKI_DOMAIN_AID).put_key_set(_KVN, _transport_keys_again())
    domain = _domain(connection, JUKI_DOMAIN_AID)
    domain.put_anchor(ANCHOR_KVN, forger.anchor(Area.JUKI))
    key = domain.generate_key(KID_SCP11A, CHANNEL_KVN)
    domain.store_certificates(KID_SCP11A, CHANNEL_KVN, forgery.channel(key))
    domain.generate_key(KID_SCP11B, CHANNEL_KVN)
    domain.install(juki.JUKI_AID, juki.JUKI_AID)
    return key


def _make_application(connection: CardConnection, forgery: Forgery) -> JukiClient:
    client = JukiClient(connection)
    client.select()
    client.open_scp03(StaticKeyring(TRANSPORT_KEYS), os.urandom(8))
    certificates = b"".join(forgery.authentication(client.generate_authentication_key()))
    client.write(0x02, certificates.ljust(juki.CERTIFICATES_SIZE, b"\0"), "EF.CERTIFICATES")
    client.write(0x06, forgery.data.encode(), "EF.CARD")
    client.write(0x01, _INVENTED_CODE, "EF.CODE")
    client.activate()
    return client


def _domain(connection: CardConnection, aid: AID) -> DomainClient:
    """Open a session in a domain, with keys that everybody knows."""
    domain = DomainClient(connection, aid)
    domain.select()
    domain.open_scp03(StaticKeyring(TRANSPORT_KEYS), os.urandom(8))
    return domain


def _transport_keys_again() -> tuple[EncryptedKey, ...]:
    """Return the public keys once more, as a domain's own set: it needs one before it takes other keys."""
    dek = TRANSPORT_KEYS.dek
    keys = (TRANSPORT_KEYS.enc, TRANSPORT_KEYS.mac, dek)
    return tuple(EncryptedKey(len(key), encrypt_sensitive(dek, key), key_check_value(key)) for key in keys)
