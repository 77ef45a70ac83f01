"""`juki serve`: a card file stands in pcscd's virtual reader."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType

import click

from jukicard.commands import completion
from jukicard.commands.options import CARD_FILE, card_file_options, home_option
from jukicard.commands.session import Session, pass_session
from jukicard.reader.chip import Chip, Interface
from jukicard.reader.trace import Trace, TracedChip
from jukicard.reader.vpcd import DEFAULT_HOST, DEFAULT_PORT, VpcdHost

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def address(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, int]:
    """Read HOST:PORT, HOST or :PORT; what is left out is vpcd's default."""
    host, colon, port = value.rpartition(":") if ":" in value else (value, "", "")
    if colon and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise click.BadParameter(f"{value!r} is no address: write HOST:PORT", ctx, param)
    return host.strip("[]") or DEFAULT_HOST, int(port or DEFAULT_PORT)


@click.command
@click.argument("card", type=CARD_FILE, shell_complete=completion.card_files)
@click.option(
    "--vpcd",
    metavar="HOST:PORT",
    callback=address,
    default=f"{DEFAULT_HOST}:{DEFAULT_PORT}",
    show_default=True,
    help="Where vpcd listens.",
)
@click.option("--contactless", is_flag=True, help="By its contactless interface.")
@click.option(
    "--trace", type=click.Path(dir_okay=False, path_type=Path), help="File to add a trace to, without secrets."
)
@card_file_options
@home_option
@pass_session
def serve(session: Session, card: Path, vpcd: tuple[str, int], contactless: bool, trace: Path | None) -> None:
    """Put a card file into pcscd's virtual reader, until ^C.

    Needs pcscd and vsmartcard's driver vpcd (Debian: packages pcscd and vsmartcard-vpcd). Any program that knows
    PC/SC can then use the card. ^C removes it; a command in progress is still answered.

    \b
    Examples:
      juki serve out/799201000000001.juki
      juki serve blank.juki --vpcd 127.0.0.1:35964 --trace trace.txt
    """
    interface = Interface.CONTACTLESS if contactless else Interface.CONTACT
    host, port = vpcd
    with (
        closing(session.chip(card)) as chip,
        _traced(chip.card, trace) as visible,
        closing(VpcdHost(visible, interface, host, port)) as reader,
        _stopped_by_signals(reader),
    ):
        inserted = False

        def tell() -> None:
            nonlocal inserted
            inserted = True
            click.echo(f"{card} is in the virtual reader at {host}:{port}; ^C removes it.")

        reader.run(tell)
    if inserted:
        click.echo(f"{card} is removed.")


@contextmanager
def _traced(chip: Chip, path: Path | None) -> Iterator[Chip]:
    if path is None:
        yield chip
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "a", buffering=1, encoding="utf-8") as file:
        yield TracedChip(chip, Trace(lambda line: file.write(line + "\n")))


@contextmanager
def _stopped_by_signals(reader: VpcdHost) -> Iterator[None]:
    """Remove the card on ^C and SIGTERM, in place of dying with it."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        reader.stop()

    before = {number: signal.signal(number, stop) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
