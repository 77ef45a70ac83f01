"""CREATE and DELETE FILE, the life cycle of files and DFs, the quota."""

from __future__ import annotations

import pytest

from jukicard.applets.folder.client import FolderClient, df, ef, record_ef
from jukicard.card.files.quota import Quota
from jukicard.card.transaction import Area, Transaction, area_prefix
from jukicard.iso7816.access import AccessMode
from jukicard.iso7816.apdu import ResponseAPDU
from jukicard.iso7816.tlv import Tlv, parse_one
from tests.support import folders
from tests.support.chips import Chip, say
from tests.support.folders import (
    ALWAYS,
    ANYTHING,
    DEACTIVATED,
    NEST,
    NESTED,
    NOTICE,
    OPEN,
    OWNER,
    TERMINATED,
    UNFINISHED,
    WORKBENCH,
    rules,
)


@pytest.fixture
def chip() -> Chip:
    """The furnished folder, its workbench current."""
    chip = folders.furnished()
    enter(chip, WORKBENCH)
    return chip


def enter(chip: Chip, *path: int) -> None:
    name = b"".join(fid.to_bytes(2, "big") for fid in (0x3FFF, *path))
    say(chip, 0, 0xA4, 0x08, 0x0C, name, sw=0x9000)


def create(chip: Chip, parameters: Tlv | str) -> int:
    data = bytes.fromhex(parameters) if isinstance(parameters, str) else parameters.encode()
    return say(chip, 0, 0xE0, data=data).sw


def on(chip: Chip, ins: int, fid: int | None = None) -> int:
    """DELETE, ACTIVATE, DEACTIVATE, TERMINATE: of the current file, or of one in the current DF."""
    return say(chip, 0, ins, data=b"" if fid is None else fid.to_bytes(2, "big")).sw


def status(chip: Chip, fid: int) -> int:
    answer = say(chip, 0, 0xA4, 0x00, 0x04, fid.to_bytes(2, "big"), 256, sw=0x9000)
    found = {tlv.tag: tlv.value for tlv in parse_one(answer.data).children}[0x8A][0]
    if parse_one(answer.data).children[0].value == b"\x38":
        say(chip, 0, 0xA4, 0x03, 0x0C, sw=0x9000)
    return found


def read(chip: Chip, sfi: int) -> int:
    return say(chip, 0, 0xB0, 0x80 | sfi, 0).sw


def used(chip: Chip) -> int:
    """What the folder's quota says is used."""
    return Quota(Area(Transaction(chip.store), area_prefix(6))).used


DELETE, ACTIVATE, DEACTIVATE, TERMINATE_EF, TERMINATE_DF = 0xE4, 0x44, 0x04, 0xE8, 0xE6


# --- CREATE FILE


def test_a_new_file_shows_what_was_asked_for_and_is_current(chip: Chip) -> None:
    parameters = ef(0x0101, 10, ANYTHING, sfi=9, compare_tries=4)
    assert create(chip, parameters) == 0x9000
    assert say(chip, 0, 0xB0, 0, 0, ne=256).data == bytes(10)
    shown = parse_one(say(chip, 0, 0xA4, 0x02, 0x04, b"\x01\x01", 256).data)
    assert {tlv.tag: tlv.value for tlv in shown.children} == {
        **{tlv.tag: tlv.value for tlv in parameters.children},
        0x8A: b"\x05",
    }


def test_a_new_df_is_current_and_empty(chip: Chip) -> None:
    assert create(chip, df(0x0101, ANYTHING)) == 0x9000
    assert say(chip, 0, 0xB0, 0, 0).sw == 0x6986
    assert create(chip, ef(0x0001, 4, ANYTHING, sfi=1)) == 0x9000
    enter(chip, WORKBENCH, 0x0101)
    assert read(chip, 1) == 0x9000


