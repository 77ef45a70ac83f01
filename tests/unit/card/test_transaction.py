"""One command's writes: what it sees of them, what reaches the store, and when."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from jukicard.card.store import MemoryStore
from jukicard.card.transaction import Area, Transaction, UndeclaredWriteError, area_prefix

CELLS = {"a/1": b"one", "a/2": b"two", "b/1": b"other"}


class Recording(MemoryStore):
    """Keeps each commit with its durability."""

    def __init__(self, cells: Mapping[str, bytes]) -> None:
        super().__init__(cells)
        self.commits: list[tuple[dict[str, bytes | None], bool]] = []

    def commit(self, changes: Mapping[str, bytes | None], *, durable: bool = True) -> None:
        self.commits.append((dict(changes), durable))
        super().commit(changes, durable=durable)


@pytest.fixture
def store() -> Recording:
    return Recording(CELLS)


def test_a_command_sees_its_own_writes_and_nobody_else_does_before_the_commit(store: Recording) -> None:
    transaction = Transaction(store)
    transaction.write("a/1", b"new")
    transaction.write("a/2", None)
    transaction.give_back("a/3", b"\x03")
    seen = [transaction.read(cell) for cell in ("a/1", "a/2", "a/3", "b/1", "none")]
    assert seen == [b"new", None, b"\x03", b"other", None]
    assert store.snapshot() == CELLS
    transaction.commit()
    assert store.commits == [({"a/3": b"\x03", "a/1": b"new", "a/2": None}, True)]


def test_what_was_only_given_back_need_not_wait_for_the_disk(store: Recording) -> None:
    transaction = Transaction(store)
    transaction.give_back("a/1", b"\x03")
    transaction.commit()
    assert store.commits == [({"a/1": b"\x03"}, False)]


def test_a_write_after_a_giving_back_holds(store: Recording) -> None:
    transaction = Transaction(store)
    transaction.give_back("a/1", b"\x03")
    transaction.write("a/1", b"\x05")
    assert transaction.read("a/1") == b"\x05"
    transaction.commit()
    assert store.commits == [({"a/1": b"\x05"}, True)]


def test_a_removal_after_a_giving_back_holds(store: Recording) -> None:
    transaction = Transaction(store)
    transaction.give_back("a/1", b"\x03")
    transaction.write("a/1", None)
    assert transaction.read("a/1") is None
    transaction.commit()
    assert store.read("a/1") is None


def test_a_command_that_wrote_nothing_commits_nothing(store: Recording) -> None:
    transaction = Transaction(store, writable=False)
    transaction.read("a/1")
    transaction.commit()
    assert store.commits == []


def test_a_try_is_spent_at_once_and_stays_whatever_becomes_of_the_command(store: Recording) -> None:
    Transaction(store).spend("a/1", b"\x02")
    assert store.commits == [({"a/1": b"\x02"}, True)]


@pytest.mark.parametrize("write", ["write", "give_back", "spend"])
def test_nothing_reaches_the_store_from_a_command_that_declares_no_writes(store: Recording, write: str) -> None:
    transaction = Transaction(store, writable=False)

    def act() -> None:
        getattr(transaction, write)("a/1", b"x")
        transaction.commit()

    with pytest.raises(UndeclaredWriteError):
        act()
    assert store.commits == []


def test_names_are_those_that_the_command_sees_sorted(store: Recording) -> None:
    transaction = Transaction(store)
    assert list(transaction.cells("a/")) == ["a/1", "a/2"]
    transaction.write("a/0", b"")
    transaction.write("a/2", b"again")
    transaction.write("a/1", None)
    transaction.write("a/9", None)
    transaction.write("c", b"")
    assert list(transaction.cells("a/")) == ["a/0", "a/2"]
    assert list(transaction.cells("")) == ["a/0", "a/2", "b/1", "c"]


def test_an_area_names_its_own_cells_only(store: Recording) -> None:
    transaction = Transaction(store)
    one, two = Area(transaction, area_prefix(1)), Area(transaction, area_prefix(0x1A2B))
    one.write("x/1", b"1")
    one.write("y", b"2")
    two.write("x/1", b"3")
    one.give_back("t", b"\x03")
    assert (one.read("x/1"), one.read("t"), two.read("x/1"), two.read("y")) == (b"1", b"\x03", b"3", None)
    assert list(one.cells()) == ["x/1", "y"]
    assert list(one.cells("x/")) == ["x/1"]
    two.spend("t", b"\x02")
    transaction.commit()
    assert sorted(store.snapshot().keys() - CELLS.keys()) == [
        "a/0001/t",
        "a/0001/x/1",
        "a/0001/y",
        "a/1a2b/t",
        "a/1a2b/x/1",
    ]


def test_a_memory_store_is_a_map_of_its_own() -> None:
    cells = dict(CELLS)
    store = MemoryStore(cells)
    cells["late"] = b""
    store.snapshot()["late"] = b""
    assert store.snapshot() == CELLS
    store.commit({"none": None, "a/1": None, "a/0": b"", "b/1": b"changed"})
    assert store.snapshot() == {"a/0": b"", "a/2": b"two", "b/1": b"changed"}
    assert list(store.cells()) == ["a/0", "a/2", "b/1"]
    assert list(store.cells("a/")) == ["a/0", "a/2"]
    assert list(store.cells("a/2")) == ["a/2"]
    assert list(store.cells("c")) == []
    assert MemoryStore().snapshot() == {}


def test_an_empty_cell_can_be_removed() -> None:
    store = MemoryStore({"empty": b""})
    store.commit({"empty": None})
    assert list(store.cells()) == []
    assert store.read("empty") is None
