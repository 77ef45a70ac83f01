"""Text that is there to be used, and does not show itself in test reports."""

from __future__ import annotations


class HiddenText(str):
    """A string whose representation is asterisks: pytest prints the representations of what an assertion compared."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'****'"
