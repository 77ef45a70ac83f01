"""Secrets that are there to be used, and do not show themselves in test reports."""

from __future__ import annotations

from hmac import compare_digest


class Hidden:
    """A secret text.  No representation, assertion or diff of a test report shows it; `reveal` gives it.

    It is neither a string nor a dataclass, since pytest prints how two of those differ, whatever their representations.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return "****"

    def __repr__(self) -> str:
        return "Hidden(****)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hidden) and compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def reveal(self) -> str:
        """Return the text."""
        return self._text
