"""With fixed randomness everything is the same to the last bit: homes, certificates, every APDU, the card, its file."""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from jukicard.card.store import MemoryStore
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.keys.storagekey import load_storage_key
from jukicard.reader.cardfile import CardFile
from jukicard.reader.chip import Interface
from jukicard.reader.chips import CardFileChip, create_chip
from jukicard.reader.emulator import EmulatorConnection
from jukicard.reader.recording import Dialogue, DialogueMismatch, Exchange, Recorder, play
from jukicard.testing.readers import ShortOnlyReader
from tests.support.chips import randomness
from tests.support.issued import AUTHORITY_PASSWORD, CITY, TODAY, Office, blank_cells, new_card


@dataclass(frozen=True)
class Life:
    """All that a card's life left: what was said, the chip's cells, the home's files, the head of the books."""

    dialogue: Dialogue
    cells: dict[str, bytes]
    files: dict[str, str]
    head: str


def live(folder: Path, seed: str = "seed", interface: Interface = Interface.CONTACT) -> Life:
    """Set an authority up, issue a card, hand it over, authenticate: all randomness from the seed."""
    home = folder / "home"
    Authority.init(home, CITY, AUTHORITY_PASSWORD, today=TODAY, random=randomness(("home", seed))).close()
    store = MemoryStore(blank_cells())
    office = Office(home, {})
    with closing(EmulatorConnection(new_card(store, ("card", seed)), interface)) as connection:
        recorder = Recorder(connection)
        office.issue(recorder, ("issue", seed))
        office.hand_over(recorder, seed=("handover", seed))
        office.authenticate(recorder, seed=("auth", seed))
    head = office.authority.ledger.head()
    office.close()
    files = {
        str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(home.rglob("*"))
        if path.is_file() and not path.name.startswith("ledger.sqlite")
    }
    return Life(recorder.dialogue(), store.snapshot(), files, head)


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    return live(tmp_path_factory.mktemp("first"))


def test_a_whole_life_is_the_same_twice(life: Life, tmp_path: Path) -> None:
    assert live(tmp_path) == life
    assert len(life.dialogue.steps) > 80
    assert len(life.files) >= 10


def test_by_either_interface_the_chip_says_the_same(life: Life, tmp_path: Path) -> None:
    assert live(tmp_path, interface=Interface.CONTACTLESS).dialogue == life.dialogue


def test_other_randomness_shows_in_everything_that_is_random(life: Life, tmp_path: Path) -> None:
    other = live(tmp_path, "another seed")
    assert other.dialogue != life.dialogue
    assert other.head != life.head
    differing = {cell for cell in life.cells if life.cells[cell] != other.cells[cell]}
    keys = {cell for cell in life.cells if (cell.endswith("/v") and "/k/" in cell) or "/key/1" in cell}
    assert keys
    assert keys <= differing
    same = {name for name in life.files if life.files[name] == other.files[name]}
    assert {name for name in same if not name.endswith(".lock")} == {"authority.json", "national/national.json"}


def test_a_recorded_life_is_played_again_on_a_chip_of_the_same_seed(life: Life) -> None:
    """The chip cannot tell the recording from the issuing machine; a chip of another seed can."""
    with closing(EmulatorConnection(new_card(MemoryStore(blank_cells()), ("card", "seed")))) as connection:
        play(life.dialogue, connection)
    other = EmulatorConnection(new_card(MemoryStore(blank_cells()), ("card", "other")))
    with closing(other), pytest.raises(DialogueMismatch):
        play(life.dialogue, other)


def test_over_short_apdus_the_card_becomes_the_same(life: Life, tmp_path: Path) -> None:
    """Other bytes on the wire (chains, GET RESPONSE), the same card and the same books."""
    home = tmp_path / "home"
    Authority.init(home, CITY, AUTHORITY_PASSWORD, today=TODAY, random=randomness(("home", "seed"))).close()
    store, office = MemoryStore(blank_cells()), Office(home, {})
    with closing(EmulatorConnection(new_card(store, ("card", "seed")))) as connection:
        recorder = Recorder(connection)
        reader = ShortOnlyReader(recorder)
        office.issue(reader, ("issue", "seed"))
        office.hand_over(reader, seed=("handover", "seed"))
        office.authenticate(reader, seed=("auth", "seed"))
    commands = [step.command for step in recorder.dialogue().steps if isinstance(step, Exchange)]
    assert any(command[0] & 0x10 for command in commands)
    assert any(command[1] == 0xC0 for command in commands)
    assert office.authority.ledger.head() == life.head
    office.close()
    assert store.snapshot() == life.cells


def test_card_files_are_the_same_to_the_byte(tmp_path: Path, active: Office) -> None:
    contents = []
    key = load_storage_key(active.home / "storage.key")
    for name in ("one", "two"):
        path = tmp_path / f"{name}.juki"
        create_chip(path, key, 4711, random=randomness("made"))
        with closing(CardFileChip(path, key, random=randomness("chip"))) as chip:
            EmulatorConnection(chip.card).transmit(bytes.fromhex("8050000008 0001020304050607 00"))
        contents.append(path.read_bytes())
        with CardFile.open(path, key) as store:
            assert store.commits >= 2
    assert contents[0] == contents[1]
