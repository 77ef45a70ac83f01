"""`juki card suspend`, `resume`, `void`: books first, the chip if it is at hand, and never another card's chip."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jukicard.commands.session import Session, World
from jukicard.issuer.counter.lifecycle import BEHIND
from jukicard.issuer.ledger.rules import Event
from jukicard.testing.readers import PulledReader
from tests.support.desk import Desk, private_file
from tests.support.issued import AUTHORITY_PASSWORD, RECORD, Offices, Stage

UNKNOWN = "799201000000009"
HANAKO = RECORD.parent / "hanako.json"


def card(desk: Desk, verb: str, *more: str) -> tuple[str, ...]:
    return ("card", verb, desk.serial, *more)


def at_hand(desk: Desk) -> tuple[str, ...]:
    return ("--reader", desk.reader, *desk.authority)


def auth(desk: Desk, code: int) -> dict[str, object]:
    return desk.facts("auth", "--reader", desk.reader, *desk.authority, *desk.holder, code=code)


def events(desk: Desk) -> list[Event]:
    """What came after the handover."""
    happened = [entry.event for entry in desk.ledger()]
    return happened[happened.index(Event.HANDED_OVER) + 1 :]


def test_a_card_at_hand_is_suspended_resumed_and_voided_on_the_chip_too(active: Desk) -> None:
    for verb, status, code in (("suspend", "suspended", 1), ("resume", "active", 0), ("void", "void", 1)):
        facts = active.facts(*card(active, verb, *at_hand(active), *(("--yes",) if verb == "void" else ())))
        assert facts == {
            "serial": active.serial,
            "status": status,
            "changed": True,
            "status_on_chip": status,
            "chip_behind": False,
            "next": None,
        }
        seen = auth(active, code)
        assert (seen["status"], seen["status_in_books"], seen["status_on_chip"]) == (status, status, status)
    changes = (Event.SUSPENDED, Event.RESUMED, Event.VOIDED)
    assert events(active) == [event for change in changes for event in (change, Event.ON_CHIP)]


def test_a_lost_card_is_suspended_in_the_books_and_on_the_chip_when_it_turns_up(active: Desk) -> None:
    facts = active.facts(*card(active, "suspend", "--reason", "reported lost"))
    assert (facts["status"], facts["chip_behind"], facts["status_on_chip"]) == ("suspended", True, None)
    assert facts["next"] == f"juki card suspend {active.serial} --reader R tells the chip, when the card is at hand"
    assert auth(active, 1)["status_on_chip"] == "active"
    assert active.ledger()[-1].detail == {"reason": "reported lost"}
    facts = active.facts(*card(active, "suspend", *at_hand(active)))
    assert (facts["changed"], facts["status_on_chip"], facts["chip_behind"]) == (False, "suspended", False)
    assert events(active) == [Event.SUSPENDED, Event.ON_CHIP]


def test_asked_for_again_it_is_done_already(active: Desk) -> None:
    for expected in (True, False, False):
        assert active.facts(*card(active, "suspend", *at_hand(active)))["changed"] is expected
    assert active.facts(*card(active, "suspend"))["changed"] is False
    assert events(active) == [Event.SUSPENDED, Event.ON_CHIP]


def test_a_suspension_that_never_reached_the_chip_is_taken_back(active: Desk) -> None:
    active.facts(*card(active, "suspend"))
    facts = active.facts(*card(active, "resume", *at_hand(active)))
    assert (facts["status"], facts["status_on_chip"], facts["chip_behind"]) == ("active", "active", False)
    auth(active, 0)


def test_another_card_at_hand_is_refused_before_the_books_are_touched(active: Desk) -> None:
    active.facts("chip", "new", str(active.folder / "other.juki"), "--serial", "778")
    reader = ("--reader", f"emulator:{active.folder / 'other.juki'}")
    second = active.facts("issue", str(HANAKO), "--face", "A", *reader, *active.authority)["serial"]
    before = active.ledger()
    facts = active.facts(*card(active, "suspend", *reader, *active.authority), code=1)
    assert facts["error"]["message"] == f"the card at hand is {second}, not {active.serial}: nothing was done"
    assert active.ledger() == before
    auth(active, 0)


def test_no_card_at_hand_leaves_the_books_as_they_were(active: Desk) -> None:
    before = active.ledger()
    reader = ("--reader", f"emulator:{active.folder / 'none.juki'}", *active.authority)
    assert active.run(*card(active, "suspend", *reader)).exit_code == 3
    assert active.ledger() == before


def test_the_reader_of_the_environment_is_not_meant(active: Desk) -> None:
    """A lost card is not at hand, whatever lies in the reader."""
    result = active.run(*card(active, "suspend"), JUKI_READER=f"emulator:{active.folder / 'none.juki'}")
    assert result.exit_code == 0


@pytest.mark.parametrize("verb", ["suspend", "resume"])
def test_what_the_table_does_not_allow_is_refused(awaiting: Desk, verb: str) -> None:
    before = awaiting.ledger()
    for more in ((), at_hand(awaiting)):
        error = awaiting.facts(*card(awaiting, verb, *more), code=1)["error"]
        assert "is awaiting-handover: it cannot be" in error["message"]
    assert awaiting.ledger() == before


def test_void_is_for_good(active: Desk) -> None:
    active.facts(*card(active, "void", "--yes", *at_hand(active)))
    for verb in ("suspend", "resume"):
        assert "is void" in active.facts(*card(active, verb), code=1)["error"]["message"]
    assert active.facts(*card(active, "void", "--yes"))["changed"] is False


def test_a_card_that_awaits_its_handover_is_voided_and_never_handed_over(awaiting: Desk) -> None:
    facts = awaiting.facts(*card(awaiting, "void", "--yes", *at_hand(awaiting)))
    assert (facts["status"], facts["status_on_chip"]) == ("void", "void")
    words = ("handover", "--reader", awaiting.reader, *awaiting.authority, *awaiting.holder)
    assert "void" in awaiting.facts(*words, code=1)["error"]["message"]


def test_void_names_the_card_and_asks(active: Desk) -> None:
    before = active.ledger()
    for answer, code in (("n\n", 1), ("", 2)):
        result = active.run(*card(active, "void"), input=answer)
        assert result.exit_code == code
        assert f"Card {active.serial} (face A, active, until 2036-11-20) will be void for good" in result.stderr
    assert active.ledger() == before
    assert active.run(*card(active, "void"), input="y\n").exit_code == 0
    assert events(active) == [Event.VOIDED]


def test_a_card_that_the_books_do_not_know_is_refused(active: Desk) -> None:
    for more in ((), at_hand(active), ("--reader", f"emulator:{active.folder / 'none.juki'}", *active.authority)):
        error = active.facts("card", "suspend", UNKNOWN, *more, code=6)["error"]
        assert f"no card {UNKNOWN}" in error["message"]


def test_a_terminal_without_the_right_changes_nothing(active: Desk) -> None:
    assert active.run("terminal", "new", "other", "--rights", "identify", *active.authority).exit_code == 0
    before = active.ledger()
    error = active.facts(*card(active, "suspend", *at_hand(active), "--terminal", "other"), code=1)["error"]
    assert error["message"] == "terminal 'other' has no right suspend"
    assert active.run(*card(active, "suspend", *at_hand(active), "--terminal", "nobody")).exit_code == 6
    assert active.ledger() == before


@pytest.mark.parametrize("reason", ["", "Taro", "code 24727059608", "x" * 81, "紛失"])
def test_a_reason_is_plain_words(active: Desk, reason: str) -> None:
    before = active.ledger()
    assert active.run(*card(active, "suspend", "--reason", reason)).exit_code == 2
    assert active.ledger() == before


def test_a_chip_that_cannot_follow_is_refused_before_the_books_are_touched(active: Desk) -> None:
    """The chip is void, which its books (an older copy of them) do not know."""
    copy = active.folder / "older.sqlite"
    active.facts("ledger", "verify")
    shutil.copy(active.home / "ledger.sqlite", copy)
    active.facts(*card(active, "void", "--yes", *at_hand(active)))
    for end in ("-wal", "-shm"):
        (active.home / f"ledger.sqlite{end}").unlink(missing_ok=True)
    shutil.copy(copy, active.home / "ledger.sqlite")
    before = active.ledger()
    error = active.facts(*card(active, "suspend", *at_hand(active)), code=1)["error"]
    assert error["message"] == "the chip is void: it cannot be suspended; nothing was done"
    assert active.ledger() == before
    facts = active.facts(*card(active, "void", "--yes", *at_hand(active)))
    assert (facts["changed"], facts["status_on_chip"], facts["chip_behind"]) == (True, "void", False)


class Later(Desk):
    """The same desk when the card has expired."""

    @property
    def world(self) -> World:
        return replace(super().world, now=lambda: datetime(2036, 11, 22, 9, self.runs, tzinfo=UTC))


def test_an_expired_card_is_still_told(active: Desk) -> None:
    """Its certificates are over with it: it proves which card it is, and is taken out of use."""
    later = Later(active.folder, active.home)
    assert later.facts("ledger", "list", "--status", "expired")["cards"][0]["status"] == "expired"
    facts = later.facts(*card(later, "void", "--yes", *at_hand(later)))
    assert (facts["status"], facts["status_on_chip"]) == ("void", "void")
    error = later.facts("password", "reset", "--reader", later.reader, *later.holder, *later.authority, code=1)["error"]
    assert "void" in error["message"]


def test_a_card_that_expired_before_it_was_taken_over_is_not_handed_over(awaiting: Desk) -> None:
    later = Later(awaiting.folder, awaiting.home)
    words = ("handover", "--reader", later.reader, *later.authority, *later.holder)
    assert "expired on 2036-11-20" in later.facts(*words, code=1)["error"]["message"]


def pulled(monkeypatch: pytest.MonkeyPatch, at: int, *, executed: bool) -> None:
    """The card is pulled out of the reader at its command of that number."""
    connect = Session.connect
    monkeypatch.setattr(
        Session, "connect", lambda session, spec: PulledReader(connect(session, spec), at, executed=executed)
    )


@pytest.mark.parametrize("executed", [False, True], ids=["not executed", "executed"])
def test_a_card_pulled_at_any_command_is_finished_by_the_same_command(
    offices: Offices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, executed: bool
) -> None:
    seen = set()
    for number in range(1, 40):
        folder = tmp_path / str(number)
        folder.mkdir()
        desk = Desk.at(offices, Stage.ACTIVE, folder)
        words = card(desk, "suspend", *at_hand(desk))
        with monkeypatch.context() as patched:
            pulled(patched, number, executed=executed)
            result = desk.run(*words)
        if result.exit_code == 0:
            break
        assert result.exit_code == 3, result.output
        (listed,) = desk.facts("ledger", "list")["cards"]
        seen.add((listed["status"], BEHIND in result.stderr))
        assert desk.facts(*words)["status_on_chip"] == "suspended"
        assert events(desk) == [Event.SUSPENDED, Event.ON_CHIP]
    else:
        pytest.fail("it never ended")
    assert seen == {("active", False), ("suspended", True)}


def test_a_card_whose_issue_was_never_finished_is_given_up(blank: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("issue", blank.record, "--face", "A", "--reader", blank.reader, *blank.authority)
    with monkeypatch.context() as patched:
        pulled(patched, 40, executed=False)
        assert blank.run(*words).exit_code == 3
    (unfinished,) = blank.facts("ledger", "list")["cards"]
    assert unfinished["status"] == "personalising"
    assert (
        "its chip takes no such command"
        in (blank.facts(*card(blank, "void", "--yes", *at_hand(blank)), code=1)["error"]["message"])
    )
    assert blank.facts(*card(blank, "void", "--yes"))["status"] == "spoilt"
    assert "spoilt" in blank.facts(*words, code=1)["error"]["message"]  # the chip is not used again


def test_authoritys_password_file(active: Desk) -> None:
    """Without a reader no key is needed, and none is asked for."""
    wrong = ("--authority-password-file", str(private_file(active.folder / "other.txt", AUTHORITY_PASSWORD + "x")))
    assert active.run(*card(active, "suspend", *wrong)).exit_code == 0
