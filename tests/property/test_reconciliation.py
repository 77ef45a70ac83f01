"""Blanks and cards of any kind of lives: the reconciliation agrees with a naive one, and finds what is planted."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jukicard.issuer.ledger.chain import Entry
from jukicard.issuer.ledger.reconcile import Difference, Reconciliation, Why, reconcile
from jukicard.issuer.ledger.rules import TRANSITIONS, AnyEvent, BooksEvent, Event, Status

BEGIN = datetime(2026, 11, 2, 9, tzinfo=UTC)
OPERATORS = ("unattended", "699201000000001", "699201000000002")
LINE = (Event.PERSONALISING, Event.READ_BACK, Event.CLOSED, Event.MATCHED, Event.AWAITING_HANDOVER)
LATER = (Event.HANDOVER_STARTED, Event.HANDOVER_ABANDONED, Event.HANDED_OVER, Event.SUSPENDED, Event.VOIDED)
ENDS = (Event.SPOILT, Event.CANCELLED, Event.DESTROYED)
FATES = {
    Status.BOUND: "in work",
    Status.PERSONALISING: "in work",
    Status.READ_BACK: "in work",
    Status.CLOSED: "in work",
    Status.MATCHED: "in work",
    Status.SPOILT: "spoilt",
    Status.CANCELLED: "cancelled",
}


class Office:
    """Writes entries by a list of choices: what may come next is chosen by the next number."""

    def __init__(self, choices: list[int]) -> None:
        self.entries: list[Entry] = []
        self.blanks: dict[str, list[int]] = {}
        self.boxes: dict[int, str] = {}
        self.cards: dict[str, tuple[int, list[Event]]] = {}
        self.now, self.actor = BEGIN, OPERATORS[0]
        self._choices = iter(choices)
        self.receive(3)
        while self._step():
            pass

    def write(self, subject: str, event: AnyEvent, **detail: str) -> int:
        number = len(self.entries) + 1
        self.entries.append(Entry(number, self.now, subject, event, detail, "", self.actor))
        return number

    def receive(self, count: int) -> None:
        name, first = f"box-{len(self.blanks)}", 1000 * len(self.blanks) + 5
        self.blanks[name] = list(range(first, first + count))
        self.boxes.update(dict.fromkeys(self.blanks[name], name))
        chips = f"{first:016d}-{first + count - 1:016d}" if count > 1 else f"{first:016d}"
        self.write(name, BooksEvent.BLANKS_RECEIVED, count=str(count), chips=chips)

    def bind(self, chip: int) -> str:
        serial = f"799201{len(self.cards) + 1:09d}"
        self.write(serial, Event.ORDERED)
        self.write(serial, Event.BOUND, chip=f"{chip:016d}")
        self.cards[serial] = (chip, [Event.BOUND])
        return serial

    def discard(self, chip: int) -> int:
        return self.write(self.boxes[chip], BooksEvent.BLANKS_DISCARDED, count="1", chips=f"{chip:016d}", reason="bent")

    def count(self, name: str, number: int) -> int:
        return self.write(name, BooksEvent.BLANKS_COUNTED, count=str(number))

    def status(self, serial: str) -> Status:
        return next(TRANSITIONS[e].target for e in reversed(self.cards[serial][1]) if TRANSITIONS[e].target)  # type: ignore[return-value]

    def _step(self) -> bool:
        choice = next(self._choices, None)
        if choice is None:
            return False
        what, which = choice % 8, choice // 8
        stocked = [name for name, chips in self.blanks.items() if chips]
        if what == 0:
            self.receive(1 + which % 5)
        elif what == 1:
            self.now += timedelta(hours=which % 30)
            self.actor = OPERATORS[which % 3]
        elif what == 2 and stocked:
            chips = self.blanks[stocked[which % len(stocked)]]
            self.discard(chips.pop(which % len(chips)))
        elif what == 3:
            name = list(self.blanks)[which % len(self.blanks)]
            self.count(name, len(self.blanks[name]))
        elif what == 4 and stocked:
            chips = self.blanks[stocked[which % len(stocked)]]
            self.bind(chips.pop(which % len(chips)))
        elif self.cards and what > 4:
            serial = list(self.cards)[-1 - which % min(len(self.cards), 3)]  # the newest: they come to an end
            for _ in range(len(LINE) if what == 7 else 1):  # 7: as far as the line goes
                self._go_on(serial, which // 3, {5: ENDS, 6: LINE + LATER, 7: LINE}[what])
        return True

    def _go_on(self, serial: str, which: int, events: tuple[Event, ...]) -> None:
        allowed = [event for event in events if self.status(serial) in TRANSITIONS[event].sources]
        if allowed:
            event = allowed[which % len(allowed)]
            self.cards[serial][1].append(event)
            self.write(serial, event)

    def fates(self) -> Counter[tuple[str, str]]:
        """What became of each chip, by its box, found chip by chip."""
        found: Counter[tuple[str, str]] = Counter()
        bound = {chip: serial for serial, (chip, _) in self.cards.items()}
        for chip, box in self.boxes.items():
            fate = "in stock" if chip in self.blanks[box] else "discarded"
            if chip in bound:
                events = self.cards[bound[chip]][1]
                status = self.status(bound[chip])
                destroyed = status is Status.DESTROYED and Event.SPOILT in events
                fate = "spoilt" if destroyed else FATES.get(status, "issued")
            found[box, fate] += 1
            found[box, "received"] += 1
        return found


# Lists of hypothesis's own are short and shrink well; long lives come from a seed.
CHOICES = st.lists(st.integers(0, 799), max_size=80) | st.integers(0, 9999).map(
    lambda seed: random.Random(seed).choices(range(800), k=150)
)


def sums(found: Reconciliation) -> Counter[tuple[str, str]]:
    counted: Counter[tuple[str, str]] = Counter()
    for name, tally in found.by_delivery().items():
        assert name is not None
        for fate, number in (
            ("received", tally.received),
            ("issued", tally.issued - tally.unmade),
            ("spoilt", tally.spoilt),
            ("cancelled", tally.cancelled),
            ("discarded", tally.discarded),
            ("in work", tally.in_work),
            ("in stock", tally.in_stock),
        ):
            counted[name, fate] += number
    return +counted


@given(CHOICES)
@settings(max_examples=60)
def test_a_naive_reconciliation_agrees(choices: list[int]) -> None:
    office = Office(choices)
    found = reconcile(iter(office.entries), zone=UTC)
    assert sums(found) == office.fates()
    assert found.is_balanced
    in_work = {each.serial: each.status for each in found.differences if each.why is Why.IN_WORK}
    assert in_work == {serial: office.status(serial) for serial in office.cards if office.status(serial) in IN_WORK}
    cancelled = [each.serial for each in found.differences if each.why is Why.CANCELLED]
    assert sorted(map(str, cancelled)) == [s for s in office.cards if office.status(s) is Status.CANCELLED]
    moved = Counter((entry.actor, entry.event) for entry in office.entries)
    for operator, tally in found.by_operator().items():
        assert tally.bound == moved[operator, Event.BOUND]
        assert tally.issued == moved[operator, Event.AWAITING_HANDOVER]
        assert tally.spoilt == moved[operator, Event.SPOILT]


@given(CHOICES, st.integers(0, 20))
@settings(max_examples=30)
def test_an_evening_is_what_the_books_were_then(choices: list[int], days: int) -> None:
    office = Office(choices)
    evening = BEGIN.date() + timedelta(days=days)
    until = [entry for entry in office.entries if entry.at.date() <= evening]
    assert reconcile(office.entries, until=evening, zone=UTC) == reconcile(until, zone=UTC)
    total = [sum(t.in_stock for t in found.values()) for found in by_both(reconcile(office.entries, zone=UTC))]
    assert total[0] == total[1]


def by_both(found: Reconciliation) -> tuple[dict[date, object], dict[str | None, object]]:
    return found.by_day(), found.by_delivery()  # type: ignore[return-value]


IN_WORK = {status for status, fate in FATES.items() if fate == "in work"}


def unexplained(office: Office) -> list[Difference]:
    return [each for each in reconcile(office.entries, zone=UTC).differences if not each.why.is_explained]


@given(CHOICES, st.integers(-9, 9).filter(bool))
@settings(max_examples=25)
def test_a_count_that_differs_is_found_and_settled(choices: list[int], by: int) -> None:
    office = Office(choices)
    office.receive(9)
    name = list(office.blanks)[-1]
    first = office.count(name, 9)
    office.discard(office.blanks[name].pop())
    wrong = office.count(name, 8 + by + 10)
    same = office.count(name, 8 + by + 10)
    (found,) = unexplained(office)
    assert (found.why, found.delivery, found.by, found.since) == (Why.COUNT_DIFFERS, name, by + 10, first)
    assert found.entry == wrong < same
    office.count(name, 8)
    assert unexplained(office) == []
    settled = [each for each in reconcile(office.entries, zone=UTC).differences if each.why is Why.COUNT_SETTLED]
    assert [each.by for each in settled] == [by + 10, -by - 10]


@given(CHOICES, st.sampled_from(["unknown", "twice", "discarded", "discarded later", "overlap", "no box", "numbers"]))
@settings(max_examples=60)
def test_what_is_planted_is_found_and_named(choices: list[int], what: str) -> None:
    office = Office(choices)
    office.receive(2)
    name = list(office.blanks)[-1]
    one, other = office.blanks[name]
    entry, chip, why, subject = 0, one, Why.IMPOSSIBLE_ENTRY, name
    if what == "unknown":
        chip, why, subject = 999_999, Why.UNKNOWN_CHIP, None  # type: ignore[assignment]
        office.bind(chip)
    elif what == "twice":
        why = Why.BOUND_TWICE
        office.bind(one)
        office.bind(one)
    elif what == "discarded":
        why = Why.DISCARDED
        office.discard(one)
        office.bind(one)
    elif what == "discarded later":
        why = Why.DISCARDED
        office.bind(one)
        office.discard(other)
        office.discard(one)
    elif what == "overlap":
        subject = "other-box"
        office.write(subject, BooksEvent.BLANKS_RECEIVED, count="1", chips=f"{one:016d}")
    elif what == "no box":
        subject = "other-box"
        office.count(subject, 3)
    else:
        why, subject = Why.NUMBERS_DIFFER, "other-box"
        office.write(subject, BooksEvent.BLANKS_RECEIVED, count="5", chips=f"{900_000:016d}")
    entry = len(office.entries)
    found = unexplained(office)
    assert [(each.why, each.entry, each.delivery) for each in found if each.why is not Why.OVERDRAWN] == [
        (why, entry, subject)
    ]
    if why not in (Why.IMPOSSIBLE_ENTRY, Why.NUMBERS_DIFFER):
        assert found[0].chip == f"{chip:016d}"


def test_more_used_than_received() -> None:
    office = Office([])
    for _ in range(4):
        office.bind(5)
    assert [(each.why, each.by) for each in unexplained(office) if each.why is Why.OVERDRAWN] == [(Why.OVERDRAWN, 1)]


def test_before_there_was_stock() -> None:
    office = Office([])
    office.entries.insert(0, Entry(0, BEGIN, "799201000000099", Event.BOUND, {"chip": "0A"}, "", None))
    found = reconcile(office.entries, zone=UTC)
    assert (found.before_stock, found.is_balanced) == (1, True)
    with pytest.raises(Exception, match="no delivery none"):
        found.of("none")
    assert found.of("box-0").by_delivery()["box-0"].received == 3
