"""Secure channels on the memory store: the card's own time, held against its cryptographic primitives alone.

The host's side runs too (it must: its messages are protected with fresh keys) but is not counted: `Clock` adds up what
`Card.transmit` takes. The primitives of `benchmarks.primitives` are timed in the same rounds, with the same number and
sizes of certificates and messages.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from benchmarks import cards, primitives
from benchmarks.measuring import CPU, Clock, Effort, Item, Measure, cost, in_turns, limit
from jukicard.applets.gp.client import DomainClient
from jukicard.applets.gp.layout import JUKI_DOMAIN_AID
from jukicard.applets.juki.client import JukiClient
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.connection import ApduLimits, send
from jukicard.iso7816.wrappers import standard
from jukicard.issuer.authority.terminals import Area
from jukicard.issuer.counter.authentication import CardDialogue, authenticate
from jukicard.issuer.keys.keystore import CARD_KEY_SIZE
from jukicard.issuer.line.cardkeys import CardKeyring
from jukicard.issuer.line.provers import card_channel_key, ephemeral_key
from jukicard.securechannel.scp11 import encode_point
from jukicard.testing.offices import PASSWORD, Office

READ_MICROSECONDS = 30
HOLDER_EXCHANGES = ((0, 28), (0, 7), (4, 0), (0, 11))
"""Plain bytes of the protected commands of a holder authentication: EF.CARD, EF.STATUS, VERIFY, the resident code."""


class WatchedCard:
    """A chip in the emulator's place, with a clock that runs while the chip works."""

    limits = ApduLimits.EXTENDED

    def __init__(self, office: Office) -> None:
        self.card = cards.powered(office.cells)
        self.clock = Clock()
        self.transmit = self.clock.watch(self.card.transmit)
        self.atr = b""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See CardConnection."""
        yield

    def reset(self) -> None:
        """See CardConnection."""
        self.card.reset()

    def close(self) -> None:
        """See CardConnection."""
        self.card.power_off()

    def spent(self, action: Callable[[], object]) -> Measure:
        """Measure the card's time in what a host does."""

        def measure(count: int) -> float:
            before = self.clock.seconds
            for _ in range(count):
                action()
            return self.clock.seconds - before

        return measure


Flow = tuple[Callable[[], object], Callable[[primitives.Keys], object]]
"""What a host does, and the primitives that this costs the card, alone, given how their keys are set up."""

SET_UPS: dict[str, primitives.Keys] = {
    "its primitives alone": primitives.KeyOfEach,
    "the same, each key set up once": primitives.KeyOfAll,
}


def run(effort: Effort) -> Iterator[Item]:
    """The two sessions, the whole authentication, a protected reading."""
    flows = {"SCP03 session": _scp03, "SCP11a session": _scp11a, "holder authentication": _holder}
    with cards.issued_office() as office:
        for name, prepare in flows.items():
            card = WatchedCard(office)
            flow, alone = prepare(office, card)
            contenders = {"card": card.spent(flow)}
            for peer, keys in SET_UPS.items():
                contenders[peer] = _after(flow, partial(alone, keys))
            times = in_turns(contenders, effort.rounds, effort.slice_seconds)
            for number, peer in enumerate(SET_UPS):
                title = f"{name}, card's time" + (", against keys set up once" if number else "")
                yield cost(title, times["card"], times[peer], 2, peer)
        yield _protected_reading(office, WatchedCard(office), effort)


def _after(flow: Callable[[], object], alone: Callable[[], object]) -> Measure:
    """Measure the primitives once after each whole flow, so that they find the processor's caches as the card does."""

    def measure(count: int) -> float:
        seconds = 0.0
        for _ in range(count):
            flow()
            start = CPU()
            alone()
            seconds += CPU() - start
        return seconds

    return measure


def _scp03(office: Office, card: WatchedCard) -> Flow:
    """The Juki domain's key set, AES-256, level 33."""
    client = DomainClient(standard(card), JUKI_DOMAIN_AID)
    client.select()
    keyring = CardKeyring(office.authority)
    enc, mac = os.urandom(CARD_KEY_SIZE), os.urandom(CARD_KEY_SIZE)
    return (lambda: client.open_scp03(keyring, os.urandom(8))), (lambda keys: primitives.scp03_session(enc, mac, keys))


def _scp11a(office: Office, card: WatchedCard) -> Flow:
    """The counter's terminal, its certificates and the key agreement."""
    client = JukiClient(standard(card))
    client.select()
    key = card_channel_key(client, office.authority, today=office.setting.day).public_key
    terminal = office.authority.terminal_key("counter")
    return (lambda: client.open_scp11a(terminal, key, ephemeral_key(os.urandom))), _scp11a_primitives(office)


def _scp11a_primitives(office: Office) -> Callable[[primitives.Keys], primitives.Channel]:
    anchor = encode_point(office.authority.anchor(Area.JUKI))
    chain = [primitives.read(der) for der in office.authority.terminal_key("counter").certificates]
    host, static = encode_point(primitives.fresh_key().public_key()), os.urandom(31)
    return lambda keys: primitives.scp11a_session(anchor, chain, static, host, keys)


def _holder(office: Office, card: WatchedCard) -> Flow:
    """All of it: certificates read, card, terminal and holder proved, the resident code read."""
    session, scalar = _scp11a_primitives(office), os.urandom(31)

    def authentication() -> None:
        dialogue = CardDialogue(office.authority, card, os.urandom, today=office.setting.day)
        authenticate(dialogue, PASSWORD)

    return authentication, lambda keys: primitives.holder_authentication(
        scalar, partial(session, keys), HOLDER_EXCHANGES
    )


def _protected_reading(office: Office, card: WatchedCard, effort: Effort) -> Item:
    """READ BINARY of 256 bytes at level 33, in one command and one response (extended: they do not fit a short one)."""
    client = JukiClient(standard(card))
    client.select()
    secure = client.open_scp03(CardKeyring(office.authority), os.urandom(8))
    command = CommandAPDU(0x00, 0xB0, 0x82, 0x00, b"", 256, extended=True)
    cards.require(send(secure, command).encode(), 0x9000, 256)
    times = in_turns({"card": card.spent(lambda: send(secure, command))}, effort.rounds, effort.slice_seconds)
    name = "protected READ BINARY 256 B (SCP03, level 33), card's time"
    return limit(name, [1e6 * seconds for seconds in times["card"]], READ_MICROSECONDS, "µs")
