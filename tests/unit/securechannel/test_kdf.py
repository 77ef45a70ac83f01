"""Known answers for the MAC and the derivation functions."""

from __future__ import annotations

import pytest

from jukicard.securechannel.kdf import aes_cmac, sp800_108, x963_sha256

RFC4493_KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
RFC4493_MESSAGE = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)


@pytest.mark.parametrize(
    ("length", "mac"),
    [
        (0, "bb1d6929e95937287fa37d129b756746"),
        (16, "070a16b46b4d4144f79bdd9dd04a287c"),
        (40, "dfa66747de9ae63030ca32611497c827"),
        (64, "51f0bebf7e3b9d92fc49741779363cfe"),
    ],
)
def test_cmac_of_rfc4493_section_4(length: int, mac: str) -> None:
    assert aes_cmac(RFC4493_KEY, RFC4493_MESSAGE[:length]) == bytes.fromhex(mac)


def test_cmac_refuses_a_key_that_is_no_aes_key() -> None:
    with pytest.raises(ValueError, match=r"."):
        aes_cmac(bytes(15), b"")


def test_a_derived_block_is_the_cmac_of_the_input_written_out() -> None:
    # GP Amendment D 4.1.5: eleven zeros and the constant, a zero, L, i, the context
    key = bytes(range(32))
    blocks = [aes_cmac(key, bytes(11) + bytes((4, 0, 0x00, 0xC0, counter)) + b"context") for counter in (1, 2)]
    assert sp800_108(key, 4, b"context", 192) == b"".join(blocks)[:24]


@pytest.mark.parametrize("bits", [0, -8, 12, 65536, 255 * 128 + 8])
def test_a_length_that_cannot_be_derived_is_refused(bits: int) -> None:
    with pytest.raises(ValueError, match="whole number of bytes"):
        sp800_108(bytes(16), 4, b"", bits)


def test_the_longest_derivation() -> None:
    assert len(sp800_108(bytes(16), 4, b"", 255 * 128)) == 255 * 16


def test_x963_of_nist_cavp() -> None:
    # NIST CAVS 800-135, ANSI X9.63 with SHA-256: shared secret 192 bits, no shared info, 128 bits of key
    secret = bytes.fromhex("96c05619d56c328ab95fe84b18264b08725b85e33fd34f08")
    assert x963_sha256(secret, b"", 16) == bytes.fromhex("443024c3dae66b95e6f5670601558f71")


def test_x963_of_nist_cavp_with_shared_info() -> None:
    # the same collection: 192 bits of secret, 128 bits of shared info, 1024 bits of key (first 32 bytes
    # checked)
    secret = bytes.fromhex("22518b10e70f2a3f243810ae3254139efbee04aa57c7af7d")
    info = bytes.fromhex("75eef81aa3041e33b80971203d2c0c52")
    derived = x963_sha256(secret, info, 128)
    assert derived[:32] == bytes.fromhex("c498af77161cc59f2962b9a713e2b215152d139766ce34a776df11866a69bf2e")
    assert len(derived) == 128
