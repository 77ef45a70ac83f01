"""Chips with the operator application in the Juki domain, personalised by plain SCP03, without the issuing machine."""

from __future__ import annotations

from functools import lru_cache

from jukicard.applets.operator import layout
from jukicard.securechannel.authorization import Right
from jukicard.securechannel.host import SecureConnection
from tests.support import chips
from tests.support.chips import Chip, say

OPERATOR = layout.OPERATOR_AID
SERIAL = b"699201000000001"
PASSWORD, WRONG_PASSWORD = b"Kiku-1947!", b"Kiku-1948!"
KEY_NAME = bytes.fromhex("B603840182")


@lru_cache(maxsize=1)
def in_personalisation() -> dict[str, bytes]:
    """An active chip's cells, with the operator application beside the Juki application, open and empty."""
    chip = chips.active().chip("operator")
    chip.select(chips.JUKI_DOMAIN)
    chips.install(chip.scp03(chips.JUKI_KEYS), OPERATOR, OPERATOR)
    return chip.cells


@lru_cache(maxsize=1)
def written() -> dict[str, bytes]:
    """All of it is written, and it is still open."""
    chip = Chip(in_personalisation(), "operator's data")
    session = personalising(chip)
    say(session, 0x00, 0xD6, 0x86, 0x00, SERIAL, sw=0x9000)
    say(session, 0x00, 0xD6, 0x82, 0x00, b"\x30\x03abc", sw=0x9000)
    say(session, 0x00, 0x47, 0x80, 0x00, KEY_NAME, 256, sw=0x9000)
    return chip.cells


@lru_cache(maxsize=1)
def delivered() -> dict[str, bytes]:
    """Personalisation is closed; there is no password yet."""
    chip = Chip(written(), "operator's closing")
    say(personalising(chip), 0x00, 0x44, sw=0x9000)
    return chip.cells


@lru_cache(maxsize=1)
def active() -> dict[str, bytes]:
    """With its password."""
    chip = Chip(delivered(), "operator's password")
    say(at_terminal(chip, Right.SET_INITIAL_PASSWORD), 0x00, 0x24, 0x01, layout.PASSWORD, PASSWORD, sw=0x9000)
    return chip.cells


@lru_cache(maxsize=1)
def a_try_fewer() -> dict[str, bytes]:
    """Active; a try of the password was used up."""
    chip = Chip(active(), "operator's try")
    say(at_terminal(chip), 0x00, 0x20, 0x00, layout.PASSWORD, WRONG_PASSWORD, sw=0x63C4)
    return chip.cells


def personalising(chip: Chip) -> SecureConnection:
    """The application in an SCP03 session, everything protected."""
    assert chip.select(OPERATOR).sw == 0x9000
    return chip.scp03(chips.JUKI_KEYS)


def at_terminal(chip: Chip, *rights: Right, city: str = chips.CITY) -> SecureConnection:
    """The application in a terminal's SCP11a session."""
    assert chip.select(OPERATOR).sw == 0x9000
    return chip.scp11a(chips.terminal(*rights, city=city), chips.active().juki_11a)


def logged_in(chip: Chip, *rights: Right) -> SecureConnection:
    """The same with the password verified."""
    session = at_terminal(chip, *rights)
    say(session, 0x00, 0x20, 0x00, layout.PASSWORD, PASSWORD, sw=0x9000)
    return session
