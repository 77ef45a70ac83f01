from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jukicard.iso7816.apdu import ApduError, CommandAPDU
from jukicard.iso7816.cla import ClassByte, SecureMessaging
from jukicard.iso7816.errors import CardRemoved
from jukicard.iso7816.status import StatusWord
from jukicard.reader.chip import Interface
from jukicard.reader.emulator import EmulatorConnection
from jukicard.reader.trace import Trace, TracedChip, TracedConnection
from tests.support.null_card import NullCard

SECRET = b"\x31\x39\x37\x35-SECRET!"
SECRET_FORMS = (SECRET.decode(), SECRET.hex(), SECRET.hex(" ").upper(), SECRET.hex().upper())


def traced(*exchanges: tuple[str | bytes, str | bytes]) -> list[str]:
    """The lines for (command, answer) pairs in hex or bytes; each exchange takes 125.9 µs."""
    lines: list[str] = []
    trace = Trace(lines.append, itertools.count(0, 125_900).__next__)
    for command, answer in exchanges:
        raw, response = (bytes.fromhex(x) if isinstance(x, str) else x for x in (command, answer))
        assert trace.exchange(raw, lambda _command, response=response: response) == response
    return lines


def test_a_select_is_shown_in_full() -> None:
    assert traced(("00A4040008A00000015100000000", "6F0A8408A0000001510000009000")) == [
        "> 00 A4 04 00  SELECT  8 bytes: A0 00 00 01 51 00 00 00  Le 256",
        "< 90 00  " + _meaning(0x9000) + "  12 bytes: 6F 0A 84 08 A0 00 00 01 51 00 00 00  [125 µs]",
    ]


def test_a_refusal_is_explained_and_the_tries_are_counted() -> None:
    (_command, answer) = traced((b"\x00\x20\x00\x81\x04" + SECRET[:4], "63C2"))
    assert answer == "< 63 C2  verification failed, 2 tries left  [125 µs]"


def test_the_class_byte_is_decoded() -> None:
    lines = traced(("96E2000001FF", "9000"))
    assert lines[0] == ("> 96 E2 00 00  STORE DATA (secure messaging, more follows, channel 2)  1 byte not shown")


def test_long_public_data_are_cut() -> None:
    lines = traced(("80CABF2100", bytes(1000) + b"\x90\x00"))
    assert "1000 bytes: 00 00" in lines[1]
    assert "… and 936 more" in lines[1]


SECRET_COMMANDS = {
    "VERIFY": bytes.fromhex("00200081"),
    "CHANGE REFERENCE DATA": bytes.fromhex("00240081"),
    "RESET RETRY COUNTER": bytes.fromhex("002C0081"),
    "COMPARE": bytes.fromhex("00330000"),
    "UPDATE BINARY": bytes.fromhex("00D60000"),
    "PUT KEY": bytes.fromhex("80D80081"),
    "STORE DATA": bytes.fromhex("80E29000"),
    "INSTALL": bytes.fromhex("80E60C00"),
    "STORE DATA of a channel": bytes.fromhex("83E29000"),
    "EXTERNAL AUTHENTICATE of an unknown application": bytes.fromhex("00820000"),
    "COMPUTE SIGNATURE": bytes.fromhex("002A9E9A"),
    "COMPUTE SIGNATURE of JPKI": bytes.fromhex("802A0080"),
    "an unknown command": bytes.fromhex("00770000"),
    "an unknown proprietary command": bytes.fromhex("80770000"),
    "SELECT in the proprietary class": bytes.fromhex("80A40400"),
    "a reserved class": bytes.fromhex("20A40400"),
    "a reader's pseudo-APDU": bytes.fromhex("FFA40400"),
    "GET DATA of an unknown object": bytes.fromhex("00CADF20"),
    "SELECT under secure messaging": bytes.fromhex("0CA40400"),
    "INITIALIZE UPDATE under secure messaging": bytes.fromhex("84500000"),
    "GET DATA under secure messaging": bytes.fromhex("84CABF21"),
    "a certificate under secure messaging": bytes.fromhex("842A0310"),
}


@pytest.mark.parametrize("name", SECRET_COMMANDS)
def test_data_that_may_be_secret_are_never_shown(name: str) -> None:
    header = SECRET_COMMANDS[name]
    command = header + bytes([len(SECRET)]) + SECRET
    text = "\n".join(traced((command, SECRET + b"\x90\x00"), (command + b"\x00", SECRET + b"\x61\x05")))
    assert not any(form in text for form in SECRET_FORMS)
    assert f"{len(SECRET)} bytes not shown" in text


def test_the_search_for_secrets_would_find_one() -> None:
    command = bytes.fromhex("00A40400") + bytes([len(SECRET)]) + SECRET
    assert any(form in traced((command, "9000"))[0] for form in SECRET_FORMS)


