from __future__ import annotations

import threading

import pytest

from jukicard.iso7816.connection import ApduLimits, CardConnection
from jukicard.iso7816.errors import TransportError
from jukicard.reader.chip import Interface
from jukicard.reader.emulator import EmulatorConnection
from tests.support.null_card import ATR, CONTACTLESS_ATR, COUNT, SELECT_ISD, NullCard


def test_it_is_a_card_connection_with_extended_length() -> None:
    connection = EmulatorConnection(NullCard())
    assert isinstance(connection, CardConnection)
    assert connection.limits == ApduLimits.EXTENDED
    assert connection.transmit(SELECT_ISD) == b"\x90\x00"


def test_the_interface_decides_the_atr() -> None:
    assert EmulatorConnection(NullCard()).atr == ATR
    assert EmulatorConnection(NullCard(), Interface.CONTACTLESS).atr == CONTACTLESS_ATR


def test_reset_resets_the_chip() -> None:
    card = NullCard()
    connection = EmulatorConnection(card)
    connection.transmit(COUNT)
    connection.reset()
    assert connection.transmit(COUNT) == b"\x01\x90\x00"
    assert card.events == ["on contact", "reset"]


def test_close_takes_the_power_away_once() -> None:
    card = NullCard()
    connection = EmulatorConnection(card)
    connection.close()
    connection.close()
    assert card.events == ["on contact", "off"]
    with pytest.raises(TransportError, match="closed"):
        connection.transmit(COUNT)
    with pytest.raises(TransportError, match="closed"):
        connection.reset()
    with pytest.raises(TransportError, match="closed"), connection.transaction():
        pass


def test_a_transaction_keeps_other_threads_out_and_nests() -> None:
    connection = EmulatorConnection(NullCard())
    answered = threading.Event()

    def other() -> None:
        connection.transmit(COUNT)
        answered.set()

    with connection.transaction(), connection.transaction():
        thread = threading.Thread(target=other)
        thread.start()
        assert not answered.wait(0.05)
        assert connection.transmit(COUNT) == b"\x01\x90\x00"
    thread.join(5)
    assert answered.is_set()
