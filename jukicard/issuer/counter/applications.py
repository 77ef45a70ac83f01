"""An application for a card, from the window to the order: received, examined, its applicant made sure of.

The card has its serial from now on. The record that it is to be made from is kept sealed beside the books
(`authority.people`) until the card is handed over, or nothing comes of it; the books then say that it was erased.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.people import MAX_PHOTO_BYTES, PersonalData, open_personal, seal_personal
from jukicard.issuer.errors import CodeTaken, RegisterDiffers, RuleRefused
from jukicard.issuer.files import write_atomically
from jukicard.issuer.keys.keystore import Randomness
from jukicard.issuer.ledger.cards import CardState
from jukicard.issuer.ledger.details import Kind
from jukicard.issuer.ledger.rules import APPLICATION, TRANSITIONS, Event, Status
from jukicard.issuer.line.orders import code_taken, resident_of, terms_for
from jukicard.issuer.records.register import Register, RegisterEntry
from jukicard.issuer.records.resident import RecordRules, ResidentRecord, read_limited

Clock = Callable[[], datetime]

KEPT_FOR = timedelta(days=365)
"""How long an application's personal data are kept at most, if nothing comes of it."""

_PHOTO = "photo"


class Document(StrEnum):
    """By what an applicant was identified at the window, for handover on the same day (即日交付)."""

    DRIVING_LICENCE = "driving-licence"
    PASSPORT = "passport"
    RESIDENCE_CARD = "residence-card"
    DISABILITY_CERTIFICATE = "disability-certificate"
    OTHER_OFFICIAL = "other-official"
    """Another document with a photo, issued by a public office."""
    TWO_DOCUMENTS = "two-documents"
    """Two without a photo, such as a health insurance card and a pension book."""


def receive(
    authority: Authority,
    record: ResidentRecord,
    kind: Kind,
    clock: Clock,
    random: Randomness,
    *,
    replaces: str | None = None,
) -> CardState:
    """Enter an application, and keep its record sealed; return the state of its card, which has a serial now.

    `replaces` is the serial of the card that the new one replaces: of every kind but a new one. RecordError for a photo
    of more than 4 MB or a resident code that is another person's; CardHeld, TransitionRefused.
    """
    now = clock()
    today = now.astimezone().date()
    terms, resident = terms_for(record, today, now), resident_of(authority, record)
    photo = None if record.photo is None else read_limited(record.photo, MAX_PHOTO_BYTES)
    data = PersonalData(record.as_mapping(), photo)
    with authority.ledger.writing() as group:
        try:
            serial = group.apply(terms, resident, kind, now, replaces)
        except CodeTaken as error:
            raise code_taken(record, error) from error
        group.keep(serial, today + KEPT_FOR, seal_personal(authority.keys, serial, data, random))
        return group.card(serial)


def examine(authority: Authority, serial: str, register: Register | None, clock: Clock) -> CardState:
    """Compare the application's four items with the register's, and enter that they are the same.

    Without a register, somebody has compared them by hand. RegisterDiffers names the fields that differ, never their
    values; the application is then as it was.
    """
    _check(authority, serial, Event.EXAMINED)
    if register is not None:
        with kept_record(authority, serial, _rules(authority, clock())) as record:
            entry = register.find(record.resident_code)
            differing = ("resident_code",) if entry is None else RegisterEntry.of(record).differences(entry)
        if differing:
            raise RegisterDiffers(serial, differing)
    return _enter(authority, serial, Event.EXAMINED, clock)


def send_enquiry(authority: Authority, serial: str, clock: Clock) -> CardState:
    """Enter that a letter of enquiry (照会書) went to the applicant's address; again, if it must."""
    return _enter(authority, serial, Event.ENQUIRY_SENT, clock)


def take_answer(authority: Authority, serial: str, clock: Clock) -> CardState:
    """Enter that the applicant came back with the answer to the letter: the application is confirmed."""
    return _enter(authority, serial, Event.ENQUIRY_ANSWERED, clock)


def identify_applicant(authority: Authority, serial: str, document: Document, clock: Clock) -> CardState:
    """Enter by what the applicant was identified at the window: the application is confirmed, without a letter."""
    return _enter(authority, serial, Event.IDENTIFIED, clock, {"document": document.value})


def refuse(authority: Authority, serial: str, reason: str, clock: Clock) -> CardState:
    """Refuse an application, in a few words (no names); what is kept of the applicant is erased."""
    return _enter(authority, serial, Event.REFUSED, clock, {"reason": reason})


def withdraw(authority: Authority, serial: str, clock: Clock) -> CardState:
    """Enter that the applicant does not want the card any more; what is kept of him is erased.

    RuleRefused once the card is ordered: it is given up by voiding it.
    """
    before = authority.ledger.card(serial)
    if before.status not in APPLICATION:
        raise RuleRefused(f"card {serial} is {before.status}, no application any more")
    return _enter(authority, serial, Event.CANCELLED, clock, {"reason": "withdrawn"})


