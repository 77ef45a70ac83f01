"""What a terminal may do: the private extension `TerminalAuthorization` of its X.509 certificate.

```
id-terminal-authorization OBJECT IDENTIFIER ::=
    { joint-iso-itu-t uuid(25) 128737550738895760674404369527586744394 }

TerminalAuthorization ::= SEQUENCE {
    role          ENUMERATED { cs(0), counter(1), issuing-machine(2), municipal-service(3), kiosk(4) },
    rights        BIT STRING { identify(0), set-initial-password(1), reset-password(2), suspend(3), resume(4),
                               void(5), move(6), match(7), install-municipal(8), municipal-service(9), vending(10),
                               points(11) },
    municipality  UTF8String (SIZE (1..5))  -- five digits, or "*" for all
}
```

The object identifier is the UUID 60d9f34c-fd38-469f-96b7-6bc73114e84a as an integer (ITU-T X.667), so that
nobody had to be asked for it. The coding is DER and strict: what does not encode back to the same bytes is
refused, and so is a right that is not listed here.

A certificate without the extension grants no right. Along a chain the rights are the intersection; the
anchor is a bare key and limits nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from functools import lru_cache
from typing import Any, Final

from asn1crypto.core import (  # type: ignore[import-untyped]
    BitString,
    Enumerated,
    Sequence,
    UTF8String,
)

OID: Final = "2.25.128737550738895760674404369527586744394"
ANY_MUNICIPALITY: Final = "*"


class AuthorizationError(ValueError):
    """The bytes are no TerminalAuthorization in DER, or the values cannot be put into one."""


class Right(IntEnum):
    """What a terminal may ask a card to do; the number is the bit in the certificate and in access rules."""

    IDENTIFY = 0
    SET_INITIAL_PASSWORD = 1
    RESET_PASSWORD = 2
    SUSPEND = 3
    RESUME = 4
    VOID = 5
    MOVE = 6
    MATCH = 7
    INSTALL_MUNICIPAL = 8
    MUNICIPAL_SERVICE = 9
    VENDING = 10
    POINTS = 11


NATIONWIDE: Final = frozenset((Right.IDENTIFY, Right.MOVE))
"""Rights that do not depend on the card's municipality: identification, and a move from one to another."""


class Role(Enum):
    """What a terminal is. Informative: only the rights decide."""

    CS = "cs"
    COUNTER = "counter"
    ISSUING_MACHINE = "issuing-machine"
    MUNICIPAL_SERVICE = "municipal-service"
    KIOSK = "kiosk"


class _Role(Enumerated):  # type: ignore[misc]  # asn1crypto has no types
    _map = {number: role.value for number, role in enumerate(Role)}  # noqa: RUF012 - asn1crypto's way


class _Authorization(Sequence):  # type: ignore[misc]  # asn1crypto has no types
    _fields = [("role", _Role), ("rights", BitString), ("municipality", UTF8String)]  # noqa: RUF012


@dataclass(frozen=True, slots=True)
class TerminalAuthorization:
    """Role, rights, and where these hold: five digits or `*`, AuthorizationError otherwise."""

    role: Role
    rights: frozenset[Right]
    municipality: str

    def __post_init__(self) -> None:
        name = self.municipality
        if name != ANY_MUNICIPALITY and not (len(name) == 5 and name.isascii() and name.isdigit()):
            raise AuthorizationError("a municipality is five digits or *")

    def encode(self) -> bytes:
        """Return the extension's value, DER."""
        encoded: bytes = _Authorization(
            {
                "role": self.role.value,
                "rights": tuple(int(bit in self.rights) for bit in range(max(self.rights, default=-1) + 1)),
                "municipality": self.municipality,
            }
        ).dump()
        return encoded

    @staticmethod
    @lru_cache(maxsize=64)
    def decode(der: bytes) -> TerminalAuthorization:
        """Read an extension's value; AuthorizationError for anything but what `encode` makes.

        What was read is remembered: there are few kinds of terminals, and nothing in it is secret.
        """
        try:
            value: dict[str, Any] = _Authorization.load(der, strict=True).native
            rights = frozenset(Right(number) for number, bit in enumerate(value["rights"]) if bit)
            found = TerminalAuthorization(Role(value["role"]), rights, value["municipality"])
        except (ValueError, TypeError, KeyError, IndexError):  # the last for an empty BIT STRING
            raise AuthorizationError("not a terminal authorization") from None
        if found.encode() != der:
            raise AuthorizationError("a terminal authorization that is not in DER")
        return found

    def rights_in(self, municipality: str) -> frozenset[Right]:
        """Return the rights that hold on a card of this municipality, given as five digits.

        `NATIONWIDE` rights hold on any card, the others only on those of the terminal's own municipality: `*` is
        nobody's own, so a national terminal identifies, and no more.
        """
        return self.rights if self.municipality == municipality else self.rights & NATIONWIDE

    def intersect(self, above: TerminalAuthorization) -> TerminalAuthorization:
        """Return what is left of this authorization under one that stands above it in a chain.

        The rights in both; the one municipality, where the other is `*`. Where the municipalities differ, no
        right is left. The role stays this one's.
        """
        if above.municipality in (ANY_MUNICIPALITY, self.municipality):
            return TerminalAuthorization(self.role, self.rights & above.rights, self.municipality)
        if self.municipality == ANY_MUNICIPALITY:
            return TerminalAuthorization(self.role, self.rights & above.rights, above.municipality)
        return TerminalAuthorization(self.role, frozenset(), self.municipality)
