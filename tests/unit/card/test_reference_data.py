"""How passwords and keys are made and get their values; data objects of an application."""

from __future__ import annotations

import pytest

from jukicard.card.files.quota import Quota
from jukicard.card.security.secretkeys import SecretKeys
from jukicard.card.transaction import Area, Transaction, area_prefix
from jukicard.iso7816.apdu import ResponseAPDU
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.tlv import Tlv
from tests.support import chips, folders
from tests.support.chips import Chip, say
from tests.support.folders import (
    ALWAYS,
    FOLDER,
    KEY,
    KEY_VALUE,
    KEYED,
    OWNER,
    PASSWORD,
    SCALAR,
    SIGNATURE_KEY,
    URL,
    import_of,
    put,
    rules,
)

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the curve P-256 (FIPS 186-4, D.1.2.3)."""


@pytest.fixture
def chip() -> Chip:
    return folders.furnished()


def keyed(connection: CardConnection) -> int:
    """Whether the file that wants the key is read."""
    return say(connection, 0, 0xB0, 0x80 | KEYED, 0).sw


# --- how passwords and keys are made


def test_only_the_owner_makes_and_imports(chip: Chip) -> None:
    before = chip.cells
    made = bytes.fromhex("62 0D A406 830185 950108 80 03 040803")
    assert put(chip, made) == 0x6982
    assert put(chip, import_of(0xA4, 0x83, KEY, bytes(16))) == 0x6982
    assert put(chip, import_of(0xB6, 0x84, SIGNATURE_KEY, SCALAR)) == 0x6982
    assert chip.cells == before
    assert put(folders.owner(chip), made) == 0x9000


def test_a_keys_value_comes_encrypted_whatever_its_rule_says() -> None:
    chip = folders.empty()
    folder = folders.owner(chip)
    folder.make_secret_key(0x85, 3, rules((0xDB, ALWAYS), (0x88, ALWAYS)))
    chip.select(FOLDER)
    assert put(chip, import_of(0xA4, 0x83, 0x85, KEY_VALUE)) == 0x6982
    session = chip.scp03(chips.CITY_KEYS, level=0x11)
    data = import_of(0xA4, 0x83, 0x85, KEY_VALUE)
    assert say(session, 0, 0xDB, 0x3F, 0xFF, data).sw == 0x6982
    assert say(chip, 0, 0x88, 0, 0x85, bytes(8)).sw == 0x6984
    chip.select(FOLDER)
    session = chip.scp03(chips.CITY_KEYS, level=0x03)
    assert say(session, 0, 0xDB, 0x3F, 0xFF, data).sw == 0x9000


@pytest.mark.parametrize("size", [16, 24, 32])
def test_sizes_of_secret_keys(size: int) -> None:
    chip = folders.empty()
    folder = folders.owner(chip)
    folder.make_secret_key(0x85, 3, rules((0xDB, OWNER), (0x88, ALWAYS), (0x82, ALWAYS)))
    for wrong in (0, 8, 15, 17, 33):
        assert put(folder, import_of(0xA4, 0x83, 0x85, bytes(wrong))) == 0x6A80
    folder.import_secret_key(0x85, bytes(size))
    folder.authenticate_card(0x85, bytes(size), bytes(16))
    folder.prove_key(0x85, bytes(size))


@pytest.mark.parametrize(
    "data",
    [
        "62 00",
        "62 0D A406 830180 950108 80 03 040803",
        "62 0D A406 8301A0 950108 80 03 040803",
        "62 0D A406 830101 950108 80 03 040803",
        "62 0D A406 830185 950118 80 03 040803",
        "62 0D A406 840185 950108 80 03 040803",
        "62 0A A403 830185 80 03 040803",
        "62 08 A406 830185 950108",
        "62 0C A406 830185 950108 80 02 0408",
        "62 0D A406 830185 950108 80 03 000803",
        "62 0D A406 830185 950108 80 03 090803",
        "62 0D A406 830185 950108 80 03 044103",
        "62 0D A406 830185 950108 80 03 040800",
        "62 0D A406 830185 950108 80 03 040810",
        "62 0F A406 830185 950108 80 03 040803 8100",
        "62 0B A406 830185 950180 80 01 00",
        "62 0B A406 830185 950180 80 01 10",
        "62 0D A406 830185 950180 80 03 040803",
        "62 0E A406 830185 950180 80 01 03 81 01 30",
        "62 08 A406 830185 950180",
        "62 0B A406 830185 950120 80 01 03",
        "62 0C A407 830185 95020880 80 01 03",
        "62 0C A407 83028501 950180 80 01 03",
        "62 0E A407 83028501 950108 80 03 040803",
        "62 0E A407 830185 95020800 80 03 040803",
        "62 08 A406 830185 950140",  # a usage of both kinds of keys
        "62 0D B606 840185 950108 80 03 040803",
        "62 0B B606 840185 9501C0 80 01 03",
        "62 08 B606 830185 950140",
        "62 08 B606 840185 950180",
        "62 0B B606 840185 950140 80 01 03",
        "62 10 B606 840185 950140 A406 830185 950140",
        "62 0B B606 840185 950140 AB01FF",
        "62 0B B606 840185 950140 84 01 00",
        "63 00",
    ],
)
def test_what_is_no_password_and_no_key_is_6a80(chip: Chip, data: str) -> None:
    folder = folders.owner(chip)
    before = chip.cells
    assert put(folder, bytes.fromhex(data)) == 0x6A80
    assert chip.cells == before


@pytest.mark.parametrize(
    "data",
    [
        "62 0D A406 830185 950108 80 03 014001",  # the shortest and the longest password
        "62 0D A406 830185 950108 80 03 04040F",
        "62 0B A406 830185 950180 80 01 01",
        "62 0B A406 830185 950140 80 01 0F",
        "62 0B A406 830182 9501C0 80 01 03",
        "62 0B A406 83019F 950180 80 01 03",
        "62 08 B606 840185 950140",
    ],
)
def test_what_lies_at_the_limits_is_made(chip: Chip, data: str) -> None:
    assert put(folders.owner(chip), bytes.fromhex(data)) == 0x9000


@pytest.mark.parametrize(
    ("data", "sw"),
    [
        (import_of(0xA4, 0x83, 0x99, bytes(16)), 0x6A88),
        (import_of(0xB6, 0x84, 0x99, SCALAR), 0x6A88),
        (import_of(0xA4, 0x83, SIGNATURE_KEY, bytes(16)), 0x6A88),
        (import_of(0xA4, 0x84, KEY, bytes(16)), 0x6A80),
        (import_of(0xB8, 0x84, KEY, bytes(16)), 0x6A80),
        (import_of(0xA4, 0x83, KEY, bytes(16), 15), 0x6A80),
        (b"\x4e" + import_of(0xA4, 0x83, KEY, bytes(16))[1:], 0x6A80),
        (import_of(0xA4, 0x83, KEY, bytes(16)).replace(b"\x5f\x48", b"\x5f\x49"), 0x6A80),
        (bytes.fromhex("4D 1E A404 83029100 7F48029210 5F4810") + bytes(16), 0x6A80),
        (bytes.fromhex("4D 05 A403 830191"), 0x6A80),
        (bytes.fromhex("4D 0B A403 830191 7F48029200 5F4800")[:-1], 0x6A80),
    ],
)
def test_imports_that_are_refused(chip: Chip, data: bytes, sw: int) -> None:
    folder = folders.owner(chip)
    before = chip.cells
    assert put(folder, data) == sw
    assert chip.cells == before


@pytest.mark.parametrize(
    "scalar",
    [bytes(32), b"\xff" * 32, ORDER.to_bytes(32), b"\x01" * 31, b"\x00" + b"\x01" * 32],
    ids=["zero", "large", "order", "31", "33"],
)
def test_scalars_that_are_none(chip: Chip, scalar: bytes) -> None:
    folder = folders.owner(chip)
    folder.make_signature_key(0x95, rules((0xDB, OWNER)))
    assert put(folder, import_of(0xB6, 0x84, 0x95, scalar)) == 0x6A80


@pytest.mark.parametrize("scalar", [1, ORDER - 1], ids=["smallest", "largest"])
def test_the_smallest_and_the_largest_scalar(chip: Chip, scalar: int) -> None:
    folder = folders.owner(chip)
    folder.make_signature_key(0x95, rules((0xDB, OWNER)))
    assert put(folder, import_of(0xB6, 0x84, 0x95, scalar.to_bytes(32))) == 0x9000


def test_a_proof_ends_with_the_value_that_it_was_for(chip: Chip) -> None:
    folder = folders.owner(chip)
    folder.prove_key(KEY, KEY_VALUE)
    assert keyed(folder.connection) == 0x9000
    folder.import_secret_key(KEY, bytes(16))
    assert keyed(folder.connection) == 0x6982
    folder.prove_key(KEY, bytes(16))
    assert keyed(folder.connection) == 0x9000


def test_a_reference_is_taken_once_whatever_it_is(chip: Chip) -> None:
    folder = folders.owner(chip)
    before = chip.cells
    for reference in (PASSWORD, KEY, SIGNATURE_KEY):
        for head in ("62 0D A406 8301{:02X} 950108 80 03 040803", "62 0B A406 8301{:02X} 950180 80 01 03"):
            assert put(folder, bytes.fromhex(head.format(reference))) == 0x6A89
        assert put(folder, bytes.fromhex(f"62 08 B606 8401{reference:02X} 950140")) == 0x6A89
    assert chip.cells == before


def test_a_password_with_an_alphabet(chip: Chip) -> None:
    folder = folders.owner(chip)
    rule = rules((0x20, ALWAYS), (0x24, OWNER)).encode()
    template = bytes.fromhex("A406 830185 950108 8003 040603 8102 6162")
    data = Tlv.build(0x62, template, Tlv(0xAB, rule)).encode()
    assert put(folder, data) == 0x9000
    for wrong in (b"abc", b"abcd", b"1234", b"aaaaaaa"):
        assert say(folder.connection, 0, 0x24, 0x01, 0x85, wrong).sw == 0x6A80
    assert say(folder.connection, 0, 0x24, 0x01, 0x85, b"abba").sw == 0x9000
    assert say(chip, 0, 0x20, 0x00, 0x85, b"abba").sw == 0x9000


def test_keys_and_passwords_count_against_the_quota() -> None:
    chip = folders.empty(b"\x80\x01\x50")
    folder = folders.owner(chip)
    folder.make_password(0x81, 4, 8, 3, rules((0x20, ALWAYS)))
    before = chip.cells
    assert put(folder, bytes.fromhex("62 0B A406 830185 950180 80 01 03")) == 0x6A84
    assert chip.cells == before


def test_a_key_counts_as_32_bytes_and_its_header() -> None:
    chip = folders.empty()
    folder = folders.owner(chip)
    area = Area(Transaction(chip.store), area_prefix(6))
    before = Quota(area).used
    folder.make_secret_key(0x85, 3, rules((0x88, ALWAYS)))
    assert Quota(area).used == before + SecretKeys(area).by_reference(0x85).header.cost + 32


# --- data objects


def test_data_objects_are_put_got_and_removed(chip: Chip) -> None:
    folder = folders.owner(chip)
    before = chip.cells
    for tag, value in ((0x00C2, b"a"), (0x5F51, b"long" * 100), (0x7F60, bytes.fromhex("800101"))):
        folder.put_data_object(tag, value)
        assert folder.data_object(tag) == value
        assert chip.ask(bytes((0, 0xCA, tag >> 8, tag & 0xFF, 0, 0, 0))).data == value
        folder.put_data_object(tag, b"\x80\x00")
        assert folder.data_object(tag) == b"\x80\x00"
        folder.put_data_object(tag, b"")
        assert chip.ask(bytes((0, 0xCA, tag >> 8, tag & 0xFF))).sw == 0x6A88
    assert chip.cells == {**before, **{cell: value for cell, value in chip.cells.items() if "/seq/" in cell}}


def test_the_rules_of_the_application_are_those_of_its_data_objects(chip: Chip) -> None:
    before = chip.cells
    assert say(chip, 0, 0xDA, 0x00, 0xC2, b"x").sw == 0x6982
    assert say(chip, 0, 0xDA, URL >> 8, URL & 0xFF).sw == 0x6982
    assert chip.cells == before
    assert say(chip, 0, 0xDA, 0x00, 0xC1, b"x").sw == 0x9000  # this one tag is anybody's
    assert say(chip, 0, 0xCA, 0x00, 0xC1, ne=256) == ResponseAPDU(b"x")


@pytest.mark.parametrize("tag", [0x0000, 0x003F, 0x00FF, 0x0100, 0x0200, 0x3FFF, 0x4000, 0x6E01, 0x5F80, 0xFFFF])
def test_what_is_no_tag(chip: Chip, tag: int) -> None:
    folder = folders.owner(chip)
    assert say(chip, 0, 0xCA, tag >> 8, tag & 0xFF).sw == 0x6A86
    assert say(folder.connection, 0, 0xDA, tag >> 8, tag & 0xFF, b"x").sw == 0x6A86


def test_a_constructed_object_holds_objects(chip: Chip) -> None:
    folder = folders.owner(chip)
    for tag in (0x0073, 0x7F60):
        assert say(folder.connection, 0, 0xDA, tag >> 8, tag & 0xFF, b"\x80\x05x").sw == 0x6A80
        assert say(folder.connection, 0, 0xDA, tag >> 8, tag & 0xFF, b"\x80\x01x").sw == 0x9000


def test_a_tag_list_gets_whole_objects(chip: Chip) -> None:
    url, environment = b"https://folder.example/", bytes.fromhex("800101A4068301919501C0B603840193")

    def get(tags: str) -> ResponseAPDU:
        data = bytes.fromhex(tags)
        return say(chip, 0, 0xCB, 0x3F, 0xFF, data, 256)

    assert get("5C 02 5F50").data == b"\x5f\x50" + bytes((len(url),)) + url
    both = Tlv(0x7B, environment).encode() + Tlv(0x5F50, url).encode()
    assert get("5C 03 7B 5F50").data == both
    assert get("5C 05 C2 7B C3 5F50").data == both
    assert get("5C 01 C2").sw == 0x6A88
    for wrong in ("5C 02 5F", "5D 01 7B", "5C 02 5F80", "5C 01 00", "5C 01 7B 00"):
        assert get(wrong).sw == 0x6A80
    assert say(chip, 0, 0xCB, 0x2F, 0x00, b"\x5c\x01\x7b").sw == 0x6A86


def test_data_objects_count_against_the_quota() -> None:
    chip = folders.empty(b"\x80\x02\x00\x40")
    folder = folders.owner(chip)
    folder.put_data_object(0x00C1, bytes(60))
    before = chip.cells
    for tag, size in ((0x00C2, 1), (0x00C1, 61)):
        assert say(folder.connection, 0, 0xDA, 0, tag, bytes(size)).sw == 0x6A84
    assert chip.cells == before
    folder.put_data_object(0x00C1, bytes(10))
    folder.put_data_object(0x00C2, bytes(40))
