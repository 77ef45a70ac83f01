"""What an operator may do: the private extension `OperatorPermissions` of the X.509 certificate in the operator's card.

```
id-operator-permissions OBJECT IDENTIFIER ::=
    { joint-iso-itu-t uuid(25) 82652967252064744514932347713822566046 }

OperatorPermissions ::= SEQUENCE SIZE (1..MAX) OF SEQUENCE {
    function  ENUMERATED { applications(0), orders(1), handover(2), card-life(3), password(4), stock(5), ledger(6),
                           personal-data(7), identify(8), batch(9), operators(10), keys(11), municipal(12),
                           terminals(13), certificates(14) },
    kinds     BIT STRING { read(0), write(1), execute(2) }
}
```

The object identifier is the UUID 3e2e61e9-0cf8-407e-9f8d-30dfc952a69e as an integer (ITU-T X.667).  The functions
stand in their order, each once.  The coding is DER and strict: what does not encode back to the same bytes is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, StrEnum
from typing import Any, Final, NamedTuple

from asn1crypto.core import BitString, Enumerated, Sequence, SequenceOf  # type: ignore[import-untyped]

OID: Final = "2.25.82652967252064744514932347713822566046"


class NoSuchPermissionError(ValueError):
    """No such permission, or no OperatorPermissions in DER."""


class Function(StrEnum):
    """A function of the office; its place in this order is its number in the certificate."""

    APPLICATIONS = "applications"
    """Residents' applications for a card."""
    ORDERS = "orders"
    """Ordering and issuing."""
    HANDOVER = "handover"
    CARD_LIFE = "card-life"
    """Suspending, resuming, voiding, moving."""
    PASSWORD = "password"  # noqa: S105 - a function's name
    """Holders' passwords, set anew."""
    STOCK = "stock"
    LEDGER = "ledger"
    PERSONAL_DATA = "personal-data"
    IDENTIFY = "identify"
    BATCH = "batch"
    OPERATORS = "operators"
    KEYS = "keys"
    MUNICIPAL = "municipal"
    """The ordinance's purposes, the approval of applications for them."""
    TERMINALS = "terminals"
    CERTIFICATES = "certificates"
    """Residents' certificates of the public personal authentication."""


class Kind(IntEnum):
    """A kind of operation; the number is the bit in the certificate."""

    READ = 0
    WRITE = 1
    EXECUTE = 2


class Permission(NamedTuple):
    """One kind of operation in one function; written `handover:execute`."""

    function: Function
    kind: Kind

    def __str__(self) -> str:
        return f"{self.function}:{self.kind.name.lower()}"

    @classmethod
    def parse(cls, text: str) -> Permission:
        """Read `FUNCTION:KIND`; NoSuchPermissionError says which there are."""
        function, _, kind = text.partition(":")
        try:
            return cls(Function(function), Kind[kind.upper()] if kind.islower() else Kind(-1))
        except (ValueError, KeyError):
            functions, kinds = ", ".join(Function), ", ".join(one.name.lower() for one in Kind)
            raise NoSuchPermissionError(
                f"there is no permission {text!r}: it is FUNCTION:KIND, of {functions}; and {kinds}"
            ) from None


def _of(function: Function, *kinds: Kind) -> frozenset[Permission]:
    return frozenset(Permission(function, kind) for kind in kinds or Kind)


_F, _READ, _WRITE, _EXECUTE = Function, Kind.READ, Kind.WRITE, Kind.EXECUTE

_CLERK = frozenset[Permission]().union(
    _of(_F.APPLICATIONS),
    _of(_F.ORDERS),
    _of(_F.HANDOVER),
    _of(_F.CARD_LIFE, _READ, _WRITE),
    _of(_F.PASSWORD),
    _of(_F.STOCK, _READ, _WRITE),
    _of(_F.LEDGER, _READ),
    _of(_F.PERSONAL_DATA, _READ),
    _of(_F.IDENTIFY),
    _of(_F.CERTIFICATES, _READ, _WRITE),
)
_SUPERVISOR = _CLERK.union(
    *map(_of, (_F.CARD_LIFE, _F.STOCK, _F.LEDGER, _F.PERSONAL_DATA, _F.BATCH, _F.MUNICIPAL, _F.CERTIFICATES)),
    _of(_F.TERMINALS, _READ),
)
_ADMINISTRATOR = frozenset[Permission]().union(
    *map(_of, (_F.OPERATORS, _F.KEYS, _F.MUNICIPAL, _F.TERMINALS)), _of(_F.LEDGER, _READ, _EXECUTE)
)

