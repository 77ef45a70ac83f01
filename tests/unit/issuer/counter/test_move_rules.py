"""The rule of continued use after a move (継続利用), at every boundary."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from jukicard.issuer.counter.moving import Hindrance, Move, hindrances

REPORTED = date(2026, 3, 1)
TODAY = REPORTED
FAR = date(2036, 1, 1)


def days(number: int) -> timedelta:
    return timedelta(days=number)


@pytest.mark.parametrize(
    ("out", "moved_in", "today", "expires", "expected"),
    [
        (0, 0, 0, FAR, ()),
        (30, 14, 90, FAR, ()),
        (31, 0, 0, FAR, (Hindrance.LATE_AFTER_PLANNED_OUT,)),
        (0, 15, 0, FAR, (Hindrance.LATE_AFTER_MOVING_IN,)),
        (0, 0, 91, FAR, (Hindrance.LATE_AFTER_REPORT,)),
        (
            31,
            15,
            91,
            FAR,
            (Hindrance.LATE_AFTER_MOVING_IN, Hindrance.LATE_AFTER_PLANNED_OUT, Hindrance.LATE_AFTER_REPORT),
        ),
        (-20, 0, 0, FAR, ()),  # planned for later than it happened
        (0, -1, 0, FAR, (Hindrance.NOT_MOVED_YET,)),
        (0, 0, -1, FAR, (Hindrance.REPORTED_LATER,)),
        (0, 0, 0, TODAY, ()),
        (0, 0, 0, TODAY - days(1), (Hindrance.EXPIRED,)),
        (0, 0, 90, TODAY + days(90), ()),
        (0, 0, 90, TODAY + days(89), (Hindrance.EXPIRED,)),
    ],
)
def test_who_may_go_on_using_a_card(
    out: int, moved_in: int, today: int, expires: date, expected: tuple[Hindrance, ...]
) -> None:
    """`out` and `moved_in` are days before the report, `today` is days after it."""
    move = Move(REPORTED - days(out), REPORTED - days(moved_in), REPORTED)
    assert hindrances(move, TODAY + days(today), expires) == expected
