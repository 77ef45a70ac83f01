"""What a thief has of a stolen card file: structure and sizes, nothing to read, and nothing to try."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from jukicard.reader.cardfile import (
    CardFile,
    WrongPassphrase,
    WrongStorageKey,
    derive_storage_key,
    new_exported_id,
    sealing,
)
from jukicard.reader.cardfile.sealing import EXPORT_MARK, Sealer
from tests.support import chips
from tests.support.cardfile import KEY

PASSPHRASE = "violet lantern 58 harbour"
VARIED = 5
"""Different bytes at least in what is looked for: less may stand in any file."""


def secrets(cells: Mapping[str, bytes]) -> Iterator[bytes]:
    """Everything that nobody may read in the file: names, contents, and pieces of longer contents."""
    for name, content in cells.items():
        yield name.encode()
        pieces = (content, *(content[start : start + 16] for start in range(0, len(content) - 15, 8)))
        yield from (piece for piece in pieces if len(set(piece)) >= VARIED)
    yield from (chips.CODE, chips.PATRON, bytes(chips.JUKI), bytes(chips.LIBRARY), bytes(chips.CITY_DOMAIN), KEY)
    for keys in (chips.ISSUER_KEYS, chips.JUKI_KEYS, chips.CITY_KEYS):
        yield from (keys.enc, keys.mac, keys.dek)


def rows(path: Path) -> list[tuple[int, int, bytes]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT number, version, box FROM cells WHERE number > 0 ORDER BY number").fetchall()


def test_nothing_of_an_issued_card_can_be_read_in_any_of_its_files(tmp_path: Path) -> None:
    cells = chips.active().cells
    card = CardFile.create(tmp_path / "card.juki", KEY, cells, card_id=bytes(16))
    card.commit({name: content + b"\0" for name, content in cells.items()})
    card.commit({name: content for name, content in cells.items() if len(name) % 2}, durable=False)
    killed = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    card.close()
    stolen = {**killed, "closed": (tmp_path / "card.juki").read_bytes()}
    assert set(stolen) == {"card.juki", "card.juki-wal", "closed"}
    looked_for = set(secrets(cells))
    assert len(looked_for) > 150
    for where, content in stolen.items():
        assert not [secret for secret in looked_for if secret in content], where
    assert b"CREATE TABLE cells" in stolen["closed"], "what is readable is found by this search"


def eights(found: list[tuple[int, int, bytes]]) -> set[bytes]:
    """All pieces of 8 bytes of all boxes."""
    return {box[start : start + 8] for _, _, box in found for start in range(len(box) - 7)}


def test_two_cards_with_the_same_contents_share_nothing_but_structure(tmp_path: Path) -> None:
    cells = chips.active().cells
    paths = [tmp_path / name for name in ("one", "other")]
    for path in paths:
        CardFile.create(path, KEY, cells, card_id=os.urandom(16)).close()
    one, other = map(rows, paths)
    assert [(number, version, len(box)) for number, version, box in one] == [
        (number, version, len(box)) for number, version, box in other
    ]
    pieces = [
        {box[start : start + 8] for _, _, box in found for start in range(len(box) - 7)} for found in (one, other)
    ]
    assert not pieces[0] & pieces[1]


def test_equal_contents_look_different_also_within_a_card_and_from_commit_to_commit(tmp_path: Path) -> None:
    same = {f"cell/{number}": bytes(100) for number in range(20)}
    path = tmp_path / "card"
    CardFile.create(path, KEY, same, card_id=bytes(16)).close()
    boxes = [box for _, _, box in rows(path)]
    for _ in range(3):
        with CardFile.open(path, KEY) as card:
            card.commit(same)
        boxes += [box for _, _, box in rows(path)]
    assert len({box[:12] for box in boxes}) == len({box[12:] for box in boxes}) == len(boxes) == 80


def test_the_key_check_is_one_of_the_whole_storage_key(tmp_path: Path) -> None:
    """256 bits of it: every bit counts, and the check tells nothing of the keys beside it."""
    path, card_id = tmp_path / "card", bytes(16)
    CardFile.create(path, KEY, {"a": b"b"}, card_id=card_id).close()
    checks = {Sealer(KEY, card_id, os.urandom).check}
    for bit in range(256):
        wrong = (int.from_bytes(KEY) ^ 1 << bit).to_bytes(32)
        checks.add(Sealer(wrong, card_id, os.urandom).check)
    assert len(checks) == 257
    with pytest.raises(WrongStorageKey):
        CardFile.open(path, (int.from_bytes(KEY) ^ 1).to_bytes(32))


def test_an_exported_card_can_be_tried_by_whoever_has_it_but_only_at_the_price_of_scrypt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As strong as its passphrase: one derivation for each guess, of the card's own salt, and no other way in."""
    guesses: list[tuple[str, bytes]] = []
    derive = sealing.Scrypt

    class Counted:
        def __init__(self, *, salt: bytes, length: int, n: int, r: int, p: int) -> None:
            assert (length, n, r, p) == (32, 1 << 17, 8, 1)
            self.salt = salt

        def derive(self, secret: bytes) -> bytes:
            guesses.append((secret.decode(), self.salt))
            return derive(salt=self.salt, length=32, n=1 << 4, r=8, p=1).derive(secret)

    monkeypatch.setattr(sealing, "Scrypt", Counted)
    path, card_id = tmp_path / "exported.juki", new_exported_id(os.urandom)
    CardFile.create(path, derive_storage_key(PASSPHRASE, card_id), chips.active().cells, card_id=card_id).close()
    assert card_id.startswith(EXPORT_MARK)
    guesses.clear()
    for guess in ("123456789012", "password1234"):
        with pytest.raises(WrongPassphrase):
            CardFile.open(path, lambda found, guess=guess: derive_storage_key(guess, found))  # type: ignore[misc]
    assert guesses == [("123456789012", card_id), ("password1234", card_id)]
    with CardFile.open(path, lambda found: derive_storage_key(PASSPHRASE, found)) as card:
        assert card.snapshot() == chips.active().cells
    with pytest.raises(WrongPassphrase):
        CardFile.open(path, KEY)
    other = new_exported_id(os.urandom)
    assert derive_storage_key(PASSPHRASE, other) != derive_storage_key(PASSPHRASE, card_id), "no table serves two cards"
