"""Residents' records: what is read, and every fault by its name."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from jukicard.issuer.errors import RecordError
from jukicard.issuer.records.resident import FIELDS, Face, RecordRules, ResidentRecord, Sex, load_json, safe_field_name

RULES = RecordRules(today=date(2026, 11, 21))
CODE = "24727059608"  # a published sample code
EXAMPLES = Path(__file__).parents[3] / "examples" / "residents"

GOOD: dict[str, object] = {
    "resident_code": CODE,
    "name": "住基　太郎",
    "kana": "ジュウキ　タロウ",
    "birth_date": "昭和40年4月3日",
    "sex": "男",
    "address": "架空県見本市中央町2丁目2番1号",
    "city_code": "99201",
    "face": "A",
}


def read(rules: RecordRules = RULES, folder: Path = Path("."), **changes: object) -> ResidentRecord:
    return ResidentRecord.from_mapping({**GOOD, **changes}, rules, label="row 7", folder=folder)


def problems(action: Callable[[], object]) -> list[str]:
    with pytest.raises(RecordError) as caught:
        action()
    assert caught.value.exit_code == 7
    assert str(caught.value).splitlines() == [str(p) for p in caught.value.problems]
    assert CODE not in str(caught.value)
    return [str(p) for p in caught.value.problems]


def test_a_good_record() -> None:
    record = read()
    assert record.resident_code.reveal() == CODE
    assert record.name == "住基　太郎"
    assert record.birth_date == date(1965, 4, 3)
    assert record.sex is Sex.MALE
    assert record.city_code == "99201"
    assert record.face is Face.A
    assert (record.photo, record.braille, record.nationality, record.stay_until) == (None, False, None, None)
    assert not record.is_foreign


def test_japanese_headers_are_the_same_fields() -> None:
    japanese = {field.header: GOOD[field.name] for field in FIELDS if field.name in GOOD}
    assert ResidentRecord.from_mapping(japanese, RULES, label="row 7", folder=Path(".")) == read()


def test_representation_shows_nothing_personal() -> None:
    shown = repr(read(nationality="Brasil", stay_until="2030-01-01"))
    assert shown.startswith("ResidentRecord(label='row 7'")
    for personal in (CODE, "住基", "ジュウキ", "1965", "中央町", "Brasil", "2030"):
        assert personal not in shown


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("resident_code", "24727059609", "its check digit is wrong"),
        ("resident_code", "2472705960", "must be 11 digits"),
        ("resident_code", 24727059608, "must be a string"),
        ("resident_code", "", "is missing"),
        ("resident_code", None, "is missing"),
        ("name", " 　", "is missing"),
        ("name", ["住基"], "must be a string"),
        ("name", "住\u0000基", "contains U+0000, a control or formatting character"),
        ("name", "住\u202e基", "contains U+202E, a control or formatting character"),
        ("name", "住\n基", "contains U+000A, a control or formatting character"),
        ("name", "住\ud800", "contains U+D800, a control or formatting character"),
        ("name", "長" * 81, "is longer than 80 characters"),
        ("kana", "Juki Taro", "must be written in kana"),
        ("kana", "ア" * 121, "is longer than 120 characters"),
        ("birth_date", "昭和64年1月8日", "昭和 had ended: 平成 began on 1989-01-08"),
        ("birth_date", "1965-02-30", "no such day in the calendar"),
        ("birth_date", "2026-11-22", "lies in the future"),
        ("birth_date", "someday", "must be a date such as 1965-04-03, 昭和40年4月3日 or S40.4.3"),
        ("sex", "m", "must be male, female, 男 or 女"),
        ("address", "あ" * 151, "is longer than 150 characters"),
        ("city_code", "992012", "its check digit is wrong"),
        ("city_code", "9920", "must be 5 digits, or 6 with the check digit"),
        ("face", "C", "must be A or B"),
        ("braille", "maybe", "must be yes or no"),
        ("braille", 1, "must be a string"),
        ("braille_reading", "タ" * 121, "is longer than 120 characters"),
        ("nationality", "x" * 41, "is longer than 40 characters"),
        ("stay_until", "2030-01-01", "is for foreign residents, and the nationality does not say so"),
        ("番号", "1", "is not a field of a record"),
        ("氏名", "太郎", "is given twice (its other name is 氏名)"),
    ],
)
def test_one_fault_one_line(field: str, value: object, reason: str) -> None:
    changes: dict[str, Any] = {field: value}
    named = "name" if field == "氏名" else field
    assert problems(lambda: read(**changes)) == [f"row 7: {named}: {reason}"]


def test_all_faults_at_once() -> None:
    found = problems(
        lambda: ResidentRecord.from_mapping(
            {"resident_code": "1", "sex": "x", "colour": "red", "face": "B"},
            RULES,
            label="bad.json",
            folder=Path("."),
        )
    )
    assert [line.split(": ")[1] for line in found] == [
        "colour",
        "resident_code",
        "name",
        "kana",
        "birth_date",
        "sex",
        "address",
        "city_code",
        "photo",
    ]


def test_another_citys_record() -> None:
    rules = RecordRules(today=RULES.today, city_code="13101")
    assert problems(lambda: read(rules)) == ["row 7: city_code: is not this authority's city, 13101"]


def test_face_must_be_said_somewhere_and_the_caller_wins() -> None:
    assert problems(lambda: read(face=None)) == ["row 7: face: is missing (A or B)"]
    chosen = RecordRules(today=RULES.today, face=Face.A)
    assert read(chosen, face=None).face is Face.A
    assert read(chosen, face="B").face is Face.A


def test_face_b_needs_its_photo(tmp_path: Path) -> None:
    (tmp_path / "taro.png").write_bytes(b"picture")
    assert problems(lambda: read(face="B")) == ["row 7: photo: is missing, and face B needs it"]
    assert problems(lambda: read(face="B", photo="taro.png", folder=tmp_path / "elsewhere")) == [
        "row 7: photo: no such file beside the record"
    ]
    assert problems(lambda: read(face="B", photo="p" * 255, folder=tmp_path / ("d" * 254))) == [
        "row 7: photo: no such file beside the record"
    ]
    assert read(face="B", photo="taro.png", folder=tmp_path).photo == tmp_path / "taro.png"
    given = RecordRules(today=RULES.today, face=Face.B, photo=tmp_path / "taro.png")
    assert read(given, photo="other.png").photo == tmp_path / "taro.png"


def test_face_a_keeps_no_photo(tmp_path: Path) -> None:
    assert read(photo="nowhere.png", folder=tmp_path).photo is None


def test_foreign_residents() -> None:
    record = read(nationality="ブラジル", stay_until="2030-03-31")
    assert record.is_foreign
    assert record.stay_until == date(2030, 3, 31)
    assert read(nationality="ブラジル").stay_until is None
    assert not read(nationality="日本").is_foreign
    assert problems(lambda: read(nationality="日本", stay_until="2030-03-31")) == [
        "row 7: stay_until: is for foreign residents, and the nationality does not say so"
    ]
    assert problems(lambda: read(nationality="ブラジル", stay_until="2026-11-20")) == ["row 7: stay_until: has passed"]


@pytest.mark.parametrize("name", ["𠮷田　髙﨑", "葛\U000e0100城　か\u3099", "長" * 80, "マリア・ダ・シルヴァ"])
def test_hard_names_stay_as_they_are(name: str) -> None:
    assert read(name=name).name == name


def test_replaced_check_digit_function() -> None:
    rules = RecordRules(today=RULES.today, resident_check_digit=lambda digits: 9)
    assert read(rules, resident_code="24727059609").resident_code.reveal() == "24727059609"


@pytest.mark.parametrize(("value", "expected"), [(True, True), (False, False), ("yes", True), ("no", False)])
def test_braille(value: object, expected: bool) -> None:
    assert read(braille=value).braille is expected


def test_a_confirmed_reading_counts_where_braille_is_wanted() -> None:
    assert read(braille="yes", braille_reading="コ|ウラ ジロー").braille_reading == "コ|ウラ ジロー"
    assert read(braille="yes", 点字読み="タロー").braille_reading == "タロー"
    assert read(braille="yes").braille_reading is None
    assert read(braille="no", braille_reading="タロー").braille_reading is None
    assert "タロー" not in repr(read(braille="yes", braille_reading="タロー"))


def test_the_examples_are_good_records() -> None:
    taro = load_json(EXAMPLES / "taro.json", RULES)
    hanako = load_json(EXAMPLES / "hanako.json", RULES)
    assert (taro.face, taro.photo, taro.city_code) == (Face.A, None, "99201")
    assert (hanako.face, hanako.city_code, hanako.braille) == (Face.B, "99201", True)
    assert hanako.photo == EXAMPLES / "portrait-drawn.png"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "is not JSON: Expecting property name enclosed in double quotes at line 1"),
        (b"[]", "is not a JSON object"),
        (b'"x"', "is not a JSON object"),
        (b"\x8eZ", "is not UTF-8"),
        (b" " * 70000, "is larger than 65536 bytes"),
        (b"[" * 60000, "is not a JSON object of plain values"),
        (b'{"name": ' + b"1" * 5000 + b"}", "is not a JSON object of plain values"),
    ],
)
def test_files_that_are_no_records(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    assert problems(lambda: load_json(path, RULES)) == [f"x.json: (file): {reason}"]


def test_missing_file_and_duplicate_field(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    assert problems(lambda: load_json(path, RULES)) == ["x.json: (file): cannot be read: No such file or directory"]
    path.write_text('{"name": "a", "name": "b"}', encoding="utf-8")
    assert problems(lambda: load_json(path, RULES)) == ["x.json: name: is given twice"]


def test_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(GOOD), encoding="utf-8-sig")
    assert load_json(path, RULES).name == "住基　太郎"


def test_a_code_that_stands_where_a_field_name_should_is_not_repeated() -> None:
    assert safe_field_name(CODE) == "###########"
    assert safe_field_name("２４７２\n") == "####?"
    assert len(safe_field_name("x" * 100)) == 40
    changes: dict[str, Any] = {CODE: "x"}
    assert problems(lambda: read(**changes)) == ["row 7: ###########: is not a field of a record"]
