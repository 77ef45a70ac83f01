"""Cards issued by the real issuing machine, from seeds: built once in a test session, copied for each test.

    office = Offices(folder).at(Stage.ACTIVE, tmp_path)   # an authority's home and the cells of its one card
    with office.emulator() as connection:
        office.authenticate(connection)

Clock, chip and host draw from seeds, so that two offices of one stage are the same to the last bit.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from pathlib import Path

from jukicard.applets.catalogue import rom
from jukicard.applets.gp.manufacture import ChipIdentity, manufacture
from jukicard.card.card import Card
from jukicard.card.ports import Interface, Observer, Ports
from jukicard.card.store import MemoryStore, Store
from jukicard.iso7816.connection import CardConnection
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.description import City
from jukicard.issuer.counter.authentication import Authentication, CardDialogue, Proof, authenticate
from jukicard.issuer.counter.handover import hand_over
from jukicard.issuer.keys.keystore import Randomness
from jukicard.issuer.ledger.cards import CardState
from jukicard.issuer.line.orders import place_order
from jukicard.issuer.line.personalise import Order, Personaliser
from jukicard.issuer.line.plan import Operation
from jukicard.issuer.municipal.services import LIBRARY, Service
from jukicard.issuer.records.resident import RecordRules, ResidentRecord, load_json
from jukicard.reader.emulator import EmulatorConnection
from jukicard.testing.rsakeys import FixedKeys
from jukicard.testing.seeds import randomness

TODAY = dt.date(2026, 11, 21)
CITY = City("99201", "見本市")
AUTHORITY_PASSWORD = "correct horse 92017 staple"  # noqa: S105 - of invented cards
PASSWORD, WRONG_PASSWORD = "7094", "1111"
CHIP_NUMBER = 777
RECORD = Path(__file__).parents[1] / "commands" / "demo" / "data" / "taro.json"
"""The record of examples/residents, as the package carries it."""


class Stage(IntEnum):
    """How far the one card of an office has come."""

    BLANK = 0
    AWAITING_HANDOVER = 1
    ACTIVE = 2


@dataclass(frozen=True, slots=True)
class Setting:
    """What offices are made of: the seed of all their randomness, the city, the day on which everything is issued, and
    with which services.
    """

    seed: str = ""
    city: City = CITY
    day: dt.date = TODAY
    services: tuple[Service, ...] = (LIBRARY,)

    def randomness(self, purpose: object) -> Randomness:
        """The randomness for one purpose."""
        return randomness((self.seed, purpose))


def clock(start_minute: int = 0, day: dt.date = TODAY) -> Callable[[], dt.datetime]:
    """A clock that goes on by a second whenever it is read, from 9 o'clock and so many minutes on."""
    return ticking(dt.datetime(day.year, day.month, day.day, 9, start_minute, tzinfo=dt.UTC))


def ticking(moment: dt.datetime) -> Callable[[], dt.datetime]:
    """The same from a moment on."""

    def now() -> dt.datetime:
        nonlocal moment
        moment += dt.timedelta(seconds=1)
        return moment

    return now


def blank_cells(number: int = CHIP_NUMBER) -> dict[str, bytes]:
    """The cells of a chip as its maker delivers it."""
    store = MemoryStore()
    manufacture(store, ChipIdentity(number))
    return store.snapshot()


def new_card(store: Store, seed: object = "card", observer: Observer | None = None, *, strict: bool = True) -> Card:
    """A chip on that store, its randomness from the seed; strict: its bugs are the test's."""
    return Card(store, rom(), Ports(randomness(seed), keys=FixedKeys(), observer=observer, strict=strict))


