"""The shared application (共通カードAP): names and numbers.

AID, files and the form of the card information are those of the real card family (docs: face verification).
"""

from __future__ import annotations

from jukicard.iso7816.aid import AID

SHARED_AID = AID.from_hex("D3 92 10 00 31 00 01 01 01 00")

EF_CARD_INFORMATION, EF_KEY_REFERENCE = 0x0001, 0x0002
"""Files of records, of which each has one; the short identifiers are the same."""
