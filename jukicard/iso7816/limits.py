"""What an application on a card may use: how much it stores, how much volatile memory it has, which of the card's
services it may call, through which interfaces it is reached.  Values that both ends speak of.
"""

from __future__ import annotations

from enum import IntFlag
from typing import NamedTuple


class ApplicationRight(IntFlag):
    """What an approval may let an application use (the profile's, docs/card-profile.md)."""

    FILES = 0x0001
    COUNTERS = 0x0002
    PASSWORDS = 0x0004
    RANDOM = 0x0008
    HASH = 0x0010
    MAC = 0x0020
    SIGN = 0x0040
    VERIFY = 0x0080
    CONTACT = 0x0100
    CONTACTLESS = 0x0200


_SIZE = 10
ALL_RIGHTS = ApplicationRight(0x03FF)


class Limits(NamedTuple):
    """What an application may use: bytes of the store, bytes of volatile memory, rights.

    Of a security domain: what is reserved for itself and all that is below it; its rights are not asked for.
    """

    storage: int
    memory: int
    rights: ApplicationRight = ALL_RIGHTS

    def encode(self) -> bytes:
        """Return the stored form, 10 bytes."""
        return self.storage.to_bytes(4) + self.memory.to_bytes(4) + self.rights.to_bytes(2)

    @classmethod
    def decode(cls, stored: bytes) -> Limits:
        """Read the stored form; ValueError for another length, or a right that is not listed here."""
        if len(stored) != _SIZE or int.from_bytes(stored[8:]) & ~int(ALL_RIGHTS):
            raise ValueError("limits are 10 bytes: storage (4), memory (4), rights (2)")
        storage, memory, rights = (int.from_bytes(part) for part in (stored[:4], stored[4:8], stored[8:]))
        return cls(storage, memory, ApplicationRight(rights))
