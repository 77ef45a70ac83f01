"""An application's own control parameters: its life cycle as an application's file (ISO/IEC 7816-9) and who may move
it.
"""

from __future__ import annotations

from jukicard.card.objects import Header, LifeCycle
from jukicard.card.transaction import Area
from jukicard.iso7816.access import AccessRules
from jukicard.iso7816.tlv import Tlv

_CELL = "df"


class Root:
    """The DF of an application that has a life cycle of its own, beside the one that its domain gives it."""

    __slots__ = ("_area", "header")

    def __init__(self, area: Area, header: Header) -> None:
        self._area = area
        self.header = header

    @classmethod
    def create(
        cls,
        area: Area,
        initial: AccessRules,
        operational: AccessRules,
        life_cycle: LifeCycle = LifeCycle.INITIALISATION,
    ) -> Root:
        """Create it, in its initialisation state or another."""
        header = Header((Tlv(0x82, b"\x38"),), life_cycle, initial, operational)
        area.write(_CELL, header.encode())
        return cls(area, header)

    @classmethod
    def of(cls, area: Area) -> Root:
        """Return the DF of the application whose area it is."""
        return cls(area, Header.parse(area.read(_CELL) or b""))

    def control(self) -> tuple[Tlv, ...]:
        """Return what the answer to SELECT shows of it: descriptor, life cycle status, rules in force."""
        status = Tlv(0x8A, bytes((self.header.life_cycle,)))
        return (*self.header.parameters, status, Tlv(0xAB, self.header.rules.encode()))

    def set_life_cycle(self, life_cycle: LifeCycle) -> None:
        """Move the application to another life cycle status."""
        self.header = self.header.with_life_cycle(life_cycle)
        self._area.write(_CELL, self.header.encode())
