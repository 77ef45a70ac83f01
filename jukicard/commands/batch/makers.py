"""Who makes a run's cards: processes here, Dask's workers, or chips in readers."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from jukicard.commands import completion
from jukicard.commands.batch.crews import DaskCrew, ProcessCrew
from jukicard.commands.batch.feeding import ReaderFeeder
from jukicard.commands.batch.workplace import Workplace
from jukicard.commands.options import reader_spec
from jukicard.commands.session import Session
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.bureau.lines import LineCrew, LineSettings
from jukicard.issuer.bureau.run import Crew, WorkersLost
from jukicard.issuer.errors import IssuerError

if TYPE_CHECKING:
    from jukicard.reader.spec import ReaderSpec

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Makers:
    """At most one of them is named; otherwise it is a process for each core."""

    workers: int | None
    scheduler: str | None
    readers: tuple[ReaderSpec, ...]

    def crew(
        self, session: Session, authority: Authority, password: str, out: Path, warn: Callable[[str], None]
    ) -> AbstractContextManager[Crew]:
        """Bring them together.  IssuerError where a scheduler has no workers."""
        if self.readers:
            settings = LineSettings(authority, out, session.world.random, session.world.now, warn)
            return LineCrew(settings, [ReaderFeeder(session, spec) for spec in self.readers])
        if self.scheduler is None:
            place = Workplace(session.home, session.storage_key(), password)
            return ProcessCrew(self.workers or os.cpu_count() or 1, place)
        try:
            return DaskCrew(self.scheduler)
        except WorkersLost as error:
            raise IssuerError(f"{error}: start some with `juki batch worker {self.scheduler}`") from error


def maker_options(function: F) -> F:
    """Add --workers, --scheduler and --reader; the command gets the `makers`."""

    @functools.wraps(function)
    def wrapper(*args: Any, **values: Any) -> Any:
        makers = Makers(values.pop("workers"), values.pop("scheduler"), values.pop("readers"))
        if (makers.workers is not None) + (makers.scheduler is not None) + bool(makers.readers) > 1:
            raise click.UsageError("--workers, --scheduler, --reader: who makes the cards? One of them")
        return function(*args, makers=makers, **values)

    decorated: Any = wrapper
    for option in (
        click.option(
            "--reader",
            "readers",
            multiple=True,
            callback=_reader_specs,
            shell_complete=completion.readers,
            metavar="SPEC",
            help="Onto chips that are put into that reader, one after the other. Repeatable: a line for each.",
        ),
        click.option(
            "--scheduler", metavar="URL", help="A Dask scheduler, whose workers `juki batch worker` has started."
        ),
        click.option("--workers", type=click.IntRange(1), help="Processes (else one for each core)."),
    ):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


def _reader_specs(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[ReaderSpec, ...]:
    return tuple(spec for value in values if (spec := reader_spec(ctx, param, value)) is not None)
