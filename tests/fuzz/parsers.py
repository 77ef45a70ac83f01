"""Coverage-guided fuzzing of the parsers (atheris): only their documented error, the same bytes back, bounded time.

`run_all` does each target for a share of the time; `python -m tests.fuzz.parsers PROCESSES SECONDS SEED OUT NAME...`
those that are named.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

Target = Callable[[bytes], None]
MAX_SIZE = 4096
SLOWEST_SECONDS = 10
SLOW_START_SECONDS = 120
INSTRUMENTED = ("jukicard",)


class Broken(AssertionError):  # noqa: N818 - it is what the fuzzer looks for
    """A parser did not keep to its contract."""


def demand(holds: bool, text: str) -> None:
    """Raise Broken unless it holds."""
    if not holds:
        raise Broken(text)


def targets() -> dict[str, Target]:
    """The targets by name; imported here, so that what they call can be instrumented before."""
    from tests.fuzz import parser_targets

    return parser_targets.TARGETS


def run_all(seconds: float, processes: int, seed: int, out: Path) -> list[str]:
    """Fuzz every target in processes of their own, all together for about so many seconds; what was found."""
    names = list(targets())
    if importlib.util.find_spec("atheris") is None:
        print("parsers: atheris is not installed for this Python, coverage-guided fuzzing is SKIPPED")
        return ["atheris is missing, though this Python has it"] if must_have_atheris() else []
    deadline = time.monotonic() + seconds
    Random(seed).shuffle(names)  # in a short run, others get their turn each time
    each = max(1, round(seconds * processes / len(names)))
    results = fuzz(names, each, seed, out, processes=processes, deadline=deadline)
    print("parsers:", ", ".join(f"{name} {units}" for name, (units, _) in results.items() if units))
    if missed := [name for name, (units, _) in results.items() if not units]:
        print("parsers: no time was left for", ", ".join(missed))
    return [f"parser {name}: {text}" for name, (_, text) in results.items() if text]


def must_have_atheris() -> bool:
    """Whether the project's `dev` extra installs atheris here: then its absence is a fault."""
    return sys.version_info < (3, 14) and sys.platform == "linux" and platform.machine() == "x86_64"


def fuzz(
    names: Sequence[str], seconds: int, seed: int, out: Path, *, processes: int = 1, deadline: float | None = None
) -> dict[str, tuple[int, str]]:
    """Fuzz targets, so many at once; how many inputs each was given, and what was found.

    At the deadline (monotonic time, in seconds) all ends wherever it is, and what was under way is not counted.
    """
    for name in names:
        corpus = out / name / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        (out / name / "status").unlink(missing_ok=True)
        for number, sample in enumerate(samples(name)):
            (corpus / f"seed-{number}").write_bytes(sample)
    limit = SLOW_START_SECONDS + len(names) * (seconds + SLOWEST_SECONDS)
    left = limit if deadline is None else min(limit, max(0.0, deadline - time.monotonic()))
    command = [sys.executable, "-W", "ignore", "-m", "tests.fuzz.parsers"]
    command += [str(processes), str(seconds), str(seed), str(out), *names]
    with (out / names[0] / "process.txt").open("w") as log:
        process = subprocess.Popen(command, start_new_session=True, stdout=log, stderr=log)
    try:
        unended = f"see {log.name}" if process.wait(left) else ""
    except subprocess.TimeoutExpired:
        unended = "" if left < limit else "it did not end"
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return {name: _result(out / name, unended) for name in names}


def _result(out: Path, unended: str) -> tuple[int, str]:
    """What a target's files tell; `unended`: what it means where it has not ended."""
    if not (out / "status").exists():
        return 0, unended
    text = (out / "output.txt").read_text(errors="replace")
    units = next((int(line.split()[-1]) for line in text.splitlines() if "number_of_executed_units" in line), 0)
    if (out / "status").read_text() != "0":
        return units, f"see {out}/output.txt"
    return units, "" if units else "it tried nothing"


def samples(name: str) -> Iterator[bytes]:
    """The inputs that a target starts from."""
    from tests.fuzz import parser_targets

    yield from parser_targets.SEEDS.get(name, lambda: ())()


def _broken(data: bytes) -> None:
    """A target that breaks on some inputs: for the test that such are found."""
    demand(not (data[:1] == b"F" and data[1:2] == b"U"), "found")


def main() -> None:
    """Fuzz the targets that the command line names, each in a process forked from this one: what is instrumented is
    imported once.
    """
    import atheris

    processes, seconds, seed, out, *names = sys.argv[1:]
    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        known = {**targets(), "broken": _broken}
    running: dict[int, str] = {}
    waiting = list(names)
    while waiting or running:
        if waiting and len(running) < int(processes):
            name = waiting.pop(0)
            child = os.fork()
            if child == 0:
                _fuzz_here(name, known[name], seconds, int(seed), Path(out) / name)
            running[child] = name
        else:
            child, status = os.wait()
            (Path(out) / running.pop(child) / "status").write_text(str(os.waitstatus_to_exitcode(status)))


def _fuzz_here(name: str, target: Target, seconds: str, seed: int, out: Path) -> None:
    """Fuzz one target until libFuzzer ends the process."""
    import atheris

    output = os.open(out / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(output, 1)
    os.dup2(output, 2)
    options = [
        f"-max_total_time={seconds}",
        f"-seed={seed % (1 << 31) or 1}",
        f"-max_len={MAX_SIZE}",
        f"-timeout={SLOWEST_SECONDS}",
        f"-artifact_prefix={out}/",
        "-print_final_stats=1",
        str(out / "corpus"),
    ]
    atheris.Setup([f"fuzz-{name}", *options], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
