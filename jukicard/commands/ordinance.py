"""`juki authority ordinance`: the purposes that applications are approved for."""

from __future__ import annotations

import click

from jukicard.commands.options import home_option, json_option, print_facts
from jukicard.commands.session import Session, pass_session
from jukicard.issuer.municipal import ordinance as books


@click.command
@click.option("--allow", nargs=2, metavar="NAME TITLE", help="Enter a purpose.")
@click.option("--forbid", metavar="NAME", help="Strike one out. What was approved for it stays approved.")
@home_option
@json_option
@pass_session
def ordinance(session: Session, allow: tuple[str, str] | None, forbid: str | None, as_json: bool) -> None:
    """Show or change the purposes that the municipality's ordinance allows.

    Applications are approved for one of them only, and each card is told the list when it is issued.

    \b
    Examples:
      juki authority ordinance
      juki authority ordinance --allow pool 市民プールの利用
    """
    with session.authority(None) as authority:
        home = authority.home
    if allow is not None:
        books.allow(home, *allow)
    if forbid is not None:
        books.forbid(home, forbid)
    purposes = books.purposes(home)
    print_facts({"purposes": purposes} if as_json else purposes, as_json=as_json)
