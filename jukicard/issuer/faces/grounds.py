"""What is the same on every card of a template: stock, pre-print and the words across.  Drawn once per process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from math import ceil, cos, pi, radians, sin
from types import MappingProxyType

from jukicard.issuer.faces.content import Content
from jukicard.issuer.faces.embedding import EmbeddedFont, FontUse
from jukicard.issuer.faces.fonts import glyphs
from jukicard.issuer.faces.layout import LEADING, width, wrap
from jukicard.issuer.faces.pdf import Document, Name, Ref, Stream, Value, deflated
from jukicard.issuer.faces.placing import ASCENT, MM
from jukicard.issuer.faces.template import Fill, Layer, Note, Panel, Plane, Specimen, Template, Waves

_STEPS = 60
"""Straight pieces of one wave across a card."""
_MARGIN = 36
"""How far a form may draw beyond the card, in points."""
_NOTHING: Mapping[str, Value] = MappingProxyType({})


class Side(StrEnum):
    """A side of the card."""

    FRONT = "front"
    BACK = "back"


@dataclass(frozen=True, slots=True)
class Form:
    """A form XObject (ISO 32000-1, 8.10) in the card's coordinates: content, packed, and what it draws with."""

    stream: Stream = field(repr=False)
    fonts: Mapping[str, EmbeddedFont]
    states: Mapping[str, Value]
    spaces: Mapping[str, Value]

    @classmethod
    def of(
        cls,
        content: Content,
        fonts: FontUse,
        template: Template,
        states: Mapping[str, Value] = _NOTHING,
        spaces: Mapping[str, Value] = _NOTHING,
    ) -> Form:
        """Make the form of a content stream, which may use graphics states and colour spaces by their names."""
        return cls(deflated(content.bytes(), **form_entries(template)), fonts.fonts(), states, spaces)

    def add(self, document: Document, images: Mapping[str, Ref] | None = None) -> Ref:
        """Add it to a document, with images that it draws."""
        fonts = {name: font.add(document) for name, font in self.fonts.items()}
        given: Mapping[str, Mapping[str, Value]] = {
            "Font": fonts,
            "ExtGState": self.states,
            "ColorSpace": self.spaces,
            "XObject": images or {},
        }
        resources: dict[str, Value] = {kind: entries for kind, entries in given.items() if entries}
        return document.add(Stream(self.stream.data, {**self.stream.entries, "Resources": resources}))


def form_entries(template: Template) -> dict[str, Value]:
    """Return the entries of a form's dictionary that are the same for all planes of a template."""
    size = (template.width * MM + _MARGIN, template.height * MM + _MARGIN)
    return {"Type": Name("XObject"), "Subtype": Name("Form"), "BBox": [-_MARGIN, -_MARGIN, *size]}


def layers_of(template: Template, side: Side, version: str) -> tuple[Layer, ...]:
    """Return the layers of a side for a version of the face (A or B)."""
    layers = template.layers if side is Side.FRONT else template.back_layers
    return tuple(layer for layer in layers if version in layer.versions)


@lru_cache(maxsize=64)
def ground(template: Template, side: Side, version: str, plane: Plane | None, bleed: float) -> Form | None:
    """Return the form of a plane that is the same on every card, or None where it is empty.

    `bleed`: how far the ground goes on beyond the card, in points.  Plane None: the words across.
    """
    drawing = _Ground(template, bleed)
    for layer in layers_of(template, side, version):
        if layer.plane is plane:
            drawing.draw(layer)
    if not drawing.content.bytes():
        return None
    return Form.of(drawing.content, drawing.fonts, template, drawing.states)


class _Ground:
    def __init__(self, template: Template, bleed: float) -> None:
        self.content = Content()
        self.fonts = FontUse()
        self.states: dict[str, Value] = {}
        self._width, self._height = template.width * MM, template.height * MM
        self._bleed = bleed

    def draw(self, layer: Layer) -> None:
        match layer:
            case Fill():
                bleed = self._bleed
                self.content.fill(layer.colour)
                self.content.rectangle(-bleed, -bleed, self._width + 2 * bleed, self._height + 2 * bleed)
            case Waves():
                self._waves(layer)
            case Note():
                self._note(layer)
            case Panel():
                self._panel(layer)
            case Specimen():
                self._specimen(layer)

    def _waves(self, layer: Waves) -> None:
        """Draw the waves; those beyond the card only where something bleeds, since their crests would reach in."""
        pitch = self._height / layer.lines
        beyond = ceil(self._bleed / pitch)
        past = ceil(self._bleed * _STEPS / self._width)
        for number in range(-beyond, layer.lines + beyond):
            self.content.stroke(layer.colour if number % 2 else layer.second, 0.25)
            base = pitch * (number + 0.5)
            self.content.line(
                (
                    self._width * step / _STEPS,
                    base + layer.height * MM * sin(2 * pi * (step / 20 + number / layer.lines)),
                )
                for step in range(-past, _STEPS + 1 + past)
            )

    def _note(self, layer: Note) -> None:
        self.content.fill(layer.colour)
        wide = layer.width * MM
        y = self._height - layer.y * MM - layer.size * ASCENT
        for paragraph in layer.text.strip().splitlines():
            for line in wrap(glyphs(paragraph), wide, layer.size):
                spare = wide - width(line, layer.size) if layer.align == "centre" else 0.0
                self.fonts.show(self.content, line, layer.size, layer.x * MM + spare / 2, y)
                y -= layer.size * LEADING

    def _panel(self, layer: Panel) -> None:
        left, top = layer.x * MM, self._height - layer.y * MM
        right, bottom = left + layer.width * MM, top - layer.height * MM
        self.content.fill(layer.ground)
        self.content.rectangle(left, bottom, right - left, top - bottom)
        self.content.stroke(layer.colour, 0.2)
        for row in range(1, layer.rows):
            y = top - (top - bottom) * row / layer.rows
            self.content.line([(left, y), (right, y)])
        self.content.stroke(layer.colour, 0.5)
        self.content.line([(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom - 0.25)])

    def _specimen(self, layer: Specimen) -> None:
        text = glyphs(layer.text)
        cosine, sine = cos(radians(layer.angle)), sin(radians(layer.angle))
        name = f"S{len(self.states) + 1}"
        self.states[name] = {"Type": Name("ExtGState"), "ca": layer.strength}
        with self.content.saved():
            self.content.transform(cosine, sine, -sine, cosine, self._width / 2, self._height / 2)
            self.content.write(f"/{name} gs")
            self.content.fill(layer.colour)
            self.fonts.show(self.content, text, layer.size, -width(text, layer.size) / 2, -layer.size / 3)
