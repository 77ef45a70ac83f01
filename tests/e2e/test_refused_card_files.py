"""A card file that was edited, cut short, rolled back, or is somebody else's is refused by name, and not touched."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from jukicard.issuer.keys.storagekey import load_storage_key
from jukicard.reader.cardfile import (
    CardFile,
    CardFileBusy,
    CardFileDamaged,
    CardFileError,
    CardFileMissing,
    NotACardFile,
    WrongStorageKey,
)
from jukicard.reader.chips import open_emulator
from tests.support.chips import randomness
from tests.support.issued import WRONG_PASSWORD, Office

Spoil = Callable[[Path, Path], None]
"""Given the card file, and its copy from before the holder's wrong passwords."""


def shell(path: Path, *statements: str) -> None:
    """What somebody with an SQLite shell could do."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def _edit(path: Path, old: Path) -> None:
    shell(path, "UPDATE cells SET box = zeroblob(length(box)) WHERE number = 3")


def _remove_a_cell(path: Path, old: Path) -> None:
    shell(path, "DELETE FROM cells WHERE number = 5")


def _swap_two_cells(path: Path, old: Path) -> None:
    shell(
        path,
        "UPDATE cells SET box = (SELECT c.box FROM cells c WHERE c.number = 11 - cells.number) WHERE number IN (5, 6)",
    )


def _put_the_counters_back(path: Path, old: Path) -> None:
    """Every cell as it was before the wrong passwords, but the header of now: the tries would be there again."""
    shell(
        path,
        f"ATTACH '{old}' AS old",
        "DELETE FROM cells WHERE number != 0",
        "INSERT INTO cells SELECT * FROM old.cells WHERE number != 0",
    )


def _put_some_cells_back(path: Path, old: Path) -> None:
    shell(
        path,
        f"ATTACH '{old}' AS old",
        "UPDATE cells SET (version, box) = "
        "(SELECT o.version, o.box FROM old.cells o WHERE o.number = cells.number) "
        "WHERE number = (SELECT c.number FROM cells c JOIN old.cells o ON o.number = c.number "
        "WHERE o.version <> c.version LIMIT 1)",
    )


def _truncate(path: Path, old: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4096])


def _truncate_to_nothing(path: Path, old: Path) -> None:
    path.write_bytes(b"")


def _flip_a_bit(path: Path, old: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x04
    path.write_bytes(content)


def _add_a_table(path: Path, old: Path) -> None:
    shell(path, "CREATE TABLE notes (text)")


SPOILT: dict[str, tuple[Spoil, type[CardFileError], str]] = {
    "a cell edited": (_edit, CardFileDamaged, "cell 3"),
    "a cell removed": (_remove_a_cell, CardFileDamaged, "root"),
    "two cells swapped": (_swap_two_cells, CardFileDamaged, "cell 5"),
    "rolled back under the new header": (_put_the_counters_back, CardFileDamaged, "root"),
    "some cells rolled back": (_put_some_cells_back, CardFileDamaged, "root"),
    "truncated": (_truncate, CardFileDamaged, "database"),
    "empty": (_truncate_to_nothing, NotACardFile, "card file"),
    "a bit flipped": (_flip_a_bit, CardFileDamaged, "damaged"),
    "a table added": (_add_a_table, CardFileDamaged, "schema"),
}


@pytest.fixture
def key(active: Office) -> bytes:
    return load_storage_key(active.home / "storage.key")


@pytest.fixture
def path(active: Office, tmp_path: Path, key: bytes) -> Path:
    """The active card in a card file, after two wrong passwords; a copy from before them lies in `old.juki`."""
    path, old = tmp_path / "card.juki", tmp_path / "old.juki"
    CardFile.create(path, key, active.cells, card_id=b"this card", random=randomness("file")).close()
    shutil.copyfile(path, old)
    for _ in range(2):
        with closing(open_emulator(path, key)) as connection, pytest.raises(Exception, match="63C"):
            active.authenticate(connection, WRONG_PASSWORD)
    return path


@pytest.mark.parametrize("how", SPOILT)
def test_a_spoilt_file_is_refused_by_name(path: Path, key: bytes, how: str) -> None:
    spoil, error, message = SPOILT[how]
    spoil(path, path.with_name("old.juki"))
    before = hashlib.sha256(path.read_bytes()).digest()
    for _ in range(2):  # it is not repaired on the way
        with pytest.raises(error, match=message):
            open_emulator(path, key)
    assert hashlib.sha256(path.read_bytes()).digest() == before


def test_the_file_is_taken_as_it_is(path: Path, key: bytes, active: Office) -> None:
    """Nothing but the damage is to blame for the refusals above."""
    with closing(open_emulator(path, key)) as connection:
        assert active.authenticate(connection).password_ok


def test_another_homes_card_and_other_files(path: Path, key: bytes, tmp_path: Path) -> None:
    with pytest.raises(WrongStorageKey):
        open_emulator(path, key[::-1])
    with pytest.raises(CardFileMissing):
        open_emulator(tmp_path / "none.juki", key)
    (tmp_path / "text.juki").write_text("this is no card\n" * 1000)
    with pytest.raises(NotACardFile):
        open_emulator(tmp_path / "text.juki", key)
    shell(tmp_path / "other.juki", "CREATE TABLE cells (number)")
    with pytest.raises(NotACardFile):
        open_emulator(tmp_path / "other.juki", key)


def test_another_cards_cells_and_log(path: Path, key: bytes, active: Office, tmp_path: Path) -> None:
    """Two cards of one home: neither's contents pass for the other's."""
    other = tmp_path / "other.juki"
    CardFile.create(other, key, active.cells, card_id=b"other card", random=randomness("other")).close()
    with closing(open_emulator(other, key)) as connection:
        connection.transmit(bytes.fromhex("805000000800010203040506 0700"))
        shutil.copyfile(f"{other}-wal", f"{path}-wal")
    with pytest.raises(CardFileDamaged):
        open_emulator(path, key)
    Path(f"{path}-wal").unlink()
    shell(
        path,
        f"ATTACH '{other}' AS other",
        "UPDATE cells SET box = (SELECT o.box FROM other.cells o WHERE o.number = cells.number) WHERE number = 2",
    )
    with pytest.raises(CardFileDamaged, match="cell 2"):
        open_emulator(path, key)


def test_a_lost_log_is_noticed(path: Path, key: bytes, active: Office, tmp_path: Path) -> None:
    """The log of a killed program holds the newest tries; without it the card would have more of them."""
    killed = tmp_path / "killed.juki"
    with closing(open_emulator(path, key)) as connection:
        with pytest.raises(Exception, match="63C0"):
            active.authenticate(connection, WRONG_PASSWORD)
        for end in ("", "-wal"):
            shutil.copyfile(f"{path}{end}", f"{killed}{end}")
    kept = Path(f"{killed}-wal").read_bytes()
    Path(f"{killed}-wal").unlink()
    with pytest.raises(CardFileDamaged, match="journal"):
        open_emulator(killed, key)
    Path(f"{killed}-wal").write_bytes(kept)
    with closing(open_emulator(killed, key)) as connection, pytest.raises(Exception, match="6983"):
        active.authenticate(connection)


def test_a_card_is_opened_by_one_at_a_time(path: Path, key: bytes) -> None:
    with closing(open_emulator(path, key)), pytest.raises(CardFileBusy):
        open_emulator(path, key)
