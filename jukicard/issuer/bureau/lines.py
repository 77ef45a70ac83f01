"""A crew of readers: chips that hands (or a feeder) put in, one worker for each reader.

Here a chip outlives an interruption, so every step goes into the books at once, and the chip decides what is done:
a blank one gets the next order, one that was begun is finished, any other is refused and named.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Condition, Thread
from types import TracebackType
from typing import Protocol

from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.errors import HostError
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.bureau.run import folder_of
from jukicard.issuer.bureau.workshop import Delivery, GroupJob, Made, Piece
from jukicard.issuer.errors import CardSpoilt, RuleRefused
from jukicard.issuer.keys.keystore import Randomness
from jukicard.issuer.line.facework import FaceWork, prepared
from jukicard.issuer.line.orders import order_of
from jukicard.issuer.line.personalise import Personaliser, chip_number


class Feeder(Protocol):
    """A reader that somebody puts chips into."""

    @property
    def name(self) -> str:
        """The reader's name, for messages."""

    def wait(self, is_over: Callable[[], bool]) -> AbstractContextManager[CardConnection] | None:
        """Wait for a card that was not there before, and return what connects to it; None once it `is_over`."""


@dataclass(frozen=True, slots=True)
class LineSettings:
    """What the lines work with; `warn` is told what an operator must do something about."""

    authority: Authority
    out: Path
    random: Randomness
    clock: Callable[[], datetime]
    warn: Callable[[str], None]


class LineCrew:
    """One thread for each reader; groups are single cards."""

    def __init__(self, settings: LineSettings, feeders: Sequence[Feeder]) -> None:
        self.size = len(feeders)
        self._settings = settings
        self._changed = Condition()
        self._tasks: list[tuple[GroupJob, Future[Delivery]]] = []
        self._closed = False
        self._threads = [Thread(target=self._serve, args=(feeder,), name=feeder.name) for feeder in feeders]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> LineCrew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def submit(self, job: GroupJob) -> Future[Delivery]:
        """See Crew. ValueError for a group of several cards."""
        if len(job.pieces) != 1:
            raise ValueError("a line makes one card at a time")
        future: Future[Delivery] = Future()
        with self._changed:
            self._tasks.append((job, future))
            self._changed.notify_all()
        return future

    def recover(self) -> None:
        """See Crew: readers are not lost."""

    def _serve(self, feeder: Feeder) -> None:
        try:
            while self._has_work():
                waiting = feeder.wait(lambda: self._closed)
                if waiting is not None:
                    self._attend(feeder, waiting)
        except BaseException as error:  # noqa: BLE001 - whatever stops a line, the run must learn of it
            self._fail(error)

    def _has_work(self) -> bool:
        """Wait until there is an order: a chip that is in the reader already is for it. False at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._tasks or self._closed)
            return not self._closed

    def _attend(self, feeder: Feeder, waiting: AbstractContextManager[CardConnection]) -> None:
        try:
            with waiting as connection:
                self._process(feeder, connection)
        except HostError as error:
            self._settings.warn(f"{feeder.name}: {error}; put the card in again")
        except RuleRefused as error:
            self._settings.warn(f"{feeder.name}: {error}")

    def _fail(self, error: BaseException) -> None:
        """Give all that is left back to the run."""
        with self._changed:
            for _, future in self._tasks:
                future.set_exception(error)
            self._tasks.clear()

    def _process(self, feeder: Feeder, connection: CardConnection) -> None:
        """Make a card of the chip that is there, if it is one for this run."""
        number = chip_number(connection)
        task = self._take(number)
        if task is None:
            self._settings.warn(f"{feeder.name}: the chip there is for no card of this run; take it out")
            return
        job, future = task
        try:
            future.set_result(self._make(job, connection))
        except (HostError, RuleRefused):
            with self._changed:
                self._tasks.insert(0, task)
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, the run must learn of it
            future.set_exception(error)

    def _take(self, number: str) -> tuple[GroupJob, Future[Delivery]] | None:
        """Take the order that this chip was begun for, or for a chip that was never bound the next one.

        A blank chip waits for an order: another reader may have been quicker.
        """
        bound = self._settings.authority.ledger.card_on(number)
        with self._changed:
            if bound is None:
                self._changed.wait_for(lambda: self._closed or self._find(None) is not None)
            index = self._find(None if bound is None else bound.serial)
            return None if index is None else self._tasks.pop(index)

    def _find(self, serial: str | None) -> int | None:
        """Return the place of the order of that serial, or with None of the first that no chip was bound to."""
        for index, (job, _) in enumerate(self._tasks):
            state = self._settings.authority.ledger.card(job.pieces[0].state.serial)
            if state.chip is None if serial is None else state.serial == serial:
                return index
        return None

    def _make(self, job: GroupJob, connection: CardConnection) -> Delivery:
        settings = self._settings
        (piece,) = job.pieces
        order = order_of(settings.authority.ledger.card(piece.state.serial), piece.record, job.services)
        folder = folder_of(settings.out, piece.state.serial)
        face = None
        if job.look is not None:
            folder.mkdir(mode=0o700, exist_ok=True)
            face = FaceWork(prepared(settings.authority, order.record, order.expires, job.look), job.look, folder)
        try:
            Personaliser(settings.authority, connection, order, settings.random, settings.clock, face).run()
        except CardSpoilt as error:
            return _delivery(folder, piece, str(error))
        return _delivery(folder, piece, None)


def _delivery(folder: Path, piece: Piece, spoilt: str | None) -> Delivery:
    """The books have everything: there is nothing to note."""
    return Delivery(folder, (Made(piece.row, piece.state.serial, (), spoilt),))
