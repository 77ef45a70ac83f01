"""The Juki application (住基AP): names and numbers of its files, keys and passwords.

The AID is the real one; files and protocol are this project's own profile (docs: card profile), since the real ones are
not public.
"""

from __future__ import annotations

from jukicard.iso7816.aid import AID

JUKI_AID = AID.from_hex("D3 92 10 00 31 00 01 01 04 01")

EF_CODE = 0x0001
EF_CERTIFICATES = 0x0002
EF_CARD = 0x0006
EF_STATUS = 0x0007

CODE_SIZE = 11
CERTIFICATES_SIZE = 2048
COMPARE_TRIES = 5

PASSWORD = 0x81
PASSWORD_DIGITS = 4
PASSWORD_TRIES = 3

AUTHENTICATION_KEY = 0x82
MINIMUM_CHALLENGE = 16
SIGNATURE_SIZE = 64

MOVE_TAG = 0x0107
"""P1-P2 of the PUT DATA that enters the new municipality when the holder has moved (継続利用)."""
