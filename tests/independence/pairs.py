"""Two cards that differ in what is secret, side by side: the same is said to both, and every answer compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.fuzz.oracles import Finding
from tests.fuzz.world import Step
from tests.independence.cards import Answer, HalfSecretCard
from tests.independence.manners import Manners, selected
from tests.independence.secrets import Setup

BOTH, FIRST, SECOND = "both", "first", "second"
"""Who takes a step: the side that is compared, on both cards; the secret side, on one of them."""
ALL_CHANNELS = frozenset(range(4))
Taken = tuple[str, Step]


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
        self._reach(ALL_CHANNELS if step[0] == "hand" else ALL_CHANNELS - self.hidden)
        self._compare(lambda card: card.do(step))
        if step[0] == "hand":
            self._hand(step[1])
        self._settle()

    @property
    def hidden(self) -> frozenset[int]:
        """The logical channels of the secret side."""
        return self.manners.channels

    def _hand(self, number: int) -> None:
        """A logical channel is the other side's, once something is selected there that both sides may see so."""
        if number not in self.hidden:
            self.manners.channels |= {number}
            return
        now = [selected(card, number) for card in self.cards]
        if not any(e is None or self.manners.is_secret(card, e) for card, e in zip(self.cards, now, strict=True)):
            self.manners.channels -= {number}

    def _take_hidden(self, card: HalfSecretCard, step: Step) -> None:
        self._reach(self.hidden)
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
        wanted = [number for number in sorted(self.hidden) if channels[number] is None]
        ours = sorted(ALL_CHANNELS - self.hidden)
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
