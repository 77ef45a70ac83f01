"""How commands print what has many lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import click
from rich.console import Console
from rich.table import Table

PIPED_WIDTH = 160
"""Columns of a table where there is no screen to ask."""


def print_json(facts: Mapping[str, object]) -> None:
    """Print facts as one JSON object."""
    click.echo(json.dumps(facts, ensure_ascii=False, indent=2))


def print_table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Print a table, without frames: lines that other programs can read where it is piped."""
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    console.print(table)
