"""Elementary files: kinds, identifiers, offsets, records, life cycle, comparison."""

from __future__ import annotations

import pytest

from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.tlv import parse_one
from tests.support import bench as b
from tests.support.bench import bench
from tests.support.chips import Chip, say


@pytest.fixture
def chip() -> Chip:
    return bench()


def select(chip: Chip, fid: int, p2: int = 0x0C) -> ResponseAPDU:
    return say(chip, 0, 0xA4, 0x02, p2, fid.to_bytes(2, "big"), 256 if p2 != 0x0C else None)


def fcp(chip: Chip, fid: int) -> dict[int, bytes]:
    return {tlv.tag: tlv.value for tlv in parse_one(select(chip, fid, 0x04).data).children}


def read(chip: Chip, offset: int, ne: int | None = 256, p1: int | None = None) -> ResponseAPDU:
    return say(chip, 0, 0xB0, offset >> 8 if p1 is None else p1, offset & 0xFF, ne=ne)


def update(chip: Chip, offset: int, data: bytes, p1: int | None = None) -> int:
    return say(chip, 0, 0xD6, offset >> 8 if p1 is None else p1, offset & 0xFF, data).sw


# --- SELECT and the FCP


@pytest.mark.parametrize(
    ("fid", "size", "descriptor", "sfi"),
    [
        (b.TRANSPARENT, 40, "01", b"\x08"),
        (b.FIXED, 12, "0241000403", b"\x10"),
        (b.VARIABLE, 24, "0441000803", b"\x18"),
        (b.CYCLIC, 12, "0641000403", b"\x20"),
        (b.LONG, 600, "01", b""),
        (b.HUGE, 0xFFFF, "01", b"\xf0"),
    ],
)
def test_the_fcp_tells_what_the_file_is(chip: Chip, fid: int, size: int, descriptor: str, sfi: bytes) -> None:
    shown = fcp(chip, fid)
    assert int.from_bytes(shown[0x80], "big") == size
    assert shown[0x82].hex() == descriptor
    assert shown[0x83] == fid.to_bytes(2, "big")
    assert shown[0x88] == sfi
    assert shown[0x8A] == b"\x05"


def test_the_forms_of_the_answer_to_select(chip: Chip) -> None:
    fci = select(chip, b.TRANSPARENT, 0x00).data
    assert parse_one(fci).tag == 0x6F
    assert parse_one(fci).children[0].encode() == select(chip, b.TRANSPARENT, 0x04).data
    assert select(chip, b.TRANSPARENT, 0x0C) == ResponseAPDU()
    assert say(chip, 0, 0xA4, 0x00, 0x0C, b"\x01\x01").sw == 0x9000


@pytest.mark.parametrize("name", [b"", b"\x01", b"\x3f\x00", b"\x01\x99", b"\x2f\x00"])
def test_there_is_no_mf_and_no_file_of_another_application(chip: Chip, name: bytes) -> None:
    assert select(chip, b.TRANSPARENT).sw == 0x9000
    for p1 in (0x00, 0x02):
        assert say(chip, 0, 0xA4, p1, 0x0C, name).sw == 0x6A82
    assert read(chip, 0, 1).sw == 0x9000  # the current file is still current


def test_without_a_current_file(chip: Chip) -> None:
    assert read(chip, 0).sw == 0x6986
    assert update(chip, 0, b"x") == 0x6986
    assert say(chip, 0, 0xB2, 1, 0x04).sw == 0x6986
    assert say(chip, 0, 0xE2, 0, 0x00, b"x").sw == 0x6986


def test_a_reference_by_sfi_makes_the_file_current_if_it_succeeds(chip: Chip) -> None:
    assert read(chip, 0, 1, p1=0x81).sw == 0x9000
    assert len(read(chip, 0).data) == 40
    assert read(chip, 5, 1, p1=0x86).sw == 0x6B00
    assert len(read(chip, 0).data) == 40
    assert read(chip, 0, 1, p1=0x85).sw == 0x6A82
    assert len(read(chip, 0).data) == 40
    assert say(chip, 0, 0xE2, 0, 0x10, b"1234").sw == 0x9000
    assert read(chip, 0).sw == 0x6981


