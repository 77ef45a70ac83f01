"""`juki operator …`, and operators at every command that writes the books or the home."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from jukicard.applets.gp.loadfile import DataBlock, LoadFileStructure, Module
from jukicard.cli import NOUNS
from jukicard.commands.attendance import PERMISSION
from jukicard.commands.lazy import Lazy, LazyGroup
from jukicard.iso7816.aid import AID
from jukicard.issuer.authority import permissions as p
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.ledger.rules import Status
from jukicard.issuer.operators.register import Operators
from jukicard.reader.cardfile import CardFile
from tests.support.bureau import residents, write_records
from tests.support.desk import Desk, private_file
from tests.support.issued import AUTHORITY_PASSWORD, CITY, TODAY, Offices, Stage
from tests.support.operators import PASSWORD, WRONG_PASSWORD, Bureau, make_operator

NEEDS: dict[str, p.Permission | None] = {
    **dict.fromkeys(
        (
            "application receive",
            "application examine",
            "application enquire",
            "application answer",
            "application confirm",
            "application refuse",
            "application withdraw",
            "application notice",
        ),
        p.APPLY,
    ),
    "application erase": p.ERASE,
    "application expire": p.ERASE,
    "stock receive": p.KEEP_STOCK,
    "stock count": p.KEEP_STOCK,
    "stock discard": p.DISCARD_STOCK,
    "ledger seal": p.KEEP_BOOKS,
    "identify": p.IDENTIFY,
    "card endorse": p.CHANGE_CARD,
    "card destroy": p.CHANGE_CARD,
    "card expire": p.VOID_IN_BULK,
    "card move": p.CHANGE_CARD,
    "card moved": p.CHANGE_CARD,
    "authority rotate": p.KEY_CEREMONY,
    "batch run": p.RUN_BATCH,
    "issue": p.ISSUE,
    "handover": p.HAND_OVER,
    "card suspend": p.CHANGE_CARD,
    "card resume": p.CHANGE_CARD,
    "card void": p.CHANGE_CARD,
    "password reset": p.RESET_PASSWORD,
    "authority ordinance": p.CHANGE_ORDINANCE,
    "app approve": p.APPROVE,
    "terminal new": p.MAKE_TERMINAL,
    "terminal export": p.EXPORT_TERMINAL_KEY,
    "jpki enrol": p.ISSUE_CERTIFICATE,
    "jpki unblock": p.RESET_PASSWORD,
    "face unblock": p.RESET_PASSWORD,
    "jpki revoke": p.REVOKE_CERTIFICATE,
    "jpki crl": p.REVOKE_CERTIFICATE,
    "operator new": p.MAKE_OPERATOR,
    "operator revoke": p.REVOKE_OPERATOR,
    "operator password": None,
}
READ_ONLY = """auth; card info; ledger list; ledger show; ledger verify; terminal list; operator list; operator show;
    code new; code check; reader list; reader check; app info; ledger reconcile; ledger statistics; stock list;
    face sheet; face print; face check; face verify; jpki verify; jpki show"""
"""What leaves books and home as they are."""
AT_A_TERMINAL = """password change; library list; library lend; library return; library renew; library lose;
    library settle; library password; vending list; vending issue; vending log; vending block; vending allow;
    vending password; points show; points credit; points debit; points pay; points recover; points password;
    app load; app list; app install; app delete; app call; jpki sign; jpki password"""
"""What a terminal does to a card that its holder has brought: the books have no part in it."""
OF_NO_AUTHORITY = """demo; authority init; authority national; chip new; chip export; chip import; chip accept; app new;
    app build; app test; apdu; braille; serve; ledger migrate; ledger rebuild; batch worker"""
"""What makes a home or brings one up to date, or has nothing to do with an authority's."""
READERS_AND_SOURCES = ("reader", "password-file", "password-fd")
MODULE = Module(AID(b"\xf0stamps"), "Stamps", 1, b"\0asm")


def leaves(table: dict[str, Lazy | LazyGroup], *path: str) -> Iterator[tuple[str, click.Command]]:
    for name, entry in table.items():
        if isinstance(entry, LazyGroup):
            yield from leaves(dict(entry.table), *path, name)
        else:
            yield " ".join((*path, name)), entry.load()


def names(text: str) -> set[str]:
    return {" ".join(name.split()) for name in text.split(";")}


