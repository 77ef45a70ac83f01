"""Making the books' tables, and bringing older ones up to date: alembic's migrations, run on a connection of ours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from jukicard.issuer.errors import LedgerError
from jukicard.issuer.files import check_private
from jukicard.issuer.ledger.database import VERSION, Database
from jukicard.issuer.ledger.projection import rebuild
from jukicard.issuer.ledger.schema import APPEND_ONLY

_MIGRATIONS = Path(__file__).parent / "migrations"
_ROLE = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_RIGHTS = (
    *(f"GRANT SELECT, INSERT ON {table} TO {{role}}" for table in APPEND_ONLY),
    "GRANT SELECT, INSERT, UPDATE ON cards TO {role}",
    "GRANT SELECT, INSERT, DELETE ON people TO {role}",
    "GRANT SELECT ON alembic_version TO {role}",
)


@dataclass(frozen=True, slots=True)
class Migrated:
    """What came of a migration: the versions before (None: there were no books) and after, and where the copy of the
    books before lies, if one was made.
    """

    before: str | None
    after: str
    copy: Path | None


def migrate(place: Path | str, role: str | None = None) -> Migrated:
    """Bring books up to date: a file after a copy of it was made beside it, `NAME.VERSION.bak`; a database by its URL
    as its owner, who makes the tables where there are none, and lets `role` append. LedgerError, LedgerDamaged.
    """
    if isinstance(place, Path):
        check_private(place)
    database = Database(place)
    try:
        before = database.version()
        if before is None and isinstance(place, Path):
            raise LedgerError(f"{place} is no ledger")
        copy = None
        if before is not None and before < VERSION and isinstance(place, Path):
            copy = place.with_name(f"{place.name}.{before}.bak")
            database.copy(copy)
        upgrade(database, role)
        return Migrated(before, VERSION, copy)
    finally:
        database.close()


def upgrade(database: Database, role: str | None = None) -> str | None:
    """Make or upgrade the tables, in one transaction; return the version before, None for new books.

    On PostgreSQL, `role` (a role that owns nothing) gets the rights to read and to append, and no others. LedgerError
    for books that are newer than this program, and for what is no role's name.
    """
    if role is not None and not _ROLE.fullmatch(role):
        raise LedgerError("a role's name has lower-case letters, digits and _, and does not begin with a digit")
    before = database.version()
    if before is not None and before > VERSION:
        raise LedgerError(
            f"{database.name} is a ledger of version {before}, newer than this program ({VERSION}), which leaves it "
            "alone: use the jukicard that made it so, or a newer one"
        )
    with database.writing() as connection:
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        if before == "0001" and "alembic_version" not in sa.inspect(connection).get_table_names():
            command.stamp(config, "0001")  # the first version's books were made before there were migrations
        command.upgrade(config, VERSION)
        if before != VERSION:
            rebuild(connection)
        if role is not None and not database.is_sqlite:
            for statement in _RIGHTS:
                connection.exec_driver_sql(statement.format(role=role))
    return before
