"""The register of residents, from a table: without face and photo, each code once, differences by field."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from jukicard.issuer.errors import RecordError
from jukicard.issuer.records.codes import ResidentCode
from jukicard.issuer.records.register import CsvRegister, RegisterEntry
from jukicard.issuer.records.resident import Sex

TODAY = date(2026, 11, 28)
HEADER = "住民票コード,氏名,フリガナ,生年月日,性別,住所,市町村コード,券面,在留期限\n"
TARO = "41802639579,住基　太郎,ジュウキ　タロウ,昭和40年4月3日,男,架空県見本市中央町2丁目2番1号,99201,,\n"
FOREIGN = "73059182460,SMITH JOHN,スミス,1978-11-23,male,架空県隣市1番1号,99202,Z,2001-01-01\n"
WRONG = "24727059608,名,カナ,9999-99-99,男,住所,99201,,\n"


def register(tmp_path: Path, *rows: str) -> CsvRegister:
    path = tmp_path / "people.csv"
    path.write_text(HEADER + "".join(rows), encoding="utf-8")
    return CsvRegister(path, TODAY)


def test_a_code_leads_to_the_four_items(tmp_path: Path) -> None:
    known = register(tmp_path, TARO, FOREIGN)
    taro = known.find(ResidentCode.parse("41802639579"))
    assert taro == RegisterEntry("住基　太郎", date(1965, 4, 3), Sex.MALE, "架空県見本市中央町2丁目2番1号")
    assert "太郎" not in repr(taro)
    smith = known.find(ResidentCode.parse("73059182460"))
    assert smith is not None
    assert smith.name == "SMITH JOHN"
    assert known.find(ResidentCode.parse("24846016224")) is None


def test_a_row_at_fault_is_told_of_when_it_is_asked_for(tmp_path: Path) -> None:
    known = register(tmp_path, TARO, WRONG)
    assert known.find(ResidentCode.parse("41802639579")) is not None
    with pytest.raises(RecordError, match="line 3: birth_date"):
        known.find(ResidentCode.parse("24727059608"))


def test_a_code_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="line 3: resident_code: stands in another row") as refused:
        register(tmp_path, TARO, TARO)
    assert "41802639579" not in str(refused.value)


def test_differences_are_fields_and_writing_is_none() -> None:
    entry = RegisterEntry("住基　太郎", date(1965, 4, 3), Sex.MALE, "中央町２丁目")
    assert entry.differences(replace(entry, name="住基太郎", address="中央町 2丁目")) == ()
    other = RegisterEntry("住基　次郎", date(1965, 4, 4), Sex.FEMALE, "北町")
    assert entry.differences(other) == ("name", "birth_date", "sex", "address")
