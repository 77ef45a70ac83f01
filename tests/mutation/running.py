"""Children that try one mutant each: forked from a warm process, bounded in time and memory, several at a time."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
from collections.abc import Callable, Iterable
from enum import Enum
from typing import TypeVar

MEMORY = 4 << 30  # bytes
_Job = TypeVar("_Job")


class Verdict(Enum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    TIMEOUT = "timeouts"


def limit_time(usual: float | None) -> None:
    """End this process when what comes takes far longer than the seconds that are usual: in CPU time, or at all.  None
    lifts the limit.
    """
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, 0 if usual is None else 3 + 10 * usual)
    signal.setitimer(signal.ITIMER_REAL, 0 if usual is None else 60 + 100 * usual)


def run_all(
    jobs: Iterable[_Job], survives: Callable[[_Job], bool], workers: int, done: Callable[[_Job, Verdict], None]
) -> None:
    """Ask `survives` of each job in a child of its own, and tell `done` here what came out."""
    running: dict[int, _Job] = {}

    def wait() -> None:
        pid, status = os.waitpid(-1, 0)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # what its tests may have started
        done(running.pop(pid), _verdict(status))

    for job in jobs:
        if len(running) == workers:
            wait()
        pid = os.fork()
        if not pid:
            _child(lambda job=job: survives(job))
        running[pid] = job
    while running:
        wait()


def _verdict(status: int) -> Verdict:
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) in {signal.SIGPROF, signal.SIGALRM}:
        return Verdict.TIMEOUT
    return Verdict.SURVIVED if status == 0 else Verdict.KILLED


def _child(survives: Callable[[], bool]) -> None:
    """Never returns."""
    code = 1
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        silence()
        code = 0 if survives() else 1
    finally:
        os._exit(code)


def silence() -> None:
    """Send to nowhere what this process writes to its standard output and error."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
