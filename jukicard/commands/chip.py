"""`juki chip …`: blank chips, and card files on their way to other people."""

from __future__ import annotations

import os
from pathlib import Path

import click

from jukicard.commands import completion
from jukicard.commands.asking import confirm
from jukicard.commands.options import (
    CARD_FILE,
    card_file_options,
    home_option,
    json_option,
    passphrase_options,
    print_facts,
    storage_key_option,
)
from jukicard.commands.passwords import Source
from jukicard.commands.session import Session, pass_session
from jukicard.issuer.errors import RuleRefused
from jukicard.reader.cardfile import (
    CardFile,
    CardFileExists,
    card_id_of,
    derive_storage_key,
    is_exported,
    new_exported_id,
)
from jukicard.reader.chips import CARD_ID_SIZE, create_chip

MAX_NUMBER = 10**16 - 1
SHORTEST_PASSPHRASE = 12

STRENGTH = (
    "Whoever has the exported file and its passphrase has the card. The file is as strong as its passphrase: "
    "give the two by different ways."
)


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


@click.command("export")
@click.argument("card", type=CARD_FILE, shell_complete=completion.card_files)
@click.argument("out", type=CARD_FILE)
@card_file_options
@home_option
@json_option
@pass_session
def export(session: Session, card: Path, out: Path, as_json: bool) -> None:
    """Seal a copy of a card under a passphrase, for CI or a colleague.

    OUT is the new file; the card itself stays as it is. From now on there are two of it, each with tries of its own.
    The passphrase has 12 characters at least, and the file is as strong as the passphrase: whoever has the file can
    try passphrases on their own machine. Every command takes an exported card with --passphrase-file; `juki chip
    import` makes it a home's own.

    \b
    Examples:
      juki chip export card.juki for-ci.juki --passphrase-file passphrase.txt
      juki card info --reader emulator:for-ci.juki --passphrase-file passphrase.txt
    """
    if is_exported(card_id_of(card)):
        raise RuleRefused(f"{card} is an exported card already: copy the file, or import it first")
    _check_vacant(out)
    passphrase = read_new_passphrase(session.passphrase)
    card_id = new_exported_id(session.world.chip_random)
    with session.card_file(card) as opened:
        _seal_copy(opened, out, derive_storage_key(passphrase, card_id), card_id, session)
    click.echo(STRENGTH, err=True)
    print_facts({"card": str(out), "original": str(card)}, as_json=as_json)


@click.command("import")
@click.argument("file", type=CARD_FILE, shell_complete=completion.card_files)
@click.argument("out", type=CARD_FILE)
@storage_key_option
@passphrase_options
@home_option
@json_option
@pass_session
def import_(session: Session, file: Path, out: Path, as_json: bool) -> None:
    """Seal a copy of an exported card with this home's storage key.

    OUT is the new card file; the exported one stays as it is. A home that has no storage key yet gets one.

    \b
    Example:
      juki chip import for-ci.juki card.juki --passphrase-file passphrase.txt
    """
    if not is_exported(card_id_of(file)):
        raise RuleRefused(f"{file} is no exported card: it is sealed with a storage key")
    _check_vacant(out)
    with session.card_file(file) as opened:
        key = session.new_storage_key()
        _seal_copy(opened, out, key, session.world.chip_random(CARD_ID_SIZE), session)
    print_facts({"card": str(out), "original": str(file)}, as_json=as_json)


@click.command("accept")
@click.argument("card", type=CARD_FILE, shell_complete=completion.card_files)
@click.option("--yes", is_flag=True, help="Do not ask.")
@card_file_options
@home_option
@json_option
@pass_session
def accept(session: Session, card: Path, yes: bool, as_json: bool) -> None:
    """Take a card file as it is, though the home has seen a newer state of it.

    The home remembers how far every card file had come when it was last closed, and refuses an older copy: it would
    bring back tries that were spent and undo what was done to the card. This is for a backup that you put back
    yourself. Also takes a card whose log (the file that ends in -wal) was lost. The ledger is not changed.

    \b
    Example:
      juki chip accept card.juki --yes
    """
    if not yes:
        question = f"{card}: its newest state is given up, spent tries come back. Take it as it is?"
        confirm(question, f"{card} was left alone")
    with CardFile.open(card, session.card_key, accept_lost_log=True, random=session.world.chip_random) as opened:
        card_id = opened.card_id
    anchors, commits = session.anchors(card_id), opened.settled
    reached = 0 if anchors is None else anchors.reached(card_id)
    if anchors is not None and commits is not None:
        anchors.accept(card_id, commits)
    print_facts({"card": str(card), "commits": commits, "reached_before": reached}, as_json=as_json)


def read_new_passphrase(source: Source) -> str:
    """Read the passphrase of a card that is to be exported; one too short is asked for again, or a UsageError."""
    while True:
        passphrase = source.read(new=True)
        if len(passphrase) >= SHORTEST_PASSPHRASE:
            return passphrase
        short = f"a passphrase has {SHORTEST_PASSPHRASE} characters at least: whoever has the file can try them all"
        if source.given:
            raise click.UsageError(short)
        click.echo(short, err=True)


def _check_vacant(path: Path) -> None:
    """Refuse what would be refused at the end, before anything is asked for and derived."""
    if os.path.lexists(path):
        raise CardFileExists(str(path), "a file of this name exists; it was left alone")


def _seal_copy(card: CardFile, out: Path, key: bytes, card_id: bytes, session: Session) -> None:
    """Write the card's cells into a new file, whole or not at all."""
    random = session.world.chip_random
    CardFile.create(out, key, card.snapshot(), card_id=card_id, random=random).close()
