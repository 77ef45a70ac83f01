"""Two cards that differ in what is secret, side by side: the same is said to both, and every answer compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from tests.fuzz.cases import shortened, watched
from tests.fuzz.facts import Entry
from tests.fuzz.model import Channel
from tests.fuzz.oracles import Finding
from tests.fuzz.tables import ROWS
from tests.fuzz.walk import Walk
from tests.fuzz.world import Host, Step
from tests.independence.cards import Answer, HalfSecretCard
from tests.independence.manners import CONTENT, Manners, May, selected
from tests.independence.secrets import Setup, setup_of

BOTH, FIRST, SECOND = "both", "first", "second"
"""Who takes a step: the side that is compared, on both cards; the secret side, on one of them."""
ALL_CHANNELS = frozenset(range(4))
CASE_COMMANDS = 400
LONGEST_PRELUDE = 40
"""Steps that the secret side takes on each card before anything is compared."""
_ATTEMPTS = 200
_NAMES = sorted({row.name for rows in ROWS.values() for row in rows})
_FAVOURITES = 6
_MANAGING = sorted({row.name for rows in ROWS.values() for row in rows if row.ins in CONTENT})


@dataclass(slots=True)
class Seen:
    """What was compared: commands, those answered 9000, the status words of each row; what was said on the secret side
    meanwhile; on how many pairs of cards the secrets were different in the end, and what there is on that side.
    """

    commands: int = 0
    good: int = 0
    rows: Counter[tuple[str, int]] = field(default_factory=Counter)
    hidden: int = 0
    hidden_good: int = 0
    pairs: int = 0
    different: int = 0
    applications: int = 0

    def add(self, other: Seen) -> None:
        for name in ("commands", "good", "hidden", "hidden_good", "pairs", "different", "applications"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.rows.update(other.rows)

    def note(self, answer: Answer) -> None:
        """Count a command whose answers were the same."""
        self.commands += 1
        self.good += answer.sw == 0x9000
        if answer.row:
            self.rows[answer.row, answer.sw] += 1

    def note_hidden(self, answer: Answer) -> None:
        """Count a command of the secret side."""
        self.hidden += 1
        self.hidden_good += answer.sw == 0x9000


class Pair:
    """Two cards and their hosts."""

    def __init__(self, setup: Setup, seen: Seen | None = None) -> None:
        self.setup = setup
        self.seen = seen if seen is not None else Seen()
        self.manners = Manners(setup)
        first, second = (HalfSecretCard(setup.cells(which), setup.seed, setup.secret) for which in (0, 1))
        self.cards = first, second
        self.last: tuple[list[Answer], list[Answer]] = [], []
        self._settle()

    def may(self, who: str, step: Step) -> bool:
        """Whether a step is one that must not be noticed."""
        if who == BOTH:
            return self.manners.shown_may(step, self.cards)
        return self.manners.hidden_may(step, self.card(who))

    def card(self, who: str) -> HalfSecretCard:
        return self.cards[who == SECOND]

    def do(self, who: str, step: Step) -> None:
        """Take a step; Finding where both cards answer, and do not answer the same."""
        if who != BOTH:
            self._take_hidden(self.card(who), step)
            return
        self._reach(ALL_CHANNELS - self.setup.channels)
        self._compare(lambda card: card.do(step))
        self._settle()

    def _take_hidden(self, card: HalfSecretCard, step: Step) -> None:
        self._reach(self.setup.channels)
        card.answers.clear()
        card.do(step)
        for answer in card.answers:
            self.seen.note_hidden(answer)

    def _reach(self, channels: frozenset[int]) -> None:
        for card in self.cards:
            card.reach = channels

    def _compare(self, action: Callable[[HalfSecretCard], None]) -> None:
        errors: list[Exception | None] = []
        for card in self.cards:
            card.answers.clear()
            try:
                action(card)
                errors.append(None)
            except Exception as error:  # noqa: BLE001 - first see whether the cards differ
                errors.append(error)
        self.last = self.cards[0].answers[:], self.cards[1].answers[:]
        if reason := difference(*self.last):
            raise Finding(reason)
        for error in errors:
            if error is not None:
                raise error
        for answer in self.last[0]:
            self.seen.note(answer)

    def _settle(self) -> None:
        """Open the secret side's channels, which the other side may close, and one for the other side."""
        channels = self.cards[0].model.channels
        wanted = [number for number in sorted(self.setup.channels) if channels[number] is None]
        ours = sorted(ALL_CHANNELS - self.setup.channels)
        if all(channels[number] is None for number in ours):
            wanted.append(ours[0])
        self._reach(ALL_CHANNELS)
        for number in wanted:
            self._compare(lambda card, number=number: card.open_channel(number))

    def end(self) -> None:
        """Finding where what lasts on the side that is compared is not the same any more."""
        shown, other = (card.shown() for card in self.cards)
        if shown != other:
            name = min(name for name in shown.keys() | other.keys() if shown.get(name) != other.get(name))
            raise Finding(f"in the end the cards differ in {name}")
        self.seen.pairs += 1
        self.seen.different += self.cards[0].hidden() != self.cards[1].hidden()
        self.seen.applications += len({tuple(self.manners.targets(card)) for card in self.cards}) > 1


