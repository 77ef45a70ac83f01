"""The WebAssembly binary format's numbers, vectors and names (WebAssembly 1.0, 5.2)."""

from __future__ import annotations

from jukicard.applets.wasm.errors import CodeError

MAX_NAME = 64


class Reader:
    """Reads bytes from the first to the last; CodeError where there are too few of them."""

    __slots__ = ("_content", "_position")

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._position = 0

    @property
    def position(self) -> int:
        """How many bytes have been read."""
        return self._position

    @property
    def at_end(self) -> bool:
        """Whether nothing is left."""
        return self._position == len(self._content)

    def end(self) -> None:
        """Refuse what is left."""
        if not self.at_end:
            raise CodeError("more bytes than belong there")

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        start = self._position
        self._position = start + count
        if self._position > len(self._content):
            raise CodeError("the module ends too early")
        return self._content[start : self._position]

    def byte(self) -> int:
        """Return the next byte."""
        position = self._position
        if position == len(self._content):
            raise CodeError("the module ends too early")
        self._position = position + 1
        return self._content[position]

    def unsigned(self) -> int:
        """Return the next u32 (LEB128, of any length that the standard allows)."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            if shift > 28:
                raise CodeError("a number that is too long")
        if value >> 32:
            raise CodeError("a number above 32 bits")
        return value

    def signed(self, bits: int) -> int:
        """Return the next s32 or s64 (LEB128)."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            if shift >= bits:
                raise CodeError("a number that is too long")
        if byte & 0x40:
            value -= 1 << shift
        if not -(1 << bits - 1) <= value < 1 << bits - 1:
            raise CodeError(f"a number above {bits} bits")
        return value

    def count(self, most: int) -> int:
        """Return the length of a vector, at most so many elements."""
        count = self.unsigned()
        if count > most:
            raise CodeError(f"more than {most} of one thing")
        return count

    def below(self, bound: int, what: str) -> int:
        """Return an index, which must be below the bound."""
        index = self.unsigned()
        if index >= bound:
            raise CodeError(f"there is no {what} {index}")
        return index

    def name(self) -> str:
        """Return a name in ASCII, of at most `MAX_NAME` characters."""
        name = self.take(self.count(MAX_NAME))
        if not name.isascii():
            raise CodeError("a name that is not ASCII")
        return name.decode()
