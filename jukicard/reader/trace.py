"""A decoding trace of what passes between host and card, in which no secret can appear.

Two lines per command:

    > 00 A4 04 00  SELECT  8 bytes: A0 00 00 01 51 00 00 00  Le 256
    < 90 00  done  12 bytes: 6F 0A 84 08 A0 00 00 01 51 00 00 00  [137 µs]

Data are shown only where the table below says that this command's data are public; of everything else,
secure messaging, unknown commands and malformed messages included, only the length is shown. What the
trace does not know, it does not show.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from jukicard.iso7816.apdu import ApduError, CommandAPDU, ResponseAPDU
from jukicard.iso7816.cla import ClassByte, SecureMessaging
from jukicard.iso7816.connection import CardConnection, ConnectionWrapper
from jukicard.iso7816.errors import TransportError
from jukicard.reader.chip import Chip, Interface

Sink = Callable[[str], object]
"""Takes one line without its line end, for example a list's `append` or a stream's line writer."""

Clock = Callable[[], int]
"""Nanoseconds on a clock that never goes back."""

SHOWN_BYTES: Final = 64
"""Of longer public data only the beginning is shown."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """A command: its name, and which of its data anybody may see."""

    name: str
    command: bool = False
    response: bool = False


# ISO/IEC 7816-4, -8, -9; names as there. Shown: names of applications and files with what SELECT says of
# them, random challenges, channel numbers.
_INTERINDUSTRY: Final = {
    0x04: _Kind("DEACTIVATE FILE"),
    0x0E: _Kind("ERASE BINARY"),
    0x20: _Kind("VERIFY"),
    0x22: _Kind("MANAGE SECURITY ENVIRONMENT"),
    0x24: _Kind("CHANGE REFERENCE DATA"),
    0x2A: _Kind("PERFORM SECURITY OPERATION"),
    0x2C: _Kind("RESET RETRY COUNTER"),
    0x33: _Kind("COMPARE"),
    0x44: _Kind("ACTIVATE FILE"),
    0x46: _Kind("GENERATE ASYMMETRIC KEY PAIR"),
    0x70: _Kind("MANAGE CHANNEL", response=True),
    0x82: _Kind("EXTERNAL AUTHENTICATE"),
    0x84: _Kind("GET CHALLENGE", response=True),
    0x86: _Kind("GENERAL AUTHENTICATE"),
    0x88: _Kind("INTERNAL AUTHENTICATE"),
    0xA4: _Kind("SELECT", command=True, response=True),
    0xB0: _Kind("READ BINARY"),
    0xB1: _Kind("READ BINARY"),
    0xB2: _Kind("READ RECORD"),
    0xB3: _Kind("READ RECORD"),
    0xC0: _Kind("GET RESPONSE"),
    0xC2: _Kind("ENVELOPE"),
    0xCA: _Kind("GET DATA"),
    0xCB: _Kind("GET DATA"),
    0xD0: _Kind("WRITE BINARY"),
    0xD2: _Kind("WRITE RECORD"),
    0xD6: _Kind("UPDATE BINARY"),
    0xD7: _Kind("UPDATE BINARY"),
    0xDA: _Kind("PUT DATA"),
    0xDB: _Kind("PUT DATA"),
    0xDC: _Kind("UPDATE RECORD"),
    0xDD: _Kind("UPDATE RECORD"),
    0xE0: _Kind("CREATE FILE"),
    0xE2: _Kind("APPEND RECORD"),
    0xE4: _Kind("DELETE FILE"),
    0xE6: _Kind("TERMINATE DF"),
    0xE8: _Kind("TERMINATE EF"),
    0xFE: _Kind("TERMINATE CARD USAGE"),
}

# GlobalPlatform Card Specification 2.3.1 chapter 11, Amendment D (SCP03), Amendment F (SCP11). Shown: the
# public values of the handshakes (challenges, cryptograms, ephemeral public keys, receipts) and the registry.
_PROPRIETARY: Final = {
    0x2A: _Kind("PERFORM SECURITY OPERATION"),
    0x50: _Kind("INITIALIZE UPDATE", command=True, response=True),
    0x82: _Kind("EXTERNAL / MUTUAL AUTHENTICATE", command=True, response=True),
    0x84: _Kind("GET CHALLENGE", response=True),
    0x88: _Kind("INTERNAL AUTHENTICATE", command=True, response=True),
    0xCA: _Kind("GET DATA"),
    0xCB: _Kind("GET DATA"),
    0xD8: _Kind("PUT KEY"),
    0xE2: _Kind("STORE DATA"),
    0xE4: _Kind("DELETE"),
    0xE6: _Kind("INSTALL"),
    0xE8: _Kind("LOAD"),
    0xF0: _Kind("SET STATUS"),
    0xF1: _Kind("GENERATE KEY"),
    0xF2: _Kind("GET STATUS", command=True, response=True),
}

_PUBLIC_TAGS: Final = frozenset(
    {0x0042, 0x0045, 0x0066, 0x00C1, 0x00CF, 0x00E0, 0x5F50, 0x9F7F, 0xBF21, 0xFF33, 0xFF34}
)
"""GET DATA objects that anybody may read: issuer, image number, card data, key information, certificates."""

_GET_DATA: Final = 0xCA
_GET_RESPONSE: Final = 0xC0
_PSO: Final = 0x2A
_TRUST_ANCHOR_KID: Final = 0x10
_UNKNOWN: Final = _Kind("unknown command")


class Trace:
    """Turns exchanges into lines. One object per conversation: GET RESPONSE continues what was before."""

    def __init__(self, sink: Sink, clock: Clock = time.perf_counter_ns) -> None:
        """Lines go to `sink`; durations are taken from `clock`."""
        self._sink = sink
        self._clock = clock
        self._continued: dict[int, bool] = {}  # by channel: whether GET RESPONSE goes on with public data
        self._show_response = False

    def exchange(self, command: bytes, transmit: Callable[[bytes], bytes]) -> bytes:
        """Trace the command, hand it to `transmit`, trace its answer and return it.

        A TransportError is traced by its name, and passes.
        """
        self._sink("> " + self._describe_command(command))
        start = self._clock()
        try:
            response = transmit(command)
        except TransportError as error:
            self._sink(f"! {type(error).__name__}  [{self._since(start)} µs]")
            raise
        self._sink(f"< {self._describe_response(response)}  [{self._since(start)} µs]")
        return response

    def event(self, what: str, atr: bytes | None = None) -> None:
        """Trace what is no command: power, reset."""
        self._continued.clear()
        self._sink(f"* {what}" + (f"  ATR {_hex(atr)}" if atr is not None else ""))

    def _since(self, start: int) -> int:
        return (self._clock() - start) // 1000

    def _describe_command(self, raw: bytes) -> str:
        try:
            command = CommandAPDU.parse(raw)
        except ApduError:
            self._continued.clear()
            self._show_response = False
            return f"malformed command, {_count(len(raw))} not shown"
        cla = ClassByte.parse(command.cla)
        kind = _classify(command, cla)
        if command.ins == _GET_RESPONSE:
            self._show_response = (
                self._continued.get(cla.channel, False) and cla.secure_messaging is SecureMessaging.NONE
            )
        else:
            self._show_response = self._continued[cla.channel] = kind.response
        parts = [_hex(command.header), kind.name + _class_notes(cla)]
        if command.data:
            parts.append(_data(command.data, shown=kind.command))
        if command.ne is not None:
            parts.append(f"Le {command.ne}")
        return "  ".join(parts)

    def _describe_response(self, raw: bytes) -> str:
        try:
            response = ResponseAPDU.parse(raw)
        except ApduError:
            return f"malformed answer, {_count(len(raw))} not shown"
        parts = [f"{response.sw >> 8:02X} {response.sw & 0xFF:02X}", response.sw.description]
        if response.data:
            parts.append(_data(response.data, shown=self._show_response))
        return "  ".join(parts)


class TracedConnection(ConnectionWrapper):
    """A connection that is traced, on the host's side."""

    def __init__(self, inner: CardConnection, trace: Trace) -> None:
        super().__init__(inner)
        self._trace = trace
        trace.event("connected", inner.atr)

    def transmit(self, command: bytes) -> bytes:
        """See CardConnection."""
        return self._trace.exchange(command, self.inner.transmit)

    def reset(self) -> None:
        """See CardConnection."""
        self.inner.reset()
        self._trace.event("reset", self.inner.atr)

    def close(self) -> None:
        """See CardConnection."""
        self.inner.close()
        self._trace.event("closed")


