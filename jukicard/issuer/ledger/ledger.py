"""The first ledger: an append-only, hash-chained table of events in SQLite (through SQLAlchemy).

One writer at a time (each write is one immediate transaction that reads what it depends on), write-ahead
log, and a sync to disk before an entry counts as written: killed at any moment, what `append` returned for
stands there.

Table `events`: `id` (1, 2, 3 …), `time` (ISO 8601, UTC), `serial`, `event`, `detail` (JSON object of
strings), `digest`: SHA-256 in hex over the digest before (64 zeros first) and the JSON array of the other
five. Triggers refuse UPDATE and DELETE.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.exc import SQLAlchemyError

from jukicard.issuer.errors import CodeTaken, HomeDamaged, LedgerDamaged, LedgerError, TransitionRefused
from jukicard.issuer.files import PRIVATE_FILE, check_private, sync_directory
from jukicard.issuer.ledger.rules import CardState, Entry, Event, advance, fold

SERIAL_PREFIX = "7"
"""The leading digit of our card serials: 7, city code (5), running number (9). No published serial begins so."""

GENESIS = "0" * 64
_APPLICATION_ID = 0x4A554B49  # "JUKI"
_SCHEMA_VERSION = 1
_HEAD = re.compile(r"(?:(?P<number>[0-9]{1,12}):)?(?P<digest>[0-9a-f]{64})")
_BUSY_SECONDS = 30.0
_WRITER = "jukicard_writer"

_metadata = sa.MetaData()
_events = sa.Table(
    "events",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("time", sa.String(32), nullable=False),
    sa.Column("serial", sa.String(15), nullable=False, index=True),
    sa.Column("event", sa.String(32), nullable=False, index=True),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
)
_APPEND_ONLY = tuple(
    f"CREATE TRIGGER events_no_{verb.lower()} BEFORE {verb} ON events "
    "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
    for verb in ("UPDATE", "DELETE")
)


class Ledger:
    """The books of one authority. Made by `create` or `open`; close it, or use it as a context manager."""

    def __init__(self, path: Path, engine: sa.Engine) -> None:
        self._path = path
        self._engine = engine

    @classmethod
    def create(cls, path: Path) -> Ledger:
        """Make an empty ledger, mode 0600. Raises LedgerError if the file exists or cannot be made."""
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, PRIVATE_FILE))
        except OSError as error:
            raise LedgerError(f"{path} cannot be made: {error.strerror}") from error
        ledger = cls(path, _engine(path))
        with ledger._writing() as connection:
            _metadata.create_all(connection)
            for statement in _APPEND_ONLY:
                connection.exec_driver_sql(statement)
            connection.exec_driver_sql(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.exec_driver_sql(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        sync_directory(path.parent)
        return ledger

    @classmethod
    def open(cls, path: Path) -> Ledger:
        """Open the books. Raises LedgerError if there are none, or not private, or of another version."""
        try:
            check_private(path)
        except HomeDamaged as error:
            raise LedgerError(str(error)) from error
        ledger = cls(path, _engine(path))
        with ledger._reading() as connection:
            kind = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if (kind, version) != (_APPLICATION_ID, _SCHEMA_VERSION):
            ledger.close()
            raise LedgerError(f"{path} is no ledger of version {_SCHEMA_VERSION}")
        return ledger

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Ledger({str(self._path)!r})"

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def order(
        self,
        *,
        city_code: str,
        face: str,
        issued_on: date,
        expires: date,
        code_digest: str,
        at: datetime,
        person_digest: str | None = None,
    ) -> str:
        """Enter a new card and return its serial: 15 digits, never given out before by this ledger.

        `at` is the time now, with its zone. Raises CodeTaken if the code is another person's, LedgerError.
        """
        detail = {
            "city": city_code,
            "face": face,
            "issued": issued_on.isoformat(),
            "expires": expires.isoformat(),
            "code_digest": code_digest,
        }
        if person_digest is not None:
            detail["person_digest"] = person_digest
        with self._writing() as connection:
            for state in _cards_for(connection, code_digest):
                if state.is_of_another(person_digest):
                    raise CodeTaken(state.serial)
            ordered = sa.select(sa.func.count()).where(_events.c.event == Event.ORDERED.value)
            number = connection.execute(ordered).scalar_one() + 1
            serial = f"{SERIAL_PREFIX}{city_code}{number:09d}"
            self._append(connection, serial, Event.ORDERED, at, detail)
        return serial

    def append(self, serial: str, event: Event, at: datetime, detail: Mapping[str, str] | None = None) -> CardState:
        """Enter an event of a card, durably, and return the card's state after it.

        Raises TransitionRefused if it cannot follow, LedgerError for details of another form.
        """
        if event is Event.ORDERED:
            raise TransitionRefused("a card is entered by ordering it")
        with self._writing() as connection:
            return self._append(connection, serial, event, at, dict(detail or {}))

    def entries(self, serial: str | None = None) -> tuple[Entry, ...]:
        """All entries, or those of one card, in their order."""
        with self._reading() as connection:
            return _select(connection, serial)

    def card(self, serial: str) -> CardState:
        """The state of one card. Raises LedgerError if the ledger does not know it."""
        state = self.find(serial)
        if state is None:
            raise LedgerError(f"the ledger has no card {serial}")
        return state

    def find(self, serial: str) -> CardState | None:
        """The state of one card, or None if the ledger does not know it."""
        with self._reading() as connection:
            return _fold(serial, _select(connection, serial))

    def cards(self) -> tuple[CardState, ...]:
        """The states of all cards, in the order of their serials."""
        by_serial: dict[str, list[Entry]] = {}
        for entry in self.entries():
            by_serial.setdefault(entry.serial, []).append(entry)
        states = (_fold(serial, entries) for serial, entries in sorted(by_serial.items()))
        return tuple(state for state in states if state is not None)

    def unfinished(self) -> tuple[CardState, ...]:
        """The cards in mid-issue or mid-handover: each is to be resumed, spoilt or cancelled."""
        return tuple(state for state in self.cards() if state.is_unfinished)

    def cards_for(self, code_digest: str) -> tuple[CardState, ...]:
        """The cards ever ordered for the resident code with this keyed digest."""
        with self._reading() as connection:
            return _cards_for(connection, code_digest)

    def card_on(self, chip: str) -> CardState | None:
        """The card that the chip of that number was bound to last, or None if it never was."""
        bound = _events.c.event == Event.BOUND.value
        with self._reading() as connection:
            serial = connection.execute(
                sa.select(_events.c.serial)
                .where(bound, _events.c.detail == _json({"chip": chip}))
                .order_by(_events.c.id.desc())
                .limit(1)
            ).scalar_one_or_none()
            return None if serial is None else _fold(serial, _select(connection, serial))

    def head(self) -> str:
        """Number and digest of the last entry, `NUMBER:HEX`: it stands for the whole ledger.

        To be kept elsewhere, so that a cut tail or a rewritten chain is noticed.
        """
        with self._reading() as connection:
            return _written(*_head(connection))

    def verify(self, head: str | None = None) -> str:
        """Recompute every digest over what the rows hold, and every card's transitions; return the head.

        `head` was kept from before, with its entry's number or without. Raises LedgerDamaged naming the first entry
        that does not fit, or where that head is not in the chain; LedgerError if it is none.
        """
        kept = None if head is None else _parse_head(head)
        digests = [GENESIS]
        states: dict[str, CardState] = {}
        with self._reading() as connection:
            for number, row in enumerate(connection.execute(sa.select(_events).order_by(_events.c.id)), start=1):
                digests.append(_checked(row, number, digests[-1]))
                entry = _entry(row)
                try:
                    states[entry.serial] = advance(states.get(entry.serial), entry.serial, entry.event, entry.detail)
                except LedgerError as error:
                    raise LedgerDamaged(f"entry {number}: {error}") from error
        if kept is not None:
            _check_kept(*kept, digests)
        return _written(len(digests) - 1, digests[-1])

    def _append(
        self, connection: sa.Connection, serial: str, event: Event, at: datetime, detail: dict[str, str]
    ) -> CardState:
        if at.tzinfo is None:
            raise LedgerError("a ledger's time needs its zone")
        before = _fold(serial, _select(connection, serial))
        state = advance(before, serial, event, detail)
        last, digest = _head(connection)
        row = {
            "id": last + 1,
            "time": _stamp(at),
            "serial": serial,
            "event": event.value,
            "detail": _json(detail),
        }
        connection.execute(_events.insert(), {**row, "digest": _digest(digest, *row.values())})
        return state

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with _translated(self._path), self._engine.connect() as connection:
            connection.execution_options(**{_WRITER: True})
            with connection.begin():
                yield connection

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with _translated(self._path), self._engine.connect() as connection:
            yield connection


def _engine(path: Path) -> sa.Engine:
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)), connect_args={"timeout": _BUSY_SECONDS})

    @sa_event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where `_begin` says, not where the driver guesses
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    @sa_event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        writer = connection.get_execution_options().get(_WRITER)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")

    return engine


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        cause = getattr(error, "orig", None) or error
        if isinstance(cause, sqlite3.DatabaseError) and not isinstance(cause, sqlite3.OperationalError):
            raise LedgerDamaged(f"{path}: {cause}") from error
        raise LedgerError(f"{path}: {cause}") from error


def _select(connection: sa.Connection, serial: str | None) -> tuple[Entry, ...]:
    statement = sa.select(_events).order_by(_events.c.id)
    if serial is not None:
        statement = statement.where(_events.c.serial == serial)
    return tuple(_entry(row) for row in connection.execute(statement))


def _entry(row: sa.Row[Any]) -> Entry:
    try:
        detail = {str(name): str(value) for name, value in json.loads(row.detail).items()}
        at = datetime.fromisoformat(row.time)
        return Entry(row.id, at, row.serial, Event(row.event), detail, row.digest)
    except (ValueError, TypeError, AttributeError) as error:
        raise LedgerDamaged(f"entry {row.id} of the ledger cannot be read") from error


def _fold(serial: str, entries: Iterable[Entry]) -> CardState | None:
    return fold(serial, ((entry.event, entry.detail) for entry in entries))


def _cards_for(connection: sa.Connection, code_digest: str) -> tuple[CardState, ...]:
    ordered = _events.c.event == Event.ORDERED.value
    serials = connection.execute(
        sa.select(_events.c.serial)
        .where(ordered, _events.c.detail.contains(code_digest, autoescape=True))
        .order_by(_events.c.id)
    ).scalars()
    found = [_fold(serial, _select(connection, serial)) for serial in serials.all()]
    return tuple(state for state in found if state is not None)


def _head(connection: sa.Connection) -> tuple[int, str]:
    """Number and digest of the last entry."""
    last = sa.select(_events.c.id, _events.c.digest).order_by(_events.c.id.desc()).limit(1)
    row = connection.execute(last).one_or_none()
    return (0, GENESIS) if row is None else (row.id, row.digest)


def _checked(row: sa.Row[Any], number: int, before: str) -> str:
    """The digest of a row, recomputed over what stands there, byte for byte. LedgerDamaged if it is another's."""
    if row.id != number:
        raise LedgerDamaged(f"entry {number} of the ledger is missing: entry {row.id} stands in its place")
    try:
        digest = _digest(before, row.id, row.time, row.serial, row.event, row.detail)
    except TypeError as error:
        raise LedgerDamaged(f"entry {number} of the ledger cannot be read") from error
    if row.digest != digest:
        raise LedgerDamaged(
            f"the ledger's chain breaks at entry {number}: it, or one before it, is not what was written"
        )
    return digest


def _written(number: int, digest: str) -> str:
    return f"{number}:{digest}"


def _parse_head(text: str) -> tuple[int | None, str]:
    found = _HEAD.fullmatch(text.strip().lower())
    if found is None:
        raise LedgerError("a head of the ledger is NUMBER:HEX, as verify prints it, or the 64 hex digits alone")
    return None if found["number"] is None else int(found["number"]), found["digest"]


def _check_kept(number: int | None, digest: str, digests: list[str]) -> None:
    """Raise LedgerDamaged unless the head that was kept elsewhere is in the chain, at its place."""
    last = len(digests) - 1
    if number is not None and number > last:
        raise LedgerDamaged(
            f"the ledger ends at entry {last}, and the head kept elsewhere is entry {number}'s: it was cut"
        )
    if number is not None and digests[number] != digest:
        raise LedgerDamaged(
            f"entry {number}, or one before it, was rewritten: the head kept elsewhere has another digest"
        )
    if digest not in digests:
        raise LedgerDamaged(
            f"none of the entries up to {last}, the last one, has the head kept elsewhere: it was cut or rewritten"
        )


def _digest(before: str, *columns: object) -> str:
    return hashlib.sha256(before.encode() + _json(columns).encode()).hexdigest()


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
