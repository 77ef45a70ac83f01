"""Storage is metered: by application, by domain, by reserve; what does not fit changes nothing."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from jukicard.card.errors import CardError
from jukicard.card.memory import CELL_OVERHEAD, Memory
from jukicard.card.registry import (
    CARD_LIMITS,
    CELL,
    DOMAIN_LIMITS,
    ApplicationState,
    CardState,
    Contents,
    Entry,
    LoadFile,
    Privilege,
    Registry,
)
from jukicard.card.store import MemoryStore
from jukicard.card.transaction import Transaction
from jukicard.iso7816.aid import AID
from jukicard.iso7816.limits import Limits
from tests.support import chips, content, loaded
from tests.support.chips import say

NAME = AID(b"\xf0name")
SD, NONE = Privilege.SECURITY_DOMAIN, Privilege(0)


class World:
    """A card with a domain of 1,000 bytes, two applications in it (one of at most 300), a load file, a domain below."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        registry = Registry(made := Transaction(self.store))
        self.issuer = registry.add(NAME, NAME, NAME, None, SD, CardState.OP_READY)
        self.domain = self._add(registry, "domain", self.issuer, SD, Limits(1000, 500))
        self.small = self._add(registry, "small", self.domain, NONE, Limits(300, 0))
        self.other = self._add(registry, "other", self.domain, NONE, None)
        self.file = registry.add_load_file(
            AID(b"\xf0file"), self.domain.instance, 1, bytes(32), Limits(100, 0), (AID(b"\xf0module"),)
        )
        self.below = self._add(registry, "below", self.domain, SD, Limits(200, 100))
        made.commit()
        self.memory = Memory(self.store)

    @staticmethod
    def _add(registry: Registry, name: str, domain: Entry, privileges: Privilege, granted: Limits | None) -> Entry:
        aid = AID(b"\xf0" + name.encode())
        return registry.add(aid, NAME, NAME, domain.instance, privileges, ApplicationState.SELECTABLE, granted)

    def write(self, changes: Mapping[str, bytes | None]) -> dict[str, int]:
        transaction = Transaction(self.store, self.memory)
        for cell, value in changes.items():
            transaction.write(cell, value)
        growth = self.memory.admit(changes)
        transaction.commit()
        return growth

    def store_in(self, owner: Entry | LoadFile, size: int, cell: str = "cell") -> None:
        """Let one cell count for so many bytes (0: remove it)."""
        self.write({owner.area + cell: bytes(size - CELL_OVERHEAD) if size else None})

    def refuses(self, owner: Entry | LoadFile, size: int, cell: str = "cell") -> None:
        before = self.store.snapshot()
        with pytest.raises(CardError, match="6A84"):
            self.store_in(owner, size, cell)
        assert self.store.snapshot() == before


@pytest.fixture
def world() -> World:
    return World()


def test_a_cell_counts_for_its_content_and_sixteen_bytes(world: World) -> None:
    assert world.memory.used(world.other.area) == 0
    world.store_in(world.other, 116)
    assert world.memory.used(world.other.area) == 116
    assert Memory(world.store).used(world.other.area) == 116
    world.store_in(world.other, 16, "empty")
    assert world.memory.used(world.other.area) == 132
    world.store_in(world.other, 0)
    assert world.memory.used(world.other.area) == 16


def test_an_application_has_its_limit(world: World) -> None:
    world.store_in(world.small, 300)
    world.refuses(world.small, 301)
    world.refuses(world.small, 16, "another")
    world.store_in(world.small, 200)
    world.store_in(world.small, 100, "another")


def test_a_domain_has_its_limit_with_all_that_lies_in_it(world: World) -> None:
    """1,000 bytes: 200 are reserved for the domain below, whether it uses them or not."""
    world.store_in(world.domain, 100)
    world.store_in(world.small, 200)
    world.store_in(world.file, 200)
    world.store_in(world.other, 300)
    for owner, size in ((world.domain, 101), (world.small, 201), (world.file, 201), (world.other, 301)):
        world.refuses(owner, size)
    world.store_in(world.below, 200)
    world.refuses(world.below, 201)
    world.store_in(world.file, 0)
    world.store_in(world.other, 500)


