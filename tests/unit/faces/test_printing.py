"""Planes, marks, resolutions, sheets, and the way to the printer."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image, ImageChops, ImageStat

from jukicard.issuer.errors import NoPrinter, RuleRefused
from jukicard.issuer.faces import prepare_face, template
from jukicard.issuer.faces.imposing import selected, sheet
from jukicard.issuer.faces.pages import Marks, PrintForm
from jukicard.issuer.faces.pdfreading import PdfFile
from jukicard.issuer.faces.placing import MM
from jukicard.issuer.faces.rendering import pictures
from jukicard.issuer.faces.spooling import check_printer, printers, spool
from jukicard.issuer.faces.template import Plane
from jukicard.issuer.records.resident import Face
from tests.support.printers import FakePrinters, fake_printers
from tests.unit.faces.test_faces import data

PERSONAL = PrintForm((Plane.PERSONAL,))

__all__ = ["fake_printers"]


def texts(pdf: bytes, page: int = 0) -> str:
    return re.sub(r"\s", "", pypdfium2.PdfDocument(pdf)[page].get_textpage().get_text_range())


def groups(pdf: bytes) -> list[object]:
    file = PdfFile(pdf)
    found = file.array(file.mapping(file.catalogue.get("OCProperties", {})).get("OCGs", []))
    return [file.mapping(group)["Name"] for group in found]


def colours(pdf: bytes) -> set[tuple[int, ...]]:
    with Image.open(BytesIO(pictures(pdf)[0])) as picture:
        return {colour for _, colour in picture.getcolors(1 << 20) or []}


def test_stock_pre_print_and_personal_are_planes_of_their_own() -> None:
    assert groups(prepare_face(data()).pdf) == [b"Stock", b"Preprint", b"Personal"]
    personal = prepare_face(data(), form=PERSONAL).pdf
    assert groups(personal) == [b"Personal"]
    assert (255, 255, 255) in colours(personal)
    assert (255, 255, 255) not in colours(prepare_face(data(face=Face.A)).pdf) - {(255, 255, 255)}
    stock = prepare_face(data(), form=PrintForm((Plane.STOCK, Plane.PREPRINT))).pdf
    assert "見本花子" not in texts(stock)
    assert "見本SPECIMEN" in texts(stock), "nothing leaves without these words"
    assert not list(pypdfium2.PdfDocument(stock)[0].get_objects(filter=[3]))


@pytest.mark.parametrize("plane", list(Plane))
def test_a_plane_taken_from_a_whole_face_is_what_would_have_been_drawn(plane: Plane) -> None:
    whole, alone = prepare_face(data()).pdf, prepare_face(data(), form=PrintForm((plane,))).pdf
    assert pictures(selected(whole, (plane,))) == pictures(alone)
    assert groups(selected(whole, (plane,))) == groups(alone)


def test_the_back_tells_what_to_heed_and_has_room_for_amendments() -> None:
    back = texts(prepare_face(data(face=Face.A)).pdf, 1)
    assert "追記領域" in back
    assert "このカードを拾われた方は" in back
    assert "見本SPECIMEN" in back


def test_marks_stand_around_three_millimetres_of_bleed() -> None:
    face = prepare_face(data(), form=PrintForm(marks=Marks.CROP))
    page = pypdfium2.PdfDocument(face.pdf)[0]
    trim, bleed = page.get_trimbox(), page.get_bleedbox()
    assert [round((trim[i] - bleed[i]) / MM, 2) for i in range(4)] == [3, 3, -3, -3]
    assert round((trim[2] - trim[0]) / MM, 2) == 85.6
    with Image.open(BytesIO(pictures(face.pdf)[0])) as picture:
        grey, (wide, high) = picture.convert("L"), picture.size
    mm = 300 / 25.4
    assert grey.getpixel((round(6 * mm), round(6 * mm))) < 255, "the ground bleeds"  # type: ignore[operator]
    assert grey.getpixel((round(4 * mm), round(4 * mm))) == 255
    assert min(grey.crop((round(8 * mm) - 3, 0, round(8 * mm) + 3, round(4 * mm))).get_flattened_data()) < 100
    assert (round(wide / mm, 1), round(high / mm, 1)) == (101.6, 70.0)


def test_a_picture_is_cut_as_the_card_is() -> None:
    face = prepare_face(data(), form=PrintForm(marks=Marks.CROP))
    assert face.pictures(300) == prepare_face(data()).pictures(300)


@pytest.mark.parametrize(("dpi", "size"), [(300, (1011, 638)), (600, (2022, 1275))])
def test_pictures_have_the_card_s_size(tmp_path: Path, dpi: int, size: tuple[int, int]) -> None:
    files = prepare_face(data(face=Face.A)).write(tmp_path, "card", "799201000000001", dpi=dpi)
    assert files.png is not None
    assert files.back is not None
    for path in (files.png, files.back):
        with Image.open(path) as picture:
            assert picture.size == size
            assert round(picture.info["dpi"][0]) == dpi


def test_in_bulk_there_are_no_pictures(tmp_path: Path) -> None:
    files = prepare_face(data()).write(tmp_path, "card", "799201000000001", dpi=None)
    assert (files.png, files.back) == (None, None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["card.json", "card.pdf"]


def test_a_sheet_has_ten_cards_and_their_backs_behind_them() -> None:
    a, b = prepare_face(data("taro", Face.A)).pdf, prepare_face(data()).pdf
    made = sheet([b, *[a] * 10], tuple(Plane))
    document = pypdfium2.PdfDocument(made)
    assert [tuple(round(side / MM) for side in page.get_size()) for page in document] == [(210, 297)] * 4
    assert [texts(made, page).count("住民基本台帳カード") for page in range(4)] == [10, 10, 1, 1]
    front, back = (page.render(scale=2).to_pil().convert("L") for page in list(document)[2:])
    middle = front.width // 2
    left, right = (front.crop((60, 60, middle, 300)), front.crop((middle, 60, front.width - 60, 300)))
    assert min(left.get_flattened_data()) < 100 < min(right.get_flattened_data())
    behind = back.crop((middle + 10, 60, back.width - 60, 300))
    assert min(behind.get_flattened_data()) < 100, "turned over the long edge, right is left"


def test_on_a_sheet_a_card_is_as_it_is_alone() -> None:
    alone = prepare_face(data("taro", Face.A)).pdf
    made = sheet([alone], (Plane.PERSONAL,))
    scale = 4
    whole = pypdfium2.PdfDocument(made)[0].render(scale=scale).to_pil().convert("L")
    left, top = (210 - 2 * 85.6 - 3) / 2 * MM * scale, (297 - 5 * 53.98 - 4 * 3) / 2 * MM * scale
    card = pypdfium2.PdfDocument(selected(alone, (Plane.PERSONAL,)))[0].render(scale=scale).to_pil().convert("L")
    found = whole.crop((round(left), round(top), round(left) + card.width, round(top) + card.height))
    inner = (20, 20, card.width - 20, card.height - 20)
    assert ImageStat.Stat(ImageChops.difference(found, card).crop(inner)).mean[0] < 3
    assert ImageStat.Stat(ImageChops.invert(card).crop(inner)).mean[0] > 6


def test_what_is_no_card_is_on_no_sheet() -> None:
    other = prepare_face(data(face=Face.A), template("2003")).pdf
    for wrong in ([], [b"%PDF-1.4"], [other[:-20]], [other, sheet([other], tuple(Plane))]):
        with pytest.raises(RuleRefused):
            sheet(wrong, tuple(Plane))


def test_the_same_cards_make_the_same_sheet() -> None:
    pdf = prepare_face(data(face=Face.A)).pdf
    assert sheet([pdf, pdf], tuple(Plane)) == sheet([pdf, pdf], tuple(Plane))


def test_a_file_goes_to_the_printer_in_its_own_size(tmp_path: Path, fake_printers: FakePrinters) -> None:
    file = tmp_path / "card.pdf"
    file.write_bytes(b"%PDF")
    assert printers() == ["cards", "office"]
    assert spool(file, "cards", "799201000000001", "media=A4") == "cards-1"
    (job,) = fake_printers.jobs()
    assert job[:4] == ["-d", "cards", "-t", "799201000000001"]
    assert job[4:] == ["-o", "print-scaling=none", "-o", "media=A4", "--", str(file)]


@pytest.mark.parametrize(
    ("name", "why"), [("attic", "no printer 'attic'"), ("-oraw", "no printer's name"), ("", "no p")]
)
def test_a_printer_that_is_not_there_is_refused(fake_printers: FakePrinters, name: str, why: str) -> None:
    with pytest.raises(NoPrinter, match=why):
        check_printer(name)
    assert fake_printers.jobs() == []


def test_a_refusal_of_the_print_system_is_told(tmp_path: Path, fake_printers: FakePrinters) -> None:
    with pytest.raises(NoPrinter, match="is not accepting jobs"):
        spool(tmp_path / "card.pdf", "office", "x")


def test_without_a_print_system_it_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert printers() == []
    with pytest.raises(NoPrinter, match="no print system"):
        check_printer("cards")
