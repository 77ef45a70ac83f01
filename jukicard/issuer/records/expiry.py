"""How long a card is valid: ten years, or until the end of a foreign resident's stay."""

from __future__ import annotations

from datetime import date, timedelta

from jukicard.issuer.errors import RuleRefused

VALID_YEARS = 10


def last_day(first_day: date, years: int) -> date:
    """The last day of a term of whole years: the day before the anniversary.

    A term that begins on 29 February and ends in no leap year ends on 28 February: where the anniversary
    does not exist, the term ends with the last day of the month (Civil Code, Article 143 (2)).
    """
    year = first_day.year + years
    try:
        anniversary = first_day.replace(year=year)
    except ValueError:
        anniversary = date(year, 3, 1)
    return anniversary - timedelta(days=1)


def expiry_date(issued_on: date, stay_until: date | None = None) -> date:
    """The card's last valid day: ten years, or the end of the stay if that is earlier.

    `stay_until` is the last day of a foreign resident's permitted stay; None for Japanese nationals and
    permanent residents. Raises RuleRefused if the stay ends before the issue date.
    """
    if stay_until is None:
        return last_day(issued_on, VALID_YEARS)
    if stay_until < issued_on:
        raise RuleRefused(f"the permitted stay ended on {stay_until}, before the issue date {issued_on}")
    return min(last_day(issued_on, VALID_YEARS), stay_until)
