"""Our card end against a host that is not ours: yubikit, in its USB (extended) and NFC (short, chained) forms."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from yubikit.core import TRANSPORT, Version
from yubikit.core.smartcard import ApduError, SmartCardConnection, SmartCardProtocol
from yubikit.core.smartcard.scp import KeyRef, Scp03KeyParams, Scp11KeyParams, ScpKid
from yubikit.core.smartcard.scp import StaticKeys as YubikitKeys

from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.connection import ApduLimits
from jukicard.iso7816.status import StatusWord
from jukicard.securechannel import scp03
from tests.support.chains import authority, leaf, private_key
from tests.support.channel_card import ANCHOR_KEY, STATIC_KEY, ChannelCard


class Link(SmartCardConnection):
    """A ChannelCard as yubikit sees it."""

    def __init__(self, card: ChannelCard, transport: TRANSPORT) -> None:
        self.card = card
        self._transport = transport

    @property
    def transport(self) -> TRANSPORT:
        return self._transport

    def send_and_receive(self, apdu: bytes) -> tuple[bytes, int]:
        answer = self.card.transmit(apdu)
        return answer[:-2], int.from_bytes(answer[-2:], "big")

    def close(self) -> None:
        self.card.close()


MIDDLE, TERMINAL = private_key(11), private_key(12)
CHAIN = (
    authority("middle", "root", MIDDLE).signed(ANCHOR_KEY),
    leaf("terminal", "middle", TERMINAL).signed(MIDDLE),
)
STATIC = scp03.StaticKeys(b"\x0a" * 16, b"\x0b" * 16, b"\x0c" * 16)

PARAMETERS: dict[str, Any] = {
    "SCP03": Scp03KeyParams(KeyRef(ScpKid.SCP03, 1), YubikitKeys(STATIC.enc, STATIC.mac, STATIC.dek)),
    "SCP11a": Scp11KeyParams(
        KeyRef(ScpKid.SCP11a, 1),
        STATIC_KEY.public_key(),
        KeyRef(0x10, 3),
        TERMINAL,
        [x509.load_der_x509_certificate(der) for der in CHAIN],
    ),
    "SCP11b": Scp11KeyParams(KeyRef(ScpKid.SCP11b, 1), STATIC_KEY.public_key()),
}


def open_channel(parameters: str, transport: TRANSPORT, card: ChannelCard) -> SmartCardProtocol:
    protocol = SmartCardProtocol(Link(card, transport))
    protocol.configure(Version(5, 7, 2))
    protocol.select(b"\xa0\x00\x00\x01\x51\x00\x00\x00")
    protocol.init_scp(PARAMETERS[parameters])
    return protocol


def new_card(transport: TRANSPORT) -> ChannelCard:
    limits = ApduLimits.EXTENDED if transport is TRANSPORT.USB else ApduLimits.SHORT
    return ChannelCard(STATIC, limits=limits)


@pytest.mark.parametrize("transport", [TRANSPORT.USB, TRANSPORT.NFC])
@pytest.mark.parametrize("parameters", sorted(PARAMETERS))
def test_yubikit_and_the_card_end_understand_each_other(parameters: str, transport: TRANSPORT) -> None:
    card = new_card(transport)
    protocol = open_channel(parameters, transport, card)
    # lengths around every change of form: no data, one block, the last short Lc, extended, several fragments
    lengths = [0, 1, 15, 16, 231, 232, 238, 239, 240, 246, 247, 248, 255, 256, 500, 700, 0, 1]
    for number, length in enumerate(lengths):
        data = bytes((number,)) * length
        cla = 0x80 if number % 2 else 0x00
        answer = protocol.send_apdu(cla, 0xCA, number, 0x66, data, 256 if transport is TRANSPORT.USB else 0)
        assert answer == bytes((cla, 0xCA, number, 0x66)) + data
        opened = card.opened[-1]
        assert (opened.header, opened.data) == (bytes((cla, 0xCA, number, 0x66)), data)
    forms = {raw[4] == 0 and len(raw) > 5 for raw in card.received[-3:]}
    assert forms == {transport is TRANSPORT.USB}
    assert any(raw[0] & 0x10 for raw in card.received) is (transport is TRANSPORT.NFC)


@pytest.mark.parametrize("transport", [TRANSPORT.USB, TRANSPORT.NFC])
def test_statuses_reach_yubikit(transport: TRANSPORT) -> None:
    card = new_card(transport)
    protocol = open_channel("SCP03", transport, card)
    for sw, data in ((0x6A88, b""), (0x6310, b"more to come"), (0x63C2, b""), (0x9000, b"")):
        script = ResponseAPDU(data, StatusWord(sw))
        card.handler = lambda command, script=script: script  # type: ignore[misc]
        if sw == 0x9000:
            assert protocol.send_apdu(0, 0xCA, 0, 0x66) == b""
            continue
        with pytest.raises(ApduError) as caught:
            protocol.send_apdu(0, 0xCA, 0, 0x66)
        assert (caught.value.sw, caught.value.data) == (sw, data)


def test_yubikit_notices_other_keys_before_it_spends_a_try() -> None:
    card = ChannelCard()
    with pytest.raises(ValueError, match="Incorrect SCP parameters"):
        open_channel("SCP03", TRANSPORT.USB, card)
    assert [raw[1] for raw in card.received] == [0xA4, 0x50]


def test_yubikit_empty_data_are_encrypted_and_mean_none() -> None:
    card = new_card(TRANSPORT.USB)
    protocol = open_channel("SCP11b", TRANSPORT.USB, card)
    protocol.send_apdu(0x80, 0xCA, 0, 0x66)
    assert CommandAPDU.parse(card.received[-1]).nc == 16 + 8
    assert card.opened[-1].data == b""
