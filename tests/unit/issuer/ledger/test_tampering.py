"""Every way to falsify signed books that one can think of: verification finds each, and says where."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.issuer.errors import LedgerDamaged, LedgerError
from jukicard.issuer.ledger.chain import UNATTENDED, Row, canonical, signed_message
from jukicard.issuer.ledger.database import Database
from jukicard.issuer.ledger.group import AUTHORITY, CardTerms, Resident
from jukicard.issuer.ledger.ledger import Ledger, Verified
from jukicard.issuer.ledger.rules import Event
from tests.support import postgres

NOW = datetime(2026, 11, 28, tzinfo=UTC)
TERMS = CardTerms("99201", "A", date(2026, 11, 28), date(2036, 11, 27))
SERIAL = "799201000000001"
OPERATOR = "699201000000001"
GROUPS = 6
SEALED = 6  # entries; the seal stands in the middle


class Signer:
    def __init__(self, actor: str) -> None:
        self.actor = actor
        self.key = ec.generate_private_key(ec.SECP256R1())

    def sign(self, message: bytes) -> bytes:
        return self.key.sign(message, ec.ECDSA(hashes.SHA256()))


CARD, CITY, FORGER = Signer(OPERATOR), Signer(AUTHORITY), Signer(OPERATOR)


def trust(signer: str) -> ec.EllipticCurvePublicKey | None:
    known = {OPERATOR: CARD, AUTHORITY: CITY}
    return known[signer].key.public_key() if signer in known else None


def write(books: Ledger) -> None:
    """Twelve entries: groups of two, signed by an operator's card; a seal after the third group."""
    books.signer = CARD
    books.sealer = CITY.sign
    for number in range(GROUPS):
        with books.writing() as group:
            serial = group.order(TERMS, Resident(f"{number:064x}", None), NOW)
            group.append(serial, Event.BOUND, NOW, {"chip": f"{number:016d}"})
        if number == GROUPS // 2 - 1:
            books.seal()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("books") / "ledger.sqlite"
    with Ledger.create(path) as books:
        write(books)
        books.database.copy(path.with_name("copy.sqlite"))
    return path.with_name("copy.sqlite")


def falsified(original: Path, folder: Path, falsify: Callable[[sqlite3.Connection], object]) -> Path:
    path = folder / "ledger.sqlite"
    shutil.copy(original, path)
    raw = sqlite3.connect(path)
    for table in ("events", "signatures"):
        raw.executescript(f"DROP TRIGGER {table}_no_update; DROP TRIGGER {table}_no_delete")
    falsify(raw)
    raw.commit()
    raw.close()
    return path


def sql(statements: str) -> Callable[[sqlite3.Connection], object]:
    return lambda raw: raw.executescript(statements)


def appended(raw: sqlite3.Connection, actor: str | None, signer: Signer | None = None) -> None:
    """An entry with the digest that it must have, by whoever knows how the chain is made, and its card's line."""
    number, before = raw.execute("SELECT id, digest FROM events ORDER BY id DESC LIMIT 1").fetchone()
    row = Row(number + 1, "2026-11-28T00:00:00.000000+00:00", SERIAL, "cancelled", canonical({}), actor)
    digest = row.digest(before)
    values = (row.number, row.time, row.subject, row.event, row.detail, digest, actor)
    raw.execute("INSERT INTO events (id, time, subject, event, detail, digest, actor) VALUES (?,?,?,?,?,?,?)", values)
    raw.execute("UPDATE cards SET status = 'cancelled' WHERE serial = ?", (SERIAL,))
    if signer is not None:
        signature = signer.sign(signed_message(row.number, row.number, digest)).hex()
        raw.execute("INSERT INTO signatures VALUES (?,?,?,?)", (row.number, actor, row.number, signature))


def rechained(raw: sqlite3.Connection) -> None:
    """Another detail in entry 3, and right digests from there on."""
    before = raw.execute("SELECT digest FROM events WHERE id = 2").fetchone()[0]
    for row in raw.execute("SELECT id, time, subject, event, detail, actor FROM events WHERE id > 2").fetchall():
        columns = [row[4].replace("2036", "2046") if place == 4 else value for place, value in enumerate(row)]
        before = hashlib.sha256((before + json.dumps(columns, separators=(",", ":"))).encode()).hexdigest()
        raw.execute("UPDATE events SET detail = ?, digest = ? WHERE id = ?", (columns[4], before, row[0]))


