from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jukicard.reader.cardfile import CardFile
from tests.support.cardfile import CARD_ID, CELLS, KEY


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed card file with CELLS under KEY."""
    path = tmp_path / "card.juki"
    CardFile.create(path, KEY, CELLS, card_id=CARD_ID).close()
    return path


@pytest.fixture
def left_open(path: Path) -> Path:
    """A card file whose program was killed after two durable commits: with its log beside it."""
    card = CardFile.open(path, KEY)
    card.commit({"password/tries": b"\x02"})
    card.commit({"password/tries": b"\x01"})
    copies = {end: Path(f"{path}{end}").read_bytes() for end in ("", "-wal")}
    card.close()
    for end, content in copies.items():
        Path(f"{path}{end}").write_bytes(content)
    return path


@pytest.fixture
def edit(path: Path) -> Callable[..., None]:
    """Change the closed file as somebody with an SQLite shell could."""

    def execute(*statements: str) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement)

    return execute


@pytest.fixture
def unchanged(tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Call it to remember every file; at the end of the test they must be what they were."""
    remembered: dict[Path, bytes] = {}

    def present() -> dict[Path, bytes]:
        return {file: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}

    yield lambda: remembered.update(present())
    assert remembered
    assert present() == remembered
