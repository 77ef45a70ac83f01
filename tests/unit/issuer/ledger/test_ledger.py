"""The books: what may follow what, what may be written, and that nothing written is lost or changed unnoticed."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from jukicard.issuer.errors import LedgerDamaged, LedgerError, TransitionRefused
from jukicard.issuer.ledger import projection
from jukicard.issuer.ledger.chain import GENESIS
from jukicard.issuer.ledger.group import CardTerms, Resident
from jukicard.issuer.ledger.ledger import Ledger
from jukicard.issuer.ledger.rules import TRANSITIONS, Event, Status

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
DIGEST = "ab" * 32


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.create(tmp_path / "ledger.sqlite") as made:
        yield made


_residents = (f"{number:064x}" for number in itertools.count())


def order(ledger: Ledger, digest: str | None = None, face: str = "A") -> str:
    """A card, by default of a resident who has none."""
    terms = CardTerms("99201", face, date(2026, 11, 21), date(2036, 11, 20))
    return ledger.order(terms, Resident(digest or next(_residents), None), NOW)


HAPPY: list[tuple[Event, dict[str, str], Status]] = [
    (Event.BOUND, {"chip": "0102030405060708"}, Status.BOUND),
    (Event.PERSONALISING, {}, Status.PERSONALISING),
    (Event.STEP_STARTED, {"step": "replace-keys"}, Status.PERSONALISING),
    (Event.STEP_DONE, {"step": "replace-keys"}, Status.PERSONALISING),
    (Event.READ_BACK, {}, Status.READ_BACK),
    (Event.CLOSED, {}, Status.CLOSED),
    (Event.FACE_WRITTEN, {}, Status.FACE_WRITTEN),
    (Event.MATCHED, {}, Status.MATCHED),
    (Event.AWAITING_HANDOVER, {}, Status.AWAITING_HANDOVER),
    (Event.HANDOVER_STARTED, {}, Status.HANDING_OVER),
    (Event.HANDED_OVER, {}, Status.ACTIVE),
    (Event.SUSPENDED, {"reason": "reported lost"}, Status.SUSPENDED),
    (Event.RESUMED, {}, Status.ACTIVE),
    (Event.VOIDED, {}, Status.VOID),
]


def walk(ledger: Ledger, serial: str, until: Status) -> None:
    for event, detail, status in HAPPY:
        assert ledger.append(serial, event, NOW, detail).status is status
        if status is until and event is not Event.STEP_STARTED:
            return


def test_a_cards_whole_life(ledger: Ledger) -> None:
    serial = order(ledger)
    assert ledger.card(serial).status is Status.ORDERED
    walk(ledger, serial, Status.VOID)
    state = ledger.card(serial)
    assert (state.city_code, state.face, state.chip) == ("99201", "A", "0102030405060708")
    assert (state.issued_on, state.expires) == (date(2026, 11, 21), date(2036, 11, 20))
    assert state.steps_done == ("replace-keys",)
    assert DIGEST not in repr(state)
    assert [e.event for e in ledger.entries(serial)] == [Event.ORDERED, *(event for event, _, _ in HAPPY)]


def test_serials_are_fifteen_digits_and_never_twice(ledger: Ledger, tmp_path: Path) -> None:
    first = order(ledger)
    with Ledger.open(tmp_path / "ledger.sqlite") as again:
        second = order(again)
    third = order(ledger)
    assert [first, second, third] == ["799201000000001", "799201000000002", "799201000000003"]


# Every pair of status and event that is allowed, written by hand from the profile's issuing steps.
ALLOWED = {
    Status.APPLIED: {Event.EXAMINED, Event.REFUSED, Event.CANCELLED},
    Status.EXAMINED: {Event.ENQUIRY_SENT, Event.IDENTIFIED, Event.REFUSED, Event.CANCELLED},
    Status.ENQUIRED: {
        Event.ENQUIRY_SENT,
        Event.ENQUIRY_ANSWERED,
        Event.IDENTIFIED,
        Event.REFUSED,
        Event.CANCELLED,
    },
    Status.CONFIRMED: {Event.ORDERED, Event.REFUSED, Event.CANCELLED},
    Status.REFUSED: {Event.ERASED},
    Status.ORDERED: {Event.BOUND, Event.CANCELLED},
    Status.BOUND: {Event.PERSONALISING, Event.SPOILT, Event.CANCELLED},
    Status.PERSONALISING: {Event.STEP_STARTED, Event.STEP_DONE, Event.READ_BACK, Event.SPOILT},
    Status.READ_BACK: {Event.STEP_STARTED, Event.STEP_DONE, Event.CLOSED, Event.SPOILT},
    Status.CLOSED: {
        Event.STEP_STARTED,
        Event.STEP_DONE,
        Event.FACE_WRITTEN,
        Event.MATCHED,
        Event.AWAITING_HANDOVER,
        Event.SPOILT,
    },
    Status.FACE_WRITTEN: {
        Event.STEP_STARTED,
        Event.STEP_DONE,
        Event.MATCHED,
        Event.AWAITING_HANDOVER,
        Event.SPOILT,
    },
    Status.MATCHED: {Event.STEP_STARTED, Event.STEP_DONE, Event.AWAITING_HANDOVER, Event.SPOILT},
    Status.AWAITING_HANDOVER: {
        Event.NOTICE_SENT,
        Event.HANDOVER_STARTED,
        Event.VOIDED,
        Event.SPOILT,
        Event.ERASED,
    },
    Status.HANDING_OVER: {
        Event.HANDOVER_STARTED,
        Event.HANDOVER_ABANDONED,
        Event.STEP_STARTED,
        Event.STEP_DONE,
        Event.HANDED_OVER,
        Event.VOIDED,
        Event.SPOILT,
        Event.ERASED,
    },
    Status.ACTIVE: {
        Event.SUSPENDED,
        Event.MOVED,
        Event.LOOKED_UP,
        Event.STEP_DONE,
        Event.ENDORSED,
        Event.VOIDED,
        Event.ON_CHIP,
        Event.ERASED,
        Event.PASSWORD_RESET_STARTED,
        Event.PASSWORD_RESET,
        Event.CERTIFIED,
        Event.UNCERTIFIED,
    },
    Status.SUSPENDED: {Event.RESUMED, Event.VOIDED, Event.ON_CHIP, Event.ERASED, Event.UNCERTIFIED},
    Status.MOVED_AWAY: {Event.TAKEN_OVER, Event.VOIDED, Event.UNCERTIFIED},
    Status.VOID: {Event.ON_CHIP, Event.DESTROYED, Event.ERASED},
    Status.SPOILT: {Event.DESTROYED, Event.ERASED},
    Status.CANCELLED: {Event.ERASED},
    Status.DESTROYED: {Event.ERASED},
}


def test_the_table_is_what_the_profile_says() -> None:
    assert set(ALLOWED) == set(Status)
    assert set(TRANSITIONS) == set(Event)
    for status, events in ALLOWED.items():
        assert {event for event, t in TRANSITIONS.items() if status in t.sources} == events


@pytest.mark.parametrize("status", [s for _, _, s in HAPPY if s is not Status.VOID])
def test_events_that_cannot_follow_change_nothing(ledger: Ledger, status: Status) -> None:
    serial = order(ledger)
    walk(ledger, serial, status)
    before = ledger.entries()
    day = "2026-11-21"
    detail = {"step": "x", "chip": "00", "reason": "no", "document": "passport", "field": "address"}
    detail |= {"moved_to": "99202", "moved_out": day, "moved_in": day, "reported": day}
    detail |= {"moved_from": "99202", "issued": day, "expires": day, "purpose": "a loan"}
    detail |= {"certificate": "0a", "usage": "signature", "revocation": "superseded"}
    for event in set(Event) - ALLOWED[status] - {Event.ORDERED, Event.APPLIED, Event.TAKEN_OVER}:
        with pytest.raises(TransitionRefused, match=serial):
            ledger.append(serial, event, NOW, detail)
    assert ledger.entries() == before


def test_unknown_cards(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="has no card"):
        ledger.card("799201000000009")
    with pytest.raises(TransitionRefused, match="not in the ledger"):
        ledger.append("799201000000009", Event.BOUND, NOW, {"chip": "00"})
    with pytest.raises(TransitionRefused, match="ordering"):
        ledger.append("799201000000009", Event.ORDERED, NOW, {})


def test_steps_come_in_pairs_and_are_resumed_by_name(ledger: Ledger) -> None:
    serial = order(ledger)
    walk(ledger, serial, Status.PERSONALISING)
    step = {"step": "write-code"}
    with pytest.raises(TransitionRefused, match="none"):
        ledger.append(serial, Event.STEP_DONE, NOW, step)
    assert ledger.append(serial, Event.STEP_STARTED, NOW, step).pending == "write-code"
    assert ledger.append(serial, Event.STEP_STARTED, NOW, step).pending == "write-code"
    for event, detail in (
        (Event.STEP_STARTED, {"step": "other"}),
        (Event.STEP_DONE, {"step": "other"}),
        (Event.READ_BACK, {}),
    ):
        with pytest.raises(TransitionRefused, match="write-code"):
            ledger.append(serial, event, NOW, detail)
    state = ledger.append(serial, Event.STEP_DONE, NOW, step)
    assert (state.pending, state.steps_done) == (None, ("write-code",))


def test_unfinished_cards_are_listed(ledger: Ledger) -> None:
    statuses = [Status.BOUND, Status.PERSONALISING, Status.CLOSED, Status.AWAITING_HANDOVER, Status.HANDING_OVER]
    serials = {status: order(ledger) for status in statuses}
    for status, serial in serials.items():
        walk(ledger, serial, status)
    ordered, spoilt = order(ledger), serials[Status.CLOSED]
    ledger.append(spoilt, Event.SPOILT, NOW, {"reason": "read back differs", "sw": "6982"})
    unfinished = {state.serial: state.status for state in ledger.unfinished()}
    assert unfinished == {
        serials[Status.BOUND]: Status.BOUND,
        serials[Status.PERSONALISING]: Status.PERSONALISING,
        serials[Status.HANDING_OVER]: Status.HANDING_OVER,
        ordered: Status.ORDERED,
    }
    assert len(ledger.cards()) == 6


def test_a_spoilt_card_has_nothing_pending(ledger: Ledger) -> None:
    serial = order(ledger)
    walk(ledger, serial, Status.PERSONALISING)
    ledger.append(serial, Event.STEP_STARTED, NOW, {"step": "write-code"})
    state = ledger.append(serial, Event.SPOILT, NOW, {"reason": "card removed"})
    assert (state.status, state.pending, state.is_unfinished) == (Status.SPOILT, None, False)


def test_cards_of_one_resident_code(ledger: Ledger) -> None:
    first, other = order(ledger, DIGEST), order(ledger, "cd" * 32)
    ledger.append(first, Event.CANCELLED, NOW)
    second = order(ledger, DIGEST, face="B")
    assert [s.serial for s in ledger.cards_for(DIGEST)] == [first, second]
    assert [s.serial for s in ledger.cards_for("cd" * 32)] == [other]
    assert ledger.cards_for("%") == ()


def test_expiry_follows_from_the_date(ledger: Ledger) -> None:
    state = ledger.card(order(ledger))
    assert not state.is_expired(date(2036, 11, 20))
    assert state.is_expired(date(2036, 11, 21))


@pytest.mark.parametrize(
    ("event", "detail"),
    [
        (Event.BOUND, {}),
        (Event.BOUND, {"chip": "xyz"}),
        (Event.BOUND, {"chip": "00", "name": "taro"}),
        (Event.BOUND, {"chip": "00", "reason": "見本　太郎"}),
        (Event.BOUND, {"chip": "00", "reason": "code 24727059608"}),
        (Event.BOUND, {"chip": "00", "code_digest": "24727059608"}),
        (Event.CANCELLED, {"reason": "x" * 81}),
    ],
)
def test_nothing_personal_gets_in(ledger: Ledger, event: Event, detail: dict[str, str]) -> None:
    serial = order(ledger)
    with pytest.raises(LedgerError) as caught:
        ledger.append(serial, event, NOW, detail)
    assert not any(value in str(caught.value) for value in detail.values() if len(value) > 2)
    assert len(ledger.entries()) == 1


def test_impossible_dates_and_times_without_zone(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="zone"):
        ledger.append(order(ledger), Event.CANCELLED, datetime(2026, 1, 1))
    with pytest.raises(LedgerError):
        ledger.order(CardTerms("9920", "A", date(2026, 1, 1), date(2026, 1, 1)), Resident(DIGEST, None), NOW)


def test_times_are_kept_in_utc(ledger: Ledger) -> None:
    serial = order(ledger)
    ledger.append(serial, Event.CANCELLED, datetime(2026, 11, 21, 21, 0, tzinfo=timezone(timedelta(hours=9))))
    assert ledger.entries()[-1].at == NOW
    assert ledger.entries()[-1].at.utcoffset() == timedelta(0)


def test_the_file_is_private_and_append_only(ledger: Ledger, tmp_path: Path) -> None:
    order(ledger)
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name
    raw = sqlite3.connect(tmp_path / "ledger.sqlite")
    for statement in ("DELETE FROM events", "UPDATE events SET subject = '1'"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            raw.execute(statement)
    raw.close()


def test_opening_what_is_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="cannot be read"):
        Ledger.open(tmp_path / "none")
    junk = tmp_path / "junk"
    junk.write_bytes(b"junk" * 1000)
    junk.chmod(0o600)
    with pytest.raises(LedgerDamaged, match="not a database"):
        Ledger.open(junk)
    other = tmp_path / "other"
    sqlite3.connect(other).execute("CREATE TABLE x (y)").connection.close()
    other.chmod(0o600)
    with pytest.raises(LedgerError, match="no ledger of version"):
        Ledger.open(other)
    other.chmod(0o640)
    with pytest.raises(LedgerError, match="private"):
        Ledger.open(other)
    with pytest.raises(LedgerError, match="cannot be made"):
        Ledger.create(junk)
    assert junk.read_bytes() == b"junk" * 1000


def tampered(path: Path, statement: str) -> Ledger:
    raw = sqlite3.connect(path)
    raw.executescript(f"DROP TRIGGER events_no_update; DROP TRIGGER events_no_delete; {statement}")
    raw.close()
    return Ledger.open(path)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE events SET detail = replace(detail, 'A', 'B') WHERE id = 1", "entry 1"),
        ("UPDATE events SET time = replace(time, '2026', '2025') WHERE id = 2", "entry 2"),
        ("UPDATE events SET event = 'void' WHERE id = 2", "entry 2"),
        ("UPDATE events SET detail = '[]' WHERE id = 2", "entry 2"),
        ("UPDATE events SET digest = upper(digest) WHERE id = 3", "entry 3"),
        ("DELETE FROM events WHERE id = 2", "entry 2"),
        ("UPDATE events SET id = 99 WHERE id = 3", "entry 3"),
        ("DELETE FROM events WHERE id = 1; UPDATE events SET id = id - 1", "entry 1"),
        ("UPDATE events SET detail = detail || ' ' WHERE id = 1", "entry 1"),
        ("UPDATE events SET time = replace(time, '+00:00', 'Z') WHERE id = 2", "entry 2"),
        ("UPDATE events SET detail = CAST(detail AS BLOB) WHERE id = 2", "entry 2"),
        (
            "UPDATE events SET id = 9 WHERE id = 2; UPDATE events SET id = 2 WHERE id = 3;"
            "UPDATE events SET id = 3 WHERE id = 9",
            "entry 2",
        ),
        ("DELETE FROM events WHERE id = 3", "ends at entry 2, and the head kept elsewhere is entry 3's"),
        ("DELETE FROM events", "ends at entry 0, and the head kept elsewhere is entry 3's"),
    ],
)
def test_tampering_is_found(ledger: Ledger, tmp_path: Path, statement: str, reason: str) -> None:
    serial = order(ledger)
    ledger.append(serial, Event.BOUND, NOW, {"chip": "0A"})
    ledger.append(serial, Event.PERSONALISING, NOW)
    head = ledger.head()
    assert ledger.verify(head) == head
    ledger.close()
    with tampered(tmp_path / "ledger.sqlite", statement) as changed, pytest.raises(LedgerDamaged, match=reason):
        changed.verify(head)


def test_an_older_head_is_still_in_the_chain(ledger: Ledger) -> None:
    assert ledger.head() == ledger.verify() == f"0:{GENESIS}"
    serial = order(ledger)
    older = ledger.head()
    ledger.append(serial, Event.CANCELLED, NOW)
    assert ledger.verify(older) == ledger.head() != older
    assert older.startswith("1:")
    assert ledger.verify(older.removeprefix("1:").upper()) == ledger.head()


@pytest.mark.parametrize("head", ["", "1:", "12", "g" * 64, "x:" + "a" * 64])
def test_what_is_no_head_is_not_taken_for_one(ledger: Ledger, head: str) -> None:
    with pytest.raises(LedgerError, match="NUMBER:HEX") as caught:
        ledger.verify(head)
    assert not isinstance(caught.value, LedgerDamaged)


def rewritten(path: Path, until: int) -> Ledger:
    """What somebody who knows how the chain is made makes of the books: other details, right digests throughout."""
    with sqlite3.connect(path) as raw:
        raw.executescript("DROP TRIGGER events_no_update; DROP TRIGGER events_no_delete")
        rows = raw.execute("SELECT id, time, subject, event, detail, actor FROM events ORDER BY id").fetchall()
        before = GENESIS
        for row in rows[:until]:
            columns = [value.replace('"face":"A"', '"face":"B"') if isinstance(value, str) else value for value in row]
            text = json.dumps(columns, separators=(",", ":"))
            before = hashlib.sha256((before + text).encode()).hexdigest()
            raw.execute("UPDATE events SET detail = ?, digest = ? WHERE id = ?", (columns[4], before, row[0]))
        raw.execute("DELETE FROM events WHERE id > ?", (until,))
        raw.execute("DELETE FROM cards")
    raw.close()
    ledger = Ledger.open(path)
    with ledger.database.writing() as connection:
        projection.rebuild(connection)
    return ledger


@pytest.mark.parametrize(("until", "reason"), [(3, "entry 3, or one before it, was rewritten"), (2, "ends at entry 2")])
def test_a_chain_that_was_made_anew_is_found_by_the_head_kept_elsewhere(
    ledger: Ledger, tmp_path: Path, until: int, reason: str
) -> None:
    serial = order(ledger)
    ledger.append(serial, Event.BOUND, NOW, {"chip": "0A"})
    ledger.append(serial, Event.PERSONALISING, NOW)
    head = ledger.head()
    ledger.close()
    with rewritten(tmp_path / "ledger.sqlite", until) as changed:
        assert changed.verify() != head
        with pytest.raises(LedgerDamaged, match=reason):
            changed.verify(head)
        with pytest.raises(LedgerDamaged, match="cut or rewritten"):
            changed.verify(head.partition(":")[2])


def test_the_chip_follows_the_books_once(ledger: Ledger) -> None:
    serial = order(ledger)
    walk(ledger, serial, Status.ACTIVE)
    with pytest.raises(TransitionRefused, match="not behind"):
        ledger.append(serial, Event.ON_CHIP, NOW)
    for event in (Event.SUSPENDED, Event.RESUMED, Event.VOIDED):
        assert ledger.append(serial, event, NOW).chip_behind
        state = ledger.append(serial, Event.ON_CHIP, NOW)
        assert (state.chip_behind, state.is_unfinished) == (False, False)


def test_a_password_reset_has_a_beginning_and_an_end_and_never_keeps_a_card_from_being_suspended(
    ledger: Ledger,
) -> None:
    serial = order(ledger)
    walk(ledger, serial, Status.ACTIVE)
    with pytest.raises(TransitionRefused, match="none"):
        ledger.append(serial, Event.PASSWORD_RESET, NOW)
    for _ in range(2):
        assert ledger.append(serial, Event.PASSWORD_RESET_STARTED, NOW).is_unfinished
    assert not ledger.append(serial, Event.PASSWORD_RESET, NOW).is_unfinished
    ledger.append(serial, Event.PASSWORD_RESET_STARTED, NOW)
    state = ledger.append(serial, Event.SUSPENDED, NOW)
    assert (state.status, state.pending) == (Status.SUSPENDED, None)


def test_what_is_final_does_not_expire(ledger: Ledger) -> None:
    serial = order(ledger)
    walk(ledger, serial, Status.ACTIVE)
    day = date(2036, 11, 21)
    assert [ledger.card(serial).standing(d) for d in (date(2036, 11, 20), day)] == ["active", "expired"]
    assert ledger.append(serial, Event.VOIDED, NOW).standing(day) == "void"


WRITER = """
import secrets
import sys
from datetime import date, datetime, timezone
from pathlib import Path
from jukicard.issuer.ledger.group import CardTerms, Resident
from jukicard.issuer.ledger.ledger import Ledger
from jukicard.issuer.ledger.rules import Event
now = datetime(2026, 11, 21, tzinfo=timezone.utc)
with Ledger.open(Path(sys.argv[1])) as ledger:
    while True:
        terms = CardTerms("99201", "A", date(2026, 11, 21), date(2036, 11, 20))
        serial = ledger.order(terms, Resident(secrets.token_hex(32), None), now)
        print(serial, "ordered", flush=True)
        for event, detail in ((Event.BOUND, {"chip": "0A"}), (Event.PERSONALISING, {}),
                              (Event.STEP_STARTED, {"step": "keys"}), (Event.STEP_DONE, {"step": "keys"}),
                              (Event.READ_BACK, {})):
            ledger.append(serial, event, now, detail)
            print(serial, event.value, flush=True)
