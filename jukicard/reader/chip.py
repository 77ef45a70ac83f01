"""What the reader side asks of a chip."""

from __future__ import annotations

from typing import Protocol

from jukicard.card.ports import Interface

__all__ = ["Chip", "Interface"]


class Chip(Protocol):
    """A chip seen from outside: power, reset, bytes in, bytes out. `jukicard.card.Card` is one."""

    def power_on(self, interface: Interface) -> bytes:
        """Apply power through that interface; the ATR (2 to 33 bytes)."""

    def reset(self) -> bytes:
        """Reset the powered chip; the ATR (2 to 33 bytes)."""

    def transmit(self, command: bytes) -> bytes:
        """Answer one command APDU (any byte string) with at least two bytes; never raises."""

    def power_off(self) -> None:
        """Take the power away: all volatile state is gone."""
