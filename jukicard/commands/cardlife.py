"""`juki card suspend`, `resume` and `void`: in the books, and on the chip if it is at hand."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from jukicard.commands import completion
from jukicard.commands.asking import confirm
from jukicard.commands.attendance import operator_options
from jukicard.commands.cardbooks import made_void
from jukicard.commands.dialogue import card_dialogue
from jukicard.commands.options import (
    card_file_options,
    home_option,
    json_option,
    print_facts,
    reader_spec,
    terminal_option,
    words,
)
from jukicard.commands.passwords import Source, authority_password
from jukicard.commands.session import Session, pass_session
from jukicard.issuer.authority.permissions import CHANGE_CARD, VOID_IN_BULK
from jukicard.issuer.counter.authentication import COUNTER_TERMINAL
from jukicard.issuer.counter.books import void_all
from jukicard.issuer.counter.lifecycle import Change, Outcome, change_card, how_to_go_on
from jukicard.issuer.ledger.details import Cause

if TYPE_CHECKING:
    from jukicard.reader.spec import ReaderSpec

F = TypeVar("F", bound=Callable[..., Any])

CAUSES = tuple(cause for cause in Cause if cause is not Cause.REPLACED)
"""What an office decides; a card is replaced when the new one is handed over."""


def _options(function: F) -> F:
    """Add what the three commands share."""
    decorated: Any = function
    for option in (
        pass_session,
        json_option,
        home_option,
        authority_password,
        operator_options(CHANGE_CARD),
        terminal_option(COUNTER_TERMINAL),
        click.option("--reason", metavar="WORDS", callback=words, help="Why, in a few plain words; never a name."),
        card_file_options,
        click.option(
            "--reader",
            callback=reader_spec,
            shell_complete=completion.readers,
            metavar="SPEC",
            help="Where the card is, if it is at hand. JUKI_READER plays no part: it may hold another card.",
        ),
    ):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


@click.command
@click.argument("serial")
@_options
def suspend(session: Session, **values: Any) -> None:
    """Suspend a card that was reported lost: nobody can use it until it is resumed.

    The books have it at once, which is what `juki auth` asks. With --reader the chip is told too; without, do it again
    with --reader when the card turns up. An interrupted suspension is finished by the same command.

    \b
    Examples:
      juki card suspend 799201000000001 --reason "reported lost"
      juki card suspend 799201000000001 --reader pcsc:
    """
    _change(session, Change.SUSPEND, **values)


@click.command
@click.argument("serial")
@_options
def resume(session: Session, **values: Any) -> None:
    """Resume a suspended card, whose holder has it again.

    An interrupted resumption is finished by the same command.

    \b
    Example:
      juki card resume 799201000000001 --reader pcsc:
    """
    _change(session, Change.RESUME, **values)


@click.command
@click.argument("serial", required=False)
@click.option("--from-file", type=click.File(encoding="ascii"), help="Many at once: a file of serials, a line each.")
@click.option("--cause", type=click.Choice([str(cause) for cause in CAUSES]), help="Why, by law.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_options
def void(
    session: Session, serial: str | None, from_file: TextIO | None, cause: str | None, yes: bool, **values: Any
) -> None:
    """Make a card void, for good, and on its chip too if it is at hand.

    A card whose issue was begun and never finished is given up by this: its chip is not used again. Of a file's cards
    all are made void or none, by one cause, without their chips.

    \b
    Examples:
      juki card void 799201000000001 --cause abolished --reason "holder moved abroad"
      juki card void 799201000000001 --reader pcsc: --yes
      juki card void --from-file serials.txt --cause code-changed
    """
    if (serial is None) is (from_file is None):
        raise click.UsageError("which cards? a SERIAL, or --from-file FILE")
    chosen = None if cause is None else Cause(cause)
    if serial is not None:
        if not yes:
            _confirm(session, serial)
        _change(session, Change.VOID, serial=serial, cause=chosen, **values)
        return
    if chosen is None or values["reader"] is not None:
        raise click.UsageError("many cards at once need a --cause, and no --reader")
    serials = [line.strip() for line in from_file or () if line.strip()]
    if not yes:
        confirm(f"{len(serials)} cards will be void for good. Go on?", "the cards are as they were")
    password = session.staff_password(values["authority_password"])
    with session.authority(password) as authority, session.operator(authority) as operator:
        if operator is not None:
            operator.require(VOID_IN_BULK)
        outcome = void_all(authority, serials, chosen, session.world.now, values["reason"])
    print_facts(made_void(outcome), as_json=values["as_json"])


def _confirm(session: Session, serial: str) -> None:
    with session.authority(None) as authority:
        card = authority.ledger.card(serial)
    status = card.standing(session.world.today)
    question = f"Card {serial} (face {card.face}, {status}, until {card.expires}) will be void for good. Go on?"
    confirm(question, f"card {serial} is as it was")


def _change(
    session: Session,
    change: Change,
    *,
    serial: str,
    reader: ReaderSpec | None,
    reason: str | None,
    cause: Cause | None = None,
    terminal: str,
    authority_password: Source,
    as_json: bool,
) -> None:
    carry_out = functools.partial(
        change_card, serial=serial, change=change, clock=session.world.now, reason=reason, cause=cause
    )
    if reader is None:
        password = session.staff_password(authority_password)
        with session.authority(password) as authority, session.operator(authority):
            outcome = carry_out(authority)
    else:
        with session.authority(None) as public:
            public.ledger.card(serial)
        with card_dialogue(session, reader, terminal, authority_password, session.operator) as (authority, dialogue):
            outcome = carry_out(authority, dialogue=dialogue)
    print_facts(_facts(session, outcome), as_json=as_json)


def _facts(session: Session, outcome: Outcome) -> dict[str, object]:
    card = outcome.state
    return {
        "serial": card.serial,
        "status": card.standing(session.world.today),
        "changed": outcome.entered,
        "status_on_chip": None if outcome.chip is None else outcome.chip.label,
        "chip_behind": card.chip_behind,
        "next": how_to_go_on(card),
    }