def test_the_same_identifiers_in_another_df(chip: Chip) -> None:
    assert create(chip, ef(NOTICE, 4, ANYTHING, sfi=1)) == 0x9000
    say(chip, 0, 0xD6, 0x81, 0, b"mine", sw=0x9000)
    enter(chip)
    assert say(chip, 0, 0xB0, 0x81, 0, ne=4).data == b"juki"
    enter(chip, WORKBENCH)
    assert say(chip, 0, 0xB0, 0x81, 0, ne=4).data == b"mine"


@pytest.mark.parametrize("kind", [0x02, 0x04, 0x06])
def test_files_of_records(chip: Chip, kind: int) -> None:
    assert create(chip, record_ef(0x0101, kind, 4, 2, ANYTHING, sfi=3)) == 0x9000
    assert say(chip, 0, 0xE2, 0, 0, b"abcd").sw == 0x9000
    assert say(chip, 0, 0xB2, 1, 0x1C, ne=256) == ResponseAPDU(b"abcd")


def test_a_short_identifier_that_is_not_named_is_that_of_the_identifier_if_it_is_free(chip: Chip) -> None:
    def without_sfi(fid: int) -> Tlv:
        return Tlv.build(0x62, *(tlv for tlv in ef(fid, 4, ANYTHING).children if tlv.tag != 0x88))

    for fid, sfi in ((0x0105, 5), (0x0205, None), (0x011F, None), (0x0120, None), (0x013E, 30)):
        assert create(chip, without_sfi(fid)) == 0x9000
        shown = parse_one(say(chip, 0, 0xA4, 0x02, 0x04, fid.to_bytes(2, "big"), 256).data)
        assert {tlv.tag: tlv.value for tlv in shown.children}[0x88] == (bytes((sfi << 3,)) if sfi else b"")
    assert create(chip, ef(0x0106, 4, ANYTHING)) == 0x9000
    assert read(chip, 6) == 0x6A82  # 88 without a value: none


def test_a_name_that_is_taken_is_6a89(chip: Chip) -> None:
    assert create(chip, ef(0x0101, 4, ANYTHING, sfi=5)) == 0x9000
    before = chip.cells
    for again in (ef(0x0101, 4, ANYTHING), df(0x0101, ANYTHING), ef(0x0102, 4, ANYTHING, sfi=5)):
        assert create(chip, again) == 0x6A89
    assert chip.cells == before


EF = "8201 01 8002 0004 8302 0101"


@pytest.mark.parametrize(
    "parameters",
    [
        "6200",
        "64 0B" + EF,
        "62 0B" + EF + "00",
        "62 0A" + EF,
        "62 07 820101 80020004",  # no identifier
        "62 07 820101 83020101",  # no size
        "62 0B 820101 80020000 83020101",
        "62 0A 820101 80020004 830101",
        "62 0B 820101 80020004 83020000",
        "62 0B 820101 80020004 83023F00",
        "62 0B 820101 80020004 83023FFF",
        "62 0B 820101 80020004 8302FFFF",
        "62 0B 820101 80020004 83020B00",  # the DF's own
        "62 0B 820109 80020004 83020101",  # an internal EF
        "62 0B 820141 80020004 83020101",  # shareable
        "62 0C 82020121 80020004 83020101",
        "62 0B 820102 80020004 83020101",
        "62 0B 8205 02410000 03 83020101",  # records of no size
        "62 0B 8205 02410004 00 83020101",
        "62 0B 8205 02410004 FF 83020101",
        "62 0B 8205 02210004 03 83020101",
        "62 0F 8205 02410004 03 80020004 83020101",  # another size than that of the records
        "62 0E 820101 80020004 83020101 880109",
        "62 0E 820101 80020004 83020101 8801F8",
        "62 0E 820101 80020004 83020101 880100",
        "62 0F 820101 80020004 83020101 88020808",
        "62 0E 820101 80020004 83020101 8A0104",
        "62 0E 820101 80020004 83020101 8A010C",
        "62 0D 820101 80020004 83020101 8A00",
        "62 0E 820101 80020004 83020101 AB01FF",
        "62 0F 820101 80020004 83020101 AB028000",
        "62 10 820101 80020004 83020101 A503C00100",
        "62 10 820101 80020004 83020101 A503C00110",
        "62 10 820101 80020004 83020101 A503C10103",
        "62 10 8205 02410004 03 83020101 A503C00103",
        "62 0E 820101 80020004 83020101 840101",  # a name
        "62 0E 820101 80020004 83020101 8C0100",  # compact rules
        "62 0F 820101 80020004 83020101 83020102",  # twice
        "62 0B 820138 80020004 83020101",  # a DF with a size
        "62 0A 820138 83020101 880108",
        "62 0B 8205 3841000403 8302 0101",
    ],
)
def test_parameters_that_are_not_understood_are_6a80(chip: Chip, parameters: str) -> None:
    before = chip.cells
    assert create(chip, parameters) == 0x6A80
    assert chip.cells == before


