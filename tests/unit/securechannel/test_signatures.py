"""The one codec of P-256 signatures: r and s, 32 bytes each."""

from __future__ import annotations

from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from jukicard.securechannel.signatures import HASHED, SIGNATURE_SIZE, from_der, is_signed_by, sign

KEY = ec.derive_private_key(0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721, ec.SECP256R1())
"""RFC 6979, A.2.5: curve NIST P-256; with it the signatures of "sample" and "test" under SHA-256."""
SAMPLE = bytes.fromhex(
    "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
    "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"
)
TEST = bytes.fromhex(
    "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367"
    "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083"
)


@pytest.mark.parametrize(("message", "signature"), [(b"sample", SAMPLE), (b"test", TEST)])
def test_known_answers(message: bytes, signature: bytes) -> None:
    assert sign(KEY, message) == signature
    assert sign(KEY, sha256(message).digest(), HASHED) == signature
    assert is_signed_by(KEY.public_key(), signature, message)
    assert is_signed_by(KEY.public_key(), signature, sha256(message).digest(), HASHED)


def test_another_message_key_or_length_is_not_signed() -> None:
    public = KEY.public_key()
    assert not is_signed_by(public, SAMPLE, b"test")
    assert not is_signed_by(ec.derive_private_key(2, ec.SECP256R1()).public_key(), SAMPLE, b"sample")
    assert not is_signed_by(public, SAMPLE[:-1], b"sample")
    assert not is_signed_by(public, b"\0" + SAMPLE, b"sample")
    assert not is_signed_by(public, SAMPLE[:32] + b"\0" + SAMPLE[32:], b"sample")  # the same numbers, otherwise written
    assert not is_signed_by(public, bytes(SIGNATURE_SIZE), b"sample")


def test_a_small_number_keeps_its_32_bytes() -> None:
    assert from_der(encode_dss_signature(1, 2)) == bytes(31) + b"\1" + bytes(31) + b"\2"
