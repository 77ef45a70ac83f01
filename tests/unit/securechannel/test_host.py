"""The host's handshakes and secure connection, over links of either kind, with honest and with false cards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.connection import ApduLimits, CardConnection, send
from jukicard.iso7816.errors import (
    AuthenticationFailed,
    CardRemoved,
    CardStatusError,
    MalformedResponse,
)
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.wrappers import standard
from jukicard.securechannel import scp03
from jukicard.securechannel.authorization import Role, TerminalAuthorization
from jukicard.securechannel.host import (
    LocalTerminalKey,
    SecureConnection,
    StaticKeyring,
    open_scp03,
    open_scp11a,
    open_scp11b,
)
from jukicard.securechannel.messages import LEVELS
from jukicard.securechannel.scp03 import StaticKeys
from tests.support.chains import authority, leaf, private_key
from tests.support.channel_card import ANCHOR_KEY, STATIC_KEY, ChannelCard

CHALLENGE = bytes(range(8))
TRANSPORT = StaticKeyring(scp03.TRANSPORT_KEYS)
MIDDLE, TERMINAL_KEY, EPHEMERAL = (private_key(number) for number in (21, 22, 23))
TERMINAL = LocalTerminalKey(
    TERMINAL_KEY,
    (
        authority("middle", "root", MIDDLE).signed(ANCHOR_KEY),
        leaf("terminal", "middle", TERMINAL_KEY, TerminalAuthorization(Role.CS, frozenset(), "*")).signed(MIDDLE),
    ),
)
LINKS = [ApduLimits.SHORT, ApduLimits(300, 256), ApduLimits.EXTENDED]


def by_scp03(connection: CardConnection) -> SecureConnection:
    return open_scp03(connection, TRANSPORT, host_challenge=CHALLENGE)


def by_scp11a(connection: CardConnection) -> SecureConnection:
    return open_scp11a(
        connection,
        kvn=1,
        card_public_key=STATIC_KEY.public_key(),
        terminal=TERMINAL,
        anchor_kvn=3,
        ephemeral=EPHEMERAL,
    )


def by_scp11b(connection: CardConnection) -> SecureConnection:
    return open_scp11b(connection, kvn=1, card_public_key=STATIC_KEY.public_key(), ephemeral=EPHEMERAL)


Way = Callable[[CardConnection], SecureConnection]
WAYS: list[Way] = [by_scp03, by_scp11a, by_scp11b]


@pytest.mark.parametrize("limits", LINKS, ids=lambda limits: str(limits.max_command))
@pytest.mark.parametrize("way", WAYS)
def test_commands_of_every_length_and_form(way: Way, limits: ApduLimits) -> None:
    card = ChannelCard(limits=limits)
    secure = way(standard(card))
    for length in (0, 1, 15, 16, 231, 232, 239, 240, 247, 248, 255, 256, 300, 700, 3000):
        for ne in (None, 256, 65536):
            for extended in (False, True):
                command = CommandAPDU(0x80, 0xCB, 0, length & 0xFF, bytes(length), ne, extended)
                assert send(secure, command).data == command.header + command.data
    assert secure.alive
    assert secure.level == 0x33


@pytest.mark.parametrize("size", [16, 24, 32])
@pytest.mark.parametrize("level", sorted(LEVELS))
def test_scp03_at_every_level_and_key_length(level: int, size: int) -> None:
    keys = StaticKeys(b"\x01" * size, b"\x02" * size, b"\x03" * size)
    card = ChannelCard(keys)
    secure = open_scp03(standard(card), StaticKeyring(keys), level=level, host_challenge=CHALLENGE)
    for _ in range(3):
        assert send(secure, CommandAPDU(0, 0xB0, 0, 0, b"", 256)).data == b"\x00\xb0\x00\x00"
        assert send(secure, CommandAPDU(0, 0xD6, 0, 0, b"data")).data == b"\x00\xd6\x00\x00data"
    assert secure.level == level
    assert (b"data" in card.received[-1]) is not bool(level & 0x02)


def test_handshake_bytes() -> None:
    card = ChannelCard()
    open_scp03(standard(card), TRANSPORT, kvn=0x30, level=0x13, host_challenge=CHALLENGE)
    first, second = card.received
    assert first.hex() == "80503000" + "08" + CHALLENGE.hex() + "00"
    assert second[:5].hex() == "8482130010"
    card.received.clear()
    by_scp11a(standard(card))
    certificates = card.received[:-1]
    assert [raw[:4].hex() for raw in certificates] == ["802a0390", "802a0310"]
    assert card.received[-1][:5].hex() == "8082011153"
    card.received.clear()
    by_scp11b(standard(card))
    assert card.received[-1][:20].hex() == "8088011353a60d9002110095013c800188810110"


def test_handshakes_on_another_logical_channel() -> None:
    card = ChannelCard()
    secure = open_scp03(standard(card), TRANSPORT, host_challenge=CHALLENGE, channel=2)
    assert [raw[0] for raw in card.received] == [0x82, 0x86]
    assert send(secure, CommandAPDU(0x02, 0xB0, 0, 0)).data[0] == 0x02


def test_wrong_keys_are_noticed_before_a_try_is_spent() -> None:
    card = ChannelCard()
    other = StaticKeyring(StaticKeys(bytes(16), bytes(16), bytes(16)))
    with pytest.raises(AuthenticationFailed) as caught:
        open_scp03(standard(card), other, host_challenge=CHALLENGE)
    assert caught.value.step == "card cryptogram"
    assert [raw[1] for raw in card.received] == [0x50]


def answering(card: ChannelCard, ins: int, change: Callable[[bytes], bytes]) -> ChannelCard:
    """Let the card's answers to one instruction be changed on their way."""
    card.tamper = lambda raw: change(raw) if card.received[-1][1] == ins else raw
    return card


