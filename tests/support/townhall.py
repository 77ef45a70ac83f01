"""A town hall whose people work by the command line alone: their cards, the residents, the blanks, the notebook.

Every action is one or a few `juki` commands, which must succeed, and a note in the notebook of what was done.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from jukicard.cli import juki
from jukicard.commands.session import Session, World
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.ledger.chain import UNATTENDED
from jukicard.testing.seeds import randomness
from tests.support.bureau import residents
from tests.support.desk import ENVIRONMENT, private_file
from tests.support.issued import AUTHORITY_PASSWORD, PASSWORD
from tests.support.notebook import Notebook, differences

CITY, NEIGHBOUR = "99201", "99202"
DAY = dt.date(2026, 11, 20)
"""The Friday of the story."""
WEEKS_BEFORE, MONDAY = dt.date(2026, 11, 2), dt.date(2026, 11, 16)
OPERATOR_PASSWORD = "Kiku-1947!"
SURNAMES = dict(
    zip(
        ["青木", "石川", "上田", "小川", "加藤", "佐藤", "田中", "中村", "林", "山本"],
        ["アオキ", "イシカワ", "ウエダ", "オガワ", "カトウ", "サトウ", "タナカ", "ナカムラ", "ハヤシ", "ヤマモト"],
        strict=True,
    )
)
GIVEN = dict(
    zip(
        ["明", "勇", "和子", "京子", "健", "幸子", "進", "正", "恵", "洋子"],
        ["アキラ", "イサム", "カズコ", "キョウコ", "ケン", "サチコ", "ススム", "タダシ", "メグミ", "ヨウコ"],
        strict=True,
    )
)
Record = dict[str, str]


def people(count: int, seed: int = 7) -> list[Record]:
    """Invented residents; no two have the same code, name, or address."""
    names = [(f"{a}　{b}", f"{x}　{y}") for a, x in SURNAMES.items() for b, y in GIVEN.items()]
    return [
        {**one, "name": name, "kana": kana, "address": f"架空県見本市中央町{number}番1号"}
        for number, (one, (name, kana)) in enumerate(zip(residents(count, seed), names, strict=False), 1)
    ]


@dataclass
class TownClock:
    """A clock that goes on by a second whenever it is read; `set` puts it forward, in the time of this machine."""

    moment: dt.datetime

    @classmethod
    def at(cls, day: dt.date, hour: int, minute: int = 0) -> TownClock:
        return cls(dt.datetime(day.year, day.month, day.day, hour, minute).astimezone())

    def set(self, day: dt.date, hour: int, minute: int = 0) -> None:
        later = TownClock.at(day, hour, minute).moment
        assert later >= self.moment, "the story goes forward"
        self.moment = later

    def __call__(self) -> dt.datetime:
        self.moment += dt.timedelta(seconds=1)
        return self.moment


@dataclass(frozen=True)
class Operator:
    """An operator's card: its serial, the reader that it stands in, the file with its password."""

    serial: str
    reader: str
    password: Path

    def seated(self, which: str = "") -> tuple[str, ...]:
        """The options by which the operator logs in; `which` is "second-" for the second of two."""
        return f"--{which}operator-reader", self.reader, f"--{which}operator-password-file", str(self.password)


@dataclass(frozen=True)
class Blank:
    """A chip that nobody has yet: its number, its card file, and the reader it is put into."""

    number: str
    path: Path
    reader: str


@dataclass(frozen=True)
class Card:
    """A resident's card: its serial, the reader where it is at hand, whose it is, its face."""

    serial: str
    reader: str
    person: Record = field(repr=False)
    face: str = "A"


