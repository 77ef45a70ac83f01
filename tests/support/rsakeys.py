"""RSA keys that are always the same, for chips in tests: finding new primes is neither quick nor repeatable."""

from __future__ import annotations

from functools import lru_cache
from itertools import cycle
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from jukicard.card.ports import RSA_EXPONENT, DerivedKeys

_PRIMES = Path(__file__).parents[1] / "data" / "rsa-2048-primes.txt"


@lru_cache(maxsize=1)
def pool() -> tuple[rsa.RSAPrivateKey, ...]:
    """The keys of the file, in its order: two lines, two primes, each."""
    primes = [int(line, 16) for line in _PRIMES.read_text().split()]
    return tuple(_key(p, q) for p, q in zip(primes[::2], primes[1::2], strict=True))


def _key(p: int, q: int) -> rsa.RSAPrivateKey:
    d = rsa.rsa_recover_private_exponent(RSA_EXPONENT, p, q)
    public = rsa.RSAPublicNumbers(RSA_EXPONENT, p * q)
    return rsa.RSAPrivateNumbers(
        p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q), public
    ).private_key()


def stored_primes(key: rsa.RSAPrivateKey) -> bytes:
    """A key as the chip keeps it: its two primes, 128 bytes each."""
    numbers = key.private_numbers()
    return numbers.p.to_bytes(128) + numbers.q.to_bytes(128)


class FixedKeys(DerivedKeys):
    """A chip's key generation that takes its RSA keys from the pool, one after another."""

    def __init__(self) -> None:
        self._keys = cycle(pool())

    def rsa_2048(self) -> rsa.RSAPrivateKey:
        return next(self._keys)
