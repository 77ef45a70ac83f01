"""The contents of the operator application's files: one codec for both ends."""

from __future__ import annotations

from enum import IntEnum

SERIAL_SIZE = 15
LEADING_DIGIT = "6"
"""Of an operator card's serial, so that it is no resident's card's: those begin with another."""


class OperatorState(IntEnum):
    """EF.STATUS, 1 byte: the life of an operator card."""

    PERSONALISATION = 0
    DELIVERED = 1
    ACTIVE = 2
    VOID = 4

    @property
    def label(self) -> str:
        """The state in words."""
        return self.name.lower()


def operator_serial(city_code: str, number: int) -> str:
    """Return the serial of a municipality's (5 digits) operator card of that number (1 to 999,999,999)."""
    if not (len(city_code) == 5 and city_code.isascii() and city_code.isdigit() and 0 < number < 10**9):
        raise ValueError("an operator card's serial is made of five digits and a number of nine at most")
    return f"{LEADING_DIGIT}{city_code}{number:09d}"


def is_operator_serial(serial: str) -> bool:
    """Return whether a text is an operator card's serial: 15 digits, the first of them a 6."""
    return len(serial) == SERIAL_SIZE and serial.isascii() and serial.isdigit() and serial[0] == LEADING_DIGIT


def city_in(content: bytes) -> str | None:
    """Return the municipality's code in the content of EF.SERIAL, None before it is written."""
    serial = content.decode("ascii", "replace")
    return serial[1:6] if is_operator_serial(serial) else None