@pytest.mark.parametrize("sw", [0x6300, 0x6982, 0x6983])
def test_a_host_that_the_card_does_not_believe(sw: int) -> None:
    card = answering(ChannelCard(), 0x82, lambda raw: sw.to_bytes(2, "big"))
    with pytest.raises(AuthenticationFailed) as caught:
        by_scp03(standard(card))
    assert caught.value.step == "host cryptogram"


@pytest.mark.parametrize(("ins", "way"), [(0x50, by_scp03), (0x82, by_scp03), (0x2A, by_scp11a), (0x88, by_scp11b)])
def test_other_refusals_keep_their_status(ins: int, way: Way) -> None:
    card = answering(ChannelCard(), ins, lambda raw: b"\x6a\x88")
    with pytest.raises(CardStatusError) as caught:
        way(standard(card))
    assert caught.value.sw == StatusWord.REFERENCE_NOT_FOUND


@pytest.mark.parametrize("way", WAYS)
def test_answers_that_make_no_sense(way: Way) -> None:
    first = (0x50, 0x82, 0x88)[WAYS.index(way)]
    for change in (lambda raw: raw[1:], lambda raw: b"\x90\x00", lambda raw: bytes(70) + b"\x90\x00"):
        with pytest.raises(MalformedResponse):
            way(standard(answering(ChannelCard(), first, change)))


def test_a_card_that_answers_for_another_key_version() -> None:
    card = answering(ChannelCard(), 0x50, lambda raw: raw[:10] + b"\x31" + raw[11:])
    with pytest.raises(MalformedResponse, match="key version"):
        open_scp03(standard(card), TRANSPORT, kvn=0x30, host_challenge=CHALLENGE)


@pytest.mark.parametrize(("i", "possible"), [(0x00, {0x01, 0x03}), (0x10, {0x01, 0x03}), (0x30, LEVELS - {0x33})])
def test_levels_that_the_card_does_not_offer(i: int, possible: set[int]) -> None:
    for level in LEVELS:
        card = ChannelCard(i=i)
        if level in possible:
            assert open_scp03(standard(card), TRANSPORT, level=level, host_challenge=CHALLENGE).level == level
            continue
        with pytest.raises(AuthenticationFailed) as caught:
            open_scp03(standard(card), TRANSPORT, level=level, host_challenge=CHALLENGE)
        assert caught.value.step == "security level"
        assert len(card.received) == 1


def test_arguments_out_of_range_send_nothing() -> None:
    card = ChannelCard()
    with pytest.raises(ValueError, match="8 bytes"):
        open_scp03(card, TRANSPORT, host_challenge=bytes(7))
    with pytest.raises(ValueError, match="level"):
        open_scp03(card, TRANSPORT, level=0, host_challenge=CHALLENGE)
    assert card.received == []


