"""A run: every record of a file becomes a card, once, whatever breaks down meanwhile.

Groups go through the books twice: ordered before a worker gets them, and issued when its files are on the disk.
Between the two a card has no standing: after a crash it is made again under its serial, on a blank of the same number,
and what the lost attempt left in its folder is thrown away.  So nothing is lost, and nothing is there twice.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Protocol, TypeVar

from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.bureau.groups import in_groups
from jukicard.issuer.bureau.outcomes import Outcome, Outcomes, Result
from jukicard.issuer.bureau.workshop import Delivery, GroupJob, Made, Piece
from jukicard.issuer.errors import CardHeld, CodeTaken, LedgerUnavailable, RunStopped
from jukicard.issuer.faces.look import FaceLook
from jukicard.issuer.files import sync_directory
from jukicard.issuer.ledger.cards import CardState
from jukicard.issuer.ledger.group import CardTerms, Group, Resident
from jukicard.issuer.ledger.rules import BooksEvent, Status
from jukicard.issuer.line.orders import resident_of, terms_for
from jukicard.issuer.municipal.services import Service
from jukicard.issuer.records.resident import RecordRules, ResidentRecord
from jukicard.issuer.records.table import RecordFile

T = TypeVar("T")

WORK = ".work"
"""The folder of unfinished attempts, inside that of the run."""
CARDS_PER_FOLDER = 1000
MOST_LOSSES = 10
"""How often a group may be lost with its worker, one time after the other."""
PATIENCE = 300.0
"""Seconds for which a run waits for the database, or for workers, to come back."""
_LONGEST_PAUSE = 5.0
_AHEAD = 2
"""Groups at each worker: one being made, one waiting."""


class Crew(Protocol):
    """Workers, each with a workshop of its own."""

    @property
    def size(self) -> int:
        """How many groups can be made at a time, at least 1."""

    def submit(self, job: GroupJob) -> Future[Delivery]:
        """Have a group made. The future may fail with WorkersLost, when the group may be submitted again."""

    def recover(self) -> None:
        """Bring the crew back after workers were lost; whoever is well goes on. WorkersLost if that cannot be yet.

        It may be asked once for each of several groups that were lost together.
        """


class WorkersLost(Exception):  # noqa: N818 - what has happened; it is no fault of the run's
    """A worker vanished with what it had at hand."""


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What a run is to do. `name` has the form of a delivery's; `look` is how faces look, None for no faces.
    `own_blanks`: its chips are made for it, and are a delivery of the run's name; else they come from the stock.

    After `stop_after` failures one after the other the run stops: something is wrong with more than a card.
    """

    name: str
    records: RecordFile
    rules: RecordRules
    out: Path
    services: tuple[Service, ...] = ()
    look: FaceLook | None = None
    group_size: int = 50
    stop_after: int = 5
    own_blanks: bool = True

    @property
    def issued_on(self) -> date:
        """The day of issue."""
        return self.rules.today


@dataclass(frozen=True, slots=True)
class Tally:
    """How far a run is: cards issued, spoilt, refused by the books, of so many records. `earlier`: before a resume."""

    total: int
    issued: int = 0
    spoilt: int = 0
    refused: int = 0
    earlier: int = 0

    @property
    def done(self) -> int:
        """Records that have an outcome."""
        return self.issued + self.spoilt + self.refused


@dataclass(frozen=True, slots=True)
class World:
    """What a run needs of the world around: the time, a pause, whom to tell how far it is, and of what went wrong."""

    now: Callable[[], datetime]
    sleep: Callable[[float], None] = time.sleep
    progress: Callable[[Tally], None] = lambda tally: None
    warn: Callable[[str], None] = lambda message: None