CUT = "DELETE FROM events WHERE id > 10; DELETE FROM cards WHERE serial = '799201000000006';"
MATRIX: dict[str, tuple[Callable[[sqlite3.Connection], object], str]] = {
    "change": (sql("UPDATE events SET detail = replace(detail, '\"A\"', '\"B\"') WHERE id = 5"), "at entry 5:"),
    "gap": (sql("DELETE FROM events WHERE id = 4"), "entry 4 of the ledger is missing"),
    "closed gap": (sql("DELETE FROM events WHERE id = 4; UPDATE events SET id = id - 1 WHERE id > 4"), "at entry 4:"),
    "reordering": (
        sql(
            "UPDATE events SET id = 99 WHERE id = 7; UPDATE events SET id = 7 WHERE id = 9;"
            "UPDATE events SET id = 9 WHERE id = 99"
        ),
        "at entry 7:",
    ),
    "cut tail": (sql(CUT), r"the ledger ends at entry 10, and the head kept elsewhere is entry 12's"),
    "cut tail with its signatures": (
        sql(CUT + "DELETE FROM signatures WHERE last > 10"),
        r"the ledger ends at entry 10, and the head kept elsewhere is entry 12's",
    ),
    "chain made anew": (rechained, "signature of 699201000000001 at entry 4 does not verify"),
    "forged signature": (
        sql("UPDATE signatures SET signature = (SELECT signature FROM signatures WHERE last = 2) WHERE last = 8"),
        "signature of 699201000000001 at entry 8 does not verify",
    ),
    "signature that is none": (
        sql("UPDATE signatures SET signature = 'xx' WHERE last = 8"),
        "signature of 699201000000001 at entry 8 does not verify",
    ),
    "signature removed": (
        sql(f"DELETE FROM signatures WHERE last = 8 AND signer = '{OPERATOR}'"),
        "entries 9 to 10|entry 7 is operator card",
    ),
    "signature by another name": (
        sql("UPDATE signatures SET signer = '699201000000002' WHERE last = 8"),
        "entries 7 to 8",
    ),
    "seal removed": (sql("DELETE FROM signatures WHERE signer = 'authority'"), "entries up to 6, .* seal was removed"),
    "seal moved": (
        sql("UPDATE signatures SET last = 8 WHERE signer = 'authority'"),
        "signature of authority at entry 8 does not verify",
    ),
    "table of cards edited": (
        sql(f"UPDATE cards SET status = 'active' WHERE serial = '{SERIAL}'"),
        f"table of cards has card {SERIAL} otherwise",
    ),
    "card removed from the table": (sql(f"DELETE FROM cards WHERE serial = '{SERIAL}'"), f"card {SERIAL} otherwise"),
    "card added to the table": (
        sql("INSERT INTO cards SELECT '799201000000009', status, expires, '', '', '', '', rest FROM cards LIMIT 1"),
        "card 799201000000009 that no entry knows",
    ),
    "entry without a signature": (lambda raw: appended(raw, OPERATOR), "entry 13 is operator card .* not signed"),
    "unattended entry": (lambda raw: appended(raw, UNATTENDED), "entry 13 is nobody's"),
    "entry signed by another key": (lambda raw: appended(raw, OPERATOR, FORGER), "at entry 13 does not verify"),
    "entry of an unknown operator": (
        lambda raw: appended(raw, "699201000000007", FORGER),
        "entries up to 13 are signed by 699201000000007, whom this authority does not know",
    ),
}


def head_of(original: Path) -> Verified:
    with Ledger.open(original) as books:
        return books.inspect(None, trust)


@pytest.mark.parametrize("how", MATRIX)
def test_falsified_books_are_found_out(original: Path, tmp_path: Path, how: str) -> None:
    falsify, where = MATRIX[how]
    before = head_of(original)
    assert (before.sealed, before.unattended) == (SEALED, 0)
    with Ledger.open(falsified(original, tmp_path, falsify)) as books, pytest.raises(LedgerDamaged, match=where):
        books.inspect(before.head, trust, before.sealed)


