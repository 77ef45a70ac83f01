"""Reading a table is total: a record, or a RecordError; what is written in either encoding is read back."""

from __future__ import annotations

import csv
import io
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jukicard.issuer.errors import RecordError
from jukicard.issuer.records.resident import FIELDS, RecordRules
from jukicard.issuer.records.table import load_csv

RULES = RecordRules(today=date(2026, 11, 21))
CODE = "24727059608"
HEADERS = [name for field in FIELDS for name in (field.name, field.header)]
CELLS = st.sampled_from([*HEADERS, CODE, "男", "A", "99201", "昭和40年4月3日", "", '"', ",", "\n", "\r\n", "\0", "髙"])
LINES = st.lists(st.lists(CELLS, max_size=12).map(",".join), max_size=4).map("\n".join)
GOOD = {
    "住民票コード": CODE,
    "フリガナ": "ジュウキ",
    "生年月日": "昭和40年4月3日",
    "性別": "男",
    "市町村コード": "99201",
    "券面": "A",
}
# What CP932 and Unicode translate into each other and back, and a record may hold.
JAPANESE = st.text(st.sampled_from("あア亜熙髙﨑ｱａA1,\"'　纊彅"), min_size=1, max_size=20).filter(str.strip)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables") / "table.csv"


@given(
    raw=st.binary(max_size=200) | LINES.flatmap(lambda t: st.sampled_from(["utf-8", "cp932", "utf-16"]).map(t.encode))
)
def test_total_and_silent(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)
    try:
        shown = repr(load_csv(path, RULES))
    except RecordError as error:
        shown = str(error)
        assert shown
    assert CODE not in shown


@given(name=JAPANESE, address=JAPANESE, encoding=st.sampled_from(["utf-8", "utf-8-sig", "cp932"]))
def test_what_was_written_is_read(path: Path, name: str, address: str, encoding: str) -> None:
    row = {**GOOD, "氏名": name, "住所": address}
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, list(row))
    table.writeheader()
    table.writerow(row)
    path.write_bytes(text.getvalue().encode(encoding))
    record = load_csv(path, RULES)
    assert (record.name, record.address, record.resident_code.reveal()) == (name.strip(), address.strip(), CODE)
