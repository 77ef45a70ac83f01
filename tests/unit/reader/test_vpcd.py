"""The vpcd host against a stand-in for vpcd's end of the socket; the real one is in tests/e2e."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from jukicard.reader.chip import Interface
from jukicard.reader.vpcd import (
    MAX_RESPONSE,
    VpcdDisconnectedError,
    VpcdHost,
    VpcdProtocolError,
    VpcdUnavailableError,
)
from tests.support.null_card import ATR, COUNT, SELECT_ISD, NullCard

OFF, ON, RESET, GET_ATR = b"\x00", b"\x01", b"\x02", b"\x04"


def frame(payload: bytes) -> bytes:
    return len(payload).to_bytes(2, "big") + payload


class Driver:
    """vpcd's end: listens, and talks to the host that connects. The host runs in a thread."""

    def __init__(self, card: NullCard, interface: Interface = Interface.CONTACT) -> None:
        self.card = card
        self.listener = socket.create_server(("127.0.0.1", 0))
        port = self.listener.getsockname()[1]
        self.host = VpcdHost(card, interface, "127.0.0.1", port, settle_seconds=0)
        self.error: Exception | None = None
        self.start()

    def start(self) -> None:
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        self.socket, _address = self.listener.accept()
        self.socket.settimeout(5)

    def _run(self) -> None:
        try:
            self.host.run()
        except Exception as error:  # noqa: BLE001 - the tests look at it
            self.error = error

    def say(self, *payloads: bytes) -> None:
        self.socket.sendall(b"".join(map(frame, payloads)))

    def hear(self) -> bytes:
        return self._exactly(int.from_bytes(self._exactly(2), "big"))

    def ask(self, *payloads: bytes) -> bytes:
        self.say(*payloads)
        return self.hear()

    def join(self) -> None:
        self.thread.join(5)
        assert not self.thread.is_alive()

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            assert more, "the host hung up"
            data += more
        return data


@contextlib.contextmanager
def driver(card: NullCard, interface: Interface = Interface.CONTACT) -> Iterator[Driver]:
    end = Driver(card, interface)
    try:
        yield end
    finally:
        end.host.stop()
        end.join()
        end.socket.close()
        end.listener.close()
        end.host.close()


def test_the_atr_is_told_before_power_is_on() -> None:
    card = NullCard()
    with driver(card) as vpcd:
        assert vpcd.ask(GET_ATR) == ATR
        assert not card.powered


def test_power_and_reset_reach_the_chip() -> None:
    card = NullCard()
    with driver(card, Interface.CONTACTLESS) as vpcd:
        vpcd.ask(ON, GET_ATR)  # both in one segment, as it may come
        assert vpcd.ask(COUNT) == b"\x01\x90\x00"
        vpcd.ask(RESET, GET_ATR)
        assert vpcd.ask(COUNT) == b"\x01\x90\x00"
        vpcd.ask(OFF, GET_ATR)
        assert not card.powered
    assert card.events == ["on contactless", "off", "on contactless", "reset", "off"]


def test_power_on_twice_is_a_fresh_start_and_reset_without_power_too() -> None:
    card = NullCard()
    with driver(card) as vpcd:
        vpcd.ask(ON, COUNT)
        assert vpcd.ask(ON, COUNT) == b"\x01\x90\x00"
        vpcd.ask(OFF, RESET, GET_ATR)
        assert vpcd.ask(COUNT) == b"\x01\x90\x00"


def test_a_command_without_power_meets_a_fresh_chip() -> None:
    card = NullCard()
    with driver(card) as vpcd:
        vpcd.ask(ON, COUNT)
        vpcd.say(OFF)
        assert vpcd.ask(COUNT) == b"\x01\x90\x00"


def test_messages_in_pieces_are_put_together() -> None:
    with driver(NullCard()) as vpcd:
        vpcd.say(ON)
        for byte in frame(SELECT_ISD):
            vpcd.socket.sendall(bytes([byte]))
        assert vpcd.hear() == b"\x90\x00"


def test_the_longest_command_and_response_pass() -> None:
    with driver(NullCard()) as vpcd:
        data = bytes(range(256)) * 255 + bytes(248)
        longest = bytes.fromhex("80EE000000") + len(data).to_bytes(2, "big") + data
        assert len(longest) == 65_535
        assert vpcd.ask(ON, longest) == data + b"\x90\x00"
        assert len(vpcd.ask(bytes.fromhex("00B0000000FFFD"))) == MAX_RESPONSE


def test_a_longer_response_is_refused_not_wrapped() -> None:
    with driver(NullCard()) as vpcd:
        assert vpcd.ask(ON, bytes.fromhex("00B0000000FFFE")) == b"\x67\x00"
        assert vpcd.ask(COUNT) == b"\x02\x90\x00"


