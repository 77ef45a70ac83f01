"""`juki authority …`: a municipality's authority, and the TEST national root above it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from jukicard.commands.attendance import (
    operator_options,
)
from jukicard.commands.operatorcards import FirstOperators, first_operator_options, first_operators
from jukicard.commands.options import home_option, json_option, print_facts
from jukicard.commands.passwords import AUTHORITY_ASKED, Source, authority_password, national_password
from jukicard.commands.session import Session, pass_session
from jukicard.commands.tokens import token_options
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.ceremony import founding_record
from jukicard.issuer.authority.description import City
from jukicard.issuer.authority.generations import Rotated
from jukicard.issuer.authority.national import NationalRoot
from jukicard.issuer.authority.permissions import KEY_CEREMONY
from jukicard.issuer.errors import HomeExists, HomeMissing, WrongAuthorityPassword
from jukicard.issuer.keys.places import Token, new_file, on_token
from jukicard.issuer.ledger.rules import BooksEvent

AUTHORITY = "authority"
"""The subject of what the books have of the authority itself."""
NATIONAL = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command
@click.option("--city-code", required=True, help="Municipality code, 5 digits, or 6 with the check digit.")
@click.option("--city-name", required=True, help="The municipality's name, as certificates and faces have it.")
@click.option("--contact", default="", help="Whom a finder of a card calls, as faces have it.")
@click.option("--national", type=NATIONAL, help="A national root.")
@click.option(
    "--ledger-url",
    metavar="postgresql://WRITER@HOST/DATABASE",
    help="Keep the books in PostgreSQL, in tables that `juki ledger migrate --url` has made.",
)
@token_options
@first_operator_options
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
    ledger_url: str | None,
    token: Token | None,
    staff: FirstOperators,
    authority_password: Source,
    national_password: Source,
    as_json: bool,
) -> None:
    """Set up a municipality's issuing authority.

    Makes the home: keys in an encrypted file, certificate authorities (all of them TEST), the ledger, the storage key
    of card files, and three terminals: issuing-machine, counter, municipal-service. Without --national it gets a
    national root of its own. The password of a shared national root is the authority's, unless another is given.

    With --hsm the keys are made in a PKCS#11 token, and never leave it; its PIN takes the place of the authority's
    password, here and later. In either case a record of the key ceremony is left for signing. With --operators the home
    has operators: two administrators, whose cards are made in that folder; from then on nothing is written into the
    home or its books without an operator's card. Without, every entry is unattended.

    \b
    Examples:
      juki authority init --city-code 99201 --city-name 見本市
      juki authority init --city-code 99201 --city-name 見本市 --operators operators
      juki authority init --city-code 99202 --city-name 隣町 --national national --home neighbour
      juki authority init --city-code 99201 --city-name 見本市 --hsm p11.so --hsm-token bureau --hsm-serial 7a37c12d
      juki authority init --city-code 99201 --city-name 見本市 --ledger-url postgresql://books_writer@db/books
    """
    city, home = City(city_code, city_name, contact), session.home
    _check(home, national, ledger_url)
    password = _new_secret(authority_password, token)
    chosen = staff.choose()
    root = None if national is None else _national_root(national, national_password, password, token)
    today = session.world.today
    keys = new_file if token is None else on_token(token)
    with Authority.init(
        home,
        city,
        password,
        today=today,
        national=root,
        keys=keys,
        ledger_url=ledger_url,
        random=session.world.random,
    ) as authority:
        names = [terminal.name for terminal in authority.terminals()]
        cards = first_operators(session, authority, staff, chosen)
    facts = {
        "home": str(home),
        "city_code": city.code,
        "city_name": city.name,
        "terminals": names,
        "record": str(founding_record(home, today)),
        "operators": [str(path) for path in cards],
    }
    print_facts(facts, as_json=as_json)


def _check(home: Path, national: Path | None, ledger_url: str | None) -> None:
    """Refuse what cannot be a new authority's home, root or books, before a password is asked for."""
    if (home / "authority.json").exists():
        raise HomeExists(f"there is an authority in {home} already")
    if national is not None:
        NationalRoot.open(national)
    if ledger_url is not None:
        from jukicard.issuer.ledger.ledger import Ledger

        with Ledger.open(ledger_url) as books:
            books.check_empty()


