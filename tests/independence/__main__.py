"""Independence, from the command line: `python -m tests.independence --commands 100000` (or `make independence`).

`--case N --secret juki` with the seed of a run does one of its cases again, makes it short and prints it.
"""

from __future__ import annotations

import argparse
import gc
import os
import secrets
import sys
import time
import warnings
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import count
from pathlib import Path

from tests.fuzz import people
from tests.independence import report
from tests.independence.cases import Case, run_case, shrink, written
from tests.independence.pairs import Seen
from tests.independence.secrets import KINDS, STARTS

CHUNK = 3
MAX_FINDINGS = 10
OUT = Path("out/independence")

Result = tuple[dict[str, Seen], list[Case]]


def prepare() -> None:
    """In each process: make the cards once, and keep the collector from what stays."""
    for start in STARTS:
        people.START[start]()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def run_chunk(seed: int, first: int) -> Result:
    """Some cases of each kind of secret, in a process of its own."""
    warnings.simplefilter("ignore")  # of certificates that were meant to be wrong
    seen = {kind: Seen() for kind in KINDS}
    cases = [run_case(seed, number, kind, seen[kind]) for number in range(first, first + CHUNK) for kind in KINDS]
    return seen, [case for case in cases if case is not None]


def run(seed: int, commands: int, processes: int) -> Result:
    """Compare so many commands at least on all cores, or until enough differences are found."""
    seen: dict[str, Seen] = {kind: Seen() for kind in KINDS}
    cases: list[Case] = []
    numbers = count(0, CHUNK)
    with ProcessPoolExecutor(processes, initializer=prepare) as pool:
        pending: set[Future[Result]] = set()
        while pending or compared(seen) < commands:
            while compared(seen) < commands and len(pending) <= processes and len(cases) < MAX_FINDINGS:
                pending.add(pool.submit(run_chunk, seed, next(numbers)))
            if not pending:
                break
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            before = compared(seen) // 100_000
            for future in done:
                found, different = future.result()
                for kind in KINDS:
                    seen[kind].add(found[kind])
                cases += different
            if compared(seen) // 100_000 > before:
                print(f"independence: {compared(seen)} commands", file=sys.stderr, flush=True)
    return seen, cases


def compared(seen: dict[str, Seen]) -> int:
    """How many commands were compared."""
    return sum(one.commands for one in seen.values())


def write_down(case: Case) -> Path:
    """Make a case short and write it to a file."""
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / f"{case.seed}-{case.number}-{case.setup.secret.kind}.txt"
    path.write_text(written(shrink(case)))
    return path


def again(seed: int, number: int, kind: str) -> int:
    """Do one case again; 1, and what is left of it, where the cards differ."""
    case = run_case(seed, number, kind, Seen())
    if case is None:
        print(f"case {number} of seed {seed}, {kind}: no difference")
        return 0
    print(written(shrink(case)))
    return 1


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="independence", description="two cards that differ in secrets, compared")
    parser.add_argument("--commands", type=int, default=20_000, help="how many commands to compare at least")
    parser.add_argument("--seed", type=int, help="default: a random one, which is printed")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--case", type=int, help="do this case of the seed again, and nothing else")
    parser.add_argument("--secret", choices=KINDS, default=KINDS[0], help="with --case: which of its secrets")
    return parser.parse_args()


def main() -> int:
    """Run, report; 1 where two cards could be told apart."""
    warnings.simplefilter("ignore")
    options = arguments()
    seed = options.seed if options.seed is not None else secrets.randbelow(1 << 32)
    if options.case is not None:
        return again(seed, options.case, options.secret)
    print(f"independence: seed={seed} processes={options.processes}", flush=True)
    started = time.monotonic()
    seen, cases = run(seed, options.commands, options.processes)
    total = compared(seen)
    speed = total / (time.monotonic() - started)
    for line in report.table(seen):
        print(line)
    whole = Seen()
    for one in seen.values():
        whole.add(one)
    print(f"share of 9000: {report.share(whole):.1%}")
    print(f"commands per second: {speed:.0f}")
    by_reason = {case.reason: case for case in sorted(cases, key=lambda one: -len(one.steps))}
    for case in by_reason.values():
        print(f"found: {case.reason}: --seed {case.seed} --case {case.number} --secret {case.setup.secret.kind}")
        print(f"       {write_down(case)}", flush=True)
    print(f"independence: commands={total} differences={len(cases)}")
    return 1 if cases else 0


if __name__ == "__main__":
    sys.exit(main())
