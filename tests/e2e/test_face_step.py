"""The face as a step of issuing: after the chip is closed, before the match, resumed wherever it was interrupted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

import pytest

from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.errors import CardRemoved
from jukicard.issuer.errors import RuleRefused
from jukicard.issuer.faces.chipimages import FaceImages
from jukicard.issuer.ledger.cards import CardState
from jukicard.issuer.ledger.ledger import Ledger
from jukicard.issuer.ledger.rules import Event, Status
from jukicard.issuer.line.personalise import Personaliser
from jukicard.reader.emulator import EmulatorConnection
from tests.support.chips import randomness
from tests.support.issued import Office

ENTRIES: tuple[tuple[Event, str | None], ...] = (
    (Event.STEP_DONE, "read-back"),
    (Event.READ_BACK, None),
    (Event.STEP_DONE, "card-objects"),
    (Event.STEP_DONE, "face-record"),
    (Event.STEP_DONE, "shared-data"),
    (Event.STEP_DONE, "secured"),
    (Event.CLOSED, None),
    (Event.STEP_STARTED, "face"),
    (Event.STEP_DONE, "face"),
    (Event.FACE_WRITTEN, None),
    (Event.STEP_STARTED, "match"),
    (Event.STEP_DONE, "match"),
    (Event.MATCHED, None),
    (Event.AWAITING_HANDOVER, None),
)
WITHOUT_FACE = ((Event.CLOSED, None, False), (Event.STEP_DONE, "match", False), (Event.MATCHED, None, False))


class Killed(BaseException):
    """The process is gone."""


class Drawer:
    """Writes faces, by noting their serials; it fails so many times before."""

    def __init__(self, failures: int = 0) -> None:
        self.drawn: list[str] = []
        self.failures = failures

    def write(self, serial: str) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError(28, "No space left on device")
        self.drawn.append(serial)

    def differences(self, serial: str) -> tuple[object, ...]:
        return ()

    def images(self) -> FaceImages:
        return FaceImages(b"a picture of a name")


def issue(
    office: Office, connection: CardConnection, drawer: Drawer | None, report: Callable[[str], None] = lambda name: None
) -> CardState:
    random = randomness(("host", "face"))
    personaliser = Personaliser(office.authority, connection, office.order(), random, office.clock, drawer)
    return personaliser.run(lambda operation: report(operation.name))


def events(office: Office) -> list[Event]:
    return [entry.event for entry in office.authority.ledger.entries()]


@contextmanager
def killed_at(patch: pytest.MonkeyPatch, event: Event, step: str | None, *, written: bool) -> Iterator[None]:
    """The process dies at an entry of the books: just before it is written, or just after."""
    append = Ledger.append

    def dying(
        self: Ledger, serial: str, what: Event, at: datetime, detail: Mapping[str, str] | None = None
    ) -> CardState:
        dies = what is event and step in (None, (detail or {}).get("step"))
        if dies and not written:
            raise Killed
        state = append(self, serial, what, at, detail)
        if dies:
            raise Killed
        return state

    with patch.context() as patched:
        patched.setattr(Ledger, "append", dying)
        with pytest.raises(Killed):
            yield


def test_it_comes_after_the_chip_is_closed_and_before_the_match(blank: Office) -> None:
    drawer = Drawer()
    steps: list[str] = []
    with blank.emulator() as connection:
        state = issue(blank, connection, drawer, steps.append)
    assert steps[-3:] == ["secured", "face", "match"]
    assert drawer.drawn == [state.serial]
    assert events(blank)[-9:] == [
        Event.STEP_DONE,
        Event.CLOSED,
        Event.STEP_STARTED,
        Event.STEP_DONE,
        Event.FACE_WRITTEN,
        Event.STEP_STARTED,
        Event.STEP_DONE,
        Event.MATCHED,
        Event.AWAITING_HANDOVER,
    ]


def test_without_anybody_to_write_it_there_is_no_such_step(blank: Office) -> None:
    steps: list[str] = []
    with blank.emulator() as connection:
        assert issue(blank, connection, None, steps.append).status is Status.AWAITING_HANDOVER
    assert "face" not in steps
    assert Event.FACE_WRITTEN not in events(blank)


def test_a_full_disk_spoils_no_card(blank: Office) -> None:
    drawer = Drawer(failures=1)
    with blank.emulator() as connection:
        with pytest.raises(OSError, match="No space left"):
            issue(blank, connection, drawer)
        assert (blank.card_state.status, blank.card_state.pending) == (Status.CLOSED, "face")
        with pytest.raises(RuleRefused, match="its face was begun"):
            issue(blank, connection, None)
        steps: list[str] = []
        assert issue(blank, connection, drawer, steps.append).status is Status.AWAITING_HANDOVER
    assert steps == ["face", "match"]
    assert len(drawer.drawn) == 1


@pytest.mark.parametrize("written", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("event", "step", "drawn"), [*((*entry, True) for entry in ENTRIES), *WITHOUT_FACE])
def test_killed_at_any_entry_it_is_finished_with_each_milestone_once(
    blank: Office, monkeypatch: pytest.MonkeyPatch, event: Event, step: str | None, drawn: bool, written: bool
) -> None:
    drawer = Drawer() if drawn else None
    with blank.emulator() as connection, killed_at(monkeypatch, event, step, written=written):
        issue(blank, connection, drawer)
    with blank.emulator() as connection:
        assert issue(blank, connection, drawer).status is Status.AWAITING_HANDOVER
    entered = events(blank)
    expected = [Event.READ_BACK, Event.CLOSED, *([Event.FACE_WRITTEN] if drawn else [])]
    expected += [Event.MATCHED, Event.AWAITING_HANDOVER]
    assert [event for event in entered if event in expected] == expected
    assert drawer is None or set(drawer.drawn) == {blank.card_state.serial}


@pytest.mark.parametrize("after", ["match", "done"])
def test_who_wants_a_face_too_late_gets_a_card_without_one(blank: Office, after: str) -> None:
    """Begun without a face, and interrupted in the match: the books' order stays what it is."""
    drawer = Drawer()
    with blank.emulator() as connection:
        if after == "match":
            with pytest.MonkeyPatch.context() as patch:
                transmit = EmulatorConnection.transmit

                def failing(self: EmulatorConnection, command: bytes) -> bytes:
                    if blank.card_state.pending == "match":
                        raise CardRemoved("the card was removed")
                    return transmit(self, command)

                patch.setattr(EmulatorConnection, "transmit", failing)
                with pytest.raises(CardRemoved):
                    issue(blank, connection, None)
        else:
            issue(blank, connection, None)
        assert issue(blank, connection, drawer).status is Status.AWAITING_HANDOVER
    assert drawer.drawn == []
