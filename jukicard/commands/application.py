"""`juki application …`: from the window to the order, and what is kept of applicants meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from jukicard.commands.attendance import office_options, operator_options
from jukicard.commands.issuing import wish
from jukicard.commands.options import home_option, json_option, print_facts, words
from jukicard.commands.passwords import Source, authority_password
from jukicard.commands.records import read_record
from jukicard.commands.session import Session, pass_session
from jukicard.issuer.authority.permissions import APPLY, ERASE
from jukicard.issuer.counter import applications
from jukicard.issuer.counter.applications import Document
from jukicard.issuer.counter.lifecycle import how_to_go_on
from jukicard.issuer.ledger.cards import CardState
from jukicard.issuer.ledger.details import Kind
from jukicard.issuer.records.register import CsvRegister
from jukicard.issuer.records.resident import Face, RecordRules

F = TypeVar("F", bound=Callable[..., Any])

REGISTER = click.Path(exists=True, dir_okay=False, path_type=Path)


def _options(function: F) -> F:
    """Add what all of these share."""
    decorated: Any = function
    for option in (pass_session, json_option, home_option):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


def _of_one(function: F) -> F:
    """The same, of one application."""
    return click.argument("serial")(_options(function))


@click.command
@click.argument("record", type=click.Path(path_type=Path))
@click.option("--row", type=click.IntRange(1), help="Which resident of a CSV file, 1 being the first.")
@click.option("--face", type=click.Choice([face.value for face in Face]), help="Face version; wins over the record's.")
@click.option("--photo", type=click.Path(path_type=Path), help="Photo for face B (up to 4 MB); wins over the record's.")
@click.option(
    "--kind", type=click.Choice([str(kind) for kind in Kind]), default=Kind.NEW.value, show_default=True, help="Why."
)
@click.option("--replaces", metavar="SERIAL", help="The card that it replaces: of every kind but new.")
@authority_password
@operator_options(APPLY)
@_options
def receive(
    session: Session,
    record: Path,
    row: int | None,
    face: str | None,
    photo: Path | None,
    kind: str,
    replaces: str | None,
    authority_password: Source,
    as_json: bool,
) -> None:
    """Receive an application: its card gets its serial, and the record is kept sealed until the handover.

    The record is a JSON file, or a row of a CSV file; all that could be refused when the card is made is refused now.

    \b
    Examples:
      juki application receive examples/residents/taro.json --face A
      juki application receive residents.csv --row 7 --kind lost --replaces 799201000000001
    """
    world = session.world
    with session.authority(None) as public:
        rules = RecordRules(world.today, public.city.code, Face(face) if face else None, photo)
        wished = wish(session, public, read_record(record, row, rules), (), world.today)
    with session.authority(authority_password.read()) as authority, session.operator(authority):
        state = applications.receive(authority, wished.record, Kind(kind), world.now, world.random, replaces=replaces)
    _print(state, as_json)


@click.command
@click.option("--register", type=REGISTER, help="CSV file of residents to compare with.")
@click.option("--by-hand", is_flag=True, help="The four items were compared by hand.")
@authority_password
@operator_options(APPLY)
@_of_one
def examine(
    session: Session,
    serial: str,
    register: Path | None,
    by_hand: bool,
    authority_password: Source,
    as_json: bool,
) -> None:
    """Examine an application: name, birth date, sex and address are the register's.

    What differs is listed by field, never by value, and the application stays as it is (exit code 1).

    \b
    Examples:
      juki application examine 799201000000001 --register residents.csv
      juki application examine 799201000000001 --by-hand
    """
    if (register is None) is not by_hand:
        raise click.UsageError("compared with what? --register FILE, or --by-hand")
    known = None if register is None else CsvRegister(register, session.world.today)
    secret = session.staff_password(authority_password) if known is None else authority_password.read()
    with session.authority(secret) as authority, session.operator(authority):
        _print(applications.examine(authority, serial, known, session.world.now), as_json)


@click.command
@office_options(APPLY)
@_of_one
def enquire(session: Session, serial: str, as_json: bool) -> None:
    """Note that a letter of enquiry (照会書) was sent to the applicant's address.

    \b
    Example:
      juki application enquire 799201000000001
    """
    with session.office() as authority:
        _print(applications.send_enquiry(authority, serial, session.world.now), as_json)


@click.command
@office_options(APPLY)
@_of_one
def answer(session: Session, serial: str, as_json: bool) -> None:
    """Note that the applicant came back with the letter: the card can be made.

    \b
    Example:
      juki application answer 799201000000001
    """
    with session.office() as authority:
        _print(applications.take_answer(authority, serial, session.world.now), as_json)


@click.command
@click.option("--document", type=click.Choice([str(document) for document in Document]), required=True, help="By what.")
@office_options(APPLY)
@_of_one
def confirm(session: Session, serial: str, document: str, as_json: bool) -> None:
    """Note by which document with a photo the applicant was identified: the card can be made the same day.

    \b
    Example:
      juki application confirm 799201000000001 --document driving-licence
    """
    with session.office() as authority:
        _print(applications.identify_applicant(authority, serial, Document(document), session.world.now), as_json)


@click.command
@click.option("--reason", metavar="WORDS", required=True, callback=words, help="Why, in a few plain words.")
@office_options(APPLY)
@_of_one
def refuse(session: Session, serial: str, reason: str, as_json: bool) -> None:
    """Refuse an application; what is kept of the applicant is erased.

    \b
    Example:
      juki application refuse 799201000000001 --reason "not a resident"
    """
    with session.office() as authority:
        _print(applications.refuse(authority, serial, reason, session.world.now), as_json)


@click.command
@office_options(APPLY)
@_of_one
def withdraw(session: Session, serial: str, as_json: bool) -> None:
    """Withdraw an application, as the applicant wishes; what is kept of the applicant is erased.

    \b
    Example:
      juki application withdraw 799201000000001
    """
    with session.office() as authority:
        _print(applications.withdraw(authority, serial, session.world.now), as_json)


@click.command
@office_options(APPLY)
@_of_one
def notice(session: Session, serial: str, as_json: bool) -> None:
    """Note that the applicant was told by letter (交付通知書) to fetch the card.

    \b
    Example:
      juki application notice 799201000000001
    """
    with session.office() as authority:
        _print(applications.send_notice(authority, serial, session.world.now), as_json)


@click.command
@office_options(ERASE)
@_of_one
def erase(session: Session, serial: str, as_json: bool) -> None:
    """Erase the personal data that are kept of a card's applicant, once the business is over.

    The handover, a refusal and a withdrawal do it by themselves. The books keep verifying.

    \b
    Example:
      juki application erase 799201000000001
    """
    with session.office() as authority:
        _print(applications.erase(authority, serial, session.world.now), as_json)


@click.command
@office_options(ERASE)
@_options
def expire(session: Session, as_json: bool) -> None:
    """Erase all personal data that have been kept for longer than a year, and give up what nobody goes on with.

    \b
    Example:
      juki application expire
    """
    with session.office() as authority:
        outcome = applications.erase_expired(authority, session.world.today, session.world.now)
    facts = {
        "erased": list(outcome.erased),
        "given_up": list(outcome.given_up),
        "unfinished": list(outcome.unfinished),
    }
    print_facts(facts, as_json=as_json)


def _print(state: CardState, as_json: bool) -> None:
    facts = {
        "serial": state.serial,
        "status": state.status.value,
        "kind": state.facts.get("kind"),
        "replaces": state.facts.get("replaces"),
        "document": state.facts.get("document"),
        "next": how_to_go_on(state),
    }
    print_facts(facts, as_json=as_json)
