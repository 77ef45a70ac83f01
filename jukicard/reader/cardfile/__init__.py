"""The card file: one encrypted, authenticated SQLite database per card."""

from __future__ import annotations

from jukicard.reader.cardfile.errors import (
    CardFileBusy,
    CardFileClosed,
    CardFileDamaged,
    CardFileDiskFailed,
    CardFileError,
    CardFileExists,
    CardFileLogLost,
    CardFileMissing,
    CardFileReadOnly,
    CardFileRolledBack,
    NotACardFile,
    UnsupportedSchema,
    WrongPassphrase,
    WrongStorageKey,
)
from jukicard.reader.cardfile.file import CardFile, NotBefore, StorageKey, card_id_of
from jukicard.reader.cardfile.group import NewCard, write_card_files
from jukicard.reader.cardfile.sealing import STORAGE_KEY_LENGTH, derive_storage_key, is_exported, new_exported_id

__all__ = [
    "STORAGE_KEY_LENGTH",
    "CardFile",
    "CardFileBusy",
    "CardFileClosed",
    "CardFileDamaged",
    "CardFileDiskFailed",
    "CardFileError",
    "CardFileExists",
    "CardFileLogLost",
    "CardFileMissing",
    "CardFileReadOnly",
    "CardFileRolledBack",
    "NewCard",
    "NotACardFile",
    "NotBefore",
    "StorageKey",
    "UnsupportedSchema",
    "WrongPassphrase",
    "WrongStorageKey",
    "card_id_of",
    "derive_storage_key",
    "is_exported",
    "new_exported_id",
    "write_card_files",
]
