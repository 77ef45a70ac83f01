"""Who signs entries in the books."""

from __future__ import annotations

from typing import Protocol


class EntrySigner(Protocol):
    """An operator who is logged in."""

    @property
    def actor(self) -> str:
        """The serial of the operator's card, 15 digits."""

    def sign(self, message: bytes) -> bytes:
        """Sign with ECDSA (P-256) and SHA-256: the DER signature."""
