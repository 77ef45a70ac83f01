"""The key that card files are sealed with: 32 bytes in a file of its own, as 64 hex digits, mode 0600."""

from __future__ import annotations

import os
from pathlib import Path

from jukicard.issuer.errors import HomeDamaged
from jukicard.issuer.files import one_writer, read_private, write_atomically
from jukicard.issuer.keys.keystore import Randomness

STORAGE_KEY_FILE = "storage.key"
STORAGE_KEY_SIZE = 32


def load_storage_key(path: Path) -> bytes:
    """Read a storage key. Raises HomeDamaged if it is missing, not private, or no such key."""
    try:
        key = bytes.fromhex(read_private(path, maximum=256).decode("ascii"))
    except ValueError:
        key = b""
    if len(key) != STORAGE_KEY_SIZE:
        raise HomeDamaged(f"{path} is no storage key: it must hold 64 hex digits")
    return key


def ensure_storage_key(path: Path, random: Randomness = os.urandom) -> bytes:
    """Read a storage key, or make one if there is no such file. The directory must be there."""
    with one_writer(path):
        if not path.exists():
            write_atomically(path, random(STORAGE_KEY_SIZE).hex().encode() + b"\n")
    return load_storage_key(path)
