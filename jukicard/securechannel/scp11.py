"""SCP11: the key agreement of the certificate-based secure channel (GlobalPlatform Amendment F 3.1, 7.6, 7.7).

Values and pure functions for both ends. One profile is spoken, the one of public hosts: P-256, AES-128, key
usage 3C (C-MAC, C-ENC, R-MAC, R-ENC), key type 88, SCP11a (mutual) or SCP11b (only the card proves itself);
no host or card identifiers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from jukicard.iso7816.tlv import Tlv, TlvError, parse_tlvs
from jukicard.securechannel.kdf import aes_cmac, x963_sha256
from jukicard.securechannel.scp03 import SessionKeys

KEY_USAGE: Final = 0x3C
KEY_TYPE: Final = 0x88
KEY_SIZE: Final = 16
RECEIPT_SIZE: Final = 16
POINT_SIZE: Final = 65

_SCP_IDENTIFIER: Final = 0x11
_SHARED_INFO: Final = bytes((KEY_USAGE, KEY_TYPE, KEY_SIZE))

_TAG_CONTROL_REFERENCE: Final = 0xA6
_TAG_SCP: Final = 0x90
_TAG_KEY_USAGE: Final = 0x95
_TAG_KEY_TYPE: Final = 0x80
_TAG_KEY_LENGTH: Final = 0x81
_TAG_EPHEMERAL_KEY: Final = 0x5F49
_TAG_RECEIPT: Final = 0x86


class KeyAgreementError(ValueError):
    """A key agreement message is not of the profile spoken here, or has no point of the curve."""


class Variant(IntEnum):
    """The parameter byte of a channel (Amendment F 7.1.1): who is authenticated."""

    SCP11B = 0x00
    SCP11A = 0x01


_VARIANTS: Final = {bytes((_SCP_IDENTIFIER, variant)): variant for variant in Variant}


@dataclass(frozen=True, slots=True)
class KeyAgreementRequest:
    """The data of INTERNAL (SCP11b) or EXTERNAL AUTHENTICATE (SCP11a): variant, host's ephemeral key.

    `host_key` is a P-256 key; KeyAgreementError otherwise.
    """

    variant: Variant
    host_key: EllipticCurvePublicKey

    def __post_init__(self) -> None:
        _check_curve(self.host_key)

    def encode(self) -> bytes:
        """Return A6{90, 95, 80, 81} and 5F49, the bytes that both ends put into the receipt."""
        reference = Tlv.build(
            _TAG_CONTROL_REFERENCE,
            Tlv(_TAG_SCP, bytes((_SCP_IDENTIFIER, self.variant))),
            Tlv(_TAG_KEY_USAGE, bytes((KEY_USAGE,))),
            Tlv(_TAG_KEY_TYPE, bytes((KEY_TYPE,))),
            Tlv(_TAG_KEY_LENGTH, bytes((KEY_SIZE,))),
        )
        return reference.encode() + ephemeral_key_object(self.host_key)

    @classmethod
    def parse(cls, data: bytes) -> KeyAgreementRequest:
        """Read a request; KeyAgreementError unless it has exactly the profile's objects, in their order."""
        try:
            reference, ephemeral = _objects(data, (_TAG_CONTROL_REFERENCE, _TAG_EPHEMERAL_KEY))
            fields = _objects(reference, (_TAG_SCP, _TAG_KEY_USAGE, _TAG_KEY_TYPE, _TAG_KEY_LENGTH))
        except TlvError as error:
            raise KeyAgreementError(str(error)) from None
        scp, *profile = fields
        if profile != [bytes((KEY_USAGE,)), bytes((KEY_TYPE,)), bytes((KEY_SIZE,))]:
            raise KeyAgreementError("key usage, type and length must be 3C, 88 and 10")
        variant = _VARIANTS.get(scp)
        if variant is None:
            raise KeyAgreementError("the channel asked for is neither SCP11a nor SCP11b")
        return cls(variant, decode_point(ephemeral))


