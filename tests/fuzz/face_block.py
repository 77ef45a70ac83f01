"""What the face-verification and the shared application are personalised with, as the reference model tells it.

Written from docs/face-verification.md and importing nothing of the card's code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from tests.fuzz.facts import Entry, objects, tlv
from tests.fuzz.model import OK, Expectation, Model, area
from tests.fuzz.wire import refuse

BIRTH, FACE, BASIC, CERTIFICATES = 0x0001, 0x0002, 0x0003, 0x0004
TRIES = b"\x0a"
ACTIVATED = 0x05
INFORMATION_SIZE, INFORMATION, KEY_REFERENCE = 30, b"\x01\x1c", b"\x01\x10"
_RECORDS = {BIRTH: 0xFF10, FACE: 0xFF20, BASIC: 0xFF30, CERTIFICATES: 0x7F21}
_PARTS = {"A": (0xDF24, 0xDF25, 0xDF28, 0xDF29), "B": tuple(range(0xDF22, 0xDF2A))}
_LENGTHS = {0xDF22: (8,), 0xDF23: (1,), 0xDF24: (67,), 0xDF28: (0, 64), 0xDF29: (8,)}
"""Parts of the face record that have not just any length, which is not 0."""


class _Wrong(Exception):  # noqa: N818 - it is how the functions below say 6A80
    """The block is not what the profile says."""


class Block(NamedTuple):
    """What is stored: files and reference numbers by FID."""

    files: Mapping[int, bytes]
    numbers: Mapping[int, bytes]


def _demand(holds: object) -> None:
    if not holds:
        raise _Wrong


def _parts(data: bytes) -> list[tuple[int, bytes]]:
    """Data objects, each in its one form."""
    try:
        found = list(objects(data))
    except IndexError:
        raise _Wrong from None
    _demand(b"".join(tlv(tag, value) for tag, value in found) == data)
    return found


def _values(data: bytes, *tags: int) -> list[bytes]:
    """The values of exactly these objects, in this order."""
    found = _parts(data)
    _demand(tuple(tag for tag, _ in found) == tags)
    return [value for _, value in found]


def _is_key(value: bytes) -> bool:
    return len(value) == 67 and value[:3] == b"\x86\x41\x04"


def read(data: bytes) -> Block:
    """Read the block of the face-verification application, or raise `_Wrong`."""
    given = _parts(data)
    found = dict(given)
    _demand(len(found) == len(given) and found.keys() >= {_RECORDS[fid] for fid in (FACE, BASIC, CERTIFICATES)})
    version = "B" if 0xFF10 in found else "A"
    numbers = {tag & 0x1F: value for tag, value in given if tag in (0x91, 0x92, 0x93)}
    _demand(set(numbers) == ({0x11, 0x12} if version == "B" else {0x13}))
    _demand(len(found) == (4 if version == "B" else 3) + len(numbers))
    expires = _face(found[0xFF20], version)
    _basic(found[0xFF30], version)
    _demand(found[0x7F21] and all(tag == 0x30 for tag, _ in _parts(found[0x7F21])))
    if version == "B":
        birth, key, signature = _values(found[0xFF10], 0xDF11, 0xDF12, 0xDF13)
        _demand(len(birth) == 8 and birth.isdigit() and _is_key(key) and len(signature) in (0, 64))
        _demand(len(numbers[0x11]) == 6 and numbers[0x11].isdigit() and numbers[0x12] == expires + numbers[0x11])
    else:
        _demand(numbers[0x13] == expires)
    files = {fid: tlv(tag, found[tag]) for fid, tag in _RECORDS.items() if tag in found}
    return Block({**files, CERTIFICATES: found[0x7F21]}, numbers)


def _face(record: bytes, version: str) -> bytes:
    """Check the face record; its expiry."""
    tags = _PARTS[version]
    table, *values = _values(record, 0xDF21, *tags)
    found = dict(zip(tags, values, strict=True))
    _demand(all(len(value) in _LENGTHS.get(tag, (len(value) or -1,)) for tag, value in found.items()))
    _demand(_is_key(found[0xDF24]) and found[0xDF29].isdigit())
    _demand(found.get(0xDF22, b"0").isdigit() and found.get(0xDF23, b"1") in (b"1", b"2"))
    position, offsets = len(tlv(0xFF20, record)) - len(record) + 19, b""
    for tag in range(0xDF22, 0xDF2A):
        offsets += (position if tag in found else 0).to_bytes(2)
        position += len(tlv(tag, found[tag])) if tag in found else 0
    _demand(table == offsets)
    return found[0xDF29]


def _basic(record: bytes, version: str) -> None:
    how, key, form, city = _values(record, 0xDF31, 0xDF32, 0xDF33, 0xDF34)
    _demand(how == b"JK" + version.encode() + b"\1" and len(key) == 16 and form == b"\1")
    _demand(len(city) == 5 and city.isdigit())


def personalise_face(model: Model, entry: Entry, data: bytes) -> Expectation:
    """All that the application holds, in place of what it held; a card keeps its version of the face."""
    try:
        block = read(data)
    except _Wrong:
        refuse(0x6A80)
    own = area(entry.instance)
    present = [fid for fid in _RECORDS if f"{own}f/{fid:04x}/h" in model.cells]
    if present and set(present) != set(block.files):
        refuse(0x6985)
    changes: dict[str, object] = {}
    for fid in (*block.files, *block.numbers):
        changes |= {f"{own}f/{fid:04x}/h": ACTIVATED, f"{own}s/{fid:02x}": fid.to_bytes(2)}
    changes |= {f"{own}f/{fid:04x}/d": content for fid, content in block.files.items()}
    for fid, value in block.numbers.items():
        cell = f"{own}p/{0x80 | fid:02x}/"
        changes |= {cell + "h": ACTIVATED, cell + "v": value, cell + "t": TRIES}
    return Expectation(OK, changes=changes)


def personalise_shared(_model: Model, entry: Entry, data: bytes) -> Expectation:
    """The card information, from which the key reference follows."""
    if len(data) != INFORMATION_SIZE or data[:2] != INFORMATION or not data[2:].isdigit():
        refuse(0x6A80)
    records = data, KEY_REFERENCE + data[17:22] + bytes(11)
    cells = (f"{area(entry.instance)}f/{fid:04x}/d" for fid in (1, 2))
    return Expectation(
        OK, changes={cell: len(record).to_bytes(2) + record for cell, record in zip(cells, records, strict=True)}
    )


PERSONALISED: Mapping[str, Callable[[Model, Entry, bytes], Expectation]] = {
    "face": personalise_face,
    "shared": personalise_shared,
}
"""What STORE DATA does for an application of these kinds."""
