"""A desk at which the command line is used: an office's home, its card in a card file, password files.

desk = Desk.at(offices, Stage.ACTIVE, tmp_path)
result = desk.run("auth", "--reader", desk.reader, *desk.passwords)
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from jukicard.cli import juki
from jukicard.commands.session import Session, World
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.keys.storagekey import load_storage_key
from jukicard.issuer.ledger.chain import Entry
from jukicard.issuer.ledger.rules import Event
from jukicard.reader.cardfile import CardFile
from tests.support.chips import randomness
from tests.support.issued import AUTHORITY_PASSWORD, PASSWORD, RECORD, WRONG_PASSWORD, Offices, Stage, clock

ENVIRONMENT = {"JUKI_HOME": None, "JUKI_READER": None, "JUKI_DEBUG": None, "NO_COLOR": None}


def private_file(path: Path, content: str) -> Path:
    """Write a file of mode 0600."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(content)
    return path


@dataclass
class Desk:
    """See the module. Everything that a command printed is kept in `printed`."""

    folder: Path
    home: Path
    printed: str = ""
    runs: int = 0

    @classmethod
    def at(cls, offices: Offices, stage: Stage, folder: Path) -> Desk:
        """A desk of its own at a stage; its card (or blank chip) is in `card`."""
        office = offices.at(stage, folder)
        desk = cls(folder, office.home)
        key = load_storage_key(desk.home / "storage.key")
        card_id = randomness("card id")(16)
        CardFile.create(desk.card, key, office.cells, card_id=card_id, random=randomness("card file")).close()
        private_file(folder / "authority.txt", AUTHORITY_PASSWORD + "\n")
        private_file(folder / "holder.txt", PASSWORD + "\n")
        private_file(folder / "wrong.txt", WRONG_PASSWORD + "\n")
        return desk

    @property
    def card(self) -> Path:
        return self.folder / "card.juki"

    @property
    def reader(self) -> str:
        return f"emulator:{self.card}"

    @property
    def authority(self) -> tuple[str, str]:
        return "--authority-password-file", str(self.folder / "authority.txt")

    @property
    def holder(self) -> tuple[str, str]:
        return "--password-file", str(self.folder / "holder.txt")

    @property
    def wrong(self) -> tuple[str, str]:
        return "--password-file", str(self.folder / "wrong.txt")

    @property
    def record(self) -> str:
        return str(RECORD)

    @property
    def world(self) -> World:
        """The same for the same number of runs before."""
        number = self.runs
        return World(randomness(("host", number)), randomness(("chip", number)), clock(30 + number % 30))

    def run(self, *arguments: str, input: str | None = None, home: bool = True, **environment: str) -> Result:  # noqa: A002
        """Run `juki` in this process, in the desk's home."""
        self.runs += 1
        variables = {**ENVIRONMENT, **({"JUKI_HOME": str(self.home)} if home else {}), **environment}
        result = CliRunner().invoke(juki, arguments, input=input, env=variables, obj=Session(self.world))
        self.printed += result.output
        return result

    def facts(self, *arguments: str, code: int = 0, **environment: str) -> dict[str, Any]:
        """Run it with --json, check the exit code, and return what stands on standard output."""
        result = self.run(*arguments, "--json", **environment)
        assert result.exit_code == code, result.output
        facts: dict[str, Any] = json.loads(result.stdout)
        return facts

    @property
    def serial(self) -> str:
        return "799201000000001"

    def enter(self, event: Event, detail: dict[str, str] | None = None) -> None:
        """Enter an event into the books, behind the command line's back."""
        with Authority.open(self.home) as authority:
            authority.ledger.append(self.serial, event, self.world.now(), detail)

    def ledger(self) -> tuple[Entry, ...]:
        """What the books say."""
        with Authority.open(self.home) as authority:
            return authority.ledger.entries()
