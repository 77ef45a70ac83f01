"""A group of entries, which are written together or not at all, and which an operator's card signs with one signature.

The rules that look beyond one card stand here: one card for each person, a replacement and what it replaces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import sqlalchemy as sa

from jukicard.issuer.errors import CardHeld, CodeTaken, LedgerError, TransitionRefused
from jukicard.issuer.ledger import projection
from jukicard.issuer.ledger.cards import CardState, advance
from jukicard.issuer.ledger.chain import (
    GENESIS,
    UNATTENDED,
    Entry,
    EntrySigner,
    Row,
    canonical,
    sealed_message,
    signed_message,
    stamp,
)
from jukicard.issuer.ledger.details import Cause, Kind, check_detail
from jukicard.issuer.ledger.rules import (
    APPLICATION,
    ENDS_BUSINESS,
    HELD,
    MID_ISSUE,
    AnyEvent,
    BooksEvent,
    Event,
    Status,
)
from jukicard.issuer.ledger.schema import events, people, signatures

SERIAL_PREFIX = "7"
"""The leading digit of our card serials: 7, city code (5), running number (9). No published serial begins so."""

AUTHORITY = "authority"
"""The signer of seals."""
SEAL_EVERY = 256
"""Entries after which the authority seals the books, whenever its keys are open."""

Sealer = Callable[[bytes], bytes]
"""From a message to the authority's signature: ECDSA with SHA-256, DER."""


@dataclass(frozen=True, slots=True)
class Resident:
    """Whom a card is for, as the books may know him: keyed digests of the resident code and of the person."""

    code_digest: str = field(repr=False)
    person_digest: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class CardTerms:
    """What a card is to be: of which municipality, with which face (A or B), valid from and until when."""

    city_code: str
    face: str
    issued_on: date
    expires: date

    @property
    def details(self) -> dict[str, str]:
        """The terms as an entry has them."""
        return {
            "city": self.city_code,
            "face": self.face,
            "issued": self.issued_on.isoformat(),
            "expires": self.expires.isoformat(),
        }


