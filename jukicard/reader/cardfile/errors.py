"""What can be wrong with a card file, each by its own name.

No message holds a key or a cell's content.  All of them are `StoreError`s, so the chip answers 6581 to any
that a commit raises.
"""

# ruff: noqa: N818 - the names say what happened, as a person would: NotACardFile, WrongStorageKey

from __future__ import annotations

from jukicard.card.errors import StoreError


class CardFileError(StoreError):
    """Anything that goes wrong with a card file; `path` says with which."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(path, what)  # both, so that copies and pickles are whole
        self.path = path
        self.what = what

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


class CardFileMissing(CardFileError):
    """There is no file at this path, or its folder does not exist."""


class CardFileExists(CardFileError):
    """A file stands where a new card file was to be made; it was left alone."""


class NotACardFile(CardFileError):
    """The file is something else, or its first page is ruined."""


class UnsupportedSchema(CardFileError):
    """The file was made by a newer version; `what` names both schema versions."""


class WrongStorageKey(CardFileError):
    """The storage key given is not the one this card file was made with."""


class WrongPassphrase(WrongStorageKey):
    """The passphrase given is not the one that the card was exported with."""


class CardFileDamaged(CardFileError):
    """The file is not what was last written: edited, truncated, or put together from several times or cards.

    `part` says where it shows: "database", "schema", "header", "cell 7" (cells are numbered; which one it
    was, only its ciphertext knew), "root" (each cell is genuine, but they do not belong together) or
    "journal".
    """

    def __init__(self, path: str, part: str, what: str) -> None:
        super().__init__(path, f"damaged ({part}): {what}")
        self.args = (path, part, what)
        self.part = part


class CardFileLogLost(CardFileDamaged):
    """The file was not closed, and its log with the newest commits is gone; `accept_lost_log` opens it."""


class CardFileRolledBack(CardFileError):
    """The file is whole, but older than the state that the caller knows it has reached."""


class CardFileBusy(CardFileError):
    """Another opener, here or in another process, has the card."""


class CardFileReadOnly(CardFileError):
    """The file or its folder cannot be written; a chip cannot work without writing its counters."""


class CardFileDiskFailed(CardFileError):
    """The disk is full or failing.  The card stands as before, unless `what` says to open it again."""


class CardFileClosed(CardFileError):
    """The card file was closed; nothing can be read or written through this object."""