def test_a_single_byte_that_is_no_control_is_a_command() -> None:
    with driver(NullCard()) as vpcd:
        assert vpcd.ask(ON, b"\x07") == b"\x67\x00"


def test_an_empty_message_is_an_error() -> None:
    card = NullCard()
    with driver(card) as vpcd:
        vpcd.say(ON, b"")
        vpcd.join()
        assert isinstance(vpcd.error, VpcdProtocolError)
    assert not card.powered


@pytest.mark.parametrize(("sent", "where"), [(b"", "between messages"), (b"\x00\x05\x00", "after 3 bytes")])
def test_a_hang_up_is_an_error_and_takes_the_power_away(sent: bytes, where: str) -> None:
    card = NullCard()
    with driver(card) as vpcd:
        vpcd.ask(ON, GET_ATR)
        vpcd.socket.sendall(sent)
        vpcd.socket.close()
        vpcd.join()
        assert isinstance(vpcd.error, VpcdDisconnectedError)
        assert where in str(vpcd.error)
    assert not card.powered


def test_a_bug_of_the_chip_is_not_hidden() -> None:
    def bug(_command: bytes) -> bytes:
        raise ZeroDivisionError

    card = NullCard(hooks={0xA4: bug})
    with driver(card) as vpcd:
        vpcd.say(ON, SELECT_ISD)
        vpcd.join()
        assert isinstance(vpcd.error, ZeroDivisionError)
    assert not card.powered


def test_stop_removes_the_card_and_run_inserts_it_again() -> None:
    card = NullCard()
    with driver(card) as vpcd:
        vpcd.ask(ON, GET_ATR)
        vpcd.host.stop()
        vpcd.join()
        assert vpcd.error is None
        assert vpcd.socket.recv(1) == b""
        assert not card.powered
        vpcd.socket.close()
        vpcd.start()
        assert vpcd.ask(ON, COUNT) == b"\x01\x90\x00"


def test_a_card_that_pcscd_takes_for_the_one_before_is_inserted_again() -> None:
    card = NullCard()
    with driver(card) as vpcd:
        for _ in range(4):
            assert vpcd.ask(GET_ATR) == ATR
        assert vpcd.socket.recv(1) == b""
        vpcd.socket.close()
        vpcd.socket, _address = vpcd.listener.accept()
        vpcd.socket.settimeout(5)
        assert vpcd.ask(ON, COUNT) == b"\x01\x90\x00"
        for _ in range(10):
            assert vpcd.ask(GET_ATR) == ATR
    assert vpcd.error is None


def test_a_card_that_is_never_noticed_stays_after_the_third_insertion() -> None:
    with driver(NullCard()) as vpcd:
        for _insertion in range(2):
            for _ in range(4):
                vpcd.ask(GET_ATR)
            vpcd.socket.close()
            vpcd.socket, _address = vpcd.listener.accept()
            vpcd.socket.settimeout(5)
        for _ in range(10):
            assert vpcd.ask(GET_ATR) == ATR


def test_stop_before_run_makes_it_return_at_once() -> None:
    card = NullCard()
    host = VpcdHost(card, Interface.CONTACT, "127.0.0.1", _free_port())
    host.stop()
    host.run()
    host.close()
    assert card.events == []


def test_the_slot_is_given_time_after_a_removal() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    host = VpcdHost(NullCard(), Interface.CONTACT, *listener.getsockname(), settle_seconds=0.2)
    start = time.monotonic()
    host.run(on_inserted=host.stop)
    assert time.monotonic() - start >= 0.2
    host.close()
    listener.close()


def test_the_host_waits_for_vpcd() -> None:
    port = _free_port()
    inserted = threading.Event()
    host = VpcdHost(NullCard(), Interface.CONTACT, "127.0.0.1", port, settle_seconds=0)
    thread = threading.Thread(target=host.run, args=(inserted.set,))
    thread.start()
    assert not inserted.wait(0.1)
    with socket.create_server(("127.0.0.1", port)):
        assert inserted.wait(5)
        host.stop()
        thread.join(5)
    assert not thread.is_alive()
    host.close()


def test_the_wait_for_vpcd_is_bounded_and_the_error_says_what_to_install() -> None:
    host = VpcdHost(NullCard(), Interface.CONTACT, "127.0.0.1", _free_port(), connect_seconds=0.2)
    start = time.monotonic()
    with pytest.raises(VpcdUnavailableError, match="vsmartcard-vpcd"):
        host.run()
    assert time.monotonic() - start < 2
    host.close()


def test_stop_ends_the_wait_for_vpcd() -> None:
    host = VpcdHost(NullCard(), Interface.CONTACT, "127.0.0.1", _free_port(), connect_seconds=60)
    thread = threading.Thread(target=host.run)
    thread.start()
    host.stop()
    thread.join(5)
    assert not thread.is_alive()
    host.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
