"""The same dialogue over every reader: what a host sees does not depend on the hardware between."""

from __future__ import annotations

import pytest

from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.connection import send
from jukicard.iso7816.errors import CardRemoved, ProtocolLimit
from jukicard.iso7816.wrappers import standard
from jukicard.testing.readers import PulledReader, ShortOnlyReader, T0Reader
from tests.support.model_card import ModelCard

READERS = {
    "direct": standard,
    "short": lambda card: standard(ShortOnlyReader(card)),
    "t0": lambda card: standard(T0Reader(card), t0=True),
}

DATA = bytes(i & 0xFF for i in range(1000))


def apdu(ins, data=b"", ne=None, offset=0):
    return CommandAPDU(0x00, ins, offset >> 8, offset & 0xFF, data, ne)


@pytest.fixture(params=READERS)
def card_and_stack(request):
    card = ModelCard()
    return card, READERS[request.param](card)


def test_password_query_and_verification(card_and_stack):
    card, stack = card_and_stack
    assert send(stack, apdu(0x20)).sw == 0x63C3
    assert send(stack, apdu(0x20, b"1234")).sw == 0x9000
    assert card.executed[0x20] == 2


@pytest.mark.parametrize("ne", [1, 16, 255, 256])
def test_challenge(card_and_stack, ne):
    card, stack = card_and_stack
    assert send(stack, apdu(0x84, ne=ne)).data == b"\x01" * ne
    assert send(stack, apdu(0x84, ne=ne)).data == b"\x02" * ne
    assert card.executed[0x84] == 2


def test_reading_in_pieces(card_and_stack):
    card, stack = card_and_stack
    read = b""
    while len(read) < len(card.content):
        response = send(stack, apdu(0xB0, ne=256, offset=len(read)))
        assert response.sw in (0x9000, 0x6282)
        read += response.data
    assert read == card.content
    assert card.executed[0xB0] == 3


def test_reading_less_than_there_is(card_and_stack):
    card, stack = card_and_stack
    assert send(stack, apdu(0xB0, ne=5)).data == card.content[:5]


@pytest.mark.parametrize("size", [1, 255, 256, 257, 511, 1000])
def test_long_data_both_ways(card_and_stack, size):
    card, stack = card_and_stack
    response = send(stack, apdu(0xCB, DATA[:size], ne=65536))
    assert (response.sw, response.data) == (0x9000, DATA[:size][::-1])
    assert send(stack, apdu(0xDB, DATA[:size])).sw == 0x9000
    assert card.stored == DATA[:size]
    assert card.executed == {0xCB: 1, 0xDB: 1}


def test_unknown_instruction(card_and_stack):
    _, stack = card_and_stack
    for command in (apdu(0x02), apdu(0x02, b"\xaa"), apdu(0x02, ne=256), apdu(0x02, b"\xaa", 256)):
        assert send(stack, command).sw == 0x6D00


class TestT0Reader:
    """What it does at the level of TPDUs."""

    def exchange(self, *dialogue):
        card = ModelCard()
        reader = T0Reader(card)
        for command, answer in dialogue:
            assert reader.transmit(bytes.fromhex(command)).hex().upper() == answer
        return card

    def test_case_4_loses_its_le_and_waits(self):
        self.exchange(("00CB00000301020300", "6103"), ("00C0000002", "03026101"), ("00C0000001", "019000"))

    def test_get_response_wants_the_exact_length(self):
        self.exchange(("00CB00000301020300", "6103"), ("00C0000000", "6C03"), ("00C0000003", "0302019000"))

    def test_another_command_drops_the_response(self):
        self.exchange(("00CB000003010203", "6103"), ("0020000000", "63C3"), ("00C0000003", "9000"))

    def test_another_channel_gets_nothing(self):
        self.exchange(("00CB000003010203", "6103"), ("01C0000003", "9000"))

    def test_wrong_length_is_told_and_nothing_executed_twice(self):
        card = self.exchange(("00B0025800", "6C64"))
        assert card.executed == {0xB0: 1}
        content = ModelCard().content
        card = self.exchange(("00B0025800", "6C64"), ("00B0025864", content[600:].hex().upper() + "6282"))
        assert card.executed == {0xB0: 1}

    @pytest.mark.parametrize("command", ["00B00000000100", "00CB00000000010A", "00CB000002AA", "00CB000001AA0000"])
    def test_what_is_no_tpdu(self, command):
        with pytest.raises(ProtocolLimit):
            T0Reader(ModelCard()).transmit(bytes.fromhex(command))


def test_a_short_reader_refuses_the_extended_form():
    reader = ShortOnlyReader(ModelCard())
    for command in ("00B00000000100", "00CB0000000001AA"):
        with pytest.raises(ProtocolLimit):
            reader.transmit(bytes.fromhex(command))


@pytest.mark.parametrize("executed", [False, True])
def test_a_card_pulled_out(executed):
    card = ModelCard()
    reader = PulledReader(card, 2, executed=executed)
    challenge = bytes.fromhex("0084000001")
    reader.transmit(challenge)
    for _ in range(2):
        with pytest.raises(CardRemoved):
            reader.transmit(challenge)
    assert card.executed[0x84] == (2 if executed else 1)
    reader.reset()
    assert reader.transmit(challenge)[-2:] == b"\x90\x00"
