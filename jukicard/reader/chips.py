"""Chips in card files: making a blank one, and putting one into the emulator."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import cache
from importlib.metadata import entry_points

from jukicard.applets.catalogue import rom
from jukicard.applets.gp.manufacture import ChipIdentity, manufacture
from jukicard.card.card import Card
from jukicard.card.code import Rom
from jukicard.card.explain import Refusal
from jukicard.card.ports import Interface, Observer, Ports
from jukicard.card.store import MemoryStore
from jukicard.reader.cardfile import CardFile, NotBefore, StorageKey
from jukicard.reader.emulator import EmulatorConnection

Randomness = Callable[[int], bytes]
APPLET_GROUP = "jukicard.applets"
"""The entry point group under which a third party registers further applet classes."""

CARD_ID_SIZE = 16


@cache
def full_rom() -> Rom:
    """Return the ROM with the built-in modules and those that installed packages register: one for all chips, since
    code has no state, and made once, since asking every package takes longer than all the rest of a power-on.
    """
    return rom(found.load() for found in entry_points(group=APPLET_GROUP))


def create_chip(
    path: str | os.PathLike[str],
    storage_key: bytes,
    number: int | None = None,
    *,
    random: Randomness = os.urandom,
) -> ChipIdentity:
    """Make a blank chip, as its maker delivers it, in a new card file; without a `number` it gets a random one.

    The file is there whole or not at all.  Raises `CardFileError`, and ValueError for a number of more than 16 digits.
    """
    identity = ChipIdentity(int.from_bytes(random(16)) % 10**16 if number is None else number)
    store = MemoryStore()
    manufacture(store, identity)
    CardFile.create(path, storage_key, store.snapshot(), card_id=random(CARD_ID_SIZE), random=random).close()
    return identity


class CardFileChip:
    """A chip whose store is a card file: the file is open, and nobody else's, until `close`."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        storage_key: StorageKey,
        *,
        not_before: NotBefore = 0,
        closed: Callable[[CardFile], None] | None = None,
        observer: Observer | None = None,
        random: Randomness = os.urandom,
        delay: Callable[[float], None] = time.sleep,
    ) -> None:
        """Open the card file; raises `CardFileError`.  `closed` is called once with the closed file."""
        self._file = CardFile.open(path, storage_key, not_before=not_before, random=random)
        self._closed = closed
        self.card = Card(self._file, full_rom(), Ports(random, delay, observer=observer))

    def close(self) -> None:
        """Take the power away and close the file; closing twice does no harm."""
        self.card.power_off()
        self._file.close()
        closed, self._closed = self._closed, None
        if closed is not None:
            closed(self._file)


class CardFileConnection(EmulatorConnection):
    """A connection to the chip in a card file; `close` closes the file, too."""

    def __init__(self, chip: CardFileChip, interface: Interface = Interface.CONTACT) -> None:
        super().__init__(chip.card, interface)
        self._chip = chip

    @property
    def refusal(self) -> Refusal | None:
        """Why the chip refused the last command, None if it did not: what no card in a reader would ever tell."""
        return self._chip.card.refusal

    def close(self) -> None:
        """Take the power away and close the file; closing twice does no harm."""
        super().close()
        self._chip.close()


def open_emulator(
    path: str | os.PathLike[str], storage_key: bytes, interface: Interface = Interface.CONTACT
) -> CardFileConnection:
    """Put the chip of a card file into the emulator and return the connection to it.  Raises `CardFileError`."""
    return CardFileConnection(CardFileChip(path, storage_key), interface)
