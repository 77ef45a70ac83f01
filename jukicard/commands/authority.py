"""`juki authority …`: a municipality's authority, and the TEST national root above it."""

from __future__ import annotations

from pathlib import Path

import click

from jukicard.commands.attendance import operator_password, read_operator_password, second_operator_password
from jukicard.commands.operatorcards import first_operators
from jukicard.commands.options import home_option, json_option, print_facts
from jukicard.commands.passwords import Source, authority_password, national_password
from jukicard.commands.session import Session, pass_session
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.city import City
from jukicard.issuer.authority.national import NationalRoot
from jukicard.issuer.errors import HomeExists, WrongAuthorityPassword


@click.command
@click.option("--city-code", required=True, help="Municipality code, 5 digits, or 6 with the check digit.")
@click.option("--city-name", required=True, help="The municipality's name, as certificates and faces have it.")
@click.option("--contact", default="", help="Whom a finder of a card calls, as faces have it.")
@click.option("--national", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A national root.")
@click.option(
    "--operators",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the cards of two operators, who administer the rest.",
)
@operator_password
@second_operator_password
@authority_password
@national_password
@home_option
@json_option
@pass_session
def init(
    session: Session,
    city_code: str,
    city_name: str,
    contact: str,
    national: Path | None,
    operators: Path | None,
    operator_password: Source,
    second_operator_password: Source,
    authority_password: Source,
    national_password: Source,
    as_json: bool,
) -> None:
    """Set up a municipality's issuing authority.

    Makes the home: keys in an encrypted file, certificate authorities (all of them TEST), the ledger, the storage key
    of card files, and three terminals: issuing-machine, counter, municipal-service. Without --national it gets a
    national root of its own. The password of a shared national root is the authority's, unless another is given.

    With --operators the home has operators: two administrators, whose cards are made in that folder. From then on
    nothing is written into the home or its books without an operator's card. Without, every entry is unattended.

    \b
    Examples:
      juki authority init --city-code 99201 --city-name 見本市
      juki authority init --city-code 99201 --city-name 見本市 --operators operators
      juki authority init --city-code 99202 --city-name 隣町 --national national --home neighbour
    """
    city = City(city_code, city_name, contact)
    home = session.home
    if (home / "authority.json").exists():
        raise HomeExists(f"there is an authority in {home} already")
    if national is not None:
        NationalRoot.open(national)
    sources = (operator_password, second_operator_password) if operators is not None else ()
    password = authority_password.read(new=True)
    chosen = [read_operator_password(source, new=True) for source in sources]
    root = None if national is None else _national_root(national, national_password, password)
    with Authority.init(
        home, city, password, today=session.world.today, national=root, random=session.world.random
    ) as authority:
        names = [terminal.name for terminal in authority.terminals()]
        cards = [] if operators is None else first_operators(session, authority, operators, chosen)
    facts = {"home": str(home), "city_code": city.code, "city_name": city.name, "terminals": names}
    facts["operators"] = [str(path) for path in cards]
    print_facts(facts, as_json=as_json)


def _national_root(directory: Path, source: Source, password: str) -> NationalRoot:
    """Open the national root with its own password if one is given; else with the authority's, else ask."""
    if not source.given:
        try:
            return NationalRoot.open(directory, password)
        except WrongAuthorityPassword:
            click.echo("The national root has another password.", err=True)
    return NationalRoot.open(directory, source.read())


@click.command
@click.argument("directory", type=click.Path(path_type=Path))
@authority_password
@json_option
@pass_session
def national(session: Session, directory: Path, authority_password: Source, as_json: bool) -> None:
    """Make a TEST national root that several municipalities share.

    DIRECTORY is made; its keys get a password of their own.

    \b
    Example:
      juki authority national national
    """
    if directory.exists() and any(directory.iterdir()):
        raise HomeExists(f"{directory} exists already, and is not empty")
    password = authority_password.read(new=True)
    NationalRoot.init(directory, password, today=session.world.today, random=session.world.random)
    print_facts({"national_root": str(directory)}, as_json=as_json)
