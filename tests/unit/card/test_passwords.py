"""Passwords: what costs a try, when it is spent, and what never gives one back."""

from __future__ import annotations

import pytest

from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.connection import CardConnection
from jukicard.securechannel.authorization import Right
from tests.support import chips
from tests.support.chips import CODE, PASSWORD, WRONG_PASSWORD, Chip, juki_session, read_code, say, verify

EMPTY = "00 20 00 81"
COUNTER = "p/81/t"


def tries(chip: Chip) -> int:
    """What an empty VERIFY tells."""
    sw = chip.ask(EMPTY).sw
    assert sw >> 4 == 0x63C
    return sw & 0x0F


def counters(chip: Chip) -> dict[str, bytes]:
    return {name: value for name, value in chip.cells.items() if name.endswith(COUNTER)}


def change(session: CardConnection, old: bytes, new: bytes) -> int:
    return say(session, 0x00, 0x24, 0x00, 0x81, old + new).sw


def blocked_chip() -> Chip:
    chip = chips.active().chip()
    session = juki_session(chip)
    assert [verify(session, WRONG_PASSWORD) for _ in range(4)] == [0x63C2, 0x63C1, 0x63C0, 0x6983]
    return chip


def test_an_empty_verify_costs_nothing_a_hundred_times_over() -> None:
    chip = chips.active().chip()
    chip.select(chips.JUKI)
    before = chip.cells
    assert {chip.ask(EMPTY).sw for _ in range(100)} == {0x63C3}
    session = juki_session(chip)
    assert {verify(session, b"") for _ in range(100)} == {0x63C3}
    assert counters(chip) == counters(chips.active().chip())
    chip.store.commits.clear()
    chip.ask(EMPTY)
    assert not chip.store.commits
    assert {name for name, value in chip.cells.items() if before.get(name) != value} <= {"a/0002/day/10/01"}


def test_an_empty_verify_of_a_blocked_password_is_63c0_and_one_with_data_6983() -> None:
    chip = blocked_chip()
    assert {chip.ask(EMPTY).sw for _ in range(100)} == {0x63C0}
    session = juki_session(chip, Right.IDENTIFY)
    assert verify(session, b"") == 0x63C0
    assert verify(session) == 0x6983
    assert verify(session, b"12345") == 0x6983
    assert read_code(session).sw == 0x6982


def test_an_empty_verify_is_6984_while_no_password_is_set() -> None:
    chip = chips.delivered().chip()
    chip.select(chips.JUKI)
    assert {chip.ask(EMPTY).sw for _ in range(100)} == {0x6984}
    session = juki_session(chip, issued=chips.delivered())
    assert verify(session) == 0x6984
    assert change(session, PASSWORD, PASSWORD) == 0x6984
    assert chip.ask(EMPTY).sw == 0x6984


@pytest.mark.parametrize("password", [PASSWORD, WRONG_PASSWORD])
def test_a_verify_in_the_clear_is_refused_and_costs_nothing(password: bytes) -> None:
    chip = chips.active().chip()
    chip.select(chips.JUKI)
    for _ in range(5):
        assert verify(chip, password) == 0x6982
    session = juki_session(chip, Right.IDENTIFY)
    for _ in range(5):
        assert verify(chip, password) == 0x6982  # nor with a session open, if it is not used
    assert tries(chip) == 3
    assert read_code(session).sw == 0x6982


def test_a_verify_in_an_scp11b_session_is_refused_and_costs_nothing() -> None:
    chip = chips.active().chip()
    chip.select(chips.JUKI)
    session = chip.scp11b(chips.active().juki_11b)
    for password in (PASSWORD, WRONG_PASSWORD) * 3:
        assert verify(session, password) == 0x6982
        assert change(session, password, b"0000") == 0x6982
    assert verify(session, b"") == 0x63C3


def test_scp03_without_encryption_cannot_spend_a_try_either() -> None:
    chip = chips.active().chip()
    for level in (0x01, 0x11):
        chip.select(chips.JUKI)
        assert verify(chip.scp03(chips.JUKI_KEYS, level), WRONG_PASSWORD) == 0x6982
    assert tries(chip) == 3
    assert verify(chip.scp03(chips.JUKI_KEYS, 0x03), WRONG_PASSWORD) == 0x63C2


def test_the_try_is_spent_durably_before_the_comparison() -> None:
    chip = chips.active().chip()
    session = juki_session(chip)
    chip.store.commits.clear()
    assert verify(session) == 0x9000
    (spent, spent_durable), (given_back, given_back_durable) = chip.store.commits
    ((cell, left),) = spent.items()
    assert cell.endswith(COUNTER)
    assert (left, spent_durable) == (b"\x02", True)
    assert (given_back, given_back_durable) == ({cell: b"\x03"}, False)
    chip.store.commits.clear()
    assert verify(session, WRONG_PASSWORD) == 0x63C2
    assert chip.store.commits == [({cell: b"\x02"}, True)]


