"""Cuts the power at each physical write of a scenario, and again while the card recovers; judges every card found."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from jukicard.iso7816.errors import HostError
from jukicard.issuer.errors import IssuerError
from jukicard.reader.cardfile import CardFile, CardFileError
from tests.powercuts import probes
from tests.powercuts.timeline import State, Timeline
from tests.support.powercut import CARD_ID, STORAGE_KEY, Cut, PowerCutDisk, Run, cuts_of

MOST_VIOLATIONS = 5
_WRONG = (AssertionError, CardFileError, HostError, IssuerError)
Files = Mapping[str, bytes]


class Case(Protocol):
    """Something that is cut."""

    title: str

    def cells(self) -> Mapping[str, bytes]:
        """The card before."""

    def play(self, timeline: Timeline) -> None:
        """Do it, on a card file behind that timeline."""

    def recover(self, timeline: Timeline, cut: Cut, found: State, first: Timeline) -> None:
        """The power is back: do it again, or go on.  AssertionError where that does not work as it must."""

    def check(self, found: State, cut: Cut) -> None:
        """Is the card that was found good for what comes next?  AssertionError where it is not."""

    def commands(self, timeline: Timeline) -> int:
        """How many commands were cut."""

    def situation(self, cut: Cut) -> Hashable:
        """What `recover` depends on besides the card."""


@dataclass(frozen=True)
class Sample:
    """Every so many'th of a sequence, from the `first` on."""

    every: int = 1
    first: int = 0

    def __contains__(self, number: int) -> bool:
        return number % self.every == self.first % self.every

    def of(self, points: Sequence[int]) -> Sequence[int]:
        """The sample of these, one at least."""
        return points[self.first % min(self.every, len(points)) :: self.every]

    def __str__(self) -> str:
        return "all" if self.every == 1 else f"1 in {self.every}"


@dataclass(frozen=True)
class Plan:
    """How much is cut: which writes, from which of the files that are left the card recovers, and which writes then."""

    first: Sample = Sample()
    recoveries: Sample = Sample()
    second: Sample = Sample()

    @property
    def is_sampled(self) -> bool:
        return {self.first.every, self.recoveries.every, self.second.every} != {1}

    def __str__(self) -> str:
        return f"{self.first} writes, again in {self.recoveries} recoveries at {self.second} writes"


@dataclass
class Report:
    """What became of one case."""

    title: str
    commands: int = 0
    points: int = 0
    cuts: int = 0
    distinct: int = 0
    recoveries: int = 0
    second_cuts: int = 0
    second_distinct: int = 0
    seconds: float = 0.0
    states: int = 0
    violations: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.title}: commands {self.commands}, writes {self.points}, cuts {self.cuts}, files {self.distinct}, "
            f"states {self.states}, recoveries {self.recoveries}, second cuts {self.second_cuts}, "
            f"files {self.second_distinct}, {self.seconds:.1f} s"
        )


def card_file(cells: Mapping[str, bytes]) -> Files:
    """A closed card file with these cells."""
    disk = PowerCutDisk()
    CardFile.create(disk.card, STORAGE_KEY, cells, card_id=CARD_ID, disk=disk, random=bytes).close()
    return disk.files()


