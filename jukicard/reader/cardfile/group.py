"""New card files by the group: made in memory, each written once, and the disk waited for once for all.

A single card's file is made by SQLite on the disk (`CardFile.create`), which waits several times.  An issuing line that
has finished its cards in memory needs none of these waits: it wants the files of a group to be there for certain before
the group counts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from typing import NamedTuple

from jukicard.reader.cardfile import database
from jukicard.reader.cardfile.disk import LocalDisk, naming_errors
from jukicard.reader.cardfile.file import Randomness, check_new, draft_of
from jukicard.reader.cardfile.sealing import Sealer


class NewCard(NamedTuple):
    """A card file to be: its name in the folder, the card's cells, and the card identifier (see `CardFile.create`)."""

    name: str
    cells: Mapping[str, bytes]
    card_id: bytes


def write_card_files(
    folder: str | os.PathLike[str],
    storage_key: bytes,
    cards: Sequence[NewCard],
    *,
    random: Randomness = os.urandom,
) -> None:
    """Write card files into a folder: all of them are there, durably, when this returns.

    Each appears under its name whole or not at all, mode 0600, as valid as one made by `CardFile.create`; a file that
    stands there is never replaced.  ValueError for what cannot be a card file and for a name with a folder in it,
    otherwise `CardFileExists`, `CardFileDiskFailed` or another `CardFileError`: none of the group is left behind then.
    After a power cut any of them may be there, each whole: the caller, whose books do not have them, removes them.
    """
    with closing(database.in_memory()) as memory, _Group(os.fspath(folder)) as group:
        for card in cards:
            if not card.name or os.path.basename(card.name) != card.name:
                raise ValueError("a card file of a group has a plain name")
            check_new(card.cells, card.card_id)
            group.write(card.name, database.image(memory, Sealer(storage_key, card.card_id, random), card.cells))
        group.publish()


class _Group:
    """The files of a group on their way: drafts first, then under their names."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._disk = LocalDisk()
        self._drafts: dict[str, str] = {}
        self._named: list[str] = []

    def __enter__(self) -> _Group:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Take the drafts away, and where something failed, all of the group."""
        for path in (*self._drafts.values(), *(self._named if kind else ())):
            with suppress(OSError):
                self._disk.remove(path)

    def write(self, name: str, content: bytes) -> None:
        """Write one draft."""
        path = os.path.join(self._folder, name)
        with naming_errors(path):
            if path in self._drafts:
                raise FileExistsError(name)
            draft = draft_of(path)
            self._drafts[path] = draft
            self._disk.write(draft, content)

    def publish(self) -> None:
        """Wait for the drafts, give them their names, wait for these: no name is ever on half a file."""
        for path, draft in self._drafts.items():
            with naming_errors(path):
                self._disk.settle(draft)
        for path, draft in self._drafts.items():
            with naming_errors(path):
                self._disk.name(draft, path)
                self._named.append(path)
        with naming_errors(self._folder):
            self._disk.settle(self._folder)
