"""The statistics of cards that a municipality publishes, month by month.

They are numbers of events and of cards; nothing in them, nor in what they are made of, is personal.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta, tzinfo

from jukicard.issuer.ledger.chain import Entry
from jukicard.issuer.ledger.rules import Event

NOT_GIVEN = "not-given"
"""The cause of cards that were made void without one."""
_FIRST = (Event.APPLIED, Event.ORDERED, Event.TAKEN_OVER)
_BEGINS = (Event.HANDED_OVER, Event.TAKEN_OVER)
_ENDS = (Event.VOIDED, Event.MOVED)
"""The events that begin and end a card's being one of the valid ones here; it may come back from another city."""


@dataclass(slots=True)
class Month:
    """One month's numbers.

    `applications` by kind, `issued` (finished, to be handed over) by face, `void` by cause. `valid` are the cards that
    at the month's end were handed over or taken over, and not void, moved away or expired; suspended ones are among
    them.
    """

    applications: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    issued: Counter[str] = field(default_factory=Counter)
    handed_over: int = 0
    suspended: int = 0
    void: Counter[str] = field(default_factory=Counter)
    spoilt: int = 0
    password_resets: int = 0
    valid: int = 0


_COUNTED = {
    Event.REFUSED: "refused",
    Event.HANDED_OVER: "handed_over",
    Event.SUSPENDED: "suspended",
    Event.SPOILT: "spoilt",
    Event.PASSWORD_RESET: "password_resets",
}
"""The events that are simply counted, and the member of `Month` that counts them."""


def statistics(by_subject: Iterable[Entry], today: date, *, zone: tzinfo | None = None) -> dict[str, Month]:
    """Count the entries of `Ledger.by_subject` by month (`YYYY-MM`), from the first one with an entry to today's.

    Today's month ends today. Days are those of `zone`, by default of this machine. One card's entries are looked at
    after the other's, and nothing is held in memory but the months.
    """
    count = _Counter(today, zone)
    for _, entries in itertools.groupby(by_subject, lambda entry: entry.serial):
        count.take(entries)
    return count.months()


def of_year(months: dict[str, Month], year: int) -> dict[str, Month]:
    """Return the months of one year."""
    return {name: month for name, month in months.items() if name.startswith(f"{year:04d}-")}


class _Counter:
    def __init__(self, today: date, zone: tzinfo | None) -> None:
        self._today = today
        self._zone = zone
        self._months: defaultdict[str, Month] = defaultdict(Month)
        self._valid: Counter[str] = Counter()
        """By how many more cards are valid at a month's end than at the end of the one before."""

    def take(self, entries: Iterable[Entry]) -> None:
        """Count all entries of one card; those of anything else count nothing."""
        face, expires, begun = "", "", None
        for entry in entries:
            if not isinstance(entry.event, Event):
                continue
            day = entry.at.astimezone(self._zone).date()
            month = self._months[_name(day)]
            if entry.event in _FIRST:
                face, expires = entry.detail.get("face", face), entry.detail["expires"]
            if entry.event in _BEGINS:
                begun = day
            elif entry.event in _ENDS and begun is not None:
                self._live(begun, day, date.fromisoformat(expires))
                begun = None
            self._count(month, entry, face)
        if begun is not None:
            self._live(begun, None, date.fromisoformat(expires))

    def months(self) -> dict[str, Month]:
        """The months without a gap, each with the cards valid at its end."""
        found: dict[str, Month] = {}
        valid = 0
        last = max([_name(self._today), *self._months])
        name = min(self._months, default=last)
        while name <= last:
            valid += self._valid[name]
            found[name] = self._months[name]
            found[name].valid = valid
            name = _name(date(int(name[:4]), int(name[5:]), 1) + timedelta(days=31))
        return found

    @staticmethod
    def _count(month: Month, entry: Entry, face: str) -> None:
        if entry.event is Event.APPLIED:
            month.applications[entry.detail["kind"]] += 1
        elif entry.event is Event.AWAITING_HANDOVER:
            month.issued[face] += 1
        elif entry.event is Event.VOIDED:
            month.void[entry.detail.get("cause", NOT_GIVEN)] += 1
        elif entry.event in _COUNTED:
            name = _COUNTED[Event(entry.event)]
            setattr(month, name, getattr(month, name) + 1)

    def _live(self, begun: date, ended: date | None, expires: date) -> None:
        """Count a card as valid from one day until another, or the day after its last."""
        end = expires + timedelta(days=1)
        if ended is not None:
            end = min(end, ended)
        self._valid[_name(begun)] += 1
        if end <= self._today:
            self._valid[_name(max(end, begun))] -= 1


def _name(day: date) -> str:
    return f"{day:%Y-%m}"
