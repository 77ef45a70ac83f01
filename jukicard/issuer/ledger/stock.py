"""The stock of blank chips: deliveries, by the numbers that the chips in them have, and what was discarded of them.

A chip's number is its card image number: 16 digits (8 BCD bytes), which anybody may read from it. The books know a
delivery by its name, and everything else of it by their entries.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from jukicard.issuer.errors import RuleRefused
from jukicard.issuer.ledger.chain import Entry
from jukicard.issuer.ledger.details import DETAIL_FORMS
from jukicard.issuer.ledger.rules import BooksEvent

if TYPE_CHECKING:
    from jukicard.issuer.ledger.group import Group
    from jukicard.issuer.ledger.ledger import Ledger

STOCK_EVENTS = (BooksEvent.BLANKS_RECEIVED, BooksEvent.BLANKS_DISCARDED)
"""The entries that tell which chips there are; counts by hand (BLANKS_COUNTED) change nothing about that."""
LARGEST = 999_999_999
"""Chips in one delivery at most."""
MOST_RANGES = 1000
"""Ranges of numbers in one entry at most."""

_NUMBER = re.compile(r"[0-9]{16}")
_SERIAL = re.compile(r"[0-9]{15}")


@dataclass(frozen=True, slots=True, order=True)
class ChipRange:
    """Chip numbers from `first` to `last`, both included. RuleRefused for what is none."""

    first: str
    last: str

    def __post_init__(self) -> None:
        """Refuse what is no number, and an end before the beginning."""
        if not (_NUMBER.fullmatch(self.first) and _NUMBER.fullmatch(self.last)):
            raise RuleRefused(f"{self} is no range of chip numbers: each has 16 digits")
        if self.last < self.first:
            raise RuleRefused(f"{self} is no range of chip numbers: it ends before it begins")

    def __str__(self) -> str:
        return self.first if self.first == self.last else f"{self.first}-{self.last}"

    def __len__(self) -> int:
        return int(self.last) - int(self.first) + 1

    def __contains__(self, number: object) -> bool:
        return isinstance(number, str) and self.first <= number <= self.last


class ChipNumbers:
    """A set of chip numbers, as ranges in ascending order that neither overlap nor touch."""

    def __init__(self, ranges: Iterable[ChipRange] = ()) -> None:
        """Raise RuleRefused where two ranges overlap."""
        joined: list[ChipRange] = []
        for each in sorted(ranges):
            if joined and each.first <= joined[-1].last:
                raise RuleRefused(f"the chip numbers {joined[-1]} and {each} overlap")
            if joined and int(each.first) == int(joined[-1].last) + 1:
                joined[-1] = replace(joined[-1], last=each.last)
            else:
                joined.append(each)
        self.ranges = tuple(joined)
        self._firsts = [each.first for each in joined]

    @classmethod
    def parse(cls, text: str) -> ChipNumbers:
        """Read ranges as an entry has them, `FIRST-LAST,NUMBER,…`; none from an empty text. RuleRefused."""
        parts = (part.strip().partition("-") for part in text.split(",") if part.strip())
        return cls(ChipRange(first, last or first) for first, _, last in parts)

    def __str__(self) -> str:
        return ",".join(map(str, self.ranges))

    def __len__(self) -> int:
        return sum(map(len, self.ranges))

    def __iter__(self) -> Iterator[ChipRange]:
        return iter(self.ranges)

    def __contains__(self, number: object) -> bool:
        return isinstance(number, str) and any(number in each for each in self._up_to(number))

    def __or__(self, other: ChipNumbers) -> ChipNumbers:
        return ChipNumbers((*self.ranges, *other.ranges))

    def overlap(self, wanted: ChipRange) -> str | None:
        """The lowest number that these have in common with a range, or None."""
        for each in self._up_to(wanted.last):
            if each.last >= wanted.first:
                return max(each.first, wanted.first)
        return None

    def has_all_of(self, wanted: ChipRange) -> bool:
        """Whether every number of a range is among these."""
        return any(wanted.last in each for each in self._up_to(wanted.first) if wanted.first in each)

    def _up_to(self, number: str) -> tuple[ChipRange, ...]:
        """The last range that begins at or before a number, if one does."""
        place = bisect_right(self._firsts, number)
        return self.ranges[max(place - 1, 0) : place]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery of blanks: its name, how many came, the numbers of the chips, those that were discarded since.

    `made_for_run`: chips that a run of the emulator makes for itself as it goes.
    """

    name: str
    count: int
    chips: ChipNumbers
    discarded: ChipNumbers
    made_for_run: bool = False


