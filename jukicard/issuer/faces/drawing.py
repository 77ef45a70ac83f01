"""Drawing a face: one PDF, a page for each side, the same bytes for the same face."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from jukicard.issuer.faces.content import Content
from jukicard.issuer.faces.data import FaceData
from jukicard.issuer.faces.embedding import FontUse
from jukicard.issuer.faces.embosslayer import emboss_form
from jukicard.issuer.faces.grounds import Form, Side, ground, layers_of
from jukicard.issuer.faces.pages import CardPages, PrintForm
from jukicard.issuer.faces.pdf import Document, Name, Ref, Stream
from jukicard.issuer.faces.placing import MM, Placed, Placing
from jukicard.issuer.faces.qr import SIDE, modules
from jukicard.issuer.faces.template import Code, Photo, Plane, Template

PHOTO = "Photo"
"""The name of the photo in its form's resources."""

_PNG = b"\x89PNG\r\n\x1a\n"
_RGB8 = b"\x08\x02\x00\x00\x00"
"""Eight bits, three colours, not interlaced: the end of IHDR (PNG, 11.2.2)."""

OVERLAP = 1.01
"""A dark module is drawn so much larger than it is, so that no light shows between two."""


class FaceDrawing:
    """One face being drawn; `pdf` gives the whole document."""

    def __init__(
        self, data: FaceData, template: Template, placing: Placing, photo: bytes | None, form: PrintForm
    ) -> None:
        self._data = data
        self._template = template
        self._placing = placing
        self._photo = photo
        self._form = form
        self._document = Document()

    def pdf(self) -> bytes:
        """Draw front and back."""
        pages = CardPages(self._document, self._template, self._form)
        for side in Side:
            pages.add(self._forms(side), self._ground(side, None))
        return pages.file()

    def _forms(self, side: Side) -> dict[Plane, Ref]:
        """Return the forms of the planes on which something stands."""
        found: dict[Plane, Ref] = {}
        for plane in self._form.planes:
            match plane:
                case Plane.PERSONAL:
                    form = self._personal(side)
                case Plane.EMBOSS:
                    form = self._added(emboss_form(self._data, self._template, side))
                case _:
                    form = self._ground(side, plane)
            if form is not None:
                found[plane] = form
        return found

    def _added(self, form: Form | None) -> Ref | None:
        return None if form is None else form.add(self._document)

    def _ground(self, side: Side, plane: Plane | None) -> Ref | None:
        return self._added(ground(self._template, side, self._data.version.value, plane, self._form.marks.bleed))

    def _personal(self, side: Side) -> Ref | None:
        content, fonts = Content(), FontUse()
        images: dict[str, Ref] = {}
        for layer in layers_of(self._template, side, self._data.version.value):
            match layer:
                case Photo() if self._photo is not None:
                    self._draw_photo(content, layer)
                    images[PHOTO] = self._document.add(photo_image(self._photo))
                case Code():
                    draw_code(content, layer, self._template.height, self._data.code)
        draw_texts(content, fonts, self._placing.front if side is Side.FRONT else self._placing.back)
        if not content.bytes():
            return None
        return Form.of(content, fonts, self._template).add(self._document, images)

    def _draw_photo(self, content: Content, layer: Photo) -> None:
        y = self._template.height - layer.y - layer.height
        with content.saved():
            content.transform(layer.width * MM, 0, 0, layer.height * MM, layer.x * MM, y * MM)
            content.form(PHOTO)


def draw_code(content: Content, layer: Code, height: float, text: str) -> None:
    """Draw the two-dimensional code on a white ground, one module wider on each side."""
    side = layer.width / SIDE
    top, whole = height - layer.y, (layer.width + 2 * side) * MM
    content.fill("#FFFFFF")
    content.rectangle((layer.x - side) * MM, (top - layer.width - side) * MM, whole, whole)
    content.fill("#101010")
    drawn = side * MM * OVERLAP
    for row, column in sorted(modules(text)):
        content.rectangle((layer.x + column * side) * MM, (top - (row + 1) * side) * MM, drawn, drawn)


def draw_texts(content: Content, fonts: FontUse, placed: Sequence[Placed]) -> None:
    """Draw fields with their labels."""
    for field in placed:
        for line in (*field.label, *field.lines):
            content.fill(line.colour)
            fonts.show(content, line.glyphs, line.size, line.x, line.y)


def photo_image(png: bytes) -> Stream:
    """Return an image of a PNG picture, whose packed rows PDF takes as they are (ISO 32000-1, 7.4.4.4).

    ValueError for a PNG that is not of eight bits and three colours.
    """
    width, height, kind = struct.unpack_from(">II5s", png, 16)
    if not png.startswith(_PNG) or kind != _RGB8:
        raise ValueError("the photo is no PNG of eight bits and three colours")
    rows, position = [], len(_PNG)
    while position < len(png):
        length, chunk = struct.unpack_from(">I4s", png, position)
        if chunk == b"IDAT":
            rows.append(png[position + 8 : position + 8 + length])
        position += 12 + length
    return Stream(
        b"".join(rows),
        {
            "Type": Name("XObject"),
            "Subtype": Name("Image"),
            "Width": width,
            "Height": height,
            "ColorSpace": Name("DeviceRGB"),
            "BitsPerComponent": 8,
            "Filter": Name("FlateDecode"),
            "DecodeParms": {"Predictor": 15, "Colors": 3, "BitsPerComponent": 8, "Columns": width},
        },
    )
