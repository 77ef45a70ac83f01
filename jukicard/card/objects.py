"""What every protected object on the card has in common: parameters, a life cycle status, and two sets of access rules.

The first set is in force while the object is in its initialisation state (personalisation), the second from its
activation on.  The rules are kept, shown in the FCP and evaluated in one encoding: AB, expanded format (ISO/IEC 7816-4,
security attributes).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import lru_cache

from jukicard.iso7816.access import AccessRules
from jukicard.iso7816.tlv import Tlv, parse_tlvs


class LifeCycle(IntEnum):
    """Life cycle status byte (ISO/IEC 7816-4, DO 8A)."""

    INITIALISATION = 0x03
    DEACTIVATED = 0x04
    ACTIVATED = 0x05
    TERMINATED = 0x0C


@dataclass(frozen=True, slots=True)
class Header:
    """The control parameters of one object.  `parameters` are the DOs that its FCP shows before 8A and AB.

    `rules`, which follow from the others, are the access rules in force.
    """

    parameters: tuple[Tlv, ...]
    life_cycle: LifeCycle
    initial: AccessRules
    operational: AccessRules
    rules: AccessRules = field(init=False, repr=False, compare=False)
    _values: dict[int, bytes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out what every command on the object asks for."""
        personalising = self.life_cycle is LifeCycle.INITIALISATION
        object.__setattr__(self, "rules", self.initial if personalising else self.operational)
        object.__setattr__(self, "_values", {tlv.tag: tlv.value for tlv in reversed(self.parameters)})

    def parameter(self, tag: int) -> bytes | None:
        """Return the value of the (first) control parameter `tag`, or None."""
        return self._values.get(tag)

    def fcp(self) -> bytes:
        """Return the control parameters as they are shown: DO 62."""
        status = Tlv(0x8A, bytes((self.life_cycle,)))
        return Tlv.build(0x62, *self.parameters, status, Tlv(0xAB, self.rules.encode())).encode()

    def with_life_cycle(self, life_cycle: LifeCycle) -> Header:
        """Return the header in another state."""
        return replace(self, life_cycle=life_cycle)

    @property
    def cost(self) -> int:
        """How many bytes its stored form takes."""
        return len(self.encode())

    def encode(self) -> bytes:
        """Return the stored form."""
        parts = (
            Tlv.build(0x62, *self.parameters),
            Tlv(0x8A, bytes((self.life_cycle,))),
            Tlv(0xAB, self.initial.encode()),
            Tlv(0xAB, self.operational.encode()),
        )
        return b"".join(part.encode() for part in parts)

    @staticmethod
    @lru_cache(maxsize=4096)
    def parse(stored: bytes) -> Header:
        """Read the stored form."""
        parameters, status, initial, operational = parse_tlvs(stored)
        return Header(
            parameters.children,
            LifeCycle(status.value[0]),
            AccessRules.parse(initial.value),
            AccessRules.parse(operational.value),
        )
