"""Any sequence of events: what the ledger accepts it keeps, what it refuses leaves no trace, and its chain holds."""

from __future__ import annotations

import sqlite3
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from jukicard.issuer.errors import LedgerDamaged, LedgerError
from jukicard.issuer.ledger.group import CardTerms, Resident
from jukicard.issuer.ledger.ledger import Ledger
from jukicard.issuer.ledger.rules import Event, Status

NOW = datetime(2026, 11, 21, tzinfo=UTC)
DETAILS = {
    Event.BOUND: {"chip": "0A"},
    Event.STEP_STARTED: {"step": "one"},
    Event.STEP_DONE: {"step": "one"},
    Event.SPOILT: {"reason": "refused"},
    Event.ENDORSED: {"field": "name"},
    Event.CERTIFIED: {"certificate": "0a", "usage": "signature", "issued": "2026-11-21", "expires": "2029-11-20"},
    Event.UNCERTIFIED: {"certificate": "0a", "revocation": "superseded"},
}
FINAL = {Status.VOID, Status.SPOILT, Status.CANCELLED, Status.DESTROYED}
AFTER_THE_END = {Event.ON_CHIP, Event.DESTROYED, Event.ERASED}
# Long walks from a random choice of all events die at once; these lean towards the line's own order.
EVENTS = st.lists(st.sampled_from([e for e in Event if e not in (Event.ORDERED, Event.APPLIED)]), max_size=40).map(
    lambda chosen: [*Event, *chosen][1:]
) | st.lists(st.sampled_from([e for e in Event if e not in (Event.ORDERED, Event.APPLIED)]), max_size=40)


@given(EVENTS)
@settings(max_examples=30)
def test_walks(events: list[Event]) -> None:
    with tempfile.TemporaryDirectory() as folder, Ledger.create(Path(folder) / "ledger.sqlite") as ledger:
        day = date(2026, 11, 21)
        serial = ledger.order(CardTerms("99201", "A", day, day), Resident("ab" * 32, None), NOW)
        accepted = [Event.ORDERED]
        for event in events:
            was_final = ledger.card(serial).status in FINAL
            try:
                state = ledger.append(serial, event, NOW, DETAILS.get(event, {}))
            except LedgerError:
                continue
            accepted.append(event)
            assert not was_final or event in AFTER_THE_END
            assert state == ledger.card(serial)
        assert [entry.event for entry in ledger.entries()] == accepted
        starts, ends = accepted.count(Event.STEP_STARTED), accepted.count(Event.STEP_DONE)
        assert ends <= starts
        changes = sum(accepted.count(event) for event in (Event.SUSPENDED, Event.RESUMED, Event.VOIDED))
        assert accepted.count(Event.ON_CHIP) <= changes
        assert accepted.count(Event.PASSWORD_RESET) <= accepted.count(Event.PASSWORD_RESET_STARTED)
        assert (Event.HANDED_OVER in accepted) <= (Event.HANDOVER_STARTED in accepted)
        assert (Event.CLOSED in accepted) <= (Event.READ_BACK in accepted)
        assert ledger.verify() == ledger.head()


LINES = 12
ROW = st.integers(1, LINES)


def edited(rows: list[list[object]], number: int, column: int, value: object) -> list[list[object]]:
    return [[*row[:column], value, *row[column + 1 :]] if row[0] == number else row for row in rows]


def without(rows: list[list[object]], number: int, *, closed: bool) -> list[list[object]]:
    """A row less; `closed`: those behind it move up."""
    kept = [row for row in rows if row[0] != number]
    return [[index, *row[1:]] for index, row in enumerate(kept, 1)] if closed else kept


def swapped(rows: list[list[object]], one: int, other: int) -> list[list[object]]:
    places = {one: other, other: one}
    return [[places.get(row[0], row[0]), *row[1:]] for row in rows]  # type: ignore[call-overload]


TEXT = st.text('0123456789abcdefABCDEF{}[]:-, "', max_size=70)
VALUES = st.sampled_from(list(Event)).map(str) | TEXT | st.binary(max_size=4) | st.integers(0, 99)
TAMPERINGS = (
    st.tuples(ROW, st.integers(1, 5), VALUES).map(lambda change: lambda rows: edited(rows, *change))
    | st.tuples(ROW, st.booleans()).map(lambda cut: lambda rows: without(rows, cut[0], closed=cut[1]))
    | st.tuples(ROW, ROW).map(lambda pair: lambda rows: swapped(rows, *pair))
    | ROW.map(lambda end: lambda rows: rows[: end - 1])
)


@given(TAMPERINGS)
@settings(max_examples=60)
def test_whatever_is_changed_in_the_file_is_found_against_the_head(tamper: object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, day = Path(folder) / "ledger.sqlite", date(2026, 11, 21)
        with Ledger.create(path) as ledger:
            for number in range(LINES // 3):
                serial = ledger.order(CardTerms("99201", "A", day, day), Resident(f"{number:064x}", None), NOW)
                ledger.append(serial, Event.BOUND, NOW, {"chip": f"{number:02X}"})
                ledger.append(serial, Event.PERSONALISING, NOW)
            head = ledger.head()
        raw = sqlite3.connect(path)
        before = [list(row) for row in raw.execute("SELECT * FROM events ORDER BY id")]
        after = sorted(tamper(before), key=lambda row: row[0])  # type: ignore[operator]
        assume(after != before)
        raw.executescript("DROP TRIGGER events_no_update; DROP TRIGGER events_no_delete; DELETE FROM events")
        raw.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)", after)
        raw.commit()
        stored = [list(row) for row in raw.execute("SELECT * FROM events ORDER BY id")]
        raw.close()
        assume(stored != before)
        with Ledger.open(path) as ledger, pytest.raises(LedgerDamaged):
            ledger.verify(head)
