"""What is signed with, or put under the CMAC of, an application's own key when one side proves it to the other.

Both ends build the message from what both know, and the direction stands in it: an answer to one side's challenge can
never be sent back as an answer to the other's.
"""

from __future__ import annotations

EXTERNAL, INTERNAL = b"jukicard EXTERNAL AUTHENTICATE 1\0", b"jukicard INTERNAL AUTHENTICATE 1\0"


def external_message(aid: bytes, reference: int, challenge: bytes) -> bytes:
    """Return the message by which a host proves the key `reference` (0-255) to the application `aid`, for the card's
    challenge.
    """
    return EXTERNAL + _bound(aid, reference) + challenge


def internal_message(aid: bytes, reference: int, challenge: bytes) -> bytes:
    """Return the message by which the application `aid` proves its key `reference` to a host, for its challenge."""
    return INTERNAL + _bound(aid, reference) + challenge


def _bound(aid: bytes, reference: int) -> bytes:
    return bytes((len(aid),)) + aid + bytes((reference,))
