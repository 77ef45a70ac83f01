"""`juki reader …`: the PC/SC readers."""

from __future__ import annotations

import json

import click

from jukicard.commands.options import json_option
from jukicard.reader.pcsc import reader_states


@click.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the PC/SC readers and the cards in them.

    No card is touched. Where PC/SC itself is missing, the message says which part of it (exit code 3).

    \b
    Example:
      juki reader list --json
    """
    states = reader_states()
    if as_json:
        readers = [
            {"reader": f"pcsc:{state.name}", "name": state.name, "atr": None if state.atr is None else _hex(state.atr)}
            for state in states
        ]
        click.echo(json.dumps({"readers": readers}, ensure_ascii=False, indent=2))
        return
    if not states:
        click.echo("No reader is connected.", err=True)
    for state in states:
        click.echo(f"pcsc:{state.name}")
        click.echo("  empty" if state.atr is None else f"  card  {_hex(state.atr)}")


def _hex(atr: bytes) -> str:
    return atr.hex(" ").upper()
