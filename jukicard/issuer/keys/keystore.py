"""The port to the issuer's keys, and how a card's own keys come from a master key.

What is unique to one card may come out of a key store (a session's keys, that card's keys wrapped for PUT
KEY); a master key, a signing key and a terminal's key never do. There is no "get key".

Card keys are diversified with NIST SP 800-108 (counter mode, AES-CMAC) in GlobalPlatform's input layout
(Amendment D 4.1.5): eleven zero bytes, a constant, 00, L = 0100 (256 bits), a counter byte 01 or 02, the
context. The constant is C1 for the ENC key, C2 for MAC, C3 for DEK, which no session derivation uses. The
context is the key version (1 byte), the length of the domain's AID (1 byte), the AID, and the card's ten
bytes of diversification data.

A key can be told by its fingerprint, which says nothing of its value and is what a ceremony's record has: of a key
pair the SHA-256 over its SubjectPublicKeyInfo, of an AES key the first five bytes of its CMAC over sixteen zero bytes
(ANSI X9.24-1, annex A), of a MAC key the first five bytes of its HMAC over "key check value". No derivation and no
digest of the issuer's has such an input.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Protocol, runtime_checkable

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from jukicard.issuer.errors import KeyExists, KeyStoreError
from jukicard.securechannel.kdf import BLOCK_SIZE, Cmac, MacKey, counter_mode
from jukicard.securechannel.scp03 import (
    SessionKeys,
    StaticKeys,
    encrypt_sensitive,
    key_check_value,
)

Randomness = Callable[[int], bytes]
"""From a number of bytes to that many random ones. `os.urandom` is the real one."""

MASTER_KEY_SIZE = 32
CARD_KEY_SIZE = 32
DIVERSIFICATION_SIZE = 10
RSA_BITS = 2048
RSA_EXPONENT = 65537

_ENC, _MAC, _DEK = 0xC1, 0xC2, 0xC3
_CHECK_VALUE_SIZE = 5
_LABEL = re.compile(r"[a-z0-9][a-z0-9:._-]{0,63}")


class KeyUse(StrEnum):
    """What an EC key (P-256) may do; never both."""

    SIGN = "sign"
    AGREE = "agree"


class KeyKind(StrEnum):
    """What a key is, as a ceremony's record names it."""

    SIGN = "EC P-256, ECDSA signatures"
    AGREE = "EC P-256, ECDH agreement"
    SIGN_RSA = "RSA-2048, PKCS #1 v1.5 signatures with SHA-256"
    MASTER = "AES-256, derivation of card keys"
    MAC = "256 bits, HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class KeyDescription:
    """What anybody may know of a key.  `fingerprint`: hex, of a key pair 64 digits, of a secret key 10."""

    label: str
    kind: KeyKind
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Diversification:
    """What makes a key set one card's own.

    `domain` is the AID of the security domain (5 to 16 bytes), `card` the diversification data of
    INITIALIZE UPDATE (10 bytes), `key_version` the version of the key set, 01 to 7F. ValueError when made
    otherwise.
    """

    domain: bytes
    card: bytes
    key_version: int

    def __post_init__(self) -> None:
        if not 5 <= len(self.domain) <= 16:
            raise ValueError("an AID has 5 to 16 bytes")
        if len(self.card) != DIVERSIFICATION_SIZE:
            raise ValueError("diversification data have 10 bytes")
        if not 1 <= self.key_version <= 0x7F:
            raise ValueError("a key version of an issuer's key set lies between 01 and 7F")

    @property
    def context(self) -> bytes:
        """The context of the derivation."""
        return bytes((self.key_version, len(self.domain))) + self.domain + self.card


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """One key as PUT KEY carries it: encrypted under the DEK in force, and its 3-byte check value."""

    cryptogram: bytes = field(repr=False)
    kcv: bytes