def test_a_df_is_a_df_however_its_descriptor_ends() -> None:
    """Nobody makes a DF with the right to make EFs only."""
    chip = folders.furnished()
    folder = folders.owner(chip)
    folder.create(df(0x0C00, rules((AccessMode.CREATE_EF, ALWAYS))))
    enter(chip, 0x0C00)
    assert create(chip, df(0x0001, ANYTHING)) == 0x6982
    assert create(chip, "62 08 82023841 83020001") == 0x6982
    assert create(chip, ef(0x0001, 4, ANYTHING)) == 0x9000
    enter(chip, 0x0C00)
    folders.owner(chip).create(df(0x0D00, rules((AccessMode.CREATE_DF, ALWAYS))))
    enter(chip, 0x0D00)
    assert create(chip, ef(0x0001, 4, ANYTHING)) == 0x6982
    assert create(chip, df(0x0001, ANYTHING)) == 0x9000


def test_only_whom_the_df_lets_creates_in_it(chip: Chip) -> None:
    before = chip.cells
    for path in ((), NEST[:1], NEST):
        enter(chip, *path)
        assert create(chip, ef(0x0101, 4, ANYTHING)) == 0x6982
        assert create(chip, df(0x0101, ANYTHING)) == 0x6982
    assert chip.cells == before
    folder = folders.owner(chip)
    folder.select_path(*NEST[:1])
    folder.create(ef(0x0101, 4, ANYTHING))


def test_dfs_lie_four_deep(chip: Chip) -> None:
    for fid in (1, 2, 3):
        assert create(chip, df(fid, ANYTHING)) == 0x9000
    assert create(chip, df(4, ANYTHING)) == 0x6985
    assert create(chip, ef(4, 4, ANYTHING)) == 0x9000


def test_a_file_in_its_initialisation_state_is_its_owners(chip: Chip) -> None:
    enter(chip)
    assert read(chip, UNFINISHED) == 0x6982
    assert on(chip, ACTIVATE, UNFINISHED) == 0x6982
    folder = folders.owner(chip)
    folder.update(b"finished", sfi=UNFINISHED)
    assert on_owner(folder, DEACTIVATE, UNFINISHED) == 0x6982  # the initial rules do not have it
    assert on_owner(folder, ACTIVATE, UNFINISHED) == 0x9000
    chip.select(folders.FOLDER)
    assert read(chip, UNFINISHED) == 0x9000
    assert on(chip, ACTIVATE, UNFINISHED) == 0x6985


def on_owner(folder: FolderClient, ins: int, fid: int) -> int:
    return say(folder.connection, 0, ins, data=fid.to_bytes(2, "big")).sw


# --- quota


def test_the_quota_is_charged_and_given_back(chip: Chip) -> None:
    begin, cells = used(chip), chip.cells
    assert create(chip, df(1, ANYTHING)) == 0x9000
    assert create(chip, ef(2, 1000, ANYTHING)) == 0x9000
    assert create(chip, record_ef(3, 2, 10, 20, ANYTHING)) == 0x9000
    assert used(chip) > begin + 1200
    enter(chip, WORKBENCH)
    assert on(chip, DELETE, 1) == 0x9000
    assert used(chip) == begin
    assert chip.cells == cells


