"""Era dates. The eras' first days are those of their proclamations."""

from __future__ import annotations

from datetime import date

import pytest

from jukicard.issuer.records.eras import ERAS, era_of, format_era_date, parse_date, parse_era_date, to_gregorian


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("昭和40年4月3日", date(1965, 4, 3)),
        ("昭和40年04月03日", date(1965, 4, 3)),
        ("昭和４０年４月３日", date(1965, 4, 3)),
        ("㍼40年4月3日", date(1965, 4, 3)),
        ("S40.4.3", date(1965, 4, 3)),
        ("s40.04.03", date(1965, 4, 3)),
        ("S40/4/3", date(1965, 4, 3)),
        ("S40-4-3", date(1965, 4, 3)),
        ("令和元年5月1日", date(2019, 5, 1)),
        ("令和1年5月1日", date(2019, 5, 1)),
        ("R元.5.1", date(2019, 5, 1)),
        ("明治6年1月1日", date(1873, 1, 1)),
        ("明治45年7月29日", date(1912, 7, 29)),
        ("大正元年7月30日", date(1912, 7, 30)),
        ("大正15年12月24日", date(1926, 12, 24)),
        ("昭和元年12月25日", date(1926, 12, 25)),
        ("昭和64年1月7日", date(1989, 1, 7)),
        ("平成元年1月8日", date(1989, 1, 8)),
        ("平成31年4月30日", date(2019, 4, 30)),
        ("平成12年2月29日", date(2000, 2, 29)),
    ],
)
def test_era_dates(text: str, day: date) -> None:
    assert parse_era_date(text) == day
    assert parse_date(text) == day


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("昭和64年1月8日", "昭和 had ended: 平成 began on 1989-01-08"),
        ("昭和65年1月1日", "昭和 had ended"),
        ("平成31年5月1日", "平成 had ended: 令和 began on 2019-05-01"),
        ("平成元年1月7日", "平成 began only on 1989-01-08"),
        ("昭和元年12月24日", "昭和 began only on 1926-12-25"),
        ("大正15年12月25日", "大正 had ended"),
        ("明治45年7月30日", "明治 had ended"),
        ("明治5年12月2日", "the calendar was another one"),
        ("平成11年2月29日", "no such day"),
        ("昭和40年13月1日", "no such day"),
        ("昭和40年4月31日", "no such day"),
        ("昭和0年4月3日", "no year 0"),
        ("江戸3年4月3日", "must be an era date"),
        ("昭和40年4月", "must be an era date"),
        ("S40.4/3", "must be an era date"),
        ("昭和400年4月3日", "must be an era date"),
        ("S元元.4.3", "must be an era date"),
        ("", "must be an era date"),
    ],
)
def test_impossible_era_dates(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_era_date(text)


@pytest.mark.parametrize("text", ["1965-4-3", "19650403", "1965-W14-6", "1965/04/03", "3.4.1965", "1965-04-03T00"])
def test_other_forms_of_dates_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a date such as"):
        parse_date(text)


def test_iso_dates() -> None:
    assert parse_date("1965-04-03") == date(1965, 4, 3)
    with pytest.raises(ValueError, match="no such day"):
        parse_date("1965-02-29")


def test_formatting() -> None:
    assert format_era_date(date(1965, 4, 3)) == "昭和40年4月3日"
    assert format_era_date(date(2019, 12, 31)) == "令和元年12月31日"
    assert format_era_date(date(1926, 12, 25)) == "昭和元年12月25日"
    assert [era_of(era.first_day) for era in ERAS[1:]] == list(ERAS[1:])
    with pytest.raises(ValueError, match="another one"):
        format_era_date(date(1872, 12, 31))


def test_years_below_one() -> None:
    with pytest.raises(ValueError, match="no year"):
        to_gregorian(ERAS[2], 0, 1, 1)
