"""Scenarios as the runner wants them: one command of a row, or a flow of several."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from jukicard.iso7816.connection import send
from jukicard.iso7816.errors import HostError
from jukicard.iso7816.status import StatusWord
from tests.powercuts.cards import CutChip
from tests.powercuts.registry import FlowScenario, RowScenario
from tests.powercuts.timeline import State, Timeline
from tests.support.chips import Chip
from tests.support.powercut import Cut


class RowCase:
    """One command: it is cut; what prepares it is not, for its commands have rows of their own."""

    def __init__(self, scenario: RowScenario) -> None:
        self._scenario = scenario
        self.title = scenario.title

    def cells(self) -> Mapping[str, bytes]:
        return self._scenario.cells()

    def play(self, timeline: Timeline) -> None:
        answered = self._send(timeline, "first")
        assert answered == self._scenario.sw, f"{self.title} was answered {answered:04X}, not {self._scenario.sw:04X}"
        step = timeline.steps[-1]
        if step.spent not in (None, step.end):
            assert step.used is not None, "what was the try spent for?  Name the function in timeline.SECRET_USES"

    def recover(self, timeline: Timeline, cut: Cut, found: State, first: Timeline) -> None:
        """Send it again.  On the card as it was, or with a try fewer, it must do the same; a changed one may refuse."""
        step = first.steps[-1]
        same = found in (first.found, step.start) or (found == step.spent and self._scenario.sw == 0x9000)
        try:
            answered = self._send(timeline, "again")
        except (AssertionError, HostError):
            if same:
                raise
            return
        expected = StatusWord.BLOCKED if found == step.spent and step.spent_the_last else self._scenario.sw
        assert not same or answered == expected, f"sent again, it was answered {answered:04X}"

    def check(self, found: State, cut: Cut) -> None:
        pass

    def commands(self, timeline: Timeline) -> int:
        return 1

    def situation(self, cut: Cut) -> Hashable:
        return None

    def _send(self, timeline: Timeline, seed: str) -> int:
        connection, command = self._scenario.prepare(CutChip(timeline, seed))
        timeline.start_here()
        return send(connection, command).sw


class FlowCase:
    """Several commands with their channels; all of it is cut, and must be resumable to its end from every state."""

    def __init__(self, scenario: FlowScenario) -> None:
        self._scenario = scenario
        self.title = scenario.title
        self._checked: set[int] = set()

    def cells(self) -> Mapping[str, bytes]:
        return self._scenario.cells()

    def play(self, timeline: Timeline) -> None:
        self._scenario.play(CutChip(timeline, "first"))
        self._scenario.done(Chip(timeline.snapshot(), "done"))

    def recover(self, timeline: Timeline, cut: Cut, found: State, first: Timeline) -> None:
        self._scenario.play(CutChip(timeline, "again"))
        self._scenario.done(Chip(timeline.snapshot(), "done"))

    def check(self, found: State, cut: Cut) -> None:
        """Whatever was found, the flow can be gone on with and reaches its goal."""
        if id(found) in self._checked:
            return
        chip = Chip(found, "resumed")
        self._scenario.play(chip)
        self._scenario.done(Chip(chip.cells, "done"))
        self._checked.add(id(found))

    def commands(self, timeline: Timeline) -> int:
        return timeline.writing

    def situation(self, cut: Cut) -> Hashable:
        return None
