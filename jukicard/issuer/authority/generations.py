"""Generations of what an authority rotates: each has a label, a certificate and a card's key versions of its own.

What is made is always made with the newest generation; what was made with an older one stays served, for a key store
gives up no key. The home's description says which generation is the newest of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from jukicard.issuer.errors import RuleRefused

FIRST = 1


class Rotated(StrEnum):
    """What is rotated, one apart from the others."""

    MASTERS = "masters"
    CARD_CA = "card-ca"
    TERMINAL_CA = "terminal-ca"


@dataclass(frozen=True, slots=True)
class Generations:
    """The newest generation of each, from 1."""

    newest: Mapping[Rotated, int] = field(default_factory=dict)

    @classmethod
    def read(cls, members: Mapping[str, Any]) -> Generations:
        """From a home's description, where what was never rotated is missing. ValueError for another form."""
        newest = {Rotated(name): number for name, number in members.items()}
        if not all(type(number) is int and number >= FIRST for number in newest.values()):
            raise ValueError("a generation is a number from 1")
        return cls(newest)

    def of(self, what: Rotated) -> int:
        """The newest generation of one."""
        return self.newest.get(what, FIRST)

    def next(self, what: Rotated, most: int | None = None) -> Generations:
        """With one more of it. RuleRefused beyond `most`."""
        number = self.of(what) + 1
        if most is not None and number > most:
            raise RuleRefused(f"{what}: {most} generations are all that a card's key versions can tell apart")
        return Generations({**self.newest, what: number})


def versioned(name: str, generation: int, mark: str = ":") -> str:
    """The name of a key (or with another mark, of a file) in one generation; in the first, the bare name."""
    return name if generation == FIRST else f"{name}{mark}{generation}"
