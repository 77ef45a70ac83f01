"""Passwords (reference data) with durable try counters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from cryptography.hazmat.primitives.constant_time import bytes_eq

from jukicard.card.errors import CardError
from jukicard.card.objects import Header, LifeCycle
from jukicard.card.security.counters import TryCounter
from jukicard.card.transaction import Area
from jukicard.iso7816.access import AccessRules
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv


@dataclass(frozen=True, slots=True)
class PasswordSpec:
    """What a password may be.

    `reference` is P2 of VERIFY; `alphabet` the bytes allowed (empty: all are); lengths in bytes; `tries` 1-15.
    """

    reference: int
    initial: AccessRules
    operational: AccessRules
    minimum: int
    maximum: int
    tries: int
    alphabet: bytes = b"0123456789"

    def header(self, life_cycle: LifeCycle) -> Header:
        """Return the header that such a password has."""
        parameters = (
            Tlv(0x83, bytes((self.reference,))),
            Tlv(0x80, bytes((self.minimum, self.maximum, self.tries))),
            Tlv(0x81, self.alphabet),
        )
        return Header(parameters, life_cycle, self.initial, self.operational)


class Password:
    """One password in an area.  Its value never leaves this class."""

    __slots__ = ("_area", "header", "reference", "tries")

    def __init__(self, area: Area, reference: int, header: Header) -> None:
        self._area = area
        self.reference = reference
        self.header = header
        self.tries = TryCounter(area, _cell(reference, "t"), self._limits[2])

    @property
    def _limits(self) -> bytes:
        return self.header.parameter(0x80) or bytes(3)

    @property
    def is_set(self) -> bool:
        """Whether there is anything to compare with."""
        return self._area.read(_cell(self.reference, "v")) is not None

    def status(self) -> StatusWord:
        """Return what an empty VERIFY answers: 63Cx with the tries left, or 6984 while no password is set."""
        return StatusWord.with_tries(self.tries.left) if self.is_set else StatusWord.REFERENCE_DATA_UNUSABLE

    def compare(self, candidate: bytes) -> bool:
        """Compare, at the cost of one try that is spent durably before and given back after a match.

        6984 while no password is set; 6983 when it is blocked; a candidate of an impossible length is 6A80 and costs
        nothing.
        """
        value = self._area.read(_cell(self.reference, "v"))
        if value is None:
            raise CardError(StatusWord.REFERENCE_DATA_UNUSABLE, f"password {self.reference:02X} is not set")
        minimum, maximum, _ = self._limits
        if not minimum <= len(candidate) <= maximum and self.tries.left:
            raise CardError(
                StatusWord.INCORRECT_DATA, f"password {self.reference:02X} has {minimum} to {maximum} characters"
            )
        self.tries.spend()
        if not bytes_eq(value, candidate):
            return False
        self.tries.give_back()
        return True

    def check(self, value: bytes) -> None:
        """Refuse with 6A80 a value that the password may not have."""
        minimum, maximum, _ = self._limits
        alphabet = self.header.parameter(0x81)
        known = alphabet is not None and (not alphabet or all(byte in alphabet for byte in value))
        if not known or not minimum <= len(value) <= maximum:
            raise CardError(StatusWord.INCORRECT_DATA, f"not an allowed value for password {self.reference:02X}")

    def set(self, value: bytes) -> None:
        """Store a new value and all its tries.  6A80 where the value is not allowed."""
        self.check(value)
        self._area.write(_cell(self.reference, "v"), value)
        self.tries.reset()

    def set_life_cycle(self, life_cycle: LifeCycle) -> None:
        """Move the password to another life cycle status."""
        self.header = self.header.with_life_cycle(life_cycle)
        self._area.write(_cell(self.reference, "h"), self.header.encode())


class Passwords:
    """The passwords of one area."""

    __slots__ = ("_area",)

    def __init__(self, area: Area) -> None:
        self._area = area

    def create(self, spec: PasswordSpec, life_cycle: LifeCycle) -> Password:
        """Create a password without a value."""
        header = spec.header(life_cycle)
        self._area.write(_cell(spec.reference, "h"), header.encode())
        return Password(self._area, spec.reference, header)

    def by_reference(self, reference: int) -> Password:
        """Return the password with that reference, or refuse with 6A88."""
        stored = self._area.read(_cell(reference, "h"))
        if stored is None:
            raise CardError(StatusWord.REFERENCE_NOT_FOUND, f"no password {reference:02X} in this application")
        return Password(self._area, reference, Header.parse(stored))


@cache
def _cell(reference: int, part: str) -> str:
    return f"p/{reference:02x}/{part}"
