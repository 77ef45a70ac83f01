"""Chips for tests: blank ones, and issued ones that were personalised by plain SCP03, without the issuing machine.

Everything is derived from fixed seeds, so that two chips of one kind are the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.applets import catalogue
from jukicard.applets.gp import layout as gp
from jukicard.applets.gp.manufacture import ChipIdentity, manufacture
from jukicard.applets.juki import layout as juki
from jukicard.applets.juki.records import CardData
from jukicard.applets.library import layout as library
from jukicard.card.applet import Applet
from jukicard.card.card import Card
from jukicard.card.code import Rom
from jukicard.card.errors import StoreError
from jukicard.card.ports import Ports
from jukicard.card.store import MemoryStore
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.connection import ApduLimits, CardConnection, send
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv, parse_one
from jukicard.iso7816.wrappers import ResponseChaining
from jukicard.securechannel.authorization import Right, Role, TerminalAuthorization
from jukicard.securechannel.host import (
    LocalTerminalKey,
    SecureConnection,
    StaticKeyring,
    open_scp03,
    open_scp11a,
    open_scp11b,
)
from jukicard.securechannel.scp03 import TRANSPORT_KEYS, StaticKeys, encrypt_sensitive, key_check_value
from jukicard.securechannel.scp11 import decode_point, encode_point
from jukicard.testing.rsakeys import FixedKeys
from jukicard.testing.seeds import randomness
from tests.support.chains import authority, leaf, private_key
from tests.support.loaded import PythonLoader

CITY, OTHER_CITY = "99201", "99202"
CODE = b"12345678903"
PASSWORD, WRONG_PASSWORD = b"2580", b"9999"
PATRON = b"0000012345"
ESTIMATE, EXPIRES = 20240601, 20340401
KVN = 0x01
ALL_RIGHTS = frozenset(Right)

ISSUER, JUKI_DOMAIN, JUKI = gp.ISSUER_DOMAIN_AID, gp.JUKI_DOMAIN_AID, juki.JUKI_AID
CITY_DOMAIN, LIBRARY = gp.municipal_domain_aid(CITY), gp.municipal_service_aid(CITY, library.SERVICE_NUMBER)
NATIONAL_ROOT, CITY_ROOT = private_key(3001), private_key(3002)
_CA_KEY, _TERMINAL_KEY = private_key(3003), private_key(3004)


def static_keys(name: str, size: int = 16) -> StaticKeys:
    """An SCP03 key set that belongs to a name."""
    take = randomness(("keys", name))
    return StaticKeys(take(size), take(size), take(size))


def keys_of(domain: str, number: int = 1) -> StaticKeys:
    """The key set of a domain on the chip of that number: `issuer` (AES-256), `juki` or `city`."""
    return static_keys(f"{domain} {number}", 32 if domain == "issuer" else 16)


ISSUER_KEYS, JUKI_KEYS, CITY_KEYS = keys_of("issuer"), keys_of("juki"), keys_of("city")
"""Those of chip number 1, which is what a test gets that asks for no other."""


class PowerCutError(StoreError):
    """The power went away during a commit."""


class WatchedStore(MemoryStore):
    """A store that keeps every commit, and fails the commits that `cut` (given their number, from 0) chooses."""

    def __init__(self, cells: Mapping[str, bytes] | None = None) -> None:
        super().__init__(cells)
        self.commits: list[tuple[dict[str, bytes | None], bool]] = []
        self.cut: Callable[[int], bool] = lambda _number: False

    def commit(self, changes: Mapping[str, bytes | None], *, durable: bool = True) -> None:
        if self.cut(len(self.commits)):
            raise PowerCutError("the power was cut")
        self.commits.append((dict(changes), durable))
        super().commit(changes, durable=durable)


def rom(*further: type[Applet]) -> Rom:
    """The built-in modules and `further` ones, and code that is loaded in Python."""
    return Rom((*catalogue.BUILT_IN, *further), PythonLoader())


class Chip:
    """A powered chip, its store, and every exchange with it: a CardConnection."""

    limits = ApduLimits.EXTENDED

    def __init__(self, cells: Mapping[str, bytes], seed: object = 0, *further: type[Applet]) -> None:
        self.store = WatchedStore(cells)
        self.delays: list[float] = []
        self.exchanges: list[tuple[bytes, bytes]] = []
        self._host = randomness(("host", seed))
        self._numbers = iter(range(4000, 1 << 30))
        ports = Ports(randomness(("card", seed)), delay=self.delays.append, keys=FixedKeys(), strict=True)
        self.card = Card(self.store, rom(*further), ports)
        self.atr = self.card.power_on()

    # a connection

    def transmit(self, command: bytes) -> bytes:
        answer = self.card.transmit(command)
        self.exchanges.append((command, answer))
        return answer

    @contextmanager
    def transaction(self) -> Iterator[None]:
        yield

    def reset(self) -> None:
        self.card.reset()

    def close(self) -> None:
        self.card.power_off()

    # shorter words

    @property
    def cells(self) -> dict[str, bytes]:
        return self.store.snapshot()

    def ask(self, command: str | bytes) -> ResponseAPDU:
        """Send raw bytes, or hexadecimal digits."""
        raw = bytes.fromhex(command) if isinstance(command, str) else command
        return ResponseAPDU.parse(self.transmit(raw))

    def select(self, aid: AID, channel: int = 0) -> ResponseAPDU:
        return self.ask(CommandAPDU(channel, 0xA4, 0x04, 0x00, bytes(aid), 256).encode())

    def open_channel(self, number: int) -> None:
        assert self.ask(bytes((0x00, 0x70, 0x00, number))).sw == 0x9000

    def scp03(self, keys: StaticKeys, level: int = 0x33, channel: int = 0, kvn: int = 0) -> SecureConnection:
        return open_scp03(
            ResponseChaining(self),
            StaticKeyring(keys),
            kvn=kvn,
            level=level,
            host_challenge=self._host(8),
            channel=channel,
        )

    def scp11a(self, terminal: LocalTerminalKey, card_key: bytes, channel: int = 0, kvn: int = KVN) -> SecureConnection:
        return open_scp11a(
            ResponseChaining(self),
            kvn=kvn,
            card_public_key=decode_point(card_key),
            terminal=terminal,
            anchor_kvn=KVN,
            ephemeral=self.ephemeral(),
            channel=channel,
        )

    def scp11b(self, card_key: bytes, channel: int = 0) -> SecureConnection:
        return open_scp11b(
            ResponseChaining(self),
            kvn=KVN,
            card_public_key=decode_point(card_key),
            ephemeral=self.ephemeral(),
            channel=channel,
        )

    def ephemeral(self) -> ec.EllipticCurvePrivateKey:
        return private_key(next(self._numbers))


def say(
    connection: CardConnection,
    cla: int,
    ins: int,
    p1: int = 0,
    p2: int = 0,
    data: bytes = b"",
    ne: int | None = None,
    *,
    sw: int | None = None,
) -> ResponseAPDU:
    """Send a command; with `sw`, its status word must be that."""
    response = send(connection, CommandAPDU(cla, ins, p1, p2, data, ne))
    assert sw is None or response.sw == sw, f"{ins:02X} {p1:02X}{p2:02X}: {response.sw:04X}, not {sw:04X}"
    return response


# --- terminals


@lru_cache(maxsize=256)
def terminal(
    *rights: Right,
    city: str = CITY,
    root: ec.EllipticCurvePrivateKey = NATIONAL_ROOT,
    ca_city: str = "*",
    ca_start: int = 20240101,
    start: int = 20240101,
    end: int = 20291231,
    serial: int = 7,
    authorized: bool = True,
    role: Role = Role.COUNTER,
) -> LocalTerminalKey:
    """A terminal below a CA below that root, with those rights (or without the extension: `authorized` False)."""
    everything = TerminalAuthorization(Role.COUNTER, ALL_RIGHTS, ca_city)
    own = TerminalAuthorization(role, frozenset(rights), city) if authorized else None
    ca = authority("CA", "Root", _CA_KEY, authorization=everything).but(start=ca_start, end=20991231).signed(root)
    certificate = leaf("Terminal", "CA", _TERMINAL_KEY, own).but(start=start, end=end, serial=serial).signed(_CA_KEY)
    return LocalTerminalKey(_TERMINAL_KEY, (ca, certificate))


# --- issuing


@dataclass(frozen=True)
class Issued:
    """The cells of an issued chip and the public keys that it told while it was personalised."""

    cells: dict[str, bytes] = field(repr=False)
    juki_11a: bytes
    juki_11b: bytes
    city_11a: bytes
    city_11b: bytes
    authentication: bytes

    def chip(self, seed: object = 1, *further: type[Applet]) -> Chip:
        """A new chip with these cells."""
        return Chip(self.cells, seed, *further)


@lru_cache(maxsize=8)
def _blank_cells(number: int) -> dict[str, bytes]:
    store = MemoryStore()
    manufacture(store, ChipIdentity(number))
    return store.snapshot()


def blank(number: int = 1, seed: object = 0, *further: type[Applet]) -> Chip:
    """A chip as its maker delivers it."""
    return Chip(_blank_cells(number), seed, *further)


def key_set_data(kvn: int, keys: StaticKeys, dek: bytes) -> bytes:
    """The data field of PUT KEY for an AES key set, under the session's DEK."""
    three = (keys.enc, keys.mac, keys.dek)
    parts = (bytes((0x88, len(key))) + encrypt_sensitive(dek, key) + b"\x03" + key_check_value(key) for key in three)
    return bytes((kvn,)) + b"".join(parts)


