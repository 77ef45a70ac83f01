"""MkDocs hooks: the command reference and the table of dialogues, written from the command tables, the helps of the
command line and the table of what shows by design, whenever the pages are built.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click
from dialogue_rows import Reached, dialogue_files, rows_reached
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import jukicard.applets
from jukicard.card.applet import Applet
from jukicard.card.commands import Classes, Row
from jukicard.card.system_commands import System
from jukicard.cli import NOUNS
from jukicard.commands.lazy import Lazy, LazyGroup
from jukicard.issuer.ledger import rules
from tests.independence.listed import LISTED

PAGE = "commands.md"
HELPS = "<!-- every command's help -->"
DIALOGUES = "<!-- every dialogue -->"
ROWS = "<!-- every row and its dialogues -->"
BY_DESIGN = "<!-- what shows by design -->"
TRANSITIONS = "<!-- every transition of a card -->"
CONFORMANCE = Path(__file__).parents[1] / "tests" / "conformance"
HELP_WIDTH = 100

INTRODUCTION = """# Command reference

This page is made from the command tables of the code. A command that is not listed answers `6D00`, or
`6E00` if its instruction is listed for the other class only. `0x` stands for the interindustry class, `8x` for
the proprietary one. Before a row's access rule is looked at, its P1-P2 (`6A86`), the number of its data
bytes (`6700`) and the life cycle of what it addresses (`6985`) have been checked. An access rule that is
not met answers `6982`. What stands under System is answered whatever application is selected.
"""

CLASSES = {Classes.INTERINDUSTRY: "0x", Classes.PROPRIETARY: "8x", Classes.BOTH: "0x, 8x"}


def applet_classes() -> Iterator[type[Applet]]:
    """Yield the card's own class, then those with command rows that the applet modules define, module by module."""
    yield System
    for package in pkgutil.iter_modules(jukicard.applets.__path__, "jukicard.applets."):
        name = f"{package.name}.applet"
        if package.ispkg and importlib.util.find_spec(name) is not None:
            module = importlib.import_module(name)
            for _, owner in inspect.getmembers(module, inspect.isclass):
                if owner.__module__ == name and issubclass(owner, Applet) and owner.table.rows:
                    yield owner


def in_words(row: Row) -> str:
    """Say how many data bytes a row takes."""
    low, high = row.length.minimum, row.length.maximum
    if high == 0:
        return "none"
    if low == high:
        return str(low)
    if high == 65535:
        return f"{low} or more" if low else "any"
    return f"{low} to {high}"


def in_a_cell(text: str) -> str:
    """Return a text as it may stand in a table."""
    return text.replace("|", "\\|")


def reference() -> str:
    """Return the page: one table for each applet class."""
    parts = [INTRODUCTION]
    for owner in applet_classes():
        summary = (inspect.getdoc(owner) or owner.__name__).split("\n\n", 1)[0].replace("\n", " ")
        parts.append(f"## {owner.__name__}\n\n{summary}\n")
        parts += ["| Command | CLA | INS | P1 | P2 | Data bytes | Access | Writes | Source |", "|---" * 9 + "|"]
        for row in owner.table.rows:
            cells = (
                row.name,
                CLASSES[row.classes],
                f"{row.ins:02X}",
                row.p1.text,
                row.p2.text,
                in_words(row),
                row.access.text,
                "yes" if row.writes else "no",
                row.spec,
            )
            parts.append("| " + " | ".join(map(in_a_cell, cells)) + " |")
        parts.append("")
    return "\n".join(parts)


def on_files(files: Files, /, *, config: MkDocsConfig) -> Files:
    """Add the command reference to the pages."""
    files.append(File.generated(config, PAGE, content=reference()))
    return files


def leaves(table: Mapping[str, Lazy | LazyGroup], *path: str) -> Iterator[tuple[str, click.Command]]:
    """Yield each command of the command line with its whole name."""
    for name, entry in table.items():
        if isinstance(entry, LazyGroup):
            yield from leaves(entry.table, *path, name)
        else:
            yield " ".join(("juki", *path, name)), entry.load()


def helps() -> str:
    """Return the help of every command of the command line."""
    parts = []
    for name, command in leaves(NOUNS):
        context = click.Context(command, info_name=name, terminal_width=HELP_WIDTH, max_content_width=HELP_WIDTH)
        parts.append(f"### {name}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


def dialogues() -> str:
    """Return the table of the dialogue files."""
    head = ["| | File | Card | What it shows |", "|---" * 4 + "|"]
    files = dialogue_files(CONFORMANCE)
    return "\n".join(head + [f"| {f.name} | `{f.path}` | {f.card} | {in_a_cell(f.theme)} |" for f in files])


def rows() -> str:
    """Return one table for each applet class: which dialogues come to each of its rows."""
    reached, parts = rows_reached(dialogue_files(CONFORMANCE)), []
    for owner in applet_classes():
        parts += [f"### {owner.__name__}\n", "| Command | INS | Passes in | Refused in |", "|---" * 4 + "|"]
        for row in owner.table.rows:
            found = reached.get((owner, row.name), Reached())
            names = (", ".join(part) or "-" for part in (found.met, found.refused))
            parts.append(f"| {in_a_cell(row.name)} | {row.ins:02X} | " + " | ".join(names) + " |")
        parts.append("")
    return "\n".join(parts)


def by_design() -> str:
    """Return the table of what one side of a card sees of another."""
    head = ["| What shows | Why | How the comparison is kept from it |", "|---" * 3 + "|"]
    return "\n".join(head + ["| " + " | ".join(map(in_a_cell, listed)) + " |" for listed in LISTED])


def transitions() -> str:
    """Return the table of a card's events: after which statuses each may come, and what the card is then."""
    parts = ["| Event | may follow | and then the card is |", "|---" * 3 + "|"]
    order = {status: number for number, status in enumerate(rules.Status)}
    for event, transition in rules.TRANSITIONS.items():
        sources = sorted((s for s in transition.sources if s is not None), key=order.__getitem__)
        before = [*(["nothing"] if None in transition.sources else []), *map(str, sources)]
        parts.append(f"| {event} | {', '.join(before)} | {transition.target or 'as before'} |")
    return "\n".join(parts)


MARKERS: Mapping[str, Callable[[], str]] = {
    HELPS: helps,
    DIALOGUES: dialogues,
    ROWS: rows,
    BY_DESIGN: by_design,
    TRANSITIONS: transitions,
}


def on_page_markdown(markdown: str, /, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put what is generated where the page asks for it."""
    for marker, make in MARKERS.items():
        if marker in markdown:
            markdown = markdown.replace(marker, make())
    return markdown
