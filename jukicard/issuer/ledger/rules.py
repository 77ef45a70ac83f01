"""The life of a card in the books: its events, its statuses, and which event may follow which status.

A card has its serial from the day of its application on; a bureau's card begins with its order, since the application
lies with whoever ordered it. The books of stock, runs and operators have events of their own (`BooksEvent`), which are
bound to no card's life.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """Where a card stands. `expired` is no status: it follows from the expiry date."""

    APPLIED = "applied"
    EXAMINED = "examined"
    ENQUIRED = "enquired"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    ORDERED = "ordered"
    BOUND = "bound"
    PERSONALISING = "personalising"
    READ_BACK = "read-back"
    CLOSED = "closed"
    FACE_WRITTEN = "face-written"
    MATCHED = "matched"
    AWAITING_HANDOVER = "awaiting-handover"
    HANDING_OVER = "handing-over"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    MOVED_AWAY = "moved-away"
    VOID = "void"
    SPOILT = "spoilt"
    CANCELLED = "cancelled"
    DESTROYED = "destroyed"


class Event(StrEnum):
    """What is written down of a card. `…-started` stands before the card is touched; the outcome is another entry."""

    APPLIED = "applied"
    EXAMINED = "examined"
    ENQUIRY_SENT = "enquiry-sent"
    ENQUIRY_ANSWERED = "enquiry-answered"
    IDENTIFIED = "identified"
    REFUSED = "refused"
    ORDERED = "ordered"
    BOUND = "bound"
    PERSONALISING = "personalising"
    STEP_STARTED = "step-started"
    STEP_DONE = "step-done"
    READ_BACK = "read-back"
    CLOSED = "closed"
    FACE_WRITTEN = "face-written"
    MATCHED = "matched"
    AWAITING_HANDOVER = "awaiting-handover"
    NOTICE_SENT = "notice-sent"
    HANDOVER_STARTED = "handover-started"
    HANDOVER_ABANDONED = "handover-abandoned"
    HANDED_OVER = "handed-over"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    MOVED = "moved"
    TAKEN_OVER = "taken-over"
    LOOKED_UP = "looked-up"
    ENDORSED = "endorsed"
    VOIDED = "voided"
    ON_CHIP = "on-chip"
    PASSWORD_RESET_STARTED = "password-reset-started"  # noqa: S105  an event, no password
    PASSWORD_RESET = "password-reset"  # noqa: S105
    CERTIFIED = "certified"
    UNCERTIFIED = "certificate-revoked"
    SPOILT = "spoilt"
    CANCELLED = "cancelled"
    DESTROYED = "destroyed"
    ERASED = "personal-data-erased"


class BooksEvent(StrEnum):
    """What is written down of anything but a card."""

    BLANKS_RECEIVED = "blanks-received"
    BLANKS_COUNTED = "blanks-counted"
    BLANKS_DISCARDED = "blanks-discarded"
    RUN_STARTED = "run-started"
    RUN_ENDED = "run-ended"
    OPERATOR_ENTERED = "operator-entered"
    OPERATOR_REVOKED = "operator-revoked"
    EXPORTED = "exported"
    KEYS_CHANGED = "keys-changed"
    FOREIGN_LOOKED_UP = "foreign-card-looked-up"


AnyEvent = Event | BooksEvent


def event_named(name: str) -> AnyEvent:
    """Return the event that is written so. ValueError if there is none."""
    try:
        return Event(name)
    except ValueError:
        return BooksEvent(name)


_S = Status
TOUCHED = (_S.PERSONALISING, _S.READ_BACK, _S.CLOSED, _S.FACE_WRITTEN, _S.MATCHED)
"""Statuses in which the chip has been written to."""
APPLICATION = frozenset({_S.APPLIED, _S.EXAMINED, _S.ENQUIRED, _S.CONFIRMED})
"""Statuses before the order."""
HELD = frozenset({_S.AWAITING_HANDOVER, _S.HANDING_OVER, _S.ACTIVE, _S.SUSPENDED})
"""Statuses of a card that is somebody's: a person has one such card at most."""
FINAL = frozenset({_S.REFUSED, _S.VOID, _S.SPOILT, _S.CANCELLED, _S.DESTROYED})
"""Statuses from which no card comes back."""
MID_ISSUE = frozenset({_S.ORDERED, _S.BOUND, *TOUCHED, _S.HANDING_OVER})
"""Statuses in which nothing may be left lying: a card there is to be resumed, spoilt or cancelled."""


@dataclass(frozen=True, slots=True)
class Transition:
    """An event's statuses before (None: no entry yet) and after (None: the same)."""

    sources: frozenset[Status | None]
    target: Status | None


def _to(target: Status | None, *sources: Status | None) -> Transition:
    return Transition(frozenset(sources), target)


