from __future__ import annotations

import pytest

from jukicard.iso7816.apdu import ApduError, CommandAPDU, ResponseAPDU
from jukicard.iso7816.connection import ApduLimits, CardConnection, ConnectionWrapper, send
from jukicard.iso7816.errors import MalformedResponse, ProtocolLimit
from jukicard.iso7816.status import StatusWord
from tests.support.scripted import ScriptedConnection

SELECT = CommandAPDU(0x00, 0xA4, 0x04, 0x00, b"\xa0\x00\x00\x01\x51", 256)


def test_send_encodes_and_parses():
    connection = ScriptedConnection([("00A4040005A00000015100", "6F00 9000")])
    assert send(connection, SELECT) == ResponseAPDU(b"\x6f\x00", StatusWord.OK)
    connection.finish()


@pytest.mark.parametrize("answer", ["", "90"])
def test_an_answer_without_a_status_word(answer):
    connection = ScriptedConnection([("00A4040005A00000015100", answer)])
    with pytest.raises(MalformedResponse):
        send(connection, SELECT)


def test_too_long_for_the_connection():
    connection = ScriptedConnection([], limits=ApduLimits.SHORT)
    with pytest.raises(ProtocolLimit, match="carries 261"):
        send(connection, CommandAPDU(0, 0xD6, 0, 0, bytes(256)))


def test_impossible_commands_are_not_sent():
    with pytest.raises(ApduError):
        send(ScriptedConnection([]), CommandAPDU(0, 0xB0, 0, 0, ne=0))


def test_limits():
    assert not ApduLimits.SHORT.extended
    assert ApduLimits.EXTENDED.extended
    longest = CommandAPDU(0, 0xD6, 0, 0, bytes(65535), 65536).encode()
    assert len(longest) == ApduLimits.EXTENDED.max_command
    assert len(CommandAPDU(0, 0xD6, 0, 0, bytes(255), 256).encode()) == ApduLimits.SHORT.max_command
    for bad in ((260, 256), (261, 255)):
        with pytest.raises(ValueError, match="at least"):
            ApduLimits(*bad)


def test_a_wrapper_delegates_everything():
    inner = ScriptedConnection([("00B0000000", "9000")], limits=ApduLimits(1000, 500))
    wrapper = ConnectionWrapper(inner)
    assert isinstance(wrapper, CardConnection)
    assert (wrapper.atr, wrapper.limits) == (inner.atr, inner.limits)
    with wrapper.transaction():
        assert wrapper.transmit(bytes.fromhex("00B0000000")) == b"\x90\x00"
    wrapper.reset()
    wrapper.close()
    assert inner.events == ["begin", "end", "reset", "close"]
