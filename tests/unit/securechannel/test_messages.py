"""Message protection: known answers at each level and key length, and what either end refuses."""

from __future__ import annotations

from dataclasses import dataclass

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
    StaticKeys,
    card_cryptogram,
    derive_session_keys,
    host_cryptogram,
    pseudo_random_challenge,
)

KEYS = SessionKeys(b"\x01" * 16, b"\x02" * 16, b"\x03" * 16)
FULL = SecurityLevel.FULL


def pair(level: SecurityLevel = FULL, keys: SessionKeys = KEYS) -> tuple[HostMessages, CardMessages]:
    return HostMessages(keys, level), CardMessages(keys, level)


def key_set(size: int) -> StaticKeys:
    return StaticKeys(*((bytes(range(start, start + 16)) * 2)[:size] for start in (0x00, 0x10, 0x20)))


@dataclass(frozen=True)
class Dialogue:
    """One recorded session of a real card: hexadecimal commands and responses."""

    key_size: int
    level: int
    initialize_update: str
    answer: str
    external_authenticate: str
    get_eid: str
    eid: str
    cases: tuple[str, str, str, str]


# Recorded with a real eUICC (ISD-R, AID A0000005591010FFFFFFFF8900000100); the values are in the public tests
# of the osmocom project pysim, tests/unittests/test_globalplatform.py, SCP03_Test_AES*.
PLAIN_GET_EID = "80E2910006BF3E035C015A00"
PLAIN_EID = "bf3e125a1089882119900000000000000000000005"
PLAIN_CASES = ("80F22002", "80ca006600", "80F220020a4f0212345c054f9f70c5", "80f28002024f0000")
ISD_R = bytes.fromhex("A0000005591010FFFFFFFF8900000100")
DIALOGUES = [
    Dialogue(
        16,
        0x11,
        "8050300008b13e5f938fc108c400",
        "000000000000000000003003703eb51047495b249f66c484c1d2ef1948000002",
        "84821100107d5f5826a993ebc89eea24957fa0b3ce",
        "84e291000ebf3e035c015a558d036518a2829700",
        "bf3e125a1089882119900000000000000000000005971be68992dbbdfa",
        (
            "84f220020863a63f8959827fb2",
            "84ca006608a0c6a4a74166f7ce00",
            "84f22002124f0212345c054f9f70c52249b50272656536",
            "84f280020a4f00e91443f6dce6b8ed00",
        ),
    ),
    Dialogue(
        16,
        0x03,
        "80503000088e1552d0513c60f300",
        "0000000000000000000030037030760cd2c47c1dd395065fe5ead8a9d7000001",
        "8482030010fd4721a14d9b07003c451d2f8ae6bb21",
        "84e2910018ca9c00f6713d79bc8baa642bdff51c3f6a4082d3bd9ad26c00",
        "bf3e125a1089882119900000000000000000000005",
        (
            "84f2200208c9811b11f1264cf1",
            "84ca006608e10ab60b3054798800",
            "84f22002184e2908bdb48b2315a55482e9e936ca122d6ecfae7d17416e",
            "84f28002180dd10a6b6193e5340b9e77d32d5a179cd710ac2773aefb2800",
        ),
    ),
    Dialogue(
        16,
        0x33,
        "8050300008fdf38259a1e0de4400",
        "000000000000000000003003703b1aca81e821f219081cdc01c26b372d000003",
        "84823300108c36f96bcc00724a4e13ad591d7da3f0",
        "84e2910018267a85dfe4a98fca6fb0527e0dfecce4914e40401433c87f00",
        "f3ba2b1013aa6224f5e1c138d71805c569e5439b47576260b75fc021b25097cb2e68f8a0144975b9",
        (
            "84f2200208ac6a59024bed84cc",
            "84ca006608409912ad8fb7aed000",
            "84f22002185f3dafc3ac14c381536a488bf44e06d056df9d74dbd21e5a",
            "84f280021865165105be3373347d0424d4400af2ac393f569ec779389e00",
        ),
    ),
    Dialogue(
        24,
        0x33,
        "80503100089b3f2eef0e8c937400",
        "00000000000000000000310370f6bb305a15bae1a68f79fb08212fbed7000002",
        "84823300109100bc22d58b45b86a26365ce39ff3cf",
        "84e29100188f7f946c84f70d17994bc6e8791251bb1bb1bf02cf8de58900",
        "c05176c1b6f72aae50c32cbee63b0e95998928fd4dfb2be9f27ffde8c8476f5909b4805cc4039599",
        (
            "84f2200208d5d97754b6b3d2ba",
            "84ca006608516c82b8e30adbeb00",
            "84f2200218cc247f4761e6944277a4e0d6e32e44025b1e31537e2fc668",
            "84f2800218ba22b63d509bef5d093b43e5eaed03ed23144ab2d9cb51de00",
        ),
    ),
    Dialogue(
        24,
        0x11,
        "80503100087396430b768b085b00",
        "000000000000000000003103708cfc23522ffdbf1e5df5542cac8fd866000003",
        "84821100102145ed30b146f5db252fb7e624cec244",
        "84e291000ebf3e035c015aff42cf801d14394400",
        "bf3e125a1089882119900000000000000000000005162fbd33e04940a9",
        (
            "84f22002084584e4f6784811ee",
            "84ca006608937776ebe190fa3000",
            "84f22002124f0212345c054f9f70c59a52bddf3040368c",
            "84f280020a4f009804b11411f7393d00",
        ),
    ),
    Dialogue(
        24,
        0x03,
        "805031000869c65da8202bf19f00",
        "00000000000000000000310370b570a67be38446717729d6dd3d2ec5b1000001",
        "848203001065df4f1a356a887905466516d9e5b7c1",
        "84e2910018d2c6fb477c5d4afe4fd4d21f17eff10d3578ec1774a12a2d00",
        "bf3e125a1089882119900000000000000000000005",
        (
            "84f2200208964e188f0b1bb697",
            "84ca006608f0820035a41d3e1800",
            "84f220021806b076ed452cd1fa84f77f5c08a146aa77a9286757dea791",
            "84f2800218d06527e39222dce091fabdb8e9b898417a67a6852d3577db00",
        ),
    ),
    Dialogue(
        32,
        0x11,
        "805032000811666d57866c6f5400",
        "0000000000000000000032037053ea8847efa7674e41498a4d66cf0dee000003",
        "84821100102f2ad190eff2fafc4908996d1cebd310",
        "84e291000ebf3e035c015af4b680372542b59d00",
        "bf3e125a10898821199000000000000000000000058012dd7f01f1c4c1",
        (
            "84f2200208d618b7da68d5fe52",
            "84ca0066088f3e055db23ad5e500",
            "84f22002124f0212345c054f9f70c5b6e15cc42404915e",
            "84f280020a4f00aa124aa74afe7f7500",
        ),
    ),
    Dialogue(
        32,
        0x03,
        "8050320008c6066990fc426e1d00",
        "000000000000000000003203708682cd81bbd8919f2de3f2664581f118000001",
        "848203001077c493b632edadaf865a1e64acc07ce9",
        "84e29100183ddaa60594963befaada3525b492ede23c2ab2c1ce3afe4400",
        "bf3e125a1089882119900000000000000000000005",
        (
            "84f2200208480ddc8e419da38d",
            "84ca0066083e9d6a6c0b2d732000",
            "84f22002183ebfef2da8b04af2a85f491f299b76973df76ff08a4031be",
            "84f2800218783fff80990f5585b1055010ea95094a26e4a8f1ef4b18e100",
        ),
    ),
    Dialogue(
        32,
        0x33,
        "805032000897b2055fe58599fd00",
        "00000000000000000000320370a8439a22cedf045fa9f1903b2834f26e000002",
        "8482330010508a0fd959d2e547c6b33154a6be2057",
        "84e29100187a5ef717eaf1e135ae92fe54429d0e465decda65f5fe5aea00",
        "ea90dbfa648a67c5eb6abc57f8530b97d0cd5647c5e8732016b55203b078dd2ace7f8bc5d1c1cd99",
        (
            "84f2200208bcc5c17275545d93",
            "84ca00660804806aba9d543bb600",
            "84f2200218717222491556ec81a45f49ce48be33320024801a1c4cb0e0",
            "84f2800218561f105bccd3a1642904b251ccc1228beb80a82370a8637000",
        ),
    ),
]


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
    mac = other._mac_of_command(0x84, CommandAPDU(0x84, 0xCA, 0, 0x66), sealed, extended=False)
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
    mac = card._mac_of_command(0x84, CommandAPDU(0x84, 0xE2, 0, 0), sealed, extended=False)
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
