"""How many cards a bureau makes: `juki batch run` by 1 and 2 processes, and by 2 of Dask's workers.

    python -m benchmarks.batch [CARDS] [--faces]

Everything is on but the face (with --faces, that too): chips with key pairs of their own, certificates, SCP03 through
APDUs, read-back, the match, sealed card files, the books in SQLite, each group on the disk before it counts. Whole runs
take turns, so that each kind meets the same machine; the first group of each run, in which workers start, counts. Bare
syncs of files of a card's size, to the same disk, stand beside.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.support.batches import BatchHome, ended

TARGET = 280
CARD_FILE_BYTES = 24_576
KINDS = ("1 process", "2 processes", "2 Dask workers")


def main() -> None:
    """Read the options, measure, print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch")
    parser.add_argument("cards", type=int, nargs="?", default=2000)
    parser.add_argument("--faces", action="store_true")
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    print(
        f"| how | cards/s (target {TARGET}) | processor ms a card | MB, a quarter done and at the end | bare sync, ms |"
    )
    print("|---|---|---|---|---|")
    for _ in range(given.rounds):
        for kind in KINDS:
            run = _measure(kind, given.cards, faces=given.faces)
            memory = f"{run.quarter:.0f}, {run.end:.0f}"
            print(f"| {kind} | {run.rate:.1f} | {run.cpu:.2f} | {memory} | {_bare_sync():.2f} |", flush=True)


@dataclass(frozen=True)
class Measured:
    """Cards a second, the processor's milliseconds for a card (start of all processes included), and the memory of the
    run and its workers together (MB) when a quarter is issued and at the end.
    """

    rate: float
    cpu: float
    quarter: float
    end: float


def _measure(kind: str, cards: int, *, faces: bool) -> Measured:
    """Make so many cards."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, ExitStack() as stack:
        batch = BatchHome(Path(folder), cards, group="50", faces=faces).prepare()
        on_dask = kind == KINDS[2]
        words = ("--scheduler", stack.enter_context(_dask(batch))) if on_dask else ("--workers", kind[0])
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with ended(batch.start(*words)) as process:
            quarter, end = _watched(batch, process)
            out, err = process.communicate()
        if process.returncode:
            raise RuntimeError(out + err)
        told = json.loads(out)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Measured(float(told["cards_per_second"]), 1000 * spent / cards, quarter, end)


def _watched(batch: BatchHome, process: subprocess.Popen[str]) -> tuple[float, float]:
    """Watch a run's memory until it ends."""
    quarter = end = 0.0
    while process.poll() is None:
        issued = batch.issued()
        with suppress(psutil.Error):
            top = psutil.Process(process.pid)
            held = sum(one.memory_info().rss for one in (top, *top.children(recursive=True))) / 2**20
            end = held if issued < batch.cards else end  # the workers leave before the run
        if not quarter and issued >= batch.cards / 4:
            quarter = end
        time.sleep(0.5)
    return quarter, end


@contextmanager
def _dask(batch: BatchHome) -> Iterator[str]:
    """A scheduler on loopback with two workers. (Their processor's time is not in the table.)"""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"tcp://127.0.0.1:{port}"
    where = ("--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
    with ExitStack() as stack, (batch.folder / "dask.log").open("w") as log:
        for command in (
            [sys.executable, "-m", "distributed.cli.dask_scheduler", *where],
            batch.command("batch", "worker", url),
            batch.command("batch", "worker", url),
        ):
            process = subprocess.Popen(command, stdout=log, stderr=log, text=True, start_new_session=True)
            stack.enter_context(ended(process))
        time.sleep(5)
        yield url


def _bare_sync(count: int = 50) -> float:
    """Return the milliseconds that a new file of a card's size takes to be on the disk."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        start = time.perf_counter()
        for number in range(count):
            descriptor = os.open(os.path.join(folder, str(number)), os.O_CREAT | os.O_WRONLY)
            os.write(descriptor, bytes(CARD_FILE_BYTES))
            os.fsync(descriptor)
            os.close(descriptor)
        return 1000 * (time.perf_counter() - start) / count


if __name__ == "__main__":
    main()
