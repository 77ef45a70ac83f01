"""The card's end of a handshake: how long it waits, in which order it must come, and what ends it."""

from __future__ import annotations

import pytest

from jukicard.applets.gp.channel_commands import delay_after
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.securechannel.scp03 import TRANSPORT_KEYS
from tests.support import chips
from tests.support.chips import Chip, say

INITIALIZE_UPDATE = "80 50 00 00 08 0000000000000000"


def test_four_attempts_are_free_then_the_wait_doubles_up_to_five_seconds() -> None:
    expected = [0.0, 0.0, 0.0, 0.0, 0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert [delay_after(attempts) for attempts in range(13)] == pytest.approx(expected)
    assert delay_after(255) == 5.0  # no more attempts are counted


def test_an_attempt_waits_for_those_before_it_and_not_for_itself() -> None:
    chip = chips.blank()
    for _ in range(7):
        assert chip.ask(INITIALIZE_UPDATE).sw == 0x9000
    assert chip.delays == pytest.approx([0.0, 0.0, 0.0, 0.0, 0.0, 0.1, 0.2])


def wrong_cryptogram(chip: Chip, cla: int = 0x84) -> int:
    return chip.ask(CommandAPDU(cla, 0x82, 0x33, 0, bytes(16)).encode()).sw


def test_external_authenticate_needs_a_handshake_of_its_own() -> None:
    chip = chips.blank()
    plain = CommandAPDU(0x80, 0x82, 0x33, 0, bytes(8)).encode()
    assert chip.ask(plain).sw == 0x6985
    session = chip.scp03(TRANSPORT_KEYS)
    assert say(session, 0x80, 0x82, 0x33, 0, bytes(8)).sw == 0x6985
    assert say(session, 0x80, 0xF2, 0x80, 0x02, b"\x4f\0").sw == 0x9000


def test_in_a_session_of_scp11_nobody_authenticates_by_scp03() -> None:
    chip = chips.active().chip()
    session = chips.juki_session(chip)
    assert say(session, 0x80, 0x82, 0x33, 0, bytes(8)).sw == 0x6985
