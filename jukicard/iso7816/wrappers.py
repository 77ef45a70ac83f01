"""Wrappers that make up for what a connection or a card cannot do by itself; each has one job.

`standard` stacks them. A host above the stack may send any command APDU and gets whole responses.
"""

from __future__ import annotations

from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.cla import CHAINING, ClassByte
from jukicard.iso7816.connection import ApduLimits, CardConnection, ConnectionWrapper
from jukicard.iso7816.errors import MalformedResponse, ProtocolLimit
from jukicard.iso7816.status import StatusWord

MAX_ROUNDS = 1024
"""GET RESPONSE commands for one response, unless told otherwise."""

MAX_BYTES = 0x10000
"""Data bytes of one response put together, unless told otherwise: as many as a response APDU can have."""


class ExactLength(ConnectionWrapper):
    """Repeats a command that was answered 6Cxx (wrong Le) once, with the Le that the card told.

    Only commands with Le are repeated. ISO/IEC 7816-4: a card that answers 6Cxx has not processed the
    command.
    """

    def transmit(self, command: bytes) -> bytes:
        """See CardConnection; ApduError if the command to repeat is no command APDU."""
        answer = self.inner.transmit(command)
        if _sw1(answer) != 0x6C:
            return answer
        apdu = CommandAPDU.parse(command)
        if apdu.ne is None:
            return answer
        return self.inner.transmit(apdu._replace(ne=answer[-1] or 256).encode())


class ResponseChaining(ConnectionWrapper):
    """Fetches the rest of a response after 61xx by GET RESPONSE, on the command's channel and in the clear.

    Bounded: MalformedResponse after `rounds` GET RESPONSE commands, or beyond `limit` data bytes. If a GET
    RESPONSE fails, its status word is all that is returned: a part is never taken for the whole.
    """

    def __init__(self, inner: CardConnection, *, rounds: int = MAX_ROUNDS, limit: int = MAX_BYTES) -> None:
        super().__init__(inner)
        self.rounds = rounds
        self.limit = limit

    def transmit(self, command: bytes) -> bytes:
        """See CardConnection; MalformedResponse for a response without end."""
        answer = self.inner.transmit(command)
        if _sw1(answer) != 0x61:
            return answer
        header = _get_response_header(command[0])
        data = bytearray(answer[:-2])
        for _ in range(self.rounds):
            answer = self.inner.transmit(header + answer[-1:])
            sw1 = _sw1(answer)
            data += answer[:-2]
            if len(data) > self.limit:
                raise MalformedResponse(f"a response of more than {self.limit} bytes")
            if sw1 != 0x61:
                failed = StatusWord.from_bytes(answer[-2:], "big").is_error
                return answer[-2:] if failed else bytes(data) + answer[-2:]
        raise MalformedResponse(f"a response that did not end after {self.rounds} GET RESPONSE commands")


class CommandChaining(ConnectionWrapper):
    """Splits commands that are longer than the connection carries, by command chaining (ISO/IEC 7816-4).

    The links carry the chaining bit and no Le; the last one is as the host wrote it. The first answer other
    than 9000 ends the chain and is returned. Over a connection for short APDUs only, extended commands are
    sent in the short form. A Ne beyond what one response carries is lowered to that (Le = 00 on a short
    connection): what does not fit is fetched by ResponseChaining underneath.
    """

    @property
    def limits(self) -> ApduLimits:
        """Any command APDU. A response may still be shorter than the Ne asked for, as it always may."""
        return ApduLimits.EXTENDED

    def transmit(self, command: bytes) -> bytes:
        """See CardConnection; ProtocolLimit if a command is too long and its class cannot tell chaining."""
        if len(command) < 7 or command[4]:
            return self.inner.transmit(command)  # the short form: every connection carries it
        limits = self.inner.limits
        apdu = CommandAPDU.parse(command)
        link_size = limits.max_command - 9 if limits.extended else 255
        last_start = (max(apdu.nc, 1) - 1) // link_size * link_size
        for start in range(0, last_start, link_size):
            answer = self.inner.transmit(_link(apdu, apdu.data[start : start + link_size]))
            if _sw1(answer) != 0x90 or answer != b"\x90\x00":
                return answer
        last = apdu._replace(
            data=apdu.data[last_start:],
            ne=None if apdu.ne is None else min(apdu.ne, limits.max_response if limits.extended else 256),
            extended=limits.extended,
        )
        return self.inner.transmit(last.encode())


class T0Rules(ConnectionWrapper):
    """Sends command APDUs over the T=0 protocol (ISO/IEC 7816-3, 12.2), for short commands.

    Case 1 gets P3 = 00. In case 2 a 6Cxx is answered by the same command with the card's own length; more
    than Ne bytes are cut off. In case 4 the data go first, without Le, and 61xx is answered by GET RESPONSE.
    A 61xx that is left (more than Ne bytes, or a command without Le) is returned, for ResponseChaining.
    """

    @property
    def limits(self) -> ApduLimits:
        """Short commands and responses, whatever the reader carries."""
        return ApduLimits.SHORT

    def transmit(self, command: bytes) -> bytes:
        """See CardConnection.

        ProtocolLimit for more than 255 data bytes, ApduError for what is no command APDU.
        """
        apdu = CommandAPDU.parse(command)
        if apdu.nc > 255:
            raise ProtocolLimit(f"T=0 carries 255 data bytes in a command, not {apdu.nc}")
        ne = None if apdu.ne is None else min(apdu.ne, 256)
        if not apdu.nc:
            return self._receive(apdu.header, ne) if ne else self.inner.transmit(apdu.header + b"\x00")
        answer = self.inner.transmit(b"%b%c%b" % (apdu.header, apdu.nc, apdu.data))
        if ne is None or _sw1(answer) != 0x61:
            return answer
        return self._receive(_get_response_header(apdu.cla), min(ne, answer[-1] or 256))

    def _receive(self, header: bytes, ne: int) -> bytes:
        answer = self.inner.transmit(b"%b%c" % (header, ne & 0xFF))
        if _sw1(answer) != 0x6C:
            return answer
        answer = self.inner.transmit(header + answer[-1:])
        _sw1(answer)
        return answer[:-2][:ne] + answer[-2:]


def standard(connection: CardConnection, *, t0: bool = False) -> CardConnection:
    """The usual stack over a raw connection: any command in, whole responses out.

    `t0`: the card speaks T=0.
    """
    lengths = T0Rules(connection) if t0 else ExactLength(connection)
    return CommandChaining(ResponseChaining(lengths))


def _sw1(answer: bytes) -> int:
    if len(answer) < 2:
        raise MalformedResponse(f"an answer of {len(answer)} bytes, without a status word")
    return answer[-2]


def _get_response_header(cla: int) -> bytes:
    return bytes((ClassByte.build(channel=ClassByte.parse(cla).channel), 0xC0, 0x00, 0x00))


def _link(apdu: CommandAPDU, data: bytes) -> bytes:
    parsed = ClassByte.parse(apdu.cla)
    if parsed.reserved or parsed.invalid or apdu.cla | CHAINING == 0xFF:
        raise ProtocolLimit(f"a command of {apdu.nc} data bytes whose class, {apdu.cla:02X}, has no chaining")
    return CommandAPDU(apdu.cla | CHAINING, apdu.ins, apdu.p1, apdu.p2, data).encode()
