"""`kill -9` inside the commits of a real chip in a real card file, under a load of commands that change it.

The same card all the way. A few kills in the quick version, 1,000 with `--hypothesis-profile=soak`.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import killed_chip
from tests.support.killed_chip import OPERATIONS

SEED = int(os.environ.get("JUKICARD_SEED", "20261128"))
KILLS, KILLS_IN_SOAK = 25, 1000


def test_a_chip_that_is_killed_again_and_again_loses_nothing_that_it_acknowledged(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    soak = pytestconfig.getoption("hypothesis_profile", None) == "soak"
    count = KILLS_IN_SOAK if soak else KILLS
    path = tmp_path / "card.juki"
    killed_chip.create(path)
    inside: Counter[str] = Counter()
    ends: Counter[str] = Counter()
    operations = 0
    for killed, state in killed_chip.rounds(path, count, SEED):
        operations += killed.operations
        if killed.under_way is not None:
            inside[killed.under_way] += 1
            fewer = state == replace(killed.acknowledged, tries=state.tries)
            ends["old" if state == killed.acknowledged else "a try fewer" if fewer else "new"] += 1
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    print(
        f"killed chip: kills={count} inside={inside.total()} operations={operations} violations=0; "
        + ", ".join(f"{name} {number}" for name, number in (*ends.most_common(), *inside.most_common()))
    )
    assert inside.total() > count // 4, "most kills came between two operations"
    if soak:
        assert set(inside) == set(OPERATIONS)
        assert set(ends) == {"old", "a try fewer", "new"}
