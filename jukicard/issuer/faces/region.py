"""A rectangle of a picture, in pixels."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Region:
    """Left and upper edge, width and height, in pixels of the upright picture.  ValueError for what is no rectangle."""

    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if min(self.x, self.y) < 0 or min(self.width, self.height) < 1:
            raise ValueError("must have a width and a height, and begin inside of the picture")

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, upper, right and lower edge, the last two outside."""
        return self.x, self.y, self.x + self.width, self.y + self.height

    @classmethod
    def parse(cls, text: str) -> Region:
        """Read X,Y,W,H.  ValueError for anything else."""
        parts = text.split(",")
        if len(parts) != 4 or not all(part.strip().isdecimal() and len(part) < 8 for part in parts):
            raise ValueError("must be four whole numbers X,Y,W,H, in pixels of the upright picture")
        return cls(*map(int, parts))