@dataclass
class Office:
    """An authority in a home of its own, and the cells of the card that it has issued or is about to."""

    home: Path
    cells: Mapping[str, bytes] = field(repr=False)
    clock: Callable[[], dt.datetime] = field(default_factory=clock)
    setting: Setting = field(default_factory=Setting)

    @cached_property
    def authority(self) -> Authority:
        """Opened with its password when first asked for."""
        return Authority.open(self.home, AUTHORITY_PASSWORD, random=self.setting.randomness("authority"))

    @cached_property
    def record(self) -> ResidentRecord:
        """The resident's record."""
        return load_json(RECORD, RecordRules(self.setting.day, self.setting.city.code))

    @property
    def code(self) -> str:
        """The resident code, which nobody else may learn."""
        return self.record.resident_code.reveal()

    @property
    def card_state(self) -> CardState:
        """The one card in the books."""
        (state,) = self.authority.ledger.cards()
        return state

    def order(self) -> Order:
        """The order of the one card, entered into the books if it is not there."""
        states = self.authority.ledger.cards()
        if states:
            (state,) = states
            return Order(state.serial, self.record, state.issued_on, state.expires, self.setting.services)
        return place_order(
            self.authority, self.record, self.setting.services, issued_on=self.setting.day, now=self.clock()
        )

    def personaliser(self, connection: CardConnection, seed: object = "issue") -> Personaliser:
        """What carries the order out on the chip there."""
        random = self.setting.randomness(("host", seed))
        return Personaliser(self.authority, connection, self.order(), random, self.clock)

    def issue(
        self,
        connection: CardConnection,
        seed: object = "issue",
        report: Callable[[Operation], None] = lambda operation: None,
    ) -> CardState:
        """Carry out the issuing plan, or go on with it."""
        return self.personaliser(connection, seed).run(report)

    def dialogue(
        self,
        connection: CardConnection,
        seed: object = "dialogue",
        report: Callable[[Proof], None] = lambda proof: None,
        random: Randomness | None = None,
    ) -> CardDialogue:
        """A dialogue as the counter's terminal."""
        source = random or self.setting.randomness(("host", seed))
        return CardDialogue(self.authority, connection, source, today=self.setting.day, report=report)

    def hand_over(self, connection: CardConnection, password: str = PASSWORD, seed: object = "handover") -> CardState:
        """Let the holder set the password."""
        return hand_over(self.authority, self.dialogue(connection, seed), lambda: password, self.clock)

    def authenticate(
        self, connection: CardConnection, password: str = PASSWORD, seed: object = "auth"
    ) -> Authentication:
        """Go through all steps."""
        return authenticate(self.dialogue(connection, seed), password)

    @contextmanager
    def emulator(
        self, seed: object = "card", observer: Observer | None = None, interface: Interface = Interface.CONTACT
    ) -> Iterator[EmulatorConnection]:
        """The card in the emulator, with the office's cells; afterwards the office has the cells that it left."""
        store = MemoryStore(self.cells)
        with closing(EmulatorConnection(new_card(store, (self.setting.seed, seed), observer), interface)) as connection:
            try:
                yield connection
            finally:
                self.cells = store.snapshot()

    def close(self) -> None:
        """Let go of the books."""
        if "authority" in self.__dict__:
            self.authority.close()


class Offices:
    """Offices of every stage: each is built once, from the one before, and handed out as copies."""

    def __init__(self, folder: Path, setting: Setting | None = None) -> None:
        """Build below that folder."""
        self._folder = folder
        self._setting = setting or Setting()
        self._built: dict[Stage, Mapping[str, bytes]] = {}

    def _template(self, stage: Stage) -> Path:
        return self._folder / stage.name.lower()

    def at(self, stage: Stage, folder: Path) -> Office:
        """A new office with a home below `folder`, which nobody else has."""
        self._build(stage)
        home = folder / "home"
        shutil.copytree(self._template(stage), home)
        return self._office(home, self._built[stage], 10 * stage)

    def _office(self, home: Path, cells: Mapping[str, bytes], minute: int) -> Office:
        return Office(home, dict(cells), clock(minute, self._setting.day), self._setting)

    def _build(self, stage: Stage) -> None:
        if stage in self._built:
            return
        home = self._template(stage)
        if stage is Stage.BLANK:
            setting = self._setting
            random = setting.randomness("home")
            Authority.init(home, setting.city, AUTHORITY_PASSWORD, today=setting.day, random=random).close()
            self._built[stage] = blank_cells()
            return
        before = Stage(stage - 1)
        self._build(before)
        shutil.copytree(self._template(before), home)
        office = self._office(home, self._built[before], 10 * before)
        with office.emulator(seed=("building", stage)) as connection:
            if stage is Stage.AWAITING_HANDOVER:
                office.issue(connection)
            else:
                office.hand_over(connection)
        office.close()
        self._built[stage] = office.cells
