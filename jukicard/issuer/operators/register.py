"""The operators of an authority, in the directory `operators/` of its home.

* `SERIAL.pem` (0644): the certificates of an operator's card, the card CA's first
* `revoked/SERIAL.pem`: of a card that no longer counts
* `orders/SERIAL.json`: how the making of each card went; it stays, so that no serial is given twice
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from jukicard.applets.operator.records import is_operator_serial, operator_serial
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.certificates import Subject, last_valid_day, to_pem
from jukicard.issuer.authority.national import read_certificates
from jukicard.issuer.authority.permissions import (
    FOUR_EYES,
    MAKE_OPERATOR,
    OID,
    NoSuchPermissionError,
    Permission,
    decode_permissions,
)
from jukicard.issuer.errors import CertificateProfileError, HomeDamaged, OperatorRefused, RuleRefused
from jukicard.issuer.files import PRIVATE_DIRECTORY, one_writer, read_file, sync_directory, write_atomically

OPERATORS = "operators"
FEWEST_ADMINISTRATORS = 2
"""As many must be able to make operators, since nobody does that alone."""
_PUBLIC_FILE = 0o644
_FORMAT, _VERSION = "jukicard operator order", 1


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator's card as its certificates have it (DER, leaf last): whose, what it may do, until which day."""

    serial: str
    city_code: str
    permissions: frozenset[Permission]
    public_key: EllipticCurvePublicKey
    not_before: date
    not_after: date
    certificates: tuple[bytes, ...]
    revoked: bool = False

    def counts_on(self, day: date) -> bool:
        """Whether it may be used on a day."""
        return not self.revoked and self.not_before <= day <= self.not_after


def read_operator(certificates: tuple[bytes, ...]) -> Operator:
    """Read an operator's certificates; CertificateProfileError where the leaf is none.  Nothing is verified."""
    try:
        leaf = x509.load_der_x509_certificate(certificates[-1])
        extension = leaf.extensions.get_extension_for_oid(x509.ObjectIdentifier(OID)).value
        permissions = decode_permissions(extension.public_bytes())
        key = leaf.public_key()
    except (ValueError, IndexError, x509.ExtensionNotFound, NoSuchPermissionError) as error:
        raise CertificateProfileError("not an operator's certificate") from error
    subject = Subject.read(certificates[-1])
    known = isinstance(key, EllipticCurvePublicKey) and is_operator_serial(subject.serial or "") and subject.city_code
    if not known or not isinstance(key, EllipticCurvePublicKey) or not subject.serial or not subject.city_code:
        raise CertificateProfileError("not an operator's certificate")
    first, last = leaf.not_valid_before_utc.date(), last_valid_day(certificates[-1])
    return Operator(subject.serial, subject.city_code, permissions, key, first, last, certificates)


class Making(StrEnum):
    """How far the making of an operator's card has come."""

    BEGUN = "begun"
    DONE = "done"
    SPOILT = "spoilt"


@dataclass(frozen=True, slots=True)
class OperatorOrder:
    """An operator's card to be made (line.chipwork.Subject).  `chip` is the one bound to it, once one is."""

    serial: str
    city_code: str
    issued_on: date
    expires: date
    permissions: frozenset[Permission]
    state: Making = Making.BEGUN
    chip: str | None = None
    steps_done: tuple[str, ...] = ()


