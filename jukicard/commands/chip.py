"""`juki chip …`: blank chips."""

from __future__ import annotations

from pathlib import Path

import click

from jukicard.commands import completion
from jukicard.commands.options import CARD_FILE, home_option, json_option, print_facts, storage_key_option
from jukicard.commands.session import Session, pass_session
from jukicard.reader.chips import create_chip

MAX_NUMBER = 10**16 - 1


@click.command
@click.argument("path", type=CARD_FILE, shell_complete=completion.card_files)
@click.option("--serial", type=click.IntRange(0, MAX_NUMBER), help="The chip's number, up to 16 digits (else random).")
@storage_key_option
@home_option
@json_option
@pass_session
def new(session: Session, path: Path, serial: int | None, as_json: bool) -> None:
    """Make a blank chip, as its maker delivers it.

    PATH is the new card file. The chip is in OP_READY and has the public transport keys. The file is sealed with the
    home's storage key, which is made if there is none yet.

    \b
    Example:
      juki chip new blank.juki --serial 12345
    """
    identity = create_chip(path, session.new_storage_key(), serial, random=session.world.chip_random)
    print_facts({"card": str(path), "chip": f"{identity.number:016d}"}, as_json=as_json)
