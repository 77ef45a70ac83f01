"""Make cards by `juki batch run` while workers and whole runs are killed; then count what is there.

    python -m tests.bureau --cards 100000

At random moments a worker is killed (the run goes on by itself), or the run with all its workers (it is resumed). At
the end each record has one card, each card one file, the books verify and the blanks add up; one line says so.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.support.batches import BatchHome, ended, kill, workers_of

GROUP = "50"
SECONDS_BETWEEN = (10.0, 60.0)
"""Between two faults, at random."""


@dataclass
class Faults:
    """What was done to the run."""

    workers: int = 0
    runs: int = 0


def run(cards: int, seed: int, workers: int, folder: Path) -> dict[str, object]:
    """Make the cards, and return the counts. AssertionError where something is lost or there twice."""
    chance = random.Random(seed)
    batch = BatchHome(folder, cards, group=GROUP).prepare()
    faults = Faults()
    began = time.monotonic()
    while not _one_run(batch, chance, workers, faults):
        pass
    seconds = time.monotonic() - began
    batch.check()
    reconciled = json.loads(batch.juki_public("ledger", "reconcile", "--json").stdout)
    assert reconciled["balanced"], reconciled
    return {
        "cards": cards,
        "workers_killed": faults.workers,
        "runs_killed": faults.runs,
        "seconds": round(seconds),
        "cards_per_second": round(cards / seconds, 1),
        "lost": 0,
        "twice": 0,
    }


def _one_run(batch: BatchHome, chance: random.Random, workers: int, faults: Faults) -> bool:
    """Run, or resume, until the end (True) or the next kill of everything (False)."""
    resume = ["--resume"] if batch.begun() else []
    with ended(batch.start("--workers", str(workers), *resume)) as process:
        while True:
            try:
                out, err = process.communicate(timeout=chance.uniform(*SECONDS_BETWEEN))
            except subprocess.TimeoutExpired:
                print(f"{batch.issued()} of {batch.cards}", file=sys.stderr, flush=True)
            else:
                assert process.returncode == 0, out + err
                return True
            if chance.random() < 0.5:
                faults.runs += 1
                kill(process)
                return False
            for worker in workers_of(process)[:1]:
                faults.workers += 1
                worker.send_signal(signal.SIGKILL)


def main() -> None:
    """Read the options, run, print one line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bureau")
    parser.add_argument("--cards", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4)))
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        counts = run(given.cards, given.seed, given.workers, Path(folder))
    print("bureau:", " ".join(f"{name}={value}" for name, value in {"seed": given.seed, **counts}.items()))


if __name__ == "__main__":
    main()
