"""Books of earlier versions, which are kept for ever: they are brought up to date, and nothing in them changes."""

from __future__ import annotations

import shutil
import sqlite3
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from jukicard.issuer.errors import LedgerDamaged, LedgerError
from jukicard.issuer.ledger.chain import UNATTENDED
from jukicard.issuer.ledger.database import VERSION, Database
from jukicard.issuer.ledger.group import CardTerms, Resident
from jukicard.issuer.ledger.ledger import Ledger
from jukicard.issuer.ledger.rules import Event, Status
from jukicard.issuer.ledger.upgrade import upgrade

GOLDEN = Path(__file__).parents[3] / "golden" / "ledger" / "v0001.sqlite"
HEAD = "18:2444ca3011ea0f80a69c8316fafffd2ae7563295a6021235c7df11723448552f"
NOW = datetime(2026, 11, 28, tzinfo=UTC)


@pytest.fixture
def first_version(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite"
    shutil.copy(GOLDEN, path)
    path.chmod(0o600)
    return path


def upgraded(path: Path) -> str | None:
    database = Database(path)
    try:
        return upgrade(database)
    finally:
        database.close()


def test_books_of_the_first_version_are_not_written_to_before_they_are_upgraded(first_version: Path) -> None:
    with pytest.raises(LedgerError, match="version 0001, and this program's is 0002: `juki ledger migrate`"):
        Ledger.open(first_version)


def test_the_first_version(first_version: Path) -> None:
    assert upgraded(first_version) == "0001"
    assert upgraded(first_version) == VERSION
    with Ledger.open(first_version) as ledger:
        assert ledger.verify(HEAD) == HEAD
        states = ledger.cards()
        assert [state.status for state in states] == [Status.SUSPENDED, Status.PERSONALISING, Status.ORDERED]
        assert states[1].steps_done == ("keys",)
        assert states[0].chip_behind
        assert {entry.actor for entry in ledger.entries()} == {None}
        serial = ledger.order(
            CardTerms("99201", "A", date(2026, 11, 28), date(2036, 11, 27)), Resident("ff" * 32, None), NOW
        )
        assert serial == "799201000000004"
        assert ledger.append(states[0].serial, Event.RESUMED, NOW).status is Status.ACTIVE
        assert [entry.actor for entry in ledger.entries()][-2:] == [UNATTENDED] * 2
        assert ledger.inspect(HEAD).unattended == len(ledger.entries())
    raw = sqlite3.connect(first_version)
    for statement in ("DELETE FROM events", "UPDATE events SET actor = '1'"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            raw.execute(statement)
    raw.close()


def test_an_upgrade_that_fails_leaves_the_books_as_they_were(first_version: Path) -> None:
    raw = sqlite3.connect(first_version)
    raw.executescript("DROP TRIGGER events_no_update; UPDATE events SET event = 'voided' WHERE id = 4")
    raw.close()
    with pytest.raises(LedgerDamaged, match="entry 4"):
        upgraded(first_version)
    raw = sqlite3.connect(first_version)
    tables = {name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    raw.close()
    assert tables == {"events"}


def test_newer_books_are_left_alone(first_version: Path) -> None:
    upgraded(first_version)
    raw = sqlite3.connect(first_version)
    raw.execute("UPDATE alembic_version SET version_num = '9999'").connection.commit()
    raw.close()
    with pytest.raises(LedgerError, match="newer than this program"):
        upgraded(first_version)
    with pytest.raises(LedgerError, match="version 9999"):
        Ledger.open(first_version)


def test_nobody_takes_an_actor_from_an_entry(first_version: Path) -> None:
    """An entry without an actor is one of the first version's, and those come first."""
    upgraded(first_version)
    with Ledger.open(first_version) as ledger:
        serial = ledger.cards(Status.SUSPENDED)[0].serial
        ledger.append(serial, Event.RESUMED, NOW)
        ledger.append(serial, Event.ON_CHIP, NOW)
        last = ledger.entries()[-1].number
    raw = sqlite3.connect(first_version)
    raw.executescript(f"DROP TRIGGER events_no_update; UPDATE events SET actor = NULL WHERE id = {last}")
    raw.close()
    with Ledger.open(first_version) as ledger, pytest.raises(LedgerDamaged, match=f"entry {last}"):
        ledger.verify()
