"""A disk in memory that records every operation, and SQLite upon it (an apsw VFS).  See `tests.support.powercut`."""

# ruff: noqa: N802 - the methods that SQLite calls have SQLite's names

from __future__ import annotations

import contextlib
import itertools
import random
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import apsw

Fault = Literal["full", "read-only", "broken"]

SECTOR = 4096
_CARD = "card.juki"
_VFS = "jukicard-powercut"


# ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Operation:
    """Something that reached the disk, in a file (by number) or among the names."""

    kind: Literal["write", "truncate", "sync", "link", "unlink", "sync names"]
    file: int = 0
    name: str = ""
    offset: int = 0  # the new size for truncate
    data: bytes = b""

    def __str__(self) -> str:
        name = "the draft" if self.name.startswith(".") else self.name  # drafts have names drawn at random
        what = f"{len(self.data)} bytes at {self.offset}" if self.kind == "write" else name
        return f"{self.kind} {what} (file {self.file})"


class PowerCutDisk:
    """A disk in memory (the card file's `Disk` port) that records every operation in `log`."""

    def __init__(self, files: Mapping[str, bytes] | None = None) -> None:
        self.log: list[Operation] = []
        self._numbers = itertools.count(1)
        self._names: dict[str, int] = {}
        self._contents: dict[int, bytearray] = {}
        self._locks: set[int] = set()
        self._fault: tuple[int, Fault, bool] | None = None
        self._root = f"/{next(_disk_numbers)}/"
        for name, content in (files or {}).items():
            number = self._names[name] = next(self._numbers)
            self._contents[number] = bytearray(content)
        self.start = dict(self._names), {number: bytes(content) for number, content in self._contents.items()}
        _register()

    @property
    def card(self) -> str:
        """The path of the one card on this disk."""
        return self._root + _CARD

    def files(self) -> dict[str, bytes]:
        """Return what programs see now, by name."""
        return {name: bytes(self._contents[number]) for name, number in self._names.items()}

    def fail_from(self, operation: int, fault: Fault, *, once: bool = False) -> None:
        """Fail at this number in `log`, and from there on unless `once`: the disk is full, read-only or broken."""
        self._fault = operation, fault, once

    def heal(self) -> None:
        """End what `fail_from` began."""
        self._fault = None

    def _record(self, operation: Operation) -> None:
        if self._fault is not None and len(self.log) >= self._fault[0]:
            _, fault, once = self._fault
            grows = operation.kind == "write" and operation.offset + len(operation.data) > len(
                self._contents[operation.file]
            )
            if fault != "full" or grows:
                if once:
                    self._fault = None
                raise _FAULTS[fault](fault)
        self.log.append(operation)

    # the Disk port

    def connect(self, path: str) -> _Connection:
        _open_disks[self._root] = self
        return _Connection(path, lambda: _open_disks.pop(self._root, None))

    def lock(self, path: str) -> Callable[[], None]:
        number = self._names.get(self._name(path))
        if number is None:
            raise FileNotFoundError(path)
        if number in self._locks:
            raise BlockingIOError(path)
        self._locks.add(number)
        return lambda: self._locks.discard(number)

    def size(self, path: str) -> int | None:
        number = self._names.get(self._name(path))
        return None if number is None else len(self._contents[number])

    def reserve(self, path: str) -> None:
        if self._name(path) in self._names:
            raise FileExistsError(path)
        self.make(self._name(path))

    def publish(self, draft: str, path: str) -> None:
        if self._name(path) in self._names:
            raise FileExistsError(path)
        number = self._names[self._name(draft)]
        self._translated(Operation("link", number, self._name(path)))
        self._names[self._name(path)] = number
        self._translated(Operation("sync names"))

    def remove(self, path: str) -> None:
        if self._name(path) in self._names:
            self.unlink(self._name(path))

    @contextmanager
    def rehearse(self, path: str, *, log: bool) -> Iterator[str]:
        name = self._name(path)
        scratch = PowerCutDisk(
            {_CARD + end: bytes(self._contents[self._names[name + end]]) for end in ("", "-wal")[: 1 + log]}
        )
        with scratch.registered():
            yield scratch.card

    # what the VFS calls, by names without the root

    def make(self, name: str) -> int:
        number = next(self._numbers)
        self._translated(Operation("link", number, name))
        self._names[name] = number
        self._contents[number] = bytearray()
        return number

    def unlink(self, name: str) -> None:
        self._translated(Operation("unlink", self._names[name], name))
        del self._names[name]

    def number(self, name: str) -> int | None:
        return self._names.get(name)

    def content(self, number: int) -> bytearray:
        return self._contents[number]

    def write(self, number: int, data: bytes, offset: int) -> None:
        self._record(Operation("write", number, "", offset, data))
        write(self._contents[number], data, offset)

    def truncate(self, number: int, size: int) -> None:
        self._record(Operation("truncate", number, "", size))
        truncate(self._contents[number], size)

    def sync(self, number: int, names: bool) -> None:
        self._record(Operation("sync", number))
        if names:
            self._record(Operation("sync names"))

    @contextmanager
    def registered(self) -> Iterator[None]:
        _open_disks[self._root] = self
        try:
            yield
        finally:
            _open_disks.pop(self._root, None)

    def _name(self, path: str) -> str:
        return path.removeprefix(self._root)

    def _translated(self, operation: Operation) -> None:
        """Record an operation that a program asks of the system, not of SQLite."""
        try:
            self._record(operation)
        except apsw.Error as error:
            raise OSError(_ERRNO[type(error)], "the disk fails") from error


