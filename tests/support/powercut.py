"""A disk with a write cache that can lose power at any moment, under the very card file that ships.

The usual way in, for anything that works on a store (a commit, a command, a whole flow)::

    def scenario(run: Run) -> None:          # `run` is a Store on a card file on this disk
        chip = Card(run, ...)                # whatever is to be tried run.note("before")
        # what had been promised to the outside so far, in any form chip.transmit(...) run.note("after")
        run.reopen()                         # close the card file and open it again, as the next session
        would

    def check(store: CardFile, cut: Cut) -> None:
        # `store` is the card as found after the power came back; `cut.notes` what had been noted before the
        # cut
        ...

    tally = for_each_cut(scenario, check, cells={...})

The scenario runs once, and every operation that reaches the disk is recorded; then the power is cut at each
operation in turn (the card's creation and closing included), once per strategy, and what the disk could
hold then is made and opened with the shipping code. Whatever `check` says, the harness itself demands that
the card opens, and that it holds the state after the last durable commit, or after one of the later commits
that had begun (or, while the card is being made, that there is no card yet). A failure is an
`AssertionError` that names the cut; the same arguments give the same cuts.

Strategies (what happens to writes that no sync had finished; synced ones always stay):

* ``kept``: all of them are there, except the one under way: also what `kill -9` leaves;
* ``lost``: none is there;
* ``torn``: all are there, and the one under way up to some byte;
* ``reordered``: any of them are there, in pieces of 512 bytes, each on its own; names too appear or vanish
singly;
* ``garbled``: the same, but lost pieces hold noise or zeros, files have their full length, and a whole
sector of 4096 bytes around
  some unsynced write is noise, whatever stood in it (the disk promises no "powersafe overwrite").

``depth=2`` cuts again, at each operation of what happens after the first cut: by default opening and
closing; a `recovery` scenario may do more. ``every=n`` takes only each n-th operation, from operation number
``first`` on, for quick tests of long flows.

`PowerCutDisk` can also be used alone: it is a `Disk` for `CardFile.create(..., disk=...)`, and `fail_from`
makes it run full, turn read-only or break at a chosen write.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jukicard.reader.cardfile import CardFile, CardFileError, CardFileMissing
from tests.support.powercut_disk import Fault, PowerCutDisk
from tests.support.powercut_survivors import STRATEGIES, Platter, Strategy

__all__ = [
    "CARD_ID",
    "STORAGE_KEY",
    "STRATEGIES",
    "Cut",
    "Fault",
    "PowerCutDisk",
    "Run",
    "Strategy",
    "Tally",
    "cuts_of",
    "for_each_cut",
]

STORAGE_KEY = bytes(range(32))
CARD_ID = b"power-cut card"


# --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cut:
    """One power cut: before operation `number` of the log was done, or after all of them."""

    number: int
    operation: str
    strategy: Strategy
    notes: tuple[Any, ...]
    allowed: tuple[dict[str, bytes] | None, ...] = field(repr=False)
    before: Cut | None = None  # the first cut, where this is the second

    def __str__(self) -> str:
        first = f"{self.before}, then " if self.before else ""
        return f"{first}cut at operation {self.number}, {self.operation}, {self.strategy}, notes {self.notes}"


@dataclass(frozen=True, slots=True)
class Tally:
    """What was tried: operations recorded, cuts made, and how many left files that differed from all before."""

    operations: int = 0
    cuts: int = 0
    distinct: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.operations + other.operations, self.cuts + other.cuts, self.distinct + other.distinct)


class Run:
    """The store that a scenario works on: a card file on a `PowerCutDisk`, with a record of what it promised when."""

    def __init__(self, disk: PowerCutDisk, seed: int) -> None:
        self.disk = disk
        self._random = random.Random(seed).randbytes
        self._states: list[tuple[int, int | None, bool, dict[str, bytes] | None]] = []  # begun, done, durable, state
        self._notes: list[tuple[int, Any]] = []
        self.store: CardFile

    def read(self, cell: str) -> bytes | None:
        return self.store.read(cell)

    def cells(self, prefix: str = "") -> Iterable[str]:
        return self.store.cells(prefix)

    def commit(self, changes: Mapping[str, bytes | None], *, durable: bool = True) -> None:
        state = dict(self._states[-1][3] or {})
        state.update({name: bytes(content) for name, content in changes.items() if content is not None})
        for name in (name for name, content in changes.items() if content is None):
            state.pop(name, None)
        self._during(state, durable, lambda: self.store.commit(changes, durable=durable))

    def note(self, what: Any) -> None:
        """Remember that the outside has been told `what` by now."""
        self._notes.append((len(self.disk.log), what))

    def reopen(self) -> None:
        """Close the card file, which makes everything durable, and open it again."""
        self.close()
        self.store = CardFile.open(self.disk.card, STORAGE_KEY, disk=self.disk, random=self._random)

    def close(self) -> None:
        self._during(self._states[-1][3], True, self.store.close)

    def begin(self, cells: Mapping[str, bytes] | None) -> None:
        """Make the card with these cells; None opens the one that is there."""
        if cells is None:
            self.store = CardFile.open(self.disk.card, STORAGE_KEY, disk=self.disk, random=self._random)
            self._states.append((0, 0, True, self.store.snapshot()))
            return
        self._states.append((0, 0, True, None))
        self._during(dict(cells), True, lambda: self._create(cells))

    def allowed(self, number: int) -> tuple[dict[str, bytes] | None, ...]:
        """Return the states in which the card may be found, if only the operations before `number` were done."""
        first = max(at for at, (_, done, durable, _) in enumerate(self._states) if durable and done <= number)
        return tuple(state for begun, _, _, state in self._states[first:] if begun <= number)

    def notes(self, number: int) -> tuple[Any, ...]:
        """Return what had been noted when only the operations before `number` were done."""
        return tuple(what for at, what in self._notes if at <= number)

    def _create(self, cells: Mapping[str, bytes]) -> None:
        self.store = CardFile.create(
            self.disk.card, STORAGE_KEY, cells, card_id=CARD_ID, disk=self.disk, random=self._random
        )

    def _during(self, state: dict[str, bytes] | None, durable: bool, act: Callable[[], object]) -> None:
        begun = len(self.disk.log)
        at = len(self._states)
        self._states.append((begun, len(self.disk.log) + 10**9, durable, state))
        act()
        self._states[at] = (begun, len(self.disk.log), durable, state)


Scenario = Callable[[Run], object]
Check = Callable[[CardFile, Cut], object]


def for_each_cut(
    scenario: Scenario,
    check: Check | None = None,
    *,
    cells: Mapping[str, bytes] | None = None,
    strategies: Sequence[Strategy] = STRATEGIES,
    seed: int = 0,
    every: int = 1,
    first: int = 0,
    depth: int = 1,
    recovery: Scenario = lambda run: None,
) -> Tally:
    """Run `scenario` on a new card with `cells`, cut the power at each operation, and `check` the card each time."""
    run = Run(PowerCutDisk(), seed)
    run.begin(cells or {})
    return _cut_everywhere(run, scenario, check, strategies, seed, (every, first), depth, recovery, None)


def _cut_everywhere(
    run: Run,
    scenario: Scenario,
    check: Check | None,
    strategies: Sequence[Strategy],
    seed: int,
    sample: tuple[int, int],
    depth: int,
    recovery: Scenario,
    before: Cut | None,
) -> Tally:
    scenario(run)
    run.close()
    every, first = sample
    seen: set[int] = set()
    tally = Tally(operations=len(run.disk.log))
    chosen = range(first, tally.operations + 1, every)
    for cut, files in cuts_of(run, chosen, strategies=strategies, seed=seed, before=before):
        known = hash((tuple(sorted(files.items())), len(cut.notes), len(cut.allowed), id(cut.allowed[0])))
        tally += Tally(cuts=1)
        if known not in seen:
            seen.add(known)
            tally += Tally(distinct=1)
            tally += _after(cut, files, check, strategies, seed, sample, depth, recovery)
    return tally


def cuts_of(
    run: Run,
    chosen: Container[int] | None = None,
    *,
    strategies: Sequence[Strategy] = STRATEGIES,
    seed: int = 0,
    before: Cut | None = None,
) -> Iterator[tuple[Cut, dict[str, bytes]]]:
    """Cut the power at each operation of a run that has ended, or at those `chosen`: yield the cut, the files left."""
    platter = Platter(run.disk)
    for number, operation in enumerate([*run.disk.log, None]):
        for strategy in strategies if chosen is None or number in chosen else ():
            chance = random.Random(f"{seed} {number} {strategy}")
            files = platter.survivors(strategy, operation, chance)
            yield Cut(number, str(operation), strategy, run.notes(number), run.allowed(number), before), files
        if operation is not None:
            platter.take(operation)


def _after(
    cut: Cut,
    files: dict[str, bytes],
    check: Check | None,
    strategies: Sequence[Strategy],
    seed: int,
    sample: tuple[int, int],
    depth: int,
    recovery: Scenario,
) -> Tally:
    """The power is back: open the card that is found, and compare."""
    disk = PowerCutDisk(files)
    try:
        try:
            with CardFile.open(disk.card, STORAGE_KEY, disk=disk) as store:
                found: dict[str, bytes] | None = store.snapshot()
                if found not in cut.allowed:
                    raise AssertionError("the card holds a state that was never committed, or lost a durable one")
                if check is not None:
                    check(store, cut)
        except CardFileMissing:
            found = None
            if found not in cut.allowed:
                raise
    except (AssertionError, CardFileError) as error:
        raise AssertionError(f"{cut}: {error}") from error
    if depth <= 1 or found is None:
        return Tally()
    again = Run(PowerCutDisk(files), seed)
    again.begin(None)
    return _cut_everywhere(again, recovery, check, strategies, seed, sample, depth - 1, recovery, cut)
