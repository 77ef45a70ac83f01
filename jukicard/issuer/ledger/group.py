"""A group of entries, which are written together or not at all, and which an operator's card signs with one signature.

The rules that look beyond one card stand here: one card for each person, a replacement and what it replaces.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import sqlalchemy as sa

from jukicard.issuer.errors import CardHeld, CodeTaken, LedgerError, TransitionRefused
from jukicard.issuer.ledger import projection
from jukicard.issuer.ledger.cards import CardState, advance
from jukicard.issuer.ledger.chain import (
    GENESIS,
    UNATTENDED,
    EntrySigner,
    Row,
    canonical,
    sealed_message,
    signed_message,
    stamp,
)
from jukicard.issuer.ledger.details import Cause, Kind, check_detail
from jukicard.issuer.ledger.rules import APPLICATION, HELD, MID_ISSUE, AnyEvent, BooksEvent, Event, Status
from jukicard.issuer.ledger.schema import events, signatures

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

        Raises CodeTaken if the code is another person's, CardHeld if the resident has a valid card, or one under way.
        """
        self._check_free(resident, at.date())
        serial = self._new_serial(terms.city_code)
        self.append(serial, Event.ORDERED, at, {**(detail or {}), **_digests(resident), **terms.details})
        return serial

    def order_applied(self, serial: str, issued_on: date, expires: date, at: datetime) -> CardState:
        """Order the card of an application that was confirmed. A lost card that it replaces is void from now on."""
        detail = {"issued": issued_on.isoformat(), "expires": expires.isoformat()}
        state = self.append(serial, Event.ORDERED, at, detail)
        if state.facts.get("kind") == Kind.LOST:
            self._void_replaced(state, Cause.LOST, at)
        return state

    def hand_over(self, serial: str, at: datetime) -> CardState:
        """Enter a card as handed over: from now on it is the resident's only one, and what it replaces is void."""
        state = self.append(serial, Event.HANDED_OVER, at)
        self._void_replaced(state, Cause.REPLACED, at)
        return state

    def append(self, serial: str, event: Event, at: datetime, detail: Mapping[str, str] | None = None) -> CardState:
        """Enter an event of a card and return its state after it.

        Raises TransitionRefused if it cannot follow, LedgerError for details of another form.
        """
        given = dict(detail or {})
        state = advance(self._find(serial), serial, event, given)
        self._states[serial] = state
        self._add(serial, event, at, given)
        return state

    def note(self, subject: str, event: BooksEvent, at: datetime, detail: Mapping[str, str] | None = None) -> None:
        """Enter what concerns no card: a delivery, a run, an operator. LedgerError for details of another form."""
        given = dict(detail or {})
        check_detail(event, given)
        self._add(subject, event, at, given)

    def write(self, sealer: Sealer | None) -> None:
        """Write everything, signed and, when it is time, sealed."""
        if not self._rows:
            return
        self._connection.execute(events.insert(), self._rows)
        projection.save(self._connection, self._states.values())
        first = self._first + 1
        if self._signer is not None:
            signature = self._signer.sign(signed_message(first, self._number, self._digest))
            self._sign(first, self._signer.actor, signature)
        if sealer is not None and self._first // SEAL_EVERY != self._number // SEAL_EVERY:
            self.seal(sealer)

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
        return self._states.get(serial) or projection.find(self._connection, serial)

    def _new_serial(self, city_code: str) -> str:
        prefix = f"{SERIAL_PREFIX}{city_code}"
        if prefix not in self._next:
            last = projection.last_serial(self._connection, prefix)
            self._next[prefix] = 1 if last is None else int(last[len(prefix) :]) + 1
        number = self._next[prefix]
        self._next[prefix] += 1
        return f"{prefix}{number:09d}"

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
