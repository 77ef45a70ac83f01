"""Application identifiers (ISO/IEC 7816-4; registered under ISO/IEC 7816-5)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class AidCategory(Enum):
    """Who vouches for an identifier, by the first four bits (ISO/IEC 7816-4, table of AID categories)."""

    ISSUER = "issuer identification number"
    INTERNATIONAL = "international registration"
    NATIONAL = "national registration"
    STANDARD = "standard, by object identifier"
    PROPRIETARY = "proprietary, unregistered"
    RESERVED = "reserved"


_CATEGORIES = {
    **dict.fromkeys(range(10), AidCategory.ISSUER),
    0xA: AidCategory.INTERNATIONAL,
    0xD: AidCategory.NATIONAL,
    0xE: AidCategory.STANDARD,
    0xF: AidCategory.PROPRIETARY,
}


@dataclass(frozen=True, slots=True, order=True)
class AID:
    """An application identifier, 5 to 16 bytes; ValueError for another length.

    A value, not a byte string: `bytes(aid)` gives the bytes, `str(aid)` spaced hex. Ordered as its bytes are.
    """

    value: bytes

    def __post_init__(self) -> None:
        if not isinstance(self.value, bytes):
            raise TypeError(f"an AID is made of bytes, not {type(self.value).__name__}")
        if not 5 <= len(self.value) <= 16:
            raise ValueError(f"an AID has 5 to 16 bytes, not {len(self.value)}")

    @classmethod
    def from_hex(cls, text: str) -> AID:
        """From hex digits, spaces allowed between bytes.

        ValueError if they are none or the length is wrong.
        """
        return cls(bytes.fromhex(text))

    def matches_partial(self, prefix: bytes) -> bool:
        """Whether this identifier begins with `prefix`, a partial name of 0 to 16 bytes."""
        return self.value.startswith(prefix)

    @property
    def category(self) -> AidCategory:
        """The category, from the first four bits."""
        return _CATEGORIES.get(self.value[0] >> 4, AidCategory.RESERVED)

    def __bytes__(self) -> bytes:
        return self.value

    def __len__(self) -> int:
        return len(self.value)

    def __str__(self) -> str:
        return self.value.hex(" ").upper()

    def __repr__(self) -> str:
        return f"AID({str(self)!r})"
