"""Photos: framed by the head, and refused with every reason when they are not fit to be printed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageStat

from jukicard.issuer.errors import RecordError
from jukicard.issuer.faces import prepare_face
from jukicard.issuer.faces.framing import HEAD_SHARE, framed
from jukicard.issuer.faces.heads import find_head
from jukicard.issuer.faces.photo import PhotoError, load_photo
from jukicard.issuer.faces.quality import faults, focus
from jukicard.issuer.faces.region import Region
from tests.unit.faces.test_faces import PORTRAIT, data

RATIO, HEIGHT = 0.8, 472
CROWN, CHIN = 180, 800
"""Of the drawn portrait, which is 900 by 1157."""


@pytest.fixture(scope="module")
def portrait() -> Image.Image:
    with Image.open(PORTRAIT) as picture:
        return picture.convert("RGB")


def scene(portrait: Image.Image, size: tuple[int, int], at: tuple[int, int], scale: float = 0.5) -> Image.Image:
    """The portrait's person before a wall, somewhere in a greater picture."""
    person = portrait.resize((round(portrait.width * scale), round(portrait.height * scale)))
    picture = Image.new("RGB", size, portrait.getpixel((450, 60)))
    picture.paste(person, at)
    below = person.crop((0, person.height - 1, person.width, person.height)).resize((person.width, size[1]))
    picture.paste(below, (at[0], at[1] + person.height))
    return picture


def saved(picture: Image.Image, folder: Path, **options: object) -> Path:
    path = folder / "photo.jpg"
    picture.save(path, "JPEG", quality=95, **options)
    return path


def reasons(picture: Image.Image, folder: Path, crop: Region | None = None) -> tuple[str, ...]:
    with pytest.raises(PhotoError) as caught:
        load_photo(saved(picture, folder), RATIO, HEIGHT, crop)
    return caught.value.reasons


def loaded(path: Path, crop: Region | None = None) -> Image.Image:
    return Image.open(BytesIO(load_photo(path, RATIO, HEIGHT, crop)))


def unlike(one: Image.Image, other: Image.Image) -> float:
    return max(ImageStat.Stat(ImageChops.difference(one, other.resize(one.size))).mean)


@pytest.mark.parametrize("height", [310, 531, 1063])
def test_an_application_photo_of_any_resolution_is_taken_whole(
    portrait: Image.Image, tmp_path: Path, height: int
) -> None:
    """45 mm at 175, 300 and 600 dpi."""
    scan = portrait.resize((round(height * 35 / 45), height), Image.Resampling.LANCZOS)
    photo = loaded(saved(scan, tmp_path))
    assert photo.height == min(HEIGHT, round(scan.width / RATIO))
    assert unlike(photo, portrait.crop((0, 11, 900, 1136))) < 3


def test_the_head_is_found_where_it_is(portrait: Image.Image) -> None:
    head = find_head(portrait)
    assert head is not None
    assert head.top == pytest.approx(CROWN, abs=25)
    assert head.chin == pytest.approx(CHIN, abs=60)
    assert head.middle == pytest.approx(450, abs=20)


@pytest.mark.parametrize("left", [60, 350, 660])
def test_a_landscape_picture_is_framed_around_the_head(portrait: Image.Image, left: int) -> None:
    """Left, in the middle, or right: the head is in the middle of what is printed, and two thirds of its height."""
    picture = scene(portrait, (1180, 660), (left, 80))
    region = framed(picture, RATIO)
    assert region.x + region.width / 2 == pytest.approx(left + 225, abs=0.05 * region.width)
    assert region.width / region.height == pytest.approx(RATIO, abs=0.01)
    assert 310 / region.height == pytest.approx(HEAD_SHARE, abs=0.1)
    assert region.y < 80 + 90 < 80 + 400 < region.y + region.height


@pytest.mark.parametrize("turn", [3, 6, 8])
def test_a_camera_that_was_held_otherwise_makes_no_difference(portrait: Image.Image, tmp_path: Path, turn: int) -> None:
    """EXIF's orientation says how to turn the stored picture upright; as it is stored, it is refused."""
    angle = {3: 180, 6: 90, 8: 270}[turn]
    exif = Image.Exif()
    exif[0x0112] = turn
    stored = portrait.rotate(angle, expand=True)
    photo = loaded(saved(stored, tmp_path, exif=exif))
    assert unlike(photo, portrait.crop((0, 11, 900, 1136))) < 3
    if turn != 3:
        assert "no head" in reasons(stored, tmp_path)[0] or "too near" in reasons(stored, tmp_path)[0]


def blurred(picture: Image.Image) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(12))


def tiny(picture: Image.Image) -> Image.Image:
    return picture.resize((140, 180), Image.Resampling.LANCZOS)


def flat(picture: Image.Image) -> Image.Image:
    return ImageEnhance.Contrast(picture).enhance(0.2)


def grey(picture: Image.Image) -> Image.Image:
    return picture.convert("L").convert("RGB")


