"""The ledger: an append-only, hash-chained and signed list of events, in SQLite or PostgreSQL.

Killed at any moment, what a call returned for stands there. Who may append is the database's business (the file's mode,
the role's rights); that nothing was changed, anybody can verify: the chain (`chain`), the signatures of operators'
cards, the authority's seals, and a head that was kept elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from types import TracebackType

import sqlalchemy as sa
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.issuer.errors import LedgerDamaged, LedgerError, TransitionRefused
from jukicard.issuer.ledger import projection
from jukicard.issuer.ledger.cards import CardState
from jukicard.issuer.ledger.chain import (
    UNATTENDED,
    ChainCheck,
    Entry,
    EntrySigner,
    head,
    parse_head,
    sealed_message,
    signed_message,
)
from jukicard.issuer.ledger.database import Database
from jukicard.issuer.ledger.group import AUTHORITY, CardTerms, Group, Resident, Sealer, head_of
from jukicard.issuer.ledger.rules import HELD, MID_ISSUE, AnyEvent, Event, Status
from jukicard.issuer.ledger.schema import cards, events, people, signatures
from jukicard.issuer.ledger.stock import current_stock

Trust = Callable[[str], ec.EllipticCurvePublicKey | None]
"""From a signer (an operator card's serial, or "authority") to its public key, None for one that nobody knows."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verification has found in order: the head, the last entry that the authority has sealed (0: none), how
    many entries nobody signed for.
    """

    head: str
    sealed: int
    unattended: int


class Ledger:
    """The books of one authority. Made by `create` or `open`; close it, or use it as a context manager.

    `signer`, an operator's session, signs what is written; without one, entries say "unattended". `sealer` is the
    authority's key, where it is open.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.signer: EntrySigner | None = None
        self.sealer: Sealer | None = None

    @classmethod
    def create(cls, place: Path | str, role: str | None = None) -> Ledger:
        """Make empty books: a file (0600), or the tables in a PostgreSQL database, `role` being who will append.

        LedgerError if there are books already, or they cannot be made.
        """
        from jukicard.issuer.ledger.upgrade import upgrade  # here, since alembic takes long to import

        database = Database(place)
        database.create()
        if not database.is_sqlite and database.version() is not None:
            database.close()
            raise LedgerError(f"there are books already in {database.name}")
        upgrade(database, role)
        return cls(database)

    @classmethod
    def open(cls, place: Path | str) -> Ledger:
        """Open the books. LedgerError if there are none, or not private, or of another version."""
        database = Database(place)
        try:
            database.check()
        except LedgerError:
            database.close()
            raise
        return cls(database)

    @classmethod
    def open_as_owner(cls, url: str) -> Ledger:
        """Open books in PostgreSQL as somebody who may change them: for what is beside the entries. LedgerError."""
        database = Database(url)
        try:
            database.check_version()
        except LedgerError:
            database.close()
            raise
        return cls(database)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Ledger({self.database.name!r})"

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()

    @contextmanager
    def writing(self) -> Iterator[Group]:
        """A group of entries: at the end all of them are written and durable, after an exception none."""
        with self.database.writing() as connection:
            group = Group(connection, self.signer)
            yield group
            group.write(self.sealer)
        if group.has_erased:
            self.database.clear_log()

    def order(self, terms: CardTerms, resident: Resident, at: datetime) -> str:
        """Enter a new card, in a group of its own: see `Group.order`."""
        with self.writing() as group:
            return group.order(terms, resident, at)

    def append(self, serial: str, event: Event, at: datetime, detail: Mapping[str, str] | None = None) -> CardState:
        """Enter an event of a card, in a group of its own: see `Group.append`."""
        if event in (Event.ORDERED, Event.APPLIED, Event.TAKEN_OVER):
            raise TransitionRefused("a card is entered by applying for it, ordering it, or taking it over")
        with self.writing() as group:
            return group.append(serial, event, at, detail)

    def entries(self, serial: str | None = None) -> tuple[Entry, ...]:
        """All entries, or those of one card, in their order."""
        return tuple(self.stream(serial))

    def stream(self, serial: str | None = None, events_of: Collection[AnyEvent] = ()) -> Iterator[Entry]:
        """The same, one after the other, for books that are too many to hold at once; or only those of some events."""
        with self.database.reading() as connection:
            yield from projection.entries(connection, serial, events_of)

    def by_subject(self) -> Iterator[Entry]:
        """All entries, one after the other, those of one card (or delivery, …) together, each in their order."""
        with self.database.reading() as connection:
            yield from projection.by_subject(connection)

    def card(self, serial: str) -> CardState:
        """The state of one card. LedgerError if the ledger does not know it."""
        state = self.find(serial)
        if state is None:
            raise LedgerError(f"the ledger has no card {serial}")
        return state

    def find(self, serial: str) -> CardState | None:
        """The state of one card, or None if the ledger does not know it."""
        with self.database.reading() as connection:
            return projection.find(connection, serial)

    def cards(self, *statuses: Status) -> tuple[CardState, ...]:
        """The states of all cards, or those that stand so, in the order of their serials."""
        with self.database.reading() as connection:
            return projection.in_status(connection, *statuses)

    def unfinished(self) -> tuple[CardState, ...]:
        """The cards in mid-issue or mid-handover: each is to be resumed, spoilt or cancelled."""
        waiting = (*MID_ISSUE, Status.ACTIVE)  # an active card may have a password reset without an outcome
        return tuple(state for state in self.cards(*waiting) if state.is_unfinished)

    def cards_for(self, code_digest: str) -> tuple[CardState, ...]:
        """The cards ever applied for or ordered for the resident code with this keyed digest."""
        with self.database.reading() as connection:
            return projection.of_code(connection, code_digest)

    def cards_of_run(self, run: str) -> Iterator[CardState]:
        """The cards of a run, one after the other, in the order of their serials."""
        with self.database.reading() as connection:
            yield from projection.of_run(connection, run)

    def cards_for_any(self, code_digests: Sequence[str]) -> tuple[CardState, ...]:
        """The same as `cards_for` for many resident codes at once (a few hundred at most)."""
        with self.database.reading() as connection:
            return projection.of_codes(connection, code_digests)

    def card_on(self, chip: str) -> CardState | None:
        """The card that the chip of that number was bound to last, or None if it never was."""
        with self.database.reading() as connection:
            return projection.on_chip(connection, chip)

    def check_in_stock(self, chip: str) -> None:
        """Refuse (RuleRefused) a chip that no delivery has, or that was discarded, where stock is kept."""
        current_stock(self).check(chip)

    def past_last_day(self, today: date) -> tuple[CardState, ...]:
        """The cards that are somebody's and whose last day has passed, in the order of their serials."""
        with self.database.reading() as connection:
            return projection.past_last_day(connection, today, *HELD)

    def sealed(self, subject: str) -> bytes | None:
        """The sealed personal data that are kept of a subject, or None."""
        with self.database.reading() as connection:
            statement = sa.select(people.c.sealed).where(people.c.subject == subject)
            return connection.execute(statement).scalar_one_or_none()

    def kept_past(self, today: date) -> tuple[str, ...]:
        """The subjects of which personal data are kept, although the day until which they may be has passed."""
        with self.database.reading() as connection:
            statement = sa.select(people.c.subject).where(people.c.kept_until < today.isoformat())
            return tuple(connection.execute(statement.order_by(people.c.subject)).scalars())

    def counts(self) -> dict[Status, int]:
        """How many cards stand where."""
        with self.database.reading() as connection:
            statement = sa.select(cards.c.status, sa.func.count()).group_by(cards.c.status)
            return {Status(status): count for status, count in connection.execute(statement)}

    def head(self) -> str:
        """Number and digest of the last entry, `NUMBER:HEX`: it stands for the whole ledger.

        To be kept elsewhere, so that a cut tail or a rewritten chain is noticed.
        """
        with self.database.reading() as connection:
            return head(*head_of(connection))

    def check_empty(self) -> None:
        """Refuse (LedgerError) books with entries, which are another authority's."""
        if parse_head(self.head())[0]:
            raise LedgerError(f"the books in {self.database.name} are another authority's: they are not empty")

    def seal(self) -> str:
        """Let the authority sign for all entries, and return the head. LedgerError if its keys are not open."""
        if self.sealer is None:
            raise LedgerError("the books are sealed with the authority's key, which is not open")
        with self.database.writing() as connection:
            number, digest = head_of(connection)
            known = sa.select(signatures.c.last).where(signatures.c.last == number, signatures.c.signer == AUTHORITY)
            if number and connection.execute(known).one_or_none() is None:
                Group(connection, None).seal(self.sealer)
            return head(number, digest)

    def verify(self, kept: str | None = None, trust: Trust | None = None) -> str:
        """Verify as `inspect` does, and return the head."""
        return self.inspect(kept, trust).head

    def inspect(self, kept: str | None = None, trust: Trust | None = None, sealed: int = 0) -> Verified:
        """Recompute every digest over what the rows hold, check every signature and every card's transitions.

        `kept` is a head from before, with its entry's number or without; `sealed` the entry up to which the books
        were sealed then; with `trust`, signatures must be those of keys that it knows. LedgerDamaged names the first
        entry that does not fit, or where that head is not in the chain; LedgerError if it is none.
        """
        with self.database.reading() as connection:
            found = _inspected(connection, ChainCheck(kept), trust)
            projection.check(connection)
        if found.sealed < sealed:
            raise LedgerDamaged(
                f"the authority had sealed the entries up to {sealed}, and now its last seal is that of entry "
                f"{found.sealed}: a seal was removed"
            )
        return found

    def rebuild(self, kept: str | None = None, trust: Trust | None = None) -> Verified:
        """Make the table of cards anew from the entries, which are verified first as `inspect` does."""
        with self.database.writing() as connection:
            found = _inspected(connection, ChainCheck(kept), trust)
            projection.rebuild(connection)
        return found


def _inspected(connection: sa.Connection, check: ChainCheck, trust: Trust | None) -> Verified:
    """Verify the entries and what is signed of them; the table of cards plays no part."""
    signed = _Signatures(connection, trust)
    statement = sa.select(events).order_by(events.c.id).execution_options(yield_per=projection.PAGE)
    for line in connection.execute(statement):
        check.follow(projection.row_of(line), line.digest)
        signed.follow(check.number, check.digest, line.actor)
    now = check.end()
    signed.end()
    return Verified(now, signed.sealed, signed.unattended)


class _Signatures:
    """Follows the entries beside the chain, and holds the signatures against them."""

    def __init__(self, connection: sa.Connection, trust: Trust | None) -> None:
        order = (signatures.c.last, signatures.c.signer)
        statement = sa.select(signatures).order_by(*order).execution_options(yield_per=projection.PAGE)
        self._lines = iter(connection.execute(statement))
        self._line = next(self._lines, None)
        self._trust = trust
        self._unsigned: tuple[int, str] | None = None
        self._attended = False
        self.sealed = 0
        self.unattended = 0

    def follow(self, number: int, digest: str, actor: str | None) -> None:
        """Take the next entry. LedgerDamaged if a signature is wrong, or one is missing."""
        if actor is None or actor == UNATTENDED:
            self.unattended += 1
            self._check_signed()
            if self._attended:
                raise LedgerDamaged(f"entry {number} is nobody's, and operators sign the ones before it")
        elif self._unsigned is None:
            self._unsigned = (number, actor)
        elif self._unsigned[1] != actor:
            self._check_signed()
        self._attended = actor not in (None, UNATTENDED)
        while self._line is not None and self._line.last == number:
            self._take(self._line, digest)
            self._line = next(self._lines, None)

    def end(self) -> None:
        """Refuse entries that nobody signed, and signatures of entries that are not there."""
        self._check_signed()
        if self._line is not None:
            raise LedgerDamaged(f"there is a signature for entries up to {self._line.last}: the ledger was cut")

    def _check_signed(self) -> None:
        if self._unsigned is not None:
            number, actor = self._unsigned
            raise LedgerDamaged(f"entry {number} is operator card {actor}'s, which has not signed it")

    def _take(self, line: sa.Row[tuple[int, str, int, str]], digest: str) -> None:
        if line.signer == AUTHORITY:
            self._verify(line, sealed_message(line.last, digest))
            self.sealed = line.last
            return
        if self._unsigned != (line.first, line.signer):
            raise LedgerDamaged(f"the signature of entries {line.first} to {line.last} is for others than it says")
        self._verify(line, signed_message(line.first, line.last, digest))
        self._unsigned = None

    def _verify(self, line: sa.Row[tuple[int, str, int, str]], message: bytes) -> None:
        if self._trust is None:
            return
        key = self._trust(line.signer)
        if key is None:
            raise LedgerDamaged(
                f"entries up to {line.last} are signed by {line.signer}, whom this authority does not know"
            )
        try:
            key.verify(bytes.fromhex(line.signature), message, ec.ECDSA(hashes.SHA256()))
        except (InvalidSignature, ValueError):
            raise LedgerDamaged(f"the signature of {line.signer} at entry {line.last} does not verify") from None


__all__ = ["CardTerms", "Ledger", "Resident", "Trust", "Verified", "parse_head"]
