"""Every command that changes something is killed (SIGKILL) before each of its lasting acts.

Afterwards the ledger verifies, and the same command given again finishes, or has nothing left to do; where something is
open, `juki ledger list` says how to go on. At last the books and the card agree. A few kills of each command are tried
in the quick version, every one with `--hypothesis-profile=soak`.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.desk import Desk, private_file
from tests.support.issued import Offices, Stage
from tests.support.killed import Commands, Ended

SEED = int(os.environ.get("JUKICARD_SEED", "20261121"))
SAMPLE = 2
KILLED = -signal.SIGKILL
SERIAL = "799201000000001"
NEW = "3852"


@dataclass
class Counter:
    """A desk whose commands are processes that can be killed."""

    commands: Commands
    desk: Desk

    def run(self, *words: str, kill_at: int | None = None) -> Ended:
        environment = {"JUKI_HOME": str(self.desk.home)}
        return self.commands.run(words, environment, self.desk.folder, kill_at)

    def done(self, *words: str) -> Ended:
        """Run a command that must succeed, with --json."""
        ended = self.run(*words, "--json")
        assert ended.code == 0, (words, ended)
        return ended

    @property
    def card(self) -> dict[str, object]:
        """The one card in the books."""
        (card,) = self.done("ledger", "list").facts["cards"]
        assert isinstance(card, dict)
        return card

    def auth(self, reader: str = "", *password: str, code: int = 0) -> Ended:
        words = ("--reader", reader or self.desk.reader, *self.desk.authority, *(password or self.desk.holder))
        ended = self.run("auth", *words, "--json")
        assert ended.code == code, ended
        return ended


Words = Callable[[Desk], tuple[str, ...]]


@dataclass(frozen=True)
class Flow:
    """A command to be killed: where it begins, what it is, and what must hold after a kill and going on."""

    stage: Stage | None
    words: Words
    after: Callable[[Counter, tuple[str, ...]], None]
    before: Words | None = None


def new_password(desk: Desk) -> str:
    return str(desk.folder / "new.txt")


def on_card(desk: Desk, *words: str) -> tuple[str, ...]:
    return (*words, "--reader", desk.reader, *desk.authority)


def init(desk: Desk) -> tuple[str, ...]:
    return ("authority", "init", "--city-code", "99201", "--city-name", "見本市", *desk.authority)


def national(desk: Desk) -> tuple[str, ...]:
    return ("authority", "national", str(desk.folder / "national"), *desk.authority)


def issue(desk: Desk) -> tuple[str, ...]:
    return ("issue", desk.record, "--face", "A", "--service", "library", *desk.authority)


def issue_to_folder(desk: Desk) -> tuple[str, ...]:
    return (*issue(desk), "--out", str(desk.folder / "out"))


def issue_to_reader(desk: Desk) -> tuple[str, ...]:
    return (*issue(desk), "--reader", desk.reader, "--out", str(desk.folder / "out"))


def handover(desk: Desk) -> tuple[str, ...]:
    return on_card(desk, "handover", *desk.holder)


def suspend(desk: Desk) -> tuple[str, ...]:
    return on_card(desk, "card", "suspend", SERIAL)


def suspend_in_books(desk: Desk) -> tuple[str, ...]:
    return ("card", "suspend", SERIAL)


def resume(desk: Desk) -> tuple[str, ...]:
    return on_card(desk, "card", "resume", SERIAL)


def void(desk: Desk) -> tuple[str, ...]:
    return on_card(desk, "card", "void", SERIAL, "--yes")


def change(desk: Desk) -> tuple[str, ...]:
    return on_card(desk, "password", "change", *desk.holder, "--new-password-file", new_password(desk))


def reset(desk: Desk) -> tuple[str, ...]:
    return on_card(desk, "password", "reset", "--password-file", new_password(desk))


def terminal(desk: Desk) -> tuple[str, ...]:
    return ("terminal", "new", "other", "--rights", "identify", *desk.authority)


def chip(desk: Desk) -> tuple[str, ...]:
    return ("chip", "new", str(desk.folder / "new.juki"), "--serial", "4711")


def passphrase(desk: Desk) -> tuple[str, str]:
    return "--passphrase-file", str(desk.folder / "passphrase.txt")


def export(desk: Desk) -> tuple[str, ...]:
    return ("chip", "export", str(desk.card), str(desk.folder / "exported.juki"), *passphrase(desk))


def import_(desk: Desk) -> tuple[str, ...]:
    return ("chip", "import", str(desk.folder / "exported.juki"), str(desk.folder / "imported.juki"), *passphrase(desk))


def accept(desk: Desk) -> tuple[str, ...]:
    return ("chip", "accept", str(desk.card), "--yes")


# --- what must hold afterwards


def authority_is_whole(counter: Counter, words: tuple[str, ...]) -> None:
    again = counter.run(*words)
    assert again.code == 0 or (again.code == 6 and "exists already" in again.stderr), again
    assert len(counter.done("terminal", "list").facts["terminals"]) == 3
    assert counter.done("terminal", "new", "other", "--rights", "identify", *counter.desk.authority)


def national_is_whole(counter: Counter, words: tuple[str, ...]) -> None:
    again = counter.run(*words)
    assert again.code == 0 or (again.code == 6 and "exists already" in again.stderr), again
    shared = ("--national", words[2], "--national-password-file", counter.desk.authority[1])
    counter.done(*init(counter.desk), *shared)


def terminal_is_there(counter: Counter, words: tuple[str, ...]) -> None:
    again = counter.run(*words)
    assert again.code == 0 or (again.code == 6 and "already" in again.stderr), again
    counter.auth(counter.desk.reader, *counter.desk.holder, "--terminal", "other")


def chip_is_there(counter: Counter, words: tuple[str, ...]) -> None:
    again = counter.run(*words)
    assert again.code == 0 or (again.code == 1 and "exists" in again.stderr), again
    counter.done(*issue(counter.desk), "--reader", f"emulator:{words[2]}")


def copy_is_whole(counter: Counter, words: tuple[str, ...]) -> None:
    """The copy is there whole, or not at all; the card that it was made of is as it was."""
    again = counter.run(*words)
    assert again.code == 0 or (again.code == 1 and "exists" in again.stderr), again
    counter.auth(f"emulator:{words[3]}", *counter.desk.holder, *passphrase(counter.desk))
    counter.auth()


def card_is_accepted(counter: Counter, words: tuple[str, ...]) -> None:
    counter.done(*words)
    counter.auth()


def card_is_issued(counter: Counter, words: tuple[str, ...]) -> None:
    """One card, however often the command was begun; then it is handed over, and used."""
    cards = counter.done("ledger", "list").facts["cards"]
    if not cards or cards[0]["status"] != "awaiting-handover":
        assert not cards or cards[0]["next"].startswith("juki issue")
        again = counter.run(*words, "--json")
        assert again.code == 0, again
    assert counter.card["status"] == "awaiting-handover"
    out = counter.desk.folder / "out" / f"{SERIAL}.juki"
    reader = counter.desk.reader if "--reader" in words else f"emulator:{out}"
    assert [path.name for path in out.parent.glob("*.juki")] == ([] if "--reader" in words else [out.name])
    counter.done("handover", "--reader", reader, *counter.desk.authority, *counter.desk.holder)
    counter.auth(reader)


def card_is_active(counter: Counter, words: tuple[str, ...]) -> None:
    card = counter.card
    if card["status"] != "active":
        assert card["status"] in ("awaiting-handover", "handing-over")
        assert (card["next"] is None) == (card["status"] == "awaiting-handover")
        counter.done(*words)
    counter.auth()


def card_is(status: str) -> Callable[[Counter, tuple[str, ...]], None]:
    """Books and chip agree, once the same command was given again."""

    def check(counter: Counter, words: tuple[str, ...]) -> None:
        card = counter.card
        open_in_books = card["status"] == status and card["chip_behind"]
        assert bool(card["next"]) is bool(open_in_books)
        facts = counter.done(*words).facts
        assert (facts["status"], facts["changed"]) == (status, card["status"] != status)
        if "--reader" in words:
            assert (facts["status_on_chip"], facts["chip_behind"], facts["next"]) == (status, False, None)
        seen = counter.auth(code=0 if status == "active" else 1).facts
        assert (seen["status"], seen["status_in_books"]) == (status, status)

    return check


def one_password_holds(counter: Counter, words: tuple[str, ...]) -> None:
    """The old one or the new one; the holder knows both."""
    assert counter.card["next"] is None
    password = ("--password-file", new_password(counter.desk))
    new = counter.run(*on_card(counter.desk, "auth", *password), "--json")
    assert new.code in (0, 4), new
    counter.auth(code=4 if new.code == 0 else 0)


def new_password_holds(counter: Counter, words: tuple[str, ...]) -> None:
    card = counter.card
    assert bool(card["next"]) is (card["unfinished_step"] == "password-reset")
    counter.done(*words)
    assert counter.card["next"] is None
    counter.auth(counter.desk.reader, "--password-file", new_password(counter.desk))


FLOWS = {
    "authority init": Flow(None, init, authority_is_whole),
    "authority national": Flow(None, national, national_is_whole),
    "terminal new": Flow(Stage.ACTIVE, terminal, terminal_is_there),
    "chip new": Flow(Stage.BLANK, chip, chip_is_there),
    "chip export": Flow(Stage.ACTIVE, export, copy_is_whole),
    "chip import": Flow(Stage.ACTIVE, import_, copy_is_whole, before=export),
    "chip accept": Flow(Stage.ACTIVE, accept, card_is_accepted),
    "issue --out": Flow(Stage.BLANK, issue_to_folder, card_is_issued),
    "issue --reader": Flow(Stage.BLANK, issue_to_reader, card_is_issued),
    "handover": Flow(Stage.AWAITING_HANDOVER, handover, card_is_active),
    "card suspend": Flow(Stage.ACTIVE, suspend, card_is("suspended")),
    "card suspend, not at hand": Flow(Stage.ACTIVE, suspend_in_books, card_is("suspended")),
    "card resume": Flow(Stage.ACTIVE, resume, card_is("active"), before=suspend),
    "card void": Flow(Stage.ACTIVE, void, card_is("void")),
    "password change": Flow(Stage.ACTIVE, change, one_password_holds),
    "password reset": Flow(Stage.ACTIVE, reset, new_password_holds),
}


@pytest.fixture(scope="module")
def offices(tmp_path_factory: pytest.TempPathFactory) -> Offices:
    return Offices(tmp_path_factory.mktemp("offices"))


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    with Commands(tmp_path_factory.mktemp("commands")) as server:
        yield server


def prepared(flow: Flow, offices: Offices, commands: Commands, folder: Path) -> Path:
    """A folder as it is before the command, to be copied for each kill."""
    folder.mkdir()
    if flow.stage is None:
        desk = Desk(folder, folder / "home")
        private_file(folder / "authority.txt", "authority 5501\n")
    else:
        desk = Desk.at(offices, flow.stage, folder)
    private_file(folder / "new.txt", NEW + "\n")
    private_file(folder / "passphrase.txt", "violet lantern 58 harbour\n")
    if flow.before is not None:
        Counter(commands, desk).done(*flow.before(desk))
    return folder


def made(counter: Counter) -> list[str]:
    """What stands in the folder of cards; a kill may leave hidden files behind, which nobody takes for anything."""
    return sorted(path.name for path in (counter.desk.folder / "out").glob("[!.]*") if not path.name.endswith("-wal"))


@pytest.mark.parametrize("name", FLOWS)
def test_a_killed_command_is_finished_or_says_how_to_go_on(
    offices: Offices, commands: Commands, tmp_path: Path, name: str, pytestconfig: pytest.Config
) -> None:
    flow = FLOWS[name]
    template = prepared(flow, offices, commands, tmp_path / "template")

    def fresh(number: int) -> Counter:
        folder = tmp_path / str(number)
        shutil.copytree(template, folder)
        return Counter(commands, Desk(folder, folder / "home"))

    whole = fresh(0)
    ended = whole.run(*flow.words(whole.desk))
    assert ended.code == 0, ended
    assert ended.acts
    numbers = list(range(1, ended.acts + 1))
    if pytestconfig.getoption("hypothesis_profile", None) != "soak":
        numbers = sorted(random.Random(f"{SEED} {name}").sample(numbers, min(SAMPLE, len(numbers))))
    codes = []
    for number in numbers:
        counter = fresh(number)
        words = flow.words(counter.desk)
        killed = counter.run(*words, kill_at=number)
        assert killed.code in (KILLED, 0), (number, killed)  # 0: this time it took a few acts fewer
        codes.append(killed.code)
        if (counter.desk.home / "authority.json").exists():
            counter.done("ledger", "verify")
        flow.after(counter, words)
        assert made(counter) == made(whole)
        if (counter.desk.home / "authority.json").exists():
            counter.done("ledger", "verify")
        shutil.rmtree(counter.desk.folder)
    print(f"{name}: killed {codes.count(KILLED)} times before one of {ended.acts} lasting acts")
    assert KILLED in codes
