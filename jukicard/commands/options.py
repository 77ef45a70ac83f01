"""Options that several commands share, and the kinds of their values."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from jukicard.commands import completion
from jukicard.commands.session import READER_VARIABLE, Session

if TYPE_CHECKING:
    from jukicard.issuer.counter.authentication import Proof
    from jukicard.reader.spec import ReaderSpec

F = TypeVar("F", bound=Callable[..., Any])


def day(ctx: click.Context, param: click.Parameter, value: str | None) -> date | None:
    """Read a day, written YYYY-MM-DD."""
    if value is None:
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no date: write it as 2026-04-01", ctx, param) from None


def reader_spec(ctx: click.Context, param: click.Parameter | None, value: str | None) -> ReaderSpec | None:
    """Read a reader specification: `emulator:PATH` or `pcsc:NAME`."""
    from jukicard.reader.spec import ReaderSpecError, parse_spec

    if value is None:
        return None
    try:
        return parse_spec(value)
    except ReaderSpecError as error:
        raise click.BadParameter(str(error), ctx, param) from None


def _store(name: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    def callback(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        if value is not None:
            setattr(ctx.ensure_object(Session), name, value)
        return value

    return callback


CARD_FILE = click.Path(path_type=Path)
home_option = click.option(
    "--home",
    type=click.Path(path_type=Path),
    expose_value=False,
    is_eager=True,
    callback=_store("home_given"),
    help="The authority's home (else JUKI_HOME, else the user's data directory).",
)
storage_key_option = click.option(
    "--storage-key",
    type=click.Path(path_type=Path),
    expose_value=False,
    callback=_store("storage_key_file"),
    help="Key file of card files (else the home's storage.key).",
)
_passphrase_file_option = click.option(
    "--passphrase-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    expose_value=False,
    callback=_store("passphrase_file"),
    help="File (mode 0600) with the passphrase of an exported card.",
)
_passphrase_fd_option = click.option(
    "--passphrase-fd",
    type=click.IntRange(0),
    expose_value=False,
    callback=_store("passphrase_fd"),
    help="Descriptor to read it from.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def passphrase_options(function: F) -> F:
    """Add --passphrase-file and --passphrase-fd, which the session has."""
    return _passphrase_file_option(_passphrase_fd_option(function))


def card_file_options(function: F) -> F:
    """Add what opens a card file: the storage key, or an exported card's passphrase."""
    return storage_key_option(passphrase_options(function))


def reader_option(function: F) -> F:
    """Add --reader, with JUKI_READER as its default, and what opens card files."""
    option = click.option(
        "--reader",
        callback=reader_spec,
        shell_complete=completion.readers,
        envvar=READER_VARIABLE,
        required=True,
        show_envvar=True,
        metavar="SPEC",
        help="Where the card is: emulator:PATH or pcsc:NAME.",
    )
    return option(card_file_options(function))


def day_option(name: str, explained: str, *, required: bool = False) -> Callable[[F], F]:
    """Add an option whose value is a day."""
    return click.option(name, metavar="YYYY-MM-DD", callback=day, required=required, help=explained)


def words(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Check words that the books are to keep: a reason, a purpose."""
    from jukicard.issuer.ledger.details import DETAIL_FORMS

    if value is not None and not DETAIL_FORMS["reason"].fullmatch(value):
        raise click.BadParameter(
            "up to 80 lower-case letters, blanks, commas, hyphens; no names or numbers", ctx, param
        )
    return value


def terminal_option(default: str | None) -> Callable[[F], F]:
    """Add --terminal."""
    return click.option(
        "--terminal",
        metavar="NAME",
        default=default,
        show_default=default is not None,
        shell_complete=completion.terminals,
        help="The terminal to be.",
    )


def print_facts(facts: Mapping[str, object], *, as_json: bool) -> None:
    """Print facts: as one JSON object, or a line each, where there is something to say."""
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False, indent=2))
        return
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        if value not in (None, "", []):
            click.echo(f"{name.replace('_', ' '):{width}}  {_in_words(value)}")


def print_proof(proof: Proof) -> None:
    """Tell on standard error that a step of a dialogue with a card has succeeded."""
    click.echo(f"{proof.step}: {proof.proof}", err=True)


def _in_words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
