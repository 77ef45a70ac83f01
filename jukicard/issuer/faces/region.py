"""A rectangle of a picture, in pixels."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Region:
    """Left and upper edge, width and height, in pixels of the upright picture."""

    x: int
    y: int
    width: int
    height: int

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, upper, right and lower edge, the last two outside."""
        return self.x, self.y, self.x + self.width, self.y + self.height

    @classmethod
    def parse(cls, text: str) -> Region:
        """Read X,Y,W,H.  ValueError for anything else than four whole numbers that make a rectangle."""
        parts = text.split(",")
        if len(parts) != 4 or not all(part.strip().isdecimal() and len(part) < 8 for part in parts):
            raise ValueError("must be four whole numbers X,Y,W,H, in pixels of the upright picture")
        region = cls(*map(int, parts))
        if not region.width or not region.height:
            raise ValueError("must have a width and a height")
        return region