READS = {
    "READ BINARY": "00B08100000020",
    "READ BINARY, odd": "00B10001045402000000",
    "READ RECORD": "00B2010C00",
    "READ RECORD in a proprietary class": "80B2010C00",
    "GET DATA": "00CADF2000",
    "GET RESPONSE of nothing known": "00C0000000",
    "READ BINARY under secure messaging": "8CB0000000",
}


@pytest.mark.parametrize("name", READS)
def test_what_is_read_is_never_shown(name: str) -> None:
    text = "\n".join(traced((READS[name], SECRET + b"\x90\x00")))
    assert not any(form in text for form in SECRET_FORMS)
    assert f"{len(SECRET)} bytes not shown" in text


@pytest.mark.parametrize("malformed", [SECRET[:3], b"\x00\x20\x00\x81\x20" + SECRET, SECRET, b""])
def test_a_malformed_command_shows_its_length_alone(malformed: bytes) -> None:
    with pytest.raises(ApduError):
        CommandAPDU.parse(malformed)
    (command, _answer) = traced((malformed, "6700"))
    assert command.startswith(f"> malformed command, {len(malformed)} byte")
    assert not any(form[:6] in command for form in SECRET_FORMS)


def test_a_malformed_answer_shows_its_length_alone() -> None:
    assert traced(("00A40400", "39"))[1] == "< malformed answer, 1 byte not shown  [125 µs]"


def test_get_response_continues_public_and_secret_data_as_such() -> None:
    select, read, more = "00A4040000", "00B0000000", "00C0000000"
    assert "2 bytes: AB CD" in traced((select, "6102"), (more, "ABCD9000"))[3]
    assert "not shown" in traced((read, "6102"), (more, "ABCD9000"))[3]
    assert "not shown" in traced((select, "6102"), (read, "6102"), (more, "ABCD9000"))[5]
    assert "not shown" in traced((select, "6102"), ("0CC0000000", "ABCD9000"))[3]
    malformed_between = traced((select, "6102"), ("00", "6700"), (more, "ABCD9000"))
    assert "not shown" in malformed_between[5]


def test_get_response_belongs_to_its_channel() -> None:
    read_on_1, select_on_0, more_on_1 = "01B0000000", "00A4040000", "01C0000000"
    lines = traced((read_on_1, "610A"), (select_on_0, "9000"), (more_on_1, SECRET + b"\x90\x00"))
    assert "not shown" in lines[5]


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 0xFFFF))
def test_nothing_under_secure_messaging_or_outside_the_known_classes_is_shown(
    cla: int, ins: int, reference: int
) -> None:
    parsed = ClassByte.parse(cla)
    command = bytes([cla, ins]) + reference.to_bytes(2, "big") + bytes([len(SECRET)]) + SECRET + b"\x00"
    text = "\n".join(traced((command, SECRET + b"\x90\x00")))
    protected = parsed.secure_messaging is not SecureMessaging.NONE or parsed.reserved or parsed.invalid
    assert not (protected and any(form in text for form in SECRET_FORMS))


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_the_trace_passes_every_byte_string(command: bytes, answer: bytes) -> None:
    assert len(traced((command, answer))) == 2


def test_a_transport_error_is_named_and_passes() -> None:
    lines: list[str] = []

    def gone(_command: bytes) -> bytes:
        raise CardRemoved("reader: " + SECRET.decode())

    trace = Trace(lines.append, itertools.count(0, 125_900).__next__)
    with pytest.raises(CardRemoved):
        trace.exchange(bytes.fromhex("00A40400"), gone)
    assert lines == ["> 00 A4 04 00  SELECT", "! CardRemoved  [125 µs]"]


def test_a_connection_is_traced() -> None:
    lines: list[str] = []
    connection = TracedConnection(EmulatorConnection(NullCard()), Trace(lines.append, lambda: 0))
    connection.transmit(bytes.fromhex("80EC000001"))
    connection.reset()
    connection.close()
    assert lines == [
        "* connected  ATR 3B E0 00 FF 81 31 FE 45 14",
        "> 80 EC 00 00  unknown command  Le 1",
        f"< 90 00  {_meaning(0x9000)}  1 byte not shown  [0 µs]",
        "* reset  ATR 3B E0 00 FF 81 31 FE 45 14",
        "* closed",
    ]


def test_a_chip_is_traced() -> None:
    lines: list[str] = []
    chip = TracedChip(NullCard(), Trace(lines.append, lambda: 0))
    chip.power_on(Interface.CONTACT)
    chip.transmit(bytes.fromhex("00A40400"))
    chip.reset()
    chip.power_off()
    assert lines == [
        "* power on (contact)  ATR 3B E0 00 FF 81 31 FE 45 14",
        "> 00 A4 04 00  SELECT",
        f"< 6A 82  {_meaning(0x6A82)}  [0 µs]",
        "* reset  ATR 3B E0 00 FF 81 31 FE 45 14",
        "* power off",
    ]


def _meaning(sw: int) -> str:
    return StatusWord(sw).description
