"""Ordering a card: the entry in the books that everything after it hangs on."""

from __future__ import annotations

from datetime import date, datetime

from jukicard.issuer.authority import Authority
from jukicard.issuer.expiry import expiry_date
from jukicard.issuer.ledgerrules import MID_ISSUE, CardState, Status
from jukicard.issuer.personalise import Order
from jukicard.issuer.records import ResidentRecord
from jukicard.issuer.services import Service


def unfinished_order(authority: Authority, record: ResidentRecord, services: tuple[Service, ...] = ()) -> Order | None:
    """Return the order for this resident whose issue was interrupted, or None."""
    for state in authority.ledger.cards_for(authority.code_digest(record.resident_code)):
        if state.status in MID_ISSUE and state.status is not Status.HANDING_OVER:
            return _order(state, record, services)
    return None


def place_order(
    authority: Authority,
    record: ResidentRecord,
    services: tuple[Service, ...] = (),
    *,
    issued_on: date,
    now: datetime,
) -> Order:
    """Enter a new card into the books and return its order.  RuleRefused where its expiry would have passed already."""
    expires = expiry_date(issued_on, record.stay_until)
    serial = authority.ledger.order(
        city_code=record.city_code,
        face=record.face.value,
        issued_on=issued_on,
        expires=expires,
        code_digest=authority.code_digest(record.resident_code),
        at=now,
    )
    return _order(authority.ledger.card(serial), record, services)


def _order(state: CardState, record: ResidentRecord, services: tuple[Service, ...]) -> Order:
    return Order(state.serial, record, state.issued_on, state.expires, services)