def test_every_command_says_what_its_operator_needs_or_why_it_needs_none() -> None:
    """A new command joins one of these tables."""
    found = dict(leaves(NOUNS))
    without = [names(READ_ONLY), names(AT_A_TERMINAL), names(OF_NO_AUTHORITY)]
    assert set(found) == set(NEEDS).union(*without)
    assert len(found) == len(NEEDS) + sum(map(len, without))
    declared = {name: command.callback for name, command in found.items() if hasattr(command.callback, PERMISSION)}
    assert {name: getattr(callback, PERMISSION) for name, callback in declared.items()} == NEEDS


def documented() -> Iterator[tuple[str, str, bool]]:
    """What docs/operators.md says that each command needs, and whether it takes two operators."""
    page = (Path(__file__).parents[3] / "docs" / "operators.md").read_text(encoding="utf-8")
    for line in page.partition("| command | needs | operators |\n|---|---|---|\n")[2].partition("\n\n")[0].splitlines():
        commands, needed, count = (cell.strip() for cell in line.strip("|").split("|"))
        noun = ""
        for noun_given, verb in re.findall("`(?:([a-z]+) )?([a-z]+)(?: --with-key| --allow)?`", commands):
            noun = noun_given or noun
            yield f"{noun} {verb}".strip(), needed.strip("`"), count.startswith("two")


def test_the_manual_says_what_each_command_needs_and_of_how_many_operators() -> None:
    assert {name: (needed, two) for name, needed, two in documented()} == {
        name: (str(needed or "nothing: it is one's own"), needed in p.FOUR_EYES) for name, needed in NEEDS.items()
    }


def test_no_operator_is_named_by_an_option() -> None:
    for name, command in leaves(NOUNS):
        options = {option for one in command.params for option in one.opts if "operator" in option}
        allowed = {f"--{which}operator-{what}" for which in ("", "second-") for what in READERS_AND_SOURCES}
        assert options <= allowed | {"--operators"}, name


