"""What a card file asks of SQLite: each commit what it needs for its promise, and no more."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from jukicard.reader.cardfile import CardFile
from jukicard.reader.cardfile.database import Numbers, checkpoint
from jukicard.reader.cardfile.disk import LocalDisk
from tests.support.cardfile import CARD_ID, CELLS, KEY

TRIES = "password/tries"
COMMIT = ["REPLACE INTO cells VALUES"]
"""Cells and the header: one statement, which is its own transaction."""
MARK = "PRAGMA wal_checkpoint(PASSIVE)"
WAIT, NO_WAIT = "PRAGMA synchronous = FULL", "PRAGMA synchronous = NORMAL"


class Listening(LocalDisk):
    """Keeps the statements, without what follows the table's name."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def connect(self, path: str) -> sqlite3.Connection:
        disk = self

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, parameters: Sequence[int | bytes] = (), /) -> sqlite3.Cursor:
                disk.statements.append(sql.split(" SET")[0].split(" WHERE")[0].split(" (")[0])
                return super().execute(sql, parameters)

        return sqlite3.connect(path, factory=Connection, isolation_level=None, timeout=0, check_same_thread=False)

    def heard(self) -> list[str]:
        """What was asked since the last time."""
        heard, self.statements = self.statements, []
        return heard


@pytest.fixture
def disk() -> Listening:
    return Listening()


@pytest.fixture
def card(path: Path, disk: Listening) -> CardFile:
    opened = CardFile.open(path, KEY, disk=disk)
    disk.heard()
    return opened


def test_the_first_durable_commit_marks_the_file_itself_and_the_next_ones_do_not(
    card: CardFile, disk: Listening
) -> None:
    card.commit({TRIES: b"\x02"})
    assert disk.heard() == [*COMMIT, MARK]
    for tries in (b"\x01", b"\x00"):
        card.commit({TRIES: tries})
        assert disk.heard() == COMMIT


def test_only_durable_commits_wait_and_only_a_change_is_told_to_sqlite(card: CardFile, disk: Listening) -> None:
    card.commit({TRIES: b"\x03"}, durable=False)
    assert disk.heard() == [NO_WAIT, *COMMIT]
    card.commit({TRIES: b"\x02"}, durable=False)
    assert disk.heard() == COMMIT
    card.commit({TRIES: b"\x01"})
    assert disk.heard() == [WAIT, *COMMIT, MARK]
    card.commit({TRIES: b"\x00"})
    assert disk.heard() == COMMIT


def test_an_empty_commit_waits_for_those_before_it_and_for_nothing_else(card: CardFile, disk: Listening) -> None:
    card.commit({})
    card.commit({}, durable=False)
    assert disk.heard() == []
    card.commit({TRIES: b"\x02"}, durable=False)
    disk.heard()
    card.commit({}, durable=False)
    assert disk.heard() == []
    card.commit({})
    assert disk.heard() == [WAIT, *COMMIT, MARK]
    card.commit({})
    assert disk.heard() == []


def test_only_a_deletion_takes_more_than_one_statement(card: CardFile, disk: Listening) -> None:
    card.commit({TRIES: b"\x02"})
    disk.heard()
    for content, expected in (
        (b"1", COMMIT),
        (b"2", COMMIT),
        (None, ["BEGIN IMMEDIATE", "DELETE FROM cells", *COMMIT, "COMMIT"]),
        (None, COMMIT),
        (b"3", COMMIT),
    ):
        card.commit({"new": content, TRIES: b"\x01"})
        assert disk.heard() == expected
    assert card.snapshot() == {**CELLS, TRIES: b"\x01", "new": b"3"}


@pytest.mark.parametrize(("cells", "statements"), [(99, 1), (100, 2), (199, 2), (200, 3)])
def test_a_statement_writes_a_hundred_rows_at_most(
    card: CardFile, disk: Listening, path: Path, cells: int, statements: int
) -> None:
    many = {f"many/{number}": str(number).encode() for number in range(cells)}
    card.commit(many, durable=False)
    transaction = COMMIT if statements == 1 else ["BEGIN IMMEDIATE", *COMMIT * statements, "COMMIT"]
    assert disk.heard() == [NO_WAIT, *transaction]
    card.close()
    with CardFile.open(path, KEY) as again:
        assert again.snapshot() == {**CELLS, **many}


def test_closing_unmarks_a_file_that_was_marked_and_waits_only_once(card: CardFile, disk: Listening) -> None:
    card.commit({TRIES: b"\x02"})
    before = card.commits
    disk.heard()
    card.close()
    assert disk.heard() == [NO_WAIT, *COMMIT]  # SQLite waits when it moves the log
    assert card.commits == card.settled == before + 1


def test_closing_a_file_that_was_only_read_writes_nothing(card: CardFile, disk: Listening, path: Path) -> None:
    before = path.read_bytes()
    card.snapshot()
    card.close()
    assert disk.heard() == []
    assert path.read_bytes() == before
    assert card.commits == card.settled == 1


def test_a_file_whose_every_commit_may_be_lost_is_not_marked(card: CardFile, disk: Listening) -> None:
    card.commit({TRIES: b"\x02"}, durable=False)
    disk.heard()
    card.close()
    assert disk.heard() == []
    assert card.commits == card.settled == 2


