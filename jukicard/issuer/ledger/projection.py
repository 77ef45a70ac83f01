"""The table of cards: what each card's entries add up to, kept beside them, and made anew from them at any time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from jukicard.issuer.errors import LedgerDamaged, LedgerError
from jukicard.issuer.ledger.cards import CardState, advance, decode
from jukicard.issuer.ledger.chain import Entry, Row, read
from jukicard.issuer.ledger.rules import AnyEvent, Event, Status
from jukicard.issuer.ledger.schema import cards, events

if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
    from sqlalchemy.dialects.sqlite import Insert as SqliteInsert

PAGE = 1000
"""Rows that are fetched at a time where there may be many."""


def row_of(stored: sa.Row[Any]) -> Row:
    """Return a line of the table of events as it stands there."""
    return Row(stored.id, stored.time, stored.subject, stored.event, stored.detail, stored.actor)


def entry_of(stored: sa.Row[Any]) -> Entry:
    """Read a line of the table of events. LedgerDamaged."""
    return read(row_of(stored), stored.digest)


def entries(connection: sa.Connection, subject: str | None = None, kinds: Collection[AnyEvent] = ()) -> Iterator[Entry]:
    """Read the entries, all or those of one subject or of some events, in their order. LedgerDamaged."""
    statement = sa.select(events).order_by(events.c.id).execution_options(yield_per=PAGE)
    if subject is not None:
        statement = statement.where(events.c.subject == subject)
    if kinds:
        statement = statement.where(events.c.event.in_([kind.value for kind in kinds]))
    yield from map(entry_of, connection.execute(statement))


def by_subject(connection: sa.Connection) -> Iterator[Entry]:
    """Read all entries, those of one subject after those of another, each in their order. LedgerDamaged."""
    statement = sa.select(events).order_by(events.c.subject, events.c.id).execution_options(yield_per=PAGE)
    yield from map(entry_of, connection.execute(statement))


def state_of(stored: sa.Row[Any]) -> CardState:
    """Read a line of the table of cards. LedgerDamaged."""
    digests = (stored.code_digest, stored.person_digest)
    try:
        return decode(stored.serial, stored.status, stored.expires, digests, stored.chip, stored.rest)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LedgerDamaged(f"card {stored.serial} in the ledger's table of cards cannot be read") from error


def columns_of(state: CardState) -> dict[str, str | None]:
    """Return a card's line in the table of cards."""
    return {
        "serial": state.serial,
        "status": state.status.value,
        "expires": state.expires.isoformat(),
        "code_digest": state.code_digest,
        "person_digest": state.person_digest,
        "chip": state.chip,
        "run": state.facts.get("run"),
        "rest": state.encode(),
    }


def save(connection: sa.Connection, states: Iterable[CardState]) -> None:
    """Write cards' lines, new ones and changed ones."""
    lines = [columns_of(state) for state in states]
    if not lines:
        return
    insert = _insert(connection)
    changed = {name: insert.excluded[name] for name in lines[0] if name != "serial"}
    connection.execute(insert.on_conflict_do_update(index_elements=["serial"], set_=changed), lines)


def _insert(connection: sa.Connection) -> SqliteInsert | PostgresInsert:
    """An INSERT of the database at hand; the other one's dialect takes long to import."""
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as into_sqlite

        return into_sqlite(cards)
    from sqlalchemy.dialects.postgresql import insert as into_postgresql

    return into_postgresql(cards)


def find(connection: sa.Connection, serial: str) -> CardState | None:
    """Return a card, or None."""
    found = connection.execute(sa.select(cards).where(cards.c.serial == serial)).one_or_none()
    return None if found is None else state_of(found)


def of_code(connection: sa.Connection, code_digest: str) -> tuple[CardState, ...]:
    """Return the cards of a resident code, in the order of their serials."""
    return _where(connection, cards.c.code_digest == code_digest)


def in_status(connection: sa.Connection, *statuses: Status) -> tuple[CardState, ...]:
    """Return the cards that stand so, all if no status is named, in the order of their serials."""
    wanted = [status.value for status in statuses]
    return _where(connection, cards.c.status.in_(wanted) if wanted else sa.true())


