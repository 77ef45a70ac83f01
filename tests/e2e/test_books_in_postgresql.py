"""An office whose books lie in PostgreSQL, by its commands alone, from the empty database to the reconciliation."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from jukicard.cli import juki
from jukicard.commands.session import Session
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.ledger.rules import Status
from tests.support import postgres

RECORD = Path(__file__).parents[2] / "examples" / "residents" / "taro.json"
SERIAL = "799201000000001"


def run(home: Path, *arguments: str, code: int = 0) -> dict[str, Any]:
    variables = {"JUKI_HOME": str(home), "JUKI_READER": None, "JUKI_DEBUG": None}
    result = CliRunner().invoke(juki, [*arguments, "--json"], env=variables, obj=Session())
    assert result.exit_code == code, result.output
    facts: dict[str, Any] = json.loads(result.stdout)
    return facts


def secret(path: Path, content: str) -> str:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write(content + "\n")
    return str(path)


def test_an_office_with_its_books_in_postgresql(tmp_path: Path) -> None:
    home, card = tmp_path / "home", tmp_path / "blank.juki"
    password = ("--authority-password-file", secret(tmp_path / "authority.txt", "correct horse 92017"))
    init = ("authority", "init", "--city-code", "99201", "--city-name", "見本市", *password, "--ledger-url")
    with postgres.running() as server:
        server.new_database("books")
        owner, writer = server.url(postgres.OWNER, "books"), server.url(postgres.ROLE, "books")
        assert "no ledger" in run(home, *init, writer, code=6)["error"]["message"]
        made = run(home, "ledger", "migrate", "--url", owner, "--role", postgres.ROLE)
        assert made == {"before": None, "after": "0002", "copy": None}
        assert "may change entries" in run(home, *init, owner, code=6)["error"]["message"]
        assert not home.exists()
        assert run(home, *init, writer)["home"] == str(home)
        assert not (home / "ledger.sqlite").exists()

        run(home, "stock", "receive", "box-1", "--first", f"{1000:016d}", "--last", f"{1009:016d}")
        run(home, "chip", "new", str(card), "--serial", "1000")
        reader = ("--reader", f"emulator:{card}")
        assert run(home, "issue", str(RECORD), *reader, *password)["serial"] == SERIAL
        holder = ("--password-file", secret(tmp_path / "holder.txt", "7094"))
        assert run(home, "handover", *reader, *holder, *password)["status"] == "active"

        sealed = run(home, "ledger", "seal", *password)
        found = run(home, "ledger", "verify", "--head", sealed["head"], "--sealed", str(sealed["sealed_up_to"]))
        assert found["entries"] == found["unattended"] == found["sealed_up_to"]
        balance = run(home, "ledger", "reconcile")
        assert (balance["balanced"], balance["deliveries"][0]["in_stock"]) == (True, 9)
        assert run(home, "ledger", "statistics")["months"][-1]["valid"] == 1

        assert "the owner of the database" in run(home, "ledger", "migrate", code=1)["error"]["message"]
        assert run(home, "ledger", "migrate", "--url", owner, "--role", postgres.ROLE)["before"] == "0002"
        assert "not empty" in run(tmp_path / "second", *init, writer, code=6)["error"]["message"]
        with Authority.open(home) as authority:
            assert authority.ledger.counts() == {Status.ACTIVE: 1}

        server.sql("UPDATE cards SET status = 'void'", "books", postgres.OWNER)
        assert SERIAL in run(home, "ledger", "verify", code=6)["error"]["message"]
        assert run(home, "ledger", "rebuild", "--url", owner)["entries"] == found["entries"]
        assert run(home, "ledger", "verify")["head"] == found["head"]
        server.sql("DELETE FROM events WHERE id = 9", "books", postgres.OWNER)
        assert "entry 9 of the ledger is missing" in run(home, "ledger", "verify", code=6)["error"]["message"]
