"""Issuing and handover: two sides remember, the card and the authority's books, and either may be behind the other.

After a cut an office is found with the card, and its books: as they were last written, and as they were when the card
last wrote (the machine may have died with the card).  With each of them the flow must be gone on with to its end.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from jukicard.card.store import MemoryStore
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.description import Description
from jukicard.issuer.ledger.group import Group
from jukicard.issuer.ledger.ledger import Ledger
from jukicard.issuer.ledger.rules import Event, Status
from jukicard.issuer.line.cardkeys import key_sets
from jukicard.issuer.line.plan import issuing_plan
from jukicard.issuer.municipal.services import LIBRARY, Service
from jukicard.reader.emulator import EmulatorConnection
from jukicard.testing.offices import Setting
from tests.powercuts.timeline import State, Timeline
from tests.support.chips import randomness
from tests.support.issued import CITY, Office, Offices, Stage, clock, new_card
from tests.support.powercut import Cut


def steps(services: tuple[Service, ...]) -> tuple[str, ...]:
    """What the plan of an issue with those services consists of."""
    return tuple(operation.name for operation in issuing_plan(key_sets(CITY.code), services))


@dataclass(frozen=True)
class Books:
    """What the ledger's file held when the card's disk had done so many operations."""

    at: int
    content: bytes = field(repr=False)


class OfficeCase:
    """A flow in which the authority's books take part."""

    title: str
    stage: Stage

    def __init__(self, folder: Path, services: tuple[Service, ...] = (LIBRARY,)) -> None:
        self.services = services
        self._offices = Offices(folder / "templates", Setting(services=services))
        self._folder = folder
        self.office = self._offices.at(self.stage, folder / "first")
        self.office.order()
        self._home = folder / "after a cut"
        shutil.copytree(self.office.home, self._home)
        self._keys = self.office.authority.keys  # opening them takes 0.1 s
        self._unopened = (Books(0, books(self.office)),)
        self._checked: set[tuple[int, bytes]] = set()
        self.found_in: set[Status] = set()

    def go_on(self, office: Office, connection: EmulatorConnection) -> None:
        """Carry the flow out, or go on with it."""
        raise NotImplementedError

    def finish(self, office: Office, store: MemoryStore) -> None:
        """Go on to the end with the card and the books as they are; AssertionError where anything is not in order."""
        raise NotImplementedError

    # a case of the runner

    def cells(self) -> Mapping[str, bytes]:
        return self.office.cells

    def play(self, timeline: Timeline) -> None:
        with self._noting(timeline, self.office):
            self._connected(timeline, self.office, "card")

    def recover(self, timeline: Timeline, cut: Cut, found: State, first: Timeline) -> None:
        with self.with_books(self._notes(cut)[-1].content, "again") as office, self._noting(timeline, office):
            self._connected(timeline, office, "again")

    def check(self, found: State, cut: Cut) -> None:
        for content in self._books_after(cut):
            if (id(found), content) not in self._checked:
                self._checked.add((id(found), content))
                with self.with_books(content, "after") as office:
                    self.found_in.add(office.card_state.status)
                    self.finish(office, MemoryStore(found))

    def commands(self, timeline: Timeline) -> int:
        return timeline.writing

    def situation(self, cut: Cut) -> Hashable:
        return self._notes(cut)[-1].content

    # the books

    def _connected(self, timeline: Timeline, office: Office, seed: str) -> None:
        with closing(EmulatorConnection(timeline.watch(new_card(timeline, seed)))) as connection:
            self.go_on(office, connection)

    @contextmanager
    def _noting(self, timeline: Timeline, office: Office) -> Iterator[None]:
        """Each group of entries in the books is noted in the run."""
        writing, run = Ledger.writing, timeline.run

        @contextmanager
        def noted(ledger: Ledger) -> Iterator[Group]:
            with writing(ledger) as group:
                yield group
            run.note(Books(len(run.disk.log), books(office)))

        run.note(Books(0, books(office)))
        with mock.patch.object(Ledger, "writing", noted):
            yield

    def _books_after(self, cut: Cut) -> set[bytes]:
        notes = cut.notes or self._notes(cut)[-1:]
        certain = max((number for number, books in enumerate(notes) if books.at < cut.number), default=0)
        return {notes[number].content for number in (len(notes) - 1, certain)}

    def _notes(self, cut: Cut) -> tuple[Books, ...]:
        """What the books held by then; a flow that had not begun has left them as the one before did."""
        return cut.notes or (self._notes(cut.before) if cut.before else self._unopened)

    @contextmanager
    def with_books(self, content: bytes, seed: object) -> Iterator[Office]:
        """An office with these books."""
        for end in ("", "-wal", "-shm"):
            (self._home / f"ledger.sqlite{end}").unlink(missing_ok=True)
        path = self._home / "ledger.sqlite"
        path.write_bytes(content)
        path.chmod(0o600)
        with Authority(
            self._home, Description.read(self._home), self._keys, randomness(("certificates", seed))
        ) as authority:
            office = Office(self._home, {}, clock(30), Setting(services=self.services))
            office.authority = authority
            yield office


def books(office: Office) -> bytes:
    """The ledger's file as it is now."""
    with closing(sqlite3.connect(office.home / "ledger.sqlite")) as ledger:
        return ledger.serialize()


class Issuing(OfficeCase):
    """The whole issue of a card, from the blank chip to the card that awaits its holder."""

    title = "issuing, with the books"
    stage = Stage.BLANK

    def go_on(self, office: Office, connection: EmulatorConnection) -> None:
        assert office.issue(connection).status is Status.AWAITING_HANDOVER

    def finish(self, office: Office, store: MemoryStore) -> None:
        """Resume the issue, hand the card over, authenticate against it, and look at the books."""
        serial = office.card_state.serial
        with closing(EmulatorConnection(new_card(store, "after"))) as connection:
            state = office.issue(connection, "resumed")
            assert (state.serial, state.status) == (serial, Status.AWAITING_HANDOVER)
            assert state.steps_done == steps(self.services)
            office.hand_over(connection)
            assert office.authenticate(connection).resident_code == office.record.resident_code
        office.authority.ledger.verify()
        events = [entry.event for entry in office.authority.ledger.entries()]
        assert events.count(Event.STEP_DONE) == len(steps(self.services))
        for once in (Event.ORDERED, Event.BOUND, Event.READ_BACK, Event.CLOSED, Event.MATCHED, Event.HANDED_OVER):
            assert events.count(once) == 1


class Handover(OfficeCase):
    """The handover of a card to its holder."""

    title = "handover, with the books"
    stage = Stage.AWAITING_HANDOVER

    def go_on(self, office: Office, connection: EmulatorConnection) -> None:
        if office.card_state.status is not Status.ACTIVE:
            assert office.hand_over(connection).status is Status.ACTIVE

    def finish(self, office: Office, store: MemoryStore) -> None:
        with closing(EmulatorConnection(new_card(store, "after"))) as connection:
            self.go_on(office, connection)
            assert office.authenticate(connection).resident_code == office.record.resident_code
        office.authority.ledger.verify()


OFFICE_CASES: tuple[Callable[[Path], OfficeCase], ...] = (Issuing, Handover)
