"""The chip as an object: power, bugs, the store, the observer."""

from __future__ import annotations

from typing import ClassVar

import pytest

import jukicard.card.security.passwords as passwords_module
from jukicard.applets import catalogue
from jukicard.card.applet import Applet
from jukicard.card.card import ATR, Card, NotPoweredError
from jukicard.card.code import Rom
from jukicard.card.commands import FREE, INTERINDUSTRY, NO_DATA, command
from jukicard.card.context import Context
from jukicard.card.ports import Interface, Ports
from jukicard.card.store import MemoryStore
from jukicard.card.volatile import Channel, Session
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.securechannel.messages import CardMessages, SecurityLevel
from jukicard.securechannel.scp03 import SessionKeys
from tests.support import chips
from tests.support.chips import Chip, juki_session, randomness, verify


class Watcher:
    """Writes down what it is shown."""

    def __init__(self) -> None:
        self.seen: list[tuple[bytes, bytes]] = []
        self.reasons: list[str] = []

    def exchange(self, command: bytes, response: bytes) -> None:
        self.seen.append((command, response))

    def refusal(self, reason: str) -> None:
        self.reasons.append(reason)


class Buggy(Applet):
    """An applet with a bug: it writes, and falls over."""

    load_file: ClassVar[AID] = AID(b"\xf0tests")
    module: ClassVar[AID] = AID(b"\xf0buggy")
    label: ClassVar[str] = "Buggy"

    @command(INTERINDUSTRY, ins=0x10, length=NO_DATA, access=FREE, writes=False, spec="-")
    def fall_over(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        ctx.area.write("x", b"y")
        raise ZeroDivisionError("secret detail")


def with_bug(*, strict: bool) -> tuple[Card, MemoryStore, Watcher]:
    maker = chips.blank(1, 0, Buggy)
    data = chips.install_data(Buggy.module, Buggy.module, load_file=Buggy.load_file)
    chips.say(maker.scp03(chips.TRANSPORT_KEYS), 0x80, 0xE6, 0x0C, 0, data, sw=0x9000)
    store, watcher = MemoryStore(maker.cells), Watcher()
    card = Card(store, catalogue.rom((Buggy,)), Ports(randomness(1), observer=watcher, strict=strict))
    card.power_on()
    name = bytes(Buggy.module)
    assert card.transmit(b"\0\xa4\4\x0c" + bytes((len(name),)) + name) == b"\x90\0"
    return card, store, watcher


def test_a_bug_is_6f00_writes_nothing_and_resets_what_is_volatile() -> None:
    card, store, watcher = with_bug(strict=False)
    before = store.snapshot()
    assert card.transmit(bytes.fromhex("00100000")) == b"\x6f\0"
    assert store.snapshot() == before
    assert card.transmit(bytes.fromhex("00100000")) == b"\x6d\0"  # the issuer's domain is selected
    assert not any("secret" in reason for reason in watcher.reasons)


def test_a_bug_is_raised_in_strict_mode() -> None:
    card, _, _ = with_bug(strict=True)
    with pytest.raises(ZeroDivisionError):
        card.transmit(bytes.fromhex("00100000"))


def test_without_power_there_is_no_answer() -> None:
    card = Card(MemoryStore(chips.blank().cells), catalogue.rom(), Ports(randomness(1)))
    for use in (lambda: card.transmit(b"\0\xa4\4\0"), card.reset):
        with pytest.raises(NotPoweredError):
            use()
    assert card.power_on() == ATR[Interface.CONTACT] == bytes.fromhex("3BE000FF8131FE4514")
    card.power_off()
    with pytest.raises(NotPoweredError):
        card.transmit(b"\0\xa4\4\0")


def test_the_answers_to_reset_are_the_real_cards() -> None:
    card = Card(MemoryStore(chips.blank().cells), catalogue.rom(), Ports(randomness(1)))
    contactless = bytes.fromhex("3B8880010000 14E0B3819100 5E")
    assert card.power_on(Interface.CONTACTLESS) == contactless
    assert card.reset() == contactless


def test_the_observer_sees_the_wire_and_the_reasons_without_secrets() -> None:
    watcher = Watcher()
    chip = chips.active().chip()
    chip.card = Card(chip.store, catalogue.rom(), Ports(randomness(1), observer=watcher, strict=True))
    chip.card.power_on()
    session = juki_session(chip)
    verify(session, chips.WRONG_PASSWORD)
    verify(chip)
    chip.ask("00")
    assert watcher.seen == chip.exchanges
    assert len(watcher.reasons) == 2
    said = " ".join(watcher.reasons)
    for secret in (chips.PASSWORD, chips.WRONG_PASSWORD, chips.CODE):
        assert secret.decode() not in said
        assert secret.hex() not in said


def test_a_command_that_changes_nothing_writes_nothing() -> None:
    chip = chips.active().chip()
    chip.store.commits.clear()
    for command_bytes in ("00A4040000", "0084000008", "80CA006600", "00B09E0000", "00700000 01", "00", ""):
        chip.ask(command_bytes)
    assert chip.store.commits == []


def test_the_same_seed_gives_the_same_bytes_and_another_one_others() -> None:
    runs = []
    for seed in (1, 1, 2):
        chip = chips.active().chip(seed)
        verify(juki_session(chip))
        runs.append(chip.exchanges)
    assert runs[0] == runs[1] != runs[2]


def test_a_try_is_spent_before_the_comparison_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    chip = chips.active().chip()
    session = juki_session(chip)
    chip.store.commits.clear()
    spent_at_comparison = []
    compare = passwords_module.bytes_eq

    def watched(left: bytes, right: bytes) -> bool:
        spent_at_comparison.append(len(chip.store.commits))
        return compare(left, right)

    monkeypatch.setattr(passwords_module, "bytes_eq", watched)
    assert verify(session) == 0x9000
    assert spent_at_comparison == [1]


def test_opening_a_session_forgets_all_that_the_channel_knew() -> None:
    channel = Channel(0, 1, listing=(b"x",), personalises=3)
    channel.security.verified.add(0x81)
    key = bytes(16)
    messages = CardMessages(SessionKeys(key, key, key), SecurityLevel.C_MAC)
    channel.open_session(Session(1, 1, 1, messages, SecurityLevel.C_MAC, authenticated=True))
    assert not channel.security.verified
    assert (channel.listing, channel.personalises, channel.terminal) == ((), None, None)


def test_two_modules_with_one_name_make_no_rom() -> None:
    with pytest.raises(ValueError, match="two applets"):
        Rom((Buggy, Buggy))


@pytest.mark.parametrize(
    "raw", [b"", b"\0", b"\0\xa4\4", b"\0\xa4\4\0\2\1", b"\0\xa4\4\0\0\0", b"\0\xa4\4\0\0\0\5abcd"]
)
def test_what_is_no_apdu_is_6700(raw: bytes) -> None:
    assert Chip(chips.blank().cells).transmit(raw) == b"\x67\0"
