"""The READMEs' tours, in the shell and in Python, work as printed, in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jukicard.testing.pcscd import PrivatePcscd
from tests.support.pages import ROOT, blocks, run_page

READMES = [ROOT / "README.md", ROOT / "README.ja.md"]
CODE = "41802639579"
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)(?:#[^)\s]*)?\)")

both = pytest.mark.parametrize("readme", READMES, ids=lambda path: path.name)


@both
def test_the_tours_work_as_printed(readme: Path, tmp_path: Path) -> None:
    with PrivatePcscd() as pcscd:
        ran = run_page(readme, tmp_path, pcscd)
    refusals = [line for line in ran.output.splitlines() if line.startswith("exit code")]
    assert refusals == ["exit code 1"] * 3
    assert "reading the resident code: 6982" in ran.output
    assert "3b:e0:00:ff:81:31:fe:45:14" in ran.output, "opensc-tool has seen the card"
    assert ran.output.count("ok  resident code") == 2, "authenticated in the emulator and in pcscd"
    assert CODE not in ran.output
    made = {path.name for path in (tmp_path / "here" / "out").iterdir()}
    assert made >= {f"799201000000001.{ending}" for ending in ("juki", "pdf", "png", "json")}
    assert (tmp_path / "here" / "out" / "799201000000001.juki").stat().st_mode & 0o777 == 0o600


@both
def test_pcscd_is_needed_for_one_block_only(readme: Path) -> None:
    runs = [block for block in blocks(readme) if block.mark == "run"]
    assert sum(block.needs_pcscd for block in runs) == 1
    assert not any(word in block.text for block in runs if not block.needs_pcscd for word in ("pcsc:", "juki serve"))


def test_there_is_a_tour_in_the_shell_and_one_in_python() -> None:
    languages = [block.language for block in blocks(READMES[0]) if block.mark == "run"]
    assert languages.count("sh") >= 7
    assert languages.count("python") >= 1


def test_both_languages_print_the_same_commands() -> None:
    english, japanese = (blocks(readme) for readme in READMES)
    assert english == japanese


@both
def test_what_it_links_to_and_shows_is_there(readme: Path) -> None:
    targets = LINK.findall(readme.read_text(encoding="utf-8"))
    assert len(targets) > 10
    assert [target for target in targets if not (ROOT / target).exists()] == []


@both
@pytest.mark.parametrize("command", ["demo", "test"])
def test_the_two_commands_exist(readme: Path, command: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"\nmake {command} " in readme.read_text(encoding="utf-8")
    assert f"\n{command}:" in makefile
