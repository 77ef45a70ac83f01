"""One transaction per command, and each application's own view of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from jukicard.card.store import Store


class UndeclaredWriteError(RuntimeError):
    """A command wrote whose row says that it does not: a bug of ours."""


class Meter(Protocol):
    """What measures the store while commands are committed."""

    def admit(self, changes: Mapping[str, bytes | None]) -> dict[str, int]:
        """Return by how much each area grows; CardError (6A84) where that is too much."""

    def commit(self, growth: Mapping[str, int]) -> None:
        """Take note that it has grown."""


class Transaction:
    """Buffers a command's writes until they are committed together, before the response leaves the chip.

    While `writable` is false nothing reaches the store (UndeclaredWriteError): the dispatcher sets it to what the
    command's row declares.  With a `meter`, nothing is committed that it does not admit.
    """

    __slots__ = ("_changes", "_meter", "_relaxed", "_store", "writable")

    def __init__(self, store: Store, meter: Meter | None = None, *, writable: bool = True) -> None:
        self._store = store
        self._meter = meter
        self._changes: dict[str, bytes | None] = {}
        self._relaxed: dict[str, bytes | None] = {}
        self.writable = writable

    def read(self, cell: str) -> bytes | None:
        """Return a cell's content as this command sees it: its own writes included."""
        if self._changes and cell in self._changes:
            return self._changes[cell]
        if self._relaxed and cell in self._relaxed:
            return self._relaxed[cell]
        return self._store.read(cell)

    def write(self, cell: str, content: bytes | None) -> None:
        """Write a cell (None removes it) when the command succeeds; it wins over what `give_back` writes there."""
        self._changes[cell] = content

    def give_back(self, cell: str, content: bytes) -> None:
        """Write a cell when the command succeeds, where a power cut may still forget it: a try given back."""
        self._relaxed[cell] = content

    def spend(self, cell: str, content: bytes) -> None:
        """Write a cell now, durably, and keep it whatever becomes of the command: a try, before it is used."""
        self._check_writable()
        if self._meter and self._store.read(cell) is None:
            self._meter.commit(self._meter.admit({cell: content}))
        self._store.commit({cell: content})

    def cells(self, prefix: str) -> list[str]:
        """Return the names under `prefix` as this command sees them, sorted."""
        names = list(self._store.cells(prefix))
        if not self._changes:
            return names
        changed = {name: content for name, content in self._changes.items() if name.startswith(prefix)}
        kept = {name for name in names if name not in changed}
        return sorted(kept | {name for name, content in changed.items() if content is not None})

    def commit(self) -> None:
        """Make the command's writes durable.  A command that wrote nothing touches no disk."""
        if self._changes:
            self._check_writable()
            changes = {**self._relaxed, **self._changes}
            growth = self._meter.admit(changes) if self._meter else {}
            self._store.commit(changes)
            if growth and self._meter:
                self._meter.commit(growth)
        elif self._relaxed:
            self._check_writable()
            self._store.commit(self._relaxed, durable=False)

    def _check_writable(self) -> None:
        if not self.writable:
            raise UndeclaredWriteError("a command wrote whose row declares that it does not")


class Area:
    """The cells of one application: the only ones that its code can name."""

    __slots__ = ("_prefix", "_transaction")

    def __init__(self, transaction: Transaction, prefix: str) -> None:
        """Open the area whose cells begin with `prefix`: that of an entry of the registry."""
        self._transaction = transaction
        self._prefix = prefix

    def read(self, cell: str) -> bytes | None:
        """Return the content of the cell, or None."""
        return self._transaction.read(self._prefix + cell)

    def write(self, cell: str, content: bytes | None) -> None:
        """Write a cell when the command succeeds; None removes it."""
        self._transaction.write(self._prefix + cell, content)

    def spend(self, cell: str, content: bytes) -> None:
        """Write a cell at once and whatever becomes of the command."""
        self._transaction.spend(self._prefix + cell, content)

    def give_back(self, cell: str, content: bytes) -> None:
        """Write a cell when the command succeeds, without waiting for the disk."""
        self._transaction.give_back(self._prefix + cell, content)

    def cells(self, prefix: str = "") -> list[str]:
        """Return the names in this area that start with `prefix`, sorted, without the area's own prefix."""
        start = len(self._prefix)
        return [cell[start:] for cell in self._transaction.cells(self._prefix + prefix)]


AREAS = "a/"
AREA_PREFIX_SIZE = len("a/0000/")


def area_prefix(instance: int) -> str:
    """Return the prefix of all cells of the application with that instance number (1-65535, never reused)."""
    return f"{AREAS}{instance:04x}/"
