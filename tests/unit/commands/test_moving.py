"""`juki card move` and `moved`: a card used on in another city, and what each city's books say of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jukicard.applets.juki.client import JukiClient
from jukicard.iso7816.errors import CardRemoved
from jukicard.issuer.ledger.rules import BooksEvent, Event
from tests.support.desk import Desk, private_file
from tests.support.issued import AUTHORITY_PASSWORD, PASSWORD, RECORD

DAYS = ("--moved-out", "2026-11-01", "--moved-in", "2026-11-07", "--reported", "2026-11-21")
LATE = ("--moved-out", "2026-11-01", "--moved-in", "2026-11-06", "--reported", "2026-11-21")
PURPOSE = ("--purpose", "copy of the resident record")


@pytest.fixture(scope="module")
def cities(tmp_path_factory: pytest.TempPathFactory) -> tuple[Desk, Desk, str, str]:
    """The old city, which has issued a card and handed it over, the new one, the card's serial, and its file."""
    folder = tmp_path_factory.mktemp("cities")
    private_file(folder / "authority.txt", AUTHORITY_PASSWORD + "\n")
    private_file(folder / "holder.txt", PASSWORD + "\n")
    new, old = Desk(folder, folder / "new"), Desk(folder, folder / "old")
    national = ("--national", str(folder / "national"))
    secret = ("--national-password-file", new.authority[1])
    assert new.run("authority", "national", national[1], *new.authority).exit_code == 0
    for desk, code, name in ((new, "99202", "隣市"), (old, "99201", "見本市")):
        desk.facts("authority", "init", "--city-code", code, "--city-name", name, *national, *secret, *desk.authority)
    issued = old.facts("issue", str(RECORD), "--face", "A", "--out", str(folder), *old.authority)
    old.facts("handover", "--reader", f"emulator:{issued['card']}", *old.authority, *old.holder)
    return old, new, issued["serial"], issued["card"]


def at(desk: Desk, card: str, *, holder: bool = True) -> tuple[str, ...]:
    key = ("--storage-key", str(desk.folder / "old" / "storage.key"))
    return ("--reader", f"emulator:{card}", *key, *desk.authority, *(desk.holder if holder else ()))


def people(desk: Desk, *, empty: bool = False) -> str:
    """A register with the holder in it, or with nobody."""
    person = json.loads(RECORD.read_text(encoding="utf-8"))
    names = [name for name in person if name not in ("photo", "face", "braille")]
    rows = [names] if empty else [names, [person[name] for name in names]]
    path = desk.folder / ("nobody.csv" if empty else "people.csv")
    path.write_text("\n".join(map(",".join, rows)), encoding="utf-8")
    return str(path)


def refused(desk: Desk, *arguments: str) -> str:
    return str(desk.facts(*arguments, code=1)["error"]["message"])


def books(facts: dict[str, Any]) -> str:
    return next(str(step["proof"]) for step in facts["steps"] if step["step"] == "books")


