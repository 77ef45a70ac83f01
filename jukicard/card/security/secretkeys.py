"""Secret keys of an application (AES), for EXTERNAL and INTERNAL AUTHENTICATE; their values never leave the chip."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.constant_time import bytes_eq

from jukicard.card.errors import CardError
from jukicard.card.objects import Header, LifeCycle
from jukicard.card.security.counters import TryCounter
from jukicard.card.transaction import Area
from jukicard.iso7816.access import AccessRules
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv, parse_tlvs
from jukicard.securechannel.kdf import aes_cmac

KEY_SIZES = (16, 24, 32)
EXTERNAL, INTERNAL = 0x80, 0x40
"""Usage qualifier (ISO/IEC 7816-4, DO 95 in an authentication template): external, internal authentication."""


@dataclass(frozen=True, slots=True)
class SecretKeySpec:
    """An AES key with its access rules.

    `reference` 81-9F; `usage` EXTERNAL, INTERNAL or both; `tries` (1-15): how often EXTERNAL AUTHENTICATE may miss.
    """

    reference: int
    usage: int
    tries: int
    initial: AccessRules
    operational: AccessRules

    def header(self, life_cycle: LifeCycle) -> Header:
        """Return the header that such a key has."""
        template = Tlv.build(0xA4, Tlv(0x83, bytes((self.reference,))), Tlv(0x95, bytes((self.usage,))))
        return Header((template, Tlv(0x80, bytes((self.tries,)))), life_cycle, self.initial, self.operational)


class SecretKey:
    """One secret key in an area; empty until its value is put in."""

    __slots__ = ("_area", "header", "reference", "tries")

    def __init__(self, area: Area, reference: int, header: Header) -> None:
        self._area = area
        self.header = header
        self.reference = reference
        self.tries = TryCounter(area, _cell(reference, "t"), (header.parameter(0x80) or bytes(1))[0])

    def set(self, value: bytes) -> None:
        """Store a value (16, 24 or 32 bytes, else 6A80) in place of the one before, with all its tries."""
        if len(value) not in KEY_SIZES:
            raise CardError(StatusWord.INCORRECT_DATA, "an AES key has 16, 24 or 32 bytes")
        self._area.write(_cell(self.reference, "v"), value)
        self.tries.reset()

    def prove(self, message: bytes) -> bytes:
        """Return the AES-CMAC of a message, 16 bytes, to prove the key.  6984 without a value, 6985 if it is not for
        INTERNAL AUTHENTICATE.
        """
        self._check_usage(INTERNAL)
        return aes_cmac(self._value(), message)

    def is_proved_by(self, cryptogram: bytes, message: bytes) -> bool:
        """Return whether a cryptogram is the AES-CMAC of a message, compared in constant time.

        One try is spent durably before and given back after a match; 6983 when none is left.  6984 without a value,
        6985 if the key is not for EXTERNAL AUTHENTICATE.
        """
        self._check_usage(EXTERNAL)
        value = self._value()
        self.tries.spend()
        if not bytes_eq(aes_cmac(value, message), cryptogram):
            return False
        self.tries.give_back()
        return True

    def _value(self) -> bytes:
        value = self._area.read(_cell(self.reference, "v"))
        if value is None:
            raise CardError(StatusWord.REFERENCE_DATA_UNUSABLE, f"key {self.reference:02X} has no value")
        return value

    def _check_usage(self, usage: int) -> None:
        template = parse_tlvs(self.header.parameter(0xA4) or b"")
        if not any(part.tag == 0x95 and part.value[0] & usage for part in template):
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, f"key {self.reference:02X} is not for that")


class SecretKeys:
    """The secret keys of one area."""

    __slots__ = ("_area",)

    def __init__(self, area: Area) -> None:
        self._area = area

    def create(self, spec: SecretKeySpec, life_cycle: LifeCycle) -> SecretKey:
        """Create a key without a value."""
        header = spec.header(life_cycle)
        self._area.write(_cell(spec.reference, "h"), header.encode())
        return SecretKey(self._area, spec.reference, header)

    def by_reference(self, reference: int) -> SecretKey:
        """Return the key with that reference, or refuse with 6A88."""
        stored = self._area.read(_cell(reference, "h"))
        if stored is None:
            raise CardError(StatusWord.REFERENCE_NOT_FOUND, f"no secret key {reference:02X} in this application")
        return SecretKey(self._area, reference, Header.parse(stored))


def _cell(reference: int, part: str) -> str:
    return f"y/{reference:02x}/{part}"
