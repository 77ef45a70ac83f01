"""Message protection: known answers at each level and key length, and what either end refuses."""

from __future__ import annotations

import pytest

from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord
from jukicard.securechannel.messages import (
    LEVELS,
    CardMessages,
    HostMessages,
    SecureMessagingError,
    SecurityLevel,
    security_level,
)
from jukicard.securechannel.scp03 import (
    TRANSPORT_KEYS,
    InitializeUpdateResponse,
    SessionKeys,
    card_cryptogram,
    derive_session_keys,
    host_cryptogram,
    pseudo_random_challenge,
)
from tests.support.scp03_recordings import (
    DIALOGUES,
    ISD_R,
    PLAIN_CASES,
    PLAIN_EID,
    PLAIN_GET_EID,
    Dialogue,
    key_set,
)

KEYS = SessionKeys(b"\x01" * 16, b"\x02" * 16, b"\x03" * 16)
FULL = SecurityLevel.FULL


def pair(level: SecurityLevel = FULL, keys: SessionKeys = KEYS) -> tuple[HostMessages, CardMessages]:
    return HostMessages(keys, level), CardMessages(keys, level)


def parse(text: str) -> CommandAPDU:
    return CommandAPDU.parse(bytes.fromhex(text))


@pytest.fixture(params=DIALOGUES, ids=lambda dialogue: f"AES{8 * dialogue.key_size}-{dialogue.level:02X}")
def dialogue(request: pytest.FixtureRequest) -> Dialogue:
    found: Dialogue = request.param
    return found


def handshake(dialogue: Dialogue) -> tuple[SessionKeys, bytes]:
    update = InitializeUpdateResponse.parse(bytes.fromhex(dialogue.answer))
    static = key_set(dialogue.key_size)
    assert update.sequence is not None
    assert pseudo_random_challenge(static.enc, update.sequence, ISD_R) == update.challenge
    context = parse(dialogue.initialize_update).data + update.challenge
    keys = derive_session_keys(static, context)
    assert card_cryptogram(keys, context) == update.cryptogram
    return keys, context


def test_host_end_of_a_real_session(dialogue: Dialogue) -> None:
    keys, context = handshake(dialogue)
    level = security_level(dialogue.level)
    host = HostMessages(keys, SecurityLevel.C_MAC)
    authenticate = CommandAPDU(0x80, 0x82, level, 0, host_cryptogram(keys, context))
    assert host.wrap(authenticate).encode().hex() == dialogue.external_authenticate
    assert host.unwrap(ResponseAPDU()) == ResponseAPDU()
    host.raise_level(level)
    assert host.wrap(parse(PLAIN_GET_EID)).encode().hex() == dialogue.get_eid
    assert host.unwrap(ResponseAPDU(bytes.fromhex(dialogue.eid))).data.hex() == PLAIN_EID
    for plain, protected in zip(PLAIN_CASES, dialogue.cases, strict=True):
        assert host.wrap(parse(plain)).encode().hex() == protected
        host.unwrap(ResponseAPDU(sw=StatusWord.INCORRECT_DATA))  # as the recording has no answers here


def test_card_end_of_a_real_session(dialogue: Dialogue) -> None:
    keys, context = handshake(dialogue)
    card = CardMessages(keys, SecurityLevel.C_MAC)
    authenticate = card.unwrap(parse(dialogue.external_authenticate))
    assert (authenticate.cla, authenticate.data) == (0x80, host_cryptogram(keys, context))
    assert card.wrap(ResponseAPDU()) == ResponseAPDU()
    card.raise_level(security_level(authenticate.p1))
    assert card.unwrap(parse(dialogue.get_eid)) == parse(PLAIN_GET_EID)
    assert card.wrap(ResponseAPDU(bytes.fromhex(PLAIN_EID))).data.hex() == dialogue.eid
    for plain, protected in zip(PLAIN_CASES, dialogue.cases, strict=True):
        assert card.unwrap(parse(protected)) == parse(plain)


def test_external_authenticate_of_the_transport_keys() -> None:
    # computed with two independent public implementations: challenges 00…07 and 08…0F
    keys = derive_session_keys(TRANSPORT_KEYS, bytes(range(16)))
    command = CommandAPDU(0x80, 0x82, 0x33, 0, host_cryptogram(keys, bytes(range(16))))
    wrapped = HostMessages(keys, SecurityLevel.C_MAC).wrap(command)
    assert wrapped.encode().hex() == "8482330010fafa93c2ede62463cb51e38ec18eb00b"


