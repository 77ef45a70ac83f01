"""How many APDUs per second go through PC/SC: our connection, pcscd, vpcd, our host, a null card.

    python -m benchmarks.pcscd_rate [--count 5000] [--same-process] [--json]

From the repository's root, with the packages pcscd and vsmartcard-vpcd installed, as root or with
unprivileged user namespaces. The card runs in a process of its own unless told otherwise, as it does with
`juki serve`. The null card shows the floor that the stack itself sets.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from jukicard.iso7816.errors import TransportError
from jukicard.reader.chip import Interface
from jukicard.reader.pcsc import PcscConnection, open_pcsc
from jukicard.reader.vpcd import VpcdHost
from tests.support.inserted import inserted, wait_until
from tests.support.null_card import SELECT_ISD, NullCard
from tests.support.pcscd import PrivatePcscd

COMMANDS = {
    "SELECT": SELECT_ISD,
    "GET CHALLENGE": bytes.fromhex("0084000008"),
    "READ BINARY 256": bytes.fromhex("00B0000000"),
}
CARD_ARGUMENT = "--card-at"


def measure(connection: PcscConnection, command: bytes, count: int) -> dict[str, float]:
    """Rate per second and latency in microseconds of `count` commands in one transaction."""
    durations = []
    with connection.transaction():
        connection.transmit(command)
        start = time.perf_counter()
        for _ in range(count):
            before = time.perf_counter_ns()
            connection.transmit(command)
            durations.append((time.perf_counter_ns() - before) / 1000)
        total = time.perf_counter() - start
    cuts = statistics.quantiles(durations, n=100)
    return {"per_second": round(count / total), "p50_us": round(cuts[49], 1), "p99_us": round(cuts[98], 1)}


@contextlib.contextmanager
def card_process(pcscd: PrivatePcscd) -> Iterator[str]:
    """The null card in its own process, inserted; the reader's name."""
    command = [sys.executable, "-m", "benchmarks.pcscd_rate", CARD_ARGUMENT, str(pcscd.ports[0])]
    with pcscd.use_here(), subprocess.Popen(command) as process:
        try:
            name = pcscd.reader_names[0]
            wait_until(lambda: _opens(name), "the card")
            yield name
        finally:
            process.terminate()


@contextlib.contextmanager
def card_here(pcscd: PrivatePcscd) -> Iterator[str]:
    """The null card in this process, inserted; the reader's name."""
    with inserted(pcscd, NullCard(), settle_seconds=0) as card:
        yield card.reader_name


def _opens(name: str) -> bool:
    try:
        open_pcsc(name).close()
    except TransportError:
        return False
    return True


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000, help="commands of each kind")
    parser.add_argument("--same-process", action="store_true", help="card and host share one Python")
    parser.add_argument("--json", action="store_true")
    parser.add_argument(CARD_ARGUMENT, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.card_at:
        VpcdHost(NullCard(), Interface.CONTACT, port=options.card_at).run()
        return
    results = {}
    inserted_card = card_here if options.same_process else card_process
    with (
        PrivatePcscd() as pcscd,
        inserted_card(pcscd) as name,
        contextlib.closing(open_pcsc(name)) as connection,
    ):
        for label, command in COMMANDS.items():
            results[label] = measure(connection, command, options.count)
    if options.json:
        print(json.dumps(results, indent=2))
        return
    for label, result in results.items():
        print(f"{label:16} {result['per_second']:>7}/s   p50 {result['p50_us']:>6} µs   p99 {result['p99_us']:>6} µs")


if __name__ == "__main__":
    main()
