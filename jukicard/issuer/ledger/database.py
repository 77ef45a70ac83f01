"""The database that the books lie in: an SQLite file of the home, or PostgreSQL by its URL.

One writer at a time, who reads what he depends on in the same transaction: on SQLite an immediate transaction, on
PostgreSQL an advisory lock. A transaction is on the disk before it counts (synchronous = FULL; PostgreSQL's default).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from jukicard.issuer.errors import HomeDamaged, LedgerDamaged, LedgerError, LedgerUnavailable
from jukicard.issuer.files import PRIVATE_FILE, check_private, sync_directory
from jukicard.issuer.ledger.schema import APPEND_ONLY

VERSION = "0002"
"""The newest migration's identifier: the only version that this program reads and writes."""

_APPLICATION_ID = 0x4A554B49  # "JUKI"
_LOCK = 0x4A554B49
_BUSY_SECONDS = 30.0
_LOG_MILLISECONDS = 500
_WRITER = "jukicard_writer"
_DRIVER = "postgresql+psycopg"
_LOST = "08"  # SQLSTATE class of connection exceptions; 57P: operator intervention, e.g. a server that shuts down
_SHUT_DOWN = "57P"


class Database:
    """Connections to the books. `place` is an SQLite file's path, or a URL of PostgreSQL."""

    def __init__(self, place: Path | str) -> None:
        self.place = place
        self._engine = _sqlite(place) if isinstance(place, Path) else _postgresql(place)

    @property
    def name(self) -> str:
        """The place as it may be shown: a URL without what could be a password."""
        return str(self.place) if isinstance(self.place, Path) else parse_url(self.place).render_as_string()

    @property
    def is_sqlite(self) -> bool:
        """Whether the books are a file."""
        return isinstance(self.place, Path)

    def create(self) -> None:
        """Make the file of new books (mode 0600); on PostgreSQL the database must be there. LedgerError."""
        if not isinstance(self.place, Path):
            return
        try:
            os.close(os.open(self.place, os.O_CREAT | os.O_EXCL | os.O_RDWR, PRIVATE_FILE))
        except OSError as error:
            raise LedgerError(f"{self.place} cannot be made: {error.strerror}") from error
        with self.writing() as connection:
            connection.exec_driver_sql(f"PRAGMA application_id = {_APPLICATION_ID}")
        sync_directory(self.place.parent)

    def check(self) -> None:
        """Refuse (LedgerError) what are no books, not private, of another version, or open to changes."""
        self.check_version()
        if not self.is_sqlite:
            self._check_rights()

    def check_version(self) -> None:
        """Refuse (LedgerError) what are no books, not private, or of another version; whoever connects."""
        if isinstance(self.place, Path):
            try:
                check_private(self.place)
            except HomeDamaged as error:
                raise LedgerError(str(error)) from error
        found = self.version()
        if found is None:
            raise LedgerError(f"{self.name} is no ledger of version {VERSION}")
        if found != VERSION:
            raise LedgerError(
                f"{self.name} is a ledger of version {found}, and this program's is {VERSION}: "
                "`juki ledger migrate` brings an older one up to date"
            )

    def version(self) -> str | None:
        """The version of the books there, None if there are none. LedgerError, LedgerDamaged."""
        with self.reading() as connection:
            if self.is_sqlite:
                kind = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
                if kind != _APPLICATION_ID:
                    return None
            tables = sa.inspect(connection).get_table_names()
            if "alembic_version" in tables:
                found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one_or_none()
                return None if found is None else str(found)
            return "0001" if "events" in tables else None

    def _check_rights(self) -> None:
        """The role that writes the books must not be able to change them: they are only as trusted as that."""
        may = "has_table_privilege(current_user, '{}', '{}')"
        asked = [may.format(table, right) for table in APPEND_ONLY for right in ("UPDATE", "DELETE", "TRUNCATE")]
        with self.reading() as connection:
            allowed = connection.exec_driver_sql(f"SELECT {' OR '.join(asked)}").scalar_one()
        if allowed:
            raise LedgerError(
                f"the database role in {self.name} may change entries of the ledger: "
                "use the role that `juki ledger migrate --role` was given"
            )

    def copy(self, to: Path) -> None:
        """Copy the books' file as it is now, the log beside it included, whole or not at all (mode 0600)."""
        if not isinstance(self.place, Path):
            raise LedgerError("books in PostgreSQL are copied by its own means: pg_dump")
        unfinished = to.with_name(f".{to.name}.new")
        unfinished.unlink(missing_ok=True)
        os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_RDWR, PRIVATE_FILE))
        with self._translated(), closing(sqlite3.connect(self.place)) as here, closing(_plain(unfinished)) as there:
            here.backup(there)
        unfinished.replace(to)
        sync_directory(to.parent)

    def clear_log(self) -> None:
        """Bring SQLite's write-ahead log into the file and empty it: what was erased must not stand there.

        Where somebody reads the books at this moment, that is left to the next time, or to whoever closes them last. On
        PostgreSQL it is the business of VACUUM, and of the server's own log.
        """
        if not self.is_sqlite:
            return
        with self._translated():
            connection = self._engine.raw_connection()
            try:
                cursor = connection.cursor()
                cursor.execute(f"PRAGMA busy_timeout = {_LOG_MILLISECONDS}")
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                cursor.execute(f"PRAGMA busy_timeout = {round(1000 * _BUSY_SECONDS)}")
            finally:
                connection.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._engine.dispose()

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that nobody else writes beside; durable when it ends without an exception."""
        with self._translated(), self._engine.connect() as connection:
            connection.execution_options(**{_WRITER: True})
            with connection.begin():
                if not self.is_sqlite:
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
                yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that sees one state of the books."""
        with self._translated(), self._engine.connect() as connection:
            if not self.is_sqlite:
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error) as error:
            cause = getattr(error, "orig", None) or error
            if _is_lost(error):
                raise LedgerUnavailable(f"{self.name} cannot be reached: {_first_line(cause)}") from error
            if isinstance(cause, sqlite3.DatabaseError) and not isinstance(cause, sqlite3.OperationalError):
                raise LedgerDamaged(f"{self.name}: {cause}") from error
            raise LedgerError(f"{self.name}: {_first_line(cause)}") from error