def test_what_is_whole_verifies_and_goes_on(original: Path, tmp_path: Path) -> None:
    before = head_of(original)
    with Ledger.open(falsified(original, tmp_path, lambda raw: None)) as books:
        assert books.inspect(before.head, trust, before.sealed) == before
        with pytest.raises(LedgerError, match="an operator logs in first"):
            books.order(TERMS, Resident("ff" * 32, None), NOW)
        books.signer = CARD
        books.order(TERMS, Resident("ff" * 32, None), NOW)
        assert books.verify(before.head, trust).startswith("13:")


def test_no_entry_of_the_first_form_follows_one_of_the_second(tmp_path: Path) -> None:
    with Ledger.create(tmp_path / "original.sqlite") as books:
        books.order(TERMS, Resident("ff" * 32, None), NOW)
        assert books.inspect(None, trust).unattended == 1
        books.database.copy(tmp_path / "copy.sqlite")
    changed = falsified(tmp_path / "copy.sqlite", tmp_path, lambda raw: appended(raw, None))
    with Ledger.open(changed) as books, pytest.raises(LedgerDamaged, match="entry 2 says of nobody that he wrote it"):
        books.inspect(None, trust)


@pytest.mark.parametrize("how", ["table of cards edited", "card removed from the table", "card added to the table"])
def test_the_table_of_cards_is_made_anew(original: Path, tmp_path: Path, how: str) -> None:
    before = head_of(original)
    with Ledger.open(falsified(original, tmp_path, MATRIX[how][0])) as books:
        assert books.rebuild(before.head, trust) == before
        assert books.inspect(before.head, trust) == before


def test_nothing_is_made_anew_from_falsified_entries(original: Path, tmp_path: Path) -> None:
    path = falsified(original, tmp_path, lambda raw: (MATRIX["change"][0](raw), raw.execute("DELETE FROM cards")))
    with Ledger.open(path) as books:
        with pytest.raises(LedgerDamaged, match="entry 5"):
            books.rebuild(None, trust)
        assert books.cards() == ()


def test_a_copy_is_private_and_whole(original: Path, tmp_path: Path) -> None:
    path = tmp_path / "copy.sqlite"
    database = Database(original)
    database.copy(path)
    database.close()
    assert path.stat().st_mode & 0o777 == 0o600
    assert head_of(path) == head_of(original)
    assert not list(tmp_path.glob(".*"))


ON_POSTGRESQL = {
    "cut tail with its signatures": "the ledger ends at entry 10",
    "seal removed": "seal was removed",
    "change": "at entry 5:",
    "card added": "card 799201000000009 that no entry knows",
}
STATEMENTS = {
    "cut tail with its signatures": CUT + "DELETE FROM signatures WHERE last > 10",
    "seal removed": "DELETE FROM signatures WHERE signer = 'authority'",
    "change": "UPDATE events SET detail = replace(detail, '\"A\"', '\"B\"') WHERE id = 5",
    "card added": "INSERT INTO cards "
    "SELECT '799201000000009', status, expires, '', '', '', '', rest FROM cards LIMIT 1",
}


@pytest.mark.parametrize("how", STATEMENTS)
def test_on_postgresql(postgresql: str, server: postgres.Server, database: str, how: str) -> None:
    with Ledger.open(postgresql) as books:
        write(books)
        before = books.inspect(None, trust)
        server.sql(STATEMENTS[how], database, postgres.OWNER)
        with pytest.raises(LedgerDamaged, match=ON_POSTGRESQL[how]):
            books.inspect(before.head, trust, before.sealed)


def test_on_postgresql_the_owner_makes_the_table_anew(postgresql: str, server: postgres.Server, database: str) -> None:
    with Ledger.open(postgresql) as books:
        write(books)
        before = books.inspect(None, trust)
        server.sql("UPDATE cards SET status = 'active'", database, postgres.OWNER)
        assert books.rebuild(before.head, trust) == books.inspect(before.head, trust) == before
        server.sql(STATEMENTS["card added"], database, postgres.OWNER)
        with pytest.raises(LedgerError, match="permission denied"):
            books.rebuild(before.head, trust)
        with Ledger.open_as_owner(server.url(postgres.OWNER, database)) as owner:
            assert owner.rebuild(before.head, trust) == before
        assert books.inspect(before.head, trust) == before
