"""`juki issue`: one card, from a resident's record."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jukicard.commands import completion
from jukicard.commands.completion import CARD_SUFFIX
from jukicard.commands.options import (
    day_option,
    home_option,
    json_option,
    print_facts,
    reader_spec,
    storage_key_option,
)
from jukicard.commands.passwords import Source, authority_password
from jukicard.commands.progress import steps
from jukicard.commands.session import READER_VARIABLE, Session, pass_session
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.errors import TransportError
from jukicard.issuer.authority import Authority
from jukicard.issuer.csvrecords import load_csv
from jukicard.issuer.errors import RuleRefused
from jukicard.issuer.expiry import expiry_date
from jukicard.issuer.ledgerrules import CardState, Status
from jukicard.issuer.orders import place_order, unfinished_order
from jukicard.issuer.personalise import Order, Personaliser, check_blank
from jukicard.issuer.plan import Operation, issuing_plan
from jukicard.issuer.records import Face, RecordRules, ResidentRecord, load_json
from jukicard.issuer.services import Service, services_named
from jukicard.reader.chips import create_chip
from jukicard.reader.spec import EmulatorSpec

if TYPE_CHECKING:
    from jukicard.reader.spec import ReaderSpec

CSV_SUFFIX = ".csv"
RESUME = "The card is unfinished: give the same command again to finish it."


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be issued: a checked record, from which day, with which services."""

    record: ResidentRecord
    issued_on: date
    services: tuple[Service, ...]


@click.command
@click.argument("record", type=click.Path(path_type=Path))
@click.option("--row", type=click.IntRange(1), help="Which resident of a CSV file, 1 being the first.")
@click.option("--face", type=click.Choice([face.value for face in Face]), help="Face version; wins over the record's.")
@click.option("--photo", type=click.Path(path_type=Path), help="Photo for face B; wins over the record's.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the card file (and faces).")
@click.option(
    "--reader",
    callback=reader_spec,
    shell_complete=completion.readers,
    metavar="SPEC",
    help="Onto the blank chip there.  [env var: JUKI_READER, without --out]",
)
@click.option("--service", multiple=True, metavar="NAME", help="A municipal service that the holder wants. Repeatable.")
@click.option("--dry-run", is_flag=True, help="Check the record, print the plan, touch nothing.")
@day_option("--issued-on", "Day of issue (else today).")
@authority_password
@storage_key_option
@home_option
@json_option
@pass_session
def issue(
    session: Session,
    record: Path,
    row: int | None,
    face: str | None,
    photo: Path | None,
    out: Path | None,
    reader: ReaderSpec | None,
    service: tuple[str, ...],
    dry_run: bool,
    issued_on: date | None,
    authority_password: Source,
    as_json: bool,
) -> None:
    """Issue one card from a resident's record.

    The record is a JSON file, or a row of a CSV file.

    With --out, a new chip is made in the folder, in the file SERIAL.juki; with --reader, the blank chip there becomes
    the card. It is then locked, until `juki handover`. An interrupted issue is resumed by the same command.

    \b
    Examples:
      juki issue examples/residents/taro.json --face A --out out --service library
      juki issue examples/residents/hanako.json --face B --reader pcsc:
      juki issue residents.csv --row 7 --out out
      juki issue examples/residents/taro.json --face A --dry-run
    """
    day = issued_on or session.world.today
    if reader is None and out is None:  # not otherwise: who names a folder does not mean the reader on the desk
        reader = reader_spec(click.get_current_context(), None, os.environ.get(READER_VARIABLE) or None)
    with session.authority(None) as public:
        rules = RecordRules(day, public.city.code, Face(face) if face else None, photo)
        wish = _wish(session, _read_record(record, row, rules), service, day)
        if dry_run:
            _print_plan(public, wish, as_json=as_json)
            return
    if reader is not None:
        with session.authority(authority_password.read()) as authority:
            state, place = _onto_reader(session, authority, wish, reader), str(reader)
    elif out is not None:
        with session.authority(authority_password.read()) as authority:
            state, place = _into_folder(session, authority, wish, out)
    else:
        raise click.UsageError("where shall the card be made? --out FOLDER, or --reader SPEC")
    facts = {"serial": state.serial, "card": place, "expires": state.expires.isoformat()}
    print_facts({**facts, "face_pdf": None, "face_png": None}, as_json=as_json)


