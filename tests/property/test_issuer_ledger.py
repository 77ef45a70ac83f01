"""Any sequence of events: what the ledger accepts it keeps, what it refuses leaves no trace, and its chain holds."""

from __future__ import annotations

import tempfile
from datetime import UTC, date, datetime
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from jukicard.issuer.errors import LedgerError
from jukicard.issuer.ledger import Ledger
from jukicard.issuer.ledgerrules import Event, Status

NOW = datetime(2026, 11, 21, tzinfo=UTC)
DETAILS = {
    Event.BOUND: {"chip": "0A"},
    Event.STEP_STARTED: {"step": "one"},
    Event.STEP_DONE: {"step": "one"},
    Event.SPOILT: {"reason": "refused"},
}
FINAL = {Status.VOID, Status.SPOILT, Status.CANCELLED}
# Long walks from a random choice of all events die at once; these lean towards the line's own order.
EVENTS = st.lists(st.sampled_from([e for e in Event if e is not Event.ORDERED]), max_size=40).map(
    lambda chosen: [*Event, *chosen][1:]
) | st.lists(st.sampled_from([e for e in Event if e is not Event.ORDERED]), max_size=40)


@given(EVENTS)
@settings(max_examples=30)
def test_walks(events: list[Event]) -> None:
    with tempfile.TemporaryDirectory() as folder, Ledger.create(Path(folder) / "ledger.sqlite") as ledger:
        day = date(2026, 11, 21)
        serial = ledger.order(city_code="99201", face="A", issued_on=day, expires=day, code_digest="ab" * 32, at=NOW)
        accepted = [Event.ORDERED]
        for event in events:
            was_final = ledger.card(serial).status in FINAL
            try:
                state = ledger.append(serial, event, NOW, DETAILS.get(event, {}))
            except LedgerError:
                continue
            accepted.append(event)
            assert not was_final or event is Event.ON_CHIP
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
