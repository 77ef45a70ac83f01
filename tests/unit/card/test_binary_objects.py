"""READ, UPDATE, ERASE BINARY with offset data objects; files named by identifier; ERASE and COMPARE of parts."""

from __future__ import annotations

import pytest

from jukicard.applets.folder.client import FolderClient, ef
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.tlv import parse_one
from tests.support import folders
from tests.support.chips import Chip, say
from tests.support.folders import COUNTED, DEACTIVATED, NEST, NOTICE, OPEN, PRIVATE

TEXT = b"jukicard folder: a public notice"


@pytest.fixture
def chip() -> Chip:
    return folders.furnished()


def read(chip: Chip, name: int, offset: str, ne: int | None = 256) -> ResponseAPDU:
    return say(chip, 0, 0xB1, name >> 8, name & 0xFF, bytes.fromhex(offset), ne)


def update(chip: Chip, name: int, objects: str) -> int:
    return say(chip, 0, 0xD7, name >> 8, name & 0xFF, bytes.fromhex(objects)).sw


def erase(chip: Chip, name: int, objects: str = "") -> int:
    return say(chip, 0, 0x0F, name >> 8, name & 0xFF, bytes.fromhex(objects)).sw


def plain(chip: Chip, sfi: int, offset: int = 0) -> bytes:
    return say(chip, 0, 0xB0, 0x80 | sfi, offset, ne=256, sw=0x9000).data


def host(chip: Chip) -> FolderClient:
    """The client, in the workbench."""
    client = folders.client(chip)
    client.select_path(folders.WORKBENCH)
    return client


# --- READ BINARY


def test_read_wraps_the_content_in_53(chip: Chip) -> None:
    assert read(chip, NOTICE, "540100") == ResponseAPDU(b"\x53\x20" + TEXT)
    assert read(chip, NOTICE, "540109").data == b"\x53\x17" + TEXT[9:]
    for longer in ("54020009", "5403000009"):
        assert read(chip, NOTICE, longer).data == b"\x53\x17" + TEXT[9:]


def test_le_counts_the_whole_data_object(chip: Chip) -> None:
    assert read(chip, NOTICE, "540100", 10) == ResponseAPDU(b"\x53\x08" + TEXT[:8])
    assert read(chip, NOTICE, "540100", 34) == ResponseAPDU(b"\x53\x20" + TEXT)
    answer = read(chip, NOTICE, "540100", 35)
    assert (answer.data, answer.sw) == (b"\x53\x20" + TEXT, 0x6282)
    assert read(chip, NOTICE, "540100", 2).data == b"\x53\x00"
    assert read(chip, NOTICE, "540100", 1).sw == 0x6700
    assert read(chip, NOTICE, "540120").data == b"\x53\x00"
    assert read(chip, NOTICE, "540121").sw == 0x6B00


@pytest.mark.parametrize("ne", [2, 129, 130, 131, 132, 256, 258, 259, 260, 261, 262, 263, 600])
def test_no_answer_is_longer_than_le(chip: Chip, ne: int) -> None:
    folder = host(chip)
    folder.create(ef(1, 700, folders.ANYTHING))
    answer = chip.ask(CommandAPDU(0, 0xB1, 0, 0, b"\x54\x01\x00", ne, True).encode())
    assert len(answer.data) <= ne
    assert answer.sw == 0x9000
    room = len(parse_one(answer.data).value)
    assert room >= ne - 5


def test_a_file_beyond_byte_32767(chip: Chip) -> None:
    folders.install(roomy := folders.empty(b"\x80\x03\x02\x00\x00", "roomy"), sw=0x6A80)  # it is there already
    chip = roomy
    chip.select(folders.FOLDER)
    folder = folders.owner(chip)
    folder.create(ef(1, 0xFFFF, folders.ANYTHING, sfi=1))
    assert chip.select(folders.FOLDER).sw == 0x9000
    assert update(chip, 1, "5402 FFFB 5304 01020304") == 0x9000
    assert read(chip, 1, "5402FFFA").data == b"\x53\x05\x00\x01\x02\x03\x04"
    assert update(chip, 1, "5402 FFFC 5304 01020304") == 0x6A84
    assert update(chip, 1, "5403 010000 5304 01020304") == 0x6B00
    assert say(chip, 0, 0xB0, 0x7F, 0xFF, ne=1).data == b"\0"


