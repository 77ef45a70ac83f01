"""`juki ledger`: what the books tell, how to go on, and that nothing in them is changed unnoticed."""

from __future__ import annotations

import json
import sqlite3

import pytest

from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.ledger.group import CardTerms, Resident
from jukicard.issuer.ledger.rules import Event
from jukicard.issuer.records.resident import RecordRules, load_json
from tests.support.desk import Desk
from tests.support.issued import AUTHORITY_PASSWORD, RECORD, TODAY

SERIAL = "799201000000001"
TAMPERING = {
    "edit": ("UPDATE events SET detail = replace(detail, '2036', '2046') WHERE id = 1", "entry 1:"),
    "gap": ("DELETE FROM events WHERE id = 7", "entry 7 of the ledger is missing"),
    "closed gap": ("DELETE FROM events WHERE id = 7; UPDATE events SET id = id - 1 WHERE id > 7", "entry 7:"),
    "reordering": (
        "UPDATE events SET id = 1000 WHERE id = 4; UPDATE events SET id = 4 WHERE id = 5;"
        "UPDATE events SET id = 5 WHERE id = 1000",
        "entry 4:",
    ),
    "cut tail": ("DELETE FROM events WHERE id > 40", "ends at entry 40, and the head kept elsewhere is entry "),
    "emptied": ("DELETE FROM events", "ends at entry 0"),
}


def test_the_list_says_where_every_card_stands(active: Desk) -> None:
    (card,) = active.facts("ledger", "list")["cards"]
    assert card.pop("chip")
    assert card == {
        "serial": SERIAL,
        "city_code": "99201",
        "face": "A",
        "issued_on": "2026-11-21",
        "expires": "2036-11-20",
        "status": "active",
        "expired": False,
        "chip_behind": False,
        "unfinished_step": None,
        "next": None,
    }
    lines = active.run("ledger", "list").stdout.splitlines()
    assert lines[0].split() == ["serial", "face", "issued", "expires", "status", "chip"]
    assert lines[1].split()[:5] == [SERIAL, "A", "2026-11-21", "2036-11-20", "active"]


def test_the_list_is_chosen_by_status(active: Desk) -> None:
    for status, number in (("active", 1), ("suspended", 0), ("expired", 0)):
        assert len(active.facts("ledger", "list", "--status", status)["cards"]) == number
    assert active.run("ledger", "list", "--status", "void").stdout == "No cards.\n"
    assert active.run("ledger", "list", "--status", "lost").exit_code == 2
    active.enter(Event.SUSPENDED)
    both = ("--status", "active", "--status", "suspended")
    assert [card["status"] for card in active.facts("ledger", "list", *both)["cards"]] == ["suspended"]


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ((Event.HANDOVER_STARTED,), "juki handover"),
        ((Event.HANDOVER_STARTED, Event.HANDED_OVER, Event.PASSWORD_RESET_STARTED), "juki password reset"),
        ((Event.HANDOVER_STARTED, Event.HANDED_OVER, Event.SUSPENDED), f"juki card suspend {SERIAL}"),
        ((Event.VOIDED,), f"juki card void {SERIAL}"),
    ],
)
def test_the_list_says_how_to_go_on(awaiting: Desk, events: tuple[Event, ...], words: str) -> None:
    for event in events:
        awaiting.enter(event)
    (card,) = awaiting.facts("ledger", "list")["cards"]
    assert card["next"].startswith(words)
    assert card["next"] in awaiting.run("ledger", "list").stdout


def test_an_order_that_was_never_begun_says_how_to_go_on(blank: Desk) -> None:
    with Authority.open(blank.home, AUTHORITY_PASSWORD) as authority:
        terms = CardTerms("99201", "A", TODAY, TODAY)
        authority.ledger.order(terms, Resident("ab" * 32, None), blank.world.now())
    (card,) = blank.facts("ledger", "list")["cards"]
    assert card["next"] == f"juki issue with the same record goes on; juki card void {SERIAL} gives the card up"


def test_one_card_is_shown_entry_by_entry_with_nothing_personal(active: Desk) -> None:
    facts = active.facts("ledger", "show", SERIAL)
    entries = facts["entries"]
    assert [entry["entry"] for entry in entries] == list(range(1, len(active.ledger()) + 1))
    assert entries[0]["details"] == {
        "city": "99201",
        "face": "A",
        "issued": "2026-11-21",
        "expires": "2036-11-20",
    }
    assert [entry["event"] for entry in entries[-2:]] == ["handover-started", "handed-over"]
    shown = active.run("ledger", "show", SERIAL).stdout
    assert "handed-over" in shown
    record = load_json(RECORD, RecordRules(TODAY))
    for secret in (record.resident_code.reveal(), record.name, record.address):
        assert secret not in active.printed
    assert "digest" not in shown


def test_a_card_that_the_books_do_not_have_is_not_shown(active: Desk) -> None:
    error = active.facts("ledger", "show", "799201000000009", code=6)["error"]
    assert "no card 799201000000009" in error["message"]


def test_verify_prints_the_head_and_finds_it_again(active: Desk) -> None:
    facts = active.facts("ledger", "verify")
    entries = facts["entries"]
    assert entries == len(active.ledger())
    assert facts["head"].startswith(f"{entries}:")
    active.enter(Event.SUSPENDED)
    kept = active.folder / "head.txt"
    kept.write_text(facts["head"] + "\n")
    for words in (("--head", facts["head"]), ("--head", facts["head"].partition(":")[2]), ("--head-file", str(kept))):
        later = active.facts("ledger", "verify", *words)
        assert (later["entries"], later["continues"]) == (entries + 1, True)
    assert active.run("ledger", "verify", "--head", "1", "--head-file", str(kept)).exit_code == 2
    kept.write_text("no head\n")
    assert active.run("ledger", "verify", "--head-file", str(kept)).exit_code == 6


@pytest.mark.parametrize("how", TAMPERING)
def test_tampering_is_found_and_named(active: Desk, how: str) -> None:
    head = active.facts("ledger", "verify")["head"]
    statement, found = TAMPERING[how]
    with sqlite3.connect(active.home / "ledger.sqlite") as raw:
        raw.executescript(f"DROP TRIGGER events_no_update; DROP TRIGGER events_no_delete; {statement}")
    raw.close()
    error = active.facts("ledger", "verify", "--head", head, code=6)["error"]
    assert found in error["message"]
    assert found in active.run("ledger", "verify", "--head", head).stderr


def test_a_page_of_the_file_overwritten_is_damage_not_a_bug(active: Desk) -> None:
    path = active.home / "ledger.sqlite"
    active.facts("ledger", "verify")
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    content = bytearray(path.read_bytes())
    content[4096 : 2 * 4096] = b"\xff" * 4096
    path.write_bytes(content)
    for words in (("verify",), ("list",), ("show", SERIAL)):
        assert json.loads(active.run("ledger", *words, "--json").stdout)["error"]["code"] == 6
