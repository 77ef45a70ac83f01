"""Where a command goes: the table of the selected application, of its security domain, or of the card itself.

What is found here depends on the registry and the ROM alone, so it is worked out once and remembered as long as the
registry's cell stays the same: a chip that is asked a million times looks its table up, and does not make it anew.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from jukicard.card.applet import Applet
from jukicard.card.code import Code
from jukicard.card.commands import ROW_KEYS, Row, row_key
from jukicard.card.context import Context, DomainContext
from jukicard.card.errors import CardError, Step
from jukicard.card.registry import CELL, CardState, Contents, Entry
from jukicard.card.store import Store
from jukicard.card.system_commands import System
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.status import StatusWord

SYSTEM = System()
_SELECT = 0xA4


class Place(IntEnum):
    """Whose table a command is found in: the selected application's, its security domain's, or the card's own."""

    APPLICATION = 0
    DOMAIN = 1
    CARD = 2


class Found(NamedTuple):
    """The rows of one instruction, and whose they are."""

    place: Place
    rows: tuple[Row, ...]


@lru_cache(maxsize=256)
def _merged(applet: Applet, domain: Applet) -> tuple[Found | None, ...]:
    """Return the table of an application with what it hands on to its domain and what the card itself answers.

    Indexed by `row_key`.  What the application has, the other two never see.
    """
    table: list[Found | None] = []
    for key in range(ROW_KEYS):
        cla, ins = key >> 1 & 0x80, key & 0xFF
        forwards = cla and ins in applet.forwarded
        owners = [(Place.APPLICATION, applet), *([(Place.DOMAIN, domain)] if forwards else []), (Place.CARD, SYSTEM)]
        found = (Found(place, owner.table.find(cla, ins)) for place, owner in owners)
        table.append(next((one for one in found if one.rows), None))
    return tuple(table)


class Owner(NamedTuple):
    """Whose code runs a command, in which context, and for which entry of the registry."""

    context: type[Context]
    applet: Applet
    entry: Entry


class Route:
    """Where the commands go that come while one application is selected.

    `owners` are those of the commands found at each `Place`.
    """

    __slots__ = ("_table", "_terminated", "domain_usable", "owners", "selected", "usable")

    def __init__(self, contents: Contents, code: Code, instance: int) -> None:
        selected = self.selected = contents.by_instance(instance)
        domain = contents.by_instance(selected.domain)
        applet, domain_applet = code.applet(selected), code.applet(domain)
        self.owners = (
            Owner(DomainContext if selected.is_domain else Context, applet, selected),
            Owner(DomainContext, domain_applet, domain),
            Owner(DomainContext, SYSTEM, selected),
        )
        self.usable = contents.is_usable(selected)
        self.domain_usable = contents.is_usable(domain)
        self._terminated = contents.card_state is CardState.TERMINATED
        self._table = _merged(applet, domain_applet)

    def find(self, cmd: CommandAPDU) -> Found:
        """Return the rows for a command's instruction.

        What was locked since it was selected, the whole card included, answers no more (6985), whatever channel it is
        on; 6D00 and 6E00 where there is no such instruction.
        """
        found = self._table[cmd.cla << 1 | cmd.ins]  # row_key, the class being plain
        if self._terminated and cmd.ins != _SELECT:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "the card is terminated", Step.APPLICATION)
        if not self.usable:
            rows = SYSTEM.table.find(cmd.cla, cmd.ins)
            if not rows:
                raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "the application is locked", Step.APPLICATION)
            return Found(Place.CARD, rows)
        if found is None:
            other = self._table[row_key(~cmd.cla, cmd.ins)]
            if other and other.place is not Place.DOMAIN:
                reason = "this instruction exists in the other class only"
                raise CardError(StatusWord.CLA_NOT_SUPPORTED, reason, Step.INSTRUCTION)
            raise CardError(StatusWord.INS_NOT_SUPPORTED, "no such instruction here", Step.INSTRUCTION)
        if not self.domain_usable and found.place is Place.DOMAIN:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "the security domain is locked", Step.APPLICATION)
        return found


class Routing:
    """The routes of one powered chip."""

    __slots__ = ("_code", "_registry", "_routes", "_store")

    def __init__(self, store: Store, code: Code) -> None:
        self._store = store
        self._code = code
        self._registry: bytes | None = None
        self._routes: dict[int, Route] = {}

    def route(self, instance: int) -> Route:
        """Return the route while the application with that instance number is selected; 6985 where it is gone."""
        registry = self._store.read(CELL)
        if registry is not self._registry:
            self._registry, self._routes = registry, {}
        route = self._routes.get(instance)
        if route is None:
            route = self._routes[instance] = Route(Contents.parse(registry), self._code, instance)
        return route
