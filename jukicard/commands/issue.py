"""`juki issue`: one card, from a resident's record."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jukicard.commands import completion
from jukicard.commands.facechoices import ask_choices, proposal_facts, region
from jukicard.commands.issuing import DEFAULT_TEMPLATE, RESUME, Watch, Wish, face_files, into_folder, onto, wish
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
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.faces.choices import FaceChoices
from jukicard.issuer.line.plan import Operation, issuing_plan
from jukicard.issuer.records.resident import Face, RecordRules, ResidentRecord, load_json
from jukicard.issuer.records.table import load_csv

if TYPE_CHECKING:
    from jukicard.issuer.faces.region import Region
    from jukicard.reader.spec import ReaderSpec

CSV_SUFFIX = ".csv"


@click.command
@click.argument("record", type=click.Path(path_type=Path))
@click.option("--row", type=click.IntRange(1), help="Which resident of a CSV file, 1 being the first.")
@click.option("--face", type=click.Choice([face.value for face in Face]), help="Face version; wins over the record's.")
@click.option("--photo", type=click.Path(path_type=Path), help="Photo for face B; wins over the record's.")
@click.option("--photo-crop", metavar="X,Y,W,H", callback=region, help="Part of the photo to print, in its pixels.")
@click.option("--braille-reading", metavar="KANA", help="The confirmed reading for the braille that is wanted.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the card file and its face.")
@click.option("--template", metavar="NAME", default=DEFAULT_TEMPLATE, show_default=True, help="Face template or file.")
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
    photo_crop: Region | None,
    braille_reading: str | None,
    out: Path | None,
    template: str,
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
    the card. The face's PDF, PNG and JSON are written into the folder, if one is named. The card is then locked, until
    `juki handover`. An interrupted issue is resumed by the same command.

    Where the record wants braille, its reading is proposed and has to be confirmed, or given by --braille-reading.

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
        resident = _read_record(record, row, rules)
        choices = FaceChoices.of(resident, braille_reading, photo_crop)
        if resident.braille and braille_reading is None and out is not None and not dry_run:
            choices = ask_choices(resident, photo_crop)
        wished = wish(session, public, resident, service, day, template, choices)
        if dry_run:
            _print_plan(public, wished, face=out is not None or reader is None, as_json=as_json)
            return
    if reader is not None:
        password = authority_password.read()
        with session.authority(password) as authority, session.card(reader) as connection:
            state, place = onto(session, authority, wished, connection, WATCH, out), str(reader)
    elif out is not None:
        with session.authority(authority_password.read()) as authority:
            state, path = into_folder(session, authority, wished, out, WATCH)
            place = str(path)
    else:
        raise click.UsageError("where shall the card be made? --out FOLDER, or --reader SPEC")
    facts = {"serial": state.serial, "card": place, "expires": state.expires.isoformat()}
    print_facts(facts | {name: path and str(path) for name, path in face_files(state, out).items()}, as_json=as_json)


def _read_record(path: Path, row: int | None, rules: RecordRules) -> ResidentRecord:
    if path.suffix.lower() == CSV_SUFFIX:
        return load_csv(path, rules, row)
    if row is not None:
        raise click.UsageError(f"--row is for a CSV file, and {path.name} is none")
    return load_json(path, rules)


def _print_plan(authority: Authority, wish: Wish, *, face: bool, as_json: bool) -> None:
    operations = issuing_plan(authority.city.code, wish.services, face=face)
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
