"""Ordering a card: the entry in the books that everything after it hangs on."""

from __future__ import annotations

from datetime import date, datetime

from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.errors import CodeTaken, Problem, RecordError, RuleRefused
from jukicard.issuer.ledger.rules import MID_ISSUE, CardState, Status
from jukicard.issuer.line.personalise import Order
from jukicard.issuer.municipal.services import SERVICES, Service
from jukicard.issuer.records.expiry import expiry_date
from jukicard.issuer.records.resident import ResidentRecord


def unfinished_order(authority: Authority, record: ResidentRecord, services: tuple[Service, ...] = ()) -> Order | None:
    """Return the order for this resident whose issue was interrupted, or None.

    It has the services that were begun, whether or not they are named again.  RuleRefused where it was begun with
    another face than the record asks for now.  RecordError where the books know the resident code as another person's.
    """
    states = authority.ledger.cards_for(authority.code_digest(record.resident_code))
    person = authority.person_digest(record)
    for state in states:
        if state.is_of_another(person):
            raise _taken(record, CodeTaken(state.serial))
    for state in states:
        if state.status in MID_ISSUE and state.status is not Status.HANDING_OVER:
            if state.face != record.face.value:
                raise RuleRefused(f"card {state.serial} was begun with face {state.face}: finish it so")
            return _order(state, record, _with_begun(state, services))
    return None


def place_order(
    authority: Authority,
    record: ResidentRecord,
    services: tuple[Service, ...] = (),
    *,
    issued_on: date,
    now: datetime,
) -> Order:
    """Enter a new card into the books and return its order.

    RuleRefused where its expiry has passed already, RecordError where the resident code is another person's.
    """
    expires = expiry_date(issued_on, record.stay_until)
    if expires < now.date():
        raise RuleRefused(f"a card issued on {issued_on} would have expired on {expires}")
    try:
        serial = authority.ledger.order(
            city_code=record.city_code,
            face=record.face.value,
            issued_on=issued_on,
            expires=expires,
            code_digest=authority.code_digest(record.resident_code),
            person_digest=authority.person_digest(record),
            at=now,
        )
    except CodeTaken as error:  # by somebody who ordered in the meantime
        raise _taken(record, error) from error
    return _order(authority.ledger.card(serial), record, services)


def _taken(record: ResidentRecord, error: CodeTaken) -> RecordError:
    return RecordError([Problem(record.label, "resident_code", str(error))])


def _with_begun(state: CardState, services: tuple[Service, ...]) -> tuple[Service, ...]:
    begun = {step for step in (*state.steps_done, state.pending) if step is not None}
    return tuple(s for s in SERVICES if s in services or f"service-{s.name}" in begun)


def _order(state: CardState, record: ResidentRecord, services: tuple[Service, ...]) -> Order:
    return Order(state.serial, record, state.issued_on, state.expires, services)
