"""The root: versions, colours, interruptions, errors of usage as JSON, the demo."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from jukicard.cli import juki
from jukicard.commands.lazy import Lazy
from tests.support.desk import Desk


def test_the_version_is_told() -> None:
    result = CliRunner().invoke(juki, ["--version"])
    assert result.exit_code == 0
    assert "0." in result.stdout


@pytest.mark.parametrize("arguments", [["fly"], ["card", "fly"], ["auth", "--fly"], ["issue"]])
def test_what_is_not_understood_is_a_usage_error(arguments: list[str]) -> None:
    result = CliRunner().invoke(juki, arguments)
    assert result.exit_code == 2
    assert "Error" in result.stderr
    assert not result.stdout


def test_a_usage_error_is_json_where_json_was_asked_for(active: Desk) -> None:
    error = active.facts("auth", "--reader", "nonsense", code=2)["error"]
    assert error["code"] == 2
    assert "nonsense" in error["message"]


def test_ctrl_c_at_a_prompt_leaves_with_130(active: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_arguments: object, **_options: object) -> str:
        raise click.Abort from KeyboardInterrupt()

    monkeypatch.setattr(click, "prompt", interrupted)
    result = active.run("auth", "--reader", active.reader)
    assert result.exit_code == 130
    assert "Traceback" not in result.output


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_no_color_is_honoured(active: Desk, no_color: str, coloured: bool) -> None:
    words = ("auth", "--reader", active.reader, *active.authority, *active.holder)
    result = CliRunner().invoke(juki, words, env={"JUKI_HOME": str(active.home), "NO_COLOR": no_color}, color=True)
    assert ("\x1b[" in result.stdout) == coloured


def test_other_callers_may_have_the_exceptions_themselves() -> None:
    with pytest.raises(click.UsageError):
        juki.main(["fly"], standalone_mode=False)


@pytest.mark.parametrize("given", [True, False])
def test_the_demo_tells_its_story_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: bool) -> None:
    told: list[Path] = []

    def tell(out: Path, echo: Callable[[str], None], **_options: object) -> None:
        told.append(out)
        echo("once")

    story = types.ModuleType("story")
    story.tell = tell  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "jukicard.commands.demo.story", story)
    result = CliRunner().invoke(juki, ["demo", *(["--out", str(tmp_path / "x")] if given else [])])
    assert (result.exit_code, result.stdout) == (0, "once\n")
    assert (told == [tmp_path / "x"]) == given


def test_a_place_that_is_no_command_is_noticed() -> None:
    with pytest.raises(TypeError):
        Lazy("lazy:Lazy", "a class").load()