def _read_record(path: Path, row: int | None, rules: RecordRules) -> ResidentRecord:
    if path.suffix.lower() == CSV_SUFFIX:
        return load_csv(path, rules, row)
    if row is not None:
        raise click.UsageError(f"--row is for a CSV file, and {path.name} is none")
    return load_json(path, rules)


def _wish(session: Session, record: ResidentRecord, services: tuple[str, ...], day: date) -> Wish:
    """Check services and dates: with the record, all that can be refused before anything is touched."""
    chosen = services_named(services)
    expires = expiry_date(day, record.stay_until)
    if expires < session.world.today:
        raise RuleRefused(f"a card issued on {day} would have expired on {expires}")
    return Wish(record, day, chosen)


def _print_plan(authority: Authority, wish: Wish, *, as_json: bool) -> None:
    operations = issuing_plan(authority.city.code, wish.services)
    facts: dict[str, object] = {
        "face": wish.record.face.value,
        "issued_on": wish.issued_on.isoformat(),
        "expires": expiry_date(wish.issued_on, wish.record.stay_until).isoformat(),
        "services": [service.name for service in wish.services],
    }
    if as_json:
        plan = [{"step": o.name, "domain": str(o.domain), "does": o.describe()} for o in operations]
        click.echo(json.dumps({**facts, "plan": plan}, ensure_ascii=False, indent=2))
        return
    print_facts(facts, as_json=False)
    for number, operation in enumerate(operations, 1):
        click.echo(f"{number:3}  {operation.name:22} {operation.describe()}")


def _onto_reader(session: Session, authority: Authority, wish: Wish, reader: ReaderSpec) -> CardState:
    """Make the chip that is there the card.  It is looked at before anything is entered into the books."""
    with session.card(reader) as connection, connection.transaction():
        order = unfinished_order(authority, wish.record, wish.services)
        if order is None:
            check_blank(authority, connection)
        return _personalise(session, authority, connection, _resumed_or_placed(session, authority, wish, order))


def _into_folder(session: Session, authority: Authority, wish: Wish, out: Path) -> tuple[CardState, str]:
    """Make the card in a card file of its own."""
    key = session.storage_key()
    unfinished = unfinished_order(authority, wish.record, wish.services)
    out.mkdir(parents=True, exist_ok=True)
    order = _resumed_or_placed(session, authority, wish, unfinished)
    path = out / f"{order.serial}{CARD_SUFFIX}"
    if not path.exists():
        begun = authority.ledger.card(order.serial)
        if begun.status is not Status.ORDERED:
            raise RuleRefused(
                f"card {order.serial} was begun elsewhere: {path} is not there. Name its folder or reader"
            )
        create_chip(path, key, random=session.world.chip_random)
    with session.card(EmulatorSpec(path)) as connection:
        return _personalise(session, authority, connection, order), str(path)


def _resumed_or_placed(session: Session, authority: Authority, wish: Wish, unfinished: Order | None) -> Order:
    if unfinished is None:
        now = session.world.now()
        return place_order(authority, wish.record, wish.services, issued_on=wish.issued_on, now=now)
    click.echo(f"Resuming card {unfinished.serial}.", err=True)
    return unfinished


def _personalise(session: Session, authority: Authority, connection: CardConnection, order: Order) -> CardState:
    done = authority.ledger.card(order.serial).steps_done
    total = len(issuing_plan(authority.city.code, order.services)) - len(done)
    personaliser = Personaliser(authority, connection, order, session.world.random, session.world.now)
    with steps(f"card {order.serial}", total) as begin, _resumable():

        def report(operation: Operation) -> None:
            begin(operation.name, operation.describe())

        return personaliser.run(report)


@contextmanager
def _resumable() -> Iterator[None]:
    """Say that an interrupted issue can be resumed."""
    try:
        yield
    except TransportError as error:
        error.add_note(RESUME)
        raise
    except KeyboardInterrupt:
        click.echo(RESUME, err=True)
        raise
