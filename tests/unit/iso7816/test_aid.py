from __future__ import annotations

import pytest

from jukicard.iso7816.aid import AID, AidCategory

ISD = AID.from_hex("A0 00 00 01 51 00 00 00")
JPKI = AID.from_hex("D3 92 F0 00 26 01 00 00 00 01")


def test_bytes_and_text():
    assert bytes(ISD) == bytes.fromhex("A000000151000000")
    assert str(JPKI) == "D3 92 F0 00 26 01 00 00 00 01"
    assert AID.from_hex(str(JPKI)) == JPKI
    assert len(JPKI) == 10
    assert repr(ISD) == "AID('A0 00 00 01 51 00 00 00')"


def test_it_is_a_value_and_no_byte_string():
    assert AID(bytes(ISD)) == ISD
    assert len({ISD, AID(bytes(ISD))}) == 1
    assert bytes(ISD) != ISD
    assert sorted([JPKI, ISD]) == [ISD, JPKI]
    with pytest.raises(AttributeError):
        ISD.value = b""  # type: ignore[misc]


@pytest.mark.parametrize("size", [0, 4, 17])
def test_length(size):
    with pytest.raises(ValueError, match="5 to 16"):
        AID(bytes(size))


def test_only_bytes():
    with pytest.raises(TypeError):
        AID(bytearray(8))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="hex"):
        AID.from_hex("A0 00 0")


def test_partial_names():
    raw = bytes(JPKI)
    assert all(JPKI.matches_partial(raw[:size]) for size in range(len(raw) + 1))
    assert not JPKI.matches_partial(raw + b"\x00")
    assert not JPKI.matches_partial(b"\xd3\x93")


@pytest.mark.parametrize(
    ("first", "category"),
    [
        (0x00, AidCategory.ISSUER),
        (0x9F, AidCategory.ISSUER),
        (0xA0, AidCategory.INTERNATIONAL),
        (0xB0, AidCategory.RESERVED),
        (0xC0, AidCategory.RESERVED),
        (0xD3, AidCategory.NATIONAL),
        (0xE8, AidCategory.STANDARD),
        (0xF0, AidCategory.PROPRIETARY),
    ],
)
def test_categories(first, category):
    assert AID(bytes((first, 0, 0, 0, 0))).category is category
