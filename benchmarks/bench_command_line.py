"""How long the command line takes: `juki --help` and one `juki issue`, whole processes, the best and the median."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 7
RECORD = Path(__file__).parents[1] / "examples" / "residents" / "taro.json"


def juki(home: Path, *arguments: str) -> float:
    """Run `juki` and return its seconds."""
    start = time.perf_counter()
    environment = {**os.environ, "JUKI_HOME": str(home)}
    subprocess.run([sys.executable, "-m", "jukicard.cli", *arguments], env=environment, check=True, capture_output=True)
    return time.perf_counter() - start


def show(what: str, seconds: list[float], limit: float) -> None:
    """Print one line."""
    best, middle = min(seconds), statistics.median(seconds)
    print(f"{what:12} best {best:.3f} s, median {middle:.3f} s (wanted: under {limit} s)")


def main() -> None:
    """Measure in a temporary home."""
    with tempfile.TemporaryDirectory() as folder:
        home, password = Path(folder) / "home", Path(folder) / "password"
        os.close(os.open(password, os.O_CREAT | os.O_WRONLY, 0o600))
        password.write_text("benchmark\n", encoding="utf-8")
        secret = ("--authority-password-file", str(password))
        juki(home, "authority", "init", "--city-code", "99201", "--city-name", "見本市", *secret)
        issue = ("issue", str(RECORD), "--service", "library", "--out", str(Path(folder) / "cards"), *secret)
        show("juki --help", [juki(home, "--help") for _ in range(RUNS)], 0.2)
        show("juki issue", [juki(home, *issue) for _ in range(RUNS)], 2)


if __name__ == "__main__":
    main()
