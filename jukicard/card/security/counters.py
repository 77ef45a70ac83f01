"""Durable try counters: spent before what they guard is tried, given back only after it succeeded."""

from __future__ import annotations

from jukicard.card.errors import CardError
from jukicard.card.transaction import Area
from jukicard.iso7816.status import StatusWord


class TryCounter:
    """The tries left for one secret (0-15), in one cell of an area."""

    __slots__ = ("_area", "_cell", "maximum")

    def __init__(self, area: Area, cell: str, maximum: int) -> None:
        self._area = area
        self._cell = cell
        self.maximum = maximum

    @property
    def left(self) -> int:
        """How many tries are left."""
        stored = self._area.read(self._cell)
        return self.maximum if stored is None else stored[0]

    def spend(self) -> int:
        """Take one try, durably, before the comparison, and return how many are left.  6983 when there is none."""
        left = self.left
        if left == 0:
            raise CardError(StatusWord.BLOCKED, "no tries are left")
        self._area.spend(self._cell, bytes((left - 1,)))
        return left - 1

    def give_back(self) -> None:
        """All tries are there again, if the command succeeds; a power cut may leave the count as it was spent."""
        self._area.give_back(self._cell, bytes((self.maximum,)))

    def reset(self) -> None:
        """All tries are there again, durably, if the command succeeds."""
        self._area.write(self._cell, bytes((self.maximum,)))
