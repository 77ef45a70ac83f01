"""A terminal to be tested: it looks at a Juki card, and says in a word what it is.  Put your own in its place."""

from __future__ import annotations

from collections.abc import Callable

SELECT_JUKI = bytes.fromhex("00A404000AD392100031000101040100")
QUERY_TRIES = bytes.fromhex("00200081")


def look_at(transmit: Callable[[bytes], bytes]) -> str:
    """Say what a card is; `transmit` sends it a command and returns its response."""
    if transmit(SELECT_JUKI)[-2:] != b"\x90\x00":
        return "not a Juki card"
    status = transmit(QUERY_TRIES)[-2:]
    if status == b"\x69\x84":
        return "not handed over"
    tries = status[1] & 0x0F
    return f"{tries} tries left" if tries else "blocked"