@dataclass(frozen=True, slots=True)
class KeyAgreementResponse:
    """The card's answer: its ephemeral P-256 key and the receipt, 16 bytes (KeyAgreementError otherwise)."""

    card_key: EllipticCurvePublicKey
    receipt: bytes

    def __post_init__(self) -> None:
        _check_curve(self.card_key)
        if len(self.receipt) != RECEIPT_SIZE:
            raise KeyAgreementError("a receipt has 16 bytes")

    def encode(self) -> bytes:
        """Return 5F49 and 86."""
        return response_data(ephemeral_key_object(self.card_key), self.receipt)

    @classmethod
    def parse(cls, data: bytes) -> KeyAgreementResponse:
        """Read an answer; KeyAgreementError unless it is exactly 5F49 with a point and 86 with 16 bytes."""
        try:
            ephemeral, receipt_value = _objects(data, (_TAG_EPHEMERAL_KEY, _TAG_RECEIPT))
        except TlvError as error:
            raise KeyAgreementError(str(error)) from None
        return cls(decode_point(ephemeral), receipt_value)


def session_keys(shared_ephemeral: bytes, shared_static: bytes) -> tuple[bytes, SessionKeys]:
    """Derive the receipt key and the session keys, all AES-128 (Amendment F 3.1.2, table 7-16).

    `shared_ephemeral` is the ECDH secret (32 bytes) of the two ephemeral keys. `shared_static` is that of the
    card's static key with, for SCP11a, the host's static key, for SCP11b, the host's ephemeral key again.
    """
    derived = x963_sha256(shared_ephemeral + shared_static, _SHARED_INFO, 5 * KEY_SIZE)
    receipt_key, *keys = (derived[start : start + KEY_SIZE] for start in range(0, len(derived), KEY_SIZE))
    enc, mac, rmac, dek = keys
    return receipt_key, SessionKeys(enc, mac, rmac, dek)


def receipt(receipt_key: bytes, request: bytes, response_key_object: bytes) -> bytes:
    """Return the receipt, 16 bytes (Amendment F, table 7-17): AES-CMAC over request and the card's 5F49 object.

    It proves the card, and is the first MAC chaining value of the session.
    """
    return aes_cmac(receipt_key, request + response_key_object)


def response_data(card_key_object: bytes, proof: bytes) -> bytes:
    """Return the card's answer: its 5F49 object as it went into the receipt, then the receipt as 86."""
    return card_key_object + Tlv(_TAG_RECEIPT, proof).encode()


def ephemeral_key_object(key: EllipticCurvePublicKey) -> bytes:
    """Return the 5F49 object that carries an ephemeral public key."""
    return Tlv(_TAG_EPHEMERAL_KEY, encode_point(key)).encode()


def encode_point(key: EllipticCurvePublicKey) -> bytes:
    """Return the uncompressed point, 65 bytes from 04 on (SEC 1, 2.3.3)."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def decode_point(data: bytes) -> EllipticCurvePublicKey:
    """Read an uncompressed P-256 point; KeyAgreementError for another form, or if it is not on the curve."""
    if len(data) != POINT_SIZE or data[0] != 0x04:
        raise KeyAgreementError("a public key must be an uncompressed P-256 point")
    try:
        return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), data)
    except ValueError:
        raise KeyAgreementError("a public key is not on the curve") from None


def _check_curve(key: EllipticCurvePublicKey) -> None:
    if not isinstance(key.curve, SECP256R1):
        raise KeyAgreementError("the key is not a P-256 key")


def _objects(data: bytes, tags: tuple[int, ...]) -> list[bytes]:
    found = parse_tlvs(data)
    if tuple(item.tag for item in found) != tags:
        raise KeyAgreementError("the key agreement's data objects are not the expected ones")
    return [item.value for item in found]
