"""Each family of errors has its exit code and its JSON; what nobody foresaw tells nothing."""

from __future__ import annotations

import json

import click
import pytest

from jukicard.commands import errors
from jukicard.commands.demo.errors import StoryBroken
from jukicard.iso7816 import errors as host
from jukicard.iso7816.status import StatusWord
from jukicard.issuer import errors as issuer
from jukicard.reader import cardfile
from jukicard.reader.pcsc import AmbiguousReaderError, CardResetError
from jukicard.reader.spec import ReaderSpecError
from jukicard.reader.vpcd import VpcdUnavailableError

SECRET = "4711-secret"

CASES = [
    (host.CardStatusError(StatusWord.SECURITY_NOT_SATISFIED, "reading"), 1),
    (host.AuthenticationFailed("card certificate", "expired"), 1),
    (host.MalformedResponse("endless"), 1),
    (issuer.RuleRefused("no"), 1),
    (issuer.CardRefused("suspended"), 1),
    (issuer.CardSpoilt("spoilt"), 1),
    (cardfile.CardFileExists("card.juki", "is there"), 1),
    (cardfile.CardFileDamaged("card.juki", "root", "edited"), 1),
    (PermissionError(13, "Permission denied", "out"), 1),
    (click.UsageError("usage"), 2),
    (ReaderSpecError("no reader"), 2),
    (host.NoReader("none"), 3),
    (host.NoCard("empty"), 3),
    (host.CardRemoved("gone"), 3),
    (host.ReaderBusy("busy"), 3),
    (host.ProtocolLimit("too long"), 3),
    (AmbiguousReaderError("two"), 3),
    (CardResetError("reset"), 3),
    (VpcdUnavailableError("no vpcd"), 3),
    (cardfile.CardFileMissing("card.juki", "is not there"), 3),
    (cardfile.CardFileBusy("card.juki", "in use"), 3),
    (host.PasswordWrong(StatusWord.with_tries(2), "VERIFY"), 4),
    (issuer.WrongAuthorityPassword("wrong"), 4),
    (host.PasswordBlocked(StatusWord.BLOCKED, "VERIFY"), 5),
    (issuer.HomeMissing("no home"), 6),
    (issuer.KeyStoreDamaged("cut"), 6),
    (issuer.LedgerDamaged("edited"), 6),
    (issuer.TerminalError("none"), 6),
    (cardfile.WrongStorageKey("card.juki", "another key"), 6),
    (issuer.RecordError([issuer.Problem("taro.json", "sex", "is missing")]), 7),
    (StoryBroken("a claim does not hold"), 70),
    (ValueError(SECRET), 70),
    (KeyError(SECRET), 70),
]


@pytest.mark.parametrize(("error", "code"), CASES, ids=lambda case: type(case).__name__)
def test_each_family_has_its_exit_code(error: Exception, code: int) -> None:
    assert errors.exit_code(error) == code
    described = json.loads(errors.as_json(error, {}))["error"]
    assert set(described) == {"code", "message", "sw", "tries_left"}
    assert described["code"] == code
    assert described["message"]
    assert SECRET not in described["message"]


def test_a_wrong_password_tells_the_status_word_and_the_tries() -> None:
    described = json.loads(errors.as_json(host.PasswordWrong(StatusWord.with_tries(1), "VERIFY"), {"serial": "7"}))
    assert described["error"] == {
        "code": 4,
        "message": "wrong password, 1 try left",
        "sw": "63C1",
        "tries_left": 1,
    }
    assert described["serial"] == "7"
    described = json.loads(errors.as_json(host.PasswordBlocked(StatusWord.BLOCKED, "VERIFY"), {}))
    assert (described["error"]["sw"], described["error"]["tries_left"]) == ("6983", 0)


def raised() -> Exception:
    try:
        raise ValueError(SECRET)
    except ValueError as error:
        return error


def test_a_bug_asks_to_be_reported_and_tells_nothing_that_it_holds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(errors.DEBUG_VARIABLE, raising=False)
    assert errors.report(raised(), json_wanted=False, facts={}) == 70
    printed = capsys.readouterr()
    assert not printed.out
    assert "Please report it" in printed.err
    assert "ValueError" in printed.err
    assert "Traceback" not in printed.err
    assert "File " not in printed.err
    assert SECRET not in printed.err


def test_where_a_bug_happened_is_shown_on_request_without_its_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(errors.DEBUG_VARIABLE, "1")
    errors.report(raised(), json_wanted=False, facts={})
    printed = capsys.readouterr().err
    assert "test_errors.py" in printed
    assert SECRET not in printed


def test_notes_are_part_of_the_message() -> None:
    error = host.CardRemoved("gone")
    error.add_note("try again")
    assert errors.message(error) == "gone\ntry again"
