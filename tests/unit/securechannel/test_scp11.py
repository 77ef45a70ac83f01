"""SCP11 key agreement: the wire format, strictness, and derivation written out independently."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.securechannel.kdf import aes_cmac
from jukicard.securechannel.scp11 import (
    KeyAgreementError,
    KeyAgreementRequest,
    KeyAgreementResponse,
    Variant,
    decode_point,
    encode_point,
    ephemeral_key_object,
    receipt,
    session_keys,
)

KEY = ec.derive_private_key(1, ec.SECP256R1()).public_key()
# the base point G of P-256, SEC 2 section 2.4.2
G = (
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)


@pytest.mark.parametrize(("variant", "params"), [(Variant.SCP11A, "01"), (Variant.SCP11B, "00")])
def test_request_on_the_wire(variant: Variant, params: str) -> None:
    request = KeyAgreementRequest(variant, KEY)
    raw = request.encode()
    assert raw.hex() == f"a60d900211{params}95013c8001888101105f4941" + G
    parsed = KeyAgreementRequest.parse(raw)
    assert (parsed.variant, parsed.host_key) == (variant, KEY)
    assert parsed.encode() == raw


def test_response_on_the_wire() -> None:
    response = KeyAgreementResponse(KEY, bytes(range(16)))
    raw = response.encode()
    assert raw.hex() == "5f4941" + G + "8610" + bytes(range(16)).hex()
    assert KeyAgreementResponse.parse(raw) == response
    assert raw.startswith(ephemeral_key_object(KEY))


GOOD = "a60d90021101" + "95013c" + "800188" + "810110" + "5f4941" + G


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "00" * 8,
        GOOD[:-2],
        GOOD + "00",
        GOOD + "8600",
        GOOD.replace("90021101", "90021103"),  # SCP11c
        GOOD.replace("90021101", "90020301"),
        GOOD.replace("90021101", "90031101"),
        GOOD.replace("95013c", "950134"),
        GOOD.replace("800188", "800180"),
        GOOD.replace("810110", "810120"),
        GOOD.replace("95013c800188", "80018895013c"),
        GOOD.replace("a60d", "a610").replace("810110", "810110840100"),
        GOOD.replace("a60d", "a70d"),
        "5f4941" + G + "a60d9002110195013c800188810110",
        GOOD.replace("5f494104", "5f494102"),
        GOOD[: -2 * 65 - 2] + "2103" + G[2:66],  # compressed
        GOOD[:-2] + "f4",  # not on the curve
        GOOD[: -2 * 64] + "00" * 64,
        GOOD[: -2 * 65 - 2] + "0100",  # the point at infinity
    ],
)
def test_other_requests_are_refused(raw: str) -> None:
    with pytest.raises(KeyAgreementError):
        KeyAgreementRequest.parse(bytes.fromhex(raw))


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "5f4941" + G,
        "5f4941" + G + "860f" + "00" * 15,
        "5f4941" + G + "8611" + "00" * 17,
        "8610" + "00" * 16 + "5f4941" + G,
        "5f4941" + G[:-2] + "f4" + "8610" + "00" * 16,
        "5f4941" + G + "8610" + "00" * 16 + "00",
    ],
)
def test_other_responses_are_refused(raw: str) -> None:
    with pytest.raises(KeyAgreementError):
        KeyAgreementResponse.parse(bytes.fromhex(raw))


def test_keys_of_another_curve_are_refused() -> None:
    other = ec.derive_private_key(1, ec.SECP384R1()).public_key()
    with pytest.raises(KeyAgreementError):
        KeyAgreementRequest(Variant.SCP11A, other)
    with pytest.raises(KeyAgreementError):
        KeyAgreementResponse(other, bytes(16))


def test_points() -> None:
    assert encode_point(KEY).hex() == G
    assert decode_point(bytes.fromhex(G)) == KEY


def test_derivation_written_out() -> None:
    # ANSI X9.63: SHA-256 over secret, 32-bit counter from 1, shared info; here 3C 88 10
    secret = bytes(range(64))
    stream = b"".join(
        hashlib.sha256(secret + counter.to_bytes(4, "big") + b"\x3c\x88\x10").digest() for counter in (1, 2, 3)
    )
    receipt_key, keys = session_keys(secret[:32], secret[32:])
    assert receipt_key + keys.enc + keys.mac + keys.rmac + (keys.dek or b"") == stream[:80]


def test_receipt_covers_request_and_card_key() -> None:
    request = bytes.fromhex(GOOD)
    answer = ephemeral_key_object(KEY)
    assert receipt(bytes(16), request, answer) == aes_cmac(bytes(16), request + answer)
