"""Records: every way to name one, the record pointer, searching."""

from __future__ import annotations

import pytest

from jukicard.applets.folder.client import record_ef
from jukicard.card.volatile import Channel
from jukicard.iso7816.access import AccessMode
from jukicard.iso7816.apdu import ResponseAPDU
from tests.support import bench as b
from tests.support import chips, folders
from tests.support.bench import bench
from tests.support.chips import Chip, say

RECORDS = (b"\xaa111", b"\xbb222", b"\xaa333")
FIRST, LAST, NEXT, PREVIOUS, NUMBER, TO_LAST, FROM_LAST = range(7)


@pytest.fixture
def chip() -> Chip:
    """The bench's linear fixed file with three records, current; no record pointer."""
    chip = bench()
    for record in RECORDS:
        say(chip, 0, 0xE2, 0, 0x10, record, sw=0x9000)
    select(chip, b.FIXED)
    return chip


def select(chip: Chip, fid: int) -> None:
    say(chip, 0, 0xA4, 0x02, 0x0C, fid.to_bytes(2, "big"), sw=0x9000)


def read(chip: Chip, p1: int, mode: int, sfi: int = 0) -> ResponseAPDU:
    return say(chip, 0, 0xB2, p1, sfi << 3 | mode, ne=256)


def pointer(chip: Chip) -> bytes | None:
    """The record that the pointer points to."""
    answer = read(chip, 0, NUMBER)
    return answer.data if answer.sw == 0x9000 else None


# What Annex C of the first edition of ISO/IEC 7816-4 lists, without a record pointer: identifier or number, mode, the
# record read (or None), where the pointer is afterwards.
WITHOUT_POINTER = [
    (0xAA, NEXT, 1, 1),
    (0xBB, NEXT, 2, 2),
    (0xCC, NEXT, None, None),
    (0xAA, PREVIOUS, 3, 3),
    (0xCC, PREVIOUS, None, None),
    (0xBB, FIRST, 2, 2),
    (0xAA, LAST, 3, 3),
    (0xCC, LAST, None, None),
    (0x00, NEXT, 1, 1),
    (0x00, PREVIOUS, 3, 3),
    (0x00, FIRST, 1, 1),
    (0x00, LAST, 3, 3),
    (0x00, NUMBER, None, None),
    (0x02, NUMBER, 2, None),
    (0x04, NUMBER, None, None),
]
WITH_POINTER_AT_2 = [
    (0xAA, NEXT, 3, 3),
    (0xBB, NEXT, None, 2),
    (0xAA, PREVIOUS, 1, 1),
    (0xBB, PREVIOUS, None, 2),
    (0xAA, FIRST, 1, 1),
    (0xAA, LAST, 3, 3),
    (0x00, NEXT, 3, 3),
    (0x00, PREVIOUS, 1, 1),
    (0x00, FIRST, 1, 1),
    (0x00, LAST, 3, 3),
    (0x00, NUMBER, 2, 2),
    (0x03, NUMBER, 3, 2),
    (0x04, NUMBER, None, 2),
]


def check(chip: Chip, p1: int, mode: int, expected: int | None, after: int | None) -> None:
    answer = read(chip, p1, mode)
    assert answer == (ResponseAPDU(RECORDS[expected - 1]) if expected else ResponseAPDU(b"", answer.sw))
    assert answer.sw == (0x9000 if expected else 0x6A83)
    assert pointer(chip) == (RECORDS[after - 1] if after else None)


@pytest.mark.parametrize(("p1", "mode", "expected", "after"), WITHOUT_POINTER)
def test_read_without_a_pointer(chip: Chip, p1: int, mode: int, expected: int | None, after: int | None) -> None:
    check(chip, p1, mode, expected, after)


@pytest.mark.parametrize(("p1", "mode", "expected", "after"), WITH_POINTER_AT_2)
def test_read_with_a_pointer(chip: Chip, p1: int, mode: int, expected: int | None, after: int | None) -> None:
    read(chip, 0xBB, FIRST)
    check(chip, p1, mode, expected, after)


def test_read_all_to_the_last_and_from_the_last(chip: Chip) -> None:
    one, two, three = RECORDS
    assert read(chip, 2, TO_LAST).data == two + three
    assert read(chip, 2, FROM_LAST).data == three + two
    assert read(chip, 1, FROM_LAST).data == three + two + one
    for mode in (TO_LAST, FROM_LAST):
        assert read(chip, 0, mode).sw == 0x6A83
        assert read(chip, 4, mode).sw == 0x6A83
    read(chip, 0xBB, FIRST)
    assert read(chip, 0, TO_LAST).data == two + three
    assert read(chip, 0, FROM_LAST).data == three + two
    assert pointer(chip) == two


