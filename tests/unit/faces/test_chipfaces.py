"""The pictures of a face that the chip holds, and prints and scans held against them."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageFilter

from jukicard.applets.faceverification.records import FaceRecord
from jukicard.issuer.errors import RecordError
from jukicard.issuer.faces import prepare_face, template
from jukicard.issuer.faces.chipimages import EM, PHOTO_BYTES, PHOTO_SIZE, FaceImages, face_images, glyph_problems
from jukicard.issuer.faces.chipmatching import compare_with_chip, read_printed
from jukicard.issuer.faces.data import FaceData
from jukicard.issuer.faces.face import PreparedFace
from jukicard.issuer.faces.glyphimages import GlyphImages
from jukicard.issuer.faces.pages import PrintForm
from jukicard.issuer.faces.rendering import pictures
from jukicard.issuer.faces.scanmatching import compare_scan_with_chip
from jukicard.issuer.faces.template import Plane
from jukicard.issuer.records.resident import Face
from tests.unit.faces.test_faces import EXAMPLES, data

LONG = "架空県見本市北町6丁目26番20号見本団地東棟第3号館1204号室気付見本方"


def prepared(face: FaceData, name: str = "2003") -> PreparedFace:
    return prepare_face(face, template(name))


def images(face: PreparedFace) -> FaceImages:
    return face_images(face.data, face.photo)


def record(face: PreparedFace, **changes: object) -> FaceRecord:
    """What a chip of that face would hold; the record of hanako or taro."""
    made = images(face)
    expires = f"{face.data.expires:%Y%m%d}"
    point = b"\x04" + bytes(64)
    if face.data.version is Face.A:
        return replace(FaceRecord(point, expires, made.name), **changes)  # type: ignore[arg-type]
    whole = FaceRecord(point, expires, made.name, "19781123", "2", made.address, made.photo)
    return replace(whole, **changes)  # type: ignore[arg-type]


def opened(content: bytes | None) -> Image.Image:
    assert content is not None
    return Image.open(BytesIO(content))


def as_png(picture: Image.Image) -> bytes:
    out = BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def told(differences: object) -> list[str]:
    return [difference.what for difference in differences]  # type: ignore[attr-defined]


def test_names_are_one_bit_pictures_in_rows_of_twenty_characters() -> None:
    made = images(prepared(data(name="hanako")))
    name = opened(made.name)
    assert (name.mode, name.size) == ("1", (5 * EM, EM))
    long = opened(images(prepared(data(address="見" * 45))).address)
    assert long.size == (20 * EM, 3 * EM)
    assert long.crop((5 * EM, 2 * EM, 20 * EM, 3 * EM)).getextrema() == (255, 255)
    assert as_png(long.crop((0, 0, EM, EM))) == as_png(long.crop((19 * EM, EM, 20 * EM, 2 * EM)))


def test_the_photo_is_a_small_grey_jpeg_2000() -> None:
    photo = images(prepared(data())).photo
    assert photo is not None
    assert 0.5 * PHOTO_BYTES < len(photo) <= PHOTO_BYTES + 200
    assert (opened(photo).format, opened(photo).mode, opened(photo).size) == ("JPEG2000", "L", PHOTO_SIZE)


def test_an_a_card_has_a_name_and_nothing_else() -> None:
    made = images(prepared(data(face=Face.A)))
    assert made.name
    assert made.address is made.photo is None


def test_a_picture_is_the_same_whenever_it_is_made() -> None:
    first = images(prepared(data(address=LONG)))
    images(prepared(data(address="そのほかの文字をさきに")))
    assert images(prepared(data(address=LONG))) == first


def test_a_variant_of_a_character_is_drawn_as_that_variant() -> None:
    plain, variant = (images(prepared(replace(data(), name=name))) for name in ("葛", "葛\U000e0100"))
    other = images(prepared(replace(data(), name="葛\U000e0101")))
    assert {plain.name, variant.name, other.name} != {plain.name}


def test_glyph_images_are_drawn(tmp_path: Path) -> None:
    picture = Image.new("1", (128, 128), 1)
    picture.paste(0, (32, 32, 96, 96))
    picture.save(tmp_path / "U+E000.png")
    made = opened(face_images(replace(data(), name="見\ue000"), None, GlyphImages(tmp_path)).name)
    glyph = made.crop((EM, 0, 2 * EM, EM))
    assert glyph.getpixel((EM // 2, EM // 2)) == 0
    assert glyph.getpixel((2, 2)) == 255


def test_characters_that_no_font_has_are_refused() -> None:
    face = replace(data(), name="\ue001", address="\ue000")
    assert [problem.field for problem in glyph_problems(face)] == ["name", "address"]
    assert glyph_problems(data()) == []
    with pytest.raises(RecordError, match=r"name.*U\+E001"):
        face_images(face, None)


@pytest.mark.parametrize("name", ["2003", "2009"])
@pytest.mark.parametrize("face", [Face.A, Face.B], ids=["A", "B"])
def test_a_pdf_and_its_picture_match_their_own_chip(name: str, face: Face) -> None:
    made = prepared(data(face=face), name)
    assert compare_with_chip(made.pdf, record(made), made.template) == ()
    for dpi in (300, 600):
        assert compare_scan_with_chip(pictures(made.pdf, dpi)[0], record(made), made.template) == ()


def test_a_printed_layer_alone_is_enough_and_text_that_goes_on_on_the_back_counts() -> None:
    face = data(address=LONG * 4)
    made = prepare_face(face, template("2003"), form=PrintForm((Plane.PERSONAL,)))
    assert made.placing.back
    assert read_printed(made.pdf, "B", made.template).texts["address"] == LONG * 4
    assert compare_with_chip(made.pdf, record(made), made.template) == ()
    shorter = prepared(data(address=LONG * 4 + "方"))
    assert told(compare_with_chip(made.pdf, record(shorter), made.template)) == ["address"]


OTHERS: dict[str, dict[str, str]] = {
    "name": {"name": "見本　花江"},
    "address": {"address": "架空県見本市北町6丁目26番21号"},
}


@pytest.mark.parametrize("what", OTHERS)
def test_one_other_character_is_found(what: str) -> None:
    made = prepared(data())
    other = images(prepared(replace(data(), **OTHERS[what])))
    spoilt = record(made, **{what: getattr(other, what)})
    assert told(compare_with_chip(made.pdf, spoilt, made.template)) == [what]
    assert told(compare_scan_with_chip(pictures(made.pdf)[0], spoilt, made.template)) == [what]


def test_another_photo_is_found() -> None:
    made = prepared(data())
    turned = opened(record(made).photo).rotate(180)
    out = BytesIO()
    turned.save(out, "JPEG2000")
    for photo in (out.getvalue(), b"no picture", record(made).name):
        spoilt = record(made, photo=photo)
        assert told(compare_with_chip(made.pdf, spoilt, made.template)) == ["photo"]
        assert told(compare_scan_with_chip(pictures(made.pdf)[0], spoilt, made.template)) == ["photo"]


@pytest.mark.parametrize(
    ("part", "value", "what"),
    [("expires", "20360402", "expiry"), ("birth", "19781124", "birth"), ("sex", "1", "sex")],
)
def test_other_texts_are_found_in_a_pdf(part: str, value: str, what: str) -> None:
    made = prepared(data())
    assert told(compare_with_chip(made.pdf, record(made, **{part: value}), made.template)) == [what]


def test_a_print_of_the_other_version_is_no_match() -> None:
    a, b = prepared(data(face=Face.A)), prepared(data())
    assert set(told(compare_with_chip(a.pdf, record(b), b.template))) >= {"address", "birth", "sex", "photo"}
    assert compare_with_chip(b.pdf, record(a), a.template)


@pytest.mark.parametrize("spoil", [lambda pdf: pdf[:-1], lambda pdf: b"%PDF-1.4", lambda pdf: b""])
def test_what_is_no_face_is_told(spoil: object) -> None:
    made = prepared(data())
    assert told(compare_with_chip(spoil(made.pdf), record(made), made.template)) == ["PDF"]  # type: ignore[operator]


def test_a_scan_may_be_a_little_out_of_place_blurred_or_noisy() -> None:
    made = prepared(data())
    front = opened(pictures(made.pdf)[0]).convert("RGB")
    noise = Image.effect_noise(front.size, 60).convert("RGB")
    scans = (
        ImageChops.offset(front, 4, -3),
        front.filter(ImageFilter.GaussianBlur(0.8)),
        Image.blend(front, noise, 0.15),
    )
    for scan in scans:
        assert compare_scan_with_chip(as_png(scan), record(made), made.template) == ()


def test_a_picture_that_is_no_card_is_told() -> None:
    made = prepared(data())
    front = pictures(made.pdf)[0]
    square = as_png(Image.new("L", (600, 600), 255))
    for content in (square, front[:2000], (EXAMPLES / "portrait-drawn.png").read_bytes()):
        assert told(compare_scan_with_chip(content, record(made), made.template)) == ["picture"]
    empty = as_png(Image.new("L", (1011, 638), 255))
    assert told(compare_scan_with_chip(empty, record(made), made.template)) == ["name", "address", "photo"]