@dataclass(slots=True)
class Run:
    """A run under way; `execute` is called once. `blanks` is the first chip number that it may use, as a number."""

    authority: Authority
    plan: RunPlan
    crew: Crew
    world: World
    blanks: int
    tally: Tally
    finished: bytearray = field(default_factory=bytearray)
    _pending: dict[Future[Delivery], GroupJob] = field(default_factory=dict)
    _attempts: int = 0
    _failures: int = 0

    def execute(self) -> Tally:
        """Make every card that has no outcome yet. RunStopped where it gives up; it can be resumed then."""
        work = self.plan.out / WORK
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(mode=0o700, parents=True)
        with Outcomes(self.plan.out) as outcomes:
            try:
                for pieces in self._groups(outcomes):
                    self._submit(pieces)
                    while len(self._pending) >= _AHEAD * self.crew.size:
                        self._collect(outcomes)
                while self._pending:
                    self._collect(outcomes)
            finally:
                for future in self._pending:
                    future.cancel()
        self._note_end()
        shutil.rmtree(work, ignore_errors=True)
        return self.tally

    def _groups(self, outcomes: Outcomes) -> Iterator[tuple[Piece, ...]]:
        """Order group after group, and yield what is to be made."""
        rows = (
            (number, self.plan.records.record(row, self.plan.rules))
            for number, row in enumerate(self.plan.records.rows(), 1)
            if not self.finished[number]
        )
        for group in in_groups(rows, self.plan.group_size):
            pieces = self._patiently(lambda group=group: self._order(group, outcomes))  # type: ignore[misc]
            self.world.progress(self.tally)
            if pieces:
                yield pieces

    def _order(self, rows: Sequence[tuple[int, ResidentRecord]], outcomes: Outcomes) -> tuple[Piece, ...]:
        """Enter orders for rows that have none; asked again after a lost connection, it finds those it has entered."""
        now = self.world.now()
        residents = [resident_of(self.authority, record) for _, record in rows]
        pieces: list[Piece] = []
        refused: list[Outcome] = []
        with self.authority.ledger.writing() as group:
            group.look_up([resident.code_digest for resident in residents])
            for (row, record), resident in zip(rows, residents, strict=True):
                terms = terms_for(record, self.plan.issued_on, now)
                try:
                    state = self._ordered(group, row, resident, terms, now)
                except (CardHeld, CodeTaken) as error:
                    refused.append(Outcome(row, Result.REFUSED, reason=str(error)))
                    continue
                pieces.append(Piece(row, state, record, f"{self.blanks + row - 1:016d}"))
        for outcome in refused:
            outcomes.write(outcome)
        self.tally = replace(self.tally, refused=self.tally.refused + len(refused))
        return tuple(pieces)

    def _ordered(self, group: Group, row: int, resident: Resident, terms: CardTerms, now: datetime) -> CardState:
        mine = {"run": self.plan.name, "row": str(row)}
        for state in group.cards_of(resident):
            if mine.items() <= state.facts.items():
                return state
        return group.card(group.order(terms, resident, now, mine))

    def _submit(self, pieces: tuple[Piece, ...], losses: int = 0) -> None:
        self._attempts += 1
        folder = self.plan.out / WORK / f"{self._attempts:08d}"
        job = GroupJob(folder, pieces, self.plan.services, self.plan.look, losses)
        self._pending[self.crew.submit(job)] = job

    def _collect(self, outcomes: Outcomes) -> None:
        """Take what is finished into the books; what a lost worker had at hand is submitted again."""
        done, _ = wait(self._pending, return_when=FIRST_COMPLETED)
        lost: list[GroupJob] = []
        reason = ""
        for future in done:
            job = self._pending.pop(future)
            try:
                delivery = future.result()
            except (WorkersLost, CancelledError) as error:
                lost.append(job)
                reason = str(error)
                continue
            made = self._patiently(lambda delivery=delivery: self._issue(delivery))  # type: ignore[misc]
            shutil.rmtree(job.folder, ignore_errors=True)
            self._account(made, outcomes)
        if lost:
            self._again(lost, reason)

    def _again(self, lost: Sequence[GroupJob], reason: str) -> None:
        """Have groups made whose workers were lost. RunStopped where one takes every worker with it."""
        for job in lost:
            shutil.rmtree(job.folder, ignore_errors=True)
            if job.losses == MOST_LOSSES:
                rows = f"{job.pieces[0].row} to {job.pieces[-1].row}"
                raise RunStopped(f"whoever makes the cards of records {rows} is lost, {MOST_LOSSES + 1} times by now")
        self.world.warn(f"workers were lost ({reason}); {sum(len(job.pieces) for job in lost)} cards are made again")
        self._retried(self.crew.recover, WorkersLost)
        for job in lost:
            self._submit(job.pieces, job.losses + 1)

    def _issue(self, delivery: Delivery) -> tuple[Made, ...]:
        """Put the group's files into their places, then enter its cards: from then on they are issued.

        Return the group's cards, without those whose order somebody has cancelled meanwhile: nothing of them is kept.
        """
        with self.authority.ledger.writing() as group:
            group.read_cards([card.serial for card in delivery.cards])
            waiting = [card for card in delivery.cards if group.card(card.serial).status is Status.ORDERED]
            self._put_in_place(delivery.folder, [card.serial for card in waiting if card.spoilt is None])
            for card in waiting:
                for note in card.notes:
                    group.append(card.serial, note.event, note.at, note.detail)
            cancelled = {c.serial for c in delivery.cards if group.card(c.serial).status is Status.CANCELLED}
        return tuple(card for card in delivery.cards if card.serial not in cancelled)

    def _put_in_place(self, made: Path, serials: Sequence[str]) -> None:
        for serial in serials:
            place = folder_of(self.plan.out, serial)
            place.mkdir(mode=0o700, exist_ok=True)
            for path in made.glob(f"{serial}*"):
                path.replace(place / path.name)
        for folder in {folder_of(self.plan.out, serial) for serial in serials}:
            sync_directory(folder)
        sync_directory(self.plan.out)

    def _account(self, made: Sequence[Made], outcomes: Outcomes) -> None:
        for card in made:
            spoilt = card.spoilt is not None
            outcomes.write(Outcome(card.row, Result.SPOILT if spoilt else Result.ISSUED, card.serial, card.spoilt))
            self._failures = self._failures + 1 if spoilt else 0
            if self._failures >= self.plan.stop_after:
                raise RunStopped(
                    f"{self._failures} cards one after the other are spoilt, the last one: {card.spoilt}; "
                    "the run has stopped, and --resume goes on with it"
                )
        spoilt_now = sum(card.spoilt is not None for card in made)
        self.tally = replace(
            self.tally,
            issued=self.tally.issued + len(made) - spoilt_now,
            spoilt=self.tally.spoilt + spoilt_now,
        )
        self.world.progress(self.tally)

    def _note_end(self) -> None:
        counts = {"issued_count": str(self.tally.issued), "spoilt_count": str(self.tally.spoilt)}

        def note() -> None:
            with self.authority.ledger.writing() as group:
                group.note(self.plan.name, BooksEvent.RUN_ENDED, self.world.now(), counts)

        self._patiently(note)

    def _patiently(self, call: Callable[[], T]) -> T:
        """Wait for a database that is gone; what is called must do no harm when it had succeeded unnoticed."""
        return self._retried(call, LedgerUnavailable)

    def _retried(self, call: Callable[[], T], error_type: type[Exception]) -> T:
        waited, pause = 0.0, 0.1
        while True:
            try:
                return call()
            except error_type as error:
                if waited >= PATIENCE:
                    raise RunStopped(
                        f"{error}; the run has stopped after {PATIENCE:.0f} s, --resume goes on"
                    ) from error
                self.world.warn(f"{error}; trying again in {pause:.1f} s")
                self.world.sleep(pause)
                waited, pause = waited + pause, min(_LONGEST_PAUSE, 2 * pause)


def folder_of(out: Path, serial: str) -> Path:
    """Return the folder of a run's card: a thousand cards share one."""
    return out / serial[:-3]
