"""Fuzzing, from the command line: `python -m tests.fuzz --seconds 30` (or `make fuzz SECONDS=30`).

`--case N` with the seed of a run does one of its cases again, makes it short and prints it as a dialogue.
"""

from __future__ import annotations

import argparse
import gc
import os
import secrets
import sys
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import count
from pathlib import Path

from tests.fuzz import parsers, people, report
from tests.fuzz.cases import WATCHDOG_SECONDS, Case, run_case, shrink, written
from tests.fuzz.world import Tally

CHUNK = 20
MAX_FINDINGS = 20
OUT = Path("out/fuzz")
PARSERS_SHARE = 0.5


def prepare() -> None:
    """In each process: make the cards once, and keep the collector from what stays: that takes a fifth of the time."""
    for start in people.START.values():
        start()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def run_chunk(seed: int, first: int, deadline: float | None) -> tuple[Tally, list[Case]]:
    """Some cases one after the other, in a process of its own, as long as there is time (monotonic, in seconds)."""
    warnings.simplefilter("ignore")  # of certificates that were meant to be wrong
    tally = Tally()
    cases = []
    for number in range(first, first + CHUNK):
        if deadline is not None and time.monotonic() >= deadline:
            break
        cases.append(run_case(seed, number, tally))
    return tally, [case for case in cases if case is not None]


class Run:
    """Cases on all cores, until the time or the number of commands is used up."""

    def __init__(self, seed: int, seconds: float | None, commands: int | None, processes: int) -> None:
        self.seed = seed
        self.deadline = None if seconds is None else time.monotonic() + seconds
        self.wanted = commands
        self.processes = processes
        self.tally = Tally()
        self.cases: list[Case] = []
        self.lost: list[str] = []

    def _goes_on(self, submitted: int) -> bool:
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return False
        if self.wanted is not None and self.tally.commands >= self.wanted:
            return False
        return len(self.cases) < MAX_FINDINGS and not self.lost

    def run(self) -> None:
        """Run; results are in `tally` and `cases`, `lost` says if a process hung or died."""
        numbers = count(0, CHUNK)
        with ProcessPoolExecutor(self.processes, initializer=prepare) as pool:
            pending: set[Future[tuple[Tally, list[Case]]]] = set()
            while pending or self._goes_on(0):
                while len(pending) < self.processes + 1 and self._goes_on(len(pending)):
                    pending.add(pool.submit(run_chunk, self.seed, next(numbers), self.deadline))
                done, pending = wait(pending, CHUNK * WATCHDOG_SECONDS, FIRST_COMPLETED)
                if not done:
                    self.lost.append("a process hangs")
                    _kill(pool)
                    return
                for future in done:
                    self._take(future)

    def _take(self, future: Future[tuple[Tally, list[Case]]]) -> None:
        try:
            tally, cases = future.result()
        except BrokenProcessPool:
            self.lost.append("a process died")
            return
        before = self.tally.commands // 1_000_000
        self.tally.add(tally)
        self.cases += cases
        if self.tally.commands // 1_000_000 > before:
            print(f"fuzz: {self.tally.commands} commands", file=sys.stderr, flush=True)


def _kill(pool: ProcessPoolExecutor) -> None:
    for process in list(pool._processes.values()):
        process.kill()


def distinct(cases: list[Case]) -> Iterator[Case]:
    """One case, the shortest, of each reason."""
    by_reason: dict[str, Case] = {}
    for case in sorted(cases, key=lambda one: len(one.steps)):
        by_reason.setdefault(case.reason, case)
    yield from by_reason.values()


def write_down(case: Case) -> Path:
    """Make a case short and write it as a dialogue."""
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / f"{case.seed}-{case.number}.dialogue"
    path.write_text(written(shrink(case)))
    return path


def again(seed: int, number: int) -> int:
    """Do one case again; its dialogue if it fails."""
    case = run_case(seed, number, Tally())
    if case is None:
        print(f"case {number} of seed {seed} passes")
        return 0
    print(written(shrink(case)))
    return 1


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="fuzz", description="fuzzing of the chip and the parsers")
    parser.add_argument("--seconds", type=float, help="how long (default: 30, unless --commands is given)")
    parser.add_argument("--commands", type=int, help="how many commands for the chip at least")
    parser.add_argument("--seed", type=int, help="default: a random one, which is printed")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--case", type=int, help="do this case of the seed again, and nothing else")
    parser.add_argument("--chip-only", action="store_true", help="leave the parsers out")
    found = parser.parse_args()
    if found.seconds is None and found.commands is None:
        found.seconds = 30.0
    return found


def main() -> int:
    """Run, report; 1 where anything was found."""
    warnings.simplefilter("ignore")
    options = arguments()
    seed = options.seed if options.seed is not None else secrets.randbelow(1 << 32)
    if options.case is not None:
        return again(seed, options.case)
    print(f"fuzz: seed={seed} processes={options.processes}", flush=True)
    begun, seconds = time.monotonic(), options.seconds
    crashes: list[str] = []
    if not options.chip_only:
        budget = 300.0 if seconds is None else seconds * PARSERS_SHARE
        crashes = parsers.run_all(budget, options.processes, seed, OUT / "parsers")
        seconds = None if seconds is None else seconds - (time.monotonic() - begun)
    started = time.monotonic()
    run = Run(seed, seconds, options.commands, options.processes)
    run.run()
    speed = run.tally.commands / (time.monotonic() - started)
    for line in report.table(run.tally):
        print(line)
    print(f"commands per second: {speed:.0f}")
    for case in distinct(run.cases):
        print(f"found: {case.reason}: seed {case.seed}, case {case.number}, {write_down(case)}", flush=True)
    for text in (*run.lost, *crashes):
        print(f"found: {text}")
    findings = len(run.cases) + len(run.lost) + len(crashes)
    print(f"fuzz: commands={run.tally.commands} findings={findings}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
