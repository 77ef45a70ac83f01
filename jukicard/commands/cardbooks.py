"""`juki card endorse`, `destroy` and `expire`: what is entered of cards without one at hand."""

from __future__ import annotations

import click

from jukicard.commands.asking import confirm
from jukicard.commands.attendance import office_options
from jukicard.commands.options import home_option, json_option, print_facts
from jukicard.commands.session import Session, pass_session
from jukicard.issuer.authority.permissions import CHANGE_CARD, VOID_IN_BULK
from jukicard.issuer.counter import books
from jukicard.issuer.counter.books import MAX_ENDORSEMENTS, MadeVoid
from jukicard.issuer.ledger.details import Endorsement


@click.command
@click.argument("serial")
@click.option(
    "--field", type=click.Choice([str(field) for field in Endorsement]), required=True, help="What has changed."
)
@office_options(CHANGE_CARD)
@home_option
@json_option
@pass_session
def endorse(session: Session, serial: str, field: str, as_json: bool) -> None:
    """Note that a change was written and sealed on a card's back (追記): of address, name or alias (通称).

    The back has room for four; then the holder needs a replacement.

    \b
    Example:
      juki card endorse 799201000000001 --field address
    """
    with session.office() as authority:
        state = books.endorse(authority, serial, Endorsement(field), session.world.now)
    facts = {
        "serial": serial,
        "status": state.status.value,
        "endorsements": state.endorsements,
        "room_left": MAX_ENDORSEMENTS - state.endorsements,
    }
    print_facts(facts, as_json=as_json)


@click.command
@click.argument("serial")
@click.option("--yes", is_flag=True, help="Do not ask.")
@office_options(CHANGE_CARD)
@home_option
@json_option
@pass_session
def destroy(session: Session, serial: str, yes: bool, as_json: bool) -> None:
    """Note that a void or spoilt card was destroyed.

    \b
    Example:
      juki card destroy 799201000000001 --yes
    """
    if not yes:
        confirm(f"Has card {serial} been destroyed?", f"card {serial} is as it was")
    with session.office() as authority:
        state = books.destroy(authority, serial, session.world.now)
    print_facts({"serial": serial, "status": state.status.value}, as_json=as_json)


@click.command
@office_options(VOID_IN_BULK)
@home_option
@json_option
@pass_session
def expire(session: Session, as_json: bool) -> None:
    """Make all cards void whose last day has passed, and list them.

    An expired card is refused without this; afterwards the books say so, and it can be destroyed when it comes back.

    \b
    Example:
      juki card expire
    """
    with session.office() as authority:
        outcome = books.void_expired(authority, session.world.today, session.world.now)
    print_facts(made_void(outcome), as_json=as_json)


def made_void(outcome: MadeVoid) -> dict[str, object]:
    """What many cards' voiding has come to, as facts."""
    return {"voided": list(outcome.voided), "already": list(outcome.already)}
