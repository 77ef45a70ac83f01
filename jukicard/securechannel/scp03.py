"""SCP03: keys, challenges and cryptograms of the symmetric secure channel (GlobalPlatform Amendment D).

Pure functions and values for both ends. The 8-byte ("S8") mode only; the 16-byte mode (b1 of `i`) is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB

from jukicard.securechannel.kdf import BLOCK_SIZE, MacKey

SCP_IDENTIFIER: Final = 0x03
CHALLENGE_SIZE: Final = 8
CRYPTOGRAM_SIZE: Final = 8
KEY_SIZES: Final = (16, 24, 32)

# `i`, the channel's implementation options (Amendment D 5.1, table 5-1).
I_S16: Final = 0x01
I_PSEUDO_RANDOM: Final = 0x10
I_R_MAC: Final = 0x20
I_R_ENCRYPTION: Final = 0x40
I_DEFAULT: Final = I_PSEUDO_RANDOM | I_R_MAC | I_R_ENCRYPTION
"""70: pseudo-random card challenge, R-MAC and R-ENC supported."""

_I_VALUES: Final = frozenset((0x00, 0x10, 0x20, 0x30, 0x60, 0x70))

# Data derivation constants (Amendment D 4.1.5, table 4-1).
_CARD_CRYPTOGRAM: Final = 0x00
_HOST_CRYPTOGRAM: Final = 0x01
_CARD_CHALLENGE: Final = 0x02
_S_ENC: Final = 0x04
_S_MAC: Final = 0x06
_S_RMAC: Final = 0x07


@dataclass(frozen=True, slots=True)
class StaticKeys:
    """A key set as the card stores it: AES keys of one length, 16, 24 or 32 bytes (else ValueError)."""

    enc: bytes = field(repr=False)
    mac: bytes = field(repr=False)
    dek: bytes = field(repr=False)

    def __post_init__(self) -> None:
        _check_lengths(self.enc, self.mac, self.dek)


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """The keys of one session: encryption, command MAC, response MAC, and the key for sensitive data.

    `dek` is None where only a key store that keeps it to itself knows it.
    """

    enc: bytes = field(repr=False)
    mac: bytes = field(repr=False)
    rmac: bytes = field(repr=False)
    dek: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _check_lengths(self.enc, self.mac, self.rmac)


def _check_lengths(first: bytes, second: bytes, third: bytes) -> None:
    if not len(first) == len(second) == len(third) or len(first) not in KEY_SIZES:
        raise ValueError("the keys of a set must be AES keys of one length")


TRANSPORT_KEYS: Final = StaticKeys(*(bytes(range(0x40, 0x50)),) * 3)
"""The public test keys 40 41 … 4F that a blank card carries; they protect nothing."""


def derive_session_keys(static: StaticKeys, context: bytes, enc_key: MacKey | None = None) -> SessionKeys:
    """Derive the session keys, as long as the static ones (Amendment D 6.2.1).

    `context` is the host challenge followed by the card challenge, 16 bytes. The static DEK is the
    session's DEK. `enc_key` is the static encryption key where it has been set up before.
    """
    bits = 8 * len(static.enc)
    enc = enc_key or MacKey(static.enc)
    mac = MacKey(static.mac)
    return SessionKeys(
        enc=enc.derive(_S_ENC, context, bits),
        mac=mac.derive(_S_MAC, context, bits),
        rmac=mac.derive(_S_RMAC, context, bits),
        dek=static.dek,
    )


def card_cryptogram(keys: SessionKeys | MacKey | bytes, context: bytes) -> bytes:
    """Return the card's proof, 8 bytes (Amendment D 6.2.2.2), from the session keys or from S-MAC alone."""
    return _cryptogram(keys, _CARD_CRYPTOGRAM, context)


def host_cryptogram(keys: SessionKeys | MacKey | bytes, context: bytes) -> bytes:
    """Return the host's proof, 8 bytes (Amendment D 6.2.2.3), from the session keys or from S-MAC alone."""
    return _cryptogram(keys, _HOST_CRYPTOGRAM, context)


