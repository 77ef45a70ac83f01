"""What was compared: how much of it was answered 9000, and which rows' successes were reached on which side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.fuzz.model import SYSTEM
from tests.fuzz.oracles import SUCCESS
from tests.fuzz.tables import KINDS as APPLICATIONS
from tests.fuzz.tables import ROWS, row_key
from tests.independence.pairs import Seen
from tests.independence.secrets import CITY, FACE, JPKI, JUKI, KINDS, SERVICE

SIDES = {
    JUKI: "the Juki area is secret; compared: the issuer's domain, the municipality's, its services",
    CITY: "the municipality's area is secret; compared: the issuer's domain, the Juki domain and application",
    SERVICE: "one service is secret; compared: everything else",
    JPKI: "the JPKI application is secret; compared: everything else",
    FACE: "the face-verification application is secret; compared: everything else",
}
_DOMAIN = next(kind for applet, kind in APPLICATIONS.items() if applet.is_domain)
_NATIONAL = frozenset((JUKI, "operator"))
_SERVICES = frozenset(APPLICATIONS.values()) - {_DOMAIN, JPKI, FACE, "shared"} - _NATIONAL
_HIDDEN: Mapping[str, frozenset[str]] = {
    JUKI: _NATIONAL,
    CITY: _SERVICES,
    JPKI: frozenset((JPKI,)),
    FACE: frozenset((FACE,)),
}


def kinds_compared(secret: str) -> frozenset[str]:
    """The tables whose rows the side that is compared has."""
    return frozenset(ROWS) - _HIDDEN.get(secret, frozenset())


def rows_compared(secret: str) -> list[str]:
    """The rows of those tables by their keys, an inherited one once."""
    return sorted({row_key(row) for kind in kinds_compared(secret) for row in ROWS[kind]})


def never(secret: str, seen: Seen) -> list[str]:
    """The rows whose success was not reached while `secret` was."""
    good = {row for (row, sw), count in seen.rows.items() if count and sw >> 8 in SUCCESS}
    return [row for row in rows_compared(secret) if row not in good]


def share(seen: Seen) -> float:
    """The share of commands that were answered 9000."""
    return seen.good / max(1, seen.commands)


def table(all_seen: Mapping[str, Seen]) -> Iterator[str]:
    """One paragraph for each kind of secret."""
    assert SYSTEM in ROWS
    for secret in KINDS:
        seen = all_seen[secret]
        missing, rows = never(secret, seen), rows_compared(secret)
        yield f"{SIDES[secret]}:"
        yield f"  commands compared: {seen.commands}, of which 9000: {share(seen):.1%}"
        hidden = seen.hidden_good / max(1, seen.hidden)
        yield f"  said on the secret side meanwhile: {seen.hidden}, of which 9000: {hidden:.1%}"
        yield f"  pairs of cards: {seen.pairs}; different in the end: secrets on {seen.different},"
        yield f"  applications on the secret side on {seen.applications}"
        yield f"  rows whose success was reached: {len(rows) - len(missing)} of {len(rows)}"
        yield f"  never reached: {', '.join(missing) or 'nothing'}"