def test_more_than_the_quota_is_6a84_and_changes_nothing() -> None:
    chip = folders.empty(b"\x80\x02\x04\x00" + Tlv(0xAB, ANYTHING.encode()).encode())
    assert create(chip, ef(1, 1025, ANYTHING)) == 0x6A84
    assert create(chip, ef(1, 950, ANYTHING)) == 0x9000
    before = chip.cells
    for too_much in (ef(2, 200, ANYTHING), record_ef(2, 2, 50, 4, ANYTHING), df(2, ANYTHING), ef(2, 1, ANYTHING)):
        assert create(chip, too_much) == 0x6A84
    assert chip.cells == before
    assert on(chip, DELETE) == 0x9000
    assert create(chip, ef(2, 200, ANYTHING)) == 0x9000


def test_more_than_a_file_can_have_is_6a84(chip: Chip) -> None:
    assert create(chip, record_ef(1, 2, 300, 254, ANYTHING)) == 0x6A84


def test_a_creation_that_is_cut_off_leaves_nothing(chip: Chip) -> None:
    before = chip.cells
    chip.store.cut = lambda _number: True
    assert create(chip, ef(1, 10, ANYTHING, sfi=1)) == 0x6581
    assert chip.cells == before


def test_creation_and_deletion_are_one_commit_each(chip: Chip) -> None:
    create(chip, df(1, ANYTHING))
    chip.store.commits.clear()
    create(chip, ef(2, 10, ANYTHING, sfi=1))
    enter(chip, WORKBENCH)
    assert on(chip, DELETE, 1) == 0x9000
    assert len(chip.store.commits) == 2


# --- DELETE FILE


def test_deletion_leaves_no_cell(chip: Chip) -> None:
    before = chip.cells
    assert create(chip, ef(1, 10, ANYTHING, sfi=1, compare_tries=2)) == 0x9000
    say(chip, 0, 0x33, 0x81, 0, bytes(10), sw=0x9000)  # makes its counter's cell
    assert on(chip, DELETE) == 0x9000
    assert chip.cells == before
    assert read(chip, 1) == 0x6A82
    assert create(chip, ef(2, 10, ANYTHING, sfi=1)) == 0x9000


def test_what_is_current_after_a_deletion(chip: Chip) -> None:
    create(chip, ef(1, 4, ANYTHING))
    create(chip, ef(2, 4, ANYTHING))
    assert on(chip, DELETE, 1) == 0x9000
    assert say(chip, 0, 0xB0, 0, 0).sw == 0x9000  # the other one is still current
    assert on(chip, DELETE) == 0x9000
    assert say(chip, 0, 0xB0, 0, 0).sw == 0x6986
    create(chip, df(3, ANYTHING))
    create(chip, df(4, ANYTHING))
    assert on(chip, DELETE) == 0x9000  # no EF is current: DF 4, in DF 3
    enter(chip, WORKBENCH)
    assert on(chip, DELETE, 3) == 0x9000
    assert on(chip, DELETE, 3) == 0x6A82
    assert create(chip, ef(3, 4, ANYTHING)) == 0x9000  # the workbench is current


def test_the_own_rule_or_that_of_the_df_around_is_enough(chip: Chip) -> None:
    nothing, own = rules((AccessMode.READ, ALWAYS)), rules((AccessMode.DELETE, ALWAYS))
    folder = folders.owner(chip)
    folder.create(df(0x0C00, rules((AccessMode.CREATE_EF, ALWAYS), (AccessMode.DELETE_CHILD, OWNER))))
    enter(chip, 0x0C00)
    for fid, what, expected in ((1, nothing, 0x6982), (2, own, 0x9000)):
        assert create(chip, ef(fid, 4, what)) == 0x9000
        enter(chip, 0x0C00)
        assert on(chip, DELETE, fid) == expected
    folder = folders.owner(chip)
    folder.select_path(0x0C00)
    folder.delete(1)
    enter(chip)
    assert on(chip, DELETE, 0x0C00) == 0x6982
    assert on(chip, DELETE, NOTICE) == 0x6982


