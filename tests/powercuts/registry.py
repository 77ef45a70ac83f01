"""The scenarios by row of the command tables, and the whole flows: how one is added.

A scenario is a function that takes a chip, prepares what the command needs (select, open a channel, verify), and
returns the connection and the one command that is cut::

    @row(LibraryApplet, "APPEND RECORD", on=cards.active)
    def lends(chip: Chip) -> Sending:
        session = chips.library_session(chip)
        chips.verify(session)
        return session, CommandAPDU(0x00, 0xE2, 0x00, 0x10, cards.LOAN)

`on` gives the cells of the card before; `sw` the status word of the answer, 9000 unless another is named.  A row that
the tables say writes, and that has no scenario here, fails tests/e2e/test_power_cuts.py.

A flow takes a chip through several commands to its goal, from wherever it was interrupted, and `done` says on a chip
that was powered up anew whether the goal is reached::

    @flow("change of password", on=cards.active, done=...)
    def change(chip: Chip) -> None: ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from jukicard.applets import catalogue
from jukicard.applets.wasm.applet import LoadedApplet
from jukicard.card.applet import Applet
from jukicard.card.system_commands import System
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.connection import CardConnection
from tests.powercuts.cards import Cells
from tests.support.chips import Chip

Sending = tuple[CardConnection, CommandAPDU]
TABLES: tuple[type[Applet], ...] = (System, *catalogue.BUILT_IN, LoadedApplet)


@dataclass(frozen=True)
class RowScenario:
    """One command on one card."""

    applet: type[Applet]
    row: str
    name: str
    cells: Callable[[], Cells]
    prepare: Callable[[Chip], Sending]
    sw: int

    @property
    def title(self) -> str:
        return f"{self.applet.__name__} {self.row}: {self.name}"


@dataclass(frozen=True)
class FlowScenario:
    """A whole flow, which can be gone on with after it was interrupted anywhere."""

    title: str
    cells: Callable[[], Cells]
    play: Callable[[Chip], object]
    done: Callable[[Chip], object]


ROWS: list[RowScenario] = []
FLOWS: list[FlowScenario] = []


def row(applet: type[Applet], name: str, *, on: Callable[[], Cells], sw: int = 0x9000) -> Callable[..., Callable]:
    """Enter a scenario of that row."""

    def enter(prepare: Callable[[Chip], Sending]) -> Callable[[Chip], Sending]:
        ROWS.append(RowScenario(applet, name, prepare.__name__.replace("_", " ").strip(), on, prepare, sw))
        return prepare

    return enter


def flow(title: str, *, on: Callable[[], Cells], done: Callable[[Chip], object]) -> Callable[..., Callable]:
    """Enter a flow."""

    def enter(play: Callable[[Chip], object]) -> Callable[[Chip], object]:
        FLOWS.append(FlowScenario(title, on, play, done))
        return play

    return enter


def writing_rows() -> set[tuple[type[Applet], str]]:
    """Every row of every command table that says that it writes."""
    return {(applet, row.name) for applet in TABLES for row in applet.table.rows if row.writes}


def not_cut(scenarios: Iterable[RowScenario]) -> list[str]:
    """Return what must be entered for the rows that none of these scenarios is about."""
    missing = writing_rows() - {(one.applet, one.row) for one in scenarios}
    return sorted(f"@row({applet.__name__}, {name!r}, on=...)" for applet, name in missing)
