"""A chip, its reference model and its hosts: every command goes to both, and what comes is held against each oracle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.card.card import Card
from jukicard.card.ports import Ports
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord
from jukicard.reader.emulator import EmulatorConnection
from jukicard.securechannel.messages import HostMessages, SecureMessagingError, SecurityLevel
from jukicard.securechannel.scp03 import (
    InitializeUpdateResponse,
    StaticKeys,
    derive_session_keys,
    host_cryptogram,
)
from jukicard.securechannel.scp11 import (
    KeyAgreementRequest,
    KeyAgreementResponse,
    Variant,
    ephemeral_key_object,
    receipt,
    session_keys,
)
from jukicard.testing.rsakeys import FixedKeys
from jukicard.testing.seeds import randomness
from tests.fuzz import people
from tests.fuzz.domain_rules import keys_in_force
from tests.fuzz.facts import Entry, Fact, fact, objects
from tests.fuzz.folder_rules import WINDOW
from tests.fuzz.model import ANYTHING, Expectation, Model, protects, readable, wire_size
from tests.fuzz.oracles import (
    SUCCESS,
    Finding,
    called,
    check_estimates,
    check_registry,
    holds_secret,
    is_written,
    listed,
    secrets_of,
)
from tests.fuzz.tables import MODULES, TABLES
from tests.fuzz.wire import covered, parse
from tests.support import chips
from tests.support.chains import private_key
from tests.support.chips import WatchedStore

Step = tuple[Any, ...]
"""What a host does, as a literal: its name and its arguments."""


_ROM = chips.rom()


@dataclass(slots=True)
class Host:
    """The host's end of a session on one logical channel."""

    messages: HostMessages
    kid: int
    level: int
    dek: bytes | None
    terminal: str = ""


@dataclass(slots=True)
class Tally:
    """What was seen: commands, those valid inside a session, the status words of each row."""

    commands: int = 0
    valid_inside: int = 0
    seen: Counter[tuple[str, int]] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        self.commands += other.commands
        self.valid_inside += other.valid_inside
        self.seen.update(other.seen)


