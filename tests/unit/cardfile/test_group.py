"""Card files written by the group: as good as those made one by one, and all of them or none."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from jukicard.reader.cardfile import (
    CardFile,
    CardFileDiskFailed,
    CardFileError,
    CardFileExists,
    CardFileMissing,
    NewCard,
    WrongStorageKey,
    database,
    write_card_files,
)
from jukicard.reader.cardfile.disk import LocalDisk
from jukicard.reader.cardfile.sealing import Sealer
from tests.support.cardfile import CARD_ID, CELLS, KEY

GROUP = [NewCard(f"{number}.juki", {**CELLS, "serial": b"%d" % number}, b"card %d" % number) for number in range(5)]


def test_each_file_opens_and_is_used_like_any_other(tmp_path: Path) -> None:
    write_card_files(tmp_path, KEY, GROUP)
    assert {path.name for path in tmp_path.iterdir()} == {card.name for card in GROUP}
    for card in GROUP:
        path = tmp_path / card.name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with CardFile.open(path, KEY) as file:
            assert (file.snapshot(), file.card_id, file.commits) == (card.cells, card.card_id, 1)
            file.commit({"serial": b"changed", "password/tries": None, "new": b"cell"})
        with CardFile.open(path, KEY, not_before=2) as file:
            assert file.read("serial") == b"changed"
            assert file.read("password/tries") is None
    with pytest.raises(WrongStorageKey):
        CardFile.open(tmp_path / "0.juki", bytes(32))


def test_a_file_says_of_itself_what_one_made_alone_says(tmp_path: Path) -> None:
    CardFile.create(tmp_path / "alone", KEY, CELLS, card_id=CARD_ID, random=bytes).close()
    write_card_files(tmp_path, KEY, [NewCard("group", CELLS, CARD_ID)], random=bytes)
    questions = (
        *(f"PRAGMA {name}" for name in ("page_size", "encoding", "auto_vacuum", "application_id", "user_version")),
        "PRAGMA journal_mode",
        "PRAGMA integrity_check",
        "PRAGMA freelist_count",
        "SELECT name, sql FROM sqlite_master",
        "SELECT * FROM card",
        "SELECT * FROM cells WHERE number != 0",
    )
    alone, group = (_answers(tmp_path / name, questions) for name in ("alone", "group"))
    assert group == alone
    # Byte 18 to 19: opened with a write-ahead log; 56: UTF-8.  What counts changes (24, 92, 96) may differ.
    headers = [(tmp_path / name).read_bytes()[:72] for name in ("alone", "group")]
    assert headers[0][:24] == headers[1][:24]
    assert headers[0][40:] == headers[1][40:]


def test_an_image_holds_nothing_of_the_one_before() -> None:
    with closing(database.in_memory()) as memory:
        first = database.image(memory, Sealer(KEY, b"first card", os.urandom), {"cell": bytes(50_000)})
        second = database.image(memory, Sealer(KEY, b"second", os.urandom), {})
    assert b"first card" in first
    assert b"first card" not in second
    assert len(second) < len(first)


@pytest.mark.parametrize("standing", ["0.juki", "4.juki"])
def test_a_file_that_stands_there_is_left_alone_and_none_of_the_group_appears(tmp_path: Path, standing: str) -> None:
    (tmp_path / standing).write_bytes(b"somebody's")
    with pytest.raises(CardFileExists):
        write_card_files(tmp_path, KEY, GROUP)
    assert [path.name for path in tmp_path.iterdir()] == [standing]
    assert (tmp_path / standing).read_bytes() == b"somebody's"


def test_two_cards_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CardFileExists):
        write_card_files(tmp_path, KEY, [*GROUP, GROUP[0]])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "bad",
    [
        NewCard("9.juki", CELLS, b""),
        NewCard("9.juki", CELLS, bytes(65)),
        NewCard("9.juki", {"": b""}, CARD_ID),
        NewCard("a/9.juki", CELLS, CARD_ID),
        NewCard("", CELLS, CARD_ID),
    ],
)
def test_what_cannot_be_a_card_file_is_refused_with_its_group(tmp_path: Path, bad: NewCard) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        write_card_files(tmp_path, KEY, [*GROUP, bad])
    assert not isinstance(refused.value, CardFileError)
    assert list(tmp_path.iterdir()) == []


def test_there_must_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(CardFileMissing):
        write_card_files(tmp_path / "none", KEY, GROUP)


@pytest.mark.parametrize("failing", ["write", "settle", "name"])
@pytest.mark.parametrize("at", [0, 3, 5])
def test_a_failing_disk_leaves_nothing_of_the_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str, at: int
) -> None:
    genuine: Callable[..., None] = getattr(LocalDisk, failing)
    calls = iter(range(100))

    def full(self: LocalDisk, *arguments: object) -> None:
        if next(calls) == at:
            raise OSError(errno.ENOSPC, "full")
        genuine(self, *arguments)

    monkeypatch.setattr(LocalDisk, failing, full)
    if failing != "settle" and at == len(GROUP):
        write_card_files(tmp_path, KEY, GROUP)  # never called so often: only the folder is one more
        return
    with pytest.raises(CardFileDiskFailed):
        write_card_files(tmp_path, KEY, GROUP)
    assert list(tmp_path.iterdir()) == []


def test_no_name_is_given_before_every_file_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    for step in ("write", "settle", "name"):
        monkeypatch.setattr(LocalDisk, step, _noting(done, step))
    write_card_files(tmp_path, KEY, GROUP)
    count = len(GROUP)
    assert done == ["write"] * count + ["settle"] * count + ["name"] * count + ["settle"]


def _noting(done: list[str], step: str) -> Callable[..., None]:
    genuine: Callable[..., None] = getattr(LocalDisk, step)

    def noting(self: LocalDisk, *arguments: object) -> None:
        done.append(step)
        genuine(self, *arguments)

    return noting


def _answers(path: Path, questions: tuple[str, ...]) -> list[list[object]]:
    with closing(sqlite3.connect(path)) as connection:
        return [connection.execute(question).fetchall() for question in questions]
