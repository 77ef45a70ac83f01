"""Commits whose end is not known: what a card file does then, and what it does not claim."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from jukicard.reader.cardfile import CardFile, CardFileClosed, CardFileDiskFailed, database
from jukicard.reader.cardfile.database import Header
from jukicard.reader.cardfile.disk import LocalDisk
from tests.support.cardfile import CELLS, KEY

TRIES = "password/tries"


class Failing(LocalDisk):
    """A disk on which statements that begin so fail; `statements` are all that were tried.  While it is `stuck`, SQLite
    cannot move its log at closing.
    """

    def __init__(self) -> None:
        self.stuck = False
        self.failing: tuple[str, ...] = ()
        self.statements: list[str] = []

    def connect(self, path: str) -> sqlite3.Connection:
        disk = self

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, parameters: Sequence[int | bytes] = (), /) -> sqlite3.Cursor:
                disk.statements.append(sql)
                if disk.failing and sql.startswith(disk.failing):
                    error = sqlite3.OperationalError("the disk fails")
                    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
                    raise error
                return super().execute(sql, parameters)

            def close(self) -> None:
                if not disk.stuck:
                    super().close()

        return sqlite3.connect(path, factory=Connection, isolation_level=None, timeout=0, check_same_thread=False)


@pytest.fixture
def disk() -> Failing:
    return Failing()


@pytest.fixture
def card(path: Path, disk: Failing) -> CardFile:
    return CardFile.open(path, KEY, disk=disk)


def fails(card: CardFile, text: str = "disk|commit") -> None:
    with pytest.raises(CardFileDiskFailed, match=text):
        card.commit({TRIES: None, "new": b"n"})  # several statements: a deletion is one of its own


def test_a_commit_that_is_known_not_to_have_happened_is_forgotten(card: CardFile, disk: Failing) -> None:
    disk.failing = ("COMMIT",)
    fails(card)
    disk.failing = ()
    assert card.snapshot() == CELLS
    card.commit({TRIES: b"\x01"})
    assert card.read(TRIES) == b"\x01"


@pytest.mark.parametrize("failing", [("COMMIT", "ROLLBACK"), ("COMMIT", "PRAGMA wal"), ("COMMIT", "SELECT")])
def test_while_the_end_is_unknown_everything_is_refused_until_the_card_is_opened_again(
    card: CardFile, disk: Failing, failing: tuple[str, ...], path: Path
) -> None:
    disk.failing = failing
    fails(card)
    disk.failing = ()
    for act in (lambda: card.read(TRIES), card.cells, card.snapshot, lambda: card.commit({})):
        with pytest.raises(CardFileDiskFailed, match="open the card again"):
            act()
    fails(card, "open the card again")
    card.close()
    with pytest.raises(CardFileClosed):
        card.commit({})
    with CardFile.open(path, KEY) as again:
        assert again.snapshot() == CELLS


@pytest.mark.parametrize("durable_before", [False, True])
def test_a_card_with_an_unknown_end_writes_nothing_at_its_closing_and_claims_nothing(
    card: CardFile, disk: Failing, durable_before: bool, path: Path
) -> None:
    if durable_before:
        card.commit({TRIES: b"\x01"})
    disk.failing = ("COMMIT", "ROLLBACK")
    fails(card)
    disk.failing = ()
    disk.statements.clear()
    card.close()
    assert disk.statements == []
    assert card.settled is None
    assert os.path.exists(f"{path}-wal")
    with CardFile.open(path, KEY) as again:
        assert again.snapshot() == ({**CELLS, TRIES: b"\x01"} if durable_before else CELLS)


def test_a_log_that_could_not_be_moved_leaves_the_end_unknown_whatever_the_file_says(
    card: CardFile, disk: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "checkpoint", lambda connection, mode: False)
    disk.failing = ("COMMIT",)
    fails(card)
    disk.failing = ()
    fails(card, "open the card again")


def test_a_log_that_could_not_be_moved_leaves_the_end_unknown_though_the_commit_is_there(
    card: CardFile, disk: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged: list[Header] = []
    adopt = card._engine._adopt

    def interrupted(new: object) -> None:
        staged.append(new.header)  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    monkeypatch.setattr(card._engine, "_adopt", interrupted)
    monkeypatch.setattr(database, "checkpoint", lambda connection, mode: False)
    with pytest.raises(KeyboardInterrupt):
        card.commit({TRIES: b"\x02"})
    assert len(staged) == 1
    monkeypatch.setattr(card._engine, "_adopt", adopt)
    fails(card, "open the card again")


def test_a_file_that_says_neither_the_old_nor_the_new_is_not_gone_on_with(
    card: CardFile, disk: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "read_header", lambda connection, path: Header(77, False, bytes(32)))
    disk.failing = ("COMMIT",)
    fails(card)
    disk.failing = ()
    fails(card, "open the card again")


def test_the_names_of_the_cells_follow_the_commits(card: CardFile) -> None:
    names = sorted(CELLS)
    assert list(card.cells()) == names
    card.commit({"new": b"1", TRIES: b"\x02", "zzz": b""})
    assert list(card.cells()) == sorted([*names, "new", "zzz"])
    card.commit({"new": b"2", TRIES: None, "zzz": None, "none": None})
    assert list(card.cells()) == sorted([*names, "new"])[:-1]
    assert list(card.cells("ne")) == ["new"]
    assert list(card.cells(TRIES)) == []
    card.commit({TRIES: b"\x03"})
    assert list(card.cells(TRIES)) == [TRIES]


def test_a_log_that_sqlite_could_not_move_is_left_as_it_is(card: CardFile, disk: Failing, path: Path) -> None:
    card.commit({TRIES: b"\x01"})
    log = Path(f"{path}-wal").read_bytes()
    assert log
    disk.failing = ("COMMIT", "ROLLBACK")
    fails(card)
    disk.failing, disk.stuck = (), True
    card.close()
    assert card.settled is None
    assert Path(f"{path}-wal").read_bytes()[: len(log)] == log


def test_a_closing_that_cannot_be_written_keeps_the_mark_and_a_log(card: CardFile, disk: Failing, path: Path) -> None:
    card.commit({TRIES: b"\x01"})
    disk.failing = ("REPLACE",)
    card.close()
    assert card.settled is None
    assert os.path.exists(f"{path}-wal")
    with CardFile.open(path, KEY) as again:
        assert again.read(TRIES) == b"\x01"


def test_a_closing_that_leaves_a_log_behind_claims_nothing(card: CardFile, disk: Failing, path: Path) -> None:
    card.commit({TRIES: b"\x01"})
    disk.stuck = True
    card.close()
    assert os.path.getsize(f"{path}-wal") > 0
    assert card.settled is None
