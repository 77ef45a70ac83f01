"""Subsets of TrueType fonts: the outlines of a few glyphs in a font file of their own.

A font in a PDF needs head, hhea, maxp, hmtx, loca and glyf (ISO 32000-1, 9.9); which code is which glyph, the PDF
itself says.  Glyphs are copied as they are but for their hinting, composite ones with their parts (OpenType, "glyf").
What is copied is kept, since a municipality's cards repeat the same characters.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from fontTools.ttLib import TTFont

_ARGS_ARE_WORDS, _SCALE, _MORE, _XY_SCALE, _TWO_BY_TWO, _INSTRUCTIONS = 0x01, 0x08, 0x20, 0x40, 0x80, 0x100
_CHECKSUM = 0xB1B0AFBA
"""What the checksum of a whole font file adds up to (OpenType, "head", checkSumAdjustment)."""


@dataclass(frozen=True, slots=True)
class Outline:
    """One glyph: its description without hinting, its metrics (advance and bearing), and its parts.

    `parts` are pairs: where the number of a part's glyph stands in `data`, and that number in the source font.
    """

    data: bytes
    metrics: bytes
    parts: tuple[tuple[int, int], ...] = ()


class Subsetter:
    """Makes subsets of one font."""

    def __init__(self, ttf: TTFont) -> None:
        raw = {tag: bytes(ttf.reader[tag]) for tag in ("head", "hhea", "maxp", "hmtx", "loca", "glyf")}
        self._raw = raw
        count = int(ttf["maxp"].numGlyphs)
        long = struct.unpack_from(">h", raw["head"], 50)[0]
        self._offsets = (
            struct.unpack(f">{count + 1}I", raw["loca"])
            if long
            else tuple(2 * offset for offset in struct.unpack(f">{count + 1}H", raw["loca"]))
        )
        self._full_metrics = int(ttf["hhea"].numberOfHMetrics)
        self._outlines: dict[int, Outline] = {}

    def outline(self, gid: int) -> Outline:
        """Return a glyph by its number in the source font."""
        if gid not in self._outlines:
            self._outlines[gid] = self._read(gid)
        return self._outlines[gid]

    def subset(self, gids: Sequence[int]) -> bytes:
        """Return a font file whose glyph 0 is the source's, followed by these glyphs in their order, then by parts."""
        wanted = [0, *gids]
        outlines = [self.outline(gid) for gid in wanted]
        places: dict[int, int] = {}
        for outline in outlines:  # grows while parts have parts
            for _, part in outline.parts:
                if part not in places:
                    places[part] = len(outlines)
                    outlines.append(self.outline(part))
        glyphs = [_renumbered(outline, places) for outline in outlines]
        loca, position = [0], 0
        for glyph in glyphs:
            position += len(glyph)
            loca.append(position)
        tables = {
            "glyf": b"".join(glyphs),
            "head": _patched(self._raw["head"], ">I", 8, 0, ">h", 50, 1),
            "hhea": _patched(self._raw["hhea"], ">H", 34, len(outlines)),
            "hmtx": b"".join(outline.metrics for outline in outlines),
            "loca": struct.pack(f">{len(loca)}I", *loca),
            "maxp": _patched(self._raw["maxp"], ">H", 4, len(outlines)),
        }
        return _file(tables)

    def _read(self, gid: int) -> Outline:
        data = self._raw["glyf"][self._offsets[gid] : self._offsets[gid + 1]]
        full = min(gid, self._full_metrics - 1)
        advance = self._raw["hmtx"][4 * full : 4 * full + 2]
        bearing = 4 * full + 2 if gid == full else 4 * self._full_metrics + 2 * (gid - self._full_metrics)
        metrics = advance + self._raw["hmtx"][bearing : bearing + 2]
        if not data:
            return Outline(b"", metrics)
        contours = struct.unpack_from(">h", data)[0]
        plain = _simple(data, contours) if contours >= 0 else _composite(data)
        return replace(plain, data=plain.data + bytes(-len(plain.data) % 4), metrics=metrics)


