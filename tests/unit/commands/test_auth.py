"""`juki handover` and `juki auth`: what they prove, what they print, and how they fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jukicard.applets.juki.records import CardData
from jukicard.iso7816.errors import AuthenticationFailed
from jukicard.issuer.ledger.ledger import Ledger
from jukicard.issuer.ledger.rules import Event
from jukicard.issuer.line.personalise import Order
from jukicard.issuer.records.resident import RecordRules, load_json
from tests.support.desk import Desk, private_file
from tests.support.issued import AUTHORITY_PASSWORD, PASSWORD, RECORD, TODAY, Offices, Stage

CODE = load_json(RECORD, RecordRules(TODAY)).resident_code.reveal()
KEYS = {
    "card_genuine",
    "terminal_accepted",
    "password_ok",
    "resident_code",
    "serial",
    "status",
    "status_in_books",
    "status_on_chip",
    "expires",
    "expired",
    "steps",
}
STEPS = (
    "card certificate",
    "card authentication",
    "terminal authentication",
    "secure channel",
    "card data",
    "books",
    "card status",
    "password",
    "resident code",
)


def auth(desk: Desk, *more: str) -> tuple[str, ...]:
    return ("auth", "--reader", desk.reader, *desk.authority, *more)


def test_each_step_is_printed_with_its_proof_and_the_code_is_masked(active: Desk) -> None:
    result = active.run(*auth(active, *active.holder))
    assert result.exit_code == 0, result.output
    steps = [line for line in result.stdout.splitlines() if line.startswith("ok")]
    assert [line[4:29].strip() for line in steps] == list(STEPS)
    assert all(line[29:] for line in steps)
    assert "***********" in result.stdout
    assert CODE not in result.output


def test_the_code_is_shown_on_request_only(active: Desk) -> None:
    assert CODE in active.run(*auth(active, *active.holder, "--show-code")).stdout


def test_json_has_its_stable_keys(active: Desk) -> None:
    facts = active.facts(*auth(active, *active.holder))
    assert facts.keys() == KEYS
    assert (facts["card_genuine"], facts["terminal_accepted"], facts["password_ok"]) == (True, True, True)
    assert facts["resident_code"] == "***********"
    assert (facts["serial"], facts["status"], facts["expires"]) == ("799201000000001", "active", "2036-11-20")
    assert (facts["status_in_books"], facts["status_on_chip"], facts["expired"]) == ("active", "active", False)
    assert tuple(step["step"] for step in facts["steps"]) == STEPS
    assert active.facts(*auth(active, *active.holder, "--show-code"))["resident_code"] == CODE


def test_the_reader_may_come_from_the_environment(active: Desk) -> None:
    words = ("auth", *active.authority, *active.holder)
    assert active.run(*words, JUKI_READER=active.reader).exit_code == 0
    assert active.run(*words).exit_code == 2


def test_a_contactless_card_authenticates_alike(active: Desk) -> None:
    active.facts("auth", "--reader", f"{active.reader}+contactless", *active.authority, *active.holder)


def test_wrong_passwords_tell_the_tries_left_then_block(active: Desk) -> None:
    for left in (2, 1, 0):
        error = active.facts(*auth(active, *active.wrong), code=4)["error"]
        assert (error["code"], error["sw"], error["tries_left"]) == (4, f"63C{left}", left)
    facts = active.facts(*auth(active, *active.holder), code=5)
    assert (facts["error"]["sw"], facts["error"]["tries_left"]) == ("6983", 0)
    assert (facts["card_genuine"], facts["terminal_accepted"], facts["password_ok"]) == (True, True, False)
    result = active.run(*auth(active, *active.holder))
    assert result.exit_code == 5
    assert "blocked" in result.stderr


def test_the_right_password_gives_the_tries_back(active: Desk) -> None:
    active.facts(*auth(active, *active.wrong), code=4)
    active.facts(*auth(active, *active.holder))
    assert active.facts(*auth(active, *active.wrong), code=4)["error"]["tries_left"] == 2


def test_a_card_that_is_not_active_is_refused_before_the_password_is_asked_for(awaiting: Desk) -> None:
    result = awaiting.run(*auth(awaiting))
    assert result.exit_code == 1
    assert "awaiting handover" in result.stderr
    assert "Holder's password" not in result.output


def test_an_expired_card_is_refused(active: Desk) -> None:
    active.facts(*auth(active, *active.holder, "--today", "2036-11-20"))
    facts = active.facts(*auth(active, *active.holder, "--today", "2036-11-21"), code=1)
    assert "books: card 799201000000001 expired on 2036-11-20" in facts["error"]["message"]
    assert (facts["status"], facts["expired"], facts["expires"]) == ("expired", True, "2036-11-20")
    assert (facts["status_in_books"], facts["status_on_chip"]) == ("active", "active")


def test_a_card_that_tells_a_later_expiry_than_its_certificate_is_refused(
    offices: Offices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Expired certificates still say which card it is: so its last day must be theirs."""
    office = offices.at(Stage.BLANK, tmp_path)
    card = CardData("799201000000001", "99201", "20991231", "A")
    monkeypatch.setattr(Order, "card_data", property(lambda order: card))
    with office.emulator() as connection:
        office.issue(connection)
        with pytest.raises(AuthenticationFailed, match="its expiry is not that of the card's certificate"):
            office.hand_over(connection)
    office.close()


