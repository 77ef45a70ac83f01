"""A card file's life: made, opened, locked, written, closed; and what it shows to a thief."""

from __future__ import annotations

import errno
import gc
import os
import random
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from jukicard.card.errors import StoreError
from jukicard.reader.cardfile import (
    CardFile,
    CardFileBusy,
    CardFileClosed,
    CardFileError,
    CardFileExists,
    CardFileMissing,
    CardFileReadOnly,
    NotACardFile,
    card_id_of,
)
from tests.support.cardfile import CARD_ID, CELLS, KEY


def in_child(act: Callable[[], object]) -> int:
    """Run `act` in a forked process; return 0 where it went through, 1 where it raised."""
    child = os.fork()
    if child == 0:
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - a child may not fall back into pytest
            os.write(2, repr(error).encode())
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_what_is_created_is_read_again(path: Path) -> None:
    with CardFile.open(path, KEY) as card:
        assert card.snapshot() == CELLS
        assert list(card.cells("juki/")) == sorted(name for name in CELLS if name.startswith("juki/"))
        assert card.read("password/tries") == b"\x03"
        assert card.read("no such cell") is None


def test_commits_are_read_again(path: Path) -> None:
    with CardFile.open(path, KEY) as card:
        card.commit({"password/tries": b"\x02", "juki/file/0": None, "new": b"n" * 20_000, "absent": None})
        card.commit({"empty": b"", "new": bytearray(b"changed")}, durable=False)
        expected = {**CELLS, "password/tries": b"\x02", "new": b"changed", "empty": b""}
        del expected["juki/file/0"]
        assert list(card.cells()) == sorted(expected)
        assert card.snapshot() == expected
    with CardFile.open(path, KEY) as card:
        assert card.snapshot() == expected


def test_a_caller_cannot_change_a_committed_cell_behind_the_store(path: Path) -> None:
    content = bytearray(b"before")
    with CardFile.open(path, KEY) as card:
        card.commit({"cell": content})
        content[:] = b"behind"
        assert card.read("cell") == b"before"


def test_an_empty_commit_changes_nothing(path: Path) -> None:
    with CardFile.open(path, KEY) as card:
        card.commit({})
        card.commit({}, durable=False)
        assert card.commits == 1


def test_commits_are_counted_through_closings(path: Path) -> None:
    with CardFile.open(path, KEY) as card:
        before = card.commits
        card.commit({"a": b"1"})
        assert card.commits == before + 1
    with CardFile.open(path, KEY) as card:
        assert card.commits > before


@pytest.mark.parametrize("name", ["", "x" * 201, "住基"])
def test_bad_cell_names_are_refused_before_anything_is_written(path: Path, name: str) -> None:
    with CardFile.open(path, KEY) as card:
        with pytest.raises(ValueError, match="cell name"):
            card.commit({"good": b"1", name: b"2"})
        assert card.snapshot() == CELLS
        card.commit({"good": b"1"})


@pytest.mark.parametrize(("key", "card_id"), [(bytes(31), CARD_ID), (bytes(33), CARD_ID), (KEY, b""), (KEY, bytes(65))])
def test_bad_keys_and_identifiers_are_refused(tmp_path: Path, key: bytes, card_id: bytes) -> None:
    with pytest.raises(ValueError, match="bytes"):
        CardFile.create(tmp_path / "card", key, {}, card_id=card_id)
    assert list(tmp_path.iterdir()) == []


def test_closed_is_one_file_that_can_be_moved(path: Path) -> None:
    with CardFile.open(path, KEY) as card:
        card.commit({"a": b"1"})
        card.commit({"a": b"2"}, durable=False)
        assert Path(f"{path}-wal").exists()
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    moved = path.rename(path.parent / "moved")
    with CardFile.open(moved, KEY) as card:
        assert card.read("a") == b"2"


def test_all_files_are_for_the_owner_only_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        with CardFile.create(tmp_path / "card", KEY, CELLS, card_id=CARD_ID) as card:
            card.commit({"a": b"1"})
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    finally:
        os.umask(old)
    assert modes == {"card": 0o600, "card-wal": 0o600}


