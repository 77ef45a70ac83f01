"""Orders: one resident code belongs to one person, whom the books know by a keyed digest alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.description import City
from jukicard.issuer.errors import CodeTaken, RecordError
from jukicard.issuer.ledger.group import CardTerms, Resident
from jukicard.issuer.ledger.rules import Event, Status
from jukicard.issuer.line.orders import place_order, unfinished_order
from jukicard.issuer.records.resident import Face, RecordRules, ResidentRecord, Sex
from tests.support.chips import randomness

TODAY = date(2026, 11, 21)
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TARO = ResidentRecord.from_mapping(
    {
        "resident_code": "24727059608",
        "name": "住基　太郎",
        "kana": "ジュウキ　タロウ",
        "birth_date": "昭和40年4月3日",
        "sex": "男",
        "address": "架空県見本市中央町2丁目2番1号",
        "city_code": "99201",
        "face": "A",
    },
    RecordRules(TODAY),
    label="taro.json",
    folder=Path("."),
)
OTHERS = [{"name": "住基　次郎"}, {"birth_date": date(1965, 4, 4)}, {"sex": Sex.FEMALE}]
SAME = [
    {"address": "架空県見本市北町1丁目1番1号", "kana": "ジューキ　タロー"},
    {"name": " 住基 太郎"},
    {"name": "住基太郎"},
    {"name": "住基　太\U000e0100郎"},
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("orders") / "home"
    Authority.init(home, City("99201", "見本市"), "a password", today=TODAY, random=randomness("home")).close()
    return home


@pytest.fixture
def authority(home: Path, tmp_path: Path) -> Iterator[Authority]:
    shutil.copytree(home, tmp_path / "home")
    with Authority.open(tmp_path / "home", "a password") as authority:
        yield authority


def place(authority: Authority, record: ResidentRecord = TARO) -> str:
    return place_order(authority, record, issued_on=TODAY, now=NOW).serial


def refusals(authority: Authority, record: ResidentRecord) -> list[str]:
    """What is said when it is looked for, and when it is ordered; nothing is entered."""
    before, said = authority.ledger.head(), []
    for action in (lambda: unfinished_order(authority, record), lambda: place(authority, record)):
        with pytest.raises(RecordError) as caught:
            action()
        said.append(str(caught.value))
    assert authority.ledger.head() == before
    return said


@pytest.mark.parametrize("change", OTHERS, ids=["name", "birth date", "sex"])
def test_a_code_of_another_person_is_refused(authority: Authority, change: dict[str, object]) -> None:
    serial = place(authority)
    other = replace(TARO, **change, label="other.json")  # type: ignore[arg-type]
    reason = f"other.json: resident_code: is another person's: the books have card {serial} for it"
    assert refusals(authority, other) == [reason, reason]
    assert unfinished_order(authority, TARO) is not None


@pytest.mark.parametrize("change", SAME, ids=["moved", "blanks", "no blanks", "variation selector"])
def test_the_same_persons_unfinished_order_is_resumed(authority: Authority, change: dict[str, object]) -> None:
    serial = place(authority)
    order = unfinished_order(authority, replace(TARO, **change))  # type: ignore[arg-type]
    assert order is not None
    assert order.serial == serial


def test_the_same_person_may_have_a_second_card(authority: Authority) -> None:
    first = place(authority)
    for event in (Event.BOUND, Event.SPOILT):
        authority.ledger.append(first, event, NOW, {"chip": "00"} if event is Event.BOUND else {"reason": "a test"})
    assert unfinished_order(authority, TARO) is None
    second = place(authority)
    assert second != first
    other = replace(TARO, name="住基　次郎")
    assert f"card {first}" in refusals(authority, other)[0]


def test_a_cancelled_order_binds_nobody(authority: Authority) -> None:
    authority.ledger.append(place(authority), Event.CANCELLED, NOW)
    assert place(authority, replace(TARO, name="住基　次郎"))


def test_entries_from_before_name_no_person(authority: Authority) -> None:
    terms = CardTerms("99201", Face.A.value, TODAY, date(2036, 11, 20))
    old = authority.ledger.order(terms, Resident(authority.code_digest(TARO.resident_code), None), NOW)
    state = authority.ledger.card(old)
    assert (state.status, state.person_digest) == (Status.ORDERED, None)
    order = unfinished_order(authority, replace(TARO, name="住基　次郎"))
    assert order is not None
    assert order.serial == old
    assert authority.ledger.verify()


def test_who_orders_in_the_meantime_is_noticed_in_the_books_own_transaction(authority: Authority) -> None:
    serial = place(authority)
    resident = Resident(authority.code_digest(TARO.resident_code), "00" * 32)
    with pytest.raises(CodeTaken) as caught:
        authority.ledger.order(CardTerms("99201", "A", TODAY, TODAY), resident, NOW)
    assert caught.value.serial == serial


def test_the_books_hold_digests_alone_and_they_differ_with_the_key(authority: Authority, tmp_path: Path) -> None:
    place(authority)
    (entry,) = authority.ledger.entries()
    assert entry.detail["person_digest"] == authority.person_digest(TARO)
    written = (authority.home / "ledger.sqlite").read_bytes()
    assert not any(text.encode() in written for text in ("太郎", TARO.resident_code.reveal(), "1965-04-03"))
    Authority.init(tmp_path / "other", City("99201", "見本市"), "a password", today=TODAY).close()
    with Authority.open(tmp_path / "other", "a password") as other:
        assert other.person_digest(TARO) != authority.person_digest(TARO)
        assert other.person_digest(TARO) != other.code_digest(TARO.resident_code)
