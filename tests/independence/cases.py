"""Cases: one pair of cards from one seed, number and secret; to run one, to make it short, to write it down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from tests.fuzz.cases import shortened, watched
from tests.fuzz.oracles import Finding
from tests.fuzz.world import Step
from tests.independence import focus
from tests.independence.focus import Focus
from tests.independence.hosts import Hosts
from tests.independence.pairs import Pair, Seen, Taken
from tests.independence.secrets import Setup, setup_of

CASE_COMMANDS = 400


@dataclass(frozen=True)
class Case:
    """A pair of cards that can be told apart: where it comes from, the steps up to the difference, and that."""

    seed: int
    number: int
    setup: Setup
    steps: tuple[Taken, ...]
    reason: str


def case_of(seed: int, number: int, kind: str, about: Focus) -> tuple[Random, Setup]:
    """The dice of a case, and its pair of cards."""
    rng = Random(f"independence/{seed}/{number}/{kind}")
    return rng, setup_of(rng, kind, about.kind)


def run_case(
    seed: int, number: int, kind: str, seen: Seen, commands: int = CASE_COMMANDS, about: Focus | None = None
) -> Case | None:
    """Compare about so many commands on a pair of cards; the difference that was found, or None.

    `about`: another focus than the case of that number has.
    """
    about = about or focus.of(seed, number, kind)
    rng, setup = case_of(seed, number, kind, about)
    steps: list[Taken] = []
    before = seen.commands
    pair = Pair(setup, seen)
    try:
        with watched():
            for who, step in Hosts(rng, pair, about):
                steps.append((who, step))
                pair.do(who, step)
                if seen.commands - before >= commands:
                    pair.end()
                    return None
    except Finding as finding:
        return Case(seed, number, setup, tuple(steps), finding.reason)
    return None


def failure(setup: Setup, steps: Sequence[Taken]) -> tuple[str, Pair] | None:
    """Take steps on a new pair of cards, those that may be taken; what is found first (and the pair), or None."""
    pair = Pair(setup)
    try:
        with watched():
            for who, step in steps:
                if pair.may(who, step):
                    pair.do(who, step)
            pair.end()
    except Finding as finding:
        return finding.reason, pair
    except Exception:  # noqa: BLE001 - steps that make no sense any more without those left out
        return None
    return None


def shrink(case: Case, budget: int = 300) -> Case:
    """Leave out steps as long as the same difference is found."""

    def fails(steps: Sequence[Step]) -> bool:
        found = failure(case.setup, steps)
        return found is not None and found[0] == case.reason

    return Case(case.seed, case.number, case.setup, shortened(case.steps, fails, budget), case.reason)


def written(case: Case) -> str:
    """A case in words: the cards, the steps, and the last answers of both."""
    lines = [
        f"seed {case.seed}, case {case.number}: {case.reason}",
        f"cards: {case.setup!r}",
        "steps:",
        *(f"  {who:6} {step!r}" for who, step in case.steps),
    ]
    found = failure(case.setup, case.steps)
    for name, answers in zip(("first", "second"), found[1].last if found else (), strict=False):
        lines += [f"the {name} card:", *(f"  > {a.command.hex()}\n  < {a.answer.hex()}" for a in answers)]
    return "\n".join(lines) + "\n"