@pytest.mark.parametrize(
    ("objects", "sw"),
    [
        ("530100", 0x6A80),
        ("5400", 0x6700),
        ("540400000000", 0x6700),
        ("5404000000", 0x6A80),
        ("540200", 0x6A80),
        ("54000000", 0x6A80),
        ("5480", 0x6700),
    ],
)
def test_read_takes_one_offset_object(chip: Chip, objects: str, sw: int) -> None:
    assert read(chip, NOTICE, objects).sw == sw


# --- P1-P2


def test_what_p1_p2_name(chip: Chip) -> None:
    assert read(chip, 0x0000, "540100").sw == 0x6986
    assert read(chip, NOTICE, "540100").sw == 0x9000  # 0001 to 001E: the short identifier
    assert read(chip, 0x0000, "540100").data[2:] == TEXT  # and then it is the current one
    assert read(chip, 0x001F, "540100").sw == 0x6A82  # from 001F on: the identifier
    folder = host(chip)
    folder.create(ef(0x1234, 4, folders.ANYTHING))
    folder.create(ef(0x001F, 4, folders.ANYTHING))
    folder.create(ef(0x0020, 4, folders.ANYTHING, sfi=7))
    assert update(chip, 0x1234, "540100 530131") == 0x9000
    assert read(chip, 0x0000, "540100").data == b"\x53\x041\0\0\0"
    assert update(chip, 0x001F, "540100 530132") == 0x9000
    assert read(chip, 0x0007, "540100").data == b"\x53\x04\0\0\0\0"
    assert read(chip, 0x0020, "540100").data == b"\x53\x04\0\0\0\0"


def test_a_df_and_a_file_of_records_have_no_data_units(chip: Chip) -> None:
    assert read(chip, NEST[0], "540100").sw == 0x6981
    folder = host(chip)
    say(folder.connection, 0, 0xE0, data=bytes.fromhex("620D 8205 02410004 03 8302 1111 AB00"), sw=0x9000)
    assert read(chip, 0x1111, "540100").sw == 0x6981


def test_the_rules_are_those_of_the_plain_commands(chip: Chip) -> None:
    assert read(chip, PRIVATE, "540100").sw == 0x6982
    assert update(chip, PRIVATE, "540100 530131") == 0x6982
    assert erase(chip, PRIVATE) == 0x6982
    assert update(chip, NOTICE, "540100 530131") == 0x6982
    assert erase(chip, NOTICE) == 0x6982
    assert say(chip, 0, 0x0E, 0x80 | NOTICE, 0).sw == 0x6982
    for ins in (0xB1, 0xD7, 0x0F):
        assert say(chip, 0, ins, 0, DEACTIVATED, bytes.fromhex("540100530131")[: 3 if ins != 0xD7 else 6]).sw == 0x6985


# --- UPDATE and ERASE BINARY


def test_update_takes_53_or_73(chip: Chip) -> None:
    assert update(chip, OPEN, "540102 53026162") == 0x9000
    assert update(chip, OPEN, "540104 7303630100") == 0x9000
    assert plain(chip, OPEN) == b"\0\0abc\x01\0\0"
    assert update(chip, OPEN, "540108 530161") == 0x6A84
    assert update(chip, OPEN, "540109 530161") == 0x6B00
    assert plain(chip, OPEN) == b"\0\0abc\x01\0\0"


@pytest.mark.parametrize(
    "objects",
    ["530161 540100", "540100 520161", "540100 5300 00", "540100 530161 530162", "540100 530261", "540100 5300 5300"],
)
def test_update_refuses_other_objects(chip: Chip, objects: str) -> None:
    before = chip.cells
    assert update(chip, OPEN, objects) == 0x6A80
    assert chip.cells == before


