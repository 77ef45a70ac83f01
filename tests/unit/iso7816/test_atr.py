from __future__ import annotations

import pytest

from jukicard.iso7816.atr import (
    Atr,
    AtrError,
    HistoricalBytes,
    InterfaceBytes,
    contactless_type_a,
    contactless_type_b,
)

JUKI = bytes.fromhex("3BE000FF8131FE4514")
JUKI_CONTACTLESS = bytes.fromhex("3B888001000014E0B38191005E")
# Every field of it is known to a public ATR decoder.
RICH = bytes.fromhex("3BDC18FF8131FE458012392F31F873D631C08105AD")
MY_NUMBER = bytes.fromhex("3BDA13FF8131FB468012392F31C173C601C03B")

# From the public list of ATRs (pcsc-tools) and this project's own; all with TCK.
KNOWN = [
    JUKI,
    JUKI_CONTACTLESS,
    RICH,
    MY_NUMBER,
    bytes.fromhex("3BC5FF8131FB458073C6010000"),
    bytes.fromhex("3B888001000000009181C100D8"),
    bytes.fromhex("3B888001000005E0B381A1007F"),
]


@pytest.mark.parametrize("raw", KNOWN, ids=bytes.hex)
def test_known_answers_both_ways(raw):
    assert Atr.parse(raw).encode() == raw


def test_the_juki_cards_fields():
    atr = Atr.parse(JUKI)
    assert atr == Atr((InterfaceBytes(tb=0x00, tc=0xFF), InterfaceBytes(1), InterfaceBytes(1, ta=0xFE, tb=0x45)), b"")
    assert atr.protocols == (1,)
    assert (atr.fi, atr.di, atr.extra_guard_time) == (372, 1, 255)
    assert (atr.ifsc, atr.bwi, atr.cwi) == (254, 4, 5)


def test_a_rich_atrs_fields():
    atr = Atr.parse(RICH)
    assert (atr.fi, atr.di, atr.protocols, atr.ifsc) == (372, 12, (1,), 254)
    historical = HistoricalBytes.parse(atr.historical)
    assert historical.category == 0x80
    assert historical.find(1) == bytes.fromhex("392F")  # country 392
    assert historical.find(3) == b"\xf8"
    assert historical.find(7) == bytes.fromhex("D631C0")
    assert historical.find(2) is None
    assert (historical.life_cycle, historical.status_word) == (0x05, None)
    assert historical.encode() == atr.historical


def test_defaults():
    atr = Atr.parse(bytes.fromhex("3B00"))
    assert (atr.fi, atr.di, atr.extra_guard_time, atr.protocols) == (372, 1, 0, (0,))
    assert (atr.ifsc, atr.bwi, atr.cwi) == (32, 4, 13)
    assert atr.encode() == bytes.fromhex("3B00")


def test_no_check_byte_for_t0_alone():
    for text in ("3B02AABB", "3F02AABB", "3B1294AABB", "3B8200AABB"):
        raw = bytes.fromhex(text)
        atr = Atr.parse(raw)
        assert atr.historical == b"\xaa\xbb"
        assert atr.protocols == (0,)
        assert atr.inverse == (raw[0] == 0x3F)
        assert atr.encode() == raw
        with pytest.raises(AtrError):
            Atr.parse(raw + b"\x00")
    assert (Atr.parse(bytes.fromhex("3B1294AABB")).fi, Atr.parse(bytes.fromhex("3B1294AABB")).di) == (512, 8)
    assert Atr.parse(bytes.fromhex("3B1277AABB")).fi is None
    assert Atr.parse(bytes.fromhex("3B1290AABB")).di is None


def test_t15_is_no_transmission_protocol_but_needs_the_check_byte():
    atr = Atr((InterfaceBytes(), InterfaceBytes(0), InterfaceBytes(15, ta=0xC3)))
    raw = atr.encode()
    assert raw == bytes.fromhex("3B80801FC3DC")
    assert Atr.parse(raw) == atr
    assert atr.protocols == (0,)


def test_specific_bytes_of_t1_start_in_the_third_group():
    atr = Atr((InterfaceBytes(), InterfaceBytes(1, ta=0x81, tb=0x99), InterfaceBytes(1, tb=0x76)))
    assert (atr.ifsc, atr.bwi, atr.cwi) == (32, 7, 6)
    assert Atr.parse(atr.encode()) == atr