def write(content: bytearray, data: bytes, offset: int) -> None:
    if offset > len(content):
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def truncate(content: bytearray, size: int) -> None:
    del content[size:]
    content.extend(bytes(size - len(content)))


# --- SQLite upon it
# ---------------------------------------------------------------------------------------------------

_disk_numbers = itertools.count(1)
_open_disks: dict[str, PowerCutDisk] = {}
_vfs: list[_Vfs] = []
_FAULTS: dict[Fault, type[apsw.Error]] = {
    "full": apsw.FullError,
    "read-only": apsw.ReadOnlyError,
    "broken": apsw.IOError,
}
_ERRNO = {apsw.FullError: 28, apsw.ReadOnlyError: 30, apsw.IOError: 5}
_CODES = {
    apsw.FullError: sqlite3.SQLITE_FULL,
    apsw.ReadOnlyError: sqlite3.SQLITE_READONLY,
    apsw.IOError: sqlite3.SQLITE_IOERR,
    apsw.CorruptError: sqlite3.SQLITE_CORRUPT,
    apsw.NotADBError: sqlite3.SQLITE_NOTADB,
    apsw.BusyError: sqlite3.SQLITE_BUSY,
    apsw.CantOpenError: sqlite3.SQLITE_CANTOPEN,
}


def _register() -> None:
    if not _vfs:
        _vfs.append(_Vfs())


class _Rows:
    def __init__(self, rows: list[Any]) -> None:
        self.fetchall = lambda: rows


class _Connection:
    """An apsw connection with the few methods, and the errors, of `sqlite3.Connection`."""

    def __init__(self, path: str, closed: Callable[[], object]) -> None:
        self._inner = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE, vfs=_VFS)
        self._closed = closed

    @property
    def in_transaction(self) -> bool:
        return self._inner.in_transaction

    def execute(self, sql: str, parameters: Sequence[int | bytes] = (), /) -> _Rows:
        try:
            return _Rows(list(self._inner.execute(sql, tuple(parameters))))
        except apsw.Error as error:
            translated = sqlite3.OperationalError(str(error))
            translated.sqlite_errorcode = _CODES.get(type(error), sqlite3.SQLITE_ERROR)
            raise translated from error

    def close(self) -> None:
        # Copying the log into the database may fail; SQLite then keeps the log and says nothing, but apsw tells.
        with contextlib.suppress(apsw.Error):
            self._inner.close()
        self._closed()


class _Vfs(apsw.VFS):
    def __init__(self) -> None:
        super().__init__(_VFS, "")

    def xFullPathname(self, name: str) -> str:
        return name

    def xOpen(self, name: Any, flags: list[int]) -> _File:
        disk, short = _find(name)
        number = disk.number(short)
        if number is None:
            if not flags[0] & apsw.SQLITE_OPEN_CREATE:
                raise apsw.CantOpenError(name)
            number = disk.make(short)
        journal = bool(flags[0] & (apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL))
        return _File(disk, number, journal)

    def xAccess(self, name: str, flags: int) -> bool:
        disk, short = _find(name)
        return disk.number(short) is not None

    def xDelete(self, name: str, sync_names: bool) -> None:
        disk, short = _find(name)
        disk.unlink(short)

    def xRandomness(self, count: int) -> bytes:
        return random.Random(count).randbytes(count)

    def xCurrentTime(self) -> float:
        return 2450000.5

    def xSleep(self, microseconds: int) -> int:
        return microseconds

    def xGetLastError(self) -> tuple[int, str]:
        return 0, ""


def _find(name: Any) -> tuple[PowerCutDisk, str]:
    path = name if isinstance(name, str) else name.filename()
    end = path.index("/", 1) + 1
    return _open_disks[path[:end]], path[end:]


class _File:
    """A file as SQLite sees it. The card's lock keeps others out, so SQLite's own locks have nothing to do."""

    def __init__(self, disk: PowerCutDisk, number: int, syncs_names: bool) -> None:
        self._disk = disk
        self._number = number
        self._syncs_names = syncs_names  # SQLite syncs the folder with the first sync of a journal or log
        self._content = disk.content(number)

    def xRead(self, count: int, offset: int) -> bytes:
        return bytes(self._content[offset : offset + count])

    def xWrite(self, data: bytes, offset: int) -> None:
        self._disk.write(self._number, bytes(data), offset)

    def xTruncate(self, size: int) -> None:
        self._disk.truncate(self._number, size)

    def xSync(self, flags: int) -> None:
        self._disk.sync(self._number, self._syncs_names)
        self._syncs_names = False

    def xFileSize(self) -> int:
        return len(self._content)

    def xLock(self, level: int) -> None:
        pass

    def xUnlock(self, level: int) -> None:
        pass

    def xCheckReservedLock(self) -> bool:
        return False

    def xFileControl(self, operation: int, pointer: int) -> bool:
        return False

    def xSectorSize(self) -> int:
        return SECTOR

    def xDeviceCharacteristics(self) -> int:
        return 0

    def xClose(self) -> None:
        pass
