"""How long the command line takes: `juki --help` and one `juki issue`, whole processes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.cards import ROOT
from benchmarks.measuring import Effort, Item, limit

RECORD = ROOT / "examples" / "residents" / "taro.json"


def run(effort: Effort) -> Iterator[Item]:
    """Measure in a temporary home."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        home, password = Path(folder) / "home", Path(folder) / "password"
        os.close(os.open(password, os.O_CREAT | os.O_WRONLY, 0o600))
        password.write_text("benchmark\n", encoding="utf-8")
        secret = ("--authority-password-file", str(password))
        _juki(home, "authority", "init", "--city-code", "99201", "--city-name", "見本市", *secret)
        issue = ("issue", str(RECORD), "--service", "library", "--out", str(Path(folder) / "cards"), *secret)
        yield limit("juki --help", [_juki(home, "--help") for _ in range(effort.runs)], 0.2, "s")
        yield limit("juki issue", [_juki(home, *issue) for _ in range(effort.runs)], 2, "s")


def _juki(home: Path, *arguments: str) -> float:
    """Run `juki` and return its seconds."""
    start = time.perf_counter()
    environment = {**os.environ, "JUKI_HOME": str(home)}
    command = [sys.executable, "-m", "jukicard.cli", *arguments]
    subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - start
