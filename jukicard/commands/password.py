"""`juki password …`: the holder's password, changed by its holder or set anew at the office."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from jukicard.commands.attendance import operator_options
from jukicard.commands.dialogue import card_dialogue
from jukicard.commands.options import home_option, json_option, print_facts, reader_option, terminal_option
from jukicard.commands.passwords import Source, authority_password, holder_password, new_password, reset_to_password
from jukicard.commands.session import Session, pass_session
from jukicard.issuer.authority.permissions import RESET_PASSWORD
from jukicard.issuer.counter.authentication import COUNTER_TERMINAL
from jukicard.issuer.counter.holderpassword import change_password, reset_password

if TYPE_CHECKING:
    from jukicard.reader.spec import ReaderSpec


@click.command
@reader_option
@terminal_option(COUNTER_TERMINAL)
@holder_password
@new_password
@authority_password
@home_option
@json_option
@pass_session
def change(
    session: Session,
    reader: ReaderSpec,
    terminal: str,
    password: Source,
    new_password: Source,
    authority_password: Source,
    as_json: bool,
) -> None:
    """Change the holder's password: the old one, then a new one, of 4 digits.

    The card proves itself before anything is asked for; the passwords cross in an encrypted channel. A wrong old
    password costs one of three tries.

    \b
    Examples:
      juki password change --reader pcsc:
      juki password change --reader pcsc: --password-file old.txt --new-password-file new.txt --json
    """
    old, new = password.holder(), new_password.holder(new=True)
    with card_dialogue(session, reader, terminal, authority_password, nullcontext) as (_, dialogue):
        card = change_password(dialogue, old, new)
    print_facts({"serial": card.serial, "password": "changed"}, as_json=as_json)


@click.command
@reader_option
@terminal_option(COUNTER_TERMINAL)
@reset_to_password
@operator_options(RESET_PASSWORD)
@authority_password
@home_option
@json_option
@pass_session
def reset(
    session: Session,
    reader: ReaderSpec,
    terminal: str,
    password: Source,
    authority_password: Source,
    as_json: bool,
) -> None:
    """Set a new password at the office, and give back all tries: for a holder who forgot it, or blocked it.

    The holder is there in person and chooses the 4 digits. The terminal needs the right reset-password; the books
    note it. An interrupted reset is finished by the same command.

    \b
    Examples:
      juki password reset --reader pcsc:
      juki password reset --reader pcsc: --password-file new.txt --json
    """
    chosen = password.holder(new=True)
    with card_dialogue(session, reader, terminal, authority_password, session.operator) as (authority, dialogue):
        card = reset_password(authority, dialogue, chosen, session.world.now)
    print_facts({"serial": card.serial, "password": "reset"}, as_json=as_json)