def test_levels() -> None:
    assert {int(level) for level in LEVELS} == {0x01, 0x03, 0x11, 0x13, 0x33}
    for value in range(0x100):
        if value in LEVELS:
            assert security_level(value) == value
        else:
            with pytest.raises(ValueError, match="no security level"):
                security_level(value)
    with pytest.raises(ValueError, match="no security level"):
        HostMessages(KEYS, SecurityLevel.R_MAC)


def test_a_level_is_raised_once_and_a_chain_has_sixteen_bytes() -> None:
    host, _ = pair(SecurityLevel.C_MAC)
    host.raise_level(FULL)
    assert host.level == FULL
    with pytest.raises(ValueError, match="already raised"):
        host.raise_level(SecurityLevel.C_MAC)
    with pytest.raises(ValueError, match="16 bytes"):
        CardMessages(KEYS, FULL, bytes(8))


@pytest.mark.parametrize(
    ("plain", "secured"),
    [
        (0x00, 0x04),
        (0x80, 0x84),
        (0x03, 0x07),
        (0x82, 0x86),
        (0x40, 0x60),
        (0x4F, 0x6F),
        (0xC0, 0xE0),
        (0xCE, 0xEE),
    ],
)
def test_class_bytes_keep_their_channel_and_the_mac_does_not_cover_it(plain: int, secured: int) -> None:
    host, card = pair()
    wrapped = host.wrap(CommandAPDU(plain, 0xCA, 0, 0x66, b"x"))
    assert wrapped.cla == secured
    base = HostMessages(KEYS, FULL).wrap(CommandAPDU(plain & 0x80, 0xCA, 0, 0x66, b"x"))
    assert wrapped.data == base.data
    assert card.unwrap(wrapped) == CommandAPDU(plain, 0xCA, 0, 0x66, b"x")


def test_chaining_bit_of_the_last_fragment_is_not_covered() -> None:
    host, card = pair()
    wrapped = host.wrap(CommandAPDU(0x80, 0xE2, 0x90, 0, b"x"))
    chained = CommandAPDU(wrapped.cla | 0x10, 0xE2, 0x90, 0, wrapped.data)
    assert card.unwrap(chained).cla == 0x80


@pytest.mark.parametrize("cla", [0x04, 0x84, 0x08, 0x0C, 0x10, 0x90, 0x20, 0xA0, 0x60, 0x50, 0xFF])
def test_host_refuses_classes_that_are_not_plain_and_stays_usable(cla: int) -> None:
    host, card = pair()
    with pytest.raises(ValueError, match="cannot be protected"):
        host.wrap(CommandAPDU(cla, 0xB0, 0, 0))
    assert card.unwrap(host.wrap(CommandAPDU(0x00, 0xB0, 0, 0))).ins == 0xB0


@pytest.mark.parametrize("cla", [0x00, 0x80, 0x08, 0x0C, 0x8C, 0x24, 0xA4, 0x40, 0xFF])
def test_card_accepts_nothing_but_the_globalplatform_indication(cla: int) -> None:
    host, card = pair()
    wrapped = host.wrap(CommandAPDU(0x80, 0xCA, 0, 0x66))
    with pytest.raises(SecureMessagingError):
        card.unwrap(CommandAPDU(cla, 0xCA, 0, 0x66, wrapped.data))


@pytest.mark.parametrize("header", [(0x100, 0, 0, 0), (-1, 0, 0, 0), (0, 0x100, 0, 0), (0, 0, -1, 0), (0, 0, 0, 256)])
def test_host_refuses_impossible_headers_and_stays_usable(header: tuple[int, int, int, int]) -> None:
    host, card = pair()
    with pytest.raises(ValueError, match=r"."):
        host.wrap(CommandAPDU(*header, b"data"))
    assert card.unwrap(host.wrap(CommandAPDU(0x00, 0xD6, 0, 0, b"data"))).data == b"data"


