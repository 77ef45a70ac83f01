"""How much an application may store: a limit that it was installed with, and what it has used of it."""

from __future__ import annotations

from jukicard.card.errors import CardError
from jukicard.card.transaction import Area
from jukicard.iso7816.status import StatusWord

_CELL = "q"


class Quota:
    """The bytes of one application: control parameters at their encoded length, contents at the most they can hold."""

    __slots__ = ("_area",)

    def __init__(self, area: Area) -> None:
        self._area = area

    @classmethod
    def create(cls, area: Area, limit: int) -> Quota:
        """Begin with nothing used of `limit` bytes (below 2**32)."""
        quota = cls(area)
        quota._write(limit, 0)
        return quota

    @property
    def limit(self) -> int:
        """The limit."""
        return int.from_bytes(self._stored[:4])

    @property
    def used(self) -> int:
        """What is used of it."""
        return int.from_bytes(self._stored[4:])

    def charge(self, count: int) -> None:
        """Use so many bytes more (negative: fewer), if the command succeeds.  6A84 where that is too much."""
        used = self.used + count
        if used > self.limit:
            raise CardError(StatusWord.NOT_ENOUGH_MEMORY, f"{used} bytes of the application's {self.limit}")
        self._write(self.limit, used)

    @property
    def _stored(self) -> bytes:
        return self._area.read(_CELL) or bytes(8)

    def _write(self, limit: int, used: int) -> None:
        self._area.write(_CELL, limit.to_bytes(4) + used.to_bytes(4))