@dataclass
class TownHall:
    """See the module. `operators` by what they are called; `pile` are the blanks in the cupboard, by delivery."""

    folder: Path
    clock: TownClock
    register: list[Record]
    city: str = CITY
    notebook: Notebook = field(default_factory=Notebook)
    operators: dict[str, Operator] = field(default_factory=dict)
    pile: dict[str, list[Blank]] = field(default_factory=dict)
    kinds: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    faces: dict[str, str] = field(default_factory=dict)
    runs: int = 0
    session: Callable[[World], Session] = Session

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.secret("authority", AUTHORITY_PASSWORD)
        self.secret("holder", PASSWORD)
        with self.register_file.open("w", encoding="utf-8", newline="") as file:
            fields = [*self.register[0]] if self.register else []
            writer = csv.DictWriter(file, fields, restval="", extrasaction="ignore")
            writer.writeheader()
            writer.writerows(self.register)

    # --- the command line

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def register_file(self) -> Path:
        return self.folder / "register.csv"

    @property
    def today(self) -> dt.date:
        return self.clock.moment.date()

    @property
    def authority(self) -> tuple[str, str]:
        return "--authority-password-file", str(self.folder / "authority.txt")

    @property
    def holder(self) -> tuple[str, str]:
        return "--password-file", str(self.folder / "holder.txt")

    def secret(self, name: str, content: str) -> Path:
        return private_file(self.folder / f"{name}.txt", content + "\n")

    def juki(self, *words: str, code: int = 0) -> Any:
        """Run a command in this process, and return its JSON; it must end with that exit code."""
        self.runs += 1
        world = World(
            randomness((self.city, "host", self.runs)), randomness((self.city, "chip", self.runs)), self.clock
        )
        variables = {**ENVIRONMENT, "JUKI_HOME": str(self.home)}
        result = CliRunner().invoke(juki, [*words, "--json"], env=variables, obj=self.session(world))
        assert result.exit_code == code, (words, result.output, result.exception)
        return json.loads(result.stdout)

    def by(self, operator: Operator, *words: str, second: Operator | None = None, code: int = 0) -> Any:
        """The same by an operator who logs in, or by two."""
        other = () if second is None else second.seated("second-")
        return self.juki(*words, *self.authority, *operator.seated(), *other, code=code)

    def refused(self, operator: Operator, *words: str, code: int = 1, second: Operator | None = None) -> str:
        """The same for what must be refused: return the message."""
        return str(self.by(operator, *words, second=second, code=code)["error"]["message"])

    def note(self, operator: Operator, what: str, of: str = "", number: int = 1) -> None:
        self.notebook.note(self.today, operator.serial, what, of, number)

    # --- founding

    def found(self, *national: str) -> None:
        """A home with two administrators."""
        folder = self.folder / "operators"
        sources = [self.secret(f"operator-{number}", OPERATOR_PASSWORD) for number in (1, 2)]
        passwords = ("--operator-password-file", str(sources[0]), "--second-operator-password-file", str(sources[1]))
        words = ("authority", "init", "--city-code", self.city, "--city-name", "見本市", "--operators", str(folder))
        made = self.juki(*words, *self.authority, *passwords, *national)["operators"]
        for name, path, password in zip(("administrator", "second administrator"), made, sources, strict=True):
            self.operators[name] = Operator(Path(path).stem, f"emulator:{path}", password)

    def employ(self, name: str, *rights: str) -> Operator:
        """Both administrators make an operator's card."""
        password = self.secret(f"operator-{name}", OPERATOR_PASSWORD)
        new = ("operator", "new", "--out", str(self.folder / "operators"), "--new-password-file", str(password))
        first, second = self.operators["administrator"], self.operators["second administrator"]
        made = self.by(first, *new, *rights, second=second)
        self.operators[name] = Operator(made["serial"], f"emulator:{made['card']}", password)
        return self.operators[name]

    # --- blanks

    def deliver(self, by: Operator, name: str, first: int, count: int) -> None:
        """A box of blanks comes in, is entered, and put into the cupboard."""
        numbers = range(first, first + count)
        self.by(by, "stock", "receive", name, "--first", f"{numbers[0]:016d}", "--last", f"{numbers[-1]:016d}")
        self.note(by, "received", number=count)
        self.pile[name] = [self._blank(name, number) for number in numbers]

    def _blank(self, name: str, number: int) -> Blank:
        path = self.folder / f"{name}-{number}.juki"
        return Blank(f"{number:016d}", path, f"emulator:{path}")

    def take(self, name: str) -> Blank:
        """Take the next blank of a delivery out of the cupboard: the chip is made now, since the maker is not here."""
        blank = self.pile[name].pop(0)
        self.juki("chip", "new", str(blank.path), "--serial", str(int(blank.number)))
        return blank

    def discard(self, by: Operator, name: str, count: int, reason: str) -> None:
        gone = [self.pile[name].pop() for _ in range(count)]
        numbers = sorted(blank.number for blank in gone)
        self.by(by, "stock", "discard", name, "--first", numbers[0], "--last", numbers[-1], "--reason", reason)
        self.note(by, "discarded", number=count)

    def count(self, by: Operator, name: str, missed: int = 0) -> Any:
        """Count a delivery's blanks by hand; `missed` is how many are overlooked."""
        return self.by(by, "stock", "count", name, str(len(self.pile[name]) - missed))

    # --- applications

    @contextmanager
    def typed(self, person: Record) -> Iterator[str]:
        """A record that is typed in, as a file that does not stay on the disk."""
        record = self.folder / "record.json"
        record.write_text(json.dumps(person, ensure_ascii=False), encoding="utf-8")
        yield str(record)
        record.unlink()

    def receive(
        self, by: Operator, person: Record, kind: str = "new", replaces: Card | None = None, *photo: str
    ) -> str:
        """Receive an application."""
        old = () if replaces is None else ("--replaces", replaces.serial)
        with self.typed(person) as record:
            state = self.by(by, "application", "receive", record, "--kind", kind, *old, *photo)
        serial = str(state["serial"])
        self.kinds[serial] = (kind, None if replaces is None else replaces.serial)
        self.faces[serial] = person["face"]
        self.note(by, "applied", kind)
        return self._stands(serial, "applied")

    def examine(self, by: Operator, serial: str, *how: str) -> str:
        self.by(by, "application", "examine", serial, *(how or ("--register", str(self.register_file))))
        return self._stands(serial, "examined")

    def confirm(self, by: Operator, serial: str, document: str) -> str:
        self.by(by, "application", "confirm", serial, "--document", document)
        return self._stands(serial, "confirmed")

    def enquire(self, by: Operator, serial: str) -> str:
        self.by(by, "application", "enquire", serial)
        return self._stands(serial, "enquired")

    def answer(self, by: Operator, serial: str) -> str:
        self.by(by, "application", "answer", serial)
        return self._stands(serial, "confirmed")

    def refuse(self, by: Operator, serial: str, reason: str) -> None:
        self.by(by, "application", "refuse", serial, "--reason", reason)
        self.note(by, "refused")
        self._stands(serial, "refused")

    def withdraw(self, by: Operator, serial: str) -> None:
        self.by(by, "application", "withdraw", serial)
        self._stands(serial, "cancelled")

    # --- cards

    def order(self, by: Operator, serial: str) -> None:
        """Note that a card is ordered, which `juki issue` enters: what it replaces as lost is void from now on."""
        kind, replaces = self.kinds.get(serial, ("new", None))
        if kind == "lost" and replaces is not None:
            self._void(by, replaces, "lost")
        self._stands(serial, "ordered")

    def bind(self, by: Operator, serial: str) -> None:
        """Note that a blank left the cupboard for good."""
        self.order(by, serial)
        self.note(by, "bound")

    def finish(self, by: Operator, serial: str) -> None:
        """Note that a card is made."""
        self.note(by, "issued", self.faces[serial])
        self._stands(serial, "awaiting-handover")

    def issue(self, by: Operator, person: Record, serial: str, blank: Blank, *how: str) -> Card:
        """Make the card of an application."""
        made = self.by(by, "issue", "--application", serial, "--reader", blank.reader, *how)
        assert made["serial"] == serial
        self.bind(by, serial)
        self.finish(by, serial)
        return Card(serial, blank.reader, person, self.faces[serial])

    def hand_over(self, by: Operator, card: Card) -> Card:
        """The holder is there and sets the password."""
        done = self.by(by, "handover", "--reader", card.reader, *self.holder)
        assert done["serial"] == card.serial
        self.note(by, "handed_over")
        self.notebook.valid.add(self._stands(card.serial, "active"))
        kind, replaces = self.kinds.get(card.serial, ("new", None))
        if kind != "lost" and replaces is not None:
            self._void(by, replaces, "replaced")
        return card

    def walk_in(
        self,
        by: Operator,
        person: Record,
        blank: Blank,
        document: str = "driving-licence",
        kind: str = "new",
        replaces: Card | None = None,
    ) -> Card:
        """On the same day (即日交付): somebody applies, shows a document with a photo, and takes the card home."""
        serial = self.receive(by, person, kind, replaces)
        self.confirm(by, self.examine(by, serial), document)
        return self.hand_over(by, self.issue(by, person, serial, blank))

    def without_application(self, by: Operator, person: Record, blank: Blank) -> Card:
        """A card from a record alone, as a bureau makes it, handed over."""
        with self.typed(person) as record:
            serial = str(self.by(by, "issue", record, "--reader", blank.reader)["serial"])
        self.faces[serial] = person["face"]
        self.bind(by, serial)
        self.finish(by, serial)
        return self.hand_over(by, Card(serial, blank.reader, person, person["face"]))

    def suspend(self, by: Operator, card: Card) -> None:
        """By telephone: the card is who knows where."""
        self.by(by, "card", "suspend", card.serial, "--reason", "reported lost")
        self.note(by, "suspended")
        self._stands(card.serial, "suspended")

    def void(self, by: Operator, card: Card, cause: str) -> None:
        """At the counter: the card is at hand, and is made void on its chip, too."""
        words = ("card", "void", card.serial, "--cause", cause, "--reader", card.reader, "--yes")
        assert self.by(by, *words)["status_on_chip"] == "void"
        self._void(by, card.serial, cause)

    def void_many(self, by: Operator, second: Operator, cards: Iterable[Card], cause: str) -> None:
        """Two operators make a list of cards void."""
        chosen = [card.serial for card in cards]
        serials = self.folder / "serials.txt"
        serials.write_text("".join(f"{serial}\n" for serial in chosen), encoding="ascii")
        done = self.by(by, "card", "void", "--from-file", str(serials), "--cause", cause, "--yes", second=second)
        assert (done["voided"], done["already"]) == (chosen, [])
        for serial in chosen:
            self._void(by, serial, cause)

    def destroy(self, by: Operator, serial: str) -> None:
        self.by(by, "card", "destroy", serial, "--yes")
        self._stands(serial, "destroyed")

    def give_up(self, by: Operator, serial: str) -> None:
        """A card whose chip was touched and cannot be finished is spoilt."""
        assert self.by(by, "card", "void", serial, "--yes")["status"] == "spoilt"
        self.spoil(by, serial)

    def spoil(self, by: Operator, serial: str) -> None:
        """Note that a card is spoilt."""
        self.note(by, "spoilt")
        self._stands(serial, "spoilt")

    def made_again(self, by: Operator, old: str, new: str) -> None:
        """Note that a card is made in a spoilt one's place: it is of the same application."""
        self.kinds[new], self.faces[new] = self.kinds[old], self.faces[old]
        self.bind(by, new)
        self.finish(by, new)

    def standing(self, serial: str) -> str:
        """What the books say of a card."""
        return str(self.juki("ledger", "show", serial)["status"])

    def _void(self, by: Operator, serial: str, cause: str) -> None:
        self.note(by, "voided", cause)
        self.notebook.valid.discard(self._stands(serial, "void"))

    def _stands(self, serial: str, standing: str) -> str:
        self.notebook.standing[serial] = standing
        return serial

    # --- the evening

    def differences(self, notebook: Notebook | None = None) -> list[str]:
        """Everything in which the books and a notebook, the hall's own if none is given, disagree."""
        (month,) = self.juki("ledger", "statistics")["months"]
        listed, reconciled = self.juki("ledger", "list"), self.juki("ledger", "reconcile")
        return differences(notebook or self.notebook, listed, reconciled, month, self.today)

    def kept(self) -> set[str]:
        """The serials of the cards of which personal data are kept."""
        with Authority.open(self.home) as authority:
            return {serial for serial in self.notebook.standing if authority.ledger.sealed(serial) is not None}

    def unattended(self) -> set[str]:
        """What the entries are about that nobody signed."""
        with Authority.open(self.home) as authority:
            return {entry.serial for entry in authority.ledger.entries() if entry.actor == UNATTENDED}


def foreigner(person: Record, stay_until: dt.date) -> Record:
    """The same person as a foreign resident, whose stay ends on that day."""
    return {**person, "nationality": "ブラジル", "stay_until": stay_until.isoformat()}
