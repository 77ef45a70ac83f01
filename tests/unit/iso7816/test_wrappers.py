from __future__ import annotations

import pytest

from jukicard.iso7816.apdu import ApduError, CommandAPDU
from jukicard.iso7816.connection import ApduLimits, ConnectionWrapper, send
from jukicard.iso7816.errors import MalformedResponse, ProtocolLimit
from jukicard.iso7816.wrappers import CommandChaining, ExactLength, ResponseChaining, T0Rules, standard
from tests.support.scripted import ScriptedConnection


def play(wrapper, script, command, limits=ApduLimits.EXTENDED):
    """Send `command` (hex or bytes) through `wrapper` over the scripted dialogue; the answer as hex."""
    connection = ScriptedConnection(script, limits)
    raw = bytes.fromhex(command) if isinstance(command, str) else command
    answer = wrapper(connection).transmit(raw)
    connection.finish()
    return answer.hex().upper()


class TestExactLength:
    def test_repeats_with_the_cards_length(self):
        script = [("00B0000000", "6C03"), ("00B0000003", "AABBCC9000")]
        assert play(ExactLength, script, "00B0000000") == "AABBCC9000"

    def test_6c00_means_256(self):
        script = [("00B0000001", "6C00"), ("00B0000000", "AA9000")]
        assert play(ExactLength, script, "00B0000001") == "AA9000"

    def test_keeps_data_and_form(self):
        script = [("00A4040001AA00", "6C10"), ("00A4040001AA10", "9000")]
        assert play(ExactLength, script, "00A4040001AA00") == "9000"
        script = [("00B00000000000", "6C10"), ("00B00000000010", "9000")]
        assert play(ExactLength, script, "00B00000000000") == "9000"

    def test_repeats_once_only(self):
        assert play(ExactLength, [("00B0000000", "6C03"), ("00B0000003", "6C04")], "00B0000000") == "6C04"

    @pytest.mark.parametrize("command", ["00200081", "0020008101AA"])
    def test_never_without_le(self, command):
        assert play(ExactLength, [(command, "6C03")], command) == "6C03"


class TestResponseChaining:
    def test_collects_until_the_end(self):
        script = [("00CB3FFF00", "AABB6102"), ("00C0000002", "CCDD6101"), ("00C0000001", "EE6282")]
        assert play(ResponseChaining, script, "00CB3FFF00") == "AABBCCDDEE6282"

    @pytest.mark.parametrize(
        ("cla", "plain"),
        [("00", "00"), ("01", "01"), ("87", "03"), ("1E", "02"), ("65", "45"), ("D1", "41"), ("A0", "00")],
    )
    def test_stays_on_the_channel_without_secure_messaging(self, cla, plain):
        script = [(cla + "CA000000", "6100"), (plain + "C0000000", "AA9000")]
        assert play(ResponseChaining, script, cla + "CA000000") == "AA9000"

    def test_a_failure_gives_no_partial_data(self):
        script = [("00CA000000", "AABB6110"), ("00C0000010", "6F00")]
        assert play(ResponseChaining, script, "00CA000000") == "6F00"

    class Endless(ConnectionWrapper):
        """A card that always has more: `piece` and 6100."""

        def __init__(self, piece):
            super().__init__(ScriptedConnection([]))
            self.piece = piece
            self.count = 0

        def transmit(self, command):
            self.count += 1
            return self.piece + b"\x61\x00"

    def test_endless_rounds(self):
        card = self.Endless(b"")
        with pytest.raises(MalformedResponse, match="did not end"):
            ResponseChaining(card).transmit(bytes.fromhex("00CA000000"))
        assert card.count == 1025

    def test_endless_bytes(self):
        card = self.Endless(bytes(256))
        with pytest.raises(MalformedResponse, match="more than 65536 bytes"):
            ResponseChaining(card).transmit(bytes.fromhex("00CA000000"))
        assert card.count == 257
        card = self.Endless(bytes(256))
        with pytest.raises(MalformedResponse, match="more than 1000 bytes"):
            ResponseChaining(card, limit=1000).transmit(bytes.fromhex("00CA000000"))
        assert card.count == 4

    def test_the_longest_response(self):
        rest = ("00C0000000", "AA" * 256 + "6100")
        script = [("00CA000000", "AA" * 256 + "6100"), *[rest] * 254, ("00C0000000", "AA" * 256 + "9000")]
        assert play(ResponseChaining, script, "00CA000000") == "AA" * 65536 + "9000"


