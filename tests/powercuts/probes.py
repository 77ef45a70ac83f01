"""What anybody can read from a card without any right, and what nobody may."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from jukicard.applets.folder import layout as folder
from jukicard.applets.juki import layout as juki
from jukicard.applets.library import layout as library
from jukicard.card.card import Card
from jukicard.card.ports import Ports
from jukicard.card.registry import Registry
from jukicard.card.store import MemoryStore
from jukicard.card.transaction import Transaction
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.testing.seeds import randomness
from tests.powercuts import cards
from tests.support import chips, folders

NAMES = (chips.ISSUER, chips.JUKI_DOMAIN, chips.CITY_DOMAIN, chips.JUKI, chips.LIBRARY, cards.SECOND_LIBRARY)
"""What is asked for besides the applications that there are: names that may have been deleted, or be half there."""
SECRET_FILES = {juki.JUKI_AID: (juki.EF_CODE,), library.MODULE: (library.EF_PATRON,), folder.MODULE: (folders.PRIVATE,)}
"""Files of the applications installed from a module: the resident code, the patron's number, a private note."""
TAGS = (0x0042, 0x0045, 0x0066, 0x00E0, 0x007F, 0x9F7F, 0xBF21, 0xFF33, 0xFF34)


def probes(cells: Mapping[str, bytes]) -> Iterator[CommandAPDU]:
    """Reads of everything that has a number, for one selected application."""
    for sfi in range(1, 31):
        yield CommandAPDU(0x00, 0xB0, 0x80 | sfi, 0x00, b"", 256)
        yield CommandAPDU(0x00, 0xB2, 0x01, sfi << 3 | 5, b"", 256)
    for path in sorted({_path(cell) for cell in cells} - {b""}):
        yield CommandAPDU(0x00, 0xA4, 0x08, 0x04, path, 256)
        yield CommandAPDU(0x00, 0xB0, 0x00, 0x00, b"", 256)
        yield CommandAPDU(0x00, 0xB2, 0x01, 0x05, b"", 256)
    for tag in sorted({*TAGS, *_numbers(cells, "o")}):
        yield CommandAPDU(0x00, 0xCA, tag >> 8, tag & 0xFF, b"", 256)
    yield CommandAPDU(0x00, 0xCA, 0xBF, 0x21, bytes.fromhex("A60483021101"), 256)
    for reference in sorted(_numbers(cells, "k")):
        yield CommandAPDU(0x00, 0x47, 0x81, 0x00, bytes((0xB6, 0x03, 0x84, 0x01, reference)), 256)
    yield CommandAPDU(0x80, 0xF2, 0x40, 0x02, b"\x4f\x00", 256)


def _numbers(cells: Iterable[str], kind: str) -> set[int]:
    """The numbers that objects of that kind have in any application."""
    return {int(cell.split("/")[3], 16) for cell in cells if cell.split("/")[2:3] == [kind]}


def _path(cell: str) -> bytes:
    """The path of the file whose cell it is; nothing for any other cell."""
    _, _, inside = cell.partition("/f/")
    return b"".join(bytes.fromhex(fid) for fid in re.findall(r"(?:^|/f/)([0-9a-f]{4})(?=/)", inside))


def readable(cells: Mapping[str, bytes]) -> tuple[bytes, ...]:
    """The answers to all probes by a chip with these cells; it must not have changed."""
    store = MemoryStore(cells)
    card = Card(store, chips.rom(), Ports(randomness("probes"), strict=True))
    card.power_on()
    answers = []
    for name in sorted({*NAMES, *(entry.aid for entry in Registry(Transaction(store)))}, key=bytes):
        answers.append(card.transmit(CommandAPDU(0x00, 0xA4, 0x04, 0x00, bytes(name), 256).encode()))
        answers += [card.transmit(probe.encode()) for probe in probes(cells)]
    assert store.snapshot() == cells, "a probe changed the card"
    return tuple(answers)


def secrets(cells: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """What no probe may ever answer: the ends of all keys, and of the `SECRET_FILES`."""
    registry = Registry(Transaction(MemoryStore(cells)))
    files = {f"{entry.area}f/{fid:04x}/d" for entry in registry for fid in SECRET_FILES.get(entry.module, ())}
    for name, content in cells.items():
        kind, last = name.split("/")[2:3], name.rsplit("/", 1)[-1]
        is_key = kind in (["key"], ["k"], ["y"]) and last != "h" and len(content) >= 16
        if is_key or (name in files and any(content)):
            yield name, content[-16:]


def betrayed(cells: Mapping[str, bytes], answers: tuple[bytes, ...]) -> str | None:
    """The name of a secret that stands in an answer, or None."""
    everything = b"\0".join(answers)
    return next((name for name, secret in secrets(cells) if secret in everything), None)