def test_the_current_file_belongs_to_the_channel_and_to_the_selection(chip: Chip) -> None:
    select(chip, b.TRANSPARENT)
    chip.open_channel(1)
    assert say(chip, 1, 0xB0, 0, 0).sw == 0x6986
    chip.select(b.AID_BENCH)
    assert read(chip, 0).sw == 0x6986


# --- data units


def test_read_with_offsets_and_lengths(chip: Chip) -> None:
    select(chip, b.TRANSPARENT)
    content = bytes(range(40))
    assert update(chip, 0, content) == 0x9000
    assert read(chip, 0, None) == ResponseAPDU(content)
    assert read(chip, 0, 256) == ResponseAPDU(content)
    assert read(chip, 0, 65536) == ResponseAPDU(content)
    assert read(chip, 10, 5) == ResponseAPDU(content[10:15])
    assert read(chip, 10, 5, p1=0x81) == ResponseAPDU(content[10:15])
    assert read(chip, 0, 40).sw == 0x9000
    assert (read(chip, 0, 41).data, read(chip, 0, 41).sw) == (content, 0x6282)
    assert (read(chip, 38, 5).data, read(chip, 38, 5).sw) == (content[38:], 0x6282)
    for offset in (40, 41, 0x7FFF):
        for ne in (None, 1, 256):
            assert read(chip, offset, ne).sw == 0x6B00
    assert read(chip, 41, p1=0x81).sw == 0x6B00


def test_a_read_longer_than_256_bytes_comes_in_pieces_or_extended(chip: Chip) -> None:
    select(chip, b.LONG)
    content = bytes(i % 251 for i in range(600))
    assert chip.ask(CommandAPDU(0, 0xD6, 0, 0, content).encode()).sw == 0x9000
    assert read(chip, 0, 600) == ResponseAPDU(content)
    assert read(chip, 0, 65536) == ResponseAPDU(content)
    assert read(chip, 0, 256) == ResponseAPDU(content[:256])
    assert read(chip, 0, 256).data + read(chip, 256, 256).data + read(chip, 512, 256).data == content
    assert read(chip, 500, 300).sw == 0x6282


def test_the_longest_file_in_one_piece_and_the_rest_by_get_response(chip: Chip) -> None:
    select(chip, b.HUGE)
    answer = read(chip, 0, 65536)
    assert len(answer.data) == 65533
    assert answer.sw == 0x6102
    assert chip.ask("00 C0 00 00 00") == ResponseAPDU(bytes(2))
    assert read(chip, 0x7FFF, 1).data == b"\0"


def test_get_response_hands_out_each_byte_once(chip: Chip) -> None:
    """SELECT's answer, taken one byte at a time."""
    whole = chip.ask(CommandAPDU(0, 0xA4, 4, 0, bytes(b.AID_BENCH), 256).encode()).data
    answer = chip.ask(CommandAPDU(0, 0xA4, 4, 0, bytes(b.AID_BENCH), 1).encode())
    collected = answer.data
    while answer.sw >> 8 == 0x61:
        assert answer.sw & 0xFF == len(whole) - len(collected)
        answer = chip.ask("00 C0 00 00 01")
        assert len(answer.data) == 1
        collected += answer.data
    assert answer.sw == 0x9000
    assert collected == whole
    assert chip.ask("00 C0 00 00 01").sw == 0x6985


def test_a_waiting_response_is_dropped_by_the_next_command_and_stays_on_its_channel(chip: Chip) -> None:
    select_one = CommandAPDU(0, 0xA4, 4, 0, bytes(b.AID_BENCH), 1).encode()
    chip.ask(select_one)
    chip.open_channel(1)
    assert chip.ask("00 C0 00 00 01").sw == 0x6985
    chip.ask(select_one)
    assert chip.ask("01 C0 00 00 01").sw == 0x6985
    assert chip.ask("00 C0 00 00 01").sw >> 8 in (0x61, 0x90)


