"""Bad records: one clear line for each fault, the documented exit code, and nothing touched: home, ledger, output."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from tests.support.desk import Desk
from tests.support.issued import RECORD, Offices, Stage

TARO: Mapping[str, object] = json.loads(RECORD.read_text(encoding="utf-8"))
PORTRAIT = RECORD.with_name("portrait-drawn.png")
HEADER = "住民票コード,氏名,フリガナ,生年月日,性別,住所,市町村コード,券面"
ROW = "24727059608,藤田　恵,フジタ　メグミ,昭和22年6月23日,女,架空県見本市中央町2丁目29番10号,99201,A"
HIDDEN = ("41802639579", "24727059608", "住基　太郎", "藤田　恵", "中央町")
"""What no message may show."""


@dataclass(frozen=True)
class Bad:
    """A bad record: its file's name and content, what each line of the message must match, the row asked for."""

    name: str
    file: str
    content: bytes
    lines: tuple[str, ...]
    row: int | None = None


def changed(title: str, /, *lines: str, **changes: object) -> Bad:
    """Taro's record with some fields changed, or dropped where None; each line stands for one fault."""
    record = {key: value for key, value in {**TARO, **changes}.items() if value is not None}
    expected = tuple(f"bad\\.json: {line}" for line in lines)
    return Bad(title, "bad.json", json.dumps(record).encode(), expected)


def raw_json(name: str, content: bytes, line: str) -> Bad:
    return Bad(name, "bad.json", content, (f"bad\\.json: {line}",))


def table(name: str, content: bytes | str, *lines: str, row: int | None = None) -> Bad:
    raw = content.encode() if isinstance(content, str) else content
    return Bad(name, "bad.csv", raw, tuple(f"bad\\.csv{line}" for line in lines), row)