class Trial:
    """One case under power cuts."""

    def __init__(self, case: Case, plan: Plan) -> None:
        self._case = case
        self._plan = plan
        self._report = Report(case.title)
        self._found: dict[int, State | str] = {}
        self._states: dict[frozenset[tuple[str, bytes]], State] = {}
        self._readable: dict[frozenset[tuple[str, bytes]], tuple[tuple[bytes, ...], str | None]] = {}
        self._recovered: set[Hashable] = set()

    def run(self) -> Report:
        """Cut everywhere; the report names what was found to be wrong, the first few times."""
        began = time.perf_counter()
        run, timeline = self._record(card_file(self._case.cells()), self._case.play)
        points = self._plan.first.of(timeline.points)
        self._report.commands, self._report.points = self._case.commands(timeline), len(points)
        for cut, files in cuts_of(run, frozenset(points)):
            self._report.cuts += 1
            found = self._judge(cut, files, timeline)
            key = _digest(files), self._case.situation(cut)
            if found is not None and key not in self._recovered:
                self._recovered.add(key)
                if len(self._recovered) in self._plan.recoveries:
                    self._recover(cut, files, found, timeline)
            if len(self._report.violations) >= MOST_VIOLATIONS:
                break
        self._report.states = len(self._states)
        self._report.seconds = time.perf_counter() - began
        return self._report

    def _record(self, files: Files, play: Callable[[Timeline], None]) -> tuple[Run, Timeline]:
        run = Run(PowerCutDisk(files), 0)
        run.begin(None)
        timeline = Timeline(run)
        play(timeline)
        run.close()
        return run, timeline

    def _recover(self, cut: Cut, files: Files, found: State, first: Timeline) -> None:
        self._report.recoveries += 1
        try:
            run, timeline = self._record(files, lambda timeline: self._case.recover(timeline, cut, found, first))
        except _WRONG as error:
            self._violation(cut, f"no recovery: {error!r}")
            return
        for second, left in cuts_of(run, frozenset(self._plan.second.of(timeline.points)), before=cut):
            self._report.second_cuts += 1
            self._judge(second, left, timeline)
            if len(self._report.violations) >= MOST_VIOLATIONS:
                return

    def _judge(self, cut: Cut, files: Files, timeline: Timeline) -> State | None:
        """Open what the disk holds after the cut; the state found, None where it is a violation."""
        found = self._open(files, second=cut.before is not None)
        lawful = timeline.lawful(cut.number)
        if isinstance(found, str):
            return self._violation(cut, found)
        if found not in cut.allowed:
            return self._violation(cut, "the card holds a state that was never committed, or lost a durable one")
        if found not in lawful:
            return self._violation(cut, f"neither old nor new nor a try fewer: {_differences(found, lawful)}")
        try:
            self._case.check(found, cut)
        except _WRONG as error:
            return self._violation(cut, f"the flow cannot be gone on with: {error!r}")
        answers, betrayed = self._readable_from(found)
        if betrayed is not None:
            return self._violation(cut, f"anybody can read {betrayed}")
        if answers not in (self._readable_from(lawful[0])[0], self._readable_from(lawful[-1])[0]):
            return self._violation(cut, "anybody can read what is readable neither before nor after")
        return found

    def _open(self, files: Files, *, second: bool) -> State | str:
        digest = _digest(files)
        if digest not in self._found:
            if second:
                self._report.second_distinct += 1
            else:
                self._report.distinct += 1
            disk = PowerCutDisk(files)
            try:
                with CardFile.open(disk.card, STORAGE_KEY, disk=disk) as store:
                    state = store.snapshot()
                self._found[digest] = self._states.setdefault(frozenset(state.items()), state)
            except CardFileError as error:
                self._found[digest] = f"the card file does not open: {error!r}"
        return self._found[digest]

    def _readable_from(self, state: State) -> tuple[tuple[bytes, ...], str | None]:
        key = frozenset(state.items())
        if key not in self._readable:
            answers = probes.readable(state)
            self._readable[key] = answers, probes.betrayed(state, answers)
        return self._readable[key]

    def _violation(self, cut: Cut, what: str) -> None:
        cuts = [f"{one.operation}, {one.strategy}" for one in (cut.before, cut) if one is not None]
        self._report.violations.append(f"{self._case.title}: cut at {', then at '.join(cuts)}: {what}")


def _digest(files: Files) -> int:
    return hash(tuple(sorted(files.items())))


def _differences(found: State, lawful: Sequence[State]) -> str:
    """The cells by which a state differs from each lawful one, by name only."""
    return "; ".join(
        " ".join(sorted(cell for cell in found.keys() | state.keys() if found.get(cell) != state.get(cell)))
        for state in lawful
    )


def total(reports: Sequence[Report]) -> str:
    """The last line: everything that was cut, by all reports."""
    commands = sum(report.commands for report in reports)
    cuts = sum(report.cuts + report.second_cuts for report in reports)
    violations = sum(len(report.violations) for report in reports)
    return f"powercuts: commands={commands} cuts={cuts} depth=2 violations={violations}"
