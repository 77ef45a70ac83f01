"""`juki authority ordinance`: the purposes that applications are approved for."""

from __future__ import annotations

import click

from jukicard.commands.attendance import operator_options
from jukicard.commands.options import card_file_options, home_option, json_option, print_facts
from jukicard.commands.passwords import Source, authority_password
from jukicard.commands.session import Session, pass_session
from jukicard.issuer.authority.permissions import CHANGE_ORDINANCE
from jukicard.issuer.municipal import ordinance as books


@click.command
@click.option("--allow", nargs=2, metavar="NAME TITLE", help="Enter a purpose.")
@click.option("--forbid", metavar="NAME", help="Strike one out. What was approved for it stays approved.")
@operator_options(CHANGE_ORDINANCE)
@authority_password
@card_file_options
@home_option
@json_option
@pass_session
def ordinance(
    session: Session, allow: tuple[str, str] | None, forbid: str | None, authority_password: Source, as_json: bool
) -> None:
    """Show or change the purposes that the municipality's ordinance allows.

    Applications are approved for one of them only, and each card is told the list when it is issued.

    \b
    Examples:
      juki authority ordinance
      juki authority ordinance --allow pool 市民プールの利用
    """
    with session.authority(None) as authority:
        home = authority.home
    if allow is not None or forbid is not None:
        password = session.staff_password(authority_password)
        with session.authority(password) as authority, session.operator(authority):
            if allow is not None:
                books.allow(home, *allow)
            if forbid is not None:
                books.forbid(home, forbid)
    purposes = books.purposes(home)
    print_facts({"purposes": purposes} if as_json else purposes, as_json=as_json)
