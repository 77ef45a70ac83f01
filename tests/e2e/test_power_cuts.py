"""The power is cut at every write of VERIFY, of a handover and of an issue, on the card file that ships.

After each cut the file holds the state before or after a command (or one try fewer), and life goes on: a blocked card
is blocked, a handover is finished, an issue is resumed to its end with the same books. VERIFY and handover are cut
at every write; an issue at a sample of them, all of them with `--hypothesis-profile=soak`.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from jukicard.applets.juki.layout import PASSWORD as REFERENCE
from jukicard.applets.juki.layout import PASSWORD_TRIES
from jukicard.card import passwords
from jukicard.card.store import MemoryStore
from jukicard.iso7816.errors import PasswordBlocked, PasswordWrong
from jukicard.issuer.authority import Authority
from jukicard.issuer.ledger import Ledger
from jukicard.issuer.ledgerrules import Event, Status
from jukicard.issuer.plan import issuing_plan
from jukicard.issuer.services import SERVICES
from jukicard.reader.cardfile import CardFile
from jukicard.reader.emulator import EmulatorConnection
from tests.support.chips import randomness
from tests.support.issued import CITY, PASSWORD, WRONG_PASSWORD, Office, clock, new_card
from tests.support.powercut import Cut, Run, for_each_cut

STEPS = tuple(operation.name for operation in issuing_plan(CITY.code, SERVICES))
SEED = int(os.environ.get("JUKICARD_SEED", "20261121"))
SAMPLE = 37
"""Of an issue's writes every so many'th is cut in the quick version, beginning with one that the seed chooses."""

Store = CardFile | Run


@contextmanager
def powered(store: Store, seed: object = "card") -> Iterator[EmulatorConnection]:
    with closing(EmulatorConnection(new_card(store, seed))) as connection:
        yield connection


def tries_left(office: Office, connection: EmulatorConnection) -> int:
    client = office.dialogue(connection).client
    client.select()
    tries = client.password_tries(REFERENCE)
    assert tries is not None
    return tries


def with_tries(office: Office, tries: int) -> dict[str, bytes]:
    """The office's cells after so many wrong passwords that these tries are left."""
    store = MemoryStore(office.cells)
    for number in range(PASSWORD_TRIES - tries):
        with closing(EmulatorConnection(new_card(store, number))) as connection, pytest.raises(PasswordWrong):
            office.authenticate(connection, WRONG_PASSWORD)
    return store.snapshot()


# --- VERIFY


@pytest.mark.parametrize("tries", [3, 2, 1])
def test_the_right_password_costs_a_try_at_most(active: Office, tries: int) -> None:
    seen: set[int] = set()

    def scenario(run: Run) -> None:
        with powered(run) as connection:
            active.authenticate(connection)
            run.note("verified")

    def check(store: CardFile, cut: Cut) -> None:
        with powered(store, "after") as connection:
            left = tries_left(active, connection)
            assert left in (tries, tries - 1, PASSWORD_TRIES)
            assert left >= tries - 1
            seen.add(left)
            if left:
                assert active.authenticate(connection).resident_code == active.record.resident_code
                return
            with pytest.raises(PasswordBlocked):
                active.authenticate(connection)

    tally = for_each_cut(scenario, check, cells=with_tries(active, tries))
    assert seen == {tries, tries - 1, PASSWORD_TRIES}
    assert tally.cuts == 5 * (tally.operations + 1)
    assert tally.distinct > tally.operations


def test_wrong_passwords_are_counted_and_blocked_stays_blocked(active: Office) -> None:
    seen: set[tuple[int, int]] = set()

    def scenario(run: Run) -> None:
        with powered(run) as connection:
            for told in (2, 1, 0):
                with pytest.raises(PasswordWrong) as wrong:
                    active.authenticate(connection, WRONG_PASSWORD, seed=("try", told))
                assert wrong.value.tries_left == told
                run.note(told)
            run.reopen()
            with pytest.raises(PasswordBlocked):
                active.authenticate(connection)

    def check(store: CardFile, cut: Cut) -> None:
        told = cut.notes[-1] if cut.notes else PASSWORD_TRIES
        with powered(store, "after") as connection:
            left = tries_left(active, connection)
            assert told - 1 <= left <= told
            seen.add((told, left))
            if left:
                assert active.authenticate(connection).password_ok
            else:
                for password in (PASSWORD, WRONG_PASSWORD):
                    with pytest.raises(PasswordBlocked):
                        active.authenticate(connection, password)
                assert tries_left(active, connection) == 0

    for_each_cut(scenario, check, cells=active.cells)
    assert seen == {(3, 3), (3, 2), (2, 2), (2, 1), (1, 1), (1, 0), (0, 0)}


