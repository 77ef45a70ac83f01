"""The examples run as they stand, each from an empty folder (those that need a card, after the one that makes it)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.pages import ROOT

EXAMPLES = ROOT / "examples"
SCRIPTS = {"issue.py", "authenticate.py", "read_public.py"}


def run(folder: Path, *arguments: str, code: int = 0) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("JUKI_", "PYTEST_"))}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**environment, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where issue.py has run, and nothing else was."""
    made = tmp_path_factory.mktemp("examples")
    assert "active, valid until" in run(made, str(EXAMPLES / "issue.py"))
    return made


def test_there_is_no_example_that_is_not_run() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == SCRIPTS


def test_issue(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {"home", "out"}
    assert (folder / "out" / "799201000000001.juki").exists()


def test_authenticate(folder: Path) -> None:
    printed = run(folder, str(EXAMPLES / "authenticate.py")).splitlines()
    assert printed[0] == "ok card certificate"
    record = json.loads((EXAMPLES / "residents" / "taro.json").read_text(encoding="utf-8"))
    assert printed[-1].startswith("the resident code: ")
    assert record["resident_code"] not in "\n".join(printed)


def test_a_reader_that_is_none_is_an_error_in_words(folder: Path) -> None:
    for spec, why in (("tape:", "'tape:' is not a reader"), ("emulator:nowhere.juki", "nowhere.juki")):
        printed = run(folder, str(EXAMPLES / "authenticate.py"), spec, code=1)
        assert printed.startswith("refused: ")
        assert why in printed


def test_read_public(folder: Path) -> None:
    printed = run(folder, str(EXAMPLES / "read_public.py"))
    facts = json.loads(printed[: printed.rindex("SELECT:")])
    assert facts["juki_application"] is True
    assert facts["password_tries_left"] == 3
    assert printed.splitlines()[-1].startswith("SELECT: 9000 ")


def test_pytest_example(tmp_path: Path) -> None:
    for name in ("terminal.py", "test_terminal.py"):
        (tmp_path / name).write_bytes((EXAMPLES / "pytest_example" / name).read_bytes())
    assert "7 passed" in run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider")
