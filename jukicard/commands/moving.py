"""`juki card move` and `moved`: a holder's move, at the new municipality's counter and in the old one's books."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any, TypeVar

import click

from jukicard.commands.attendance import office_options, operator_options
from jukicard.commands.dialogue import card_dialogue
from jukicard.commands.options import (
    day_option,
    home_option,
    json_option,
    print_facts,
    reader_option,
    terminal_option,
)
from jukicard.commands.passwords import Source, authority_password, holder_password
from jukicard.commands.session import Session, pass_session
from jukicard.issuer.authority.permissions import CHANGE_CARD
from jukicard.issuer.counter.authentication import COUNTER_TERMINAL
from jukicard.issuer.counter.lifecycle import how_to_go_on
from jukicard.issuer.counter.moving import Move, note_moved, take_over
from jukicard.issuer.ledger.cards import CardState
from jukicard.issuer.records.codes import parse_municipality_code

if TYPE_CHECKING:
    from jukicard.reader.spec import ReaderSpec

F = TypeVar("F", bound=Callable[..., Any])


def _days(function: F) -> F:
    """Add the three days of a move."""
    decorated: Any = function
    for name, explained in (
        ("--reported", "The day of the report at the new municipality (転入届)."),
        ("--moved-in", "The day of moving in (転入日)."),
        ("--moved-out", "The day planned for moving out (転出予定日)."),
    ):
        decorated = day_option(name, explained, required=True)(decorated)
    return decorated  # type: ignore[no-any-return]


@click.command
@reader_option
@_days
@terminal_option(COUNTER_TERMINAL)
@holder_password
@authority_password
@operator_options(CHANGE_CARD)
@home_option
@json_option
@pass_session
def move(
    session: Session,
    reader: ReaderSpec,
    moved_out: date,
    moved_in: date,
    reported: date,
    terminal: str,
    password: Source,
    authority_password: Source,
    as_json: bool,
) -> None:
    """Take a card over whose holder has moved here, so that it is used on (継続利用).

    Not if the move was reported more than 14 days after moving in, or more than 30 days after the day planned for
    moving out, nor more than 90 days after its report, nor an expired card.

    \b
    Example:
      juki card move --reader pcsc: --moved-out 2026-10-30 --moved-in 2026-11-01 --reported 2026-11-05
    """
    holder, days = password.holder(), Move(moved_out, moved_in, reported)
    with card_dialogue(session, reader, terminal, authority_password, session.operator) as (authority, dialogue):
        state = take_over(authority, dialogue, holder, days, session.world.now)
    _print(state, as_json)


@click.command
@click.argument("serial")
@click.option("--to", "city", metavar="CITY", required=True, help="Code of the new municipality, 5 or 6 digits.")
@_days
@office_options(CHANGE_CARD)
@home_option
@json_option
@pass_session
def moved(
    session: Session, serial: str, city: str, moved_out: date, moved_in: date, reported: date, as_json: bool
) -> None:
    """Note that a card's holder has moved away with it, as the new municipality tells (転入通知).

    Where the card cannot be used on, nothing is entered: make it void, with the cause moved-away.

    \b
    Example:
      juki card moved 799201000000001 --to 99202 --moved-out 2026-10-30 --moved-in 2026-11-01 --reported 2026-11-05
    """
    try:
        code = parse_municipality_code(city)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--to") from None
    with session.office() as authority:
        state = note_moved(authority, serial, code, Move(moved_out, moved_in, reported), session.world.now)
    _print(state, as_json)


def _print(state: CardState, as_json: bool) -> None:
    facts = {
        "serial": state.serial,
        "status": state.status.value,
        "moved_from": state.facts.get("moved_from"),
        "moved_to": state.facts.get("moved_to"),
        "next": how_to_go_on(state),
    }
    print_facts(facts, as_json=as_json)
