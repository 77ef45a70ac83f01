"""`juki card suspend`, `resume` and `void`: in the books, and on the chip if it is at hand."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from jukicard.commands import completion
from jukicard.commands.asking import confirm
from jukicard.commands.options import (
    card_file_options,
    home_option,
    json_option,
    print_facts,
    reader_spec,
    terminal_option,
)
from jukicard.commands.passwords import Source, authority_password
from jukicard.commands.session import Session, pass_session
from jukicard.issuer.counter.authentication import COUNTER_TERMINAL, CardDialogue, Proof
from jukicard.issuer.counter.lifecycle import Change, Outcome, change_card, how_to_go_on
from jukicard.issuer.ledger.details import DETAIL_FORMS

if TYPE_CHECKING:
    from jukicard.reader.spec import ReaderSpec

F = TypeVar("F", bound=Callable[..., Any])


def _words(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not DETAIL_FORMS["reason"].fullmatch(value):
        raise click.BadParameter(
            "up to 80 lower-case letters, blanks, commas, hyphens; no names or numbers", ctx, param
        )
    return value


def _options(function: F) -> F:
    """Add what the three commands share."""
    decorated: Any = function
    for option in (
        pass_session,
        json_option,
        home_option,
        authority_password,
        terminal_option(COUNTER_TERMINAL),
        click.option("--reason", metavar="WORDS", callback=_words, help="Why, in a few plain words; never a name."),
        card_file_options,
        click.option(
            "--reader",
            callback=reader_spec,
            shell_complete=completion.readers,
            metavar="SPEC",
            help="Where the card is, if it is at hand. JUKI_READER plays no part: it may hold another card.",
        ),
        click.argument("serial"),
    ):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


@click.command
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
@click.option("--yes", is_flag=True, help="Do not ask.")
@_options
def void(session: Session, yes: bool, **values: Any) -> None:
    """Make a card void, for good, and on its chip too if it is at hand.

    A card whose issue was begun and never finished is given up by this: its chip is not used again.

    \b
    Examples:
      juki card void 799201000000001 --reason "holder moved abroad"
      juki card void 799201000000001 --reader pcsc: --yes
    """
    if not yes:
        _confirm(session, values["serial"])
    _change(session, Change.VOID, **values)


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
    terminal: str,
    authority_password: Source,
    as_json: bool,
) -> None:
    carry_out = functools.partial(change_card, serial=serial, change=change, clock=session.world.now, reason=reason)
    if reader is None:
        with session.authority(None) as authority:
            outcome = carry_out(authority)
    else:
        with session.authority(None) as public:
            public.terminal(terminal)
            public.ledger.card(serial)
        with (
            session.card(reader) as connection,
            session.authority(authority_password.read()) as authority,
            connection.transaction(),
        ):
            world = session.world
            dialogue = CardDialogue(
                authority, connection, world.random, today=world.today, terminal=terminal, report=_progress
            )
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


def _progress(proof: Proof) -> None:
    click.echo(f"{proof.step}: {proof.proof}", err=True)
