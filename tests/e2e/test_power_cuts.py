"""The power is cut at a sample of the writes of every state-changing command and of whole flows, on the card file that
ships: quick versions of what `make powercuts` does in full (docs/power-cuts.md).

After each cut the file holds the state before or after a command, or one try fewer, and life goes on: the command is
sent again, the flow is gone on with, and the power is cut there once more.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from jukicard.applets.juki.layout import PASSWORD as REFERENCE
from jukicard.applets.juki.layout import PASSWORD_TRIES
from jukicard.card.security import passwords
from jukicard.card.store import MemoryStore, Store
from jukicard.iso7816.errors import PasswordBlocked, PasswordWrong
from jukicard.issuer.ledger.rules import Event, Status
from jukicard.issuer.municipal.services import LIBRARY, SERVICES, Service
from jukicard.reader.cardfile import CardFile
from jukicard.reader.emulator import EmulatorConnection
from tests.powercuts.offices import Handover, Issuing, books
from tests.powercuts.plans import ROWS, SCENARIOS, Entry, entries
from tests.powercuts.registry import not_cut, writing_rows
from tests.powercuts.runner import Plan, Sample, Trial
from tests.support.issued import PASSWORD, WRONG_PASSWORD, Office, new_card

ENTRIES = tuple(entries())


@contextmanager
def powered(store: Store, seed: object = "card") -> Iterator[EmulatorConnection]:
    with closing(EmulatorConnection(new_card(store, seed))) as connection:
        yield connection


# --- all of it


def test_every_row_that_writes_is_cut() -> None:
    """A row without a scenario gets one in tests/powercuts; `tests.powercuts.registry` says how."""
    missing, places = not_cut(ROWS), ", ".join(module.__name__ for module in SCENARIOS)
    assert not missing, f"no power cuts are tried for these rows; in one of {places}, enter {'; '.join(missing)}"
    assert {(one.applet, one.row) for one in ROWS} == writing_rows(), "a scenario is about no row that writes"
    assert len(writing_rows()) > 30


def test_every_row_is_cut_when_it_succeeds() -> None:
    """One that never can serves nobody, and is to be taken out of its table."""
    assert {(one.applet, one.row) for one in ROWS} == {(one.applet, one.row) for one in ROWS if one.sw == 0x9000}


def test_every_row_that_counts_tries_is_cut_when_it_fails() -> None:
    failing = {(one.applet.__name__, one.row) for one in ROWS if one.sw & 0xFFF0 == 0x63C0}
    assert failing == {
        ("JukiApplet", "VERIFY"),
        ("JukiApplet", "CHANGE REFERENCE DATA"),
        ("OperatorApplet", "VERIFY"),
        ("OperatorApplet", "CHANGE REFERENCE DATA"),
        ("JpkiApplet", "VERIFY (internal EF)"),
        ("FaceVerificationApplet", "VERIFY (internal EF)"),
        ("VendingApplet", "VERIFY"),
        ("VendingApplet", "CHANGE REFERENCE DATA"),
        ("PointsApplet", "VERIFY"),
        ("PointsApplet", "CHANGE REFERENCE DATA"),
        ("JukiApplet", "COMPARE BINARY"),
        ("LibraryApplet", "VERIFY"),
        ("LibraryApplet", "CHANGE REFERENCE DATA"),
        ("FolderApplet", "VERIFY"),
        ("FolderApplet", "CHANGE REFERENCE DATA"),
        ("FolderApplet", "COMPARE BINARY"),
        ("FolderApplet", "EXTERNAL AUTHENTICATE"),
        ("LoadedApplet", "a loaded application's command"),
    }


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.title)
def test_old_or_new_or_a_try_fewer(entry: Entry, tmp_path: Path) -> None:
    report = Trial(entry.make(tmp_path), entry.quick).run()
    assert not report.violations, "\n".join(report.violations)
    assert report.commands
    assert report.cuts == 5 * report.points
    assert report.recoveries
    assert report.second_cuts >= report.recoveries


def test_titles_are_unique() -> None:
    assert len({entry.title for entry in ENTRIES}) == len(ENTRIES)


# --- on a real file


def tries_left(office: Office, connection: EmulatorConnection) -> int:
    client = office.dialogue(connection).client
    client.select()
    tries = client.password_tries(REFERENCE)
    assert tries is not None
    return tries


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
    CardFile.create(path, key, active.cells, card_id=b"card").close()
    for number in range(PASSWORD_TRIES):
        with CardFile.open(path, key) as store, powered(store, number) as connection, pytest.raises(PasswordWrong):
            active.authenticate(connection, WRONG_PASSWORD)
    for number in range(3):
        with CardFile.open(path, key) as store, powered(store, number) as connection:
            assert tries_left(active, connection) == 0
            with pytest.raises(PasswordBlocked):
                active.authenticate(connection)


# --- handover and issuing


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


def test_the_books_are_found_in_every_state_of_a_handover(tmp_path: Path) -> None:
    """Every write is cut once: the card and the books are met out of step."""
    case = Handover(tmp_path)
    assert not Trial(case, Plan(Sample(), recoveries=Sample(1000, 1), second=Sample(1000))).run().violations
    assert case.found_in == {Status.AWAITING_HANDOVER, Status.HANDING_OVER, Status.ACTIVE}


@pytest.mark.parametrize("services", [(LIBRARY,), SERVICES], ids=["library", "all services"])
def test_an_issue_is_resumed_after_any_command(tmp_path: Path, services: tuple[Service, ...]) -> None:
    """The power goes when the chip has carried out a command and nobody has heard of it."""
    case = Issuing(tmp_path, services)
    store = MemoryStore(case.cells())
    found: list[tuple[dict[str, bytes], bytes]] = []

    class Watched(EmulatorConnection):
        def transmit(self, command: bytes) -> bytes:
            answer = super().transmit(command)
            cells = store.snapshot()
            if not found or cells != found[-1][0]:
                found.append((cells, books(case.office)))
            return answer

    with closing(Watched(new_card(store))) as connection:
        case.go_on(case.office, connection)
    assert len(found) > 40
    for number, (cells, content) in enumerate(found):
        with case.with_books(content, number) as office:
            case.finish(office, MemoryStore(cells))
