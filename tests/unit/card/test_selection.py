"""SELECT of files: by identifier, by path, up and down; what is current, and where."""

from __future__ import annotations

import pytest

from jukicard.iso7816.apdu import ResponseAPDU
from jukicard.iso7816.tlv import parse_one
from tests.support import chips, folders
from tests.support.chips import Chip, say
from tests.support.folders import DEACTIVATED, FOLDER, NEST, NESTED, NOTICE, TERMINATED


@pytest.fixture
def chip() -> Chip:
    return folders.furnished()


def select(chip: Chip, p1: int, *fids: int, p2: int = 0x04) -> ResponseAPDU:
    name = b"".join(fid.to_bytes(2, "big") for fid in fids)
    return say(chip, 0, 0xA4, p1, p2, name, None if p2 == 0x0C else 256)


def identifier(answer: ResponseAPDU) -> int | None:
    """The FID in an FCP, or None where it is the application's."""
    found = [tlv.value for tlv in parse_one(answer.data).children if tlv.tag == 0x83]
    return int.from_bytes(found[0], "big") if found else None


def content(chip: Chip, sfi: int = 0) -> bytes:
    return say(chip, 0, 0xB0, 0x80 | sfi if sfi else 0, 0, ne=256, sw=0x9000).data


def test_down_by_identifiers_and_up_again(chip: Chip) -> None:
    for depth, fid in enumerate(NEST, 1):
        assert identifier(select(chip, 0x00, fid)) == fid
        assert say(chip, 0, 0xB0, 0, 0).sw == 0x6986  # a DF has been selected, no EF
        assert content(chip, NESTED) == b"depth %d " % depth
    for fid in reversed(NEST[:-1]):
        assert identifier(select(chip, 0x03)) == fid
    top = select(chip, 0x03)
    assert parse_one(top.data).children[0].value == bytes(FOLDER)
    assert select(chip, 0x03).sw == 0x6A82
    assert content(chip, NOTICE).startswith(b"jukicard")


@pytest.mark.parametrize(
    ("p1", "fids", "sw"),
    [
        (0x01, (NEST[0],), 0x9000),
        (0x01, (NOTICE,), 0x6A82),
        (0x02, (NOTICE,), 0x9000),
        (0x02, (NEST[0],), 0x6A82),
        (0x00, (NEST[1],), 0x6A82),
        (0x00, (0x3F00,), 0x6A82),
        (0x00, (0x3FFF,), 0x6A82),
        (0x00, (), 0x6A82),
        (0x03, (NEST[0],), 0x6A82),
        (0x08, (0x3F00, NOTICE), 0x6A82),
        (0x08, (0x3FFF, NOTICE), 0x9000),
        (0x08, (NOTICE,), 0x9000),
        (0x08, (*NEST, NESTED), 0x9000),
        (0x08, (0x3FFF, *NEST, NESTED), 0x9000),
        (0x08, (NOTICE, NESTED), 0x6A82),
        (0x09, (NEST[0], NESTED), 0x9000),
        (0x09, (0x3FFF, NOTICE), 0x6A82),
        (0x09, (NEST[1],), 0x6A82),
        (0x04, (0x3F00,), 0x6A82),
    ],
)
def test_what_each_form_of_a_name_finds(chip: Chip, p1: int, fids: tuple[int, ...], sw: int) -> None:
    answer = select(chip, p1, *fids)
    assert answer.sw == sw
    assert bool(answer.data) == (sw == 0x9000)


def test_a_path_from_the_current_df(chip: Chip) -> None:
    select(chip, 0x08, *NEST[:2])
    assert identifier(select(chip, 0x09, *NEST[2:], NESTED)) == NESTED
    assert content(chip) == b"depth 4 "
    assert select(chip, 0x09, NEST[2]).sw == 0x6A82  # the DF of the EF is the current one now


def test_a_path_of_an_odd_length_and_one_that_is_too_long(chip: Chip) -> None:
    assert say(chip, 0, 0xA4, 0x08, 0x0C, b"\x0a\x00\x0a").sw == 0x6A82
    assert say(chip, 0, 0xA4, 0x08, 0x0C, bytes(14)).sw == 0x6700
    assert say(chip, 0, 0xA4, 0x09, 0x0C).sw == 0x6700


def test_3fff_alone_is_the_applications_own_df(chip: Chip) -> None:
    select(chip, 0x08, *NEST)
    own = select(chip, 0x08, 0x3FFF)
    assert own == say(chip, 0, 0xA4, 0x04, 0x04, bytes(FOLDER), 256)


def test_a_failed_select_changes_nothing(chip: Chip) -> None:
    select(chip, 0x08, *NEST[:2], NESTED)
    for p1, fids in ((0x00, (0x0999,)), (0x08, (*NEST, 0x0999)), (0x09, (NOTICE,)), (0x04, (0x1234,))):
        assert select(chip, p1, *fids).sw == 0x6A82
        assert content(chip) == b"depth 2 "


