"""How many APDUs per second go through PC/SC: our connection, pcscd, vpcd, our host, the chip.

    python benchmarks/bench_pcscd.py [--count 500] [--rounds 10] [--json]

From the repository's root, with the packages pcscd and vsmartcard-vpcd installed, as root or with unprivileged user
namespaces. An issued card stands in one reader, served by `juki serve`; a card that does nothing, in a process of its
own as well, in the other: it shows the floor that the stack itself sets. They are measured in turns, a round of one
and a round of the other, so that what else the machine does touches both; each command in one transaction.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a file, like the other benchmarks

from jukicard.applets.juki.layout import JUKI_AID
from jukicard.card.store import MemoryStore
from jukicard.iso7816.errors import TransportError
from jukicard.reader.cardfile import CardFile
from jukicard.reader.chip import Interface
from jukicard.reader.emulator import EmulatorConnection
from jukicard.reader.pcsc import PcscConnection, open_pcsc
from jukicard.reader.vpcd import VpcdHost
from tests.support.inserted import wait_until
from tests.support.issued import Offices, Stage, new_card
from tests.support.null_card import NullCard
from tests.support.pcscd import PrivatePcscd

SELECT_JUKI = bytes.fromhex("00A4040C0A") + bytes(JUKI_AID)
COMMANDS = {  # name: the command, how the chip is prepared for it, the bytes of its answer
    "SELECT (no answer)": (bytes.fromhex("00A4040C08A000000151000000"), b"", 0),
    "SELECT (FCI, 81 bytes)": (bytes.fromhex("00A4040008A000000151000000"), b"", 81),
    "GET CHALLENGE (8 bytes)": (bytes.fromhex("0084000008"), b"", 8),
    "READ BINARY (256 bytes)": (bytes.fromhex("00B0820000"), SELECT_JUKI, 256),
}
NULL_CARD = "--null-card-at"
WANTED = 5000
"""SELECT per second."""


@dataclass(frozen=True)
class Result:
    """Medians over the rounds: commands per second, the share of the null card's, latency in microseconds."""

    command: str
    per_second: int
    null_card: int
    ratio: float
    p50_us: float
    p99_us: float


def measure(transmit: Callable[[bytes], bytes], command: bytes, count: int) -> list[float]:
    """The durations of `count` commands, in microseconds."""
    durations = []
    for _ in range(count):
        before = time.perf_counter_ns()
        transmit(command)
        durations.append((time.perf_counter_ns() - before) / 1000)
    return durations


def compare(name: str, chip: PcscConnection, floor: PcscConnection, count: int, rounds: int) -> Result:
    """Measure one command at both cards, in turns."""
    command, before, size = COMMANDS[name]
    rates, floors, durations = [], [], []
    with chip.transaction(), floor.transaction():
        if before:
            chip.transmit(before)
        answer = chip.transmit(command)
        assert (answer[-2:], len(answer) - 2) == (b"\x90\x00", size), answer
        for _ in range(rounds):
            floors.append(count / sum(measure(floor.transmit, command, count)) * 1e6)
            measured = measure(chip.transmit, command, count)
            durations += measured
            rates.append(count / sum(measured) * 1e6)
    ratio = statistics.median(rate / lowest for rate, lowest in zip(rates, floors, strict=True))
    cuts = statistics.quantiles(durations, n=100)
    numbers = (round(statistics.median(rates)), round(statistics.median(floors)), round(ratio, 2))
    return Result(name, *numbers, round(cuts[49], 1), round(cuts[98], 1))


def in_process(name: str, transmit: Callable[[bytes], bytes], count: int) -> int:
    """The chip alone, without reader: commands per second."""
    command, before, _ = COMMANDS[name]
    if before:
        transmit(before)
    return round(count / sum(measure(transmit, command, count)) * 1e6)


@contextlib.contextmanager
def card_process(pcscd: PrivatePcscd, reader: int, command: list[str], environment: dict[str, str]) -> Iterator[str]:
    """A card in a process of its own; the reader's name."""
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            name = pcscd.reader_names[reader]
            wait_until(lambda: _opens(name), "the card")
            yield name
        finally:
            process.send_signal(signal.SIGTERM)


def _opens(name: str) -> bool:
    try:
        open_pcsc(name).close()
    except TransportError:
        return False
    return True


def run(count: int, rounds: int) -> tuple[list[Result], dict[str, int]]:
    """Everything, in a temporary folder."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        office = Offices(folder / "offices").at(Stage.ACTIVE, folder)
        card = folder / "card.juki"
        CardFile.create(card, office.authority.storage_key, office.cells, card_id=b"benchmark").close()
        office.close()
        alone_card = EmulatorConnection(new_card(MemoryStore(office.cells)))
        alone = {name: in_process(name, alone_card.transmit, count * rounds) for name in COMMANDS}
        pcscd = stack.enter_context(PrivatePcscd(2))
        stack.enter_context(pcscd.use_here())
        environment = {**os.environ, "JUKI_HOME": str(office.home)}
        address = f"127.0.0.1:{pcscd.ports[0]}"
        serve = [sys.executable, "-m", "jukicard.cli", "serve", str(card), "--vpcd", address]
        nothing = [sys.executable, __file__, NULL_CARD, str(pcscd.ports[1])]
        names = [
            stack.enter_context(card_process(pcscd, reader, command, environment))
            for reader, command in enumerate((serve, nothing))
        ]
        chip, floor = (stack.enter_context(contextlib.closing(open_pcsc(name))) for name in names)
        return [compare(name, chip, floor, count, rounds) for name in COMMANDS], alone


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500, help="commands of each kind in a round")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    parser.add_argument(NULL_CARD, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.null_card_at:
        host = VpcdHost(NullCard(), Interface.CONTACT, port=options.null_card_at)
        signal.signal(signal.SIGTERM, lambda *_: host.stop())
        host.run()
        return
    results, alone = run(options.count, options.rounds)
    if options.json:
        rows = [{**vars(result), "in_process": alone[result.command]} for result in results]
        print(json.dumps(rows, indent=2))
        return
    for result in results:
        print(
            f"{result.command:24} {result.per_second:>6}/s   {result.ratio:.2f} of the null card's "
            f"{result.null_card:>6}/s   p50 {result.p50_us:>6} µs   p99 {result.p99_us:>6} µs   "
            f"in process {alone[result.command]:>7}/s"
        )
    print(f"wanted: {WANTED} SELECT/s or more")


if __name__ == "__main__":
    main()