@pytest.mark.parametrize("password", [PASSWORD, WRONG_PASSWORD])
def test_without_the_power_to_spend_nothing_is_compared(password: bytes) -> None:
    """If the spending does not reach the store, right and wrong passwords look the same."""
    chip = chips.active().chip()
    session = juki_session(chip, Right.IDENTIFY)
    chip.exchanges.clear()
    chip.store.cut = lambda _number: True
    assert verify(session, password) == 0x6581
    assert chip.exchanges[-1][1] == bytes.fromhex("6581")
    chip.store.cut = lambda _number: False
    chip.select(chips.JUKI)
    assert tries(chip) == 3
    assert read_code(chip).sw == 0x6982


def test_a_cut_after_the_spending_leaves_one_try_fewer_and_no_verification() -> None:
    chip = chips.active().chip()
    session = juki_session(chip, Right.IDENTIFY)
    first = len(chip.store.commits)
    chip.store.cut = lambda number: number == first + 1  # the giving back
    assert verify(session) == 0x6581
    chip.store.cut = lambda _number: False
    again = Chip(chip.cells, seed=2)
    session = juki_session(again, Right.IDENTIFY)
    assert tries(again) == 2
    assert read_code(session).sw == 0x6982
    assert verify(session) == 0x9000
    assert tries(again) == 3


def test_repeated_cuts_never_give_more_than_three_guesses() -> None:
    """Whoever cuts the power after each answer still blocks the card with the third guess."""
    cells = chips.active().cells
    answers = []
    for number in range(5):
        chip = Chip(cells, seed=number)
        session = juki_session(chip)
        answers.append(verify(session, b"000%d" % number))
        cells = chip.cells
    assert answers == [0x63C2, 0x63C1, 0x63C0, 0x6983, 0x6983]


def test_blocked_stays_blocked_after_reset_and_after_loading_the_store_again() -> None:
    chip = blocked_chip()
    chip.reset()
    assert verify(juki_session(chip)) == 0x6983
    again = Chip(chip.cells, seed=9)
    session = juki_session(again, Right.IDENTIFY)
    assert verify(session) == 0x6983
    assert change(session, PASSWORD, b"1111") == 0x6983
    assert tries(again) == 0
    assert read_code(session).sw == 0x6982


def test_a_right_password_gives_all_tries_back() -> None:
    chip = chips.active().chip()
    session = juki_session(chip)
    assert [verify(session, WRONG_PASSWORD) for _ in range(2)] == [0x63C2, 0x63C1]
    assert verify(session) == 0x9000
    assert tries(chip) == 3


def test_a_wrong_password_takes_back_what_a_right_one_gave() -> None:
    chip = chips.active().chip()
    session = juki_session(chip, Right.IDENTIFY)
    assert verify(session) == 0x9000
    assert read_code(session).data == CODE
    assert verify(session, WRONG_PASSWORD) == 0x63C2
    assert read_code(session).sw == 0x6982


def test_a_chained_fragment_costs_no_try_and_is_compared_as_a_whole() -> None:
    chip = chips.active().chip()
    session = juki_session(chip)
    chip.exchanges.clear()
    assert verify(session) == 0x9000
    protected = CommandAPDU.parse(chip.exchanges[-1][0])
    chip2 = chips.active().chip()
    juki_session(chip2)  # the same seed: the same session, byte for byte
    chip2.store.commits.clear()
    header = bytes((protected.cla | 0x10, *protected.header[1:]))
    for position in range(protected.nc - 1):
        assert chip2.ask(header + b"\x01" + protected.data[position : position + 1]).sw == 0x9000
        assert not chip2.store.commits
    assert chip2.ask(protected.header + b"\x01" + protected.data[-1:]).sw == 0x9000
    assert tries(chip2) == 3


def test_plain_fragments_cost_no_try() -> None:
    chip = chips.active().chip()
    chip.select(chips.JUKI)
    for _ in range(10):
        assert chip.ask("10 20 00 81 02 3939").sw == 0x9000
        assert chip.ask("00 20 00 81 02 3939").sw == 0x6982
        assert chip.ask("10 20 00 81 02 3939").sw == 0x9000
        assert chip.ask(EMPTY).sw == 0x6982  # the end of that chain, and so not empty
    assert tries(chip) == 3


@pytest.mark.parametrize("password", [b"1", b"123", b"12345", b"25800000", bytes(64)])
def test_a_password_of_impossible_length_is_6a80_and_costs_nothing(password: bytes) -> None:
    chip = chips.active().chip()
    session = juki_session(chip)
    for _ in range(4):
        assert verify(session, password) == 0x6A80
    assert tries(chip) == 3


