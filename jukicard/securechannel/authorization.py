"""What a terminal may do: the private extension `TerminalAuthorization` of its X.509 certificate.

```
id-terminal-authorization OBJECT IDENTIFIER ::=
    { joint-iso-itu-t uuid(25) 128737550738895760674404369527586744394 }

TerminalAuthorization ::= SEQUENCE {
    role          ENUMERATED { cs(0), counter(1), issuing-machine(2), municipal-service(3), kiosk(4) },
    rights        BIT STRING { identify(0), set-initial-password(1), reset-password(2), suspend(3), resume(4),
                               void(5), move(6), match(7), install-municipal(8), municipal-service(9) },
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
from typing import Final

from jukicard.iso7816.tlv import Tlv, TlvError, parse_one

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


NATIONWIDE: Final = frozenset((Right.IDENTIFY, Right.MOVE))
"""Rights that do not depend on the card's municipality: identification, and a move from one to another."""


class Role(Enum):
    """What a terminal is. Informative: only the rights decide."""

    CS = "cs"
    COUNTER = "counter"
    ISSUING_MACHINE = "issuing-machine"
    MUNICIPAL_SERVICE = "municipal-service"
    KIOSK = "kiosk"


_ROLES: Final = tuple(Role)
_RIGHTS: Final = tuple(Right)  # in the order of their bits
_SEQUENCE, _ENUMERATED, _BIT_STRING, _UTF8_STRING = 0x30, 0x0A, 0x03, 0x0C


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
        return Tlv.build(
            _SEQUENCE,
            Tlv(_ENUMERATED, bytes((_ROLES.index(self.role),))),
            Tlv(_BIT_STRING, _bit_string(self.rights)),
            Tlv(_UTF8_STRING, self.municipality.encode()),
        ).encode()

    @classmethod
    def decode(cls, der: bytes) -> TerminalAuthorization:
        """Read an extension's value; AuthorizationError for anything but what `encode` makes."""
        try:
            role, rights, municipality = parse_one(der).children
            found = cls(_ROLES[int.from_bytes(role.value)], _rights(rights.value), municipality.value.decode())
        except (TlvError, ValueError, IndexError):
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


def _bit_string(rights: frozenset[Right]) -> bytes:
    """Return the contents of a BIT STRING of named bits (X.690, 11.2.2): unused bits, then the bits, no zeros last."""
    size = max(rights, default=-1) + 1
    unused = -size % 8
    bits = sum([1 << (size + unused - 1 - right) for right in rights])
    return bytes((unused,)) + bits.to_bytes((size + unused) // 8)


def _rights(contents: bytes) -> frozenset[Right]:
    """Undo `_bit_string`; ValueError for a bit that is no right."""
    bits = int.from_bytes(contents[1:])
    last = 8 * len(contents) - 9
    if bits & ((1 << max(0, last + 1 - len(_RIGHTS))) - 1):
        raise ValueError("a right that is not known")
    return frozenset([right for number, right in enumerate(_RIGHTS[: last + 1]) if bits >> (last - number) & 1])
