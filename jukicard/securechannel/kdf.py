"""Key derivation and the MAC that all secure channels of the card are built from.

No state but keys: AES-CMAC (NIST SP 800-38B, RFC 4493), the counter-mode derivation of
GlobalPlatform Amendment D 4.1.5 (NIST SP 800-108 with CMAC), and the X9.63 derivation with SHA-256 that
Amendment F uses.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF

BLOCK_SIZE = 16
"""Bytes in one AES block, and in one CMAC."""

_BLOCK_BITS = 8 * BLOCK_SIZE
_MAX_DERIVED_BITS = 0xFF * _BLOCK_BITS

Cmac = Callable[[bytes], bytes]
"""From a message to its AES-CMAC, 16 bytes, under a key that the caller may not have in hand."""


class MacKey:
    """An AES key of 16, 24 or 32 bytes (else ValueError), set up once for any number of CMACs and derivations."""

    __slots__ = ("_keyed",)

    def __init__(self, key: bytes) -> None:
        self._keyed = CMAC(AES(key))

    def mac(self, message: bytes) -> bytes:
        """Return the AES-CMAC (RFC 4493), 16 bytes."""
        mac = self._keyed.copy()
        mac.update(message)
        return mac.finalize()

    def derive(self, constant: int, context: bytes, bits: int) -> bytes:
        """Derive `bits` bits; see `counter_mode`."""
        return counter_mode(self.mac, constant, context, bits)


def counter_mode(mac: Cmac, constant: int, context: bytes, bits: int) -> bytes:
    """Derive `bits` bits from the key of a CMAC (SP 800-108 counter mode, input as in GP Amendment D 4.1.5).

    Each block is the CMAC of: eleven zero bytes, the derivation constant (one byte), 00, the length L in
    bits (two bytes), the block counter i (one byte, from 1), the context. `bits` is a multiple of 8 from 8
    to 32640, which need 255 blocks; ValueError otherwise.
    """
    if not 8 <= bits <= _MAX_DERIVED_BITS or bits % 8:
        raise ValueError("the derived length must be a positive whole number of bytes in at most 255 blocks")
    head = constant << 32 | bits << 8
    derived = b""
    for block in range(1, (bits - 1) // _BLOCK_BITS + 2):
        derived += mac((head | block).to_bytes(BLOCK_SIZE, "big") + context)
    return derived[: bits // 8]


def aes_cmac(key: bytes, message: bytes) -> bytes:
    """Return the AES-CMAC (RFC 4493), 16 bytes, under a key of 16, 24 or 32 bytes (else ValueError)."""
    return MacKey(key).mac(message)


def sp800_108(key: bytes, constant: int, context: bytes, bits: int) -> bytes:
    """Derive `bits` bits from an AES key; see MacKey.derive."""
    return MacKey(key).derive(constant, context, bits)


def x963_sha256(secret: bytes, shared_info: bytes, length: int) -> bytes:
    """Derive `length` bytes from a shared secret (ANSI X9.63 / BSI TR-03111 4.3.3, SHA-256)."""
    return X963KDF(SHA256(), length, shared_info).derive(secret)
