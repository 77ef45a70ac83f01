"""Which rows a run has reached, and how."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fuzz.oracles import SUCCESS
from tests.fuzz.tables import ROWS, row_key
from tests.fuzz.world import Tally


def row_names() -> list[str]:
    """Every row of every table, an inherited one once."""
    return sorted({row_key(row) for rows in ROWS.values() for row in rows})


def reached(tally: Tally, row: str) -> tuple[int, int, list[int]]:
    """How often a row answered a success and a refusal, and the status words seen."""
    seen = {sw: count for (name, sw), count in tally.seen.items() if name == row}
    good = sum(count for sw, count in seen.items() if sw >> 8 in SUCCESS)
    return good, sum(seen.values()) - good, sorted(seen)


def never(tally: Tally) -> list[str]:
    """What no command has reached: `row: success` or `row: refusal`."""
    missing = []
    for row in row_names():
        good, bad, _ = reached(tally, row)
        missing += [f"{row}: {path}" for path, count in (("success", good), ("refusal", bad)) if not count]
    return missing


def share(tally: Tally) -> float:
    """The share of commands that were valid inside a session."""
    return tally.valid_inside / max(1, tally.commands)


def table(tally: Tally) -> Iterator[str]:
    """The coverage of each row, in lines."""
    rows = row_names()
    width = max(map(len, rows))
    yield f"{'row':{width}} {'success':>9} {'refusal':>9}  status words"
    for row in rows:
        good, bad, sws = reached(tally, row)
        shown = dict.fromkeys(f"{sw:04X}" if sw >> 8 != 0x61 else "61xx" for sw in sws)
        yield f"{row:{width}} {good:9} {bad:9}  {' '.join(shown)}"
    yield f"valid commands inside sessions: {share(tally):.1%}"
    yield f"never reached: {', '.join(never(tally)) or 'nothing'}"
