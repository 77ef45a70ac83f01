"""What the chapters share: the folder, the day, the municipality, its card, the passwords."""

from __future__ import annotations

import os
import secrets
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from jukicard.applets.juki import layout as juki
from jukicard.commands.demo.desk import Desk, card_on_desk
from jukicard.commands.demo.folder import DemoFolder
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.description import City
from jukicard.issuer.authority.national import NationalRoot
from jukicard.issuer.counter.authentication import COUNTER_TERMINAL, CardDialogue, Report
from jukicard.issuer.line.personalise import Order

CITY = City("99201", "見本市")
NEXT_CITY = City("99202", "隣市")
RECORD = Path(__file__).parent / "data" / "taro.json"
"""The record of examples/residents, as this package carries it."""


@dataclass(frozen=True, slots=True)
class Passwords:
    """The story's passwords: the authorities', the holder's two, one that is not the holder's, an impostor's own."""

    authority: str = field(repr=False)
    holder: str = field(repr=False)
    library: str = field(repr=False)
    wrong: str = field(repr=False)
    impostor: str = field(repr=False)

    @classmethod
    def draw(cls) -> Passwords:
        """Draw all of them at random; those of 4 digits differ."""
        drawn = secrets.SystemRandom().sample(range(10_000), 4)
        return cls(secrets.token_urlsafe(12), *(f"{number:04d}" for number in drawn))

    def by_name(self) -> tuple[tuple[str, str], ...]:
        """Return those that the user may want to use afterwards, under their files' names."""
        return ("authority", self.authority), ("holder", self.holder), ("library", self.library)


@dataclass(slots=True)
class Scene:
    """The story's stage.  Chapters add what they make."""

    folder: DemoFolder
    today: date
    passwords: Passwords

    national: NationalRoot = field(init=False)
    authority: Authority = field(init=False)
    order: Order = field(init=False, repr=False)

    @property
    def card(self) -> Path:
        """The genuine card's file."""
        return self.folder.cards / f"{self.order.serial}.juki"

    def forged(self, name: str) -> Path:
        """Return the path of a forged card's file."""
        return self.folder.cards / f"{name}.juki"

    def on_desk(self, trace: str) -> AbstractContextManager[Desk]:
        """Put the genuine card into the emulator; `trace` names the file under traces/."""
        return card_on_desk(self.card, self.authority.storage_key, self.trace(trace))

    def trace(self, name: str) -> Path:
        """Return the path of a trace."""
        return self.folder.traces / f"{name}.txt"

    def dialogue(
        self, desk: Desk, terminal: str = COUNTER_TERMINAL, report: Report = lambda proof: None
    ) -> CardDialogue:
        """Begin a terminal's dialogue with the card on a desk, in the municipality's name."""
        return CardDialogue(
            self.authority, desk.connection, os.urandom, today=self.today, terminal=terminal, report=report
        )

    def tries_left(self, desk: Desk) -> int | None:
        """Return the tries that are left for the holder's password, which anybody may ask at no cost."""
        client = self.dialogue(desk).client
        client.select()
        return client.password_tries(juki.PASSWORD)


def clock() -> datetime:
    """Return the time of an entry in the ledger."""
    return datetime.now(UTC)
