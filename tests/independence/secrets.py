"""What is secret on one of two cards, and the cards: the same to the last cell but in what is secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from jukicard.card.registry import Contents, Entry, Registry
from jukicard.card.registry import CELL as REGISTRY
from jukicard.card.store import MemoryStore
from jukicard.card.transaction import Transaction
from tests.fuzz import people
from tests.fuzz.grammar import CODES, NEW_NAMES, PASSWORDS
from tests.support import chips

HIDDEN_NAMES, SHOWN_NAMES = NEW_NAMES[2:], NEW_NAMES[:2]
"""Under which names the secret side installs applications, and the side that is compared."""
STARTS = ("active", "folder", "furnished", "delivered", "personalisation")
_DONORS = ("active", "active", "delivered", "personalisation")
JUKI, CITY, SERVICE = "juki", "city", "service"
KINDS = (JUKI, CITY, SERVICE)
"""Whose secrets the cards differ in: the Juki area, the municipality's area, or one service in it."""


@dataclass(frozen=True)
class Secret:
    """One side of a card: the applications with these names, and whatever lies below the domains among them."""

    kind: str
    names: frozenset[bytes]

    def holds(self, entry: Entry, contents: Contents) -> bool:
        """Whether an application of the registry is on this side."""
        return bytes(entry.aid) in self.names or bytes(contents.by_instance(entry.domain).aid) in self.names

    def ancestors(self, contents: Contents) -> frozenset[bytes]:
        """The names of the domains above, that are on the other side."""
        found = set()
        for entry in contents.entries:
            if bytes(entry.aid) in self.names:
                above = contents.by_instance(entry.domain)
                if not self.holds(above, contents):
                    found.add(bytes(above.aid))
        return frozenset(found)


def contents_of(cells: Mapping[str, bytes]) -> Contents:
    return Contents.parse(cells.get(REGISTRY))


@lru_cache(maxsize=64)
def secrets_on(start: str) -> tuple[Secret, ...]:
    """What can be secret on such a card: each of its areas, each of the municipality's services."""
    contents = contents_of(people.START[start]())
    city = contents.by_aid(bytes(chips.CITY_DOMAIN))
    assert city is not None
    services = [bytes(entry.aid) for entry in contents.entries if entry.domain == city.instance != entry.instance]
    return (
        Secret(JUKI, frozenset((bytes(chips.JUKI_DOMAIN), bytes(chips.JUKI)))),
        Secret(CITY, frozenset((bytes(chips.CITY_DOMAIN), *services))),
        *(Secret(SERVICE, frozenset((name,))) for name in services),
    )


@dataclass(frozen=True)
class Setup:
    """A pair of cards: what they have in common (`start`), what is secret, and how they differ in it.

    `donors` are the chips (stage and number) whose cells each card has on the secret side; `channels` the logical
    channels of the secret side; `registry`: whether applications of that side may come, go and be absent.
    """

    start: str
    secret: Secret
    donors: tuple[tuple[str, int], tuple[str, int]]
    absent: tuple[bool, bool]
    channels: frozenset[int]
    registry: bool
    seed: int

    def cells(self, which: int) -> dict[str, bytes]:
        """The cells that card 0 or 1 starts with."""
        cells = dict(people.START[self.start]())
        contents = contents_of(cells)
        donor = _donor(*self.donors[which])
        areas = tuple(entry.area for entry in contents.entries if self.secret.holds(entry, contents))
        for area in areas:
            if any(cell.startswith(area) for cell in donor):
                cells = {cell: content for cell, content in cells.items() if not cell.startswith(area)}
                cells.update({cell: content for cell, content in donor.items() if cell.startswith(area)})
        if which:
            _change(cells, areas)
        return _without_services(cells, self.secret) if self.absent[which] else cells


@lru_cache(maxsize=16)
def _donor(stage: str, number: int) -> dict[str, bytes]:
    if stage == "personalisation":
        return chips.in_personalisation(number=number).cells
    return (chips.active if stage == "active" else chips.delivered)(number).cells


def _change(cells: dict[str, bytes], areas: tuple[str, ...]) -> None:
    """Give another resident code and other passwords."""
    for cell, content in cells.items():
        if cell.startswith(areas) and content == CODES[0]:
            cells[cell] = CODES[1]
        elif cell.startswith(areas) and content == chips.PASSWORD:
            cells[cell] = PASSWORDS[1]


def _without_services(cells: dict[str, bytes], secret: Secret) -> dict[str, bytes]:
    """The cells of a card on which the secret side has no application but its domain."""
    store = MemoryStore(cells)
    transaction = Transaction(store)
    registry = Registry(transaction)
    for entry in registry.contents.entries:
        if not entry.is_domain and secret.holds(entry, registry.contents):
            registry.remove(entry)
    transaction.commit()
    return store.snapshot()


def setup_of(rng: Random, kind: str) -> Setup:
    """Draw a pair of cards."""
    start = rng.choice(STARTS)
    secret = rng.choice([one for one in secrets_on(start) if one.kind == kind])
    first, second = ((rng.choice(_DONORS), rng.choice((1, 2))) for _ in range(2))
    registry = rng.random() < 0.4
    absent = (registry and rng.random() < 0.2, registry and rng.random() < 0.2)
    channels = frozenset(rng.sample(range(4), rng.choice((1, 1, 1, 2, 2, 3))))
    return Setup(start, secret, (first, second), absent, channels, registry, rng.randrange(1 << 32))
