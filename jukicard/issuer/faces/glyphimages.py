"""外字: characters that no font has, drawn from images of their own.

A folder has one file for each, named by its code point: U+E000.png (black on white, grey or black and white, at least
128 by 128 pixels, square) or U+E000.svg (filled paths in a square view box).  The image fills the em square.
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

from fontTools.pens.basePen import BasePen
from fontTools.svgLib.path import SVGPath
from PIL import Image, ImageOps

from jukicard.issuer.errors import RuleRefused
from jukicard.issuer.faces.content import numbers
from jukicard.issuer.faces.fonts import Glyph

MIN_PIXELS, MAX_PIXELS = 128, 4096
MAX_BYTES = 1_000_000
EM, DESCENT = 1000, 140
"""The em square, and how much of it lies below the baseline, as in the fonts."""

_FILE = re.compile(r"U\+([0-9A-F]{4,6})\.(png|svg)")
_VIEW_BOX = re.compile(r'viewBox="\s*0[\s,]+0[\s,]+(\d+(?:\.\d+)?)[\s,]+(\d+(?:\.\d+)?)\s*"')


class GlyphImages:
    """A folder of glyph images.  RuleRefused says which of them is none, when it is opened."""

    name = "GlyphImages"

    def __init__(self, folder: Path) -> None:
        self._procedures = {}
        try:
            files = sorted(folder.iterdir())
        except OSError as error:
            raise RuleRefused(f"the glyph images in {folder} cannot be read: {error.strerror}") from None
        for file in files:
            named = _FILE.fullmatch(file.name)
            if named is not None:
                self._procedures[chr(int(named[1], 16))] = _procedure(file)

    @cached_property
    def characters(self) -> frozenset[str]:
        """The characters that have an image."""
        return frozenset(self._procedures)

    def glyph(self, cluster: str) -> Glyph | None:
        """Return the glyph of a character, or None."""
        return Glyph(cluster, self, ord(cluster), EM) if cluster in self._procedures else None

    def procedure(self, character: str) -> bytes:
        """Return the content stream that draws a character in the colour of the text (ISO 32000-1, 9.6.5)."""
        return self._procedures[character]


def _procedure(file: Path) -> bytes:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ValueError("is too large")
        drawn = _bitmap(file) if file.suffix == ".png" else _paths(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError, KeyError, IndexError, NotImplementedError) as error:
        why = str(error) if type(error) is ValueError else "cannot be read as an image"
        raise RuleRefused(f"glyph image {file.name}: {why}") from None
    return b"%d 0 0 %d %d %d d1\n%b" % (EM, -DESCENT, EM, EM - DESCENT, drawn)


def _bitmap(file: Path) -> bytes:
    """Return an inline image mask: what is darker than half is painted."""
    with Image.open(file, formats=("PNG",)) as picture:
        if picture.width != picture.height or not MIN_PIXELS <= picture.width <= MAX_PIXELS:
            raise ValueError(f"is not square, of {MIN_PIXELS} to {MAX_PIXELS} pixels")
        with_alpha = picture.convert("RGBA")
    ground = Image.new("RGBA", with_alpha.size, "white")
    grey = Image.alpha_composite(ground, with_alpha).convert("L")
    mask = grey.point(lambda level: 255 if level < 128 else 0).convert("1")
    if mask.getbbox() is None or ImageOps.invert(mask.convert("L")).getbbox() is None:
        raise ValueError("shows nothing")
    # A bit 1 paints with Decode [1 0]; hexadecimal, so that no byte can look like the end of the image.
    side, bits = mask.width, mask.tobytes().hex().upper()
    head = f"q {EM} 0 0 {EM} 0 {-DESCENT} cm\nBI /W {side} /H {side} /IM true /BPC 1 /D [1 0] /F /AHx ID\n"
    return f"{head}{bits}>\nEI Q".encode("ascii")


def _paths(svg: str) -> bytes:
    box = _VIEW_BOX.search(svg)
    if box is None or box[1] != box[2] or float(box[1]) <= 0:
        raise ValueError('has no square viewBox="0 0 N N"')
    if "<!" in svg.replace("<!--", ""):
        raise ValueError("declares a document type or entities")
    scale = EM / float(box[1])
    pen = _ContentPen()
    SVGPath.fromstring(svg.encode(), transform=(scale, 0, 0, -scale, 0, EM - DESCENT)).draw(pen)
    if not pen.lines:
        raise ValueError("has no paths")
    return "\n".join((*pen.lines, "f")).encode("ascii")


class _ContentPen(BasePen):  # type: ignore[misc]
    """Writes outlines as a content stream's path."""

    def __init__(self) -> None:
        super().__init__(None)
        self.lines: list[str] = []

    def _moveTo(self, point: tuple[float, float]) -> None:  # noqa: N802 - the pen's protocol
        self.lines.append(f"{numbers(*point)} m")

    def _lineTo(self, point: tuple[float, float]) -> None:  # noqa: N802
        self.lines.append(f"{numbers(*point)} l")

    def _curveToOne(self, *points: tuple[float, float]) -> None:  # noqa: N802
        self.lines.append(f"{numbers(*(value for point in points for value in point))} c")

    def _closePath(self) -> None:  # noqa: N802
        self.lines.append("h")
