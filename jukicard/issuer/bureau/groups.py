"""Groups of a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def in_groups(items: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """Yield the items in groups of that size; the last one may be smaller."""
    rest = iter(items)
    while group := tuple(islice(rest, size)):
        yield group
