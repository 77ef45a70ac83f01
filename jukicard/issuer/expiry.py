"""How long a card is valid: ten years, or until the end of a foreign resident's stay."""

from __future__ import annotations

from datetime import date, timedelta

from jukicard.issuer.errors import RuleRefused

VALID_YEARS = 10


def ten_year_expiry(issued_on: date) -> date:
    """The last valid day: the day before the tenth anniversary of the issue date.

    A card issued on 29 February is valid to 28 February: where the anniversary does not exist, the term
    ends with the last day of the month (Civil Code, Article 143 (2)).
    """
    year = issued_on.year + VALID_YEARS
    try:
        anniversary = issued_on.replace(year=year)
    except ValueError:
        anniversary = date(year, 3, 1)
    return anniversary - timedelta(days=1)


def expiry_date(issued_on: date, stay_until: date | None = None) -> date:
    """The card's last valid day: ten years, or the end of the stay if that is earlier.

    `stay_until` is the last day of a foreign resident's permitted stay; None for Japanese nationals and
    permanent residents. Raises RuleRefused if the stay ends before the issue date.
    """
    if stay_until is None:
        return ten_year_expiry(issued_on)
    if stay_until < issued_on:
        raise RuleRefused(f"the permitted stay ended on {stay_until}, before the issue date {issued_on}")
    return min(ten_year_expiry(issued_on), stay_until)
