"""The card, the terminal and the test keys of the vectors: everything from fixed seeds, and every secret kept.

It depends on the chip and the codecs alone, not on the issuing machine's order of doing things, so that the vectors
stay the same from one version to the next.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from jukicard.applets.catalogue import rom
from jukicard.applets.gp.client import DomainClient, EncryptedKey
from jukicard.applets.gp.layout import (
    DOMAIN_MODULE,
    ISSUER_DOMAIN_AID,
    JUKI_DOMAIN_AID,
    KID_SCP11A,
    KID_SCP11B,
)
from jukicard.applets.juki import layout as juki
from jukicard.applets.juki.client import JukiClient
from jukicard.applets.juki.records import CardData
from jukicard.card.card import Card
from jukicard.card.ports import Ports
from jukicard.card.store import MemoryStore
from jukicard.iso7816.aid import AID
from jukicard.iso7816.connection import ConnectionWrapper
from jukicard.iso7816.wrappers import standard
from jukicard.issuer.authority import certificates as x
from jukicard.issuer.keys.filekeystore import FileKeyStore
from jukicard.issuer.keys.keystore import KeyUse
from jukicard.issuer.line.plan import DOMAIN_PRIVILEGES
from jukicard.issuer.line.provers import ephemeral_key
from jukicard.reader.emulator import EmulatorConnection
from jukicard.securechannel.authorization import Right, Role, TerminalAuthorization
from jukicard.securechannel.host import LocalTerminalKey, StaticKeyring
from jukicard.securechannel.scp03 import TRANSPORT_KEYS, StaticKeys, encrypt_sensitive, key_check_value
from jukicard.testing.offices import blank_cells
from jukicard.testing.seeds import randomness

PASSWORD, WRONG_PASSWORD = b"7094", b"1111"
KVN = 0x01
KEYS_KVN = 0x02
CITY_CODE, CITY_NAME, SERIAL = "99201", "見本市", "799201000000001"
RESIDENT_CODE = b"41802639579"
DAY, LAST_DAY = date(2026, 1, 1), date(2036, 1, 1)
_RIGHTS = frozenset({Right.IDENTIFY, Right.SET_INITIAL_PASSWORD})
_KEY_DRAW = 40
"""Random bytes that a P-256 key is made of: no other draw of the chip has this length."""


class Draws:
    """A source of randomness that remembers the P-256 keys that were made of it."""

    def __init__(self, seed: object) -> None:
        self._take = randomness(seed)
        self.keys: list[ec.EllipticCurvePrivateKey] = []

    def __call__(self, count: int) -> bytes:
        """Return so many bytes."""
        drawn = self._take(count)
        if count == _KEY_DRAW:
            self.keys.append(ephemeral_key(lambda _count: drawn))
        return drawn


@dataclass(frozen=True)
class Exchange:
    """One command APDU and its response APDU, as they travel."""

    command: bytes
    response: bytes


class Wire(ConnectionWrapper):
    """A connection that keeps what travels through it."""

    def __init__(self, inner: EmulatorConnection) -> None:
        super().__init__(inner)
        self.exchanges: list[Exchange] = []

    def transmit(self, command: bytes) -> bytes:
        """See CardConnection."""
        response = self.inner.transmit(command)
        self.exchanges.append(Exchange(command, response))
        return response


@dataclass(frozen=True)
class Authorities:
    """The TEST hierarchy of the vectors: private keys by name, and certificates (DER) by name."""

    keys: dict[str, ec.EllipticCurvePrivateKey] = field(repr=False)
    certificates: dict[str, bytes]
    store: FileKeyStore = field(repr=False)

    def sign(self, name: str, issuer: str | None, request: x.Request) -> bytes:
        """Certify, and keep the certificate under that name; without an issuer the key certifies itself."""
        signer = x.Signer(self.store, issuer or name, self.certificates[issuer] if issuer else None)
        certificate = x.issue(signer, request, randomness(("certificate", name)))
        self.certificates[name] = certificate
        return certificate


def authorities(folder: Path) -> Authorities:
    """Make the hierarchy: root, terminal CA, card CA, terminal; the folder is for the key store that signs."""
    store = FileKeyStore.create(folder / "keys.json", "not secret: the keys are in the vectors", randomness("store"))
    made = Authorities({}, {}, store)
    for name in ("root", "terminal-ca", "card-ca", "terminal"):
        store.create_ec(name, KeyUse.AGREE if name == "terminal" else KeyUse.SIGN, exportable=True)
        key = load_pem_private_key(store.export_private_pem(name), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("the key store makes EC keys")
        made.keys[name] = key
    profiles = {
        "root": (x.ROOT, None, x.Subject("TEST Vector Root"), None),
        "terminal-ca": (x.TERMINAL_CA, "root", _subject("TEST Vector Terminal CA"), Role.CS),
        "card-ca": (x.CARD_CA, "root", _subject("TEST Vector Card CA"), None),
        "terminal": (x.TERMINAL, "terminal-ca", _subject("vector terminal"), Role.COUNTER),
    }
    for name, (profile, issuer, subject, role) in profiles.items():
        authorization = TerminalAuthorization(role, _RIGHTS, CITY_CODE) if role else None
        public = made.keys[name].public_key()
        made.sign(name, issuer, x.Request(profile, subject, public, DAY, LAST_DAY, authorization))
    return made


def _subject(name: str, serial: str | None = None) -> x.Subject:
    return x.Subject(name, CITY_NAME, CITY_CODE, serial)


STATIC_KEYS = StaticKeys(*(randomness(("static", name))(16) for name in ("enc", "mac", "dek")))


class VectorCard(AbstractContextManager["VectorCard"]):
    """The card of the vectors, handed over, in an emulator that keeps what travels (`wire`)."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="vectors-")
        self.authorities = authorities(Path(self._folder.name))
        self.terminal = LocalTerminalKey(
            self.authorities.keys["terminal"],
            (self.authorities.certificates["terminal-ca"], self.authorities.certificates["terminal"]),
        )
        self.draws = Draws("chip")
        self._host = Draws("host")
        chip = Card(MemoryStore(blank_cells(1)), rom(), Ports(self.draws))
        self.wire = Wire(EmulatorConnection(chip))
        self.channel_key = self._make_domain()
        self._make_application()
        self.wire.exchanges.clear()

    def __exit__(self, *_exception: object) -> None:
        self.wire.close()
        self._folder.cleanup()

    def ephemeral(self) -> ec.EllipticCurvePrivateKey:
        """Return the host's next ephemeral key."""
        return ephemeral_key(self._host)

    def host_challenge(self) -> bytes:
        """Return the host's next challenge for SCP03."""
        return self._host(8)

    def _make_domain(self) -> ec.EllipticCurvePrivateKey:
        issuer = self._domain(ISSUER_DOMAIN_AID, TRANSPORT_KEYS)
        issuer.install(DOMAIN_MODULE, JUKI_DOMAIN_AID, DOMAIN_PRIVILEGES)
        dek = TRANSPORT_KEYS.dek
        parts = (STATIC_KEYS.enc, STATIC_KEYS.mac, STATIC_KEYS.dek)
        keys = [EncryptedKey(len(key), encrypt_sensitive(dek, key), key_check_value(key)) for key in parts]
        self._domain(JUKI_DOMAIN_AID, TRANSPORT_KEYS).put_key_set(KEYS_KVN, keys)
        domain = self._domain(JUKI_DOMAIN_AID, STATIC_KEYS)
        domain.put_anchor(KVN, self.authorities.keys["root"].public_key())
        domain.store_date(KVN, f"{DAY:%Y%m%d}")
        public = domain.generate_key(KID_SCP11A, KVN)
        private = self.draws.keys[-1]
        domain.store_certificates(KID_SCP11A, KVN, self._certified("card-channel", x.CARD_CHANNEL, public))
        domain.generate_key(KID_SCP11B, KVN)
        domain.install(juki.JUKI_AID, juki.JUKI_AID)
        return private

    def _make_application(self) -> None:
        client = JukiClient(standard(self.wire))
        client.select()
        client.open_scp03(StaticKeyring(STATIC_KEYS), self.host_challenge())
        chain = self._certified("card-authentication", x.CARD_AUTHENTICATION, client.generate_authentication_key())
        client.write(0x02, b"".join(chain).ljust(juki.CERTIFICATES_SIZE, b"\0"), "EF.CERTIFICATES")
        client.write(0x06, CardData(SERIAL, CITY_CODE, f"{LAST_DAY:%Y%m%d}", "A").encode(), "EF.CARD")
        client.write(0x01, RESIDENT_CODE, "EF.CODE")
        client.activate()
        client.select()
        client.open_scp11a(self.terminal, self.channel_key.public_key(), self.ephemeral())
        client.set_initial_password(juki.PASSWORD, PASSWORD)

    def _certified(self, name: str, profile: x.Profile, key: ec.EllipticCurvePublicKey) -> tuple[bytes, ...]:
        request = x.Request(profile, _subject("Juki card of the vectors", SERIAL), key, DAY, LAST_DAY)
        return self.authorities.certificates["card-ca"], self.authorities.sign(name, "card-ca", request)

    def _domain(self, aid: AID, keys: StaticKeys) -> DomainClient:
        domain = DomainClient(standard(self.wire), aid)
        domain.select()
        domain.open_scp03(StaticKeyring(keys), self.host_challenge())
        return domain
