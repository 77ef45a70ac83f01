"""Where a chip keeps what must survive a power cut: the port, and the store in memory.

A store is a flat map of *cells*, from a name to bytes.  The chip reads cells singly and writes them in commits: all
changes of one commit become durable together, or none does.  A store knows nothing of files, keys or applications.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping
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


class Names:
    """The names of a store's cells in their order, for finding those under a prefix among many.

    A cache of what the store knows: it is sorted when it is asked, not when cells come and go.
    """

    __slots__ = ("_cells", "_sorted")

    def __init__(self, cells: Collection[str]) -> None:
        """Name the cells in `cells`, which the store goes on changing."""
        self._cells = cells
        self._sorted: list[str] | None = None

    def changed(self) -> None:
        """A cell was added or removed."""
        self._sorted = None

    def under(self, prefix: str) -> list[str]:
        """Return the names that start with `prefix`, sorted."""
        if self._sorted is None:
            self._sorted = sorted(self._cells)
        names = self._sorted
        if not prefix:
            return names[:]
        behind = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        return names[bisect_left(names, prefix) : bisect_left(names, behind)]


class MemoryStore:
    """A store that lives as long as the process: for tests, and for a chip that is still in the issuing machine."""

    __slots__ = ("_cells", "_names")

    def __init__(self, cells: Mapping[str, bytes] | None = None) -> None:
        self._cells: dict[str, bytes] = dict(cells or {})
        self._names = Names(self._cells)

    def read(self, cell: str) -> bytes | None:
        """Return the content of `cell`, or None where there is no such cell."""
        return self._cells.get(cell)

    def cells(self, prefix: str = "") -> Iterable[str]:
        """Return the names of all cells that start with `prefix`, sorted."""
        return self._names.under(prefix)

    def commit(self, changes: Mapping[str, bytes | None], *, durable: bool = True) -> None:
        """Write all `changes` at once; None removes a cell."""
        cells = self._cells
        for cell, content in changes.items():
            if (cell in cells) == (content is None):
                self._names.changed()
            if content is None:
                cells.pop(cell, None)
            else:
                cells[cell] = content

    def snapshot(self) -> dict[str, bytes]:
        """Return a copy of every cell, for comparing and for loading into another store."""
        return dict(self._cells)