@pytest.mark.parametrize(
    ("event", "status"), [(Event.SUSPENDED, "suspended"), (Event.VOIDED, "void")], ids=["suspended", "void"]
)
def test_the_books_are_asked_whatever_the_chip_says(active: Desk, event: Event, status: str) -> None:
    active.enter(event)
    result = active.run(*auth(active))
    assert result.exit_code == 1
    assert f"books: in the ledger card 799201000000001 is {status}" in result.stderr
    assert "Holder's password" not in result.output
    facts = active.facts(*auth(active, *active.holder), code=1)
    assert (facts["status"], facts["status_in_books"], facts["status_on_chip"]) == (status, status, "active")
    assert (facts["card_genuine"], facts["password_ok"], facts["steps"][-1]["step"]) == (True, False, "card data")


@pytest.mark.parametrize("reason", [{"reason": "given up"}])
def test_a_spoilt_card_is_refused(awaiting: Desk, reason: dict[str, str]) -> None:
    awaiting.enter(Event.SPOILT, reason)
    facts = awaiting.facts(*auth(awaiting, *awaiting.holder), code=1)
    assert (facts["status"], facts["status_on_chip"]) == ("spoilt", "delivered locked")


def test_a_chip_that_says_less_than_the_books_is_refused(active: Desk) -> None:
    """Resumed in the books, and still suspended on the chip."""
    active.facts("card", "suspend", active.serial, "--reader", active.reader, *active.authority)
    active.facts("card", "resume", active.serial)
    facts = active.facts(*auth(active, *active.holder), code=1)
    assert facts["error"]["message"] == "card status: the card is suspended"
    assert (facts["status"], facts["status_in_books"], facts["status_on_chip"]) == ("suspended", "active", "suspended")


def test_a_card_of_this_city_that_the_books_do_not_know_is_refused(active: Desk) -> None:
    Ledger.create(active.folder / "empty.sqlite").close()
    for end in ("-wal", "-shm"):
        (active.home / f"ledger.sqlite{end}").unlink(missing_ok=True)
    (active.folder / "empty.sqlite").replace(active.home / "ledger.sqlite")
    facts = active.facts(*auth(active, *active.holder), code=1)
    assert facts["error"]["message"] == "books: the ledger does not know card 799201000000001"
    assert (facts["card_genuine"], facts["status_in_books"], facts["password_ok"]) == (True, None, False)