@pytest.fixture(scope="module")
def templates(offices: Offices, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose card awaits its handover, with operators' cards 1 to 3 in card files."""
    folder = tmp_path_factory.mktemp("staffed")
    desk = Desk.at(offices, Stage.AWAITING_HANDOVER, folder)
    bureau = Bureau(desk.home, {})
    for number, role in ((1, "administrator"), (2, "administrator"), (3, "clerk")):
        make_operator(bureau, number, role)
        key = bureau.authority.storage_key
        CardFile.create(
            folder / f"{number}.juki", key, bureau.cells[number], card_id=bytes(15) + bytes((number,))
        ).close()
    bureau.authority.close()
    return folder


@pytest.fixture
def staffed(templates: Path, tmp_path: Path) -> Desk:
    """A desk of its own in such a home."""
    folder = tmp_path / "staffed"
    shutil.copytree(templates, folder)
    private_file(folder / "operator.txt", PASSWORD + "\n")
    private_file(folder / "bad.txt", WRONG_PASSWORD + "\n")
    private_file(folder / "fresh.txt", "another one 16ch\n")
    return Desk(folder, folder / "home")


def operator(desk: Desk, number: int, which: str = "", password: str = "operator.txt") -> list[str]:
    """The options by which one operator logs in."""
    reader = f"emulator:{desk.folder / f'{number}.juki'}"
    return [f"--{which}operator-reader", reader, f"--{which}operator-password-file", str(desk.folder / password)]


def authority_option(desk: Desk) -> list[str]:
    return ["--authority-password-file", str(desk.folder / "authority.txt")]


def commands(desk: Desk) -> dict[str, list[str]]:
    """Each command that needs an operator, with everything else that it asks for."""
    serial, card = f"7{CITY.code}000000001", ["--reader", f"emulator:{desk.card}"]
    holder = ["--password-file", str(desk.folder / "holder.txt")]
    fresh = ["--new-password-file", str(desk.folder / "fresh.txt")]
    record = str(Path(__file__).parents[3] / "examples" / "residents" / "taro.json")
    application = desk.folder / "stamps.app"
    application.write_bytes(LoadFileStructure((), DataBlock(1, (MODULE,)).encode()).encode())
    table = write_records(desk.folder / "residents.csv", residents(2))
    days = ["--moved-out", "2026-11-01", "--moved-in", "2026-11-02", "--reported", "2026-11-03"]
    chips = ["--first", f"{1000:016d}", "--last", f"{1009:016d}"]
    limits = ["--purpose", "library", "--storage", "0", "--memory", "65536", "--right", "files"]
    sign = ["--password-file", str(private_file(desk.folder / "sign.txt", "ABC123\n"))]
    one = [serial]
    return {
        "application receive": [record, "--face", "A"],
        "application examine": [*one, "--by-hand"],
        "application enquire": one,
        "application answer": one,
        "application confirm": [*one, "--document", "passport"],
        "application refuse": [*one, "--reason", "not a resident"],
        "application withdraw": one,
        "application notice": one,
        "application erase": one,
        "application expire": [],
        "stock receive": ["box", *chips],
        "stock count": ["box", "10"],
        "stock discard": ["box", *chips, "--reason", "bent"],
        "ledger seal": [],
        "identify": [*card, *holder, "--register", str(table), "--purpose", "a test"],
        "card endorse": [*one, "--field", "address"],
        "card destroy": [*one, "--yes"],
        "card expire": [],
        "card move": [*card, *days, *holder],
        "card moved": [*one, "--to", "13101", *days],
        "authority rotate": ["masters"],
        "batch run": [str(table), "--out", str(desk.folder / "run"), "--no-face", "--workers", "1"],
        "issue": [record, "--face", "A", "--out", str(desk.folder / "out")],
        "handover": [*card, *holder],
        "card suspend": [serial],
        "card resume": [serial],
        "card void": [serial, "--yes"],
        "password reset": [*card, *holder],
        "authority ordinance": ["--allow", "pool", "市民プール"],
        "app approve": [str(application), *limits],
        "terminal new": ["kiosk", "--rights", "identify"],
        "terminal export": ["counter", "--with-key", "--out", str(desk.folder / "counter.pem")],
        "jpki enrol": [record, *card, *sign],
        "jpki unblock": [*card, *sign],
        "face unblock": card,
        "jpki revoke": [serial, "--reason", "key-compromise"],
        "jpki crl": ["--out", str(desk.folder / "signature.crl")],
        "operator new": ["--role", "clerk", "--out", str(desk.folder / "operators"), *fresh],
        "operator revoke": [f"6{CITY.code}000000003"],
        "operator password": fresh,
    }


def state_of(home: Path) -> dict[str, bytes]:
    """What stands in the books and the home: all files but those that closing cards and locks leave."""
    return {
        str(path.relative_to(home)): path.read_bytes()
        for path in sorted(home.rglob("*"))
        if path.is_file() and "anchors.sqlite" not in path.name and not path.name.startswith(".")
    }


@pytest.mark.parametrize("name", sorted(NEEDS))
def test_without_an_operator_nothing_is_done(staffed: Desk, name: str) -> None:
    before = state_of(staffed.home)
    result = staffed.run(*name.split(), *commands(staffed)[name], *authority_option(staffed))
    assert result.exit_code == 1, result.output
    assert "--operator-reader" in result.output
    assert state_of(staffed.home) == before


@pytest.mark.parametrize("name", ["handover", "card suspend", "authority ordinance", "terminal export", "operator new"])
def test_an_operator_without_the_permission_does_nothing(staffed: Desk, name: str) -> None:
    needed = NEEDS[name]
    wrong = 3 if needed not in p.ROLES["clerk"] else 1
    second = operator(staffed, 4 - wrong, "second-") if needed in p.FOUR_EYES else []
    before = state_of(staffed.home)
    arguments = [*commands(staffed)[name], *authority_option(staffed), *operator(staffed, wrong), *second]
    result = staffed.run(*name.split(), *arguments)
    assert result.exit_code == 1, result.output
    assert str(needed) in result.output
    assert state_of(staffed.home) == before


def test_a_clerk_hands_over_and_suspends(staffed: Desk) -> None:
    options = [*authority_option(staffed), *operator(staffed, 3)]
    assert staffed.run("handover", *commands(staffed)["handover"], *options).exit_code == 0
    assert staffed.run("card", "suspend", *commands(staffed)["card suspend"], *options).exit_code == 0
    with Authority.open(staffed.home) as authority:
        assert authority.ledger.card(f"7{CITY.code}000000001").status is Status.SUSPENDED
    assert PASSWORD not in staffed.printed


def test_what_takes_two_is_refused_to_one_and_to_one_twice(staffed: Desk) -> None:
    arguments = ["terminal", "export", *commands(staffed)["terminal export"], *authority_option(staffed)]
    alone = staffed.run(*arguments, *operator(staffed, 1))
    assert alone.exit_code == 1
    assert "--second-operator-reader" in alone.output
    assert not (staffed.folder / "counter.pem").exists()
    both = staffed.run(*arguments, *operator(staffed, 1), *operator(staffed, 2, "second-"))
    assert both.exit_code == 0, both.output
    assert b"PRIVATE KEY" in (staffed.folder / "counter.pem").read_bytes()


def test_two_make_an_operator_who_then_changes_the_password(staffed: Desk) -> None:
    both = [*operator(staffed, 1), *operator(staffed, 2, "second-")]
    made = staffed.facts("operator", "new", *commands(staffed)["operator new"], *authority_option(staffed), *both)
    assert made["serial"] == f"6{CITY.code}000000004"
    assert made["may"] == ["clerk"]
    place = ["--operator-reader", f"emulator:{made['card']}"]
    shown = staffed.facts("operator", "show", *place)
    assert (shown["serial"], shown["counts"], shown["tries_left"]) == (made["serial"], True, 5)
    old, new = staffed.folder / "fresh.txt", staffed.folder / "operator.txt"
    change = ["--operator-password-file", str(old), "--new-password-file", str(new), *authority_option(staffed)]
    assert staffed.run("operator", "password", *place, *change).exit_code == 0
    again = staffed.run("operator", "password", *place, *change, "--json")
    assert again.exit_code == 4
    assert '"tries_left": 4' in again.output


def test_a_revoked_operator_is_listed_and_does_not_log_in(staffed: Desk) -> None:
    arguments = [*commands(staffed)["operator revoke"], "--reader", f"emulator:{staffed.folder / '3.juki'}"]
    options = [*authority_option(staffed), *operator(staffed, 1)]
    assert staffed.facts("operator", "revoke", *arguments, *options)["chip_void"] is True
    listed = staffed.facts("operator", "list")["operators"]
    assert [one["revoked"] for one in listed] == [False, False, True]
    refused = staffed.run("handover", *commands(staffed)["handover"], *authority_option(staffed), *operator(staffed, 3))
    assert refused.exit_code == 1
    assert "revoked" in refused.output


def test_a_wrong_password_is_4_and_a_home_without_operators_takes_none(staffed: Desk, active: Desk) -> None:
    arguments = ["handover", *commands(staffed)["handover"], *authority_option(staffed)]
    assert staffed.run(*arguments, *operator(staffed, 3, password="bad.txt")).exit_code == 4
    suspension = ["card", "suspend", f"7{CITY.code}000000001", *authority_option(active)]
    named = active.run(*suspension, "--operator-reader", f"emulator:{active.card}")
    assert (named.exit_code, "no operators" in named.output) == (1, True)
    assert active.run(*suspension).exit_code == 0


def test_init_makes_the_first_two(tmp_path: Path) -> None:
    desk = Desk(tmp_path, tmp_path / "new home")
    private_file(tmp_path / "authority.txt", AUTHORITY_PASSWORD + "\n")
    private_file(tmp_path / "1.txt", PASSWORD + "\n")
    private_file(tmp_path / "2.txt", "Sakura 2000\n")
    private_file(tmp_path / "short.txt", "five5\n")
    arguments = ["authority", "init", "--city-code", CITY.code, "--city-name", CITY.name, "--operators", str(tmp_path)]
    first = ["--operator-password-file", str(tmp_path / "1.txt"), *authority_option(desk)]
    short = desk.run(*arguments, *first, "--second-operator-password-file", str(tmp_path / "short.txt"))
    assert (short.exit_code, desk.home.exists()) == (2, False)
    made = desk.facts(*arguments, *first, "--second-operator-password-file", str(tmp_path / "2.txt"))
    assert [Path(path).name for path in made["operators"]] == [f"6{CITY.code}00000000{n}.juki" for n in (1, 2)]
    with Authority.open(desk.home) as authority:
        assert Operators(authority).are_founded
        assert all(one.counts_on(TODAY) for one in Operators(authority).all())


def test_the_first_two_of_an_older_home_are_made_by_the_authoritys_password(active: Desk) -> None:
    private_file(active.folder / "new.txt", PASSWORD + "\n")
    making = ["operator", "new", "--out", str(active.folder), "--new-password-file", str(active.folder / "new.txt")]
    clerk = active.run(*making, "--role", "clerk", *authority_option(active))
    assert (clerk.exit_code, "--role administrator" in clerk.output) == (1, True)
    for _ in range(2):
        assert active.run(*making, "--role", "administrator", *authority_option(active)).exit_code == 0
    third = active.run(*making, "--role", "administrator", *authority_option(active))
    assert (third.exit_code, "--operator-reader" in third.output) == (1, True)
