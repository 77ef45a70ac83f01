"""How loaded code is refused, and how it is stopped."""

from __future__ import annotations


class CodeError(ValueError):
    """The bytes are no WebAssembly that a card takes."""


class TrapError(Exception):
    """The code was stopped: by what it did, or because what it may spend was used up.  The message says which."""
