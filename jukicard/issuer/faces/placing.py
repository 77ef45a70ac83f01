"""Where everything on a face stands, before anything is drawn: texts fitted into their boxes, and what goes to the
back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jukicard.issuer.errors import Problem, RecordError
from jukicard.issuer.faces.data import FaceData
from jukicard.issuer.faces.fonts import Glyph, MissingGlyphError, glyphs
from jukicard.issuer.faces.glyphimages import GlyphImages
from jukicard.issuer.faces.layout import LEADING, Fitted, fit, width
from jukicard.issuer.faces.template import Template, Text

MM = 72 / 25.4
ASCENT = 0.86
_LABELS = {"name": "氏名", "address": "住所", "contact": "連絡先", "city": "市町村名"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of glyphs with its baseline's start, in points from the lower left corner."""

    glyphs: tuple[Glyph, ...]
    size: float
    x: float
    y: float
    colour: str

    @property
    def end(self) -> float:
        """Where the line ends."""
        return self.x + width(self.glyphs, self.size)


@dataclass(frozen=True, slots=True)
class Placed:
    """One field in its place: its lines, its label's, and its box (left, bottom, right, top) in points."""

    field: str
    lines: tuple[Line, ...]
    label: tuple[Line, ...]
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Placing:
    """The texts of both sides; the back has none of the card's own where everything found room on the front."""

    front: tuple[Placed, ...]
    back: tuple[Placed, ...]


def place(data: FaceData, template: Template, images: GlyphImages | None = None) -> Placing:
    """Place all texts; `images` are for characters that no font has.

    RecordError for a character that no font has, or for text that not even the back has room for.
    """
    texts = data.fields()
    front, rest, problems = [], [], []
    for layer in template.layers:
        if not isinstance(layer, Text) or data.version.value not in layer.versions or layer.field not in texts:
            continue
        try:
            placed, left = _box(layer, glyphs(texts[layer.field], images), template.height)
        except MissingGlyphError as error:
            problems.append(Problem("face", layer.field, str(error)))
            continue
        front.append(placed)
        if left:
            rest.append((layer.field, left))
    back = tuple(_back(rest, template, problems)) if rest else ()
    if problems:
        raise RecordError(problems)
    return Placing(tuple(front), back)


def _box(layer: Text, text: tuple[Glyph, ...], height: float) -> tuple[Placed, tuple[Glyph, ...]]:
    left, top = (layer.x + layer.label_width) * MM, (height - layer.y) * MM
    wide, high = (layer.width - layer.label_width) * MM, layer.height * MM
    fitted = fit(text, wide, high, layer.size, layer.least)
    lines = tuple(_lines(fitted, left, top, wide, high, layer))
    label: tuple[Line, ...] = ()
    if layer.label:
        label = (Line(glyphs(layer.label), layer.label_size, layer.x * MM, lines[0].y, layer.colour),)
    return Placed(layer.field, lines, label, (left, top - high, left + wide, top)), fitted.rest


def _lines(fitted: Fitted, left: float, top: float, wide: float, high: float, layer: Text) -> Iterator[Line]:
    pitch = fitted.size * LEADING
    used = fitted.size + pitch * (len(fitted.lines) - 1)
    spare = max(0.0, high - used) / 2 if layer.centred else 0.0
    for number, line in enumerate(fitted.lines):
        x = left if layer.align == "left" else left + (wide - width(line, fitted.size)) / 2
        y = top - spare - pitch * number - fitted.size * ASCENT
        yield Line(line, fitted.size, x, y, layer.colour)


def back_boxes(continued: Sequence[str], template: Template) -> list[Text]:
    """Return the boxes on the back of the fields that go on there, field below field."""
    box = template.back
    share = box.height / max(1, len(continued))
    return [
        Text(
            field=field,
            x=box.x,
            y=box.y + number * share,
            width=box.width,
            height=share,
            size=box.size,
            least=box.least,
            label=_LABELS.get(field, field),
            label_width=box.label_width,
            label_size=box.label_size,
            colour=box.colour,
            centred=False,
        )
        for number, field in enumerate(continued)
    ]


def _back(rest: list[tuple[str, tuple[Glyph, ...]]], template: Template, problems: list[Problem]) -> Iterator[Placed]:
    """Place what is left on the back."""
    boxes = back_boxes([field for field, _ in rest], template)
    for box, (field, text) in zip(boxes, rest, strict=True):
        placed, left = _box(box, text, template.height)
        if left:
            problems.append(Problem("face", field, "is too long for the face and the space on its back"))
        yield placed