def difference(first: Sequence[Answer], second: Sequence[Answer]) -> str:
    """What two cards did not do alike, or nothing."""
    for one, other in zip(first, second, strict=False):
        name = one.row.partition(": ")[2] or "a command without a row"
        if one.command != other.command:
            return f"before {name}, the hosts of both cards go on otherwise"
        if one.sw != other.sw:
            return f"{name} answers {one.sw:04X} and {other.sw:04X}"
        if len(one.answer) != len(other.answer):
            return f"{name} answers {len(one.answer)} bytes and {len(other.answer)}"
        if one.answer != other.answer:
            return f"{name} answers other data"
        if one.waits != other.waits:
            return f"{name} waits {one.waits} and {other.waits} seconds"
        if one.steps != other.steps:
            return f"{name} takes {one.steps} and {other.steps} steps"
    if len(first) != len(second):
        return "the host of one card says more"
    return ""


class SideWalk(Walk):
    """A fuzzer's walk that stays on one side of the card."""

    def __init__(
        self,
        rng: Random,
        card: HalfSecretCard,
        channels: frozenset[int],
        may: May,
        *,
        secret: bool,
        manages: bool = False,
    ) -> None:
        super().__init__(rng, card)
        self.card = card
        self.channels = channels
        self.may = may
        self.secret = secret
        self.manages = manages
        self.favourites = rng.sample(_NAMES, _FAVOURITES) + (_MANAGING if self.manages else [])

    def step(self) -> Step:
        """The next step that the side may take: after many that it may not, a selection."""
        for _ in range(_ATTEMPTS):
            step = super().step()
            if self.may(step):
                return step
        return self._select(min(self.channels))

    def _channel(self) -> int:
        opened = [n for n in self.channels if self.world.model.channels[n] is not None] or list(self.channels)
        inside = [number for number in opened if self.world.hosts[number] is not None]
        return self.rng.choice(inside if inside and self.rng.random() < 0.92 else opened)

    def _about_a_waiting_answer(self) -> Step | None:
        rng = self.rng
        for number in self.channels:
            channel = self.world.model.channels[number]
            if channel is not None and channel.pending is not None and rng.random() < 0.4:
                return "raw", bytes((number, 0xC0, 0, 0, rng.choice((0, 0, 0, 1, 200))))
        return None

    def _select(self, number: int) -> Step:
        mine = [entry for entry in self.world.model.registry if self._mine(entry)]
        if not mine:
            return "raw", bytes((number, 0xA4, 0x04, 0, 0))
        entry = self.rng.choices(mine, [self._interest(entry) for entry in mine])[0]
        return "raw", bytes((number, 0xA4, 0x04, 0, len(entry.aid))) + entry.aid + b"\0"

    def _remedy(self, channel: Channel, entry: Entry, kind: str, host: Host | None) -> str:
        """What gets the card further; or a row that this walk is fond of, so that seldom ones have their day."""
        if self.rng.random() < 0.3:
            return self.rng.choice(self.favourites)
        return super()._remedy(channel, entry, kind, host)

    def _interest(self, entry: Entry) -> int:
        return 8 if self.manages and self.world.model.kind(entry) == "domain" else super()._interest(entry)

    def _mine(self, entry: Entry) -> bool:
        contents = self.card.contents
        return self.card.secret.holds(contents.by_instance(entry.instance), contents) is self.secret

    def _sensible(self, number: int, host: Host | None) -> Step:
        entry = selected(self.world, number)
        if entry is not None and not self._mine(entry):
            return self._select(number)
        return super()._sensible(number, host)


