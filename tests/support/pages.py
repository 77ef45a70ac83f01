"""Pages whose marked blocks are run as printed: the READMEs, the tutorials, the journeys.

A mark is an HTML comment on the line before a fenced block, so that no reader sees it:

| mark | language | what becomes of the block |
|---|---|---|
| `run` | sh, python | it is run: shell in the one shell of the page, Python as a program of its own |
| `run: pcscd` | sh, python | the same, and the page needs a pcscd |
| `file: NAME` | any | it is written to that file |
| `shows` | text | its lines must stand, in this order, in the output of the last `run` block |

In `shows`, `…` stands for anything within a line. Every page starts in an empty folder.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jukicard.testing.pcscd import PrivatePcscd

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(
    r"^<!-- (?P<mark>run|file|shows)(?:: (?P<detail>[^\n]*?))? -->\n+```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
MARK = re.compile(r"^<!-- (?:run|file|shows)\b", re.MULTILINE)
SEPARATOR = "\x1e"
SERVE = "juki serve "
SECONDS = 180


@dataclass(frozen=True, slots=True)
class Block:
    """One marked block: `mark` with its `detail` (empty: none), the fence's `language`, and the `text` as printed."""

    mark: str
    detail: str
    language: str
    text: str

    @property
    def needs_pcscd(self) -> bool:
        return self.mark == "run" and self.detail == "pcscd"


@dataclass(frozen=True, slots=True)
class Ran:
    """A page that was run: its exit code, and what each `run` block printed (both streams, in one)."""

    returncode: int
    outputs: list[str]

    @property
    def output(self) -> str:
        return "".join(self.outputs)


def blocks(page: Path) -> list[Block]:
    """Return the marked blocks of a page. AssertionError for a mark that belongs to no block."""
    text = page.read_text(encoding="utf-8")
    found = [
        Block(match["mark"], match["detail"] or "", match["language"], match["text"]) for match in BLOCK.finditer(text)
    ]
    assert len(found) == len(MARK.findall(text)), f"{page.name}: a mark stands before no block"
    return found


def run_page(page: Path, folder: Path, pcscd: PrivatePcscd | None = None) -> Ran:
    """Run a page's blocks in one shell, in the empty folder `folder/here`, and check what it
    says they show.

    AssertionError with the shell's last output if a block fails or shows something else.
    """
    found = blocks(page)
    here, parts = folder / "here", folder / "parts"
    here.mkdir()
    parts.mkdir()
    script = _script(found, parts, pcscd)
    ran = _shell(script, here, folder, _environment(folder, pcscd))
    assert ran.returncode == 0, f"{page.name}: exit code {ran.returncode} after\n{ran.output[-6000:]}"
    _check_shown(page, found, ran)
    return ran


def _script(found: list[Block], parts: Path, pcscd: PrivatePcscd | None) -> str:
    lines = ["set -eu"]
    for number, block in enumerate(found):
        part = parts / str(number)
        part.write_text(block.text, encoding="utf-8")
        if block.mark == "file":
            lines.append(
                f"mkdir -p {shlex.quote(str(Path(block.detail).parent))}; cp {part} {shlex.quote(block.detail)}"
            )
        elif block.mark == "run":
            lines.append(f"printf '{SEPARATOR}'")
            lines.append(_command(block, part, pcscd))
    return "\n".join(lines) + "\n"


def _command(block: Block, part: Path, pcscd: PrivatePcscd | None) -> str:
    if block.language == "python":
        return f"python - < {part}"
    assert block.language == "sh", f"a block in {block.language} cannot be run"
    if not block.needs_pcscd:
        return block.text
    assert pcscd is not None, "the page needs a pcscd"
    # All that differs from what is printed: the private pcscd's driver listens at another port.
    return block.text.replace(SERVE, f"{SERVE}--vpcd 127.0.0.1:{pcscd.ports[0]} ")


def _environment(folder: Path, pcscd: PrivatePcscd | None) -> Mapping[str, str]:
    given = dict(os.environ) if pcscd is None else pcscd.environment
    clean = {name: value for name, value in given.items() if not name.startswith(("JUKI_", "PYTEST_", "XDG_"))}
    home = folder / "home"
    home.mkdir(exist_ok=True)
    path = f"{Path(sys.executable).parent}:{given['PATH']}"
    return clean | {"PATH": path, "HOME": str(home), "LC_ALL": "C.UTF-8"}


def _shell(script: str, here: Path, folder: Path, environment: Mapping[str, str]) -> Ran:
    """Run a script; whatever it left running in the background ends with it."""
    log = folder / "output"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            ["sh", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            cwd=here,
            env=environment,
            start_new_session=True,
        )
        try:
            process.wait(SECONDS)
        finally:
            _end_group(process.pid)
            process.wait()
    return Ran(process.returncode, log.read_text(encoding="utf-8").split(SEPARATOR)[1:])


def _end_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # nobody is left: the usual case
        os.killpg(leader, signal.SIGKILL)


def _check_shown(page: Path, found: list[Block], ran: Ran) -> None:
    count = 0
    for block in found:
        count += block.mark == "run"
        if block.mark == "shows":
            assert count, f"{page.name}: nothing ran before it shows something"
            _check_lines(page, block.text, ran.outputs[count - 1])


def _check_lines(page: Path, shown: str, output: str) -> None:
    rest = iter(output.splitlines())
    for line in filter(str.strip, shown.splitlines()):
        pattern = re.compile(".*".join(map(re.escape, line.split("…"))))
        assert any(pattern.fullmatch(candidate) for candidate in rest), (
            f"{page.name} shows\n{line}\nbut the block printed\n{output}"
        )
