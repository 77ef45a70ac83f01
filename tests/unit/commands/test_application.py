"""`juki application …` and `juki issue --application`: from the window to the handover, and what is kept meanwhile."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.counter.applications import erase_expired
from jukicard.issuer.ledger.rules import Event
from tests.support.desk import Desk
from tests.support.issued import RECORD, TODAY

HANAKO = RECORD.with_name("hanako.json")
FIRST, SECOND = "799201000000001", "799201000000002"


def application(desk: Desk, verb: str, *more: str, code: int = 0) -> dict[str, object]:
    return desk.facts("application", verb, *more, code=code)


def receive(desk: Desk, *more: str, record: Path = RECORD, code: int = 0) -> dict[str, object]:
    return application(desk, "receive", str(record), *desk.authority, *more, code=code)


def message(facts: dict[str, object]) -> str:
    error = facts["error"]
    assert isinstance(error, dict)
    return str(error["message"])


def events(desk: Desk, serial: str) -> list[Event]:
    return [entry.event for entry in desk.ledger() if entry.serial == serial]  # type: ignore[misc]


def confirmed(desk: Desk, *more: str, record: Path = RECORD) -> str:
    """An application by somebody whom the window has identified."""
    serial = str(receive(desk, *more, record=record)["serial"])
    application(desk, "examine", serial, "--by-hand")
    application(desk, "confirm", serial, "--document", "passport")
    return serial


def register(desk: Desk, **changes: str) -> str:
    person = {**json.loads(HANAKO.read_text(encoding="utf-8")), **changes}
    names = [name for name in person if name not in ("photo", "face", "braille")]
    path = desk.folder / "people.csv"
    path.write_text("\n".join(",".join(row) for row in (names, [person[name] for name in names])), encoding="utf-8")
    return str(path)


def sealed(desk: Desk, serial: str) -> bytes | None:
    with Authority.open(desk.home) as authority:
        return authority.ledger.sealed(serial)


def test_by_letter_from_the_window_to_the_holder(blank: Desk) -> None:
    """Face B: the photo is kept too, and the card is made from nothing but what was kept."""
    assert receive(blank, record=HANAKO) == {
        "serial": FIRST,
        "status": "applied",
        "kind": "new",
        "replaces": None,
        "document": None,
        "next": f"juki application examine {FIRST}",
    }
    issue = ("issue", "--application", FIRST, "--reader", blank.reader, *blank.authority)
    assert "is applied: confirm it" in message(blank.facts(*issue, code=1))
    wrong = register(blank, address="別の町1番", sex="male")
    refused = application(blank, "examine", FIRST, "--register", wrong, *blank.authority, code=1)
    assert message(refused) == f"application {FIRST}: the register differs in sex, address; it is as it was"
    right = register(blank, name="見本　 花子")
    assert application(blank, "examine", FIRST, "--register", right, *blank.authority)["status"] == "examined"
    application(blank, "enquire", FIRST)
    application(blank, "enquire", FIRST)
    assert application(blank, "answer", FIRST)["next"] == f"juki issue --application {FIRST}"
    reading = ("--braille-reading", "ミホン　ハナコ")
    made = blank.facts(*issue, "--out", str(blank.folder / "faces"), *reading)
    assert made["serial"] == FIRST
    assert Path(made["face_pdf"]).exists()
    application(blank, "notice", FIRST)
    assert sealed(blank, FIRST) is not None
    blank.facts("handover", "--reader", blank.reader, *blank.authority, *blank.holder)
    assert sealed(blank, FIRST) is None
    assert events(blank, FIRST)[-2:] == [Event.HANDED_OVER, Event.ERASED]
    assert "花子" not in str(blank.ledger())
    blank.facts("ledger", "verify")


def test_a_lost_card_is_void_once_its_replacement_is_ordered(active: Desk) -> None:
    serial = confirmed(active, "--kind", "lost", "--replaces", FIRST)
    assert serial == SECOND
    out = ("--out", str(active.folder / "out"))
    active.facts("issue", "--application", serial, *out, *active.authority)
    shown = active.facts("ledger", "show", FIRST)
    assert shown["status"] == "void"
    assert shown["entries"][-1]["details"] == {"cause": "lost", "replaced_by": SECOND}


def test_a_spoilt_card_is_made_again_from_what_is_kept(active: Desk) -> None:
    """The new card keeps what it replaces, which is void at the handover, not before."""
    serial = confirmed(active, "--kind", "damaged", "--replaces", FIRST)
    desk = Desk(active.folder, active.home)
    with Authority.open(desk.home) as authority:
        now = desk.world.now
        with authority.ledger.writing() as group:
            group.order_applied(serial, TODAY, date(2036, 11, 20), now())
        authority.ledger.append(serial, Event.BOUND, now(), {"chip": "0B"})
        authority.ledger.append(serial, Event.SPOILT, now(), {"reason": "the chip refused"})
    out = ("--out", str(active.folder / "out"))
    made = active.facts("issue", "--application", serial, *out, *active.authority)
    third = "799201000000003"
    assert made["serial"] == third
    assert events(active, serial)[-2:] == [Event.SPOILT, Event.ERASED]
    assert active.facts("ledger", "show", FIRST)["status"] == "active"
    assert "is made already" in message(active.facts("issue", "--application", serial, *out, *active.authority, code=1))
    active.facts("handover", "--reader", f"emulator:{made['card']}", *active.authority, *active.holder)
    shown = active.facts("ledger", "show", FIRST)
    assert (shown["status"], shown["entries"][-1]["details"]["replaced_by"]) == ("void", third)
    assert (sealed(active, serial), sealed(active, third)) == (None, None)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "nobody has two"),
        (("--kind", "lost"), "replaces a card"),
        (("--replaces", FIRST), "unless it is for a new one"),
        (("--kind", "expired", "--replaces", FIRST), "no case of expired"),
        (("--kind", "lost", "--replaces", "799201000000009"), "has no card"),
    ],
)
def test_what_cannot_be_applied_for_leaves_nothing(active: Desk, arguments: tuple[str, ...], said: str) -> None:
    before = active.ledger()
    code = 6 if "no card" in said else 1
    assert said in message(receive(active, *arguments, code=code))
    assert active.ledger() == before
    assert sealed(active, SECOND) is None


def test_out_of_turn_is_refused_with_the_reason(blank: Desk) -> None:
    receive(blank)
    for verb, more in (("answer", ()), ("enquire", ()), ("confirm", ("--document", "passport")), ("notice", ())):
        assert f"card {FIRST} is applied: " in message(application(blank, verb, FIRST, *more, code=1))
    assert "withdraw, refuse or void it" in message(application(blank, "erase", FIRST, code=1))
    assert blank.run("application", "examine", FIRST).exit_code == 2
    assert blank.run("issue", "--application", FIRST, "--face", "A").exit_code == 2


def test_a_refusal_and_a_withdrawal_end_it(blank: Desk) -> None:
    receive(blank)
    assert application(blank, "refuse", FIRST, "--reason", "not a resident")["status"] == "refused"
    receive(blank)
    assert application(blank, "withdraw", SECOND)["status"] == "cancelled"
    assert "no application any more" in message(application(blank, "withdraw", SECOND, code=1))
    for serial in (FIRST, SECOND):
        assert sealed(blank, serial) is None
        assert "no personal data" in message(application(blank, "erase", serial, code=1))
    issue = ("issue", "--application", FIRST, "--out", str(blank.folder / "out"), *blank.authority)
    assert "no personal data are kept" in message(blank.facts(*issue, code=1))


def test_a_photo_that_is_too_large_is_refused(blank: Desk) -> None:
    photo = blank.folder / "photo.png"
    photo.write_bytes(HANAKO.with_name("portrait-drawn.png").read_bytes() + bytes(4_000_000))
    facts = receive(blank, "--photo", str(photo), record=HANAKO, code=7)
    assert "is larger than 4000000 bytes" in message(facts)
    assert blank.ledger() == ()


def test_what_was_kept_for_a_year_goes(blank: Desk) -> None:
    receive(blank)
    confirmed(blank, record=HANAKO)
    assert application(blank, "expire") == {"erased": [], "given_up": [], "unfinished": []}
    with Authority.open(blank.home) as authority:
        with authority.ledger.writing() as group:
            group.order_applied(SECOND, TODAY, date(2036, 11, 20), blank.world.now())
        last = date(2027, 11, 21)
        assert erase_expired(authority, last, blank.world.now).given_up == ()
        outcome = erase_expired(authority, date(2027, 11, 22), blank.world.now)
        assert (outcome.erased, outcome.given_up, outcome.unfinished) == ((), (FIRST,), (SECOND,))
        authority.ledger.append(SECOND, Event.BOUND, blank.world.now(), {"chip": "0B"})
        authority.ledger.append(SECOND, Event.SPOILT, blank.world.now(), {"reason": "given up"})
        assert erase_expired(authority, date(2027, 11, 22), blank.world.now).erased == (SECOND,)
        authority.ledger.verify()
    assert (sealed(blank, FIRST), sealed(blank, SECOND)) == (None, None)