ROLES: Final = {"clerk": _CLERK, "supervisor": _SUPERVISOR, "administrator": _ADMINISTRATOR}
"""Usual sets of permissions.  Who makes operators and keys issues no cards."""

APPLY = Permission(_F.APPLICATIONS, _WRITE)
ISSUE = Permission(_F.ORDERS, _EXECUTE)
HAND_OVER = Permission(_F.HANDOVER, _EXECUTE)
CHANGE_CARD = Permission(_F.CARD_LIFE, _WRITE)
KEEP_STOCK = Permission(_F.STOCK, _WRITE)
DISCARD_STOCK = Permission(_F.STOCK, _EXECUTE)
KEEP_BOOKS = Permission(_F.LEDGER, _EXECUTE)
ERASE = Permission(_F.PERSONAL_DATA, _WRITE)
IDENTIFY = Permission(_F.IDENTIFY, _EXECUTE)
RUN_BATCH = Permission(_F.BATCH, _EXECUTE)
VOID_IN_BULK = Permission(_F.CARD_LIFE, _EXECUTE)
RESET_PASSWORD = Permission(_F.PASSWORD, _EXECUTE)
CHANGE_ORDINANCE = Permission(_F.MUNICIPAL, _WRITE)
APPROVE = Permission(_F.MUNICIPAL, _EXECUTE)
ISSUE_CERTIFICATE = Permission(_F.CERTIFICATES, _WRITE)
REVOKE_CERTIFICATE = Permission(_F.CERTIFICATES, _EXECUTE)
MAKE_TERMINAL = Permission(_F.TERMINALS, _WRITE)
EXPORT_TERMINAL_KEY = Permission(_F.TERMINALS, _EXECUTE)
EXPORT_PERSONAL_DATA = Permission(_F.PERSONAL_DATA, _EXECUTE)
MAKE_OPERATOR = Permission(_F.OPERATORS, _WRITE)
REVOKE_OPERATOR = Permission(_F.OPERATORS, _EXECUTE)
KEY_CEREMONY = Permission(_F.KEYS, _EXECUTE)
"""What the commands need."""

FOUR_EYES: Final = frozenset((VOID_IN_BULK, EXPORT_PERSONAL_DATA, EXPORT_TERMINAL_KEY, KEY_CEREMONY, MAKE_OPERATOR))
"""What no operator does alone."""


class _Function(Enumerated):  # type: ignore[misc]  # asn1crypto has no types
    _map = {number: function.value for number, function in enumerate(Function)}  # noqa: RUF012 - asn1crypto's way


class _Granted(Sequence):  # type: ignore[misc]
    _fields = [("function", _Function), ("kinds", BitString)]  # noqa: RUF012


class _Permissions(SequenceOf):  # type: ignore[misc]
    _child_spec = _Granted


def encode_permissions(permissions: Iterable[Permission]) -> bytes:
    """Return the extension's value, DER; NoSuchPermissionError for none at all."""
    granted = frozenset(permissions)
    if not granted:
        raise NoSuchPermissionError("an operator without any permission")
    entries = []
    for function in Function:
        kinds = {kind for of, kind in granted if of is function}
        if kinds:
            entries.append({"function": function.value, "kinds": tuple(int(k in kinds) for k in range(max(kinds) + 1))})
    encoded: bytes = _Permissions(entries).dump()
    return encoded


def decode_permissions(der: bytes) -> frozenset[Permission]:
    """Read an extension's value; NoSuchPermissionError for anything but what `encode_permissions` makes."""
    try:
        entries: list[dict[str, Any]] = _Permissions.load(der, strict=True).native
        found = frozenset(
            Permission(Function(entry["function"]), Kind(number))
            for entry in entries
            for number, bit in enumerate(entry["kinds"])
            if bit
        )
        if encode_permissions(found) == der:
            return found
    except (ValueError, TypeError, KeyError, IndexError):
        pass
    raise NoSuchPermissionError("not an operator's permissions in DER")
