"""A print system that prints nothing: `lp` and `lpstat` on the PATH, and what `lp` was asked for."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

LP = """#!{python}
import json, pathlib, sys
if "office" in sys.argv:
    sys.exit("lp: office is not accepting jobs")
log = pathlib.Path({log!r})
with log.open("a") as jobs:
    jobs.write(json.dumps(sys.argv[1:]) + "\\n")
kept = pathlib.Path({log!r} + ".pdf")
kept.write_bytes(pathlib.Path(sys.argv[-1]).read_bytes())
print(f"request id is cards-{{len(log.read_text().splitlines())}} (1 file(s))")
"""
LPSTAT = "#!/bin/sh\necho cards\necho office\n"


@dataclass
class FakePrinters:
    """Two printers, of which `cards` takes what it is given, and `office` nothing."""

    folder: Path

    def install(self) -> None:
        """Write the two commands."""
        for name, script in (("lp", LP.format(python=sys.executable, log=str(self.log))), ("lpstat", LPSTAT)):
            path = self.folder / name
            path.write_text(script, encoding="utf-8")
            path.chmod(0o755)

    @property
    def log(self) -> Path:
        return self.folder / "jobs"

    @property
    def printed(self) -> bytes:
        """The file that was printed last."""
        return self.log.with_name("jobs.pdf").read_bytes()

    def jobs(self) -> list[list[str]]:
        """The words of each call of `lp`."""
        if not self.log.exists():
            return []
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def fake_printers(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> FakePrinters:
    """The print system, first on the PATH."""
    fake = FakePrinters(tmp_path_factory.mktemp("printers"))
    fake.install()
    monkeypatch.setenv("PATH", str(fake.folder), prepend=os.pathsep)
    return fake