def test_erase_with_objects(chip: Chip) -> None:
    def fill() -> None:
        say(chip, 0, 0xD6, 0x80 | OPEN, 0, b"abcdefgh", sw=0x9000)

    for objects, left in (
        ("", bytes(8)),
        ("540105", b"abcde\0\0\0"),
        ("540102 540104", b"ab\0\0efgh"),
        ("540100 540108", bytes(8)),
    ):
        fill()
        assert erase(chip, OPEN, objects) == 0x9000
        assert plain(chip, OPEN) == left
    fill()
    for objects, sw in (
        ("540104 540104", 0x6A80),
        ("540104 540102", 0x6A80),
        ("540108", 0x6A80),
        ("540109", 0x6B00),
        ("540100 540109", 0x6B00),
        ("540100 540101 540102", 0x6A80),
        ("530100", 0x6A80),
    ):
        assert erase(chip, OPEN, objects) == sw
    assert plain(chip, OPEN) == b"abcdefgh"


def test_erase_without_objects(chip: Chip) -> None:
    say(chip, 0, 0xD6, 0x80 | OPEN, 0, b"abcdefgh", sw=0x9000)
    assert say(chip, 0, 0x0E, 0x00, 0x06).sw == 0x9000
    assert plain(chip, OPEN) == b"abcdef\0\0"
    assert say(chip, 0, 0x0E, 0x80 | OPEN, 1, b"\x03").sw == 0x9000
    assert plain(chip, OPEN) == b"a\0\0def\0\0"
    assert say(chip, 0, 0x0E, 0x80 | OPEN, 1, b"\x00\x02").sw == 0x9000
    for offset, end, sw in ((3, b"\x03", 0x6A80), (3, b"\x09", 0x6B00), (9, b"", 0x6B00), (8, b"", 0x6A80)):
        assert say(chip, 0, 0x0E, 0x80 | OPEN, offset, end).sw == sw
    assert say(chip, 0, 0x0E, 0x80 | OPEN, 0, bytes(3)).sw == 0x6700
    assert plain(chip, OPEN) == b"a\0\0def\0\0"


# --- COMPARE BINARY


def compare(chip: Chip, sfi: int, offset: int, data: bytes) -> int:
    return say(chip, 0, 0x33, 0x80 | sfi, offset, data).sw


def test_parts_of_a_file_are_compared(chip: Chip) -> None:
    assert compare(chip, NOTICE, 0, TEXT) == 0x9000
    assert compare(chip, NOTICE, 0, TEXT[:8]) == 0x9000
    assert compare(chip, NOTICE, 9, TEXT[9:15]) == 0x9000
    assert compare(chip, NOTICE, 9, TEXT[:8]) == 0x6300
    assert compare(chip, NOTICE, 30, TEXT[30:] + b"x") == 0x6700
    assert compare(chip, NOTICE, 33, b"x") == 0x6B00
    assert compare(chip, PRIVATE, 0, b"x") == 0x6982


def test_a_file_that_counts_its_tries_is_never_compared_in_parts(chip: Chip) -> None:
    """Or its content could be guessed byte by byte."""
    say(chip, 0, 0xD6, 0x80 | COUNTED, 0, b"1234", sw=0x9000)
    for offset, part in ((0, b"1"), (0, b"123"), (1, b"234"), (3, b"4"), (0, b"12345"), (1, b"2345")):
        assert compare(chip, COUNTED, offset, part) == 0x6700
    assert compare(chip, COUNTED, 0, b"1235") == 0x63C2
    assert compare(chip, COUNTED, 0, b"1234") == 0x9000
    assert [compare(chip, COUNTED, 0, b"0000") for _ in range(4)] == [0x63C2, 0x63C1, 0x63C0, 0x6983]


def test_counters_of_the_same_identifier_in_two_dfs_are_two(chip: Chip) -> None:
    folder = host(chip)
    folder.create(ef(COUNTED, 4, folders.ANYTHING, sfi=COUNTED, compare_tries=3))
    assert compare(chip, COUNTED, 0, b"0000") == 0x63C2
    folder.select_path()
    assert compare(chip, COUNTED, 0, b"0000") == 0x63C2