def patterned(picture: Image.Image) -> Image.Image:
    made = picture.copy()
    draw = ImageDraw.Draw(made)
    for x in range(0, 170, 40):
        draw.rectangle((x, 0, x + 20, 420), fill="#202020")
    return made


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (blurred, ["out of focus"]),
        (tiny, ["175 pixels high as it would be printed, and 300 dpi need 236"]),
        (lambda picture: ImageEnhance.Brightness(picture).enhance(0.25), ["too dark"]),
        (lambda picture: ImageEnhance.Brightness(picture).enhance(2.0), ["overexposed", "no colour"]),
        (flat, ["too little contrast"]),
        (grey, ["no colour"]),
        (patterned, ["no plain ground"]),
        (lambda picture: tiny(grey(blurred(picture))), ["pixels high", "out of focus", "no colour"]),
    ],
    ids=["blurred", "tiny", "dark", "overexposed", "flat", "grey", "patterned", "three at once"],
)
def test_what_is_not_fit_is_refused_with_every_reason(
    portrait: Image.Image, tmp_path: Path, spoil: Callable[[Image.Image], Image.Image], why: list[str]
) -> None:
    given = reasons(spoil(portrait), tmp_path)
    assert len(given) == len(why), given
    assert all(expected in reason for expected, reason in zip(why, given, strict=True)), given


def test_the_reasons_name_the_photo_and_stand_in_lines_of_their_own(portrait: Image.Image, tmp_path: Path) -> None:
    with pytest.raises(RecordError) as caught:
        prepare_face(replace(data(), photo=saved(tiny(grey(portrait)), tmp_path)))
    assert [(problem.record, problem.field) for problem in caught.value.problems] == [("photo.jpg", "photo")] * 2


def test_a_head_that_is_too_small_for_an_application_photo_is_refused(portrait: Image.Image, tmp_path: Path) -> None:
    given = reasons(scene(portrait, (900, 1157), (292, 350), 0.35), tmp_path)
    assert "of its height" in given[0]
    assert "--photo-crop" in given[0]


def test_a_head_that_fills_an_application_photo_leaves_no_ground(portrait: Image.Image, tmp_path: Path) -> None:
    picture = portrait.crop((205, 172, 695, 802)).resize((900, 1157))
    assert "no plain ground" in reasons(picture, tmp_path)[0]


def test_a_head_beside_the_middle_of_an_application_photo_is_refused(portrait: Image.Image, tmp_path: Path) -> None:
    moved = ImageChops.offset(portrait, -175, 0)
    assert "beside the middle" in reasons(moved, tmp_path)[0]


def test_a_picture_without_a_head_asks_for_the_part(portrait: Image.Image, tmp_path: Path) -> None:
    picture = scene(portrait, (1180, 660), (350, 80))
    hidden = picture.copy()
    hidden.paste((40, 60, 120), (400, 150, 760, 660))
    given = reasons(hidden, tmp_path)
    assert "no head was found" in given[0]
    assert "--photo-crop X,Y,W,H" in given[0]


def test_a_head_at_the_edge_asks_for_the_part(portrait: Image.Image, tmp_path: Path) -> None:
    picture = scene(portrait, (1180, 660), (350, 80))
    assert "too near to the edge" in reasons(picture.crop((500, 0, 1180, 660)), tmp_path)[0]


def test_a_part_named_by_hand_is_printed_and_still_checked(portrait: Image.Image, tmp_path: Path) -> None:
    picture = scene(portrait, (1180, 660), (350, 80))
    part = Region(350, 85, 450, 562)
    photo = loaded(saved(picture, tmp_path), part)
    assert unlike(photo, picture.crop(part.box)) < 2
    assert "out of focus" in reasons(blurred(picture), tmp_path, part)[0]
    assert "goes beyond" in reasons(picture, tmp_path, Region(900, 85, 450, 562))[0]


@pytest.mark.parametrize(
    "text", ["", "1,2,3", "1,2,3,4,5", "-1,2,3,4", "0,0,0,5", "a,b,c,d", "1.5,2,3,4", "1,2,3,99999999"]
)
def test_what_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        Region.parse(text)
    assert Region.parse("10, 20,300,400") == Region(10, 20, 300, 400)


@pytest.mark.parametrize("skin", ["#f1d3c2", "#e0ac86", "#c68642", "#8d5524", "#5c3a21"])
def test_heads_of_any_skin_are_found(portrait: Image.Image, skin: str) -> None:
    """Skins differ in brightness much more than in hue."""
    picture = portrait.copy()
    drawn = ImageDraw.Draw(picture)
    for box in ((225, 300, 675, 800), (365, 700, 535, 930), (195, 500, 245, 600), (655, 500, 705, 600)):
        drawn.ellipse(box, fill=skin)
    head = find_head(picture)
    assert head is not None
    assert head.middle == pytest.approx(450, abs=25)
    assert head.height == pytest.approx(CHIN - CROWN, rel=0.2)


def test_focus_falls_with_blur(portrait: Image.Image) -> None:
    luma = portrait.convert("L").resize((184, 236))
    measured = [focus(luma.filter(ImageFilter.GaussianBlur(radius))) for radius in (0, 0.5, 1, 2)]
    assert measured == sorted(measured, reverse=True)
    assert not faults(portrait.crop((0, 11, 900, 1136)), 236)