def test_creation_never_replaces_a_file(tmp_path: Path) -> None:
    (tmp_path / "card").write_bytes(b"precious")
    with pytest.raises(CardFileExists):
        CardFile.create(tmp_path / "card", KEY, CELLS, card_id=CARD_ID)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"card": b"precious"}


@pytest.mark.parametrize("exists", [False, True])
def test_creation_where_the_file_system_has_no_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exists: bool
) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", no_links)
    if exists:
        (tmp_path / "card").write_bytes(b"precious")
        with pytest.raises(CardFileExists):
            CardFile.create(tmp_path / "card", KEY, CELLS, card_id=CARD_ID)
        assert (tmp_path / "card").read_bytes() == b"precious"
    else:
        with CardFile.create(tmp_path / "card", KEY, CELLS, card_id=CARD_ID) as card:
            assert card.snapshot() == CELLS
    assert [file.name for file in tmp_path.iterdir()] == ["card"]


def test_a_failed_creation_leaves_nothing(tmp_path: Path) -> None:
    def no_randomness(count: int) -> bytes:
        raise OSError(errno.EIO, "no randomness")

    with pytest.raises(CardFileError):
        CardFile.create(tmp_path / "card", KEY, CELLS, card_id=CARD_ID, random=no_randomness)
    assert list(tmp_path.iterdir()) == []


def test_creation_in_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(CardFileMissing):
        CardFile.create(tmp_path / "none" / "card", KEY, CELLS, card_id=CARD_ID)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(CardFileMissing):
        CardFile.open(tmp_path / "card", KEY)
    with pytest.raises(CardFileMissing):
        card_id_of(tmp_path / "card")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_card_file(tmp_path: Path, unchanged: Callable[[], None]) -> None:
    (tmp_path / "text").write_text("just a text\n" * 1000)
    (tmp_path / "empty").write_bytes(b"")
    with sqlite3.connect(tmp_path / "database") as connection:
        connection.execute("CREATE TABLE card (something)")
    connection.close()
    unchanged()
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("text", "empty", "database", "folder", "pipe"):
        with pytest.raises(NotACardFile):
            CardFile.open(tmp_path / name, KEY)
    for name in ("text", "empty", "database"):
        with pytest.raises(NotACardFile):
            card_id_of(tmp_path / name)


