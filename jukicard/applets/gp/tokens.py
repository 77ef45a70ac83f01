"""Delegated management as both ends speak of it (GP 2.3.1, annex C): parameters, what a token signs, what a receipt
proves.

```
token    ECDSA, P-256, SHA-256, r and s in 32 bytes each, by the key behind key 21, over
         P1 | P2 | length of the fields (one byte; beyond 255 three, the first 00) | all fields but the token's own
answer   length | confirmation = 10 receipt (16) | 02 counter (2) | length, SD unique data | length, token identifier
receipt  AES-CMAC by key 22 over the confirmation from `02 counter` on, then each name with a length byte before it
```

The names: after LOAD the load file and its domain; after INSTALL [for install] and [for make selectable] the load file
and the application; after INSTALL [for extradition] the old domain, the application, the new domain; after INSTALL [for
registry update] the domain and the application; after DELETE what was deleted.  SD unique data are the card's 42, 45.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from jukicard.iso7816.tlv import Tlv, encode_length
from jukicard.securechannel.kdf import aes_cmac

TAG_SPECIFIC, TAG_SYSTEM, TAG_CONTROL, TAG_TOKEN = 0xC9, 0xEF, 0xB6, 0x9E
"""Parameters for the application itself, for the card, about the token (GP 2.3.1, tables 11-48, 11-49); in DELETE, the
token.
"""
TAG_CODE_SIZE, TAG_VOLATILE_QUOTA, TAG_STORAGE_QUOTA = 0xC6, 0xC7, 0xC8
TAG_PROVIDER, TAG_TOKEN_IDENTIFIER = 0x5F20, 0x93
RECEIPT_SIZE = 16

Sign = Callable[[bytes], bytes]
"""Make a token: its 64 bytes for the message that it signs."""


def token_message(p1: int, p2: int, fields: bytes) -> bytes:
    """Return what a token signs; `fields` are the command's data without the token."""
    size = len(fields)
    return bytes((p1, p2)) + (bytes((size,)) if size < 0x100 else size.to_bytes(3)) + fields


def install_fields(*fields: bytes) -> bytes:
    """Return fields of INSTALL, each with its length as in BER before it."""
    return b"".join(encode_length(len(field)) + field for field in fields)


def quotas(**sizes: int | None) -> bytes:
    """Return EF with `code`, `volatile` and `storage` (bytes, 4 of them each) as far as they are given, or nothing."""
    tags = {"code": TAG_CODE_SIZE, "volatile": TAG_VOLATILE_QUOTA, "storage": TAG_STORAGE_QUOTA}
    stated = [Tlv(tags[name], size.to_bytes(4)) for name, size in sizes.items() if size is not None]
    return Tlv.build(TAG_SYSTEM, *stated).encode() if stated else b""


class Confirmation(NamedTuple):
    """What a card answers to a change of content that a token allowed: `receipt` 16 bytes, `counter` 1-65535."""

    receipt: bytes
    counter: int
    unique: bytes
    identifier: bytes

    @property
    def told(self) -> bytes:
        """The confirmation data without the receipt."""
        return lengthed(self.counter.to_bytes(2), self.unique, self.identifier)

    def encode(self) -> bytes:
        """Return the answer of the card."""
        return lengthed(lengthed(self.receipt) + self.told)

    @classmethod
    def parse(cls, answer: bytes) -> Confirmation | None:
        """Read an answer: None for 00, which confirms without a receipt; ValueError for what is neither."""
        if answer in (b"", b"\0"):
            return None
        try:
            (whole,) = _split(answer)
            receipt, counter, unique, identifier = _split(whole)
        except ValueError:
            raise ValueError("not a confirmation") from None
        if len(receipt) != RECEIPT_SIZE or len(counter) != 2:
            raise ValueError("not a confirmation")
        return cls(receipt, int.from_bytes(counter), unique, identifier)


def receipt(key: bytes, told: bytes, *names: bytes) -> bytes:
    """Return a receipt (16 bytes) over `Confirmation.told` and the names of what was changed."""
    return aes_cmac(key, told + lengthed(*names))


def lengthed(*parts: bytes) -> bytes:
    """Return parts, each with its length in one byte before it."""
    return b"".join(bytes((len(part),)) + part for part in parts)


def _split(data: bytes) -> list[bytes]:
    parts, position = [], 0
    while position < len(data):
        end = position + 1 + data[position]
        if end > len(data):
            raise ValueError("cut off")
        parts.append(data[position + 1 : end])
        position = end
    return parts