def past_last_day(connection: sa.Connection, today: date, *statuses: Status) -> tuple[CardState, ...]:
    """Return the cards that stand so and whose last day lies before a day, in the order of their serials."""
    wanted = [status.value for status in statuses]
    return _where(connection, sa.and_(cards.c.status.in_(wanted), cards.c.expires < today.isoformat()))


def on_chip(connection: sa.Connection, chip: str) -> CardState | None:
    """Return the card that a chip was bound to last, or None."""
    found = _where(connection, cards.c.chip == chip)
    return found[-1] if found else None


def of_run(connection: sa.Connection, run: str) -> Iterator[CardState]:
    """Return the cards of a run, one after the other, in the order of their serials."""
    statement = sa.select(cards).where(cards.c.run == run).order_by(cards.c.serial)
    for line in connection.execute(statement.execution_options(yield_per=PAGE)):
        yield state_of(line)


def in_serials(connection: sa.Connection, serials: Sequence[str]) -> tuple[CardState, ...]:
    """Return the cards of these serials (at most a few hundred) that there are."""
    return _where(connection, cards.c.serial.in_(serials))


def of_codes(connection: sa.Connection, code_digests: Sequence[str]) -> tuple[CardState, ...]:
    """Return the cards of any of these resident codes (at most a few hundred)."""
    return _where(connection, cards.c.code_digest.in_(code_digests))


def on_chips(connection: sa.Connection, first: str, last: str) -> CardState | None:
    """Return a card whose chip has a number (16 digits) from `first` to `last`, the lowest one, or None."""
    condition = cards.c.chip.between(first, last) & (sa.func.length(cards.c.chip) == len(first))
    lowest = sa.select(cards).where(condition).order_by(cards.c.chip).limit(1)
    found = connection.execute(lowest).one_or_none()
    return None if found is None else state_of(found)


def last_serial(connection: sa.Connection, prefix: str) -> str | None:
    """Return the greatest serial that begins so, or None."""
    known = sa.select(sa.func.max(cards.c.serial)).where(cards.c.serial.like(f"{prefix}%"))
    found = connection.execute(known).scalar_one_or_none()
    return None if found is None else str(found)


def rebuild(connection: sa.Connection) -> None:
    """Make the table of cards what the entries say. LedgerDamaged where they do not add up."""
    unknown = cards.c.serial.not_in(sa.select(events.c.subject))
    if connection.execute(sa.select(cards.c.serial).where(unknown).limit(1)).one_or_none() is not None:
        connection.execute(cards.delete().where(unknown))  # only then: who appends has no right to it
    page: list[CardState] = []
    for state in folded(connection):
        page.append(state)
        if len(page) == PAGE:
            save(connection, page)
            page = []
    save(connection, page)


def folded(connection: sa.Connection) -> Iterator[CardState]:
    """Fold every card's entries, card by card in the order of serials. LedgerDamaged names the entry that fits not."""
    state: CardState | None = None
    for entry in by_subject(connection):
        if not isinstance(entry.event, Event):
            continue
        if state is not None and state.serial != entry.serial:
            yield state
            state = None
        try:
            state = advance(state, entry.serial, entry.event, entry.detail)
        except LedgerError as error:
            raise LedgerDamaged(f"entry {entry.number}: {error}") from error
    if state is not None:
        yield state


def check(connection: sa.Connection) -> None:
    """Hold the table of cards against the entries. LedgerDamaged names the first card that it has otherwise."""
    statement = sa.select(cards).order_by(cards.c.serial).execution_options(yield_per=PAGE)
    with connection.execute(statement) as stored:
        lines = iter(stored)
        for state in folded(connection):
            line = next(lines, None)
            if line is None or state_of(line) != state:
                raise LedgerDamaged(f"the ledger's table of cards has card {state.serial} otherwise than its entries")
        left = next(lines, None)
    if left is not None:
        raise LedgerDamaged(f"the ledger's table of cards has a card {left.serial} that no entry knows")


def _where(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> tuple[CardState, ...]:
    statement = sa.select(cards).where(condition).order_by(cards.c.serial)
    return tuple(state_of(line) for line in connection.execute(statement))
