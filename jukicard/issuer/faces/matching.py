"""Matched (照合): what a card's PDF prints is what its record says, or in what it differs.

The pages are read back (`reading`) and held against the record's data: every character by its outline, which is
what people see, and by its text, which is what machines get; the places; the photo by its pixels; the code by its
modules; the braille by its dots.  What nobody asked for is a difference too.  No difference tells a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from jukicard.issuer.faces.content import colour_numbers
from jukicard.issuer.faces.data import FaceData
from jukicard.issuer.faces.drawing import OVERLAP, photo_image
from jukicard.issuer.faces.embosslayer import emboss_form
from jukicard.issuer.faces.face import prepared_photo
from jukicard.issuer.faces.fonts import FontFile, Glyph, glyphs
from jukicard.issuer.faces.glyphimages import GlyphImages
from jukicard.issuer.faces.grounds import Form, Side, form_entries, ground, layers_of
from jukicard.issuer.faces.pages import ACROSS, INFO, Marks, boxes, group_name, optional_content, page_content
from jukicard.issuer.faces.pdf import Document, Value
from jukicard.issuer.faces.pdfreading import PdfError, PdfFile, content_of
from jukicard.issuer.faces.placing import MM, back_boxes, place
from jukicard.issuer.faces.qr import SIDE, modules
from jukicard.issuer.faces.reading import Box, Painted, PaintedForm, Picture, Run, alone, digest, pixels, reached
from jukicard.issuer.faces.subsetting import same_outline
from jukicard.issuer.faces.template import Code, Photo, Plane, Template, Text

_NEAR = 0.02
"""Points by which places may differ: numbers are written rounded."""
_ASCENT, _DESCENT = 0.86, 0.14


class Kind(StrEnum):
    """What a difference is about."""

    FILE = "file"
    GROUND = "ground"
    MISSING = "missing"
    EXTRA = "extra"
    TEXT = "text"
    GLYPH = "glyph"
    PLACE = "place"
    COVERED = "covered"
    PHOTO = "photo"
    CODE = "code"
    BRAILLE = "braille"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between a PDF and the record: on which side, of what (a field, a plane), and why."""

    kind: Kind
    side: str
    what: str
    reason: str

    def __str__(self) -> str:
        return f"{self.side}: {self.what}: {self.reason}"


def compare_face(
    pdf: bytes,
    data: FaceData,
    template: Template,
    images: GlyphImages | None = None,
    photo: bytes | None = None,
) -> tuple[Difference, ...]:
    """Return in what a face's PDF differs from the data that it was to print; nothing where it matches.

    `images` are the glyph images that it may have; `photo` is the photo as it was prepared (PNG), else it is prepared
    again from `data`.  Stock and pre-print may be missing, since a printer may have them on its cards; the personal
    plane and the dots may not.  RecordError where the record itself cannot be printed.
    """
    place(data, template, images)  # refuses what cannot be printed
    wanted = photo if photo is not None else prepared_photo(data, template)
    try:
        return tuple(_Comparison(PdfFile(pdf), data, template, images, wanted).differences())
    except PdfError as error:
        return (Difference(Kind.FILE, "file", "PDF", str(error)),)
    except (KeyError, ValueError, TypeError) as error:  # a value that is not of the kind that must stand there
        return (Difference(Kind.FILE, "file", "PDF", f"is not made as faces are ({type(error).__name__})"),)


