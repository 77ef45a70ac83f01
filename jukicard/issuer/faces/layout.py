"""Fitting a text into its box: first it shrinks, then it wraps, then what is left goes to the back.  Never clipped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jukicard.issuer.faces.fonts import Glyph

LEADING = 1.2
"""Line pitch, in font sizes."""

_STEP = 0.25
_CLOSING = "、。，．・」』）］｝〉》】ー々?!)]}"
"""Characters that do not begin a line (kinsoku)."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A text as it stands in its box: size in points, lines of glyphs, and what did not find room."""

    size: float
    lines: tuple[tuple[Glyph, ...], ...]
    rest: tuple[Glyph, ...] = ()


def width(line: Sequence[Glyph], size: float) -> float:
    """Return the width of a line in points."""
    return sum(glyph.advance for glyph in line) * size / 1000


def fit(text: Sequence[Glyph], box_width: float, box_height: float, size: float, least: float) -> Fitted:
    """Fit a text into a box (points), at `size` if it can be, at `least` otherwise, on as many lines as the box has
    room for.
    """
    at = size
    while at > least and width(text, at) > box_width:
        at = max(least, at - _STEP)
    if width(text, at) <= box_width:
        return Fitted(at, (tuple(text),))
    at = size
    while True:
        lines = wrap(text, box_width, at)
        room = max(1, 1 + int((box_height - at) / (at * LEADING)))
        if len(lines) <= room:
            return Fitted(at, tuple(lines))
        if at <= least:
            rest = tuple(glyph for line in lines[room:] for glyph in line)
            return Fitted(least, tuple(lines[:room]), rest)
        at = max(least, at - _STEP)


def wrap(text: Sequence[Glyph], box_width: float, size: float) -> list[tuple[Glyph, ...]]:
    """Break a text into lines that fit; at a blank where one is near, never before a closing mark."""
    lines: list[tuple[Glyph, ...]] = []
    line: list[Glyph] = []
    for glyph in text:
        if line and width([*line, glyph], size) > box_width:
            keep = _break(line, glyph)
            lines.append(tuple(line[:keep]))
            line = line[keep:]
        line.append(glyph)
    return [*lines, tuple(line)]


def _break(line: list[Glyph], following: Glyph) -> int:
    """Return how many glyphs stay on a full line."""
    for position in range(len(line), len(line) // 2, -1):
        if line[position - 1].text in " 　" or (position == len(line) and following.text in " 　"):
            return position
    if following.text in _CLOSING and len(line) > 1:
        return len(line) - 1
    return len(line)
