"""Where the head is in a picture, without a trained detector: by the colour of skin, and by what differs from its
surroundings.

It is made for one person before a wall, as application photos are.  It says nothing rather than something doubtful:
whoever asks then has the place given by a person.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce

from PIL import Image, ImageChops, ImageFilter

from jukicard.issuer.faces.region import Region

SEARCHED_SIDE = 96
"""Pictures are searched at this size (the longer side, in pixels): a head is then 12 pixels or more."""

_LUMA, _CB, _CR = (40, 255), (77, 127), (133, 173)
"""The range of skin in YCbCr that is common in the literature (after Chai and Ngan 1999); it fits most skins, since
they differ in brightness much more than in hue."""

_RED_OVER_BLUE = 16
"""Of skin, Cr is greater than Cb by this; a warm white wall is in the range above, too, but not by so much."""

_LEAST_WIDTH = 6
"""Of a face, in pixels of the searched size."""

_FACE_SHAPE = (0.7, 2.6)
"""Height by width of the skin, neck and hair of the colour of skin included."""

_FILLED = 0.45
"""The least part of its box that a face fills."""

_CHIN = 0.4
"""The skin ends at the chin, or narrows there to this part of its greatest width."""

_LONGEST = 1.5
"""Where a neck is as wide as the face, the chin is taken to be this far from the crown, in widths of the skin."""

_BESIDE = (0.35, 0.7)
"""How far from the skin the ground beside a head is looked at, in widths of the skin."""

_HAIR_DISTANCE = 36
"""Hair differs from the ground beside it by this in the sum of three channels."""

_HEAD_SHAPE = (0.9, 2.3)
"""Height of a head, from crown to chin, by the width of its skin."""


@dataclass(frozen=True, slots=True)
class Head:
    """A head in pixels of the picture: its crown, its chin, and the middle between its sides."""

    top: float
    chin: float
    middle: float

    @property
    def height(self) -> float:
        """From crown to chin."""
        return self.chin - self.top


def find_head(picture: Image.Image) -> Head | None:
    """Return the head of a picture (RGB, upright), or None if there is none that could be told."""
    scale = max(1.0, max(picture.size) / SEARCHED_SIDE)
    size = max(1, round(picture.width / scale)), max(1, round(picture.height / scale))
    small = picture.resize(size, Image.Resampling.BOX, reducing_gap=1.0)
    skins = sorted(_patches(_skin(small)), key=lambda patch: -len(patch.pixels))
    for skin in skins:
        head = _head(small, skin)
        if head is not None:
            return Head(head.top * scale, head.chin * scale, head.middle * scale)
    return None


@dataclass(frozen=True, slots=True)
class _Patch:
    """Pixels that hang together, as numbers in a picture of that width."""

    pixels: list[int]
    width: int

    @property
    def box(self) -> Region:
        columns = [pixel % self.width for pixel in self.pixels]
        left, top = min(columns), self.pixels[0] // self.width
        bottom = max(self.pixels) // self.width
        return Region(left, top, max(columns) - left + 1, bottom - top + 1)


def _skin(picture: Image.Image) -> Image.Image:
    """Return a picture that is white where the colour is one of skin."""
    luma, cb, cr = picture.convert("YCbCr").split()
    ranges = ((luma, _LUMA), (cb, _CB), (cr, _CR), (ImageChops.subtract(cr, cb), (_RED_OVER_BLUE, 255)))
    masks = [
        channel.point([255 * (least <= value <= most) for value in range(256)]) for channel, (least, most) in ranges
    ]
    return reduce(ImageChops.darker, masks).filter(ImageFilter.MedianFilter(3))


def _patches(mask: Image.Image) -> Iterator[_Patch]:
    """Yield the patches of white, each pixel in one, neighbours by side."""
    left = {number for number, value in enumerate(mask.tobytes()) if value}
    wide = mask.width
    while left:
        first = min(left)
        left.remove(first)
        pixels, edge = [first], [first]
        while edge:
            pixel = edge.pop()
            beside = [pixel - wide, pixel + wide]
            beside += [pixel - 1] if pixel % wide else []
            beside += [pixel + 1] if pixel % wide < wide - 1 else []
            new = [other for other in beside if other in left]
            left.difference_update(new)
            pixels += new
            edge += new
        yield _Patch(pixels, wide)


def _head(picture: Image.Image, skin: _Patch) -> Head | None:
    box = skin.box
    if box.width < _LEAST_WIDTH or not _FACE_SHAPE[0] <= box.height / box.width <= _FACE_SHAPE[1]:
        return None
    if len(skin.pixels) < _FILLED * box.width * box.height:
        return None
    rows = [0] * box.height
    for pixel in skin.pixels:
        rows[pixel // skin.width - box.y] += 1
    widest = max(rows)
    below = range(rows.index(widest), box.height)
    top = _crown(picture, box)
    ends = box.y + next((row for row in below if rows[row] < _CHIN * widest), box.height)
    chin = min(ends, top + round(_LONGEST * widest))
    if not _HEAD_SHAPE[0] <= (chin - top) / widest <= _HEAD_SHAPE[1]:
        return None
    return Head(top, chin, box.x + box.width / 2)


def _crown(picture: Image.Image, skin: Region) -> int:
    """Return the row where the hair above a face begins: where it begins to differ from the ground beside it."""
    columns = {skin.x - round(far * skin.width) for far in _BESIDE}
    columns |= {skin.x + round((1 + far) * skin.width) for far in _BESIDE}
    beside = {min(max(column, 0), picture.width - 1) for column in columns}
    middle, pixels = skin.x + skin.width // 2, picture.tobytes()
    for row in range(skin.y, -1, -1):
        hair = _pixel(pixels, row * picture.width + middle)
        ground = (_pixel(pixels, row * picture.width + column) for column in beside)
        if any(sum(abs(a - b) for a, b in zip(hair, other, strict=True)) < _HAIR_DISTANCE for other in ground):
            return row + 1
    return 0


def _pixel(pixels: bytes, number: int) -> bytes:
    return pixels[3 * number : 3 * number + 3]
