"""How the chip refuses: one exception that carries its status word."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from jukicard.iso7816.status import StatusWord

if TYPE_CHECKING:
    from jukicard.card.commands import Blame


class Step(Enum):
    """At which of the checks, in the order in which every command passes them, one was refused."""

    FORM = "form"
    CHANNEL = "class byte and logical channel"
    CHAINING = "command chaining"
    SECURE_MESSAGING = "secure messaging"
    APPLICATION = "state of the card or application"
    INSTRUCTION = "instruction"
    PARAMETERS = "P1-P2"
    LENGTH = "length"
    LIFE_CYCLE = "life cycle"
    ACCESS = "access rule"
    COMMAND = "the command itself"
    STORE = "storage"


class CardError(Exception):
    """A command is refused.  Everything that it wrote so far is dropped, and `sw` alone is answered.

    `reason` is for the people on this side of the wire (traces, explanations); it never leaves the chip and never holds
    a secret.  `step` says where the command was stopped, `blame` which rule or life cycle stood against it.
    """

    def __init__(self, sw: StatusWord, reason: str, step: Step = Step.COMMAND, blame: Blame | None = None) -> None:
        # BaseException keeps the arguments by itself: refusals are made as often as commands come.
        self.sw = sw
        self.reason = reason
        self.step = step
        self.blame = blame

    def __str__(self) -> str:
        return f"{self.sw:04X}: {self.reason}"


class StoreError(Exception):
    """The store could not write or read; nothing of the commit happened.  The chip answers 6581."""
