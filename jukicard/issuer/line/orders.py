"""Ordering a card: the entry in the books that everything after it hangs on."""

from __future__ import annotations

from datetime import date, datetime

from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.errors import CodeTaken, Problem, RecordError, RuleRefused
from jukicard.issuer.ledger.cards import CardState
from jukicard.issuer.ledger.group import CardTerms, Resident
from jukicard.issuer.ledger.rules import APPLICATION, MID_ISSUE, Status
from jukicard.issuer.line.personalise import Order
from jukicard.issuer.municipal.services import SERVICES, Service
from jukicard.issuer.records.expiry import expiry_date
from jukicard.issuer.records.resident import ResidentRecord


def unfinished_order(authority: Authority, record: ResidentRecord, services: tuple[Service, ...] = ()) -> Order | None:
    """Return the order for this resident whose issue was interrupted, or None.

    It has the services that were begun, whether or not they are named again.  RuleRefused where it was begun with
    another face than the record asks for now.  RecordError where the books know the resident code as another person's.
    """
    resident = resident_of(authority, record)
    states = authority.ledger.cards_for(resident.code_digest)
    for state in states:
        if state.is_of_another(resident.person_digest):
            raise code_taken(record, CodeTaken(state.serial))
    for state in states:
        if state.status in MID_ISSUE and state.status is not Status.HANDING_OVER:
            _check_face(state, record)
            return order_of(state, record, _with_begun(state, services))
    return None


def place_order(
    authority: Authority,
    record: ResidentRecord,
    services: tuple[Service, ...] = (),
    *,
    issued_on: date,
    now: datetime,
) -> Order:
    """Enter a new card into the books and return its order: the one that was applied for, if the application is
    confirmed, else one that nobody applied for here.

    RuleRefused where its expiry has passed already, where the resident has a card (CardHeld), and where an application
    is not as far; RecordError where the resident code is another person's.
    """
    terms = terms_for(record, issued_on, now)
    resident = resident_of(authority, record)
    applied = _application(authority, resident, record)
    with authority.ledger.writing() as group:
        if applied is not None:
            state = group.order_applied(applied.serial, terms.issued_on, terms.expires, now)
        else:
            try:
                state = group.card(group.order(terms, resident, now))
            except CodeTaken as error:  # by somebody who ordered in the meantime
                raise code_taken(record, error) from error
    return order_of(state, record, services)


def terms_for(record: ResidentRecord, issued_on: date, now: datetime) -> CardTerms:
    """Return what the card of a record is to be. RuleRefused where its expiry has passed already."""
    expires = expiry_date(issued_on, record.stay_until)
    if expires < now.date():
        raise RuleRefused(f"a card issued on {issued_on} would have expired on {expires}")
    return CardTerms(record.city_code, record.face.value, issued_on, expires)


def resident_of(authority: Authority, record: ResidentRecord) -> Resident:
    """Return what the books may know of a record's resident."""
    return Resident(authority.code_digest(record.resident_code), authority.person_digest(record))


def order_of(state: CardState, record: ResidentRecord, services: tuple[Service, ...]) -> Order:
    """Return the order of a card that the books have as ordered."""
    return Order(state.serial, record, state.issued_on, state.expires, services)


def _application(authority: Authority, resident: Resident, record: ResidentRecord) -> CardState | None:
    """Return the resident's application, if there is one; refuse it unless it is confirmed."""
    for state in authority.ledger.cards_for(resident.code_digest):
        if state.status in APPLICATION and not state.is_of_another(resident.person_digest):
            if state.status is not Status.CONFIRMED:
                raise RuleRefused(f"application {state.serial} is {state.status}: confirm it before the card is made")
            _check_face(state, record)
            return state
    return None


def _check_face(state: CardState, record: ResidentRecord) -> None:
    if state.face != record.face.value:
        raise RuleRefused(f"card {state.serial} was begun with face {state.face}: finish it so")


def code_taken(record: ResidentRecord, error: CodeTaken) -> RecordError:
    """Return what is wrong with a record whose resident code is another person's."""
    return RecordError([Problem(record.label, "resident_code", str(error))])


def _with_begun(state: CardState, services: tuple[Service, ...]) -> tuple[Service, ...]:
    begun = {step for step in (*state.steps_done, state.pending) if step is not None}
    return tuple(s for s in SERVICES if s in services or f"service-{s.name}" in begun)