CONTROL = "a control or formatting character"
JSON = [
    changed("wrong digit", "resident_code: its check digit is wrong", resident_code="41802639570"),
    changed("ten digits", "resident_code: must be 11 digits", resident_code="4180263957"),
    changed("letters for digits", "resident_code: must be 11 digits", resident_code="4180263957O"),
    changed("a number", "resident_code: must be a string", resident_code=41802639579),
    changed("no name", "name: is missing", name=None),
    changed("a blank name", "name: is missing", name=" 　"),
    changed("name of 81 characters", "name: is longer than 80 characters", name="住" * 81),
    changed("escape in the name", f"name: contains U\\+001B, {CONTROL}", name="住基\x1b[2J"),
    changed("newline in the name", f"name: contains U\\+000A, {CONTROL}", name="住基\n太"),
    changed("right-to-left override", f"name: contains U\\+202E, {CONTROL}", name="住基\u202e太"),
    changed("lone surrogate", f"name: contains U\\+D842, {CONTROL}", name="\ud842田"),
    changed("private use", "name: contains U\\+E000, a private-use character", name="\ue000田"),
    changed("kanji for kana", "kana: must be written in kana", kana="住基"),
    changed("no such day", "birth_date: no such day in the calendar", birth_date="2026-02-30"),
    changed("29 February of no leap year", "birth_date: no such day", birth_date="昭和50年2月29日"),
    changed("era over", "birth_date: 昭和 had ended: 平成 began on 1989-01-08", birth_date="昭和65年1月1日"),
    changed("era not begun", "birth_date: 平成 began only on 1989-01-08", birth_date="平成元年1月7日"),
    changed("lunisolar date", "birth_date: before 1873-01-01", birth_date="明治5年1月1日"),
    changed("born tomorrow", "birth_date: lies in the future", birth_date="2026-11-22"),
    changed("American date", "birth_date: must be a date such as", birth_date="04/03/1965"),
    changed("sex", "sex: must be male, female, 男 or 女", sex="m"),
    changed("another city", "city_code: is not this authority's city, 99201", city_code="13101"),
    changed("city's check digit", "city_code: its check digit is wrong", city_code="992012"),
    changed("200-character address", "address: is longer than 150 characters", address="中" * 200),
    changed("no face", "face: is missing", face=None),
    changed("face C", "face: must be A or B", face="C"),
    changed("braille", "braille: must be yes or no", braille="maybe"),
    changed("unknown field", "nickname: is not a field of a record", nickname="Taro"),
    changed("both names of a field", "name: is given twice", 氏名="住基　太郎"),
    changed("a stay without a nationality", "stay_until: is for foreign residents", stay_until="2030-01-01"),
    changed("a stay that is over", "stay_until: has passed", nationality="ベトナム", stay_until="2026-11-20"),
    changed("face B without a photo", "photo: is missing, and face B needs it", face="B"),
    changed("no such photo", "photo: no such file beside the record", face="B", photo="none.png"),
    changed("a folder for a photo", "photo: no such file beside the record", face="B", photo="."),
    changed(
        "many faults",
        "nickname: is not a field of a record",
        "resident_code: its check digit is wrong",
        "birth_date: no such day in the calendar",
        "sex: is missing",
        "photo: is missing",
        resident_code="41802639570",
        birth_date="2026-02-30",
        sex=None,
        face="B",
        nickname="Taro",
    ),
    raw_json("empty file", b"", "\\(file\\): is not JSON"),
    raw_json("half a file", json.dumps(TARO).encode()[:-20], "\\(file\\): is not JSON"),
    raw_json("a list", b"[]", "\\(file\\): is not a JSON object"),
    raw_json("CP932", json.dumps(TARO, ensure_ascii=False).encode("cp932"), "\\(file\\): is not UTF-8"),
    raw_json("UTF-16", json.dumps(TARO).encode("utf-16"), "\\(file\\): is not UTF-8"),
    raw_json("duplicate key", b'{"name": "a", "name": "b"}', "name: is given twice"),
    raw_json("nested without end", b"[" * 60_000, "\\(file\\): is not"),
    raw_json("a megabyte", b" " * (1 << 20), "\\(file\\): is larger than"),
]
CSV = [
    table("empty table", "", ": \\(file\\): is empty"),
    table("no header", f"{ROW}\n", " line 1: \\(header\\): names no field"),
    table("unknown header", f"{HEADER},渾名\n{ROW},x\n", " line 1: 渾名: is not a field of a record \\(column 9\\)"),
    table(
        "headers twice and missing",
        f"{HEADER},氏名,name\n".replace("性別,", "") + f"{ROW},x\n",
        " line 1: name: is given twice",
        " line 1: sex: is missing",
    ),
    table("header alone", f"{HEADER}\n", ": \\(file\\): has no residents"),
    table("which row", f"{HEADER}\n{ROW}\n{ROW}\n", ": \\(file\\): has 2 residents: which row"),
    table("no such row", f"{HEADER}\n{ROW}\n{ROW}\n", ": \\(file\\): has 2 residents, no row 3", row=3),
    table("one column more", f"{HEADER}\n{ROW},x\n", " line 2: \\(row\\): has 9 columns, and the header 8"),
    table("one column less", f"{HEADER}\n{ROW[:-2]}\n", " line 2: \\(row\\): has 7 columns, and the header 8"),
    table("quote left open", f'{HEADER}\n"{ROW}\n', " line 2: \\(row\\): is no CSV: unexpected end of data"),
    table("NUL byte", f"{HEADER}\n{ROW}\0\n", " line 2: \\(file\\): contains a NUL byte"),
    table("broken UTF-8", f"{HEADER}\n".encode() + b"\xe7\x94,\n", " line 2: \\(file\\): is not UTF-8 from here on"),
    table("broken CP932", f"{HEADER}\n".encode("cp932") + b"\xff\n", " line 2: \\(file\\): is neither UTF-8 nor CP932"),
    table("EUC-JP", f"{HEADER}\n{ROW}\n".encode("euc-jp"), ": \\(file\\): is EUC-JP"),
    table("ISO-2022-JP", f"{HEADER}\n{ROW}\n".encode("iso2022_jp"), " line 1: \\(header\\): names no field"),
    table(
        "faults in a row",
        f"{HEADER}\n{ROW}\n{ROW}\n".replace("昭和22年6月23日,女", "昭和22年6月31日,女性"),
        " line 3: birth_date: no such day",
        " line 3: sex: must be male, female, 男 or 女",
        row=2,
    ),
]