def test_what_shrinks_is_never_refused(world: World) -> None:
    crowded = {**world.store.snapshot(), world.other.area + "cell": bytes(5000)}
    world.store = MemoryStore(crowded)
    world.memory = Memory(world.store)
    world.store_in(world.other, 4000)
    world.refuses(world.other, 4001)


def test_what_lies_outside_the_areas_is_not_measured(world: World) -> None:
    assert world.write({"elsewhere": bytes(100000)}) == {}


def test_a_domains_own_cells_are_bounded_by_its_reserve_alone(world: World) -> None:
    world.store_in(world.domain, 800)
    world.refuses(world.domain, 801)


def test_a_command_is_measured_as_a_whole(world: World) -> None:
    """What one cell gives up another may take in the same commit."""
    world.store_in(world.small, 300)
    world.write({world.small.area + "cell": None, world.small.area + "next": bytes(300 - CELL_OVERHEAD)})
    world.refuses(world.small, 16)


def test_a_cell_of_the_same_size_is_no_growth(world: World) -> None:
    world.store_in(world.small, 300)
    assert world.write({world.small.area + "cell": b"x" * 284}) == {}


def test_a_reserve_is_refused_that_the_domain_above_does_not_have(world: World) -> None:
    contents = Contents.parse(world.store.read(CELL))
    for limits, fits in ((Limits(800, 400), True), (Limits(801, 0), False), (Limits(0, 401), False)):
        registry = Registry(transaction := Transaction(world.store, world.memory))
        World._add(registry, "second", world.domain, SD, limits)  # 200 and 100 are taken by the first one
        if fits:
            transaction.commit()
            world.store.commit({CELL: contents.encode()})
        else:
            with pytest.raises(CardError, match="6A84"):
                transaction.commit()
    assert world.store.read(CELL) == contents.encode()


def test_the_card_is_the_issuers_reserve() -> None:
    world = World()
    registry = Registry(transaction := Transaction(world.store, world.memory))
    for number in range(CARD_LIMITS.storage // DOMAIN_LIMITS.storage):
        World._add(registry, f"more{number}", world.issuer, SD, None)
    with pytest.raises(CardError, match="6A84"):
        transaction.commit()


def test_a_try_is_spent_only_where_its_cell_fits(world: World) -> None:
    world.store_in(world.small, 290)
    transaction = Transaction(world.store, world.memory)
    with pytest.raises(CardError, match="6A84"):
        transaction.spend(world.small.area + "tries", b"\3")
    world.store_in(world.small, 283)
    transaction.spend(world.small.area + "tries", b"\3")
    assert world.memory.used(world.small.area) == 300
    transaction.spend(world.small.area + "tries", b"\2")


def test_a_commit_that_fails_is_not_counted(world: World) -> None:
    watched = chips.WatchedStore(world.store.snapshot())
    memory = Memory(watched)
    assert memory.used(world.small.area) == 0
    watched.cut = lambda _number: True
    transaction = Transaction(watched, memory)
    transaction.write(world.small.area + "cell", bytes(100))
    with pytest.raises(chips.PowerCutError):
        transaction.commit()
    assert memory.used(world.small.area) == 0


def test_out_of_memory_is_an_answer_and_the_card_goes_on() -> None:
    chip = content.with_code()
    chip.select(content.SERVICE)
    before = chip.cells
    assert say(chip, 0, 0x12, 0, 0, bytes(60000)).sw == 0x6A84
    assert chip.cells == before
    assert say(chip, 0, 0x12, 0, 0, bytes(100)).sw == 0x9000
    city = content.client(chip)
    city.delete(loaded.FILE, related=True)
    content.bring(content.client(chip), loaded.block(1, 20000).encode())
