"""A user meets a full disk, a read-only one, a card in use, and a damaged or newer card file: through the command line.

The documented exit code, a message that says what is the matter, and nothing half done: afterwards the card opens, and
is as before, or as the command would have made it. `tests/unit/cardfile` has every write and every byte.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from jukicard.issuer.authority.anchors import ANCHORS_FILE
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.keys.storagekey import load_storage_key
from jukicard.reader.cardfile import CardFile
from jukicard.reader.chips import open_emulator
from tests.support import quick_keys
from tests.support.desk import Desk, private_file
from tests.support.issued import AUTHORITY_PASSWORD, Offices, Stage
from tests.support.private_mounts import UnavailableError, in_private_mounts, make_read_only, mount_small_disk

PAGE = 4096
NEW = "3852"
DISK_BYTES = 256 * 1024


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    quick_keys.use(monkeypatch)


@pytest.fixture
def desk(offices: Offices, tmp_path: Path) -> Desk:
    """A desk with an active card, and a folder for a disk of its own."""
    desk = Desk.at(offices, Stage.ACTIVE, tmp_path)
    private_file(tmp_path / "new.txt", NEW + "\n")
    (tmp_path / "disk").mkdir()
    Authority.open(desk.home, AUTHORITY_PASSWORD).close()  # its key is derived here, for all children
    return desk


def elsewhere(act: Callable[[], Any]) -> Any:
    try:
        return in_private_mounts(act)
    except UnavailableError:
        pytest.skip("no file systems of our own on this machine")


def words(desk: Desk, name: str, card: Path) -> tuple[str, ...]:
    reader = ("--reader", f"emulator:{card}", *desk.authority)
    new = ("--new-password-file", f"{desk.folder}/new.txt")
    return {
        "auth": ("auth", *reader, *desk.holder),
        "auth, wrong": ("auth", *reader, *desk.wrong),
        "password change": ("password", "change", *reader, *desk.holder, *new),
        "card suspend": ("card", "suspend", desk.serial, *reader),
        "chip new": ("chip", "new", str(card.with_name("new.juki"))),
        "chip export": ("chip", "export", str(desk.card), str(card.with_name("new.juki")), *passphrase(desk)),
    }[name]


def passphrase(desk: Desk) -> tuple[str, str]:
    return "--passphrase-file", str(private_file(desk.folder / "passphrase.txt", "violet lantern 58 harbour\n"))


def holds(desk: Desk, card: Path) -> dict[str, Any]:
    """What the card says once it can be written again: which password, how many tries, which state."""
    reader = ("--reader", f"emulator:{card}")
    info = desk.facts("card", "info", *reader, *desk.authority)
    found = {"tries": info["password_tries_left"], "status": info["status"], "new": None}
    if desk.facts("ledger", "show", desk.serial)["status"] == "active":
        new = ("--password-file", str(desk.folder / "new.txt"))
        found["new"] = desk.run("auth", *reader, *desk.authority, *new).exit_code == 0
        assert found["new"] or desk.run("auth", *reader, *desk.authority, *desk.holder).exit_code == 0
    return found


WRITES = {"auth": {0, 1, 3}, "auth, wrong": {1, 3, 4}, "password change": {0, 1, 3}, "card suspend": {0, 1, 3}}
"""Commands that write to a card, and how they may end on a disk that has no room, too little, or enough."""
MAKES = {"chip new": {0, 3}, "chip export": {0, 3}}


def on_a_full_disk(desk: Desk, name: str, free: int) -> dict[str, Any]:
    """Run a command while a small disk has so many bytes left; then make room, and look."""
    disk = desk.folder / "disk"
    card = disk / "card.juki"
    (desk.home / ANCHORS_FILE).unlink(missing_ok=True)  # each time the same card, from the beginning

    def act() -> dict[str, Any]:
        mount_small_disk(disk, DISK_BYTES)
        shutil.copy(desk.card, card)
        room = os.statvfs(disk)
        (disk / "filler").write_bytes(bytes(room.f_bavail * room.f_frsize - free))
        result = desk.run(*words(desk, name, card))
        (disk / "filler").unlink()
        left = sorted(path.name for path in disk.iterdir())
        seen = {"code": result.exit_code, "said": result.stderr, "left": left, "holds": holds(desk, card)}
        return {**seen, "again": desk.run(*words(desk, name, card)).exit_code}

    told: dict[str, Any] = elsewhere(act)
    return told


@pytest.mark.parametrize("name", WRITES)
def test_a_disk_that_is_full(desk: Desk, name: str) -> None:
    copy = shutil.copytree(desk.home, desk.folder / "home as it was")
    codes = set()
    for free in (0, 2, 6, 40):
        shutil.rmtree(desk.home)
        shutil.copytree(copy, desk.home)
        seen = on_a_full_disk(desk, name, free * PAGE)
        assert seen["code"] in WRITES[name], seen
        # Where there was room for the log but not for the file to grow, the log stays for whoever opens the card next.
        assert seen["left"] == ["card.juki"] or (seen["left"] == ["card.juki", "card.juki-wal"] and not seen["code"])
        if seen["code"] in (1, 3):
            assert "disk is full" in seen["said"], seen
            assert seen["holds"]["status"] == "active"
            assert not seen["holds"]["new"]
            assert seen["holds"]["tries"] >= 2
            assert seen["again"] == (4 if name == "auth, wrong" else 0), "there is room again"
        elif name == "password change":
            assert seen["holds"]["new"]
        codes.add(seen["code"])
    assert len(codes) > 1, "the disk was never full, or always"


@pytest.mark.parametrize("name", MAKES)
def test_a_disk_that_is_full_has_no_half_card_on_it(desk: Desk, name: str) -> None:
    codes = set()
    for free in (0, 2, 40):
        seen = on_a_full_disk(desk, name, free * PAGE)
        assert seen["code"] in MAKES[name], seen
        assert seen["left"] == (["card.juki", "new.juki"] if seen["code"] == 0 else ["card.juki"])
        assert seen["code"] == 0 or "disk is full" in seen["said"] or "No space" in seen["said"]
        codes.add(seen["code"])
    assert codes == MAKES[name]


@pytest.mark.parametrize("name", ["auth", "password change", "card suspend", "chip export"])
def test_a_disk_that_is_read_only(desk: Desk, name: str) -> None:
    disk = desk.folder / "disk"
    shutil.copy(desk.card, disk / "card.juki")
    before = (disk / "card.juki").read_bytes()

    def act() -> list[Any]:
        make_read_only(disk)
        result = desk.run(*words(desk, name, disk / "card.juki"))
        return [result.exit_code, result.stderr]

    code, said = elsewhere(act)
    assert code == 3
    assert "must be writable" in said
    assert {path.name: path.read_bytes() for path in disk.iterdir()} == {"card.juki": before}
    assert holds(desk, desk.card)["status"] == "active"


COMMANDS = ["auth", "password change", "card suspend", "chip export"]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_card_that_another_program_has_open(desk: Desk, name: str) -> None:
    key = load_storage_key(desk.home / "storage.key")
    with closing(open_emulator(desk.card, key)) as first:
        assert first.transmit(bytes.fromhex("00A4040C0AD3921000310001010401")) == b"\x90\x00"
        pid = os.fork()
        if pid == 0:
            result = desk.run(*words(desk, name, desk.card))
            os._exit(result.exit_code if "in use: another program has opened its file" in result.stderr else 99)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
        assert first.transmit(bytes.fromhex("00200081")) == b"\x63\xc3", "the first one goes on, in the same session"
    assert not (desk.folder / "disk" / "new.juki").exists()
    assert holds(desk, desk.card) == {"tries": 3, "status": "active", "new": False}


def _flip(desk: Desk) -> None:
    content = bytearray(desk.card.read_bytes())
    content[len(content) // 2] ^= 1
    desk.card.write_bytes(content)


def _cut(desk: Desk) -> None:
    desk.card.write_bytes(desk.card.read_bytes()[:-5000])


def _head(desk: Desk) -> None:
    desk.card.write_bytes(b"\0" * 100 + desk.card.read_bytes()[100:])


def _newer(desk: Desk) -> None:
    with closing(sqlite3.connect(desk.card, isolation_level=None)) as connection:
        connection.execute("PRAGMA user_version = 2")


def _lost_log(desk: Desk) -> None:
    card = CardFile.open(desk.card, load_storage_key(desk.home / "storage.key"))
    card.commit({"a cell": b"x"})
    marked = desk.card.read_bytes()
    card.close()
    desk.card.write_bytes(marked)


SPOILT: dict[str, tuple[Callable[[Desk], None], int, str]] = {
    "a flipped bit": (_flip, 1, "damaged"),
    "cut off": (_cut, 1, "damaged"),
    "no head": (_head, 3, "not a card file"),
    "a newer schema": (_newer, 3, "made with schema 2; this version reads schema 1"),
    "a lost log": (_lost_log, 1, "juki chip accept"),
}


@pytest.mark.parametrize("name", ["auth", "chip export"])
@pytest.mark.parametrize("how", SPOILT)
def test_a_card_file_that_is_not_whole_or_not_ours_to_read(desk: Desk, how: str, name: str) -> None:
    spoil, code, said = SPOILT[how]
    spoil(desk)
    before = {path.name: path.read_bytes() for path in desk.folder.glob("*.juki*")}
    books = desk.ledger()
    result = desk.run(*words(desk, name, desk.card))
    assert result.exit_code == code, result.output
    assert said in result.stderr
    assert {path.name: path.read_bytes() for path in desk.folder.glob("*.juki*")} == before
    assert desk.ledger() == books
    assert not (desk.folder / "disk" / "new.juki").exists()