def send_notice(authority: Authority, serial: str, clock: Clock) -> CardState:
    """Enter that the notice (交付通知書) went out that the card can be fetched."""
    return _enter(authority, serial, Event.NOTICE_SENT, clock)


def order_again(authority: Authority, serial: str, clock: Clock, random: Randomness) -> CardState:
    """Order the card of an application anew, whose first one was spoilt; its record goes over to the new serial."""
    spoilt, data = authority.ledger.card(serial), kept(authority, serial)
    if spoilt.status is not Status.SPOILT:
        raise RuleRefused(f"card {serial} is {spoilt.status}: only a spoilt one is made again")
    now = clock()
    today = now.astimezone().date()
    with kept_record(authority, serial, _rules(authority, now)) as record:
        terms, resident = terms_for(record, today, now), resident_of(authority, record)
    detail = {name: spoilt.facts[name] for name in ("kind", "replaces") if name in spoilt.facts}
    with authority.ledger.writing() as group:
        again = group.order(terms, resident, now, detail)
        group.keep(again, today + KEPT_FOR, seal_personal(authority.keys, again, data, random))
        group.erase(serial, now, {"replaced_by": again})
        return group.card(again)


def latest(authority: Authority, serial: str) -> CardState:
    """The state of an application's card, or of the one that was ordered in the place of a spoilt one."""
    state = authority.ledger.card(serial)
    while state.status is Status.SPOILT and "replaced_by" in state.facts:
        state = authority.ledger.card(state.facts["replaced_by"])
    return state


def kept(authority: Authority, serial: str) -> PersonalData:
    """What is kept of an application. RuleRefused if nothing is (any more), LedgerError for an unknown card."""
    state = authority.ledger.card(serial)
    sealed = authority.ledger.sealed(serial)
    if sealed is None:
        raise RuleRefused(f"no personal data are kept of card {serial} ({state.status})")
    return open_personal(authority.keys, serial, sealed)


@contextmanager
def kept_record(authority: Authority, serial: str, rules: RecordRules) -> Iterator[ResidentRecord]:
    """The kept record of an application, checked by these rules; its photo lies in a private folder meanwhile."""
    data = kept(authority, serial)
    with tempfile.TemporaryDirectory(prefix="juki-") as folder:
        mapping = dict(data.record)
        if data.photo is not None:
            write_atomically(Path(folder) / _PHOTO, data.photo)
            mapping[_PHOTO] = _PHOTO
        yield ResidentRecord.from_mapping(mapping, rules, label=f"application {serial}", folder=Path(folder))


@dataclass(frozen=True, slots=True)
class Expired:
    """What became of personal data that had been kept long enough, by the cards' serials.

    `given_up` are applications that nobody has gone on with, `unfinished` cards in mid-issue, whose data stay until the
    card is finished or given up.
    """

    erased: tuple[str, ...]
    given_up: tuple[str, ...]
    unfinished: tuple[str, ...]


def erase(authority: Authority, serial: str, clock: Clock) -> CardState:
    """Erase what is kept of a card whose business is over. RuleRefused if nothing is, or the business goes on."""
    kept_of = authority.ledger.sealed(serial)
    state = authority.ledger.card(serial)
    if kept_of is None:
        raise RuleRefused(f"no personal data are kept of card {serial} ({state.status})")
    if state.status not in TRANSITIONS[Event.ERASED].sources:
        raise RuleRefused(f"card {serial} is {state.status}: withdraw, refuse or void it before its data are erased")
    with authority.ledger.writing() as group:
        group.erase(serial, clock())
        return group.card(serial)


def erase_expired(authority: Authority, today: date, clock: Clock) -> Expired:
    """Erase all personal data that were to be kept until a day before `today`."""
    erased: list[str] = []
    given_up: list[str] = []
    unfinished: list[str] = []
    now = clock()
    with authority.ledger.writing() as group:
        for serial in authority.ledger.kept_past(today):
            status = group.card(serial).status
            if status in APPLICATION:
                group.append(serial, Event.CANCELLED, now, {"reason": "not pursued"})
                given_up.append(serial)
            elif status in TRANSITIONS[Event.ERASED].sources:
                group.erase(serial, now)
                erased.append(serial)
            else:
                unfinished.append(serial)
    return Expired(tuple(erased), tuple(given_up), tuple(unfinished))


def _rules(authority: Authority, now: datetime) -> RecordRules:
    return RecordRules(now.astimezone().date(), authority.city.code)


def _check(authority: Authority, serial: str, event: Event) -> None:
    """Refuse (RuleRefused) what cannot follow, before anything is asked or opened for it."""
    status = authority.ledger.card(serial).status
    if status not in TRANSITIONS[event].sources:
        allowed = ", ".join(sorted(str(source) for source in TRANSITIONS[event].sources if source is not None))
        raise RuleRefused(f"card {serial} is {status}: {event.replace('-', ' ')} follows {allowed}")


def _enter(
    authority: Authority, serial: str, event: Event, clock: Clock, detail: Mapping[str, str] | None = None
) -> CardState:
    _check(authority, serial, event)
    return authority.ledger.append(serial, event, clock(), detail)
