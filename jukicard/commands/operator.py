"""`juki operator …`: operators' cards (操作者用ICカード), and what their holders may do."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jukicard.applets.operator.client import OperatorClient
from jukicard.applets.operator.records import OperatorState
from jukicard.commands import completion
from jukicard.commands.attendance import operator_options, read_operator_password
from jukicard.commands.operatorcards import in_folder, in_reader
from jukicard.commands.options import card_file_options, home_option, json_option, print_facts, reader_spec
from jukicard.commands.passwords import Source, authority_password, password_options
from jukicard.commands.session import Session, pass_session
from jukicard.iso7816.wrappers import standard
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.permissions import (
    MAKE_OPERATOR,
    REVOKE_OPERATOR,
    ROLES,
    NoSuchPermissionError,
    Permission,
)
from jukicard.issuer.errors import OperatorRefused, RuleRefused
from jukicard.issuer.ledger.rules import BooksEvent
from jukicard.issuer.operators.dialogue import open_as_terminal, shown_operator
from jukicard.issuer.operators.register import Operator, Operators
from jukicard.issuer.operators.session import OperatorSession

if TYPE_CHECKING:
    from jukicard.reader.spec import ReaderSpec

new_operator_password = password_options(
    "new_password", "new-password", "New operator's password", "the operator's new"
)


def _permissions(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> frozenset[Permission]:
    try:
        return frozenset(map(Permission.parse, values))
    except NoSuchPermissionError as error:
        raise click.BadParameter(str(error), ctx, param) from None


@click.command
@click.option("--role", "roles", multiple=True, type=click.Choice(list(ROLES)), help="What a role may do. Repeatable.")
@click.option(
    "--permission",
    "permissions",
    multiple=True,
    metavar="FUNCTION:KIND",
    callback=_permissions,
    help="One permission, as handover:execute. Repeatable.",
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for a new card file.")
@click.option(
    "--reader",
    callback=reader_spec,
    shell_complete=completion.readers,
    metavar="SPEC",
    help="Onto the blank chip there.",
)
@new_operator_password
@operator_options(MAKE_OPERATOR)
@authority_password
@card_file_options
@home_option
@json_option
@pass_session
def new(
    session: Session,
    roles: tuple[str, ...],
    permissions: frozenset[Permission],
    out: Path | None,
    reader: ReaderSpec | None,
    new_password: Source,
    authority_password: Source,
    as_json: bool,
) -> None:
    """Make an operator's card, and set its first password.

    It takes two operators who may do that. In a home that has not had two of them yet, the authority's password makes
    them. An interrupted making is finished by the same command, with the same password.

    \b
    Examples:
      juki operator new --role administrator --out operators
      juki operator new --role clerk --out operators --operator-reader pcsc:A --second-operator-reader pcsc:B
    """
    granted = permissions.union(*(ROLES[role] for role in roles))
    if not granted:
        raise click.UsageError("what may the operator do? --role or --permission")
    if (out is None) == (reader is None):
        raise click.UsageError("where shall the card be made? --out FOLDER or --reader SPEC")
    chosen = read_operator_password(new_password, new=True) if new_password.given else None

    def password() -> str:
        return chosen or read_operator_password(new_password, new=True)

    with session.authority(authority_password.read()) as authority:
        founded = Operators(authority).are_founded
        if not founded and MAKE_OPERATOR not in granted:
            raise RuleRefused(f"the first two operators must have {MAKE_OPERATOR}: --role administrator")
        with session.operator(authority) if founded else nullcontext():
            if reader is not None:
                made, place = in_reader(session, authority, granted, reader, password), str(reader)
            else:
                made, path = in_folder(session, authority, granted, out or Path(), password)
                place = str(path)
    facts = _described(made)
    _print({"serial": facts.pop("serial"), "card": place, **facts}, as_json=as_json)


@click.command("list")
@home_option
@json_option
@pass_session
def list_(session: Session, as_json: bool) -> None:
    """List the operators, and what they may do.

    \b
    Example:
      juki operator list --json
    """
    with session.authority(None) as authority:
        found = Operators(authority).all()
    if as_json:
        described = {"operators": [_described(one) for one in found]}
        click.echo(json.dumps(described, ensure_ascii=False, indent=2))
        return
    for one in found:
        state = "  revoked" if one.revoked else ""
        click.echo(f"{one.serial}  {one.not_before} to {one.not_after}  {', '.join(_words(one.permissions))}{state}")


@click.command
@click.argument("serial")
@click.option(
    "--reader", callback=reader_spec, metavar="SPEC", help="Where the card is, if it is at hand: it is made void, too."
)
@operator_options(REVOKE_OPERATOR)
@authority_password
@card_file_options
@home_option
@json_option
@pass_session
def revoke(session: Session, serial: str, reader: ReaderSpec | None, authority_password: Source, as_json: bool) -> None:
    """Revoke an operator's card, for good: nobody logs in with it any more.

    Two must be left who may do what takes two.

    \b
    Example:
      juki operator revoke 699201000000003 --operator-reader pcsc:
    """
    with session.authority(authority_password.read()) as authority:
        operators = Operators(authority)
        operators.operator(serial)
        with session.operator(authority):
            revoked = operators.revoke(serial, today=session.world.today)
            with authority.ledger.writing() as group:
                group.note(serial, BooksEvent.OPERATOR_REVOKED, session.world.now())
            if reader is not None:
                _void(session, authority, serial, reader)
    _print({**_described(revoked), "chip_void": reader is not None}, as_json=as_json)


@click.command
@click.option(
    "--operator-reader",
    callback=reader_spec,
    shell_complete=completion.readers,
    required=True,
    metavar="SPEC",
    help="Where the operator's card is.",
)
@card_file_options
@home_option
@json_option
@pass_session
def show(session: Session, operator_reader: ReaderSpec, as_json: bool) -> None:
    """Show whose operator's card it is and what it may do, at no cost.

    \b
    Example:
      juki operator show --operator-reader pcsc:
    """
    with session.authority(None) as authority, session.card(operator_reader) as connection, connection.transaction():
        shown, tries = shown_operator(authority, connection, today=session.world.today)
        entered = Operators(authority).find(shown.serial)
    if entered is None or entered.certificates != shown.certificates:
        raise OperatorRefused(f"operator's card {shown.serial} of {shown.city_code} is not in this home's register")
    counts = entered.counts_on(session.world.today)
    _print({**_described(entered), "counts": counts, "tries_left": tries}, as_json=as_json)


@click.command
@new_operator_password
@operator_options(None)
@authority_password
@card_file_options
@home_option
@json_option
@pass_session
def password(session: Session, new_password: Source, authority_password: Source, as_json: bool) -> None:
    """Change the password of an operator's card, whose operator logs in.

    The operator logs in with the old password and chooses a new one, of 6 to 16 printable ASCII characters. A wrong one
    costs one of five tries.

    \b
    Example:
      juki operator password --operator-reader pcsc:
    """
    chosen = read_operator_password(new_password) if new_password.given else None
    with session.authority(authority_password.read()) as authority, session.operator(authority) as operator:
        if not isinstance(operator, OperatorSession):
            raise OperatorRefused("one operator, of a home with operators, changes the password of one card")
        operator.change_password(chosen or read_operator_password(new_password, new=True))
        serial = operator.actor
    print_facts({"serial": serial, "password": "changed"}, as_json=as_json)


def _void(session: Session, authority: Authority, serial: str, reader: ReaderSpec) -> None:
    """Make the card at hand void, if it is that operator's."""
    with session.card(reader) as connection, connection.transaction():
        client = OperatorClient(standard(connection))
        at_hand = open_as_terminal(client, authority, session.world.random, today=session.world.today)
        if at_hand.serial != serial:
            raise OperatorRefused(f"operator {serial} is revoked, but the card in the reader is {at_hand.serial}")
        if client.status() is not OperatorState.VOID:
            client.void()


def _words(permissions: Iterable[Permission]) -> list[str]:
    """Return the roles that are in them whole, and the permissions that no such role has."""
    held = frozenset(permissions)
    roles = [role for role, granted in ROLES.items() if granted <= held]
    covered = frozenset[Permission]().union(*(ROLES[role] for role in roles))
    return [*roles, *map(str, sorted(held - covered))]


def _print(facts: dict[str, object], *, as_json: bool) -> None:
    """Print facts; in words without each single permission."""
    print_facts(facts if as_json else {**facts, "permissions": None}, as_json=as_json)


def _described(operator: Operator) -> dict[str, object]:
    return {
        "serial": operator.serial,
        "may": _words(operator.permissions),
        "permissions": sorted(map(str, operator.permissions)),
        "not_before": operator.not_before.isoformat(),
        "not_after": operator.not_after.isoformat(),
        "revoked": operator.revoked,
    }