def test_another_citys_card_is_identified_without_our_books(tmp_path: Path) -> None:
    """`identify` is nationwide: two cities under one national root, and the neighbour's card at our counter."""
    private_file(tmp_path / "authority.txt", AUTHORITY_PASSWORD + "\n")
    private_file(tmp_path / "holder.txt", PASSWORD + "\n")
    ours, theirs = Desk(tmp_path, tmp_path / "ours"), Desk(tmp_path, tmp_path / "theirs")
    national = ("--national", str(tmp_path / "national"))
    secret = ("--national-password-file", ours.authority[1])
    assert ours.run("authority", "national", national[1], *ours.authority).exit_code == 0
    for desk, code, name in ((ours, "99201", "見本市"), (theirs, "99202", "隣市")):
        desk.facts("authority", "init", "--city-code", code, "--city-name", name, *national, *secret, *desk.authority)
    record = {**json.loads(RECORD.read_text()), "city_code": "99202"}
    (tmp_path / "record.json").write_text(json.dumps(record))
    issued = theirs.facts(
        "issue", str(tmp_path / "record.json"), "--face", "A", "--out", str(tmp_path), *theirs.authority
    )
    reader = f"emulator:{issued['card']}"
    theirs.facts("handover", "--reader", reader, *theirs.authority, *theirs.holder)
    words = ("--reader", reader, "--storage-key", str(theirs.home / "storage.key"), *ours.authority, *ours.holder)
    facts = ours.facts("auth", *words)
    assert (facts["status"], facts["status_in_books"], facts["status_on_chip"]) == ("active", None, "active")
    (books,) = (step["proof"] for step in facts["steps"] if step["step"] == "books")
    assert books == "not asked: a card of 99202, which only that city's books know"
    theirs.facts("card", "suspend", issued["serial"])
    assert theirs.facts("auth", *words, code=1)["status"] == "suspended"
    refused = ours.facts("password", "reset", *words, code=1)
    assert "only the municipality of the card, 99202" in refused["error"]["message"]


def test_another_authoritys_card_is_not_genuine(active: Desk, tmp_path_factory: pytest.TempPathFactory) -> None:
    stranger = tmp_path_factory.mktemp("stranger") / "home"
    words = ("--city-code", "99201", "--city-name", "偽市")
    assert active.run("authority", "init", *words, *active.authority, "--home", str(stranger)).exit_code == 0
    key = ("--storage-key", str(active.home / "storage.key"))
    facts = active.facts(*auth(active, *active.holder, "--home", str(stranger), *key), code=1)
    assert facts["card_genuine"] is False
    assert facts["error"]["message"].startswith("card certificate")


@pytest.mark.parametrize(
    ("rights", "days", "step"),
    [
        ("match", (), "reading the resident code"),
        ("municipal-service", (), "terminal certificate"),
        ("identify", ("--not-before", "2020-01-01", "--not-after", "2020-12-31"), "terminal certificate"),
    ],
)
def test_terminals_that_must_not_learn_the_code_do_not(
    active: Desk, rights: str, days: tuple[str, ...], step: str
) -> None:
    assert active.run("terminal", "new", "other", "--rights", rights, *days, *active.authority).exit_code == 0
    facts = active.facts(*auth(active, *active.holder, "--terminal", "other"), code=1)
    assert step in facts["error"]["message"]
    assert facts["resident_code"] is None


def test_a_terminal_that_does_not_exist_is_refused_before_anything_else(active: Desk) -> None:
    result = active.run("auth", "--reader", active.reader, "--terminal", "nobody")
    assert result.exit_code == 6
    assert "nobody" in result.stderr
    assert "password" not in result.stderr


def test_the_authoritys_wrong_password_is_a_wrong_password(active: Desk) -> None:
    wrong = ("--authority-password-file", str(private_file(active.folder / "other.txt", "not it")))
    error = active.facts("auth", "--reader", active.reader, *wrong, *active.holder, code=4)["error"]
    assert (error["sw"], error["tries_left"]) == (None, None)


def test_handover_makes_the_card_active_with_the_holders_password(awaiting: Desk) -> None:
    facts = awaiting.facts("handover", "--reader", awaiting.reader, *awaiting.authority, *awaiting.holder)
    assert facts == {"serial": "799201000000001", "status": "active", "expires": "2036-11-20"}
    awaiting.facts(*auth(awaiting, *awaiting.holder))


def test_a_card_is_handed_over_once(active: Desk) -> None:
    before = active.ledger()
    result = active.run("handover", "--reader", active.reader, *active.authority, *active.wrong)
    assert result.exit_code == 1
    assert "awaiting" in result.stderr
    assert active.ledger() == before
    active.facts(*auth(active, *active.holder))


def test_a_password_of_another_form_touches_neither_card_nor_books(awaiting: Desk) -> None:
    before, card = awaiting.ledger(), awaiting.card.read_bytes()
    bad = ("--password-file", str(private_file(awaiting.folder / "bad.txt", "12345")))
    assert awaiting.run("handover", "--reader", awaiting.reader, *awaiting.authority, *bad).exit_code == 2
    assert (awaiting.ledger(), awaiting.card.read_bytes()) == (before, card)