def test_the_end_of_the_file_is_not_gone_round(chip: Chip) -> None:
    assert [read(chip, 0, NEXT).sw for _ in range(5)] == [0x9000] * 3 + [0x6A83] * 2
    assert pointer(chip) == RECORDS[2]
    assert [read(chip, 0, PREVIOUS).sw for _ in range(3)] == [0x9000] * 2 + [0x6A83]


def test_a_file_that_becomes_current_has_no_pointer(chip: Chip) -> None:
    for forget in (
        lambda: select(chip, b.FIXED),
        lambda: read(chip, 1, NUMBER, sfi=2),
        lambda: (chip.select(b.AID_BENCH), select(chip, b.FIXED)),
    ):
        assert read(chip, 0, LAST).sw == 0x9000
        assert pointer(chip) == RECORDS[2]
        forget()
        assert pointer(chip) is None
    read(chip, 0, LAST)
    assert (
        read(chip, 0, NEXT, sfi=2).data == RECORDS[0]
    )  # a short identifier forgets it before the record is looked for


def test_a_command_that_fails_moves_no_pointer(chip: Chip) -> None:
    read(chip, 0, FIRST)
    assert say(chip, 0, 0xDC, 0, NEXT, b"toolong").sw == 0x6700
    assert say(chip, 0, 0xE2, 0, 0, b"full").sw == 0x6A84
    assert read(chip, 0xCC, NEXT).sw == 0x6A83
    assert pointer(chip) == RECORDS[0]


def test_the_pointer_belongs_to_the_channel() -> None:
    """It hangs there with the file that it points into, and goes with it."""
    channel = Channel(0, 1, current_directory=(0x0A00,), current_file=1, current_record=2)
    channel.make_current((0x0A00,), 1)
    assert channel.current_record is None
    channel.current_record = 3
    channel.select(2)
    assert (channel.current_directory, channel.current_file, channel.current_record) == ((), None, None)


@pytest.mark.parametrize(("p1", "mode", "changed"), [(0, FIRST, 1), (0, LAST, 3), (0xBB, FIRST, 2), (2, NUMBER, 2)])
def test_update_of_the_record_that_is_named(chip: Chip, p1: int, mode: int, changed: int) -> None:
    say(chip, 0, 0xDC, p1, mode, b"newr", sw=0x9000)
    expected = list(RECORDS)
    expected[changed - 1] = b"newr"
    assert [read(chip, number, NUMBER).data for number in (1, 2, 3)] == expected
    assert pointer(chip) == (None if mode == NUMBER else b"newr")


def test_update_goes_through_a_file_with_next(chip: Chip) -> None:
    for number in range(3):
        say(chip, 0, 0xDC, 0, NEXT, b"%04d" % number, sw=0x9000)
    assert say(chip, 0, 0xDC, 0, NEXT, b"0004").sw == 0x6A83
    assert read(chip, 1, TO_LAST).data == b"000000010002"
    say(chip, 0, 0xDC, 0, NUMBER, b"last", sw=0x9000)
    assert read(chip, 3, NUMBER).data == b"last"


def test_update_takes_no_group_of_records(chip: Chip) -> None:
    for mode in (TO_LAST, FROM_LAST, 7):
        assert say(chip, 0, 0xDC, 1, mode, b"newr").sw == 0x6A86


def test_appending_points_to_the_new_record() -> None:
    chip = bench()
    select(chip, b.FIXED)
    for record in RECORDS[:2]:
        say(chip, 0, 0xE2, 0, 0, record, sw=0x9000)
        assert pointer(chip) == record
    select(chip, b.CYCLIC)
    for number in range(5):
        say(chip, 0, 0xE2, 0, 0, b"%04d" % number, sw=0x9000)
        assert pointer(chip) == b"%04d" % number == read(chip, 1, NUMBER).data


def test_the_previous_record_of_a_cyclic_file_is_the_oldest_and_becomes_the_newest() -> None:
    chip = bench()
    select(chip, b.CYCLIC)
    for number in range(5):
        say(chip, 0, 0xDC, 0, PREVIOUS, b"%04d" % number, sw=0x9000)
    assert read(chip, 1, TO_LAST).data == b"000400030002"
    assert pointer(chip) == b"0004"
    assert read(chip, 0, NEXT).data == b"0003"
    say(chip, 0, 0xDC, 0, FIRST, b"frst", sw=0x9000)
    assert read(chip, 1, TO_LAST).data == b"frst00030002"


# --- SEARCH RECORD


def search(chip: Chip, p1: int, mode: int, data: bytes, sfi: int = 0) -> ResponseAPDU:
    return say(chip, 0, 0xA2, p1, sfi << 3 | mode, data, 256)