TRANSITIONS: Mapping[Event, Transition] = {
    Event.APPLIED: _to(_S.APPLIED, None),
    Event.EXAMINED: _to(_S.EXAMINED, _S.APPLIED),
    Event.ENQUIRY_SENT: _to(_S.ENQUIRED, _S.EXAMINED, _S.ENQUIRED),
    Event.ENQUIRY_ANSWERED: _to(_S.CONFIRMED, _S.ENQUIRED),
    Event.IDENTIFIED: _to(_S.CONFIRMED, _S.EXAMINED, _S.ENQUIRED),
    Event.REFUSED: _to(_S.REFUSED, *APPLICATION),
    Event.ORDERED: _to(_S.ORDERED, None, _S.CONFIRMED),
    Event.BOUND: _to(_S.BOUND, _S.ORDERED),
    Event.PERSONALISING: _to(_S.PERSONALISING, _S.BOUND),
    Event.STEP_STARTED: _to(None, *TOUCHED, _S.HANDING_OVER),
    Event.STEP_DONE: _to(None, *TOUCHED, _S.HANDING_OVER, _S.ACTIVE),
    Event.READ_BACK: _to(_S.READ_BACK, _S.PERSONALISING),
    Event.CLOSED: _to(_S.CLOSED, _S.READ_BACK),
    Event.FACE_WRITTEN: _to(_S.FACE_WRITTEN, _S.CLOSED),
    Event.MATCHED: _to(_S.MATCHED, _S.CLOSED, _S.FACE_WRITTEN),
    Event.AWAITING_HANDOVER: _to(_S.AWAITING_HANDOVER, _S.CLOSED, _S.FACE_WRITTEN, _S.MATCHED),
    Event.NOTICE_SENT: _to(None, _S.AWAITING_HANDOVER),
    Event.HANDOVER_STARTED: _to(_S.HANDING_OVER, _S.AWAITING_HANDOVER, _S.HANDING_OVER),
    Event.HANDOVER_ABANDONED: _to(_S.AWAITING_HANDOVER, _S.HANDING_OVER),
    Event.HANDED_OVER: _to(_S.ACTIVE, _S.HANDING_OVER),
    Event.SUSPENDED: _to(_S.SUSPENDED, _S.ACTIVE),
    Event.RESUMED: _to(_S.ACTIVE, _S.SUSPENDED),
    Event.MOVED: _to(_S.MOVED_AWAY, _S.ACTIVE),
    Event.TAKEN_OVER: _to(_S.ACTIVE, None, _S.MOVED_AWAY),
    Event.LOOKED_UP: _to(None, _S.ACTIVE),
    Event.ENDORSED: _to(None, _S.ACTIVE),
    Event.VOIDED: _to(_S.VOID, *HELD, _S.MOVED_AWAY),
    Event.ON_CHIP: _to(None, _S.ACTIVE, _S.SUSPENDED, _S.VOID),
    Event.PASSWORD_RESET_STARTED: _to(None, _S.ACTIVE),
    Event.PASSWORD_RESET: _to(None, _S.ACTIVE),
    Event.CERTIFIED: _to(None, _S.ACTIVE),
    Event.UNCERTIFIED: _to(None, _S.ACTIVE, _S.SUSPENDED, _S.MOVED_AWAY),
    Event.SPOILT: _to(_S.SPOILT, _S.BOUND, *TOUCHED, _S.AWAITING_HANDOVER, _S.HANDING_OVER),
    Event.CANCELLED: _to(_S.CANCELLED, *APPLICATION, _S.ORDERED, _S.BOUND),
    Event.DESTROYED: _to(_S.DESTROYED, _S.VOID, _S.SPOILT),
    Event.ERASED: _to(None, *FINAL, *HELD),
}
"""The table of allowed transitions; what is not here is refused."""

EXPIRED = "expired"
STANDINGS = (*Status, EXPIRED)
"""What a card can be on a day (`CardState.standing`)."""

PASSWORD_RESET_STEP = "password-reset"  # noqa: S105  a step's name
MOVE_STEP = "move"
STARTS: Mapping[Event, str | None] = {
    Event.STEP_STARTED: None,
    Event.PASSWORD_RESET_STARTED: PASSWORD_RESET_STEP,
    Event.TAKEN_OVER: MOVE_STEP,
}
ENDS: Mapping[Event, str | None] = {Event.STEP_DONE: None, Event.PASSWORD_RESET: PASSWORD_RESET_STEP}
"""The events that begin and end a step, and the step's name where the event's details do not give it."""
FOR_THE_CHIP = frozenset({Event.SUSPENDED, Event.RESUMED, Event.VOIDED})
"""The books decide these first; the chip follows when it is at hand, which ON_CHIP notes."""
DROPS_STEP = frozenset(
    {Event.SPOILT, Event.CANCELLED, Event.SUSPENDED, Event.MOVED, Event.VOIDED, Event.HANDOVER_ABANDONED}
)
"""What may come although a step has no outcome: the step is given up."""
BESIDE = frozenset({Event.ERASED, Event.LOOKED_UP, Event.UNCERTIFIED})
"""What may come at any point of a step: it has no part in it."""
ENDS_BUSINESS = frozenset({Event.HANDED_OVER, Event.REFUSED, Event.CANCELLED, Event.VOIDED, Event.DESTROYED})
"""What ends the business that personal data are kept for: what is kept of the card is erased with it."""
