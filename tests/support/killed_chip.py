"""A chip in a card file that works under load in a process of its own, until that is killed (SIGKILL).

The child says each operation before it begins and again when the card has answered; so the parent knows what had been
acknowledged, and which one operation was under way. `found` opens the card with the shipping code and looks what it
holds; `possible` says what it may hold.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from jukicard.applets.gp import layout as gp
from jukicard.applets.library import layout as library
from jukicard.applets.library.records import Loan
from jukicard.iso7816.errors import AuthenticationFailed
from jukicard.iso7816.tlv import Tlv
from jukicard.reader.cardfile import CardFile
from jukicard.reader.chips import CardFileChip
from jukicard.securechannel.authorization import Right
from jukicard.securechannel.host import SecureConnection
from jukicard.securechannel.scp03 import StaticKeys
from jukicard.testing.seeds import randomness
from tests.support import chips
from tests.support.chips import CITY_DOMAIN, CITY_KEYS, JUKI, JUKI_DOMAIN, PASSWORD, Chip, say

KEY = bytes(range(50, 82))
SECOND_LIBRARY = gp.municipal_service_aid(chips.CITY, 2)
RIGHTS = (Right.RESET_PASSWORD, Right.SUSPEND, Right.RESUME)
WRONG = b"0000"
TRIES = 3


def password(number: int) -> bytes:
    """The holder's password after so many changes."""
    return PASSWORD if number == 0 else b"%04d" % (number % 9999 + 1)


def keys(number: int) -> StaticKeys:
    """The Juki domain's keys after so many replacements."""
    return chips.JUKI_KEYS if number == 0 else chips.static_keys(f"juki domain {number}")


def loan(number: int) -> Loan:
    """The library's first record after so many renewals."""
    return Loan("9784000000000", f"{number:08d}", "0001")


@dataclass(frozen=True)
class State:
    """What the card holds, as far as the load changes it: each by the number of the last change."""

    password: int = 0
    tries: int = TRIES
    keys: int = 0
    loan: int = 0
    suspended: bool = False
    installed: bool = False


# An operation under way may have left any of these; the first is what the card has acknowledged when it answers.
Outcomes = Callable[[State], tuple[State, ...]]

OPERATIONS: dict[str, Outcomes] = {
    "verify wrong": lambda s: (replace(s, tries=s.tries - 1), s),
    "verify right": lambda s: (replace(s, tries=TRIES), replace(s, tries=s.tries - 1), s),
    "change": lambda s: (
        replace(s, password=s.password + 1, tries=TRIES),
        replace(s, tries=s.tries - 1),
        replace(s, tries=TRIES),
        s,
    ),
    "reset": lambda s: (replace(s, password=s.password + 1, tries=TRIES), s),
    "suspend": lambda s: (replace(s, suspended=True), s),
    "resume": lambda s: (replace(s, suspended=False), s),
    "update": lambda s: (replace(s, loan=s.loan + 1), s),
    "put key": lambda s: (replace(s, keys=s.keys + 1), s),
    "install": lambda s: (replace(s, installed=True), s),
    "delete": lambda s: (replace(s, installed=False), s),
}


class FileChip(Chip):
    """The chip in a card file, opened by the shipping code: nothing older than `not_before` commits."""

    def __init__(self, path: Path, not_before: int = 0) -> None:
        self.chip = CardFileChip(path, KEY, not_before=not_before)
        self.file: CardFile = self.chip._file
        self.card = self.chip.card
        self.exchanges = []
        self._host = os.urandom
        self._numbers = iter(range(random.getrandbits(48), 1 << 60))
        self.atr = self.card.power_on()

    def close(self) -> None:
        self.chip.close()


def create(path: Path) -> None:
    """Make the card file of a card that was handed over, with one loan in its library."""
    chip = chips.active().chip()
    session = chips.library_session(chip)
    assert chips.verify(session) == 0x9000
    say(session, 0x00, 0xE2, 0x00, 0x02 << 3, loan(0).encode(), sw=0x9000)
    CardFile.create(path, KEY, chip.cells, card_id=randomness("killed")(16)).close()


# --- the child


class Load:
    """Operations on the chip, at random, each told before and after."""

    def __init__(self, chip: FileChip, state: State, chance: random.Random, tell: Callable[[str, int], None]) -> None:
        self.chip, self.state, self.chance, self.tell = chip, state, chance, tell

    def run(self) -> None:
        """Go on for ever."""
        while True:
            self.chance.choice((self.juki, self.juki, self.library, self.domains))()

    def does(self, name: str, act: Callable[[], object]) -> None:
        self.tell(name, 0)
        act()
        self.state = OPERATIONS[name](self.state)[0]
        self.tell(name, self.chip.file.commits)

    def juki(self) -> None:
        session = chips.juki_session(self.chip, *RIGHTS)
        for _ in range(self.chance.randrange(1, 12)):
            acts = self._holder_and_office(session)
            name = self.chance.choice(list(acts))
            self.does(name, acts[name])

    def _holder_and_office(self, session: SecureConnection) -> dict[str, Callable[[], object]]:
        ask, state = partial(say, session, 0x00), self.state
        old, new = password(state.password), password(state.password + 1)
        if state.suspended:
            return {"resume": partial(ask, 0x44, sw=0x9000)}
        acts: dict[str, Callable[[], object]] = {
            "verify right": partial(ask, 0x20, 0x00, 0x81, old, sw=0x9000),
            "change": partial(ask, 0x24, 0x00, 0x81, old + new, sw=0x9000),
            "reset": partial(ask, 0x2C, 0x02, 0x81, new, sw=0x9000),
            "suspend": partial(ask, 0x04, sw=0x9000),
        }
        if state.tries > 1:
            acts["verify wrong"] = partial(ask, 0x20, 0x00, 0x81, WRONG, sw=0x63C0 + state.tries - 1)
        return acts

    def library(self) -> None:
        session = chips.library_session(self.chip)
        for _ in range(self.chance.randrange(1, 12)):
            content = loan(self.state.loan + 1).encode()
            self.does("update", partial(say, session, 0x00, 0xDC, 1, 0x02 << 3 | 4, content, sw=0x9000))

    def domains(self) -> None:
        for _ in range(self.chance.randrange(1, 3)):
            session, old, new = domain_session(self.chip, self.state.keys), self.state.keys, self.state.keys + 1
            self.does("put key", partial(chips.put_key_set, session, keys(new), keys(old).dek, chips.KVN))
        self.chip.select(CITY_DOMAIN)
        session = self.chip.scp03(CITY_KEYS)
        if self.state.installed:
            aid = Tlv(0x4F, bytes(SECOND_LIBRARY)).encode()
            self.does("delete", partial(say, session, 0x80, 0xE4, 0, 0, aid, 256, sw=0x9000))
        else:
            self.does("install", partial(chips.install, session, library.MODULE, SECOND_LIBRARY))


