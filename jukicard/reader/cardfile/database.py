"""The SQLite database of a card file: its tables, its settings, and how a file is read and judged."""

from __future__ import annotations

import hmac
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from functools import cache
from typing import Any, NamedTuple

from jukicard.reader.cardfile.disk import Connection
from jukicard.reader.cardfile.errors import (
    CardFileDamaged,
    NotACardFile,
    UnsupportedSchema,
    WrongPassphrase,
    WrongStorageKey,
)
from jukicard.reader.cardfile.sealing import (
    ROOT_LENGTH,
    SCHEMA,
    Sealer,
    Unsealable,
    is_exported,
)

APPLICATION_ID = 0x4A554B49  # "JUKI"

_FORMAT_VERSIONS, _WITH_LOG = slice(18, 20), b"\x02\x02"

_TABLES = {
    "card": (
        "CREATE TABLE card (one INTEGER PRIMARY KEY CHECK (one = 1), card_id BLOB NOT NULL, key_check BLOB NOT NULL)"
    ),
    "cells": "CREATE TABLE cells (number INTEGER PRIMARY KEY, version INTEGER NOT NULL, box BLOB NOT NULL)",
}

# EXCLUSIVE comes first: the log's index is then held in memory, and no third file (-shm) appears.
_SETTINGS = (
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA mmap_size = 0",
    "PRAGMA synchronous = FULL",
)
_SETTINGS_WITH_CONTENT = (
    "PRAGMA secure_delete = ON",
    "PRAGMA cache_size = 64",  # pages; all contents are held by the card file itself
    "PRAGMA wal_autocheckpoint = 256",  # pages: the log stays near 1 MiB
)


class Cell(NamedTuple):
    """Where a cell's present content lies."""

    number: int
    version: int
    fingerprint: int


class Header(NamedTuple):
    """What changes with every commit, in row 0 of the cells: their number, the mark that a log exists, the root."""

    commits: int
    in_use: bool
    root: bytes

    @property
    def box(self) -> bytes:
        """The form in which mark and root are kept."""
        return bytes([self.in_use]) + self.root


class Numbers:
    """Gives numbers to new cells: small ones come first.

    So the header and the cells that change most (counters, states) share a page, and most commits write only that one.
    """

    _SMALL = 64  # bytes
    _FIRST_LARGE = 1 << 20

    def __init__(self) -> None:
        self._small = 0
        self._large = self._FIRST_LARGE - 1

    def take(self, content: bytes) -> int:
        """Return a number for a new cell."""
        if len(content) <= self._SMALL and self._small + 1 < self._FIRST_LARGE:
            self._small += 1
            return self._small
        self._large += 1
        return self._large

    def taken(self, number: int) -> None:
        """Never give out this number."""
        if number < self._FIRST_LARGE:
            self._small = max(self._small, number)
        else:
            self._large = max(self._large, number)


class Loaded(NamedTuple):
    """All that a card file holds, verified."""

    header: Header
    contents: dict[str, bytes]
    cells: dict[str, Cell]
    fingerprints: int


def set_up(connection: Connection) -> None:
    """Set what SQLite does not keep in the file, without touching the file."""
    for setting in _SETTINGS:
        connection.execute(setting)


def settle(connection: Connection) -> None:
    """Set what needs a file that is known to be ours."""
    for setting in _SETTINGS_WITH_CONTENT:
        connection.execute(setting)


def initialise(connection: Connection, sealer: Sealer, cells: Mapping[str, bytes]) -> None:
    """Write a new card into an empty database, the first commit of its life."""
    set_up(connection)
    connection.execute("PRAGMA page_size = 4096")
    connection.execute("PRAGMA journal_mode = WAL")
    settle(connection)
    connection.execute("BEGIN IMMEDIATE")
    _make_tables(connection)
    _fill(connection, sealer, cells)
    connection.execute("COMMIT")
    checkpoint(connection, "TRUNCATE")


def in_memory() -> sqlite3.Connection:
    """Open a database in memory: `image` makes one card after the other in it."""
    return sqlite3.connect(":memory:", isolation_level=None)


def image(memory: sqlite3.Connection, sealer: Sealer, cells: Mapping[str, bytes]) -> bytes:
    """Return the file that `initialise` would leave, made in memory: a whole database with a new card in it.

    Nothing of what was made there before is in it.
    """
    memory.deserialize(_empty_image())
    memory.execute("BEGIN")
    _fill(memory, sealer, cells)
    memory.execute("COMMIT")
    made = bytearray(memory.serialize())
    # A database in memory has no journal: that this one is to be opened with a write-ahead log is told by its write and
    # read versions (https://www.sqlite.org/fileformat2.html, 1.3.3).
    made[_FORMAT_VERSIONS] = _WITH_LOG
    return bytes(made)


