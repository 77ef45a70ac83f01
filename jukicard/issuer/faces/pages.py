"""The pages of a card's PDF: planes as optional content (ISO 32000-1, 8.11), page boxes, crop marks.

A page's own content does nothing but draw forms, one for each plane; so a plane can be left out, and the pages be
imposed on a sheet, without touching what is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from jukicard.issuer.faces.content import Content
from jukicard.issuer.faces.pdf import Document, Name, Ref, Value, deflated
from jukicard.issuer.faces.placing import MM
from jukicard.issuer.faces.template import Plane, Template

ACROSS = "Across"
"""The form with the words across the card, which is on no plane."""

INFO: Mapping[str, Value] = {"Title": b"Juki card face (TEST)", "Producer": b"jukicard"}


class Marks(Enum):
    """What a page has around the card: nothing, or 3 mm of bleed and crop marks (lengths in points)."""

    NONE = (0.0, 0.0)
    CROP = (3 * MM, 8 * MM)

    @property
    def bleed(self) -> float:
        """How far the ground goes on beyond the card."""
        return self.value[0]

    @property
    def slug(self) -> float:
        """How far the page goes on beyond the card."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class PrintForm:
    """In which form a face is printed: the planes that are, in their order, and the marks around it."""

    planes: tuple[Plane, ...] = tuple(Plane)
    marks: Marks = Marks.NONE


def page_content(template: Template, planes: Sequence[Plane], marks: Marks) -> bytes:
    """Return the content stream of a page that has these planes."""
    content = Content()
    wide, high = template.width * MM, template.height * MM
    with content.saved():
        if marks is Marks.NONE:
            content.clip_card(wide, high, template.corner * MM)
        else:
            content.transform(1, 0, 0, 1, marks.slug, marks.slug)
            bleed = marks.bleed
            content.clip_rectangle(-bleed, -bleed, wide + 2 * bleed, high + 2 * bleed)
        content.optional(group_name(plane) for plane in planes if plane.is_ink)
        content.form(ACROSS)
        content.optional(group_name(plane) for plane in planes if not plane.is_ink)  # ink over them takes dots away
    if marks is not Marks.NONE:
        crop_marks(content, (marks.slug, marks.slug + wide), (marks.slug, marks.slug + high), marks.bleed)
    return content.bytes()


def crop_marks(
    content: Content, across: Sequence[float], up: Sequence[float], gap: float, length: float = 4 * MM
) -> None:
    """Draw marks where to cut, outside of the rectangle that the first and last of the cuts enclose."""
    content.stroke("#000000", 0.25)
    for x in across:
        content.line([(x, min(up) - gap - length), (x, min(up) - gap)])
        content.line([(x, max(up) + gap), (x, max(up) + gap + length)])
    for y in up:
        content.line([(min(across) - gap - length, y), (min(across) - gap, y)])
        content.line([(max(across) + gap, y), (max(across) + gap + length, y)])


def group_name(plane: Plane) -> str:
    """Return the name of a plane's optional content group, and of its form."""
    return plane.value.capitalize()


class CardPages:
    """The pages of one card in a document."""

    def __init__(self, document: Document, template: Template, form: PrintForm) -> None:
        self._document = document
        self._template = template
        self._form = form
        self._tree = document.reserve()
        self._kids: list[Ref] = []
        self._groups: dict[str, Ref] = {}

    def add(self, forms: Mapping[Plane, Ref], across: Ref | None) -> None:
        """Add a page of these forms."""
        planes = [plane for plane in self._form.planes if plane in forms]
        content = page_content(self._template, planes, self._form.marks)
        drawn = {group_name(plane): forms[plane] for plane in planes}
        groups = {name: optional_group(self._document, name) for name in drawn}
        self._groups |= groups
        if across is None:
            content = content.replace(f"/{ACROSS} Do\n".encode(), b"")
        else:
            drawn[ACROSS] = across
        page: dict[str, Value] = {
            "Type": Name("Page"),
            "Parent": self._tree,
            **boxes(self._template, self._form.marks),
            "Resources": {"XObject": drawn, "Properties": groups},
            "Contents": self._document.add(deflated(content)),
        }
        self._kids.append(self._document.reserve())
        self._document.put(self._kids[-1], page)

    def file(self) -> bytes:
        """Return the whole file."""
        return finished(self._document, self._tree, self._kids, self._groups)


def boxes(template: Template, marks: Marks) -> dict[str, Value]:
    """Return the page's boxes (14.11.2): the whole page, what bleeds, and what is left when it is cut."""
    wide, high = template.width * MM, template.height * MM

    def box(beyond: float) -> list[Value]:
        start = marks.slug - beyond
        return [start, start, marks.slug + wide + beyond, marks.slug + high + beyond]

    return {"MediaBox": box(marks.slug), "BleedBox": box(marks.bleed), "TrimBox": box(0.0)}


def optional_group(document: Document, name: str) -> Ref:
    """Return the optional content group of that name (8.11.2.1)."""
    return document.add({"Type": Name("OCG"), "Name": name.encode()})


def optional_content(groups: Mapping[str, Value]) -> dict[str, Value]:
    """Return the entry of optional content groups by name in the catalogue (8.11.4): ink is shown, all else is off."""
    unprinted = {group_name(plane) for plane in Plane if not plane.is_ink}
    listed = list(groups.values())
    default: dict[str, Value] = {
        "ON": [group for name, group in groups.items() if name not in unprinted],
        "Order": listed,
    }
    off = [group for name, group in groups.items() if name in unprinted]
    return {"OCGs": listed, "D": default | ({"OFF": off} if off else {})}


def finished(document: Document, tree: Ref, kids: Sequence[Ref], groups: Mapping[str, Ref]) -> bytes:
    """Return the file of some pages, with its optional content groups by name."""
    document.put(tree, {"Type": Name("Pages"), "Count": len(kids), "Kids": list(kids)})
    catalogue: dict[str, Value] = {"Type": Name("Catalog"), "Pages": tree}
    if groups:
        catalogue["OCProperties"] = optional_content(groups)
    return document.file(document.add(catalogue), document.add(INFO))
