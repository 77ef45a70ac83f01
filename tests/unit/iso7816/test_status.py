from __future__ import annotations

import copy
import pickle

import pytest

from jukicard.iso7816.status import StatusWord


def test_every_16_bit_value_is_a_member_and_cached():
    for value in range(0x10000):
        sw = StatusWord(value)
        assert sw == value
        assert sw is StatusWord(value)
        assert (sw.sw1, sw.sw2) == (value >> 8, value & 0xFF)
        assert str(sw) == f"{value:04X}"
        assert sw.description


@pytest.mark.parametrize("value", [-1, 0x10000, "9000", None, 1.5])
def test_other_values_are_refused(value):
    with pytest.raises(ValueError, match="not a valid StatusWord"):
        StatusWord(value)


def test_unnamed_members_do_not_join_the_listed_ones():
    listed = list(StatusWord)
    StatusWord(0x63C7)
    assert list(StatusWord) == listed
    assert StatusWord(0x63C7).name == "SW_63C7"
    assert StatusWord(0x6982).name == "SECURITY_NOT_SATISFIED"


def test_copies_and_pickles_are_the_same_member():
    sw = StatusWord(0x63C1)
    assert copy.deepcopy(sw) is sw
    assert pickle.loads(pickle.dumps(sw)) is sw


@pytest.mark.parametrize(
    ("value", "ok", "warning", "error"),
    [
        (0x9000, True, False, False),
        (0x6110, False, False, False),
        (0x6282, False, True, False),
        (0x63C2, False, True, False),
        (0x6400, False, False, True),
        (0x6C10, False, False, True),
        (0x6A82, False, False, True),
        (0x9100, False, False, True),
    ],
)
def test_families(value, ok, warning, error):
    sw = StatusWord(value)
    assert (sw.is_ok, sw.is_warning, sw.is_error) == (ok, warning, error)


def test_tries():
    for tries in range(16):
        assert StatusWord.with_tries(tries) == 0x63C0 + tries
        assert StatusWord(0x63C0 + tries).tries_left == tries
    assert StatusWord(0x6300).tries_left is None
    assert StatusWord(0x63D0).tries_left is None
    for bad in (-1, 16):
        with pytest.raises(ValueError, match="0 to 15"):
            StatusWord.with_tries(bad)


def test_lengths_where_00_means_256():
    for count in range(1, 257):
        assert StatusWord.with_available(count).available == count
        assert StatusWord.with_exact_ne(count).exact_ne == count
    assert StatusWord.with_available(256) == 0x6100
    assert StatusWord.with_available(70000) == 0x6100
    assert StatusWord.with_exact_ne(256) == 0x6C00
    assert StatusWord.OK.available is None
    assert StatusWord.OK.exact_ne is None
    with pytest.raises(ValueError, match="at least one"):
        StatusWord.with_available(0)
    for bad in (0, 257):
        with pytest.raises(ValueError, match="1 to 256"):
            StatusWord.with_exact_ne(bad)


def test_descriptions_say_what_the_number_says():
    assert "1 try left" in StatusWord(0x63C1).description
    assert "0 tries left" in StatusWord(0x63C0).description
    assert "256" in StatusWord(0x6100).description
    assert StatusWord(0x6999).description == "command not allowed"
    assert all(sw.description != "unknown status" for sw in StatusWord)
