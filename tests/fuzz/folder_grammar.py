"""What the owner of a folder and its users say: files, records, data objects, passwords and keys made by their host."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.fuzz.facts import Entry, tlv
from tests.fuzz.folder_rules import cryptogram
from tests.fuzz.model import Model, area
from tests.fuzz.proofs import DEACTIVATED, INITIAL

if TYPE_CHECKING:
    from tests.fuzz.grammar import Body, Grammar

PLAIN, LONG, FIXED, VARIABLE, CYCLIC, INNER, OUTER = range(0x0101, 0x0108)
FILES = (PLAIN, LONG, FIXED, VARIABLE, CYCLIC, INNER, OUTER)
DESCRIPTORS = {
    PLAIN: b"\x01",
    LONG: b"\x01",
    FIXED: b"\x02\x41\x00\x04\x03",
    VARIABLE: b"\x04\x41\x00\x08\x03",
    CYCLIC: b"\x06\x41\x00\x04\x03",
    INNER: b"\x38",
    OUTER: b"\x38",
}
SIZES = {PLAIN: 40, LONG: 600}
SHUT = OWNERS, BY_PASSWORD, BY_KEY, NOBODYS, RECORDS, COUNTED = tuple(range(0x0111, 0x0117))
"""Files with stricter rules, in a folder that was furnished."""
PASSWORD, SECRET, PAIR, OTHER_SECRET, OTHER_PAIR = 0x81, 0x83, 0x84, 0x85, 0x86
MARK = b"m"
"""What records begin with."""
TAGS = (0x0101, 0x0042, 0x5F50, 0x007B)
RULES = b"".join(bytes((0x84, 0x01, ins, 0x90, 0x00)) for ins in (0x20, 0x24, 0x2C, 0x82, 0x88, 0x2A, 0x47, 0xDB))
RULES += bytes.fromhex("80017F9000")
"""Everybody may do everything."""


def _fid(g: Grammar) -> int:
    return g.rng.choice((*FILES, *FILES, *SHUT)) if g.chance(0.97) else g.rng.randrange(1 << 16)


def _name(g: Grammar) -> bytes:
    return b"" if g.chance(0.2) else _fid(g).to_bytes(2)


def create_file(g: Grammar) -> Body:
    fid = g.rng.choice(FILES)
    parts = tlv(0x82, DESCRIPTORS[fid]) + tlv(0x83, fid.to_bytes(2))
    if fid in SIZES:
        parts += tlv(0x80, SIZES[fid].to_bytes(2))
    if g.chance(0.2):
        parts += tlv(0x8A, g.rng.choice((b"\x03", b"\x05", b"\x04")))
    if g.chance(0.9):
        parts += tlv(0xAB, RULES)
    return 0, 0, tlv(0x62, parts if g.chance(0.95) else parts[:-1]), None


def name(g: Grammar) -> Body:
    return 0, 0, _name(g), None


def activate(g: Grammar) -> Body:
    """Wake a file that sleeps, if there is one."""
    files = asleep(g.world.model, g.entry)
    return (0, 0, g.rng.choice(files).to_bytes(2), None) if files and g.chance(0.7) else name(g)


def asleep(model: Model, entry: Entry) -> list[int]:
    """The files in the application's own DF that wait to be activated."""
    own = area(entry.instance) + "f/"
    return [fid for fid in FILES if model.cells.get(f"{own}{fid:04x}/h") in (INITIAL, DEACTIVATED)]


def terminate_or_delete(g: Grammar) -> Body:
    return 0, 0, g.rng.choice((PLAIN, FIXED, CYCLIC, INNER, OUTER)).to_bytes(2), None


def select_file(g: Grammar) -> Body:
    p1 = g.rng.choice((0, 0, 1, 2, 3))
    data = b"" if p1 == 3 else _fid(g).to_bytes(2)
    return p1, g.rng.choice((0x00, 0x04, 0x0C)), data, g.rng.choice((None, 256))


def select_path(g: Grammar) -> Body:
    p1 = g.rng.choice((0x08, 0x09))
    path = [0x3FFF] if p1 == 0x08 and g.chance(0.8) else []
    steps = g.rng.choice((0, 1, 1, 2))
    path += [INNER] * (steps > 1) + [_fid(g)] * (steps > 0)
    return p1, g.rng.choice((0x00, 0x04, 0x0C)), b"".join(fid.to_bytes(2) for fid in path), g.rng.choice((None, 256))


