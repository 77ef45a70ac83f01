from __future__ import annotations

import pytest

from jukicard.iso7816.tlv import Tlv, TlvError, encode_length, find, parse_one, parse_tlvs, take_one


@pytest.mark.parametrize(
    ("text", "tag", "length"),
    [
        ("8400", 0x84, 0),
        ("5F4902AABB", 0x5F49, 2),
        ("BF2100", 0xBF21, 0),
        ("DF1108" + "3139383030323137", 0xDF11, 8),  # second tag byte below 1F: the My Number card's own
        ("FF1000", 0xFF10, 0),
        ("9F810100", 0x9F8101, 0),
        ("817F" + "00" * 127, 0x81, 127),
        ("818180" + "00" * 128, 0x81, 128),
        ("8181FF" + "00" * 255, 0x81, 255),
        ("81820100" + "00" * 256, 0x81, 256),
        ("8182FFFF" + "00" * 65535, 0x81, 65535),
        ("8183010000" + "00" * 65536, 0x81, 65536),
    ],
    ids=lambda value: value[:10] if isinstance(value, str) else f"{value:X}",
)
def test_known_objects_both_ways(text, tag, length):
    raw = bytes.fromhex(text)
    item = parse_one(raw)
    assert (item.tag, len(item.value)) == (tag, length)
    assert item.encode() == raw


@pytest.mark.parametrize(
    "text",
    [
        "84",  # no length
        "5F",  # tag cut off
        "9F81",
        "5F49",
        "8401",  # value cut off
        "8480",  # indefinite
        "848100",  # lengths not minimal
        "84817F" + "00" * 127,
        "84820080" + "00" * 128,
        "8483000100" + "00" * 256,
        "8484000000 01 00",  # four further length bytes
        "8481",
        "848201",
        "84FF",
        "5F8000",  # leading zero in the tag
        "5F800100",
        "5F81800100",  # four tag bytes
        "0000",  # padding
        "00",
        "840100FF",
        "84010000",
    ],
    ids=lambda text: text[:12],
)
def test_malformed_objects_are_refused(text):
    with pytest.raises(TlvError):
        parse_tlvs(bytes.fromhex(text))


def test_order_and_duplicates_are_kept():
    items = parse_tlvs(bytes.fromhex("8001AA 8101BB 8001CC"))
    assert [(item.tag, item.value) for item in items] == [(0x80, b"\xaa"), (0x81, b"\xbb"), (0x80, b"\xcc")]
    assert find(items, 0x81) == Tlv(0x81, b"\xbb")
    assert find(items, 0x82) is None
    with pytest.raises(TlvError, match="2 times"):
        find(items, 0x80)


def test_whole_input_is_consumed_or_given_back():
    raw = bytes.fromhex("8001AA 8101BB")
    first, rest = take_one(raw)
    assert (first, rest) == (Tlv(0x80, b"\xaa"), raw[3:])
    with pytest.raises(TlvError, match="3 bytes after"):
        parse_one(raw)
    assert parse_tlvs(b"") == ()
    for parse in (parse_one, take_one):
        with pytest.raises(TlvError):
            parse(b"")


def test_padding_only_when_asked():
    raw = bytes.fromhex("00 8001AA 0000 8101BB FFFF")
    expected = (Tlv(0x80, b"\xaa"), Tlv(0x81, b"\xbb"))
    assert parse_tlvs(raw, padding=b"\x00\xff") == expected
    assert parse_tlvs(raw[:-2], padding=b"\x00") == expected
    for padding in (b"", b"\x00", b"\xff"):
        with pytest.raises(TlvError):
            parse_tlvs(raw, padding=padding)


def test_children_are_read_when_asked_for():
    item = Tlv.build(0x6F, Tlv(0x84, b"name"), Tlv.build(0xA5, Tlv(0x9F65, b"\xff")))
    assert item.encode() == bytes.fromhex("6F0C 84046E616D65 A5049F6501FF")
    assert item.constructed
    assert [child.tag for child in item.children] == [0x84, 0xA5]
    assert not Tlv(0x84).constructed
    assert Tlv(0x7F21).constructed
    assert not Tlv(0x5F49).constructed
    with pytest.raises(TlvError, match="primitive"):
        _ = Tlv(0x84, b"\x80\x00").children
    point = parse_one(bytes.fromhex("B003047F02"))  # a bare value under a constructed tag
    assert point.value == b"\x04\x7f\x02"
    with pytest.raises(TlvError):
        _ = point.children


def nested(depth):
    item = Tlv(0xA0)
    for _ in range(depth):
        item = Tlv.build(0xA0, item)
    return item.encode()


def test_depth_is_bounded_when_asked():
    assert parse_tlvs(nested(3), max_depth=3)
    with pytest.raises(TlvError, match="deep"):
        parse_tlvs(nested(4), max_depth=3)
    assert len(parse_tlvs(nested(5000))) == 1  # no recursion without it
    with pytest.raises(TlvError):
        parse_tlvs(bytes.fromhex("A003 80 05 00"), max_depth=3)
    assert parse_tlvs(bytes.fromhex("8000 A000"), max_depth=0)


@pytest.mark.parametrize("tag", [0, -1, 0x1F, 0x5F, 0x8484, 0x5F80, 0x5F8080, 0x84FF00, 0x1000000, 0x5F498001])
def test_impossible_tags(tag):
    with pytest.raises(TlvError):
        Tlv.build(tag)
    with pytest.raises(TlvError):
        Tlv(tag).encode()


def test_impossible_length():
    with pytest.raises(TlvError):
        encode_length(0x1000000)
    assert encode_length(0xFFFFFF) == b"\x83\xff\xff\xff"


def test_representation_shows_no_value():
    assert repr(Tlv(0x5F49, b"secret")) == "Tlv(5F49, 6 bytes)"
