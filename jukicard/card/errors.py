"""How the chip refuses: one exception that carries its status word."""

from __future__ import annotations

from jukicard.iso7816.status import StatusWord


class CardError(Exception):
    """A command is refused.  Everything that it wrote so far is dropped, and `sw` alone is answered.

    `reason` is for the people on this side of the wire (traces, explanations); it never leaves the chip and never holds
    a secret.
    """

    def __init__(self, sw: StatusWord, reason: str) -> None:
        super().__init__(f"{sw:04X}: {reason}")
        self.sw = sw
        self.reason = reason


class StoreError(Exception):
    """The store could not write or read; nothing of the commit happened.  The chip answers 6581."""
