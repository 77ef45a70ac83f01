"""New files: what their headers say, which identifiers are free, and how many records fit."""

from __future__ import annotations

import pytest

from jukicard.card.errors import CardError
from jukicard.card.files.structures import MAX_RECORDS, File, FileKind, Files, FileSpec
from jukicard.card.objects import Header, LifeCycle
from jukicard.card.store import MemoryStore
from jukicard.card.transaction import Area, Transaction, area_prefix
from jukicard.iso7816.access import AccessRules
from jukicard.iso7816.tlv import Tlv

NO_RULES = AccessRules()


def spec(fid: int, kind: FileKind = FileKind.TRANSPARENT, **more: int) -> FileSpec:
    return FileSpec(fid, kind, NO_RULES, NO_RULES, **more)


@pytest.fixture
def area() -> Area:
    return Area(Transaction(MemoryStore()), area_prefix(1))


@pytest.fixture
def files(area: Area) -> Files:
    return Files(area)


def refusal(act: object, *what: object) -> int:
    with pytest.raises(CardError) as caught:
        act(*what)  # type: ignore[operator]
    return int(caught.value.sw)


@pytest.mark.parametrize(
    ("new", "parameters"),
    [
        (spec(0x0102, size=300), "8002012C 820101 83020102 8800"),
        (spec(0x0102, size=5, sfi=30), "80020005 820101 83020102 8801F0"),
        (spec(1, size=5, sfi=1, compare_tries=3), "80020005 820101 83020001 880108 A503C00103"),
        (spec(1, FileKind.LINEAR_FIXED, record_size=10, records=7), "80020046 82050241000A07 83020001 8800"),
        (spec(1, FileKind.LINEAR_FIXED, record_size=4), "80020000 820502410004 00 83020001 8800"),
        (spec(1, FileKind.LINEAR_FIXED, records=4), "80020000 820502410000 04 83020001 8800"),
        (spec(1), "80020000 820101 83020001 8800"),
        (spec(1, FileKind.LINEAR_VARIABLE, record_size=258, records=2), "80020204 820504410102 02 83020001 8800"),
        (spec(1, FileKind.CYCLIC, record_size=1, records=254), "800200FE 8205064100 01FE 83020001 8800"),
    ],
)
def test_control_parameters(new: FileSpec, parameters: str) -> None:
    """ISO/IEC 7816-4, control parameters: DOs 80, 82, 83, 88, and A5 {C0} for the tries of COMPARE."""
    header = new.header(LifeCycle.ACTIVATED)
    assert b"".join(tlv.encode() for tlv in header.parameters) == bytes.fromhex(parameters)


def test_a_file_is_what_its_header_says(files: Files) -> None:
    made = files.create(spec(7, FileKind.CYCLIC, record_size=258, records=9, compare_tries=4), LifeCycle.ACTIVATED)
    for file in (made, files.by_fid(7)):
        assert (file.fid, file.kind, file.record_size, file.max_records) == (7, FileKind.CYCLIC, 258, 9)
        assert (file.size, file.compare_tries, file.records, file.content) == (258 * 9, 4, [], b"")
    plain = files.create(spec(8, size=3), LifeCycle.INITIALISATION)
    assert (plain.kind, plain.size, plain.content, plain.compare_tries) == (FileKind.TRANSPARENT, 3, bytes(3), 0)
    assert plain.header.life_cycle is LifeCycle.INITIALISATION


def test_a_header_that_says_nothing_is_an_empty_file(area: Area) -> None:
    bare = File(area, (1,), Header((Tlv(0x83, b"\0\1"),), LifeCycle.ACTIVATED, NO_RULES, NO_RULES))
    assert (bare.kind, bare.size, bare.content) == (FileKind.TRANSPARENT, 0, b"")
    assert (bare.record_size, bare.max_records, bare.compare_tries) == (0, 0, 0)


