"""`juki code`: fresh resident codes, and the check of given ones, which repeats none."""

from __future__ import annotations

import json

import pytest

from jukicard.commands import code as command
from jukicard.issuer.records.codes import ResidentCode
from jukicard.issuer.records.resident import RecordRules, load_json
from tests.support.desk import Desk, private_file
from tests.support.issued import RECORD, TODAY

TAKEN = load_json(RECORD, RecordRules(TODAY)).resident_code.reveal()
GOOD, OTHER, WRONG = "24846016224", "25208017643", "24846016225"


def test_new_prints_one_valid_code_a_line(blank: Desk) -> None:
    (code,) = blank.run("code", "new", *blank.authority).stdout.splitlines()
    assert ResidentCode.parse(code).reveal() == code
    codes = blank.run("code", "new", "--count", "20", *blank.authority).stdout.splitlines()
    assert len({ResidentCode.parse(code) for code in codes}) == 20
    assert len(blank.facts("code", "new", "--count", "3", *blank.authority)["resident_codes"]) == 3
    assert blank.ledger() == ()


def test_new_gives_no_code_that_a_card_was_ordered_for_and_none_twice(
    awaiting: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = iter([TAKEN, GOOD, GOOD, TAKEN, OTHER])
    monkeypatch.setattr(command, "new_resident_code", lambda random: ResidentCode.parse(next(drawn)))
    facts = awaiting.facts("code", "new", "--count", "2", *awaiting.authority)
    assert facts == {"resident_codes": [GOOD, OTHER]}


def test_new_needs_the_authoritys_password(blank: Desk) -> None:
    assert blank.run("code", "new").exit_code == 2
    wrong = ("--authority-password-file", str(private_file(blank.folder / "other.txt", "not it")))
    assert blank.run("code", "new", *wrong).exit_code == 4
    assert blank.run("code", "new", "--count", "0", *blank.authority).exit_code == 2


def test_check_says_of_each_line_whether_it_is_valid_and_repeats_none(blank: Desk) -> None:
    result = blank.run("code", "check", input=f"{GOOD}\n\n  {WRONG}\r\n1234\n２４８４６０１６２２４\n", home=False)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "line 1: valid",
        "line 3: invalid: its check digit is wrong",
        "line 4: invalid: must be 11 digits",
        "line 5: valid",
    ]
    assert not any(code in result.output for code in (GOOD, WRONG, "1234"))


def test_check_as_json(blank: Desk) -> None:
    result = blank.run("code", "check", "--json", input=f"{GOOD}\n{WRONG}\n")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "valid": False,
        "codes": [
            {"line": 1, "valid": True, "reason": None},
            {"line": 2, "valid": False, "reason": "its check digit is wrong"},
        ],
    }
    result = blank.run("code", "check", "--json", input=f"{GOOD}")
    assert (result.exit_code, json.loads(result.stdout)["valid"]) == (0, True)


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_check_of_nothing_is_no_success(blank: Desk, content: str) -> None:
    assert blank.run("code", "check", input=content).exit_code == 2


def test_check_takes_no_code_as_an_argument(blank: Desk) -> None:
    assert blank.run("code", "check", GOOD).exit_code == 2
