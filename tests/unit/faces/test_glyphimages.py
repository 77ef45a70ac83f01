"""外字: a character that no font has is drawn from its image, reads as itself, and is held to its image."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image, ImageDraw

from jukicard.issuer.errors import RecordError, RuleRefused
from jukicard.issuer.faces import prepare_face, template
from jukicard.issuer.faces.glyphimages import GlyphImages
from jukicard.issuer.faces.matching import Kind, compare_face
from jukicard.issuer.faces.placing import MM
from jukicard.issuer.records.resident import RecordRules, ResidentRecord
from tests.support.forging import forged
from tests.unit.faces.test_faces import CITY, TODAY, data

BITMAP, DRAWN = "\ue000", "\U000f0123"
SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100">
<!-- a gate with a roof: drawn for this test -->
<path d="M10 20 h80 v10 h-80 z M20 30 h8 v60 h-8 z M72 30 h8 v60 h-8 z"/>
<path d="M40 45 Q50 35 60 45 C60 60 55 70 50 70 S40 60 40 45 Z"/>
</svg>
"""


def folder(path: Path, side: int = 160) -> Path:
    """Two images of our own: a bitmap (a cross in a ring) and an outline (a gate)."""
    picture = Image.new("L", (side, side), 255)
    draw = ImageDraw.Draw(picture)
    draw.ellipse((8, 8, side - 9, side - 9), outline=0, width=10)
    draw.line((side // 2, 20, side // 2, side - 20), fill=0, width=10)
    draw.line((20, side // 2, side - 20, side // 2), fill=0, width=10)
    picture.save(path / "U+E000.png")
    (path / "U+F0123.svg").write_text(SVG, encoding="utf-8")
    (path / "README").write_text("not an image", encoding="utf-8")
    return path


def test_characters_with_images_are_drawn_and_read_back_as_themselves(tmp_path: Path) -> None:
    images = GlyphImages(folder(tmp_path))
    assert images.characters == {BITMAP, DRAWN}
    given = replace(data(), name=f"{BITMAP}{DRAWN}　花子")
    face = prepare_face(given, images=images)
    document = pypdfium2.PdfDocument(face.pdf)
    text = re.sub(r"\s", "", document[0].get_textpage().get_text_range())
    assert f"{BITMAP}{DRAWN}花子" in text
    assert compare_face(face.pdf, given, template(), images) == ()
    (placed,) = (placed for placed in face.placing.front if placed.field == "name")
    line, scale = placed.lines[0], 8
    page = document[0].render(scale=scale).to_pil().convert("L")
    for number, ink in enumerate((0.25, 0.2)):
        x, y = (line.x + number * line.size) * scale, (53.98 * MM - line.y - 0.86 * line.size) * scale
        size = line.size * scale
        glyph = page.crop((round(x), round(y), round(x + size), round(y + size)))
        dark = sum(value < 100 for value in glyph.get_flattened_data()) / (glyph.width * glyph.height)
        assert abs(dark - ink) < 0.1, number


def test_without_its_image_a_character_is_refused_by_its_code_point(tmp_path: Path) -> None:
    given = replace(data(), name=BITMAP)
    with pytest.raises(RecordError, match=r"U\+E000"):
        prepare_face(given)
    (folder(tmp_path) / "U+E000.png").unlink()
    with pytest.raises(RecordError, match=r"U\+E000"):
        prepare_face(given, images=GlyphImages(tmp_path))


def test_a_record_may_have_the_characters_that_have_images_and_no_others() -> None:
    mapping = {
        "resident_code": "73059182460",
        "name": f"見本　{BITMAP}",
        "kana": "ミホン",
        "birth_date": "1978-11-23",
        "sex": "female",
        "address": "架空県見本市",
        "city_code": "99201",
        "face": "A",
    }
    rules = RecordRules(TODAY, CITY.code)
    with pytest.raises(RecordError, match=r"U\+E000.*no glyph image"):
        ResidentRecord.from_mapping(mapping, rules, label="r", folder=Path())
    record = ResidentRecord.from_mapping(
        mapping, replace(rules, glyph_images=frozenset(BITMAP)), label="r", folder=Path()
    )
    assert record.name.endswith(BITMAP)
    with pytest.raises(RecordError, match=r"U\+F0123"):
        ResidentRecord.from_mapping(
            {**mapping, "name": DRAWN}, replace(rules, glyph_images=frozenset(BITMAP)), label="r", folder=Path()
        )


def test_another_image_of_the_same_character_is_found(tmp_path: Path) -> None:
    images = GlyphImages(folder(tmp_path))
    given = replace(data(), name=f"{BITMAP}{DRAWN}")
    pdf = prepare_face(given, images=images).pdf
    (tmp_path / "U+F0123.svg").write_text(SVG.replace("h80", "h70"), encoding="utf-8")
    found = compare_face(pdf, given, template(), GlyphImages(tmp_path))
    assert {(difference.kind, difference.what) for difference in found} == {(Kind.GLYPH, "name")}

    def swap(file: object) -> None:
        font = next(v for v in file.objects.values() if isinstance(v, dict) and "CharProcs" in v)  # type: ignore[attr-defined]
        font["CharProcs"] = dict(zip(font["CharProcs"], reversed(font["CharProcs"].values()), strict=True))

    found = compare_face(forged(pdf, swap), given, template(), images)
    assert {difference.kind for difference in found} == {Kind.GLYPH}


def _small(path: Path) -> None:
    Image.new("L", (64, 64)).save(path / "U+E001.png")


def _oblong(path: Path) -> None:
    Image.new("L", (200, 300)).save(path / "U+E001.png")


def _empty(path: Path) -> None:
    Image.new("L", (200, 200), 255).save(path / "U+E001.png")


def _no_image(path: Path) -> None:
    (path / "U+E001.png").write_bytes(b"no image")


def _entity(path: Path) -> None:
    (path / "U+E001.svg").write_text('<!DOCTYPE svg [<!ENTITY a "b">]>' + SVG, encoding="utf-8")


def _no_box(path: Path) -> None:
    (path / "U+E001.svg").write_text(SVG.replace("0 0 100 100", "0 0 100 200"), encoding="utf-8")


def _no_path(path: Path) -> None:
    (path / "U+E001.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"/>', encoding="utf-8")


@pytest.mark.parametrize("make", [_small, _oblong, _empty, _no_image, _entity, _no_box, _no_path])
def test_an_image_that_is_none_is_refused_by_its_name(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path)
    with pytest.raises(RuleRefused, match=r"U\+E001"):
        GlyphImages(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuleRefused, match="cannot be read"):
        GlyphImages(tmp_path / "absent")
