"""`juki jpki enrol`, `show`, `sign`, `password`, `unblock`: what holder and office do with a card's certificates."""

from __future__ import annotations

from pathlib import Path

import pytest

from jukicard.issuer.ledger.rules import Event
from tests.support.desk import Desk, private_file

SIGN, LOGIN, NEW = "ABC123", "1234", "NEW456"


@pytest.fixture
def desk(active: Desk) -> Desk:
    """A desk with passwords in files, and something to sign."""
    for name, password in (("sign", SIGN), ("login", LOGIN), ("new", NEW), ("lower", "abc123"), ("digits", "12345")):
        private_file(active.folder / f"{name}.txt", password + "\n")
    contract(active).write_bytes(b"a contract\n")
    return active


@pytest.fixture
def enrolled(desk: Desk) -> Desk:
    """The same, the card having both keys."""
    desk.facts(*enrol(desk, "--profile", "mynumber", *login(desk)))
    return desk


def contract(desk: Desk) -> Path:
    return desk.folder / "contract.txt"


def file(desk: Desk, name: str, option: str = "--password-file") -> tuple[str, str]:
    return option, str(desk.folder / f"{name}.txt")


def login(desk: Desk) -> tuple[str, str]:
    return file(desk, "login", "--authentication-password-file")


def enrol(desk: Desk, *more: str, record: str | None = None, password: str = "sign") -> tuple[str, ...]:
    at = ("--reader", desk.reader, *desk.authority, *file(desk, password))
    return ("jpki", "enrol", record or desk.record, *at, *more)


def sign(desk: Desk, *more: str, password: str = "sign") -> tuple[str, ...]:
    return ("jpki", "sign", str(contract(desk)), "--reader", desk.reader, *file(desk, password), *more)


def signature(desk: Desk) -> Path:
    return desk.folder / "contract.txt.p7s"


def verify(desk: Desk, code: int = 0) -> dict[str, object]:
    return desk.facts("jpki", "verify", str(contract(desk)), "--signature", str(signature(desk)), code=code)


def show(desk: Desk, *more: str) -> dict[str, object]:
    return desk.facts("jpki", "show", "--reader", desk.reader, *more)


def test_a_card_like_a_juki_card(desk: Desk) -> None:
    made = desk.facts(*enrol(desk))
    assert (made["serial"], made["profile"], made["usages"]) == (desk.serial, "juki", ["signature"])
    assert made["expires"] == "2029-11-20"
    assert show(desk) == {
        "label": "JPKIAPICCTOKEN",
        "serial": f"0{desk.serial}",
        "profile": "juki",
        "signature_tries_left": 5,
    }
    desk.facts(*sign(desk))
    assert verify(desk)["name"] == "住基　太郎"
    assert [entry.detail["certificate"] for entry in desk.ledger()[-1:]] == made["certificates"]


def test_a_card_like_a_my_number_card(enrolled: Desk) -> None:
    told = show(enrolled, *file(enrolled, "sign"))
    assert told["label"] == "JPKIAPICCTOKEN2"
    assert (told["signature_tries_left"], told["authentication_tries_left"]) == (5, 3)
    assert (told["name"], told["birth_date"], told["sex"]) == ("住基　太郎", "1965-04-03", "male")
    assert told["signature_valid_until"] == told["authentication_valid_until"] == "2031-11-20T23:59:59+09:00"
    made = [entry.detail["certificate"] for entry in enrolled.ledger() if entry.event is Event.CERTIFIED]
    assert [told["signature_certificate"], told["authentication_certificate"]] == made


def test_who_signs_with_the_authentication_key_signs_nothing_that_counts(enrolled: Desk) -> None:
    enrolled.facts(*sign(enrolled, "--key", "authentication", password="login"))
    assert "none of the trusted CAs" in str(verify(enrolled, code=1)["error"])


def test_a_contract_that_was_changed_is_not_what_was_signed(enrolled: Desk) -> None:
    enrolled.facts(*sign(enrolled))
    contract(enrolled).write_bytes(b"another contract\n")
    verify(enrolled, code=1)


@pytest.mark.parametrize("field", ["name", "address"])
def test_a_change_of_name_or_address_voids_the_certificate(enrolled: Desk, field: str) -> None:
    enrolled.facts(*sign(enrolled))
    verify(enrolled)
    enrolled.facts("card", "endorse", enrolled.serial, "--field", field)
    assert "revoked" in str(verify(enrolled, code=1)["error"])


def test_wrong_and_blocked_passwords(enrolled: Desk) -> None:
    for left in (4, 3, 2, 1, 0):
        error = enrolled.facts(*sign(enrolled, password="new"), code=4)["error"]
        assert (error["sw"], error["tries_left"]) == (f"63C{left}", left)
    assert enrolled.facts(*sign(enrolled), code=5)["error"]["sw"] == "6984"
    assert not signature(enrolled).exists()
    assert show(enrolled)["signature_tries_left"] == 0
    enrolled.facts("jpki", "unblock", "--reader", enrolled.reader, *enrolled.authority, *file(enrolled, "new"))
    enrolled.facts(*sign(enrolled, password="new"))
    verify(enrolled)


def test_the_holder_changes_a_password(enrolled: Desk) -> None:
    change = ("jpki", "password", "--reader", enrolled.reader, *file(enrolled, "new", "--new-password-file"))
    assert enrolled.facts(*change, *file(enrolled, "new"), code=4)["error"]["tries_left"] == 4
    assert enrolled.facts(*change, *file(enrolled, "sign")) == {"key": "signature", "password": "changed"}
    enrolled.facts(*sign(enrolled, password="new"))


@pytest.mark.parametrize("password", ["lower", "digits"])
def test_a_password_of_another_form_reaches_no_card(desk: Desk, password: str) -> None:
    before = desk.ledger()
    assert "capital letters and digits" in desk.facts(*enrol(desk, password=password), code=2)["error"]["message"]
    assert desk.ledger() == before


def test_the_authentication_password_belongs_to_the_other_profile(desk: Desk) -> None:
    assert "--profile mynumber" in desk.facts(*enrol(desk, *login(desk)), code=2)["error"]["message"]


def test_another_persons_record_is_refused(desk: Desk) -> None:
    other = Path(desk.record).with_name("hanako.json")
    assert "is not the record of the holder" in desk.facts(*enrol(desk, record=str(other)), code=1)["error"]["message"]


def test_a_card_without_the_application_says_so(desk: Desk) -> None:
    error = desk.facts("jpki", "show", "--reader", desk.reader, code=3)["error"]
    assert "juki jpki enrol" in error["message"]


def test_the_file_itself_is_not_overwritten_by_its_signature(enrolled: Desk) -> None:
    error = enrolled.facts(*sign(enrolled, "--out", str(contract(enrolled))), code=2)["error"]
    assert "--out" in error["message"]
    assert contract(enrolled).read_bytes() == b"a contract\n"
