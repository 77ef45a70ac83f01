"""The operator application (操作者用ICカード): names and numbers of its files, key and password.

All of it is this project's own (docs: operators' cards).
"""

from __future__ import annotations

from jukicard.iso7816.aid import AID

OPERATOR_AID = AID.from_hex("F0 4A 55 4B 49 04")

EF_CERTIFICATES = 0x0002
EF_SERIAL = 0x0006
EF_STATUS = 0x0007
"""The short identifiers are the same; the numbers are those of the Juki application's files of the same kind."""

CERTIFICATES_SIZE = 2048

PASSWORD = 0x81
PASSWORD_MINIMUM, PASSWORD_MAXIMUM = 6, 16
PASSWORD_TRIES = 5
PASSWORD_ALPHABET = bytes(range(0x20, 0x7F))
"""Printable ASCII, the blank included."""

SIGNATURE_KEY = 0x82
HASH_SIZE, SIGNATURE_SIZE = 32, 64