def glyph_data(font: bytes) -> tuple[Outline, ...]:
    """Return the glyphs of a font file that `subset` has made, their parts by their numbers in it.

    Raises ValueError (or struct.error, which callers take for the same) where it is none.
    """
    tables = {}
    for index in range(struct.unpack_from(">H", font, 4)[0]):
        tag, _, offset, length = struct.unpack_from(">4sIII", font, 12 + 16 * index)
        tables[tag.decode("latin-1")] = font[offset : offset + length]
    if tables.keys() != {"glyf", "head", "hhea", "hmtx", "loca", "maxp"} or _file(tables) != font:
        raise ValueError("the font's tables are not those of a subset")
    count = struct.unpack_from(">H", tables["maxp"], 4)[0]
    loca = struct.unpack(f">{count + 1}I", tables["loca"])
    if list(loca) != sorted(loca) or loca[0] or loca[-1] != len(tables["glyf"]) or len(tables["hmtx"]) != 4 * count:
        raise ValueError("the font's glyphs are not in order")
    found = []
    for index, (start, end) in enumerate(pairwise(loca)):
        data, metrics = tables["glyf"][start:end], tables["hmtx"][4 * index : 4 * index + 4]
        parts = tuple(_parts(data)) if data and struct.unpack_from(">h", data)[0] < 0 else ()
        found.append(Outline(data, metrics, tuple((where, part) for where, _, part, _ in parts)))
    return tuple(found)


def same_outline(one: Outline, of: Sequence[Outline], other: Outline, source: Subsetter, depth: int = 4) -> bool:
    """Return whether a glyph of a subset `of` draws what a glyph of the `source` draws, parts included."""
    if one.metrics != other.metrics or len(one.parts) != len(other.parts) or not depth:
        return False
    zeros = {part: 0 for _, part in (*one.parts, *other.parts)}
    if _renumbered(one, zeros) != _renumbered(other, zeros):
        return False
    return all(
        a < len(of) and same_outline(of[a], of, source.outline(b), source, depth - 1)
        for (_, a), (_, b) in zip(one.parts, other.parts, strict=True)
    )


def _simple(data: bytes, contours: int) -> Outline:
    at = 10 + 2 * contours
    hints = struct.unpack_from(">H", data, at)[0]
    return Outline(data[:at] + b"\0\0" + data[at + 2 + hints :], b"")


def _composite(data: bytes) -> Outline:
    plain, parts, end = bytearray(data), [], 10
    for where, flags, part, after in _parts(data):
        struct.pack_into(">H", plain, where - 2, flags & ~_INSTRUCTIONS)
        parts.append((where, part))
        end = after
    return Outline(bytes(plain[:end]), b"", tuple(parts))


def _parts(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield where each part's glyph number stands, its flags, that number, and where the part ends."""
    at, flags = 10, _MORE
    while flags & _MORE:
        flags, part = struct.unpack_from(">HH", data, at)
        size = 8 if flags & _ARGS_ARE_WORDS else 6
        size += 2 if flags & _SCALE else 4 if flags & _XY_SCALE else 8 if flags & _TWO_BY_TWO else 0
        yield at + 2, flags, part, at + size
        at += size


def _renumbered(outline: Outline, places: dict[int, int]) -> bytes:
    if not outline.parts:
        return outline.data
    data = bytearray(outline.data)
    for where, part in outline.parts:
        struct.pack_into(">H", data, where, places[part])
    return bytes(data)


def _patched(table: bytes, *changes: int | str) -> bytes:
    """Return a table with numbers put in: format, offset, value, and so on."""
    patched = bytearray(table)
    for start in range(0, len(changes), 3):
        form, offset, value = changes[start : start + 3]
        struct.pack_into(str(form), patched, int(offset), value)
    return bytes(patched)


def _file(tables: dict[str, bytes]) -> bytes:
    """Return the font file of some tables, with its checksums."""
    tables = {tag: tables[tag] for tag in sorted(tables)}
    tables["head"] = _patched(tables["head"], ">I", 8, 0)
    power = len(tables).bit_length() - 1
    search = 16 << power
    head = struct.pack(">IHHHH", 0x00010000, len(tables), search, power, 16 * len(tables) - search)
    directory, body, position = [], [], 12 + 16 * len(tables)
    for tag, table in tables.items():
        padded = table + bytes(-len(table) % 4)
        directory.append(struct.pack(">4sIII", tag.encode("ascii"), _sum(padded), position, len(table)))
        body.append(padded)
        position += len(padded)
    font = bytearray(b"".join((head, *directory, *body)))
    where = 12 + 16 * len(tables) + sum(len(part) for tag, part in zip(tables, body, strict=True) if tag < "head")
    struct.pack_into(">I", font, where + 8, (_CHECKSUM - _sum(bytes(font))) & 0xFFFFFFFF)
    return bytes(font)


def _sum(padded: bytes) -> int:
    words = array("I", padded)
    if struct.pack("=H", 1) == b"\1\0":
        words.byteswap()
    return sum(words) & 0xFFFFFFFF
