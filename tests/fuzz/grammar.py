"""What a host may say: for each row data by a small grammar; for rows without one, whatever fits the table.

Everything is drawn from one `random.Random`, so that a seed gives the same again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING

from jukicard.applets.juki import layout as juki
from jukicard.card.commands import ByteSet, Row
from jukicard.iso7816.tlv import Tlv
from jukicard.securechannel.scp03 import encrypt_sensitive, key_check_value
from jukicard.securechannel.scp11 import Variant, encode_point
from tests.fuzz import people
from tests.fuzz.content_grammar import CONTENT_BODIES, NEW_NAMES, purposes
from tests.fuzz.domain_rules import IDENTITY
from tests.fuzz.face_block import PERSONALISED
from tests.fuzz.face_grammar import FACE_BODIES, block, personalised
from tests.fuzz.facts import Entry
from tests.fuzz.folder_grammar import FOLDER_BODIES
from tests.fuzz.jpki_grammar import JPKI_BODIES
from tests.fuzz.loaded_grammar import LOADED_BODIES
from tests.fuzz.model import TERMINATED, Channel, area
from tests.fuzz.service_grammar import SERVICE_BODIES
from tests.support import chips, content, operatorchips
from tests.support.chains import private_key

if TYPE_CHECKING:
    from tests.fuzz.world import Host, World

Body = tuple[int, int, bytes, int | None]
"""P1, P2, data, Ne."""

PASSWORDS = (b"2580", b"7531", b"8642", b"9753")
OPERATORS_PASSWORDS = (operatorchips.PASSWORD, operatorchips.WRONG_PASSWORD, b"six1~6", b"16 characters .!")
CODES = (chips.CODE, b"12345678911", b"98765432101")
LES = (None, None, None, 256, 256, 256, 1, 5, 16, 255, 257, 65535, 65536)
JUNK: tuple[bytes, ...] = (
    b"",
    bytes(4),
    bytes(8),
    bytes(16),
    b"\x4f\x00",
    b"\x83\x02\x11\x01",
    b"99201",
    bytes(range(64)),
    bytes(255),
    bytes(256),
    bytes(2048),
    b"\xa6\x04\x83\x02\x10\x01",
)


@lru_cache(maxsize=512)
def members(values: ByteSet) -> tuple[int, ...]:
    """The bytes of a set."""
    return tuple(value for value in range(256) if value in values)


class Grammar:
    """Draws commands for one logical channel of a world."""

    def __init__(self, rng: Random, world: World) -> None:
        self.rng = rng
        self.world = world
        self.entry: Entry
        self.channel: Channel | None = None
        self.host: Host | None = None
        self.knowledge = rng.choice((0.92, 0.92, 0.92, 0.3))
        """How often a guess at a password or a code is right: most hosts know them, some do not."""

    def body(self, row: Row, entry: Entry, host: Host | None, channel: Channel | None = None) -> Body:
        """P1, P2, data and Ne for a row, mostly such as it takes; `channel`: where it is meant for, if anywhere."""
        self.entry, self.host, self.channel = entry, host, channel
        self.current = (channel is not None and channel.current is not None) or self.chance(0.05)
        rule = BODIES.get(f"{self.kind}: {row.name}") or BODIES.get(row.name)
        if rule is None or self.rng.random() < 0.05:
            return self.fitting(row)
        return rule(self)

    def fitting(self, row: Row) -> Body:
        """Whatever the table says that the row takes."""
        rng = self.rng
        low, high = row.length.minimum, row.length.maximum
        choice = rng.random()
        if choice < 0.2:
            data = rng.choice(JUNK)
        else:
            size = low if choice < 0.5 else rng.randint(low, max(low, min(high, low + 24)))
            data = rng.randbytes(size) if choice < 0.8 else bytes(size)
        return rng.choice(members(row.p1)), rng.choice(members(row.p2)), data, rng.choice(LES)

    # shorter words

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    @property
    def own(self) -> str:
        """The area of the application at hand."""
        return area(self.entry.instance)

    def cell(self, name: str) -> bytes | None:
        content = self.world.model.cells.get(self.own + name)
        return content if isinstance(content, bytes) else None

    @property
    def kind(self) -> str:
        return self.world.model.kind(self.entry)

    @property
    def below(self) -> list[Entry]:
        """The applications of the domain at hand."""
        own = self.entry.instance
        return [e for e in self.world.model.registry if e.domain == own and e.instance != own]

    def name_below(self, *, mine: bool = False) -> bytes:
        names = [e.aid for e in self.below if not mine or e.aid in NEW_NAMES]
        return self.rng.choice(names) if names and self.chance(0.9) else self.rng.choice(NEW_NAMES)


# --- the card itself


def select_application(g: Grammar) -> Body:
    entry = g.rng.choice(g.world.model.registry)
    name = entry.aid if g.chance(0.8) else entry.aid[: g.rng.randint(0, len(entry.aid))]
    return 0x04, g.rng.choice((0x00, 0x00, 0x04, 0x0C, 0x02, 0x0E)), name, g.rng.choice((256, None))


FIDS = {"juki": (1, 2, 6, 7), "operator": (2, 6, 7), "library": (1, 2), "domain": (0x2F00, 0x2F01)}


def select_file(g: Grammar) -> Body:
    fids = FIDS.get(g.kind, (1, 2))
    fid = g.rng.choice(fids) if g.chance(0.9) else 0x3F00
    return g.rng.choice((0x00, 0x02)), g.rng.choice((0x00, 0x04, 0x0C)), fid.to_bytes(2), g.rng.choice((None, 256))


def open_channel(g: Grammar) -> Body:
    return 0x00, g.rng.choice((0, 0, 1, 2, 3)), b"", g.rng.choice((None, 1))


def close_channel(g: Grammar) -> Body:
    return 0x80, g.rng.randrange(4), b"", None


def get_challenge(g: Grammar) -> Body:
    return 0, 0, b"", g.rng.choice((8, 16, None, 256, 8, 8, 8, 257))


def empty(g: Grammar) -> Body:
    return 0, 0, b"", None


# --- files


def read_binary(g: Grammar) -> Body:
    sfis = {"juki": (1, 1, 2, 6, 7, 7), "operator": (2, 6, 7, 1), "library": (1, 1, 1, 2), "domain": (1, 0x1E)}.get(
        g.kind, (1, 2, 3)
    )
    ne = g.rng.choice((256, 256, None, 11, 5, 65536))
    if not g.current or g.chance(0.85):
        return 0x80 | g.rng.choice(sfis), 0 if g.chance(0.93) else g.rng.randrange(256), b"", ne
    return g.rng.choice((0, 0, 0, 1, 8)), g.rng.choice((0, 0, 5, 255)), b"", ne


def update_binary(g: Grammar) -> Body:
    if g.kind == "operator" and g.chance(0.6):
        return 0x86, 0, operatorchips.SERIAL if g.chance(0.9) else b"7" * 15, None
    choice = g.rng.random()
    if choice < 0.4:
        return 0x81, 0 if g.chance(0.9) else 5, g.rng.choice(CODES), None
    if choice < 0.7:
        return 0x86, 0, chips.CARD_DATA, None
    if choice < 0.9:
        return 0x82, g.rng.randrange(256), g.rng.randbytes(g.rng.randint(1, 100)), None
    return 0x87, 0, bytes(6), None


def compare_binary(g: Grammar) -> Body:
    code = g.cell("f/0001/d") or chips.CODE
    data = code if g.chance(g.knowledge) else g.rng.choice(CODES)
    return 0x81, 0, data, None


def read_record(g: Grammar) -> Body:
    return g.rng.choice((1, 1, 1, 2, 3, 20, 21)), g.rng.choice((0x14, 0x14, 0x15, 0x04)), b"", 256


# --- passwords


def _passwords(g: Grammar) -> tuple[bytes, ...]:
    return OPERATORS_PASSWORDS if g.kind == "operator" else PASSWORDS


def _guess(g: Grammar) -> bytes:
    value = g.cell("p/81/v")
    if value is not None and g.chance(g.knowledge):
        return value
    known = _passwords(g)
    return g.rng.choice((*known, *known, b"12", b"12345"))


def verify(g: Grammar) -> Body:
    return 0, 0x81, b"" if g.chance(0.15) else _guess(g), None


def change(g: Grammar) -> Body:
    new = g.rng.choice(_passwords(g)) if g.chance(0.9) else g.rng.choice((b"12a4", b"123", b"12345"))
    return 0, 0x81, _guess(g) + new, None


def set_new(g: Grammar) -> Body:
    return 1, 0x81, g.rng.choice(_passwords(g)) if g.chance(0.9) else b"12a4", None


def reset_counter(g: Grammar) -> Body:
    return (2, 0x81, g.rng.choice(_passwords(g)), None) if g.chance(0.5) else (3, 0x81, b"", None)


# --- the Juki application


def move(g: Grammar) -> Body:
    return 1, 7, g.rng.choice((b"99201", b"99201", b"99202", b"9920a")), None


def key_pair(g: Grammar) -> Body:
    reference = 0x82 if g.chance(0.9) else 0x83
    return g.rng.choice((0x80, 0x81)), 0, bytes((0xB6, 3, 0x84, 1, reference)), 256


def internal_authenticate(g: Grammar) -> Body:
    return 0, juki.AUTHENTICATION_KEY, g.rng.randbytes(g.rng.choice((16, 32, 15))), 256


# --- domains


def initialize_update(g: Grammar) -> Body:
    return g.rng.choice((0, 0, 1, 2, 0xFF)), 0, g.rng.randbytes(8), 256


def external_authenticate(g: Grammar) -> Body:
    return g.rng.choice((0x01, 0x03, 0x11, 0x13, 0x33)), 0, bytes(8), None


def verify_certificate(g: Grammar) -> Body:
    terminal = g.rng.choice(tuple(people.terminals().values()))
    number = g.rng.randrange(2)
    der = terminal.certificates[number]
    if g.chance(0.3):
        spoilt = bytearray(der)
        spoilt[g.rng.randrange(len(der))] ^= 1 << g.rng.randrange(8)
        der = bytes(spoilt)
    return 0, 0x90 if number == 0 else 0x10, der, 256


def agreement(g: Grammar, variant: Variant) -> bytes:
    from tests.fuzz.world import request_for

    data = request_for(variant, g.rng.randrange(8))
    if g.chance(0.7):
        return data
    spoilt = bytearray(data)
    spoilt[g.rng.randrange(len(data))] ^= 1 << g.rng.randrange(8)
    return bytes(spoilt)


def mutual_authenticate(g: Grammar) -> Body:
    return 0, 0x11, agreement(g, Variant.SCP11A), 256


def authenticate_card(g: Grammar) -> Body:
    return 0, 0x13, agreement(g, Variant.SCP11B), 256


def _dek(g: Grammar) -> bytes:
    return g.host.dek if g.host is not None and g.host.dek is not None else bytes(16)


@lru_cache(maxsize=64)
def _key_set(kvn: int, number: int, size: int, dek: bytes) -> bytes:
    return chips.key_set_data(kvn, chips.static_keys(f"fuzz {number}", size), dek)


def _versions(g: Grammar, kid: int) -> tuple[int, int]:
    """The version to replace (or 00) and the new one."""
    own = f"{area(g.entry.instance)}key/{kid:02x}/"
    present = [int(cell[-2:], 16) for cell in g.world.model.under(own)]
    if g.chance(0.05):
        return 9, 9  # there is none
    if present and g.chance(0.6):
        old = g.rng.choice(present)
        return old, old if old < 0x80 else 1
    return 0, g.rng.choice((1, 2, 3, 0x7F, 0x80))


def put_key_set(g: Grammar) -> Body:
    old, new = _versions(g, 0x01)
    return old, 0x81, _key_set(new, g.rng.randrange(3), g.rng.choice((16, 32)), _dek(g)), 256


def put_aes_key(g: Grammar) -> Body:
    old, new = _versions(g, 0x22)
    key = bytes((g.rng.randrange(256),)) * 16
    check = key_check_value(key if g.chance(0.9) else bytes(16))
    return old, 0x22, bytes((new, 0x88, 16)) + encrypt_sensitive(_dek(g), key) + b"\x03" + check, 256


_PUBLIC = {
    0x10: (chips.NATIONAL_ROOT, chips.CITY_ROOT, private_key(9)),
    0x20: (content.APPROVAL_KEY, content.APPROVAL_KEY, private_key(9)),
    0x21: (content.TOKEN_KEY, content.TOKEN_KEY, private_key(9)),
}


def put_ec_key(g: Grammar) -> Body:
    kid = g.rng.choice((0x10, 0x10, 0x11, 0x13, 0x20, 0x21))
    old, new = _versions(g, kid)
    if kid in _PUBLIC:
        kind, value = 0xB0, encode_point(g.rng.choice(_PUBLIC[kid]).public_key())
    else:
        kind, value = 0xB1, encrypt_sensitive(_dek(g), g.rng.choice((b"\x01", b"\x00", b"\xff")) * 32)
    return old, kid, bytes((new, kind, len(value))) + value + b"\xf0\x01\0\0", 256


def generate_ec_key(g: Grammar) -> Body:
    kid = g.rng.choice((0x11, 0x13))
    old, new = _versions(g, kid)
    return old, kid, bytes((new, 0xF0, 0x01, 0x00)), 256


def get_status(g: Grammar) -> Body:
    return g.rng.choice((0x80, 0x40, 0x40, 0x20, 0x10)), g.rng.choice((0x02, 0x02, 0x03)), b"\x4f\x00", 256


def set_card_status(g: Grammar) -> Body:
    state = g.world.model.card_state
    if g.chance(0.03):
        return 0x80, TERMINATED, b"", None
    wanted = {0x01: 0x07, 0x07: 0x0F, 0x0F: 0x7F, 0x7F: 0x0F}.get(state, 0x0F)
    if wanted == 0x7F and g.chance(0.8):
        wanted = 0x07
    return 0x80, wanted if g.chance(0.85) else g.rng.choice((0x01, 0x07, 0x0F)), b"", None


TAGS = (*IDENTITY, 0x66, 0xE0, 0xC1, 0xBF21, 0xFF33, 0xFF34, 0x00CF, 0x0101, 0xBF62)


def get_data(g: Grammar) -> Body:
    tag = g.rng.choice(TAGS)
    data = bytes((0xA6, 4, 0x83, 2, g.rng.choice((0x10, 0x11, 0x13)), 1)) if tag == 0xBF21 else b""
    return tag >> 8, tag & 0xFF, data, 256


def store_data(g: Grammar) -> Body:
    kind = personalised(g.world.model, g.channel)
    if kind and g.chance(0.9):
        if kind in PERSONALISED:
            return 0x90, 0, block(g, kind), None
        return 0x90, 0, chips.PATRON if g.chance(0.8) else b"12a", None
    if g.chance(0.15):
        return 0x90, 0, purposes(g), None
    choice = g.rng.randrange(6) if g.entry.instance == 1 else g.rng.choice((0, 0, 0, 1, 2, 2, 3, 5))
    kid = 0x10 if choice == 0 and g.chance(0.9) else g.rng.choice((0x10, 0x10, 0x11, 0x13))
    reference = Tlv.build(0xA6, Tlv(0x83, bytes((kid, 1)))).encode()
    if choice == 0:
        day = g.rng.choice(("20240601", "20240701", "20240701", "20250101", "20249901", "2024060A"))
        return 0x90, 0, reference + Tlv(0x5F25, bytes.fromhex(day)).encode(), None
    if choice == 1:
        return 0x90, 0, reference + bytes.fromhex(g.rng.choice(("7003930107", "7000", "7003920107"))), None
    if choice == 2:
        return 0x90, 0, reference + Tlv(0xBF21, g.rng.choice((b"\x30\x03abc", b"", b"\x31\x00"))).encode(), None
    if choice == 3:
        return 0x90, 0, bytes((0xA6, 11, 0x80, 1, 0, 0x42, 2, 0xAA, 0xBB, 0x83, 2, kid, 1)), None
    if choice == 4:
        return 0x90, 0, Tlv(g.rng.choice(IDENTITY), g.rng.randbytes(8)).encode(), None
    return 0x90, 0, g.rng.randbytes(g.rng.randint(1, 20)), None


BODIES: dict[str, Callable[[Grammar], Body]] = {
    "SELECT (application)": select_application,
    "SELECT (file)": select_file,
    "MANAGE CHANNEL (open)": open_channel,
    "MANAGE CHANNEL (close)": close_channel,
    "GET CHALLENGE": get_challenge,
    "GET RESPONSE": empty,
    "READ BINARY": read_binary,
    "UPDATE BINARY": update_binary,
    "COMPARE BINARY": compare_binary,
    "READ RECORD": read_record,
    "VERIFY": verify,
    "CHANGE REFERENCE DATA": change,
    "CHANGE REFERENCE DATA (new only)": set_new,
    "CHANGE REFERENCE DATA (initial password)": set_new,
    "RESET RETRY COUNTER": reset_counter,
    "ACTIVATE FILE (application)": empty,
    "DEACTIVATE FILE (application)": empty,
    "TERMINATE DF (application)": empty,
    "PUT DATA (new municipality)": move,
    "GENERATE ASYMMETRIC KEY PAIR": key_pair,
    "GENERATE ASYMMETRIC KEY PAIR (read public key)": key_pair,
    "INTERNAL AUTHENTICATE": internal_authenticate,
    "INITIALIZE UPDATE": initialize_update,
    "EXTERNAL AUTHENTICATE": external_authenticate,
    "PERFORM SECURITY OPERATION (verify certificate)": verify_certificate,
    "MUTUAL AUTHENTICATE (SCP11a)": mutual_authenticate,
    "INTERNAL AUTHENTICATE (SCP11b)": authenticate_card,
    "PUT KEY (AES key set)": put_key_set,
    "PUT KEY (EC key)": put_ec_key,
    "PUT KEY (AES key)": put_aes_key,
    "GENERATE EC KEY": generate_ec_key,
    "GET STATUS": get_status,
    "SET STATUS (card)": set_card_status,
    "GET DATA": get_data,
    "STORE DATA": store_data,
    **CONTENT_BODIES,
    **FOLDER_BODIES,
    **SERVICE_BODIES,
    **LOADED_BODIES,
    **JPKI_BODIES,
    **FACE_BODIES,
}
