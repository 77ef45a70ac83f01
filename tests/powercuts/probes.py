"""What anybody can read from a card without any right, and what nobody may."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from jukicard.card.registry import Registry
from jukicard.card.store import MemoryStore
from jukicard.card.transaction import Transaction
from jukicard.iso7816.apdu import CommandAPDU
from tests.powercuts import cards
from tests.support import chips
from tests.support.issued import new_card

NAMES = (chips.ISSUER, chips.JUKI_DOMAIN, chips.CITY_DOMAIN, chips.JUKI, chips.LIBRARY, cards.SECOND_LIBRARY)
"""What is asked for besides the applications that there are: names that may have been deleted, or be half there."""
TAGS = (0x0042, 0x0045, 0x0066, 0x00E0, 0x007F, 0x9F7F, 0xBF21, 0xFF33, 0xFF34)


def probes(cells: Mapping[str, bytes]) -> Iterator[CommandAPDU]:
    """Reads of everything that has a number, for one selected application."""
    for sfi in range(1, 31):
        yield CommandAPDU(0x00, 0xB0, 0x80 | sfi, 0x00, b"", 256)
        yield CommandAPDU(0x00, 0xB2, 0x01, sfi << 3 | 5, b"", 256)
    for fid in sorted({cell.split("/")[3] for cell in cells if cell.split("/")[2:3] == ["f"]}):
        yield CommandAPDU(0x00, 0xA4, 0x00, 0x04, bytes.fromhex(fid), 256)
        yield CommandAPDU(0x00, 0xB0, 0x00, 0x00, b"", 256)
        yield CommandAPDU(0x00, 0xB2, 0x01, 0x05, b"", 256)
    for tag in TAGS:
        yield CommandAPDU(0x00, 0xCA, tag >> 8, tag & 0xFF, b"", 256)
    yield CommandAPDU(0x00, 0xCA, 0xBF, 0x21, bytes.fromhex("A60483021101"), 256)
    yield CommandAPDU(0x00, 0x47, 0x81, 0x00, bytes.fromhex("B603840182"), 256)
    yield CommandAPDU(0x80, 0xF2, 0x40, 0x02, b"\x4f\x00", 256)


def readable(cells: Mapping[str, bytes]) -> tuple[bytes, ...]:
    """The answers to all probes by a chip with these cells; it must not have changed."""
    store = MemoryStore(cells)
    card = new_card(store, "probes")
    card.power_on()
    answers = []
    for name in sorted({*NAMES, *(entry.aid for entry in Registry(Transaction(store)))}, key=bytes):
        answers.append(card.transmit(CommandAPDU(0x00, 0xA4, 0x04, 0x00, bytes(name), 256).encode()))
        answers += [card.transmit(probe.encode()) for probe in probes(cells)]
    assert store.snapshot() == cells, "a probe changed the card"
    return tuple(answers)


def secrets(cells: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """What no probe may ever answer: the ends of all keys, and each application's EF 0001: the resident code, the
    patron's number.
    """
    for name, content in cells.items():
        kind, last = name.split("/")[2:3], name.rsplit("/", 1)[-1]
        is_key = kind in (["key"], ["k"]) and last != "h" and len(content) >= 16
        if is_key or (name.endswith("/f/0001/d") and any(content)):
            yield name, content[-16:]


def betrayed(cells: Mapping[str, bytes], answers: tuple[bytes, ...]) -> str | None:
    """The name of a secret that stands in an answer, or None."""
    everything = b"\0".join(answers)
    return next((name for name, secret in secrets(cells) if secret in everything), None)