@cache
def _empty_image() -> bytes:
    """Return a database with the tables of a card file and nothing in them."""
    with closing(in_memory()) as connection:
        connection.execute("PRAGMA page_size = 4096")
        connection.execute("BEGIN")
        _make_tables(connection)
        connection.execute("COMMIT")
        return connection.serialize()


def _make_tables(connection: Connection) -> None:
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA}")
    for table in _TABLES.values():
        connection.execute(table)


def _fill(connection: Connection, sealer: Sealer, cells: Mapping[str, bytes]) -> None:
    """Insert a new card: its identifier, its cells, the header of the first commit."""
    connection.execute("INSERT INTO card VALUES (1, ?, ?)", (sealer.card_id, sealer.check))
    numbers = Numbers()
    fingerprints = 0
    for name, content in cells.items():
        number = numbers.take(content)
        box, fingerprint = sealer.seal(number, 1, name, content)
        fingerprints += fingerprint
        connection.execute("INSERT INTO cells VALUES (?, ?, ?)", (number, 1, box))
    header = Header(1, False, sealer.root(1, False, fingerprints))
    connection.execute("INSERT INTO cells VALUES (0, ?, ?)", (header.commits, header.box))


def identify(connection: Connection, path: str) -> tuple[bytes, bytes]:
    """Return card identifier and key check, unverified; refuse other files and newer schemas."""
    if _one(connection, "PRAGMA application_id") != (APPLICATION_ID,):
        raise NotACardFile(path, "not a card file, but some other database")
    (schema,) = _one(connection, "PRAGMA user_version")
    if schema != SCHEMA:
        raise UnsupportedSchema(path, f"made with schema {schema}; this version reads schema {SCHEMA}")
    tables = dict(connection.execute("SELECT name, sql FROM sqlite_master").fetchall())
    if tables != _TABLES:
        raise CardFileDamaged(path, "schema", "its tables are not a card file's")
    rows = connection.execute("SELECT card_id, key_check FROM card").fetchall()
    if len(rows) != 1:
        raise CardFileDamaged(path, "header", "not exactly one header")
    card_id, check = rows[0]
    if not (isinstance(card_id, bytes) and 0 < len(card_id) <= 255 and isinstance(check, bytes)):
        raise CardFileDamaged(path, "header", "no card identifier")
    return card_id, check


def load(connection: Connection, path: str, sealer: Sealer, check: bytes) -> Loaded:
    """Read every cell and hold it against the root.  Raises `WrongStorageKey` or `CardFileDamaged`."""
    if not hmac.compare_digest(check, sealer.check):
        if is_exported(sealer.card_id):
            raise WrongPassphrase(path, "this passphrase does not open it")
        raise WrongStorageKey(path, "this storage key does not open it")
    if _one(connection, "PRAGMA journal_mode") != ("wal",):
        raise CardFileDamaged(path, "database", "it has lost its journal mode")
    if _one(connection, "PRAGMA integrity_check(1)") != ("ok",):
        raise CardFileDamaged(path, "database", "its pages do not fit together")
    contents: dict[str, bytes] = {}
    cells: dict[str, Cell] = {}
    fingerprints = 0
    for number, version, box in connection.execute("SELECT * FROM cells WHERE number != 0 ORDER BY number").fetchall():
        try:
            if not (isinstance(version, int) and number > 0 and version > 0 and isinstance(box, bytes)):
                raise Unsealable
            name, content, fingerprint = sealer.open(number, version, box)
        except Unsealable:
            raise CardFileDamaged(path, f"cell {number}", "not what this card wrote there") from None
        contents[name], cells[name] = content, Cell(number, version, fingerprint)
        fingerprints += fingerprint
    header = read_header(connection, path)
    if not hmac.compare_digest(header.root, sealer.root(header.commits, header.in_use, fingerprints)):
        raise CardFileDamaged(path, "root", "cells or header were removed, added, or put back to an older state")
    return Loaded(header, contents, cells, fingerprints)


def read_header(connection: Connection, path: str) -> Header:
    """Return the header as the file has it now."""
    rows = connection.execute("SELECT version, box FROM cells WHERE number = 0").fetchall()
    for commits, box in rows:
        if isinstance(commits, int) and commits > 0 and isinstance(box, bytes) and len(box) == 1 + ROOT_LENGTH:
            header = Header(commits, box[0] == 1, box[1:])
            if header.box == box:
                return header
    raise CardFileDamaged(path, "header", "no commit number, mark and root")


def checkpoint(connection: Connection, mode: str) -> bool:
    """Copy the log into the database, durably; tell whether all of it got there."""
    busy, in_log, copied = _one(connection, f"PRAGMA wal_checkpoint({mode})")
    return not busy and in_log == copied


def _one(connection: Connection, sql: str) -> tuple[Any, ...]:
    rows = connection.execute(sql).fetchall()
    if len(rows) != 1:
        raise sqlite3.DatabaseError("a row is missing")
    return tuple(rows[0])
