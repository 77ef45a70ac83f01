"""Reconciliation: blanks received = issued + spoilt + in stock, and every difference named.

What the entries tell of blanks is added up by day, operator and delivery:

    in stock = received - discarded - bound
    in work  = bound - issued - spoilt - cancelled + unmade

A blank leaves the stock when its chip is bound to a card. The card is then in work until it is finished (issued: it
awaits its handover), spoilt, or cancelled, which leaves a chip that is bound and never used. `unmade` are the cards
that had been issued before they were spoilt.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, tzinfo
from enum import StrEnum
from typing import TypeVar

from jukicard.issuer.errors import RuleRefused
from jukicard.issuer.ledger.chain import Entry
from jukicard.issuer.ledger.rules import MID_ISSUE, TRANSITIONS, BooksEvent, Event, Status
from jukicard.issuer.ledger.stock import STOCK_EVENTS, ChipNumbers, ChipRange, Stock

_IN_WORK = MID_ISSUE - {Status.ORDERED, Status.HANDING_OVER}
_OPEN = _IN_WORK | {Status.AWAITING_HANDOVER, Status.HANDING_OVER}
"""Statuses from which a card whose chip was bound may still be spoilt."""
_PAGE = 256
"""Chip numbers that share one integer in the set of those that were bound."""

K = TypeVar("K")


@dataclass(slots=True)
class Tally:
    """Movements of blanks, each a number of chips; see the module for what they mean together."""

    received: int = 0
    discarded: int = 0
    bound: int = 0
    issued: int = 0
    spoilt: int = 0
    cancelled: int = 0
    unmade: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    @property
    def in_stock(self) -> int:
        """By how many the stock is larger afterwards."""
        return self.received - self.discarded - self.bound

    @property
    def in_work(self) -> int:
        """By how many the cards in work are more afterwards."""
        return self.bound - self.issued - self.spoilt - self.cancelled + self.unmade


class Why(StrEnum):
    """What explains a difference, or what the books cannot explain."""

    IN_WORK = "in-work"
    CANCELLED = "cancelled"
    COUNT_SETTLED = "count-settled"
    COUNT_DIFFERS = "count-differs"
    UNKNOWN_CHIP = "unknown-chip"
    BOUND_TWICE = "bound-twice"
    DISCARDED = "discarded"
    OVERDRAWN = "overdrawn"
    NUMBERS_DIFFER = "numbers-differ"
    IMPOSSIBLE_ENTRY = "impossible-entry"

    @property
    def is_explained(self) -> bool:
        """Whether the books come out right with it."""
        return self in (Why.IN_WORK, Why.CANCELLED, Why.COUNT_SETTLED)


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: in which delivery (None: in none), of which card or chip, at which entry of the books.

    `by` are chips: of a count, how many more were there than the books had, `since` being the entry of the count (or
    receipt) before it.
    """

    why: Why
    entry: int
    delivery: str | None
    serial: str | None = None
    chip: str | None = None
    status: Status | None = None
    by: int = 0
    since: int | None = None
    words: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """Where and by whom blanks moved."""

    day: date
    actor: str | None
    delivery: str | None


@dataclass(frozen=True, slots=True)
class LastCount:
    """A count by hand: at which entry, of which day, how many chips, and how many the books had then."""

    entry: int
    day: date
    counted: int
    by_the_books: int


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What the books say of blanks. Lines whose delivery is None are of chips in no delivery: of those, `before_stock`
    were bound before the home kept any stock.
    """

    lines: Mapping[Line, Tally]
    counts: Mapping[str, LastCount]
    differences: tuple[Difference, ...]
    before_stock: int
    deliveries: tuple[str, ...]

    @property
    def is_balanced(self) -> bool:
        """Whether nothing is left unexplained."""
        return all(each.why.is_explained for each in self.differences)

    def by_delivery(self) -> dict[str | None, Tally]:
        """The sums of each delivery, in the order in which they came; None last, where there is anything to it."""
        sums = self._summed(lambda line: line.delivery)
        order: tuple[str | None, ...] = (*self.deliveries, None)
        return {name: sums.get(name, Tally()) for name in order if name is not None or name in sums}

    def by_day(self) -> dict[date, Tally]:
        """The sums of each day."""
        sums = self._summed(lambda line: line.day)
        return {day: sums[day] for day in sorted(sums)}

    def by_operator(self) -> dict[str | None, Tally]:
        """The sums of each operator's card."""
        sums = self._summed(lambda line: line.actor)
        return {actor: sums[actor] for actor in sorted(sums, key=str)}

    def of(self, delivery: str) -> Reconciliation:
        """What of it concerns one delivery. RuleRefused if there is none of that name."""
        if delivery not in self.deliveries:
            raise RuleRefused(f"there is no delivery {delivery}: `juki stock list` has those that were received")
        return Reconciliation(
            {line: tally for line, tally in self.lines.items() if line.delivery == delivery},
            {name: count for name, count in self.counts.items() if name == delivery},
            tuple(each for each in self.differences if each.delivery == delivery),
            0,
            (delivery,),
        )

    def _summed(self, key: Callable[[Line], K]) -> dict[K, Tally]:
        sums: dict[K, Tally] = {}
        for line, tally in self.lines.items():
            sums[key(line)] = sums.get(key(line), Tally()) + tally
        return sums


