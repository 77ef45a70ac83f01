"""Randomness from seeds: what makes two specimens of one seed the same to the last bit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable


def randomness(seed: object) -> Callable[[int], bytes]:
    """Return a source of endless bytes (number of bytes to bytes), the same for seeds of the same text.

    It is deterministic, and therefore for tests only.
    """
    counter = 0

    def take(count: int) -> bytes:
        nonlocal counter
        counter += 1
        return hashlib.shake_256(f"{seed}/{counter}".encode()).digest(count)

    return take
