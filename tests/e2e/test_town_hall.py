"""The day of a town hall: sixty applications, by the command line alone, with all that can happen on such a day.

The hall keeps a notebook by hand (`tests.support.notebook`). In the evening its tally and the books agree to the last
card, the blanks are accounted for, and the books verify against the head that was kept elsewhere the evening before.
"""

from __future__ import annotations

import datetime as dt
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from jukicard.commands.session import Session, World
from jukicard.iso7816.connection import CardConnection
from jukicard.reader.spec import EmulatorSpec, ReaderSpec
from tests.support import quick_keys
from tests.support.bureau import Refusing
from tests.support.folders_in_memory import folder_in_memory
from tests.support.issued import PASSWORD, WRONG_PASSWORD
from tests.support.killed import Commands
from tests.support.pages import ROOT
from tests.support.townhall import (
    DAY,
    MONDAY,
    NEIGHBOUR,
    WEEKS_BEFORE,
    Blank,
    Card,
    Operator,
    Record,
    TownClock,
    TownHall,
    foreigner,
    people,
)

TOWN = people(76)
OLD_RESIDENTS, BY_LETTER, AT_THE_WINDOW = TOWN[:14], TOWN[20:36], TOWN[36:76]
NEWCOMER = {**people(1, seed=8)[0], "name": "転入　花", "kana": "テンニュウ　ハナ"}
YESTERDAY, NEXT_YEAR = DAY - dt.timedelta(days=1), DAY + dt.timedelta(days=365)
MOVE = ("--moved-out", "2026-11-13", "--moved-in", "2026-11-16", "--reported", "2026-11-18")
POWER_FAILS_AT = 60
"""Of the lasting acts of `juki issue`, the one before which the power fails: the chip is being written."""
PHOTO = ROOT / "examples" / "residents" / "portrait-drawn.png"


