from __future__ import annotations

import pytest

from jukicard.iso7816.apdu import ApduError, CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord

H = bytes.fromhex("00A40400")
LONG = bytes(range(256)) * 255 + bytes(255)  # 65535 bytes


def command(data=b"", ne=None, extended=False):
    return CommandAPDU(0x00, 0xA4, 0x04, 0x00, data, ne, extended)


# The seven cases of ISO/IEC 7816-3, 12.1.3, with the borders of each.
CASES = [
    ("1", H, command()),
    ("2S", H + b"\x01", command(ne=1)),
    ("2S", H + b"\xff", command(ne=255)),
    ("2S", H + b"\x00", command(ne=256)),
    ("3S", H + b"\x01\xaa", command(b"\xaa")),
    ("3S", H + b"\xff" + bytes(255), command(bytes(255))),
    ("4S", H + b"\x01\xaa\x10", command(b"\xaa", 16)),
    ("4S", H + b"\xff" + bytes(255) + b"\x00", command(bytes(255), 256)),
    ("2E", H + b"\x00\x00\x01", command(ne=1, extended=True)),
    ("2E", H + b"\x00\x01\x23", command(ne=0x123, extended=True)),
    ("2E", H + b"\x00\x01\x00", command(ne=256, extended=True)),
    ("2E", H + b"\x00\xff\xff", command(ne=65535, extended=True)),
    ("2E", H + b"\x00\x00\x00", command(ne=65536, extended=True)),
    ("3E", H + b"\x00\x00\x01\xaa", command(b"\xaa", extended=True)),
    ("3E", H + b"\x00\x01\x00" + bytes(256), command(bytes(256), extended=True)),
    ("3E", H + b"\x00\xff\xff" + LONG, command(LONG, extended=True)),
    ("4E", H + b"\x00\x00\x01\xaa\x01\x23", command(b"\xaa", 0x123, True)),
    ("4E", H + b"\x00\x00\x02\xaa\xbb\x00\x00", command(b"\xaa\xbb", 65536, True)),
    ("4E", H + b"\x00\xff\xff" + LONG + b"\x00\x00", command(LONG, 65536, True)),
]


@pytest.mark.parametrize(("case", "raw", "value"), CASES, ids=[f"{c}-{len(r)}" for c, r, _ in CASES])
def test_the_seven_cases_both_ways(case, raw, value):
    assert CommandAPDU.parse(raw) == value
    assert value.encode() == raw
    assert value.extended == case.endswith("E")


MALFORMED = [
    b"",
    H[:1],
    H[:3],  # three bytes are no command
    H + b"\x02\xaa",  # Lc beyond the data
    H + b"\x01\xaa\x10\x00",  # two bytes after the data of a short command
    H + b"\x00\x00",  # extended length cut off
    H + b"\x00\x01",
    H + b"\x00\x00\x00\xaa",  # extended Lc = 0 with data
    H + b"\x00\x00\x00\x01\x00",
    H + b"\x00\x00\x02\xaa",  # extended Lc beyond the data
    H + b"\x00\x00\x01\xaa\x01",  # one-byte Le in the extended form
    H + b"\x00\x00\x01\xaa\x00\x01\x00",  # three-byte Le after data
    H + b"\x00\xff\xff" + LONG + b"\x00\x00\x00",
]


@pytest.mark.parametrize("raw", MALFORMED, ids=[r[:12].hex() or "empty" for r in MALFORMED])
def test_malformed_commands_are_refused(raw):
    with pytest.raises(ApduError):
        CommandAPDU.parse(raw)


@pytest.mark.parametrize("name", ["cla", "ins", "p1", "p2"])
@pytest.mark.parametrize("value", [-1, 256])
def test_header_out_of_range(name, value):
    with pytest.raises(ApduError):
        command()._replace(**{name: value}).encode()


@pytest.mark.parametrize("ne", [-1, 0, 65537])
@pytest.mark.parametrize("data", [b"", b"\xaa"])
def test_ne_out_of_range(ne, data):
    with pytest.raises(ApduError):
        command(data, ne).encode()


def test_data_out_of_range():
    with pytest.raises(ApduError):
        command(bytes(65536)).encode()


@pytest.mark.parametrize(("data", "ne"), [(bytes(256), None), (bytes(256), 1), (b"\xaa", 257), (b"", 257)])
def test_the_extended_form_is_chosen_where_the_short_one_cannot_do(data, ne):
    raw = command(data, ne).encode()
    assert raw[4] == 0
    assert CommandAPDU.parse(raw) == command(data, ne, extended=True)


def test_header_and_nc():
    parsed = CommandAPDU.parse(bytes.fromhex("8CE2 9005 02 AABB 00"))
    assert parsed.header == bytes.fromhex("8CE29005")
    assert parsed.nc == 2


def test_representations_show_no_data():
    verify = CommandAPDU(0x00, 0x20, 0x00, 0x81, b"9876")
    assert repr(verify) == "CommandAPDU(00 20 00 81, nc=4, ne=None)"
    assert repr(ResponseAPDU(b"9876")) == "ResponseAPDU(4 bytes, 9000)"


def test_errors_show_no_data():
    with pytest.raises(ApduError) as caught:
        CommandAPDU.parse(bytes.fromhex("0020008105") + b"9876")
    assert "9876" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"\x01", bytes(65536)])
def test_responses(data):
    response = ResponseAPDU(data, StatusWord(0x6282))
    assert response.encode() == data + b"\x62\x82"
    assert ResponseAPDU.parse(response.encode()) == response


def test_a_parsed_status_is_a_status_word():
    for raw in (b"\x90\x00", b"\x6f\x42", b"\x12\x34"):
        sw = ResponseAPDU.parse(raw).sw
        assert isinstance(sw, StatusWord)
        assert sw == int.from_bytes(raw, "big")


@pytest.mark.parametrize("raw", [b"", b"\x90", bytes(65539)], ids=len)
def test_malformed_responses(raw):
    with pytest.raises(ApduError):
        ResponseAPDU.parse(raw)
