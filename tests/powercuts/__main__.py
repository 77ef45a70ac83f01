"""Cuts everything, in full: `python -m tests.powercuts [WORDS]`; with words, what has them in its title.

Prints a line for each row of the command tables and each flow, then the sum.  Exit code 1 on any violation.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from pathlib import Path

from tests.powercuts.plans import Entry, entries
from tests.powercuts.runner import Report, Trial, total

PROCESSES = 2


def cut(title: str) -> Report:
    """Cut one entry in full."""
    entry = next(entry for entry in entries() if entry.title == title)
    with tempfile.TemporaryDirectory(prefix="powercuts-") as folder:
        return Trial(entry.make(Path(folder)), entry.full).run()


def main(words: str) -> int:
    chosen: list[Entry] = [entry for entry in entries() if words in entry.title]
    for entry in chosen:
        if entry.full.is_sampled:
            print(f"sampled, not exhaustive: {entry.title}: {entry.full}")
    began, reports = time.perf_counter(), []
    with multiprocessing.Pool(PROCESSES, maxtasksperchild=8) as pool:
        for report in pool.imap_unordered(cut, [entry.title for entry in chosen]):
            reports.append(report)
            print(f"{len(reports)}/{len(chosen)} {report}", flush=True)
            for violation in report.violations:
                print(f"  VIOLATION: {violation}", flush=True)
    print(f"{time.perf_counter() - began:.0f} s in {PROCESSES} processes")
    print(total(reports))
    return 1 if any(report.violations for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:])))
