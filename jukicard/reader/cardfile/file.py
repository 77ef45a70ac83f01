"""A card's store in one file: `CardFile`."""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Self

from jukicard.reader.cardfile import database
from jukicard.reader.cardfile.disk import Disk, LocalDisk, naming_errors
from jukicard.reader.cardfile.engine import Engine, attach, check_name
from jukicard.reader.cardfile.errors import CardFileDiskFailed, CardFileMissing
from jukicard.reader.cardfile.sealing import Sealer

LONGEST_CARD_ID = 64

Randomness = Callable[[int], bytes]
"""Gives as many unpredictable bytes as asked for."""

StorageKey = bytes | Callable[[bytes], bytes]
"""32 bytes, or what gives them for a card identifier."""

NotBefore = int | Callable[[bytes], int]
"""A number of commits that a card has reached, or what gives it for a card identifier."""

_LOCAL_DISK = LocalDisk()


class CardFile:
    """A `Store` in an encrypted, authenticated SQLite file that survives power cuts (`docs/card-file.md`).

    Whoever opens it has it alone until `close`.  All errors are `CardFileError`s.  A file that is dropped
    unclosed is closed when it is collected or Python ends.  Calls must not overlap; they may come from
    different threads, not from a forked child.
    """

    __slots__ = ("__weakref__", "_contents", "_engine", "_finalizer")

    def __init__(self, engine: Engine) -> None:
        """Use `create` or `open`."""
        self._engine = engine
        self._contents = engine.contents
        self._finalizer = weakref.finalize(self, engine.close)

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        storage_key: bytes,
        cells: Mapping[str, bytes],
        *,
        card_id: bytes,
        random: Randomness = os.urandom,
        disk: Disk = _LOCAL_DISK,
    ) -> CardFile:
        """Make a new card file with these cells, and open it.

        `storage_key` has 32 bytes.  `card_id` (1-64 bytes) can be read without the key; draw it at random
        (16 bytes), since the keys of two files that share both key and identifier are the same.  The file
        appears under `path` whole or not at all, mode 0600; a file that stands there is never replaced
        (`CardFileExists`).
        """
        name = os.fspath(path)
        check_new(cells, card_id)
        sealer = Sealer(storage_key, card_id, random)
        draft = draft_of(name)
        with naming_errors(name):
            disk.reserve(draft)
            try:
                connection = disk.connect(draft)
                try:
                    database.initialise(connection, sealer, cells)
                finally:
                    connection.close()
                if disk.size(draft + "-wal") is not None:
                    raise CardFileDiskFailed(name, "the new card could not be brought into one file")
                disk.publish(draft, name)
            finally:
                # A draft that stays behind is only litter: encrypted, and under a name that nobody opens.
                with contextlib.suppress(OSError):
                    for rest in ("", "-wal", "-journal"):
                        disk.remove(draft + rest)
        return cls.open(name, storage_key, random=random, disk=disk)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        storage_key: StorageKey,
        *,
        not_before: NotBefore = 0,
        accept_lost_log: bool = False,
        random: Randomness = os.urandom,
        disk: Disk = _LOCAL_DISK,
    ) -> CardFile:
        """Open a card file and verify every cell of it.  A file that is refused is left as it is.

        `not_before` is a number of `commits` that the caller knows the card has reached: an older copy is
        then refused (`CardFileRolledBack`).  Both may be functions of the card identifier, which is then what the
        file says, unproven; they may be asked several times.  `accept_lost_log` takes a card whose log was lost
        with its newest commits, at the owner's word. Raises `CardFileMissing`, `NotACardFile`,
        `UnsupportedSchema`, `WrongStorageKey`, `CardFileDamaged` (`CardFileLogLost`), `CardFileBusy`,
        `CardFileReadOnly` or `CardFileDiskFailed`.
        """
        name = os.fspath(path)

        def sealer(card_id: bytes) -> Sealer:
            return Sealer(storage_key(card_id) if callable(storage_key) else storage_key, card_id, random)

        def reached(card_id: bytes) -> int:
            return not_before(card_id) if callable(not_before) else not_before

        with naming_errors(name):
            unlock = disk.lock(name)
        try:
            return cls(attach(disk, name, sealer, unlock, not_before=reached, accept_lost_log=accept_lost_log))
        except BaseException:
            unlock()
            raise

    def read(self, cell: str) -> bytes | None:
        """Return the content of `cell`, or None where there is no such cell."""
        if self._engine.refusal is not None:
            raise self._engine.refusal
        return self._contents.get(cell)

    def cells(self, prefix: str = "") -> Iterable[str]:
        """Return the names of all cells that start with `prefix`, sorted."""
        if self._engine.refusal is not None:
            raise self._engine.refusal
        return self._engine.names.under(prefix)

    def commit(self, changes: Mapping[str, bytes | None], *, durable: bool = True) -> None:
        """Write all `changes` at once; None removes a cell.  Returns when the disk has them.

        With ``durable=False`` it does not wait for the disk: a power cut (not the end of this process) may
        then lose this commit, and those after it up to the next durable one; it never tears or reorders
        them. Raises a `CardFileError`; nothing has changed then.  Should the failed commit's end be
        unknown, everything else on this object is refused too, until the file is opened again.
        """
        self._engine.commit(changes, durable)

    def snapshot(self) -> dict[str, bytes]:
        """Return a copy of every cell, for comparing and for `create` under another key."""
        if self._engine.refusal is not None:
            raise self._engine.refusal
        return dict(self._contents)

    @property
    def commits(self) -> int:
        """How many commits the card has seen, its creation and its closings after use included."""
        return self._engine.header.commits

    @property
    def settled(self) -> int | None:
        """How many commits the closed file holds for certain, on the disk; None before it was closed, or where closing
        could not bring everything into the one file.
        """
        return self._engine.settled

    @property
    def card_id(self) -> bytes:
        """The card identifier, which the storage key has proved to be the card's."""
        return self._engine.card_id

    @property
    def path(self) -> str:
        """The path that it was opened by."""
        return self._engine.path

    def close(self) -> None:
        """Close the file, which is then one file again; closing twice does nothing."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"CardFile({self._engine.path!r}, {self._engine.header.commits} commits)"


def check_new(cells: Mapping[str, bytes], card_id: bytes) -> None:
    """Refuse (ValueError) what cannot become a card file."""
    if not 0 < len(card_id) <= LONGEST_CARD_ID:
        raise ValueError(f"a card identifier has 1 to {LONGEST_CARD_ID} bytes")
    for cell in cells:
        check_name(cell)


def draft_of(name: str) -> str:
    """Return a name, beside `name`, under which a file is made before it gets its own."""
    folder, base = os.path.split(name)
    return os.path.join(folder, f".{base}.{os.urandom(6).hex()}.new")


def card_id_of(path: str | os.PathLike[str]) -> bytes:
    """Return the card identifier in a file of this machine: no key, no proof; changes and locks nothing."""
    name = os.fspath(path)
    disk = LocalDisk()
    if disk.size(name) is None:
        raise CardFileMissing(name, "there is no such file")
    with naming_errors(name), contextlib.closing(disk.peek(name)) as connection:
        return database.identify(connection, name)[0]
