"""`juki points …`: community points (地域ポイント), as the points centre, a shop, and a terminal between two cards."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from jukicard.applets.points.client import PointsClient
from jukicard.applets.points.layout import CREDIT, DEBIT
from jukicard.applets.points.records import MAX_AMOUNT, Order
from jukicard.applets.points.transfer import recover, transfer
from jukicard.commands import completion
from jukicard.commands.options import print_facts, reader_spec
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
from jukicard.iso7816.errors import TransportError
from jukicard.issuer.municipal.pointscentre import PointsCentre

if TYPE_CHECKING:
    from jukicard.reader.spec import ReaderSpec

SHOP_TERMINAL = "shop"
_REFERENCE_SIZE = 8

password = password_command("points", PointsClient)


def _reference(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not (len(value) == _REFERENCE_SIZE and value.isascii() and value.isalnum()):
        raise click.BadParameter(f"a reference has {_REFERENCE_SIZE} letters and digits", ctx, param)
    return value


amount_argument = click.argument("amount", type=click.IntRange(1, MAX_AMOUNT))
sequence_option = click.option("--sequence", type=click.IntRange(1), help="The order's number (else the card's next).")
reference_option = click.option(
    "--reference", metavar="TEXT", callback=_reference, help="The shop's own, 8 letters and digits (else a random one)."
)
to_option = click.option(
    "--to",
    callback=reader_spec,
    shell_complete=completion.readers,
    required=True,
    metavar="SPEC",
    help="Where the card is that receives.",
)


@click.command
@service_options(SHOP_TERMINAL)
def show(session: Session, reader: ReaderSpec, terminal: str, authority_password: Source, as_json: bool) -> None:
    """Show the balance of a purse, at a shop's terminal.

    The terminal needs the right points: juki terminal new shop --rights points.

    \b
    Example:
      juki points show --reader pcsc:
    """
    with opened(session, reader, terminal, authority_password) as (authority, connection):
        client, card = at_service(session, authority, connection, terminal, PointsClient)
        member, purse = client.verified_member(PointsCentre(authority).public_key), client.purse()
    facts = {
        "serial": card.serial,
        "member": member.number.hex(),
        "balance": purse.balance,
        "limit": purse.limit,
        "orders": purse.sequence,
        "payments_begun": purse.paid,
    }
    print_facts(facts, as_json=as_json)


@click.command
@amount_argument
@sequence_option
@reference_option
@service_options(SHOP_TERMINAL)
def credit(session: Session, amount: int, **values: Any) -> None:
    """Credit points to a card, by an order that the points centre signs.

    An order is carried out once. Whose answer was lost is given again, with the --sequence and --reference that it had:
    the card answers with the same receipt.

    \b
    Examples:
      juki points credit 500 --reader pcsc:
      juki points credit 500 --sequence 7 --reference 1f00ba27 --reader pcsc:
    """
    _order(session, CREDIT, amount, None, **values)


@click.command
@amount_argument
@sequence_option
@reference_option
@service_password
@service_options(SHOP_TERMINAL)
def debit(session: Session, amount: int, password: Source, **values: Any) -> None:
    """Take points from a card, by an order that the points centre signs, with the holder's password.

    \b
    Example:
      juki points debit 120 --reader pcsc:
    """
    _order(session, DEBIT, amount, password.holder(), **values)


def _order(
    session: Session,
    direction: int,
    amount: int,
    holder: Callable[[], str] | None,
    *,
    sequence: int | None,
    reference: str | None,
    reader: ReaderSpec,
    terminal: str,
    authority_password: Source,
    as_json: bool,
) -> None:
    chosen = reference or session.world.random(_REFERENCE_SIZE // 2).hex()
    with opened(session, reader, terminal, authority_password) as (authority, connection):
        client, card = at_service(session, authority, connection, terminal, PointsClient)
        centre = PointsCentre(authority)
        member = client.verified_member(centre.public_key)
        number = sequence or client.purse().sequence + 1
        if holder is not None:
            verify(client, holder)
        order = Order(direction, number, amount, chosen.encode())
        facts: dict[str, object] = {"serial": card.serial, "sequence": number, "reference": chosen}
        session.facts = facts
        try:
            balance = client.carry_out(order, centre.sign(order, member.number), member)
        except TransportError as error:
            error.add_note(
                f"Whether it was done is unknown: give it again with --sequence {number} --reference {chosen}"
            )
            raise
    print_facts({**facts, "balance_then": balance}, as_json=as_json)


@click.command
@amount_argument
@to_option
@service_password
@service_options(OFFICE_TERMINAL)
def pay(session: Session, amount: int, to: ReaderSpec, password: Source, as_json: bool, **place: Any) -> None:
    """Pay points from one card (--reader) to another (--to), with the payer's password.

    No point is made or lost, whatever is interrupted: `juki points recover` with the same two cards brings it to its
    end.

    \b
    Example:
      juki points pay 120 --reader emulator:out/mine.juki --to emulator:out/yours.juki
    """
    _between(session, to, password, lambda payer, payee: transfer(payer, payee, amount), as_json=as_json, **place)


@click.command(name="recover")
@to_option
@service_password
@service_options(OFFICE_TERMINAL)
def recover_(session: Session, to: ReaderSpec, password: Source, as_json: bool, **place: Any) -> None:
    """Bring an interrupted payment to its end, from the card that pays (--reader) to its payee (--to).

    \b
    Example:
      juki points recover --reader emulator:out/mine.juki --to emulator:out/yours.juki
    """
    _between(session, to, password, recover, as_json=as_json, **place)


def _between(
    session: Session,
    to: ReaderSpec,
    password: Source,
    action: Callable[[PointsClient, PointsClient], bool | None],
    *,
    reader: ReaderSpec,
    terminal: str,
    authority_password: Source,
    as_json: bool,
) -> None:
    if to == reader:
        raise click.UsageError("a card cannot pay itself: --reader and --to are two cards")
    holder = password.holder()
    with ExitStack() as stack:
        authority, connection = stack.enter_context(opened(session, reader, terminal, authority_password))
        other = stack.enter_context(session.card(to))
        stack.enter_context(other.transaction())
        payer, card = at_service(session, authority, connection, terminal, PointsClient)
        payee, other_card = at_service(session, authority, other, terminal, PointsClient)
        verify(payer, holder)
        try:
            accepted = action(payer, payee)
        except TransportError as error:
            error.add_note("Nothing is lost: juki points recover, with the same two cards, brings it to its end.")
            raise
        balance = payer.purse().balance
    outcome = {True: "accepted", False: "refused, and paid back", None: "nothing was under way"}[accepted]
    facts = {"payer": card.serial, "payee": other_card.serial, "payment": outcome, "payer_balance": balance}
    print_facts(facts, as_json=as_json)
