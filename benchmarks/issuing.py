"""Making one card, without the books and without its face: the processor's time of the host, of the chip, of the file.

A blank chip is manufactured in memory, personalised by the issuing machine's own plan (a municipal service included),
read back and matched over SCP11a; every key is made on the chip, every command goes through APDUs and every check is in
force.  Finished cards are written as sealed card files, by the group.  The books are a list in memory that notes what
it is told: what the ledger takes is its own matter.

The floor is what a card's elliptic curves take in OpenSSL alone, in the same rounds: key pairs from the randomness
port, signatures, verifications, key agreements.  A test counts the calls that are really made.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.measuring import CPU, WALL, Clock, Effort, Item, Measure, cost, in_turns, limit, repeat
from benchmarks.primitives import fresh_key, private_key
from jukicard.applets.catalogue import rom
from jukicard.applets.gp.manufacture import ChipIdentity, manufacture
from jukicard.card.card import Card
from jukicard.card.ports import Ports
from jukicard.card.store import MemoryStore
from jukicard.iso7816.connection import ConnectionWrapper
from jukicard.issuer.ledger.rules import Status
from jukicard.issuer.line.journal import CardJournal
from jukicard.issuer.line.personalise import Order, Personaliser
from jukicard.reader.cardfile import NewCard, write_card_files
from jukicard.reader.emulator import EmulatorConnection
from jukicard.testing.offices import Office, Offices, Stage

CARDS_A_SECOND, CORES = 280, 2
CARD_MILLISECONDS = 1000 * CORES / CARDS_A_SECOND
"""What a card may take of one core, where two of them make a million cards an hour."""

GROUP = 20
"""Cards whose files are written together."""

TIMES_THE_FLOOR = 4

KEY_PAIRS = 6
"""The chip's: two channel keys, the municipal one, for authentication, ephemeral; the host's ephemeral one."""
STORED_KEYS = 1
"""The chip's static key in SCP11a."""
SIGNATURES = 6
"""Four certificates, the approval of the service, and the face record."""
VERIFICATIONS = 8
"""The host's, of the card's certificates: three read back and one in the match; of the face record.  The chip's: the
approval, and the terminal's two certificates.
"""
AGREEMENTS = 4
"""Both sides' two in SCP11a."""


class Timed(ConnectionWrapper):
    """A connection to a chip whose time is added up."""

    def __init__(self, inner: EmulatorConnection, clock: Clock) -> None:
        super().__init__(inner)
        self._watched = clock.watch(inner.transmit)

    def transmit(self, command: bytes) -> bytes:
        """See CardConnection."""
        return self._watched(command)


class Line:
    """An issuing machine that makes card after card of one order, each on a chip of its own."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._order: Order = office.order()
        self._ordered = office.card_state
        self._rom = rom()
        self._numbers = itertools.count(10**6)
        self.chips = Clock()

    def make(self) -> dict[str, bytes]:
        """Make one card and return its cells."""
        start = self.chips.now()
        store = MemoryStore()
        manufacture(store, ChipIdentity(next(self._numbers)))
        connection = EmulatorConnection(Card(store, self._rom, Ports(os.urandom)))
        self.chips.seconds += self.chips.now() - start
        timed = Timed(connection, self.chips)
        journal, office = CardJournal(self._ordered), self._office
        personaliser = Personaliser(office.authority, timed, self._order, os.urandom, office.clock, journal=journal)
        state = personaliser.run()
        if state.status is not Status.AWAITING_HANDOVER:
            raise RuntimeError(f"a card that is to be handed over was expected, not one that is {state.status}")
        return store.snapshot()


@contextlib.contextmanager
def line() -> Iterator[Line]:
    """A line in a temporary home."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        office = Offices(Path(folder) / "offices").at(Stage.BLANK, Path(folder))
        yield Line(office)


class Curves:
    """A card's operations on elliptic curves, alone."""

    def __init__(self) -> None:
        self._key = fresh_key()
        self._scalar = self._key.private_numbers().private_value.to_bytes(32)
        self._public = self._key.public_key()
        self._signature = self._key.sign(bytes(500), ec.ECDSA(hashes.SHA256()))

    def run(self) -> None:
        """All of them."""
        for _ in range(KEY_PAIRS):
            fresh_key()
        for _ in range(STORED_KEYS):
            private_key(self._scalar)
        for _ in range(SIGNATURES):
            self._key.sign(bytes(500), ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        for _ in range(VERIFICATIONS):
            self._public.verify(self._signature, bytes(500), ec.ECDSA(hashes.SHA256()))
        for _ in range(AGREEMENTS):
            self._key.exchange(ec.ECDH(), self._public)


def run(effort: Effort) -> Iterator[Item]:
    """The whole, its parts, and the floor; then the files with the wait for the disk."""
    with line() as maker, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        cells = maker.make()
        files = Files(Path(folder), cells)
        parts: dict[str, list[float]] = {"chip": [], "host": []}

        def card(count: int) -> float:
            maker.chips.seconds = 0.0
            whole = repeat(maker.make)(count)
            parts["chip"].append(maker.chips.seconds / count)
            parts["host"].append((whole - maker.chips.seconds) / count)
            return whole

        contenders = {"card": card, "floor": repeat(Curves().run), "file": files.write_by(CPU)}
        times = in_turns(contenders, effort.rounds, effort.slice_seconds)
        chip, host = (parts[name][-effort.rounds :] for name in ("chip", "host"))
        whole = [card + file for card, file in zip(times["card"], times["file"], strict=True)]
        yield limit("issuing: a card, all but books and face", milliseconds(whole), CARD_MILLISECONDS, "ms")
        for name, part in (("the host's part", host), ("the chip's part", chip), ("its sealed file", times["file"])):
            yield limit(f"issuing: of that {name}", milliseconds(part), CARD_MILLISECONDS, "ms")
        yield cost(
            "issuing: a card, against its elliptic curves alone", whole, times["floor"], TIMES_THE_FLOOR, "OpenSSL"
        )
        waits = in_turns({"ours": files.write_by(WALL), "bare": files.write_bare}, effort.rounds // 4 + 1, 0.0)
        yield cost("issuing: files by the group, with the wait", waits["ours"], waits["bare"], 1, "a bare file, synced")


class Files:
    """Groups of sealed card files in a folder, and bare files of their size."""

    def __init__(self, folder: Path, cells: Mapping[str, bytes]) -> None:
        self._folder = folder
        self._cells = cells
        self._key = os.urandom(32)
        write_card_files(folder, self._key, [NewCard("first", cells, b"first")])
        self._size = (folder / "first").stat().st_size

    def write_by(self, now: Callable[[], float]) -> Measure:
        """Measure files written by the group, each file's share, by a clock."""

        def measure(count: int) -> float:
            group = [NewCard(f"{number}", self._cells, os.urandom(16)) for number in range(GROUP)]
            seconds = 0.0
            for _ in range(count):
                start = now()
                write_card_files(self._folder, self._key, group)
                seconds += now() - start
                for card in group:
                    (self._folder / card.name).unlink()
            return seconds / GROUP

        return measure

    def write_bare(self, count: int) -> float:
        """Measure a file of as many bytes, written and synced."""
        path = self._folder / "bare"
        seconds = 0.0
        for _ in range(count):
            start = WALL()
            with path.open("wb") as file:
                file.write(bytes(self._size))
                file.flush()
                os.fsync(file.fileno())
            seconds += WALL() - start
            path.unlink()
        return seconds


def milliseconds(seconds: list[float]) -> list[float]:
    """Seconds as milliseconds."""
    return [1e3 * value for value in seconds]
