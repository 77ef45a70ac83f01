"""Reading the fields of GlobalPlatform commands that are no BER-TLV: plain bytes, length-value, tag-length-value in one
byte each.
"""

from __future__ import annotations

from jukicard.card.errors import CardError
from jukicard.iso7816.status import StatusWord


class FieldReader:
    """Reads a data field from its start; whatever is cut off or left over is 6A80."""

    __slots__ = ("_data", "_position")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def byte(self) -> int:
        """Read one byte."""
        return self._take(1)[0]

    def lengthed(self) -> bytes:
        """Read a length byte (00-FF) and so many bytes."""
        return self._take(self.byte())

    def field(self) -> bytes:
        """Read a length as in BER (one byte below 80, else 81 xx or 82 xx xx, the shortest form) and so many bytes."""
        length = self.byte()
        if length >= 0x80:
            size = length & 0x7F
            length = int.from_bytes(self._take(size)) if size in (1, 2) else 0
            if length < 0x80 or (size == 2 and length < 0x100):
                raise CardError(StatusWord.INCORRECT_DATA, "a length is 00-7F, 81 xx or 82 xx xx")
        return self._take(length)

    def tagged(self) -> tuple[int, bytes]:
        """Read a tag of one byte, a length byte, and so many bytes."""
        return self.byte(), self.lengthed()

    @property
    def consumed(self) -> bytes:
        """What was read so far."""
        return self._data[: self._position]

    def end(self) -> None:
        """Make sure that nothing is left."""
        if self._position != len(self._data):
            raise CardError(StatusWord.INCORRECT_DATA, "more data than the command has fields")

    def _take(self, count: int) -> bytes:
        taken = self._data[self._position : self._position + count]
        if len(taken) != count:
            raise CardError(StatusWord.INCORRECT_DATA, "the command's data are cut off")
        self._position += count
        return taken
