"""The dialogue files: in process, through pcscd, and over readers that are awkward in every way we know."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from jukicard.applets.catalogue import rom
from jukicard.card import dispatch
from jukicard.card.context import Context
from jukicard.card.store import MemoryStore
from jukicard.card.system_commands import System
from jukicard.iso7816.cla import ClassByte
from jukicard.iso7816.connection import CardConnection, ConnectionWrapper
from jukicard.iso7816.errors import CardRemoved
from jukicard.iso7816.wrappers import T0Rules
from jukicard.reader.chip import Interface
from jukicard.reader.emulator import EmulatorConnection
from jukicard.reader.pcsc import open_pcsc
from jukicard.reader.recording import Dialogue, DialogueMismatch, Exchange, play
from jukicard.testing.chips import PulledChip
from jukicard.testing.readers import PulledReader, ShortOnlyReader, T0Reader
from tests.support import sessions
from tests.support.folders import furnished_cells
from tests.support.inserted import InsertedCard, inserted, wait_until
from tests.support.issued import Offices, Stage, new_card
from tests.support.pcscd import PrivatePcscd
from tests.support.sessions import dialogue_in

FOLDER = Path(__file__).parents[1] / "conformance"
FILES = sorted(FOLDER.glob("*.dialogue"))
_FIRST_LINE = re.compile(r"# Card: (blank|active|folder)\. Readers: (any|extended)\.")
SECOND_CLIENT = """
import contextlib, select, sys
from jukicard.reader.pcsc import open_pcsc
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0.02)[0]:
    with contextlib.closing(open_pcsc(sys.argv[1])) as card, card.transaction():
        assert card.transmit(bytes.fromhex("00A4040000"))[-2:] == bytes.fromhex("9000")
        assert card.transmit(bytes.fromhex("80CA004500"))[-2:] == bytes.fromhex("9000")
    print("a round", flush=True)
"""


def head(path: Path) -> tuple[str, str]:
    """Which card a file is for, and which readers can carry it."""
    match = _FIRST_LINE.fullmatch(path.read_text().splitlines()[0])
    assert match, f"{path.name}: its first line must say for which card and readers it is"
    return match[1], match[2]


def chain_links(dialogue: Dialogue) -> list[int]:
    """The numbers (from 1) of the commands that are links of a chain."""
    commands = [step.command for step in dialogue.steps if isinstance(step, Exchange)]
    return [number for number, command in enumerate(commands, 1) if ClassByte.parse(command[0]).chaining]


every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
any_reader = pytest.mark.parametrize(
    "path", [path for path in FILES if head(path)[1] == "any"], ids=lambda path: path.stem
)


@pytest.fixture(scope="module")
def stores(offices: Offices, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], MemoryStore]:
    """Gives a store with the cells of the card that a file is for."""
    cells = {
        name: offices.at(stage, tmp_path_factory.mktemp(name)).cells
        for name, stage in (("blank", Stage.BLANK), ("active", Stage.ACTIVE))
    }
    cells["folder"] = furnished_cells()
    return lambda path: MemoryStore(cells[head(path)[0]])


@pytest.fixture
def emulator(stores: Callable[[Path], MemoryStore], path: Path) -> Iterator[EmulatorConnection]:
    with closing(EmulatorConnection(new_card(stores(path)))) as connection:
        yield connection


def test_there_is_a_file_for_each_theme() -> None:
    assert len(FILES) >= 23
    assert {head(path) for path in FILES} == {
        ("blank", "any"),
        ("active", "any"),
        ("active", "extended"),
        ("folder", "any"),
    }


# --- in process


@every_file
@pytest.mark.parametrize("interface", list(Interface), ids=lambda interface: interface.value)
def test_in_process(stores: Callable[[Path], MemoryStore], path: Path, interface: Interface) -> None:
    store = stores(path)
    before = store.snapshot()
    with closing(EmulatorConnection(new_card(store), interface)) as connection:
        play(dialogue_in(path), connection)
        play(dialogue_in(path), connection)  # it leaves nothing behind that would change it
    changed = {cell for cell in before.keys() | store.snapshot().keys() if store.read(cell) != before.get(cell)}
    assert all("/seq/" in cell for cell in changed)  # SCP03 handshakes are counted, nothing else


@every_file
def test_a_difference_is_noticed(emulator: EmulatorConnection, path: Path) -> None:
    """A card that answers one of the commands differently does not pass."""
    dialogue = dialogue_in(path)
    commands = [number for number, step in enumerate(dialogue.steps) if isinstance(step, Exchange)]
    for number in commands[:: max(1, len(commands) // 5)]:
        connection = _Misspoken(emulator, commands.index(number) + 1)
        with pytest.raises(DialogueMismatch):
            play(dialogue, connection)


class _Misspoken(PulledReader):
    """Spoils the answer to one command."""

    def transmit(self, command: bytes) -> bytes:
        self.count += 1
        answer = self.inner.transmit(command)
        return answer[:-1] + bytes((answer[-1] ^ 0x55,)) if self.count == self.at else answer


def test_every_row_succeeds_and_is_refused(
    stores: Callable[[Path], MemoryStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By some command of some dialogue, of those with sessions as well."""
    witness = RowWitness(monkeypatch)
    for path in FILES:
        with closing(EmulatorConnection(new_card(stores(path)))) as connection:
            play(dialogue_in(path), witness.over(connection))
    for path in sessions.FILES:
        with closing(EmulatorConnection(sessions.fresh_card(path))) as connection:
            play(dialogue_in(path), witness.over(connection), sessions.OPENERS)
    rows = {(type(applet).__name__, row.name) for applet in (*rom(), System()) for row in applet.table.rows}
    assert rows - witness.refused == set()
    assert rows - witness.succeeded == set()


