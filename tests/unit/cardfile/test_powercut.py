"""Power cuts at every write of a real card file; and proof that the harness sees what it is for."""

from __future__ import annotations

import apsw
import pytest

from jukicard.reader.cardfile import CardFile
from jukicard.reader.cardfile.engine import Engine
from tests.support.powercut import Cut, Run, for_each_cut
from tests.support.powercut_disk import _Connection, _File

CELLS = {f"file/{n}": b"x" * (40 * n) for n in range(12)} | {"tries": b"\x03", "state": b"new"}


def flow(run: Run) -> None:
    """Commits of several cells, durable and not, over two sessions."""
    run.commit({"tries": b"\x02", "state": None, "file/1": b"rewritten" * 40, "added": b"a"})
    run.note("first")
    run.commit({"tries": b"\x03"}, durable=False)
    run.commit({"tries": b"\x02", "file/3": b"once more"})
    run.note("second")
    run.commit({"tries": b"\x03"}, durable=False)
    run.commit({"added": None}, durable=False)
    run.reopen()
    run.commit({"tries": b"\x01"}, durable=False)
    run.commit({"big": b"b" * 9000, "file/2": None})
    run.note("third")


def check(store: CardFile, cut: Cut) -> None:
    if "first" in cut.notes:
        assert store.read("state") is None
    if "third" in cut.notes:
        assert store.read("big") == b"b" * 9000
    store.commit({"tries": b"\x00"})
    assert store.read("tries") == b"\x00"


def again(run: Run) -> None:
    run.commit({"tries": b"\x00"})


def test_every_cut_leaves_old_or_new() -> None:
    tally = for_each_cut(flow, check, cells=CELLS)
    assert tally.operations > 100
    assert tally.cuts == 5 * (tally.operations + 1)
    assert tally.distinct > 2 * tally.operations


def test_every_second_cut_leaves_what_was_found_after_the_first() -> None:
    def short(run: Run) -> None:
        run.commit({"tries": b"\x02", "state": None})
        run.commit({"tries": b"\x03"}, durable=False)

    tally = for_each_cut(short, cells={"tries": b"\x03", "state": b"new"}, depth=2, recovery=again, every=3)
    assert tally.distinct > 500


def test_cuts_in_the_middle_of_moving_the_log_into_the_file() -> None:
    def long(run: Run) -> None:
        for n in range(3):
            run.commit({f"file/{m}": bytes([n]) * 30_000 for m in range(12)})

    tally = for_each_cut(long, cells=CELLS, every=17)
    assert tally.distinct > 150


def test_the_same_seed_makes_the_same_cuts() -> None:
    def cuts(seed: int) -> list[tuple[str, bytes | None]]:
        found: list[tuple[str, bytes | None]] = []
        for_each_cut(again, lambda store, cut: found.append((str(cut), store.read("tries"))), cells=CELLS, seed=seed)
        return found

    assert cuts(1) == cuts(1)
    assert cuts(1) != cuts(2)


# The harness must find a card file that does one thing wrong.


def finds(expected: str) -> None:
    with pytest.raises(AssertionError, match=expected):
        for_each_cut(flow, cells=CELLS)


def test_finds_commits_that_do_not_wait_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    write = Engine._write
    monkeypatch.setattr(Engine, "_write", lambda self, staged, durable: write(self, staged, False))
    finds("lost a durable one")


def test_finds_a_log_that_is_moved_without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    execute = _Connection.execute
    monkeypatch.setattr(
        _Connection, "execute", lambda self, sql, parameters=(): execute(self, sql.replace("NORMAL", "OFF"), parameters)
    )
    finds("damaged")


def test_finds_trust_in_powersafe_overwrite(monkeypatch: pytest.MonkeyPatch) -> None:
    """Why `LocalDisk` says psow=0."""
    monkeypatch.setattr(_File, "xDeviceCharacteristics", lambda self: apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE)
    finds("lost a durable one")


def test_finds_commits_in_halves() -> None:
    def halves(run: Run) -> None:
        def both(changes: dict[str, bytes], durable: bool) -> None:
            for name, content in changes.items():
                commit({name: content}, durable)

        commit = run.store._engine.commit
        run.store._engine.commit = both
        run.commit({"tries": b"\x01", "state": b"other"})

    with pytest.raises(AssertionError, match="never committed"):
        for_each_cut(halves, cells=CELLS)


def test_finds_a_recovered_log_that_is_only_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Why opening a file with a log moves the log into the file first."""
    execute = _Connection.execute

    def without(self: _Connection, sql: str, parameters: tuple[int | bytes, ...] = ()) -> object:
        if "wal_checkpoint(TRUNCATE)" in sql:
            return execute(self, "SELECT 0, 0, 0")
        return execute(self, sql, parameters)

    def short(run: Run) -> None:
        run.commit({"tries": b"\x02"})
        run.commit({"tries": b"\x03"}, durable=False)

    monkeypatch.setattr(_Connection, "execute", without)
    with pytest.raises(AssertionError, match="lost a durable one"):
        for_each_cut(short, cells={"tries": b"\x03"}, depth=2, recovery=again)


# Anchors: what a home may remember of a closed file.


def anchored(run: Run) -> None:
    """Two sessions, each of which ends with a commit that does not wait; after each, the home notes what is settled."""
    for _ in range(2):
        run.commit({"tries": b"\x02", "file/1": b"rewritten" * 40})
        run.commit({"tries": b"\x03"}, durable=False)
        closed = run.store
        run.reopen()
        run.note(closed.settled)
    run.commit({"tries": b"\x01"})


def not_behind(store: CardFile, cut: Cut) -> None:
    assert store.commits >= max(cut.notes, default=0)


def test_no_cut_leaves_a_file_that_is_behind_its_anchor() -> None:
    noted: set[int | None] = set()
    for_each_cut(anchored, lambda store, cut: (noted.update(cut.notes), not_behind(store, cut)), cells=CELLS)
    assert noted == {4, 7}


def test_finds_an_anchor_that_is_noted_too_early() -> None:
    """Why the anchor is written after the closing: the last commit need not be on the disk before."""

    def early(run: Run) -> None:
        run.commit({"tries": b"\x02"})
        run.commit({"tries": b"\x03"}, durable=False)
        run.note(run.store.commits)

    with pytest.raises(AssertionError):
        for_each_cut(early, not_behind, cells=CELLS)
