"""Resident and municipality codes. Known answers: published sample data, named at each table."""

from __future__ import annotations

import os

import pytest

from jukicard.issuer.records.codes import (
    ResidentCode,
    full_municipality_code,
    municipality_check_digit,
    new_resident_code,
    parse_municipality_code,
    resident_check_digit,
)

# The first three are the resident codes of a published set of sample residence certificates; the formula is
# also that of the individual number (総務省令 第85号 of 2014, Article 5) on ten digits, by which the others
# were computed.
RESIDENT_CODES = [
    "24727059608",
    "24846016224",
    "25208017643",
    "12345678903",
    "01234567892",
    "00000000019",
    "99999999995",
    "10000000006",
    "86420975319",
]


@pytest.mark.parametrize("code", RESIDENT_CODES)
def test_resident_check_digit_known_answers(code: str) -> None:
    assert resident_check_digit(code[:10]) == int(code[10])
    assert ResidentCode.parse(code).reveal() == code


def test_fourth_sample_code_of_that_publication_is_not_a_code() -> None:
    with pytest.raises(ValueError, match="check digit"):
        ResidentCode.parse("25208017644")


@pytest.mark.parametrize("digits", ["0000000000", "0000000006"])
def test_remainders_zero_and_one_give_check_digit_zero(digits: str) -> None:
    total = sum(int(d) * w for d, w in zip(digits[::-1], (2, 3, 4, 5, 6, 7, 2, 3, 4, 5), strict=True)) % 11
    assert total in (0, 1)
    assert resident_check_digit(digits) == 0


@pytest.mark.parametrize("text", ["", "1234567890", "123456789030", "1234567890a", "-123456789", "12345 78903"])
def test_not_eleven_digits(text: str) -> None:
    with pytest.raises(ValueError, match="11 digits"):
        ResidentCode.parse(text)


def test_full_width_digits_are_the_same_code() -> None:
    assert ResidentCode.parse("２４７２７０５９６０８") == ResidentCode.parse("24727059608")


def test_resident_code_shows_itself_masked() -> None:
    code = ResidentCode.parse("24727059608")
    for shown in (repr(code), str(code), f"{code}", f"{code!r:>30}", code.masked):
        assert "*" * 11 in shown
        assert not any(digit in shown for digit in "24708")


def test_errors_do_not_repeat_the_digits() -> None:
    with pytest.raises(ValueError, match="wrong") as caught:
        ResidentCode.parse("24727059609")
    assert not any(char.isdigit() for char in str(caught.value))


def test_equal_codes_are_equal_and_hash_alike() -> None:
    one, same, other = (ResidentCode.parse(c) for c in ("24727059608", "24727059608", "24846016224"))
    assert one == same
    assert one != other
    assert one != "24727059608"
    assert len({one, same, other}) == 2


def test_check_digit_function_can_be_replaced() -> None:
    assert ResidentCode.parse("12345678900", check_digit=lambda digits: 0).reveal() == "12345678900"
    with pytest.raises(ValueError, match="check digit"):
        ResidentCode.parse("12345678903", check_digit=lambda digits: 0)


# Codes of the official list (全国地方公共団体コード): 北海道, 札幌市, 東京都, 横浜市, 大阪市, 鹿児島市.
@pytest.mark.parametrize("full", ["010006", "011002", "130001", "141003", "271004", "462012", "992011"])
def test_municipality_check_digit(full: str) -> None:
    assert municipality_check_digit(full[:5]) == int(full[5])
    assert full_municipality_code(full[:5]) == full
    assert parse_municipality_code(full) == full[:5]
    assert parse_municipality_code(full[:5]) == full[:5]


@pytest.mark.parametrize("text", ["", "9920", "9920111", "9920x", "見本市"])
def test_municipality_code_of_wrong_form(text: str) -> None:
    with pytest.raises(ValueError, match="5 digits"):
        parse_municipality_code(text)


def test_municipality_code_with_wrong_check_digit() -> None:
    with pytest.raises(ValueError, match="check digit"):
        parse_municipality_code("992012")


def test_new_codes_are_drawn_from_all_and_have_their_check_digit() -> None:
    drawn = iter([b"\xff" * 5, (24_7270_5960).to_bytes(5)])  # the first lies beyond the last whole round
    assert new_resident_code(lambda count: next(drawn)).reveal() == "24727059608"
    assert new_resident_code(bytes).reveal() == "00000000000"
    assert ResidentCode.parse(new_resident_code(os.urandom).reveal())
