"""Certificate vending (証明書自動交付), a municipal service: names and numbers of its files, password and key."""

from __future__ import annotations

from jukicard.iso7816.aid import AID

SERVICE_NUMBER = 3
MODULE = AID.from_hex("F0 4A 55 4B 49 03 00 03")

EF_TYPES = 0x0001
EF_AUDIT = 0x0002
EF_CERTIFICATES = 0x0003

MAX_TYPES = 16
MAX_AUDIT = 20
CERTIFICATES_SIZE = 2048

PASSWORD = 0x81
PASSWORD_MINIMUM, PASSWORD_MAXIMUM = 4, 8
PASSWORD_TRIES = 3

KEY = 0x82

TAG_CERTIFICATES, TAG_TYPES = 0xBF21, 0xC0
"""In the one block of STORE DATA: the key's certificates (DER), and records of EF.TYPES in a row."""

INS_ISSUE = 0x40
