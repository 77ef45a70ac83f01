"""A bureau for tests: an authority, files of invented residents, a crew in this process that can be made to fail."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from jukicard.iso7816.connection import CardConnection
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.bureau.preparing import begin
from jukicard.issuer.bureau.run import RunPlan, Tally, WorkersLost, World
from jukicard.issuer.bureau.workshop import Delivery, GroupJob, Workshop
from jukicard.issuer.records.codes import resident_check_digit
from jukicard.issuer.records.resident import RecordRules
from jukicard.issuer.records.table import RecordFile
from jukicard.reader.press import EmulatorPress
from jukicard.testing.seeds import randomness

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)
COLUMNS = ("resident_code", "name", "kana", "birth_date", "sex", "address", "city_code", "face")
STORAGE_KEY = bytes(range(32))


def residents(count: int, seed: int = 7) -> list[dict[str, str]]:
    """Invented residents, each with a code of his own."""
    codes = (f"{number:010d}" for number in random.Random(seed).sample(range(10**9, 10**10), count))
    values = ("見本　太郎", "ミホン　タロウ", "1965-04-03", "male", "見本市中央1-2-3", "99201", "A")
    return [dict(zip(COLUMNS, (f"{code}{resident_check_digit(code)}", *values), strict=True)) for code in codes]


def write_records(path: Path, people: Iterable[dict[str, str]]) -> Path:
    """Write them as a CSV file, with further columns for what any of them has beside the usual."""
    people = list(people)
    columns = list(dict.fromkeys((*COLUMNS, *(name for person in people for name in person))))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(people)
    return path


class Halt(BaseException):
    """The end of the process, as far as the code can see."""


class SpoilingPress(EmulatorPress):
    """A press whose chips refuse everything if they have one of those numbers."""

    def __init__(self, spoiling: Callable[[int], bool]) -> None:
        super().__init__(STORAGE_KEY, randomness("press"))
        self._spoiling = spoiling

    @contextmanager
    def chip(self, number: str) -> Iterator[CardConnection]:
        with super().chip(number) as connection:
            yield Refusing(connection) if self._spoiling(int(number)) else connection


@dataclass
class Refusing:
    """A chip that refuses INSTALL (80 E6)."""

    inner: CardConnection

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def transmit(self, command: bytes) -> bytes:
        answer = self.inner.transmit(command)
        return b"\x6a\x80" if command[0] & 0x80 and command[1] == 0xE6 else answer


@dataclass
class InlineCrew:
    """One worker, in this process. `before` is called with the number of each submission, and may raise."""

    workshop: Workshop
    before: Callable[[int], None] = lambda number: None
    size: int = 1
    submitted: int = 0
    recovered: int = 0

    def submit(self, job: GroupJob) -> Future[Delivery]:
        future: Future[Delivery] = Future()
        self.submitted += 1
        try:
            self.before(self.submitted)
            future.set_result(self.workshop.make(job))
        except WorkersLost as error:
            future.set_exception(error)
        return future

    def recover(self) -> None:
        self.recovered += 1


@dataclass
class Bureau:
    """One authority with its runs; everything draws from seeds."""

    authority: Authority
    folder: Path
    warnings: list[str] = field(default_factory=list)
    slept: float = 0

    def plan(self, people: Iterable[dict[str, str]], name: str = "run", group: int = 3, stop_after: int = 3) -> RunPlan:
        records = RecordFile(write_records(self.folder / f"{name}.csv", people))
        rules = RecordRules(date(2026, 11, 28), "99201")
        return RunPlan(name, records, rules, self.folder / f"{name}-out", group_size=group, stop_after=stop_after)

    def crew(
        self,
        before: Callable[[int], None] = lambda number: None,
        spoiling: Callable[[int], bool] = lambda number: False,
    ) -> InlineCrew:
        press = SpoilingPress(spoiling)
        return InlineCrew(Workshop(self.authority, press, randomness("worker"), lambda: NOW), before)

    def run(
        self,
        plan: RunPlan,
        crew: InlineCrew,
        *,
        resume: bool = False,
        progress: Callable[[Tally], None] = lambda tally: None,
    ) -> Tally:
        world = World(lambda: NOW, self._sleep, progress, self.warnings.append)
        return begin(self.authority, plan, crew, world, randomness(plan.name), resume=resume).execute()

    def _sleep(self, seconds: float) -> None:
        self.slept += seconds
