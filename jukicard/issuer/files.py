"""Files of the home: written whole or not at all, private where they must be, one writer at a time."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from jukicard.issuer.errors import HomeDamaged, HomeExists, IssuerError

PRIVATE_FILE = 0o600
PRIVATE_DIRECTORY = 0o700


def write_atomically(path: Path, content: bytes, mode: int = PRIVATE_FILE) -> None:
    """Replace a file by new content: after a crash at any moment the old or the new stands there, whole.

    The new content is on the disk before the name points to it, and the name before this returns. Raises
    IssuerError.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise IssuerError(f"{path} cannot be written: {error.strerror}") from error
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_file(path: Path, maximum: int = 1 << 22) -> bytes:
    """Read a file of the home. Raises HomeDamaged if that fails or it is longer than `maximum` bytes."""
    try:
        with path.open("rb") as file:
            content = file.read(maximum + 1)
    except OSError as error:
        raise HomeDamaged(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > maximum:
        raise HomeDamaged(f"{path} is too large")
    return content


def read_private(path: Path, maximum: int = 1 << 22) -> bytes:
    """Like `read_file`, and refuse a file that anybody but its owner may open."""
    check_private(path)
    return read_file(path, maximum)


def check_private(path: Path) -> None:
    """Raise HomeDamaged unless the file is there and only its owner may open it."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise HomeDamaged(f"{path} cannot be read: {error.strerror}") from error
    if stat.S_IMODE(mode) & 0o077:
        raise HomeDamaged(f"{path} must be private: its mode must be 0600")


def _lock_name(name: str) -> str:
    return f".{name}.lock"


@contextmanager
def one_writer(path: Path) -> Iterator[None]:
    """Wait for, and hold, the lock beside `path`; the system releases it when its process dies."""
    try:
        descriptor = os.open(path.with_name(_lock_name(path.name)), os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
    except OSError as error:
        raise IssuerError(f"{path} cannot be locked: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def new_directory(path: Path, keep: Collection[str] = ()) -> Iterator[Path]:
    """Build a private directory beside `path`, and give it its name only when the block has succeeded.

    What may stand there before: nothing, an empty directory, or one with only the files `keep`, which the
    new one then has from the start. Raises HomeExists if anything else stands there, before or after.
    """
    _check_vacant(path, keep)
    building = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        building.mkdir(mode=PRIVATE_DIRECTORY)
    except OSError as error:
        raise IssuerError(f"{path} cannot be made: {error.strerror}") from error
    try:
        for name in keep:
            if (path / name).exists():
                write_atomically(building / name, (path / name).read_bytes())
        yield building
        sync_directory(building)
        _check_vacant(path, keep)
        _put_in_place(building, path)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    sync_directory(path.parent)


def _check_vacant(path: Path, keep: Collection[str]) -> None:
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise HomeExists(f"{path} exists already")
    allowed = {*keep, *map(_lock_name, keep)}
    if path.is_dir() and any(child.name not in allowed for child in path.iterdir()):
        raise HomeExists(f"{path} exists already, and is not empty")


def _put_in_place(building: Path, path: Path) -> None:
    """Rename; a directory in its place steps aside first, and comes back if that fails."""
    if not path.exists():
        building.rename(path)
        return
    aside = building.with_name(f"{building.name}.old")
    path.rename(aside)
    try:
        building.rename(path)
    except OSError:
        aside.rename(path)
        raise
    shutil.rmtree(aside)
