"""Groups of commands that import a command's module only when it is asked for: `juki --help` stays quick."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass

import click


@dataclass(frozen=True, slots=True)
class Lazy:
    """A command by the place of its definition (`module:name`, below jukicard.commands) and its one-line help.

    The help stands here a second time, so that listing the commands imports none of them; a test compares the two.
    """

    place: str
    help: str

    def load(self) -> click.Command:
        """Import the command."""
        module, name = self.place.split(":")
        command = getattr(importlib.import_module(f"jukicard.commands.{module}"), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{self.place} is no command")
        return command


class LazyGroup(click.Group):
    """A group whose commands are listed in a table; values are commands to import, or groups that are there."""

    table: Mapping[str, Lazy | LazyGroup] = {}

    @classmethod
    def of(cls, name: str, summary: str, example: str, table: Mapping[str, Lazy | LazyGroup]) -> LazyGroup:
        """Make a noun from its verbs; `summary` is its help, and `example` a command line."""
        group = cls(name, help=summary, epilog=f"Example: {example}")
        group.table = table
        return group

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the table's order."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, imported if need be, or None."""
        found = self.table.get(cmd_name)
        return found.load() if isinstance(found, Lazy) else found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with their one-line helps, importing none."""
        rows = [
            (name, entry.help if isinstance(entry, Lazy) else entry.get_short_help_str(limit=100))
            for name, entry in self.table.items()
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[click.shell_completion.CompletionItem]:
        """Complete a command's name without importing it, else an option of the group."""
        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        return [
            click.shell_completion.CompletionItem(
                name, help=entry.help if isinstance(entry, Lazy) else entry.get_short_help_str(limit=100)
            )
            for name, entry in self.table.items()
            if name.startswith(incomplete)
        ]
