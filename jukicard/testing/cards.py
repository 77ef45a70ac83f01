"""Specimen cards: one of every kind, as a connection in this process together with what there is to know about it.

    with Specimens(folder) as specimens:
        card = specimens.make(Kind.ACTIVE)
        card.transmit(bytes.fromhex("00A4040000"))      # a CardConnection
        card.authority.anchor(Area.JUKI)                # what a terminal trusts
        card.authenticate()                             # what our own terminal makes of it

Every kind is made once, by the real issuing machine and the real terminals, and copied from then on. All randomness
comes from a seed: two specimens of one kind and seed are the same to the last bit, and so are their answers.  Only the
JPKI's CA has a new key in each session, and with it other certificates; the cards' RSA keys come from a fixed pool.
"""

from __future__ import annotations

import datetime as dt
import itertools
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from jukicard.applets.gp.layout import ISSUER_DOMAIN_AID, municipal_domain_aid
from jukicard.applets.jpki.layout import Profile, Usage
from jukicard.applets.juki.layout import PASSWORD as PASSWORD_REFERENCE
from jukicard.card.card import Card
from jukicard.card.store import MemoryStore
from jukicard.iso7816.connection import ConnectionWrapper
from jukicard.iso7816.errors import PasswordBlocked, PasswordWrong
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.description import City
from jukicard.issuer.authority.national import NationalRoot
from jukicard.issuer.authority.terminals import Area
from jukicard.issuer.counter.authentication import Authentication, CardDialogue, authenticate
from jukicard.issuer.counter.enrolment import Application, Enrolment
from jukicard.issuer.counter.issueraccess import IssuerAccess
from jukicard.issuer.counter.lifecycle import Change, change_card
from jukicard.issuer.jpki.authority import CertificateAuthority
from jukicard.issuer.records.resident import ResidentRecord
from jukicard.reader.cardfile import CardFile
from jukicard.reader.chip import Interface
from jukicard.reader.emulator import EmulatorConnection
from jukicard.testing import offices
from jukicard.testing.apps import LoadedApplication
from jukicard.testing.forging import Forgery, certified_by, copied, forge
from jukicard.testing.hidden import Hidden
from jukicard.testing.offices import Office, Offices, Setting, Stage
from jukicard.testing.readers import PulledReader, ShortOnlyReader, SlowReader

NEXT_CITY = City("99202", "隣市")
EXPIRED_YEARS = 11
"""How long ago an expired card was issued; a card is valid for ten years."""
_JPKI_PASSWORDS = {Usage.SIGNATURE: "ABC123", Usage.AUTHENTICATION: "1234"}


class Kind(StrEnum):
    """What state a specimen is in."""

    BLANK = "blank"
    """As the chip's maker delivers it: transport keys, nothing installed."""
    UNDELIVERED = "undelivered"
    """Issued, and awaiting its handover: there is no password yet."""
    ACTIVE = "active"
    """Handed over."""
    BLOCKED = "blocked"
    """Handed over; then the password was given wrong until no tries were left."""
    SUSPENDED = "suspended"
    """Handed over, then suspended (一時停止), on the chip and in the books."""
    VOID = "void"
    """Handed over, then made void for good, on the chip and in the books."""
    EXPIRED = "expired"
    """Handed over eleven years ago; the chip knows no date, and still says that it is active."""
    FORGED_KEY = "forged-key"
    """The active card's certificates, beside keys of the forger's own."""
    FORGED_CA = "forged-ca"
    """The active card's data, certified by a CA of the forger's own."""
    FORGED_CITY = "forged-city"
    """The active card's data, certified by the card CA of another city (99202) under the same national root."""
    JPKI = "jpki"
    """Handed over, and enrolled for the JPKI (公的個人認証) like a Juki card: the signature key alone."""
    JPKI_MYNUMBER = "jpki-mynumber"
    """The same like a My Number card: with the authentication key, too."""


FORGED = (Kind.FORGED_KEY, Kind.FORGED_CA, Kind.FORGED_CITY)


