"""How far each card file is known to have come: the anchor outside the files that an older copy is noticed by.

One small SQLite database in the home, `anchors.sqlite`: for each card identifier the highest number of commits with
which its file was ever closed.  A number is noted after the file was closed, so it is never ahead of the file; what
happened after the last closing is not anchored.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from jukicard.issuer.errors import HomeDamaged
from jukicard.issuer.files import PRIVATE_FILE

ANCHORS_FILE = "anchors.sqlite"
PATIENCE_SECONDS = 5.0
"""How long another program may hold the file; it does for milliseconds."""

_TABLE = "CREATE TABLE IF NOT EXISTS anchors (card_id BLOB PRIMARY KEY, commits INTEGER NOT NULL) WITHOUT ROWID"
_PUT = "INSERT INTO anchors VALUES (?1, ?2) ON CONFLICT (card_id) DO UPDATE SET commits = "


class Anchors:
    """The anchors in a file, which is made with the first note.  All methods raise HomeDamaged."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def reached(self, card_id: bytes) -> int:
        """Return the highest number of commits noted for that card; 0 at first sight."""
        if not self.path.exists():
            return 0
        with self._opened(writing=False) as connection:
            row = connection.execute("SELECT commits FROM anchors WHERE card_id = ?", (card_id,)).fetchone()
        return 0 if row is None else int(row[0])

    def note(self, card_id: bytes, commits: int) -> None:
        """Note that the card's file was closed with so many commits; a lower number than the one noted does nothing."""
        if commits > self.reached(card_id):
            self._put("max(commits, ?2)", card_id, commits)

    def accept(self, card_id: bytes, commits: int) -> None:
        """Take this number for the card's, even if it is lower, at the owner's word."""
        self._put("?2", card_id, commits)

    def _put(self, value: str, card_id: bytes, commits: int) -> None:
        with self._opened(writing=True) as connection:
            connection.execute(_PUT + value, (card_id, commits))

    @contextmanager
    def _opened(self, *, writing: bool) -> Iterator[sqlite3.Connection]:
        """Open the file; to be written even for reading, so that a note that was cut off is undone, if that can be."""
        mode = "rw" if writing or (os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK)) else "ro"
        try:
            if writing:
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE))
            uri = f"file://{quote(os.path.abspath(self.path))}?mode={mode}"
            with closing(sqlite3.connect(uri, uri=True, timeout=PATIENCE_SECONDS, isolation_level=None)) as connection:
                if mode == "rw":
                    connection.execute(_TABLE)
                yield connection
        except (OSError, sqlite3.Error) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise HomeDamaged(f"{self.path} cannot be used: {why}") from error
