"""A picture of a face's front (a scan, cut as the card is), held against what the chip holds of the face.

Nothing is recognised.  The chip's pictures of name and address are set as the template prints them, and each piece of
an em is compared with the same place on the scan; so is the photo.  The fields that the chip has as text are for
people's eyes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from math import sqrt

from PIL import Image, ImageChops, ImageFilter, ImageOps, ImageStat

from jukicard.applets.faceverification.records import FaceRecord
from jukicard.issuer.faces.chipimages import EM
from jukicard.issuer.faces.chipmatching import opened_picture
from jukicard.issuer.faces.fonts import Glyph, font_set
from jukicard.issuer.faces.grounds import Side, layers_of
from jukicard.issuer.faces.layout import LEADING, fit
from jukicard.issuer.faces.matching import Difference, Kind
from jukicard.issuer.faces.placing import MM
from jukicard.issuer.faces.template import Photo, Template, Text

DPI = 200
"""To which a scan is brought."""
MAX_PIXELS = 40_000_000
ALIKE = 0.88
"""How alike (0 to 1) a piece of text must be to its place on the scan."""
ALIKE_PHOTO = 0.9
"""How well (-1 to 1) the greys of the photo must go together with those of its place."""
_RATIO = 0.02
"""By how much a scan's sides may differ from the card's."""
_SHIFTS = range(-4, 5)
"""Dots by which a scan may be out of place, in each direction: half a millimetre."""
_INK = 150
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class _Set:
    """A field as it should be printed: in its box, and where each piece that has ink stands there."""

    picture: Image.Image
    pieces: tuple[tuple[int, int, int, int], ...]


def is_picture(content: bytes) -> bool:
    """Return whether a file is a PNG picture."""
    return content.startswith(_PNG)


def compare_scan_with_chip(png: bytes, record: FaceRecord, template: Template) -> tuple[Difference, ...]:
    """Return in what a picture of a face's front differs from the face record of a chip; nothing where it matches."""
    scan = _opened(png, template)
    if scan is None:
        return (Difference(Kind.FILE, "file", "picture", "is no PNG of a card's front, cut at its edges"),)
    return tuple(_differences(scan, record, template))


def _opened(png: bytes, template: Template) -> Image.Image | None:
    """Return a scan in grey, brought to the size that it is compared in."""
    try:
        with Image.open(BytesIO(png), formats=("PNG",)) as picture:
            wide, high = picture.size
            if wide * high > MAX_PIXELS or abs(wide * template.height / (high * template.width) - 1) > _RATIO:
                return None
            grey = picture.convert("L")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return grey.resize((_dots(template.width), _dots(template.height)), Image.Resampling.BOX)


def _differences(scan: Image.Image, record: FaceRecord, template: Template) -> Iterator[Difference]:
    stored = {"name": record.name, "address": record.address}
    for layer in layers_of(template, Side.FRONT, record.version):
        if isinstance(layer, Text) and stored.get(layer.field) is not None:
            picture = opened_picture(stored[layer.field])
            if picture is None or not _shows_text(scan, layer, picture):
                yield Difference(
                    Kind.TEXT, "front", layer.field, "what is printed does not look like what the chip has"
                )
        if isinstance(layer, Photo) and record.photo is not None:
            picture = opened_picture(record.photo)
            if picture is None or not _shows_photo(scan, layer, picture):
                yield Difference(Kind.PHOTO, "front", "photo", "what is printed does not look like what the chip has")