def _binary(g: Grammar) -> tuple[int, int]:
    if g.current and g.chance(0.4):
        return 0, g.rng.choice((0, 8))
    sfi = g.rng.choice((PLAIN, PLAIN, LONG, LONG, *SHUT)) & 0x1F
    return 0x80 | sfi, g.rng.choice((0, 0, 3, 41))


def read_binary(g: Grammar) -> Body:
    return *_binary(g), b"", g.rng.choice((256, None, 5))


def update_binary(g: Grammar) -> Body:
    return *_binary(g), g.rng.randbytes(g.rng.randint(1, 20)), None


def erase_binary(g: Grammar) -> Body:
    return *_binary(g), g.rng.choice((b"", b"\x00\x10")), None


def by_objects(g: Grammar) -> Body:
    return 0, g.rng.choice((0, 1, 2, BY_PASSWORD & 0x1F)), tlv(0x54, bytes((g.rng.choice((0, 5, 50)),))), 256


def update_by_objects(g: Grammar) -> Body:
    p1, p2, offset, _ = by_objects(g)
    return p1, p2, offset + tlv(0x53, g.rng.randbytes(g.rng.randint(1, 9))), None


def _record(g: Grammar) -> tuple[int, int]:
    """P1, and P2 without its lowest bits."""
    return g.rng.choice((0, 1, 1, 2, 4)), g.rng.choice((3, 3, 4, 4, 5, 5, RECORDS & 0x1F, 0)) << 3


def read_record(g: Grammar) -> Body:
    p1, p2 = _record(g)
    return p1, p2 | g.rng.choice((4, 4, 5, 6, 0, 1, 2, 3)), b"", 256


def update_record(g: Grammar) -> Body:
    p1, p2 = _record(g)
    return p1, p2 | g.rng.choice((4, 4, 0, 2)), _content(g), None


def append_record(g: Grammar) -> Body:
    return 0, _record(g)[1], _content(g), None


def _content(g: Grammar) -> bytes:
    return MARK + g.rng.randbytes(3)


def search_record(g: Grammar) -> Body:
    p1, p2 = _record(g)
    mode = g.rng.choice((4, 5, 6))
    return p1, p2 | mode, (b"\x04\x00" if mode == 6 else b"") + (MARK if g.chance(0.7) else g.rng.randbytes(1)), 256


def get_data(g: Grammar) -> Body:
    tag = g.rng.choice(TAGS)
    return tag >> 8, tag & 0xFF, b"", 256


def compare_binary(g: Grammar) -> Body:
    p1, p2 = _binary(g)
    if g.chance(0.3):
        p1, p2 = 0x80 | COUNTED & 0x1F, 0
    content = (g.cell(f"f/{0x0100 | p1 & 0x1F:04x}/d") or bytes(8))[p2:]
    return p1, p2, content if g.chance(0.6) else g.rng.randbytes(max(1, len(content))), None


def put_data(g: Grammar) -> Body:
    tag = g.rng.choice(TAGS)
    environment = tlv(0x80, b"\x01") + tlv(0xB6, tlv(0x84, bytes((PAIR,))))
    data = environment if tag == 0x7B else g.rng.randbytes(g.rng.randint(0, 20))
    return tag >> 8, tag & 0xFF, data, None


def tag_list(g: Grammar) -> Body:
    return 0x3F, 0xFF, tlv(0x5C, g.rng.choice((b"\x42", b"\x7b\x42", b"\x5f\x50\x42"))), 256


def _usage(tag: int, reference: int, usage: int) -> bytes:
    return tlv(tag, bytes((reference,))) + tlv(0x95, bytes((usage,)))


