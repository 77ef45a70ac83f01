"""What a face's PDF prints, held against what the chip holds of the face.

The texts are read off the pages (every character by its outline, too), and set again as the chip has them: pictures are
then compared dot by dot.  No difference tells a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from io import BytesIO
from itertools import combinations

from PIL import Image, ImageChops, ImageStat

from jukicard.applets.faceverification.records import MALE, FaceRecord
from jukicard.issuer.faces.chipimages import photo_image, text_image
from jukicard.issuer.faces.fonts import MissingGlyphError, glyphs
from jukicard.issuer.faces.glyphimages import GlyphImages
from jukicard.issuer.faces.grounds import Side, layers_of
from jukicard.issuer.faces.matching import Difference, Kind, box_of, draws, inside, same_box, text_boxes
from jukicard.issuer.faces.pages import group_name
from jukicard.issuer.faces.pdfreading import PdfError, PdfFile
from jukicard.issuer.faces.placing import back_boxes
from jukicard.issuer.faces.reading import PaintedForm, Picture, Run, pixels
from jukicard.issuer.faces.template import Photo, Plane, Template, Text
from jukicard.issuer.records.eras import format_era_date

MAX_PICTURE = 1_000_000
"""Dots of a picture on a chip, at most: more than any face has."""
SAME_PHOTO = 3.0
"""Grey levels by which two packings of one photo differ on average, at most."""


@dataclass(frozen=True, slots=True)
class PrintedFace:
    """What is printed: texts by the names of fields, from the front and on from there on the back; the photo as RGB."""

    texts: Mapping[str, str] = field(repr=False)
    photo: Image.Image | None = field(default=None, repr=False)


def compare_with_chip(
    pdf: bytes, record: FaceRecord, template: Template, images: GlyphImages | None = None
) -> tuple[Difference, ...]:
    """Return in what a face's PDF differs from the face record of a chip; nothing where it matches."""
    try:
        printed = read_printed(pdf, record.version, template, images)
        return tuple(_differences(printed, record, images))
    except PdfError as error:
        return (Difference(Kind.FILE, "file", "PDF", str(error)),)
    except (KeyError, ValueError, TypeError) as error:  # a value that is not of the kind that must stand there
        return (Difference(Kind.FILE, "file", "PDF", f"is not made as faces are ({type(error).__name__})"),)


def read_printed(pdf: bytes, version: str, template: Template, images: GlyphImages | None = None) -> PrintedFace:
    """Read what a face's PDF prints of a card of that version (A or B).

    PdfError for what stands in no field, and for a character that is drawn as another.
    """
    file = PdfFile(pdf)
    if len(file.pages) != len(Side):
        raise PdfError("it has not two pages")
    front, back = (_painted(file, number) for number in range(len(Side)))
    layers = layers_of(template, Side.FRONT, version)
    fields = [layer for layer in layers if isinstance(layer, Text)]
    texts = _texts(front, fields, template, images)
    for name, text in _texts_of_back(back, [layer.field for layer in fields], template, images).items():
        texts[name] = texts.get(name, "") + text
    return PrintedFace(texts, _photo(front, layers, template))


def differing_picture(stored: bytes | None, wanted: bytes, most: float = 0.0) -> bool:
    """Return whether a picture on a chip shows something else than `wanted`, by more grey levels than `most` on
    average.
    """
    found, right = opened_picture(stored), opened_picture(wanted)
    if found is None or right is None or found.size != right.size:
        return True
    return float(ImageStat.Stat(ImageChops.difference(found, right)).mean[0]) > most


def opened_picture(stored: bytes | None) -> Image.Image | None:
    """Return a picture that a chip holds, grey, or None where it is none."""
    try:
        with Image.open(BytesIO(stored or b""), formats=("PNG", "JPEG2000")) as picture:
            return picture.convert("L") if picture.width * picture.height <= MAX_PICTURE else None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def expiry_text(expires: str) -> str:
    """Return an expiry (YYYYMMDD) as faces print it.  ValueError for what is no date."""
    day = date.fromisoformat(expires)
    return f"{day.year}年{day.month}月{day.day}日まで有効"