def test_change_needs_the_old_password_and_a_wrong_one_costs_a_try() -> None:
    chip = chips.active().chip()
    session = juki_session(chip)
    assert change(session, WRONG_PASSWORD, b"1111") == 0x63C2
    assert change(session, PASSWORD, b"1111") == 0x9000
    assert tries(chip) == 3
    assert verify(session, PASSWORD) == 0x63C2
    assert verify(session, b"1111") == 0x9000


def test_change_with_wrong_old_passwords_blocks() -> None:
    chip = chips.active().chip()
    session = juki_session(chip)
    answers = [change(session, WRONG_PASSWORD, b"1111") for _ in range(4)]
    assert answers == [0x63C2, 0x63C1, 0x63C0, 0x6983]
    assert change(session, PASSWORD, b"1111") == 0x6983
    assert verify(session) == 0x6983


@pytest.mark.parametrize("old", [PASSWORD, WRONG_PASSWORD])
@pytest.mark.parametrize("new", [b"12a4", bytes(4), b"\xff\xff\xff\xff"])
def test_a_new_password_that_is_not_allowed_is_refused_first_and_costs_nothing(old: bytes, new: bytes) -> None:
    chip = chips.active().chip()
    session = juki_session(chip)
    for _ in range(4):
        assert change(session, old, new) == 0x6A80
    assert tries(chip) == 3
    assert verify(session) == 0x9000


def test_change_of_odd_length_and_of_unequal_halves() -> None:
    chip = chips.active().chip()
    session = juki_session(chip)
    assert change(session, PASSWORD, b"11111") == 0x6700
    assert change(session, PASSWORD, b"111111") == 0x6A80
    assert tries(chip) == 3


def test_a_changed_password_must_be_verified_anew() -> None:
    chip = chips.active().chip()
    session = juki_session(chip, Right.IDENTIFY)
    assert verify(session) == 0x9000
    assert change(session, PASSWORD, b"1111") == 0x9000
    assert read_code(session).sw == 0x6982
    assert verify(session, b"1111") == 0x9000
    assert read_code(session).data == CODE


def test_reset_retry_counter_needs_its_right_and_then_unblocks() -> None:
    chip = blocked_chip()
    for rights in ((), tuple(chips.ALL_RIGHTS - {Right.RESET_PASSWORD})):
        session = juki_session(chip, *rights)
        assert say(session, 0, 0x2C, 0x02, 0x81, b"4711").sw == 0x6982
        assert say(session, 0, 0x2C, 0x03, 0x81).sw == 0x6982
    chip.select(chips.JUKI)
    assert say(chip, 0, 0x2C, 0x02, 0x81, b"4711").sw == 0x6982
    session = juki_session(chip, Right.RESET_PASSWORD, Right.IDENTIFY)
    assert say(session, 0, 0x2C, 0x02, 0x81, b"47x1").sw == 0x6A80
    assert say(session, 0, 0x2C, 0x02, 0x81).sw == 0x6700
    assert say(session, 0, 0x2C, 0x03, 0x81, b"4711").sw == 0x6700
    assert tries(chip) == 0
    assert say(session, 0, 0x2C, 0x03, 0x81).sw == 0x9000
    assert tries(chip) == 3
    assert read_code(session).sw == 0x6982  # a reset verifies nothing
    assert say(session, 0, 0x2C, 0x02, 0x81, b"4711").sw == 0x9000
    assert verify(session, PASSWORD) == 0x63C2
    assert verify(session, b"4711") == 0x9000


def test_a_reset_takes_back_a_verification() -> None:
    chip = chips.active().chip()
    session = juki_session(chip, Right.RESET_PASSWORD, Right.IDENTIFY)
    assert verify(session) == 0x9000
    assert say(session, 0, 0x2C, 0x03, 0x81).sw == 0x9000
    assert read_code(session).sw == 0x6982


def test_reset_retry_counter_sets_no_first_password() -> None:
    chip = chips.delivered().chip()
    session = juki_session(chip, *chips.ALL_RIGHTS, issued=chips.delivered())
    assert say(session, 0, 0x2C, 0x02, 0x81, b"4711").sw == 0x6984
    assert chip.ask(EMPTY).sw == 0x6984


def test_an_unknown_password_reference_is_6a88() -> None:
    chip = chips.active().chip()
    session = juki_session(chip, *chips.ALL_RIGHTS)
    for reference in (0x01, 0x80 | 0x02, 0x82, 0x9F):
        assert say(session, 0, 0x20, 0x00, reference).sw == 0x6A88
        assert say(session, 0, 0x20, 0x00, reference, PASSWORD).sw == 0x6A88


def test_two_applications_with_the_same_reference_have_two_passwords() -> None:
    chip = blocked_chip()
    session = chips.library_session(chip)
    assert verify(session) == 0x9000
    assert verify(session, WRONG_PASSWORD) == 0x63C2
    session = juki_session(chip)
    assert verify(session, b"") == 0x63C0