class Operators:
    """The register of an authority's operators.  Its methods raise HomeDamaged for what cannot be read."""

    def __init__(self, authority: Authority) -> None:
        self._city_code = authority.city.code
        self._directory = authority.home / OPERATORS

    @property
    def are_needed(self) -> bool:
        """Whether the home has operators: from the first on that was ever entered, revoked ones included."""
        return bool(self._files("") or self._files("revoked"))

    @property
    def are_founded(self) -> bool:
        """Whether there were ever two who may make operators: until then the authority's password makes them."""
        return sum(MAKE_OPERATOR in one.permissions for one in self.all()) >= FEWEST_ADMINISTRATORS

    def all(self) -> tuple[Operator, ...]:
        """Return every operator ever entered, by serial."""
        found = [read_entry(path) for path in self._files("")]
        found += [replace(read_entry(path), revoked=True) for path in self._files("revoked")]
        return tuple(sorted(found, key=lambda one: one.serial))

    def find(self, serial: str) -> Operator | None:
        """Return one operator, revoked or not, or None."""
        return next((one for one in self.all() if one.serial == serial), None)

    def operator(self, serial: str) -> Operator:
        """Return one operator, revoked or not; OperatorRefused where there is none."""
        found = self.find(serial)
        if found is None:
            raise OperatorRefused(f"there is no operator's card {serial} in the register")
        return found

    def revoke(self, serial: str, *, today: date) -> Operator:
        """Let an operator's card count no more, for good.

        RuleRefused where too few would be left that may do what takes two.
        """
        with one_writer(self._directory):
            wanted = self.operator(serial)
            if wanted.revoked:
                return wanted
            left = [one for one in self.all() if one.serial != serial and one.counts_on(today)]
            for permission in sorted(FOUR_EYES & wanted.permissions):
                if sum(permission in one.permissions for one in left) < FEWEST_ADMINISTRATORS:
                    raise RuleRefused(f"fewer than two would be left for {permission}: make another operator first")
            revoked = self._directory / "revoked"
            revoked.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
            (self._directory / f"{serial}.pem").rename(revoked / f"{serial}.pem")
            sync_directory(self._directory)
            sync_directory(revoked)
        return replace(wanted, revoked=True)

    def enter(self, order: OperatorOrder, certificates: tuple[bytes, ...]) -> Operator:
        """Enter the card that was made: from now on it counts."""
        operator = read_operator(certificates)
        write_atomically(self._directory / f"{order.serial}.pem", to_pem(certificates), _PUBLIC_FILE)
        self.save(replace(order, state=Making.DONE))
        return operator

    def unfinished(self) -> tuple[OperatorOrder, ...]:
        """Return the orders whose making was begun and has no end yet, by serial."""
        return tuple(one for one in self._orders() if one.state is Making.BEGUN)

    def order(self, permissions: Iterable[Permission], *, issued_on: date, expires: date) -> OperatorOrder:
        """Give the next serial to a card that is to be made."""
        self._directory.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
        self._order_files.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
        with one_writer(self._directory):
            number = max((int(path.stem[6:]) for path in self._order_files.glob("6*.json")), default=0) + 1
            serial = operator_serial(self._city_code, number)
            order = OperatorOrder(serial, self._city_code, issued_on, expires, frozenset(permissions))
            self.save(order)
        return order

    def save(self, order: OperatorOrder) -> None:
        """Note how far the making has come."""
        members = {
            "format": _FORMAT,
            "version": _VERSION,
            "city": order.city_code,
            "issued_on": order.issued_on.isoformat(),
            "expires": order.expires.isoformat(),
            "permissions": sorted(map(str, order.permissions)),
            "state": order.state.value,
            "chip": order.chip,
            "steps_done": order.steps_done,
        }
        write_atomically(self._order_files / f"{order.serial}.json", json.dumps(members, indent=1).encode() + b"\n")

    @property
    def _order_files(self) -> Path:
        return self._directory / "orders"

    def _orders(self) -> list[OperatorOrder]:
        return [_read_order(path) for path in sorted(self._order_files.glob("6*.json"))]

    def _files(self, place: str) -> list[Path]:
        return sorted((self._directory / place).glob("6*.pem"))


def read_entry(path: Path) -> Operator:
    """Read an operator's file; HomeDamaged."""
    try:
        found = read_operator(read_certificates(path))
    except CertificateProfileError as error:
        raise HomeDamaged(f"{path} holds no operator's certificates") from error
    if found.serial != path.stem:
        raise HomeDamaged(f"{path} holds another operator's certificates")
    return found


def _read_order(path: Path) -> OperatorOrder:
    try:
        members = json.loads(read_file(path))
        if (members["format"], members["version"]) != (_FORMAT, _VERSION):
            raise HomeDamaged(f"{path} is an order of another version")
        return OperatorOrder(
            path.stem,
            members["city"],
            date.fromisoformat(members["issued_on"]),
            date.fromisoformat(members["expires"]),
            frozenset(map(Permission.parse, members["permissions"])),
            Making(members["state"]),
            members["chip"],
            tuple(members["steps_done"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise HomeDamaged(f"{path} is no order of an operator's card") from error
