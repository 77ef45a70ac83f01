"""Content streams (ISO 32000-1, 7.8.2 and 8): the operators with which faces are drawn.  Lengths are points."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from jukicard.issuer.faces.pdf import number

_QUADRANT = 0.4472
"""How far from the corner a quadrant's control points stand, in radii."""

Point = tuple[float, float]


class Content:
    """A content stream being written."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def bytes(self) -> bytes:
        """Return what was written; nothing if nothing was."""
        return "".join(f"{line}\n" for line in self._lines).encode("ascii")

    def write(self, line: str) -> None:
        """Write operators as they are."""
        self._lines.append(line)

    @contextmanager
    def saved(self) -> Iterator[None]:
        """Give the graphics state back at the end."""
        self.write("q")
        yield
        self.write("Q")

    def transform(self, *matrix: float) -> None:
        """Change the coordinate system by a matrix of six numbers."""
        self.write(f"{numbers(*matrix)} cm")

    def fill(self, colour: str) -> None:
        """Set the colour (#RRGGBB) of what is filled."""
        self.write(f"{colour_numbers(colour)} rg")

    def stroke(self, colour: str, width: float) -> None:
        """Set the colour (#RRGGBB) and width of lines."""
        self.write(f"{colour_numbers(colour)} RG {number(width)} w")

    def rectangle(self, x: float, y: float, width: float, height: float) -> None:
        """Fill a rectangle."""
        self.write(f"{numbers(x, y, width, height)} re f")

    def line(self, points: Iterable[Point]) -> None:
        """Draw a line through points."""
        (x, y), *others = points
        self.write(f"{numbers(x, y)} m {' '.join(f'{numbers(*point)} l' for point in others)} S")

    def clip_rectangle(self, x: float, y: float, width: float, height: float) -> None:
        """Draw only inside of a rectangle from here on."""
        self.write(f"{numbers(x, y, width, height)} re W n")

    def clip_card(self, width: float, height: float, radius: float) -> None:
        """Draw only inside of a card with round corners from here on."""
        self.write(f"{rounded(0, 0, width, height, radius)} W n")

    def optional(self, names: Iterable[str]) -> None:
        """Draw forms, each as optional content of the group that has its name (8.11.3.2)."""
        for name in names:
            self.write(f"/OC /{name} BDC /{name} Do EMC")

    def form(self, name: str) -> None:
        """Draw a form or an image of the resources."""
        self.write(f"/{name} Do")


def rounded(x: float, y: float, width: float, height: float, radius: float) -> str:
    """Return the path of a rectangle with round corners."""
    right, top, near = x + width, y + height, _QUADRANT * radius
    corners = (
        ((right - radius, y), (right - near, y, right, y + near, right, y + radius)),
        ((right, top - radius), (right, top - near, right - near, top, right - radius, top)),
        ((x + radius, top), (x + near, top, x, top - near, x, top - radius)),
        ((x, y + radius), (x, y + near, x + near, y, x + radius, y)),
    )
    sides = " ".join(f"{numbers(*before)} l {numbers(*curve)} c" for before, curve in corners)
    return f"{numbers(x + radius, y)} m {sides} h"


def numbers(*values: float) -> str:
    """Return numbers as a content stream has them."""
    return " ".join(map(number, values))


def colour_numbers(colour: str) -> str:
    """Return a colour #RRGGBB as three numbers from 0 to 1."""
    return numbers(*(int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)))
