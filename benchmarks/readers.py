"""APDUs per second through PC/SC: our connection, pcscd, vpcd, our host, the chip.

    python -m benchmarks.readers --null-card-at PORT    (one of the processes that it starts)

Three readers of one private pcscd, three processes: an issued card served by `juki serve`, a card that does nothing on
the very same host (the floor that the stack itself sets), and vsmartcard's vicc. They are measured in turns, each in
one transaction, by one client. Needs the packages of scripts/system-packages, and root or unprivileged user namespaces.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from benchmarks import cards
from benchmarks.measuring import WALL, Effort, Item, Measure, in_turns, repeat, speed
from jukicard.iso7816.errors import TransportError
from jukicard.reader.cardfile import CardFile
from jukicard.reader.chip import Chip, Interface
from jukicard.reader.pcsc import PcscConnection, open_pcsc
from jukicard.reader.vpcd import VpcdHost
from tests.support.inserted import wait_until
from tests.support.null_card import NullCard
from tests.support.pcscd import PrivatePcscd

NULL_CARD = "--null-card-at"
"""The option that names the port of the process that serves a null card."""


@dataclass(frozen=True)
class Command:
    """One command, the bytes of its answer, and what is wanted of its rate: of the null card's, times vicc's."""

    name: str
    apdu: bytes
    size: int
    of_the_null_card: float | None = None
    times_vicc: float | None = None


COMMANDS = (
    Command("SELECT by name", cards.SELECT_ISSUER, 0, 0.85, 1.4),
    Command("READ BINARY 256 B", cards.READ_256, 256, 0.85, 3),
)


def run(effort: Effort) -> Iterator[Item]:
    """Both commands against the null card and against vicc."""
    with contextlib.ExitStack() as stack:
        connections = _inserted(stack)
        for connection in connections.values():
            stack.enter_context(connection.transaction())
        for command in COMMANDS:
            yield from _compare(command, connections, effort)


def _compare(command: Command, connections: Mapping[str, PcscConnection], effort: Effort) -> Iterator[Item]:
    contenders: dict[str, Measure] = {}
    for name, connection in connections.items():
        connection.transmit(cards.SELECT_JUKI)
        cards.require(connection.transmit(command.apdu), 0x9000, command.size)
        contenders[name] = _transmitting(connection.transmit, command.apdu)
    times = in_turns(contenders, effort.pcscd_rounds, effort.pcscd_seconds)
    if command.of_the_null_card:
        title = f"through pcscd: {command.name}, of the null card's rate"
        yield speed(title, times["ours"], times["null card"], command.of_the_null_card, "null card")
    if command.times_vicc:
        yield speed(
            f"through pcscd: {command.name}, against vicc", times["ours"], times["vicc"], command.times_vicc, "vicc"
        )


def _transmitting(transmit: Callable[[bytes], bytes], apdu: bytes) -> Measure:
    return repeat(lambda: transmit(apdu), WALL)


def _inserted(stack: contextlib.ExitStack) -> dict[str, PcscConnection]:
    """Put the three cards into the three readers, and connect to each."""
    office = stack.enter_context(cards.issued_office())
    card = office.home / "card.juki"
    CardFile.create(card, office.authority.storage_key, office.cells, card_id=b"benchmark").close()
    pcscd = stack.enter_context(PrivatePcscd(3))
    stack.enter_context(pcscd.use_here())
    python = (sys.executable, "-m")
    processes = {
        "ours": (*python, "jukicard.cli", "serve", str(card), "--vpcd", f"127.0.0.1:{pcscd.ports[0]}"),
        "null card": (*python, "benchmarks.readers", NULL_CARD, str(pcscd.ports[1])),
        "vicc": (*python, "benchmarks.peer", str(pcscd.ports[2])),
    }
    environment = {**os.environ, "JUKI_HOME": str(office.home), "PYTHONPATH": str(cards.ROOT)}
    connections = {}
    for (name, command), reader in zip(processes.items(), pcscd.reader_names, strict=True):
        stack.enter_context(running(command, environment))
        until_inserted(reader)
        connections[name] = stack.enter_context(contextlib.closing(open_pcsc(reader)))
    return connections


@contextlib.contextmanager
def running(command: tuple[str, ...], environment: Mapping[str, str]) -> Iterator[None]:
    """A process as long as the block lasts."""
    with subprocess.Popen(command, cwd=cards.ROOT, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)


def until_inserted(reader: str) -> None:
    """Wait until a card can be opened in the reader of that name."""
    wait_until(lambda: _opens(reader), f"a card in {reader}")


def _opens(reader: str) -> bool:
    try:
        open_pcsc(reader).close()
    except TransportError:
        return False
    return True


def serve_null_card(chip: Chip) -> None:
    """Be the process that serves a null card: read its port from the command line, and serve until a SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument(NULL_CARD, type=int, required=True)
    host = VpcdHost(chip, Interface.CONTACT, port=parser.parse_args().null_card_at)
    signal.signal(signal.SIGTERM, lambda *_: host.stop())
    host.run()


if __name__ == "__main__":
    serve_null_card(NullCard())