def _new_secret(source: Source, token: Token | None) -> str:
    """Ask for a new password, or for the PIN that the token has."""
    if token is None:
        return replace(source, asked=AUTHORITY_ASKED).read(new=True)
    return replace(source, asked=f"PIN of {token}").read()


def _national_root(directory: Path, source: Source, password: str, token: Token | None) -> NationalRoot:
    """Open the national root with its own password or PIN if one is given; else with the authority's, else ask.

    The authority's is tried where it may be the same: in a file too, or in the same token, whose tries are few.
    """
    own = NationalRoot.open(directory).place.token
    if own is not None:
        source = replace(source, asked=f"PIN of {own}")
    if not source.given and own == token:
        try:
            return NationalRoot.open(directory, password)
        except WrongAuthorityPassword:
            click.echo("The national root has another password.", err=True)
    return NationalRoot.open(directory, source.read())


@click.command
@click.argument("directory", type=click.Path(path_type=Path))
@token_options
@authority_password
@json_option
@pass_session
def national(session: Session, directory: Path, token: Token | None, authority_password: Source, as_json: bool) -> None:
    """Make a TEST national root that several municipalities share.

    DIRECTORY is made; its key gets a password of its own, or is made in a PKCS#11 token (--hsm).

    \b
    Example:
      juki authority national national
    """
    if directory.exists() and any(directory.iterdir()):
        raise HomeExists(f"{directory} exists already, and is not empty")
    password = _new_secret(authority_password, token)
    today = session.world.today
    keys = new_file if token is None else on_token(token)
    NationalRoot.init(directory, password, today=today, keys=keys, random=session.world.random)
    facts = {"national_root": str(directory), "record": str(founding_record(directory, today))}
    print_facts(facts, as_json=as_json)


@click.command
@click.argument("what", type=click.Choice([what.value for what in Rotated]))
@click.option("--national", type=NATIONAL, help="The national root that certifies a CA (else the home's own).")
@authority_password
@operator_options(KEY_CEREMONY)
@national_password
@home_option
@json_option
@pass_session
def rotate(
    session: Session,
    what: str,
    national: Path | None,
    authority_password: Source,
    national_password: Source,
    as_json: bool,
) -> None:
    """Make new master keys or a new CA; older cards stay served.

    Cards made from now on have keys from the new generation, and terminals its certificates. No older key is given up:
    a card's key version tells its generation. What is interrupted changed nothing, and is taken up by the same command.
    A CA is certified by the national root, whose password is the authority's, unless another is given.

    \b
    Examples:
      juki authority rotate masters
      juki authority rotate card-ca --national national --national-password-file national.txt
    """
    from jukicard.issuer.authority.rotation import rotate as rotate_keys

    rotated = Rotated(what)
    with session.authority(None):  # that there is one, before anything is asked for
        directory = None if rotated is Rotated.MASTERS else national or session.home / "national"
        if directory is not None and not directory.is_dir():
            raise HomeMissing(
                f"there is no national root in {directory}: name the one that it stands under, --national"
            )
    password = authority_password.read()
    with session.authority(password) as authority, session.operator(authority):
        token = authority.description.place.token
        root = None if directory is None else _national_root(directory, national_password, password, token)
        done = rotate_keys(authority, rotated, today=session.world.today, national=root)
        with authority.ledger.writing() as group:
            group.note(AUTHORITY, BooksEvent.KEYS_CHANGED, session.world.now(), {"what": what})
    facts = {"rotated": what, "generation": done.generation, "keys": list(done.labels), "record": str(done.record)}
    print_facts(facts, as_json=as_json)