def domain_session(chip: Chip, number: int) -> SecureConnection:
    chip.select(JUKI_DOMAIN)
    return chip.scp03(keys(number))


def start(path: Path, state: State, seed: int) -> tuple[int, int]:
    """Fork a child that loads the card; return its process and the pipe that it tells through."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    try:
        os.close(reading)

        def tell(name: str, commits: int) -> None:
            os.write(writing, json.dumps([name, commits]).encode() + b"\n")

        Load(FileChip(path), state, random.Random(seed), tell).run()
    except BaseException as error:  # noqa: BLE001 - a child may not fall back into pytest
        os.write(writing, json.dumps([repr(error), -1]).encode() + b"\n")
    finally:
        os._exit(1)


@dataclass(frozen=True)
class Killed:
    """What was known of a killed child: the acknowledged state, the operation under way, the commits acknowledged."""

    acknowledged: State
    under_way: str | None
    commits: int
    operations: int

    @property
    def possible(self) -> tuple[State, ...]:
        """What the card may hold now."""
        if self.under_way is None:
            return (self.acknowledged,)
        return OPERATIONS[self.under_way](self.acknowledged)


def load_and_kill(path: Path, state: State, chance: random.Random) -> Killed:
    """Let a child load the card for a while, kill it at a random moment, and say what it had told."""
    child, reading = start(path, state, chance.getrandbits(32))
    with os.fdopen(reading, "rb") as pipe:
        told = [pipe.readline() for _ in range(chance.randrange(1, 40))]
        time.sleep(chance.random() * 0.001)
        os.kill(child, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, told[-1]
        told += pipe.readlines()
    return _understood(state, told)


def _understood(state: State, told: list[bytes]) -> Killed:
    under_way, commits, operations = None, 0, 0
    for line in told:
        name, number = json.loads(line)
        assert number >= 0, f"the child failed: {name}"
        if number:
            assert name == under_way
            state, under_way, commits = OPERATIONS[name](state)[0], None, number
            operations += 1
        else:
            under_way = name
    return Killed(state, under_way, commits, operations)


# --- what the card holds


def found(path: Path, killed: Killed) -> State:
    """Open the card, and see which of the possible states it holds; AssertionError if it is none of them.

    Afterwards the card is as `tidied` says.
    """
    with closing(FileChip(path, killed.commits)) as chip:
        chip.select(JUKI)
        tries = chip.ask("00200081").sw & 0x0F
        seen = {"tries": tries, "loan": _loan(chip), "installed": chip.select(SECOND_LIBRARY).sw == 0x9000}
        seen["keys"] = _keys(chip, killed)
        session = chips.juki_session(chip, *RIGHTS)
        seen["suspended"] = say(session, 0, 0xB0, 0x87, 0, ne=1, sw=0x9000).data == b"\x03"
        candidates = [s for s in killed.possible if asdict(s).items() >= seen.items()]
        assert candidates, f"{killed} but found {seen}"
        if seen["suspended"]:
            say(session, 0x00, 0x44, sw=0x9000)
        return _with_password(session, candidates)


def tidied(state: State) -> State:
    """The card as `found` leaves it: active, and its password has all its tries."""
    return replace(state, suspended=False, tries=TRIES)


def _with_password(session: SecureConnection, candidates: list[State]) -> State:
    for state in candidates:
        blocked = state.tries == 0
        if blocked or chips.verify(session, password(state.password)) == 0x9000:
            say(session, 0, 0x2C, 2, 0x81, password(state.password), sw=0x9000)
            return state
    raise AssertionError(f"none of the passwords of {candidates}")


def _loan(chip: FileChip) -> int:
    session = chips.library_session(chip)
    assert chips.verify(session) == 0x9000
    return int(Loan.parse(say(session, 0, 0xB2, 1, 0x02 << 3 | 4, ne=256, sw=0x9000).data).due)


def _keys(chip: FileChip, killed: Killed) -> int:
    holding: list[int] = []
    for number in sorted({state.keys for state in killed.possible}):
        try:
            domain_session(chip, number)
        except AuthenticationFailed:
            continue
        holding.append(number)
    assert len(holding) == 1, f"{killed}: the keys of {holding}"
    return holding[0]


def rounds(path: Path, count: int, seed: int) -> Iterator[tuple[Killed, State]]:
    """Load, kill and look, so many times, with one and the same card."""
    chance, state = random.Random(seed), State()
    for _ in range(count):
        killed = load_and_kill(path, state, chance)
        state = found(path, killed)
        yield killed, state
        state = tidied(state)