def test_update_writes_all_or_nothing(chip: Chip) -> None:
    select(chip, b.TRANSPARENT)
    assert update(chip, 38, b"ab") == 0x9000
    before = chip.cells
    assert update(chip, 38, b"xyz") == 0x6A84
    assert update(chip, 40, b"x") == 0x6A84
    assert update(chip, 41, b"x") == 0x6B00
    assert update(chip, 0, bytes(41)) == 0x6A84
    assert chip.cells == before
    assert read(chip, 36, 4).data == b"\0\0ab"
    assert update(chip, 5, b"__", p1=0x81) == 0x9000
    assert read(chip, 4, 4).data == b"\0__\0"
    assert len(read(chip, 0).data) == 40


def test_an_update_that_is_cut_off_leaves_the_old_content(chip: Chip) -> None:
    select(chip, b.TRANSPARENT)
    assert update(chip, 0, b"old") == 0x9000
    before = chip.cells
    chip.store.cut = lambda _number: True
    assert update(chip, 0, b"new") == 0x6581
    assert chip.cells == before


def test_a_chained_update_is_one_update(chip: Chip) -> None:
    select(chip, b.TRANSPARENT)
    chip.store.commits.clear()
    assert chip.ask("10 D6 00 00 02 6162").sw == 0x9000
    assert chip.ask("10 D6 00 00 01 63").sw == 0x9000
    assert not chip.store.commits
    assert chip.ask("00 D6 00 00 01 64").sw == 0x9000
    assert len(chip.store.commits) == 1
    assert read(chip, 0, 5).data == b"abcd\0"


def test_a_chain_that_another_command_interrupts_is_abandoned(chip: Chip) -> None:
    select(chip, b.TRANSPARENT)
    assert chip.ask("10 D6 00 00 02 6162").sw == 0x9000
    assert chip.ask("10 D6 00 05 02 6364").sw == 0x9000
    assert chip.ask("00 D6 00 00 01 7A").sw == 0x9000
    assert read(chip, 0, 6).data == b"z\0\0\0\0\0"


def test_an_overlong_chain_is_refused_aloud(chip: Chip) -> None:
    select(chip, b.HUGE)
    link = CommandAPDU(0x10, 0xD6, 0, 0, bytes(30000)).encode()
    assert [chip.ask(link).sw for _ in range(3)] == [0x9000, 0x9000, 0x6700]


def test_a_chain_belongs_to_its_channel(chip: Chip) -> None:
    select(chip, b.TRANSPARENT)
    chip.open_channel(1)
    assert chip.ask("10 D6 00 00 02 6162").sw == 0x9000
    assert chip.ask("01 D6 00 00 01 7A").sw in (0x6D00, 0x6986)
    assert chip.ask("00 D6 00 00 01 63").sw == 0x9000
    assert read(chip, 0, 3).data == b"abc"


# --- records


def record(chip: Chip, number: int, sfi: int, all_from: bool = False) -> ResponseAPDU:
    return say(chip, 0, 0xB2, number, sfi << 3 | (5 if all_from else 4), ne=256)


def append(chip: Chip, sfi: int, data: bytes) -> int:
    return say(chip, 0, 0xE2, 0, sfi << 3, data).sw


def test_linear_fixed_records(chip: Chip) -> None:
    assert record(chip, 1, 2).sw == 0x6A83
    for data in (b"aaaa", b"bbbb", b"cccc"):
        assert append(chip, 2, data) == 0x9000
    before = chip.cells
    assert append(chip, 2, b"dddd") == 0x6A84
    for wrong in (b"d", b"ddd", b"ddddd"):
        assert append(chip, 2, wrong) == 0x6700
        assert say(chip, 0, 0xDC, 1, 0x14, wrong).sw == 0x6700
    assert chip.cells == before
    assert [record(chip, number, 2).data for number in (1, 2, 3)] == [b"aaaa", b"bbbb", b"cccc"]
    assert record(chip, 2, 2, all_from=True).data == b"bbbbcccc"
    assert say(chip, 0, 0xDC, 2, 0x14, b"BBBB").sw == 0x9000
    assert record(chip, 1, 2, all_from=True).data == b"aaaaBBBBcccc"
    assert record(chip, 4, 2).sw == 0x6A83
    assert say(chip, 0, 0xDC, 4, 0x14, b"dddd").sw == 0x6A83