class TestCommandChaining:
    def test_short_commands_pass_as_they_are(self):
        for command in (
            "00200081",
            "00B0000000",
            "0020008101AA",
            "00A4040001AA00",
            "80E29000FF" + "00" * 256,
        ):
            assert play(CommandChaining, [(command, "9000")], command, ApduLimits.SHORT) == "9000"

    def test_extended_commands_pass_where_they_can(self):
        command = "00D60000000100" + "00" * 256
        for whole in (command, command + "0000"):
            assert play(CommandChaining, [(whole, "9000")], whole) == "9000"

    @pytest.mark.parametrize(
        ("extended", "short"),
        [
            ("00B00000000000", "00B0000000"),
            ("00B00000000123", "00B0000000"),
            ("00B00000000010", "00B0000010"),
            ("00A40400000002AABB", "00A4040002AABB"),
            ("00A40400000002AABB0000", "00A4040002AABB00"),
            ("00A40400000002AABB0005", "00A4040002AABB05"),
            ("00D600000000FF" + "11" * 255, "00D60000FF" + "11" * 255),
        ],
    )
    def test_the_short_form_on_short_connections(self, extended, short):
        assert play(CommandChaining, [(short, "9000")], extended, ApduLimits.SHORT) == "9000"

    def test_splits_with_le_on_the_last_link_only(self):
        data = bytes(range(256)) * 2
        command = CommandAPDU(0x80, 0x2A, 0x9E, 0x9A, data, 65536).encode()
        script = [
            ("902A9E9AFF" + data[:255].hex(), "9000"),
            ("902A9E9AFF" + data[255:510].hex(), "9000"),
            ("802A9E9A02" + data[510:].hex() + "00", "CAFE9000"),
        ]
        assert play(CommandChaining, script, command, ApduLimits.SHORT) == "CAFE9000"

    @pytest.mark.parametrize("size", [256, 510, 511, 65535])
    def test_every_byte_arrives_once(self, size):
        data = bytes(i * 7 & 0xFF for i in range(size))
        command = CommandAPDU(0x04, 0xDB, 0x3F, 0xFF, data).encode()
        pieces = [data[i : i + 255] for i in range(0, size, 255)]
        classes = ["14"] * (len(pieces) - 1) + ["04"]
        script = [(f"{cla}DB3FFF{len(p):02X}{p.hex()}", "9000") for cla, p in zip(classes, pieces, strict=True)]
        assert play(CommandChaining, script, command, ApduLimits.SHORT) == "9000"

    @pytest.mark.parametrize("answer", ["6884", "6A80", "6200", "AA9000"])
    def test_stops_at_the_first_other_answer(self, answer):
        command = CommandAPDU(0x00, 0xDB, 0, 0, bytes(600)).encode()
        script = [("10DB0000FF" + "00" * 255, answer)]
        assert play(CommandChaining, script, command, ApduLimits.SHORT) == answer

    def test_an_empty_answer_in_the_chain(self):
        command = CommandAPDU(0x00, 0xDB, 0, 0, bytes(600)).encode()
        with pytest.raises(MalformedResponse):
            play(CommandChaining, [("10DB0000FF" + "00" * 255, "")], command, ApduLimits.SHORT)

    def test_a_hosts_own_link_stays_a_link(self):
        command = CommandAPDU(0x10, 0xDB, 0, 0, bytes(256)).encode()
        script = [("10DB0000FF" + "00" * 255, "9000"), ("10DB00000100", "9000")]
        assert play(CommandChaining, script, command, ApduLimits.SHORT) == "9000"

    def test_long_links_where_the_connection_is_half_long(self):
        limits = ApduLimits(1033, 512)
        command = CommandAPDU(0x00, 0xDB, 0, 0, bytes(1500), 65536).encode()
        script = [("10DB0000000400" + "00" * 1024, "9000"), ("00DB00000001DC" + "00" * 476 + "0200", "9000")]
        assert play(CommandChaining, script, command, limits) == "9000"
        assert max(len(bytes.fromhex(sent)) for sent, _ in script) <= limits.max_command

    @pytest.mark.parametrize("cla", [0x20, 0xA0, 0xFF, 0xEF])
    def test_classes_without_chaining(self, cla):
        command = CommandAPDU(cla, 0xDB, 0, 0, bytes(256)).encode()
        with pytest.raises(ProtocolLimit, match="chaining"):
            play(CommandChaining, [], command, ApduLimits.SHORT)

    def test_it_takes_any_command(self):
        connection = ScriptedConnection([("10DB0000FF" + "00" * 255, "6A80")], ApduLimits.SHORT)
        assert send(CommandChaining(connection), CommandAPDU(0, 0xDB, 0, 0, bytes(256))).sw == 0x6A80


