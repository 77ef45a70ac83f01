"""A log beside the file: whose it is, and that nothing of it is left to luck."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from jukicard.reader.cardfile import CardFile, CardFileDamaged, CardFileDiskFailed, card_id_of, database
from jukicard.reader.cardfile.disk import LocalDisk
from tests.support.cardfile import CARD_ID, CELLS, KEY

Unchanged = Callable[[], None]


def log_of(path: Path, *statements: str, attached: Path | None = None) -> bytes:
    """What SQLite's log says after these statements, of which the file itself has seen none."""
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        if attached is not None:
            connection.execute("ATTACH ? AS other", (str(attached),))
        connection.execute("BEGIN")
        for statement in statements:
            connection.execute(statement)
        connection.execute("COMMIT")
        log = Path(f"{copy}-wal").read_bytes()
    copy.unlink()
    return log


def test_a_log_that_would_make_the_file_another_card_is_refused(
    path: Path, tmp_path: Path, unchanged: Unchanged
) -> None:
    other = tmp_path / "other.juki"
    CardFile.create(other, KEY, CELLS, card_id=b"another card").close()
    tables = ("cells", "card")
    statements = [f"DELETE FROM {table}" for table in tables]
    statements += [f"INSERT INTO {table} SELECT * FROM other.{table}" for table in tables]
    Path(f"{path}-wal").write_bytes(log_of(path, *statements, attached=other))
    unchanged()
    with pytest.raises(CardFileDamaged, match="belongs to another card") as caught:
        CardFile.open(path, KEY)
    assert caught.value.part == "journal"


def test_a_file_whose_identifier_is_torn_is_made_whole_by_its_log(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE card SET card_id = x'0102'")
    log = log_of(path, f"UPDATE card SET card_id = x'{CARD_ID.hex()}'")
    Path(f"{path}-wal").write_bytes(log)
    assert card_id_of(path) == b"\x01\x02"
    with CardFile.open(path, KEY) as card:
        assert card.card_id == CARD_ID
        assert card.snapshot() == CELLS


def test_what_a_log_says_is_brought_into_the_file_before_it_is_believed(left_open: Path) -> None:
    assert os.path.getsize(f"{left_open}-wal") > 0
    with CardFile.open(left_open, KEY) as card:
        assert card.read("password/tries") == b"\x01"
        assert os.path.getsize(f"{left_open}-wal") == 0


def test_a_log_that_cannot_be_brought_into_the_file_is_not_believed(
    left_open: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(database, "checkpoint", lambda connection, mode: False)
        with pytest.raises(CardFileDiskFailed, match="could not be brought"):
            CardFile.open(left_open, KEY)
    with CardFile.open(left_open, KEY) as card:
        assert card.read("password/tries") == b"\x01"


def test_a_new_card_that_is_not_all_in_one_file_is_not_published(tmp_path: Path) -> None:
    class Leaving(LocalDisk):
        """A disk where SQLite leaves its log behind."""

        def size(self, path: str) -> int | None:
            return 0 if path.endswith(".new-wal") else super().size(path)

    with pytest.raises(CardFileDiskFailed, match="one file"):
        CardFile.create(tmp_path / "card.juki", KEY, CELLS, card_id=CARD_ID, disk=Leaving())
    assert list(tmp_path.iterdir()) == []


def test_drafts_that_cannot_be_removed_are_only_litter(tmp_path: Path) -> None:
    class Keeping(LocalDisk):
        """A disk that removes nothing."""

        def remove(self, path: str) -> None:
            raise PermissionError(path)

    with CardFile.create(tmp_path / "card.juki", KEY, CELLS, card_id=CARD_ID, disk=Keeping()) as card:
        assert card.snapshot() == CELLS


def test_a_lock_is_given_back_when_a_file_is_refused_and_when_it_is_closed(path: Path) -> None:
    for _ in range(2):
        with pytest.raises(CardFileDamaged):
            CardFile.open(path, KEY, disk=Refusing())
        with CardFile.open(path, KEY) as card:
            assert card.snapshot() == CELLS


class Refusing(LocalDisk):
    """A disk that sees a rollback journal beside every file."""

    def size(self, path: str) -> int | None:
        return 1 if path.endswith("-journal") else super().size(path)