class World:
    """One card in one reader."""

    def __init__(self, start: str, seed: object, tally: Tally | None = None) -> None:
        self.tally = tally if tally is not None else Tally()
        self._begin(people.START[start](), Ports(randomness(("fuzz", seed)), keys=FixedKeys(), strict=True))

    def _begin(self, cells: Mapping[str, bytes], ports: Ports) -> None:
        """Power up a chip with these cells; nobody has said anything to it yet."""
        self.store = WatchedStore(cells)
        self.model = Model(cells, TABLES, MODULES)
        self.model.certificates = people.certificates()
        self.model.stored = self.store.read
        self.hosts: list[Host | None] = [None] * 4
        self.handshakes: dict[int, tuple[Host, bytes]] = {}
        self.exchanges: list[tuple[bytes, bytes]] = []
        self._ports = ports
        self._secrets = secrets_of(dict(cells))
        self._power_on()

    def _power_on(self) -> None:
        self.card = Card(self.store, _ROM, self._ports)
        self.card.power_on()

    # --- steps

    def do(self, step: Step) -> None:
        """Do what a step says; Finding where the chip errs."""
        name, *arguments = step
        getattr(self, f"do_{name}")(*arguments)

    def do_reset(self) -> None:
        self.card.reset()
        self._lose()

    def do_power(self) -> None:
        self.card.power_off()
        self._power_on()
        self._lose()

    def _lose(self) -> None:
        self.model.reset()
        self.hosts = [None] * 4
        self.handshakes.clear()
        self.exchanges.append((b"", b""))

    def do_raw(self, *commands: bytes) -> None:
        for command in commands:
            self.send(command)

    def do_secure(self, number: int, plain: tuple[Any, ...], twist: str = "", amount: int = 0) -> None:
        """Send a command in the session of a logical channel (in the clear without one), maybe twisted."""
        cmd = CommandAPDU(*plain)
        host = self.hosts[number]
        if host is None:
            self.send(cmd.encode())
            return
        raw = self._wrapped(number, host, cmd)
        if twist == "bit":
            position = amount % (8 * len(raw))
            twisted = bytearray(raw)
            twisted[position >> 3] ^= 1 << (position & 7)
            self._receive(number, host, bytes(twisted))
        elif twist == "cut":
            self._receive(number, host, *links(raw, amount))
        else:
            self._receive(number, host, raw)
            if twist == "again":
                self.send(raw)
                self.hosts[number] = None

    def _wrapped(self, number: int, host: Host, cmd: CommandAPDU) -> bytes:
        raw = host.messages.wrap(cmd).encode()
        channel = self.model.channels[number]
        if channel is not None and channel.session is not None and channel.session.host is host:
            channel.session.following = (covered(parse(raw)), cmd.data)
        return raw

    def _receive(self, number: int, host: Host, *raws: bytes) -> None:
        """Send a wrapped command, in links perhaps; fetch and open what comes."""
        for raw in raws:
            expected, answer = self.send(raw)
        session = expected.session
        if session is None or session.host is not host or not self._alive(number, host):
            self.hosts[number] = None  # it did not reach the session, or ended it
            return
        data = answer[:-2]
        while answer[-2] == 0x61:
            _, answer = self.send(bytes((number, 0xC0, 0, 0, 0)))
            data += answer[:-2]
        try:
            plain = host.messages.unwrap(ResponseAPDU(data, StatusWord(int.from_bytes(answer[-2:]))))
        except SecureMessagingError:
            raise Finding("an answer in a session is not protected as agreed") from None
        self._check_plain(expected, plain.data, int(plain.sw))

    def _alive(self, number: int, host: Host) -> bool:
        channel = self.model.channels[number]
        return channel is not None and channel.session is not None and channel.session.host is host

    def _check_plain(self, expected: Expectation, data: bytes, sw: int) -> None:
        if sw >> 8 not in SUCCESS:
            return
        if expected.learn is not None:
            expected.learn(data)
        self._check_proof(expected, data)
        if isinstance(expected.data, bytes):
            if data != expected.data:
                raise Finding(f"{called(expected)} answers other data in the session than the model")
        elif expected.data is not None:
            if len(data) != expected.data:
                raise Finding(f"{called(expected)} answers {len(data)} bytes, not {expected.data}")
        else:
            self._check_secrets(expected, data, passwords=True)

    # --- handshakes

    def do_scp03(self, number: int, kvn: int, level: int, challenge: bytes, flaw: str = "") -> None:
        """Open SCP03 with the keys that the card has; `flaw`: a wrong cryptogram, or left open (see do_finish)."""
        cla = 0x80 | number
        _, answer = self.send(bytes((cla, 0x50, kvn, 0, 8)) + challenge + b"\0")
        self.hosts[number] = None
        if answer[-2:] != b"\x90\x00":
            return
        update = InitializeUpdateResponse.parse(answer[:-2])
        static = self.static_keys(number, update.kvn)
        context = challenge + update.challenge
        keys = derive_session_keys(static, context)
        proof = host_cryptogram(keys, context)
        host = Host(HostMessages(keys, SecurityLevel.C_MAC), 0x01, level, static.dek)
        session = self.model.channels[number].session
        assert session is not None
        session.host, session.expected = host, proof
        self.handshakes[number] = host, bytes(8) if flaw == "cryptogram" else proof
        if flaw != "open":
            self.do_finish(number)

    def do_finish(self, number: int) -> None:
        """Finish the handshake of SCP03 that was begun on a logical channel."""
        if number not in self.handshakes:
            return
        host, proof = self.handshakes.pop(number)
        level = host.level
        _, answer = self.send(self._wrapped(number, host, CommandAPDU(0x80 | number, 0x82, level, 0, proof)))
        if answer == b"\x90\x00":
            host.messages.unwrap(ResponseAPDU())
            host.messages.raise_level(SecurityLevel(level))
            self.hosts[number] = host

    def static_keys(self, number: int, kvn: int) -> StaticKeys:
        """The key set that a handshake on this logical channel uses, as it lies in the cells."""
        where, _ = self._keys(number)
        ((_, value),) = objects(self.model.cells[f"{where}key/01/{kvn:02x}"])
        return StaticKeys(*(part for _, part in objects(value)))

    def _keys(self, number: int) -> tuple[str, list[tuple[int, int]]]:
        entry = self.selected(number)
        if not self.model.module(entry).is_domain:
            entry = self.model.entry(entry.domain)
        return keys_in_force(self.model, entry)

    def selected(self, number: int) -> Entry:
        """What is selected on an open logical channel."""
        channel = self.model.channels[number]
        assert channel is not None
        return self.model.entry(channel.application)

    def do_scp11a(self, number: int, terminal: str, ephemeral: int) -> None:
        """Show a terminal's certificates and open SCP11a."""
        key = people.terminals()[terminal]
        self.hosts[number] = None
        for position, der in enumerate(key.certificates, 1):
            p2 = 0x10 | (0x80 if position < len(key.certificates) else 0)
            _, answer = self.send(CommandAPDU(0x80 | number, 0x2A, 0, p2, der, 256).encode())
            if answer != b"\x90\x00":
                return
        self._agree(number, Variant.SCP11A, 0x82, 0x11, ephemeral, terminal)

    def do_scp11b(self, number: int, ephemeral: int) -> None:
        """Open SCP11b."""
        self.hosts[number] = None
        self._agree(number, Variant.SCP11B, 0x88, 0x13, ephemeral, "")

    def _agree(self, number: int, variant: Variant, ins: int, kid: int, ephemeral: int, terminal: str) -> None:
        own = ephemeral_key(ephemeral)
        request = request_for(variant, ephemeral)
        where, pairs = self._keys(number)
        _, answer = self.send(CommandAPDU(0x80 | number, ins, 0, kid, request, 256).encode())
        if answer[-2:] != b"\x90\x00":
            return
        kvn = next(kvn for found, kvn in pairs if found == kid)
        ((_, scalar),) = objects(self.model.cells[f"{where}key/{kid:02x}/{kvn:02x}"])
        public = _public_key(scalar)
        agreed = KeyAgreementResponse.parse(answer[:-2])
        static = people.terminals()[terminal].agree(public) if terminal else own.exchange(ec.ECDH(), public)
        receipt_key, keys = session_keys(own.exchange(ec.ECDH(), agreed.card_key), static)
        proof = receipt(receipt_key, request, ephemeral_key_object(agreed.card_key))
        if proof != agreed.receipt:
            raise Finding("the receipt of a key agreement is wrong")
        host = Host(HostMessages(keys, SecurityLevel.FULL, proof), kid, 0x33, None, terminal)
        self.model.channels[number].session.host = host
        self.hosts[number] = host

    # --- one command and its oracles

    def send(self, raw: bytes) -> tuple[Expectation, bytes]:
        """Ask the model, then the chip, and compare."""
        tally = self.tally
        tally.commands += 1
        expected = self.model.expect(raw)
        commits = self.store.commits
        commits.clear()
        try:
            answer = self.card.transmit(raw)
        except Finding:  # the watchdog's
            raise
        except Exception as error:
            self.exchanges.append((raw, b""))
            raise Finding(f"{called(expected)} raises {type(error).__name__}: {error}") from error
        self.exchanges.append((raw, answer))
        size = len(answer)
        if size < 2:
            raise Finding(f"an answer of {size} bytes")
        sw = answer[-2] << 8 | answer[-1]
        success = sw >> 8 in SUCCESS
        if sw not in expected.sws and not (sw >> 8 == 0x61 and expected.data != b""):
            raise Finding(f"{called(expected)} answers {sw:04X}, the model {listed(expected.sws)}")
        if size > 2 and not success:
            raise Finding(f"{called(expected)} answers data with {sw:04X}")
        if size > expected.limit + 2:
            raise Finding(f"{called(expected)} answers {size - 2} bytes where {expected.limit} fit")
        changes = self._changes(expected)
        self.model.settle(expected, answer, changes)
        if changes and any(holds_secret(cell, content) for cell, content in changes.items()):
            self._secrets = secrets_of(self.store.snapshot())
        if success:
            self._check_answer(expected, answer, sw)
            if expected.protected:
                tally.valid_inside += 1
        if expected.row is not None:
            tally.seen[expected.row.key, sw] += 1
        return expected, answer

    def _changes(self, expected: Expectation) -> dict[str, Fact | None]:
        """What the command changed in the store; Finding where it may not."""
        before, changed = self.model.cells, self._written()
        if expected.changes is None:
            refused = self.exchanges[-1][1][-2] not in SUCCESS
            stray = [cell for cell in changed if refused or not cell.startswith(expected.areas)]
            if stray:
                raise Finding(f"{called(expected)} {'is refused and ' if refused else ''}writes {stray}")
            if "registry" in changed:
                check_registry(before["registry"], changed["registry"])
            check_estimates(before, changed)
            self._object(expected, changed)
            return changed
        wanted = {cell: new for cell, new in expected.changes.items() if new is ANYTHING or before.get(cell) != new}
        if changed.keys() != wanted.keys() or any(
            new is not ANYTHING and changed[cell] != new for cell, new in wanted.items()
        ):
            raise Finding(f"{called(expected)} changes {sorted(changed)}, the model {sorted(wanted)}, or otherwise")
        return changed

    def _written(self) -> dict[str, Fact | None]:
        """The cells that are not what they were before the command, as facts."""
        changed: dict[str, Fact | None] = {}
        for commit, _ in self.store.commits:
            for cell, content in commit.items():
                changed[cell] = None if content is None else fact(cell, content)
        return {cell: new for cell, new in changed.items() if self.model.cells.get(cell) != new}

    def _object(self, expected: Expectation, changed: dict[str, Fact | None]) -> None:
        if changed and expected.objection is not None:
            answer = self.exchanges[-1][1]
            if objection := expected.objection(int.from_bytes(answer[-2:]), changed):
                raise Finding(f"{called(expected)} answers {answer[-2:].hex()} and {objection}")

    def _check_answer(self, expected: Expectation, answer: bytes, sw: int) -> None:
        """The data of a success as they travel: their length, in the clear their content, no secret."""
        data = answer[:-2]
        whole = wire_size(expected)
        if whole is not None:
            if (whole > expected.limit) != (sw >> 8 == 0x61) or len(data) != min(whole, expected.limit):
                raise Finding(f"{called(expected)} answers {len(data)} bytes and {sw:04X}; there are {whole}")
            left = min(whole - expected.limit, 256) & 0xFF
            if sw >> 8 == 0x61 and sw & 0xFF != left:
                raise Finding(f"{called(expected)} announces {sw & 0xFF} bytes, and {left} wait")
        if not data:
            return
        if expected.learn is not None and sw == 0x9000 and not protects(expected):
            expected.learn(data)
        if sw == 0x9000 and not protects(expected):
            self._check_proof(expected, data)
        if isinstance(expected.data, bytes) and not protects(expected):
            if data != expected.data[: len(data)]:
                raise Finding(f"{called(expected)} answers other data than the model")
        else:
            self._check_secrets(expected, data, passwords=expected.data is None and not expected.protected)

    def _check_proof(self, expected: Expectation, data: bytes) -> None:
        if expected.proves is not None and not expected.proves(data):
            raise Finding(f"{called(expected)} answers what is no signature, or not the key that is kept")

    def _check_secrets(self, expected: Expectation, data: bytes, *, passwords: bool) -> None:
        told = readable(expected)
        for secret in self._secrets[0]:
            if secret in data and secret not in told and not is_written(secret, self.model.cells):
                raise Finding(f"{called(expected)} answers a secret of {len(secret)} bytes")
        if passwords and any(secret in data for secret in self._secrets[1]):
            raise Finding(f"{called(expected)} answers a password")
        hidden = expected.hidden() if expected.hidden is not None else ()
        if hidden and any(data[at : at + WINDOW] in hidden for at in range(len(data) - WINDOW + 1)):
            raise Finding(f"{called(expected)} answers what nobody here may read")