@dataclass
class _Comparison:
    file: PdfFile
    data: FaceData
    template: Template
    images: GlyphImages | None
    photo: bytes | None
    continued: dict[str, str] = field(default_factory=dict)

    def differences(self) -> Iterator[Difference]:
        pages = self.file.pages
        if len(pages) != len(Side):
            yield Difference(Kind.FILE, "file", "PDF", "has not two pages")
            return
        yield from self._whole()
        for side, page in zip(Side, pages, strict=True):
            yield from self._page(side, page)

    def _whole(self) -> Iterator[Difference]:
        catalogue = self.file.catalogue
        tree = self.file.mapping(catalogue["Pages"])
        if (catalogue.get("Type"), tree.get("Type"), tree.get("Count")) != ("Catalog", "Pages", len(Side)):
            yield Difference(Kind.FILE, "file", "PDF", "is not made as faces are")
        shown = optional_content(self._groups()) if "OCProperties" in catalogue else None
        if not catalogue.keys() <= {"Type", "Pages", "OCProperties"} or catalogue.get("OCProperties") != shown:
            yield Difference(Kind.FILE, "file", "PDF", "does more than show its pages")
        if self.file.mapping(self.file.trailer["Info"]) != INFO:
            yield Difference(Kind.EXTRA, "file", "PDF", "tells other things about itself than a face does")
        if reached(self.file, self.file.trailer["Root"], self.file.trailer["Info"]) != self.file.objects.keys():
            yield Difference(Kind.EXTRA, "file", "PDF", "has objects that stand on no page")

    def _groups(self) -> dict[str, Value]:
        """Return the file's optional content groups by their names."""
        found: dict[str, Value] = {}
        for group in self.file.array(self.file.mapping(self.file.catalogue.get("OCProperties", {})).get("OCGs", [])):
            name = self.file.mapping(group).get("Name")
            if not isinstance(name, bytes):
                raise PdfError("a layer has no name")
            found[name.decode("latin-1")] = group
        return found

    def _page(self, side: Side, page: Mapping[str, Value]) -> Iterator[Difference]:
        resources = self.file.mapping(page.get("Resources"))
        drawn = self.file.mapping(resources.get("XObject"))
        planes = [plane for plane in Plane if group_name(plane) in drawn]
        marks = Marks.NONE if page.get("MediaBox") == page.get("TrimBox") else Marks.CROP
        yield from self._frame(side, page, planes, marks)
        for plane in [*planes, None]:
            if plane not in (Plane.PERSONAL, Plane.EMBOSS):
                ref = drawn.get(ACROSS if plane is None else group_name(plane))
                yield from self._ground(side, plane, ref, marks.bleed)
        yield from self._emboss(side, drawn.get(group_name(Plane.EMBOSS)))
        if Plane.PERSONAL in planes:
            form = PaintedForm(self.file, drawn[group_name(Plane.PERSONAL)])
            painted = form.painted
            if not _alike(form.entries, form_entries(self.template)):
                yield Difference(Kind.FILE, side, Plane.PERSONAL, "is cut or turned")
        elif side is Side.FRONT:
            yield Difference(Kind.MISSING, side, Plane.PERSONAL, "is not there")
            return
        else:
            painted = []
        yield from self._personal(side, painted)

    def _frame(self, side: Side, page: Mapping[str, Value], planes: list[Plane], marks: Marks) -> Iterator[Difference]:
        """Compare the page itself: its boxes, its planes, how they are drawn."""
        wanted = boxes(self.template, marks)
        found = {key: page.get(key) for key in wanted}
        keys = {"Type", "Parent", "Resources", "Contents", *wanted}
        if page.keys() != keys or page["Type"] != "Page" or not _alike(found, wanted):
            yield Difference(Kind.FILE, side, "page", "has not the measures of the template")
        resources = self.file.mapping(page.get("Resources"))
        listed = self._groups()
        properties = list(self.file.mapping(resources["Properties"]).values())
        groups = [self.file.mapping(group) for group in properties]
        content = content_of(self.file.stream(page.get("Contents")))
        expected = page_content(self.template, planes, marks)
        if ACROSS not in self.file.mapping(resources["XObject"]):
            expected = expected.replace(f"/{ACROSS} Do\n".encode(), b"")
        known = {group_name(plane) for plane in planes} | {ACROSS}
        if content != expected or not self.file.mapping(resources["XObject"]).keys() <= known:
            yield Difference(Kind.FILE, side, "page", "draws something else than its planes")
        names = [group_name(plane) for plane in planes]
        named = groups == [{"Type": "OCG", "Name": name.encode()} for name in names]
        if not named or properties != [listed.get(name) for name in names]:
            yield Difference(Kind.FILE, side, "page", "calls its planes by other names")

    def _ground(self, side: Side, plane: Plane | None, ref: Value, bleed: float) -> Iterator[Difference]:
        found = None if ref is None else digest(self.file, ref)
        if found != _ground_digest(self.template, side, self.data.version.value, plane, bleed):
            yield Difference(Kind.GROUND, side, plane or "words across", "is not the template's")

    def _emboss(self, side: Side, ref: Value) -> Iterator[Difference]:
        """Compare the dots of the braille, and how they are drawn."""
        form = emboss_form(self.data, self.template, side)
        if (ref is None) != (form is None):
            kind, reason = (Kind.MISSING, "is not there") if ref is None else (Kind.EXTRA, "is on a side without any")
            yield Difference(kind, side, "braille", reason)
        elif form is not None and digest(self.file, ref) != _form_digest(form):
            yield Difference(Kind.BRAILLE, side, "braille", "the dots are not those of the record")

    def _personal(self, side: Side, painted: list[Painted]) -> Iterator[Difference]:
        runs = [item for item in painted if isinstance(item, Run)]
        others = [item for item in painted if not isinstance(item, Run)]
        layers = layers_of(self.template, side, self.data.version.value)
        texts = self.data.fields() if side is Side.FRONT else self.continued
        fields = (
            [layer for layer in layers if isinstance(layer, Text) and layer.field in texts]
            if side is Side.FRONT
            else back_boxes(list(texts), self.template)
        )
        for layer in fields:
            yield from self._field(side, layer, texts[layer.field], runs)
        if runs:
            yield Difference(Kind.EXTRA, side, "text", "something stands where nothing should")
        yield from self._pictures(side, layers, others)
        yield from _covered(side, painted)

    def _field(self, side: Side, layer: Text, text: str, runs: list[Run]) -> Iterator[Difference]:
        """Compare one field, and take its glyphs out of `runs`."""
        box, label_box = text_boxes(layer, self.template.height)
        found = [run for run in runs if inside(run, box)]
        label = [run for run in runs if run not in found and layer.label and inside(run, label_box)]
        for run in (*found, *label):
            runs.remove(run)
        if not found:
            yield Difference(Kind.MISSING, side, layer.field, "is not there")
            return
        wanted = glyphs(text, self.images)
        yield from self._characters(side, layer, wanted, found)
        if layer.label and tuple(run.text for run in label) != tuple(g.text for g in glyphs(layer.label)):
            yield Difference(Kind.TEXT, side, layer.field, "has another label")
        yield from _placing(side, layer, wanted, found, box)

    def _characters(
        self, side: Side, layer: Text, wanted: Sequence[Glyph], found: Sequence[Run]
    ) -> Iterator[Difference]:
        if len(found) > len(wanted) or (len(found) < len(wanted) and side is Side.BACK):
            yield Difference(Kind.TEXT, side, layer.field, "has not as many characters as the record")
        elif len(found) < len(wanted):  # the rest is on the back
            self.continued[layer.field] = "".join(glyph.text for glyph in wanted[len(found) :])
        for number, (glyph, run) in enumerate(zip(wanted, found, strict=False), 1):
            if run.text != glyph.text:
                yield Difference(Kind.TEXT, side, layer.field, f"character {number} has another text than the record")
            if not draws(run, glyph):
                yield Difference(Kind.GLYPH, side, layer.field, f"character {number} looks otherwise than it should")
        if any(run.colour != _colour(layer.colour) for run in found):
            yield Difference(Kind.PLACE, side, layer.field, "is not in the template's colour")

    def _pictures(self, side: Side, layers: Sequence[object], others: list[Painted]) -> Iterator[Difference]:
        """Compare photo and code; what is neither is a difference."""
        for layer in layers:
            match layer:
                case Photo() if self.photo is not None:
                    yield from self._photo(side, layer, others, self.photo)
                case Code():
                    yield from self._code(side, layer, others)
        if others:
            yield Difference(Kind.EXTRA, side, "picture", "something is painted that should not be")

    def _photo(self, side: Side, layer: Photo, others: list[Painted], photo: bytes) -> Iterator[Difference]:
        box = box_of(layer.x, layer.y, layer.width, layer.height, self.template.height)
        found = [item for item in others if isinstance(item, Picture) and same_box(item.box, box)]
        if len(found) != 1:
            yield Difference(Kind.MISSING, side, "photo", "is not in its place")
            return
        others.remove(found[0])
        stream, wanted = found[0].stream, photo_image(photo)
        if stream != wanted and pixels(stream) != pixels(wanted):  # packed otherwise, it may be the same picture
            yield Difference(Kind.PHOTO, side, "photo", "is another picture than the record's")

    def _code(self, side: Side, layer: Code, others: list[Painted]) -> Iterator[Difference]:
        """Read the modules off the grid, and compare them with what the record's code has."""
        module = layer.width / SIDE
        area = box_of(layer.x - module, layer.y - module, layer.width + 2 * module, layer.width + 2 * module,
                    self.template.height)  # fmt: skip
        inside = [item for item in others if not isinstance(item, Picture) and _within(item.box, area)]
        for item in inside:
            others.remove(item)
        ground_ok = inside and same_box(inside[0].box, area) and inside[0].colour == _colour("#FFFFFF")
        dark = set()
        for item in inside[1:]:
            column = round((item.box[0] / MM - layer.x) / module)
            row = round((self.template.height - layer.y - item.box[1] / MM) / module) - 1
            square = box_of(layer.x + column * module, layer.y + row * module, module, module, self.template.height)
            drawn = (square[0], square[1], square[0] + module * MM * OVERLAP, square[1] + module * MM * OVERLAP)
            if same_box(item.box, drawn) and item.colour == _colour("#101010"):
                dark.add((row, column))
        if not ground_ok or dark != modules(self.data.code) or len(dark) != len(inside) - 1:
            yield Difference(Kind.CODE, side, "code", "the two-dimensional code says something else")


