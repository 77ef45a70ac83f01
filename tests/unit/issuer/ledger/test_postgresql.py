"""What only a PostgreSQL server can show: a role's rights, a server that is gone, a URL."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from jukicard.issuer.errors import LedgerDamaged, LedgerError, LedgerUnavailable
from jukicard.issuer.ledger.group import CardTerms, Resident
from jukicard.issuer.ledger.ledger import Ledger
from jukicard.issuer.ledger.rules import Event
from tests.support import postgres

NOW = datetime(2026, 11, 28, tzinfo=UTC)
TERMS = CardTerms("99201", "A", date(2026, 11, 28), date(2036, 11, 27))


def order(ledger: Ledger, number: int = 0) -> str:
    return ledger.order(TERMS, Resident(f"{number:064x}", None), NOW)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET detail = '{}'",
        "DELETE FROM events",
        "TRUNCATE events",
        "UPDATE signatures SET signature = ''",
        "DELETE FROM signatures",
        "DELETE FROM cards",
        "UPDATE people SET kept_until = '9999-12-31'",
        "DROP TABLE events",
        "UPDATE alembic_version SET version_num = '0001'",
    ],
)
def test_who_appends_cannot_change(postgresql: str, server: postgres.Server, database: str, statement: str) -> None:
    with Ledger.open(postgresql) as ledger:
        order(ledger)
    with pytest.raises(RuntimeError, match=r"permission denied|must be owner"):
        server.sql(statement, database, postgres.ROLE)


@pytest.mark.usefixtures("postgresql")
@pytest.mark.parametrize("role", [postgres.OWNER, "postgres"])
def test_who_could_change_may_not_append(server: postgres.Server, database: str, role: str) -> None:
    with pytest.raises(LedgerError, match="may change entries"):
        Ledger.open(server.url(role, database))


def test_what_the_owner_changes_is_found(postgresql: str, server: postgres.Server, database: str) -> None:
    with Ledger.open(postgresql) as ledger:
        ledger.append(order(ledger), Event.BOUND, NOW, {"chip": "0A"})
        head = ledger.head()
        server.sql("UPDATE events SET detail = replace(detail, '0A', '0B') WHERE id = 2", database, postgres.OWNER)
        with pytest.raises(LedgerDamaged, match="entry 2"):
            ledger.verify(head)
        server.sql("DELETE FROM events WHERE id = 2", database, postgres.OWNER)
        with pytest.raises(LedgerDamaged, match="ends at entry 1"):
            ledger.verify(head)
        server.sql("UPDATE cards SET status = 'active'", database, postgres.OWNER)
        with pytest.raises(LedgerDamaged, match="table of cards has card 799201000000001 otherwise"):
            ledger.verify()


def test_a_server_that_is_gone_and_comes_back(postgresql: str, server: postgres.Server) -> None:
    with Ledger.open(postgresql) as ledger:
        order(ledger, 1)
        server.stop()
        try:
            for _ in range(2):
                with pytest.raises(LedgerUnavailable, match="cannot be reached"):
                    order(ledger, 2)
        finally:
            server.start()
        assert order(ledger, 3) == "799201000000002"
        assert ledger.verify() == ledger.head()
    with pytest.raises(LedgerError):
        Ledger.open(postgresql.replace("books", "nobody", 1))


def test_books_are_made_once(server: postgres.Server, database: str, postgresql: str) -> None:
    with pytest.raises(LedgerError, match="books already"):
        Ledger.create(server.url(postgres.OWNER, database), postgres.ROLE)
    with pytest.raises(LedgerError, match="is no ledger"):
        Ledger.open(server.url(postgres.ROLE, "postgres"))
    assert postgresql


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://a@b/c", "SQLite file of the home, or in PostgreSQL"),
        ("nonsense", "no URL"),
        ("postgresql://role:word@host/books", "no password in the database's URL"),
        ("postgresql://role@host/books?password=word", "no password in the database's URL"),
    ],
)
def test_urls(url: str, reason: str) -> None:
    with pytest.raises(LedgerError, match=reason) as caught:
        Ledger.open(url)
    assert "word@" not in str(caught.value)


def test_names_of_roles(server: postgres.Server, database: str) -> None:
    with pytest.raises(LedgerError, match="a role's name"):
        Ledger.create(server.url(postgres.OWNER, database), "x; DROP TABLE events")