@pytest.fixture(scope="module")
def desk(offices: Offices, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A desk that all share, since none may leave a trace; its books have one card, of Taro's."""
    return Desk.at(offices, Stage.AWAITING_HANDOVER, tmp_path_factory.mktemp("bad"))


@pytest.fixture
def untouched(desk: Desk) -> Iterator[None]:
    """The home and the output folder, one with files and one that is not there, are as before to the last byte."""
    out = desk.folder / "out"
    out.mkdir(exist_ok=True)
    (out / "kept.txt").write_text("somebody's")
    before = snapshot(desk)
    yield
    assert snapshot(desk) == before


def snapshot(desk: Desk) -> dict[str, tuple[int, bytes | None]]:
    """All below the home and the output folders, and the chip: mode and content."""
    roots = (desk.home, desk.folder / "out", desk.folder / "new", desk.card)
    paths = sorted({path for root in roots if root.exists() for path in (root, *root.rglob("*"))})
    return {str(path): (path.stat().st_mode, path.read_bytes() if path.is_file() else None) for path in paths}


def refused(desk: Desk, path: Path, lines: tuple[str, ...], *more: str) -> None:
    """Issuing from it is refused with these lines: into a folder that is there or not, onto a chip, as a plan."""
    ways = (("--out", str(desk.folder / "out")), ("--out", str(desk.folder / "new")), ("--reader", desk.reader))
    for way in (*ways, ("--dry-run",)):
        result = desk.run("issue", str(path), *way, *desk.authority, *more)
        assert result.exit_code == 7, result.output
        assert result.stdout == ""
        said = result.stderr.removeprefix("Error: ").splitlines()
        assert len(said) == len(lines), said
        for line, pattern in zip(said, lines, strict=True):
            assert re.match(pattern, line), said
        assert not any(hidden in result.stderr for hidden in HIDDEN)
    error = desk.facts("issue", str(path), *ways[0], *desk.authority, *more, code=7)["error"]
    assert (error["code"], len(error["message"].splitlines())) == (7, len(lines))


@pytest.mark.parametrize("bad", [*JSON, *CSV], ids=lambda bad: bad.name)
def test_a_bad_record_is_told_in_one_line_for_each_fault(desk: Desk, untouched: None, tmp_path: Path, bad: Bad) -> None:
    path = tmp_path / bad.file
    path.write_bytes(bad.content)
    refused(desk, path, bad.lines, *(() if bad.row is None else ("--row", str(bad.row))))


def test_there_are_thirty_and_more() -> None:
    assert len([*JSON, *CSV]) >= 30


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "cannot be read: No such file or directory"),
        (Path.mkdir, "cannot be read: Is a directory"),
    ],
    ids=["missing", "a folder"],
)
@pytest.mark.parametrize("name", ["bad.json", "bad.csv"])
def test_no_file_to_read(
    desk: Desk, untouched: None, tmp_path: Path, make: Callable[[Path], object], reason: str, name: str
) -> None:
    make(tmp_path / name)
    refused(desk, tmp_path / name, (f"{re.escape(name)}: \\(file\\): {reason}",))


def record_with(folder: Path, **changes: object) -> Path:
    path = folder / "bad.json"
    path.write_text(json.dumps({**TARO, **changes}), encoding="utf-8")
    return path


def image(kind: str, size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", size, 200).save(buffer, kind)
    return buffer.getvalue()


def truncated_jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.open(PORTRAIT).convert("RGB").save(buffer, "JPEG")
    return buffer.getvalue()[: buffer.tell() // 2]


PHOTOS: dict[str, Callable[[], bytes]] = {
    "50 megapixels": lambda: image("PNG", (10_000, 5_000)),
    "truncated JPEG": truncated_jpeg,
    "truncated PNG": lambda: PORTRAIT.read_bytes()[:30_000],
    "no image": lambda: b"a photo, I swear",
    "an empty file": lambda: b"",
    "a vector image": lambda: b"<svg xmlns='http://www.w3.org/2000/svg' width='35' height='45'/>",
    "one pixel": lambda: image("PNG", (1, 1)),
}


@pytest.mark.parametrize("photo", PHOTOS)
def test_a_photo_that_cannot_be_printed(desk: Desk, untouched: None, tmp_path: Path, photo: str) -> None:
    (tmp_path / "photo.bin").write_bytes(PHOTOS[photo]())
    path = record_with(tmp_path, face="B", photo="photo.bin")
    faults = 3 if photo == "one pixel" else 1
    refused(desk, path, ("bad\\.json: photo: ",) * faults)


@pytest.mark.parametrize("name", ["\U00013000田", "\U0003fffd田", "\uffff田"], ids=["hieroglyph", "no such", "none"])
def test_a_name_that_no_font_can_draw(desk: Desk, untouched: None, tmp_path: Path, name: str) -> None:
    refused(desk, record_with(tmp_path, name=name), (f"bad\\.json: name: .*U\\+{ord(name[0]):04X}",))


def test_a_second_person_with_the_same_code(desk: Desk, untouched: None, tmp_path: Path) -> None:
    path = record_with(tmp_path, name="住基　次郎", kana="ジュウキ　ジロウ")
    reason = "bad.json: resident_code: is another person's: the books have card 799201000000001 for it"
    for way in (("--out", str(desk.folder / "out")), ("--out", str(desk.folder / "new"))):
        result = desk.run("issue", str(path), *way, *desk.authority)
        assert (result.exit_code, result.stdout, result.stderr) == (7, "", f"Error: {reason}\n")