@lru_cache(maxsize=64)
def _ground_digest(template: Template, side: Side, version: str, plane: Plane | None, bleed: float) -> bytes | None:
    form = ground(template, side, version, plane, bleed)
    return None if form is None else _form_digest(form)


def _form_digest(form: Form) -> bytes:
    document = Document()
    root = form.add(document)
    return digest(alone(document, root), root)


def draws(run: Run, glyph: Glyph) -> bool:
    """Return whether what is drawn is that glyph, by its outline."""
    font = glyph.font
    if isinstance(font, FontFile):
        outlines = run.font.outlines
        if outlines is None or run.font.name != font.name or not 0 < run.code < len(outlines):
            return False
        return same_outline(outlines[run.code], outlines, font.subsetter.outline(glyph.gid), font.subsetter)
    return run.font.procedures.get(run.code) == font.procedure(glyph.text)


def _placing(side: Side, layer: Text, wanted: Sequence[Glyph], found: Sequence[Run], box: Box) -> Iterator[Difference]:
    """Compare where the characters stand: side by side in lines, each below the other, within the field's box."""
    size = found[0].size
    good = layer.least - _NEAR <= size <= layer.size + _NEAR and all(run.size == size for run in found)
    for number, (glyph, run) in enumerate(zip(wanted, found, strict=False)):
        x, y = run.box[:2]
        end = x + glyph.advance * size / 1000
        good = good and box[0] - _NEAR <= x and end <= box[2] + _NEAR
        good = good and box[1] - _NEAR <= y - _DESCENT * size and y + _ASCENT * size <= box[3] + _NEAR
        if number:
            before, (old_x, old_y) = wanted[number - 1], found[number - 1].box[:2]
            beside = abs(x - old_x - before.advance * size / 1000) < _NEAR and y == old_y
            good = good and (beside or y <= old_y - size + _NEAR)
    if not good:
        yield Difference(Kind.PLACE, side, layer.field, "does not stand in its place as it should")


