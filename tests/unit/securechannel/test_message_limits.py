"""Message protection at its edges: padding, the form of Lc, and what ends a session."""

from __future__ import annotations

import pytest

from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.securechannel.messages import CardMessages, HostMessages, SecureMessagingError, SecurityLevel
from jukicard.securechannel.scp03 import SessionKeys

KEYS = SessionKeys(b"\x01" * 16, b"\x02" * 16, b"\x03" * 16)
FULL = SecurityLevel.FULL
READ = CommandAPDU(0x00, 0xB0, 0, 0)


def pair(level: SecurityLevel = FULL) -> tuple[HostMessages, CardMessages]:
    return HostMessages(KEYS, level), CardMessages(KEYS, level)


def with_mac(card: CardMessages, sealed: bytes) -> CommandAPDU:
    """A command as an end with the right keys could send it, over encrypted data of our choice."""
    mac = card._mac_of_command(bytes.fromhex("84E20000"), sealed, extended=False)
    return CommandAPDU(0x84, 0xE2, 0, 0, sealed + mac[:8])


def encrypted(plain: bytes) -> bytes:
    """Whole blocks, encrypted as the first command's data, without the padding that is put on otherwise."""
    return HostMessages(KEYS, FULL)._cipher.encrypt(1, plain)[: len(plain)]


def test_whole_blocks_with_more_behind_them_are_refused_even_with_a_right_mac() -> None:
    _, card = pair()
    good = encrypted(b"data" + b"\x80" + bytes(11))
    assert pair()[1].unwrap(with_mac(card, good)).data == b"data"
    for more in (b"x", bytes(15)):
        _, card = pair()
        with pytest.raises(SecureMessagingError):
            card.unwrap(with_mac(card, good + more))
        assert not card.alive


@pytest.mark.parametrize("data", [b"", b"fifteen bytes !"])
def test_padding_never_fills_a_block_of_its_own_after_the_mark(data: bytes) -> None:
    _, card = pair()
    with pytest.raises(SecureMessagingError):
        card.unwrap(with_mac(card, encrypted(data + b"\x80" + bytes(-(len(data) + 1) % 16) + bytes(16))))


def test_fifteen_zeros_are_padding() -> None:
    _, card = pair()
    assert card.unwrap(with_mac(card, encrypted(b"sixteen bytes ok" + b"\x80" + bytes(15)))).data == b"sixteen bytes ok"


@pytest.mark.parametrize("level", [0x03, 0x11, 0x13, 0x33])
def test_a_level_above_command_macs_is_raised_no_more(level: int) -> None:
    _, card = pair(SecurityLevel(level))
    with pytest.raises(ValueError, match="already raised"):
        card.raise_level(FULL)
    assert card.level == level


def test_an_ended_host_end_opens_no_answer_that_is_still_due() -> None:
    host, card = pair()
    card.unwrap(host.wrap(READ))
    answer = card.wrap(ResponseAPDU(b"data"))
    host.end()
    with pytest.raises(SecureMessagingError):
        host.unwrap(answer)


def test_an_ended_card_end_protects_no_answer() -> None:
    host, card = pair()
    card.unwrap(host.wrap(READ))
    card.end()
    with pytest.raises(SecureMessagingError):
        card.wrap(ResponseAPDU(b"data"))


def test_a_second_answer_ends_the_session_of_either_end() -> None:
    host, card = pair()
    card.unwrap(host.wrap(READ))
    answer = card.wrap(ResponseAPDU(b"one"))
    host.unwrap(answer)
    for act in (lambda: card.wrap(ResponseAPDU(b"two")), lambda: host.unwrap(answer)):
        with pytest.raises(SecureMessagingError):
            act()
    assert not card.alive
    assert not host.alive
    with pytest.raises(SecureMessagingError):
        host.wrap(READ)


@pytest.mark.parametrize("ne", [255, 256, 257, 65536])
def test_ne_above_256_makes_a_command_extended(ne: int) -> None:
    host, card = pair()
    received = CommandAPDU.parse(host.wrap(CommandAPDU(0, 0xB0, 0, 0, b"", ne)).encode())
    assert card.unwrap(received).ne == ne


@pytest.mark.parametrize("nc", [246, 247, 248, 300])
def test_a_chain_of_short_commands_has_the_form_of_the_whole(nc: int) -> None:
    """Nothing but the length of the reassembled data tells that it is extended."""
    host, card = pair(SecurityLevel.C_MAC)
    wrapped = host.wrap(CommandAPDU(0x80, 0xE2, 0x90, 0, bytes(nc)))
    assert card.unwrap(CommandAPDU(wrapped.cla, 0xE2, 0x90, 0, wrapped.data)).data == bytes(nc)


def test_the_parts_of_a_level_are_single_bits_of_p1() -> None:
    """GlobalPlatform Amendment D, table 7-6."""
    parts = (SecurityLevel.C_MAC, SecurityLevel.C_DECRYPTION, SecurityLevel.R_MAC, SecurityLevel.R_ENCRYPTION)
    assert [int(part) for part in parts] == [0x01, 0x02, 0x10, 0x20]
    assert FULL == sum(parts) == 0x33
