"""The ports of the chip: all that it needs from the world outside, apart from its store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec, rsa

Randomness = Callable[[int], bytes]
"""Return that many unpredictable bytes."""

Delay = Callable[[float], None]
"""Wait that many seconds: how the chip slows down whoever guesses keys."""

RSA_EXPONENT, RSA_BITS = 65537, 2048
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Interface(Enum):
    """The interface through which a session reaches the chip."""

    CONTACT = "contact"
    CONTACTLESS = "contactless"


class KeyGeneration(Protocol):
    """Makes the chip's own key pairs."""

    def ec_p256(self, random: Randomness) -> ec.EllipticCurvePrivateKey:
        """Return a new P-256 key."""

    def rsa_2048(self) -> rsa.RSAPrivateKey:
        """Return a new RSA key of 2048 bits with the public exponent 65537."""


class DerivedKeys:
    """EC key pairs made of the randomness port's bytes alone: a fixed port gives fixed keys (FIPS 186-5 A.2.1).

    RSA keys are not: OpenSSL finds their primes with randomness of its own.  Who needs fixed ones (tests), or has no
    time to wait for them (some 45 ms each), brings a port with a pool.
    """

    def ec_p256(self, random: Randomness) -> ec.EllipticCurvePrivateKey:
        """Return a P-256 key from 40 random bytes: 64 bits more than the order has, so that the bias is negligible."""
        scalar = int.from_bytes(random(40)) % (P256_ORDER - 1) + 1
        return ec.derive_private_key(scalar, ec.SECP256R1())

    def rsa_2048(self) -> rsa.RSAPrivateKey:
        """Return an RSA key with OpenSSL's own randomness."""
        return rsa.generate_private_key(RSA_EXPONENT, RSA_BITS)


class Observer(Protocol):
    """Watches the chip from its host's side; it sees what the wire shows and nothing more, and changes nothing."""

    def exchange(self, command: bytes, response: bytes) -> None:
        """Called after each command with its raw command and response APDUs."""

    def refusal(self, reason: str) -> None:
        """Called when a command is refused, with the reason in words."""


def _no_delay(_seconds: float) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Ports:
    """What a chip is connected to.

    `random` is required.  `strict` re-raises bugs instead of answering 6F00: for tests.
    """

    random: Randomness
    delay: Delay = _no_delay
    keys: KeyGeneration = field(default_factory=DerivedKeys)
    observer: Observer | None = None
    strict: bool = False
