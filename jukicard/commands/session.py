"""What every command shares: the home, the passwords' sources, the card at hand, the clock and the randomness."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:  # the real imports are in the methods: most commands need but a few of these
    from jukicard.iso7816.connection import CardConnection
    from jukicard.issuer.authority import Authority
    from jukicard.reader.spec import ReaderSpec

Randomness = Callable[[int], bytes]

HOME_VARIABLE = "JUKI_HOME"
READER_VARIABLE = "JUKI_READER"


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class World:
    """Where randomness and time come from; tests bring their own."""

    random: Randomness = os.urandom
    chip_random: Randomness = os.urandom
    now: Callable[[], datetime] = _now

    @property
    def today(self) -> date:
        """The day here."""
        return self.now().astimezone().date()


@dataclass(slots=True)
class Session:
    """One run of the command line.

    `facts` are what a command has established so far, for the JSON of an error that comes after.
    """

    world: World = field(default_factory=World)
    home_given: Path | None = None
    storage_key_file: Path | None = None
    facts: dict[str, object] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """The authority's home: as given, by JUKI_HOME, or the platform's place for a user's data."""
        if self.home_given is not None:
            return self.home_given
        if os.environ.get(HOME_VARIABLE):
            return Path(os.environ[HOME_VARIABLE])
        import platformdirs

        return platformdirs.user_data_path("jukicard", appauthor=False)

    def storage_key(self) -> bytes:
        """The key that card files are sealed with: from --storage-key, else from the home.  HomeDamaged."""
        from jukicard.issuer.storagekey import STORAGE_KEY_FILE, load_storage_key

        return load_storage_key(self.storage_key_file or self.home / STORAGE_KEY_FILE)

    def new_storage_key(self) -> bytes:
        """The same, made if it is not there yet, in a home of mode 0700."""
        from jukicard.issuer.storagekey import STORAGE_KEY_FILE, ensure_storage_key

        if self.storage_key_file is None:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return ensure_storage_key(self.storage_key_file or self.home / STORAGE_KEY_FILE)

    @contextmanager
    def authority(self, password: str | None) -> Iterator[Authority]:
        """Open the authority in the home, without a password its public parts."""
        from jukicard.issuer.authority import Authority

        with Authority.open(self.home, password, random=self.world.random) as authority:
            yield authority

    @contextmanager
    def card(self, spec: ReaderSpec) -> Iterator[CardConnection]:
        """Connect to the card at a place, and let it go at the end.  TransportError, CardFileError."""
        connection = self._connect(spec)
        try:
            yield connection
        finally:
            connection.close()

    def _connect(self, spec: ReaderSpec) -> CardConnection:
        from jukicard.reader.spec import EmulatorSpec

        if isinstance(spec, EmulatorSpec):
            from jukicard.reader.chips import CardFileChip, CardFileConnection

            chip = CardFileChip(spec.path, self.storage_key(), random=self.world.chip_random)
            return CardFileConnection(chip, spec.interface)
        from jukicard.iso7816.wrappers import T0Rules
        from jukicard.reader.pcsc import open_pcsc

        connection = open_pcsc(spec.name)
        return T0Rules(connection) if connection.protocol == 0 else connection


pass_session = click.make_pass_decorator(Session)
