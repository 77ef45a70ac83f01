"""A hostile card: a real one whose answers are falsified, at any step of a dialogue, in any way of a list.

    card = HostileCard(EmulatorConnection(chip), Falsification(step=7, lie=LIES["one byte"]))
    ...                                        # let a host talk to it
    card.commands                              # what the host sent
    card.told                                  # whether the lie was told, and differed from the truth

Steps are raw exchanges, counted from 1: GET RESPONSE is a step of its own. A card that is asked more than `patience`
commands stops the test: the host did not come to an end.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from jukicard.iso7816.connection import CardConnection, ConnectionWrapper
from jukicard.iso7816.tlv import Tlv

OK = b"\x90\x00"
PATIENCE = 20_000
"""Exchanges after which a host is taken for one that never ends."""


class EndlessError(AssertionError):
    """The host goes on and on asking."""


@dataclass(frozen=True)
class Moment:
    """What a lie may be made of: the command, the true answer, the true answers before it, those of an earlier
    dialogue with the same card, and a source of chance.
    """

    command: bytes
    truth: bytes
    before: Sequence[bytes]
    earlier: Sequence[bytes]
    chance: random.Random

    @property
    def data(self) -> bytes:
        return self.truth[:-2]

    @property
    def sw(self) -> bytes:
        return self.truth[-2:]


Lie = Callable[[Moment], bytes]


@dataclass(frozen=True)
class Falsification:
    """From which step on which lie is told: once, or (`for_ever`) to every command from there on.

    Unless `executed`, the card does not do what it is told then; its true answer counts as 9000.
    """

    step: int
    lie: Lie
    for_ever: bool = False
    executed: bool = True


class HostileCard(ConnectionWrapper):
    """See the module.  The real card executes every command, unless told otherwise.

    `protocol` is the one in use, as a PC/SC connection tells it.
    """

    protocol = 1

    def __init__(
        self,
        inner: CardConnection,
        falsification: Falsification | None = None,
        earlier: Sequence[bytes] = (),
        patience: int = PATIENCE,
    ) -> None:
        super().__init__(inner)
        self.falsification = falsification
        self.commands: list[bytes] = []
        self.truths: list[bytes] = []
        self.told = False
        self._earlier = earlier
        self._patience = patience
        self._lying = False

    def transmit(self, command: bytes) -> bytes:
        """See CardConnection."""
        self.commands.append(command)
        if len(self.commands) > self._patience:
            raise EndlessError(f"more than {self._patience} commands")
        wanted = self.falsification
        step = len(self.commands)
        at_it = wanted is not None and step == wanted.step
        # While the host is still fetching what a 61xx promised, the lie goes on: an endless answer is one lie.
        self._lying = at_it or (
            wanted is not None
            and self._lying
            and (wanted.for_ever or command[1] == 0xC0 or command == self.commands[-2])
        )
        truth = OK if self._lying and wanted is not None and not wanted.executed else self.inner.transmit(command)
        self.truths.append(truth)
        if wanted is None or not self._lying:
            return truth
        before, earlier = self.truths[:-1], self._earlier[step - 1 : step]
        answer = wanted.lie(Moment(command, truth, before, earlier, random.Random(step)))
        self.told = self.told or answer != truth
        return answer


def _flipped(position: Callable[[int], int]) -> Lie:
    def lie(moment: Moment) -> bytes:
        if not moment.data:
            return moment.truth
        data = bytearray(moment.data)
        data[position(len(data))] ^= 1 << moment.chance.randrange(8)
        return bytes(data) + moment.sw

    return lie


def _says(sw: str) -> Lie:
    return lambda moment: bytes.fromhex(sw)


def _with_data(sw: str) -> Lie:
    return lambda moment: moment.data + bytes.fromhex(sw)


def _instead(data: bytes) -> Lie:
    return lambda moment: data + OK


def _nested(levels: int) -> bytes:
    value = b""
    for _ in range(levels):
        value = Tlv(0x6F, value).encode()
    return value


def _entry(aid: str) -> bytes:
    """One application, as GET STATUS lists it."""
    fields = bytes((0x4F, len(aid) // 2)) + bytes.fromhex(aid) + bytes.fromhex("9F700107C503000000")
    return bytes((0xE3, len(fields))) + fields


LIES: Mapping[str, Lie] = {
    # what is no answer
    "nothing": lambda moment: b"",
    "one byte": lambda moment: b"\x90",
    "half": lambda moment: moment.truth[: len(moment.truth) // 2],
    # status words without, or with, the data
    "9000": _says("9000"),
    "6F00": _says("6F00"),
    "6982": _says("6982"),
    "6983": _says("6983"),
    "6A88": _says("6A88"),
    "6A82": _says("6A82"),
    "6283": _says("6283"),
    "63C0": _says("63C0"),
    "63C2": _says("63C2"),
    "6310": _says("6310"),
    "0000": _says("0000"),
    "FFFF": _says("FFFF"),
    "data with 6282": _with_data("6282"),
    "data with 63C3": _with_data("63C3"),
    "data with 6310": _with_data("6310"),
    "data with 6A80": _with_data("6A80"),
    # without end
    "61 without end": _says("6110"),
    "6100 without end": _says("6100"),
    "61 with a byte without end": lambda moment: b"\x00\x61\x01",
    "61 with 256 bytes without end": lambda moment: bytes(256) + b"\x61\x00",
    "61 with 65,536 bytes without end": lambda moment: bytes(65536) + b"\x61\x00",
    "6C without end": _says("6C10"),
    "6C00 without end": _says("6C00"),
    "an entry with 6310 without end": lambda moment: _entry("A000000151000000") + b"\x63\x10",
    # lengths
    "4 GB": _instead(bytes.fromhex("BF2184FFFFFFFF00")),
    "16 MB": _instead(bytes.fromhex("BF2183FFFFFF00")),
    "an indefinite length": _instead(bytes.fromhex("E080")),
    "65,536 bytes": _instead(bytes(65536)),
    "65,536 bytes FF": _instead(b"\xff" * 65536),
    "65,537 bytes": _instead(bytes(65537)),
    "a megabyte": _instead(bytes(1 << 20)),
    "longer by a byte": lambda moment: moment.data + b"\x00" + moment.sw,
    "longer by 300 bytes": lambda moment: moment.data + b"\x30" * 300 + moment.sw,
    "shorter by a byte": lambda moment: moment.data[:-1] + moment.sw,
    "the first byte only": lambda moment: moment.data[:1] + moment.sw,
    "the second half": lambda moment: moment.data[len(moment.data) // 2 :] + moment.sw,
    "twice": lambda moment: moment.data * 2 + moment.sw,
    # contents
    "zeros": lambda moment: bytes(len(moment.data)) + moment.sw,
    "FF": lambda moment: b"\xff" * len(moment.data) + moment.sw,
    "noise": lambda moment: moment.chance.randbytes(len(moment.data)) + moment.sw,
    "backwards": lambda moment: moment.data[::-1] + moment.sw,
    "the command": lambda moment: moment.command + OK,
    "empty objects": _instead(bytes.fromhex("BF2100")),
    "an object with nothing known": _instead(bytes.fromhex("E0069F7F0131C000")),
    "a certificate with nothing in it": _instead(bytes.fromhex("BF21023000")),
    "objects a thousand deep": _instead(_nested(1000)),
    "a point that is none": _instead(bytes.fromhex("B041") + b"\x04" + bytes(64)),
    "two entries": _instead(_entry("A000000151000000") + _entry("F04A554B490001")),
    "the first byte flipped": _flipped(lambda size: 0),
    "a middle byte flipped": _flipped(lambda size: size // 2),
    "the last byte flipped": _flipped(lambda size: size - 1),
    **{
        f"byte {position} flipped": _flipped(lambda size, at=position: at % size) for position in (2, 5, 10, 12, 13, 29)
    },
    # replays
    "the answer before": lambda moment: moment.before[-1] if moment.before else moment.truth,
    "the first answer": lambda moment: moment.before[0] if moment.before else moment.truth,
    "the answer of an earlier dialogue": lambda moment: moment.earlier[0] if moment.earlier else moment.truth,
}
"""By name; each is told at every step.  A lie that is the truth at some step does no harm there."""
