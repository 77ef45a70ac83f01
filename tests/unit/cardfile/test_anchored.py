"""What an anchor outside the file needs: what a closed file holds for certain, and keys and anchors by identifier."""

from __future__ import annotations

import shutil
from hashlib import scrypt
from pathlib import Path

import pytest

from jukicard.reader.cardfile import (
    CardFile,
    CardFileBusy,
    CardFileDamaged,
    CardFileDiskFailed,
    CardFileLogLost,
    CardFileRolledBack,
    WrongPassphrase,
    WrongStorageKey,
    derive_storage_key,
    is_exported,
    new_exported_id,
)
from jukicard.reader.cardfile.disk import LocalDisk
from jukicard.reader.cardfile.engine import Engine
from jukicard.reader.cardfile.sealing import EXPORT_MARK
from jukicard.reader.chips import CardFileChip, create_chip
from tests.support.cardfile import CARD_ID, CELLS, KEY


def test_a_closed_file_tells_what_it_holds(path: Path) -> None:
    card = CardFile.open(path, KEY)
    assert card.settled is None
    card.close()
    assert card.settled == card.commits == 1
    with CardFile.open(path, KEY) as card:
        card.commit({"password/tries": b"\x02"})
        card.commit({"password/tries": b"\x03"}, durable=False)
    assert card.settled == card.commits == 4, "the closing is a commit of its own"
    card.close()
    with CardFile.open(path, KEY, not_before=card.settled) as again:
        assert again.commits == 4


def test_where_the_log_stays_behind_nothing_is_certain(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: dict[str, int] = {}
    size = LocalDisk.size
    monkeypatch.setattr(LocalDisk, "size", lambda disk, name: sizes.get(name, size(disk, name)))
    card = CardFile.open(path, KEY)
    card.commit({"password/tries": b"\x02"})
    sizes[f"{path}-wal"] = 4096  # as if SQLite could not copy and remove it
    card.close()
    assert card.settled is None


def test_a_closing_that_could_not_be_written_is_not_certain(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = CardFile.open(path, KEY)
    card.commit({"password/tries": b"\x02"})

    def full(*_arguments: object, **_options: object) -> None:
        raise CardFileDiskFailed(str(path), "full")

    monkeypatch.setattr(Engine, "_write", full)
    card.close()
    assert card.settled is None


def test_key_and_anchor_are_asked_for_by_identifier(path: Path) -> None:
    asked: list[bytes] = []

    def key(card_id: bytes) -> bytes:
        asked.append(card_id)
        return KEY

    with CardFile.open(path, key, not_before={CARD_ID: 1}.__getitem__) as card:
        assert card.card_id == CARD_ID
        assert card.snapshot() == CELLS
    assert set(asked) == {CARD_ID}
    with pytest.raises(CardFileRolledBack, match="older copy"):
        CardFile.open(path, key, not_before={CARD_ID: 2}.__getitem__)


def test_an_older_copy_with_its_log_is_refused_and_left_alone(left_open: Path, tmp_path: Path) -> None:
    folder = tmp_path / "older"
    folder.mkdir()
    for end in ("", "-wal"):
        shutil.copy(f"{left_open}{end}", folder / f"card.juki{end}")
    with CardFile.open(left_open, KEY) as card:
        card.commit({"password/tries": b"\x00"})
    assert card.settled is not None
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(CardFileRolledBack):
        CardFile.open(folder / "card.juki", KEY, not_before=lambda card_id: card.settled or 0)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_the_key_is_asked_for_while_nobody_else_can_exchange_the_file(path: Path) -> None:
    def key(card_id: bytes) -> bytes:
        with pytest.raises(CardFileBusy):
            CardFile.open(path, KEY)
        return KEY

    CardFile.open(path, key).close()


def test_what_goes_wrong_while_the_key_is_asked_for_leaves_the_file_free(path: Path) -> None:
    def key(card_id: bytes) -> bytes:
        raise RuntimeError("nobody knows it")

    with pytest.raises(RuntimeError):
        CardFile.open(path, key)
    CardFile.open(path, KEY).close()


def test_a_lost_log_has_its_own_name(left_open: Path) -> None:
    Path(f"{left_open}-wal").unlink()
    with pytest.raises(CardFileLogLost) as caught:
        CardFile.open(left_open, KEY)
    assert isinstance(caught.value, CardFileDamaged)
    assert caught.value.part == "journal"
    CardFile.open(left_open, KEY, accept_lost_log=True).close()
    CardFile.open(left_open, KEY).close()


def test_an_exported_identifier_is_the_salt_and_says_so(tmp_path: Path) -> None:
    card_id = new_exported_id(lambda size: bytes(range(size)))
    assert card_id == EXPORT_MARK + bytes(range(16))
    assert is_exported(card_id)
    assert not is_exported(bytes(16))
    path = tmp_path / "exported.juki"
    CardFile.create(path, derive_storage_key("a long passphrase", card_id), CELLS, card_id=card_id).close()
    with pytest.raises(WrongPassphrase, match="passphrase"):
        CardFile.open(path, KEY)
    assert issubclass(WrongPassphrase, WrongStorageKey)
    with CardFile.open(path, lambda found: derive_storage_key("a long passphrase", found)) as card:
        assert card.snapshot() == CELLS


def test_the_derivation_that_the_mark_names_stays_as_it_is() -> None:
    """Else exported cards of before could not be opened: scrypt (RFC 7914), N = 2**17, r = 8, p = 1."""
    card_id = EXPORT_MARK + bytes(range(16))
    assert EXPORT_MARK == b"jukicard scrypt-17-8-1 "
    expected = scrypt(b"a long passphrase", salt=card_id, n=1 << 17, r=8, p=1, maxmem=1 << 28, dklen=32)
    assert derive_storage_key("a long passphrase", card_id) == expected


def test_a_chip_tells_its_closed_file_once(tmp_path: Path) -> None:
    closed: list[CardFile] = []
    create_chip(tmp_path / "chip.juki", KEY, 1)
    chip = CardFileChip(tmp_path / "chip.juki", KEY, closed=closed.append)
    assert closed == []
    chip.close()
    chip.close()
    (file,) = closed
    assert file.settled == 1
