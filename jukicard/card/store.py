"""Where a chip keeps what must survive a power cut: the port, and the store in memory.

A store is a flat map of *cells*, from a name to bytes.  The chip reads cells singly and writes them in commits: all
changes of one commit become durable together, or none does.  A store knows nothing of files, keys or applications.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from typing import Protocol


class Store(Protocol):
    """The port that every store implements.  Cell names are ASCII, 1-200 characters, ``/`` between levels."""

    def read(self, cell: str) -> bytes | None:
        """Return the content of `cell`, or None where there is no such cell."""

    def cells(self, prefix: str = "") -> Iterable[str]:
        """Return the names of all cells that start with `prefix`, sorted."""

    def commit(self, changes: Mapping[str, bytes | None], *, durable: bool = True) -> None:
        """Write all `changes` at once; None removes a cell.  Returns when they are committed.

        With ``durable=False`` the change may still be lost in a power cut (never torn, never reordered before an
        earlier commit); the chip uses it only to give back a try after a successful VERIFY.
        """


_AFTER_ASCII = "\x80"
"""Greater than any character of a cell's name."""


class CellNames:
    """The names of a store's cells in order: those under a prefix are found without a look at all the others."""

    __slots__ = ("_names",)

    def __init__(self, names: Iterable[str]) -> None:
        self._names = sorted(names)

    def under(self, prefix: str) -> list[str]:
        """Return the names that start with `prefix`, sorted."""
        names = self._names
        start = bisect_left(names, prefix)
        return names[start : bisect_left(names, prefix + _AFTER_ASCII, start)]

    def add(self, name: str) -> None:
        """Enter a name that is not there."""
        insort(self._names, name)

    def remove(self, name: str) -> None:
        """Strike out a name that is there."""
        del self._names[bisect_left(self._names, name)]


class MemoryStore:
    """A store that lives as long as the process: for tests, and for a chip that is still in the issuing machine."""

    __slots__ = ("_cells", "_names")

    def __init__(self, cells: Mapping[str, bytes] | None = None) -> None:
        self._cells: dict[str, bytes] = dict(cells or {})
        self._names = CellNames(self._cells)

    def read(self, cell: str) -> bytes | None:
        """Return the content of `cell`, or None where there is no such cell."""
        return self._cells.get(cell)

    def cells(self, prefix: str = "") -> Iterable[str]:
        """Return the names of all cells that start with `prefix`, sorted."""
        return self._names.under(prefix)

    def commit(self, changes: Mapping[str, bytes | None], *, durable: bool = True) -> None:
        """Write all `changes` at once; None removes a cell."""
        for cell, content in changes.items():
            if content is None:
                if self._cells.pop(cell, None) is not None:
                    self._names.remove(cell)
            else:
                if cell not in self._cells:
                    self._names.add(cell)
                self._cells[cell] = content

    def snapshot(self) -> dict[str, bytes]:
        """Return a copy of every cell, for comparing and for loading into another store."""
        return dict(self._cells)