def test_the_df_around_is_the_next_one_and_no_other(chip: Chip) -> None:
    """The workbench lets anybody delete what is in it, the folder does not; each has a DF that is the other way."""
    folder = folders.owner(chip)
    folder.create(df(0x0C00, rules((AccessMode.CREATE_EF | AccessMode.DELETE_CHILD, ALWAYS))))
    enter(chip, WORKBENCH)
    assert create(chip, df(0x0D00, rules((AccessMode.CREATE_EF, ALWAYS)))) == 0x9000
    for path, sw in (((0x0C00,), 0x9000), ((WORKBENCH, 0x0D00), 0x6982)):
        enter(chip, *path)
        assert create(chip, ef(1, 4, rules((AccessMode.READ, ALWAYS)))) == 0x9000
        assert on(chip, DELETE) == sw


def test_a_df_goes_with_all_that_is_in_it() -> None:
    chip = folders.furnished()
    folder = folders.owner(chip)
    before = chip.cells
    folder.delete(NEST[0])
    gone = before.keys() - chip.cells.keys()
    assert len([cell for cell in gone if cell.endswith("/h")]) == 8
    assert not [cell for cell in chip.cells if "/0a0" in cell]
    with pytest.raises(Exception, match="6A82"):
        folder.select_path(*NEST[:1])


def test_the_applications_own_df_is_not_deleted(chip: Chip) -> None:
    enter(chip)
    before = chip.cells
    assert on(chip, DELETE) == 0x6985
    assert chip.cells == before


@pytest.mark.parametrize("ins", [DELETE, ACTIVATE, DEACTIVATE, TERMINATE_EF, TERMINATE_DF])
def test_names_of_files_that_are_not_there(chip: Chip, ins: int) -> None:
    assert on(chip, ins, 0x0999) == 0x6A82
    assert on(chip, ins, 0x3F00) == 0x6A82
    assert say(chip, 0, ins, data=b"\x01").sw == 0x6700
    assert say(chip, 0, ins, data=bytes(3)).sw == 0x6700
    assert say(chip, 0, ins, 0x01).sw == 0x6A86


# --- life cycle


def test_deactivated_and_activated_again(chip: Chip) -> None:
    create(chip, ef(1, 4, ANYTHING, sfi=1))
    assert on(chip, ACTIVATE) == 0x6985
    assert on(chip, DEACTIVATE) == 0x9000
    assert status(chip, 1) == 0x04
    assert read(chip, 1) == 0x6985
    assert say(chip, 0, 0xD6, 0x81, 0, b"x").sw == 0x6985
    assert on(chip, DEACTIVATE) == 0x6985
    assert on(chip, ACTIVATE, 1) == 0x9000
    assert read(chip, 1) == 0x9000


def test_terminated_for_good_and_only_deleted(chip: Chip) -> None:
    create(chip, ef(1, 4, ANYTHING, sfi=1))
    assert on(chip, TERMINATE_EF) == 0x9000
    assert status(chip, 1) == 0x0C
    for ins in (ACTIVATE, DEACTIVATE, TERMINATE_EF):
        assert on(chip, ins, 1) == 0x6985
    assert read(chip, 1) == 0x6985
    assert on(chip, DELETE, 1) == 0x9000