def put_key_set(session: SecureConnection, keys: StaticKeys, dek: bytes, old: int = 0, kvn: int = KVN) -> None:
    say(session, 0x80, 0xD8, old, 0x81, key_set_data(kvn, keys, dek), sw=0x9000)


def put_anchor(session: SecureConnection, key: ec.EllipticCurvePrivateKey, kvn: int = KVN) -> None:
    point = encode_point(key.public_key())
    say(session, 0x80, 0xD8, 0, gp.KID_TERMINAL_ANCHOR, bytes((kvn, 0xB0, 65)) + point + b"\xf0\x01\0\0", sw=0x9000)


def generate_key(session: SecureConnection, kid: int, kvn: int = KVN) -> bytes:
    """Generate a channel key on the chip; its public point."""
    answer = say(session, 0x80, 0xF1, 0, kid, bytes((kvn, 0xF0, 0x01, 0x00)), 256, sw=0x9000)
    return parse_one(answer.data).value


def store_for_key(session: SecureConnection, kid: int, tlv: Tlv, kvn: int = KVN, sw: int = 0x9000) -> None:
    """STORE DATA of an object beside a key."""
    reference = Tlv.build(gp.TAG_CONTROL_REFERENCE, Tlv(gp.TAG_KEY_REFERENCE, bytes((kid, kvn))))
    say(session, 0x80, 0xE2, 0x90, 0x00, reference.encode() + tlv.encode(), sw=sw)


