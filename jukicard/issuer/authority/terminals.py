"""Terminals: a key in the authority's key store, a certificate that says what the terminal may do, and a name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from jukicard.issuer.errors import TerminalError
from jukicard.issuer.keys.keystore import KeyStore
from jukicard.securechannel.authorization import OID, AuthorizationError, Right, Role, TerminalAuthorization

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")

MUNICIPAL_RIGHTS = frozenset({Right.INSTALL_MUNICIPAL, Right.MUNICIPAL_SERVICE, Right.VENDING, Right.POINTS})
"""The rights that mean something in a municipal domain, under the municipality's own root."""
JUKI_RIGHTS = frozenset(Right) - MUNICIPAL_RIGHTS
"""The rights that mean something in the Juki domain, under the national root."""


class Area(StrEnum):
    """Whose trust anchor a certificate stands under."""

    JUKI = "juki"
    MUNICIPAL = "municipal"


@dataclass(frozen=True, slots=True)
class Terminal:
    """A terminal as anybody may see it. `certificates` (DER) go from below the anchor to the leaf, which is last."""

    name: str
    area: Area
    authorization: TerminalAuthorization
    not_before: date
    not_after: date
    certificates: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredTerminalKey:
    """A terminal's key that stays in the key store (securechannel.host.TerminalKey)."""

    keys: KeyStore = field(repr=False)
    label: str
    certificates: tuple[bytes, ...] = field(repr=False)

    def agree(self, peer: EllipticCurvePublicKey) -> bytes:
        """ECDH with a P-256 public key: the shared X coordinate, 32 bytes."""
        return self.keys.agree(self.label, peer)


@dataclass(frozen=True, slots=True)
class TerminalPlan:
    """A terminal that every new authority gets."""

    name: str
    role: Role
    rights: frozenset[Right]


FIRST_TERMINALS = (
    TerminalPlan("issuing-machine", Role.ISSUING_MACHINE, frozenset({Right.MATCH})),
    TerminalPlan(
        "counter",
        Role.COUNTER,
        frozenset(
            {
                Right.IDENTIFY,
                Right.SET_INITIAL_PASSWORD,
                Right.RESET_PASSWORD,
                Right.SUSPEND,
                Right.RESUME,
                Right.VOID,
                Right.MOVE,
            }
        ),
    ),
    TerminalPlan("municipal-service", Role.MUNICIPAL_SERVICE, frozenset({Right.MUNICIPAL_SERVICE})),
)


def check_name(name: str) -> str:
    """Return a terminal's name if it has the form of one, else raise TerminalError."""
    if not _NAME.fullmatch(name):
        raise TerminalError("a terminal's name has lower-case letters, digits and hyphens, at most 32")
    return name


def key_label(name: str) -> str:
    """The label of a terminal's key in the key store."""
    return f"terminal:{name}"


def right_name(right: Right) -> str:
    """A right as the command line writes it: `set-initial-password`."""
    return right.name.lower().replace("_", "-")


def parse_rights(names: Iterable[str]) -> frozenset[Right]:
    """Rights from their names. Raises TerminalError naming one that does not exist."""
    known = {right_name(right): right for right in Right}
    wanted = tuple(names)
    for name in wanted:
        if name not in known:
            raise TerminalError(f"there is no right {name!r}; there are: {', '.join(known)}")
    return frozenset(known[name] for name in wanted)


def area_of(role: Role, rights: frozenset[Right]) -> Area:
    """Where a terminal belongs by its rights, or by its role if it has none. TerminalError if they are of two areas."""
    if rights and rights <= MUNICIPAL_RIGHTS:
        return Area.MUNICIPAL
    if rights & MUNICIPAL_RIGHTS:
        mixed = ", ".join(right_name(right) for right in sorted(rights & MUNICIPAL_RIGHTS))
        raise TerminalError(f"{mixed}: a right of the municipal area cannot go with one of the Juki area")
    if not rights and role is Role.MUNICIPAL_SERVICE:
        return Area.MUNICIPAL
    return Area.JUKI


@lru_cache(maxsize=64)
def read_terminal(name: str, area: Area, certificates: tuple[bytes, ...]) -> Terminal:
    """What a terminal's certificates say. Raises TerminalError if the leaf is not a terminal's."""
    try:
        leaf = x509.load_der_x509_certificate(certificates[-1])
        extension = leaf.extensions.get_extension_for_oid(x509.ObjectIdentifier(OID)).value
        authorization = TerminalAuthorization.decode(extension.public_bytes())
    except (ValueError, x509.ExtensionNotFound, AuthorizationError) as error:
        raise TerminalError(f"the certificate of terminal {name} cannot be read") from error
    return Terminal(
        name=name,
        area=area,
        authorization=authorization,
        not_before=leaf.not_valid_before_utc.date(),
        not_after=leaf.not_valid_after_utc.date(),
        certificates=certificates,
    )
