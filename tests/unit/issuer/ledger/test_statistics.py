"""The published numbers, against a small town's history that can be counted by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

from jukicard.issuer.ledger.details import Cause, Kind
from jukicard.issuer.ledger.group import CardTerms, Group, Resident
from jukicard.issuer.ledger.ledger import Ledger
from jukicard.issuer.ledger.rules import BooksEvent, Event
from jukicard.issuer.ledger.statistics import NOT_GIVEN, of_year, statistics

LINE = (Event.PERSONALISING, Event.READ_BACK, Event.CLOSED, Event.AWAITING_HANDOVER)


def at(month: int, day: int, year: int = 2026) -> datetime:
    return datetime(year, month, day, 9, tzinfo=UTC)


def terms(face: str, expires: date) -> CardTerms:
    return CardTerms("99201", face, date(2026, 1, 5), expires)


def made(group: Group, serial: str, when: datetime, *, handed_over: bool = True) -> None:
    group.append(serial, Event.BOUND, when, {"chip": serial[-4:]})
    for event in LINE:
        group.append(serial, event, when)
    if handed_over:
        group.append(serial, Event.HANDOVER_STARTED, when)
        group.hand_over(serial, when)


def history(path: Path) -> Ledger:
    books = Ledger.create(path)
    with books.writing() as group:
        group.note("box-1", BooksEvent.BLANKS_RECEIVED, at(1, 2), {"count": "9"})
        short = group.order(terms("A", date(2026, 4, 30)), Resident("1" * 64, None), at(1, 5))
        made(group, short, at(1, 6))
        shorter = group.order(terms("B", date(2026, 4, 29)), Resident("2" * 64, None), at(1, 5))
        made(group, shorter, at(1, 6))
        long = group.apply(terms("B", date(2036, 1, 4)), Resident("3" * 64, "3" * 64), Kind.NEW, at(1, 31))
        group.append(long, Event.EXAMINED, at(2, 1))
        group.append(long, Event.IDENTIFIED, at(2, 1), {"document": "passport"})
        group.order_applied(long, date(2026, 2, 1), date(2036, 1, 31), at(2, 1))
        made(group, long, at(2, 2))
        group.append(long, Event.SUSPENDED, at(2, 20))
        group.append(long, Event.VOIDED, at(5, 1), {"cause": Cause.DECEASED})
        refused = group.apply(terms("A", date(2036, 1, 4)), Resident("4" * 64, "4" * 64), Kind.NEW, at(2, 1))
        group.append(refused, Event.REFUSED, at(2, 3), {"reason": "no such resident"})
        unclaimed = group.order(terms("A", date(2036, 1, 4)), Resident("5" * 64, None), at(2, 5))
        made(group, unclaimed, at(2, 5), handed_over=False)
        group.append(unclaimed, Event.VOIDED, at(5, 9))
    return books


def test_the_numbers_of_a_small_town(tmp_path: Path) -> None:
    with history(tmp_path / "ledger.sqlite") as books:
        months = statistics(books.by_subject(), date(2026, 6, 10), zone=UTC)
    assert list(months) == [f"2026-0{month}" for month in range(1, 7)]
    # The card until 30 April is valid on that day, the one until the 29th is not.
    assert [month.valid for month in months.values()] == [2, 3, 3, 2, 0, 0]
    assert [month.handed_over for month in months.values()] == [2, 1, 0, 0, 0, 0]
    assert months["2026-01"].issued == {"A": 1, "B": 1}
    assert months["2026-02"].issued == {"A": 1, "B": 1}
    assert [month.applications["new"] for month in months.values()] == [1, 1, 0, 0, 0, 0]
    assert (months["2026-02"].refused, months["2026-02"].suspended, months["2026-02"].spoilt) == (1, 1, 0)
    assert months["2026-05"].void == {"deceased": 1, NOT_GIVEN: 1}


def test_the_month_that_is_not_over_ends_today(tmp_path: Path) -> None:
    with history(tmp_path / "ledger.sqlite") as books:
        for today, valid in ((date(2026, 4, 29), 3), (date(2026, 4, 30), 2)):
            assert statistics(books.by_subject(), today, zone=UTC)["2026-04"].valid == valid


def test_one_year(tmp_path: Path) -> None:
    with history(tmp_path / "ledger.sqlite") as books:
        months = statistics(books.by_subject(), date(2027, 2, 1), zone=UTC)
        assert list(of_year(months, 2027)) == ["2027-01", "2027-02"]
        assert of_year(months, 2025) == {}
    with Ledger.create(tmp_path / "empty.sqlite") as books:
        assert [month.valid for month in statistics(books.by_subject(), date(2027, 2, 1)).values()] == [0]


def test_a_card_counts_where_its_holder_lives(tmp_path: Path) -> None:
    """One comes from another city and moves on; one moves away and comes back."""
    move = {"moved_out": "2026-02-01", "moved_in": "2026-02-01", "reported": "2026-02-01"}
    with Ledger.create(tmp_path / "ledger.sqlite") as books, books.writing() as group:
        came, stays = "799202000000001", Resident("1" * 64, None)
        group.take_over(came, terms("A", date(2036, 1, 4)), stays, at(2, 3), {**move, "moved_from": "99202"})
        group.append(came, Event.STEP_DONE, at(2, 3), {"step": "move"})
        group.append(came, Event.MOVED, at(4, 3), {**move, "moved_to": "99203"})
        own = group.order(terms("B", date(2036, 1, 4)), Resident("2" * 64, None), at(1, 5))
        made(group, own, at(1, 6))
        group.append(own, Event.MOVED, at(3, 3), {**move, "moved_to": "99202"})
        back = {**move, "moved_from": "99202"}
        group.take_over(own, terms("B", date(2036, 1, 4)), Resident("2" * 64, None), at(5, 3), back)
    with Ledger.open(tmp_path / "ledger.sqlite") as books:
        months = statistics(books.by_subject(), date(2026, 6, 10), zone=UTC)
    assert [month.valid for month in months.values()] == [1, 2, 1, 0, 1, 1]
    assert [month.handed_over for month in months.values()] == [1, 0, 0, 0, 0, 0]
