"""Cases: one card's life from one seed and number; to run one, to make it short, to write it down."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from types import FrameType

from jukicard.reader.recording import Dialogue, Exchange, Pattern, Reset, format_dialogue
from tests.fuzz.oracles import Finding
from tests.fuzz.walk import Walk, start_of
from tests.fuzz.world import Step, Tally, World

CASE_COMMANDS = 400
WATCHDOG_SECONDS = 120


@dataclass(frozen=True)
class Case:
    """A failing case: where it comes from, the card, the steps up to the failure, and what failed."""

    seed: int
    number: int
    start: str
    steps: tuple[Step, ...]
    reason: str


def run_case(seed: int, number: int, tally: Tally, commands: int = CASE_COMMANDS) -> Case | None:
    """Run the case of that seed and number for about so many commands; what it found, or None."""
    rng = Random(f"{seed}/{number}")
    start = start_of(rng)
    steps: list[Step] = []
    before = tally.commands
    world = World(start, 0, tally)
    try:
        with watched():
            for step in Walk(rng, world):
                steps.append(step)
                world.do(step)
                if tally.commands - before >= commands:
                    return None
    except Finding as finding:
        return Case(seed, number, start, tuple(steps), finding.reason)
    return None


def failure(start: str, steps: Sequence[Step]) -> tuple[str, World] | None:
    """Run steps on a new card: what is found first (and the world then), or None."""
    world = World(start, 0)
    try:
        with watched():
            for step in steps:
                world.do(step)
    except Finding as finding:
        return finding.reason, world
    except Exception:  # noqa: BLE001 - steps that make no sense any more without those left out
        return None
    return None


def shrink(case: Case, budget: int = 400) -> Case:
    """Leave out steps as long as the same is found."""

    def fails(steps: Sequence[Step]) -> bool:
        found = failure(case.start, steps)
        return found is not None and found[0] == case.reason

    return Case(case.seed, case.number, case.start, shortened(case.steps, fails, budget), case.reason)


def shortened(whole: Sequence[Step], fails: Callable[[Sequence[Step]], bool], budget: int) -> tuple[Step, ...]:
    """Leave out steps as long as it still fails (Zeller's ddmin, at most `budget` runs)."""
    steps = tuple(whole)
    size = max(1, len(steps) // 2)
    while budget > 0:
        shorter = False
        at = 0
        while at < len(steps) and budget > 0:
            attempt = steps[:at] + steps[at + size :]
            budget -= 1
            if fails(attempt):
                steps, shorter = attempt, True
            else:
                at += size
        if size == 1 and not shorter:
            break
        size = max(1, size // 2)
    return steps


def written(case: Case) -> str:
    """A case as a dialogue: what was said, and what the chip said (to the last command perhaps nothing)."""
    found = failure(case.start, case.steps)
    exchanges = found[1].exchanges if found else []
    steps: list[Reset | Exchange] = [Reset()]
    for command, answer in exchanges:
        if command:
            steps.append(Exchange(command, Pattern.exactly(answer) if answer else Pattern(("*", "..", ".."))))
        else:
            steps.append(Reset())
    head = [
        f"# Fuzzing: seed {case.seed}, case {case.number}, card {case.start}.",
        f"# Found: {case.reason}",
        "# The last answer is the one that was wrong. The steps, for tests/fuzz:",
        *(f"# {step!r}" for step in case.steps),
    ]
    return "\n".join(head) + "\n\n" + format_dialogue(Dialogue(f"{case.seed}-{case.number}", tuple(steps)))


@contextmanager
def watched() -> Iterator[None]:
    """Raise Finding where a case hangs; an alarm that was set before comes in its time."""
    seconds = WATCHDOG_SECONDS

    def bark(_signal: int, _frame: FrameType | None) -> None:
        raise Finding(f"no answer for {seconds} seconds")

    started = time.monotonic()
    handler = signal.signal(signal.SIGALRM, bark)
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, max(0.01, left - (time.monotonic() - started)) if left else 0)
        signal.signal(signal.SIGALRM, handler)
