"""What every command shares: the home, the passwords' sources, the card at hand, the clock and the randomness."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jukicard.commands.passwords import Source

if TYPE_CHECKING:  # the real imports are in the methods: most commands need but a few of these
    from jukicard.commands.attendance import Attendance
    from jukicard.iso7816.connection import CardConnection
    from jukicard.issuer.authority.anchors import Anchors
    from jukicard.issuer.authority.authority import Authority
    from jukicard.issuer.keys.places import Token
    from jukicard.issuer.operators.session import FourEyes, OperatorSession
    from jukicard.reader.cardfile import CardFile
    from jukicard.reader.chips import CardFileChip
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
    passphrase_file: Path | None = None
    passphrase_fd: int | None = None
    attendance: Attendance | None = None
    staff_source: Source | None = None
    facts: dict[str, object] = field(default_factory=dict)
    _derived: dict[bytes, bytes] = field(default_factory=dict, repr=False)

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
        from jukicard.issuer.keys.storagekey import STORAGE_KEY_FILE, load_storage_key

        return load_storage_key(self.storage_key_file or self.home / STORAGE_KEY_FILE)

    def new_storage_key(self) -> bytes:
        """The same, made if it is not there yet, in a home of mode 0700."""
        from jukicard.issuer.keys.storagekey import STORAGE_KEY_FILE, ensure_storage_key

        if self.storage_key_file is None:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return ensure_storage_key(self.storage_key_file or self.home / STORAGE_KEY_FILE)

    @property
    def passphrase(self) -> Source:
        """Where the passphrase of an exported card comes from."""
        return Source("passphrase", "Passphrase", self.passphrase_file, self.passphrase_fd)

    def card_key(self, card_id: bytes) -> bytes:
        """The key of the card file with this identifier: of an exported one from its passphrase, else the storage key.

        The passphrase is asked for once.  HomeDamaged, UsageError.
        """
        from jukicard.reader.cardfile import derive_storage_key, is_exported

        if not is_exported(card_id):
            return self.storage_key()
        if card_id not in self._derived:
            self._derived[card_id] = derive_storage_key(self.passphrase.read(), card_id)
        return self._derived[card_id]

    def anchors(self, card_id: bytes) -> Anchors | None:
        """The home's anchors, for a card that it keeps any for: an exported card may be put back by whoever got it."""
        from jukicard.issuer.authority.anchors import ANCHORS_FILE, Anchors
        from jukicard.reader.cardfile import is_exported

        return None if is_exported(card_id) or not self.home.is_dir() else Anchors(self.home / ANCHORS_FILE)

    def chip(self, path: Path) -> CardFileChip:
        """Open the chip in a card file; an older copy of a file that the home has seen is refused.  CardFileError."""
        from jukicard.reader.chips import CardFileChip

        random = self.world.chip_random
        with _advised():
            return CardFileChip(path, self.card_key, not_before=self._reached, closed=self._note, random=random)

    @contextmanager
    def card_file(self, path: Path) -> Iterator[CardFile]:
        """The same for the file itself, without power for the chip."""
        from jukicard.reader.cardfile import CardFile

        with _advised():
            card = CardFile.open(path, self.card_key, not_before=self._reached, random=self.world.chip_random)
        with card:
            yield card
        self._note(card)

    def _reached(self, card_id: bytes) -> int:
        anchors = self.anchors(card_id)
        return 0 if anchors is None else anchors.reached(card_id)

    def _note(self, card: CardFile) -> None:
        """Anchor a closed card file.  Where that fails, the card is none the worse for it: a warning."""
        from jukicard.issuer.errors import HomeDamaged

        anchors = self.anchors(card.card_id)
        if anchors is None or card.settled is None:
            return
        try:
            anchors.note(card.card_id, card.settled)
        except HomeDamaged as error:
            click.echo(f"Warning: an older copy of {card.path} would not be noticed: {error}", err=True)

    def token(self) -> Token | None:
        """The PKCS#11 token that has the keys of the home's authority; None if none has, or there is no authority."""
        from jukicard.issuer.authority.description import Description
        from jukicard.issuer.errors import HomeDamaged

        try:
            return Description.read(self.home).place.token
        except HomeDamaged:  # told by what needs the authority
            return None

    @contextmanager
    def authority(self, password: str | None) -> Iterator[Authority]:
        """Open the authority in the home, without a password its public parts."""
        from jukicard.issuer.authority.authority import Authority

        with Authority.open(self.home, password, random=self.world.random) as authority:
            yield authority

    @contextmanager
    def operator(self, authority: Authority) -> Iterator[OperatorSession | FourEyes | None]:
        """Log the operators in that the command needs, as the authority's signer; None in a home without operators.

        The command declares what they need (`attendance.operator_options`).  OperatorNeeded, OperatorRefused.
        """
        from jukicard.commands.attendance import attended

        with attended(self, authority) as there:
            authority.signer = there
            try:
                yield there
            finally:
                authority.signer = None

    @contextmanager
    def office(self) -> Iterator[Authority]:
        """Open the authority for what writes books without a key, its operators logged in where it has any.

        The command declares what they need (`attendance.office_options`).
        """
        if self.staff_source is None:
            raise RuntimeError("a command that declares no permission asks for an operator")
        with self.authority(self.staff_password(self.staff_source)) as authority, self.operator(authority):
            yield authority

    def staff_password(self, source: Source) -> str | None:
        """The authority's password, for what needs it only where operators log in: their terminal's key does."""
        from jukicard.issuer.operators.register import Operators

        with self.authority(None) as public:
            return source.read() if Operators(public).are_needed else None

    @contextmanager
    def card(self, spec: ReaderSpec) -> Iterator[CardConnection]:
        """Connect to the card at a place, and let it go at the end.  TransportError, CardFileError."""
        from jukicard.iso7816.errors import CardStatusError
        from jukicard.iso7816.status import StatusWord
        from jukicard.reader.spec import EmulatorSpec

        connection = self.connect(spec)
        try:
            yield connection
        except CardStatusError as error:
            if error.sw is StatusWord.MEMORY_FAILURE and isinstance(spec, EmulatorSpec):
                error.add_note(f"{spec.path} could not be written: the disk is full or failing. The card is as before.")
            raise
        finally:
            connection.close()

    def connect(self, spec: ReaderSpec) -> CardConnection:
        """The same, for whoever closes the connection himself."""
        from jukicard.reader.spec import EmulatorSpec

        if isinstance(spec, EmulatorSpec):
            from jukicard.reader.chips import CardFileConnection

            return CardFileConnection(self.chip(spec.path), spec.interface)
        from jukicard.iso7816.wrappers import T0Rules
        from jukicard.reader.pcsc import open_pcsc

        connection = open_pcsc(spec.name)
        return T0Rules(connection) if connection.protocol == 0 else connection


@contextmanager
def _advised() -> Iterator[None]:
    """Say what the owner of a refused card file can do about it."""
    from jukicard.reader import cardfile

    try:
        yield
    except (cardfile.CardFileRolledBack, cardfile.CardFileLogLost) as error:
        error.add_note(f"If this is meant, for example a backup: juki chip accept {shlex.quote(error.path)}")
        raise
    except cardfile.WrongPassphrase:
        raise
    except cardfile.WrongStorageKey as error:
        error.add_note("A card from elsewhere needs its --storage-key FILE; better let it be exported, and import it.")
        raise


pass_session = click.make_pass_decorator(Session)