class Stock:
    """The deliveries that the books know, built entry by entry: see `stock_of`."""

    def __init__(self) -> None:
        self.deliveries: dict[str, Delivery] = {}
        self._firsts: list[str] = []
        self._places: list[tuple[ChipRange, str]] = []

    def __bool__(self) -> bool:
        """Whether the home keeps stock at all: what runs make for themselves was never on its shelf."""
        return not all(delivery.made_for_run for delivery in self.deliveries.values())

    def take(self, entry: Entry) -> None:
        """Take in one more entry; those of other events change nothing. RuleRefused for what cannot be."""
        if entry.event is BooksEvent.BLANKS_RECEIVED:
            made_for_run = "run" in entry.detail
            self.receive(entry.serial, int(entry.detail["count"]), _chips(entry), made_for_run=made_for_run)
        elif entry.event is BooksEvent.BLANKS_DISCARDED:
            self.discard(entry.serial, _chips(entry))

    def receive(self, name: str, count: int, chips: ChipNumbers, *, made_for_run: bool = False) -> None:
        """Add a delivery. RuleRefused if there is one of that name, or a chip of it is in another."""
        if name in self.deliveries:
            raise RuleRefused(f"delivery {name} was received already: a further one needs a name of its own")
        for each in chips:
            for other in self.deliveries.values():
                number = other.chips.overlap(each)
                if number is not None:
                    raise RuleRefused(f"chip {number} is in delivery {other.name} already")
        self.deliveries[name] = Delivery(name, count, chips, ChipNumbers(), made_for_run)
        self._places = sorted([*self._places, *((each, name) for each in chips)])
        self._firsts = [each.first for each, _ in self._places]

    def discard(self, name: str, chips: ChipNumbers) -> None:
        """Take chips out of a delivery. RuleRefused where one is not in it, or no more."""
        delivery = self.delivery(name)
        for each in chips:
            if not delivery.chips.has_all_of(each):
                raise RuleRefused(f"not every chip of {each} is in delivery {name}")
            gone = next((one for one in delivery.discarded if one.first <= each.last and each.first <= one.last), None)
            if gone is not None:
                raise RuleRefused(f"chip {max(gone.first, each.first)} was discarded already")
        self.deliveries[name] = replace(delivery, discarded=delivery.discarded | chips)

    def delivery(self, name: str) -> Delivery:
        """Return the delivery of that name. RuleRefused if there is none."""
        found = self.deliveries.get(name)
        if found is None:
            raise RuleRefused(f"there is no delivery {name}: `juki stock list` has those that were received")
        return found

    def find(self, number: str) -> Delivery | None:
        """Return the delivery that a chip came in, discarded or not, or None."""
        place = bisect_right(self._firsts, number) - 1
        if place < 0 or number not in self._places[place][0]:
            return None
        return self.deliveries[self._places[place][1]]

    def check(self, number: str) -> None:
        """Refuse (RuleRefused) a chip that must not become a card, where the home keeps stock."""
        if not self:
            return
        delivery = self.find(number)
        if delivery is None:
            raise RuleRefused(
                f"chip {number} is in no delivery of this home's stock: enter its delivery with `juki stock receive`, "
                "or take a chip that is in stock"
            )
        if number in delivery.discarded:
            raise RuleRefused(f"chip {number} of delivery {delivery.name} was discarded: take another chip")


def stock_of(entries: Iterable[Entry]) -> Stock:
    """Build the stock from the books' entries, of which only those of `STOCK_EVENTS` count. RuleRefused."""
    stock = Stock()
    for entry in entries:
        stock.take(entry)
    return stock


def current_stock(ledger: Ledger) -> Stock:
    """Return the stock as the books have it now."""
    return stock_of(ledger.stream(events_of=STOCK_EVENTS))


def receive(ledger: Ledger, name: str, chips: ChipNumbers, at: datetime) -> Delivery:
    """Enter a delivery of these chips. RuleRefused: not a name, received already, in another, cards already."""
    if not DETAIL_FORMS["blanks"].fullmatch(name) or _SERIAL.fullmatch(name):
        raise RuleRefused("a delivery's name has up to 40 lower-case letters, digits and hyphens, and is no serial")
    if not 0 < len(chips) <= LARGEST or len(chips.ranges) > MOST_RANGES:
        raise RuleRefused(f"a delivery has 1 to {LARGEST} chips in at most {MOST_RANGES} ranges: enter it as several")
    with ledger.writing() as group:
        stock = stock_of(group.entries(*STOCK_EVENTS))
        stock.receive(name, len(chips), chips)
        _refuse_cards(group, chips, "leave its number out")
        group.note(name, BooksEvent.BLANKS_RECEIVED, at, {"count": str(len(chips)), "chips": str(chips)})
    return stock.deliveries[name]


def count(ledger: Ledger, name: str, number: int, at: datetime) -> None:
    """Enter how many blanks of a delivery somebody has counted. RuleRefused if there is no such delivery."""
    with ledger.writing() as group:
        stock_of(group.entries(*STOCK_EVENTS)).delivery(name)
        group.note(name, BooksEvent.BLANKS_COUNTED, at, {"count": str(number)})


def discard(ledger: Ledger, name: str, chips: ChipNumbers, reason: str, at: datetime) -> Delivery:
    """Enter that chips were discarded, lost ones as well. RuleRefused: not in the delivery, no more, cards already."""
    if not chips or len(chips.ranges) > MOST_RANGES:
        raise RuleRefused(f"1 to {MOST_RANGES} ranges of chips are discarded at a time")
    with ledger.writing() as group:
        stock = stock_of(group.entries(*STOCK_EVENTS))
        stock.discard(name, chips)
        _refuse_cards(group, chips, "a card is made void or given up with `juki card void`")
        detail = {"count": str(len(chips)), "chips": str(chips), "reason": reason}
        group.note(name, BooksEvent.BLANKS_DISCARDED, at, detail)
    return stock.deliveries[name]


def _refuse_cards(group: Group, chips: ChipNumbers, advice: str) -> None:
    for each in chips:
        card = group.card_among(each.first, each.last)
        if card is not None:
            raise RuleRefused(f"chip {card.chip} is no blank but card {card.serial} ({card.status}): {advice}")


def _chips(entry: Entry) -> ChipNumbers:
    return ChipNumbers.parse(entry.detail.get("chips", ""))
