"""The stock of blank chips, in books of either kind."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from jukicard.issuer.errors import IssuerError, RuleRefused
from jukicard.issuer.ledger import stock
from jukicard.issuer.ledger.group import CardTerms, Resident
from jukicard.issuer.ledger.ledger import Ledger
from jukicard.issuer.ledger.reconcile import reconcile
from jukicard.issuer.ledger.rules import Event
from jukicard.issuer.ledger.stock import ChipNumbers, ChipRange, current_stock

NOW = datetime(2026, 11, 28, tzinfo=UTC)
TERMS = CardTerms("99201", "A", date(2026, 11, 28), date(2036, 11, 27))


def chips(first: int, last: int | None = None) -> ChipNumbers:
    return ChipNumbers([ChipRange(f"{first:016d}", f"{first if last is None else last:016d}")])


def bind(books: Ledger, chip: int) -> str:
    serial = books.order(TERMS, Resident(f"{chip:064x}", None), NOW)
    books.append(serial, Event.BOUND, NOW, {"chip": f"{chip:016d}"})
    return serial


def test_numbers() -> None:
    numbers = ChipNumbers.parse(f"{7:016d}-{9:016d},{3:016d}, {10:016d}")
    assert str(numbers) == f"{3:016d},{7:016d}-{10:016d}"
    assert len(numbers) == 5
    inside = [number for number in range(20) if f"{number:016d}" in numbers]
    assert inside == [3, 7, 8, 9, 10]
    assert numbers.overlap(chips(4, 8).ranges[0]) == f"{7:016d}"
    assert numbers.overlap(chips(4, 6).ranges[0]) is None
    assert str(ChipNumbers.parse("")) == ""
    for wrong in ("5", "x" * 16, f"{9:016d}-{7:016d}", f"{'A' * 16}", f"{1:016d}-{3:016d},{3:016d}"):
        with pytest.raises(RuleRefused):
            ChipNumbers.parse(wrong)


def test_deliveries_and_what_is_in_them(books: Ledger) -> None:
    assert not current_stock(books)
    current_stock(books).check(f"{5:016d}")
    stock.receive(books, "box-1", chips(100, 199), NOW)
    stock.receive(books, "box-2", chips(50, 99) | chips(300), NOW)
    delivery = stock.discard(books, "box-2", chips(60, 61), "bent", NOW)
    assert (delivery.count, len(delivery.discarded)) == (51, 2)
    now = current_stock(books)
    found = {number: now.find(f"{number:016d}") for number in (49, 50, 99, 100, 199, 200, 299, 300, 301)}
    names = [None if each is None else each.name for each in found.values()]
    assert names == [None, "box-2", "box-2", "box-1", "box-1", None, None, "box-2", None]
    now.check(f"{62:016d}")
    with pytest.raises(RuleRefused, match="chip 0000000000000060 of delivery box-2 was discarded: take another"):
        now.check(f"{60:016d}")
    with pytest.raises(RuleRefused, match="in no delivery of this home"):
        now.check(f"{200:016d}")
    assert books.verify()


def test_what_is_refused_leaves_no_entry(books: Ledger) -> None:
    card = bind(books, 7)
    stock.receive(books, "box-1", chips(100, 199), NOW)
    stock.discard(books, "box-1", chips(110, 119), "bent", NOW)
    bound = bind(books, 150)
    before = len(books.entries())
    for refused, reason in (
        (lambda: stock.receive(books, "box-1", chips(300), NOW), "received already"),
        (lambda: stock.receive(books, "box-2", chips(150, 250), NOW), f"chip {150:016d} is in delivery box-1"),
        (lambda: stock.receive(books, "box-2", chips(1, 9), NOW), f"card {card} .bound.: leave its number out"),
        (lambda: stock.receive(books, "box-2", chips(0, 10**12), NOW), "999999999 chips"),
        (lambda: stock.receive(books, "box-2", ChipNumbers(), NOW), "1 to "),
        (lambda: stock.receive(books, "Box", chips(300), NOW), "lower-case"),
        (lambda: stock.receive(books, card, chips(300), NOW), "no serial"),
        (lambda: stock.discard(books, "box-2", chips(300), "bent", NOW), "no delivery box-2"),
        (lambda: stock.discard(books, "box-1", chips(195, 200), "bent", NOW), "not every chip"),
        (lambda: stock.discard(books, "box-1", chips(105, 112), "bent", NOW), f"chip {110:016d} was discarded"),
        (lambda: stock.discard(books, "box-1", chips(149, 151), "bent", NOW), f"card {bound}"),
        (lambda: stock.discard(books, "box-1", ChipNumbers(), "bent", NOW), "1 to 1000"),
        (lambda: stock.count(books, "box-2", 3, NOW), "no delivery box-2"),
        (lambda: stock.discard(books, "box-1", chips(198), "Taro 7", NOW), "reason"),
    ):
        with pytest.raises(IssuerError, match=reason):
            refused()
    assert len(books.entries()) == before


def test_a_thousand_ranges_at_most(books: Ledger) -> None:
    scattered = ChipNumbers(ChipRange(f"{number:016d}", f"{number:016d}") for number in range(0, 2002, 2))
    with pytest.raises(RuleRefused, match="1000 ranges"):
        stock.receive(books, "box-1", scattered, NOW)
    most = ChipNumbers(scattered.ranges[1:])
    assert len(stock.receive(books, "box-1", most, NOW).chips.ranges) == 1000
    assert len(current_stock(books).delivery("box-1").chips) == 1000


def test_the_stream_is_reconciled(books: Ledger) -> None:
    stock.receive(books, "box-1", chips(100, 199), NOW)
    serial = bind(books, 150)
    stock.count(books, "box-1", 99, NOW)
    found = reconcile(books.stream(), zone=UTC)
    assert found.is_balanced
    assert [(each.serial, each.chip) for each in found.differences] == [(serial, f"{150:016d}")]
    assert found.by_delivery()["box-1"].in_stock == found.counts["box-1"].counted == 99
