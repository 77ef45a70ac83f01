"""Every command explains itself, with an example; the list of commands imports none of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from jukicard.cli import NOUNS, juki
from jukicard.commands.lazy import Lazy, LazyGroup

HEAVY = ("cryptography", "sqlalchemy", "rich", "asn1crypto", "smartcard", "jukicard.issuer", "jukicard.card")


def commands(table: dict[str, Lazy | LazyGroup], *path: str) -> Iterator[tuple[str, ...]]:
    for name, entry in table.items():
        yield (*path, name)
        if isinstance(entry, LazyGroup):
            yield from commands(dict(entry.table), *path, name)


def lazy(table: dict[str, Lazy | LazyGroup]) -> Iterator[Lazy]:
    for entry in table.values():
        if isinstance(entry, LazyGroup):
            yield from lazy(dict(entry.table))
        else:
            yield entry


@pytest.mark.parametrize("path", [(), *commands(NOUNS)], ids=" ".join)
def test_every_help_has_an_example(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(juki, [*path, "--help"])
    assert result.exit_code == 0
    assert "Example" in result.stdout
    assert "juki " + " ".join(path) in result.stdout.split("Example", 1)[1]


@pytest.mark.parametrize("entry", list(lazy(NOUNS)), ids=lambda entry: entry.place)
def test_the_table_says_what_the_command_says(entry: Lazy) -> None:
    command = entry.load()
    assert command.get_short_help_str(limit=200) == entry.help


def test_each_name_in_the_table_is_its_commands_own() -> None:
    for path in commands(NOUNS):
        command: click.Command | None = juki
        for name in path:
            assert isinstance(command, click.Group)
            command = command.get_command(click.Context(command), name)
        assert command is not None
        assert command.name == path[-1]


def test_the_list_of_commands_is_quick_to_show_since_it_imports_nothing_heavy() -> None:
    code = "import sys, jukicard.cli as c\ntry: c.juki(['--help'])\nexcept SystemExit: pass\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1].split()
    assert not [name for name in loaded for heavy in HEAVY if name == heavy or name.startswith(heavy + ".")]


def test_nothing_asked_shows_the_help_and_is_a_usage_error() -> None:
    result = CliRunner().invoke(juki, [])
    assert result.exit_code == 2
    assert "Commands:" in result.output


@pytest.mark.parametrize(
    ("words", "number", "expected"),
    [
        ("juki ", 1, ["issue", "handover", "auth"]),
        ("juki te", 1, ["terminal"]),
        ("juki chip ", 2, ["new"]),
        ("juki auth --reader em", 3, ["emulator:"]),
    ],
)
def test_the_shell_completes_nouns_verbs_and_readers(words: str, number: int, expected: list[str]) -> None:
    environment = {"_JUKI_COMPLETE": "zsh_complete", "COMP_WORDS": words, "COMP_CWORD": str(number)}
    result = CliRunner().invoke(juki, [], env=environment)
    offered = result.stdout.splitlines()
    assert set(expected) <= set(offered)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_scripts_are_there(shell: str) -> None:
    result = CliRunner().invoke(juki, [], env={"_JUKI_COMPLETE": f"{shell}_source"})
    assert "_JUKI_COMPLETE" in result.stdout
