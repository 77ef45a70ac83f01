"""The one port to a card, for every host: `CardConnection`.

Everything else is a wrapper of the same shape.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from jukicard.iso7816.apdu import ApduError, CommandAPDU, ResponseAPDU
from jukicard.iso7816.errors import MalformedResponse, ProtocolLimit


@dataclass(frozen=True, slots=True)
class ApduLimits:
    """What a connection can carry at once.

    `max_command`: bytes of the longest whole command APDU, at least 261. `max_response`: data bytes of the
    longest response, status word not counted, at least 256. ValueError for less.
    """

    max_command: int
    max_response: int

    SHORT: ClassVar[ApduLimits]
    EXTENDED: ClassVar[ApduLimits]

    def __post_init__(self) -> None:
        if self.max_command < 261 or self.max_response < 256:
            raise ValueError("a connection carries 261 bytes of command and 256 of response at least")

    @property
    def extended(self) -> bool:
        """Whether every short command could also be sent in the extended form, which is 3 bytes longer."""
        return self.max_command >= 264


ApduLimits.SHORT = ApduLimits(261, 256)
ApduLimits.EXTENDED = ApduLimits(65544, 65536)


@runtime_checkable
class CardConnection(Protocol):
    """A connection to one card."""

    @property
    def atr(self) -> bytes:
        """The answer to reset, or for a contactless card the pseudo-ATR that stands for it."""
        ...

    @property
    def limits(self) -> ApduLimits:
        """The longest command and response."""
        ...

    def transmit(self, command: bytes) -> bytes:
        """Raw command APDU to raw response APDU (data, SW1, SW2). TransportError if the way fails."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """While the context lasts, nobody else talks to the card."""
        ...

    def reset(self) -> None:
        """Reset the card: all volatile state is gone."""
        ...

    def close(self) -> None:
        """End the connection. Closing twice does no harm."""
        ...


class ConnectionWrapper:
    """A connection that hands everything to `inner`.

    Subclasses override what they change, mostly `transmit`.
    """

    def __init__(self, inner: CardConnection) -> None:
        self.inner = inner

    @property
    def atr(self) -> bytes:
        """See CardConnection."""
        return self.inner.atr

    @property
    def limits(self) -> ApduLimits:
        """See CardConnection."""
        return self.inner.limits

    def transmit(self, command: bytes) -> bytes:
        """See CardConnection."""
        return self.inner.transmit(command)

    def transaction(self) -> AbstractContextManager[None]:
        """See CardConnection."""
        return self.inner.transaction()

    def reset(self) -> None:
        """See CardConnection."""
        self.inner.reset()

    def close(self) -> None:
        """See CardConnection."""
        self.inner.close()


def send(connection: CardConnection, command: CommandAPDU) -> ResponseAPDU:
    """Encode, transmit, parse.

    ApduError if the command cannot be encoded, ProtocolLimit if it is longer than the connection carries,
    MalformedResponse if the answer has no status word, TransportError as the connection raises it.
    """
    raw = command.encode()
    longest = connection.limits.max_command
    if len(raw) > longest:
        raise ProtocolLimit(f"a command of {len(raw)} bytes, but the connection carries {longest}")
    answer = connection.transmit(raw)
    try:
        return ResponseAPDU.parse(answer)
    except ApduError as error:
        raise MalformedResponse(str(error)) from error