def put_reference_data(g: Grammar) -> Body:
    choice = g.rng.randrange(5)
    password, secret, pair = (PASSWORD, SECRET, PAIR) if g.chance(0.5) else (0x82, OTHER_SECRET, OTHER_PAIR)
    if choice == 0:
        made = tlv(0xA4, _usage(0x83, password, 0x08)) + tlv(0x80, b"\x04\x08\x03")
    elif choice == 1:
        made = tlv(0xA4, _usage(0x83, secret, 0xC0)) + tlv(0x80, b"\x0f")
    elif choice == 2:
        made = tlv(0xB6, _usage(0x84, pair, 0x40))
    else:
        template = tlv(0xA4, tlv(0x83, bytes((secret,)))) if choice == 3 else tlv(0xB6, tlv(0x84, bytes((pair,))))
        value = g.rng.randbytes(16 if choice == 3 else 32)
        return 0x3F, 0xFF, tlv(0x4D, template + tlv(0x7F48, bytes((0x92, len(value)))) + tlv(0x5F48, value)), None
    return 0x3F, 0xFF, tlv(0x62, made + tlv(0xAB, RULES)), None


def external_authenticate(g: Grammar) -> Body:
    challenge = g.channel.challenge if g.channel is not None else None
    key, reference = g.cell(f"y/{SECRET:02x}/v"), g.rng.choice((SECRET, SECRET, SECRET, 0))
    if challenge is None or challenge[0] is None or key is None or not g.chance(g.knowledge):
        return 0, reference, g.rng.randbytes(16), None
    return 0, reference, cryptogram(key, g.entry.aid, SECRET, challenge[0]), None


def internal_authenticate(g: Grammar) -> Body:
    return 0, g.rng.choice((SECRET, SECRET, 0)), g.rng.randbytes(16), 256


def get_challenge(g: Grammar) -> Body:
    return 0, 0, b"", g.rng.choice((16, 16, 16, 8))


def set_environment(g: Grammar) -> Body:
    signing = g.chance(0.7)
    tag, p2, reference = (0x84, 0xB6, PAIR) if signing else (0x83, 0xA4, SECRET)
    return g.rng.choice((0x41, 0x41, 0x81, 0xC1)), p2, tlv(tag, bytes((reference,))), None


def restore_environment(g: Grammar) -> Body:
    return 0xF3, g.rng.choice((0, 1, 2)), b"", None


def key_pair(g: Grammar) -> Body:
    pair = g.rng.choice((PAIR, OTHER_PAIR, OTHER_PAIR))
    return g.rng.choice((0x80, 0x81)), 0, tlv(0xB6, tlv(0x84, bytes((pair,)))), 256


def sign(g: Grammar) -> Body:
    return 0x9E, 0x9A, g.rng.randbytes(32), 256


FOLDER_BODIES: dict[str, Callable[[Grammar], Body]] = {
    "CREATE FILE": create_file,
    "DELETE FILE": terminate_or_delete,
    "ACTIVATE FILE": activate,
    "DEACTIVATE FILE": name,
    "TERMINATE EF": terminate_or_delete,
    "TERMINATE DF": terminate_or_delete,
    "SELECT (path)": select_path,
    "ERASE BINARY": erase_binary,
    "ERASE BINARY (offset objects)": by_objects,
    "READ BINARY (offset objects)": by_objects,
    "UPDATE BINARY (offset objects)": update_by_objects,
    "SEARCH RECORD": search_record,
    "GET DATA (tag list)": tag_list,
    "PUT DATA": put_data,
    "PUT DATA (password, key)": put_reference_data,
    "MANAGE SECURITY ENVIRONMENT (SET)": set_environment,
    "MANAGE SECURITY ENVIRONMENT (RESTORE)": restore_environment,
    "PERFORM SECURITY OPERATION (COMPUTE DIGITAL SIGNATURE)": sign,
    "folder: SELECT (file)": select_file,
    "folder: COMPARE BINARY": compare_binary,
    "folder: READ BINARY": read_binary,
    "folder: UPDATE BINARY": update_binary,
    "folder: READ RECORD": read_record,
    "folder: UPDATE RECORD": update_record,
    "folder: APPEND RECORD": append_record,
    "folder: GET DATA": get_data,
    "folder: GET CHALLENGE": get_challenge,
    "folder: EXTERNAL AUTHENTICATE": external_authenticate,
    "folder: INTERNAL AUTHENTICATE": internal_authenticate,
    "folder: GENERATE ASYMMETRIC KEY PAIR": key_pair,
    "folder: GENERATE ASYMMETRIC KEY PAIR (read public key)": key_pair,
}
"""By the row's name; with `folder:` before it where other applications have a row of that name."""