class TracedChip:
    """A chip that is traced, on the card's side: for a card that stands in pcscd's reader."""

    def __init__(self, chip: Chip, trace: Trace) -> None:
        """Trace everything that reaches `chip`."""
        self._chip = chip
        self._trace = trace

    def power_on(self, interface: Interface) -> bytes:
        """See Chip."""
        atr = self._chip.power_on(interface)
        self._trace.event(f"power on ({interface.value})", atr)
        return atr

    def reset(self) -> bytes:
        """See Chip."""
        atr = self._chip.reset()
        self._trace.event("reset", atr)
        return atr

    def transmit(self, command: bytes) -> bytes:
        """See Chip."""
        return self._trace.exchange(command, self._chip.transmit)

    def power_off(self) -> None:
        """See Chip."""
        self._chip.power_off()
        self._trace.event("power off")


def _classify(command: CommandAPDU, cla: ClassByte) -> _Kind:
    """What the command is; under secure messaging or in an unknown class, none of its data are public."""
    if cla.interindustry:
        kind = _INTERINDUSTRY.get(command.ins, _UNKNOWN)
    elif cla.proprietary:
        kind = _PROPRIETARY.get(command.ins) or _Kind(_INTERINDUSTRY.get(command.ins, _UNKNOWN).name)
    else:
        return _UNKNOWN
    if cla.secure_messaging is not SecureMessaging.NONE:
        return _Kind(kind.name)
    if command.ins == _GET_DATA and (command.p1 << 8 | command.p2) in _PUBLIC_TAGS:
        return _Kind(kind.name, command=True, response=True)
    if cla.proprietary and command.ins == _PSO and command.p2 & 0x7F == _TRUST_ANCHOR_KID:
        return _Kind("PERFORM SECURITY OPERATION (certificate)", command=True)
    return kind


def _class_notes(cla: ClassByte) -> str:
    notes = []
    if cla.secure_messaging is not SecureMessaging.NONE:
        notes.append("secure messaging")
    if cla.chaining:
        notes.append("more follows")
    if cla.channel:
        notes.append(f"channel {cla.channel}")
    return f" ({', '.join(notes)})" if notes else ""


def _data(data: bytes, *, shown: bool) -> str:
    if not shown:
        return f"{_count(len(data))} not shown"
    rest = f" … and {len(data) - SHOWN_BYTES} more" if len(data) > SHOWN_BYTES else ""
    return f"{_count(len(data))}: {_hex(data[:SHOWN_BYTES])}{rest}"


def _count(number: int) -> str:
    return f"{number} byte" if number == 1 else f"{number} bytes"


def _hex(data: bytes) -> str:
    return data.hex(" ").upper()
