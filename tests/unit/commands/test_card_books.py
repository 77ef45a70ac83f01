"""`juki card endorse`, `destroy`, `expire`, and `void` with causes and of many cards at once."""

from __future__ import annotations

from datetime import date

import pytest

from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.counter.books import MAX_ENDORSEMENTS, void_expired
from jukicard.issuer.ledger.group import CardTerms, Resident
from jukicard.issuer.ledger.rules import Event, Status
from tests.support.desk import Desk
from tests.support.issued import TODAY

UNKNOWN = "799201000000009"


def message(desk: Desk, *arguments: str, code: int = 1) -> str:
    return str(desk.facts(*arguments, code=code)["error"]["message"])


def others(desk: Desk, *statuses: Status) -> list[str]:
    """Cards that only stand in the books, one for each status: ordered, awaiting their handover, or spoilt."""
    ways = {
        Status.ORDERED: (),
        Status.SPOILT: (Event.BOUND, Event.SPOILT),
        Status.AWAITING_HANDOVER: (
            Event.BOUND,
            Event.PERSONALISING,
            Event.READ_BACK,
            Event.CLOSED,
            Event.AWAITING_HANDOVER,
        ),
    }
    serials = []
    with Authority.open(desk.home) as authority, authority.ledger.writing() as group:
        for number, status in enumerate(statuses):
            now = desk.world.now()
            terms = CardTerms("99201", "A", TODAY, date(2036, 11, 20))
            serial = group.order(terms, Resident(f"{number:064x}", None), now)
            for event in ways[status]:
                details = {Event.BOUND: {"chip": f"0{number}"}, Event.SPOILT: {"reason": "no"}}
                group.append(serial, event, now, details.get(event, {}))
            serials.append(serial)
    return serials


def test_the_back_has_room_for_four_changes(active: Desk) -> None:
    for number in range(1, MAX_ENDORSEMENTS + 1):
        facts = active.facts("card", "endorse", active.serial, "--field", "address")
        assert (facts["endorsements"], facts["room_left"]) == (number, MAX_ENDORSEMENTS - number)
    said = message(active, "card", "endorse", active.serial, "--field", "name")
    assert "full after 4 changes: let its holder apply for a replacement" in said
    assert active.ledger()[-1].detail == {"field": "address"}


def test_only_an_active_card_is_written_on(awaiting: Desk) -> None:
    before = awaiting.ledger()
    assert "is awaiting-handover" in message(awaiting, "card", "endorse", awaiting.serial, "--field", "alias")
    assert awaiting.ledger() == before


def test_a_cause_is_kept_and_a_void_card_destroyed(active: Desk) -> None:
    assert "is active: only a void or spoilt" in message(active, "card", "destroy", active.serial, "--yes")
    active.facts("card", "void", active.serial, "--cause", "returned", "--yes")
    assert active.ledger()[-1].detail == {"cause": "returned"}
    assert active.facts("card", "destroy", active.serial, "--yes") == {"serial": active.serial, "status": "destroyed"}
    assert "is destroyed" in message(active, "card", "void", active.serial, "--yes")
    assert "has no card" in message(active, "card", "destroy", UNKNOWN, "--yes", code=6)


def test_many_are_made_void_at_once_or_none(active: Desk) -> None:
    waiting, ordered = others(active, Status.AWAITING_HANDOVER, Status.ORDERED)
    listed = active.folder / "serials.txt"
    void = ("card", "void", "--from-file", str(listed), "--cause", "code-changed", "--yes")
    listed.write_text(f"{active.serial}\n\n{ordered}\n{waiting}\n", encoding="ascii")
    before = active.ledger()
    assert message(active, *void).splitlines()[1:] == [f"card {ordered} is ordered"]
    assert active.ledger() == before
    listed.write_text(f"{active.serial}\n{waiting}\n{waiting}\n", encoding="ascii")
    assert active.facts(*void) == {"voided": [active.serial, waiting], "already": []}
    assert [entry.detail for entry in active.ledger()[-2:]] == [{"cause": "code-changed"}] * 2
    assert active.facts(*void) == {"voided": [], "already": [active.serial, waiting]}


@pytest.mark.parametrize("more", [(), ("--cause", "lost", "--reader", "pcsc:"), ("799201000000001", "--cause", "lost")])
def test_many_at_once_need_a_cause_and_no_card(blank: Desk, more: tuple[str, ...]) -> None:
    (blank.folder / "serials.txt").write_text("")
    result = blank.run("card", "void", "--from-file", str(blank.folder / "serials.txt"), "--yes", *more)
    assert result.exit_code == 2
    assert blank.run("card", "void", "--yes").exit_code == 2


def test_the_sweep_makes_void_what_has_expired(active: Desk) -> None:
    spoilt, waiting = others(active, Status.SPOILT, Status.AWAITING_HANDOVER)
    assert active.facts("card", "expire") == {"voided": [], "already": []}
    with Authority.open(active.home) as authority:
        assert void_expired(authority, date(2036, 11, 20), active.world.now).voided == ()
        outcome = void_expired(authority, date(2036, 11, 21), active.world.now)
        assert outcome.voided == (active.serial, waiting)
        assert authority.ledger.card(active.serial).facts["cause"] == "expired"
        assert authority.ledger.card(spoilt).status is Status.SPOILT
