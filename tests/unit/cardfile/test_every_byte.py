"""A bit flipped in any byte of a card file or of its log, and either cut off at any length: refused, and left as it
is, or provably without effect.

A sample of places in the quick version, every place of a whole issued card with `--hypothesis-profile=soak`.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from jukicard.reader.cardfile import CardFile, CardFileError
from tests.support import chips
from tests.support.cardfile import CARD_ID, CELLS, KEY

SEED = int(os.environ.get("JUKICARD_SEED", "20261128"))
SAMPLE = 60
MORE = bytes(20_000)
"""A content that needs all free pages, and new ones."""
HEADER = 110
"""The bytes in which an SQLite file says what it is: every second one is always tried."""

State = Mapping[str, bytes]
COMMITS: tuple[Mapping[str, bytes | None], ...] = (
    {"password/tries": b"\x02"},
    {"password/tries": b"\x01", "juki/file/0": None, "added": b"a" * 5000},
    {"password/tries": b"\x03", "added": b"changed"},
)


@dataclass
class Victim:
    """A card file in a folder of its own; `killed`, its log lies beside it, with three commits."""

    path: Path
    states: tuple[State, ...]
    """What the card has been, from its creation on; the last one is what it is."""
    files: dict[str, bytes]

    def put(self, end: str, content: bytes) -> dict[str, bytes]:
        """Set the files up, with this content for one of them; return what then stands in the folder."""
        for file in self.path.parent.iterdir():
            file.unlink()
        spoilt = {**self.files, end: content}
        for name, stored in spoilt.items():
            Path(f"{self.path}{name}").write_bytes(stored)
        return {Path(f"{self.path}{name}").name: stored for name, stored in spoilt.items()}

    def judge(self, end: str, content: bytes, allowed: tuple[State, ...]) -> bool:
        """Open the spoilt card: whether it was refused.  Else it holds an allowed state, and lives on."""
        before = self.put(end, content)
        try:
            with CardFile.open(self.path, KEY) as card:
                found = card.snapshot()
                assert found in allowed
                card.commit({"one": MORE})
        except CardFileError:
            assert {file.name: file.read_bytes() for file in self.path.parent.iterdir()} == before
            return True
        with CardFile.open(self.path, KEY) as card:
            assert card.snapshot() == {**found, "one": MORE}
        return False


def victim(folder: Path, cells: State, *, killed: bool) -> Victim:
    folder.mkdir()
    path = folder / "card.juki"
    card = CardFile.create(path, KEY, cells, card_id=CARD_ID)
    states = [card.snapshot()]
    for changes in COMMITS:
        card.commit(changes)
        states.append(card.snapshot())
    if not killed:
        card.close()
        return Victim(path, tuple(states), {"": path.read_bytes()})
    files = {end: Path(f"{path}{end}").read_bytes() for end in ("", "-wal")}
    card.close()
    return Victim(path, tuple(states), files)


@pytest.fixture
def soak(pytestconfig: pytest.Config) -> bool:
    return pytestconfig.getoption("hypothesis_profile", None) == "soak"


@pytest.fixture
def cells(soak: bool) -> State:
    """A small card; in soak one that was issued."""
    return chips.active().cells if soak else CELLS


@pytest.fixture
def places(soak: bool) -> Callable[[int], Iterator[int]]:
    """Gives the places of a file of so many bytes that are to be tried."""

    def of(size: int) -> Iterator[int]:
        if soak:
            yield from range(size)
            return
        yield from range(0, min(HEADER, size), 2)
        yield from sorted(random.Random(SEED).sample(range(size), min(SAMPLE, size)))

    return of


def flipped(content: bytes, place: int) -> bytes:
    spoilt = bytearray(content)
    spoilt[place] ^= 1 << random.Random(place).randrange(8)
    return bytes(spoilt)


@pytest.mark.parametrize("killed", [False, True], ids=["closed", "killed"])
@pytest.mark.parametrize("end", ["", "-wal"], ids=["file", "log"])
@pytest.mark.parametrize("how", ["flipped", "cut off"])
def test_every_byte(
    tmp_path: Path, cells: State, places: Callable[[int], Iterator[int]], killed: bool, end: str, how: str
) -> None:
    if end and not killed:
        pytest.skip("a closed card has no log")
    card = victim(tmp_path / "card", cells, killed=killed)
    # A damaged log is what a power cut may leave: commits are missing from some point on (docs/card-file.md).
    allowed = card.states[1:] if end else card.states[-1:]
    content = card.files[end]
    tried = refused = 0
    for place in places(len(content)):
        spoilt = flipped(content, place) if how == "flipped" else content[:place]
        try:
            refused += card.judge(end, spoilt, allowed)
        except BaseException as error:
            error.add_note(f"{how} at byte {place} of {len(content)}")
            raise
        tried += 1
    print(f"{'log' if end else 'file'} {how}: places={tried} refused={refused} without effect={tried - refused}")
    if end:
        assert refused == 0, "a log is taken as far as it is whole"
    elif not killed:
        assert refused > (tried // 10 if how == "flipped" else tried // 2)
