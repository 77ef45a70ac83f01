"""Everything that is cut, and how much of it: in full, and as the quick sample that every test run makes."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.powercuts import flows, rows_applets, rows_content, rows_folder, rows_gp, rows_loaded, rows_services
from tests.powercuts.cases import FlowCase, RowCase
from tests.powercuts.offices import Handover, Issuing
from tests.powercuts.registry import FLOWS, ROWS
from tests.powercuts.runner import Case, Plan, Sample

SCENARIOS = (rows_gp, rows_content, rows_applets, rows_folder, rows_services, rows_loaded, flows)
"""The modules that enter scenarios into the registry; a new one is named here."""
SEED = int(os.environ.get("JUKICARD_SEED", "20261128"))


@dataclass(frozen=True)
class Entry:
    """Something to cut: `make` gives the case, in a folder of its own; `full` and `quick` say how much of it is cut."""

    title: str
    make: Callable[[Path], Case]
    full: Plan
    quick: Plan


def _one_in(every: int, title: str) -> Sample:
    return Sample(every, random.Random(f"{SEED} {every} {title}").randrange(every))


def _quick(title: str, first: int, recoveries: int, second: int) -> Plan:
    return Plan(_one_in(first, title), Sample(recoveries, 1), _one_in(second, title))


def entries() -> Iterator[Entry]:
    """Everything, the longest first."""
    sampled = Plan(Sample(), Sample(40, 1), _one_in(25, Issuing.title))
    yield Entry(Issuing.title, Issuing, sampled, _quick(Issuing.title, 37, 20, 60))
    yield Entry(Handover.title, Handover, Plan(), _quick(Handover.title, 7, 4, 9))
    for flow in FLOWS:
        yield Entry(flow.title, lambda folder, flow=flow: FlowCase(flow), Plan(), _quick(flow.title, 7, 12, 9))
    for row in ROWS:
        yield Entry(row.title, lambda folder, row=row: RowCase(row), Plan(), _quick(row.title, 4, 6, 5))
