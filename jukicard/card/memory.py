"""How much each application and security domain has stored, held against what it may.

What is used is worked out from the cells themselves, once, when a command first stores more than was there, and kept as
long as the chip has power: there is no second figure on the card that could come to disagree with the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from jukicard.card.errors import CardError
from jukicard.card.registry import CELL, Contents, Entry
from jukicard.card.store import Store
from jukicard.card.transaction import AREA_PREFIX_SIZE, AREAS
from jukicard.iso7816.status import StatusWord

CELL_OVERHEAD = 16
"""Bytes that a cell counts for besides its content."""


class Memory:
    """The storage in use, by area, on one powered chip."""

    __slots__ = ("_store", "_used")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._used: dict[str, int] = {}

    def used(self, area: str) -> int:
        """Return the bytes that are in use in an area: contents, and `CELL_OVERHEAD` for each cell."""
        used = self._used.get(area)
        if used is None:
            used = self._used[area] = sum(self._size(cell) for cell in self._store.cells(area))
        return used

    def admit(self, changes: Mapping[str, bytes | None]) -> dict[str, int]:
        """Return by how much each area will grow (negative: shrink) by a command's changes; areas that stay as large as
        they are, are left out.

        6A84 where one would outgrow its application's limit, or that of the domain above it.
        """
        growth = self._growth(changes)
        if growth or CELL in changes:
            contents = Contents.parse(changes.get(CELL) or self._store.read(CELL))
            self._check(growth, contents, reserves=CELL in changes)
        return growth

    def _growth(self, changes: Mapping[str, bytes | None]) -> dict[str, int]:
        growth: dict[str, int] = {}
        for cell, content in changes.items():
            difference = (0 if content is None else CELL_OVERHEAD + len(content)) - self._size(cell)
            if difference and cell.startswith(AREAS):
                area = cell[:AREA_PREFIX_SIZE]
                growth[area] = growth.get(area, 0) + difference
        return growth

    def _check(self, growth: Mapping[str, int], contents: Contents, *, reserves: bool) -> None:
        """Check the areas that grow and the domains above them; where the registry changes, every domain."""
        domains: set[int] = set()
        for area, more in growth.items():
            if more > 0:
                domains.update(self._check_area(area, growth, contents))
        for entry in contents.entries:
            if entry.instance in domains or (reserves and entry.is_domain):
                self._check_domain(entry, growth, contents)

    def commit(self, growth: Mapping[str, int]) -> None:
        """Take note of what was stored."""
        for area, more in growth.items():
            if area in self._used:
                self._used[area] += more

    def _size(self, cell: str) -> int:
        content = self._store.read(cell)
        return 0 if content is None else CELL_OVERHEAD + len(content)

    def _check_area(self, area: str, growth: Mapping[str, int], contents: Contents) -> Iterator[int]:
        for entry in contents.entries:
            if entry.area == area:
                if not entry.is_domain and self.used(area) + growth[area] > entry.limits.storage:
                    raise CardError(StatusWord.NOT_ENOUGH_MEMORY, "more than the application may store")
                yield entry.instance if entry.is_domain else entry.domain
        for file in contents.load_files:
            if file.area == area:
                yield file.domain

    def _check_domain(self, domain: Entry, growth: Mapping[str, int], contents: Contents) -> None:
        total = sum(self.used(area) + growth.get(area, 0) for area in contents.areas_of(domain))
        below = [entry.limits for entry in contents.domains_below(domain)]
        total += sum(limits.storage for limits in below)
        if total > domain.limits.storage or sum(limits.memory for limits in below) > domain.limits.memory:
            raise CardError(StatusWord.NOT_ENOUGH_MEMORY, "more than is reserved for the security domain")
