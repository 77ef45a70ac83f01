"""The SQLite database of a card file: its tables, its settings, and how a file is read and judged."""

from __future__ import annotations

import hmac
import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

from jukicard.reader.cardfile.disk import Connection
from jukicard.reader.cardfile.errors import CardFileDamaged, NotACardFile, UnsupportedSchema, WrongStorageKey
from jukicard.reader.cardfile.sealing import CHECK_LENGTH, ROOT_LENGTH, SCHEMA, Sealer, Unsealable, add

APPLICATION_ID = 0x4A554B49  # "JUKI"

_TABLES = {
    "card": (
        "CREATE TABLE card (one INTEGER PRIMARY KEY CHECK (one = 1), card_id BLOB NOT NULL,"
        " key_check BLOB NOT NULL, commits INTEGER NOT NULL, in_use INTEGER NOT NULL, root BLOB NOT NULL)"
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


class Loaded(NamedTuple):
    """All that a card file holds, verified."""

    commits: int
    in_use: bool
    root: bytes
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
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA}")
    for table in _TABLES.values():
        connection.execute(table)
    fingerprints = 0
    for number, (name, content) in enumerate(cells.items(), start=1):
        box = sealer.seal(number, 1, name, content)
        fingerprints = add(fingerprints, sealer.fingerprint(number, 1, box))
        connection.execute("INSERT INTO cells VALUES (?, ?, ?)", (number, 1, box))
    root = sealer.root(1, False, fingerprints)
    connection.execute("INSERT INTO card VALUES (1, ?, ?, 1, 0, ?)", (sealer.card_id, sealer.check, root))
    connection.execute("COMMIT")
    checkpoint(connection, "TRUNCATE")


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
    if len(check) != CHECK_LENGTH or not hmac.compare_digest(check, sealer.check):
        raise WrongStorageKey(path, "this storage key does not open it")
    if _one(connection, "PRAGMA journal_mode") != ("wal",):
        raise CardFileDamaged(path, "database", "it has lost its journal mode")
    if _one(connection, "PRAGMA integrity_check(1)") != ("ok",):
        raise CardFileDamaged(path, "database", "its pages do not fit together")
    contents: dict[str, bytes] = {}
    cells: dict[str, Cell] = {}
    fingerprints = 0
    for number, version, box in connection.execute("SELECT number, version, box FROM cells").fetchall():
        try:
            if not (isinstance(version, int) and number > 0 and version > 0 and isinstance(box, bytes)):
                raise Unsealable
            name, content = sealer.open(number, version, box)
        except Unsealable:
            raise CardFileDamaged(path, f"cell {number}", "not what this card wrote there") from None
        cell = Cell(number, version, sealer.fingerprint(number, version, box))
        contents[name], cells[name] = content, cell
        fingerprints = add(fingerprints, cell.fingerprint)
    commits, in_use, root = header(connection, path)
    if not hmac.compare_digest(root, sealer.root(commits, in_use, fingerprints)):
        raise CardFileDamaged(path, "root", "cells or header were removed, added, or put back to an older state")
    return Loaded(commits, in_use, root, contents, cells, fingerprints)


def header(connection: Connection, path: str) -> tuple[int, bool, bytes]:
    """Return commits, the mark that a journal belongs to the file, and the root, as the file has them now."""
    commits, in_use, root = _one(connection, "SELECT commits, in_use, root FROM card")
    if not (
        isinstance(commits, int)
        and commits > 0
        and in_use in (0, 1)
        and isinstance(root, bytes)
        and len(root) == ROOT_LENGTH
    ):
        raise CardFileDamaged(path, "header", "no commit number, mark and root")
    return commits, bool(in_use), root


def checkpoint(connection: Connection, mode: str) -> bool:
    """Copy the log into the database, durably; tell whether all of it got there."""
    busy, in_log, copied = _one(connection, f"PRAGMA wal_checkpoint({mode})")
    return not busy and in_log == copied


def _one(connection: Connection, sql: str) -> tuple[Any, ...]:
    rows = connection.execute(sql).fetchall()
    if len(rows) != 1:
        raise sqlite3.DatabaseError("a row is missing")
    return tuple(rows[0])
