"""`juki password change` and `reset`: whose they are, what they cost, and what the books say of them."""

from __future__ import annotations

import pytest

from jukicard.issuer.ledger.rules import Event
from tests.support.desk import Desk, private_file

NEW = "3852"


@pytest.fixture
def desk(active: Desk) -> Desk:
    """A desk with a new password in a file."""
    private_file(active.folder / "new.txt", NEW + "\n")
    return active


def change(desk: Desk, *more: str) -> tuple[str, ...]:
    new = ("--new-password-file", str(desk.folder / "new.txt"))
    return ("password", "change", "--reader", desk.reader, *desk.authority, *new, *more)


def reset(desk: Desk, *more: str) -> tuple[str, ...]:
    return ("password", "reset", "--reader", desk.reader, *desk.authority, *more)


def new(desk: Desk) -> tuple[str, str]:
    return "--password-file", str(desk.folder / "new.txt")


def auth(desk: Desk, *password: str, code: int = 0) -> dict[str, object]:
    return desk.facts("auth", "--reader", desk.reader, *desk.authority, *password, code=code)


def test_the_holder_changes_the_password_and_the_books_have_no_part_in_it(desk: Desk) -> None:
    before = desk.ledger()
    assert desk.facts(*change(desk, *desk.holder)) == {"serial": desk.serial, "password": "changed"}
    assert desk.ledger() == before
    auth(desk, *new(desk))
    auth(desk, *desk.holder, code=4)


def test_a_wrong_old_password_costs_a_try_and_changes_nothing(desk: Desk) -> None:
    error = desk.facts(*change(desk, *desk.wrong), code=4)["error"]
    assert (error["sw"], error["tries_left"]) == ("63C2", 2)
    auth(desk, *new(desk), code=4)
    auth(desk, *desk.holder)


def test_the_office_frees_a_blocked_card(desk: Desk) -> None:
    for code in (4, 4, 4, 5):
        auth(desk, *desk.wrong, code=code)
    assert desk.facts(*change(desk, *desk.holder), code=5)["error"]["tries_left"] == 0
    assert desk.facts(*reset(desk, *new(desk))) == {"serial": desk.serial, "password": "reset"}
    auth(desk, *new(desk))
    assert [entry.event for entry in desk.ledger()[-2:]] == [Event.PASSWORD_RESET_STARTED, Event.PASSWORD_RESET]


def test_reset_takes_the_new_password_under_either_name(desk: Desk) -> None:
    desk.facts(*reset(desk, "--new-password-file", str(desk.folder / "new.txt")))
    auth(desk, *new(desk))


def test_an_interrupted_reset_is_finished_by_the_same_command(desk: Desk) -> None:
    desk.enter(Event.PASSWORD_RESET_STARTED)
    (card,) = desk.facts("ledger", "list")["cards"]
    assert (card["unfinished_step"], card["next"][:19]) == ("password-reset", "juki password reset")
    auth(desk, *desk.holder)
    desk.facts(*reset(desk, *new(desk)))
    assert desk.facts("ledger", "list")["cards"][0]["next"] is None


@pytest.mark.parametrize("event", [Event.SUSPENDED, Event.VOIDED])
def test_a_card_that_may_not_be_used_keeps_its_password(desk: Desk, event: Event) -> None:
    desk.enter(event)
    before = desk.ledger()
    for words in (change(desk), reset(desk)):  # the old password is not even asked for
        result = desk.run(*words)
        assert result.exit_code == 1
        assert "books: in the ledger" in result.stderr
        assert "Holder's password" not in result.output
    assert desk.ledger() == before


def test_a_card_that_awaits_its_handover_has_no_password_to_reset(awaiting: Desk) -> None:
    before = awaiting.ledger()
    for verb in ("change", "reset"):
        words = ("password", verb, "--reader", awaiting.reader, *awaiting.authority, *awaiting.holder)
        error = awaiting.facts(*words, code=1)["error"]
        assert "awaiting handover" in error["message"]
    assert awaiting.ledger() == before


def test_reset_needs_its_right_and_change_does_not(desk: Desk) -> None:
    assert desk.run("terminal", "new", "other", "--rights", "identify", *desk.authority).exit_code == 0
    before = desk.ledger()
    error = desk.facts(*reset(desk, *new(desk), "--terminal", "other"), code=1)["error"]
    assert error["message"] == "terminal 'other' has no right reset-password"
    assert desk.ledger() == before
    desk.facts(*change(desk, *desk.holder, "--terminal", "other"))


@pytest.mark.parametrize("bad", ["12345", "123", "abcd", "１２３４"])
def test_a_password_of_another_form_reaches_no_card(desk: Desk, bad: str) -> None:
    before, card = desk.ledger(), desk.card.read_bytes()
    file = str(private_file(desk.folder / "bad.txt", bad + "\n"))
    for words in (
        reset(desk, "--password-file", file),
        change(desk, "--password-file", file),
        change(desk, *desk.holder, "--new-password-file", file),
    ):
        assert desk.run(*words).exit_code == 2
    assert (desk.ledger(), desk.card.read_bytes()) == (before, card)


def test_at_the_prompt_the_new_password_is_asked_for_twice(desk: Desk) -> None:
    result = desk.run(*reset(desk), input=f"{NEW}\n{NEW}\n")
    assert result.exit_code == 0, result.output
    auth(desk, *new(desk))
    assert NEW not in result.output
