"""The demo's folder: made anew on each run, and never at the cost of anything that is not a former demo's."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from jukicard.commands.demo.errors import FolderRefused

MARKER = ".juki-demo"
_MARKER_TEXT = b"This folder was made by `juki demo`. The next run replaces what the demo made here.\n"
_PRIVATE = 0o700
_SECRET_FILE = 0o600


@dataclass(frozen=True, slots=True)
class DemoFolder:
    """Where the demo keeps its files.  `path` is as the user wrote it, so that commands can be printed with it."""

    path: Path

    @property
    def home(self) -> Path:
        """The authority of the story's municipality."""
        return self.path / "home"

    @property
    def national(self) -> Path:
        """The TEST national root."""
        return self.path / "national"

    @property
    def next_city(self) -> Path:
        """The authority of another municipality under the same national root."""
        return self.path / "next-city"

    @property
    def forger(self) -> Path:
        """What a forger sets up: an authority with a national root of its own."""
        return self.path / "forger"

    @property
    def records(self) -> Path:
        """Residents' records."""
        return self.path / "records"

    @property
    def cards(self) -> Path:
        """Card files: the genuine one, and the forged ones."""
        return self.path / "cards"

    @property
    def traces(self) -> Path:
        """What passed between terminals and cards, decoded and redacted."""
        return self.path / "traces"

    @property
    def passwords(self) -> Path:
        """The demo's passwords, one in a file (0600), for commands to be tried afterwards."""
        return self.path / "passwords"

    @property
    def transcript(self) -> Path:
        """The story as it was told."""
        return self.path / "demo.log"

    def prepare(self) -> None:
        """Make the folder, or clear a former demo's out of it.  FolderRefused if it holds anything else."""
        if self.path.exists() and not self.path.is_dir():
            raise FolderRefused(f"{self.path} is not a folder")
        self.path.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        if any(self.path.iterdir()) and not self._is_demo():
            raise FolderRefused(f"{self.path} holds files that no demo made; choose another folder")
        (self.path / MARKER).write_bytes(_MARKER_TEXT)
        for made in self._made():
            _remove(made)
        for folder in (self.records, self.cards, self.traces, self.passwords):
            folder.mkdir(mode=_PRIVATE)

    def write_secret(self, name: str, secret: str) -> None:
        """Keep a password of the story in a file that only its owner may read."""
        descriptor = os.open(self.passwords / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _SECRET_FILE)
        with os.fdopen(descriptor, "w") as file:
            file.write(secret + "\n")

    def _is_demo(self) -> bool:
        marker = self.path / MARKER
        return marker.is_file() and not marker.is_symlink() and marker.read_bytes() == _MARKER_TEXT

    def _made(self) -> tuple[Path, ...]:
        """Everything that a demo makes here, and nothing that a user may have put beside it."""
        return (
            self.home,
            self.national,
            self.next_city,
            self.forger,
            self.records,
            self.cards,
            self.traces,
            self.passwords,
            self.transcript,
        )


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
