"""Coverage-guided fuzzing of the parsers (atheris): only their documented error, the same bytes back, bounded time.

`python -m tests.fuzz.parsers NAME [libFuzzer options]` fuzzes one target; `run_all` does each for a share of the time.
"""

from __future__ import annotations

import importlib.util
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
    with ThreadPoolExecutor(processes) as pool:
        results = list(pool.map(lambda name: fuzz(name, each, seed, out / name, deadline), names))
    executions = {name: units for name, (units, _) in zip(names, results, strict=True)}
    print("parsers:", ", ".join(f"{name} {units}" for name, units in executions.items() if units))
    if missed := [name for name, units in executions.items() if not units]:
        print("parsers: no time was left for", ", ".join(missed))
    return [f"parser {name}: {text}" for name, (_, text) in zip(names, results, strict=True) if text]


def must_have_atheris() -> bool:
    """Whether the project's `dev` extra installs atheris here: then its absence is a fault."""
    return sys.version_info < (3, 14) and sys.platform == "linux" and platform.machine() == "x86_64"


def fuzz(name: str, seconds: int, seed: int, out: Path, deadline: float | None = None) -> tuple[int, str]:
    """Fuzz one target; how many inputs were tried, and what was found.

    At the deadline (monotonic time, in seconds) a process is ended wherever it is: to start one takes seconds, and what
    it has tried until then is not counted.
    """
    limit = seconds + SLOW_START_SECONDS
    left = limit if deadline is None else deadline - time.monotonic()
    if left <= 0:
        return 0, ""
    corpus = out / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, sample in enumerate(samples(name)):
        (corpus / f"seed-{number}").write_bytes(sample)
    options = [
        f"-max_total_time={seconds}",
        f"-seed={seed % (1 << 31) or 1}",
        f"-max_len={MAX_SIZE}",
        f"-timeout={SLOWEST_SECONDS}",
        f"-artifact_prefix={out}/",
        "-print_final_stats=1",
        str(corpus),
    ]
    command = [sys.executable, "-W", "ignore", "-m", "tests.fuzz.parsers", name, *options]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=min(limit, left))
    except subprocess.TimeoutExpired:
        return 0, "it did not end" if left >= limit else ""
    text = ended.stdout + ended.stderr
    units = next((int(line.split()[-1]) for line in text.splitlines() if "number_of_executed_units" in line), 0)
    if ended.returncode == 0:
        return units, "" if units else "it tried nothing"
    (out / "output.txt").write_text(text)
    return units, f"see {out}/output.txt"


def samples(name: str) -> Iterator[bytes]:
    """The inputs that a target starts from."""
    from tests.fuzz import parser_targets

    yield from parser_targets.SEEDS.get(name, lambda: ())()


def _broken(data: bytes) -> None:
    """A target that breaks on some inputs: for the test that such are found."""
    demand(not (data[:1] == b"F" and data[1:2] == b"U"), "found")


def main() -> None:
    """Fuzz the target that the command line names, until libFuzzer ends the process."""
    import atheris

    name, *options = sys.argv[1:]
    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        target = _broken if name == "broken" else targets()[name]
    atheris.Setup([f"fuzz-{name}", *options], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
