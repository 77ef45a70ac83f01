"""`juki issue`: one card, from a resident's record."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jukicard.commands import completion
from jukicard.commands.attendance import operator_options
from jukicard.commands.facechoices import ask_choices, braille_option, crop_option, proposal_facts
from jukicard.commands.faceoptions import (
    look_options,
    printer_option,
)
from jukicard.commands.issuing import RESUME, Watch, Wish, face_files, into_folder, onto, wish
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
from jukicard.commands.records import read_record
from jukicard.commands.session import READER_VARIABLE, Session, pass_session
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.permissions import ISSUE
from jukicard.issuer.counter.applications import kept_record, latest, order_again
from jukicard.issuer.errors import RuleRefused
from jukicard.issuer.faces.choices import FaceChoices
from jukicard.issuer.faces.look import FaceLook
from jukicard.issuer.ledger.rules import Status
from jukicard.issuer.line.cardkeys import newest_key_sets
from jukicard.issuer.line.plan import Operation, issuing_plan
from jukicard.issuer.records.resident import Face, RecordRules, ResidentRecord

if TYPE_CHECKING:
    from jukicard.issuer.faces.region import Region
    from jukicard.reader.spec import ReaderSpec


@click.command
@click.argument("record", type=click.Path(path_type=Path), required=False)
@click.option("--application", metavar="SERIAL", help="The application to make the card of, in place of a record.")
@click.option("--row", type=click.IntRange(1), help="Which resident of a CSV file, 1 being the first.")
@click.option("--face", type=click.Choice([face.value for face in Face]), help="Face version; wins over the record's.")
@click.option("--photo", type=click.Path(path_type=Path), help="Photo for face B; wins over the record's.")
@crop_option
@braille_option
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the card file and its face.")
@look_options
@printer_option(required=False)
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
@operator_options(ISSUE)
@authority_password
@storage_key_option
@home_option
@json_option
@pass_session
def issue(
    session: Session,
    record: Path | None,
    application: str | None,
    row: int | None,
    face: str | None,
    photo: Path | None,
    photo_crop: Region | None,
    braille_reading: str | None,
    out: Path | None,
    look: FaceLook,
    printer: str | None,
    reader: ReaderSpec | None,
    service: tuple[str, ...],
    dry_run: bool,
    issued_on: date | None,
    authority_password: Source,
    as_json: bool,
) -> None:
    """Issue one card from a resident's record, or from an application.

    The record is a JSON file, or a row of a CSV file; that of an application was kept when it was received. A card of
    an application that was spoilt is made again by the same command, on another chip.

    With --out, a new chip is made in the folder, in the file SERIAL.juki; with --reader, the blank chip there becomes
    the card. The face's PDF, PNG and JSON are written into the folder, if one is named. The card is then locked, until
    `juki handover`. An interrupted issue is resumed by the same command. Where the record wants braille, its reading is
    proposed and has to be confirmed, unless the record has a confirmed one or --braille-reading gives it.

    \b
    Examples:
      juki issue examples/residents/taro.json --face A --out out --service library
      juki issue examples/residents/hanako.json --face B --reader pcsc:
      juki issue residents.csv --row 7 --out out
      juki issue examples/residents/taro.json --face A --out out --layers personal --printer cards
      juki issue --application 799201000000001 --out out
      juki issue examples/residents/taro.json --face A --dry-run
    """
    day, reader = issued_on or session.world.today, _reader(reader, out)
    if (record is None) is (application is None) or (application and (row or face or photo)):
        raise click.UsageError("a RECORD, with its options, or --application SERIAL, which has its own")
    _check_places(reader, out, printer, dry_run=dry_run)
    make = functools.partial(_make, session, reader=reader, out=out, printer=printer, as_json=as_json)
    with ExitStack() as stack:
        secret = None if record is not None else authority_password.read()
        public = stack.enter_context(session.authority(secret))
        rules = RecordRules(day, public.city.code, Face(face) if face else None, photo, glyph_images=look.characters)
        if application is None:
            resident = read_record(record or Path(), row, rules)
        else:
            resident = stack.enter_context(_applied(session, public, application, rules, dry_run=dry_run))
        decide = ask_choices if out is not None and not dry_run else FaceChoices.of
        wished = wish(session, public, resident, service, day, look, decide(resident, braille_reading, photo_crop))
        if dry_run:
            _print_plan(public, wished, face=out is not None or reader is None, as_json=as_json)
            return
        if application is None:
            public = stack.enter_context(session.authority(authority_password.read()))
            stack.enter_context(session.operator(public))
        make(public, wished)


def _reader(given: ReaderSpec | None, out: Path | None) -> ReaderSpec | None:
    """Return the reader of JUKI_READER if neither a reader nor a folder is named: who names a folder does not mean the
    reader on the desk.
    """
    if given is not None or out is not None:
        return given
    return reader_spec(click.get_current_context(), None, os.environ.get(READER_VARIABLE) or None)


@contextmanager
def _applied(
    session: Session, authority: Authority, serial: str, rules: RecordRules, *, dry_run: bool
) -> Iterator[ResidentRecord]:
    """The record of an application, for the card that is made now: a new one where its first one is spoilt.

    The operator is logged in meanwhile, if anything is to be made.
    """
    with ExitStack() as stack:
        if not dry_run:
            stack.enter_context(session.operator(authority))
        yield stack.enter_context(_record_of(session, authority, serial, rules, dry_run=dry_run))


@contextmanager
def _record_of(
    session: Session, authority: Authority, serial: str, rules: RecordRules, *, dry_run: bool
) -> Iterator[ResidentRecord]:
    state = latest(authority, serial)
    if state.status is Status.SPOILT and not dry_run:
        state = order_again(authority, state.serial, session.world.now, session.world.random)
        click.echo(f"Card {serial} was spoilt: it is made again as card {state.serial}.", err=True)
    if state.status is Status.AWAITING_HANDOVER:
        raise RuleRefused(f"card {state.serial} is made already: it awaits its handover")
    with kept_record(authority, state.serial, rules) as record:
        yield record


def _make(
    session: Session,
    authority: Authority,
    wished: Wish,
    *,
    reader: ReaderSpec | None,
    out: Path | None,
    printer: str | None,
    as_json: bool,
) -> None:
    """Make the card, and print what has become of it."""
    if reader is not None:
        with session.card(reader) as connection:
            state, place = onto(session, authority, wished, connection, WATCH, out), str(reader)
    elif out is not None:
        state, path = into_folder(session, authority, wished, out, WATCH)
        place = str(path)
    facts = {"serial": state.serial, "card": place, "expires": state.expires.isoformat()}
    faces = {name: str(path) if path is not None else None for name, path in face_files(state, out).items()}
    print_facts({**facts, **faces, **_printed(printer, faces["face_pdf"], state.serial)}, as_json=as_json)


def _check_places(reader: ReaderSpec | None, out: Path | None, printer: str | None, *, dry_run: bool) -> None:
    """Refuse a card that would be made nowhere, and a printer that is not there, before anything is begun."""
    if reader is None and out is None and not dry_run:
        raise click.UsageError("where shall the card be made? --out FOLDER, or --reader SPEC")
    if printer is not None:
        from jukicard.issuer.faces.spooling import check_printer

        if out is None:
            raise click.UsageError("--printer prints the face that --out keeps: name a folder")
        check_printer(printer)


def _printed(printer: str | None, pdf: str | None, serial: str) -> dict[str, object]:
    """Print the face of a card that is issued.  NoPrinter says how to print it later."""
    if printer is None or pdf is None:
        return {}
    from jukicard.issuer.errors import NoPrinter
    from jukicard.issuer.faces.spooling import spool

    try:
        return {"print_job": spool(Path(pdf), printer, serial)}
    except NoPrinter as error:
        error.add_note(f"The card {serial} is issued all the same. Print its face with: juki face print {pdf}")
        raise


def _print_plan(authority: Authority, wish: Wish, *, face: bool, as_json: bool) -> None:
    operations = issuing_plan(newest_key_sets(authority), wish.services, face=face)
    facts: dict[str, object] = {
        "face": wish.record.face.value,
        "issued_on": wish.issued_on.isoformat(),
        "expires": wish.expires.isoformat(),
        "services": [service.name for service in wish.services],
    }
    braille = proposal_facts(wish.record, wish.choices)
    if as_json:
        plan = [{"step": o.name, "domain": str(o.domain), "does": o.describe()} for o in operations]
        click.echo(json.dumps({**facts, "braille": braille, "plan": plan}, ensure_ascii=False, indent=2))
        return
    print_facts(facts, as_json=False)
    if braille is not None:
        print_facts({f"braille_{name}": value for name, value in braille.items()}, as_json=False)
    for number, operation in enumerate(operations, 1):
        click.echo(f"{number:3}  {operation.name:22} {operation.describe()}")


@contextmanager
def _shown(serial: str, total: int) -> Iterator[Callable[[Operation], None]]:
    """Show each operation as it begins, and after ^C or on a full disk say that the issue can be resumed."""
    with steps(f"card {serial}", total) as begin:
        try:
            yield lambda operation: begin(operation.name, operation.describe())
        except (KeyboardInterrupt, OSError):
            click.echo(RESUME, err=True)
            raise


WATCH = Watch(lambda serial: click.echo(f"Resuming card {serial}.", err=True), _shown)
