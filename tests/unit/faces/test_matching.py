"""The match: a face's PDF that prints anything else than its record says is found out, whatever it is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pypdfium2
import pytest
from PIL import Image

from jukicard.issuer.errors import RecordError
from jukicard.issuer.faces import FaceData, prepare_face, template
from jukicard.issuer.faces.braille import Braille, braille, propose
from jukicard.issuer.faces.drawing import FaceDrawing
from jukicard.issuer.faces.matching import Difference, Kind, compare_face
from jukicard.issuer.faces.pages import Marks, PrintForm
from jukicard.issuer.faces.pdf import Name, Ref
from jukicard.issuer.faces.pdfreading import PdfFile
from jukicard.issuer.faces.placing import Placing, place
from jukicard.issuer.faces.template import Photo, Plane
from jukicard.issuer.records.resident import Face
from tests.support.forging import forged, with_content, with_unicode
from tests.unit.faces.test_faces import data

B = template("2009")
PERSONAL = PrintForm((Plane.PERSONAL,))


def drawn(given: FaceData) -> bytes:
    return prepare_face(given, B, form=PERSONAL).pdf


def kinds(pdf: bytes, wanted: FaceData | None = None) -> set[tuple[Kind, str]]:
    return {(found.kind, found.what) for found in compare_face(pdf, wanted or data(), B)}


@pytest.mark.parametrize("name", ["2003", "2009"])
@pytest.mark.parametrize("version", [Face.A, Face.B], ids=["A", "B"])
@pytest.mark.parametrize("form", [PrintForm(), PERSONAL, PrintForm(marks=Marks.CROP)], ids=["all", "personal", "crop"])
def test_what_was_drawn_matches(name: str, version: Face, form: PrintForm) -> None:
    given, chosen = data(face=version), template(name)
    assert compare_face(prepare_face(given, chosen, form=form).pdf, given, chosen) == ()


@pytest.mark.parametrize("name", ["𠮷田　花子JOHN", "葛\U000e0100城", "見" * 80, "が゙i"], ids=str.__len__)
def test_hard_names_match_and_are_told_apart_from_others(name: str) -> None:
    given = replace(data(), name=name)
    assert kinds(drawn(given), given) == set()
    assert {what for _, what in kinds(drawn(given))} - {"text"} == {"name"}


def test_an_address_that_goes_on_on_the_back_is_read_on_both_sides() -> None:
    given = replace(data(), address="架空県見本市北町" * 18)
    pdf = prepare_face(given, B).pdf
    assert kinds(pdf, given) == set()
    other = replace(given, address=given.address[:-1] + "街" if given.address else None)
    assert kinds(pdf, other) == {(Kind.TEXT, "address"), (Kind.GLYPH, "address")}
    assert (Kind.EXTRA, "text") in kinds(pdf, replace(data(), address="架空県見本市北町"))


def test_another_portrait_is_found(tmp_path: Path) -> None:
    other = tmp_path / "other.png"
    given = data()
    assert given.photo is not None
    with Image.open(given.photo) as picture:
        changed = picture.convert("RGB")
        changed.paste((200, 190, 180), (420, 600, 440, 620))  # a spot on a cheek
        changed.save(other)
    assert kinds(drawn(replace(given, photo=other))) == {(Kind.PHOTO, "photo")}


def test_a_wrong_glyph_with_the_right_text_is_found() -> None:
    """A reader of texts sees 見本 花子; people see 見木 花子."""
    pdf = with_unicode(drawn(replace(data(), name="見木　花子")), "木", "本")
    assert kinds(pdf) == {(Kind.GLYPH, "name")}


def test_the_right_glyph_with_a_wrong_text_is_found() -> None:
    assert kinds(with_unicode(drawn(data()), "花", "華")) == {(Kind.TEXT, "name")}


@pytest.mark.parametrize("field", ["title", "city", "expiry", "birth", "sex", "name", "address", "contact"])
def test_a_field_that_is_missing_is_found(field: str) -> None:
    given = data()
    placing = place(given, B)
    without = Placing(tuple(placed for placed in placing.front if placed.field != field), placing.back)
    photo = prepare_face(given, B).photo
    found = compare_face(FaceDrawing(given, B, without, photo, PERSONAL).pdf(), given, B)
    assert Difference(Kind.MISSING, "front", field, "is not there") in found


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"expires": dt.date(2036, 11, 21)}, "expiry"),
        ({"city_name": "架空市"}, "city"),
        ({"name": "見本　花予"}, "name"),
        ({"birth": "昭和53年11月22日"}, "birth"),
        ({"sex": "男"}, "sex"),
        ({"contact": "見本市役所市民課 TEL:012-345-6780"}, "contact"),
    ],
)
def test_another_value_is_found(change: dict[str, object], field: str) -> None:
    assert {what for _, what in kinds(drawn(replace(data(), **change)))} == {field}  # type: ignore[arg-type]


def test_another_ones_code_is_found() -> None:
    assert kinds(drawn(replace(data(), code="531124"))) == {(Kind.CODE, "code")}


def test_a_module_that_was_painted_white_is_found() -> None:
    def whiten(content: bytes) -> bytes:
        dark, white = b"0.062745 0.062745 0.062745 rg\n", b"1 1 1 rg\n"
        first = content.index(b" re f\n", content.index(dark)) + len(b" re f\n")
        second = content.index(b"\n", first) + 1
        return content[:first] + white + content[first:second] + dark + content[second:]

    assert kinds(with_content(drawn(data()), whiten)) == {(Kind.CODE, "code")}


def test_text_under_the_picture_is_found() -> None:
    """A city's own template has its photo behind the name, which is well; not so the name behind the photo."""
    layers = tuple(replace(layer, x=20.0) if isinstance(layer, Photo) else layer for layer in B.layers)
    chosen = replace(B, layers=layers)
    pdf = prepare_face(data(), chosen, form=PERSONAL).pdf
    assert compare_face(pdf, data(), chosen) == ()

    def last(content: bytes) -> bytes:
        end = content.index(b"\nQ\n") + 3
        return content[end:] + content[:end]

    found = {difference.kind for difference in compare_face(with_content(pdf, last), data(), chosen)}
    assert found == {Kind.COVERED}


