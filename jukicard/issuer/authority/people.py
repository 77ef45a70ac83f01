"""Personal data of unfinished business, sealed: a resident's record and photo, from the application to the handover.

They lie in a table of their own beside the books, so that they can be erased, and no entry of the books has any of
them. Each card's are encrypted with AES-256-GCM under a key of their own: the HMAC of the card's serial under a key
that stays in the key store (which one that only signs and digests can do, too). The serial is authenticated with them:
what was sealed for one card opens for no other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from jukicard.issuer.errors import HomeDamaged
from jukicard.issuer.keys.keystore import KeyStore, Randomness, ensure_key

PEOPLE_KEY = "personal-data"
MAX_PHOTO_BYTES = 4_000_000

_NONCE_SIZE = 12
_LENGTH_SIZE = 4


@dataclass(frozen=True, slots=True)
class PersonalData:
    """What is kept of one application: a record's values by field name (English), and the photo's bytes if it has one
    (`MAX_PHOTO_BYTES` at most).
    """

    record: Mapping[str, str] = field(repr=False)
    photo: bytes | None = field(default=None, repr=False)


def seal_personal(keys: KeyStore, serial: str, data: PersonalData, random: Randomness) -> bytes:
    """Seal personal data for a card: 12 bytes of nonce, then ciphertext and tag."""
    ensure_key(keys, PEOPLE_KEY, keys.create_mac_key)
    record = json.dumps(dict(data.record), ensure_ascii=False).encode()
    photo = b"" if data.photo is None else data.photo
    nonce = random(_NONCE_SIZE)
    plain = len(record).to_bytes(_LENGTH_SIZE) + record + photo
    return nonce + _cipher(keys, serial).encrypt(nonce, plain, serial.encode())


def open_personal(keys: KeyStore, serial: str, sealed: bytes) -> PersonalData:
    """Open what was sealed for a card. HomeDamaged if it was sealed for another, with another key, or changed since."""
    try:
        plain = _cipher(keys, serial).decrypt(sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:], serial.encode())
    except (InvalidTag, ValueError):
        raise HomeDamaged(f"the personal data kept of card {serial} are not what was sealed") from None
    end = _LENGTH_SIZE + int.from_bytes(plain[:_LENGTH_SIZE])
    return PersonalData(json.loads(plain[_LENGTH_SIZE:end]), plain[end:] or None)


def _cipher(keys: KeyStore, serial: str) -> AESGCM:
    return AESGCM(keys.mac(PEOPLE_KEY, f"personal data {serial}".encode()))
