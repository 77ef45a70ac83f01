"""`juki library …`: the library card (図書館サービス), as a library's terminal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from jukicard.applets.library.client import LibraryClient
from jukicard.applets.library.records import Loan, LoanState
from jukicard.commands.asking import confirm
from jukicard.commands.options import day_option, print_facts
from jukicard.commands.passwords import Source
from jukicard.commands.service import (
    OFFICE_TERMINAL,
    at_service,
    opened,
    password_command,
    service_options,
    service_password,
    verify,
)
from jukicard.commands.session import Session
from jukicard.issuer.errors import RuleRefused
from jukicard.issuer.line.provers import CertifiedKey

if TYPE_CHECKING:
    from jukicard.reader.spec import ReaderSpec

password = password_command("library", LibraryClient)


def _digits(count: int, what: str) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    def callback(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
        if value and not (len(value) == count and value.isascii() and value.isdigit()):
            raise click.BadParameter(f"{what} has {count} digits", ctx, param)
        return value

    return callback


item_argument = click.argument("item", callback=_digits(13, "an item"))
library_option = click.option(
    "--library",
    metavar="CODE",
    default="",
    callback=_digits(4, "a library's code"),
    help="The library's code, 4 digits. A card of an older layout has none.",
)


@click.command(name="list")
@service_password
@service_options(OFFICE_TERMINAL)
def list_(session: Session, password: Source, as_json: bool, **place: Any) -> None:
    """List the loans on a library card, with the holder's password.

    \b
    Example:
      juki library list --reader pcsc:
    """
    holder = password.holder()

    def read(client: LibraryClient, card: CertifiedKey) -> dict[str, object]:
        verify(client, holder)
        loans = [_described(loan, number, session.world.today) for number, loan in enumerate(client.loans(), 1)]
        shown = loans if as_json else [f"{loan['library']} {loan['item']} ({loan['state']})".strip() for loan in loans]
        return {"serial": card.serial, "patron": client.patron_number(), "loans": shown}

    _at_library(session, read, as_json=as_json, **place)


@click.command
@item_argument
@library_option
@day_option("--due", "The day on which it is due.")
@service_password
@service_options(OFFICE_TERMINAL)
def lend(
    session: Session, item: str, library: str, due: date | None, password: Source, as_json: bool, **place: Any
) -> None:
    """Lend an item (13 digits) to the card's holder, with the holder's password.

    Refused while two books are lost and not settled, for an item that is lent to the card already, and when all 20
    records are in use. A record whose loan is over is used again.

    \b
    Example:
      juki library lend 9784000000000 --library 0001 --due 2026-12-05 --reader pcsc:
    """
    if due is None:
        raise click.UsageError("until when? --due YYYY-MM-DD")
    loan, holder = Loan(item, f"{due:%Y%m%d}", library), password.holder()

    def write(client: LibraryClient, card: CertifiedKey) -> dict[str, object]:
        verify(client, holder)
        client.lend(loan)
        return {"serial": card.serial, **_described(loan, None, session.world.today)}

    _at_library(session, write, as_json=as_json, **place)


@click.command(name="return")
@item_argument
@library_option
@click.option("--record", type=click.IntRange(1, 20), help="The loan's record, if the holder is not there.")
@day_option("--due", "The day on which it is due, if the holder is not there.")
@service_password
@service_options(OFFICE_TERMINAL)
def return_(
    session: Session,
    item: str,
    library: str,
    record: int | None,
    due: date | None,
    password: Source,
    as_json: bool,
    **place: Any,
) -> None:
    """Take an item back. A lost one is not taken back: see `juki library settle`.

    The holder's password lets the terminal find the loan. A library whose books know it takes it back without: with
    --record and --due.

    \b
    Examples:
      juki library return 9784000000000 --library 0001 --reader pcsc:
      juki library return 9784000000000 --library 0001 --record 1 --due 2026-12-05 --reader pcsc:
    """
    if (record is None) != (due is None):
        raise click.UsageError("--record and --due go together")
    wanted = Loan(item, "00000000", library)
    if record is None or due is None:
        _move(session, wanted, LibraryClient.take_back, password, as_json=as_json, **place)
        return
    loan = Loan(item, f"{due:%Y%m%d}", library)

    def write(client: LibraryClient, card: CertifiedKey) -> dict[str, object]:
        client.take_back(record, loan)
        return {"serial": card.serial, "item": item, "library": library, "state": "returned"}

    _at_library(session, write, as_json=as_json, **place)


@click.command
@item_argument
@library_option
@day_option("--due", "The day on which it is due then.")
@service_password
@service_options(OFFICE_TERMINAL)
def renew(
    session: Session, item: str, library: str, due: date | None, password: Source, as_json: bool, **place: Any
) -> None:
    """Lend an item for longer, with the holder's password.

    \b
    Example:
      juki library renew 9784000000000 --library 0001 --due 2026-12-19 --reader pcsc:
    """
    if due is None:
        raise click.UsageError("until when? --due YYYY-MM-DD")
    day = f"{due:%Y%m%d}"
    wanted = Loan(item, "00000000", library)

    def extend(client: LibraryClient, number: int, loan: Loan) -> None:
        client.renew(number, loan, day)

    _move(session, wanted, extend, password, as_json=as_json, **place)


@click.command
@item_argument
@library_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@service_password
@service_options(OFFICE_TERMINAL)
def lose(session: Session, item: str, library: str, yes: bool, password: Source, as_json: bool, **place: Any) -> None:
    """Mark an item as lost: it can only be settled then, and two of them stop the lending.

    \b
    Example:
      juki library lose 9784000000000 --library 0001 --reader pcsc:
    """
    if not yes:
        confirm(f"Item {item} will be lost on the card, which cannot be taken back. Go on?", "the loan is as it was")
    _move(session, Loan(item, "00000000", library), LibraryClient.lose, password, as_json=as_json, **place)


@click.command
@item_argument
@library_option
@service_password
@service_options(OFFICE_TERMINAL)
def settle(session: Session, item: str, library: str, password: Source, as_json: bool, **place: Any) -> None:
    """Settle a lost item with its holder, who replaced it, paid, or found it again.

    \b
    Example:
      juki library settle 9784000000000 --library 0001 --reader pcsc:
    """
    _move(session, Loan(item, "00000000", library), LibraryClient.settle, password, as_json=as_json, **place)


def _at_library(
    session: Session,
    action: Callable[[LibraryClient, CertifiedKey], dict[str, object]],
    *,
    reader: ReaderSpec,
    terminal: str,
    authority_password: Source,
    as_json: bool,
) -> None:
    with opened(session, reader, terminal, authority_password) as (authority, connection):
        client, card = at_service(session, authority, connection, terminal, LibraryClient)
        facts = action(client, card)
    print_facts(facts, as_json=as_json)


def _move(
    session: Session,
    wanted: Loan,
    action: Callable[[LibraryClient, int, Loan], None],
    password: Source,
    *,
    as_json: bool,
    **place: Any,
) -> None:
    """Find the item's loan that is not over, with the holder's password, and do something with it."""
    holder = password.holder()

    def write(client: LibraryClient, card: CertifiedKey) -> dict[str, object]:
        verify(client, holder)
        for number, loan in enumerate(client.loans(), 1):
            if loan.is_of(wanted) and not loan.is_over:
                action(client, number, loan)
                return {"serial": card.serial, **_described(client.loans()[number - 1], number, session.world.today)}
        raise RuleRefused(f"the card has no loan of item {wanted.item}")

    _at_library(session, write, as_json=as_json, **place)


def _described(loan: Loan, number: int | None, today: date) -> dict[str, object]:
    return {
        "record": number,
        "library": loan.library,
        "item": loan.item,
        "due": f"{loan.due[:4]}-{loan.due[4:6]}-{loan.due[6:]}",
        "state": loan.state.name.lower(),
        "overdue": loan.state is LoanState.LENT and loan.due < f"{today:%Y%m%d}",
    }