def test_something_painted_over_a_text_is_found() -> None:
    pdf = with_content(drawn(data()), lambda content: content + b"1 1 1 rg\n40 60 200 40 re f\n")
    assert kinds(pdf) == {(Kind.COVERED, "text"), (Kind.EXTRA, "picture")}


def test_an_a_card_with_anything_of_face_b_is_found() -> None:
    a, b = data(face=Face.A), data()
    birth = tuple(placed for placed in place(b, B).front if placed.field == "birth")
    placing = place(a, B)
    pdf = FaceDrawing(a, B, Placing(placing.front + birth, placing.back), None, PERSONAL).pdf()
    assert kinds(pdf, a) == {(Kind.EXTRA, "text")}
    photo = prepare_face(b, B).photo
    chosen = replace(B, layers=tuple(replace(x, versions="AB") if isinstance(x, Photo) else x for x in B.layers))
    pdf = FaceDrawing(a, chosen, placing, photo, PERSONAL).pdf()
    assert kinds(pdf, a) == {(Kind.EXTRA, "picture")}


def _white(content: bytes) -> bytes:
    return content.replace(b"0.062745 0.062745 0.062745 rg\nBT /J1 13", b"1 1 1 rg\nBT /J1 13", 1)


def _smaller(content: bytes) -> bytes:
    return content.replace(b"BT /J1 13.000 Tf ", b"BT /J1 12.000 Tf ", 1)


@pytest.mark.parametrize("change", [_white, _smaller], ids=["white", "another size"])
def test_text_that_is_not_drawn_as_it_should_be_is_found(change: Callable[[bytes], bytes]) -> None:
    assert kinds(with_content(drawn(data()), change)) == {(Kind.PLACE, "name")}


@pytest.mark.parametrize("added", [b"3 Tr\n", b"q 0 0 1 1 re W n\nQ\n", b"/Other gs\n", b"BT ET\n", b"5\n", b"<<\n"])
def test_operations_that_faces_do_not_need_are_refused(added: bytes) -> None:
    assert kinds(with_content(drawn(data()), lambda content: added + content)) == {(Kind.FILE, "PDF")}


def _hide(file: PdfFile) -> None:
    properties = file.mapping(file.catalogue["OCProperties"])
    file.mapping(properties["D"])["OFF"] = properties["OCGs"]  # type: ignore[index]


def _tell(file: PdfFile) -> None:
    file.mapping(file.trailer["Info"])["Subject"] = b"resident"  # type: ignore[index]


def _attach(file: PdfFile) -> None:
    file.objects[len(file.objects) + 1] = b"attached"


def _open_action(file: PdfFile) -> None:
    file.mapping(file.catalogue)["OpenAction"] = {"S": Name("JavaScript")}  # type: ignore[index]


def _annotate(file: PdfFile) -> None:
    file.pages[0]["Annots"] = []  # type: ignore[index]


def _swap_sides(file: PdfFile) -> None:
    file.array(file.mapping(file.catalogue["Pages"])["Kids"]).reverse()


@pytest.mark.parametrize("change", [_hide, _tell, _attach, _open_action, _annotate, _swap_sides])
def test_what_the_file_does_beside_its_faces_is_found(change: Callable[[PdfFile], None]) -> None:
    assert {kind for kind, _ in kinds(forged(drawn(data()), change))} & {Kind.FILE, Kind.EXTRA}


def test_another_pre_print_is_found() -> None:
    pdf = prepare_face(data(), B).pdf
    changed = with_content(
        pdf, lambda content: content.replace(b" w\n", b" w\n", 1) + b"0 0 m 9 9 l S\n", Plane.PREPRINT
    )
    assert kinds(changed) == {(Kind.GROUND, "preprint")}
    assert kinds(prepare_face(data(), template("2003")).pdf) >= {(Kind.GROUND, "preprint")}


TARO = braille(propose("ジュウキ タロウ"))


def embossed(reading: Braille | None = TARO) -> FaceData:
    return replace(data(), braille=reading)


