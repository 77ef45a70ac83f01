"""What is secret on one of two cards, and the cards: the same to the last cell but in what is secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from jukicard.card.registry import CELL as REGISTRY
from jukicard.card.registry import Contents, Entry, Registry
from jukicard.card.store import MemoryStore
from jukicard.card.transaction import Transaction
from jukicard.iso7816.aid import AID
from jukicard.testing.rsakeys import pool
from tests.fuzz import people
from tests.fuzz.content_grammar import NEW_FILES
from tests.fuzz.grammar import CODES, NEW_NAMES, PASSWORDS
from tests.fuzz.tables import MODULES
from tests.support import chips, facechips, jpkichips, locker

HIDDEN_NAMES, SHOWN_NAMES = NEW_NAMES[2:], NEW_NAMES[:2]
HIDDEN_FILES, SHOWN_FILES = NEW_FILES[2:], NEW_FILES[:2]
"""Under which names the secret side installs applications and loads files, and the side that is compared."""
STARTS = tuple(start for start in people.START if start != "blank")
"""The fuzzer's cards that have more than one side."""
_OFTEN = {"services": 4, "folder": 3, "loaded": 4, "delivered": 3}
_DONORS = ("active", "active", "delivered", "personalisation")
JUKI, CITY, SERVICE, JPKI, FACE = "juki", "city", "service", "jpki", "face"
KINDS = (JUKI, CITY, SERVICE, JPKI, FACE)
"""Whose secrets the cards differ in: the Juki area, the municipality's area, a service in it, the JPKI application, the
face-verification application.
"""
_ISSUERS = {
    JPKI: (jpkichips.JPKI, ("jpki", "jpki like a juki card", "new jpki")),
    FACE: (facechips.FACE, ("face B", "face A")),
}
"""The applications in the issuer's domain that are secret alone: their names, and the fuzzer's cards that have them."""
SHARING = frozenset((SERVICE, *_ISSUERS))
"""Those in a domain that belongs to the other side."""


@dataclass(frozen=True)
class Secret:
    """One side of a card: the applications with these names, and whatever lies below the domains among them."""

    kind: str
    names: frozenset[bytes]

    def holds(self, entry: Entry, contents: Contents) -> bool:
        """Whether an application of the registry is on this side."""
        return entry.instance in _members(self, contents)

    def load_files(self, contents: Contents) -> list[bytes]:
        """The names of the load files that the domains on this side have loaded, or its applications are made of."""
        members = _members(self, contents)
        used = {bytes(entry.load_file) for entry in contents.entries if entry.instance in members}
        return [bytes(file.aid) for file in contents.load_files if file.domain in members or bytes(file.aid) in used]

    def ancestors(self, contents: Contents) -> frozenset[bytes]:
        """The names of the domains above, that are on the other side."""
        found = set()
        for entry in contents.entries:
            if bytes(entry.aid) in self.names:
                above = contents.by_instance(entry.domain)
                if not self.holds(above, contents):
                    found.add(bytes(above.aid))
        return frozenset(found)


@lru_cache(maxsize=512)
def _members(secret: Secret, contents: Contents) -> frozenset[int]:
    """The instance numbers of one side."""
    aids = {entry.instance: bytes(entry.aid) for entry in contents.entries}
    return frozenset(
        entry.instance
        for entry in contents.entries
        if aids[entry.instance] in secret.names or aids[entry.domain] in secret.names
    )


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
        *(Secret(SERVICE, frozenset((name, HIDDEN_NAMES[0]))) for name in services),
        *(Secret(kind, frozenset((bytes(name), HIDDEN_NAMES[0]))) for kind, (name, _) in _ISSUERS.items()),
    )


@dataclass(frozen=True)
class Setup:
    """A pair of cards: what they have in common (`start`), what is secret, and how they differ in it.

    `donors` are the chips (stage and number) whose cells each card has on the secret side; `channels` the logical
    channels of the secret side; `registry`: whether applications of that side may come and go, and be other ones to
    begin with (`applications`: AS_ISSUED, NONE or MORE, on each card).
    """

    start: str
    secret: Secret
    donors: tuple[tuple[str, int], tuple[str, int]]
    applications: tuple[str, str]
    channels: frozenset[int]
    registry: bool
    seed: int

    def cells(self, which: int) -> dict[str, bytes]:
        """The cells that card 0 or 1 starts with."""
        cells = dict(_with(self.secret.kind, self.start))
        contents = contents_of(cells)
        donor = _donor(*self.donors[which])
        secret = [entry for entry in contents.entries if self.secret.holds(entry, contents)]
        for entry in secret:
            given = contents_of(donor).by_aid(bytes(entry.aid))
            if given is not None and given.module == entry.module:
                cells = {cell: content for cell, content in cells.items() if not cell.startswith(entry.area)}
                own = {cell: content for cell, content in donor.items() if cell.startswith(given.area)}
                cells.update((entry.area + cell[len(given.area) :], content) for cell, content in own.items())
        areas = tuple(entry.area for entry in secret)
        if which:
            _change(cells, areas)
        return _CHANGES[self.applications[which]](cells, self.secret)


@lru_cache(maxsize=16)
def _donor(stage: str, number: int) -> dict[str, bytes]:
    """A card with a locker; or one with the JPKI or the face-verification application."""
    if any(stage in stages for _, stages in _ISSUERS.values()):
        return people.START[stage]()
    issued = (
        chips.in_personalisation(number=number)
        if stage == "personalisation"
        else (chips.active if stage == "active" else chips.delivered)(number)
    )
    return locker.on(issued.cells, (stage, number))


