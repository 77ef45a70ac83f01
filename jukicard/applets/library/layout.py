"""The library card (図書館サービス), a municipal service: names and numbers of its files and its password."""

from __future__ import annotations

from jukicard.iso7816.aid import AID

SERVICE_NUMBER = 1
MODULE = AID.from_hex("F0 4A 55 4B 49 03 00 01")

EF_PATRON = 0x0001
EF_LOANS = 0x0002

PATRON_SIZE = 10
MAX_LOANS = 20

MAX_LOST = 2
"""With so many books lost and not settled, nothing more is lent."""

PASSWORD = 0x81
PASSWORD_DIGITS = 4
PASSWORD_TRIES = 3
