"""The limits of what a card file holds, on both sides of each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jukicard.reader.cardfile import CardFile, CardFileDamaged, WrongPassphrase, WrongStorageKey, card_id_of
from jukicard.reader.cardfile.sealing import new_exported_id
from tests.support.cardfile import CARD_ID, CELLS, KEY

Edit = Callable[..., None]


@pytest.mark.parametrize("length", [1, 64])
def test_identifiers_of_1_to_64_bytes(tmp_path: Path, length: int) -> None:
    path = tmp_path / "card.juki"
    CardFile.create(path, KEY, CELLS, card_id=bytes(length)).close()
    with CardFile.open(path, KEY) as card:
        assert card.card_id == card_id_of(path) == bytes(length)


@pytest.mark.parametrize("name", ["n", "n" * 200])
def test_cell_names_of_1_to_200_characters(tmp_path: Path, name: str) -> None:
    path = tmp_path / "card.juki"
    with CardFile.create(path, KEY, {name: b"1"}, card_id=CARD_ID) as card:
        card.commit({name[:-1] + "m": b"2"})
    with CardFile.open(path, KEY) as card:
        assert card.snapshot() == {name: b"1", name[:-1] + "m": b"2"}


@pytest.mark.parametrize("name", ["", "n" * 201, "住基"])
def test_no_card_is_made_with_a_cell_that_has_no_right_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cell name"):
        CardFile.create(tmp_path / "card.juki", KEY, {"good": b"", name: b""}, card_id=CARD_ID)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("length", [1, 255])
def test_an_identifier_of_another_length_than_ours_is_read_and_then_not_proved(
    path: Path, edit: Edit, length: int
) -> None:
    edit(f"UPDATE card SET card_id = zeroblob({length})")
    assert card_id_of(path) == bytes(length)
    with pytest.raises(WrongStorageKey):
        CardFile.open(path, KEY)


@pytest.mark.parametrize("statement", ["card_id = x''", "card_id = zeroblob(256)", "key_check = 'text'"])
def test_an_impossible_identifier_is_damage(path: Path, edit: Edit, statement: str) -> None:
    edit(f"UPDATE card SET {statement}")
    for act in (lambda: CardFile.open(path, KEY), lambda: card_id_of(path)):
        with pytest.raises(CardFileDamaged) as caught:
            act()
        assert caught.value.part == "header"


@pytest.mark.parametrize("check", ["x''", "zeroblob(15)", "zeroblob(17)"])
def test_a_key_check_of_another_length_proves_nothing(path: Path, edit: Edit, check: str) -> None:
    edit(f"UPDATE card SET key_check = {check}")
    with pytest.raises(WrongStorageKey):
        CardFile.open(path, KEY)


@pytest.mark.parametrize(
    ("statement", "part"),
    [
        ("UPDATE cells SET version = 0 WHERE number = 0", "header"),
        ("UPDATE cells SET version = 0 WHERE number = 3", "cell 3"),
        ("UPDATE cells SET version = 1.5 WHERE number = 0", "header"),
        ("UPDATE cells SET box = 'text' WHERE number = 0", "header"),
        ("UPDATE cells SET box = CAST(box || x'00' AS BLOB) WHERE number = 0", "header"),
        ("UPDATE cells SET box = x'' WHERE number = 0", "header"),
        ("UPDATE cells SET box = substr(box, 1, 28) WHERE number = 3", "cell 3"),
        (f"UPDATE cells SET box = '{'t' * 60}' WHERE number = 3", "cell 3"),
        (f"UPDATE cells SET box = '{'t' * 33}' WHERE number = 0", "header"),
    ],
)
def test_impossible_values_are_damage(path: Path, edit: Edit, statement: str, part: str) -> None:
    edit(statement)
    with pytest.raises(CardFileDamaged) as caught:
        CardFile.open(path, KEY)
    assert caught.value.part == part


def test_a_card_without_cells_and_an_empty_cell(tmp_path: Path) -> None:
    path = tmp_path / "card.juki"
    with CardFile.create(path, KEY, {}, card_id=CARD_ID) as card:
        assert card.snapshot() == {}
        card.commit({"empty": b""})
    with CardFile.open(path, KEY) as card:
        assert card.snapshot() == {"empty": b""}


def test_not_before_is_reached_by_the_very_commit(path: Path) -> None:
    with CardFile.open(path, KEY) as card:
        card.commit({"password/tries": b"\x02"})
    settled = card.settled
    assert settled == 3
    CardFile.open(path, KEY, not_before=settled).close()
    CardFile.open(path, lambda _: KEY, not_before=lambda card_id: settled if card_id == CARD_ID else 99).close()


def test_what_a_card_file_tells_of_itself(path: Path) -> None:
    with CardFile.open(path, KEY) as card:
        assert (card.path, card.card_id, card.commits, card.settled) == (str(path), CARD_ID, 1, None)
        assert repr(card) == f"CardFile({str(path)!r}, 1 commits)"


def test_a_wrong_key_is_called_a_passphrase_only_where_it_comes_from_one(path: Path, tmp_path: Path) -> None:
    exported = tmp_path / "exported.juki"
    CardFile.create(exported, KEY, CELLS, card_id=new_exported_id(bytes)).close()
    for file, expected in ((path, WrongStorageKey), (exported, WrongPassphrase)):
        with pytest.raises(WrongStorageKey) as caught:
            CardFile.open(file, bytes(32))
        assert type(caught.value) is expected


def test_pages_that_do_not_fit_together_are_damage_though_every_cell_can_be_read(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[36:40] = (5).to_bytes(4)  # the number of free pages in SQLite's file header
    path.write_bytes(content)
    with pytest.raises(CardFileDamaged) as caught:
        CardFile.open(path, KEY)
    assert caught.value.part == "database"
    assert path.read_bytes() == content
