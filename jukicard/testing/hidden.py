"""Secrets that are there to be used, and do not show themselves in test reports."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Hidden:
    """A secret text.  No representation, assertion or diff of a test report shows it; `reveal` gives it.

    It is no string on purpose: pytest prints the difference of two strings, whatever their representations.
    """

    _text: str = field(repr=False)

    def __str__(self) -> str:
        return "****"

    def reveal(self) -> str:
        """Return the text."""
        return self._text
