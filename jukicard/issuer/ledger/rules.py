"""The life of a card in the books: its events, its statuses, and which event may follow which status.

Nothing personal may enter: an event's details are named and formed by the table here. Beyond serial, city,
face version and dates there are only two keyed digests: of the resident code, by which a second card for the
same code can be found, and of the person, by which a second person with that code is (entries from before step 2
have only the first).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum

from jukicard.issuer.errors import LedgerError, TransitionRefused


class Status(StrEnum):
    """Where a card stands. `expired` is no status: it follows from the expiry date."""

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
    VOID = "void"
    SPOILT = "spoilt"
    CANCELLED = "cancelled"


class Event(StrEnum):
    """What is written down. `…-started` stands before the card is touched; the outcome is another entry."""

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
    HANDOVER_STARTED = "handover-started"
    HANDOVER_ABANDONED = "handover-abandoned"
    HANDED_OVER = "handed-over"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    VOIDED = "voided"
    ON_CHIP = "on-chip"
    PASSWORD_RESET_STARTED = "password-reset-started"  # noqa: S105  an event, no password
    PASSWORD_RESET = "password-reset"  # noqa: S105
    SPOILT = "spoilt"
    CANCELLED = "cancelled"


_S = Status
_TOUCHED = (_S.PERSONALISING, _S.READ_BACK, _S.CLOSED, _S.FACE_WRITTEN, _S.MATCHED)


@dataclass(frozen=True, slots=True)
class Transition:
    """An event's statuses before (None: no entry yet) and after (None: the same)."""

    sources: frozenset[Status | None]
    target: Status | None


def _to(target: Status | None, *sources: Status | None) -> Transition:
    return Transition(frozenset(sources), target)


TRANSITIONS: Mapping[Event, Transition] = {
    Event.ORDERED: _to(_S.ORDERED, None),
    Event.BOUND: _to(_S.BOUND, _S.ORDERED),
    Event.PERSONALISING: _to(_S.PERSONALISING, _S.BOUND),
    Event.STEP_STARTED: _to(None, *_TOUCHED, _S.HANDING_OVER),
    Event.STEP_DONE: _to(None, *_TOUCHED, _S.HANDING_OVER),
    Event.READ_BACK: _to(_S.READ_BACK, _S.PERSONALISING),
    Event.CLOSED: _to(_S.CLOSED, _S.READ_BACK),
    Event.FACE_WRITTEN: _to(_S.FACE_WRITTEN, _S.CLOSED),
    Event.MATCHED: _to(_S.MATCHED, _S.CLOSED, _S.FACE_WRITTEN),
    Event.AWAITING_HANDOVER: _to(_S.AWAITING_HANDOVER, _S.CLOSED, _S.FACE_WRITTEN, _S.MATCHED),
    Event.HANDOVER_STARTED: _to(_S.HANDING_OVER, _S.AWAITING_HANDOVER, _S.HANDING_OVER),
    Event.HANDOVER_ABANDONED: _to(_S.AWAITING_HANDOVER, _S.HANDING_OVER),
    Event.HANDED_OVER: _to(_S.ACTIVE, _S.HANDING_OVER),
    Event.SUSPENDED: _to(_S.SUSPENDED, _S.ACTIVE),
    Event.RESUMED: _to(_S.ACTIVE, _S.SUSPENDED),
    Event.VOIDED: _to(_S.VOID, _S.AWAITING_HANDOVER, _S.HANDING_OVER, _S.ACTIVE, _S.SUSPENDED),
    Event.ON_CHIP: _to(None, _S.ACTIVE, _S.SUSPENDED, _S.VOID),
    Event.PASSWORD_RESET_STARTED: _to(None, _S.ACTIVE),
    Event.PASSWORD_RESET: _to(None, _S.ACTIVE),
    Event.SPOILT: _to(_S.SPOILT, _S.BOUND, *_TOUCHED, _S.AWAITING_HANDOVER, _S.HANDING_OVER),
    Event.CANCELLED: _to(_S.CANCELLED, _S.ORDERED, _S.BOUND),
}
"""The table of allowed transitions; what is not here is refused."""

MID_ISSUE = frozenset({_S.ORDERED, _S.BOUND, *_TOUCHED, _S.HANDING_OVER})
"""Statuses in which nothing may be left lying: a card there is to be resumed, spoilt or cancelled."""

EXPIRED = "expired"
_FINAL = frozenset({_S.VOID, _S.SPOILT, _S.CANCELLED})
STANDINGS = (*Status, EXPIRED)
"""What a card can be on a day (`CardState.standing`)."""

PASSWORD_RESET_STEP = "password-reset"  # noqa: S105  a step's name
_STARTS: Mapping[Event, str | None] = {
    Event.STEP_STARTED: None,
    Event.PASSWORD_RESET_STARTED: PASSWORD_RESET_STEP,
}
_ENDS: Mapping[Event, str | None] = {Event.STEP_DONE: None, Event.PASSWORD_RESET: PASSWORD_RESET_STEP}
"""The events that begin and end a step, and the step's name where the event's details do not give it."""
_FOR_THE_CHIP = frozenset({Event.SUSPENDED, Event.RESUMED, Event.VOIDED})
"""The books decide these first; the chip follows when it is at hand, which ON_CHIP notes."""
_DROPS_STEP = frozenset({Event.SPOILT, Event.CANCELLED, Event.SUSPENDED, Event.VOIDED, Event.HANDOVER_ABANDONED})
"""What may come although a step has no outcome: the step is given up."""

