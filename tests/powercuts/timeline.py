"""What a card may hold, moment by moment, while commands run: old, new, or a try fewer.

A `Timeline` stands between a chip and the card file that it writes.  It remembers for each command the cells before
it, after it and, where the command spent a try, in between; and where on the disk's log it began, used the secret that
the try is for, and was answered.  `lawful(number)` is then the answer to: which states may be found if the power goes
at this operation?
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from types import ModuleType
from unittest import mock

from cryptography.hazmat.primitives.constant_time import bytes_eq

import jukicard.applets.catalogue  # noqa: F401 - the modules in which `_places` looks
from jukicard.card.card import Card
from jukicard.securechannel.kdf import aes_cmac
from jukicard.securechannel.scp03 import derive_session_keys
from tests.support.powercut import Run

State = dict[str, bytes]
SECRET_USES: tuple[Callable[..., object], ...] = (bytes_eq, aes_cmac, derive_session_keys)
"""The functions by which the card uses the secrets that a counter guards."""


# --- spending


def _one_try_fewer(old: bytes | None, new: bytes) -> bool:
    return len(new) == 1 and (old is None or new[0] == old[0] - 1)


def _one_attempt_more(old: bytes | None, new: bytes) -> bool:
    counted = old or bytes(4)
    sequence, attempts = int.from_bytes(counted[:3]), counted[3]
    return new == (sequence + 1).to_bytes(3) + bytes((min(255, attempts + 1),))


COUNTERS: tuple[tuple[re.Pattern[str], Callable[[bytes | None, bytes], bool]], ...] = (
    (re.compile(r"a/[0-9a-f]{4}/([py]/[0-9a-f]{2}/t|(f/[0-9a-f]{4}/)+c)"), _one_try_fewer),
    (re.compile(r"a/[0-9a-f]{4}/seq/[0-9a-f]{2}/[0-9a-f]{2}"), _one_attempt_more),
)
"""The cells that may be written ahead of the rest of a command, and by how much: a new kind of counter goes here."""


def is_spent(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> bool:
    """Whether nothing but counters differ, each by one step, and one at least does."""
    changed = {cell for cell in before.keys() | after.keys() if before.get(cell) != after.get(cell)}
    return bool(changed) and all(
        any(name.fullmatch(cell) and cell in after and step(before.get(cell), after[cell]) for name, step in COUNTERS)
        for cell in changed
    )


def _only_counters(one: State, other: State) -> bool:
    changed = {cell for cell in one.keys() | other.keys() if one.get(cell) != other.get(cell)}
    return all(any(name.fullmatch(cell) for name, _ in COUNTERS) for cell in changed)


# --- one command


@dataclass
class Step:
    """One command: where it lies in the disk's log, and the states that it went through."""

    begun: int
    start: State = field(repr=False)
    possible: tuple[State, ...] = field(repr=False)  # before it: more than one where the last try may still be lost
    states: list[tuple[State, bool]] = field(default_factory=list, repr=False)  # after each commit; whether durable
    used: int | None = None
    answered: int = 1 << 62

    @property
    def end(self) -> State:
        """The state after the command."""
        return self.states[-1][0] if self.states else self.start

    @property
    def spent(self) -> State | None:
        """The state after a try was spent, where one was."""
        return next((state for state, _ in self.states if is_spent(self.start, state)), None)

    @property
    def spent_the_last(self) -> bool:
        """Whether the try was the last one."""
        spent = self.spent or {}
        return any(content == b"\0" != self.start.get(cell) for cell, content in spent.items())

    @property
    def after(self) -> tuple[State, ...]:
        """What may be found once the command was answered: a try given back may still be missing, nothing else."""
        if not self.states:
            return self.possible
        spent, durable = self.spent, self.states[-1][1]
        if durable or spent is None or not _only_counters(spent, self.end):
            return (self.end,)
        return spent, self.end

    def lawful(self, number: int) -> tuple[State, ...]:
        """What may be found if the power goes at this operation of the disk."""
        spent = self.spent
        if self.answered <= number:
            return self.after
        if spent is None:
            return *self.possible, self.end
        if self.used is not None and self.used <= number:
            return spent, self.end  # the secret was used: the try is gone, for certain
        return (*self.possible, spent)  # it was not: nothing has been given back


class Timeline:
    """A store that hands on to a `Run`, and remembers what each command did."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.steps: list[Step] = []
        self.opened = self.prepared = len(run.disk.log)
        self.found = run.store.snapshot()
        self._now = self.found
        self._step: Step | None = None

    # the store

    def read(self, cell: str) -> bytes | None:
        return self.run.read(cell)

    def cells(self, prefix: str = "") -> Iterable[str]:
        return self.run.cells(prefix)

    def snapshot(self) -> State:
        return dict(self._now)

    def commit(self, changes: Mapping[str, bytes | None], *, durable: bool = True) -> None:
        self.run.commit(changes, durable=durable)
        self._now = self.run.store.snapshot()
        if self._step is not None:
            self._step.states.append((self._now, durable))

    # commands

    def watch(self, card: Card) -> Watched:
        """The same chip; its commands are remembered here."""
        return Watched(card, self)

    @contextmanager
    def command(self) -> Iterator[None]:
        """One command runs."""
        possible = self.steps[-1].after if self.steps else (self._now,)
        self._step = Step(self._at, self._now, possible)
        self.steps.append(self._step)
        try:
            with _uses_noted(self._used):
                yield
        finally:
            self._step.answered, self._step = self._at, None

    def start_here(self) -> None:
        """What was done since the card was opened only prepared the command that follows: it is not cut."""
        self.prepared = self._at

    # afterwards

    @property
    def points(self) -> list[int]:
        """The operations at which the power is cut, the moment after the last one included."""
        return [number for number in range(self._at + 1) if not self.opened <= number < self.prepared]

    @property
    def writing(self) -> int:
        """How many commands wrote anything."""
        return sum(bool(step.states) for step in self.steps)

    def lawful(self, number: int) -> tuple[State, ...]:
        """What may be found if the power goes at this operation of the disk."""
        begun = [step for step in self.steps if step.begun <= number]
        return begun[-1].lawful(number) if begun else (self.found,)

    @property
    def _at(self) -> int:
        return len(self.run.disk.log)

    def _used(self) -> None:
        if self._step is not None and self._step.used is None:
            self._step.used = self._at


class Watched:
    """A chip whose commands a timeline remembers."""

    def __init__(self, card: Card, timeline: Timeline) -> None:
        self._timeline = timeline
        self.power_on, self.power_off, self.reset = card.power_on, card.power_off, card.reset
        self._transmit = card.transmit

    def transmit(self, command: bytes) -> bytes:
        with self._timeline.command():
            return self._transmit(command)


@lru_cache(maxsize=1)
def _places() -> tuple[tuple[ModuleType, str], ...]:
    """Where the card's own code (and not the host's beside it) has a name for one of `SECRET_USES`."""
    return tuple(
        (module, name)
        for path, module in sorted(sys.modules.items())
        if path.startswith(("jukicard.card.", "jukicard.applets.")) and not path.endswith(".client")
        for name, value in vars(module).items()
        if any(value is use for use in SECRET_USES)
    )


@contextmanager
def _uses_noted(note: Callable[[], None]) -> Iterator[None]:
    def noting(use: Callable[..., object]) -> Callable[..., object]:
        def noted(*arguments: object) -> object:
            note()
            return use(*arguments)

        return noted

    with ExitStack() as stack:
        for module, name in _places():
            stack.enter_context(mock.patch.object(module, name, noting(getattr(module, name))))
        yield
