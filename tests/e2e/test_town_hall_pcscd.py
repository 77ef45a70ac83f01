"""Ten cards of a town hall through a real pcscd: the operator's card in one reader, the residents' in the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from jukicard.commands.session import Session, World
from jukicard.reader.chip import Chip, Interface
from tests.support import quick_keys
from tests.support.folders_in_memory import folder_in_memory
from tests.support.inserted import InsertedCard, inserted
from tests.support.pcscd import PrivatePcscd
from tests.support.townhall import DAY, Blank, Card, Operator, Record, TownClock, TownHall, people

RESIDENTS, OPERATORS = 0, 1
"""The two readers."""
TORN_AT = 40
"""Of the commands that a chip gets while it is made a card, the one at which it is pulled out of the reader."""
TOWN = people(10)


@dataclass
class Torn:
    """A chip that is pulled out of its reader at the command of that number, and answers it to nobody."""

    chip: Chip
    number: int
    pull: Callable[[], None] = field(default=lambda: None)
    commands: int = 0

    def power_on(self, interface: Interface) -> bytes:
        return self.chip.power_on(interface)

    def reset(self) -> bytes:
        return self.chip.reset()

    def power_off(self) -> None:
        self.chip.power_off()

    def transmit(self, command: bytes) -> bytes:
        self.commands += 1
        if self.commands == self.number:
            self.pull()
        return self.chip.transmit(command)


@dataclass
class Hall:
    """The hall and its pcscd."""

    town: TownHall
    pcscd: PrivatePcscd

    def reader(self, number: int) -> str:
        return f"pcsc:{self.pcscd.reader_names[number]}"

    def blank(self) -> Blank:
        """The next chip of the box, to be put into the residents' reader."""
        return replace(self.town.take("box"), reader=self.reader(RESIDENTS))

    @contextmanager
    def inserted(self, path: Path, reader: int = RESIDENTS, torn_at: int = 0) -> Iterator[InsertedCard]:
        """A card file's chip in a reader, as `juki serve` puts it there; at a command of that number it is torn out."""
        session = Session(World(), home_given=self.town.home)
        with closing(session.chip(path)) as chip:
            torn = Torn(chip.card, torn_at)
            with inserted(self.pcscd, torn, reader) as card:
                torn.pull = card.pull
                yield card


@pytest.fixture
def hall(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hall]:
    """Founded; the clerk's card stands in the operators' reader."""
    quick_keys.use(monkeypatch)
    with folder_in_memory() as folder, PrivatePcscd(2) as pcscd:
        town = TownHall(folder / "town", TownClock.at(DAY, 9), TOWN)
        town.found()
        clerk = town.employ("clerk", "--role", "clerk")
        town.deliver(clerk, "box", 3000, 12)
        hall = Hall(town, pcscd)
        with hall.inserted(Path(clerk.reader.removeprefix("emulator:")), OPERATORS):
            town.operators["clerk"] = Operator(clerk.serial, hall.reader(OPERATORS), clerk.password)
            yield hall


def test_ten_cards(hall: Hall) -> None:
    town, clerk = hall.town, hall.town.operators["clerk"]
    for person in TOWN[:6]:
        blank = hall.blank()
        with hall.inserted(blank.path):
            used(town, town.walk_in(clerk, person, blank))
    the_last_card_is_still_there(hall, clerk, blank, TOWN[6])
    the_card_is_pulled(hall, clerk, TOWN[7])
    for person in TOWN[8:]:
        blank = hall.blank()
        with hall.inserted(blank.path):
            used(town, town.walk_in(clerk, person, blank, "passport"))
    counted = town.count(clerk, "box")
    assert (counted["counted"], counted["in_stock"]) == (2, 2)
    assert town.differences() == []
    assert town.notebook.total("handed_over") == 10
    assert town.kept() == set()
    assert clerk.serial not in town.unattended()
    assert town.juki("ledger", "verify")["sealed_up_to"] > 256


def the_last_card_is_still_there(hall: Hall, clerk: Operator, last: Blank, person: Record) -> None:
    """The next order is not written on the card of the one before, which is as it was."""
    town = hall.town
    serial = ready(town, clerk, person)
    before = last.path.read_bytes()
    with hall.inserted(last.path):
        message = town.refused(clerk, "issue", "--application", serial, "--reader", last.reader)
        assert "(active)" in message
        assert town.standing(serial) == "confirmed"
        assert last.path.read_bytes() == before
    blank = hall.blank()
    with hall.inserted(blank.path):
        used(town, town.hand_over(clerk, town.issue(clerk, person, serial, blank)))


def the_card_is_pulled(hall: Hall, clerk: Operator, person: Record) -> None:
    """In mid-issue somebody takes the card out. It is finished on its own chip, and on no other."""
    town = hall.town
    serial = ready(town, clerk, person)
    blank, other = hall.blank(), town.pile["box"][0]
    issue = ("issue", "--application", serial, "--reader", blank.reader)
    with hall.inserted(blank.path, torn_at=TORN_AT):
        assert "same command again" in town.refused(clerk, *issue, code=3)
    town.bind(clerk, serial)
    assert town.standing(serial) == "personalising"
    town.juki("chip", "new", str(other.path), "--serial", str(int(other.number)))
    with hall.inserted(other.path):
        assert "begun on another chip" in town.refused(clerk, *issue)
    other.path.unlink()  # it goes back into the box, where it is a number again
    with hall.inserted(blank.path):
        assert town.by(clerk, *issue)["serial"] == serial
        town.finish(clerk, serial)
        used(town, town.hand_over(clerk, Card(serial, blank.reader, person)))


def ready(town: TownHall, clerk: Operator, person: Record) -> str:
    return town.confirm(clerk, town.examine(clerk, town.receive(clerk, person)), "driving-licence")


def used(town: TownHall, card: Card) -> None:
    """The card is used at a terminal."""
    assert town.juki("auth", "--reader", card.reader, *town.holder, *town.authority)["password_ok"]
