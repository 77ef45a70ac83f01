"""The folder, a municipal service whose files and keys its owner makes: names and numbers."""

from __future__ import annotations

from jukicard.iso7816.aid import AID

SERVICE_NUMBER = 2
MODULE = AID.from_hex("F0 4A 55 4B 49 03 00 02")

DEFAULT_QUOTA = 0x8000
"""Bytes for files, data objects, passwords and keys where INSTALL names no other number."""

TAG_QUOTA, TAG_RULES = 0x80, 0xAB
"""In the installation parameters (C9): the quota (1 to 4 bytes), the access rules of the application's own DF."""
