"""`juki batch run`: a card for each record of a file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from jukicard.commands.attendance import operator_options
from jukicard.commands.batch.makers import Makers, maker_options
from jukicard.commands.faceoptions import bulk_look_options
from jukicard.commands.options import (
    day_option,
    home_option,
    json_option,
    print_facts,
    storage_key_option,
)
from jukicard.commands.passwords import Source, authority_password
from jukicard.commands.session import Session, pass_session
from jukicard.issuer.authority.permissions import RUN_BATCH
from jukicard.issuer.bureau.outcomes import FILE
from jukicard.issuer.bureau.preparing import begin
from jukicard.issuer.bureau.run import RunPlan, Tally, World
from jukicard.issuer.faces.look import FaceLook
from jukicard.issuer.municipal.services import services_named
from jukicard.issuer.records.resident import Face, RecordRules
from jukicard.issuer.records.table import RecordFile

if TYPE_CHECKING:
    pass

NAME_DIGITS = 12
_REPORT_SECONDS = 10.0


@click.command
@click.argument("records", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the cards.")
@click.option("--name", help="The run's name in the books (else made from the records).")
@click.option("--face", type=click.Choice([face.value for face in Face]), help="Face version; wins over the records'.")
@click.option("--service", multiple=True, metavar="NAME", help="A municipal service on every card. Repeatable.")
@bulk_look_options
@click.option("--no-face", is_flag=True, help="Leave the printing out: no face files are made.")
@maker_options
@click.option(
    "--group", type=click.IntRange(1, 1000), default=50, show_default=True, help="Cards that are entered at a time."
)
@click.option(
    "--stop-after", type=click.IntRange(1), default=5, show_default=True, help="Stop after so many failures in a row."
)
@click.option("--resume", is_flag=True, help="Go on with a run that was interrupted.")
@day_option("--issued-on", "Day of issue (else today; a resumed run keeps its own).")
@authority_password
@operator_options(RUN_BATCH)
@storage_key_option
@home_option
@json_option
@pass_session
def run(
    session: Session,
    records: Path,
    out: Path,
    name: str | None,
    face: str | None,
    service: tuple[str, ...],
    look: FaceLook,
    no_face: bool,
    makers: Makers,
    group: int,
    stop_after: int,
    resume: bool,
    issued_on: date | None,
    authority_password: Source,
    as_json: bool,
) -> None:
    """Issue a card for each record of a CSV file.

    Everything is checked first, faces and photos among it, and all bad records are listed at once; braille needs a
    reading that was confirmed beforehand, in the record's field braille_reading. Then cards are made by several
    processes, and entered into the books group by group: a card counts as issued when its group stands there. What has
    become of each record is in OUT/outcomes.jsonl, the cards in folders of a thousand. A run that was interrupted,
    however, goes on with --resume: no card is lost, and none is made twice.

    With --reader, the cards are chips that somebody puts into readers: each blank one gets the next order, one that was
    begun is finished, and any other is refused.

    \b
    Examples:
      juki batch run residents.csv --out out/run --no-face
      juki batch run residents.csv --out out/run --workers 8 --service library
      juki batch run residents.csv --out out/run --resume
      juki batch run residents.csv --out /shared/run --scheduler tcp://bureau:8786
      juki batch run residents.csv --out out/run --reader "pcsc:Reader 0" --reader "pcsc:Reader 1"
    """
    file = RecordFile(records)
    with session.authority(None) as public:
        day, face_version = issued_on or session.world.today, Face(face) if face else None
        rules = RecordRules(day, public.city.code, face_version, glyph_images=look.characters)
    name = name or f"run-{file.digest()[:NAME_DIGITS]}"
    size, own_blanks, faces = (1 if makers.readers else group), not makers.readers, (None if no_face else look)
    plan = RunPlan(name, file, rules, out, services_named(service), faces, size, stop_after, own_blanks)
    password = authority_password.read()
    with (
        session.authority(password) as authority,
        session.operator(authority),
        _progress() as (report, warn),
    ):
        world = World(session.world.now, time.sleep, report, warn)
        with makers.crew(session, authority, password, out, warn) as crew:
            begun = begin(authority, plan, crew, world, session.world.random, resume=resume)
            started = time.monotonic()
            tally = begun.execute()
            seconds = time.monotonic() - started
    print_facts(_facts(plan, tally, seconds), as_json=as_json)


def _facts(plan: RunPlan, tally: Tally, seconds: float) -> dict[str, object]:
    made = tally.done - tally.earlier
    return {
        "run": plan.name,
        "records": tally.total,
        "issued": tally.issued,
        "spoilt": tally.spoilt,
        "refused": tally.refused,
        "seconds": round(seconds, 1),
        "cards_per_second": round(made / seconds, 1) if seconds else None,
        "outcomes": str(plan.out / FILE),
    }


@contextmanager
def _progress() -> Iterator[tuple[Callable[[Tally], None], Callable[[str], None]]]:
    """Show how far a run is on standard error: a bar where there is a terminal, else a line now and then."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("cards", total=None, rate="")
        meter = _Meter()

        def report(tally: Tally) -> None:
            rate, left = meter.measure(tally)
            bar.update(task, total=tally.total, completed=tally.done, rate=f"{rate:.0f}/s")
            if not console.is_terminal and meter.is_due():
                console.print(f"{tally.done} of {tally.total} cards, {rate:.0f}/s, {left:.0f} s left")

        yield report, lambda message: console.print(message, markup=False)


class _Meter:
    """The rate of a run since it began (or was resumed), and what time is left at that rate."""

    def __init__(self) -> None:
        self._began = self._reported = time.monotonic()

    def measure(self, tally: Tally) -> tuple[float, float]:
        """Return cards a second, and the seconds left."""
        rate = (tally.done - tally.earlier) / max(1e-6, time.monotonic() - self._began)
        return rate, (tally.total - tally.done) / rate if rate else float("inf")

    def is_due(self) -> bool:
        """Whether it is time for another line."""
        now = time.monotonic()
        if now - self._reported < _REPORT_SECONDS:
            return False
        self._reported = now
        return True
