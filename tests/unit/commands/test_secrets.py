"""Nothing that any command prints, and no trace, holds a password, a key or an unmasked resident code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jukicard.commands import auth
from jukicard.issuer.keys.storagekey import load_storage_key
from jukicard.issuer.records.resident import RecordRules, load_json
from jukicard.reader.trace import Trace, TracedConnection
from tests.support.desk import Desk
from tests.support.issued import AUTHORITY_PASSWORD, PASSWORD, RECORD, TODAY, WRONG_PASSWORD, Offices, Stage

CODE = load_json(RECORD, RecordRules(TODAY)).resident_code.reveal()


def leaks(text: str, desk: Desk) -> list[str]:
    """Which secrets stand in the text, as they are or in hex; a password of four digits as a word of its own."""
    key = load_storage_key(desk.home / "storage.key")
    packed = re.sub(r"[\s:]", "", text).lower()
    found = [name for name, secret in (("authority", AUTHORITY_PASSWORD), ("code", CODE)) if secret in text]
    found += [
        name
        for name, secret in (
            ("authority", AUTHORITY_PASSWORD.encode()),
            ("code", CODE.encode()),
            ("storage key", key),
            ("password", b"\x04" + PASSWORD.encode()),
        )
        if secret.hex() in packed
    ]
    words = re.findall(r"(?<![\w.])\d{4}(?!\w|\.\d)", text)
    return found + [word for word in words if word in (PASSWORD, WRONG_PASSWORD)]


@pytest.fixture(scope="module")
def told(offices: Offices, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A desk at which the whole life of a card was gone through, what fails included, with every form of output."""
    blank = Desk.at(offices, Stage.BLANK, tmp_path_factory.mktemp("told"))
    run = blank.run
    for more in ((), ("--json",)):
        run("issue", blank.record, "--dry-run", *more)
        run("issue", blank.record, "--reader", blank.reader, "--service", "library", *blank.authority, *more)
        run("handover", "--reader", blank.reader, *blank.authority, *blank.holder, *more)
        run("auth", "--reader", blank.reader, *blank.authority, *blank.wrong, *more)
        run("auth", "--reader", blank.reader, *blank.authority, *blank.holder, *more)
        run("auth", "--reader", blank.reader, *blank.authority, *blank.holder, "--today", "2040-01-01", *more)
        run("card", "info", "--reader", blank.reader, *blank.authority, *more)
        run("terminal", "list", *more)
    run("terminal", "export", "counter", "--with-key", "--out", str(blank.folder / "t.pem"), *blank.authority)
    run("auth", "--reader", blank.reader, input=f"{AUTHORITY_PASSWORD}\n{WRONG_PASSWORD}\n")
    run("auth", "--reader", blank.reader, input=f"{AUTHORITY_PASSWORD}x\n")
    text = f"00A4040C0AD3921000310001010401\n0020008104{PASSWORD.encode().hex()}\n"
    run("apdu", "--reader", blank.reader, "--decode", "-", input=text)
    return blank


def test_no_output_holds_a_secret(told: Desk) -> None:
    assert "wrong password" in told.printed
    assert "resident code" in told.printed
    assert leaks(told.printed, told) == []


def test_a_planted_leak_is_found(told: Desk) -> None:
    for secret in (AUTHORITY_PASSWORD, CODE, CODE.encode().hex(" "), f"password {PASSWORD}.", f"<{WRONG_PASSWORD}>"):
        assert leaks(f"{told.printed}\n{secret}\n", told)
    result = told.run("auth", "--reader", told.reader, *told.authority, *told.holder, "--show-code")
    assert leaks(result.output, told) == ["code"]


@pytest.mark.parametrize("debug", ["", "1"])
def test_a_bug_in_the_middle_of_it_tells_no_secret(active: Desk, monkeypatch: pytest.MonkeyPatch, debug: str) -> None:
    def broken(_dialogue: object, password: object) -> None:
        given = password() if callable(password) else password
        raise RuntimeError(f"{given} {CODE} {AUTHORITY_PASSWORD}")

    monkeypatch.setattr(auth, "authenticate", broken)
    for more in ((), ("--json",)):
        words = ("auth", "--reader", active.reader, *active.authority, *active.holder, *more)
        result = active.run(*words, JUKI_DEBUG=debug)
        assert result.exit_code == 70
        assert "report" in result.output
        assert ("Traceback" in result.output or "File " in result.output) == bool(debug)
    assert leaks(active.printed, active) == []


def test_a_trace_of_the_whole_authentication_holds_no_secret(
    active: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines: list[str] = []
    dialogue = auth.CardDialogue

    def traced(authority: object, connection: object, *arguments: object, **options: object) -> object:
        watched = TracedConnection(connection, Trace(lines.append))  # type: ignore[arg-type]
        return dialogue(authority, watched, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(auth, "CardDialogue", traced)
    active.facts("auth", "--reader", active.reader, *active.authority, *active.holder)
    assert any("VERIFY" in line for line in lines)
    assert leaks("\n".join(lines), active) == []