@pytest.mark.parametrize("password", [PASSWORD, WRONG_PASSWORD], ids=["right", "wrong"])
def test_the_try_is_spent_before_the_comparison(
    active: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    """The power goes between the two: the file has one try fewer, whatever the comparison would have said."""
    key = bytes(32)
    path, found = tmp_path / "card.juki", tmp_path / "found.juki"
    CardFile.create(path, key, active.cells, card_id=b"card").close()

    class PowerGone(Exception):  # noqa: N818
        pass

    def cut(value: bytes, candidate: bytes) -> bool:
        for end in ("", "-wal"):
            shutil.copyfile(f"{path}{end}", f"{found}{end}")
        raise PowerGone

    with CardFile.open(path, key) as store, powered(store) as connection:
        dialogue = active.dialogue(connection)
        dialogue.prove_card()
        dialogue.open_channel()
        monkeypatch.setattr(passwords, "bytes_eq", cut)
        with pytest.raises(PowerGone):
            dialogue.verify_password(password)
        monkeypatch.undo()
    with CardFile.open(found, key) as store, powered(store, "after") as connection:
        assert tries_left(active, connection) == PASSWORD_TRIES - 1


def test_blocked_stays_blocked_in_the_file(active: Office, tmp_path: Path) -> None:
    key, path = bytes(32), tmp_path / "card.juki"
    CardFile.create(path, key, with_tries(active, 0), card_id=b"card").close()
    for number in range(3):
        with CardFile.open(path, key) as store, powered(store, number) as connection:
            assert tries_left(active, connection) == 0
            with pytest.raises(PasswordBlocked):
                active.authenticate(connection)


# --- handover and issuing: two sides remember, the card and the books


@dataclass(frozen=True)
class Books:
    """What the ledger's file held when the card's disk had done so many operations."""

    at: int
    content: bytes


class Offices:
    """The authority's side of a flow: every state of its books, and the office that finds them after a cut."""

    def __init__(self, office: Office, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._office = office
        self._home = folder / "after a cut"
        self._monkeypatch = monkeypatch
        shutil.copytree(office.home, self._home)
        self._keys = office.authority.keys  # opening them takes 0.1 s

    def noting(self, run: Run) -> None:
        """From now on each entry in the books is noted in the run."""
        append = Ledger.append

        def noted(ledger: Ledger, *args: object, **options: object) -> object:
            state = append(ledger, *args, **options)  # type: ignore[arg-type]
            run.note(Books(len(run.disk.log), self.books()))
            return state

        self._office.order()
        run.note(Books(len(run.disk.log), self.books()))
        self._monkeypatch.setattr(Ledger, "append", noted)

    def recorded(self) -> None:
        """The flow has ended; what follows is not noted."""
        self._monkeypatch.undo()

    def after(self, cut: Cut, store: CardFile) -> Iterator[Office]:
        """The offices that may stand before the card after this cut, each with its books; the store is as it was found.

        The machine may have died with the card: then the entries made since the card's last write may be missing.
        """
        notes: tuple[Books, ...] = cut.notes
        certain = max((number for number, books in enumerate(notes) if books.at < cut.number), default=0)
        found = store.snapshot()
        for books in {notes[number].content: notes[number] for number in (len(notes) - 1, certain) if notes}.values():
            store.commit({**dict.fromkeys(store.cells()), **found})
            with self.with_books(books.content, cut.number) as office:
                yield office

    @contextmanager
    def with_books(self, content: bytes, seed: object) -> Iterator[Office]:
        """An office with these books."""
        for end in ("", "-wal", "-shm"):
            (self._home / f"ledger.sqlite{end}").unlink(missing_ok=True)
        path = self._home / "ledger.sqlite"
        path.write_bytes(content)
        path.chmod(0o600)
        with Authority(self._home, CITY, self._keys, randomness(("certificates", seed))) as authority:
            office = Office(self._home, {}, clock(30))
            office.authority = authority
            yield office

    def books(self) -> bytes:
        """The ledger's file as it is now."""
        with closing(sqlite3.connect(self._office.home / "ledger.sqlite")) as ledger:
            return ledger.serialize()


def test_a_handover_is_finished_after_any_cut(
    awaiting: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offices = Offices(awaiting, tmp_path, monkeypatch)
    seen: set[tuple[Status, str]] = set()

    def scenario(run: Run) -> None:
        offices.noting(run)
        with powered(run) as connection:
            awaiting.hand_over(connection)
        offices.recorded()

    def check(store: CardFile, cut: Cut) -> None:
        for office in offices.after(cut, store):
            before = office.card_state.status
            with powered(store, "after") as connection:
                dialogue = office.dialogue(connection)
                dialogue.prove_card()
                dialogue.open_channel()
                dialogue.check_card()
                assert dialogue.result.status is not None
                seen.add((before, dialogue.result.status.state.label))
                if before is not Status.ACTIVE:
                    assert office.hand_over(connection).status is Status.ACTIVE
                assert office.authenticate(connection).resident_code == office.record.resident_code
            office.authority.ledger.verify()

    tally = for_each_cut(scenario, check, cells=awaiting.cells)
    assert tally.cuts == 5 * (tally.operations + 1)
    assert {
        (Status.AWAITING_HANDOVER, "delivered locked"),
        (Status.HANDING_OVER, "delivered locked"),
        (Status.HANDING_OVER, "active"),
        (Status.ACTIVE, "active"),
    } <= seen


def test_a_handover_begun_with_one_password_is_not_finished_with_another(awaiting: Office) -> None:
    ledger = awaiting.authority.ledger
    with awaiting.emulator() as connection:
        dialogue = awaiting.dialogue(connection)
        dialogue.prove_card()
        dialogue.open_channel()
        ledger.append(awaiting.card_state.serial, Event.HANDOVER_STARTED, awaiting.clock())
        dialogue.client.set_initial_password(REFERENCE, PASSWORD.encode())  # the power goes here
    with awaiting.emulator("after") as connection:
        with pytest.raises(PasswordWrong) as wrong:
            awaiting.hand_over(connection, WRONG_PASSWORD)
        assert wrong.value.tries_left == 2
        assert awaiting.card_state.status is Status.HANDING_OVER
        assert awaiting.hand_over(connection, seed="again").status is Status.ACTIVE


def finish(office: Office, store: CardFile | MemoryStore) -> None:
    """Resume an issue, hand the card over, authenticate against it, and look at the books."""
    serial = office.card_state.serial
    with closing(EmulatorConnection(new_card(store, "after"))) as connection:
        state = office.issue(connection, "resumed")
        assert (state.serial, state.status, state.steps_done) == (serial, Status.AWAITING_HANDOVER, STEPS)
        office.hand_over(connection)
        assert office.authenticate(connection).resident_code == office.record.resident_code
    office.authority.ledger.verify()
    events = [entry.event for entry in office.authority.ledger.entries()]
    assert events.count(Event.STEP_DONE) == len(STEPS)
    for once in (Event.ORDERED, Event.BOUND, Event.READ_BACK, Event.CLOSED, Event.MATCHED, Event.HANDED_OVER):
        assert events.count(once) == 1


def test_an_issue_is_resumed_after_any_command(blank: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The power goes when the chip has carried out a command and nobody has heard of it."""
    offices = Offices(blank, tmp_path, monkeypatch)
    store = MemoryStore(blank.cells)
    found: list[tuple[dict[str, bytes], bytes]] = []

    class Watched(EmulatorConnection):
        def transmit(self, command: bytes) -> bytes:
            answer = super().transmit(command)
            cells = store.snapshot()
            if not found or cells != found[-1][0]:
                found.append((cells, offices.books()))
            return answer

    with closing(Watched(new_card(store))) as connection:
        blank.issue(connection)
    assert len(found) > 40
    for number, (cells, books) in enumerate(found):
        with offices.with_books(books, number) as office:
            finish(office, MemoryStore(cells))


def test_an_issue_is_resumed_after_any_cut(
    blank: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    soak = pytestconfig.getoption("hypothesis_profile", None) == "soak"
    every, first = (1, 0) if soak else (SAMPLE, random.Random(SEED).randrange(SAMPLE))
    offices = Offices(blank, tmp_path, monkeypatch)
    found_in: set[Status] = set()

    def scenario(run: Run) -> None:
        offices.noting(run)
        with powered(run) as connection:
            assert blank.issue(connection).status is Status.AWAITING_HANDOVER
        offices.recorded()

    def check(store: CardFile, cut: Cut) -> None:
        for office in offices.after(cut, store):
            found_in.add(office.card_state.status)
            finish(office, store)

    tally = for_each_cut(scenario, check, cells=blank.cells, every=every, first=first)
    print(tally)
    assert tally.operations > 250
    assert tally.cuts >= 5 * (tally.operations // every)
    assert tally.distinct > tally.operations // every
    assert Status.PERSONALISING in found_in
    if soak:
        assert found_in >= {Status.ORDERED, Status.PERSONALISING, Status.READ_BACK, Status.CLOSED}
