"""`juki handover`: the holder takes the card over at the counter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jukicard.commands.attendance import operator_options
from jukicard.commands.dialogue import card_dialogue
from jukicard.commands.options import home_option, json_option, print_facts, reader_option, terminal_option
from jukicard.commands.passwords import Source, authority_password, holder_password
from jukicard.commands.session import Session, pass_session
from jukicard.issuer.authority.permissions import HAND_OVER
from jukicard.issuer.counter.authentication import COUNTER_TERMINAL
from jukicard.issuer.counter.handover import hand_over

if TYPE_CHECKING:
    from jukicard.reader.spec import ReaderSpec


@click.command
@reader_option
@terminal_option(COUNTER_TERMINAL)
@holder_password
@operator_options(HAND_OVER)
@authority_password
@home_option
@json_option
@pass_session
def handover(
    session: Session,
    reader: ReaderSpec,
    terminal: str,
    password: Source,
    authority_password: Source,
    as_json: bool,
) -> None:
    """Hand a card over: its holder sets the password, and it becomes active.

    The card proves itself first; then the holder chooses 4 digits. A handover that was interrupted is finished by
    doing it again with the same password.

    \b
    Example:
      juki handover --reader pcsc:
    """
    chosen = password.holder(new=True)
    with card_dialogue(session, reader, terminal, authority_password, session.operator) as (authority, dialogue):
        state = hand_over(authority, dialogue, chosen, session.world.now)
    facts = {"serial": state.serial, "status": state.status.value, "expires": state.expires.isoformat()}
    print_facts(facts, as_json=as_json)
