"""Where card files lie: the few things that a card file asks of a disk, and the real disk.

A port, so that the tests can run the very same card file on a disk that loses power at any write.  Methods
raise `OSError` and `sqlite3.Error`; `naming_errors` turns both into the card file's own errors.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from jukicard.reader.cardfile.errors import (
    CardFileBusy,
    CardFileDamaged,
    CardFileDiskFailed,
    CardFileError,
    CardFileExists,
    CardFileMissing,
    CardFileReadOnly,
    NotACardFile,
)


class Cursor(Protocol):
    """What is used of `sqlite3.Cursor`."""

    def fetchall(self) -> list[Any]:
        """Return all rows."""


class Connection(Protocol):
    """What is used of `sqlite3.Connection`, in autocommit mode; it raises `sqlite3.Error`."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""

    def execute(self, sql: str, parameters: Sequence[int | bytes] = ..., /) -> Cursor:
        """Run one statement."""

    def close(self) -> None:
        """Close; SQLite then copies a write-ahead log into the database and removes it."""


class Disk(Protocol):
    """The port: a disk with files, and SQLite upon it.  `LocalDisk` is the real one."""

    def connect(self, path: str) -> Connection:
        """Open the SQLite database in the existing file `path`."""

    def lock(self, path: str) -> Callable[[], None]:
        """Take the existing, writable file for this opener alone; call the result to give it back."""

    def size(self, path: str) -> int | None:
        """Return the size in bytes, or None where there is no such file."""

    def reserve(self, path: str) -> None:
        """Make an empty file that only its owner may read; there must not be any."""

    def publish(self, draft: str, path: str) -> None:
        """Give `draft` the name `path`, at once and durably; there must not be such a file."""

    def remove(self, path: str) -> None:
        """Remove a file, if there is one."""

    def rehearse(self, path: str, *, log: bool) -> AbstractContextManager[str]:
        """Copy the file, and its write-ahead log if asked, to a private place for a while; gives the copy's path."""


class LocalDisk:
    """Files of this machine (a local file system with POSIX locks)."""

    def connect(self, path: str) -> sqlite3.Connection:
        """Open the SQLite database in the existing file `path`."""
        # psow=0: do not trust the disk to leave a sector's other bytes alone when power fails while it
        # writes some of them. SQLite then fills its log up to the end of the sector at each durable commit
        # (and is no slower for it).
        uri = f"file://{quote(os.path.abspath(path))}?mode=rw&psow=0"
        return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=0, check_same_thread=False)

    def peek(self, path: str) -> sqlite3.Connection:
        """Open the SQLite database in `path` for reading what never changes: no locks, no log."""
        return sqlite3.connect(
            f"file://{quote(os.path.abspath(path))}?mode=ro&immutable=1", uri=True, isolation_level=None
        )

    def lock(self, path: str) -> Callable[[], None]:
        """Take the file for this opener alone.

        SQLite's own locks are lost as soon as anybody in this process opens and closes the file (POSIX);
        this one is not.
        """
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise OSError(errno.EISDIR, "not a regular file")
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.access(os.path.dirname(os.path.abspath(path)), os.W_OK):
                raise PermissionError(errno.EACCES, "the folder cannot be written")
        except BaseException:
            os.close(handle)
            raise
        return lambda: os.close(handle)

    def size(self, path: str) -> int | None:
        """Return the size in bytes, or None where there is no such file."""
        try:
            return os.stat(path).st_size
        except FileNotFoundError:
            return None

    def reserve(self, path: str) -> None:
        """Make an empty file, mode 0600 from the start."""
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))

    def publish(self, draft: str, path: str) -> None:
        """Give `draft` the name `path` and wait for the folder."""
        self.name(draft, path)
        try:
            self.settle(os.path.dirname(os.path.abspath(path)))
        except OSError:
            self.remove(path)
            raise

    def write(self, path: str, content: bytes) -> None:
        """Write a new file, mode 0600 from the start, without waiting for the disk."""
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(handle, "wb") as file:
            file.write(content)

    def settle(self, path: str) -> None:
        """Wait until the disk has a file, or what names there are in a folder."""
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def name(self, draft: str, path: str) -> None:
        """Give `draft` the name `path` (a hard link, which never replaces a file), without waiting for the disk."""
        try:
            os.link(draft, path)
        except OSError as error:
            # FAT and some network file systems have no links. A rename would replace, so look first.
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
                raise
            if os.path.lexists(path):
                raise FileExistsError(errno.EEXIST, "a file of this name exists") from None
            os.rename(draft, path)

    def remove(self, path: str) -> None:
        """Remove a file, if there is one."""
        Path(path).unlink(missing_ok=True)

    @contextmanager
    def rehearse(self, path: str, *, log: bool) -> Iterator[str]:
        """Copy the file, and its write-ahead log if asked, into a new folder that only its owner may enter."""
        with tempfile.TemporaryDirectory(prefix="jukicard-") as folder:
            copy = os.path.join(folder, "card")
            for end in ("", "-wal") if log else ("",):
                shutil.copyfile(path + end, copy + end)
            yield copy


@contextmanager
def naming_errors(path: str) -> Iterator[None]:
    """Turn errors of the disk and of SQLite into a `CardFileError` about `path`."""
    try:
        yield
    except OSError as error:
        raise _of_disk(path, error) from error
    except sqlite3.Error as error:
        raise of_database(path, error) from error


def _of_disk(path: str, error: OSError) -> CardFileError:
    what = os.strerror(error.errno) if error.errno else "the disk refuses"
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return CardFileMissing(path, "there is no such file, or no such folder")
        case FileExistsError():
            return CardFileExists(path, "a file of this name exists; it was left alone")
        case BlockingIOError():
            return CardFileBusy(path, "the card is in use: another program has opened its file")
        case IsADirectoryError():
            return NotACardFile(path, "not a card file, not even a regular file")
        case PermissionError():
            return CardFileReadOnly(path, "the file and its folder must be writable")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return CardFileReadOnly(path, f"the file and its folder must be writable ({what})")
    return CardFileDiskFailed(path, f"the disk failed ({what})")


def of_database(path: str, error: sqlite3.Error) -> CardFileError:
    """Return the card file's name for what SQLite reports."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    if code == sqlite3.SQLITE_IOERR_SHORT_READ:
        return CardFileDamaged(path, "database", "shorter than it says it is")
    match code & 0xFF:
        case sqlite3.SQLITE_NOTADB:
            return NotACardFile(path, "not a card file")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return CardFileBusy(path, "the card is in use: another program has opened its file")
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return CardFileReadOnly(path, f"the file and its folder must be writable ({error})")
        case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_NOMEM:
            return CardFileDiskFailed(path, f"the disk is full or failing ({error})")
    return CardFileDamaged(path, "database", str(error))
