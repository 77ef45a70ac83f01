"""`juki face unblock`: the reference numbers of a face work again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jukicard.commands.attendance import operator_options
from jukicard.commands.dialogue import issuer_access
from jukicard.commands.options import home_option, json_option, print_facts, reader_option, terminal_option
from jukicard.commands.passwords import Source, authority_password
from jukicard.commands.session import Session, pass_session
from jukicard.issuer.authority.permissions import RESET_PASSWORD
from jukicard.issuer.counter.authentication import COUNTER_TERMINAL

if TYPE_CHECKING:
    from jukicard.reader.spec import ReaderSpec


@click.command
@reader_option
@terminal_option(COUNTER_TERMINAL)
@operator_options(RESET_PASSWORD)
@authority_password
@home_option
@json_option
@pass_session
def unblock(session: Session, reader: ReaderSpec, terminal: str, authority_password: Source, as_json: bool) -> None:
    """Give back the tries of the reference numbers (照合番号) of a card's face.

    For a card whose number was given wrong ten times. The numbers stay: they follow from the face. Only the
    municipality that issued the card can do that.

    \b
    Example:
      juki face unblock --reader pcsc:
    """
    with issuer_access(session, reader, terminal, authority_password) as access:
        serial = access.unblock_face()
    print_facts({"serial": serial, "reference_numbers": "unblocked"}, as_json=as_json)
