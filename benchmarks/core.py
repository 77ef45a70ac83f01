"""The chip alone, in this process, beside vsmartcard's card core (`Iso7816OS.execute`): the same APDUs to both.

Ours is an issued, active card on the memory store: access rules, transactions, life cycles and its observer's port are
all in force, and its randomness is the machine's, as the peer's is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks import cards
from benchmarks.measuring import Effort, Item, Measure, in_turns, repeat, speed
from benchmarks.peer import Silence, card_core


@dataclass(frozen=True)
class Duel:
    """One command to both; where the peer knows no such refusal, its nearest one."""

    name: str
    target: float
    ours: bytes
    sw: int
    size: int = 0
    peer: bytes = b""
    peer_sw: int = 0x9000


DUELS = (
    Duel("SELECT by name", 4, cards.SELECT_ISSUER, 0x9000),
    Duel("GET CHALLENGE 8 B", 4, cards.GET_CHALLENGE, 0x9000, 8),
    Duel("READ BINARY 256 B", 10, cards.READ_256, 0x9000, 256),
    Duel("refused SELECT (absent, 6A82)", 5, cards.SELECT_ABSENT, 0x6A82, peer_sw=0x6A82),
    Duel("refused instruction (6D00)", 5, cards.UNKNOWN_INSTRUCTION, 0x6D00, peer_sw=0x6D00),
    # The peer has no access rules: its nearest refusal of a READ BINARY is that of a file that is not there.
    Duel("refused READ BINARY (rule, 6982)", 5, cards.READ_FORBIDDEN, 0x6982, 0, cards.READ_ABSENT, 0x6A82),
)


def run(effort: Effort) -> Iterator[Item]:
    """Every command, against the peer as it is and against the peer without its texts for the log."""
    with cards.issued_office() as office:
        cells = dict(office.cells)
    for duel in DUELS:
        yield from _duel(duel, cells, effort)


def _duel(duel: Duel, cells: Mapping[str, bytes], effort: Effort) -> Iterator[Item]:
    chip, core = cards.powered(cells), card_core()
    theirs = duel.peer or duel.ours
    chip.transmit(cards.SELECT_JUKI)
    core.execute(cards.SELECT_JUKI)
    cards.require(chip.transmit(duel.ours), duel.sw, duel.size)
    cards.require(core.execute(theirs), duel.peer_sw, duel.size)
    as_shipped = repeat(lambda: core.execute(theirs))

    def without_texts(count: int) -> float:
        with Silence():
            return as_shipped(count)

    contenders: dict[str, Measure] = {
        "ours": repeat(lambda: chip.transmit(duel.ours)),
        "peer": as_shipped,
        "silent": without_texts,
    }
    times = in_turns(contenders, effort.rounds, effort.slice_seconds)
    yield speed(f"in process: {duel.name}", times["ours"], times["peer"], duel.target, "vsmartcard")
    silent = f"in process: {duel.name}, peer makes no texts for its log"
    yield speed(silent, times["ours"], times["silent"], duel.target, "vsmartcard, silenced")