def pseudo_random_challenge(enc_key: MacKey | bytes, sequence: int, aid: bytes) -> bytes:
    """Return the card challenge, 8 bytes, of a card with b5 of `i` set (Amendment D 6.2.2.1).

    `enc_key` is the *static* encryption key, `sequence` the key set's counter (0 to FFFFFF, OverflowError
    beyond), `aid` the name of the application in whose context the channel is opened.
    """
    key = enc_key if isinstance(enc_key, MacKey) else MacKey(enc_key)
    return key.derive(_CARD_CHALLENGE, sequence.to_bytes(3, "big") + aid, 8 * CHALLENGE_SIZE)


def key_check_value(key: bytes) -> bytes:
    """Return the 3-byte check value of an AES key: the encryption of sixteen bytes 01 (GP 2.3.1 B.6)."""
    encryptor = Cipher(AES(key), ECB()).encryptor()  # noqa: S305 - one block, so defined
    return encryptor.update(b"\x01" * BLOCK_SIZE)[:3]


def encrypt_sensitive(dek: bytes, data: bytes) -> bytes:
    """Encrypt keys or other sensitive data under the DEK: AES-CBC, ICV zero (Amendment D 6.2.8).

    `data` is a whole number of 16-byte blocks; padding, where a key needs it, is the caller's (ValueError
    otherwise).
    """
    _check_blocks(data)
    return Cipher(AES(dek), CBC(bytes(BLOCK_SIZE))).encryptor().update(data)


def decrypt_sensitive(dek: bytes, data: bytes) -> bytes:
    """Undo `encrypt_sensitive`: the plain blocks, padding included (ValueError if not whole blocks)."""
    _check_blocks(data)
    return Cipher(AES(dek), CBC(bytes(BLOCK_SIZE))).decryptor().update(data)


@dataclass(frozen=True, slots=True)
class InitializeUpdateResponse:
    """What a card answers to INITIALIZE UPDATE (Amendment D 7.1.1.6): 29 or 32 bytes.

    `diversification` (10 bytes) lets the host derive this card's keys from a master key; `kvn` is the
    version of the key set used; `i` the options; `challenge` and `cryptogram` have 8 bytes each; `sequence`
    is there exactly if `i` has b5 (pseudo-random challenge), 0 to FFFFFF. ValueError when made otherwise.
    """

    diversification: bytes
    kvn: int
    i: int
    challenge: bytes
    cryptogram: bytes
    sequence: int | None = None

    def __post_init__(self) -> None:
        if self.i not in _I_VALUES:
            raise ValueError(f"SCP03 options i={self.i:02X} are not supported")
        if (self.sequence is None) == bool(self.i & I_PSEUDO_RANDOM):
            raise ValueError("a sequence counter goes with a pseudo-random challenge, and only with it")
        if self.sequence is not None and not 0 <= self.sequence <= 0xFFFFFF:
            raise ValueError("the sequence counter has three bytes")
        sizes = (len(self.diversification), len(self.challenge), len(self.cryptogram))
        if sizes != (10, CHALLENGE_SIZE, CRYPTOGRAM_SIZE) or not 0 <= self.kvn <= 0xFF:
            raise ValueError("a field of the INITIALIZE UPDATE response has a wrong size")

    def encode(self) -> bytes:
        """Return the response data field."""
        counter = b"" if self.sequence is None else self.sequence.to_bytes(3, "big")
        information = bytes((self.kvn, SCP_IDENTIFIER, self.i))
        return self.diversification + information + self.challenge + self.cryptogram + counter

    @classmethod
    def parse(cls, data: bytes) -> InitializeUpdateResponse:
        """Read a response data field; ValueError unless it is an SCP03 answer as long as its `i` demands."""
        if len(data) not in (29, 32) or data[11] != SCP_IDENTIFIER:
            raise ValueError("not an SCP03 INITIALIZE UPDATE response")
        sequence = int.from_bytes(data[29:], "big") if len(data) == 32 else None
        return cls(data[:10], data[10], data[12], data[13:21], data[21:29], sequence)


def _cryptogram(keys: SessionKeys | MacKey | bytes, constant: int, context: bytes) -> bytes:
    if isinstance(keys, SessionKeys):
        keys = keys.mac
    key = keys if isinstance(keys, MacKey) else MacKey(keys)
    return key.derive(constant, context, 8 * CRYPTOGRAM_SIZE)


def _check_blocks(data: bytes) -> None:
    if not data or len(data) % BLOCK_SIZE:
        raise ValueError("sensitive data must be whole 16-byte blocks")
