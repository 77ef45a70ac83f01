"""Who talks to a pair of cards, and what they say next: walks of the fuzzer's that stay on one side of the card."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from tests.fuzz.facts import Entry
from tests.fuzz.model import Channel, area
from tests.fuzz.tables import ROWS
from tests.fuzz.walk import Walk
from tests.fuzz.world import Host, Step
from tests.independence.cards import HalfSecretCard
from tests.independence.focus import NOTHING, Focus
from tests.independence.manners import CONTENT, May, selected
from tests.independence.pairs import ALL_CHANNELS, BOTH, FIRST, SECOND, Pair, Taken

LONGEST_PRELUDE = 40
"""Steps that the secret side takes on each card before anything is compared."""
_ATTEMPTS = 200
_FAVOURITES = 6
_FONDNESS = 0.7
_FOCUSED = 4
"""How much more often than others what a case is about comes."""
_HANDING, _HANDING_PROVED = 0.05, 0.12
"""How often a logical channel passes to the other side; and where something was proved on one of the secret side's."""
_MANAGING = sorted({row.name for rows in ROWS.values() for row in rows if row.ins in CONTENT})


class SideWalk(Walk):
    """A fuzzer's walk that stays on one side of the card."""

    def __init__(
        self,
        rng: Random,
        card: HalfSecretCard,
        channels: Callable[[], frozenset[int]],
        may: May,
        *,
        focus: Focus,
        secret: bool,
        manages: bool = False,
    ) -> None:
        super().__init__(rng, card)
        self.card = card
        self._channels = channels
        self.may = may
        self.secret = secret
        self.manages = manages
        self.focus = focus
        kinds = {card.model.kind(entry) for entry in card.model.registry if self._mine(entry)}
        names = sorted({row.name for kind in kinds for row in ROWS[kind]})
        self.favourites = [
            *rng.sample(names, min(len(names), _FAVOURITES)),
            *(_MANAGING if self.manages else [""]),
            *(focus.rows * _FOCUSED),
        ]

    @property
    def channels(self) -> frozenset[int]:
        """The logical channels that this side has at the moment."""
        return self._channels()

    def step(self) -> Step:
        """The next step that the side may take: after many that it may not, a selection."""
        for _ in range(_ATTEMPTS if any(map(self._mine, self.world.model.registry)) else 0):
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
        name = self.target()
        return "raw", bytes((number, 0xA4, 0x04, 0, len(name))) + name + (b"\0" if name else b"")

    def target(self) -> bytes:
        """The name of an application of this side; nothing where there is none."""
        mine = [entry for entry in self.world.model.registry if self._mine(entry)]
        return self.rng.choices(mine, [self._interest(entry) for entry in mine])[0].aid if mine else b""

    def has_passwords(self, name: bytes) -> bool:
        """Whether an application of that name has a password."""
        entry = next((one for one in self.world.model.registry if one.aid == name), None)
        return entry is not None and bool(self.world.model.under(f"{area(entry.instance)}p/"))

    def _remedy(self, channel: Channel, entry: Entry, kind: str, host: Host | None) -> str:
        """What gets the card further; or a row that this walk is fond of, so that seldom ones have their day."""
        remedy = super()._remedy(channel, entry, kind, host)
        if self.rng.random() < (_FONDNESS if not remedy else _FONDNESS / 2):
            return self.rng.choice(self.favourites)
        return remedy

    def _interest(self, entry: Entry) -> int:
        kind = self.world.model.kind(entry)
        interest = 8 if self.manages and kind == "domain" else super()._interest(entry)
        return max(interest, 8) * _FOCUSED if kind == self.focus.kind else interest

    def _mine(self, entry: Entry) -> bool:
        contents = self.card.contents
        return self.card.secret.holds(contents.by_instance(entry.instance), contents) is self.secret

    def _sensible(self, number: int, host: Host | None) -> Step:
        entry = selected(self.world, number)
        if entry is not None and not self._mine(entry):
            return self._select(number)
        return super()._sensible(number, host)


class Hosts:
    """Everybody who talks to a pair of cards: one walk for the side that is compared, two for the secret one."""

    def __init__(self, rng: Random, pair: Pair, focus: Focus) -> None:
        self.rng = rng
        self.pair = pair
        self.focus = focus
        self.walks = {who: self._walk(who) for who in (BOTH, FIRST, SECOND)}
        self.share = rng.choice((0.0, 0.2, 0.4, 0.4))
        """How much of what is said is said by the secret side, while the other is compared."""
        self.prelude = [who for who in (FIRST, SECOND) for _ in range(rng.randrange(LONGEST_PRELUDE))]

    def _walk(self, who: str) -> SideWalk:
        rng, pair, secret = Random(self.rng.randrange(1 << 64)), self.pair, who != BOTH
        return SideWalk(
            rng,
            pair.card(who),
            lambda: pair.hidden if secret else ALL_CHANNELS - pair.hidden,
            lambda step: pair.may(who, step),
            focus=NOTHING if secret else self.focus,
            secret=secret,
            manages=pair.setup.registry,
        )

    def _hand(self) -> Step:
        """A channel passes to the other side, from the secret one rather where something was proved; what is selected
        there then is on the side that gets it.
        """
        rng, pair, shown = self.rng, self.pair, self.walks[BOTH]
        proved = self._proved()
        number = rng.choice(proved) if proved and rng.random() < 0.7 else rng.randrange(4)
        if number not in pair.hidden:
            return "hand", number, b""
        return "hand", number, max((shown.target() for _ in range(2)), key=shown.has_passwords)

    def _proved(self) -> list[int]:
        """The secret side's logical channels on which a password was verified, on one card or on both."""
        channels = [channel for card in self.pair.cards for channel in card.model.channels if channel is not None]
        return sorted(one.number for one in channels if one.number in self.pair.hidden and one.verified)

    def _hands(self) -> bool:
        return self.rng.random() < (_HANDING_PROVED if self._proved() else _HANDING)

    def __iter__(self) -> Iterator[Taken]:
        while True:
            rng = self.rng
            who = self.prelude.pop() if self.prelude else BOTH
            if who == BOTH and rng.random() < self.share:
                who = rng.choice((FIRST, SECOND))
            step = self._hand() if who == BOTH and self._hands() else self.walks[who].step()
            if self.pair.may(who, step):
                yield who, step
