"""`juki identify`: who is it that stands at the counter with a card?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from jukicard.commands.attendance import operator_options
from jukicard.commands.dialogue import card_dialogue
from jukicard.commands.options import (
    home_option,
    json_option,
    print_facts,
    reader_option,
    terminal_option,
    words,
)
from jukicard.commands.passwords import Source, authority_password, holder_password
from jukicard.commands.session import Session, pass_session
from jukicard.issuer.authority.permissions import IDENTIFY
from jukicard.issuer.counter.authentication import COUNTER_TERMINAL
from jukicard.issuer.counter.identification import identify as identify_holder
from jukicard.issuer.records.register import CsvRegister

if TYPE_CHECKING:
    from jukicard.reader.spec import ReaderSpec


@click.command
@reader_option
@click.option(
    "--register",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="CSV file of residents, in the place of the network.",
)
@click.option(
    "--purpose", metavar="WORDS", required=True, callback=words, help="For what, in a few plain words; never a name."
)
@terminal_option(COUNTER_TERMINAL)
@holder_password
@authority_password
@operator_options(IDENTIFY)
@home_option
@json_option
@pass_session
def identify(
    session: Session,
    reader: ReaderSpec,
    register: Path,
    purpose: str,
    terminal: str,
    password: Source,
    authority_password: Source,
    as_json: bool,
) -> None:
    """Identify a card's holder: the card proves itself, and its code leads to name, birth date, sex and address.

    Cards of every municipality are accepted. The books note which card was looked up for what purpose, before the
    register is asked; not who it was.

    \b
    Example:
      juki identify --reader pcsc: --register residents.csv --purpose "copy of the resident record"
    """
    holder = password.holder()
    world = session.world
    known = CsvRegister(register, world.today)
    with card_dialogue(session, reader, terminal, authority_password, session.operator) as (authority, dialogue):
        found = identify_holder(authority, dialogue, holder, known, purpose, world.now)
    card, person = found.authentication.card, found.person
    facts = {
        "serial": None if card is None else card.serial,
        "city_code": found.authentication.municipality,
        "name": person.name,
        "birth_date": person.birth_date.isoformat(),
        "sex": person.sex.value,
        "address": person.address,
        "purpose": purpose,
    }
    print_facts(facts, as_json=as_json)
