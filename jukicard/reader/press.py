"""A press for many chips: each is in memory while it is written to, and only finished ones become card files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from jukicard.applets.gp.manufacture import ChipIdentity, manufacture
from jukicard.card.card import Card
from jukicard.card.ports import Ports
from jukicard.card.store import MemoryStore
from jukicard.reader.cardfile import NewCard, write_card_files
from jukicard.reader.chips import CARD_ID_SIZE, full_rom
from jukicard.reader.emulator import EmulatorConnection
from jukicard.reader.spec import CARD_SUFFIX

Randomness = Callable[[int], bytes]


class EmulatorPress:
    """Makes chips for the emulator, and card files of those that are kept, sealed with the storage key."""

    def __init__(self, storage_key: bytes, random: Randomness = os.urandom) -> None:
        self._storage_key = storage_key
        self._random = random
        self._last: Mapping[str, bytes] = {}
        self._kept: dict[str, Mapping[str, bytes]] = {}

    @contextmanager
    def chip(self, number: str) -> Iterator[EmulatorConnection]:
        """Yield a connection to a blank chip with that number (16 decimal digits)."""
        store = MemoryStore()
        manufacture(store, ChipIdentity(int(number)))
        with closing(EmulatorConnection(Card(store, full_rom(), Ports(self._random)))) as connection:
            yield connection
        self._last = store.snapshot()

    def keep(self, serial: str) -> None:
        """Take the chip that was finished last as the card of that serial."""
        self._kept[serial] = self._last

    def deliver(self, folder: Path) -> None:
        """Write every card that was kept to `folder`/SERIAL.juki, on the disk when this returns."""
        cards = [
            NewCard(f"{serial}{CARD_SUFFIX}", cells, self._random(CARD_ID_SIZE)) for serial, cells in self._kept.items()
        ]
        write_card_files(folder, self._storage_key, cards, random=self._random)
        self._kept.clear()
