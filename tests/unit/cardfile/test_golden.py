"""The card files of every schema load for ever, with their contents."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from jukicard.reader.cardfile import (
    CardFile,
    CardFileDamaged,
    WrongPassphrase,
    WrongStorageKey,
    card_id_of,
    derive_storage_key,
    is_exported,
)
from jukicard.reader.cardfile.sealing import SCHEMA

GOLDEN = Path(__file__).parents[2] / "golden" / "cardfile"


@pytest.fixture(params=range(1, SCHEMA + 1), ids=lambda schema: f"schema {schema}")
def schema(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.mark.parametrize("kind", ["closed", "killed"])
def test_loads_with_its_contents_and_lives_on(tmp_path: Path, schema: int, kind: str) -> None:
    about = json.loads((GOLDEN / f"schema-{schema}.json").read_text())
    key = bytes.fromhex(about["storage_key"])
    name = f"schema-{schema}.juki" if kind == "closed" else f"schema-{schema}-killed.juki"
    listed = about["closed"] | (about["killed"] if kind == "killed" else {})
    expected = {cell: bytes.fromhex(content) for cell, content in listed.items()}
    path = tmp_path / name
    for end in ("",) if kind == "closed" else ("", "-wal"):
        shutil.copy(GOLDEN / f"{name}{end}", f"{path}{end}")
    assert card_id_of(path) == bytes.fromhex(about["card_id"])
    with pytest.raises(WrongStorageKey):
        CardFile.open(path, key[::-1])
    with CardFile.open(path, key) as card:
        assert card.snapshot() == expected
        card.commit({"tries": b"\x07", "empty": None})
    with CardFile.open(path, key) as card:
        assert card.snapshot() == {cell: content for cell, content in expected.items() if cell != "empty"} | {
            "tries": b"\x07"
        }


def test_the_killed_one_needs_its_log(tmp_path: Path, schema: int) -> None:
    about = json.loads((GOLDEN / f"schema-{schema}.json").read_text())
    path = tmp_path / "card"
    shutil.copy(GOLDEN / f"schema-{schema}-killed.juki", path)
    with pytest.raises(CardFileDamaged, match="journal"):
        CardFile.open(path, bytes.fromhex(about["storage_key"]))


def test_an_exported_card_opens_with_its_passphrase(tmp_path: Path, schema: int) -> None:
    about = json.loads((GOLDEN / f"schema-{schema}.json").read_text())
    path = tmp_path / "exported.juki"
    shutil.copy(GOLDEN / f"schema-{schema}-exported.juki", path)
    assert is_exported(card_id_of(path))
    with pytest.raises(WrongPassphrase):
        CardFile.open(path, lambda card_id: derive_storage_key("another passphrase", card_id))
    with CardFile.open(path, lambda card_id: derive_storage_key(about["passphrase"], card_id)) as card:
        assert card.snapshot() == {cell: bytes.fromhex(content) for cell, content in about["closed"].items()}