@pytest.mark.parametrize("position", range(1, len(JUKI)))
def test_every_changed_byte_is_noticed(position):
    for bit in range(8):
        damaged = bytearray(JUKI)
        damaged[position] ^= 1 << bit
        with pytest.raises(AtrError):
            Atr.parse(bytes(damaged))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x3b",
        b"\x00\x00",
        b"\x03\x00",
        JUKI[:-1],
        JUKI + b"\x00",
        bytes.fromhex("3B80"),  # TD1 missing
        bytes.fromhex("3BF0112233"),
        bytes.fromhex("3B01"),
        b"\x3b" + b"\x80" * 32,
        b"\x3b" + bytes(33),
    ],
    ids=bytes.hex,
)
def test_malformed(raw):
    with pytest.raises(AtrError):
        Atr.parse(raw)


@pytest.mark.parametrize(
    "atr",
    [
        Atr(()),
        Atr((InterfaceBytes(1),)),
        Atr((InterfaceBytes(), InterfaceBytes())),
        Atr((InterfaceBytes(), InterfaceBytes(16))),
        Atr((InterfaceBytes(ta=256),)),
        Atr((InterfaceBytes(tc=-1),)),
        Atr(historical=bytes(16)),
        Atr((InterfaceBytes(), *[InterfaceBytes(1, 0, 0, 0)] * 8)),
    ],
)
def test_values_that_are_no_atr(atr):
    with pytest.raises(AtrError):
        atr.encode()


@pytest.mark.parametrize(
    ("text", "life_cycle", "status_word"),
    [
        ("00 07 9000", 0x07, 0x9000),
        ("00 3180 05 6285", 0x05, 0x6285),
        ("80", None, None),
        ("80 31F8 829000", None, 0x9000),
        ("80 83059000", 0x05, 0x9000),
        ("10 05", None, None),
        ("41 01 02 03", None, None),
    ],
)
def test_historical_bytes_both_ways(text, life_cycle, status_word):
    raw = bytes.fromhex(text)
    historical = HistoricalBytes.parse(raw)
    assert (historical.life_cycle, historical.status_word) == (life_cycle, status_word)
    assert historical.encode() == raw


@pytest.mark.parametrize("text", ["", "00", "00 0790", "00 32F8 059000", "10", "10 0506", "80 32F8", "80" + "00" * 15])
def test_malformed_historical_bytes(text):
    with pytest.raises(AtrError):
        HistoricalBytes.parse(bytes.fromhex(text))


@pytest.mark.parametrize(
    "historical",
    [
        HistoricalBytes(256),
        HistoricalBytes(0x80, ((16, b""),)),
        HistoricalBytes(0x80, ((1, bytes(16)),)),
        HistoricalBytes(0x80, (), b"\x05\x90\x00"),
        HistoricalBytes(0x00, ((3, b"\xf8"),)),
        HistoricalBytes(0x10, (), b""),
        HistoricalBytes(0x80, tuple((3, b"\xf8") for _ in range(8))),
    ],
)
def test_values_that_are_no_historical_bytes(historical):
    with pytest.raises(AtrError):
        historical.encode()


def test_type_b():
    atr = contactless_type_b(bytes.fromhex("000014E0"), bytes.fromhex("B38191"))
    assert atr.encode() == JUKI_CONTACTLESS
    assert atr.protocols == (0, 1)
    assert contactless_type_b(bytes(4), bytes(3), mbli=2).historical[-1] == 0x20
    for bad in ((bytes(3), bytes(3), 0), (bytes(4), bytes(4), 0), (bytes(4), bytes(3), 16)):
        with pytest.raises(AtrError):
            contactless_type_b(*bad)


def test_type_a():
    # ATS of TL=0A, T0=78 (TA TB TC, FSCI 8), three interface bytes, five historical bytes
    atr = contactless_type_a(bytes.fromhex("0A78778095 8073C60100"))
    assert atr.historical == bytes.fromhex("8073C60100")
    assert atr.encode()[:4] == bytes.fromhex("3B858001")
    assert contactless_type_a(b"\x01").encode() == bytes.fromhex("3B80800101")  # PC/SC part 3: no ATS content
    assert contactless_type_a(b"\x02\x08").historical == b""
    for bad in (b"", b"\x02", b"\x02\x78", b"\x03\x08", b"\x12\x08" + bytes(16)):
        with pytest.raises(AtrError):
            contactless_type_a(bad)
