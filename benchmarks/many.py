"""Many chips in one process, and many files in one application: memory for each, and a cost that must stay flat.

    python -m benchmarks.many CHIPS ROUNDS SECONDS DISTINCT    (the process that it starts, for a heap of its own)

The chips are issued ones. Only a few are really issued (it takes a second each); the others get copies of their cells,
every name and content an object of its own, so that nothing is shared that chips from different files would not share.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from benchmarks import cards
from benchmarks.measuring import Effort, Item, Measure, cost, in_turns, limit, repeat
from jukicard.applets.gp.client import DomainClient
from jukicard.applets.gp.layout import ISSUER_DOMAIN_AID, LOAD_FILE
from jukicard.card.applet import Applet
from jukicard.card.card import Card
from jukicard.card.context import Context
from jukicard.card.files.commands import FileCommands
from jukicard.card.files.structures import FileKind, FileSpec
from jukicard.card.objects import LifeCycle
from jukicard.card.store import MemoryStore
from jukicard.iso7816.access import AccessMode, AccessRules, Always, ModeDo
from jukicard.iso7816.aid import AID
from jukicard.iso7816.wrappers import standard
from jukicard.issuer.line.cardkeys import CardKeyring
from jukicard.reader.emulator import EmulatorConnection
from jukicard.testing.offices import Office, Offices, Setting, Stage

KILOBYTES_PER_CHIP = 100
FLAT = 1.25
"""What cost may be at the most, in proportion to that of one chip, or of few files."""

DISTINCT = 8
"""How many chips are really issued."""

FEW_FILES = 5
_DIALOGUE = (
    cards.SELECT_JUKI,
    *(bytes((0x00, 0xB0, high, 0, 0)) for high in (0x82, 1, 2, 3, 4, 5, 6)),
    cards.GET_CHALLENGE,
)
"""What a terminal asks of every card first: selection, its certificates, a challenge."""


def run(effort: Effort) -> Iterator[Item]:
    """Memory and cost of many chips, then the cost of many files."""
    distinct = min(DISTINCT, effort.runs)
    numbers = (effort.chips, effort.rounds, effort.slice_seconds, distinct)
    command = [sys.executable, "-m", "benchmarks.many", *map(str, numbers)]
    measured = json.loads(subprocess.run(command, check=True, capture_output=True, cwd=cards.ROOT).stdout)
    title = f"{effort.chips:,} chips in one process"
    yield limit(f"{title}, each", [measured["kilobytes"]], KILOBYTES_PER_CHIP, "kB")
    yield cost(f"{title}, a command", measured["all"], measured["one"], FLAT, "one chip")
    yield from _files(effort)


# --- many chips


def crowd(chips: int, rounds: int, slice_seconds: float, distinct: int) -> dict[str, object]:
    """Make the chips; return kilobytes for each, and the seconds of a command at one of them and at all in turns."""
    templates = [_issued(seed) for seed in range(distinct)]
    powered = [cards.powered(templates[0])]
    _talk(powered[0])
    gc.collect()
    before = _resident()
    for number in range(1, chips):
        powered.append(cards.powered(_copied(templates[number % distinct])))
        _talk(powered[-1])
    gc.collect()
    kilobytes = (_resident() - before) / max(1, chips - 1) / 1000
    everybody = itertools.cycle(powered)
    contenders = {
        "one": repeat(lambda: _talk(powered[0])),
        "all": repeat(lambda: _talk(next(everybody))),
    }
    times = in_turns(contenders, rounds, slice_seconds)
    per_command = {name: [value / len(_DIALOGUE) for value in values] for name, values in times.items()}
    return {"kilobytes": kilobytes, **per_command}


def _issued(seed: int) -> Mapping[str, bytes]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        setting = Setting(f"chip {seed}")
        office = Offices(Path(folder) / "offices", setting).at(Stage.ACTIVE, Path(folder))
        office.close()
        return office.cells


def _copied(cells: Mapping[str, bytes]) -> dict[str, bytes]:
    """The same cells, every object a new one."""
    return {name.encode().decode(): bytes(bytearray(content)) for name, content in cells.items()}


def _talk(card: Card) -> None:
    for command in _DIALOGUE:
        card.transmit(command)


def _resident() -> int:
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


# --- many files


class FilesApplet(FileCommands, Applet):
    """An application with as many files as its installation parameters say (two bytes); the first have SFIs."""

    load_file: ClassVar[AID] = LOAD_FILE
    module: ClassVar[AID] = AID(b"\xf0files")
    label: ClassVar[str] = "Files"

    def install(self, ctx: Context, parameters: bytes) -> None:
        """Create the files."""
        free = AccessRules(((ModeDo.modes(AccessMode.READ | AccessMode.UPDATE), Always()),))
        for number in range(1, int.from_bytes(parameters) + 1):
            sfi = number if number <= FEW_FILES else None
            spec = FileSpec(0x1000 + number, FileKind.TRANSPARENT, free, free, sfi=sfi, size=256)
            ctx.files.create(spec, LifeCycle.ACTIVATED)


_SELECT_FILES = bytes((0x00, 0xA4, 0x04, 0x00, len(bytes(FilesApplet.module)))) + bytes(FilesApplet.module) + b"\0"
_UPDATE = bytes.fromhex("00D6820010") + bytes(16)


def _files(effort: Effort) -> Iterator[Item]:
    with cards.issued_office() as office:
        few, many = (_with_files(office, count) for count in (FEW_FILES, effort.files))
        for name, make in _ACTIONS.items():
            contenders: dict[str, Measure] = {"few": repeat(make(office, few)), "many": repeat(make(office, many))}
            times = in_turns(contenders, effort.rounds, effort.slice_seconds)
            yield cost(f"{effort.files} files: {name}", times["many"], times["few"], FLAT, f"{FEW_FILES} files")


def _with_files(office: Office, count: int) -> Card:
    """A copy of the office's card with such an application in the issuer's domain, which has room enough, selected."""
    card = cards.powered(MemoryStore(office.cells), FilesApplet)
    domain = DomainClient(standard(EmulatorConnection(card)), ISSUER_DOMAIN_AID)
    domain.select()
    domain.open_scp03(CardKeyring(office.authority), os.urandom(8))
    domain.install(FilesApplet.module, FilesApplet.module, parameters=count.to_bytes(2))
    return card


def _transmitting(*commands: bytes) -> Callable[[Office, Card], Callable[[], object]]:
    def make(office: Office, card: Card) -> Callable[[], object]:
        card.transmit(_SELECT_FILES)
        for command in commands:
            answer = card.transmit(command)
            cards.require(answer, 0x9000, len(answer) - 2)
        return lambda: [card.transmit(command) for command in commands]

    return make


def _handshake(office: Office, card: Card) -> Callable[[], object]:
    """SCP03 at the domain of the application with the files, both sides: keys are found among all cells."""
    domain = DomainClient(standard(EmulatorConnection(card)), ISSUER_DOMAIN_AID)
    domain.select()
    keyring = CardKeyring(office.authority)
    return lambda: domain.open_scp03(keyring, os.urandom(8))


_ACTIONS = {
    "SELECT by name": _transmitting(_SELECT_FILES),
    "READ BINARY 256 B": _transmitting(cards.READ_256),
    "UPDATE BINARY 16 B": _transmitting(_UPDATE),
    "SCP03 session, both sides": _handshake,
}


if __name__ == "__main__":
    count, rounds, seconds, distinct = sys.argv[1:]
    print(json.dumps(crowd(int(count), int(rounds), float(seconds), int(distinct))))