def test_a_card_moves_with_its_holder_and_back(
    cities: tuple[Desk, Desk, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new, serial, card = cities
    assert "more than 14 days after moving in" in refused(new, "card", "move", *at(new, card), *LATE)
    assert "is this municipality's already" in refused(old, "card", "move", *at(old, card), *DAYS)
    assert new.ledger() == ()
    found = new.facts("identify", *at(new, card), *PURPOSE, "--register", people(new))
    assert (found["city_code"], found["sex"]) == ("99201", "male")
    (noted,) = new.ledger()
    assert (noted.serial, noted.event, noted.detail) == (
        serial,
        BooksEvent.FOREIGN_LOOKED_UP,
        {"purpose": PURPOSE[1]},
    )
    with monkeypatch.context() as patch:  # the card is pulled when the books have it already
        patch.setattr(JukiClient, "move", lambda self, city: (_ for _ in ()).throw(CardRemoved("pulled")))
        assert new.run("card", "move", *at(new, card), *DAYS).exit_code == 3
    (waiting,) = new.facts("ledger", "list")["cards"]
    assert (waiting["unfinished_step"], waiting["issued_on"], waiting["city_code"]) == ("move", "2026-11-21", "99201")
    assert "juki card move" in waiting["next"]
    moved = new.facts("card", "move", *at(new, card), *DAYS)
    assert moved == {"serial": serial, "status": "active", "moved_from": "99201", "moved_to": None, "next": None}
    assert [entry.event for entry in new.ledger()][1:] == [Event.TAKEN_OVER, Event.STEP_DONE]
    assert "already" in refused(new, "card", "move", *at(new, card), *DAYS)

    assert "until 2036-11-20" in books(new.facts("auth", *at(new, card)))
    assert "until 2036-11-20" in books(old.facts("auth", *at(old, card)))  # nobody has told the old city yet
    assert "is 99202's now" in refused(old, "card", "suspend", serial, *at(old, card, holder=False))
    told = old.facts("card", "moved", serial, "--to", "992029", *DAYS, code=2)
    assert "check digit" in told["error"]["message"]
    assert "make" in refused(old, "card", "moved", serial, "--to", "99202", *LATE)
    assert "this municipality" in refused(old, "card", "moved", serial, "--to", "99201", *DAYS)
    assert old.facts("card", "moved", serial, "--to", "99202", *DAYS)["status"] == "moved-away"
    assert "not asked: a card of 99202" in books(old.facts("auth", *at(old, card)))
    assert "only an active card moves" in refused(old, "card", "moved", serial, "--to", "99202", *DAYS)

    new.facts("password", "reset", "--reader", f"emulator:{card}", *at(new, card)[2:])
    new.facts("card", "suspend", serial)
    assert new.facts("auth", *at(new, card), code=1)["status"] == "suspended"
    new.facts("card", "resume", serial, *at(new, card, holder=False))

    assert old.facts("card", "move", *at(old, card), *DAYS)["status"] == "active"
    assert "until 2036-11-20" in books(old.facts("auth", *at(old, card)))
    for desk in cities[:2]:
        desk.facts("ledger", "verify")


def test_the_old_citys_books_refuse_a_card_that_was_not_taken_along(active: Desk) -> None:
    """Its chip still says the old city, whose books know better; without continued use it becomes void."""
    active.facts("card", "moved", active.serial, "--to", "99202", *DAYS)
    auth = active.facts("auth", "--reader", active.reader, *active.authority, *active.holder, code=1)
    assert f"in the ledger card {active.serial} is moved away" in auth["error"]["message"]
    active.facts("card", "void", active.serial, "--cause", "moved-away", "--yes")
    assert active.facts("ledger", "show", active.serial)["entries"][-1]["details"] == {"cause": "moved-away"}


def test_the_holder_is_identified_and_the_books_say_for_what(active: Desk) -> None:
    person = json.loads(RECORD.read_text(encoding="utf-8"))
    identify = ("identify", "--reader", active.reader, *active.authority, *active.holder, *PURPOSE, "--register")
    assert active.facts(*identify, people(active)) == {
        "serial": active.serial,
        "city_code": "99201",
        "name": person["name"],
        "birth_date": "1965-04-03",
        "sex": "male",
        "address": person["address"],
        "purpose": PURPOSE[1],
    }
    last = active.ledger()[-1]
    assert (last.serial, last.event, last.detail) == (active.serial, Event.LOOKED_UP, {"purpose": PURPOSE[1]})
    assert "has nobody with the resident code" in refused(active, *identify, people(active, empty=True))
    assert active.ledger()[-1].event is Event.LOOKED_UP
    assert active.run(*identify, people(active), "--purpose", "Taro 1").exit_code == 2
    before = active.ledger()
    wrong = ("identify", "--reader", active.reader, *active.authority, *PURPOSE, "--register", people(active))
    active.facts(*wrong, *active.wrong, code=4)
    assert active.ledger() == before