@pytest.mark.parametrize("name", ["2003", "2009"])
@pytest.mark.parametrize("version", [Face.A, Face.B], ids=["A", "B"])
@pytest.mark.parametrize("marks", Marks, ids=lambda marks: marks.name)
def test_the_dots_that_were_embossed_match(name: str, version: Face, marks: Marks) -> None:
    given, chosen = replace(data(face=version), braille=TARO), template(name)
    assert compare_face(prepare_face(given, chosen, form=PrintForm(marks=marks)).pdf, given, chosen) == ()


def test_another_reading_no_dots_and_dots_for_nobody_are_found() -> None:
    pdf = prepare_face(embossed(), B).pdf
    assert kinds(pdf, embossed(braille(propose("ジュウキ タロ")))) == {(Kind.BRAILLE, "braille")}
    assert kinds(pdf) == {(Kind.EXTRA, "braille")}
    assert kinds(prepare_face(data(), B).pdf, embossed()) == {(Kind.MISSING, "braille")}
    assert kinds(drawn(embossed()), embossed()) == {(Kind.MISSING, "braille")}


def _last_dot_gone(content: bytes) -> bytes:
    return b"\n".join(content.splitlines()[:-1]) + b"\n"


def _dot_moved(content: bytes) -> bytes:
    lines = content.splitlines()
    return b"\n".join([*lines[:-1], b"q 1 0 0 1 6 0 cm", lines[-1], b"Q"]) + b"\n"


@pytest.mark.parametrize(
    "change",
    [_last_dot_gone, _dot_moved, lambda content: content.replace(b"1 scn", b"0 scn"), lambda content: content + b"n\n"],
    ids=["gone", "moved", "faint", "more"],
)
def test_a_dot_that_is_not_as_it_should_be_is_found(change: Callable[[bytes], bytes]) -> None:
    pdf = with_content(prepare_face(embossed(), B).pdf, change, Plane.EMBOSS)
    assert kinds(pdf, embossed()) == {(Kind.BRAILLE, "braille")}


def _printed(file: PdfFile) -> None:
    """The dots are shown like ink."""
    default = file.mapping(file.mapping(file.catalogue["OCProperties"])["D"])
    default["ON"] = [*file.array(default["ON"]), *file.array(default.pop("OFF"))]  # type: ignore[index, attr-defined]


def _unlisted(file: PdfFile) -> None:
    """The dots' layer is another one than that which is off."""
    properties = file.mapping(file.mapping(file.pages[0]["Resources"])["Properties"])
    file.objects[len(file.objects) + 1] = dict(file.mapping(properties["Emboss"]))
    properties["Emboss"] = Ref(len(file.objects))  # type: ignore[index]


def _in_cyan(file: PdfFile) -> None:
    form = file.stream(file.mapping(file.mapping(file.pages[0]["Resources"])["XObject"])["Emboss"])
    file.mapping(file.mapping(form.entries["Resources"])["ColorSpace"])["Emboss"][1] = Name("Cyan")  # type: ignore[index]


@pytest.mark.parametrize(
    ("change", "kind"),
    [(_printed, Kind.FILE), (_unlisted, Kind.FILE), (_in_cyan, Kind.BRAILLE)],
    ids=["printed", "unlisted", "in cyan"],
)
def test_dots_that_would_be_printed_are_found(change: Callable[[PdfFile], None], kind: Kind) -> None:
    assert {found for found, _ in kinds(forged(prepare_face(embossed(), B).pdf, change), embossed())} == {kind}


def test_without_the_words_across_nothing_matches() -> None:
    bare = replace(B, layers=B.layers[:-1])
    assert (Kind.GROUND, "words across") in kinds(prepare_face(data(), bare).pdf)


def test_no_damage_passes_and_none_is_an_error_of_ours() -> None:
    """A bit anywhere: found, or the pages look and read as before (a width, by which readers guess blanks)."""
    given = data(face=Face.A)
    pdf, random = drawn(given), Random(6)
    passed = 0
    for _ in range(150):
        damaged = bytearray(pdf)
        damaged[random.randrange(len(pdf))] ^= 1 << random.randrange(8)
        if not compare_face(bytes(damaged), given, B):
            passed += 1
            assert _seen(bytes(damaged)) == _seen(pdf)
    assert passed < 30
    for cut in range(0, len(pdf), len(pdf) // 20):
        assert compare_face(pdf[:cut], given, B)


def _seen(pdf: bytes) -> list[tuple[bytes, str]]:
    pages = list(pypdfium2.PdfDocument(pdf))
    texts = ["".join(page.get_textpage().get_text_range().split()) for page in pages]
    return [(page.render(scale=2).to_pil().tobytes(), text) for page, text in zip(pages, texts, strict=True)]


def test_differences_name_no_value() -> None:
    given = data()
    for difference in compare_face(drawn(replace(given, name="山田　太郎")), given, B):
        assert not any(text in str(difference) for text in ("山", "見本", "花"))


def test_a_record_that_cannot_be_printed_is_its_own_error() -> None:
    with pytest.raises(RecordError, match="U\\+3ABCD"):
        compare_face(drawn(data()), replace(data(), name="見\U0003abcd"), B)