def store_estimate(session: SecureConnection, date: int, kvn: int = KVN, sw: int = 0x9000) -> None:
    value = Tlv(gp.TAG_DATE_ESTIMATE, bytes.fromhex(f"{date:08d}"))
    store_for_key(session, gp.KID_TERMINAL_ANCHOR, value, kvn, sw)


def install_data(module: AID, aid: AID, privileges: bytes = b"\0", load_file: AID = gp.LOAD_FILE) -> bytes:
    fields = (bytes(load_file), bytes(module), bytes(aid), privileges, b"", b"")
    return b"".join(bytes((len(part),)) + part for part in fields)


def install(session: SecureConnection, module: AID, aid: AID, privileges: bytes = b"\0", sw: int = 0x9000) -> None:
    say(session, 0x80, 0xE6, 0x0C, 0x00, install_data(module, aid, privileges), 256, sw=sw)


@lru_cache(maxsize=4)
def _installed(number: int) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The cells of a chip with all domains, keys and applications, the Juki application still in personalisation."""
    chip = blank(number, seed=number)
    issuer = chip.scp03(TRANSPORT_KEYS)
    issuer_keys = keys_of("issuer", number)
    put_key_set(issuer, issuer_keys, TRANSPORT_KEYS.dek)
    install(issuer, gp.DOMAIN_MODULE, JUKI_DOMAIN, b"\x80\x40\x00")
    install(issuer, gp.DOMAIN_MODULE, CITY_DOMAIN, b"\x80\x40\x00")
    points = {}
    for name, domain, root in (("juki", JUKI_DOMAIN, NATIONAL_ROOT), ("city", CITY_DOMAIN, CITY_ROOT)):
        keys = keys_of(name, number)
        chip.select(domain)
        put_key_set(chip.scp03(issuer_keys), keys, issuer_keys.dek)
        session = chip.scp03(keys)
        put_anchor(session, root)
        store_estimate(session, ESTIMATE)
        points[name + "_11a"] = generate_key(session, gp.KID_SCP11A)
        points[name + "_11b"] = generate_key(session, gp.KID_SCP11B)
        if name == "juki":
            install(session, juki.JUKI_AID, JUKI)
            continue
        install(session, library.MODULE, LIBRARY)
        personalize = b"\0\0" + bytes((len(bytes(LIBRARY)),)) + bytes(LIBRARY) + b"\0\0\0"
        say(session, 0x80, 0xE6, 0x20, 0x00, personalize, sw=0x9000)
        say(session, 0x80, 0xE2, 0x90, 0x00, PATRON, sw=0x9000)
    return chip.cells, points


def in_personalisation(seed: object = 1, number: int = 1) -> Chip:
    """A chip whose Juki application is still open, and empty."""
    return Chip(_installed(number)[0], seed)


CARD_DATA = CardData("000000000000017", CITY, str(EXPIRES), "B").encode()


def write_juki(session: SecureConnection) -> bytes:
    """Write everything that the Juki application needs; the authentication key's public point."""
    say(session, 0x00, 0xD6, 0x81, 0x00, CODE, sw=0x9000)
    say(session, 0x00, 0xD6, 0x86, 0x00, CARD_DATA, sw=0x9000)
    say(session, 0x00, 0xD6, 0x82, 0x00, b"certificates", sw=0x9000)
    answer = say(session, 0x00, 0x47, 0x80, 0x00, bytes.fromhex("B603840182"), 256, sw=0x9000)
    return parse_one(answer.data).children[0].value