def test_a_command_too_long_to_be_protected_changes_nothing() -> None:
    host, card = pair()
    with pytest.raises(ValueError, match="too long"):
        host.wrap(CommandAPDU(0, 0xD6, 0, 0, bytes(65512)))
    longest = CommandAPDU(0, 0xD6, 0, 0, bytes(65511))
    assert card.unwrap(CommandAPDU.parse(host.wrap(longest).encode())).data == longest.data


@pytest.mark.parametrize("level", sorted(LEVELS))
def test_the_form_of_lc_is_covered(level: SecurityLevel) -> None:
    # the same fields in the other form have another MAC
    for extended in (False, True):
        host, card = pair(level)
        wrapped = host.wrap(CommandAPDU(0x80, 0xE2, 0x90, 0, b"data", None, extended))
        with pytest.raises(SecureMessagingError):
            card.unwrap(CommandAPDU(wrapped.cla, 0xE2, 0x90, 0, wrapped.data, None, not extended))


@pytest.mark.parametrize(("nc", "level"), [(246, 0x01), (247, 0x01), (248, 0x01), (239, 0x33), (240, 0x33)])
def test_lc_above_255_is_extended_however_it_came(nc: int, level: int) -> None:
    host, card = pair(security_level(level))
    wrapped = host.wrap(CommandAPDU(0x80, 0xE2, 0x90, 0, bytes(nc)))
    # as reassembled from short fragments: only the sum tells the form
    reassembled = CommandAPDU(wrapped.cla, 0xE2, 0x90, 0, wrapped.data, None, wrapped.nc > 255)
    assert card.unwrap(reassembled).data == bytes(nc)


def test_le_is_not_covered_but_decides_the_form() -> None:
    host, card = pair()
    wrapped = host.wrap(CommandAPDU(0, 0xB0, 0, 0, b"", 65536))
    received = CommandAPDU.parse(wrapped.encode())
    assert received.extended
    assert card.unwrap(CommandAPDU(received.cla, 0xB0, 0, 0, received.data, 17, True)).ne == 17


def test_data_that_decrypt_to_nothing_are_no_data_and_counters_agree() -> None:
    host, card = pair()
    other = HostMessages(KEYS, FULL)
    # an end that encrypts empty data too: encrypt what `wrap` would leave alone
    other._counter = 1
    sealed = other._cipher.encrypt(1, b"")
    other._counter = 0
    mac = other._mac_of_command(bytes.fromhex("84CA0066"), sealed, extended=False)
    assert card.unwrap(CommandAPDU(0x84, 0xCA, 0, 0x66, sealed + mac[:8])).data == b""
    host._counter, host._chain = 1, mac
    assert card.unwrap(host.wrap(CommandAPDU(0x80, 0xCA, 0, 0x66, b"next"))).data == b"next"


@pytest.mark.parametrize("broken", [b"", b"x", bytes(7), bytes(8), bytes(24)])
def test_missing_or_made_up_macs_are_refused(broken: bytes) -> None:
    for level in LEVELS:
        _, card = pair(level)
        with pytest.raises(SecureMessagingError):
            card.unwrap(CommandAPDU(0x84, 0xCA, 0, 0x66, broken))


def sealed_command(card: CardMessages, sealed: bytes) -> CommandAPDU:
    """A command with a right MAC over data of our choice, so that only decryption can refuse it."""
    mac = card._mac_of_command(bytes.fromhex("84E20000"), sealed, extended=False)
    return CommandAPDU(0x84, 0xE2, 0, 0, sealed + mac[:8])


def test_right_mac_over_wrong_padding_is_the_same_error() -> None:
    helper = HostMessages(KEYS, FULL)
    blocks = [
        bytes(16),  # no 80 anywhere
        b"\x80" + bytes(31),  # more than a block of padding
        b"\x01" * 16,
        b"\x80" + bytes(14) + b"\x01",
    ]
    for block in blocks:
        _, card = pair()
        sealed = helper._cipher.encrypt(1, block)[: len(block)]  # without the padding block that encrypt adds
        command = sealed_command(card, sealed)
        with pytest.raises(SecureMessagingError, match=r"^secure messaging failed$"):
            card.unwrap(command)
        assert not card.alive
    _, card = pair()
    with pytest.raises(SecureMessagingError, match=r"^secure messaging failed$"):
        card.unwrap(sealed_command(card, bytes(15)))


