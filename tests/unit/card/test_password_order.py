"""Which of several faults of a command on passwords is told, and the limits of a new password."""

from __future__ import annotations

import pytest

from jukicard.iso7816.aid import AID
from jukicard.iso7816.connection import CardConnection
from jukicard.securechannel.authorization import Right
from tests.support import chips
from tests.support.chips import PASSWORD, WRONG_PASSWORD, Chip, juki_session, say, verify

NOT_ALLOWED = b"12a4"


def change(session: CardConnection, old: bytes, new: bytes) -> int:
    return say(session, 0x00, 0x24, 0x00, 0x81, old + new).sw


def test_a_blocked_password_is_told_before_a_new_one_that_is_not_allowed() -> None:
    chip = chips.active().chip()
    session = juki_session(chip)
    assert [verify(session, WRONG_PASSWORD) for _ in range(3)][-1] == 0x63C0
    assert change(session, PASSWORD, NOT_ALLOWED) == 0x6983


def test_a_password_that_is_not_set_is_told_before_a_new_one_that_is_not_allowed() -> None:
    session = juki_session(chips.delivered().chip(), issued=chips.delivered())
    assert change(session, PASSWORD, NOT_ALLOWED) == 0x6984


@pytest.mark.parametrize("password", [b"1", b"123", b"12345", b"12345678"])
def test_a_new_password_has_four_digits(password: bytes) -> None:
    chip = chips.active().chip()
    session = juki_session(chip, Right.RESET_PASSWORD)
    assert say(session, 0, 0x2C, 0x02, 0x81, password).sw == 0x6A80
    first = chips.delivered().chip()
    opened = juki_session(first, Right.SET_INITIAL_PASSWORD, issued=chips.delivered())
    assert say(opened, 0, 0x24, 0x01, 0x81, password).sw == 0x6A80
    assert say(opened, 0, 0x24, 0x01, 0x81, b"0909").sw == 0x9000
    assert verify(session) == 0x9000


def lengths(chip: Chip, ins: int, p1: int) -> tuple[set[int], set[int]]:
    """Which lengths of data are 6700 in the clear, and which get further."""
    answers = {length: say(chip, 0, ins, p1, 0x81, bytes(length)).sw for length in (0, 1, 2, 64, 65, 128, 129)}
    wrong = {length for length, sw in answers.items() if sw == 0x6700}
    return wrong, answers.keys() - wrong


@pytest.mark.parametrize("application", [chips.JUKI, chips.LIBRARY], ids=["juki", "library"])
@pytest.mark.parametrize(
    ("ins", "p1", "wrong"),
    [
        (0x20, 0x00, {65, 128, 129}),
        (0x24, 0x00, {0, 1, 129}),
        (0x24, 0x01, {0, 65, 128, 129}),
        (0x2C, 0x02, {65, 128, 129}),
        (0x2C, 0x03, {65, 128, 129}),
    ],
)
def test_lengths_are_judged_before_anything_else(application: AID, ins: int, p1: int, wrong: set[int]) -> None:
    chip = chips.active().chip()
    chip.select(application)
    assert lengths(chip, ins, p1)[0] == wrong


@pytest.mark.parametrize("ins", [0x20, 0x24, 0x2C])
def test_the_references_of_passwords(ins: int) -> None:
    """P2: b8 says whether it is the application's own; 01 to 1F, b7 and b6 zero (ISO/IEC 7816-4)."""
    chip = chips.active().chip()
    chip.select(chips.JUKI)
    p1 = 0x02 if ins == 0x2C else 0x00
    allowed = {p2 for p2 in range(256) if say(chip, 0, ins, p1, p2, bytes(2)).sw != 0x6A86}
    assert allowed == {*range(0x01, 0x20), *range(0x81, 0xA0)}