@dataclass(frozen=True)
class _Template:
    """What copies of a kind are made from: a home, the chip's cells, the setting of its office."""

    home: Path
    cells: Mapping[str, bytes]
    setting: Setting


class Specimen(ConnectionWrapper):
    """A specimen card in an emulated reader: a CardConnection, and all that a test may want to know beside it.

    Secrets (`password`, `authority_password`, the record's resident code) come as objects that never show them, and
    whose `reveal()` gives them.
    """

    __test__ = False

    def __init__(self, kind: Kind, office: Office, *, today: dt.date, interface: Interface) -> None:
        self.kind = kind
        self.today = today
        self.interface = interface
        self._office = office
        self._store = MemoryStore(office.cells)
        self._numbers = itertools.count(1)
        self._saved = itertools.count(1)
        self.chip: Card = offices.new_card(self._store, (office.setting.seed, "specimen", kind.value), strict=False)
        super().__init__(EmulatorConnection(self.chip, interface))

    def __repr__(self) -> str:
        return f"Specimen({self.kind.value!r})"

    @property
    def home(self) -> Path:
        """The authority's home, a copy for this specimen alone: what the command line takes as --home."""
        return self._office.home

    @property
    def authority(self) -> Authority:
        """The authority that issued the genuine card, open with its password: anchors, terminals, the books.

        A terminal of one's own gets its trust anchor from `authority.anchor(Area.JUKI)`, its key and certificates
        from `authority.export_terminal("counter", with_key=True)` or `authority.terminal_key("counter")`.
        """
        return self._office.authority

    @property
    def authority_password(self) -> Hidden:
        """The password of the authority's key store."""
        return Hidden(offices.AUTHORITY_PASSWORD)

    @property
    def password(self) -> Hidden:
        """The holder's password, four digits; of a forged card the impostor's, who uses the same."""
        return Hidden(offices.PASSWORD)

    @property
    def wrong_password(self) -> Hidden:
        """Four digits that are not the password."""
        return Hidden(offices.WRONG_PASSWORD)

    @property
    def sign_password(self) -> Hidden:
        """The signature password of a card that is enrolled for the JPKI."""
        return Hidden(_JPKI_PASSWORDS[Usage.SIGNATURE])

    @property
    def authentication_password(self) -> Hidden:
        """The authentication password of such a card; of the kind `jpki` it is not set."""
        return Hidden(_JPKI_PASSWORDS[Usage.AUTHENTICATION])

    @property
    def record(self) -> ResidentRecord:
        """The resident's record that the card was issued from; for a blank chip, that it might be issued from."""
        return self._office.record

    @property
    def serial(self) -> str | None:
        """The card's serial (15 digits); None of a blank chip."""
        states = self.authority.ledger.cards()
        return states[0].serial if states else None

    @property
    def cells(self) -> Mapping[str, bytes]:
        """What stands in the chip's memory now."""
        return self._store.snapshot()

    def random(self, count: int) -> bytes:
        """So many bytes for the host's side, the same in every run."""
        return self._office.setting.randomness(("host", self.kind.value, next(self._numbers)))(count)

    def dialogue(self, terminal: str = "counter", today: dt.date | None = None) -> CardDialogue:
        """Our own terminal's dialogue with the card, step by step; on the specimen's day, unless told otherwise."""
        return CardDialogue(self.authority, self, self.random, today=today or self.today, terminal=terminal)

    def authenticate(self, password: str | None = None) -> Authentication:
        """Let our own terminal go through all steps, by default with the right password.  Raises as it does."""
        return authenticate(self.dialogue(), self.password.reveal() if password is None else password)

    def save(self, path: Path) -> Path:
        """Write the card as it is now into a new card file, sealed with the home's storage key; return the path.

        Each file is a card of its own, so that the home takes none for an older copy of another.
        `juki … --home HOME --reader emulator:PATH` then uses it.  Raises CardFileError.
        """
        random = self._office.setting.randomness(("card file", self.kind.value, next(self._saved)))
        CardFile.create(path, self.authority.storage_key, self.cells, card_id=random(16), random=random).close()
        return path

    def close(self) -> None:
        """Take the power away, and let go of the books."""
        super().close()
        self._office.close()