DETAIL_FORMS: Mapping[str, re.Pattern[str]] = {
    "city": re.compile(r"[0-9]{5}"),
    "face": re.compile(r"[AB]"),
    "issued": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    "expires": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    "code_digest": re.compile(r"[0-9a-f]{64}"),
    "person_digest": re.compile(r"[0-9a-f]{64}"),
    "chip": re.compile(r"[0-9A-F]{2,64}"),
    "step": re.compile(r"[a-z0-9][a-z0-9-]{0,63}"),
    "reason": re.compile(r"[a-z][a-z ,'-]{0,79}"),
    "sw": re.compile(r"[0-9A-F]{4}"),
}
"""The only details there are, and their forms. `chip` is a blank chip's name for itself, `reason` words."""

REQUIRED_DETAILS: Mapping[Event, frozenset[str]] = {
    Event.ORDERED: frozenset({"city", "face", "issued", "expires", "code_digest"}),
    Event.BOUND: frozenset({"chip"}),
    Event.STEP_STARTED: frozenset({"step"}),
    Event.STEP_DONE: frozenset({"step"}),
    Event.SPOILT: frozenset({"reason"}),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger. `digest` chains it to all lines before it (64 hex digits)."""

    number: int
    at: datetime
    serial: str
    event: Event
    detail: Mapping[str, str]
    digest: str


@dataclass(frozen=True, slots=True)
class CardState:
    """What the entries of one card add up to.

    `pending` is a step that was started and has no outcome yet, `steps_done` those with one, in their
    order; `chip` is the chip bound to the serial, if one is. `chip_behind`: the status changed in the books, and
    nothing says yet that the chip followed.
    """

    serial: str
    status: Status
    city_code: str
    face: str
    issued_on: date
    expires: date
    code_digest: str = field(repr=False)
    person_digest: str | None = field(default=None, repr=False)
    chip: str | None = None
    pending: str | None = None
    steps_done: tuple[str, ...] = ()
    chip_behind: bool = False

    def is_expired(self, today: date) -> bool:
        """Whether the last valid day has passed."""
        return today > self.expires

    def standing(self, today: date) -> str:
        """What the card is on a day: its status, or `expired` where that is not final and the last day has passed."""
        return EXPIRED if self.is_expired(today) and self.status not in _FINAL else self.status.value

    def is_of_another(self, person_digest: str | None) -> bool:
        """Whether the books know it as another person's: not if it was cancelled, or either person is not known."""
        unknown = self.person_digest is None or person_digest is None
        return self.status is not Status.CANCELLED and not unknown and self.person_digest != person_digest

    @property
    def is_unfinished(self) -> bool:
        """Whether work on it was begun and has no outcome."""
        return self.status in MID_ISSUE or self.pending is not None


def check_detail(event: Event, detail: Mapping[str, str]) -> None:
    """Raise LedgerError unless the details are those that the event needs, in their forms."""
    missing = REQUIRED_DETAILS.get(event, frozenset()) - detail.keys()
    if missing:
        raise LedgerError(f"the event {event} lacks {', '.join(sorted(missing))}")
    for name, value in detail.items():
        form = DETAIL_FORMS.get(name)
        if form is None or not form.fullmatch(value):
            raise LedgerError(f"{name!r} is no detail of that form that the ledger keeps")


def advance(state: CardState | None, serial: str, event: Event, detail: Mapping[str, str]) -> CardState:
    """The card's state after one more event. Raises TransitionRefused, or LedgerError for wrong details."""
    check_detail(event, detail)
    before = None if state is None else state.status
    transition = TRANSITIONS[event]
    if before not in transition.sources:
        raise TransitionRefused(f"card {serial} is {before or 'not in the ledger'}: {event} cannot follow")
    if state is None:
        return CardState(
            serial=serial,
            status=Status.ORDERED,
            city_code=detail["city"],
            face=detail["face"],
            issued_on=_day(detail["issued"]),
            expires=_day(detail["expires"]),
            code_digest=detail["code_digest"],
            person_digest=detail.get("person_digest"),
        )
    after = transition.target or state.status
    return replace(_with_step(state, event, detail), status=after, chip=detail.get("chip", state.chip))


def fold(serial: str, events: Iterable[tuple[Event, Mapping[str, str]]]) -> CardState | None:
    """The state that a card's events add up to; None if there are none. Raises like `advance`."""
    state = None
    for event, detail in events:
        state = advance(state, serial, event, detail)
    return state


def _with_step(state: CardState, event: Event, detail: Mapping[str, str]) -> CardState:
    """Steps come in pairs; only the same step may start again, which is how an interrupted one resumes."""
    if event in _STARTS or event in _ENDS:
        return _stepped(state, event, detail)
    if event is Event.ON_CHIP:
        if not state.chip_behind:
            raise TransitionRefused(f"card {state.serial}: its chip is not behind the books")
        return replace(state, chip_behind=False)
    if state.pending is not None and event not in _DROPS_STEP:
        raise TransitionRefused(f"card {state.serial}: step {state.pending} has no outcome yet")
    return replace(state, pending=None, chip_behind=event in _FOR_THE_CHIP or state.chip_behind)


def _stepped(state: CardState, event: Event, detail: Mapping[str, str]) -> CardState:
    step = (_STARTS.get(event) or _ENDS.get(event)) or detail["step"]
    if event in _STARTS and state.pending in (None, step):
        return replace(state, pending=step)
    if event in _ENDS and state.pending == step:
        return replace(state, pending=None, steps_done=(*state.steps_done, step))
    raise TransitionRefused(f"card {state.serial}: step {state.pending or '(none)'} is the one under way")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise LedgerError("no such day in the calendar") from None