class RowWitness:
    """Sees which rows the commands on its connections come to, and whether they succeed (also 61, 62, 63) there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.succeeded: set[tuple[str, str]] = set()
        self.refused: set[tuple[str, str]] = set()
        self.row: tuple[str, str] | None = None
        original = dispatch.find_row

        def find_row(*command: Any) -> Context:
            ctx = original(*command)
            self.row = type(ctx.applet).__name__, ctx.row.name
            return ctx

        monkeypatch.setattr(dispatch, "find_row", find_row)

    def over(self, connection: CardConnection) -> CardConnection:
        return _Witnessed(connection, self)


class _Witnessed(ConnectionWrapper):
    def __init__(self, inner: CardConnection, witness: RowWitness) -> None:
        super().__init__(inner)
        self._witness = witness

    def transmit(self, command: bytes) -> bytes:
        self._witness.row = None
        answer = self.inner.transmit(command)
        if self._witness.row is not None:
            met = answer[-2] in (0x90, 0x61, 0x62, 0x63)
            (self._witness.succeeded if met else self._witness.refused).add(self._witness.row)
        return answer


# --- awkward readers


@any_reader
def test_over_a_reader_for_short_apdus(emulator: EmulatorConnection, path: Path) -> None:
    play(dialogue_in(path), ShortOnlyReader(emulator))


@any_reader
def test_over_t0(emulator: EmulatorConnection, path: Path) -> None:
    play(dialogue_in(path), T0Rules(T0Reader(emulator)))


@pytest.mark.parametrize("executed", [False, True], ids=["before the card saw it", "after the card did it"])
@any_reader
def test_over_a_reader_that_loses_the_card(emulator: EmulatorConnection, path: Path, executed: bool) -> None:
    """At any command, links of a chain included: the error says so, and after insertion all is as at first."""
    dialogue = dialogue_in(path)
    commands = sum(isinstance(step, Exchange) for step in dialogue.steps)
    numbers = sorted({*range(1, commands + 1, 3), *chain_links(dialogue)})
    for number in numbers:
        reader = PulledReader(emulator, number, executed=executed)
        with pytest.raises(CardRemoved, match="answered with nothing"):
            play(dialogue, reader)
        assert reader.count == number
        reader.reset()
        play(dialogue, reader)


# --- pcscd


@every_file
def test_through_pcscd(cards: Callable[[Path], InsertedCard], path: Path) -> None:
    with closing(open_pcsc(cards(path).reader_name)) as connection:
        play(dialogue_in(path), connection)


@pytest.fixture(scope="module")
def cards(stores: Callable[[Path], MemoryStore]) -> Iterator[Callable[[Path], InsertedCard]]:
    """A pcscd with a card of each kind in its three readers."""
    with PrivatePcscd(3) as pcscd, contextlib.ExitStack() as stack:
        by_head: dict[str, InsertedCard] = {}
        for reader, name in enumerate(("blank", "active", "folder")):
            path = next(path for path in FILES if head(path)[0] == name)
            chip = new_card(stores(path))
            by_head[name] = stack.enter_context(inserted(pcscd, chip, reader, settle_seconds=0))
        yield lambda path: by_head[head(path)[0]]


def test_while_a_second_program_uses_the_same_reader(cards: Callable[[Path], InsertedCard]) -> None:
    paths = [path for path in FILES if head(path)[0] == "active"]
    card = cards(paths[0])
    with subprocess.Popen(
        [sys.executable, "-c", SECOND_CLIENT, card.reader_name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=card.pcscd.environment,
    ) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == "ready\n"
            with closing(open_pcsc(card.reader_name)) as connection:
                for path in paths:
                    connection.reset()  # takes note that the other program has reset the card
                    play(dialogue_in(path), connection)
                    assert other.stdout.readline() == "a round\n"  # it comes to its turns as well
            other.communicate("enough\n", timeout=30)
            assert other.returncode == 0
        finally:
            other.kill()


def test_a_card_that_leaves_pcscd_in_mid_chain(stores: Callable[[Path], MemoryStore]) -> None:
    path = FOLDER / "05-command-chaining.dialogue"
    dialogue = dialogue_in(path)
    link = chain_links(dialogue)[1]
    chip = PulledChip(new_card(stores(path)), lambda number, command: "after" if number == link else None)
    with PrivatePcscd() as pcscd, inserted(pcscd, chip) as card:
        with closing(open_pcsc(card.reader_name)) as connection, pytest.raises(CardRemoved):
            play(dialogue, connection)
        wait_until(lambda: card.failure is not None, "the host to end")
        card.failure = None
        card.insert()
        with closing(open_pcsc(card.reader_name)) as connection:
            play(dialogue, connection)
    assert chip.pulls == 1
