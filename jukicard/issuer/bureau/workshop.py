"""What a worker does: a group of orders in, finished cards and what is to be noted of them out.

A worker is a process, here or on another machine (`executor.submit(make_group, job)`).  It has its workshop set up
once: the authority with its keys, and a press that blank chips come from.  Nothing that it does counts before the books
have it; a group whose worker vanished is simply made again, from fresh randomness under the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from jukicard.iso7816.connection import CardConnection
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.errors import CardSpoilt
from jukicard.issuer.faces.look import FaceLook
from jukicard.issuer.keys.keystore import Randomness
from jukicard.issuer.ledger.cards import CardState
from jukicard.issuer.line.facework import FaceWork, prepared
from jukicard.issuer.line.journal import CardJournal, Note
from jukicard.issuer.line.orders import order_of
from jukicard.issuer.line.personalise import Personaliser
from jukicard.issuer.municipal.services import Service
from jukicard.issuer.records.resident import ResidentRecord


class Press(Protocol):
    """Where blank chips come from, and finished cards go."""

    def chip(self, number: str) -> AbstractContextManager[CardConnection]:
        """A blank chip with that number (16 hex digits), until it is finished."""

    def keep(self, serial: str) -> None:
        """Take the chip that was finished last as the card of that serial."""

    def deliver(self, folder: Path) -> None:
        """Write every card that was kept to `folder`/SERIAL.juki, on the disk when this returns."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One card to be made: its row among the records, its order in the books, the chip that it gets."""

    row: int
    state: CardState
    record: ResidentRecord
    chip: str


@dataclass(frozen=True, slots=True)
class GroupJob:
    """A group of cards for one worker, who makes a folder of his own below `folder` for them.

    `look`: how faces look, None for none. `losses`: how often it was lost with its worker before.
    """

    folder: Path
    pieces: tuple[Piece, ...]
    services: tuple[Service, ...]
    look: FaceLook | None
    losses: int = 0


@dataclass(frozen=True, slots=True)
class Made:
    """What has become of a piece: what the books are to note, and why it is spoilt, if it is."""

    row: int
    serial: str
    notes: tuple[Note, ...]
    spoilt: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A group that was made: the folder that its files are in, and its cards."""

    folder: Path
    cards: tuple[Made, ...]


@dataclass(frozen=True, slots=True)
class Workshop:
    """A worker's tools."""

    authority: Authority
    press: Press
    random: Randomness
    clock: Callable[[], datetime]

    def make(self, job: GroupJob) -> Delivery:
        """Make the cards of a group, and have their files on the disk.

        A worker who was given up for lost may still be at it: nobody writes into another one's folder.
        """
        folder = job.folder / self.random(8).hex()
        folder.mkdir(mode=0o700, parents=True)
        made = tuple(self._make(piece, job, folder) for piece in job.pieces)
        self.press.deliver(folder)
        return Delivery(folder, made)

    def _make(self, piece: Piece, job: GroupJob, folder: Path) -> Made:
        journal = CardJournal(piece.state)
        order = order_of(piece.state, piece.record, job.services)
        face = None
        if job.look is not None:
            face = FaceWork(prepared(self.authority, order.record, order.expires, job.look), job.look, folder)
        try:
            with self.press.chip(piece.chip) as connection:
                Personaliser(self.authority, connection, order, self.random, self.clock, face, journal).run()
        except CardSpoilt as error:
            return Made(piece.row, piece.state.serial, tuple(journal.notes), str(error))
        self.press.keep(piece.state.serial)
        return Made(piece.row, piece.state.serial, tuple(journal.notes))


_workshop: Workshop | None = None
"""This process's: a task that comes over the wire cannot bring keys along."""


def set_up(workshop: Workshop) -> None:
    """Make this process a worker."""
    global _workshop  # noqa: PLW0603 - one for each process, and nothing but tasks uses it
    _workshop = workshop


def make_group(job: GroupJob) -> Delivery:
    """Make a group in this process's workshop. RuntimeError in a process that is no worker."""
    if _workshop is None:
        raise RuntimeError("this process has no workshop: start workers with `juki batch worker`")
    return _workshop.make(job)
