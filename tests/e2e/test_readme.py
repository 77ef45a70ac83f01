"""The README's tour works as printed: its marked blocks, one after the other, in one shell and an empty folder."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.pcscd import PrivatePcscd

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^<!-- tour(: pcscd)? -->\n```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SERVE = "juki serve "
CODE = "41802639579"


def _blocks() -> list[tuple[str, bool]]:
    """Return the tour's blocks, each with whether it needs a pcscd."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return [(match[2], bool(match[1])) for match in BLOCK.finditer(text)]


def _run(script: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{environment['PATH']}"
    clean = {name: value for name, value in environment.items() if not name.startswith("JUKI_")}
    return subprocess.run(
        ["sh", "-euc", script],
        stdin=subprocess.DEVNULL,
        cwd=folder,
        env=clean | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_tour_works_as_printed(tmp_path: Path) -> None:
    blocks = _blocks()
    assert len(blocks) >= 6
    with PrivatePcscd() as pcscd:
        # All that differs from what is printed: the private pcscd's driver listens at another port.
        port = f"{SERVE}--vpcd 127.0.0.1:{pcscd.ports[0]} "
        script = "".join(block.replace(SERVE, port) if needs_pcscd else block for block, needs_pcscd in blocks)
        assert script.count(port) == 1
        ran = _run(script, tmp_path, pcscd.environment)
    assert ran.returncode == 0, ran.stderr
    refusals = [line for line in ran.stdout.splitlines() if line.startswith("exit code")]
    assert refusals == ["exit code 1", "exit code 1"]
    assert "reading the resident code: 6982" in ran.stderr
    assert "3b:e0:00:ff:81:31:fe:45:14" in ran.stdout, "opensc-tool has seen the card"
    assert ran.stdout.count("ok  resident code") == 2, "authenticated in the emulator and in pcscd"
    assert CODE not in ran.stdout + ran.stderr
    assert (tmp_path / "out" / "799201000000001.juki").stat().st_mode & 0o777 == 0o600


def test_the_tour_needs_pcscd_only_in_its_last_block() -> None:
    needs = [needs_pcscd for _, needs_pcscd in _blocks()]
    assert needs == [False] * (len(needs) - 1) + [True]
    assert not any(word in block for block, needs_pcscd in _blocks() if not needs_pcscd for word in ("pcsc", "serve"))


@pytest.mark.parametrize("command", ["demo", "test"])
def test_the_two_commands_exist(command: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"\nmake {command} " in (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"\n{command}:" in makefile
