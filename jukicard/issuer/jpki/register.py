"""Which certificates were issued for which card, and which of them are revoked: derived from the books alone.

Nothing has to remember to revoke: what the books say of a card decides about its certificates (docs/jpki-ca.md has the
table). A certificate on hold is one of a suspended card; it is good again once the card is resumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from cryptography import x509

from jukicard.applets.jpki.layout import Usage
from jukicard.issuer.errors import LedgerDamaged, RuleRefused
from jukicard.issuer.jpki.profile import JAPAN
from jukicard.issuer.ledger.chain import Entry
from jukicard.issuer.ledger.details import Cause, Endorsement, RevocationReason
from jukicard.issuer.ledger.rules import Event

if TYPE_CHECKING:
    from jukicard.issuer.ledger.ledger import Ledger

_HOLD = RevocationReason.CERTIFICATE_HOLD
_SIGNATURE = frozenset({Usage.SIGNATURE})
_BOTH = frozenset(Usage)

BY_CAUSE: Final[Mapping[Cause, RevocationReason]] = {
    Cause.RETURNED: RevocationReason.CESSATION_OF_OPERATION,
    Cause.ABOLISHED: RevocationReason.CESSATION_OF_OPERATION,
    Cause.CODE_CHANGED: RevocationReason.AFFILIATION_CHANGED,
    Cause.MOVED_AWAY: RevocationReason.AFFILIATION_CHANGED,
    Cause.EXPIRED: RevocationReason.CESSATION_OF_OPERATION,
    Cause.LOST: RevocationReason.KEY_COMPROMISE,
    Cause.REPLACED: RevocationReason.SUPERSEDED,
    Cause.DECEASED: RevocationReason.CESSATION_OF_OPERATION,
}
"""What a card's becoming void means for its certificates; without a cause it is `unspecified`."""
CARRIED: Final = frozenset({Endorsement.NAME, Endorsement.ADDRESS})
"""The changes on the back that make a certificate with the four items untrue."""
BY_OFFICE: Final = (
    RevocationReason.KEY_COMPROMISE,
    RevocationReason.AFFILIATION_CHANGED,
    RevocationReason.CESSATION_OF_OPERATION,
)
"""The reasons for which an office revokes a certificate by itself; all others follow from what the books say."""
EVENTS: Final = (
    Event.CERTIFIED,
    Event.UNCERTIFIED,
    Event.VOIDED,
    Event.DESTROYED,
    Event.ENDORSED,
    Event.MOVED,
    Event.TAKEN_OVER,
    Event.SUSPENDED,
    Event.RESUMED,
)
"""The events that tell of certificates."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """Since when a certificate is revoked, or on hold, and why."""

    at: datetime
    reason: RevocationReason


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A certificate in the books: its serial number (hex), its card's serial, its days, whether it is revoked."""

    number: str
    card: str
    usage: Usage
    issued: date
    expires: date
    revocation: Revocation | None = None

    @property
    def is_final(self) -> bool:
        """Whether it is revoked for good."""
        return self.revocation is not None and self.revocation.reason is not _HOLD


class Register:
    """The certificates that the books know, built entry by entry: see `register_of`."""

    def __init__(self) -> None:
        self._by_number: dict[str, IssuedCertificate] = {}
        self._by_card: dict[str, list[str]] = {}

    def __iter__(self) -> Iterator[IssuedCertificate]:
        return iter(self._by_number.values())

    def find(self, number: str) -> IssuedCertificate | None:
        """The certificate with that serial number (hex, without leading zeros in front of the first byte), or None."""
        return self._by_number.get(number)

    def of_card(self, serial: str) -> tuple[IssuedCertificate, ...]:
        """The certificates of a card, in the order in which they were issued."""
        return tuple(self._by_number[number] for number in self._by_card.get(serial, ()))

    def take(self, entry: Entry) -> None:
        """Take in one more entry; those of other events change nothing. LedgerDamaged for what cannot be."""
        if entry.event is Event.CERTIFIED:
            self._add(entry)
        elif entry.event is Event.UNCERTIFIED:
            found = self.find(entry.detail["certificate"])
            if found is None or found.card != entry.serial:
                raise LedgerDamaged(f"entry {entry.number} revokes a certificate that card {entry.serial} never had")
            self._revoke(found, Revocation(entry.at, RevocationReason(entry.detail["revocation"])))
        elif entry.event is Event.RESUMED:
            for found in self.of_card(entry.serial):
                if found.revocation is not None and not found.is_final:
                    self._by_number[found.number] = replace(found, revocation=None)
        else:
            self._follow(entry)

    def _add(self, entry: Entry) -> None:
        detail = entry.detail
        number, usage = detail["certificate"], Usage(detail["usage"])
        if number in self._by_number:
            raise LedgerDamaged(f"entry {entry.number} issues certificate {number} a second time")
        for earlier in self.of_card(entry.serial):
            if earlier.usage is usage:
                self._revoke(earlier, Revocation(entry.at, RevocationReason.SUPERSEDED))
        issued, expires = date.fromisoformat(detail["issued"]), date.fromisoformat(detail["expires"])
        self._by_number[number] = IssuedCertificate(number, entry.serial, usage, issued, expires)
        self._by_card.setdefault(entry.serial, []).append(number)

    def _follow(self, entry: Entry) -> None:
        consequence = _consequence(entry)
        if consequence is None:
            return
        usages, reason = consequence
        for found in self.of_card(entry.serial):
            if found.usage in usages:
                self._revoke(found, Revocation(entry.at, reason))

    def _revoke(self, found: IssuedCertificate, revocation: Revocation) -> None:
        """The first final reason stays; what was on hold before counts as revoked since then."""
        if found.is_final or (found.revocation is not None and revocation.reason is _HOLD):
            return
        since = revocation.at if found.revocation is None else found.revocation.at
        self._by_number[found.number] = replace(found, revocation=replace(revocation, at=since))


