"""The last valid day of a card."""

from __future__ import annotations

from datetime import date

import pytest

from jukicard.issuer.errors import RuleRefused
from jukicard.issuer.records.expiry import expiry_date


@pytest.mark.parametrize(
    ("issued", "expires"),
    [
        (date(2003, 9, 1), date(2013, 8, 31)),  # the ministry's sample face: 2013年8月31日まで有効
        (date(2005, 2, 21), date(2015, 2, 20)),  # a published photograph of a real card
        (date(2026, 1, 1), date(2035, 12, 31)),
        (date(2024, 2, 29), date(2034, 2, 28)),
        (date(2022, 3, 1), date(2032, 2, 29)),
        (date(2023, 3, 1), date(2033, 2, 28)),
    ],
)
def test_day_before_the_tenth_anniversary(issued: date, expires: date) -> None:
    assert expiry_date(issued) == expires


def test_foreign_residents_stay() -> None:
    issued = date(2026, 4, 1)
    assert expiry_date(issued, date(2027, 3, 31)) == date(2027, 3, 31)
    assert expiry_date(issued, date(2040, 1, 1)) == date(2036, 3, 31)
    assert expiry_date(issued, issued) == issued
    with pytest.raises(RuleRefused, match="ended on 2026-03-31"):
        expiry_date(issued, date(2026, 3, 31))
