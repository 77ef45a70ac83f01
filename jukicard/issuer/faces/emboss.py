"""Where the dots of the braille stand on the card.

The measures are those usual for Japanese braille on labels and cards: 2.13 to 2.37 mm between dots, about 5.1 to 5.7 mm
from cell to cell, dots of about 1.4 mm at the foot and 0.3 to 0.5 mm high (after JIS T 0921; the standard itself was
not at hand).  Where real Juki cards had their braille, and what it said beside the name, is not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from jukicard.issuer.errors import RuleRefused
from jukicard.issuer.faces.braille import MAX_CELLS, Braille
from jukicard.issuer.faces.braille.table import dots_of
from jukicard.issuer.faces.data import FaceData
from jukicard.issuer.faces.template import Code, Emboss, Photo, Template
from jukicard.issuer.records.resident import Face

DOT_PITCH_MM = (2.13, 2.37)
CELL_PITCH_MM = (5.1, 5.7)
DOT_MM = (1.0, 1.7)
MARGIN_MM = 3.0
"""Nothing is embossed nearer to the edge: raised there, a card does not go through rollers (our choice)."""

CHIP_MM = (9.0, 17.5, 23.0, 31.0)
"""Where a contact plate would be on the front, with a margin (left, top, right, bottom): the contacts of
ISO/IEC 7816-2 lie between 10.25 and 19.87 mm from the left, 19.23 and 28.55 mm from the top."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Dot:
    """A raised dot: its middle in mm from the upper left corner of the front, and its diameter."""

    x: float
    y: float
    diameter: float


def emboss_dots(braille: Braille, template: Template, version: Face) -> tuple[Dot, ...]:
    """Return the dots of braille on a face of that version.

    RuleRefused if the template has no place for braille, or one where it must not be.
    """
    return tuple(_dots(braille, emboss_place(template, version)))


def emboss_place(template: Template, version: Face) -> Emboss:
    """Return a template's place of the braille, checked with all cells that may come.  RuleRefused."""
    found = [layer for layer in template.layers if isinstance(layer, Emboss) and version.value in layer.versions]
    if not found:
        raise RuleRefused(
            f"face template {template.name} has no place for braille: give it a layer of kind 'emboss'"
            f" for face {version.value}"
        )
    place = found[0]
    for what, value, (least, most) in (
        ("dot_pitch", place.dot_pitch, DOT_PITCH_MM),
        ("cell_pitch", place.cell_pitch, CELL_PITCH_MM),
        ("dot", place.dot, DOT_MM),
    ):
        if not least <= value <= most:
            raise RuleRefused(f"face template {template.name}: {what} of the emboss layer is {least} to {most} mm")
    room = emboss_room(place)
    if not _inside(room, (MARGIN_MM, MARGIN_MM, template.width - MARGIN_MM, template.height - MARGIN_MM)):
        raise RuleRefused(f"face template {template.name}: the braille comes nearer than {MARGIN_MM} mm to the edge")
    for name, box in _kept_clear(template, version).items():
        if _meet(room, box):
            raise RuleRefused(f"face template {template.name}: the braille lies on the {name}")
    return place


def emboss_room(place: Emboss) -> Box:
    """Return the room of `MAX_CELLS` cells: left, top, right, bottom in mm from the upper left corner."""
    radius = place.dot / 2
    right = place.x + (MAX_CELLS - 1) * place.cell_pitch + place.dot_pitch
    return place.x - radius, place.y - radius, right + radius, place.y + 2 * place.dot_pitch + radius


def braille_facts(data: FaceData, template: Template) -> dict[str, object]:
    """Return what a face's JSON file says of its braille; nothing without."""
    if data.braille is None:
        return {}
    return {"braille": facts_of(data.braille, emboss_dots(data.braille, template, data.version))}


def facts_of(braille: Braille, dots: tuple[Dot, ...]) -> dict[str, object]:
    """Return braille as JSON has it, dots as [x, y] in mm from the upper left corner of the front."""
    return {
        "reading": braille.reading.text,
        "unicode": braille.unicode,
        "brf": braille.brf,
        "cells": len(braille.unicode),
        "dots": [[dot.x, dot.y] for dot in dots],
    }


def _dots(braille: Braille, place: Emboss) -> Iterator[Dot]:
    for number, character in enumerate(braille.unicode):
        for dot in dots_of(character):
            column, row = divmod(dot - 1, 3)
            x = place.x + number * place.cell_pitch + column * place.dot_pitch
            yield Dot(round(x, 3), round(place.y + row * place.dot_pitch, 3), place.dot)


def _kept_clear(template: Template, version: Face) -> Mapping[str, Box]:
    boxes: dict[str, Box] = {"chip": CHIP_MM}
    for layer in template.layers:
        if version.value not in layer.versions:
            continue
        match layer:
            case Photo():
                boxes["photo"] = layer.x, layer.y, layer.x + layer.width, layer.y + layer.height
            case Code():
                boxes["code"] = layer.x, layer.y, layer.x + layer.width, layer.y + layer.width
    return boxes


def _inside(inner: Box, outer: Box) -> bool:
    return inner[0] >= outer[0] and inner[1] >= outer[1] and inner[2] <= outer[2] and inner[3] <= outer[3]


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
