"""A handshake ends with the keys that it began with, or not at all; and GET RESPONSE is a command like any other."""

from __future__ import annotations

import pytest

from jukicard.applets.gp.layout import KID_SCP03
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.errors import HostError
from jukicard.securechannel.host import StaticKeyring, open_scp03
from jukicard.securechannel.scp03 import StaticKeys
from tests.support import chips
from tests.support.chips import Chip

OTHER = chips.static_keys("another set")


class Interrupted(Chip):
    """A chip on which somebody acts between the two commands of a handshake on channel 1."""

    def __init__(self, chip: Chip, act: object) -> None:
        self._chip, self._act = chip, act

    def transmit(self, command: bytes) -> bytes:
        if command[1] == 0x82:
            self._act()  # type: ignore[operator]
        return self._chip.transmit(command)


def handshake(chip: Chip, act: object, keys: StaticKeys = chips.CITY_KEYS) -> None:
    open_scp03(Interrupted(chip, act), StaticKeyring(keys), kvn=chips.KVN, host_challenge=bytes(8), channel=1)


def on_channel_1(aid: object = chips.CITY_DOMAIN) -> Chip:
    chip = chips.active().chip()
    chip.select(chips.CITY_DOMAIN)
    chip.open_channel(1)
    chip.select(chips.CITY_DOMAIN, 1)
    return chip


def test_it_ends_where_nothing_happens_meanwhile() -> None:
    handshake(on_channel_1(), lambda: None)


@pytest.mark.parametrize("new", [OTHER, StaticKeys(OTHER.enc, chips.CITY_KEYS.mac, chips.CITY_KEYS.dek)])
def test_a_key_set_that_is_replaced_meanwhile_does_not_end_it(new: StaticKeys) -> None:
    chip = on_channel_1()

    def replaced() -> None:
        session = chip.scp03(chips.CITY_KEYS)
        chips.put_key_set(session, new, chips.CITY_KEYS.dek, old=chips.KVN)

    with pytest.raises(HostError):
        handshake(chip, replaced)
    assert chip.exchanges[-1][1] == b"\x6a\x88"
    chip.scp03(new, channel=1)


def test_a_key_set_that_is_deleted_meanwhile_does_not_end_it() -> None:
    chip = on_channel_1()

    def deleted() -> None:
        session = chip.scp03(chips.CITY_KEYS)
        chips.say(session, 0x80, 0xE4, 0x00, 0x01, bytes((0xD0, 1, KID_SCP03)), sw=0x9000)

    with pytest.raises(HostError):
        handshake(chip, deleted)
    assert chip.exchanges[-1][1] == b"\x6a\x88"


def test_the_first_own_keys_of_a_domain_end_a_handshake_with_its_parents() -> None:
    chip = chips.blank()
    issuer = chip.scp03(chips.TRANSPORT_KEYS)
    chips.put_key_set(issuer, chips.ISSUER_KEYS, chips.TRANSPORT_KEYS.dek)
    chips.install(issuer, chips.gp.DOMAIN_MODULE, chips.CITY_DOMAIN, b"\xc0\x40\x00")
    chip.select(chips.CITY_DOMAIN)
    chip.open_channel(1)
    chip.select(chips.CITY_DOMAIN, 1)

    def first_own() -> None:
        session = chip.scp03(chips.ISSUER_KEYS)
        chips.put_key_set(session, chips.CITY_KEYS, chips.ISSUER_KEYS.dek)

    with pytest.raises(HostError):
        handshake(chip, first_own, chips.ISSUER_KEYS)
    assert chip.exchanges[-1][1] == b"\x6a\x88"


@pytest.mark.parametrize("between", ["00 C0 00 00 00", "00 84 00 00 08"])
def test_a_command_between_two_links_abandons_the_chain(between: str) -> None:
    chip = chips.active().chip()
    chip.select(chips.JUKI)
    link = CommandAPDU(0x10, 0x20, 0x00, 0x81, b"0000").encode()
    assert chip.ask(link).sw == 0x9000
    chip.ask(between)
    assert chip.ask("00 20 00 81").sw == 0x63C3  # taken for itself: a question, not the end of a VERIFY with data


def test_get_response_that_says_that_more_follows_is_a_link_of_a_chain() -> None:
    chip = chips.active().chip()
    assert chip.ask("00 A4 04 00 00 00 01").data
    assert chip.ask("10 C0 00 00").sw == 0x9000
    assert chip.ask("00 C0 00 00").sw == 0x6985