@lru_cache(maxsize=4)
def delivered(number: int = 1) -> Issued:
    """Personalisation is closed; the card waits for its holder."""
    cells, points = _installed(number)
    chip = Chip(cells, ("delivered", number))
    chip.select(JUKI)
    session = chip.scp03(keys_of("juki", number))
    key = write_juki(session)
    say(session, 0x00, 0x44, sw=0x9000)
    return Issued(chip.cells, authentication=key, **points)


@lru_cache(maxsize=4)
def active(number: int = 1) -> Issued:
    """Handed over: the holder's password is set, at the Juki application and at the library."""
    issued = delivered(number)
    chip = issued.chip(("active", number))
    chip.select(JUKI)
    session = chip.scp11a(terminal(Right.SET_INITIAL_PASSWORD), issued.juki_11a)
    say(session, 0x00, 0x24, 0x01, juki.PASSWORD, PASSWORD, sw=0x9000)
    chip.select(LIBRARY)
    session = chip.scp11a(service_terminal(), issued.city_11a)
    say(session, 0x00, 0x24, 0x01, library.PASSWORD, PASSWORD, sw=0x9000)
    points = {name: getattr(issued, name) for name in ("juki_11a", "juki_11b", "city_11a", "city_11b")}
    return Issued(chip.cells, authentication=issued.authentication, **points)


def service_terminal(city: str = CITY) -> LocalTerminalKey:
    """A terminal of the municipality's library."""
    return terminal(Right.MUNICIPAL_SERVICE, city=city, root=CITY_ROOT, role=Role.MUNICIPAL_SERVICE)


def juki_session(
    chip: Chip, *rights: Right, issued: Issued | None = None, channel: int = 0, city: str = CITY
) -> SecureConnection:
    """Select the Juki application and open SCP11a as a terminal with those rights."""
    assert chip.select(JUKI, channel).sw == StatusWord.OK
    return chip.scp11a(terminal(*rights, city=city), (issued or active()).juki_11a, channel)


def library_session(chip: Chip, channel: int = 0) -> SecureConnection:
    """Select the library and open SCP11a as its terminal."""
    assert chip.select(LIBRARY, channel).sw == StatusWord.OK
    return chip.scp11a(service_terminal(), active().city_11a, channel)


def verify(session: CardConnection, password: bytes = PASSWORD, cla: int = 0) -> int:
    return say(session, cla, 0x20, 0x00, juki.PASSWORD, password).sw


def read_code(connection: CardConnection, cla: int = 0) -> ResponseAPDU:
    return say(connection, cla, 0xB0, 0x81, 0x00, ne=256)
