"""Readers that behave like awkward hardware, around any card connection."""

from __future__ import annotations

import time
from collections.abc import Callable

from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.cla import ClassByte
from jukicard.iso7816.connection import ApduLimits, CardConnection, ConnectionWrapper
from jukicard.iso7816.errors import CardRemoved, ProtocolLimit
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.wrappers import ResponseChaining


class ShortOnlyReader(ConnectionWrapper):
    """A reader for short APDUs: anything longer, in either direction, is refused."""

    @property
    def limits(self) -> ApduLimits:
        """Short APDUs."""
        return ApduLimits.SHORT

    def transmit(self, command: bytes) -> bytes:
        """See CardConnection; ProtocolLimit for what is too long."""
        if CommandAPDU.parse(command).extended:
            raise ProtocolLimit("this reader carries no extended APDUs")
        answer = self.inner.transmit(command)
        if len(answer) > 258:
            raise ProtocolLimit("the card's answer does not fit this reader")
        return answer


class PulledReader(ConnectionWrapper):
    """A reader whose card is pulled out in mid-command `at` (counted from 1).

    `executed`: whether the card still processes that command before its answer is lost. From then on
    CardRemoved is raised until `reset`, which stands for putting the card in again; then it stays in.
    """

    def __init__(self, inner: CardConnection, at: int, *, executed: bool = False) -> None:
        super().__init__(inner)
        self.at = at
        self.executed = executed
        self.count = 0
        self.removed = False

    def transmit(self, command: bytes) -> bytes:
        """See CardConnection; CardRemoved from command `at` on."""
        self.count += 1
        if self.count == self.at:
            self.removed = True
            if self.executed:
                self.inner.transmit(command)
        if self.removed:
            raise CardRemoved("the card answered with nothing")
        return self.inner.transmit(command)

    def reset(self) -> None:
        """Put the card in again."""
        self.inner.reset()
        self.removed = False


class SlowReader(ConnectionWrapper):
    """A reader that takes `delay` seconds longer for each command; `sleep` waits that long."""

    def __init__(self, inner: CardConnection, delay: float, sleep: Callable[[float], None] = time.sleep) -> None:
        super().__init__(inner)
        self.delay = delay
        self._sleep = sleep

    def transmit(self, command: bytes) -> bytes:
        """See CardConnection."""
        self._sleep(self.delay)
        return self.inner.transmit(command)


class T0Reader(ConnectionWrapper):
    """A T=0 card in a reader, made of an APDU-level card (ISO/IEC 7816-3, 10.3 and 12.2).

    Takes TPDUs: CLA INS P1 P2 P3, then P3 bytes of data if the command sends any. A Le after data is dropped,
    as drivers do; extended APDUs are refused. Response data after a command with data wait for GET RESPONSE,
    told by 61xx. A Le beyond the card's length is answered by 6Cxx, and the same command with the right one
    gets the response without being executed again.
    """

    def __init__(self, inner: CardConnection) -> None:
        super().__init__(ResponseChaining(inner))
        self.waiting = b""  # response data for GET RESPONSE
        self.waiting_sw = b""
        self.waiting_header = b""  # CLA INS P1 P2 of the GET RESPONSE that fetches them
        self.told: tuple[bytes, bytes] | None = None  # after 6Cxx: the TPDU expected, its whole response

    @property
    def limits(self) -> ApduLimits:
        """Short APDUs."""
        return ApduLimits.SHORT

    def transmit(self, command: bytes) -> bytes:
        """Take a TPDU; see the class."""
        told, self.told = self.told, None
        if told and told[0] == command:
            return told[1]
        if len(command) <= 5:
            if self.waiting and command[:4] == self.waiting_header:
                return self._get_response(command)
            self._forget()
            return self._case_2(command)
        self._forget()
        size = 5 + command[4]
        if not command[4] or len(command) not in (size, size + 1):
            raise ProtocolLimit("no T=0 command")
        return self._hold(command[0], self.inner.transmit(command[:size]))

    def reset(self) -> None:
        """See CardConnection."""
        self._forget()
        self.told = None
        self.inner.reset()

    def _forget(self) -> None:
        self.waiting = self.waiting_sw = b""

    def _case_2(self, command: bytes) -> bytes:
        header, ne = command[:4], (command[4:] or b"\x00")[0] or 256
        answer = self.inner.transmit(b"%b%c" % (header, ne & 0xFF))
        if ne == 256 and answer[-2:] == StatusWord.WRONG_LENGTH.to_bytes(2, "big"):
            answer = self.inner.transmit(header)  # P3 = 00 stands for case 1, too: only the card knows
        available = len(answer) - 2
        if not available or available == ne:
            return answer
        if available > ne:
            return answer[:ne] + self._hold(command[0], answer[ne:])
        self.told = (b"%b%c" % (header, available), answer)
        return StatusWord.with_exact_ne(available).to_bytes(2, "big")

    def _hold(self, cla: int, answer: bytes) -> bytes:
        self.waiting_header = bytes((ClassByte.build(channel=ClassByte.parse(cla).channel), 0xC0, 0, 0))
        self.waiting, self.waiting_sw = answer[:-2], answer[-2:]
        return self._more() if self.waiting else answer

    def _more(self) -> bytes:
        return StatusWord.with_available(len(self.waiting)).to_bytes(2, "big")

    def _get_response(self, command: bytes) -> bytes:
        ne = (command[4:] or b"\x00")[0] or 256
        if ne > len(self.waiting):
            return StatusWord.with_exact_ne(len(self.waiting)).to_bytes(2, "big")
        data, self.waiting = self.waiting[:ne], self.waiting[ne:]
        return data + (self._more() if self.waiting else self.waiting_sw)