def reconcile(entries: Iterable[Entry], *, until: date | None = None, zone: tzinfo | None = None) -> Reconciliation:
    """Add up the blanks of the books' entries, in their order; `until` the evening of that day, if one is given.

    Days are those of `zone`, by default of this machine. Beside the sums, what is held in memory are the cards that
    are not handed over, and a bit for each chip that was ever bound.
    """
    count = _Reconciler()
    for entry in entries:
        day = entry.at.astimezone(zone).date()
        if until is None or day <= until:
            count.take(entry, day)
    return count.result()


@dataclass(slots=True)
class _Open:
    """A card whose chip was bound, until it is handed over or came to another end."""

    chip: str
    delivery: str | None
    status: Status
    entry: int


class _Reconciler:
    """Takes the entries one after the other."""

    def __init__(self) -> None:
        self._stock = Stock()
        self._lines: defaultdict[Line, Tally] = defaultdict(Tally)
        self._in_stock: defaultdict[str | None, int] = defaultdict(int)
        self._open: dict[str, _Open] = {}
        self._bound = _Bits()
        self._differences: list[Difference] = []
        self._counts = _Counts()
        self._before_stock = 0

    def take(self, entry: Entry, day: date) -> None:
        """Take the next entry; those that move no blanks change nothing."""
        if entry.event in STOCK_EVENTS:
            self._take_stock(entry, day)
        elif entry.event is BooksEvent.BLANKS_COUNTED:
            self._take_count(entry, day)
        elif entry.event is Event.BOUND:
            self._bind(entry, day)
        elif isinstance(entry.event, Event) and entry.serial in self._open:
            self._follow(entry, day, self._open[entry.serial])

    def result(self) -> Reconciliation:
        """What it comes to, the cards in work among the differences."""
        in_work = (
            Difference(Why.IN_WORK, card.entry, card.delivery, serial, card.chip, card.status)
            for serial, card in self._open.items()
            if card.status in _IN_WORK
        )
        overdrawn = (
            Difference(Why.OVERDRAWN, 0, name, by=-self._in_stock[name])
            for name in self._stock.deliveries
            if self._in_stock[name] < 0
        )
        found = (*self._differences, *self._counts.differences(), *in_work, *overdrawn)
        deliveries = tuple(self._stock.deliveries)
        return Reconciliation(dict(self._lines), self._counts.last, found, self._before_stock, deliveries)

    def _take_stock(self, entry: Entry, day: date) -> None:
        try:
            self._stock.take(entry)
        except RuleRefused as error:
            self._differ(Why.IMPOSSIBLE_ENTRY, entry, entry.serial, words=str(error))
            return
        tally, number = self._line(entry, day, entry.serial), int(entry.detail["count"])
        if entry.event is BooksEvent.BLANKS_RECEIVED:
            tally.received += number
            self._in_stock[entry.serial] += number
            self._counts.begin(entry)
            numbers = len(self._stock.delivery(entry.serial).chips)
            if numbers != number:
                self._differ(Why.NUMBERS_DIFFER, entry, entry.serial, by=numbers - number)
            return
        tally.discarded += number
        self._in_stock[entry.serial] -= number
        for chips in ChipNumbers.parse(entry.detail.get("chips", "")):
            for chip in self._bound.among(chips):
                self._differ(Why.DISCARDED, entry, entry.serial, chip=chip)

    def _take_count(self, entry: Entry, day: date) -> None:
        if entry.serial in self._stock.deliveries:
            self._counts.take(entry, day, self._in_stock[entry.serial])
        else:
            self._differ(
                Why.IMPOSSIBLE_ENTRY, entry, entry.serial, words="blanks were counted that were never received"
            )

    def _bind(self, entry: Entry, day: date) -> None:
        chip = entry.detail["chip"]
        delivery = self._stock.find(chip)
        name = None if delivery is None else delivery.name
        if delivery is not None and chip in delivery.discarded:
            self._differ(Why.DISCARDED, entry, name, chip=chip)
        if delivery is None and self._stock:
            self._differ(Why.UNKNOWN_CHIP, entry, None, chip=chip)
        elif delivery is None:
            self._before_stock += 1
        if not self._bound.add(chip):
            self._differ(Why.BOUND_TWICE, entry, name, chip=chip)
        self._line(entry, day, name).bound += 1
        self._in_stock[name] -= 1
        self._open[entry.serial] = _Open(chip, name, Status.BOUND, entry.number)

    def _follow(self, entry: Entry, day: date, card: _Open) -> None:
        """Let an open card go on; it is closed once nothing can come of it that concerns a blank."""
        target = TRANSITIONS[Event(entry.event)].target
        if target is None:
            return
        before, card.status, card.entry = card.status, target, entry.number
        if target is Status.AWAITING_HANDOVER and before in _IN_WORK:
            self._line(entry, day, card.delivery).issued += 1
        elif target is Status.SPOILT:
            tally = self._line(entry, day, card.delivery)
            tally.spoilt += 1
            tally.unmade += before not in _IN_WORK
        elif target is Status.CANCELLED:
            self._line(entry, day, card.delivery).cancelled += 1
            self._differ(Why.CANCELLED, entry, card.delivery, chip=card.chip)
        if target not in _OPEN:
            del self._open[entry.serial]

    def _line(self, entry: Entry, day: date, delivery: str | None) -> Tally:
        return self._lines[Line(day, entry.actor, delivery)]

    def _differ(
        self,
        why: Why,
        entry: Entry,
        delivery: str | None,
        *,
        chip: str | None = None,
        by: int = 0,
        words: str | None = None,
    ) -> None:
        serial = entry.serial if isinstance(entry.event, Event) else None
        self._differences.append(Difference(why, entry.number, delivery, serial, chip, by=by, words=words))


