"""`juki terminal …`: who may do what at a card."""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
from datetime import date
from pathlib import Path

import click

from jukicard.commands import completion
from jukicard.commands.attendance import operator_options
from jukicard.commands.options import card_file_options, day_option, home_option, json_option, print_facts
from jukicard.commands.passwords import Source, authority_password
from jukicard.commands.session import Session, pass_session
from jukicard.issuer.authority.permissions import EXPORT_TERMINAL_KEY, MAKE_TERMINAL
from jukicard.issuer.authority.terminals import MUNICIPAL_RIGHTS, Terminal, check_name, parse_rights, right_name
from jukicard.issuer.ledger.rules import BooksEvent
from jukicard.securechannel.authorization import Right, Role

RIGHTS = ", ".join(right_name(right) for right in Right)


@click.command
@click.argument("name")
@click.option(
    "--rights", required=True, multiple=True, help=f"With commas or repeated; '' for none. There are: {RIGHTS}."
)
@click.option("--role", type=click.Choice([role.value for role in Role]), help="What it is; only its rights decide.")
@day_option("--not-before", "First day (else today).")
@day_option("--not-after", "Last day (else after 12 years).")
@operator_options(MAKE_TERMINAL)
@authority_password
@card_file_options
@home_option
@json_option
@pass_session
def new(
    session: Session,
    name: str,
    rights: tuple[str, ...],
    role: str | None,
    not_before: date | None,
    not_after: date | None,
    authority_password: Source,
    as_json: bool,
) -> None:
    """Make a terminal: its key, and a certificate of what it may do.

    Days in the past are allowed: an expired terminal shows how cards refuse it.

    \b
    Examples:
      juki terminal new kiosk-1 --role kiosk --rights identify
      juki terminal new old --rights identify --not-before 2020-01-01 --not-after 2020-12-31
    """
    granted = parse_rights(part.strip() for text in rights for part in text.split(",") if part.strip())
    chosen = Role(role) if role else _usual_role(granted)
    with session.authority(None):
        check_name(name)
    with session.authority(authority_password.read()) as authority, session.operator(authority):
        first = not_before or session.world.today
        terminal = authority.new_terminal(name, chosen, granted, not_before=first, not_after=not_after)
    print_facts(_described(terminal), as_json=as_json)


@click.command("list")
@home_option
@json_option
@pass_session
def list_(session: Session, as_json: bool) -> None:
    """List the terminals and their rights.

    \b
    Example:
      juki terminal list --json
    """
    with session.authority(None) as authority:
        terminals = authority.terminals()
    if as_json:
        described = {"terminals": [_described(terminal) for terminal in terminals]}
        click.echo(json.dumps(described, ensure_ascii=False, indent=2))
        return
    width = max((len(terminal.name) for terminal in terminals), default=0)
    for terminal in terminals:
        rights = ", ".join(map(right_name, sorted(terminal.authorization.rights))) or "no rights"
        click.echo(f"{terminal.name:{width}}  {terminal.not_before} to {terminal.not_after}  {rights}")


@click.command
@click.argument("name", shell_complete=completion.terminals)
@click.option("--pem", is_flag=True, default=True, help="As PEM, the one form there is.")
@click.option("--with-key", is_flag=True, help="The private key, too: whoever has it is this terminal.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The new file (else standard output).")
@operator_options(EXPORT_TERMINAL_KEY)
@authority_password
@card_file_options
@home_option
@pass_session
def export(
    session: Session, name: str, pem: bool, with_key: bool, out: Path | None, authority_password: Source
) -> None:
    """Write a terminal's certificates, and its key if asked for, as PEM.

    The certificates go from below the trust anchor down to the terminal's own. With the key (unencrypted PKCS #8,
    first in the file) a file must be named, which then has mode 0600; the books note it, and it takes two operators,
    where there are any. A file that is there already is left alone.

    \b
    Examples:
      juki terminal export counter --pem
      juki terminal export counter --pem --with-key --out counter.pem
    """
    if with_key and out is None:
        raise click.UsageError("--with-key needs --out FILE: a private key is not for the screen")
    if out is not None and out.exists():
        raise FileExistsError(17, "exists already", str(out))
    with session.authority(None) as authority:
        authority.terminal(name)
    with (
        session.authority(authority_password.read() if with_key else None) as authority,
        session.operator(authority) if with_key else nullcontext(),
    ):
        text = authority.export_terminal(name, with_key=with_key)
        if with_key:
            with authority.ledger.writing() as group:
                group.note(f"terminal-{name}", BooksEvent.EXPORTED, session.world.now(), {"what": "terminal-key"})
    if out is None:
        click.echo(text, nl=False)
        return
    with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if with_key else 0o644), "wb") as file:
        file.write(text)
    click.echo(str(out))


def _usual_role(rights: frozenset[Right]) -> Role:
    if rights == {Right.VENDING}:
        return Role.KIOSK
    return Role.MUNICIPAL_SERVICE if rights and rights <= MUNICIPAL_RIGHTS else Role.COUNTER


def _described(terminal: Terminal) -> dict[str, object]:
    authorization = terminal.authorization
    return {
        "name": terminal.name,
        "area": terminal.area.value,
        "role": authorization.role.value,
        "rights": [right_name(right) for right in sorted(authorization.rights)],
        "municipality": authorization.municipality,
        "not_before": terminal.not_before.isoformat(),
        "not_after": terminal.not_after.isoformat(),
    }
