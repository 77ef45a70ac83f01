"""Properties of codes, eras and expiry."""

from __future__ import annotations

import contextlib
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jukicard.issuer.records.codes import ResidentCode, parse_municipality_code, resident_check_digit
from jukicard.issuer.records.eras import GREGORIAN_SINCE, era_of, format_era_date, parse_date, parse_era_date
from jukicard.issuer.records.expiry import expiry_date

TEN_DIGITS = st.from_regex(r"[0-9]{10}", fullmatch=True)
DAYS = st.dates(GREGORIAN_SINCE, date(2117, 12, 31))


@given(TEN_DIGITS, st.integers(0, 9), st.integers(1, 9))
def test_one_changed_digit_is_noticed_except_where_the_formula_folds_two_remainders(
    digits: str, place: int, change: int
) -> None:
    code = digits + str(resident_check_digit(digits))
    assert ResidentCode.parse(code).reveal() == code
    wrong = code[:place] + str((int(code[place]) + change) % 10) + code[place + 1 :]
    if code[10] != "0":
        with pytest.raises(ValueError, match="check digit"):
            ResidentCode.parse(wrong)


@given(st.text(max_size=20))
def test_parsers_are_total(text: str) -> None:
    for parse in (ResidentCode.parse, parse_municipality_code, parse_date, parse_era_date):
        with contextlib.suppress(ValueError):
            parse(text)


@given(DAYS)
def test_era_dates_round_trip(day: date) -> None:
    assert parse_era_date(format_era_date(day)) == day
    assert parse_date(day.isoformat()) == day
    era = era_of(day)
    short = f"{era.letter}{day.year - era.first_day.year + 1}.{day.month}.{day.day}"
    assert parse_date(short) == day


@given(DAYS)
def test_ten_years_are_ten_years(day: date) -> None:
    after = expiry_date(day) + timedelta(days=1)
    assert after.year == day.year + 10
    leap = (day.month, day.day) == (2, 29)  # no tenth year after a leap year is one
    assert (after.month, after.day) == ((3, 1) if leap else (day.month, day.day))
    assert expiry_date(day) <= expiry_date(day + timedelta(days=1))