def birth_texts(birth: str) -> frozenset[str]:
    """Return in which forms faces print a birth date (YYYYMMDD): with its era, of foreigners without."""
    born = date.fromisoformat(birth)
    return frozenset((format_era_date(born), f"{born.year}年{born.month}月{born.day}日"))


def _painted(file: PdfFile, number: int) -> list[object]:
    """Return what the personal plane of a page paints."""
    drawn = file.mapping(file.mapping(file.pages[number].get("Resources")).get("XObject"))
    name = group_name(Plane.PERSONAL)
    return list(PaintedForm(file, drawn[name]).painted) if name in drawn else []


def _texts(
    painted: list[object], fields: Sequence[Text], template: Template, images: GlyphImages | None
) -> dict[str, str]:
    """Take the texts of some fields off a side."""
    runs = [item for item in painted if isinstance(item, Run)]
    texts = {}
    for layer in fields:
        box, label = text_boxes(layer, template.height)
        found = [run for run in runs if inside(run, box)]
        runs = [run for run in runs if not inside(run, box) and not (layer.label and inside(run, label))]
        if found:
            texts[layer.field] = _text(found, images)
    if runs:
        raise PdfError("a text stands where no field is")
    return texts


def _texts_of_back(
    painted: list[object], names: Sequence[str], template: Template, images: GlyphImages | None
) -> dict[str, str]:
    """Take the texts that go on on the back: which fields do so, the labels there say."""
    if not any(isinstance(item, Run) for item in painted):
        return {}
    for count in range(1, len(names) + 1):
        for chosen in combinations(names, count):
            boxes = back_boxes(chosen, template)
            if all(_is_labelled(painted, box, template) for box in boxes):
                return _texts(painted, boxes, template, images)
    raise PdfError("a text on the back has no label")


def _is_labelled(painted: list[object], layer: Text, template: Template) -> bool:
    _, label = text_boxes(layer, template.height)
    found = "".join(item.text or "" for item in painted if isinstance(item, Run) and inside(item, label))
    return found == layer.label


def _text(runs: Sequence[Run], images: GlyphImages | None) -> str:
    text = "".join(run.text or "\0" for run in runs)
    try:
        wanted = glyphs(text, images)
    except MissingGlyphError as error:
        raise PdfError(str(error)) from None
    if len(wanted) != len(runs) or not all(draws(run, glyph) for run, glyph in zip(runs, wanted, strict=True)):
        raise PdfError("a character looks otherwise than its text says")
    return text


def _photo(painted: list[object], layers: Sequence[object], template: Template) -> Image.Image | None:
    pictures = [item for item in painted if isinstance(item, Picture)]
    places = [layer for layer in layers if isinstance(layer, Photo)]
    if not pictures:
        return None
    place = places[0] if places else Photo()
    if len(pictures) != 1 or not same_box(
        pictures[0].box, box_of(place.x, place.y, place.width, place.height, template.height)
    ):
        raise PdfError("a picture stands where no photo does")
    width, height, rows = pixels(pictures[0].stream)
    return Image.frombytes("RGB", (width, height), rows)


def _differences(printed: PrintedFace, record: FaceRecord, images: GlyphImages | None) -> Iterator[Difference]:
    texts = printed.texts
    if texts.get("expiry") != expiry_text(record.expires):
        yield _differs(Kind.TEXT, "expiry")
    for name, stored in (("name", record.name), ("address", record.address)):
        if name in texts and differing_picture(stored, text_image(glyphs(texts[name], images))):
            yield _differs(Kind.TEXT, name)
        if name not in texts and stored is not None:
            yield Difference(Kind.MISSING, "front", name, "is not printed, and the chip has it")
    if record.birth is None:
        return
    if texts.get("birth") not in birth_texts(record.birth):
        yield _differs(Kind.TEXT, "birth")
    if texts.get("sex") != ("男" if record.sex == MALE else "女"):
        yield _differs(Kind.TEXT, "sex")
    if printed.photo is None:
        yield Difference(Kind.MISSING, "front", "photo", "is not printed, and the chip has it")
    elif differing_picture(record.photo, photo_image(printed.photo), SAME_PHOTO):
        yield _differs(Kind.PHOTO, "photo")


def _differs(kind: Kind, what: str) -> Difference:
    return Difference(kind, "front", what, "what is printed is not what the chip has")
