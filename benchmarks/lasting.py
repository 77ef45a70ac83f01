"""The card file: power-on, and commands that must be on the disk before they are answered.

A bare commit is one row updated in an SQLite database with the card file's settings, on the same file system, in the
same rounds. VERIFY is the holder's, in an SCP11a session of an issued card; the card's own time counts. A right VERIFY
gives back the tries that wrong ones took, so that the two kinds can go on for ever: they take turns, and each is timed
for itself.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import cards
from benchmarks.measuring import WALL, Clock, Effort, Item, cost, in_turns, limit
from jukicard.applets.juki.client import JukiClient
from jukicard.applets.juki.layout import PASSWORD as REFERENCE
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.connection import send
from jukicard.iso7816.wrappers import standard
from jukicard.issuer.line.provers import card_channel_key, ephemeral_key
from jukicard.reader.cardfile import CardFile
from jukicard.reader.chips import CardFileChip
from jukicard.reader.emulator import EmulatorConnection
from jukicard.testing.offices import PASSWORD, WRONG_PASSWORD, Office

POWER_ON_MILLISECONDS = 2
_SETTINGS = (  # those of docs/card-file.md
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA page_size = 4096",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = ON",
    "PRAGMA cache_size = 64",
    "PRAGMA wal_autocheckpoint = 256",
)
_ROW_BYTES = 48


def run(effort: Effort) -> Iterator[Item]:
    """Power-on, then VERIFY."""
    with cards.issued_office() as office:
        path = office.home / "card.juki"
        CardFile.create(path, office.authority.storage_key, office.cells, card_id=b"benchmark").close()
        yield _power_on(path, office.authority.storage_key, effort)
        yield from _verify(office, path, effort)


def _power_on(path: Path, storage_key: bytes, effort: Effort) -> Item:
    """Open the file, verify every cell, apply power, get the ATR; closing is not counted."""

    def measure(count: int) -> float:
        seconds = 0.0
        for _ in range(count):
            start = WALL()
            chip = CardFileChip(path, storage_key)
            chip.card.power_on()
            seconds += WALL() - start
            chip.close()
        return seconds

    times = in_turns({"ours": measure}, effort.rounds, effort.slice_seconds)
    return limit("power-on from a card file", [1e3 * value for value in times["ours"]], POWER_ON_MILLISECONDS, "ms")


def _verify(office: Office, path: Path, effort: Effort) -> Iterator[Item]:
    with contextlib.ExitStack() as stack:
        chip = stack.enter_context(contextlib.closing(CardFileChip(path, office.authority.storage_key)))
        commit = stack.enter_context(_bare_commit(path.with_name("bare.sqlite")))
        clock = Clock(WALL)
        verify = _verifier(office, chip, clock)
        times: dict[str, list[float]] = {"refused": [], "successful": [], "bare": []}
        for _ in range(effort.rounds):
            slices: dict[str, list[float]] = {name: [] for name in times}
            for _ in range(max(1, round(effort.slice_seconds / 5e-4))):
                start = WALL()
                commit()
                slices["bare"].append(WALL() - start)
                for name, password in (("refused", WRONG_PASSWORD), ("successful", PASSWORD)):
                    clock.seconds = 0.0
                    verify(password)
                    slices[name].append(clock.seconds)
            for name, values in slices.items():
                times[name].append(statistics.median(values))
    for name in ("refused", "successful"):
        yield cost(f"durable VERIFY, {name}, card's time", times[name], times["bare"], 1.5, "bare durable commit")


def _verifier(office: Office, chip: CardFileChip, clock: Clock) -> Callable[[str], None]:
    """What sends VERIFY in a session of the counter's terminal, the card's time on the clock."""
    connection = EmulatorConnection(chip.card)
    connection.transmit = clock.watch(chip.card.transmit)  # type: ignore[method-assign]
    client = JukiClient(standard(connection))
    client.select()
    key = card_channel_key(client, office.authority, today=office.setting.day).public_key
    secure = client.open_scp11a(office.authority.terminal_key("counter"), key, ephemeral_key(os.urandom))

    def verify(password: str) -> None:
        response = send(secure, CommandAPDU(0x00, 0x20, 0x00, REFERENCE, password.encode()))
        cards.require(response.encode(), 0x9000 if password == PASSWORD else 0x63C2)

    verify(WRONG_PASSWORD)
    verify(PASSWORD)
    return verify


@contextlib.contextmanager
def _bare_commit(path: Path) -> Iterator[Callable[[], None]]:
    """What updates one row, durably."""
    path.touch()
    uri = f"file://{path}?mode=rw&psow=0"
    with contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        for setting in _SETTINGS:
            connection.execute(setting)
        connection.execute(
            "CREATE TABLE cells (number INTEGER PRIMARY KEY, version INTEGER NOT NULL, box BLOB NOT NULL)"
        )
        connection.execute("INSERT INTO cells VALUES (1, 1, ?)", (bytes(_ROW_BYTES),))

        def commit() -> None:
            box = os.urandom(_ROW_BYTES)
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE cells SET version = version + 1, box = ? WHERE number = 1", (box,))
            connection.execute("COMMIT")

        commit()
        yield commit
