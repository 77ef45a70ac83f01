"""What each case is about in particular: a few rows of one application's table, so that seldom ones have their day.

One round of cases is about every row that is compared; the first one of a run begins anywhere.
"""

from __future__ import annotations

from functools import lru_cache
from random import Random
from typing import NamedTuple

from tests.fuzz.tables import ROWS, row_key
from tests.independence import report

ROWS_OF_A_CASE = 3


class Focus(NamedTuple):
    """A kind of application (or the card itself), and names of rows in its table."""

    kind: str
    rows: tuple[str, ...]


NOTHING = Focus("", ())


@lru_cache(maxsize=8)
def round_of(seed: int, secret: str) -> tuple[Focus, ...]:
    """A round of cases for a kind of secret; a row that several tables have is in one of them."""
    rng, found, seen = Random(f"focus/{seed}/{secret}"), list[Focus](), set[str]()
    for kind in rng.sample(kinds := sorted(report.kinds_compared(secret)), len(kinds)):
        rows = list[str]()
        for row in ROWS[kind]:
            if row_key(row) not in seen:
                seen.add(row_key(row))
                rows.append(row.name)
        rng.shuffle(rows)
        found += [Focus(kind, tuple(rows[at : at + ROWS_OF_A_CASE])) for at in range(0, len(rows), ROWS_OF_A_CASE)]
    rng.shuffle(found)
    return tuple(found)


def of(seed: int, number: int, secret: str) -> Focus:
    """What the case of that number is about."""
    cases = round_of(seed, secret)
    return cases[number % len(cases)]
