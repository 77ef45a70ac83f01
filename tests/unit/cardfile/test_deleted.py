"""What DELETE removes is gone from the file's bytes, sealed as it was: SQLite overwrites what it frees."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from jukicard.card.card import Card
from jukicard.card.ports import Ports
from jukicard.reader.cardfile import CardFile
from jukicard.reader.emulator import EmulatorConnection
from jukicard.testing.seeds import randomness
from tests.support import chips, content, loaded
from tests.support.cardfile import CARD_ID, KEY
from tests.support.chips import say

WINDOW = 32


def boxes(path: Path) -> set[bytes]:
    """The sealed contents in a closed file."""
    with closing(sqlite3.connect(path)) as connection:
        return {box for (box,) in connection.execute("SELECT box FROM cells")}


def remains(path: Path, gone: set[bytes]) -> list[bytes]:
    """The pieces of sealed contents that still stand somewhere in the file."""
    raw = path.read_bytes()
    pieces = (box[at : at + WINDOW] for box in gone for at in range(0, len(box) - WINDOW + 1, WINDOW))
    return [piece for piece in pieces if piece in raw]


def test_no_sealed_byte_of_a_deleted_load_file_and_its_applications_stays(tmp_path: Path) -> None:
    path = tmp_path / "card.juki"
    chip = content.card("a large load file")
    city = content.client(chip)
    content.bring(city, loaded.block(1, 20000).encode())
    city.install(loaded.MODULE, content.SERVICE, load_file=loaded.FILE)
    chip.select(content.SERVICE)
    say(chip, 0, 0x12, 0, 0, bytes(range(256)) * 8, sw=0x9000)
    CardFile.create(path, KEY, chip.cells, card_id=CARD_ID).close()
    before = boxes(path)
    with CardFile.open(path, KEY) as file:
        card = Card(file, chips.rom(), Ports(randomness("deleting"), strict=True))
        with closing(EmulatorConnection(card)) as connection:
            content.client(connection).delete(loaded.FILE, related=True)  # type: ignore[arg-type]
    gone = before - boxes(path)
    assert max(map(len, gone)) > 20000
    assert sum(len(box) > 2048 for box in gone) == 2
    assert remains(path, gone) == []
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "card.juki"
    CardFile.create(path, KEY, content.loaded_cells(), card_id=CARD_ID).close()
    assert remains(path, boxes(path))
