"""The areas of a card are independent: what is secret in one shows in no answer of another."""

from __future__ import annotations

import secrets
import warnings
from random import Random
from typing import Any, cast

import pytest

from jukicard.applets.wasm.layout import STEPS
from tests.fuzz.report import row_names
from tests.independence import report
from tests.independence.cards import Answer, counted
from tests.independence.cases import run_case, shrink, written
from tests.independence.listed import LISTED
from tests.independence.pairs import Seen, difference
from tests.independence.secrets import AS_ISSUED, KINDS, SERVICE, contents_of, setup_of
from tests.support import chips, locker
from tests.support.chips import Chip

FEWEST_CASES, MOST_CASES = 25, 600
SHORT = {"jpki": 30, "face": 30}
"""So many cases are enough in a short run for what is secret here: the rows are those that the other kinds reach, all
of them.  `make independence` tries as many commands in these as in the others.
"""
SHARE = 0.40
UNREACHABLE = {"LoadedApplet: LOCKER TRAP": "whatever is asked of it, it traps"}
"""Rows (by their keys) whose success the side that is compared cannot reach, with the reason."""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", KINDS)
def test_cards_that_differ_in_one_areas_secrets_answer_alike_in_every_other(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever is said meanwhile where the secrets are; with another seed each time, until every row has succeeded."""
    warnings.simplefilter("ignore")  # of certificates that were meant to be wrong
    seed, seen = secrets.randbelow(1 << 32), Seen()
    for number in range(SHORT.get(kind, MOST_CASES)):
        case = run_case(seed, number, kind, seen)
        assert case is None, f"two cards can be told apart:\n{written(shrink(case))}"
        if number >= FEWEST_CASES and UNREACHABLE.keys() >= set(report.never(kind, seen)):
            break
    with capsys.disabled():
        print(f"\nindependence: {kind} seed={seed} commands={seen.commands} 9000={report.share(seen):.0%}", end=" ")
    assert report.share(seen) >= SHARE
    assert kind in SHORT or set(report.never(kind, seen)) <= UNREACHABLE.keys()
    assert seen.hidden_good > seen.commands / 20
    assert seen.different > 0.5 * seen.pairs
    assert seen.applications > 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_cards_of_a_pair_differ_in_what_is_secret_and_in_nothing_else(kind: str) -> None:
    rng, different = Random(f"setups {kind}"), 0
    for _ in range(40):
        setup = setup_of(rng, kind, "domain")
        first, second = setup.cells(0), setup.cells(1)
        areas = tuple(
            entry.area
            for contents in (contents_of(first), contents_of(second))
            for entry in contents.entries
            if setup.secret.holds(entry, contents)
        )
        changed = {cell for cell in first.keys() | second.keys() if first.get(cell) != second.get(cell)}
        assert {cell for cell in changed if not cell.startswith(areas)} <= {"registry"}
        assert "registry" not in changed or setup.applications != (AS_ISSUED, AS_ISSUED)
        different += bool(changed)
    assert different == 40 or (kind == SERVICE and different > 20)  # a folder is filled by the activity on that side


def test_every_row_of_every_table_is_compared() -> None:
    assert set(row_names()) == {row for kind in KINDS for row in report.rows_compared(kind)}


def test_a_case_is_the_same_again() -> None:
    runs = []
    for _ in range(2):
        seen = Seen()
        assert run_case(3, 5, KINDS[0], seen, commands=200) is None
        runs.append((seen.commands, seen.hidden, seen.rows))
    assert runs[0] == runs[1]


def answer(**changes: object) -> Answer:
    return Answer(b"\x00\xb0\x00\x00\x00", b"data\x90\x00", (), 0, "ReadBinary: READ BINARY")._replace(
        **cast(Any, changes)
    )


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ([answer(answer=b"data\x62\x82")], "READ BINARY answers 9000 and 6282"),
        ([answer(answer=b"datum\x90\x00")], "READ BINARY answers 6 bytes and 7"),
        ([answer(answer=b"dates\x90\x00"[1:])], "READ BINARY answers other data"),
        ([answer(waits=(0.1,))], "READ BINARY waits () and (0.1,) seconds"),
        ([answer(steps=1)], "READ BINARY takes 0 and 1 steps"),
        ([answer(command=b"\x00\xb0\x00\x01\x00")], "before READ BINARY, the hosts of both cards go on otherwise"),
        ([answer(), answer()], "the host of one card says more"),
        ([answer()], ""),
    ],
)
def test_a_difference_is_told(other: list[Answer], says: str) -> None:
    assert difference([answer()], other) == says


def test_the_work_of_loaded_code_is_compared_in_the_steps_of_its_fuel_counter() -> None:
    """Of real code; also of a command that is stopped, after which there is no program any more."""
    chip = Chip(locker.on(chips.active().cells, 1))
    steps = {}
    for ins, p1, sw in (
        (0xA4, 0x04, 0x9000),
        (locker.COUNT, 0, 0x9000),
        (locker.TIME, 0, 0x9000),
        (locker.TRAP, 0, 0x6400),
        (locker.TRAP, 1, 0x6400),
    ):
        with counted() as taken:
            chips.say(chip, 0, ins, p1, 0, bytes(locker.LOCKER) if ins == 0xA4 else b"", 256, sw=sw)
        steps[ins, p1] = sum(taken)
    assert steps[0xA4, 0x04] == 0
    assert 0 < steps[locker.COUNT, 0] < steps[locker.TRAP, 0] < steps[locker.TIME, 0] < steps[locker.TRAP, 1]
    assert steps[locker.TRAP, 1] == STEPS


def test_what_shows_by_design_is_listed_with_its_reason() -> None:
    assert len({listed.what for listed in LISTED}) == len(LISTED)
    assert all(listed.what and listed.why and listed.kept_out for listed in LISTED)
