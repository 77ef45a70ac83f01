"""The home's anchors: the highest number counts, whoever writes it; damage is told by name."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from jukicard.issuer.authority.anchors import ANCHORS_FILE, Anchors
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.description import City
from jukicard.issuer.errors import HomeDamaged, HomeExists
from jukicard.issuer.files import new_directory
from tests.support.chips import randomness
from tests.support.issued import TODAY

CARD, OTHER = b"one card", b"another card"


@pytest.fixture
def anchors(tmp_path: Path) -> Anchors:
    return Anchors(tmp_path / ANCHORS_FILE)


def test_at_first_sight_nothing_is_known_and_no_file_is_made(anchors: Anchors) -> None:
    assert anchors.reached(CARD) == 0
    assert not anchors.path.exists()


def test_the_highest_number_of_each_card_is_kept(anchors: Anchors) -> None:
    anchors.note(CARD, 7)
    anchors.note(OTHER, 2)
    anchors.note(CARD, 5)
    assert (anchors.reached(CARD), anchors.reached(OTHER), anchors.reached(b"")) == (7, 2, 0)
    anchors.note(CARD, 8)
    assert Anchors(anchors.path).reached(CARD) == 8


def test_what_the_owner_accepts_may_be_lower(anchors: Anchors) -> None:
    anchors.accept(CARD, 3)
    anchors.note(CARD, 7)
    anchors.accept(CARD, 5)
    assert anchors.reached(CARD) == 5


def test_the_file_is_private(anchors: Anchors) -> None:
    before = os.umask(0)
    try:
        anchors.note(CARD, 1)
    finally:
        os.umask(before)
    assert anchors.path.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in anchors.path.parent.iterdir()] == [ANCHORS_FILE]


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + bytes(200), bytes(5000)])
def test_a_damaged_file_is_told_by_name(anchors: Anchors, content: bytes) -> None:
    anchors.path.write_bytes(content)
    for use in (lambda: anchors.reached(CARD), lambda: anchors.note(CARD, 1), lambda: anchors.accept(CARD, 1)):
        with pytest.raises(HomeDamaged, match=ANCHORS_FILE):
            use()
    assert anchors.path.read_bytes() == content


def test_a_file_that_cannot_be_read_is_told_by_name(anchors: Anchors) -> None:
    anchors.path.mkdir()
    with pytest.raises(HomeDamaged, match=ANCHORS_FILE):
        anchors.reached(CARD)


def test_anchors_that_cannot_be_written_are_read_all_the_same(
    anchors: Anchors, monkeypatch: pytest.MonkeyPatch
) -> None:
    anchors.note(CARD, 7)
    modes: list[str] = []
    connect = sqlite3.connect

    def watched(name: str, **options: object) -> object:
        modes.append(name.rpartition("=")[2])
        return connect(name, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setattr(sqlite3, "connect", watched)
    assert anchors.reached(CARD) == 7
    assert modes == ["ro"]


def test_a_note_that_was_cut_off_before_its_table_was_made(anchors: Anchors) -> None:
    anchors.path.touch(0o600)
    assert anchors.reached(CARD) == 0
    anchors.note(CARD, 1)
    assert anchors.reached(CARD) == 1


def test_a_note_killed_in_the_middle_is_undone(anchors: Anchors, tmp_path: Path) -> None:
    anchors.note(CARD, 3)
    code = (
        "import os, sys, sqlite3; c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('PRAGMA cache_size = 1'); c.execute('BEGIN'); c.execute('UPDATE anchors SET commits = 9')\n"
        "c.execute('CREATE TABLE filler (b BLOB)')\n"
        "c.executemany('INSERT INTO filler VALUES (?)', [(bytes(9000),)] * 50); os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(anchors.path)], check=False).returncode == -9
    assert Path(f"{anchors.path}-journal").exists(), "the kill came in the middle of writing"
    assert anchors.reached(CARD) == 3


def test_somebody_who_holds_the_file_too_long_is_not_waited_for_for_ever(
    anchors: Anchors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jukicard.issuer.authority.anchors.PATIENCE_SECONDS", 0.05)
    anchors.note(CARD, 1)
    with closing(sqlite3.connect(anchors.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(HomeDamaged, match="locked"):
            anchors.note(CARD, 2)
    assert anchors.reached(CARD) == 1


def test_many_programs_at_once_lose_nothing(anchors: Anchors) -> None:
    code = (
        "import sys; from pathlib import Path; from jukicard.issuer.authority.anchors import Anchors\n"
        "start = int(sys.argv[2]); anchors = Anchors(Path(sys.argv[1]))\n"
        "for n in range(start, 60, 3): anchors.note(b'one card', n); anchors.note(b'card %d' % n, n)\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(anchors.path), str(start)]) for start in (1, 2, 3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert anchors.reached(CARD) == 59
    assert [anchors.reached(b"card %d" % n) for n in range(1, 60)] == list(range(1, 60))


def test_an_authority_moves_into_a_home_that_has_a_key_and_anchors(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "storage.key").write_text("0" * 64 + "\n", encoding="ascii")
    (home / "storage.key").chmod(0o600)
    Anchors(home / ANCHORS_FILE).note(CARD, 9)
    city = City("99201", "見本市")
    Authority.init(home, city, "an authority password", today=TODAY, random=randomness("home")).close()
    assert (home / "storage.key").read_text(encoding="ascii") == "0" * 64 + "\n"
    assert Anchors(home / ANCHORS_FILE).reached(CARD) == 9


def test_a_new_directory_keeps_the_files_named_and_no_others(tmp_path: Path) -> None:
    path = tmp_path / "home"
    path.mkdir()
    (path / "a").write_bytes(b"1")
    with new_directory(path, keep=("a", "b")) as building:
        assert (building / "a").read_bytes() == b"1"
    assert [child.name for child in path.iterdir()] == ["a"]
    (path / "c").write_bytes(b"2")
    with pytest.raises(HomeExists), new_directory(path, keep=("a", "b")):
        pass
