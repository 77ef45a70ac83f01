"""Status words SW1-SW2 (ISO/IEC 7816-4, the tables of their general and specific meanings)."""

from __future__ import annotations

from enum import IntEnum


class StatusWord(IntEnum):
    """A status word: an open enumeration, any value from 0 to FFFF is a member.

    The names below are those the project uses. `StatusWord(0x63C2)` makes (once) the unnamed member
    `SW_63C2`, so that a card's answer never fails to be read; a value outside 16 bits raises ValueError.
    `str()` gives four hex digits.
    """

    OK = 0x9000
    WARNING = 0x6200
    END_OF_FILE = 0x6282
    FILE_DEACTIVATED = 0x6283
    FILE_TERMINATED = 0x6285
    NO_MATCH = 0x6300
    MORE_DATA_AVAILABLE = 0x6310
    EXECUTION_ERROR = 0x6400
    MEMORY_FAILURE = 0x6581
    WRONG_LENGTH = 0x6700
    CHANNEL_NOT_SUPPORTED = 0x6881
    SM_NOT_SUPPORTED = 0x6882
    LAST_COMMAND_EXPECTED = 0x6883
    CHAINING_NOT_SUPPORTED = 0x6884
    INCOMPATIBLE_FILE = 0x6981
    SECURITY_NOT_SATISFIED = 0x6982
    BLOCKED = 0x6983
    REFERENCE_DATA_UNUSABLE = 0x6984
    CONDITIONS_NOT_SATISFIED = 0x6985
    NO_CURRENT_EF = 0x6986
    SM_OBJECTS_MISSING = 0x6987
    SM_OBJECTS_INCORRECT = 0x6988
    INCORRECT_DATA = 0x6A80
    FUNCTION_NOT_SUPPORTED = 0x6A81
    FILE_NOT_FOUND = 0x6A82
    RECORD_NOT_FOUND = 0x6A83
    NOT_ENOUGH_MEMORY = 0x6A84
    NC_INCONSISTENT_TLV = 0x6A85
    INCORRECT_P1P2 = 0x6A86
    NC_INCONSISTENT_P1P2 = 0x6A87
    REFERENCE_NOT_FOUND = 0x6A88
    FILE_EXISTS = 0x6A89
    NAME_EXISTS = 0x6A8A
    WRONG_P1P2 = 0x6B00
    INS_NOT_SUPPORTED = 0x6D00
    CLA_NOT_SUPPORTED = 0x6E00
    INTERNAL_ERROR = 0x6F00

    @classmethod
    def _missing_(cls, value: object) -> StatusWord | None:
        if not isinstance(value, int) or not 0 <= value <= 0xFFFF:
            return None  # Enum raises ValueError
        member = int.__new__(cls, value)
        member._name_ = f"SW_{value:04X}"
        member._value_ = int(value)
        # setdefault: of two threads that meet here, both get the same member
        known: StatusWord = cls._value2member_map_.setdefault(int(value), member)  # type: ignore[assignment]
        return known

    @classmethod
    def with_tries(cls, tries: int) -> StatusWord:
        """63Cx: verification failed, `tries` (0..15) further tries are allowed."""
        if not 0 <= tries <= 15:
            raise ValueError(f"63Cx tells 0 to 15 tries, not {tries}")
        return cls(0x63C0 | tries)

    @classmethod
    def with_available(cls, count: int) -> StatusWord:
        """61xx: `count` (1 or more) further response bytes; 256 and more are told as 6100."""
        if count < 1:
            raise ValueError(f"61xx tells at least one byte, not {count}")
        return cls(0x6100 | (count if count < 256 else 0))

    @classmethod
    def with_exact_ne(cls, ne: int) -> StatusWord:
        """6Cxx: wrong Le, `ne` (1..256) is the exact number of bytes available."""
        if not 1 <= ne <= 256:
            raise ValueError(f"6Cxx tells 1 to 256 bytes, not {ne}")
        return cls(0x6C00 | (ne & 0xFF))

    @property
    def sw1(self) -> int:
        """The first byte."""
        return self >> 8

    @property
    def sw2(self) -> int:
        """The second byte."""
        return self & 0xFF

    @property
    def is_ok(self) -> bool:
        """True for 9000 only."""
        return self == 0x9000

    @property
    def is_warning(self) -> bool:
        """True for 62xx and 63xx: the command was processed, with something to say."""
        return self >> 8 in (0x62, 0x63)

    @property
    def is_error(self) -> bool:
        """True for all that is neither 9000, nor 61xx (more data to fetch), nor a warning."""
        return self != 0x9000 and self >> 8 not in (0x61, 0x62, 0x63)

    @property
    def tries_left(self) -> int | None:
        """Tries left if this is 63Cx (0..15), else None."""
        return self & 0x0F if self & 0xFFF0 == 0x63C0 else None

    @property
    def available(self) -> int | None:
        """Bytes to fetch by GET RESPONSE if this is 61xx (1..256, and 256 may mean more), else None."""
        return (self & 0xFF or 256) if self >> 8 == 0x61 else None

    @property
    def exact_ne(self) -> int | None:
        """The right Ne if this is 6Cxx (1..256), else None."""
        return (self & 0xFF or 256) if self >> 8 == 0x6C else None

    @property
    def description(self) -> str:
        """The meaning in a few words, without the number; never empty."""
        if (tries := self.tries_left) is not None:
            return f"verification failed, {tries} {'try' if tries == 1 else 'tries'} left"
        if (count := self.available) is not None:
            return f"{count} more bytes available"
        if (count := self.exact_ne) is not None:
            return f"wrong Le, {count} bytes available"
        return _MEANINGS.get(int(self)) or _CLASSES.get(self >> 8, "unknown status")

    def __str__(self) -> str:
        return f"{int(self):04X}"

    def __repr__(self) -> str:
        return f"StatusWord(0x{int(self):04X})"


