"""How many bytes of data the commands for files and keys take: one more or one less than allowed is 6700, and what is
allowed is refused, if it is, for what it says.
"""

from __future__ import annotations

import pytest

from tests.support import folders
from tests.support.chips import say

LIMITS = [
    ("EXTERNAL AUTHENTICATE", 0x82, 0, folders.KEY, 16, 16),
    ("INTERNAL AUTHENTICATE", 0x88, 0, folders.KEY, 8, 255),
    ("GENERATE ASYMMETRIC KEY PAIR", 0x47, 0x80, 0, 1, 16),
    ("GENERATE ASYMMETRIC KEY PAIR (read)", 0x47, 0x81, 0, 1, 16),
    ("COMPUTE DIGITAL SIGNATURE", 0x2A, 0x9E, 0x9A, 32, 32),
    ("MANAGE SECURITY ENVIRONMENT (SET)", 0x22, 0x41, 0xB6, 3, 3),
    ("MANAGE SECURITY ENVIRONMENT (RESTORE)", 0x22, 0xF3, 0, 0, 0),
    ("PUT DATA (password, key)", 0xDB, 0x3F, 0xFF, 2, 1024),
    ("CREATE FILE", 0xE0, 0, 0, 2, 1024),
]


@pytest.mark.parametrize(
    ("ins", "p1", "p2", "low", "high"), [limits[1:] for limits in LIMITS], ids=[n for n, *_ in LIMITS]
)
def test_lengths(ins: int, p1: int, p2: int, low: int, high: int) -> None:
    chip = folders.furnished()
    for size in {low - 1, high + 1} - {-1}:
        assert say(chip, 0, ins, p1, p2, bytes(size), 256).sw == 0x6700
    for size in (low, high):
        assert say(chip, 0, ins, p1, p2, bytes(size), 256).sw != 0x6700