@pytest.mark.parametrize("way", [by_scp11a, by_scp11b])
def test_a_card_without_the_key_cannot_make_the_receipt(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.channel_card.STATIC_KEY", private_key(77))
    with pytest.raises(AuthenticationFailed) as caught:
        way(standard(ChannelCard()))
    assert caught.value.step == "receipt"


@pytest.mark.parametrize("way", [by_scp11a, by_scp11b])
def test_a_changed_receipt(way: Way) -> None:
    ins = 0x82 if way is by_scp11a else 0x88
    card = answering(ChannelCard(), ins, lambda raw: raw[:-3] + bytes((raw[-3] ^ 1,)) + raw[-2:])
    with pytest.raises(AuthenticationFailed) as caught:
        way(standard(card))
    assert caught.value.step == "receipt"


def test_a_terminal_that_the_card_does_not_know() -> None:
    stranger = LocalTerminalKey(TERMINAL_KEY, TERMINAL.certificates[1:])
    with pytest.raises(AuthenticationFailed) as caught:
        open_scp11a(
            standard(ChannelCard()),
            kvn=1,
            card_public_key=STATIC_KEY.public_key(),
            terminal=stranger,
            anchor_kvn=3,
            ephemeral=EPHEMERAL,
        )
    assert caught.value.step == "terminal certificate"


@pytest.mark.parametrize("sw", [0x6600, 0x6640, 0x6982])
def test_statuses_of_a_refused_certificate(sw: int) -> None:
    card = answering(ChannelCard(), 0x2A, lambda raw: sw.to_bytes(2, "big"))
    with pytest.raises(AuthenticationFailed) as caught:
        by_scp11a(standard(card))
    assert caught.value.step == "terminal certificate"


def test_a_terminal_without_the_key_of_its_certificate_gets_no_session() -> None:
    impostor = LocalTerminalKey(private_key(78), TERMINAL.certificates)
    card = ChannelCard()
    with pytest.raises(AuthenticationFailed):
        open_scp11a(
            standard(card),
            kvn=1,
            card_public_key=STATIC_KEY.public_key(),
            terminal=impostor,
            anchor_kvn=3,
            ephemeral=EPHEMERAL,
        )


@pytest.mark.parametrize("way", WAYS)
def test_a_changed_answer_ends_the_session(way: Way) -> None:
    card = ChannelCard()
    secure = way(standard(card))
    card.tamper = lambda raw: bytes((raw[0] ^ 1,)) + raw[1:]
    with pytest.raises(AuthenticationFailed) as caught:
        send(secure, CommandAPDU(0, 0xB0, 0, 0, b"", 256))
    assert caught.value.step == "response"
    card.tamper = lambda raw: raw
    sent = len(card.received)
    with pytest.raises(AuthenticationFailed) as caught:
        send(secure, CommandAPDU(0, 0xB0, 0, 0, b"", 256))
    assert caught.value.step == "session"
    assert (secure.alive, len(card.received)) == (False, sent)


def test_a_torn_answer_is_malformed_and_ends_the_session() -> None:
    card = ChannelCard()
    secure = by_scp03(card)
    card.tamper = lambda raw: raw[:1]
    with pytest.raises(MalformedResponse):
        send(secure, CommandAPDU(0, 0xB0, 0, 0))
    assert not secure.alive


def test_a_lost_answer_ends_the_session() -> None:
    card = ChannelCard()
    secure = by_scp03(card)

    def removed(raw: bytes) -> bytes:
        raise CardRemoved

    card.tamper = removed
    with pytest.raises(CardRemoved):
        send(secure, CommandAPDU(0, 0xB0, 0, 0))
    card.tamper = lambda raw: raw
    with pytest.raises(AuthenticationFailed):
        send(secure, CommandAPDU(0, 0xB0, 0, 0))


def test_a_reset_ends_the_session() -> None:
    card = ChannelCard()
    secure = by_scp03(card)
    secure.reset()
    assert (card.resets, secure.alive) == (1, False)
    with pytest.raises(AuthenticationFailed):
        send(secure, CommandAPDU(0, 0xB0, 0, 0))


def test_statuses_come_through() -> None:
    card = ChannelCard(limits=ApduLimits.SHORT)
    secure = by_scp03(standard(card))
    for response in (
        ResponseAPDU(b"", StatusWord(0x6A82)),
        ResponseAPDU(b"part", StatusWord.END_OF_FILE),
        ResponseAPDU(b"", StatusWord(0x63C1)),
        ResponseAPDU(bytes(600), StatusWord.MORE_DATA_AVAILABLE),
    ):
        card.handler = lambda command, response=response: response  # type: ignore[misc]
        assert send(secure, CommandAPDU(0x80, 0xF2, 0, 2, b"", 256)) == response


def test_a_command_that_cannot_be_protected_does_no_harm() -> None:
    secure = by_scp03(ChannelCard())
    with pytest.raises(ValueError, match="cannot be protected"):
        send(secure, CommandAPDU(0x84, 0xB0, 0, 0))
    assert send(secure, CommandAPDU(0x80, 0xB0, 0, 0)).sw == StatusWord.OK


def test_sensitive_data_key() -> None:
    secure = by_scp03(ChannelCard())
    plain = bytes(range(32))
    assert scp03.decrypt_sensitive(scp03.TRANSPORT_KEYS.dek, secure.encrypt_sensitive(plain)) == plain

    @dataclass
    class Store:
        """A key store that keeps the DEK to itself."""

        def session(self, update: scp03.InitializeUpdateResponse, context: bytes) -> scp03.SessionKeys:
            keys = TRANSPORT.session(update, context)
            return scp03.SessionKeys(keys.enc, keys.mac, keys.rmac)

    stored = open_scp03(ChannelCard(), Store(), host_challenge=CHALLENGE)
    with pytest.raises(ValueError, match="no key for sensitive data"):
        stored.encrypt_sensitive(plain)
    assert len(by_scp11b(ChannelCard()).encrypt_sensitive(plain)) == 32


def test_keys_do_not_show_themselves() -> None:
    assert repr(TRANSPORT) == "StaticKeyring()"
    assert "private" not in repr(TERMINAL)
