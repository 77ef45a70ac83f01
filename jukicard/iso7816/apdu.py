"""Command and response APDUs (ISO/IEC 7816-3, 12.1; ISO/IEC 7816-4, command-response pairs).

The seven cases of a command APDU, by what follows the four header bytes:

| case | body                          | data   | Ne      |
|------|-------------------------------|--------|---------|
| 1    | nothing                       | -      | -       |
| 2S   | Le                            | -      | 1-256   |
| 3S   | Lc data                       | 1-255  | -       |
| 4S   | Lc data Le                    | 1-255  | 1-256   |
| 2E   | 00 LeHi LeLo                  | -      | 1-65536 |
| 3E   | 00 LcHi LcLo data             | 1-65535| -       |
| 4E   | 00 LcHi LcLo data LeHi LeLo   | 1-65535| 1-65536 |
"""

from __future__ import annotations

from typing import NamedTuple

from jukicard.iso7816.status import StatusWord

MAX_NC = 0xFFFF
MAX_NE = 0x10000

# The enumeration's own table: a plain dict lookup in place of the costlier StatusWord(value).
_STATUS_WORDS = StatusWord._value2member_map_

# A chip parses one APDU per command: made by tuple's own constructor a named tuple costs a third (ADR 7).
_new = tuple.__new__


class ApduError(ValueError):
    """The bytes are no APDU, or the values cannot be put into one. The message never contains data bytes."""


class CommandAPDU(NamedTuple):
    """A command APDU.

    `cla`, `ins`, `p1`, `p2`: 0..255. `data`: 0..65535 bytes. `ne`: bytes expected at most, 1..65536, None
    where Le is absent. `extended` asks for the extended form where the short one would do; after `parse` it
    says which form was received (a case 1 command has no form and is never extended). The values are checked
    by `encode`. The representation shows lengths, never data: it may be a password.
    """

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = b""
    ne: int | None = None
    extended: bool = False

    @classmethod
    def parse(cls, raw: bytes) -> CommandAPDU:
        """Read one of the seven cases.

        Anything else raises ApduError, and nothing but ApduError is raised.
        """
        size = len(raw)
        if size == 5:
            cla, ins, p1, p2, lc = raw
            return _new(cls, (cla, ins, p1, p2, b"", lc or 256, False))
        if size < 4:
            raise ApduError(f"a command APDU has at least 4 bytes, not {size}")
        cla, ins, p1, p2 = raw[:4]
        if size == 4:
            return _new(cls, (cla, ins, p1, p2, b"", None, False))
        lc = raw[4]
        if lc:
            if size == 5 + lc:
                return _new(cls, (cla, ins, p1, p2, raw[5:], None, False))
            if size == 6 + lc:
                return _new(cls, (cla, ins, p1, p2, raw[5:-1], raw[-1] or 256, False))
            raise ApduError(f"Lc {lc} does not fit a command APDU of {size} bytes")
        return cls._parse_extended(raw, size)

    @classmethod
    def _parse_extended(cls, raw: bytes, size: int) -> CommandAPDU:
        cla, ins, p1, p2 = raw[:4]
        if size < 7:
            raise ApduError(f"extended length field cut off in a command APDU of {size} bytes")
        length = raw[5] << 8 | raw[6]
        if size == 7:
            return _new(cls, (cla, ins, p1, p2, b"", length or 65536, True))
        if length and size == 7 + length:
            return _new(cls, (cla, ins, p1, p2, raw[7:], None, True))
        if length and size == 9 + length:
            return _new(cls, (cla, ins, p1, p2, raw[7:-2], (raw[-2] << 8 | raw[-1]) or 65536, True))
        raise ApduError(f"extended Lc {length} does not fit a command APDU of {size} bytes")

    def encode(self) -> bytes:
        """The APDU's bytes: short where it is possible and `extended` is false.

        ApduError for a value out of range.
        """
        data = self.data
        ne = self.ne
        nc = len(data)
        try:
            header = bytes((self.cla, self.ins, self.p1, self.p2))
        except (ValueError, TypeError):
            raise ApduError("CLA, INS, P1 and P2 are 0 to 255 each") from None
        if nc > MAX_NC:
            raise ApduError(f"a command APDU carries at most 65535 data bytes, not {nc}")
        if ne is None:
            if not nc:
                return header
            if nc < 256 and not self.extended:
                return b"%b%c%b" % (header, nc, data)
            return header + nc.to_bytes(3, "big") + data
        if not 1 <= ne <= MAX_NE:
            raise ApduError(f"Ne is 1 to 65536 or absent, not {ne}")
        if ne <= 256 and nc < 256 and not self.extended:
            if not nc:
                return b"%b%c" % (header, ne & 0xFF)
            return b"%b%c%b%c" % (header, nc, data, ne & 0xFF)
        le = (ne & 0xFFFF).to_bytes(2, "big")
        if not nc:
            return header + b"\x00" + le
        return header + nc.to_bytes(3, "big") + data + le

    def in_class(self, cla: int) -> CommandAPDU:
        """The same command with the class byte `cla`."""
        return self if cla == self.cla else self._replace(cla=cla)

    @property
    def header(self) -> bytes:
        """CLA INS P1 P2, four bytes."""
        return bytes((self.cla, self.ins, self.p1, self.p2))

    @property
    def nc(self) -> int:
        """Number of data bytes."""
        return len(self.data)

    def __repr__(self) -> str:
        form = ", extended" if self.extended else ""
        return (
            f"CommandAPDU({self.cla:02X} {self.ins:02X} {self.p1:02X} {self.p2:02X}, "
            f"nc={len(self.data)}, ne={self.ne}{form})"
        )


class ResponseAPDU(NamedTuple):
    """A response APDU: up to 65536 data bytes and the status word.

    The representation shows the length, never data.
    """

    data: bytes = b""
    sw: StatusWord = StatusWord.OK

    @classmethod
    def parse(cls, raw: bytes) -> ResponseAPDU:
        """Read a response; ApduError unless it has 2 to 65538 bytes."""
        if not 2 <= len(raw) <= MAX_NE + 2:
            raise ApduError(f"a response APDU has 2 to 65538 bytes, not {len(raw)}")
        value = raw[-2] << 8 | raw[-1]
        sw = _STATUS_WORDS.get(value)
        return cls(raw[:-2], sw if sw is not None else StatusWord(value))  # type: ignore[arg-type]

    def encode(self) -> bytes:
        """Data, then SW1 SW2."""
        return self.data + self.sw.to_bytes(2, "big")

    def __repr__(self) -> str:
        return f"ResponseAPDU({len(self.data)} bytes, {self.sw})"
