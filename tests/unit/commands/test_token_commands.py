"""`--hsm` and the PIN on the command line, in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from jukicard.cli import juki
from jukicard.issuer.authority.description import Description
from jukicard.issuer.keys.places import Token
from tests.support.desk import ENVIRONMENT, private_file
from tests.support.tokens import PIN, WRONG_PIN, tokens

CITY = ("--city-code", "99201", "--city-name", "見本市")


@pytest.fixture(scope="module")
def token() -> Token:
    return tokens().new("desk")


def named(token: Token) -> tuple[str, ...]:
    return "--hsm", token.library, "--hsm-token", token.label, "--hsm-serial", token.serial


def run(home: Path, *arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(juki, arguments, input=text, env={**ENVIRONMENT, "JUKI_HOME": str(home)})


def facts(home: Path, *arguments: str, text: str | None = None, code: int = 0) -> dict[str, Any]:
    result = run(home, *arguments, "--json", text=text)
    assert result.exit_code == code, result.output
    assert PIN not in result.output
    read: dict[str, Any] = json.loads(result.stdout)
    return read


@pytest.mark.parametrize("left_out", [0, 2, 4])
def test_a_token_is_named_by_all_three(token: Token, tmp_path: Path, left_out: int) -> None:
    options = list(named(token))
    del options[left_out : left_out + 2]
    result = run(tmp_path / "home", "authority", "init", *CITY, *options)
    assert result.exit_code == 2
    assert "--hsm-serial" in result.output
    assert not (tmp_path / "home").exists()


def test_init_that_fails_makes_no_home(token: Token, tmp_path: Path) -> None:
    home, wrong = tmp_path / "home", private_file(tmp_path / "wrong", WRONG_PIN)
    pin = ("--hsm-pin-file", str(wrong))
    assert "not the PIN" in facts(home, "authority", "init", *CITY, *named(token), *pin, code=4)["error"]["message"]
    other = Token(token.library, token.label, "0000")
    assert token.serial in facts(home, "authority", "init", *CITY, *named(other), *pin, code=6)["error"]["message"]
    assert not home.exists()


def test_the_pin_is_asked_for_once_and_by_the_tokens_name(token: Token, tmp_path: Path) -> None:
    home = tmp_path / "home"
    result = run(home, "authority", "init", *CITY, *named(token), text=PIN + "\n")
    assert result.exit_code == 0, result.output
    assert result.output.count(f"PIN of token 'desk' (serial {token.serial})") == 1
    assert "Repeat" not in result.output
    assert Description.read(home).place.token == token
    later = run(home, "code", "new", text=PIN + "\n")
    assert later.exit_code == 0, later.output
    assert f"PIN of token 'desk' (serial {token.serial})" in later.output
    assert "no PIN of token" in run(home, "code", "new").output


def test_a_national_root_in_the_token_and_one_in_a_file(token: Token, tmp_path: Path) -> None:
    pin = ("--hsm-pin-file", str(private_file(tmp_path / "pin", PIN)))
    password = str(private_file(tmp_path / "password", "a password"))
    roots = {"token": (*named(token), *pin), "file": ("--authority-password-file", password)}
    for name, options in roots.items():
        made = facts(tmp_path, "authority", "national", str(tmp_path / name), *options)
        assert "national-root" in Path(made["record"]).read_text()
    for name, further in (("token", ()), ("file", ("--national-password-file", password))):
        home = tmp_path / f"home-{name}"
        national = ("--national", str(tmp_path / name), *further)
        facts(home, "authority", "init", *CITY, *named(token), *pin, *national)
        assert facts(home, "authority", "rotate", "card-ca", *pin, *national)["generation"] == 2
    asked = run(tmp_path / "home-file", "authority", "rotate", "card-ca", *pin, "--national", str(tmp_path / "file"))
    assert "no national root's password" in asked.output