def test_linear_variable_records(chip: Chip) -> None:
    for data in (b"a", b"bbbbbbbb", b"ccc"):
        assert append(chip, 3, data) == 0x9000
    assert append(chip, 3, b"d") == 0x6A84
    assert record(chip, 2, 3).data == b"bbbbbbbb"
    assert record(chip, 1, 3, all_from=True).data == b"abbbbbbbbccc"
    assert say(chip, 0, 0xDC, 2, 0x1C, b"BB").sw == 0x9000
    assert say(chip, 0, 0xDC, 2, 0x1C, bytes(9)).sw == 0x6700
    assert record(chip, 1, 3, all_from=True).data == b"aBBccc"


def test_cyclic_records_go_round_and_the_newest_is_the_first(chip: Chip) -> None:
    for number in range(1, 6):
        assert append(chip, 4, b"%04d" % number) == 0x9000
    assert [record(chip, number, 4).data for number in (1, 2, 3)] == [b"0005", b"0004", b"0003"]
    assert record(chip, 4, 4).sw == 0x6A83
    assert append(chip, 4, b"12345") == 0x6700


def test_commands_of_the_wrong_kind_are_6981(chip: Chip) -> None:
    for sfi in (2, 3, 4):
        assert read(chip, 0, p1=0x80 | sfi).sw == 0x6981
        assert update(chip, 0, b"x", p1=0x80 | sfi) == 0x6981
        assert say(chip, 0, 0x33, 0x80 | sfi, 0, b"x").sw == 0x6981
    assert record(chip, 1, 1).sw == 0x6981
    assert append(chip, 1, b"x") == 0x6981
    assert say(chip, 0, 0xDC, 1, 0x0C, b"x").sw == 0x6981


def test_the_last_short_identifier(chip: Chip) -> None:
    assert read(chip, 0, 3, p1=0x9E).data == bytes(3)
    assert read(chip, 0, 3, p1=0x9F).sw == 0x6A86


# --- life cycle


@pytest.mark.parametrize(
    ("fid", "status", "reads", "writes"),
    [
        (b.INITIAL, 0x03, 0x9000, 0x9000),
        (b.DEACTIVATED, 0x04, 0x6985, 0x6985),
        (b.TERMINATED, 0x0C, 0x6985, 0x6985),
        (b.WITHOUT_RULES, 0x05, 0x6982, 0x6982),
    ],
)
def test_the_life_cycle_decides_which_rules_hold(chip: Chip, fid: int, status: int, reads: int, writes: int) -> None:
    assert fcp(chip, fid)[0x8A] == bytes((status,))
    assert read(chip, 0).sw == reads
    assert update(chip, 0, b"x") == writes
    assert say(chip, 0, 0x33, 0, 0, b"x\0").sw == reads


# --- comparison


def compare(chip: Chip, data: bytes) -> int:
    return say(chip, 0, 0x33, 0x86, 0, data).sw


def test_compare_counts_five_misses_durably(chip: Chip) -> None:
    assert update(chip, 0, b"1234", p1=0x86) == 0x9000
    assert compare(chip, b"1234") == 0x9000
    assert [compare(chip, b"4321") for _ in range(3)] == [0x63C4, 0x63C3, 0x63C2]
    assert compare(chip, b"1234") == 0x9000
    assert [compare(chip, b"4321") for _ in range(6)] == [0x63C4, 0x63C3, 0x63C2, 0x63C1, 0x63C0, 0x6983]
    assert compare(chip, b"1234") == 0x6983
    again = Chip(chip.cells, 2, b.Bench)
    again.select(b.AID_BENCH)
    assert compare(again, b"1234") == 0x6983


def test_compare_of_another_length_costs_nothing(chip: Chip) -> None:
    for data in (b"1", b"123", b"12345"):
        assert compare(chip, data) == 0x6700
    assert compare(chip, b"0000") == 0x63C4


def test_compare_without_a_counter(chip: Chip) -> None:
    assert say(chip, 0, 0x33, 0x81, 0, bytes(40)).sw == 0x9000
    assert say(chip, 0, 0x33, 0x81, 0, b"x" * 40).sw == 0x6300