@lru_cache(maxsize=64)
def ephemeral_key(number: int) -> ec.EllipticCurvePrivateKey:
    """One of the hosts' ephemeral keys."""
    return private_key(5000 + number)


@lru_cache(maxsize=64)
def request_for(variant: Variant, ephemeral: int) -> bytes:
    """The data of a key agreement."""
    return KeyAgreementRequest(variant, ephemeral_key(ephemeral).public_key()).encode()


@lru_cache(maxsize=256)
def _public_key(scalar: bytes) -> ec.EllipticCurvePublicKey:
    return ec.derive_private_key(int.from_bytes(scalar), ec.SECP256R1()).public_key()


def links(raw: bytes, size: int) -> list[bytes]:
    """A command as a chain of commands with at most `size` bytes of data each; itself where it has no more."""
    cmd = CommandAPDU.parse(raw)
    parts = [cmd.data[at : at + size] for at in range(0, len(cmd.data), max(1, size))] or [b""]
    chained = [CommandAPDU(cmd.cla | 0x10, cmd.ins, cmd.p1, cmd.p2, part) for part in parts[:-1]]
    last = CommandAPDU(cmd.cla, cmd.ins, cmd.p1, cmd.p2, parts[-1], cmd.ne)
    return [link.encode() for link in (*chained, last)]


def connection(start: str) -> EmulatorConnection:
    """A connection to such a card as the cases have: what their dialogues are played to."""
    ports = Ports(randomness(("fuzz", 0)), keys=FixedKeys(), strict=True)
    return EmulatorConnection(Card(WatchedStore(people.START[start]()), _ROM, ports))
