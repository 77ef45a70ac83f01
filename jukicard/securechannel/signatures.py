"""ECDSA signatures of P-256 with SHA-256 in the form that cards give them: r and s, 32 bytes each.  For both ends."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature

SIGNATURE_SIZE = 64
_SHA256 = hashes.SHA256()
HASHED = Prehashed(_SHA256)
"""Says that a message is its SHA-256 hash already."""

Algorithm = hashes.SHA256 | Prehashed


def sign(key: ec.EllipticCurvePrivateKey, message: bytes, algorithm: Algorithm = _SHA256) -> bytes:
    """Return the signature of a message (64 bytes), deterministic (RFC 6979): the same for the same key and message."""
    return from_der(key.sign(message, ec.ECDSA(algorithm, deterministic_signing=True)))


def is_signed_by(
    key: ec.EllipticCurvePublicKey, signature: bytes, message: bytes, algorithm: Algorithm = _SHA256
) -> bool:
    """Return whether a signature (64 bytes; any other length is none) is the key's, over the message."""
    if len(signature) != SIGNATURE_SIZE:
        return False
    encoded = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
    try:
        key.verify(encoded, message, ec.ECDSA(algorithm))
    except InvalidSignature:
        return False
    return True


def from_der(signature: bytes) -> bytes:
    """Return a DER signature, as key stores make them, in the form of 64 bytes."""
    r, s = decode_dss_signature(signature)
    return r.to_bytes(32) + s.to_bytes(32)
