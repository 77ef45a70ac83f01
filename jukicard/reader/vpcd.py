"""The vpcd host: presents a chip to pcscd as a card in vsmartcard's virtual reader.

This is the opposite of a reader: pcscd asks, our chip answers. The driver (vpcd) listens on a TCP port
and the card connects to it. The protocol, as measured with vsmartcard-vpcd 3.3: every message is a 16-bit
big-endian length and that many bytes; one byte 00, 01, 02 or 04 is a control (power off, power on, reset,
get ATR) of which only "get ATR" is answered; everything else is a command APDU.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import Final

from jukicard.iso7816.errors import TransportError
from jukicard.reader.chip import Chip, Interface

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 35963
"""The port of vpcd's first slot as Debian configures it; the second slot is one above."""

MAX_RESPONSE: Final = 65_535
"""Longest response with its status word: vpcd's length field has 16 bits and wraps beyond."""

SETTLE_SECONDS: Final = 0.6
"""How long the slot stays empty after a removal. vpcd looks for a card every 0.4 s; a card that returns
before it has looked is never powered up and the slot stays wedged."""

_LENGTH_BYTES: Final = 2
_RECEIVE_BYTES: Final = _LENGTH_BYTES + 65_535
_POWER_OFF, _POWER_ON, _RESET, _GET_ATR = b"\x00", b"\x01", b"\x02", b"\x04"
_UNNOTICED_POLLS: Final = 3
_INSERTIONS: Final = 3
_RESPONSE_TOO_LONG: Final = b"\x67\x00"
_FIRST_RETRY_SECONDS: Final = 0.05
_LONGEST_RETRY_SECONDS: Final = 1.0
_QUICK_ACK: Final[int | None] = getattr(socket, "TCP_QUICKACK", None)


class VpcdUnavailableError(TransportError):
    """Nobody listens at vpcd's address: pcscd or the vpcd driver is not there."""


class VpcdDisconnectedError(TransportError):
    """vpcd closed the connection: pcscd has ended, or its driver gave the slot up."""


class VpcdProtocolError(TransportError):
    """vpcd sent what its protocol does not allow."""