"""


@pytest.mark.parametrize("pause", [0.0, 0.003, 0.011])
def test_killed_in_mid_writes_it_keeps_what_it_reported(ledger: Ledger, tmp_path: Path, pause: float) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger.close()
    with subprocess.Popen([sys.executable, "-c", WRITER, os.fspath(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(9)]
        time.sleep(pause)
        writer.send_signal(signal.SIGKILL)
        lines += writer.stdout.readlines()
    reported = [tuple(line.split()) for line in lines if line.endswith("\n")]
    with Ledger.open(path) as again:
        written = [(entry.serial, entry.event.value) for entry in again.entries()]
        assert written[: len(reported)] == reported
        assert len(written) <= len(reported) + 1
        assert again.verify() == again.head()
        last = again.card(written[-1][0])
        assert last in again.unfinished()
        assert last.pending == ("keys" if written[-1][1] == "step-started" else None)
        assert order(again) not in {serial for serial, _ in written}


def test_two_processes_share_the_books(ledger: Ledger, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, os.fspath(tmp_path / "ledger.sqlite")], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        mine = [order(ledger) for _ in range(20)]
        writer.kill()
        writer.stdout.read()
    serials = [entry.serial for entry in ledger.entries() if entry.event is Event.ORDERED]
    assert len(set(serials)) == len(serials)
    assert set(mine) <= set(serials)
    ledger.verify()