class Specimens:
    """Makes specimens; use it as a context manager, or close it."""

    def __init__(self, folder: Path | None = None, *, seed: str = "", today: dt.date = offices.TODAY) -> None:
        """Build below `folder`, else in a temporary one.  `today` is the day on which tests judge the cards."""
        self._stack = ExitStack()
        if folder is None:
            folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="specimens-")))
        self._folder = folder
        self._today = today
        self._setting = Setting(seed, day=today)
        self._offices = Offices(folder / "offices", self._setting)
        self._templates: dict[Kind, _Template] = {}
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every specimen, and remove the temporary folder if there is one."""
        self._stack.close()

    def make(
        self,
        kind: Kind | str,
        *,
        pulled_at: int | None = None,
        executed: bool = False,
        delay: float = 0.0,
        short: bool = False,
        contactless: bool = False,
        application: LoadedApplication | None = None,
    ) -> Specimen:
        """Make a specimen that nobody else has.

        `pulled_at`: the card is pulled during that command, counted from 1; CardRemoved is raised until `reset` puts
        it in again. `executed`: the card still carries that command out, and only its answer is lost. `delay`:
        seconds that each command takes longer. `short`: the reader carries short APDUs only. `contactless`: by the
        contactless interface.
        ValueError for a kind that does not exist, or numbers out of range.
        """
        kind = Kind(kind)
        if delay < 0 or (pulled_at is not None and pulled_at < 1):
            raise ValueError("commands are counted from 1, and a delay is not negative")
        template = self._template(kind)
        home = self._folder / "specimens" / str(next(self._numbers)) / "home"
        shutil.copytree(template.home, home)
        cells = dict(template.cells)
        if application is not None:
            city = template.setting.city.code
            cells = application.on(cells, ISSUER_DOMAIN_AID if kind is Kind.BLANK else municipal_domain_aid(city))
        office = Office(home, cells, offices.clock(40, self._today), template.setting)
        interface = Interface.CONTACTLESS if contactless else Interface.CONTACT
        specimen = Specimen(kind, office, today=self._today, interface=interface)
        self._stack.callback(specimen.close)
        if short:
            specimen.inner = ShortOnlyReader(specimen.inner)
        if delay:
            specimen.inner = SlowReader(specimen.inner, delay)
        if pulled_at is not None:
            specimen.inner = PulledReader(specimen.inner, pulled_at, executed=executed)
        return specimen

    def _template(self, kind: Kind) -> _Template:
        if kind not in self._templates:
            self._templates[kind] = self._build(kind)
        return self._templates[kind]

    def _build(self, kind: Kind) -> _Template:
        stage, change = _MAKING[kind]
        making = self._offices
        if kind is Kind.EXPIRED:
            day = self._today.replace(year=self._today.year - EXPIRED_YEARS, day=min(self._today.day, 28))
            making = Offices(self._folder / "expired", Setting(self._setting.seed, day=day))
        office = making.at(stage, self._folder / "templates" / kind.value)
        try:
            change(office, self._folder / "templates" / kind.value)
        finally:
            office.close()
        return _Template(office.home, dict(office.cells), office.setting)


def _unchanged(office: Office, folder: Path) -> None:
    """Leave it as it was issued."""


def _block(office: Office, folder: Path) -> None:
    with office.emulator("blocking") as connection:
        dialogue = office.dialogue(connection, "blocking")
        dialogue.prove_card()
        dialogue.open_channel()
        with suppress(PasswordBlocked):
            while True:
                with suppress(PasswordWrong):
                    dialogue.client.verify(PASSWORD_REFERENCE, offices.WRONG_PASSWORD.encode())


def _suspend(office: Office, folder: Path) -> None:
    _change(office, Change.SUSPEND)


def _void(office: Office, folder: Path) -> None:
    _change(office, Change.VOID)


def _enrol(profile: Profile) -> Callable[[Office, Path], None]:
    def enrol(office: Office, folder: Path) -> None:
        random = office.setting.randomness("enrolment")
        passwords = {usage: password.__str__ for usage, password in _JPKI_PASSWORDS.items()}
        with office.emulator("enrolment") as connection:
            ca = CertificateAuthority(office.authority, office.setting.day, random)
            access = IssuerAccess(office.authority, office.dialogue(connection), random)
            Enrolment(access, ca, office.clock).enrol(Application(office.record, profile), passwords)

    return enrol


def _change(office: Office, change: Change) -> None:
    with office.emulator(change.value) as connection:
        dialogue = office.dialogue(connection, change.value)
        change_card(office.authority, office.card_state.serial, change, office.clock, dialogue=dialogue)


def _forge_key(office: Office, folder: Path) -> None:
    with office.emulator("copying") as genuine:
        forgery = copied(office.order().card_data, office.authority.anchor(Area.JUKI), genuine)
    with _forger(office, folder) as forger:
        _forge(office, forgery, forger)


def _forge_ca(office: Office, folder: Path) -> None:
    with _forger(office, folder) as forger:
        _forge(office, _certified(office, forger), forger)


def _forge_city(office: Office, folder: Path) -> None:
    national = NationalRoot.open(
        office.home / "national", offices.AUTHORITY_PASSWORD, random=office.setting.randomness("national")
    )
    with _authority(office, folder / "next-city", NEXT_CITY, national) as issuer:
        forgery = _certified(office, issuer)
    with _forger(office, folder) as forger:
        _forge(office, forgery, forger)


def _certified(office: Office, issuer: Authority) -> Forgery:
    order = office.order()
    anchor, day = office.authority.anchor(Area.JUKI), office.setting.day
    return certified_by(issuer, order.card_data, anchor, not_before=day, not_after=order.expires)


def _forger(office: Office, folder: Path) -> Authority:
    return _authority(office, folder / "forger", office.setting.city, None)


def _authority(office: Office, home: Path, city: City, national: NationalRoot | None) -> Authority:
    random = office.setting.randomness(home.name)
    day = office.setting.day
    return Authority.init(home, city, offices.AUTHORITY_PASSWORD, today=day, national=national, random=random)


def _forge(office: Office, forgery: Forgery, forger: Authority) -> None:
    office.cells = offices.blank_cells(offices.CHIP_NUMBER + 1)
    with office.emulator("forging") as blank:
        forge(blank, forgery, forger, offices.PASSWORD, office.setting.randomness(("host", "forging")))


_MAKING: Mapping[Kind, tuple[Stage, Callable[[Office, Path], None]]] = {
    Kind.BLANK: (Stage.BLANK, _unchanged),
    Kind.UNDELIVERED: (Stage.AWAITING_HANDOVER, _unchanged),
    Kind.ACTIVE: (Stage.ACTIVE, _unchanged),
    Kind.BLOCKED: (Stage.ACTIVE, _block),
    Kind.SUSPENDED: (Stage.ACTIVE, _suspend),
    Kind.VOID: (Stage.ACTIVE, _void),
    Kind.EXPIRED: (Stage.ACTIVE, _unchanged),
    Kind.FORGED_KEY: (Stage.ACTIVE, _forge_key),
    Kind.FORGED_CA: (Stage.ACTIVE, _forge_ca),
    Kind.FORGED_CITY: (Stage.ACTIVE, _forge_city),
    Kind.JPKI: (Stage.ACTIVE, _enrol(Profile.JUKI)),
    Kind.JPKI_MYNUMBER: (Stage.ACTIVE, _enrol(Profile.MYNUMBER)),
}
"""From which stage of an office a kind is made, and how; the folder is for what is needed beside the office."""
