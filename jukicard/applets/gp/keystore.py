"""The keys of one security domain as they lie in its cells: SCP03 key sets, EC key pairs, trust anchors and what
belongs to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.applets.gp.layout import (
    CURVE_P256,
    KEY_TYPE_AES,
    KEY_TYPE_EC_PARAMETERS,
    KEY_TYPE_EC_PRIVATE,
    KEY_TYPE_EC_PUBLIC,
    KID_SCP03,
)
from jukicard.card.errors import CardError
from jukicard.card.security.keypairs import from_scalar, scalar
from jukicard.card.transaction import Area
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv, parse_one
from jukicard.securechannel.scp03 import StaticKeys
from jukicard.securechannel.scp11 import decode_point, encode_point

KEY_SET_KIDS = (0x01, 0x02, 0x03)
_ATTRIBUTES = ("crt", "alw", "ski", "day")


class KeyReference(NamedTuple):
    """A key's identifier and version.  An SCP03 key set stands under KID 01."""

    kid: int
    kvn: int

    def __bytes__(self) -> bytes:
        return bytes((self.kid, self.kvn))


class DomainKeys:
    """The keys in a domain's area."""

    __slots__ = ("_area", "_names")

    def __init__(self, area: Area) -> None:
        self._area = area
        self._names: list[str] | None = None

    def references(self) -> Iterator[KeyReference]:
        """Yield the references of all keys, by identifier and version."""
        return map(_reference, self._cells())

    def _cells(self) -> list[str]:
        if self._names is None:
            self._names = self._area.cells("key/")
        return self._names

    def find(self, kid: int, kvn: int) -> KeyReference:
        """Return the reference of the key `kid` with version `kvn`; version 0 is the first one there is.

        6A88 where there is none.
        """
        for reference in self.references():
            if reference.kid == kid and kvn in (0, reference.kvn):
                return reference
        raise CardError(StatusWord.REFERENCE_NOT_FOUND, f"no key with identifier {kid:02X} and version {kvn:02X}")

    @property
    def is_empty(self) -> bool:
        """Whether the domain has no key of its own yet."""
        return not self._cells()

    def information(self) -> bytes:
        """Return the key information: one C0 per key (GP 2.3.1, 11.3.3.1)."""
        return b"".join(self._describe(reference) for reference in self.references())

    def _describe(self, reference: KeyReference) -> bytes:
        if reference.kid == KID_SCP03:
            size = len(self.key_set(reference).enc)
            return b"".join(Tlv(0xC0, bytes((kid, reference.kvn, KEY_TYPE_AES, size))).encode() for kid in KEY_SET_KIDS)
        kind, stored = self._stored(reference)
        if kind == KEY_TYPE_AES:
            return Tlv(0xC0, bytes((reference.kid, reference.kvn, kind, len(stored)))).encode()
        size = 32 if kind == KEY_TYPE_EC_PRIVATE else 65
        described = (reference.kid, reference.kvn, kind, size, KEY_TYPE_EC_PARAMETERS, CURVE_P256)
        return Tlv(0xC0, bytes(described)).encode()

    def put_key_set(self, reference: KeyReference, keys: StaticKeys) -> None:
        """Store an SCP03 key set; its sequence counter begins anew."""
        parts = (Tlv(0x80, keys.enc), Tlv(0x81, keys.mac), Tlv(0x82, keys.dek))
        self._store(reference, Tlv.build(0xE1, *parts))
        self._area.write(_cell("seq", reference), bytes(4))

    def key_set(self, reference: KeyReference) -> StaticKeys:
        """Return an SCP03 key set."""
        return key_set_in(self.content(reference))

    def put_private(self, reference: KeyReference, key: ec.EllipticCurvePrivateKey) -> None:
        """Store a key pair."""
        self._store(reference, Tlv(KEY_TYPE_EC_PRIVATE, scalar(key)))

    def put_public(self, reference: KeyReference, key: ec.EllipticCurvePublicKey) -> None:
        """Store a public key."""
        self._store(reference, Tlv(KEY_TYPE_EC_PUBLIC, encode_point(key)))

    def put_secret(self, reference: KeyReference, key: bytes) -> None:
        """Store a single AES key."""
        self._store(reference, Tlv(KEY_TYPE_AES, key))

    def secret(self, reference: KeyReference) -> bytes:
        """Return a single AES key for use inside the chip."""
        return self._stored(reference).value

    def private(self, reference: KeyReference) -> ec.EllipticCurvePrivateKey:
        """Return a private key for use inside the chip; 6985 where the reference is not a key pair's."""
        stored = self._stored(reference)
        if stored.tag != KEY_TYPE_EC_PRIVATE:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "this key has no private part")
        return from_scalar(stored.value)

    def public(self, reference: KeyReference) -> ec.EllipticCurvePublicKey:
        """Return a public key; 6985 where the reference is not one's."""
        stored = self._stored(reference)
        if stored.tag != KEY_TYPE_EC_PUBLIC:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "this key is not a public one")
        return decode_point(stored.value)

    def delete(self, reference: KeyReference) -> None:
        """Remove a key with everything that was stored for it."""
        for kind in ("key", "seq", *_ATTRIBUTES):
            self._area.write(_cell(kind, reference), None)
        self._names = None

    def _store(self, reference: KeyReference, key: Tlv) -> None:
        self._area.write(_cell("key", reference), key.encode())
        self._names = None

    def attribute(self, kind: str, reference: KeyReference) -> bytes | None:
        """Return what is stored beside a key: `crt` certificates, `alw` allow-list, `ski` CA identifier, `day` date
        estimate.
        """
        return self._area.read(_cell(kind, reference))

    def set_attribute(self, kind: str, reference: KeyReference, value: bytes | None) -> None:
        """Store something beside a key that exists (6A88 otherwise); None removes it."""
        self.find(reference.kid, reference.kvn)
        self._area.write(_cell(kind, reference), value)

    def with_attribute(self, kind: str) -> Iterator[tuple[KeyReference, bytes]]:
        """Yield every key that has such an attribute, with it."""
        for cell in self._area.cells(kind + "/"):
            value = self._area.read(cell)
            if value:
                yield _reference(cell), value

    @property
    def newest_estimate(self) -> int | None:
        """The newest of the anchors' date estimates (YYYYMMDD), None where there is none."""
        days = [day for cell in self._area.cells("day/") if (day := self._area.read(cell))]
        return int(max(days).hex()) if days else None  # BCD: the order of the bytes is that of the dates

    def sequence(self, reference: KeyReference) -> int:
        """Return the SCP03 sequence counter: how many handshakes were begun with the key set."""
        return int.from_bytes(self._counters(reference)[:3])

    def begin_attempt(self, reference: KeyReference, wait: Callable[[int], None]) -> int:
        """Count a handshake, durably, before anything is answered, and return its sequence number.

        `wait` is called before, with the number of handshakes that were begun since one last succeeded (0-255).  6985
        when the three bytes of the sequence counter are used up (Amendment D 1.2, 6.2.2.1).
        """
        counters = self._counters(reference)
        wait(counters[3])
        sequence = int.from_bytes(counters[:3]) + 1
        if sequence > 0xFFFFFF:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "the key set's sequence counter is used up")
        attempts = min(255, counters[3] + 1)
        self._area.spend(_cell("seq", reference), sequence.to_bytes(3) + bytes((attempts,)))
        return sequence

    def end_attempts(self, reference: KeyReference) -> None:
        """A handshake succeeded: the count of attempts begins anew."""
        self._area.write(_cell("seq", reference), self._counters(reference)[:3] + b"\0")

    def _counters(self, reference: KeyReference) -> bytes:
        return self._area.read(_cell("seq", reference)) or bytes(4)

    def stored(self, reference: KeyReference) -> bytes | None:
        """Return a key as it lies in its cell, None where there is none: for telling whether it is still the same."""
        return self._area.read(_cell("key", reference))

    def _stored(self, reference: KeyReference) -> Tlv:
        return parse_one(self.content(reference))

    def content(self, reference: KeyReference) -> bytes:
        """Return a key as it lies in its cell, or refuse with 6A88."""
        stored = self.stored(reference)
        if stored is None:
            raise CardError(StatusWord.REFERENCE_NOT_FOUND, "no such key")
        return stored


def key_set_in(stored: bytes) -> StaticKeys:
    """Return the SCP03 key set that `put_key_set` stored so: three objects of one length in a template."""
    size = stored[3]
    mac, dek = 6 + size, 8 + 2 * size
    return StaticKeys(stored[4 : 4 + size], stored[mac : mac + size], stored[dek : dek + size])


@lru_cache(maxsize=4096)
def _cell(kind: str, reference: KeyReference) -> str:
    return f"{kind}/{reference.kid:02x}/{reference.kvn:02x}"


@lru_cache(maxsize=4096)
def _reference(cell: str) -> KeyReference:
    _, kid, kvn = cell.split("/")
    return KeyReference(int(kid, 16), int(kvn, 16))