class _Counts:
    """The counts by hand of each delivery, and between which of them a difference came about."""

    def __init__(self) -> None:
        self.last: dict[str, LastCount] = {}
        self._since: dict[str, int] = {}
        self._changes: defaultdict[str, list[Difference]] = defaultdict(list)

    def begin(self, entry: Entry) -> None:
        """Take the receipt of a delivery, which counts as its first count."""
        self._since[entry.serial] = entry.number

    def take(self, entry: Entry, day: date, by_the_books: int) -> None:
        """Take a count: a difference that was there at the count before is none of this one's."""
        name, counted = entry.serial, int(entry.detail["count"])
        change = counted - by_the_books - self._off(name)
        if change:
            since = self._since[name]
            self._changes[name].append(Difference(Why.COUNT_DIFFERS, entry.number, name, by=change, since=since))
        self.last[name] = LastCount(entry.number, day, counted, by_the_books)
        self._since[name] = entry.number

    def differences(self) -> Iterator[Difference]:
        """What the counts have shown, settled where the last one agrees with the books."""
        for name, changes in self._changes.items():
            settled = self._off(name) == 0
            yield from (replace(each, why=Why.COUNT_SETTLED) if settled else each for each in changes)

    def _off(self, name: str) -> int:
        """By how much the last count was off."""
        last = self.last.get(name)
        return 0 if last is None else last.counted - last.by_the_books


class _Bits:
    """A set of chip numbers, a bit each: deliveries have numbers in a row."""

    def __init__(self) -> None:
        self._pages: dict[int, int] = {}
        self._others: set[str] = set()

    def add(self, chip: str) -> bool:
        """Add a number; return False if it was there."""
        if len(chip) != 16 or not chip.isdecimal():  # not a card image number, nor in any range
            known = chip in self._others
            self._others.add(chip)
            return not known
        page, place = divmod(int(chip), _PAGE)
        bits = self._pages.get(page, 0)
        self._pages[page] = bits | 1 << place
        return not bits >> place & 1

    def among(self, chips: ChipRange) -> Iterator[str]:
        """Those of a range, in ascending order."""
        first, last = int(chips.first), int(chips.last)
        for page in sorted(each for each in self._pages if first // _PAGE <= each <= last // _PAGE):
            for number in range(max(first, page * _PAGE), min(last, page * _PAGE + _PAGE - 1) + 1):
                if self._pages[page] >> number % _PAGE & 1:
                    yield f"{number:016d}"
