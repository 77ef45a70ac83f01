"""What the reference model knows of an issued chip's cells: the few that it must read, and how it compares them.

Imports nothing of the card's code.  A cell's *fact* is its content, but for two kinds of cell of which only a part is
the model's business: of control parameters the life cycle status byte, of the registry its entries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

Fact = Any
"""Bytes, a life cycle status, or the registry's next instance number, entries and load files."""


class Entry(NamedTuple):
    """One application of the registry."""

    instance: int
    aid: bytes
    load_file: bytes
    module: bytes
    domain: int
    privileges: int
    state: int
    granted: bytes = b""

    @property
    def is_selectable(self) -> bool:
        return self.instance == 1 or (bool(self.state & 0x04) and not self.state & 0x80)


class LoadFile(NamedTuple):
    """One load file of the registry; its number is one of the applications'."""

    instance: int
    aid: bytes
    domain: int
    version: int
    digest: bytes
    limits: bytes
    module: bytes


def objects(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (tag, value) of well-formed BER-TLV, as the chip stores it."""
    position = 0
    while position < len(data):
        tag = data[position]
        position += 1
        if tag & 0x1F == 0x1F:
            tag = tag << 8 | data[position]
            position += 1
        length = data[position]
        position += 1
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(data[position : position + size])
            position += size
        yield tag, data[position : position + length]
        position += length


def tlv(tag: int, value: bytes) -> bytes:
    """Return one data object of less than 65,536 bytes."""
    head = tag.to_bytes(2 if tag > 0xFF else 1)
    size = len(value)
    if size < 0x80:
        return head + bytes((size,)) + value
    return head + (bytes((0x81, size)) if size < 0x100 else b"\x82" + size.to_bytes(2)) + value


@lru_cache(maxsize=512)
def _life_cycle(content: bytes) -> int:
    return dict(objects(content))[0x8A][0]


@lru_cache(maxsize=512)
def _registry(content: bytes) -> tuple[object, ...]:
    (_, following), *entries = objects(content)
    found: list[object] = [int.from_bytes(following)]
    for tag, entry in entries:
        part = dict(objects(entry))
        instance, domain = int.from_bytes(part[0x80]), int.from_bytes(part[0x81])
        if tag == 0xE4:
            version, described = int.from_bytes(part[0xCE]), (part[0xC1], part[0x86], part[0x84])
            found.append(LoadFile(instance, part[0x4F], domain, version, *described))
            continue
        numbers = (int.from_bytes(part[tag]) for tag in (0xC5, 0x82))
        named = (part[0x4F], part[0xC4], part[0x84])
        found.append(Entry(instance, *named, domain, *numbers, part.get(0x86, b"")))
    return tuple(found)


def fact(cell: str, content: bytes) -> Fact:
    """What the model compares of a cell."""
    if cell == "registry":
        return _registry(content)
    if cell.endswith(("/h", "/df")):
        return _life_cycle(content)
    return content


def facts(cells: Mapping[str, bytes]) -> dict[str, Fact]:
    """The facts of all cells."""
    return {cell: fact(cell, content) for cell, content in cells.items()}