@pytest.fixture
def folder() -> Chip:
    """A variable file in a folder's workbench with four records, current."""
    chip = folders.furnished()
    host = folders.client(chip)
    host.select_path(folders.WORKBENCH)
    host.create(record_ef(1, 0x04, 20, 10, folders.ANYTHING, sfi=1))
    for record in (b"\x01apple pie", b"\x02pear", b"\x01pineapple", b"\x02grape:apple"):
        host.append(record)
    say(chip, 0, 0xA4, 0x02, 0x0C, b"\x00\x01", sw=0x9000)
    return chip


@pytest.mark.parametrize(
    ("p1", "mode", "data", "found"),
    [
        (1, 4, b"apple", [1, 3, 4]),
        (2, 4, b"apple", [3, 4]),
        (4, 5, b"apple", [4, 3, 1]),
        (3, 5, b"pear", [2]),
        (1, 5, b"pear", []),
        (1, 4, b"kiwi", []),
        (1, 6, b"\x04\x01apple", [1, 3, 4]),  # from byte 1 on
        (1, 6, b"\x04\x02apple", [3, 4]),
        (4, 6, b"\x05\x01apple", [4, 3, 1]),
        (1, 6, b"\x06\x01apple", [3, 4]),  # from the record after that one
        (4, 6, b"\x07\x01apple", [3, 1]),
        (1, 6, b"\x0c:apple", [4]),  # from behind the first colon
        (1, 6, b"\x0c:grape", []),
        (1, 6, b"\x00\x01apple", [1, 3]),  # identifier 01 only
        (2, 6, b"\x00\x01apple", [4]),
        (1, 6, b"\x01\x01apple", [3, 1]),
        (4, 6, b"\x06\x01apple", []),
        (1, 6, b"\x04\xffapple", []),
    ],
)
def test_search(folder: Chip, p1: int, mode: int, data: bytes, found: list[int]) -> None:
    answer = search(folder, p1, mode, data)
    assert (list(answer.data), answer.sw) == (found, 0x9000 if found else 0x6282)
    current = say(folder, 0, 0xB2, 0, NUMBER, ne=256)
    if found:
        assert current == say(folder, 0, 0xB2, found[0], NUMBER, ne=256)
    else:
        assert current.sw == 0x6A83


@pytest.mark.parametrize(
    ("p1", "mode", "data", "sw"),
    [
        (0, 4, b"apple", 0x6A83),  # no pointer
        (9, 4, b"apple", 0x6A83),
        (1, 4, b"", 0x6700),
        (1, 6, b"\x04\x00", 0x6700),
        (1, 6, b"\x14\x00apple", 0x6A80),
        (1, 3, b"apple", 0x6A86),
        (1, 7, b"apple", 0x6A86),
        (9, 6, b"\x00\x00apple", 0x6A83),
    ],
)
def test_search_refuses(folder: Chip, p1: int, mode: int, data: bytes, sw: int) -> None:
    assert search(folder, p1, mode, data).sw == sw


def test_search_from_the_pointer_and_by_short_identifier(folder: Chip) -> None:
    assert search(folder, 1, 4, b"pine").data == b"\x03"
    assert search(folder, 0, 4, b"apple").data == b"\x03\x04"
    assert search(folder, 0, 6, b"\x06\x00apple").data == b"\x04"
    assert search(folder, 1, 4, b"apple", sfi=1).data == b"\x01\x03\x04"
    assert search(folder, 1, 6, b"\x02\x00apple").data == b"\x03"  # the next one with identifier 01


def test_search_needs_the_right_to_read(folder: Chip) -> None:
    host = folders.client(folder)
    host.select_path(folders.WORKBENCH)
    host.create(record_ef(2, 0x02, 5, 1, folders.rules((AccessMode.WRITE, folders.ALWAYS)), sfi=2))
    host.append(b"apple")
    assert search(folder, 1, 4, b"apple", sfi=2).sw == 0x6982
    assert search(folder, 1, 4, b"apple", sfi=9).sw == 0x6A82


def test_the_other_applications_do_not_have_what_they_do_not_need() -> None:
    chip = chips.active().chip()
    for aid in (chips.JUKI, chips.LIBRARY):
        chip.select(aid)
        for ins in (0xA2, 0x0E, 0x0F, 0xB1, 0xD7, 0xE0, 0xE4, 0xE8, 0x82, 0x22, 0x2A, 0xCA, 0xCB, 0xDB):
            assert chip.ask(bytes((0x00, ins, 0x6D, 0x6D))).sw in (0x6D00, 0x6E00)