_MEANINGS = {
    0x9000: "success",
    0x6200: "warning, persistent memory unchanged",
    0x6281: "part of the returned data may be corrupted",
    0x6282: "end of file or record reached before Ne bytes",
    0x6283: "the selected file is deactivated",
    0x6285: "the selected file is terminated",
    0x6300: "authentication or comparison failed",
    0x6310: "more data available",
    0x6400: "execution error, persistent memory unchanged",
    0x6500: "execution error, persistent memory changed",
    0x6581: "memory failure",
    0x6700: "wrong length",
    0x6881: "logical channel not supported",
    0x6882: "secure messaging not supported",
    0x6883: "last command of the chain expected",
    0x6884: "command chaining not supported",
    0x6981: "command incompatible with the file structure",
    0x6982: "security status not satisfied",
    0x6983: "authentication method blocked",
    0x6984: "reference data not usable",
    0x6985: "conditions of use not satisfied",
    0x6986: "command not allowed, no current EF",
    0x6987: "expected secure messaging data objects missing",
    0x6988: "incorrect secure messaging data objects",
    0x6A80: "incorrect parameters in the command data field",
    0x6A81: "function not supported",
    0x6A82: "file or application not found",
    0x6A83: "record not found",
    0x6A84: "not enough memory space",
    0x6A85: "Nc inconsistent with the TLV structure",
    0x6A86: "incorrect parameters P1-P2",
    0x6A87: "Nc inconsistent with P1-P2",
    0x6A88: "referenced data or reference data not found",
    0x6A89: "file already exists",
    0x6A8A: "DF name already exists",
    0x6B00: "wrong parameters P1-P2",
    0x6D00: "instruction not supported or invalid",
    0x6E00: "class not supported",
    0x6F00: "no precise diagnosis",
}

_CLASSES = {
    0x62: "warning, persistent memory unchanged",
    0x63: "warning, persistent memory changed",
    0x64: "execution error, persistent memory unchanged",
    0x65: "execution error, persistent memory changed",
    0x66: "security-related error",
    0x68: "function in CLA not supported",
    0x69: "command not allowed",
    0x6A: "wrong parameters",
}