class KeyStore(Protocol):
    """A store of keys under labels (lower-case letters, digits, `: . _ -`, at most 64).

    Errors: KeyMissing for an unknown label, KeyExists for one that is taken, KeyMisuse for the wrong kind
    of key, KeyStoreError for a label of another form.
    """

    def labels(self) -> tuple[str, ...]:
        """All labels, sorted."""

    def describe(self, label: str) -> KeyDescription:
        """What anybody may know of a key."""

    def place(self) -> Mapping[str, str]:
        """What the keys are in, for a ceremony's record: from a property's name to its value."""

    def create_ec(self, label: str, use: KeyUse, *, exportable: bool = False) -> EllipticCurvePublicKey:
        """Make a P-256 key pair, durably, and return its public key.

        `exportable`: a store that hands out keys at all (PrivateKeyExport) may hand out this one.
        """

    def create_rsa(self, label: str) -> RSAPublicKey:
        """Make an RSA-2048 signing key (public exponent 65537), durably, and return its public key."""

    def create_master(self, label: str) -> None:
        """Make an AES-256 master key, durably."""

    def create_mac_key(self, label: str) -> None:
        """Make a 32-byte key for `mac`, durably."""

    def public_key(self, label: str) -> EllipticCurvePublicKey:
        """The public key of an EC key pair."""

    def sign(self, label: str, data: bytes) -> bytes:
        """Sign with ECDSA and SHA-256: the DER signature over the data (not over their hash)."""

    def rsa_public_key(self, label: str) -> RSAPublicKey:
        """The public key of an RSA signing key."""

    def sign_rsa(self, label: str, data: bytes) -> bytes:
        """Sign with RSASSA-PKCS1-v1_5 and SHA-256 (RFC 8017, 8.2): 256 bytes over the data (not over their hash)."""

    def agree(self, label: str, peer: EllipticCurvePublicKey) -> bytes:
        """Agree by ECDH with a P-256 public key: the shared X coordinate, 32 bytes, not yet derived from."""

    def mac(self, label: str, data: bytes) -> bytes:
        """HMAC-SHA256, 32 bytes."""

    def derive_session(self, label: str, diversification: Diversification, context: bytes) -> SessionKeys:
        """Session keys of an SCP03 session with one card, from a master key (`context`: both challenges)."""

    def wrap_card_keys(
        self, label: str, diversification: Diversification, dek: bytes
    ) -> tuple[WrappedKey, WrappedKey, WrappedKey]:
        """The card's own ENC, MAC and DEK, each encrypted under `dek`, the DEK that the card has now."""


@runtime_checkable
class PrivateKeyExport(Protocol):
    """What a key store may offer beyond the port: handing out EC keys that were made to be handed out."""

    def export_private_pem(self, label: str) -> bytes:
        """The private key as PEM (PKCS #8, not encrypted). KeyMisuse unless it was made exportable."""


def ensure_key(keys: KeyStore, label: str, make: Callable[[str], object]) -> None:
    """Have a key made when it is first needed; another process may be making it at the same time."""
    if label not in keys.labels():
        with suppress(KeyExists):
            make(label)


def check_label(label: str) -> str:
    """Return the label if it has the form that every key store takes, else raise KeyStoreError."""
    if not _LABEL.fullmatch(label):
        raise KeyStoreError("a key label has lower-case letters, digits, and : . _ - (at most 64)")
    return label


def diversify(master: MacKey, diversification: Diversification) -> StaticKeys:
    """The card's own key set, AES-256. For key stores: nobody else holds a master key."""
    return diversify_by(master.mac, diversification)


def diversify_by(master: Cmac, diversification: Diversification) -> StaticKeys:
    """The same by a master key that only computes CMACs, wherever it does."""
    enc, mac, dek = (
        counter_mode(master, constant, diversification.context, 8 * CARD_KEY_SIZE) for constant in (_ENC, _MAC, _DEK)
    )
    return StaticKeys(enc, mac, dek)


def public_fingerprint(public_key: EllipticCurvePublicKey | RSAPublicKey) -> str:
    """SHA-256 over the SubjectPublicKeyInfo, 64 hex digits."""
    return sha256(public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def check_value(mac: Callable[[bytes], bytes], kind: KeyKind) -> str:
    """The fingerprint of a secret key, 10 hex digits, by what computes MACs under it."""
    message = bytes(BLOCK_SIZE) if kind is KeyKind.MASTER else b"key check value"
    return mac(message)[:_CHECK_VALUE_SIZE].hex()


def wrap(keys: StaticKeys, dek: bytes) -> tuple[WrappedKey, WrappedKey, WrappedKey]:
    """Encrypt a key set for PUT KEY (AES-CBC, zero ICV; Amendment D 4.1.4). For key stores."""
    enc, mac, own_dek = (
        WrappedKey(encrypt_sensitive(dek, key), key_check_value(key)) for key in (keys.enc, keys.mac, keys.dek)
    )
    return enc, mac, own_dek
