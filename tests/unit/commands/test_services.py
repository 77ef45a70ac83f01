"""`juki library`, `vending` and `points`, on two cards that the command line has issued with all three services."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from jukicard.iso7816.errors import CardRemoved
from jukicard.reader.chips import CardFileConnection
from tests.support.desk import Desk
from tests.support.issued import Offices, Stage

RESIDENTS = Path(__file__).parents[3] / "examples" / "residents"
BOOK, NONE = "9784000000000", "9784000000001"


def reader(desk: Desk, number: int = 0) -> str:
    return f"emulator:{sorted((desk.folder / 'out').glob('*.juki'))[number]}"


@pytest.fixture(scope="module")
def prepared(offices: Offices, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    desk = Desk.at(offices, Stage.BLANK, tmp_path_factory.mktemp("services"))
    out = str(desk.folder / "out")
    services = [part for name in ("library", "vending", "points") for part in ("--service", name)]
    for name, braille in (("taro", ()), ("hanako", ("--braille-reading", "ミホン ハナコ"))):
        record = str(RESIDENTS / f"{name}.json")
        desk.facts("issue", record, "--face", "A", "--out", out, *services, *braille, *desk.authority)
    for name, right in (("kiosk", "vending"), ("shop", "points")):
        made = desk.facts("terminal", "new", name, "--rights", right, *desk.authority)
        assert made["area"] == "municipal"
    for number in (0, 1):
        for noun in ("library", "vending", "points"):
            new = "--new-password-file", str(desk.folder / "holder.txt")
            told = desk.facts(noun, "password", "--reader", reader(desk, number), *new, *desk.authority)
            assert told["password"] == "set"
    return desk


@pytest.fixture
def desk(prepared: Desk, tmp_path: Path) -> Desk:
    """A copy of its own."""
    shutil.copytree(prepared.folder, tmp_path / "desk")
    return Desk(tmp_path / "desk", tmp_path / "desk" / prepared.home.relative_to(prepared.folder))


def run(desk: Desk, *words: str, code: int = 0, number: int = 0, password: bool = False):
    given = desk.holder if password else ()
    return desk.facts(*words, "--reader", reader(desk, number), *desk.authority, *given, code=code)


def test_a_loan_is_lent_renewed_lost_and_settled(desk: Desk) -> None:
    book = BOOK, "--library", "0001"
    run(desk, "library", "lend", *book, "--due", "2026-12-05", password=True)
    run(desk, "library", "lend", *book, "--due", "2026-12-05", password=True, code=1)
    assert run(desk, "library", "renew", *book, "--due", "2026-12-19", password=True)["due"] == "2026-12-19"
    run(desk, "library", "renew", *book, "--due", "2026-12-01", password=True, code=1)
    assert run(desk, "library", "lose", *book, "--yes", password=True)["state"] == "lost"
    run(desk, "library", "return", *book, password=True, code=1)
    assert run(desk, "library", "settle", *book, password=True)["state"] == "settled"
    run(desk, "library", "settle", NONE, password=True, code=1)
    (loan,) = run(desk, "library", "list", password=True)["loans"]
    assert (loan["item"], loan["library"], loan["state"], loan["overdue"]) == (BOOK, "0001", "settled", False)


def test_a_book_is_taken_back_without_its_holder(desk: Desk) -> None:
    book = BOOK, "--library", "0001"
    run(desk, "library", "lend", *book, "--due", "2026-01-05", password=True)
    (loan,) = run(desk, "library", "list", password=True)["loans"]
    assert loan["overdue"]
    run(desk, "library", "return", *book, "--record", "1", code=2)
    told = run(desk, "library", "return", *book, "--record", "1", "--due", "2026-01-05")
    assert told["state"] == "returned"


def test_losing_a_book_is_asked_about(desk: Desk) -> None:
    run(desk, "library", "lend", BOOK, "--library", "0001", "--due", "2026-12-05", password=True)
    lose = ("library", "lose", BOOK, "--library", "0001", "--reader", reader(desk), *desk.authority, *desk.holder)
    assert desk.run(*lose, input="n\n").exit_code == 1
    assert desk.run(*lose, input="").exit_code == 2
    assert desk.run(*lose, input="y\n").exit_code == 0


def test_a_certificate_is_issued_and_one_type_blocked(desk: Desk) -> None:
    done = run(desk, "vending", "issue", "resident-record", password=True)
    assert (done["number"], done["type"], len(done["statement"])) == (1, "resident-record", 128)
    run(desk, "vending", "block", "tax")
    run(desk, "vending", "issue", "tax", password=True, code=1)
    run(desk, "vending", "issue", "02", password=True)
    assert run(desk, "vending", "allow", "tax", "--left", "1") | {"serial": ""} == {
        "serial": "",
        "type": "tax",
        "state": "usable",
        "left": 1,
    }
    run(desk, "vending", "issue", "tax", password=True)
    assert [one["left"] for one in run(desk, "vending", "list")["types"]] == [29, 29, 0]
    issues = run(desk, "vending", "log", password=True)["issues"]
    assert [one["type"] for one in issues] == ["tax", "seal-registration", "resident-record"]


@pytest.mark.parametrize("words", [("issue", "passport"), ("issue", "00"), ("issue", "tax", "--kiosk", "no.1")])
def test_what_is_no_type_or_kiosk_is_a_usage_error(desk: Desk, words: tuple[str, ...]) -> None:
    run(desk, "vending", *words, password=True, code=2)


def test_a_wrong_password_costs_a_try_at_the_service_alone(desk: Desk) -> None:
    issue = ("vending", "issue", "tax", "--reader", reader(desk), *desk.authority, *desk.wrong)
    assert desk.facts(*issue, code=4)["error"]["tries_left"] == 2
    run(desk, "points", "debit", "1", password=True, code=1)
    run(desk, "vending", "issue", "tax", password=True)


def test_points_are_credited_once_debited_and_shown(desk: Desk) -> None:
    assert run(desk, "points", "credit", "500")["balance_then"] == 500
    order = ("points", "credit", "100", "--sequence", "2", "--reference", "abcd0123")
    assert [run(desk, *order)["balance_then"] for _ in range(2)] == [600, 600]
    run(desk, "points", "debit", "601", password=True, code=1)
    assert run(desk, "points", "debit", "50", password=True)["balance_then"] == 550
    shown = run(desk, "points", "show")
    assert (shown["balance"], shown["orders"], shown["limit"]) == (550, 3, 50_000)
    run(desk, "points", "credit", "1", "--reference", "short", code=2)
    run(desk, "points", "show", "--terminal", "municipal-service", code=1)
    run(desk, "points", "show", "--terminal", "nobody", code=6)


def test_points_go_from_card_to_card(desk: Desk) -> None:
    run(desk, "points", "credit", "500")
    to = "--to", reader(desk, 1)
    paid = run(desk, "points", "pay", "120", *to, password=True)
    assert (paid["payment"], paid["payer_balance"]) == ("accepted", 380)
    assert run(desk, "points", "show", number=1)["balance"] == 120
    assert run(desk, "points", "recover", *to, password=True)["payment"] == "nothing was under way"
    run(desk, "points", "pay", "1", "--to", reader(desk), password=True, code=2)
    run(desk, "points", "pay", "381", *to, password=True, code=1)
    assert run(desk, "points", "show", number=1)["balance"] == 120


def test_a_payment_that_was_interrupted_is_recovered(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    run(desk, "points", "credit", "500")
    to, count = ("--to", reader(desk, 1)), 0
    genuine = CardFileConnection.transmit

    def transmit(self: CardFileConnection, command: bytes) -> bytes:
        nonlocal count
        count += command[0] & 0xF0 == 0x80 and command[1] == 0x36
        if count:
            raise CardRemoved("pulled")
        return genuine(self, command)

    monkeypatch.setattr(CardFileConnection, "transmit", transmit)
    error = run(desk, "points", "pay", "120", *to, password=True, code=3)["error"]
    assert "juki points recover" in error["message"]
    monkeypatch.setattr(CardFileConnection, "transmit", genuine)
    assert run(desk, "points", "show")["balance"] == 380
    assert run(desk, "points", "recover", *to, password=True)["payment"] == "accepted"
    assert [run(desk, "points", "show", number=number)["balance"] for number in (0, 1)] == [380, 120]


def test_a_card_without_the_service_says_so(active: Desk) -> None:
    for words in (("vending", "list"), ("points", "show", "--terminal", "municipal-service")):
        told = active.facts(*words, "--reader", active.reader, *active.authority, code=1)
        assert told["error"]["sw"] == "6A82"


def test_in_words(desk: Desk) -> None:
    shown = desk.run("vending", "list", "--reader", reader(desk), *desk.authority).stdout
    assert "resident-record usable, 30 left" in shown
    run(desk, "library", "lend", BOOK, "--library", "0001", "--due", "2026-12-05", password=True)
    shown = desk.run("library", "list", "--reader", reader(desk), *desk.authority, *desk.holder).stdout
    assert f"0001 {BOOK} (lent)" in shown
    run(desk, "vending", "issue", "tax", password=True)
    assert "1: tax" in desk.run("vending", "log", "--reader", reader(desk), *desk.authority, *desk.holder).stdout
