"""One of the two cards: a fuzzer's world without its verdicts, whose random bytes come from a stream per domain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple
from unittest import mock

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256

from jukicard.applets.jpki import signing
from jukicard.applets.wasm.engine import Instance
from jukicard.card.ports import Ports
from jukicard.card.registry import CELL, Contents
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.testing.rsakeys import FixedKeys
from jukicard.testing.seeds import randomness
from tests.fuzz.model import Expectation, protects
from tests.fuzz.oracles import Finding
from tests.fuzz.world import Tally, World
from tests.independence.secrets import Secret

LOST = 0x6F00
"""What a host makes of a command that no card has answered."""


class Answer(NamedTuple):
    """What one command brought: all that its host can see of it, and the row (by its key) that answered.

    `waits` are the seconds that the chip waited, `steps` the fuel that loaded code used: see `counted`.
    """

    command: bytes
    answer: bytes
    waits: tuple[float, ...]
    steps: int
    row: str

    @property
    def sw(self) -> int:
        """The status word."""
        return int.from_bytes(self.answer[-2:])


@contextmanager
def counted() -> Iterator[list[int]]:
    """Count the work of loaded code meanwhile, in the steps of its fuel counter: one number for each of its runs.

    It is asked of the engine, not of the program: one that trapped is gone.
    """
    steps: list[int] = []
    honest = Instance.run

    def run(self: Instance, name: str, call: Callable[..., int]) -> int:
        try:
            return honest(self, name, call)
        finally:
            steps.append(self.steps)

    with mock.patch.object(Instance, "run", run):
        yield steps


@contextmanager
def unsalted() -> Iterator[None]:
    """RSASSA-PSS without salts meanwhile: they are OpenSSL's own random bytes, and tell any two signatures apart."""
    with mock.patch.object(signing, "_PSS", padding.PSS(padding.MGF1(SHA256()), 0)):
        yield


class Streams:
    """The randomness port: one stream of bytes for each name, of which one is on at a time."""

    def __init__(self, seed: object) -> None:
        self._seed = seed
        self._streams: dict[bytes, Callable[[int], bytes]] = {}
        self.name = b""

    def __call__(self, count: int) -> bytes:
        if self.name not in self._streams:
            self._streams[self.name] = randomness(("independence", self._seed, self.name))
        return self._streams[self.name](count)


class HalfSecretCard(World):
    """A card, its hosts, and what they see; a model follows along, for the hosts to know what there is.

    A command on a logical channel that is not in `reach`, as a flipped bit makes it, is lost on its way.
    """

    def __init__(self, cells: Mapping[str, bytes], seed: object, secret: Secret) -> None:
        self.tally = Tally()
        self.secret = secret
        self.answers: list[Answer] = []
        self.reach = frozenset(range(4))
        self._streams, self._waits = Streams(seed), list[float]()
        ports = Ports(self._streams, delay=self._waits.append, keys=FixedKeys(), strict=True)
        self._begin(cells, ports)

    def send(self, raw: bytes) -> tuple[Expectation, bytes]:
        """Send one command and keep what comes."""
        number = raw[0] & 3 if raw else 0
        if number not in self.reach:
            return Expectation(frozenset((LOST,))), LOST.to_bytes(2)
        expected = self.model.expect(raw)
        self._streams.name = self._stream(number)
        self._waits.clear()
        self.store.commits.clear()
        try:
            with counted() as steps, unsalted():
                answer = self.card.transmit(raw)
        except Finding:  # the watchdog's
            raise
        except Exception as error:
            raise Finding(f"a command raises {type(error).__name__}: {error}") from error
        self.exchanges.append((raw, answer))
        row = expected.row.key if expected.row is not None else ""
        self.answers.append(Answer(raw, answer, tuple(self._waits), sum(steps), row))
        self.model.settle(expected, answer, self._written())
        if answer[-2:] == b"\x90\x00" and expected.learn is not None and not protects(expected):
            expected.learn(answer[:-2])
        return expected, answer

    def _check_plain(self, expected: Expectation, data: bytes, sw: int) -> None:
        if sw == 0x9000 and expected.learn is not None:
            expected.learn(data)

    def _stream(self, number: int) -> bytes:
        """The domain whose application is selected on the channel; the secret side's applications have their own."""
        services = self.card._services
        channel = services.volatile.channels[number] if services is not None else None
        if channel is None:
            return b""
        contents = self.contents
        entry = next((one for one in contents.entries if one.instance == channel.application), None)
        if entry is None:
            return b""
        return b"secret" if self.secret.holds(entry, contents) else bytes(contents.by_instance(entry.domain).aid)

    @property
    def contents(self) -> Contents:
        """The registry."""
        return Contents.parse(self.store.read(CELL))

    def open_channel(self, number: int) -> None:
        """Open a logical channel from the basic one."""
        self.send(CommandAPDU(0x00, 0x70, 0x00, number).encode())

    def do_hand(self, number: int, name: bytes) -> None:
        """Select an application, or the issuer's domain, on a logical channel that another side has had so far."""
        self.hosts[number] = None
        self.handshakes.pop(number, None)
        self.send(CommandAPDU(number, 0xA4, 0x04, 0x00, name, 256).encode())

    def shown(self) -> dict[str, object]:
        """What lasts on the side that is compared: each application's entry, and its cells."""
        return self._lasting(secret=False)

    def hidden(self) -> dict[str, object]:
        """What lasts on the secret side."""
        return self._lasting(secret=True)

    def _lasting(self, *, secret: bool) -> dict[str, object]:
        contents, kept = self.contents, dict[str, object]()
        cells = self.store.snapshot()
        for entry in contents.entries:
            if self.secret.holds(entry, contents) is not secret:
                continue
            domain = contents.by_instance(entry.domain).aid
            name = str(entry.aid)
            kept[name] = entry.load_file, entry.module, domain, entry.privileges, entry.state, entry.granted
            own = {cell: content for cell, content in cells.items() if cell.startswith(entry.area)}
            kept.update((f"{name} {cell[len(entry.area) :]}", content) for cell, content in own.items())
        return kept
