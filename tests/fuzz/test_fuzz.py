"""A short run of the fuzzer, and the dialogues of whatever it has found."""

from __future__ import annotations

import re
import secrets
import warnings
from pathlib import Path

import pytest

from jukicard.card.applet import Applet
from jukicard.card.commands import FREE, NO_DATA, PROPRIETARY, command
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.reader.recording import parse_dialogue, play
from tests.fuzz import report, tables, world
from tests.fuzz.cases import run_case, shrink, written
from tests.fuzz.world import Tally

FOUND = sorted((Path(__file__).parent / "found").glob("*.dialogue"))
FEWEST_CASES, MOST_CASES = 80, 800
SHARE = 0.30
UNREACHABLE = {"LoadedApplet: LOCKER TRAP: success": "whatever is asked of it, it traps"}
"""Rows and paths that no command can reach, with the reason: `row: success` or `row: refusal`."""


def test_a_short_run_finds_nothing_and_reaches_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    """With another seed each time; both paths of each row, and enough that a session's rules are what is tried."""
    warnings.simplefilter("ignore")  # of certificates that were meant to be wrong
    seed = secrets.randbelow(1 << 32)
    tally = Tally()
    for number in range(MOST_CASES):
        case = run_case(seed, number, tally)
        assert case is None, f"seed {seed}, case {number}:\n{written(shrink(case))}"
        if number >= FEWEST_CASES and set(report.never(tally)) <= UNREACHABLE.keys():
            break
    with capsys.disabled():
        print(f"\nfuzz: seed={seed} commands={tally.commands} inside={report.share(tally):.0%}", end=" ")
    assert report.share(tally) >= SHARE
    assert set(report.never(tally)) == UNREACHABLE.keys()


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_what_was_found_is_mended(path: Path) -> None:
    """The answers in these dialogues are the right ones, put in the place of those that were found."""
    text = path.read_text()
    start = re.match(r"# Fuzzing: seed \d+, case \d+, card ([\w ]+)\.", text)
    assert start, f"{path.name}: its first line says where it comes from, and on which card"
    play(parse_dialogue(text, path.name), world.connection(start[1]))


def test_a_case_is_the_same_again() -> None:
    runs = []
    for _ in range(2):
        tally = Tally()
        assert run_case(3, 5, tally, commands=200) is None
        runs.append((tally.commands, tally.valid_inside, tally.seen))
    assert runs[0] == runs[1]


def test_a_new_row_joins_by_itself() -> None:
    class Another(Applet):
        module = load_file = AID(b"\xf0another")
        label = "Another"

        @command(PROPRIETARY, ins=0x10, length=NO_DATA, access=FREE, writes=False, spec="none")
        def anything(self, cmd: CommandAPDU, ctx: object) -> ResponseAPDU:
            return ResponseAPDU()

    (row,) = (row for row in Another.table.rows if row.ins == 0x10)
    assert tables.row_fact(row).name == "ANYTHING"
    assert {tables.row_key(row) for rows in tables.ROWS.values() for row in rows} == set(report.row_names())
    for applet in tables.APPLETS:
        assert set(applet.table.rows) <= {row for rows in tables.ROWS.values() for row in rows}
