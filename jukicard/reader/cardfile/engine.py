"""An open card file: the connection, what is known to be in the file, and how a commit gets there.

Nothing is taken over into memory before SQLite has committed it, and whatever interrupts a commit, memory
and file agree afterwards, or the engine refuses to go on.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import sqlite3
from collections.abc import Callable, Mapping
from functools import cache
from typing import NamedTuple

from jukicard.card.store import CellNames
from jukicard.reader.cardfile import database
from jukicard.reader.cardfile.database import Cell, Header, Loaded, Numbers
from jukicard.reader.cardfile.disk import Connection, Disk, naming_errors, of_database
from jukicard.reader.cardfile.errors import (
    CardFileClosed,
    CardFileDamaged,
    CardFileDiskFailed,
    CardFileError,
    CardFileLogLost,
    CardFileRolledBack,
)
from jukicard.reader.cardfile.sealing import Sealer

LONGEST_NAME = 200
_MOST_ROWS = 100  # in one statement


def check_name(name: str) -> None:
    """Raise `ValueError` unless `name` can name a cell."""
    if not (0 < len(name) <= LONGEST_NAME and name.isascii()):
        raise ValueError(f"a cell name has 1 to {LONGEST_NAME} ASCII characters")


@cache
def _put(rows: int) -> str:
    """Return the statement that writes so many rows, whether or not they are there: each is number, version, box."""
    return "REPLACE INTO cells VALUES (?, ?, ?)" + ", (?, ?, ?)" * (rows - 1)


class _Staged(NamedTuple):
    """A commit before it happens: the statements, and what will be true after them."""

    statements: list[tuple[str, list[int | bytes]]]
    cells: dict[str, tuple[Cell, bytes] | None]
    fingerprints: int
    header: Header


class Engine:
    """The open file behind a `CardFile`; apart, so that a card file dropped unclosed can be closed."""

    def __init__(
        self,
        disk: Disk,
        path: str,
        sealer: Sealer,
        connection: Connection,
        unlock: Callable[[], None],
        loaded: Loaded,
    ) -> None:
        self.path = path
        self.contents = loaded.contents
        self.names = CellNames(loaded.contents)
        self.refusal: CardFileError | None = None
        self.settled: int | None = None  # after closing: the commits that the one file holds, on the disk
        self.card_id = sealer.card_id
        self.header = loaded.header
        self._disk = disk
        self._sealer = sealer
        self._connection = connection
        self._unlock = unlock
        self._cells = loaded.cells
        self._numbers = Numbers()
        for cell in loaded.cells.values():
            self._numbers.taken(cell.number)
        self._fingerprints = loaded.fingerprints
        self._marked = False  # the database itself, without its log, is known to say that it is in use
        self._waits = True  # PRAGMA synchronous stands at FULL
        self._unsynced = False  # a commit is in the log that the disk may not have yet
        self._process = os.getpid()

    def commit(self, changes: Mapping[str, bytes | None], durable: bool) -> None:
        """Write all changes at once.  Raises a `CardFileError`, and then nothing has changed."""
        if self.refusal is not None:
            raise self.refusal
        if changes or (durable and self._unsynced):
            # The mark: from its first durable commit to its closing, the file says that a log belongs to it.
            self._write(self._stage(changes, self.header.in_use or durable), durable)
            if durable and not self._marked:
                with contextlib.suppress(sqlite3.Error):  # the commit stands; the next one tries again
                    self._marked = database.checkpoint(self._connection, "PASSIVE")

    def close(self) -> None:
        """Bring everything into the one file and let it go.  To be called once."""
        if os.getpid() != self._process:  # a child of fork owns neither file nor locks
            return
        sound = self.refusal is None
        try:
            if self.header.in_use and sound:
                with contextlib.suppress(CardFileError):  # the log keeps everything; the next opener finds it there
                    self._write(self._stage({}, False), durable=False)
        finally:
            self.refusal = CardFileClosed(self.path, "the card file is closed")
            try:
                with naming_errors(self.path):
                    self._connection.close()
                    if self.header.in_use or not sound:
                        _leave_empty_log(self._disk, self.path)
                    elif self._disk.size(self.path + "-wal") is None:  # SQLite removes the log when all of it is copied
                        self.settled = self.header.commits
            finally:
                self._unlock()

    def _stage(self, changes: Mapping[str, bytes | None], in_use: bool) -> _Staged:
        version = self.header.commits + 1
        total = self._fingerprints
        statements: list[tuple[str, list[int | bytes]]] = []
        rows: list[int | bytes] = []
        cells: dict[str, tuple[Cell, bytes] | None] = {}
        for name, content in changes.items():
            old = self._cells.get(name)
            if old is not None:
                total -= old.fingerprint
            if content is None:
                if old is not None:
                    statements.append(("DELETE FROM cells WHERE number = ?", [old.number]))
                    cells[name] = None
                continue
            kept = bytes(content)
            if old is not None:
                number = old.number
            else:
                check_name(name)
                number = self._numbers.take(kept)
            box, fingerprint = self._sealer.seal(number, version, name, kept)
            total += fingerprint
            rows += number, version, box
            cells[name] = Cell(number, version, fingerprint), kept
        header = Header(version, in_use, self._sealer.root(version, in_use, total))
        rows += 0, version, header.box
        for start in range(0, len(rows), 3 * _MOST_ROWS):
            some = rows[start : start + 3 * _MOST_ROWS]
            statements.append((_put(len(some) // 3), some))
        return _Staged(statements, cells, total, header)

    def _write(self, staged: _Staged, durable: bool) -> None:
        connection = self._connection
        try:
            if durable != self._waits:
                # In WAL mode NORMAL only leaves out the wait: the log is a chain of checksums, of which a
                # power cut leaves a beginning, so a commit cannot survive without those before it, nor by
                # halves.
                connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                self._waits = durable
            if len(staged.statements) == 1:  # a transaction by itself
                connection.execute(*staged.statements[0])
            else:
                connection.execute("BEGIN IMMEDIATE")
                for sql, parameters in staged.statements:
                    connection.execute(sql, parameters)
                connection.execute("COMMIT")
            self._adopt(staged)
        except BaseException as error:
            self._settle(connection, staged)
            if isinstance(error, sqlite3.Error):
                raise of_database(self.path, error) from error
            raise
        self._unsynced = not durable

    def _adopt(self, staged: _Staged) -> None:
        for name, kept in staged.cells.items():
            if kept is None:
                self.names.remove(name)
                del self.contents[name], self._cells[name]
            else:
                if name not in self.contents:
                    self.names.add(name)
                self._cells[name], self.contents[name] = kept
        self._fingerprints = staged.fingerprints
        self.header = staged.header

    def _settle(self, connection: Connection, staged: _Staged) -> None:
        """After an interrupted commit: find out which state holds, and make sure that it is the only one."""
        what = "a commit failed and its end is unknown; open the card again to see (it is old or new)"
        self.refusal = CardFileDiskFailed(self.path, what)
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            # A failed commit may have left all its pages in the log, where the next opener would take them
            # for committed.
            settled = database.checkpoint(connection, "TRUNCATE")
            present = database.read_header(connection, self.path)
        except (sqlite3.Error, CardFileError):
            return
        if settled and present == staged.header:  # the interruption came after COMMIT
            self._adopt(staged)
            self.refusal = None
        elif settled and present == self.header:
            self.refusal = None


def attach(
    disk: Disk,
    path: str,
    sealer: Callable[[bytes], Sealer],
    unlock: Callable[[], None],
    *,
    not_before: Callable[[bytes], int],
    accept_lost_log: bool,
) -> Engine:
    """Open the file, verify all of it, and return its engine.  The file is not changed when it is refused.

    `sealer` and `not_before` give the sealer, and the commits known of, for the card identifier found.  The caller
    holds the lock; `unlock` is called by the engine's `close`.
    """
    with naming_errors(path):
        log = disk.size(path + "-wal")
        if disk.size(path + "-journal"):
            raise CardFileDamaged(path, "journal", "a rollback journal lies beside it, which no card file has")
        if log:
            _rehearse(disk, path, sealer, not_before)
        connection = disk.connect(path)
        try:
            used, loaded = _verified(connection, path, sealer, not_before)
            if loaded.header.in_use and log is None and not accept_lost_log:
                raise CardFileLogLost(path, "journal", f"its newest commits are in {path}-wal, which is not there")
            database.settle(connection)
            # What the log's end holds may have survived by luck, or lie in the system's memory only. Once
            # we have said that it is so, it must remain so.
            if log and not database.checkpoint(connection, "TRUNCATE"):
                raise CardFileDiskFailed(path, "its log could not be brought into the file")
        except BaseException:
            connection.close()
            if log is not None:
                with contextlib.suppress(OSError):
                    _leave_empty_log(disk, path)
            raise
        return Engine(disk, path, used, connection, unlock, loaded)


def _rehearse(disk: Disk, path: str, sealer: Callable[[bytes], Sealer], not_before: Callable[[bytes], int]) -> None:
    """Try on a copy whether the file with its log is a card file.

    SQLite takes in any log of this name, and writes it into the database even when the file is refused
    afterwards.
    """
    with disk.rehearse(path, log=True) as copy, contextlib.closing(disk.connect(copy)) as connection:
        used = _verified(connection, path, sealer, not_before)[0]
    try:
        with disk.rehearse(path, log=False) as copy, contextlib.closing(disk.connect(copy)) as connection:
            card_id, check = database.identify(connection, path)
    except (sqlite3.Error, CardFileError):
        return  # torn, as a power cut may leave it: only the log makes it whole
    # A torn file may also seem to have another identifier, but no key check that fits it.
    if card_id != used.card_id and hmac.compare_digest(sealer(card_id).check, check):
        raise CardFileDamaged(path, "journal", f"{path}-wal belongs to another card")


def _leave_empty_log(disk: Disk, path: str) -> None:
    """Where SQLite moved its whole log into a file that stays marked, and removed it: put an empty one there.

    The file is complete then, and must not look like one whose log was lost.  (An empty file needs no space on a
    full disk.)
    """
    if disk.size(path + "-wal") is None:
        disk.reserve(path + "-wal")


def _verified(
    connection: Connection, path: str, sealer: Callable[[bytes], Sealer], not_before: Callable[[bytes], int]
) -> tuple[Sealer, Loaded]:
    database.set_up(connection)
    card_id, check = database.identify(connection, path)
    used = sealer(card_id)
    loaded = database.load(connection, path, used, check)
    reached = not_before(card_id)
    if loaded.header.commits < reached:
        raise CardFileRolledBack(
            path, f"an older copy: this is its commit {loaded.header.commits}, but it has reached {reached}"
        )
    return used, loaded