class TestT0Rules:
    def test_case_1_gets_p3(self):
        assert play(T0Rules, [("0020008100", "63C3")], "00200081") == "63C3"

    def test_case_2(self):
        assert play(T0Rules, [("0084000008", "00" * 8 + "9000")], "0084000008") == "00" * 8 + "9000"

    def test_case_2_with_another_length(self):
        script = [("00B0000000", "6C03"), ("00B0000003", "AABBCC9000")]
        assert play(T0Rules, script, "00B0000000") == "AABBCC9000"
        # The host asked for two bytes: it gets no more.
        script = [("00B0000002", "6C03"), ("00B0000003", "AABBCC9000")]
        assert play(T0Rules, script, "00B0000002") == "AABB9000"

    def test_case_3(self):
        assert play(T0Rules, [("00200081023132", "9000")], "00200081023132") == "9000"

    def test_case_4_sends_no_le_and_fetches(self):
        script = [("00A4040001AA", "6105"), ("00C0000005", "01020304059000")]
        assert play(T0Rules, script, "00A4040001AA00") == "01020304059000"
        script = [("01A4040001AA", "6105"), ("01C0000002", "01026103")]
        assert play(T0Rules, script, "01A4040001AA02") == "01026103"
        script = [("00A4040001AA", "6100"), ("00C0000000", "6C04"), ("00C0000004", "010203049000")]
        assert play(T0Rules, script, "00A4040001AA00") == "010203049000"

    def test_case_4_without_data_to_fetch(self):
        assert play(T0Rules, [("00A4040001AA", "6A82")], "00A4040001AA00") == "6A82"

    def test_extended_commands_that_fit(self):
        assert play(T0Rules, [("00B0000000", "AA9000")], "00B00000001000") == "AA9000"
        script = [("00A4040001AA", "6101"), ("00C0000001", "BB9000")]
        assert play(T0Rules, script, "00A40400000001AA0000") == "BB9000"

    def test_extended_commands_that_do_not_fit(self):
        with pytest.raises(ProtocolLimit):
            play(T0Rules, [], CommandAPDU(0, 0xD6, 0, 0, bytes(256)).encode())

    def test_limits_are_short(self):
        assert T0Rules(ScriptedConnection([])).limits == ApduLimits.SHORT


@pytest.mark.parametrize("wrapper", [ExactLength, ResponseChaining, T0Rules])
@pytest.mark.parametrize("answer", ["", "61"])
def test_answers_without_a_status_word(wrapper, answer):
    with pytest.raises(MalformedResponse):
        play(wrapper, [("00B0000010", answer)], "00B0000010")


def test_answers_cut_off_later():
    for wrapper, sent in ((ResponseChaining, "00A4040001AA00"), (T0Rules, "00A4040001AA")):
        with pytest.raises(MalformedResponse):
            play(wrapper, [(sent, "6105"), ("00C0000005", "")], "00A4040001AA00")
    with pytest.raises(MalformedResponse):
        play(T0Rules, [("00B0000000", "6C05"), ("00B0000005", "90")], "00B0000000")


def test_bytes_that_are_no_command():
    with pytest.raises(ApduError):
        play(T0Rules, [], "00B000")
    with pytest.raises(ApduError):
        play(CommandChaining, [], "00B000000000000000")


def test_the_standard_stack():
    script = [("00CA000000", "6102"), ("00C0000002", "6C01"), ("00C0000001", "039000")]
    assert play(standard, script, "00CA000000") == "039000"


def test_the_standard_stack_over_t0():
    script = [
        ("102A8086FF" + "00" * 255, "9000"),
        ("002A80862D" + "00" * 45, "6104"),
        ("00C0000004", "01026102"),
        ("00C0000002", "03049000"),
    ]
    command = CommandAPDU(0x00, 0x2A, 0x80, 0x86, bytes(300), 65536).encode()
    assert play(lambda connection: standard(connection, t0=True), script, command) == "010203049000"
