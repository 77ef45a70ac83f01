"""The pictures of a face that the chip holds: name and address as they are printed, and the photo.

Texts are set in the glyphs of the printed face, glyph images among them: black on white, one bit, 24 dots to the em.
A glyph is drawn once per process, since a municipality's cards repeat the same characters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO

import pypdfium2
from PIL import Image

from jukicard.issuer.errors import Problem, RecordError
from jukicard.issuer.faces.content import Content
from jukicard.issuer.faces.data import FaceData
from jukicard.issuer.faces.embedding import MAX_IMAGES, FontUse
from jukicard.issuer.faces.fonts import Glyph, MissingGlyphError, glyphs
from jukicard.issuer.faces.glyphimages import GlyphImages
from jukicard.issuer.faces.pdf import Document, Name, deflated
from jukicard.issuer.faces.rendering import PDFIUM

EM = 24
"""Dots to the em."""
ROW = 20 * EM
"""The longest row, in dots."""
_DESCENT = 0.14
_INK = 160
"""Grey levels below that are ink: thin strokes stay."""
PHOTO_SIZE, PHOTO_BYTES = (160, 200), 3072
"""The photo in the chip: width and height, and how many bytes it is packed into."""
_KEPT = 8192
_drawn: dict[Glyph, Image.Image] = {}


@dataclass(frozen=True, slots=True)
class FaceImages:
    """What the chip holds of a face: pictures of name and address (PNG, one bit), and the photo (JPEG 2000, grey).

    Face A has neither address nor photo.
    """

    name: bytes = field(repr=False)
    address: bytes | None = field(default=None, repr=False)
    photo: bytes | None = field(default=None, repr=False)


def face_images(data: FaceData, photo: bytes | None, images: GlyphImages | None = None) -> FaceImages:
    """Return the pictures of a face; `photo` is the one that is printed (PNG), `images` are the office's glyphs.

    RecordError for a character that no font has.
    """
    return FaceImages(
        text_image(_glyphs("name", data.name, images)),
        None if data.address is None else text_image(_glyphs("address", data.address, images)),
        None if photo is None else photo_image(Image.open(BytesIO(photo))),
    )


def glyph_problems(data: FaceData, images: GlyphImages | None = None) -> list[Problem]:
    """Return in which texts there are characters that no font has; nothing is drawn."""
    problems: list[Problem] = []
    for name, text in (("name", data.name), ("address", data.address)):
        try:
            _glyphs(name, text or "", images)
        except RecordError as error:
            problems += error.problems
    return problems


def text_image(text: Sequence[Glyph]) -> bytes:
    """Return the picture of a text, in rows of 20 em at most."""
    _draw(text)
    rows = list(_rows(text))
    widest = max(sum(_drawn[glyph].width for glyph in row) for row in rows)
    picture = Image.new("1", (max(1, widest), EM * len(rows)), 1)
    for number, row in enumerate(rows):
        x = 0
        for glyph in row:
            picture.paste(_drawn[glyph], (x, EM * number))
            x += _drawn[glyph].width
    out = BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def photo_image(picture: Image.Image) -> bytes:
    """Return a photo as the chip holds it, whatever its size and colours were."""
    width, height = PHOTO_SIZE
    out = BytesIO()
    small = picture.convert("L").resize(PHOTO_SIZE, Image.Resampling.BOX)
    small.save(out, "JPEG2000", irreversible=True, quality_mode="rates", quality_layers=[width * height / PHOTO_BYTES])
    return out.getvalue()


def _glyphs(name: str, text: str, images: GlyphImages | None) -> tuple[Glyph, ...]:
    try:
        return glyphs(text, images)
    except MissingGlyphError as error:
        raise RecordError([Problem("face", name, str(error))]) from None


def _rows(text: Sequence[Glyph]) -> Iterator[list[Glyph]]:
    """Break a text into rows; there is one at least."""
    row: list[Glyph] = []
    used = 0
    for glyph in text:
        width = _drawn[glyph].width
        if row and used + width > ROW:
            yield row
            row, used = [], 0
        row.append(glyph)
        used += width
    yield row


def _draw(text: Sequence[Glyph]) -> None:
    """Draw the glyphs of a text that were not drawn yet, all on one page, which is then cut up."""
    if len(_drawn) > _KEPT:
        _drawn.clear()
    wanted = list(dict.fromkeys(glyph for glyph in text if glyph not in _drawn))
    for start in range(0, len(wanted), MAX_IMAGES):
        some = wanted[start : start + MAX_IMAGES]
        page = _page(some)
        for number, glyph in enumerate(some):
            left, width = 2 * EM * number, max(1, min(round(glyph.advance * EM / 1000), 2 * EM))
            _drawn[glyph] = page.crop((left, 0, left + width, EM))


def _page(text: Sequence[Glyph]) -> Image.Image:
    """Return a page of one row, a glyph every two em."""
    content, fonts, document = Content(), FontUse(), Document()
    content.fill("#000000")
    for number, glyph in enumerate(text):
        fonts.show(content, (glyph,), EM, 2 * EM * number, _DESCENT * EM)
    tree = document.reserve()
    used = {name: font.add(document) for name, font in fonts.fonts().items()}
    page = document.add(
        {
            "Type": Name("Page"),
            "Parent": tree,
            "MediaBox": [0, 0, 2 * EM * len(text), EM],
            "Resources": {"Font": used},
            "Contents": document.add(deflated(content.bytes())),
        }
    )
    document.put(tree, {"Type": Name("Pages"), "Count": 1, "Kids": [page]})
    file = document.file(document.add({"Type": Name("Catalog"), "Pages": tree}), document.add({}))
    with PDFIUM:
        opened = pypdfium2.PdfDocument(file)
        grey: Image.Image = opened[0].render(scale=1, grayscale=True).to_pil().convert("L")
        opened.close()
    return grey.point(lambda level: 255 if level >= _INK else 0).convert("1")