def _shows_text(scan: Image.Image, layer: Text, picture: Image.Image) -> bool:
    """Return whether a field shows a text: characters one em wide or, where some are narrower, pieces of half an em."""
    x, y = _dots(layer.x + layer.label_width), _dots(layer.y)
    size = _dots(layer.width - layer.label_width), _dots(layer.height)
    room = _ink(scan.crop((x, y, x + size[0], y + size[1])))
    return any(_alike(room, _set(layer, picture, step, size)) for step in (EM, EM // 2))


def _alike(room: Image.Image, wanted: _Set) -> bool:
    """Return whether each piece of a field is where it should be, wherever the field as a whole has moved to."""
    shifted = [ImageChops.offset(room, dx, dy) for dx in _SHIFTS for dy in _SHIFTS]
    best = max(shifted, key=lambda one: likeness(one, wanted.picture))
    return bool(wanted.pieces) and all(
        likeness(best.crop(piece), wanted.picture.crop(piece)) >= ALIKE for piece in wanted.pieces
    )


def _set(layer: Text, picture: Image.Image, step: int, size: tuple[int, int]) -> _Set:
    """Set a chip's picture of a text in a field, in pieces that are `step` dots wide on the chip."""
    cells = list(_cells(picture, step))
    font = font_set()[0]
    text = [Glyph("x", font, number, 1000 * step / EM) for number in range(len(cells))]
    fitted = fit(text, (layer.width - layer.label_width) * MM, layer.height * MM, layer.size, layer.least)
    em, pitch = fitted.size * DPI / 72, fitted.size * LEADING * DPI / 72
    used = em + pitch * (len(fitted.lines) - 1)
    top = max(0.0, size[1] - used) / 2 if layer.centred else 0.0
    made, pieces = Image.new("L", size, 255), []
    for row, line in enumerate(fitted.lines):
        wide = em * step / EM
        left = 0.0 if layer.align == "left" else (size[0] - wide * len(line)) / 2
        for column, glyph in enumerate(line):
            place = (round(left + wide * column), round(top + pitch * row))
            cell = cells[glyph.gid]
            made.paste(cell.resize((max(1, round(wide)), max(1, round(em))), Image.Resampling.BOX), place)
            if cell.getextrema()[0] == 0:
                pieces.append((*place, place[0] + round(wide), place[1] + round(em)))
    return _Set(_ink(made), tuple(pieces))


def _cells(picture: Image.Image, step: int) -> Iterator[Image.Image]:
    """Cut a chip's picture of a text into pieces, row by row, without the blank end of a row."""
    for y in range(0, picture.height, EM):
        row = picture.crop((0, y, picture.width, y + EM))
        box = ImageOps.invert(row).getbbox()
        for x in range(0, 0 if box is None else box[2], step):
            yield row.crop((x, 0, x + step, EM))


def _shows_photo(scan: Image.Image, layer: Photo, photo: Image.Image) -> bool:
    """Return whether the photo's place shows a photo, somewhere near."""
    x, y, size = _dots(layer.x), _dots(layer.y), (_dots(layer.width), _dots(layer.height))
    wanted = photo.resize(size, Image.Resampling.BOX)
    places = ((x + dx, y + dy) for dx in _SHIFTS for dy in _SHIFTS)
    return any(
        correlation(scan.crop((left, top, left + size[0], top + size[1])), wanted) >= ALIKE_PHOTO
        for left, top in places
    )


def likeness(one: Image.Image, other: Image.Image) -> float:
    """Return how alike two grey pictures of one size are, from 0 to 1 (the cosine of the angle between them)."""
    product = _sum(ImageChops.multiply(one, other))
    squares = _sum(ImageChops.multiply(one, one)) * _sum(ImageChops.multiply(other, other))
    return product / sqrt(squares) if squares else 0.0


def correlation(one: Image.Image, other: Image.Image) -> float:
    """Return how well the greys of two pictures of one size go together, from -1 to 1, whatever light they were taken
    in (Pearson's coefficient).
    """
    first, second = ImageStat.Stat(one), ImageStat.Stat(other)
    together = 255 * ImageStat.Stat(ImageChops.multiply(one, other)).mean[0] - first.mean[0] * second.mean[0]
    spread = first.stddev[0] * second.stddev[0]
    return together / spread if spread else 0.0


def _sum(picture: Image.Image) -> float:
    return float(ImageStat.Stat(picture).sum[0])


def _ink(grey: Image.Image) -> Image.Image:
    """Return what is dark enough to be ink, a little blurred."""
    return grey.point(_INKED).filter(ImageFilter.GaussianBlur(1.2))


_INKED: Sequence[int] = [min(255, 2 * max(0, _INK - level)) for level in range(256)]


def _dots(millimetres: float) -> int:
    return round(millimetres * DPI / 25.4)