def test_all_forms_of_the_answer(chip: Chip) -> None:
    fcp = select(chip, 0x00, NEST[0]).data
    select(chip, 0x03)
    fci = select(chip, 0x00, NEST[0], p2=0x00).data
    assert parse_one(fcp).tag == 0x62
    assert fci == b"\x6f" + bytes((len(fcp),)) + fcp
    select(chip, 0x03)
    assert select(chip, 0x00, NEST[0], p2=0x08).data == b"\x64\x00"
    select(chip, 0x03)
    assert select(chip, 0x00, NEST[0], p2=0x0C) == ResponseAPDU()
    for p2 in (0x01, 0x02, 0x03, 0x05, 0x10):
        assert select(chip, 0x00, NOTICE, p2=p2).sw == 0x6A86
    management = parse_one(say(chip, 0, 0xA4, 0x04, 0x08, bytes(FOLDER), 256).data)
    assert management.tag == 0x64
    assert [(tlv.tag, tlv.value) for tlv in management.children] == [(0x84, bytes(FOLDER)), (0x50, b"Folder")]


def test_a_deactivated_or_terminated_file_is_selected_and_its_control_parameters_tell(chip: Chip) -> None:
    for fid, status in ((DEACTIVATED, b"\x04"), (TERMINATED, b"\x0c")):
        answer = select(chip, 0x02, fid)
        assert answer.sw == 0x9000
        assert {tlv.tag: tlv.value for tlv in parse_one(answer.data).children}[0x8A] == status
        assert say(chip, 0, 0xB0, 0, 0).sw == 0x6985


def test_selecting_the_application_again_begins_at_its_own_df(chip: Chip) -> None:
    select(chip, 0x08, *NEST[:2])
    chip.select(FOLDER)
    assert content(chip, NOTICE).startswith(b"jukicard")
    select(chip, 0x08, *NEST[:2])
    chip.reset()
    chip.select(FOLDER)
    assert (
        say(chip, 0, 0xB0, 0x80 | NESTED, 0).sw == 0x6985
    )  # of the application's own DF again, where 4 is another file


def test_the_current_df_means_nothing_to_another_application(chip: Chip) -> None:
    select(chip, 0x08, *NEST[:2])
    chip.open_channel(1)
    assert chip.select(FOLDER, 1).sw == 0x6985  # one channel at a time
    assert chip.select(chips.LIBRARY, 1).sw == 0x9000
    assert say(chip, 1, 0xA4, 0x00, 0x0C, NEST[2].to_bytes(2, "big")).sw == 0x6A82
    assert chip.ask("00 70 80 01").sw == 0x9000
    assert chip.select(chips.LIBRARY).sw == 0x9000
    assert say(chip, 0, 0xA4, 0x00, 0x0C, NESTED.to_bytes(2, "big")).sw == 0x6A82


def test_the_other_applications_have_paths_and_no_dfs() -> None:
    chip = chips.active().chip()
    chip.select(chips.LIBRARY)
    assert identifier(select(chip, 0x08, 0x0002)) == 0x0002
    assert identifier(select(chip, 0x09, 0x0001)) == 0x0001
    assert select(chip, 0x03).sw == 0x6A82
    assert select(chip, 0x01, 0x0001).sw == 0x6A82
    assert parse_one(select(chip, 0x08, 0x3FFF).data).children[0].value == bytes(chips.LIBRARY)


def test_a_command_that_names_an_ef_by_its_identifier_takes_no_df(chip: Chip) -> None:
    chip.select(FOLDER)
    assert say(chip, 0, 0xB1, NEST[0] >> 8, NEST[0] & 0xFF, b"\x54\x01\x00", 256).sw == 0x6981
    assert say(chip, 0, 0xB0, 0, 0).sw == 0x6986  # nor is it current now


def test_identifier_0_is_the_current_ef(chip: Chip) -> None:
    chip.select(FOLDER)
    one_byte = b"\x54\x01\x00"
    assert say(chip, 0, 0xB1, 0, 0, one_byte, 256).sw == 0x6986
    say(chip, 0, 0xA4, 0x02, 0x0C, NOTICE.to_bytes(2), sw=0x9000)
    read = say(chip, 0, 0xB1, 0, 0, one_byte, 256, sw=0x9000)
    assert read == say(chip, 0, 0xB1, NOTICE >> 8, NOTICE & 0xFF, one_byte, 256)


def test_an_identifier_of_one_byte_is_none_and_going_up_takes_no_name(chip: Chip) -> None:
    chip.select(FOLDER)
    for p1 in (0x08, 0x09):
        assert say(chip, 0, 0xA4, p1, 0x0C, NEST[0].to_bytes(2) + bytes((NESTED,))).sw == 0x6A82
    say(chip, 0, 0xA4, 0x09, 0x0C, NEST[0].to_bytes(2) + NEST[1].to_bytes(2), sw=0x9000)
    for name in (NEST[0].to_bytes(2), NESTED.to_bytes(2), b"\x00"):
        assert say(chip, 0, 0xA4, 0x03, 0x0C, name).sw == 0x6A82