def _covered(side: Side, painted: Sequence[Painted]) -> Iterator[Difference]:
    """Find texts over which something is painted afterwards."""
    glyph_boxes = []
    for item in painted:
        if isinstance(item, Run):
            x, y = item.box[:2]
            glyph_boxes.append((x, y - _DESCENT * item.size, x + item.size / 2, y + _ASCENT * item.size))
        elif any(_overlap(box, item.box) for box in glyph_boxes):
            yield Difference(Kind.COVERED, side, "text", "lies under something that is painted over it")
            return


def text_boxes(layer: Text, height: float) -> tuple[Box, Box]:
    """Return a field's box and that of its label, whose line may stand a little above or below the field's own box."""
    field_box = box_of(layer.x + layer.label_width, layer.y, layer.width - layer.label_width, layer.height, height)
    return field_box, box_of(layer.x, layer.y, layer.label_width, layer.height, height)


def box_of(x: float, y: float, width: float, height: float, card: float) -> Box:
    """Return a box in points from millimetres that count from the upper left corner of a card of some height."""
    return x * MM, (card - y - height) * MM, (x + width) * MM, (card - y) * MM


def _colour(colour: str) -> tuple[float, ...]:
    return tuple(map(float, colour_numbers(colour).split()))


def inside(run: Run, box: Box) -> bool:
    """Return whether a glyph's origin lies in a box."""
    x, y = run.box[:2]
    return box[0] - _NEAR <= x < box[2] - _NEAR and box[1] - _NEAR <= y <= box[3] + _NEAR


def _within(inner: Box, outer: Box) -> bool:
    low = all(inner[i] >= outer[i] - _NEAR for i in (0, 1))
    return low and all(inner[i] <= outer[i] + _NEAR for i in (2, 3))


def same_box(one: Box, other: Box) -> bool:
    """Return whether two boxes are the same, but for the rounding of numbers."""
    return all(abs(a - b) < _NEAR for a, b in zip(one, other, strict=True))


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _alike(found: Value, wanted: Value) -> bool:
    """Return whether values are the same, but for the rounding of numbers."""
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        return found.keys() == wanted.keys() and all(_alike(found[key], wanted[key]) for key in wanted)
    if isinstance(found, list) and isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(_alike, found, wanted))
    if isinstance(found, (int, float)) and isinstance(wanted, (int, float)):
        return abs(found - wanted) < _NEAR
    return found == wanted
