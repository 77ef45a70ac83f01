"""An authority whose keys are in a PKCS#11 token: SoftHSM, and the command line, in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.national import read_certificates
from jukicard.issuer.errors import KeyMisuse, TokenMissing
from jukicard.issuer.keys.places import Token, on_token
from jukicard.issuer.ledger.rules import Status
from jukicard.issuer.line.plan import Operation
from jukicard.testing.offices import Setting
from tests.support.chips import randomness
from tests.support.desk import private_file
from tests.support.issued import RECORD, Office, blank_cells
from tests.support.tokens import PIN, WRONG_PIN, Tokens, tokens

ROOT = Path(__file__).parents[2]
HOLDER = "4271"


@dataclass
class Bureau:
    """A home, a directory of tokens, and the token in it."""

    folder: Path
    tokens: Tokens
    token: Token

    @classmethod
    def below(cls, folder: Path) -> Bureau:
        made = Tokens.below(folder / "softhsm")
        for name, secret in (("pin", PIN), ("wrong", WRONG_PIN), ("holder", HOLDER)):
            private_file(folder / f"{name}.txt", secret + "\n")
        return cls(folder, made, made.new("bureau"))

    @property
    def pin(self) -> tuple[str, str]:
        return "--hsm-pin-file", str(self.folder / "pin.txt")

    @property
    def holder(self) -> tuple[str, str]:
        return "--password-file", str(self.folder / "holder.txt")

    def reader(self, serial: str) -> tuple[str, str]:
        return "--reader", f"emulator:{self.folder / 'cards' / serial}.juki"

    def issue(self) -> tuple[str, ...]:
        return ("issue", str(RECORD), "--face", "A", "--out", str(self.folder / "cards"))

    def juki(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        environment = {
            **os.environ,
            **self.tokens.environment,
            "JUKI_HOME": str(self.folder / "home"),
            "PYTHONPATH": str(ROOT),
        }
        command = [sys.executable, "-m", "jukicard.cli", *arguments, "--json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == code, done.stdout + done.stderr
        assert PIN not in done.stdout + done.stderr
        facts: dict[str, Any] = json.loads(done.stdout)
        return facts


def test_a_card_is_issued_handed_over_and_authenticated_with_keys_in_a_token(tmp_path: Path) -> None:
    bureau = Bureau.below(tmp_path)
    token = ("--hsm", bureau.token.library, "--hsm-token", bureau.token.label, "--hsm-serial", bureau.token.serial)
    city = ("--city-code", "99201", "--city-name", "見本市")
    made = bureau.juki("authority", "init", *city, *token, *bureau.pin)
    record = Path(made["record"]).read_text()
    assert bureau.token.serial in record
    assert "issuer-master | AES-256" in record
    home = bureau.folder / "home"
    for path in (path for path in home.rglob("*") if path.is_file()):
        assert PIN.encode() not in path.read_bytes()
    assert not list(home.rglob("keys.json"))

    serial = bureau.juki(*bureau.issue(), *bureau.pin)["serial"]
    with bureau.tokens.removed(bureau.token):
        error = bureau.juki("handover", *bureau.reader(serial), *bureau.holder, *bureau.pin, code=6)["error"]
        assert f"there is no token 'bureau' (serial {bureau.token.serial})" in error["message"]
    bureau.juki("handover", *bureau.reader(serial), *bureau.holder, *bureau.pin)
    wrong = ("--authority-password-file", str(tmp_path / "wrong.txt"))
    error = bureau.juki("auth", *bureau.reader(serial), *bureau.holder, *wrong, code=4)["error"]
    assert "not the PIN" in error["message"]
    bureau.juki("auth", *bureau.reader(serial), *bureau.holder, *bureau.pin)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """An office with its keys in a token of this process's."""
    setting = Setting()
    token = tokens().new("office")
    random = randomness(("token", str(tmp_path)))
    home = tmp_path / "home"
    Authority.init(home, setting.city, PIN, today=setting.day, keys=on_token(token), random=random).close()
    made = Office(home, blank_cells())
    made.__dict__["authority"] = Authority.open(home, PIN)
    return made


@pytest.mark.parametrize("step", ["juki-keys", "authentication-key", "match"])
def test_a_token_taken_out_in_the_middle_of_a_card(office: Office, step: str) -> None:
    place = office.authority.description.place
    assert place.token is not None
    with office.emulator() as connection:
        removal = tokens().removed(place.token)

        def report(operation: Operation) -> None:
            if operation.name == step:
                removal.__enter__()

        with pytest.raises(TokenMissing, match="put it back, then resume"):
            office.issue(connection, report=report)
        assert office.card_state.pending == step
        removal.__exit__(None, None, None)
        assert office.issue(connection).status is Status.AWAITING_HANDOVER
        office.hand_over(connection)
        assert office.authenticate(connection)


def test_the_record_has_the_fingerprints_of_what_is_in_the_token(office: Office) -> None:
    (path,) = (office.home / "ceremonies").iterdir()
    record = path.read_text()
    keys = office.authority.keys
    assert len(keys.labels()) == 11
    for label in keys.labels():
        described = keys.describe(label)
        assert f"| {label} | {described.kind} | `{described.fingerprint}` |" in record
    for pem in (office.home / "certificates").iterdir():
        (der,) = read_certificates(pem)
        assert f"| {pem.stem} | `{sha256(der).hexdigest()}` |" in record
    with pytest.raises(KeyMisuse, match="hands out no keys"):
        office.authority.export_terminal("counter", with_key=True)


def test_an_init_that_fails_leaves_nothing_in_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setting = Setting()
    token = tokens().new("failing")

    def failing(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(Authority, "new_terminal", failing)
    place = on_token(token)("99201", randomness("same"))
    with pytest.raises(OSError, match="full"):
        Authority.init(
            tmp_path / "home", setting.city, PIN, today=setting.day, keys=lambda *_: place, random=randomness("x")
        )
    assert place.open(tmp_path, PIN, os.urandom).labels() == ()
    assert list(tmp_path.glob("*home*")) == []