def _change(cells: dict[str, bytes], areas: tuple[str, ...]) -> None:
    """Give another resident code, other passwords, other keys of JPKI, another face."""
    others = _others()
    for cell, content in cells.items():
        if cell.startswith(areas) and content in others:
            cells[cell] = others[content]


@lru_cache(maxsize=1)
def _others() -> Mapping[bytes, bytes]:
    """What stands on the second card in the place of what the first one has."""
    first, second, *further = (_stored_primes(key) for key in pool())
    passwords = {jpkichips.PASSWORDS[usage]: jpkichips.WRONG_PASSWORDS[usage] for usage in jpkichips.PASSWORDS}
    return {
        CODES[0]: CODES[1],
        chips.PASSWORD: PASSWORDS[1],
        **passwords,
        first: further[0],
        second: further[1],
        **_other_faces(),
    }


def _stored_primes(key: RSAPrivateKey) -> bytes:
    """The content of the cell in which a chip keeps such a key: both primes, 128 bytes each."""
    numbers = key.private_numbers()
    return numbers.p.to_bytes(128) + numbers.q.to_bytes(128)


def _other_faces() -> Mapping[bytes, bytes]:
    """Faces that expire later, with their reference numbers: of face B one with another photo."""
    a, b = facechips.FACE_A, facechips.FACE_B
    later_a, later_b = replace(a, expires="20370401"), replace(b, expires="20370401", photo=bytes(900))
    numbers = {facechips.NUMBER_A: b"20370401", facechips.NUMBER_B: b"20370401" + facechips.BIRTH_NUMBER}
    return {a.encode(): later_a.encode(), b.encode(): later_b.encode(), **numbers}


def _as_issued(cells: dict[str, bytes], _secret: Secret) -> dict[str, bytes]:
    return cells


def _without(cells: dict[str, bytes], secret: Secret) -> dict[str, bytes]:
    """The cells of a card on which the secret side has no application but its domain."""
    store = MemoryStore(cells)
    transaction = Transaction(store)
    registry = Registry(transaction)
    for entry in registry.contents.entries:
        if not entry.is_domain and secret.holds(entry, registry.contents):
            registry.remove(entry)
    transaction.commit()
    return store.snapshot()


@lru_cache(maxsize=32)
def _with(kind: str, start: str) -> dict[str, bytes]:
    """The cells of such a card; with the application that is secret alone, where it is not there."""
    cells = people.START[start]()
    if kind not in _ISSUERS:
        return cells
    name, (first, *_) = _ISSUERS[kind]
    if contents_of(cells).by_aid(bytes(name)) is not None:
        return cells
    given = people.START[first]()
    found = contents_of(given).by_aid(bytes(name))
    assert found is not None
    return _with_another(cells, found, found.aid, given)


def _with_another(cells: dict[str, bytes], entry: Entry, name: AID, given: Mapping[str, bytes]) -> dict[str, bytes]:
    """The cells of a card on which there is one more application, like `entry` of the card whose cells are `given`."""
    store = MemoryStore(cells)
    transaction = Transaction(store)
    added = Registry(transaction).add(
        name, entry.load_file, entry.module, entry.domain, entry.privileges, entry.state, entry.granted
    )
    for cell, content in given.items():
        if cell.startswith(entry.area):
            transaction.write(added.area + cell[len(entry.area) :], content)
    transaction.commit()
    return store.snapshot()


def _with_more(cells: dict[str, bytes], secret: Secret) -> dict[str, bytes]:
    """The cells of a card on which the secret side's first application is there twice, under two names."""
    contents = contents_of(cells)
    first = next(entry for entry in contents.entries if not entry.is_domain and secret.holds(entry, contents))
    return _with_another(cells, first, AID(HIDDEN_NAMES[0]), cells)


AS_ISSUED, NONE, MORE = "as issued", "none", "more"
_CHANGES = {AS_ISSUED: _as_issued, NONE: _without, MORE: _with_more}


@lru_cache(maxsize=64)
def _cards(kind: str, shown: str) -> tuple[tuple[tuple[str, Secret], ...], tuple[float, ...]]:
    """Cards and what is secret on them, where an application of that kind is not; all, where none ever is."""
    found = [(start, one) for start in STARTS for one in secrets_on(start) if one.kind == kind]
    weights = [_OFTEN.get(start, 1) / [other for other, _ in found].count(start) for start, _ in found]
    fits = [_shows(start, secret, shown) for start, secret in found]
    return tuple(found), tuple(weight * fit if any(fits) else weight for weight, fit in zip(weights, fits, strict=True))


def _shows(start: str, secret: Secret, kind: str) -> bool:
    contents = contents_of(people.START[start]())
    entries = [entry for entry in contents.entries if MODULES[bytes(entry.module)].kind == kind]
    return any(not secret.holds(entry, contents) for entry in entries)


def setup_of(rng: Random, kind: str, shown: str) -> Setup:
    """Draw a pair of cards; with an application of the kind `shown` on the side that is compared."""
    cards, weights = _cards(kind, shown)
    start, secret = rng.choices(cards, weights)[0]
    donors = _ISSUERS[kind][1] if kind in _ISSUERS else _DONORS
    one, another = ((rng.choice(donors), number) for number in rng.sample((1, 2), 2))
    registry = rng.random() < 0.4
    either, other = rng.sample((AS_ISSUED, NONE, MORE), 2) if registry else (AS_ISSUED, AS_ISSUED)
    channels = frozenset(rng.sample(range(4), rng.choice((1, 1, 1, 2, 2, 3))))
    return Setup(start, secret, (one, another), (either, other), channels, registry, rng.randrange(1 << 32))
