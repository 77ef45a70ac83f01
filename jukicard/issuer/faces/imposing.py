"""Cards' PDFs put to use: only some of their planes, or ten of them on a sheet of A4 for an office's printer.

Nothing is drawn anew: the forms of the cards' pages are copied as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jukicard.issuer.errors import RuleRefused
from jukicard.issuer.faces.content import Content
from jukicard.issuer.faces.pages import ACROSS, crop_marks, finished, group_name, optional_group
from jukicard.issuer.faces.pdf import Document, Name, Ref, Stream, Value, deflated
from jukicard.issuer.faces.pdfreading import PdfError, PdfFile, content_of
from jukicard.issuer.faces.placing import MM
from jukicard.issuer.faces.template import Plane

PAPER = (210 * MM, 297 * MM)
COLUMNS, ROWS = 2, 5
GAP = 3 * MM
"""Between two cards on a sheet."""

_PLANE = re.compile(rb"/OC /([A-Za-z]+) BDC /\1 Do EMC\n")


def selected(pdf: bytes, planes: Sequence[Plane]) -> bytes:
    """Return a card's PDF with only some of its planes.  RuleRefused where it is no PDF of a card."""
    file = _read(pdf)
    document = Document()
    copy = _Copy(file, document, planes)
    tree, kids = document.reserve(), []
    for page in file.pages:
        content, resources = copy.page(page)
        kids.append(document.reserve())
        boxes = {key: box for key, box in page.items() if key.endswith("Box")}
        entries: dict[str, Value] = {"Type": Name("Page"), "Parent": tree, **boxes, "Resources": resources}
        document.put(kids[-1], {**entries, "Contents": document.add(deflated(content))})
    return finished(document, tree, kids, copy.groups)


def sheet(pdfs: Sequence[bytes], planes: Sequence[Plane]) -> bytes:
    """Return cards on sheets of A4, ten on each, with cut marks: fronts, then their backs, for duplex printing.

    The backs' columns are in the other order, so that each comes behind its front when the sheet is turned over its
    long edge.  RuleRefused where one is no PDF of a card, or of another size than the first.
    """
    document = Document()
    tree, kids, groups = document.reserve(), [], dict[str, Ref]()
    cards = [_Card.of(pdf, document, planes, groups) for pdf in pdfs]
    if len({card.size for card in cards}) != 1:
        raise RuleRefused("there are no cards for the sheet, or they are of different sizes")
    each = COLUMNS * ROWS
    for start in range(0, len(cards), each):
        for side in range(len(cards[0].sides)):
            page = _sheet_page(document, tree, cards[start : start + each], side)
            kids.append(document.reserve())
            document.put(kids[-1], page)
    return finished(document, tree, kids, groups)


@dataclass(frozen=True, slots=True)
class _Card:
    """A card in a sheet's document: its size in points, and each side as a form with its corner at (0, 0)."""

    size: tuple[float, float]
    sides: tuple[Ref, ...]

    @classmethod
    def of(cls, pdf: bytes, document: Document, planes: Sequence[Plane], groups: dict[str, Ref]) -> _Card:
        file = _read(pdf)
        copy = _Copy(file, document, planes, groups)
        sides, sizes = [], set()
        for page in file.pages:
            content, resources = copy.page(page)
            match page.get("TrimBox"):
                case [
                    float() | int() as left,
                    float() | int() as low,
                    float() | int() as right,
                    float() | int() as top,
                ]:
                    sizes.add((round(right - left, 2), round(top - low, 2)))
                case _:
                    raise RuleRefused("a card's PDF does not say where the card is cut")
            entries: dict[str, Value] = {"Type": Name("XObject"), "Subtype": Name("Form"), "Resources": resources}
            entries |= {"BBox": [left, low, right, top], "Matrix": [1, 0, 0, 1, -left, -low]}
            packed = deflated(content)
            sides.append(document.add(Stream(packed.data, {**packed.entries, **entries})))
        if len(sizes) != 1 or len(sides) != 2:
            raise RuleRefused("a card's PDF has not a front and a back of one size")
        return cls(sizes.pop(), tuple(sides))


def _sheet_page(document: Document, tree: Ref, cards: Sequence[_Card], side: int) -> dict[str, Value]:
    wide, high = cards[0].size
    left = (PAPER[0] - COLUMNS * wide - (COLUMNS - 1) * GAP) / 2
    top = (PAPER[1] + ROWS * high + (ROWS - 1) * GAP) / 2
    columns = [left + column * (wide + GAP) for column in range(COLUMNS)]
    rows = [top - high - row * (high + GAP) for row in range(ROWS)]
    content, forms = Content(), dict[str, Value]()
    for number, card in enumerate(cards):
        row, column = divmod(number, COLUMNS)
        forms[f"C{number + 1}"] = card.sides[side]
        with content.saved():
            content.transform(1, 0, 0, 1, columns[column if side == 0 else COLUMNS - 1 - column], rows[row])
            content.form(f"C{number + 1}")
    cuts = [edge for start in columns for edge in (start, start + wide)]
    crop_marks(content, cuts, [edge for start in rows for edge in (start, start + high)], 1.5 * MM, 3 * MM)
    return {
        "Type": Name("Page"),
        "Parent": tree,
        "MediaBox": [0, 0, *PAPER],
        "Resources": {"XObject": forms},
        "Contents": document.add(deflated(content.bytes())),
    }


def _read(pdf: bytes) -> PdfFile:
    try:
        return PdfFile(pdf)
    except PdfError as error:
        raise RuleRefused(f"the PDF is not one of a card's face: {error}") from error


class _Copy:
    """Objects of a file copied into a document; `groups` are the document's optional content groups by name."""

    def __init__(
        self, file: PdfFile, document: Document, planes: Sequence[Plane], groups: dict[str, Ref] | None = None
    ) -> None:
        self._file = file
        self._document = document
        self._names = {group_name(plane) for plane in planes}
        self._refs: dict[int, Ref] = {}
        self.groups = {} if groups is None else groups

    def page(self, page: Mapping[str, Value]) -> tuple[bytes, Value]:
        """Return the content of a page without the planes that are not wanted, and its resources, copied."""
        try:
            resources = self._file.mapping(page.get("Resources"))
            drawn = self._file.mapping(resources.get("XObject"))
            content = content_of(self._file.stream(page.get("Contents")))
        except PdfError as error:
            raise RuleRefused(f"the PDF is not one of a card's face: {error}") from error
        kept = [name for name in drawn if name in self._names]
        content = _PLANE.sub(lambda found: found[0] if found[1].decode() in self._names else b"", content)
        for name in kept:
            if name not in self.groups:
                self.groups[name] = optional_group(self._document, name)
        forms = {name: self._copied(form) for name, form in drawn.items() if name in (*kept, ACROSS)}
        return content, {"XObject": forms, "Properties": {name: self.groups[name] for name in kept}}

    def _copied(self, value: Value) -> Value:
        match value:
            case Ref():
                if value.number not in self._refs:
                    self._refs[value.number] = self._document.add(self._copied(self._file.resolve(value)))
                return self._refs[value.number]
            case Stream():
                entries = {key: self._copied(entry) for key, entry in value.entries.items()}
                return Stream(value.data, entries)
            case dict():
                return {key: self._copied(entry) for key, entry in value.items()}
            case list():
                return [self._copied(entry) for entry in value]
        return value
