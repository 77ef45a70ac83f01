"""The cryptography of a card file: cells sealed singly, and one root over all of them.

A sealed cell ("box") is ``nonce (12) ‖ AES-256-GCM(length of name (1) ‖ name ‖ content) ‖ tag (16)``; its
associated data are the schema, the card identifier, the cell's number and its version.  `docs/card-file.md`
says what each part is for and why the root is sound.
"""

from __future__ import annotations

import struct
import unicodedata
from collections.abc import Callable
from hashlib import blake2b

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

SCHEMA = 1
STORAGE_KEY_LENGTH = 32
ROOT_LENGTH = 32
CHECK_LENGTH = 16
_NONCE_LENGTH = 12
_TAG_LENGTH = 16
_OVERHEAD = _NONCE_LENGTH + _TAG_LENGTH
_FINGERPRINT_MODULUS = 1 << 256
_place = struct.Struct(">QQ").pack

# scrypt: 128 MiB and about half a second for each guess.
_SCRYPT_N = 1 << 17
_SCRYPT_R = 8
_SCRYPT_P = 1


EXPORT_MARK = b"jukicard scrypt-17-8-1 "
"""How the identifier of an exported card begins; it names the derivation, and what follows is drawn at random."""


class Unsealable(Exception):  # noqa: N818 - says what it is
    """A box does not open: it was not sealed by this key for this card, number and version."""


def derive_storage_key(passphrase: str, salt: bytes) -> bytes:
    """Return the 32-byte storage key of `passphrase` (scrypt, N = 2¹⁷, r = 8, p = 1; RFC 7914).

    `salt` is at least 16 bytes and need not be secret; a card identifier drawn at random serves
    (`card_id_of` reads it from a closed file).  The passphrase is normalised (NFC), so that it does not
    matter on which keyboard it was typed.
    """
    if len(salt) < 16:
        raise ValueError("a salt of 16 bytes at least is needed")
    secret = unicodedata.normalize("NFC", passphrase).encode()
    return Scrypt(salt=salt, length=STORAGE_KEY_LENGTH, n=_SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P).derive(secret)


def new_exported_id(random: Callable[[int], bytes]) -> bytes:
    """Return a fresh identifier for a card file under a passphrase: the mark and 16 random bytes."""
    return EXPORT_MARK + random(16)


def is_exported(card_id: bytes) -> bool:
    """Tell whether a card file with this identifier is sealed under a passphrase (with the identifier as its salt)."""
    return card_id.startswith(EXPORT_MARK)


class Sealer:
    """Seals and opens the cells of one card, and computes its root.  The storage key itself is not kept."""

    __slots__ = (
        "_box_header",
        "_cell_hash",
        "_cipher",
        "_nonce_hash",
        "_random",
        "_root_hash",
        "card_id",
        "check",
    )

    def __init__(self, storage_key: bytes, card_id: bytes, random: Callable[[int], bytes]) -> None:
        if len(storage_key) != STORAGE_KEY_LENGTH:
            raise ValueError("a storage key has 32 bytes")
        info = struct.pack(">H", SCHEMA) + card_id
        keys = HKDF(SHA256(), 96 + CHECK_LENGTH, salt=b"jukicard card file", info=info).derive(storage_key)
        self._box_header = struct.pack(">HB", SCHEMA, len(card_id)) + card_id
        self._cipher = AESGCM(keys[:32])
        # The keyed functions, begun once: what is hashed goes into copies.
        self._nonce_hash = blake2b(key=keys[32:64], digest_size=_NONCE_LENGTH, person=b"jukicard nonce")
        self._cell_hash = blake2b(key=keys[64:96], digest_size=32, person=b"jukicard cell")
        self._root_hash = blake2b(self._box_header, key=keys[64:96], digest_size=ROOT_LENGTH, person=b"jukicard root")
        self._random = random
        self.card_id = card_id
        self.check = keys[96:]  # tells a wrong key from a damaged file; says nothing about the other keys

    def seal(self, number: int, version: int, name: str, content: bytes) -> tuple[bytes, int]:
        """Return the box of cell `number` in its `version`, and the fingerprint of the two (256 bits, secret)."""
        place = _place(number, version)
        label = name.encode("ascii")
        plain = b"%c%b%b" % (len(label), label, content)
        # The nonce depends on the text too: even a randomness that repeats itself (seeded, or a restored
        # machine) never uses one nonce for two texts.
        begun = self._nonce_hash.copy()
        begun.update(self._random(16) + place + plain)
        nonce = begun.digest()
        sealed = self._cipher.encrypt(nonce, plain, self._box_header + place)
        return nonce + sealed, self._fingerprint(place + nonce + sealed[-_TAG_LENGTH:])

    def open(self, number: int, version: int, box: bytes) -> tuple[str, bytes, int]:
        """Return the name and the content in `box`, and its fingerprint; raises `Unsealable`."""
        if len(box) <= _OVERHEAD:
            raise Unsealable
        place = _place(number, version)
        nonce = box[:_NONCE_LENGTH]
        try:
            plain = self._cipher.decrypt(nonce, box[_NONCE_LENGTH:], self._box_header + place)
        except InvalidTag:
            raise Unsealable from None
        end = 1 + plain[0]
        fingerprint = self._fingerprint(place + nonce + box[-_TAG_LENGTH:])
        return plain[1:end].decode("ascii"), plain[end:], fingerprint

    def root(self, commits: int, in_use: bool, fingerprints: int) -> bytes:
        """Return the MAC over the header and all cells, by the sum of the cells' fingerprints modulo 2²⁵⁶."""
        begun = self._root_hash.copy()
        begun.update(struct.pack(">Q?", commits, in_use) + (fingerprints % _FINGERPRINT_MODULUS).to_bytes(32))
        return begun.digest()

    def _fingerprint(self, what: bytes) -> int:
        """Return a secret 256-bit number that stands for one box in one place: number ‖ version ‖ nonce ‖ tag."""
        begun = self._cell_hash.copy()
        begun.update(what)
        return int.from_bytes(begun.digest())
