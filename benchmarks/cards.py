"""The cards that are measured: issued by the real machine, with the real randomness, every check and rule in force."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from jukicard.applets.catalogue import rom
from jukicard.applets.juki.layout import JUKI_AID
from jukicard.card.applet import Applet
from jukicard.card.card import Card
from jukicard.card.ports import Ports
from jukicard.card.store import MemoryStore, Store
from jukicard.testing.offices import Office, Offices, Stage

ROOT = Path(__file__).parents[1]

ISSUER_AID = bytes.fromhex("A000000151000000")
SELECT_ISSUER = bytes.fromhex("00A4040C08") + ISSUER_AID
"""SELECT by name, no answer data."""
SELECT_JUKI = bytes.fromhex("00A4040C0A") + bytes(JUKI_AID)
SELECT_ABSENT = bytes.fromhex("00A4040C08A0000001510000FF")
GET_CHALLENGE = bytes.fromhex("0084000008")
READ_256 = bytes.fromhex("00B0820000")
"""READ BINARY of 256 bytes by short file identifier 02: in the Juki application EF.CERTIFICATES, free to read."""
READ_FORBIDDEN = bytes.fromhex("00B0810000")
"""READ BINARY of the file 01: in the Juki application the resident code, refused by its access rule (6982)."""
READ_ABSENT = bytes.fromhex("00B0850000")
UNKNOWN_INSTRUCTION = bytes.fromhex("00FE0000")


@contextlib.contextmanager
def issued_office() -> Iterator[Office]:
    """An authority in a temporary home, and the cells of the active card that it has issued and handed over."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        office = Offices(Path(folder) / "offices").at(Stage.ACTIVE, Path(folder))
        try:
            yield office
        finally:
            office.close()


def powered(store: Store | Mapping[str, bytes], *further: type[Applet]) -> Card:
    """The chip with these cells, powered on, as it is used: with the machine's randomness."""
    card = Card(MemoryStore(store) if isinstance(store, Mapping) else store, rom(further), Ports(os.urandom))
    card.power_on()
    return card


def require(answer: bytes, sw: int, size: int = 0) -> None:
    """Stop a benchmark that measures something else than it says."""
    if (int.from_bytes(answer[-2:]), len(answer) - 2) != (sw, size):
        raise RuntimeError(f"{sw:04X} and {size} bytes were expected, not {answer[-2:].hex()} and {len(answer) - 2}")
