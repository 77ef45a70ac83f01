"""Residents in CSV files: what is read, and every fault by file, line and field."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from jukicard.issuer.errors import RecordError
from jukicard.issuer.records.resident import Face, RecordRules, Sex
from jukicard.issuer.records.table import load_csv, read_table

RULES = RecordRules(today=date(2026, 11, 21), city_code="99201")
CODE, OTHER = "24727059608", "43438982648"
JAPANESE = "住民票コード,氏名,フリガナ,生年月日,性別,住所,市町村コード,券面,点字"
ENGLISH = "resident_code,name,kana,birth_date,sex,address,city_code,face,braille"
TARO = f"{CODE},髙﨑　太郎,タカサキ　タロウ,昭和40年4月3日,男,架空県見本市中央町2丁目2番1号,99201,A,no"
MEGUMI = f"{OTHER},藤田　恵,フジタ　メグミ,H1.1.8,女,架空県見本市北町1丁目1番1号,992011,A,yes"

Written = Callable[..., Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    def write(*lines: str, encoding: str = "utf-8", end: str = "\n") -> Path:
        path = tmp_path / "people.csv"
        path.write_bytes((end.join(lines) + end).encode(encoding))
        return path

    return write


def problems(action: Callable[[], object]) -> list[str]:
    with pytest.raises(RecordError) as caught:
        action()
    assert caught.value.exit_code == 7
    shown = str(caught.value)
    assert not any(secret in shown for secret in (CODE, OTHER, "太郎", "中央町"))
    return shown.splitlines()


@pytest.mark.parametrize("header", [JAPANESE, ENGLISH], ids=["japanese", "english"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_every_encoding_and_header(written: Written, header: str, encoding: str, end: str) -> None:
    path = written(header, TARO, MEGUMI, encoding=encoding, end=end)
    taro, megumi = load_csv(path, RULES, 1), load_csv(path, RULES, 2)
    assert (taro.resident_code.reveal(), taro.name) == (CODE, "髙﨑　太郎")
    assert (taro.birth_date, taro.sex, taro.face, taro.braille) == (date(1965, 4, 3), Sex.MALE, Face.A, False)
    assert (megumi.birth_date, megumi.sex, megumi.city_code, megumi.braille) == (
        date(1989, 1, 8),
        Sex.FEMALE,
        "99201",
        True,
    )
    assert (taro.label, megumi.label) == ("people.csv line 2", "people.csv line 3")


def test_columns_may_stand_in_any_order_and_either_language(written: Written) -> None:
    header = ",".join(reversed([*JAPANESE.split(",")[:4], *ENGLISH.split(",")[4:]]))
    path = written(header, ",".join(reversed(TARO.split(","))))
    assert load_csv(path, RULES).address == "架空県見本市中央町2丁目2番1号"


def test_half_width_headers_are_headers(written: Written) -> None:
    assert load_csv(written(JAPANESE.replace("フリガナ", "ﾌﾘｶﾞﾅ"), TARO, encoding="cp932"), RULES).kana


def test_quoted_values_keep_commas_quotes_and_count_their_lines(written: Written) -> None:
    quoted = TARO.replace("架空県見本市中央町2丁目2番1号", '"見本市, ""中央"" 1"')
    assert load_csv(written(JAPANESE, quoted), RULES).address == '見本市, "中央" 1'
    broken = TARO.replace("架空県見本市中央町2丁目2番1号", '"見本市\n中央町"')
    path = written(JAPANESE, "", broken, MEGUMI)
    assert problems(lambda: load_csv(path, RULES, 1)) == [
        "people.csv line 3: address: contains U+000A, a control or formatting character"
    ]
    assert load_csv(path, RULES, 2).label == "people.csv line 5"


def test_the_one_row_needs_no_number_and_blank_lines_are_none(written: Written) -> None:
    assert load_csv(written(JAPANESE, "", TARO, ",,,,,,,,", ""), RULES).resident_code.reveal() == CODE


@pytest.mark.parametrize(
    ("rows", "number", "reason"),
    [
        ((), None, "has no residents: which row is meant?"),
        ((TARO, MEGUMI), None, "has 2 residents: which row is meant?"),
        ((TARO, MEGUMI), 3, "has 2 residents, no row 3"),
        ((TARO,), 0, "has 1 resident, no row 0"),
    ],
)
def test_rows_that_are_not_there(written: Written, rows: tuple[str, ...], number: int | None, reason: str) -> None:
    path = written(JAPANESE, *rows)
    assert problems(lambda: load_csv(path, RULES, number)) == [f"people.csv: (file): {reason}"]


def test_all_faults_of_a_row_at_once(written: Written) -> None:
    bad = "24727059607,,タロウ,昭和65年1月1日,x,見本市,13101,C,maybe"
    path = written(JAPANESE, TARO, bad)
    assert problems(lambda: load_csv(path, RULES, 2)) == [
        "people.csv line 3: resident_code: its check digit is wrong",
        "people.csv line 3: name: is missing",
        "people.csv line 3: birth_date: 昭和 had ended: 平成 began on 1989-01-08",
        "people.csv line 3: sex: must be male, female, 男 or 女",
        "people.csv line 3: city_code: is not this authority's city, 99201",
        "people.csv line 3: face: must be A or B",
        "people.csv line 3: braille: must be yes or no",
    ]
    assert load_csv(path, RULES, 1).name


def test_all_faults_of_a_header_at_once(written: Written) -> None:
    path = written("住民票コード,resident_code,氏名,渾名,,生年月日,性別,住所,市町村コード", TARO)
    assert problems(lambda: load_csv(path, RULES)) == [
        "people.csv line 1: 渾名: is not a field of a record (column 4)",
        "people.csv line 1: (empty name): is not a field of a record (column 5)",
        "people.csv line 1: resident_code: is given twice",
        "people.csv line 1: kana: is missing",
    ]


def test_a_table_without_its_header_shows_nobody(written: Written) -> None:
    assert problems(lambda: load_csv(written(TARO), RULES)) == [
        "people.csv line 1: (header): names no field of a record: is it missing?"
    ]


@pytest.mark.parametrize(("row", "count"), [(TARO + ",x", 10), (TARO.rsplit(",", 1)[0], 8)])
def test_a_row_of_another_width_is_not_guessed_at(written: Written, row: str, count: int) -> None:
    path = written(JAPANESE, row, MEGUMI)
    assert problems(lambda: load_csv(path, RULES, 1)) == [
        f"people.csv line 2: (row): has {count} columns, and the header 9"
    ]
    assert load_csv(path, RULES, 2).name


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "people.csv: (file): is empty: the first line names the fields"),
        (b"\r\n\r\n", "people.csv: (file): is empty: the first line names the fields"),
        ("氏名\n藤田\0\n".encode(), "people.csv line 2: (file): contains a NUL byte"),
        ("氏名\n藤田\n".encode("utf-16"), "people.csv line 1: (file): is neither UTF-8 nor CP932"),
        ("氏名\n藤田\n".encode() + b"\xff\n", "people.csv line 3: (file): is not UTF-8 from here on"),
        ("氏名\r\n藤".encode() + b"\xe7\x94\r\n", "people.csv line 2: (file): is not UTF-8 from here on"),
        (b"\xef\xbb\xbfname\n\x93\xa1\x93c\n", "people.csv line 2: (file): is not UTF-8 from here on"),
        ("氏名\n藤田\n".encode("cp932") + b"\x81\n", "people.csv line 3: (file): is neither UTF-8 nor CP932"),
        ("氏名\n藤田\n".encode("cp932") + b"\xff\n", "people.csv line 3: (file): is neither UTF-8 nor CP932"),
        (b"name\n" + "藤田\n".encode("euc-jp"), "people.csv: (file): is EUC-JP, and must be UTF-8 or CP932"),
        (f'{ENGLISH}\n{TARO}\n"x'.encode(), "people.csv line 3: (row): is no CSV: unexpected end of data"),
        (f'{ENGLISH}\n"x"y,\n'.encode(), "people.csv line 2: (row): is no CSV: ',' expected after '\"'"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_refused_with_its_line(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(content)
    assert problems(lambda: read_table(path)) == [problem]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert problems(lambda: load_csv(tmp_path / "none.csv", RULES)) == [
        "none.csv: (file): cannot be read: No such file or directory"
    ]


def test_a_file_that_is_too_large(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jukicard.issuer.records.table.MAX_CSV_BYTES", 100)
    assert problems(lambda: load_csv(written(JAPANESE, TARO), RULES)) == [
        "people.csv: (file): is larger than 100 bytes"
    ]


def test_characters_of_one_system_alone_are_refused(written: Written) -> None:
    """CP932's user-defined area: what a municipality draws there, nobody else can read."""
    path = written(JAPANESE, TARO.replace("太郎", "\ue000郎"), encoding="cp932")
    (problem,) = problems(lambda: load_csv(path, RULES))
    assert problem.startswith("people.csv line 2: name: contains U+E000, a private-use character")


def test_a_photo_is_looked_for_beside_the_table(written: Written, tmp_path: Path) -> None:
    path = written(JAPANESE + ",写真", TARO.replace(",A,", ",B,") + ",face.png")
    assert problems(lambda: load_csv(path, RULES)) == ["people.csv line 2: photo: no such file beside the record"]
    (tmp_path / "face.png").write_bytes(b"")
    assert load_csv(path, RULES).photo == tmp_path / "face.png"


def test_nothing_personal_is_in_a_tables_representation(written: Written) -> None:
    assert "太郎" not in repr(read_table(written(JAPANESE, TARO)))
    assert CODE not in repr(read_table(written(JAPANESE, TARO)).rows[0])