def test_an_identifier_is_given_once_whether_long_or_short(files: Files, area: Area) -> None:
    files.create(spec(1, size=1, sfi=5), LifeCycle.ACTIVATED)
    files.create(spec(2, size=1), LifeCycle.ACTIVATED)
    assert refusal(files.create, spec(1, size=1), LifeCycle.ACTIVATED) == 0x6A89
    assert refusal(files.create, spec(3, size=1, sfi=5), LifeCycle.ACTIVATED) == 0x6A89
    assert refusal(files.create, spec(2, size=1, sfi=6), LifeCycle.ACTIVATED) == 0x6A89
    files.create(spec(3, size=1, sfi=6), LifeCycle.ACTIVATED)
    assert [file.fid for file in files.all()] == [1, 2, 3]
    assert (files.by_sfi(5).fid, files.by_sfi(6).fid) == (1, 3)
    assert area.read("s/06") == b"\x00\x03"  # as on the cards out there
    assert refusal(files.by_sfi, 7) == 0x6A82
    assert refusal(files.by_fid, 4) == 0x6A82


def test_files_are_listed_by_their_long_identifiers(files: Files) -> None:
    for fid in (0xABCD, 0x0010):
        files.create(spec(fid, size=1), LifeCycle.ACTIVATED)
    assert [file.fid for file in files.all()] == [0x0010, 0xABCD]


def test_only_a_transparent_file_is_filled_with_zeros(files: Files, area: Area) -> None:
    files.create(spec(1, size=2), LifeCycle.ACTIVATED)
    files.create(spec(2, FileKind.LINEAR_FIXED, record_size=2, records=2), LifeCycle.ACTIVATED)
    assert list(area.cells()) == ["f/0001/d", "f/0001/h", "f/0002/h"]


@pytest.mark.parametrize("kind", [FileKind.LINEAR_FIXED, FileKind.LINEAR_VARIABLE])
def test_a_linear_file_takes_as_many_records_as_fit(files: Files, kind: FileKind) -> None:
    file = files.create(spec(1, kind, record_size=2, records=2), LifeCycle.ACTIVATED)
    file.append(b"r1")
    file.append(b"r2")
    assert refusal(file.append, b"r3") == 0x6A84
    assert file.records == [b"r1", b"r2"]


def test_a_cyclic_file_keeps_the_newest_first(files: Files) -> None:
    file = files.create(spec(1, FileKind.CYCLIC, record_size=2, records=2), LifeCycle.ACTIVATED)
    for record in (b"r1", b"r2", b"r3"):
        file.append(record)
    assert file.records == [b"r3", b"r2"]


@pytest.mark.parametrize(
    ("kind", "allowed"),
    [(FileKind.LINEAR_FIXED, {3}), (FileKind.CYCLIC, {3}), (FileKind.LINEAR_VARIABLE, {0, 1, 2, 3})],
)
def test_the_length_of_a_record(files: Files, kind: FileKind, allowed: set[int]) -> None:
    file = files.create(spec(1, kind, record_size=3, records=5), LifeCycle.ACTIVATED)
    for length in range(6):
        if length in allowed:
            file.append(bytes(length))
        else:
            assert refusal(file.append, bytes(length)) == 0x6700
    assert sorted(map(len, file.records)) == sorted(allowed)


def test_records_of_every_length_are_kept_apart(files: Files) -> None:
    file = files.create(spec(1, FileKind.LINEAR_VARIABLE, record_size=600, records=4), LifeCycle.ACTIVATED)
    records = [b"", b"\x00", bytes(256), b"\xff" * 600]
    file.write_records(records)
    assert file.records == records


def test_content_life_cycle_and_comparison(files: Files) -> None:
    file = files.create(spec(1, size=3), LifeCycle.INITIALISATION)
    file.write(b"abc")
    file.set_life_cycle(LifeCycle.DEACTIVATED)
    found = files.by_fid(1)
    assert file.header == found.header
    assert found.header.life_cycle is LifeCycle.DEACTIVATED
    assert [found.matches(what) for what in (b"abc", b"abd", b"bc", b"abcd")] == [True, False, False, False]
    assert [found.matches(b"bc", offset) for offset in range(4)] == [False, True, False, False]
    assert MAX_RECORDS == 254


# --- DFs