def test_a_df_takes_all_that_is_in_it_along(chip: Chip) -> None:
    for fid in (1, 2):
        create(chip, df(fid, ANYTHING))
    create(chip, ef(3, 4, ANYTHING, sfi=3))
    enter(chip, WORKBENCH)
    assert on(chip, DEACTIVATE, 1) == 0x9000
    enter(chip, WORKBENCH, 1, 2)
    assert read(chip, 3) == 0x6985
    assert create(chip, ef(4, 4, ANYTHING)) == 0x6985
    assert on(chip, ACTIVATE) == 0x6985  # DF 2 itself is activated, and DF 1 around it is not
    assert on(chip, DELETE, 3) == 0x6985
    enter(chip, WORKBENCH)
    assert on(chip, ACTIVATE, 1) == 0x9000
    enter(chip, WORKBENCH, 1, 2)
    assert read(chip, 3) == 0x9000
    enter(chip, WORKBENCH)
    assert on(chip, TERMINATE_DF, 1) == 0x9000
    enter(chip, WORKBENCH, 1, 2)
    assert read(chip, 3) == 0x6985
    enter(chip, WORKBENCH)
    assert on(chip, DELETE, 1) == 0x9000


def test_terminate_ef_and_terminate_df_take_their_own_kind(chip: Chip) -> None:
    create(chip, df(1, ANYTHING))
    enter(chip, WORKBENCH)
    create(chip, ef(2, 4, ANYTHING))
    assert on(chip, TERMINATE_EF, 1) == 0x6981
    assert on(chip, TERMINATE_DF, 2) == 0x6981
    enter(chip, WORKBENCH, 1)
    assert on(chip, TERMINATE_EF) == 0x6986
    assert on(chip, TERMINATE_DF) == 0x9000


def test_each_act_needs_its_own_rule(chip: Chip) -> None:
    acts = {
        AccessMode.DEACTIVATE: DEACTIVATE,
        AccessMode.ACTIVATE: ACTIVATE,
        AccessMode.TERMINATE: TERMINATE_EF,
    }
    for number, mode in enumerate(acts, 1):
        create(chip, ef(number, 4, rules((mode, ALWAYS))))
        for other, ins in acts.items():
            if other != mode:
                assert on(chip, ins) == 0x6982
        assert on(chip, acts[mode]) == (0x6985 if mode is AccessMode.ACTIVATE else 0x9000)


def test_the_owner_deactivates_and_terminates_the_whole_folder() -> None:
    chip = folders.furnished()
    assert on(chip, DEACTIVATE) == 0x6982
    folder = folders.owner(chip)
    assert say(folder.connection, 0, DEACTIVATE, sw=0x9000)
    chip.select(folders.FOLDER)
    for command in ("00 B0 81 00 00", "00 20 00 81 04 32353830", "00 CA 5F 50 00", "00 88 00 91 08 0000000000000000"):
        assert chip.ask(command).sw == 0x6985
    assert parse_one(chip.select(folders.FOLDER).data).children[2].value == b"\x04"
    folder = folders.owner(chip)
    say(folder.connection, 0, ACTIVATE, sw=0x9000)
    assert read(chip, NOTICE) == 0x9000
    say(folder.connection, 0, TERMINATE_DF, sw=0x9000)
    chip.select(folders.FOLDER)
    folder = folders.owner(chip)
    assert say(folder.connection, 0, ACTIVATE).sw == 0x6985
    assert read(chip, NOTICE) == 0x6985


def test_the_furnished_states(chip: Chip) -> None:
    enter(chip)
    for fid, expected in ((DEACTIVATED, 0x04), (TERMINATED, 0x0C), (OPEN, 0x05), (UNFINISHED, 0x03)):
        assert status(chip, fid) == expected
    enter(chip, *NEST)
    assert status(chip, NESTED) == 0x05


def test_a_name_of_three_bytes_has_the_wrong_length(chip: Chip) -> None:
    for ins in (0xE4, 0x44, 0x04, 0xE8):
        assert say(chip, 0, ins, data=b"\x00\x01\x02").sw == 0x6700


def test_whoever_may_delete_nothing_learns_the_same_of_what_is_not_there(chip: Chip) -> None:
    assert on(chip, 0xE4, 0x7777) == 0x6A82
