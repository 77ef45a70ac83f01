"""Key pairs of the chip's own: generated on it, once, and never leaving it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from jukicard.card.errors import CardError
from jukicard.card.objects import Header, LifeCycle
from jukicard.card.ports import P256_ORDER, RSA_EXPONENT, Ports
from jukicard.card.transaction import Area
from jukicard.iso7816.access import AccessRules
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv
from jukicard.securechannel.scp11 import encode_point

_PRIME_SIZE = 128


class KeyAlgorithm(IntEnum):
    """What a key pair is for: DO 80 of its header, which one for P-256 goes without."""

    P256 = 0x01
    RSA_2048 = 0x02


@dataclass(frozen=True, slots=True)
class KeyPairSpec:
    """A key pair with its access rules; `reference` is P2 of the commands that use it."""

    reference: int
    initial: AccessRules
    operational: AccessRules
    algorithm: KeyAlgorithm = KeyAlgorithm.P256

    def header(self, life_cycle: LifeCycle) -> Header:
        """Return the header that such a key pair has."""
        parameters = [Tlv(0x83, bytes((self.reference,)))]
        if self.algorithm is not KeyAlgorithm.P256:
            parameters.append(Tlv(0x80, bytes((self.algorithm,))))
        return Header(tuple(parameters), life_cycle, self.initial, self.operational)


class KeyPair:
    """One key pair in an area; empty until it is generated."""

    __slots__ = ("_area", "algorithm", "header", "reference")

    def __init__(self, area: Area, reference: int, header: Header) -> None:
        self._area = area
        self.reference = reference
        self.header = header
        self.algorithm = KeyAlgorithm((header.parameter(0x80) or bytes((KeyAlgorithm.P256,)))[0])

    def generate(self, ports: Ports) -> Tlv:
        """Generate the key pair, keep it, and return its public key.  6985 where there is one: it is made once."""
        value, public = _METHODS[self.algorithm].generate(ports)
        self._store(value)
        return _template(public)

    def store(self, key: ec.EllipticCurvePrivateKey) -> None:
        """Keep a P-256 key that the chip has just generated.  6985 where there is one."""
        self._store(scalar(key))

    def private_key(self) -> ec.EllipticCurvePrivateKey:
        """Return the private P-256 key for use inside the chip, or refuse with 6984 where none was generated."""
        return from_scalar(self._generated())

    def rsa_private_key(self) -> rsa.RSAPrivateKey:
        """Return the private RSA key for use inside the chip, or refuse with 6984 where none was generated."""
        return _from_primes(self._generated())

    def public_key(self) -> Tlv:
        """Return the public key as 7F49: 86 point, or 81 modulus and 82 exponent (ISO/IEC 7816-8).  6984 where none
        was generated.
        """
        return _template(_METHODS[self.algorithm].public(self._generated()))

    def check_generated(self) -> None:
        """Refuse with 6984 where none was generated."""
        self._generated()

    def _store(self, value: bytes) -> None:
        if self._area.read(_cell(self.reference, "v")) is not None:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, f"key pair {self.reference:02X} has been generated")
        self._area.write(_cell(self.reference, "v"), value)

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


def _primes(key: rsa.RSAPrivateKey) -> bytes:
    """Return what is kept of an RSA key: its two primes, 128 bytes each, from which all else follows."""
    numbers = key.private_numbers()
    return numbers.p.to_bytes(_PRIME_SIZE) + numbers.q.to_bytes(_PRIME_SIZE)


@lru_cache(maxsize=8)
def _from_primes(stored: bytes) -> rsa.RSAPrivateKey:
    """Return the RSA key with those primes.  Kept for a while: working it out takes as long as a signature."""
    p, q = int.from_bytes(stored[:_PRIME_SIZE]), int.from_bytes(stored[_PRIME_SIZE:])
    d = pow(RSA_EXPONENT, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(
        p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(RSA_EXPONENT, p * q)
    )
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)  # it is the chip's own, made by its port


def _template(public: Sequence[Tlv]) -> Tlv:
    return Tlv.build(0x7F49, *public)


def _point(key: ec.EllipticCurvePrivateKey) -> tuple[Tlv, ...]:
    return (Tlv(0x86, encode_point(key.public_key())),)


def _new_p256(ports: Ports) -> tuple[bytes, Sequence[Tlv]]:
    key = ports.keys.ec_p256(ports.random)
    return scalar(key), _point(key)


def _new_rsa(ports: Ports) -> tuple[bytes, Sequence[Tlv]]:
    stored = _primes(ports.keys.rsa_2048())
    return stored, _rsa_public(stored)


def _rsa_public(stored: bytes) -> tuple[Tlv, ...]:
    modulus = int.from_bytes(stored[:_PRIME_SIZE]) * int.from_bytes(stored[_PRIME_SIZE:])
    return Tlv(0x81, modulus.to_bytes(2 * _PRIME_SIZE)), Tlv(0x82, RSA_EXPONENT.to_bytes(3))


class _Method(NamedTuple):
    """How key pairs of one algorithm are made (the form that is kept, the public key), and what their public key
    consists of, from the form that is kept.
    """

    generate: Callable[[Ports], tuple[bytes, Sequence[Tlv]]]
    public: Callable[[bytes], Sequence[Tlv]]


_METHODS: Final = {
    KeyAlgorithm.P256: _Method(_new_p256, lambda stored: _point(from_scalar(stored))),
    KeyAlgorithm.RSA_2048: _Method(_new_rsa, _rsa_public),
}


def _cell(reference: int, part: str) -> str:
    return f"k/{reference:02x}/{part}"