def test_small_cells_share_the_headers_page_and_large_ones_do_not(tmp_path: Path) -> None:
    """Numbers order the table: small cells right behind the header, in the order in which they came."""
    cells = {"small": bytes(64), "large": bytes(65), "empty": b""}
    path = tmp_path / "card.juki"
    with CardFile.create(path, KEY, cells, card_id=CARD_ID) as card:
        card.commit({"more": b"m", "much more": bytes(1000), "small": bytes(500)})
    with CardFile.open(path, KEY) as card:
        card.commit({"last": b"", "last large": bytes(65)})
        numbers = {name: cell.number for name, cell in card._engine._cells.items()}
    assert numbers == {
        "small": 1,
        "empty": 2,
        "more": 3,
        "last": 4,
        "large": 1 << 20,
        "much more": (1 << 20) + 1,
        "last large": (1 << 20) + 2,
    }


def test_a_number_is_not_given_twice_after_opening(path: Path) -> None:
    with CardFile.open(path, KEY) as card:
        card.commit({f"new/{number}": bytes(60 + number) for number in range(10)})
        numbers = [cell.number for cell in card._engine._cells.values()]
    assert len(set(numbers)) == len(numbers) == len(CELLS) + 10


def test_when_the_small_numbers_are_used_up_small_cells_get_large_ones() -> None:
    numbers = Numbers()
    numbers.taken((1 << 20) - 2)
    numbers.taken(1 << 20)
    assert [numbers.take(b"") for _ in range(3)] == [(1 << 20) - 1, (1 << 20) + 1, (1 << 20) + 2]
    numbers.taken(1 << 21)
    numbers.taken(5)
    numbers.taken((1 << 20) + 9)
    assert numbers.take(bytes(65)) == (1 << 21) + 1
    assert numbers.take(b"") == (1 << 21) + 2


SETTINGS = [
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA mmap_size = 0",
    "PRAGMA synchronous = FULL",
]
SETTINGS_WITH_CONTENT = ["PRAGMA secure_delete = ON", "PRAGMA cache_size = 64", "PRAGMA wal_autocheckpoint = 256"]


def test_nothing_is_left_to_the_defaults_of_this_sqlite_when_a_file_is_opened(path: Path, disk: Listening) -> None:
    with CardFile.open(path, KEY, disk=disk):
        heard = disk.heard()
    assert heard[: len(SETTINGS)] == SETTINGS  # before any page is read
    assert heard[-len(SETTINGS_WITH_CONTENT) :] == SETTINGS_WITH_CONTENT  # once it is known to be ours


def test_nothing_is_left_to_the_defaults_of_this_sqlite_when_a_file_is_made(tmp_path: Path, disk: Listening) -> None:
    CardFile.create(tmp_path / "card.juki", KEY, {"one": b"1"}, card_id=CARD_ID, disk=disk).close()
    heard = disk.heard()
    made = [*SETTINGS, "PRAGMA page_size = 4096", "PRAGMA journal_mode = WAL", *SETTINGS_WITH_CONTENT]
    written = heard[len(made) : heard.index("PRAGMA wal_checkpoint(TRUNCATE)") + 1]
    assert heard[: len(made)] == made
    assert written == [
        "BEGIN IMMEDIATE",
        f"PRAGMA application_id = {int.from_bytes(b'JUKI')}",
        "PRAGMA user_version = 1",
        "CREATE TABLE card",
        "CREATE TABLE cells",
        "INSERT INTO card VALUES",
        "INSERT INTO cells VALUES",
        "INSERT INTO cells VALUES",
        "COMMIT",
        "PRAGMA wal_checkpoint(TRUNCATE)",
    ]


@pytest.mark.parametrize(
    ("answer", "complete"), [((0, 7, 7), True), ((0, 0, 0), True), ((0, 7, 6), False), ((1, 7, 7), False)]
)
def test_the_log_is_in_the_file_only_if_nobody_was_in_the_way_and_all_of_it_was_copied(
    answer: tuple[int, int, int], complete: bool
) -> None:
    """SQLite answers: busy, pages in the log, pages copied."""

    class Answering:
        in_transaction = False

        def execute(self, sql: str, _: Sequence[int | bytes] = (), /) -> Answering:
            assert sql == "PRAGMA wal_checkpoint(FULL)"
            return self

        def fetchall(self) -> list[tuple[int, int, int]]:
            return [answer]

        def close(self) -> None: ...

    assert checkpoint(Answering(), "FULL") is complete


@pytest.mark.parametrize("rows", [[], [(0, 7, 7), (0, 7, 7)]])
def test_an_answer_of_another_shape_is_an_error_of_the_database(rows: list[tuple[int, int, int]]) -> None:
    class Answering:
        in_transaction = False

        def execute(self, sql: str, _: Sequence[int | bytes] = (), /) -> Answering:
            return self

        def fetchall(self) -> list[tuple[int, int, int]]:
            return rows

        def close(self) -> None: ...

    with pytest.raises(sqlite3.DatabaseError, match="row"):
        checkpoint(Answering(), "FULL")
