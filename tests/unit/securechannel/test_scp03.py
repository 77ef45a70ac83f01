"""SCP03 key schedule and handshake values: known answers, and refusals."""

from __future__ import annotations

import pytest

from jukicard.securechannel.scp03 import (
    TRANSPORT_KEYS,
    InitializeUpdateResponse,
    SessionKeys,
    StaticKeys,
    card_cryptogram,
    decrypt_sensitive,
    derive_session_keys,
    encrypt_sensitive,
    host_cryptogram,
    key_check_value,
    pseudo_random_challenge,
)

HOST_CHALLENGE = bytes.fromhex("0001020304050607")
CARD_CHALLENGE = bytes.fromhex("08090A0B0C0D0E0F")
CONTEXT = HOST_CHALLENGE + CARD_CHALLENGE
ANSWER = InitializeUpdateResponse(bytes(10), 0x30, 0x70, bytes(range(8)), bytes(range(8, 16)), 2)


def test_session_keys_and_cryptograms_of_the_transport_keys() -> None:
    # computed with two independent public implementations of SCP03 (yubikit and GlobalPlatformPro's test
    # values)
    keys = derive_session_keys(TRANSPORT_KEYS, CONTEXT)
    assert keys.enc.hex() == "eb845bbc703969a9b312a5f8e4834aa2"
    assert keys.mac.hex() == "94d9141c5e50a39ef3939b9a4616c910"
    assert keys.rmac.hex() == "f034ed3222d3466ee1531f3fa3561def"
    assert keys.dek == TRANSPORT_KEYS.dek
    assert card_cryptogram(keys, CONTEXT).hex() == "114f6bc5052c5228"
    assert host_cryptogram(keys, CONTEXT).hex() == "fafa93c2ede62463"
    assert card_cryptogram(keys.mac, CONTEXT) == card_cryptogram(keys, CONTEXT)


def test_pseudo_random_challenge_known_answer() -> None:
    # the same cross-check
    aid = bytes.fromhex("A000000151000000")
    assert pseudo_random_challenge(TRANSPORT_KEYS.enc, 1, aid).hex() == "86c8bd65fa1044ee"


def test_key_check_value_known_answer() -> None:
    # the value that GlobalPlatform tools print for the AES test keys
    assert key_check_value(TRANSPORT_KEYS.enc).hex() == "504a77"


@pytest.mark.parametrize("size", [16, 24, 32])
def test_session_keys_are_as_long_as_the_static_ones(size: int) -> None:
    keys = derive_session_keys(StaticKeys(bytes(size), b"\x01" * size, b"\x02" * size), CONTEXT)
    assert {len(keys.enc), len(keys.mac), len(keys.rmac)} == {size}
    assert len({keys.enc, keys.mac, keys.rmac}) == 3


def test_keys_of_unequal_or_impossible_length_are_refused() -> None:
    for enc, mac in ((bytes(16), bytes(24)), (bytes(15), bytes(15)), (b"", b"")):
        with pytest.raises(ValueError, match="AES keys of one length"):
            StaticKeys(enc, mac, mac)
        with pytest.raises(ValueError, match="AES keys of one length"):
            SessionKeys(enc, mac, mac)


def test_keys_do_not_show_themselves() -> None:
    shown = repr(TRANSPORT_KEYS) + repr(derive_session_keys(TRANSPORT_KEYS, CONTEXT))
    assert shown == "StaticKeys()SessionKeys()"


def test_sensitive_data_round_trip_and_known_answer() -> None:
    # NIST SP 800-38A F.2.1 (CBC-AES128) has another ICV; with ICV zero one block is plain AES: FIPS 197
    # appendix C.1
    key = bytes(range(16))
    plain = bytes.fromhex("00112233445566778899aabbccddeeff")
    assert encrypt_sensitive(key, plain).hex() == "69c4e0d86a7b0430d8cdb78070b4c55a"
    assert decrypt_sensitive(key, encrypt_sensitive(key, plain * 3)) == plain * 3
    assert encrypt_sensitive(key, plain * 2)[16:] != encrypt_sensitive(key, plain)


@pytest.mark.parametrize("size", [0, 1, 15, 17])
def test_sensitive_data_must_be_whole_blocks(size: int) -> None:
    for function in (encrypt_sensitive, decrypt_sensitive):
        with pytest.raises(ValueError, match="16-byte blocks"):
            function(bytes(16), bytes(size))


def test_initialize_update_response_round_trip() -> None:
    raw = ANSWER.encode()
    assert raw.hex() == "00000000000000000000" + "300370" + "0001020304050607" + "08090a0b0c0d0e0f" + "000002"
    assert InitializeUpdateResponse.parse(raw) == ANSWER
    short = InitializeUpdateResponse(bytes(10), 0xFF, 0x60, bytes(8), bytes(8))
    assert len(short.encode()) == 29
    assert InitializeUpdateResponse.parse(short.encode()) == short


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        ANSWER.encode()[:29],  # i says that a counter follows
        ANSWER.encode() + b"\x00",
        ANSWER.encode()[:-1],
        ANSWER.encode()[:12] + b"\x60" + ANSWER.encode()[13:],  # i says that none follows
        ANSWER.encode()[:12] + b"\x71" + ANSWER.encode()[13:],  # 16-byte mode
        ANSWER.encode()[:12] + b"\xf0" + ANSWER.encode()[13:],
        ANSWER.encode()[:11] + b"\x02" + ANSWER.encode()[12:],  # SCP02
    ],
)
def test_other_answers_are_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"SCP03|sequence counter"):
        InitializeUpdateResponse.parse(raw)


def test_fields_of_wrong_size_are_refused() -> None:
    with pytest.raises(ValueError, match="wrong size"):
        InitializeUpdateResponse(bytes(9), 1, 0x60, bytes(8), bytes(8))
    with pytest.raises(ValueError, match="three bytes"):
        InitializeUpdateResponse(bytes(10), 1, 0x70, bytes(8), bytes(8), 1 << 24)