def test_another_programs_database_and_its_log_are_left_alone(tmp_path: Path, unchanged: Callable[[], None]) -> None:
    connection = sqlite3.connect(tmp_path / "original", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE theirs (something)")
    for end in ("", "-wal"):
        (tmp_path / f"theirs{end}").write_bytes((tmp_path / f"original{end}").read_bytes())
    connection.close()
    unchanged()
    with pytest.raises(NotACardFile):
        CardFile.open(tmp_path / "theirs", KEY)


def test_one_opener_at_a_time_in_this_process(path: Path) -> None:
    with CardFile.open(path, KEY) as card:
        with pytest.raises(CardFileBusy):
            CardFile.open(path, KEY)
        card.commit({"a": b"1"})
    CardFile.open(path, KEY).close()


def test_one_opener_at_a_time_in_all_processes(path: Path) -> None:
    def second() -> None:
        with pytest.raises(CardFileBusy):
            CardFile.open(path, KEY)

    with CardFile.open(path, KEY):
        path.read_bytes()  # drops every POSIX lock that this process has on the file, SQLite's too
        assert in_child(second) == 0
    assert in_child(CardFile.open(path, KEY).close) == 0


def test_the_identifier_can_be_read_without_a_key_also_while_the_card_is_in_use(path: Path) -> None:
    assert card_id_of(path) == CARD_ID
    with CardFile.open(path, KEY) as card:
        card.commit({"a": b"1"})
        assert card_id_of(path) == CARD_ID
        with pytest.raises(CardFileBusy):
            CardFile.open(path, KEY)


def test_closed_means_closed(path: Path) -> None:
    card = CardFile.open(path, KEY)
    card.close()
    card.close()
    for act in (lambda: card.read("a"), card.cells, card.snapshot, lambda: card.commit({"a": b"1"})):
        with pytest.raises(CardFileClosed):
            act()


def test_a_card_file_that_is_dropped_unclosed_is_closed(path: Path) -> None:
    card = CardFile.open(path, KEY)
    card.commit({"a": b"1"})
    del card
    gc.collect()
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    with CardFile.open(path, KEY) as card:
        assert card.read("a") == b"1"


def test_a_program_that_ends_without_closing_loses_nothing(path: Path) -> None:
    program = (
        "import sys; from jukicard.reader.cardfile import CardFile\n"
        "card = CardFile.open(sys.argv[1], bytes(range(100, 132))); card.commit({'a': b'1'}); sys.exit(3)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(path)], check=False).returncode == 3
    with CardFile.open(path, KEY) as card:
        assert card.read("a") == b"1"


def test_a_forked_child_does_not_disturb_its_parent(path: Path) -> None:
    with CardFile.open(path, KEY) as card:
        card.commit({"a": b"1"})
        assert in_child(card.close) == 0
        assert Path(f"{path}-wal").exists()
        card.commit({"a": b"2"})
    with CardFile.open(path, KEY) as card:
        assert card.read("a") == b"2"


@pytest.mark.parametrize("what", ["file", "folder"])
def test_read_only(what: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path = Path(folder) / "card"
        CardFile.create(path, KEY, CELLS, card_id=CARD_ID).close()
        path.chmod(0o444 if what == "file" else 0o666)
        os.chmod(folder, 0o777 if what == "file" else 0o555)

        def somebody() -> None:
            if os.geteuid() == 0:  # root may write everything
                os.setgid(65534)
                os.setuid(65534)
            with pytest.raises(CardFileReadOnly):
                CardFile.open(path, KEY)

        before = path.read_bytes()
        assert in_child(somebody) == 0
        assert path.read_bytes() == before
        os.chmod(folder, 0o755)


def test_nothing_readable_is_left_in_any_file(tmp_path: Path) -> None:
    chance = random.Random(1)
    cells = {f"name-{n}-{chance.randbytes(6).hex()}": chance.randbytes(24) for n in range(20)}
    card = CardFile.create(tmp_path / "card", KEY, cells, card_id=CARD_ID)
    card.commit({name: content[::-1] for name, content in cells.items()})
    cells |= {name + "'": content[::-1] for name, content in cells.items()}
    seen = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    card.close()
    seen["closed"] = (tmp_path / "card").read_bytes()
    assert CARD_ID in seen["closed"]  # what is not secret is found by this search
    for where, content in seen.items():
        for needle in [KEY, *cells.values(), *(name.rstrip("'").encode() for name in cells)]:
            assert needle not in content, where


def test_a_removed_or_rewritten_cell_leaves_no_byte_of_its_ciphertext(path: Path) -> None:
    with CardFile.open(path, KEY) as card:
        card.commit({"doomed": b"d" * 50, "big": b"b" * 30_000, "kept": b"k"})
    with sqlite3.connect(path) as connection:
        boxes = [box for (box,) in connection.execute("SELECT box FROM cells WHERE version = 2 ORDER BY length(box)")]
    connection.close()
    kept, doomed, big = (box[-28:-12] for box in boxes)
    assert big in path.read_bytes()
    with CardFile.open(path, KEY) as card:
        card.commit({"doomed": None, "big": b"small now", "kept": b"K"})
    rest = path.read_bytes()
    for piece in (kept, big, doomed, boxes[2][20_000:20_016]):
        assert piece not in rest


def test_neither_texts_nor_errors_show_a_secret(path: Path) -> None:
    with CardFile.open(path, KEY) as card:
        shown = repr(card) + repr(card._engine) + repr(card._engine._sealer)
    with pytest.raises(StoreError) as caught:
        CardFile.open(path, b"\xa5" * 32)
    shown += repr(caught.value) + str(caught.value)
    long_enough = (content for content in CELLS.values() if len(content) >= 8)  # shorter ones are in any address
    for secret in (KEY, b"\xa5" * 32, *long_enough):
        assert repr(secret)[2:-1] not in shown
        assert secret.hex() not in shown
