"""Reading a record is total: a record, or a RecordError that repeats no resident code."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from jukicard.issuer.errors import RecordError
from jukicard.issuer.records.resident import FIELD_BY_NAME, RecordRules, ResidentRecord

RULES = RecordRules(today=date(2026, 11, 21))
CODE = "24727059608"

NAMES = st.sampled_from(sorted(FIELD_BY_NAME)) | st.text(max_size=10) | st.just(CODE)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(st.characters(), max_size=20),
    st.sampled_from([CODE, "男", "A", "B", "no", "99201", "1965-04-03", "昭和40年4月3日", "ジュウキ"]),
)


@given(st.dictionaries(NAMES, VALUES, max_size=14))
def test_total_and_silent(mapping: dict[str, object]) -> None:
    try:
        record = ResidentRecord.from_mapping(mapping, RULES, label="row", folder=Path("."))
    except RecordError as error:
        shown = str(error)
        problems = error.problems
    else:
        shown = repr(record)
        problems = ()
    assert CODE not in shown
    known = [p.field for p in problems if p.reason == "is missing"]
    assert len(set(known)) == len(known)
