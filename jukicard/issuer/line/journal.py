"""Where the issuing machine notes what it does to a card: the books themselves, or a group's share of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from jukicard.issuer.ledger.cards import CardState, advance
from jukicard.issuer.ledger.rules import Event

_STEPS = frozenset({Event.STEP_STARTED, Event.STEP_DONE})


class Journal(Protocol):
    """What the machine needs of the books (`Ledger` is one)."""

    def card(self, serial: str) -> CardState:
        """The state of a card. LedgerError if it is not known."""

    def card_on(self, chip: str) -> CardState | None:
        """The card that the chip of that number was bound to last, or None if it never was."""

    def check_in_stock(self, chip: str) -> None:
        """Refuse (RuleRefused) a chip that the stock does not have, where stock is kept."""

    def append(self, serial: str, event: Event, at: datetime, detail: Mapping[str, str] | None = None) -> CardState:
        """Note an event of a card and return its state after it. TransitionRefused if it cannot follow."""


@dataclass(frozen=True, slots=True)
class Note:
    """An event of a card that is not in the books yet. `at` has its zone."""

    event: Event
    at: datetime
    detail: Mapping[str, str] = field(default_factory=dict)


class CardJournal:
    """Notes on one card whose chip is given up if its making is interrupted: written into the books at its end.

    The same rules hold as in the books. Steps are checked and not kept: they are for resuming with the same chip.
    """

    def __init__(self, state: CardState) -> None:
        self.state = state
        self.notes: list[Note] = []

    def card(self, serial: str) -> CardState:
        """See Journal. There is this one card."""
        if serial != self.state.serial:
            raise KeyError(serial)
        return self.state

    def card_on(self, chip: str) -> CardState | None:
        """See Journal: no chip but this card's was ever seen here."""
        return self.state if self.state.chip == chip else None

    def check_in_stock(self, chip: str) -> None:
        """See Journal: the chip comes from where its number was given out."""

    def append(self, serial: str, event: Event, at: datetime, detail: Mapping[str, str] | None = None) -> CardState:
        """See Journal."""
        given = dict(detail or {})
        self.state = advance(self.card(serial), serial, event, given)
        if event not in _STEPS:
            self.notes.append(Note(event, at, given))
        return self.state
