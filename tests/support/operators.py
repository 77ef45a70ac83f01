"""Operators' cards, made by the real issuing machine: a home with two administrators and a clerk, and their chips."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from jukicard.applets.gp.manufacture import ChipIdentity, manufacture
from jukicard.card.store import MemoryStore
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.permissions import ROLES
from jukicard.issuer.operators.making import OperatorPersonaliser, order_operator
from jukicard.issuer.operators.register import Operator
from jukicard.issuer.operators.session import OperatorSession, login
from jukicard.reader.emulator import EmulatorConnection
from jukicard.testing.seeds import randomness
from tests.support.issued import AUTHORITY_PASSWORD, CITY, TODAY, new_card

PASSWORD, WRONG_PASSWORD = "Kiku-1947!", "Kiku-1948!"
ROLE_OF = {1: "administrator", 2: "administrator", 3: "clerk", 4: "supervisor"}
FIRST_CHIP = 60_000


@dataclass
class Clock:
    """A clock that stands, until it is moved."""

    now: dt.datetime = dt.datetime(TODAY.year, TODAY.month, TODAY.day, 9, 0, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += dt.timedelta(**by)


@dataclass
class Bureau:
    """A home with operators, and the cells of their cards by number (1 and 2 administrators, 3 a clerk, 4 a
    supervisor).
    """

    home: Path
    cells: dict[int, Mapping[str, bytes]]
    clock: Clock = field(default_factory=Clock)

    @cached_property
    def authority(self) -> Authority:
        return Authority.open(self.home, AUTHORITY_PASSWORD, random=randomness("bureau"))

    @contextmanager
    def card(self, number: int) -> Iterator[EmulatorConnection]:
        """An operator's card in the emulator; what it holds afterwards stays."""
        store = MemoryStore(self.cells[number])
        with closing(EmulatorConnection(new_card(store, ("operator", number)))) as connection:
            try:
                yield connection
            finally:
                self.cells[number] = store.snapshot()

    def log_in(
        self, connection: EmulatorConnection, password: str = PASSWORD, ask: Callable[[], str] | None = None
    ) -> OperatorSession:
        return login(self.authority, connection, randomness("login"), self.clock, ask or (lambda: password))

    @contextmanager
    def session(self, number: int) -> Iterator[OperatorSession]:
        """An operator who is logged in."""
        with self.card(number) as connection:
            yield self.log_in(connection)

    def copy(self, folder: Path) -> Bureau:
        """Another one like it."""
        shutil.copytree(self.home, folder / "home")
        return Bureau(folder / "home", dict(self.cells))


def blank_operator_chip(number: int) -> dict[str, bytes]:
    store = MemoryStore()
    manufacture(store, ChipIdentity(FIRST_CHIP + number))
    return store.snapshot()


def make_operator(bureau: Bureau, number: int, role: str = "clerk") -> Operator:
    """Make an operator's card of a blank chip."""
    bureau.cells[number] = blank_operator_chip(number)
    with bureau.card(number) as connection:
        order = order_operator(bureau.authority, ROLES[role], today=TODAY)
        random = randomness(("making", number))
        return OperatorPersonaliser(bureau.authority, connection, order, random, lambda: PASSWORD).run()


def make_bureau(folder: Path, seed: str = "bureau home") -> Bureau:
    """A bureau with its four operators; another seed makes other keys."""
    home = folder / "home"
    Authority.init(home, CITY, AUTHORITY_PASSWORD, today=TODAY, random=randomness(seed)).close()
    bureau = Bureau(home, {})
    for number, role in ROLE_OF.items():
        make_operator(bureau, number, role)
    bureau.authority.close()
    return bureau