@dataclass
class Town(TownHall):
    """The hall with its two operators, what the story remembers, and chips that are broken."""

    broken: set[Path] = field(default_factory=set)
    old: list[Card] = field(default_factory=list)
    letters: list[str] = field(default_factory=list)
    head: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.session = lambda world: _WithBrokenChips(world, self.broken)

    @property
    def clerk(self) -> Operator:
        return self.operators["clerk"]

    @property
    def supervisor(self) -> Operator:
        return self.operators["supervisor"]

    @property
    def either(self) -> Operator:
        """Whoever is free."""
        return (self.clerk, self.supervisor)[self.runs // 5 % 2]

    def blank(self) -> Blank:
        return self.take("box-1" if self.pile["box-1"] else "box-2")


class _WithBrokenChips(Session):
    """A session in whose readers some chips refuse to be written."""

    def __init__(self, world: World, broken: set[Path]) -> None:
        super().__init__(world)
        self.broken = broken

    def connect(self, spec: ReaderSpec) -> CardConnection:
        connection = super().connect(spec)
        return Refusing(connection) if isinstance(spec, EmulatorSpec) and spec.path in self.broken else connection  # type: ignore[return-value]


@pytest.fixture
def town(monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    quick_keys.use(monkeypatch)
    with folder_in_memory() as folder:
        yield Town(folder / "town", TownClock.at(WEEKS_BEFORE, 9), [*TOWN, NEWCOMER])


def test_the_day_of_a_town_hall(town: Town, tmp_path: Path) -> None:
    neighbour = weeks_before(town)
    monday(town)
    morning(town)
    at_the_window(town)
    old_residents(town)
    moves(town, neighbour)
    noon(town, tmp_path)
    afternoon(town)
    evening(town)
    the_books_are_right(town)
    nobody_is_in_the_books(town)
    whoever_tampers_is_found(town, tmp_path)


# --- before


def weeks_before(town: Town) -> TownHall:
    """The authority is founded under a national root, beside a neighbour's; fourteen residents have cards."""
    national = town.folder / "national"
    root = ("--national", str(national), "--national-password-file", town.authority[1])
    town.juki("authority", "national", str(national), *town.authority)
    neighbour = TownHall(town.folder / "neighbour", town.clock, [], NEIGHBOUR)
    city = ("--city-code", NEIGHBOUR, "--city-name", "隣町")
    neighbour.juki("authority", "init", *city, *root, *neighbour.authority)
    town.found(*root)
    town.employ("clerk", "--role", "clerk", "--permission", "card-life:execute")
    town.employ("supervisor", "--role", "supervisor")
    town.deliver(town.clerk, "box-1", 1000, 30)
    for number, person in enumerate(OLD_RESIDENTS):
        record = foreigner(person, YESTERDAY) if number == 1 else person
        town.old.append(town.without_application(town.supervisor, record, town.blank()))
    return neighbour


def monday(town: Town) -> None:
    """Sixteen apply who cannot be identified at the window: 照会書 go to their addresses."""
    town.clock.set(MONDAY, 10)
    for person in BY_LETTER:
        serial = town.examine(town.clerk, town.receive(town.clerk, person))
        town.letters.append(town.enquire(town.clerk, serial))
    town.clock.set(YESTERDAY, 17)
    town.head = town.by(town.supervisor, "ledger", "seal")["head"]


# --- the day


def morning(town: Town) -> None:
    """A box comes in. Two of its blanks are bent, which the clerk may not decide; one is overlooked in the count."""
    town.clock.set(DAY, 8, 30)
    town.notebook.valid.discard(town.old[1].serial)
    town.notebook.standing[town.old[1].serial] = "expired"
    town.deliver(town.clerk, "box-2", 5000, 60)
    bent = ("stock", "discard", "box-2", "--first", f"{5058:016d}", "--last", f"{5059:016d}", "--reason", "bent")
    assert "stock:execute" in town.refused(town.clerk, *bent)
    assert "operator" in town.juki("stock", "count", "box-2", "60", *town.authority, code=1)["error"]["message"]
    town.discard(town.supervisor, "box-2", 2, "bent")
    counted = town.count(town.clerk, "box-2", missed=1)
    assert (counted["counted"], counted["in_stock"]) == (57, 58)
    assert not town.juki("ledger", "reconcile", code=1)["balanced"]
    town.count(town.supervisor, "box-2")  # it had slipped under the drawer


def at_the_window(town: Town) -> None:
    """Walk-ins: thirty-four take their cards home, one is no resident, one wants no card after all."""
    *new, unlucky, stranger, fickle = AT_THE_WINDOW[:34]
    for person in new[:3]:
        with_a_photo(town, person)
    for person in new[3:]:
        town.walk_in(town.either, person, town.blank())
    a_broken_chip(town, unlucky)
    elsewhere = town.receive(town.clerk, {**stranger, "address": "架空県隣町1丁目"})
    compared = ("application", "examine", elsewhere, "--register", str(town.register_file))
    message = town.refused(town.clerk, *compared)
    assert "address" in message
    assert "隣町" not in message
    town.refuse(town.clerk, elsewhere, "not a resident")
    town.withdraw(town.clerk, town.examine(town.clerk, town.receive(town.clerk, fickle), "--by-hand"))


def with_a_photo(town: Town, person: Record) -> None:
    """Face B: its face is drawn, read back and matched; then the card is handed over."""
    by = town.either
    serial = town.receive(by, {**person, "face": "B"}, "new", None, "--photo", str(PHOTO))
    town.confirm(by, town.examine(by, serial), "passport")
    card = town.issue(by, person, serial, town.blank(), "--out", str(town.folder / "faces"))
    assert (town.folder / "faces" / f"{serial}.pdf").exists()
    town.hand_over(by, card)


def a_broken_chip(town: Town, person: Record) -> None:
    """The card that lies in the reader is somebody's. The next chip refuses to be written: the card is spoilt, and made
    again on a third one.
    """
    serial = town.receive(town.clerk, person)
    town.confirm(town.clerk, town.examine(town.clerk, serial), "two-documents")
    wrong = town.refused(town.clerk, "issue", "--application", serial, "--reader", town.old[0].reader)
    assert f"is card {town.old[0].serial} (active)" in wrong
    chip, another = town.blank(), town.blank()
    town.broken.add(chip.path)
    town.refused(town.clerk, "issue", "--application", serial, "--reader", chip.reader)
    town.bind(town.clerk, serial)
    town.spoil(town.clerk, serial)
    town.hand_over(town.clerk, made_again(town, town.clerk, person, serial, another))
    town.destroy(town.supervisor, serial)


def made_again(town: Town, by: Operator, person: Record, spoilt: str, blank: Blank) -> Card:
    again = town.by(by, "issue", "--application", spoilt, "--reader", blank.reader)["serial"]
    assert again != spoilt
    town.made_again(by, spoilt, again)
    return Card(again, blank.reader, person, town.faces[again])


def old_residents(town: Town) -> None:
    """Who has a card already comes for something else."""
    lost, expired, full, _, endorsed, forgetful, asked, returned, *bulk, damaged, found = town.old
    town.suspend(town.clerk, lost)
    assert "suspended" in auth(town, lost, code=1)
    town.walk_in(town.clerk, lost.person, town.blank(), kind="lost", replaces=lost)
    renewed = foreigner(expired.person, NEXT_YEAR)
    with town.typed(renewed) as record:
        renewal = ("application", "receive", record, "--kind", "renewal", "--replaces", expired.serial)
        assert "no case of renewal" in town.refused(town.clerk, *renewal)
    town.walk_in(town.supervisor, renewed, town.blank(), "residence-card", "expired", expired)
    the_back_is_full(town, full)
    town.by(town.clerk, "card", "endorse", endorsed.serial, "--field", "name")
    forgotten(town, forgetful)
    purpose = ("--register", str(town.register_file), "--purpose", "copy of the resident record")
    told = town.by(town.clerk, "identify", "--reader", asked.reader, *town.holder, *purpose)
    assert (told["serial"], told["name"], told["address"]) == (
        asked.serial,
        asked.person["name"],
        asked.person["address"],
    )
    town.void(town.clerk, returned, "returned")
    town.destroy(town.clerk, returned.serial)
    in_bulk(town, bulk)
    town.walk_in(town.supervisor, damaged.person, town.blank(), kind="damaged", replaces=damaged)
    town.suspend(town.supervisor, found)
    resume = ("card", "resume", found.serial, "--reader", found.reader)
    assert town.by(town.supervisor, *resume)["status"] == "active"
    town.notebook.standing[found.serial] = "active"


def auth(town: Town, card: Card, code: int = 0) -> str:
    """Use a card at a terminal, which asks the books."""
    return str(town.juki("auth", "--reader", card.reader, *town.holder, *town.authority, code=code))


def the_back_is_full(town: Town, card: Card) -> None:
    """Four changes are written on the back (追記); a fifth needs a new card, within the old one's validity."""
    endorse = ("card", "endorse", card.serial, "--field", "address")
    for left in (3, 2, 1, 0):
        assert town.by(town.clerk, *endorse)["room_left"] == left
    assert "--kind renewal" in town.refused(town.clerk, *endorse)
    town.walk_in(town.clerk, card.person, town.blank(), kind="renewal", replaces=card)


def forgotten(town: Town, card: Card) -> None:
    """The password is wrong three times, and blocked; the office sets a new one."""
    wrong = ("--password-file", str(town.secret("wrong", WRONG_PASSWORD)))
    for _ in range(3):
        town.juki("auth", "--reader", card.reader, *wrong, *town.authority, code=4)
    town.juki("auth", "--reader", card.reader, *town.holder, *town.authority, code=5)
    new = ("--password-file", str(town.secret("new", PASSWORD[::-1])))
    town.by(town.clerk, "password", "reset", "--reader", card.reader, *new)
    town.note(town.clerk, "password_resets")
    assert town.juki("auth", "--reader", card.reader, *new, *town.authority)["password_ok"]


def in_bulk(town: Town, cards: list[Card]) -> None:
    """Many cards are made void by two operators, never by one, nor by one who counts twice."""
    serials = town.folder / "one.txt"
    serials.write_text(cards[0].serial + "\n", encoding="ascii")
    bulk = ("card", "void", "--from-file", str(serials), "--cause", "code-changed", "--yes")
    assert "two" in town.refused(town.supervisor, *bulk)
    town.refused(town.supervisor, *bulk, second=town.operators["administrator"])
    town.void_many(town.supervisor, town.clerk, cards, "code-changed")


def moves(town: Town, neighbour: TownHall) -> None:
    """継続利用: one moves in with the neighbour's card, one moves away with ours."""
    newcomer = card_of_neighbour(town, neighbour)
    taken = town.by(town.supervisor, "card", "move", "--reader", newcomer.reader, *town.holder, *MOVE)
    assert (taken["serial"], taken["moved_from"]) == (newcomer.serial, NEIGHBOUR)
    town.notebook.standing[newcomer.serial] = "active"
    town.notebook.valid.add(newcomer.serial)
    assert NEIGHBOUR[:3] in auth(town, newcomer)
    leaving = town.old[3].serial
    gone = town.by(town.clerk, "card", "moved", leaving, "--to", NEIGHBOUR, *MOVE)
    assert gone["moved_to"] == NEIGHBOUR
    town.notebook.standing[leaving] = "moved-away"
    town.notebook.valid.discard(leaving)


def card_of_neighbour(town: Town, neighbour: TownHall) -> Card:
    """A card that was issued next door; its file comes here by export and import."""
    out = str(neighbour.folder / "out")
    with neighbour.typed({**NEWCOMER, "city_code": NEIGHBOUR}) as record:
        made = neighbour.juki("issue", record, "--out", out, *neighbour.authority)
    card = Path(made["card"])
    neighbour.juki("handover", "--reader", f"emulator:{card}", *neighbour.holder, *neighbour.authority)
    passphrase = ("--passphrase-file", str(town.secret("passphrase", "twelve characters")))
    sent, here = town.folder / "sent.juki", town.folder / "newcomer.juki"
    neighbour.juki("chip", "export", str(card), str(sent), *passphrase)
    town.juki("chip", "import", str(sent), str(here), *passphrase)
    return Card(made["serial"], f"emulator:{here}", NEWCOMER)


def noon(town: Town, folder: Path) -> None:
    """The power fails while three cards are being written. Two go on, each on its own chip; the third's is dead."""
    town.clock.set(DAY, 12)
    orders = [ready(town, person) for person in AT_THE_WINDOW[34:37]]
    chips = [town.blank() for _ in orders]
    at_work = (town.clerk, town.supervisor, town.clerk)
    with Commands(folder) as commands:
        for serial, chip, by in zip(orders, chips, at_work, strict=True):
            power_fails(town, commands, by, serial, chip)
    town.clock.set(DAY, 12, 40)
    unfinished = {card["serial"]: card["next"] for card in town.juki("ledger", "list")["cards"] if card["next"]}
    assert all("juki issue" in unfinished[serial] for serial in orders)
    works = town.juki("ledger", "reconcile")
    assert works["balanced"]
    assert [each["serial"] for each in works["differences"] if each["why"] == "in-work"] == orders
    first, second, third = orders
    for serial, reader in ((first, chips[1].reader), (second, chips[0].reader), (first, town.old[0].reader)):
        message = town.refused(town.clerk, "issue", "--application", serial, "--reader", reader)
        assert f"card {serial} was begun on another chip" in message  # they lay in a heap
    persons = AT_THE_WINDOW[34:37]
    for serial, chip, person in zip(orders[:2], chips, persons, strict=False):
        made = town.by(town.supervisor, "issue", "--application", serial, "--reader", chip.reader)
        assert made["serial"] == serial
        town.finish(town.supervisor, serial)
        town.hand_over(town.supervisor, Card(serial, chip.reader, person))
    town.give_up(town.clerk, third)
    town.hand_over(town.clerk, made_again(town, town.clerk, persons[2], third, town.blank()))


def ready(town: Town, person: Record) -> str:
    """An application whose card can be made."""
    serial = town.examine(town.clerk, town.receive(town.clerk, person))
    return town.confirm(town.clerk, serial, "driving-licence")


def power_fails(town: Town, commands: Commands, by: Operator, serial: str, chip: Blank) -> None:
    issue = ("issue", "--application", serial, "--reader", chip.reader, *town.authority, *by.seated())
    ended = commands.run(issue, {"JUKI_HOME": str(town.home)}, town.folder, POWER_FAILS_AT, town.clock.moment)
    assert ended.code == -signal.SIGKILL, ended
    town.clock.moment += dt.timedelta(minutes=1)
    assert town.standing(serial) == "personalising"
    town.bind(by, serial)
    town.notebook.standing[serial] = "personalising"


def afternoon(town: Town) -> None:
    """The letters come back: twelve answers, of which eight fetch their cards on this day. One shows a passport
    instead, one does not want a card any more, two have not answered. Three more come to the window.
    """
    town.clock.set(DAY, 14)
    answered, passport, fickle = town.letters[:12], town.letters[12], town.letters[13]
    made = []
    for serial, person in zip(answered, BY_LETTER, strict=False):
        by = town.either
        made.append(town.issue(by, person, town.answer(by, serial), town.blank()))
        town.by(by, "application", "notice", serial)
    for card in made[:8]:
        town.hand_over(town.either, card)
    town.confirm(town.clerk, passport, "passport")
    town.hand_over(town.clerk, town.issue(town.clerk, BY_LETTER[12], passport, town.blank()))
    town.withdraw(town.supervisor, fickle)
    for person in AT_THE_WINDOW[37:]:
        town.walk_in(town.either, person, town.blank(), "residence-card")


# --- the evening


def evening(town: Town) -> None:
    """Blanks are counted, the books sealed, and verified against the head of the evening before."""
    town.clock.set(DAY, 17, 15)
    for name in ("box-1", "box-2"):
        counted = town.count(town.clerk, name)
        assert counted["counted"] == counted["in_stock"]
    assert "ledger:execute" in town.refused(town.clerk, "ledger", "seal")
    sealed = town.by(town.supervisor, "ledger", "seal")
    kept = town.folder / "head.txt"
    kept.write_text(town.head + "\n", encoding="ascii")
    verified = town.juki("ledger", "verify", "--head-file", str(kept), "--sealed", town.head.partition(":")[0])
    assert verified["continues"]
    assert (verified["head"], verified["sealed_up_to"]) == (sealed["head"], sealed["sealed_up_to"])
    founders = {town.operators[name].serial for name in ("administrator", "second administrator")}
    assert town.unattended() == founders  # nobody was there before them
    assert verified["unattended"] == 2
    town.head = verified["head"]


def the_books_are_right(town: Town) -> None:
    """They say what the notebook says, to the last card; and the notebook says what this story told."""
    assert town.differences() == []
    forgetful = replace(town.notebook, notes=[note for note in town.notebook.notes if note.what != "spoilt"][1:])
    assert {what.partition(":")[0] for what in town.differences(forgetful)} > {"spoilt", "in work", "in stock"}
    reconciled = town.juki("ledger", "reconcile", "--day", DAY.isoformat())
    assert reconciled["balanced"]
    assert {each["why"] for each in reconciled["differences"]} == {"count-settled"}
    assert {line["operator"] for line in reconciled["operators"]} == {town.clerk.serial, town.supervisor.serial}
    notebook = town.notebook
    assert notebook.total("applied") == 60
    assert notebook.by_kind("applied") == {"new": 56, "lost": 1, "expired": 1, "renewal": 1, "damaged": 1}
    assert notebook.total("spoilt") == 2
    assert notebook.total("discarded") == 2
    assert notebook.in_work == 0
    assert notebook.in_stock == sum(map(len, town.pile.values()))


def nobody_is_in_the_books(town: Town) -> None:
    """What was kept of applicants is erased with the end of their business, and is nowhere in clear."""
    open_business = {"applied", "examined", "enquired", "confirmed", "awaiting-handover"}
    waiting = {serial for serial, standing in town.notebook.standing.items() if standing in open_business}
    assert len(waiting) == 6  # four cards to be fetched, two letters to be answered
    assert town.kept() == waiting
    books = b"".join(path.read_bytes() for path in town.home.glob("ledger.sqlite*"))
    personal = [person[item].encode() for person in TOWN for item in ("resident_code", "name", "kana")]
    assert [item for item in personal if item in books] == []


def whoever_tampers_is_found(town: Town, folder: Path) -> None:
    """The signatures of both operators count: without either's certificate the books do not verify."""
    for operator in (town.clerk, town.supervisor):
        copy = TownHall(folder / operator.serial, town.clock, [])
        shutil.copytree(town.home, copy.home)
        copy.juki("ledger", "verify", "--head", town.head)
        (copy.home / "operators" / f"{operator.serial}.pem").unlink()
        assert operator.serial in copy.juki("ledger", "verify", "--head", town.head, code=6)["error"]["message"]