class Group:
    """Entries to be written in one transaction; made by `Ledger.writing`, which ends it."""

    def __init__(self, connection: sa.Connection, signer: EntrySigner | None) -> None:
        self._connection = connection
        self._signer = signer
        self._first, self._digest = head_of(connection)
        self._number = self._first
        self._rows: list[dict[str, object]] = []
        self._states: dict[str, CardState] = {}
        self._next: dict[str, int] = {}
        self._known: dict[str, list[CardState]] = {}
        self._before: dict[str, CardState | None] = {}
        self.has_erased = False

    def card(self, serial: str) -> CardState:
        """The state of a card as of now, this group's entries included. LedgerError if there is none."""
        state = self._find(serial)
        if state is None:
            raise LedgerError(f"the ledger has no card {serial}")
        return state

    def look_up(self, code_digests: Sequence[str]) -> None:
        """Read the cards of these residents at once, where many are about to be ordered."""
        self._known |= {digest: [] for digest in code_digests}
        for state in projection.of_codes(self._connection, code_digests):
            self._known[state.code_digest].append(state)

    def read_cards(self, serials: Sequence[str]) -> None:
        """Read these cards at once, where many are about to be written of."""
        for state in projection.in_serials(self._connection, serials):
            self._before[state.serial] = state

    def entries(self, *kinds: AnyEvent) -> Iterator[Entry]:
        """What stood in the books before this group of these events, or of all, in their order."""
        return projection.entries(self._connection, kinds=kinds)

    def card_among(self, first: str, last: str) -> CardState | None:
        """A card whose chip has a number (16 digits) from `first` to `last`, or None. Without this group's."""
        return projection.on_chips(self._connection, first, last)

    def apply(self, terms: CardTerms, resident: Resident, kind: Kind, at: datetime, replaces: str | None = None) -> str:
        """Enter an application and return the serial of its card. As for `order`, and TransitionRefused where an
        application that replaces a card names none, or one of another person, or that cannot be replaced so.
        """
        self._check_replaced(resident, kind, replaces, at.date())
        self._check_free(resident, at.date(), replaces)
        detail = {"kind": kind.value, **_digests(resident), **terms.details}
        serial = self._new_serial(terms.city_code)
        self.append(serial, Event.APPLIED, at, detail if replaces is None else {**detail, "replaces": replaces})
        return serial

    def order(self, terms: CardTerms, resident: Resident, at: datetime, detail: Mapping[str, str] | None = None) -> str:
        """Enter an order without an application and return its serial: 15 digits, never given out before.

        Raises CodeTaken if the code is another person's, CardHeld if the resident has a valid card, or one under way,
        that this one does not replace (detail `replaces`).
        """
        given = dict(detail or {})
        self._check_free(resident, at.date(), given.get("replaces"))
        serial = self._new_serial(terms.city_code)
        self.append(serial, Event.ORDERED, at, {**given, **_digests(resident), **terms.details})
        return serial

    def order_applied(self, serial: str, issued_on: date, expires: date, at: datetime) -> CardState:
        """Order the card of an application that was confirmed. A lost card that it replaces is void from now on."""
        detail = {"issued": issued_on.isoformat(), "expires": expires.isoformat()}
        return self.append(serial, Event.ORDERED, at, detail)

    def take_over(
        self, serial: str, terms: CardTerms, resident: Resident, at: datetime, detail: Mapping[str, str]
    ) -> CardState:
        """Enter another municipality's card, whose holder has moved here, as one of these books from now on.

        `terms.city_code` is the municipality that issued it; `detail` says whence and when the holder moved. As for
        `order`.
        """
        self._check_free(resident, at.date(), serial)
        return self.append(serial, Event.TAKEN_OVER, at, {**detail, **_digests(resident), **terms.details})

    def hand_over(self, serial: str, at: datetime) -> CardState:
        """Enter a card as handed over: from now on it is the resident's only one, and what it replaces is void."""
        return self.append(serial, Event.HANDED_OVER, at)

    def append(self, serial: str, event: Event, at: datetime, detail: Mapping[str, str] | None = None) -> CardState:
        """Enter an event of a card, with what follows from it for the card that it replaces and for the personal data
        that are kept of it, and return its state after it.

        Raises TransitionRefused if it cannot follow, LedgerError for details of another form.
        """
        given = dict(detail or {})
        state = advance(self._find(serial), serial, event, given)
        self._states[serial] = state
        self._add(serial, event, at, given)
        self._entail(state, event, at)
        return state

    def keep(self, subject: str, kept_until: date, sealed: bytes) -> None:
        """Keep sealed personal data until a day, in place of what was kept of the same subject; no entry has them."""
        self._forget(subject)
        line = {"subject": subject, "kept_until": kept_until.isoformat(), "sealed": sealed}
        self._connection.execute(people.insert(), line)

    def erase(self, subject: str, at: datetime, detail: Mapping[str, str] | None = None) -> bool:
        """Erase what is kept of a subject, if anything is, which is returned; of a card the books say so.

        TransitionRefused while the card's business is open.
        """
        forgotten = self._forget(subject)
        if forgotten and self._find(subject) is not None:
            self.append(subject, Event.ERASED, at, detail)
        return forgotten

    def note(self, subject: str, event: BooksEvent, at: datetime, detail: Mapping[str, str] | None = None) -> None:
        """Enter what concerns no card: a delivery, a run, an operator. LedgerError for details of another form."""
        given = dict(detail or {})
        check_detail(event, given)
        self._add(subject, event, at, given)

    def write(self, sealer: Sealer | None) -> None:
        """Write everything, signed and, when it is time, sealed. LedgerError where an operator would have to sign."""
        if not self._rows:
            return
        if self._signer is None:
            self._check_unattended()
        self._connection.execute(events.insert(), self._rows)
        projection.save(self._connection, self._states.values())
        first = self._first + 1
        if self._signer is not None:
            signature = self._signer.sign(signed_message(first, self._number, self._digest))
            self._sign(first, self._signer.actor, signature)
        if sealer is not None and self._first // SEAL_EVERY != self._number // SEAL_EVERY:
            self.seal(sealer)

    def _check_unattended(self) -> None:
        """Once operators sign the books, nobody else writes there: so an entry that was slipped in is found."""
        before = sa.select(events.c.actor).where(events.c.id == self._first)
        if self._connection.execute(before).scalar_one_or_none() not in (None, UNATTENDED):
            raise LedgerError("operators sign these books: an operator logs in first")

    def seal(self, sealer: Sealer) -> None:
        """Let the authority sign for all that stands there."""
        self._sign(1, AUTHORITY, sealer(sealed_message(self._number, self._digest)))

    def _sign(self, first: int, signer: str, signature: bytes) -> None:
        line = {"last": self._number, "signer": signer, "first": first, "signature": signature.hex()}
        self._connection.execute(signatures.insert(), line)

    def _add(self, subject: str, event: AnyEvent, at: datetime, detail: Mapping[str, str]) -> None:
        actor = UNATTENDED if self._signer is None else self._signer.actor
        row = Row(self._number + 1, stamp(at), subject, event.value, canonical(detail), actor)
        self._number, self._digest = row.number, row.digest(self._digest)
        self._rows.append(
            {
                "id": row.number,
                "time": row.time,
                "subject": subject,
                "event": row.event,
                "detail": row.detail,
                "digest": self._digest,
                "actor": actor,
            }
        )

    def _find(self, serial: str) -> CardState | None:
        state = self._states.get(serial)
        if state is not None:
            return state
        if serial not in self._before:
            self._before[serial] = projection.find(self._connection, serial)
        return self._before[serial]

    def _new_serial(self, city_code: str) -> str:
        prefix = f"{SERIAL_PREFIX}{city_code}"
        if prefix not in self._next:
            last = projection.last_serial(self._connection, prefix)
            self._next[prefix] = 1 if last is None else int(last[len(prefix) :]) + 1
        number = self._next[prefix]
        self._next[prefix] += 1
        serial = f"{prefix}{number:09d}"
        self._before[serial] = None
        return serial

    def cards_of(self, resident: Resident) -> list[CardState]:
        """All cards of a resident code, in the order of serials, this group's included.

        Name and birthday find nobody: two residents may have them in common.
        """
        known = self._known.get(resident.code_digest)
        if known is None:
            known = list(projection.of_code(self._connection, resident.code_digest))
        found = {state.serial: state for state in known}
        own = {serial: state for serial, state in self._states.items() if state.code_digest == resident.code_digest}
        return [state for _, state in sorted({**found, **own}.items())]

    def _check_free(self, resident: Resident, today: date, replaces: str | None = None) -> None:
        for state in self.cards_of(resident):
            if state.is_of_another(resident.person_digest):
                raise CodeTaken(state.serial)
            under_way = state.status in APPLICATION or state.status in MID_ISSUE
            valid = state.status in HELD and not state.is_expired(today)
            if (under_way or valid) and state.serial != replaces:
                raise CardHeld(state.serial, state.standing(today))

    def _check_replaced(self, resident: Resident, kind: Kind, replaces: str | None, today: date) -> None:
        if (kind is Kind.NEW) != (replaces is None):
            raise TransitionRefused("an application replaces a card, unless it is for a new one")
        if replaces is None:
            return
        old = self.card(replaces)
        if resident.code_digest != old.code_digest and resident.person_digest != old.person_digest:
            raise TransitionRefused(f"card {replaces} is another person's: it cannot be replaced by this one")
        if old.status not in HELD | {Status.VOID}:
            raise TransitionRefused(f"card {replaces} is {old.status}: there is nothing to replace")
        if (kind is Kind.EXPIRED) != old.is_expired(today) and old.status is not Status.VOID:
            raise TransitionRefused(f"card {replaces} is valid until {old.expires}: that is no case of {kind}")

    def _forget(self, subject: str) -> bool:
        gone = self._connection.execute(people.delete().where(people.c.subject == subject)).rowcount > 0
        self.has_erased = self.has_erased or gone
        return gone

    def _entail(self, state: CardState, event: Event, at: datetime) -> None:
        if event is Event.HANDED_OVER:
            self._void_replaced(state, Cause.REPLACED, at)
        if event is Event.ORDERED and state.facts.get("kind") == Kind.LOST:
            self._void_replaced(state, Cause.LOST, at)
        if event in ENDS_BUSINESS:
            self.erase(state.serial, at)

    def _void_replaced(self, state: CardState, cause: Cause, at: datetime) -> None:
        replaces = state.facts.get("replaces")
        if replaces is not None and self.card(replaces).status in HELD:
            self.append(replaces, Event.VOIDED, at, {"cause": cause.value, "replaced_by": state.serial})


def head_of(connection: sa.Connection) -> tuple[int, str]:
    """Number and digest of the last entry."""
    last = sa.select(events.c.id, events.c.digest).order_by(events.c.id.desc()).limit(1)
    row = connection.execute(last).one_or_none()
    return (0, GENESIS) if row is None else (row.id, row.digest)


def _digests(resident: Resident) -> dict[str, str]:
    digests = {"code_digest": resident.code_digest}
    return digests if resident.person_digest is None else {**digests, "person_digest": resident.person_digest}
