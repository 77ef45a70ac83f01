"""Japanese era dates (和暦) and Gregorian dates, with the eras' real first days.

An era begins on the day that its proclamation names, and that day belongs to it alone. Before 1873 the
calendar was lunisolar, so an era date of 明治1 to 明治5 is no Gregorian date by counting years; such dates
are refused.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date

GREGORIAN_SINCE = date(1873, 1, 1)
"""明治6年1月1日, the first day of the Gregorian calendar in Japan."""


@dataclass(frozen=True, slots=True)
class Era:
    """One era: its name, the letter it is abbreviated to, and its first day."""

    name: str
    letter: str
    first_day: date


ERAS = (
    Era("明治", "M", date(1868, 1, 25)),
    Era("大正", "T", date(1912, 7, 30)),
    Era("昭和", "S", date(1926, 12, 25)),
    Era("平成", "H", date(1989, 1, 8)),
    Era("令和", "R", date(2019, 5, 1)),
)

_BY_NAME = {key: era for era in ERAS for key in (era.name, era.letter)}
_NAMES = "|".join(_BY_NAME)
_ERA_DATE = re.compile(
    rf"({_NAMES})\s*(元|[0-9]{{1,2}})\s*(?:年\s*([0-9]{{1,2}})\s*月\s*([0-9]{{1,2}})\s*日"
    r"|([./-])([0-9]{1,2})\5([0-9]{1,2}))",
    re.IGNORECASE,
)
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def era_of(day: date) -> Era:
    """The era a day belongs to. Raises ValueError before 1873-01-01."""
    if day < GREGORIAN_SINCE:
        raise ValueError("before 1873-01-01 (明治6年) the calendar was another one")
    return next(era for era in reversed(ERAS) if era.first_day <= day)


def to_gregorian(era: Era, year: int, month: int, day: int) -> date:
    """The Gregorian date of an era date; raises ValueError for one that never was."""
    if year < 1:
        raise ValueError(f"{era.name} has no year {year}")
    try:
        result = date(era.first_day.year + year - 1, month, day)
    except ValueError:
        raise ValueError("no such day in the calendar") from None
    if result < GREGORIAN_SINCE:
        raise ValueError("before 1873-01-01 (明治6年) the calendar was another one")
    if result < era.first_day:
        raise ValueError(f"{era.name} began only on {era.first_day}")
    following = era_of(result)
    if following is not era:
        next_era = ERAS[ERAS.index(era) + 1]
        raise ValueError(f"{era.name} had ended: {next_era.name} began on {next_era.first_day}")
    return result


def _from_match(match: re.Match[str]) -> date:
    name, year, month, day, _, short_month, short_day = match.groups()
    number = 1 if year == "元" else int(year)
    return to_gregorian(_BY_NAME[name.upper()], number, int(month or short_month), int(day or short_day))


def parse_era_date(text: str) -> date:
    """Read 昭和40年4月3日, S40.4.3, S40/4/3 or S40-4-3, also with 元 or full width. Raises ValueError."""
    match = _ERA_DATE.fullmatch(unicodedata.normalize("NFKC", text))
    if match is None:
        raise ValueError("must be an era date such as 昭和40年4月3日 or S40.4.3")
    return _from_match(match)


def parse_date(text: str) -> date:
    """Read an ISO date (1965-04-03) or an era date. Raises ValueError, which never repeats the text."""
    plain = unicodedata.normalize("NFKC", text)
    if match := _ERA_DATE.fullmatch(plain):
        return _from_match(match)
    if not _ISO_DATE.fullmatch(plain):
        raise ValueError("must be a date such as 1965-04-03, 昭和40年4月3日 or S40.4.3")
    try:
        return date.fromisoformat(plain)
    except ValueError:
        raise ValueError("no such day in the calendar") from None


def format_era_date(day: date) -> str:
    """昭和40年4月3日; the first year of an era is 元年. Raises ValueError before 1873-01-01."""
    era = era_of(day)
    year = day.year - era.first_day.year + 1
    return f"{era.name}{'元' if year == 1 else year}年{day.month}月{day.day}日"
