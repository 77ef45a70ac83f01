"""The chain of the books' entries: how one is written, digested and signed, and what a whole chain must be.

An entry's digest is SHA-256 over the digest before it (64 zeros first) and the canonical JSON array of its number,
time, subject, event, details and actor. Entries of the books' first version had no actor; their arrays have five
members, and none of them may follow one that has an actor.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from jukicard.issuer.errors import LedgerDamaged, LedgerError
from jukicard.issuer.ledger.rules import AnyEvent, event_named

GENESIS = "0" * 64
UNATTENDED = "unattended"
"""The actor of entries in a home that has no operators."""

_HEAD = re.compile(r"(?:(?P<number>[0-9]{1,12}):)?(?P<digest>[0-9a-f]{64})")


class EntrySigner(Protocol):
    """Who writes entries and signs for them: an operator's card in a session."""

    @property
    def actor(self) -> str:
        """The serial of the operator's card, 15 digits."""

    def sign(self, message: bytes) -> bytes:
        """ECDSA with SHA-256 over the message (not over its hash), DER."""


@dataclass(frozen=True, slots=True)
class Row:
    """An entry as it is stored, byte for byte."""

    number: int
    time: str
    subject: str
    event: str
    detail: str
    actor: str | None

    def digest(self, before: str) -> str:
        """The entry's digest after that of the entry before it."""
        columns: list[object] = [self.number, self.time, self.subject, self.event, self.detail]
        if self.actor is not None:
            columns.append(self.actor)
        return hashlib.sha256(before.encode() + canonical(columns).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger. `serial` is the card's, or the name of a delivery, run or operator's card.

    `actor` is the serial of the operator's card, "unattended", or None in entries of the first version; `digest`
    chains it to all lines before it (64 hex digits).
    """

    number: int
    at: datetime
    serial: str
    event: AnyEvent
    detail: Mapping[str, str]
    digest: str
    actor: str | None = None


def read(row: Row, digest: str) -> Entry:
    """Read a stored entry. LedgerDamaged if it is none."""
    try:
        detail = {str(name): str(value) for name, value in json.loads(row.detail).items()}
        at = datetime.fromisoformat(row.time)
        return Entry(row.number, at, row.subject, event_named(row.event), detail, digest, row.actor)
    except (ValueError, TypeError, AttributeError) as error:
        raise LedgerDamaged(f"entry {row.number} of the ledger cannot be read") from error


def signed_message(first: int, last: int, digest: str) -> bytes:
    """What an operator's card signs for the entries from `first` to `last`, whose digest binds all before it too."""
    return f"jukicard ledger: entries {first} to {last} {digest}".encode("ascii")


def sealed_message(last: int, digest: str) -> bytes:
    """What the authority's key signs for all entries up to `last`."""
    return f"jukicard ledger: sealed up to {last} {digest}".encode("ascii")


class ChainCheck:
    """Follows a chain from its beginning, entry by entry, and holds it against a head that was kept elsewhere."""

    def __init__(self, kept: str | None = None) -> None:
        self.number, self.digest = 0, GENESIS
        self._kept = None if kept is None else parse_head(kept)
        self._kept_found = self._kept is not None and self._kept[1] == GENESIS
        self._has_actors = False

    def follow(self, row: Row, digest: str) -> None:
        """Take the next entry. LedgerDamaged if it is not the one that was written there."""
        number = self.number + 1
        if row.number != number:
            raise LedgerDamaged(f"entry {number} of the ledger is missing: entry {row.number} stands in its place")
        try:
            expected = row.digest(self.digest)
        except TypeError as error:
            raise LedgerDamaged(f"entry {number} of the ledger cannot be read") from error
        if digest != expected:
            raise LedgerDamaged(
                f"the ledger's chain breaks at entry {number}: it, or one before it, is not what was written"
            )
        if row.actor is None and self._has_actors:
            raise LedgerDamaged(f"entry {number} says of nobody that he wrote it, and the one before it does")
        self._has_actors = row.actor is not None
        self.number, self.digest = number, digest
        self._compare()

    def _compare(self) -> None:
        if self._kept is None:
            return
        number, digest = self._kept
        if digest == self.digest:
            self._kept_found = True
        if number == self.number and digest != self.digest:
            raise LedgerDamaged(
                f"entry {number}, or one before it, was rewritten: the head kept elsewhere has another digest"
            )

    def end(self) -> str:
        """Return the head. LedgerDamaged if the head kept elsewhere did not come by."""
        if self._kept is not None:
            number, digest = self._kept
            if number is not None and number > self.number:
                raise LedgerDamaged(
                    f"the ledger ends at entry {self.number}, and the head kept elsewhere is entry {number}'s: "
                    "it was cut"
                )
            if not self._kept_found or (number == 0 and digest != GENESIS):
                raise LedgerDamaged(
                    f"none of the entries up to {self.number}, the last one, has the head kept elsewhere: "
                    "it was cut or rewritten"
                )
        return head(self.number, self.digest)


def head(number: int, digest: str) -> str:
    """Write number and digest of an entry: they stand for the whole ledger up to it."""
    return f"{number}:{digest}"


def parse_head(text: str) -> tuple[int | None, str]:
    """Read a head. LedgerError if it is none."""
    found = _HEAD.fullmatch(text.strip().lower())
    if found is None:
        raise LedgerError("a head of the ledger is NUMBER:HEX, as verify prints it, or the 64 hex digits alone")
    return None if found["number"] is None else int(found["number"]), found["digest"]


def canonical(value: object) -> str:
    """Write JSON in its one form."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def stamp(at: datetime) -> str:
    """Write a time in UTC. LedgerError if it has no zone."""
    if at.tzinfo is None:
        raise LedgerError("a ledger's time needs its zone")
    return at.astimezone(UTC).isoformat(timespec="microseconds")
