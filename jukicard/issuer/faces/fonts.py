"""Fonts by their glyphs: which glyph a character has is decided here, from the font's own tables, before anything is
drawn.

A character together with a variation selector is one cluster, whose glyph cmap format 14 names.  A character that no
font has is an error that names it; nothing is ever substituted.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from fontTools.ttLib import TTFont

from jukicard.issuer.faces.pdf import Value
from jukicard.issuer.faces.subsetting import Subsetter

if TYPE_CHECKING:
    from jukicard.issuer.faces.glyphimages import GlyphImages

SHIPPED = Path(__file__).parent / "fonts" / "BIZUDMincho-Regular.ttf"
INSTALLED = (
    Path("/usr/share/fonts/truetype/ipamj/ipamjm.ttf"),  # Debian: fonts-ipamj-mincho
    Path("/usr/local/share/fonts/ipamjm.ttf"),
    Path("/Library/Fonts/ipamjm.ttf"),
)
"""Where IPAmj Mincho lies if it is installed: it has the characters of family registers that others lack."""


class MissingGlyphError(ValueError):
    """No font has a character.  The message names its code point and nothing else."""


@dataclass(frozen=True, slots=True)
class Glyph:
    """One cluster of text with its glyph: `gid` in `font`, `advance` in thousandths of the font size."""

    text: str
    font: FontFile | GlyphImages
    gid: int
    advance: float


class FontFile:
    """One TrueType font."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ttf = TTFont(path, lazy=True)
        self._units = self.ttf["head"].unitsPerEm
        self._cmap: dict[int, str] = self.ttf.getBestCmap()
        self._variations = _variations(self.ttf)

    @cached_property
    def name(self) -> str:
        """The PostScript name."""
        return str(self.ttf["name"].getDebugName(6))

    @cached_property
    def subsetter(self) -> Subsetter:
        """What makes subsets of it."""
        return Subsetter(self.ttf)

    @cached_property
    def descriptor(self) -> dict[str, Value]:
        """The entries of its font descriptor (ISO 32000-1, 9.8) that are the same for every subset."""
        head, os2 = self.ttf["head"], self.ttf["OS/2"]
        scale = 1000 / self._units
        return {
            "FontBBox": [round(v * scale) for v in (head.xMin, head.yMin, head.xMax, head.yMax)],
            "ItalicAngle": 0,
            "Ascent": round(os2.sTypoAscender * scale),
            "Descent": round(os2.sTypoDescender * scale),
            "CapHeight": 700,
            "StemV": 60,
        }

    def glyph(self, cluster: str) -> Glyph | None:
        """Return the glyph of a cluster (a character, or one with a variation selector), or None."""
        base = ord(cluster[0])
        if len(cluster) == 1:
            name = self._cmap.get(base)
        else:
            pairs = self._variations.get(ord(cluster[1]), {})
            name = (pairs[base] or self._cmap.get(base)) if base in pairs else None
        if name is None:
            return None
        advance = self.ttf["hmtx"][name][0] * 1000 / self._units
        return Glyph(cluster, self, self.ttf.getGlyphID(name), advance)


@lru_cache(maxsize=4)
def load(path: Path) -> FontFile:
    """Return a font, read once per process."""
    return FontFile(path)


@lru_cache(maxsize=1)
def font_set() -> tuple[FontFile, ...]:
    """Return the fonts in the order in which they are asked: the shipped one, so that cards are alike everywhere, then
    IPAmj Mincho for what it lacks.
    """
    return tuple(load(path) for path in (SHIPPED, *INSTALLED) if path.exists())


def glyphs(text: str, images: GlyphImages | None = None) -> tuple[Glyph, ...]:
    """Return the glyphs of a text: a font's, else a glyph image.  Raises `MissingGlyphError`."""
    return tuple(_glyph(cluster, images) for cluster in clusters(text))


@lru_cache(maxsize=8192)
def _glyph(cluster: str, images: GlyphImages | None) -> Glyph:
    # What a font has at a private-use code point means nothing here: only an image is meant for this office's.
    fonts: list[FontFile | GlyphImages] = [] if unicodedata.category(cluster[0]) == "Co" else [*font_set()]
    for font in fonts if images is None else (*fonts, images):
        found = font.glyph(cluster)
        if found is not None:
            return found
    points = " ".join(f"U+{ord(character):04X}" for character in cluster)
    raise MissingGlyphError(f"no font has a glyph for {points}")


def clusters(text: str) -> list[str]:
    """Split a text into characters, each with the variation selector that follows it."""
    found: list[str] = []
    for character in text:
        if is_selector(character) and found and len(found[-1]) == 1:
            found[-1] += character
        else:
            found.append(character)
    return found


def is_selector(character: str) -> bool:
    """Return whether a character is a variation selector (VS1-VS16, or VS17-VS256 of ideographs)."""
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"


def _variations(ttf: TTFont) -> dict[int, dict[int, str | None]]:
    for table in ttf["cmap"].tables:
        if table.format == 14:
            return {selector: dict(pairs) for selector, pairs in table.uvsDict.items()}
    return {}
