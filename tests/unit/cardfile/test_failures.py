"""Disks that fail, programs that are interrupted or killed: memory and file never part."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from jukicard.reader.cardfile import CardFile, CardFileDiskFailed, CardFileError, CardFileReadOnly
from jukicard.reader.cardfile.disk import LocalDisk
from tests.support.cardfile import CARD_ID, CELLS, KEY
from tests.support.powercut import Fault, PowerCutDisk

NEW: dict[str, bytes | None] = {"password/tries": b"\x02", "juki/file/0": None, "added": b"a" * 6000}
AFTER = {name: content for name, content in {**CELLS, **NEW}.items() if content is not None}
ONE_STATEMENT: dict[str, bytes | None] = {"password/tries": b"\x02"}


def made(**settings: object) -> tuple[PowerCutDisk, CardFile]:
    disk = PowerCutDisk()
    return disk, CardFile.create(disk.card, KEY, CELLS, card_id=CARD_ID, disk=disk)


@pytest.mark.parametrize("once", [True, False], ids=["once", "for good"])
@pytest.mark.parametrize("fault", ["full", "read-only", "broken"])
@pytest.mark.parametrize("changes", [NEW, ONE_STATEMENT], ids=["several statements", "one statement"])
def test_a_commit_that_fails_at_any_write(changes: dict[str, bytes | None], fault: Fault, once: bool) -> None:
    failures = 0
    for number in range(40):
        disk, card = made()
        card.commit({"juki/file/1": b"before"})
        old = card.snapshot()
        new = {name: content for name, content in {**old, **changes}.items() if content is not None}
        disk.fail_from(len(disk.log) + number, fault, once=once)
        try:
            card.commit(changes)
            assert card.snapshot() == new
            allowed = [new]
        except CardFileError as error:
            assert type(error) is (CardFileReadOnly if fault == "read-only" else CardFileDiskFailed)  # noqa: PT017
            failures += 1
            allowed = [old]
        disk.heal()
        try:
            assert card.snapshot() in allowed
            card.commit({"after": b"it"})
            allowed = [{**state, "after": b"it"} for state in allowed]
        except CardFileDiskFailed as error:  # it refuses to go on
            assert "open the card again" in str(error)  # noqa: PT017
            allowed = [old, new]
        card.close()
        with CardFile.open(disk.card, KEY, disk=disk) as card:
            assert card.snapshot() in allowed, number
    if fault == "full" and changes is ONE_STATEMENT:
        assert failures == 0  # it fits into the log that is there
    else:
        assert failures >= (5 if fault != "full" else 3)


@pytest.mark.parametrize("fault", ["full", "read-only", "broken"])
def test_a_creation_that_fails_at_any_write(fault: Fault) -> None:
    failures = 0
    for number in range(60):
        disk = PowerCutDisk()
        disk.fail_from(number, fault)
        try:
            CardFile.create(disk.card, KEY, CELLS, card_id=CARD_ID, disk=disk).close()
        except CardFileError:
            failures += 1
            if disk.size(disk.card) is None:
                continue
        disk.heal()
        with CardFile.open(disk.card, KEY, disk=disk) as card:
            assert card.snapshot() == CELLS
    assert failures > 10


@pytest.mark.parametrize("fault", ["full", "read-only", "broken"])
def test_a_closing_that_fails_at_any_write_loses_nothing(fault: Fault) -> None:
    for number in range(30):
        disk, card = made()
        card.commit(NEW)
        disk.fail_from(len(disk.log) + number, fault, once=True)
        with contextlib.suppress(CardFileError):
            card.close()
        disk.heal()
        with CardFile.open(disk.card, KEY, disk=disk) as card:
            assert card.snapshot() == AFTER, number


def test_an_opening_that_fails_at_any_write_loses_nothing() -> None:
    disk, card = made()
    card.commit(NEW)
    files = disk.files()
    for number in range(30):
        for fault in ("full", "read-only", "broken"):
            again = PowerCutDisk(files)
            again.fail_from(number, fault)
            with contextlib.suppress(CardFileError):
                CardFile.open(again.card, KEY, disk=again).close()
            again.heal()
            with CardFile.open(again.card, KEY, disk=again) as reopened:
                assert reopened.snapshot() == AFTER, (number, fault)


def test_a_file_that_may_not_grow(path: Path) -> None:
    """On the real disk: the limit strikes in the middle of a commit."""

    def child() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        with CardFile.open(path, KEY) as card:
            card.commit({"password/tries": b"\x02"})
            old = card.snapshot()
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
            with pytest.raises(CardFileDiskFailed):
                card.commit({"password/tries": b"\x01", "big": bytes(400_000)})
            assert card.snapshot() == old
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            card.commit({"password/tries": b"\x00"})

    run_in_child(child)
    with CardFile.open(path, KEY) as card:
        assert card.snapshot() == {**CELLS, "password/tries": b"\x00"}


class Interrupting(LocalDisk):
    """A disk where the user presses Ctrl-C before or after a statement."""

    def __init__(self, statement: str, after: bool) -> None:
        self.statement: str | None = statement
        self.after = after

    def connect(self, path: str) -> sqlite3.Connection:
        disk = self

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, parameters: Sequence[int | bytes] = (), /) -> sqlite3.Cursor:
                hit = disk.statement is not None and sql.startswith(disk.statement)
                if hit:
                    disk.statement = None
                    if not disk.after:
                        raise KeyboardInterrupt
                cursor = super().execute(sql, parameters)
                if hit:
                    raise KeyboardInterrupt
                return cursor

        return sqlite3.connect(f"{path}", factory=Connection, isolation_level=None, timeout=0)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("statement", ["BEGIN", "DELETE FROM cells", "REPLACE INTO cells", "COMMIT"])
def test_an_interrupted_commit_has_happened_or_not(path: Path, statement: str, after: bool) -> None:
    expected = AFTER if statement == "COMMIT" and after else CELLS
    with CardFile.open(path, KEY, disk=Interrupting(statement, after)) as card:
        with pytest.raises(KeyboardInterrupt):
            card.commit(NEW)
        assert card.snapshot() == expected
        card.commit({"then": b"1"})
    with CardFile.open(path, KEY) as card:
        assert card.snapshot() == {**expected, "then": b"1"}


@pytest.mark.parametrize("after", [False, True])
def test_an_interrupted_commit_of_one_statement_has_happened_or_not(path: Path, after: bool) -> None:
    expected = {**CELLS, **ONE_STATEMENT} if after else CELLS
    with CardFile.open(path, KEY, disk=Interrupting("REPLACE INTO cells", after)) as card:
        with pytest.raises(KeyboardInterrupt):
            card.commit(ONE_STATEMENT)
        assert card.snapshot() == expected
        card.commit({"then": b"1"})
    with CardFile.open(path, KEY) as card:
        assert card.snapshot() == {**expected, "then": b"1"}


def test_kill_9_inside_commits(path: Path) -> None:
    """A real process is killed at a random moment, 40 times: the last answer given holds, or the one after it."""
    chance = random.Random(9)
    expected = 0
    for _ in range(40):
        reading, writing = os.pipe()

        def commits(start: int = expected, answers: int = writing) -> None:
            card = CardFile.open(path, KEY)
            for number in range(start + 1, start + 1_000_000):
                cells = {f"part/{n}": number.to_bytes(4, "big") * (n + 1) for n in range(4)}
                if number % 3 == 0:
                    card.commit({"part/0": b"in between"}, durable=False)
                card.commit(cells)
                os.write(answers, number.to_bytes(4, "big"))

        child = start_child(commits)
        os.close(writing)
        with os.fdopen(reading, "rb") as answers:
            last = answers.read(4)  # it has begun
            assert len(last) == 4
            signal.sigtimedwait((), chance.random() * 0.004)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            last = (last + answers.read())[-4:]
        answered = int.from_bytes(last, "big")
        with CardFile.open(path, KEY) as card:
            found = {name: card.read(name) for name in card.cells("part/")}
        numbers = {int.from_bytes(found[f"part/{n}"][:4], "big") for n in range(1, 4)}
        assert len(numbers) == 1, "a torn commit"
        expected = numbers.pop()
        assert answered <= expected <= answered + 1
        assert found["part/0"] in (expected.to_bytes(4, "big"), b"in between")
    assert expected > 40


def start_child(act: Callable[[], object]) -> int:
    child = os.fork()
    if child == 0:
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - a child may not fall back into pytest
            os.write(2, repr(error).encode())
            os._exit(1)
        os._exit(0)
    return child


def run_in_child(act: Callable[[], object]) -> None:
    assert os.waitstatus_to_exitcode(os.waitpid(start_child(act), 0)[1]) == 0
