"""What an entry may say beyond its event: named details, each of its own form, and nothing personal.

Beyond serials, city, face version and dates there are only two keyed digests: of the resident code, by which a second
card for the same code can be found, and of the person, by which a second person with that code is (entries of the
first version's books may lack the latter).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

from jukicard.applets.jpki.layout import Usage
from jukicard.issuer.errors import LedgerError
from jukicard.issuer.ledger.rules import AnyEvent, BooksEvent, Event


class Kind(StrEnum):
    """Why a card is applied for; all but the first replace a card that the books have."""

    NEW = "new"
    LOST = "lost"
    DAMAGED = "damaged"
    RENEWAL = "renewal"
    EXPIRED = "expired"


class Cause(StrEnum):
    """Why a card is void (法30条の44, 令30条の17 ff.)."""

    RETURNED = "returned"
    ABOLISHED = "abolished"
    CODE_CHANGED = "code-changed"
    MOVED_AWAY = "moved-away"
    EXPIRED = "expired"
    LOST = "lost"
    REPLACED = "replaced"
    DECEASED = "deceased"


class Endorsement(StrEnum):
    """What was changed by hand in the endorsement area on the back (追記)."""

    NAME = "name"
    ADDRESS = "address"
    ALIAS = "alias"


class RevocationReason(StrEnum):
    """Why such a certificate is revoked (RFC 5280, 5.3.1)."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "key-compromise"
    AFFILIATION_CHANGED = "affiliation-changed"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessation-of-operation"
    CERTIFICATE_HOLD = "certificate-hold"


_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SERIAL = re.compile(r"[67][0-9]{14}")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_COUNT = re.compile(r"[0-9]{1,9}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_WORDS = re.compile(r"[a-z][a-z ,'-]{0,79}")
_CHIPS = r"[0-9A-F]{16}(-[0-9A-F]{16})?"


def _one_of(values: type[StrEnum]) -> re.Pattern[str]:
    return re.compile("|".join(values))


DETAIL_FORMS: Mapping[str, re.Pattern[str]] = {
    "city": re.compile(r"[0-9]{5}"),
    "face": re.compile(r"[AB]"),
    "issued": _DAY,
    "expires": _DAY,
    "code_digest": _DIGEST,
    "person_digest": _DIGEST,
    "kind": _one_of(Kind),
    "replaces": _SERIAL,
    "replaced_by": _SERIAL,
    "document": re.compile(r"[a-z][a-z-]{0,39}"),
    "chip": re.compile(r"[0-9A-F]{2,64}"),
    "step": re.compile(r"[a-z0-9][a-z0-9-]{0,63}"),
    "reason": _WORDS,
    "cause": _one_of(Cause),
    "field": _one_of(Endorsement),
    "moved_to": re.compile(r"[0-9]{5}"),
    "moved_from": re.compile(r"[0-9]{5}"),
    "purpose": _WORDS,
    "moved_out": _DAY,
    "moved_in": _DAY,
    "reported": _DAY,
    "sw": re.compile(r"[0-9A-F]{4}"),
    "blanks": _NAME,
    "chips": re.compile(rf"{_CHIPS}(,{_CHIPS}){{0,999}}"),
    "count": _COUNT,
    "run": _NAME,
    "row": _COUNT,
    "records": _DIGEST,
    "issued_count": _COUNT,
    "spoilt_count": _COUNT,
    "second": _SERIAL,
    "what": _NAME,
    "certificate": re.compile(r"[0-9a-f]{2,40}"),
    "usage": _one_of(Usage),
    "revocation": re.compile("|".join(one for one in RevocationReason if one is not RevocationReason.CERTIFICATE_HOLD)),
}
"""The only details there are, and their forms. `chip` is a blank chip's name for itself, `reason` and `purpose` words,
`chips` the numbers that a delivery of blanks has, `second` the other operator of what takes two, `records` the SHA-256
of a run's records as they were read, `certificate` a certificate's serial number in hex. A certificate is on hold only
while its card is suspended: nobody enters that."""

REQUIRED_DETAILS: Mapping[AnyEvent, frozenset[str]] = {
    Event.APPLIED: frozenset({"city", "face", "issued", "expires", "code_digest", "person_digest", "kind"}),
    Event.IDENTIFIED: frozenset({"document"}),
    Event.REFUSED: frozenset({"reason"}),
    Event.ORDERED: frozenset({"issued", "expires"}),
    Event.BOUND: frozenset({"chip"}),
    Event.STEP_STARTED: frozenset({"step"}),
    Event.STEP_DONE: frozenset({"step"}),
    Event.MOVED: frozenset({"moved_to", "moved_out", "moved_in", "reported"}),
    Event.TAKEN_OVER: frozenset({"issued", "expires", "moved_from", "moved_out", "moved_in", "reported"}),
    Event.LOOKED_UP: frozenset({"purpose"}),
    Event.ENDORSED: frozenset({"field"}),
    Event.CERTIFIED: frozenset({"certificate", "usage", "issued", "expires"}),
    Event.UNCERTIFIED: frozenset({"certificate", "revocation"}),
    Event.SPOILT: frozenset({"reason"}),
    BooksEvent.BLANKS_RECEIVED: frozenset({"count"}),
    BooksEvent.BLANKS_COUNTED: frozenset({"count"}),
    BooksEvent.BLANKS_DISCARDED: frozenset({"count", "reason"}),
    BooksEvent.RUN_STARTED: frozenset({"records", "count", "issued"}),
    BooksEvent.RUN_ENDED: frozenset({"issued_count", "spoilt_count"}),
    BooksEvent.EXPORTED: frozenset({"what"}),
    BooksEvent.KEYS_CHANGED: frozenset({"what"}),
    BooksEvent.FOREIGN_LOOKED_UP: frozenset({"purpose"}),
}
FIRST_ORDER = frozenset({"city", "face", "code_digest"})
"""What a card's first entry needs besides: an order that no application went before, or a card taken over."""


def check_detail(event: AnyEvent, detail: Mapping[str, str]) -> None:
    """Raise LedgerError unless the details are those that the event needs, in their forms."""
    require(event, detail, REQUIRED_DETAILS.get(event, frozenset()))
    for name, value in detail.items():
        form = DETAIL_FORMS.get(name)
        if form is None or not form.fullmatch(value):
            raise LedgerError(f"{name!r} is no detail of that form that the ledger keeps")


def require(event: AnyEvent, detail: Mapping[str, str], names: frozenset[str]) -> None:
    """Raise LedgerError if a detail is missing."""
    missing = names - detail.keys()
    if missing:
        raise LedgerError(f"the event {event} lacks {', '.join(sorted(missing))}")