Taken = tuple[str, Step]


class Hosts:
    """Everybody who talks to a pair of cards: one walk for the side that is compared, two for the secret one."""

    def __init__(self, rng: Random, pair: Pair) -> None:
        self.rng = rng
        self.pair = pair
        hidden = pair.setup.channels
        first, second = pair.cards
        self.walks = {
            BOTH: self._walk(first, ALL_CHANNELS - hidden, BOTH),
            FIRST: self._walk(first, hidden, FIRST),
            SECOND: self._walk(second, hidden, SECOND),
        }
        self.share = rng.choice((0.0, 0.2, 0.4, 0.4))
        """How much of what is said is said by the secret side, while the other is compared."""
        self.prelude = [who for who in (FIRST, SECOND) for _ in range(rng.randrange(LONGEST_PRELUDE))]

    def _walk(self, card: HalfSecretCard, channels: frozenset[int], who: str) -> SideWalk:
        rng = Random(self.rng.randrange(1 << 64))
        manages = self.pair.setup.registry
        return SideWalk(rng, card, channels, lambda s: self.pair.may(who, s), secret=who != BOTH, manages=manages)

    def __iter__(self) -> Iterator[Taken]:
        while True:
            rng = self.rng
            who = self.prelude.pop() if self.prelude else BOTH
            if who == BOTH and rng.random() < self.share:
                who = rng.choice((FIRST, SECOND))
            step = self.walks[who].step()
            if self.pair.may(who, step):
                yield who, step


@dataclass(frozen=True)
class Case:
    """A pair of cards that can be told apart: where it comes from, the steps up to the difference, and that."""

    seed: int
    number: int
    setup: Setup
    steps: tuple[Taken, ...]
    reason: str


def case_of(seed: int, number: int, kind: str) -> tuple[Random, Setup]:
    rng = Random(f"independence/{seed}/{number}/{kind}")
    return rng, setup_of(rng, kind)


def run_case(seed: int, number: int, kind: str, seen: Seen, commands: int = CASE_COMMANDS) -> Case | None:
    """Compare about so many commands on a pair of cards; the difference that was found, or None."""
    rng, setup = case_of(seed, number, kind)
    steps: list[Taken] = []
    before = seen.commands
    pair = Pair(setup, seen)
    try:
        with watched():
            for who, step in Hosts(rng, pair):
                steps.append((who, step))
                pair.do(who, step)
                if seen.commands - before >= commands:
                    pair.end()
                    return None
    except Finding as finding:
        return Case(seed, number, setup, tuple(steps), finding.reason)
    return None


def failure(setup: Setup, steps: Sequence[Taken]) -> tuple[str, Pair] | None:
    """Take steps on a new pair of cards, those that may be taken; what is found first (and the pair), or None."""
    pair = Pair(setup)
    try:
        with watched():
            for who, step in steps:
                if pair.may(who, step):
                    pair.do(who, step)
            pair.end()
    except Finding as finding:
        return finding.reason, pair
    except Exception:  # noqa: BLE001 - steps that make no sense any more without those left out
        return None
    return None


def shrink(case: Case, budget: int = 300) -> Case:
    """Leave out steps as long as the same difference is found."""

    def fails(steps: Sequence[Step]) -> bool:
        found = failure(case.setup, steps)
        return found is not None and found[0] == case.reason

    return Case(case.seed, case.number, case.setup, shortened(case.steps, fails, budget), case.reason)


def written(case: Case) -> str:
    """A case in words: the cards, the steps, and the last answers of both."""
    lines = [
        f"seed {case.seed}, case {case.number}: {case.reason}",
        f"cards: {case.setup!r}",
        "steps:",
        *(f"  {who:6} {step!r}" for who, step in case.steps),
    ]
    found = failure(case.setup, case.steps)
    for name, answers in zip(("first", "second"), found[1].last if found else (), strict=False):
        lines += [f"the {name} card:", *(f"  > {a.command.hex()}\n  < {a.answer.hex()}" for a in answers)]
    return "\n".join(lines) + "\n"
