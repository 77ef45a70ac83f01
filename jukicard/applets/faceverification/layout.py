"""The face-verification application (券面事項確認AP): names and numbers of its files and reference numbers.

AID, files, reference numbers and tags are those of the real card family; what this project decided, since the Juki
card's own layout is not public, says docs/face-verification.md.
"""

from __future__ import annotations

from jukicard.iso7816.aid import AID

FACE_AID = AID.from_hex("D3 92 10 00 31 00 01 01 04 02")

EF_BIRTH, EF_FACE, EF_BASIC, EF_CERTIFICATES = 0x0001, 0x0002, 0x0003, 0x0004
"""The short identifiers are the same."""

BIRTH_NUMBER, NUMBER_B, NUMBER_A = 0x11, 0x12, 0x13
"""The files of the reference numbers: P2 of VERIFY is 80 with these bits."""

TRIES = 10

LONGEST_BLOCK = 0x4000
"""Bytes of all that is written in one STORE DATA."""

TAG_BIRTH_RECORD, TAG_FACE_RECORD, TAG_BASIC_RECORD, TAG_CERTIFICATES = 0xFF10, 0xFF20, 0xFF30, 0x7F21


def reference(number: int) -> int:
    """Return P2 of VERIFY for a reference number's file."""
    return 0x80 | number
