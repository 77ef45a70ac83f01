"""The dots of the braille: where they stand, and that they are no ink."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import pypdfium2
import pytest

from jukicard.issuer.errors import RuleRefused
from jukicard.issuer.faces import FaceData, Template, prepare_face, template
from jukicard.issuer.faces.braille import braille, propose
from jukicard.issuer.faces.emboss import emboss_dots, emboss_place, emboss_room
from jukicard.issuer.faces.imposing import selected, sheet
from jukicard.issuer.faces.pages import PrintForm
from jukicard.issuer.faces.pdfreading import PdfFile, content_of
from jukicard.issuer.faces.placing import MM
from jukicard.issuer.faces.rendering import pictures
from jukicard.issuer.faces.template import Emboss, Plane
from jukicard.issuer.records.resident import Face
from tests.unit.faces.test_faces import data

TARO = braille(propose("ジュウキ タロウ"))
LONGEST = braille(propose("メメメメメメメメメメメ"))
SHEETS = [(version, name) for version in Face for name in ("2003", "2009")]


def embossed(version: Face = Face.B) -> FaceData:
    return replace(data("hanako" if version is Face.B else "taro", version), braille=TARO)


def with_emboss(name: str, **changes: float) -> Template:
    known = template(name)
    layers = (replace(layer, **changes) if isinstance(layer, Emboss) else layer for layer in known.layers)  # type: ignore[arg-type]
    return replace(known, layers=tuple(layers))


def test_dots_stand_where_the_cells_say() -> None:
    """ジュ is dots 45 and 1456; the pitches are those of Japanese braille."""
    dots = emboss_dots(TARO, template(), Face.A)
    assert [(dot.x, dot.y) for dot in dots[:6]] == [
        (19.13, 41.4),
        (19.13, 43.53),
        (22.4, 41.4),
        (24.53, 41.4),
        (24.53, 43.53),
        (24.53, 45.66),
    ]
    assert len(dots) == sum((ord(cell) - 0x2800).bit_count() for cell in TARO.unicode)


@pytest.mark.parametrize(("version", "name"), SHEETS)
def test_eleven_cells_lie_on_no_photo_code_chip_or_text(version: Face, name: str) -> None:
    chosen = template(name)
    place = emboss_place(chosen, version)
    assert 2.13 <= place.dot_pitch <= 2.37
    assert 5.1 <= place.cell_pitch <= 5.7
    dots = emboss_dots(LONGEST, chosen, version)
    assert len(dots) == 66
    left, top, right, bottom = emboss_room(place)
    radius = place.dot / 2
    assert all(left - 0.001 <= dot.x - radius and dot.x + radius <= right + 0.001 for dot in dots)
    assert all(top - 0.001 <= dot.y - radius and dot.y + radius <= bottom + 0.001 for dot in dots)
    face = prepare_face(replace(embossed(version), address="架空県見本市北町6丁目26番20号" * 3), chosen)
    assert [len(text.lines) for text in face.placing.front if text.field == "address"] in ([], [2])
    for text in face.placing.front:
        for line in (*text.lines, *text.label):
            ends = chosen.height - (line.y - 0.14 * line.size) / MM
            begins = chosen.height - (line.y + 0.8 * line.size) / MM
            assert ends <= top or begins >= bottom


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"dot_pitch": 2.5}, "dot_pitch of the emboss layer is 2.13 to 2.37 mm"),
        ({"cell_pitch": 6.2}, "cell_pitch"),
        ({"dot": 2.0}, "dot of the emboss layer"),
        ({"x": 2.0}, "edge"),
        ({"x": 26.0}, "edge"),
        ({"y": 47.0}, "edge"),
        ({"y": 24.0}, "chip"),
        ({"x": 24.0, "y": 24.0}, "photo"),
        ({"x": 10.0}, "code"),
    ],
)
def test_a_place_where_braille_must_not_be_is_refused(changes: dict[str, float], why: str) -> None:
    with pytest.raises(RuleRefused, match=re.escape(why)):
        prepare_face(embossed(), with_emboss("2009", **changes))


def test_a_template_without_a_place_is_refused_only_if_there_is_braille() -> None:
    known = template()
    bare = replace(known, layers=tuple(layer for layer in known.layers if not isinstance(layer, Emboss)))
    prepare_face(data(), bare)
    with pytest.raises(RuleRefused, match="no place for braille"):
        prepare_face(embossed(), bare)


def test_the_dots_are_a_layer_of_their_own_in_a_colour_of_their_own() -> None:
    """Off by default: what prints the PDF, and knows nothing of the layer, prints no dot."""
    face = prepare_face(embossed())
    plain = prepare_face(data()).pdf
    assert pictures(face.pdf, 150) == pictures(plain, 150)
    assert b"/Name <%b>" % b"Emboss".hex().upper().encode() in face.pdf
    assert b"/Separation /Emboss" in face.pdf
    switched_on = face.pdf.replace(b"/OFF [", b"/Off [")
    front, back = pictures(switched_on, 60)
    assert front != pictures(face.pdf, 60)[0]
    assert back == pictures(face.pdf, 60)[1]
    assert b"Emboss" not in plain
    assert b"Emboss".hex().upper().encode() not in plain


def test_an_embosser_gets_the_dots_alone_still_off() -> None:
    """Whatever the planes are taken for, a card by itself or a sheet of ten."""
    whole = prepare_face(embossed()).pdf
    assert selected(whole, (Plane.EMBOSS,)) != whole
    for made in (selected(whole, (Plane.EMBOSS,)), sheet([whole], tuple(Plane))):
        assert b"/Separation /Emboss" in made
        assert pictures(made.replace(b"/OFF [", b"/Off ["), 60)[0] != pictures(made, 60)[0]
    plain = sheet([prepare_face(data()).pdf], tuple(Plane))
    assert pictures(sheet([whole], tuple(Plane)), 60) == pictures(plain, 60)


def test_no_ink_is_drawn_over_the_dots() -> None:
    """Process colours over a spot colour take it away from its plate, unless they overprint."""
    page = content_of(PdfFile(whole := prepare_face(embossed()).pdf).stream(PdfFile(whole).pages[0]["Contents"]))
    assert page.index(b"/Across Do") < page.index(b"/Emboss Do")


def test_the_layer_has_the_dots_at_their_places() -> None:
    page = pypdfium2.PdfDocument(prepare_face(embossed()).pdf)[0]
    (*_, form) = page.get_objects(filter=[5], max_depth=1)
    assert form.get_bounds()[2] - form.get_bounds()[0] < 60 * MM
    alone = pypdfium2.PdfDocument(prepare_face(embossed(), form=PrintForm((Plane.EMBOSS,))).pdf)[0]
    drawn = [found.get_bounds() for found in alone.get_objects(filter=[2], max_depth=2) if found.level == 1]
    middles = [((left + right) / 2 / MM, 53.98 - (bottom + top) / 2 / MM) for left, bottom, right, top in drawn]
    expected = [(dot.x, dot.y) for dot in emboss_dots(TARO, template(), Face.B)]
    assert [pytest.approx(middle, abs=0.02) for middle in middles] == expected
    assert all(right - left == pytest.approx(1.35 * MM, abs=0.05) for left, _, right, _ in drawn)


def test_the_facts_have_the_braille() -> None:
    facts = prepare_face(embossed()).facts()["braille"]
    assert isinstance(facts, dict)
    assert (facts["reading"], facts["unicode"], facts["cells"]) == ("ジューキ　タロー", "⠘⠹⠒⠣⠀⠕⠚⠒", 8)
    assert facts["brf"] == "^?3< OJ3"
    assert all(a != b for a, b in pairwise(facts["dots"]))
    assert "braille" not in prepare_face(data()).facts()
