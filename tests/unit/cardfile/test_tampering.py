"""A card file that is not what was last written is refused, by name, and left as it is."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from jukicard.reader.cardfile import (
    CardFile,
    CardFileDamaged,
    CardFileError,
    CardFileRolledBack,
    NotACardFile,
    UnsupportedSchema,
    WrongStorageKey,
    card_id_of,
)
from tests.support.cardfile import CARD_ID, CELLS, KEY

Edit = Callable[..., None]
Unchanged = Callable[[], None]


def refused(path: Path, part: str) -> None:
    with pytest.raises(CardFileDamaged) as caught:
        CardFile.open(path, KEY)
    assert caught.value.part == part
    assert str(path) in str(caught.value)


def _with_another_byte(at: str) -> str:
    """A statement that changes the byte at a position (from 1) of a box: to 00, or to 01 where it is 00 already."""
    other = f"CASE substr(box, {at}, 1) WHEN x'00' THEN x'01' ELSE x'00' END"
    return (
        f"UPDATE cells SET box = CAST(substr(box, 1, {at} - 1) || {other} || substr(box, {at} + 1) AS BLOB) "
        "WHERE number = 3"
    )


# What somebody with an SQLite shell may do, and where it shows.
EDITS = {
    "an edited content": (_with_another_byte("21"), "cell 3"),
    "an edited nonce": (_with_another_byte("1"), "cell 3"),
    "an edited tag": (_with_another_byte("length(box)"), "cell 3"),
    "a shortened box": ("UPDATE cells SET box = substr(box, 1, 20) WHERE number = 3", "cell 3"),
    "an empty box": ("UPDATE cells SET box = x'' WHERE number = 3", "cell 3"),
    "a text for a box": ("UPDATE cells SET box = 'text' WHERE number = 3", "cell 3"),
    "a raised version": ("UPDATE cells SET version = 2 WHERE number = 3", "cell 3"),
    "a text for a version": ("UPDATE cells SET version = 'x' WHERE number = 3", "cell 3"),
    "a negative version": ("UPDATE cells SET version = -1 WHERE number = 3", "cell 3"),
    "a moved cell": ("UPDATE cells SET number = 99 WHERE number = 3", "cell 99"),
    "a negative number": ("UPDATE cells SET number = -3 WHERE number = 3", "cell -3"),
    "a cell twice": ("INSERT INTO cells SELECT 99, version, box FROM cells WHERE number = 3", "cell 99"),
    "a removed cell": ("DELETE FROM cells WHERE number = 3", "root"),
    "all cells removed": ("DELETE FROM cells WHERE number > 0", "root"),
    "another commit number": ("UPDATE cells SET version = version + 1 WHERE number = 0", "root"),
    "a negative commit number": ("UPDATE cells SET version = -1 WHERE number = 0", "header"),
    "another mark": ("UPDATE cells SET box = CAST(x'01' || substr(box, 2) AS BLOB) WHERE number = 0", "root"),
    "an impossible mark": ("UPDATE cells SET box = CAST(x'02' || substr(box, 2) AS BLOB) WHERE number = 0", "header"),
    "another root": ("UPDATE cells SET box = zeroblob(33) WHERE number = 0", "root"),
    "a short root": ("UPDATE cells SET box = x'00' WHERE number = 0", "header"),
    "no header": ("DELETE FROM cells WHERE number = 0", "header"),
    "no identifier": ("DELETE FROM card", "header"),
    "a text for an identifier": ("UPDATE card SET card_id = 'text'", "header"),
    "one table more": ("CREATE TABLE more (something)", "schema"),
    "a trigger": ("CREATE TRIGGER t AFTER UPDATE ON card BEGIN DELETE FROM cells; END", "schema"),
    "an index": ("CREATE INDEX i ON cells (version)", "schema"),
    "no table": ("DROP TABLE cells", "schema"),
    "another journal mode": ("PRAGMA journal_mode = DELETE", "database"),
}


@pytest.mark.parametrize("what", EDITS)
def test_edits(path: Path, edit: Edit, unchanged: Unchanged, what: str) -> None:
    statement, part = EDITS[what]
    edit(statement)
    unchanged()
    refused(path, part)


@pytest.mark.parametrize("statement", ["UPDATE card SET key_check = zeroblob(16)", "UPDATE card SET card_id = x'0102'"])
def test_an_edit_of_what_the_keys_come_from_looks_like_a_wrong_key(path: Path, edit: Edit, statement: str) -> None:
    edit(statement)
    with pytest.raises(WrongStorageKey):
        CardFile.open(path, KEY)


def test_a_wrong_key(path: Path, unchanged: Unchanged) -> None:
    unchanged()
    with pytest.raises(WrongStorageKey):
        CardFile.open(path, bytes(32))


def test_a_newer_schema(path: Path, edit: Edit, unchanged: Unchanged) -> None:
    edit("PRAGMA user_version = 2")
    unchanged()
    with pytest.raises(UnsupportedSchema, match="schema 2; this version reads schema 1"):
        CardFile.open(path, KEY)


def test_another_application_id(path: Path, edit: Edit) -> None:
    edit("PRAGMA application_id = 1")
    with pytest.raises(NotACardFile):
        CardFile.open(path, KEY)


def attach_older(path: Path, edit: Edit, *statements: str) -> None:
    """Make a commit, then run `statements` with the state before it at hand as ``older``."""
    older = path.parent / "older.juki"
    shutil.copy(path, older)
    with CardFile.open(path, KEY) as card:
        card.commit({"password/tries": b"\x02", "juki/file/0": None, "juki/file/new": b"n"})
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("ATTACH ? AS older", (str(older),))
        for statement in statements:
            connection.execute(statement)
    older.unlink()


@pytest.mark.parametrize(
    "statements",
    [
        ("REPLACE INTO cells SELECT * FROM older.cells WHERE number = 4",),  # the tries alone
        ("INSERT INTO cells SELECT * FROM older.cells WHERE number = 1",),  # the removed cell alone
        ("DELETE FROM cells WHERE number = 5",),  # the added cell alone
        (
            "DELETE FROM cells WHERE number > 0",
            "INSERT INTO cells SELECT * FROM older.cells WHERE number > 0",
        ),  # all cells, not the header
        ("REPLACE INTO cells SELECT * FROM older.cells WHERE number = 0",),  # the header, not the cells
    ],
)
def test_parts_put_back_to_an_older_state(path: Path, edit: Edit, statements: tuple[str, ...]) -> None:
    attach_older(path, edit, *statements)
    refused(path, "root")


def test_a_box_of_the_same_cell_and_version_from_a_lost_future(path: Path, tmp_path: Path) -> None:
    """Two commits of one number, one of them lost (a copy was put back): their boxes cannot be exchanged."""
    lost = tmp_path / "lost.juki"
    shutil.copy(path, lost)
    for file, tries in ((lost, b"\x03"), (path, b"\x00")):
        with CardFile.open(file, KEY) as card:
            card.commit({"password/tries": tries})
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("ATTACH ? AS lost", (str(lost),))
        here, there = (
            connection.execute(f"SELECT version FROM {name}.cells WHERE number = 4").fetchone()
            for name in ("main", "lost")
        )
        assert here == there
        connection.execute("REPLACE INTO cells SELECT * FROM lost.cells WHERE number = 4")
    refused(path, "root")


def test_cells_exchanged_within_a_card(path: Path, edit: Edit) -> None:
    edit(
        "CREATE TEMP TABLE kept AS SELECT * FROM cells WHERE number IN (3, 4)",
        "UPDATE cells SET box = (SELECT box FROM kept WHERE kept.number = 7 - cells.number) WHERE number IN (3, 4)",
    )
    refused(path, "cell 3")


@pytest.mark.parametrize("tables", [("cells",), ("card",), ("cells", "card")])
def test_cells_of_another_card_under_the_same_key(path: Path, tmp_path: Path, tables: tuple[str, ...]) -> None:
    other = tmp_path / "other.juki"
    CardFile.create(other, KEY, CELLS, card_id=b"another card").close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("ATTACH ? AS other", (str(other),))
        for table in tables:
            connection.execute(f"DELETE FROM {table}")
            connection.execute(f"INSERT INTO {table} SELECT * FROM other.{table}")
    if tables == ("cells",) or tables == ("card",):
        refused(path, "cell 1")
    else:  # then it is the other card, whole, and says so
        assert card_id_of(path) == b"another card"
        CardFile.open(path, KEY).close()


def test_a_foreign_card(path: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.juki"
    CardFile.create(foreign, bytes(32), CELLS, card_id=CARD_ID).close()
    with pytest.raises(WrongStorageKey):
        CardFile.open(foreign, KEY)


def test_a_killed_programs_log_is_taken_in(left_open: Path) -> None:
    with CardFile.open(left_open, KEY) as card:
        assert card.read("password/tries") == b"\x01"
    assert os.listdir(left_open.parent) == [left_open.name]


def test_a_lost_log_is_noticed(left_open: Path, unchanged: Unchanged) -> None:
    Path(f"{left_open}-wal").unlink()
    unchanged()
    refused(left_open, "journal")


def test_a_lost_log_can_be_accepted_by_the_owner(left_open: Path) -> None:
    Path(f"{left_open}-wal").unlink()
    with CardFile.open(left_open, KEY, accept_lost_log=True) as card:
        assert card.read("password/tries") == b"\x02"  # the first commit had reached the file itself
    CardFile.open(left_open, KEY).close()


def test_a_wrong_key_costs_no_commit(left_open: Path, unchanged: Unchanged) -> None:
    unchanged()
    with pytest.raises(WrongStorageKey):
        CardFile.open(left_open, bytes(32))
    with pytest.raises(CardFileRolledBack):
        CardFile.open(left_open, KEY, not_before=100)


def test_a_wrong_key_costs_no_card_whose_log_is_empty(left_open: Path) -> None:
    """Killed right after the log had been moved into the file."""
    CardFile.open(left_open, KEY).close()
    with CardFile.open(left_open, KEY) as card:
        card.commit({"password/tries": b"\x00"})
        marked = left_open.read_bytes()
    left_open.write_bytes(marked)
    Path(f"{left_open}-wal").touch()
    with pytest.raises(WrongStorageKey):
        CardFile.open(left_open, bytes(32))
    with CardFile.open(left_open, KEY) as card:
        assert card.read("password/tries") == b"\x00"


def test_another_cards_log_is_refused_and_not_written_into_the_file(
    left_open: Path, tmp_path: Path, unchanged: Unchanged
) -> None:
    other = tmp_path / "other.juki"
    with CardFile.create(other, KEY, CELLS, card_id=b"another card") as card:
        card.commit({"password/tries": b"\x07"})
        shutil.copy(f"{other}-wal", f"{left_open}-wal")
    unchanged()
    with pytest.raises(CardFileError):
        CardFile.open(left_open, KEY)


def test_a_rollback_journal_beside_the_file_is_refused(path: Path, unchanged: Unchanged) -> None:
    Path(f"{path}-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(1000))
    unchanged()
    refused(path, "journal")


def test_an_older_copy_of_everything_is_noticed_only_by_an_anchor_outside(path: Path) -> None:
    older = path.read_bytes()
    with CardFile.open(path, KEY) as card:
        card.commit({"password/tries": b"\x00"})
        reached = card.commits
    path.write_bytes(older)
    with pytest.raises(CardFileRolledBack):
        CardFile.open(path, KEY, not_before=reached)
    with CardFile.open(path, KEY) as card:
        assert card.read("password/tries") == b"\x03"


def test_a_refused_file_can_be_tried_again_at_once(path: Path) -> None:
    for _ in range(3):
        with pytest.raises(WrongStorageKey):
            CardFile.open(path, bytes(32))
    CardFile.open(path, KEY).close()
