"""How things are measured here: contenders in turns, medians of the rounds' ratios, results that say their target.

The machine's other work, its clock and its caches touch two contenders alike only if they are measured in turns. A
round is one short slice of each contender; every other round goes through them backwards. The ratio of a round is that
of its two slices; a result is the median over the rounds with its quartiles. Slices are shorter than a scheduler's, and
rounds many, so that on a busy machine most rounds are still undisturbed.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

CPU = time.thread_time
"""For what only computes: the seconds that it had the processor, so that whoever else had it meanwhile is left out."""

WALL = time.perf_counter
"""For what waits: for a disk, for another process."""

Measure = Callable[[int], float]
"""Do something so many times and return the seconds that count."""


@dataclass(frozen=True)
class Effort:
    """How much is done: `rounds` of slices of about `slice_seconds`; `chips`, `files` and `runs` of whole processes."""

    rounds: int = 101
    slice_seconds: float = 0.003
    chips: int = 10_000
    files: int = 500
    pcscd_rounds: int = 41
    pcscd_seconds: float = 0.015
    runs: int = 7


FULL = Effort()
QUICK = Effort(rounds=3, slice_seconds=0.001, chips=20, files=20, pcscd_rounds=3, pcscd_seconds=0.002, runs=1)


@dataclass(frozen=True)
class Item:
    """One figure.

    `ours` and `peer` are medians in `unit`. `ratio` is what the target speaks of: ours over the peer's (or over
    the limit, where there is no peer), with its quartiles in `spread`. `better` says which way is better.
    """

    name: str
    ours: float
    peer: float | None
    unit: str
    ratio: float
    spread: tuple[float, float]
    target: float
    better: str
    against: str

    @property
    def met(self) -> bool:
        """Whether the target is reached."""
        return self.ratio >= self.target if self.better == "higher" else self.ratio <= self.target

    def json(self) -> dict[str, object]:
        """The item as out/bench.json has it."""
        return {
            "ours": rounded(self.ours),
            "peer": None if self.peer is None else rounded(self.peer),
            "unit": self.unit,
            "ratio": rounded(self.ratio),
            "spread": [rounded(value) for value in self.spread],
            "target": self.target,
            "better": self.better,
            "met": self.met,
            "against": self.against,
        }


@dataclass
class Clock:
    """Adds up the time of one party of a dialogue: how long calls of `watch`'s function took, by `now`."""

    now: Callable[[], float] = CPU
    seconds: float = 0.0

    def watch(self, transmit: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
        """The same function, its time added up."""

        now = self.now

        def watched(command: bytes) -> bytes:
            start = now()
            response = transmit(command)
            self.seconds += now() - start
            return response

        return watched


def repeat(action: Callable[[], object], now: Callable[[], float] = CPU) -> Measure:
    """Measure an action by the time that it takes in all, by `now`."""

    def measure(count: int) -> float:
        start = now()
        for _ in range(count):
            action()
        return now() - start

    return measure


def in_turns(contenders: Mapping[str, Measure], rounds: int, slice_seconds: float) -> dict[str, list[float]]:
    """Measure all contenders in turns: for each its seconds per piece, round by round."""
    counts = {}
    for name, measure in contenders.items():
        measure(1)  # whatever is done but once
        counts[name] = max(1, round(slice_seconds / max(measure(2) / 2, 1e-9)))
    times: dict[str, list[float]] = {name: [] for name in contenders}
    gc.collect()
    for number in range(rounds):
        order = list(contenders) if number % 2 else list(reversed(contenders))
        for name in order:
            times[name].append(contenders[name](counts[name]) / counts[name])
    return times


def speed(name: str, ours: Sequence[float], peer: Sequence[float], target: float, against: str) -> Item:
    """How many times as fast as the peer, in commands per second; at least `target`."""
    ratios = [theirs / own for own, theirs in zip(ours, peer, strict=True)]
    rates = (1 / statistics.median(ours), 1 / statistics.median(peer))
    return Item(name, *rates, "1/s", *middle(ratios), target, "higher", against)


def cost(name: str, ours: Sequence[float], peer: Sequence[float], target: float, against: str) -> Item:
    """How many times the peer's time, in microseconds; at most `target`."""
    ratios = [own / theirs for own, theirs in zip(ours, peer, strict=True)]
    times = (1e6 * statistics.median(ours), 1e6 * statistics.median(peer))
    return Item(name, *times, "µs", *middle(ratios), target, "lower", against)


def limit(name: str, ours: Sequence[float], limit: float, unit: str) -> Item:
    """A figure in `unit` that may be `limit` at most; the ratio is the share of the limit."""
    own = statistics.median(ours)
    return Item(name, own, None, unit, *middle([value / limit for value in ours]), 1.0, "lower", f"{limit:g} {unit}")


def middle(values: Sequence[float]) -> tuple[float, tuple[float, float]]:
    """Median and quartiles."""
    if len(values) < 2:
        return values[0], (values[0], values[0])
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return statistics.median(values), (low, high)


def rounded(value: float) -> float:
    """Four digits that count."""
    return float(f"{value:.4g}")


def row(item: Item) -> str:
    """The item as a row of a Markdown table; see `HEAD`."""
    sign = "≥" if item.better == "higher" else "≤"
    ours = f"{quantity(item.ours)} {item.unit}"
    peer = item.against if item.peer is None else f"{quantity(item.peer)} {item.unit} ({item.against})"
    low, high = item.spread
    return (
        f"| {item.name} | {ours} | {peer} | {item.ratio:.2f} ({low:.2f}–{high:.2f}) "
        f"| {sign} {item.target:g} | {'yes' if item.met else '**no**'} |"
    )


HEAD = "| what | ours | held against | ratio (quartiles) | target | met |\n|---|---|---|---|---|---|"


def quantity(value: float) -> str:
    """A number as people read it."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(items: Iterable[Item]) -> str:
    """All items as a Markdown table."""
    return "\n".join((HEAD, *map(row, items)))