def test_after_an_error_everything_fails() -> None:
    host, card = pair()
    good = host.wrap(CommandAPDU(0x80, 0xCA, 0, 0x66))
    with pytest.raises(SecureMessagingError):
        card.unwrap(CommandAPDU(0x84, 0xCA, 0, 0x67, good.data))
    for call in (lambda: card.unwrap(good), lambda: card.wrap(ResponseAPDU())):
        with pytest.raises(SecureMessagingError):
            call()
    with pytest.raises(SecureMessagingError):
        host.unwrap(ResponseAPDU(bytes(8)))
    for call in (lambda: host.wrap(CommandAPDU(0, 0xB0, 0, 0)), lambda: host.unwrap(ResponseAPDU())):
        with pytest.raises(SecureMessagingError):
            call()


def test_a_command_is_answered_once_and_only_if_there_was_one() -> None:
    for level in LEVELS:
        host, card = pair(level)
        with pytest.raises(SecureMessagingError):
            card.wrap(ResponseAPDU(b"unasked"))
        with pytest.raises(SecureMessagingError):
            host.unwrap(ResponseAPDU(b"unasked"))
        host, card = pair(level)
        card.unwrap(host.wrap(CommandAPDU(0, 0xB0, 0, 0)))
        answer = card.wrap(ResponseAPDU(b"one"))
        host.unwrap(answer)
        with pytest.raises(SecureMessagingError):
            card.wrap(ResponseAPDU(b"two"))
        with pytest.raises(SecureMessagingError):
            host.unwrap(answer)


def test_a_lost_answer_ends_the_host_end() -> None:
    host, _ = pair()
    host.wrap(CommandAPDU(0, 0xB0, 0, 0))
    with pytest.raises(SecureMessagingError):
        host.wrap(CommandAPDU(0, 0xB0, 0, 0))
    assert not host.alive


def test_a_card_may_leave_a_command_unanswered() -> None:
    # an error found after the unwrapping may go bare without the channel's help
    host, card = pair()
    card.unwrap(host.wrap(CommandAPDU(0, 0xB0, 0, 0)))
    host.unwrap(ResponseAPDU(sw=StatusWord.INTERNAL_ERROR))
    assert card.unwrap(host.wrap(CommandAPDU(0, 0xB0, 0, 1))).p2 == 1


@pytest.mark.parametrize("sw", [0x9000, 0x6282, 0x63C2, 0x6310])
def test_protected_statuses(sw: int) -> None:
    host, card = pair()
    card.unwrap(host.wrap(CommandAPDU(0, 0xB0, 0, 0)))
    protected = card.wrap(ResponseAPDU(b"", StatusWord(sw)))
    assert len(protected.data) == 8  # nothing to encrypt: the MAC alone
    assert host.unwrap(protected) == ResponseAPDU(b"", StatusWord(sw))


@pytest.mark.parametrize("sw", [0x6A82, 0x6982, 0x6700, 0x6110, 0x6C10, 0x9001])
def test_bare_statuses_carry_no_data(sw: int) -> None:
    host, card = pair()
    card.unwrap(host.wrap(CommandAPDU(0, 0xB0, 0, 0)))
    bare = card.wrap(ResponseAPDU(b"secret", StatusWord(sw)))
    assert bare == ResponseAPDU(b"", StatusWord(sw))
    assert host.unwrap(bare) == bare
    host.wrap(CommandAPDU(0, 0xB0, 0, 0))
    with pytest.raises(SecureMessagingError):
        host.unwrap(ResponseAPDU(b"forged", StatusWord(sw)))


def test_a_status_cannot_be_changed_into_a_success() -> None:
    host, card = pair()
    card.unwrap(host.wrap(CommandAPDU(0, 0x20, 0, 0x81)))
    answer = card.wrap(ResponseAPDU(b"", StatusWord(0x63C2)))
    with pytest.raises(SecureMessagingError):
        host.unwrap(ResponseAPDU(answer.data, StatusWord.OK))


def test_a_bare_success_is_refused() -> None:
    host, _ = pair(SecurityLevel(0x11))
    host.wrap(CommandAPDU(0, 0x20, 0, 0x81))
    with pytest.raises(SecureMessagingError):
        host.unwrap(ResponseAPDU())