def _consequence(entry: Entry) -> tuple[frozenset[Usage], RevocationReason] | None:
    """What an entry about a card means for its certificates: those for which use, and why."""
    if entry.event is Event.VOIDED:
        cause = entry.detail.get("cause")
        return _BOTH, RevocationReason.UNSPECIFIED if cause is None else BY_CAUSE[Cause(cause)]
    if entry.event is Event.DESTROYED:
        return _BOTH, RevocationReason.CESSATION_OF_OPERATION
    if entry.event is Event.SUSPENDED:
        return _BOTH, _HOLD
    if entry.event in (Event.MOVED, Event.TAKEN_OVER):
        return _SIGNATURE, RevocationReason.AFFILIATION_CHANGED
    if entry.event is Event.ENDORSED and entry.detail["field"] in CARRIED:
        return _SIGNATURE, RevocationReason.AFFILIATION_CHANGED
    return None


def register_of(entries: Iterable[Entry]) -> Register:
    """Build the register from the books' entries, in their order. LedgerDamaged."""
    register = Register()
    for entry in entries:
        register.take(entry)
    return register


def current_register(ledger: Ledger) -> Register:
    """The register as the books have it now."""
    return register_of(ledger.stream(events_of=EVENTS))


def certificate_number(number: int) -> str:
    """A certificate's serial number as the books write it: lower-case hex, whole bytes."""
    digits = f"{number:x}"
    return digits.zfill(len(digits) + len(digits) % 2)


def certified(certificate: bytes, usage: Usage) -> dict[str, str]:
    """The details with which `Event.CERTIFIED` enters a certificate (DER)."""
    read = x509.load_der_x509_certificate(certificate)
    days = (moment.astimezone(JAPAN).date() for moment in (read.not_valid_before_utc, read.not_valid_after_utc))
    issued, expires = (day.isoformat() for day in days)
    number = certificate_number(read.serial_number)
    return {"certificate": number, "usage": usage.value, "issued": issued, "expires": expires}


def revoke(
    ledger: Ledger,
    at: datetime,
    reason: RevocationReason,
    *,
    card: str | None = None,
    number: str | None = None,
) -> tuple[IssuedCertificate, ...]:
    """Revoke one certificate by its `number`, or all that a `card` has, and return them as they are now.

    RuleRefused for a certificate that is not in the books, for what is revoked
    already, and for a reason that no office gives.
    """
    if reason not in BY_OFFICE:
        raise RuleRefused(f"{reason} is no reason of an office's: it follows from what the books say of a card")
    with ledger.writing() as group:
        register = register_of(group.entries(*EVENTS))
        chosen = _chosen(register, card, number)
        for found in chosen:
            detail = {"certificate": found.number, "revocation": reason.value}
            group.append(found.card, Event.UNCERTIFIED, at, detail)
    now = current_register(ledger)
    return tuple(one for one in map(now.find, (found.number for found in chosen)) if one is not None)


def _chosen(register: Register, card: str | None, number: str | None) -> list[IssuedCertificate]:
    if number is not None:
        one = register.find(number)
        if one is None or card not in (None, one.card):
            raise RuleRefused(f"there is no certificate {number} in these books")
        if one.is_final and one.revocation is not None:
            raise RuleRefused(f"certificate {number} is revoked already: {one.revocation.reason}")
        return [one]
    if card is None:
        raise ValueError("which certificates? those of a card, or one by its number")
    found = [one for one in register.of_card(card) if not one.is_final]
    if not found:
        raise RuleRefused(f"card {card} has no certificate that could be revoked")
    return found