class VpcdHost:
    """One chip, presented at one address of vpcd. `run` inserts it and serves it until `stop`.

    The object may be run again after `run` has returned (the card is inserted anew). `stop` may be called
    from any thread and from a signal handler.
    """

    def __init__(
        self,
        chip: Chip,
        interface: Interface,
        host: str = DEFAULT_HOST,
        port: int = DEFAULT_PORT,
        *,
        connect_seconds: float = 10.0,
        settle_seconds: float = SETTLE_SECONDS,
    ) -> None:
        """Keep the chip and the address; nothing is connected yet.

        `connect_seconds` bounds the wait for a vpcd that is not there yet.
        """
        self._chip = chip
        self._interface = interface
        self._address = (host, port)
        self._connect_seconds = connect_seconds
        self._settle_seconds = settle_seconds
        self._waker, self._wake = socket.socketpair()
        self._waker.setblocking(False)
        self._stopping = threading.Event()
        self._powered = False
        self._noticed = False
        self._polls = 0
        self._atr = b""

    def run(self, on_inserted: Callable[[], None] | None = None) -> None:
        """Insert the card, answer pcscd until `stop`, and remove the card.

        Returns after `stop`, and in any case not before the slot has had the time to notice the removal.
        `on_inserted` is called once vpcd has accepted the connection (pcscd itself notices the card up to
        0.4 s later).
        Raises VpcdUnavailableError, VpcdDisconnectedError, VpcdProtocolError; the chip is then without power.
        """
        try:
            for attempt in range(1, _INSERTIONS + 1):
                connection = self._connect()
                if connection is None or self._insert(connection, on_inserted, attempt == _INSERTIONS):
                    return
                on_inserted = None
        finally:
            self._rearm()

    def stop(self) -> None:
        """Ask `run` to remove the card and return; the command in progress is still answered."""
        self._stopping.set()
        with contextlib.suppress(BlockingIOError):  # the wake-up is already on its way
            self._waker.send(b"\x00")

    def close(self) -> None:
        """Give back the wake-up sockets; `run` must have returned."""
        self._waker.close()
        self._wake.close()

    def _rearm(self) -> None:
        if self._stopping.is_set():
            self._wake.recv(4096)
            self._stopping.clear()

    def _connect(self) -> socket.socket | None:
        """A connection to vpcd, waiting for it with growing pauses; None if stopped meanwhile."""
        deadline = time.monotonic() + self._connect_seconds
        pause = _FIRST_RETRY_SECONDS
        while not self._stopping.is_set():
            try:
                connection = socket.create_connection(self._address, timeout=self._connect_seconds)
            except OSError as error:
                if time.monotonic() + pause > deadline:
                    host, port = self._address
                    raise VpcdUnavailableError(
                        f"no vpcd at {host}:{port} ({error.strerror or error}); is pcscd running with the "
                        "vpcd driver (Debian: packages pcscd and vsmartcard-vpcd)?"
                    ) from error
                self._stopping.wait(pause)
                pause = min(2 * pause, _LONGEST_RETRY_SECONDS)
                continue
            connection.settimeout(None)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
        return None

    def _insert(self, connection: socket.socket, on_inserted: Callable[[], None] | None, last: bool) -> bool:
        """Serve one insertion; False if pcscd has not noticed it, which the `last` attempt accepts."""
        try:
            with contextlib.closing(connection):
                self._atr = self._power_on()
                self._power_off()
                self._noticed, self._polls = last, 0
                if on_inserted is not None:
                    on_inserted()
                return self._serve(connection)
        finally:
            self._power_off()
            time.sleep(self._settle_seconds)

    def _serve(self, connection: socket.socket) -> bool:
        """Answer frames until stopped; False if pcscd polls the card without ever applying power.

        It then takes the card for the one before (which perhaps died with its process a moment ago).
        """
        buffer = bytearray(_RECEIVE_BYTES)
        view = memoryview(buffer)
        filled = 0
        with selectors.DefaultSelector() as selector:
            selector.register(connection, selectors.EVENT_READ)
            selector.register(self._wake, selectors.EVENT_READ)
            while True:
                selector.select()
                if self._stopping.is_set():
                    return True
                filled += self._receive(connection, view[filled:], filled)
                start = 0
                # "Power on" is not answered, so "get ATR" may already stand behind it.
                while (end := _message_end(buffer, start, filled)) is not None:
                    self._answer(connection, bytes(view[start + _LENGTH_BYTES : end]))
                    start = end
                buffer[: filled - start] = buffer[start:filled]
                filled -= start
                if self._polls > _UNNOTICED_POLLS and not self._noticed:
                    return False

    def _receive(self, connection: socket.socket, into: memoryview, pending: int) -> int:
        try:
            count = connection.recv_into(into)
            if _QUICK_ACK is not None:
                # vpcd sends a message's length and payload as two segments; without an immediate ACK for
                # the first, Nagle holds the second back for 40 ms. The option is not sticky.
                connection.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)
        except OSError as error:
            raise VpcdDisconnectedError(f"the connection to vpcd broke: {error.strerror or error}") from error
        if count == 0:
            how = f"after {pending} bytes of a message" if pending else "between messages"
            raise VpcdDisconnectedError(f"vpcd hung up {how}: pcscd ended or its driver dropped the card")
        return count

    def _answer(self, connection: socket.socket, message: bytes) -> None:
        if len(message) > 1:
            self._send(connection, self._exchange(message))
        elif message == _GET_ATR:
            self._polls += 1
            self._send(connection, self._atr)
        elif message == _POWER_ON:
            self._power_off()
            self._atr = self._power_on()
        elif message == _RESET:
            self._atr = self._chip.reset() if self._powered else self._power_on()
        elif message == _POWER_OFF:
            self._power_off()
        elif message:
            self._send(connection, self._exchange(message))
        else:
            raise VpcdProtocolError("vpcd sent an empty message")

    def _exchange(self, command: bytes) -> bytes:
        if not self._powered:
            # pcscd 1.9.9 does this when one client took the power away and another carries on. The chip
            # starts afresh, as after any loss of power: nothing of the earlier session is left.
            self._atr = self._power_on()
        response = self._chip.transmit(command)
        # Nothing is cut off silently: the host is told that it asked for more than this reader can carry.
        return response if len(response) <= MAX_RESPONSE else _RESPONSE_TOO_LONG

    def _send(self, connection: socket.socket, payload: bytes) -> None:
        try:
            connection.sendall(len(payload).to_bytes(_LENGTH_BYTES, "big") + payload)
        except OSError as error:
            raise VpcdDisconnectedError(f"the connection to vpcd broke: {error.strerror or error}") from error

    def _power_on(self) -> bytes:
        atr = self._chip.power_on(self._interface)
        self._powered = self._noticed = True
        return atr

    def _power_off(self) -> None:
        if self._powered:
            self._chip.power_off()
            self._powered = False


def _message_end(buffer: bytearray, start: int, filled: int) -> int | None:
    """Where the message at `start` ends, or None while it is incomplete."""
    if filled - start < _LENGTH_BYTES:
        return None
    end = start + _LENGTH_BYTES + (buffer[start] << 8 | buffer[start + 1])
    return end if end <= filled else None