@pytest.fixture
def nested(files: Files) -> Files:
    """0A00 { 0A01 { 0001 }, 0001 }, and 0001 beside it."""
    outer = files.create(spec(0x0A00, FileKind.DIRECTORY), LifeCycle.ACTIVATED)
    inner = files.inside((outer.fid,)).create(spec(0x0A01, FileKind.DIRECTORY), LifeCycle.ACTIVATED)
    for directory in (files, files.inside(outer.path), files.inside(inner.path)):
        directory.create(spec(1, size=len(directory.path) + 1, sfi=5), LifeCycle.ACTIVATED)
    return files


def test_a_df_has_no_content_and_no_short_identifier() -> None:
    header = spec(0x0A00, FileKind.DIRECTORY, sfi=3, size=4).header(LifeCycle.ACTIVATED)
    assert b"".join(tlv.encode() for tlv in header.parameters) == bytes.fromhex("820138 83020A00")


def test_equal_identifiers_in_other_dfs_are_other_files(nested: Files) -> None:
    places = [nested, nested.inside((0x0A00,)), nested.inside((0x0A00, 0x0A01))]
    assert [place.by_fid(1).size for place in places] == [1, 2, 3]
    assert [place.by_sfi(5).path for place in places] == [(1,), (0x0A00, 1), (0x0A00, 0x0A01, 1)]
    assert [[file.fid for file in place.all()] for place in places] == [[1, 0x0A00], [1, 0x0A01], [1]]
    assert nested.inside(()) is nested
    assert [place.has_sfi(5) for place in places] == [True] * 3
    assert not nested.has_sfi(6)


def test_a_path_leads_through_dfs_only(nested: Files) -> None:
    assert [file.path for file in nested.along((0x0A00, 0x0A01, 1))] == [
        (0x0A00,),
        (0x0A00, 0x0A01),
        (0x0A00, 0x0A01, 1),
    ]
    assert [file.fid for file in nested.along((0x0A00, 0x0A01))] == [0x0A00, 0x0A01]
    assert list(nested.along(())) == []
    for nowhere in ((1, 1), (0x0A00, 1, 0x0A01), (0x0A02, 1), (0x0A00, 2)):
        assert refusal(lambda path=nowhere: list(nested.along(path))) == 0x6A82


def test_a_path_ends_at_once_where_it_does_not_lead_on(nested: Files) -> None:
    """What lies below the cells of an EF cannot be reached, even if somebody had put a header there."""
    nested.inside((1,)).create(spec(7, size=1), LifeCycle.ACTIVATED)
    assert refusal(lambda: list(nested.along((1, 7)))) == 0x6A82


def test_a_df_is_deleted_with_all_that_is_in_it_and_with_nothing_else(nested: Files, area: Area) -> None:
    nested.delete(nested.by_fid(0x0A00))
    assert list(area.cells()) == ["f/0001/d", "f/0001/h", "s/05"]
    nested.delete(nested.by_fid(1))
    assert list(area.cells()) == []
    nested.create(spec(2, size=1, sfi=5), LifeCycle.ACTIVATED)


def test_the_tries_of_compare_are_counted_where_the_header_says_so(files: Files) -> None:
    counted = files.create(spec(1, size=1, compare_tries=2), LifeCycle.ACTIVATED).compare_counter
    assert counted is not None
    assert (counted.maximum, counted.left) == (2, 2)
    assert files.create(spec(2, size=1), LifeCycle.ACTIVATED).compare_counter is None


def test_an_appended_record_has_a_number(files: Files) -> None:
    linear = files.create(spec(1, FileKind.LINEAR_FIXED, record_size=1, records=3), LifeCycle.ACTIVATED)
    cyclic = files.create(spec(2, FileKind.CYCLIC, record_size=1, records=3), LifeCycle.ACTIVATED)
    assert [linear.append(b"1"), linear.append(b"2")] == [1, 2]
    assert [cyclic.append(b"1"), cyclic.append(b"2")] == [1, 1]
    assert (linear.has_records, cyclic.has_records) == (True, True)
    kinds = [FileKind.TRANSPARENT, FileKind.DIRECTORY]
    others = [files.create(spec(3 + number, kind), LifeCycle.ACTIVATED) for number, kind in enumerate(kinds)]
    assert [file.has_records for file in others] == [False, False]
