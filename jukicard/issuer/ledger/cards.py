"""What the entries of one card add up to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from jukicard.issuer.errors import LedgerError, TransitionRefused
from jukicard.issuer.ledger.details import FIRST_ORDER, check_detail, require
from jukicard.issuer.ledger.rules import (
    APPLICATION,
    BESIDE,
    DROPS_STEP,
    ENDS,
    EXPIRED,
    FINAL,
    FOR_THE_CHIP,
    MID_ISSUE,
    STARTS,
    TRANSITIONS,
    Event,
    Status,
)

KEPT_FACTS = frozenset(
    {"kind", "replaces", "replaced_by", "document", "cause", "moved_to", "moved_from", "blanks", "run", "row"}
)
"""Details that stay true of a card after the event that told them."""


@dataclass(frozen=True, slots=True)
class CardState:
    """What the entries of one card add up to.

    `issued_on` and `expires` are those expected until the card is ordered. `pending` is a step that was started and
    has no outcome yet, `steps_done` those with one, in their order; `chip` is the chip bound to the serial, if one is.
    `chip_behind`: the status changed in the books, and nothing says yet that the chip followed. `facts` are the
    details of `KEPT_FACTS` as they were told last; `endorsements` counts the changes on the card's back.
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
    facts: Mapping[str, str] = field(default_factory=dict)
    endorsements: int = 0

    def is_expired(self, today: date) -> bool:
        """Whether the last valid day has passed."""
        return today > self.expires

    def standing(self, today: date) -> str:
        """What the card is on a day: its status, or `expired` where that is not final and the last day has passed."""
        open_ended = self.status in FINAL or self.status in APPLICATION
        return EXPIRED if self.is_expired(today) and not open_ended else self.status.value

    def is_of_another(self, person_digest: str | None) -> bool:
        """Whether the books know it as another person's: not if nothing came of it, or either person is not known."""
        unknown = self.person_digest is None or person_digest is None
        came_to_nothing = self.status in (Status.CANCELLED, Status.REFUSED)
        return not came_to_nothing and not unknown and self.person_digest != person_digest

    @property
    def is_unfinished(self) -> bool:
        """Whether work on it was begun and has no outcome."""
        return self.status in MID_ISSUE or self.pending is not None

    def encode(self) -> str:
        """Write what the books' table of cards has no column for, as JSON; `decode` reads it."""
        members = {
            "city": self.city_code,
            "face": self.face,
            "issued": self.issued_on.isoformat(),
            "pending": self.pending,
            "steps": list(self.steps_done),
            "behind": self.chip_behind,
            "facts": dict(self.facts),
            "endorsements": self.endorsements,
        }
        return json.dumps(members, sort_keys=True, separators=(",", ":"))


def decode(
    serial: str, status: str, expires: str, digests: tuple[str, str | None], chip: str | None, rest: str
) -> CardState:
    """Read a card's line in the table of cards. ValueError, KeyError or TypeError if it is none."""
    members = json.loads(rest)
    return CardState(
        serial=serial,
        status=Status(status),
        city_code=members["city"],
        face=members["face"],
        issued_on=date.fromisoformat(members["issued"]),
        expires=date.fromisoformat(expires),
        code_digest=digests[0],
        person_digest=digests[1],
        chip=chip,
        pending=members["pending"],
        steps_done=tuple(members["steps"]),
        chip_behind=members["behind"],
        facts=members["facts"],
        endorsements=members["endorsements"],
    )


def advance(state: CardState | None, serial: str, event: Event, detail: Mapping[str, str]) -> CardState:
    """The card's state after one more event. Raises TransitionRefused, or LedgerError for wrong details."""
    check_detail(event, detail)
    before = None if state is None else state.status
    transition = TRANSITIONS[event]
    if before not in transition.sources:
        raise TransitionRefused(f"card {serial} is {before or 'not in the ledger'}: {event} cannot follow")
    if state is None:
        return _first(serial, event, detail)
    if event is Event.ORDERED:
        state = replace(state, issued_on=_day(detail["issued"]), expires=_day(detail["expires"]))
    kept = {name: value for name, value in detail.items() if name in KEPT_FACTS}
    return replace(
        _with_step(state, event, detail),
        status=transition.target or state.status,
        chip=detail.get("chip", state.chip),
        facts={**state.facts, **kept} if kept else state.facts,
        endorsements=state.endorsements + (event is Event.ENDORSED),
    )


def fold(serial: str, events: Iterable[tuple[Event, Mapping[str, str]]]) -> CardState | None:
    """The state that a card's events add up to; None if there are none. Raises like `advance`."""
    state = None
    for event, detail in events:
        state = advance(state, serial, event, detail)
    return state


def _first(serial: str, event: Event, detail: Mapping[str, str]) -> CardState:
    require(event, detail, FIRST_ORDER)
    return CardState(
        serial=serial,
        status=TRANSITIONS[event].target or Status.ORDERED,
        city_code=detail["city"],
        face=detail["face"],
        issued_on=_day(detail["issued"]),
        expires=_day(detail["expires"]),
        code_digest=detail["code_digest"],
        person_digest=detail.get("person_digest"),
        pending=STARTS.get(event),
        facts={name: value for name, value in detail.items() if name in KEPT_FACTS},
    )


def _with_step(state: CardState, event: Event, detail: Mapping[str, str]) -> CardState:
    """Steps come in pairs; only the same step may start again, which is how an interrupted one resumes."""
    if event in BESIDE:
        return state
    if event in STARTS or event in ENDS:
        return _stepped(state, event, detail)
    if event is Event.ON_CHIP:
        if not state.chip_behind:
            raise TransitionRefused(f"card {state.serial}: its chip is not behind the books")
        return replace(state, chip_behind=False)
    if state.pending is not None and event not in DROPS_STEP:
        raise TransitionRefused(f"card {state.serial}: step {state.pending} has no outcome yet")
    behind = event in FOR_THE_CHIP or state.chip_behind
    if state.pending is None and behind == state.chip_behind:
        return state
    return replace(state, pending=None, chip_behind=behind)


def _stepped(state: CardState, event: Event, detail: Mapping[str, str]) -> CardState:
    step = (STARTS.get(event) or ENDS.get(event)) or detail["step"]
    if event in STARTS and state.pending in (None, step):
        return replace(state, pending=step)
    if event in ENDS and state.pending == step:
        return replace(state, pending=None, steps_done=(*state.steps_done, step))
    raise TransitionRefused(f"card {state.serial}: step {state.pending or '(none)'} is the one under way")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise LedgerError("no such day in the calendar") from None
