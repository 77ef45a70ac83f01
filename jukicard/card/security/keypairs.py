"""Key pairs of the chip's own: generated on it, once, and never leaving it."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.card.errors import CardError
from jukicard.card.objects import Header, LifeCycle
from jukicard.card.ports import P256_ORDER
from jukicard.card.transaction import Area
from jukicard.iso7816.access import AccessRules
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv


@dataclass(frozen=True, slots=True)
class KeyPairSpec:
    """A P-256 key pair with its access rules; `reference` is P2 of the commands that use it."""

    reference: int
    initial: AccessRules
    operational: AccessRules

    def header(self, life_cycle: LifeCycle) -> Header:
        """Return the header that such a key pair has."""
        return Header((Tlv(0x83, bytes((self.reference,))),), life_cycle, self.initial, self.operational)


class KeyPair:
    """One key pair in an area; empty until it is generated."""

    __slots__ = ("_area", "header", "reference")

    def __init__(self, area: Area, reference: int, header: Header) -> None:
        self._area = area
        self.reference = reference
        self.header = header

    def store(self, key: ec.EllipticCurvePrivateKey) -> None:
        """Keep a key that the chip has just generated.  6985 where there is one: a key pair is made once."""
        if self._area.read(_cell(self.reference, "v")) is not None:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, f"key pair {self.reference:02X} has been generated")
        self._area.write(_cell(self.reference, "v"), scalar(key))

    def private_key(self) -> ec.EllipticCurvePrivateKey:
        """Return the private key for use inside the chip, or refuse with 6984 where none was generated."""
        return from_scalar(self._generated())

    def check_generated(self) -> None:
        """Refuse with 6984 where none was generated."""
        self._generated()

    def _generated(self) -> bytes:
        stored = self._area.read(_cell(self.reference, "v"))
        if stored is None:
            raise CardError(StatusWord.REFERENCE_DATA_UNUSABLE, f"key pair {self.reference:02X} is not generated")
        return stored

    def set_life_cycle(self, life_cycle: LifeCycle) -> None:
        """Move the key pair to another life cycle status."""
        self.header = self.header.with_life_cycle(life_cycle)
        self._area.write(_cell(self.reference, "h"), self.header.encode())


class KeyPairs:
    """The key pairs of one area."""

    __slots__ = ("_area",)

    def __init__(self, area: Area) -> None:
        self._area = area

    def create(self, spec: KeyPairSpec, life_cycle: LifeCycle) -> KeyPair:
        """Make room for a key pair."""
        header = spec.header(life_cycle)
        self._area.write(_cell(spec.reference, "h"), header.encode())
        return KeyPair(self._area, spec.reference, header)

    def by_reference(self, reference: int) -> KeyPair:
        """Return the key pair with that reference, or refuse with 6A88."""
        stored = self._area.read(_cell(reference, "h"))
        if stored is None:
            raise CardError(StatusWord.REFERENCE_NOT_FOUND, f"no key pair {reference:02X} in this application")
        return KeyPair(self._area, reference, Header.parse(stored))


def scalar(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the private scalar of a P-256 key, 32 bytes."""
    return key.private_numbers().private_value.to_bytes(32)


def is_scalar(value: bytes) -> bool:
    """Return whether bytes are a private scalar of P-256: 32 bytes, above 0 and below the order."""
    return len(value) == 32 and 0 < int.from_bytes(value) < P256_ORDER


def from_scalar(stored: bytes) -> ec.EllipticCurvePrivateKey:
    """Return the P-256 key with that private scalar."""
    return ec.derive_private_key(int.from_bytes(stored), ec.SECP256R1())


def _cell(reference: int, part: str) -> str:
    return f"k/{reference:02x}/{part}"
