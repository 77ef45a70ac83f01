"""What a chip forgets: at a reset all of it, at the end of a session what was proved in it."""

from __future__ import annotations

import pytest

from jukicard.card.volatile import CHANNELS, Challenge, Channel, Environment, Session, TerminalChain, Volatile
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.status import StatusWord
from jukicard.securechannel.certificates import ChainVerifier
from jukicard.securechannel.messages import CardMessages, SecurityLevel
from jukicard.securechannel.scp03 import SessionKeys
from tests.support.chips import NATIONAL_ROOT

SECRET = b"\xa5\x5a" * 8


def session() -> Session:
    messages = CardMessages(SessionKeys(SECRET, SECRET, SECRET), SecurityLevel.FULL)
    return Session(
        1, 1, 3, messages, SecurityLevel.FULL, authenticated=True, dek=SECRET, expected=SECRET, key_set=SECRET
    )


@pytest.fixture
def channel() -> Channel:
    """A channel on which much has been proved."""
    used = Channel(2, 7, (0x0A00,), 0x0001, 3)
    used.session = session()
    used.security.verified.add(0x81)
    used.security.authenticated.add(0x91)
    used.challenge = Challenge(SECRET, used.session)
    used.environment = Environment({(0xB6, 0x80): 0x82}, used.session)
    used.terminal = TerminalChain(ChainVerifier(NATIONAL_ROOT.public_key(), today=None), 3, 1, 0x10, complete=True)
    used.personalises = 9
    used.listing = (b"one",)
    used.partial = CommandAPDU(0, 0xD6, 0, 0, SECRET)
    used.pending, used.pending_sw = SECRET, StatusWord.END_OF_FILE
    return used


def proved(channel: Channel) -> tuple[object, ...]:
    passwords, keys = channel.security.verified, channel.security.authenticated
    asked = channel.challenge, channel.environment, channel.terminal
    return channel.session, passwords, keys, asked, channel.personalises, channel.listing


NOTHING_PROVED = (None, set(), set(), (None, None, None), None, ())


def current(channel: Channel) -> tuple[object, ...]:
    return channel.application, channel.current_directory, channel.current_file, channel.current_record


def test_the_end_of_a_session_is_the_end_of_all_that_was_proved_in_it(channel: Channel) -> None:
    channel.end_session()
    assert proved(channel) == NOTHING_PROVED
    assert current(channel) == (7, (0x0A00,), 0x0001, 3)


def test_a_new_session_inherits_nothing(channel: Channel) -> None:
    opened = session()
    channel.open_session(opened)
    assert channel.session is opened
    channel.session = None
    assert proved(channel) == NOTHING_PROVED


def test_another_application_finds_neither_session_nor_file(channel: Channel) -> None:
    channel.select(8)
    assert current(channel) == (8, (), None, None)
    assert proved(channel) == NOTHING_PROVED


def test_another_current_file_takes_the_record_pointer_away(channel: Channel) -> None:
    channel.make_current((1, 2), 0x0002)
    assert current(channel) == (7, (1, 2), 0x0002, None)


def test_a_security_environment_is_a_value_that_nobody_can_change() -> None:
    with pytest.raises(AttributeError):
        Environment({}, None).session = session()  # type: ignore[misc]


def test_after_a_reset_only_the_basic_channel_is_open_and_nothing_is_proved() -> None:
    after = Volatile.at_reset(5)
    basic, *others = after.channels
    assert others == [None] * (CHANNELS - 1)
    assert len(after.channels) == 4
    assert basic == Channel(0, 5)
    assert proved(basic) == NOTHING_PROVED
    assert after.basic is basic
    assert current(basic) == (5, (), None, None)
    assert (basic.partial, basic.pending, basic.pending_sw) == (None, b"", 0x9000)
    assert not TerminalChain(ChainVerifier(NATIONAL_ROOT.public_key(), today=None), 3, 1, 0x10).complete


def test_an_application_is_in_use_elsewhere_only_on_another_open_channel() -> None:
    state = Volatile.at_reset(5)
    basic = state.channels[0]
    assert basic is not None
    assert not state.selected(5, basic)
    other = state.channels[2] = Channel(2, 6)
    assert state.selected(6, basic)
    assert not state.selected(5, basic)
    assert state.selected(5, other)
    assert not state.selected(7, other)


def test_no_representation_shows_a_secret(channel: Channel) -> None:
    shown = repr(channel) + repr(channel.session)
    assert repr(SECRET)[2:-1] not in shown
    assert "messages" not in shown