def _plain(path: Path) -> sqlite3.Connection:
    """A file with no other beside it, on the disk when it is closed."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def parse_url(text: str) -> sa.URL:
    """Read the URL of a PostgreSQL database. LedgerError if it is none, or holds a password."""
    try:
        url = sa.make_url(text)
    except ArgumentError:
        raise LedgerError("that is no URL of a database: write postgresql://ROLE@HOST/DATABASE") from None
    if url.get_backend_name() != "postgresql":
        raise LedgerError(
            "the books lie in an SQLite file of the home, or in PostgreSQL: postgresql://ROLE@HOST/DATABASE"
        )
    if url.password is not None or "password" in url.query:
        raise LedgerError("no password in the database's URL: put it into PostgreSQL's password file (~/.pgpass, 0600)")
    return url.set(drivername=_DRIVER)


def _sqlite(path: Path) -> sa.Engine:
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)), connect_args={"timeout": _BUSY_SECONDS})

    @sa_event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where `_begin` says, not where the driver guesses
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")  # what is erased must not stand in free pages

    @sa_event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        writer = connection.get_execution_options().get(_WRITER)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")

    return engine


def _postgresql(text: str) -> sa.Engine:
    url = parse_url(text)
    try:
        return sa.create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 10})
    except ImportError:
        raise LedgerError("books in PostgreSQL need the extra 'postgresql': install jukicard[postgresql]") from None


def _is_lost(error: Exception) -> bool:
    """Whether the database itself went away, as against refusing what was asked."""
    if not isinstance(error, DBAPIError) or isinstance(error.orig, sqlite3.Error):
        return False
    state = getattr(error.orig, "sqlstate", None)
    return error.connection_invalidated or state is None or state.startswith((_LOST, _SHUT_DOWN))


def _first_line(error: object) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
