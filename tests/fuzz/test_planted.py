"""The fuzzer finds what it is for: bugs planted in the chip, each within a short run."""

from __future__ import annotations

import time
import warnings

import pytest

from jukicard.card.card import Card
from jukicard.reader.recording import DialogueMismatch, parse_dialogue, play
from tests.fuzz import cases, people, rules, world
from tests.fuzz.cases import Case, failure, run_case, shrink, written
from tests.fuzz.plants import PLANTS, Plant, a_refusal_carries_data, no_try_is_spent
from tests.fuzz.world import Tally

SEED = 20260101
MAX_CASES = 800


def found_in(maximum: int = MAX_CASES) -> Case | None:
    warnings.simplefilter("ignore")
    tally = Tally()
    for number in range(maximum):
        case = run_case(SEED, number, tally)
        if case is not None:
            return case
    return None


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found(monkeypatch: pytest.MonkeyPatch, plant: Plant) -> None:
    for start in people.START.values():
        start()  # made by an honest chip
    plant(monkeypatch)
    case = found_in()
    assert case is not None
    print(f"{plant.__name__}: case {case.number}, step {len(case.steps)}: {case.reason}")


def test_a_hang_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def hanging(_self: Card, _command: bytes) -> bytes:
        time.sleep(30)
        return b""

    monkeypatch.setattr(Card, "transmit", hanging)
    monkeypatch.setattr(cases, "WATCHDOG_SECONDS", 1)
    case = run_case(SEED, 0, Tally())
    assert case is not None
    assert case.reason == "no answer for 1 seconds"


def test_a_failing_case_is_short_and_can_be_played(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its dialogue passes on the chip that errs, and on no other."""
    people.START["active"]()
    with monkeypatch.context() as patch:
        no_try_is_spent(patch)
        case = found_in()
        assert case is not None
        short = shrink(case)
        assert len(short.steps) <= 6
        found = failure(short.start, short.steps)
        assert found is not None
        assert found[0] == case.reason
        dialogue = parse_dialogue(written(short))
        play(dialogue, world.connection(short.start))
    with pytest.raises(DialogueMismatch):
        play(dialogue, world.connection(short.start))


def test_a_row_that_the_model_does_not_know_is_held_to_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("READ RECORD", "UPDATE RECORD", "COMPARE BINARY"):
        monkeypatch.delitem(rules.RULES, name)
    assert found_in(3) is None
    a_refusal_carries_data(monkeypatch)
    assert found_in(30) is not None
