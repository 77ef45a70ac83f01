"""RSA keys that are always the same, for chips in tests: finding new primes is neither quick nor repeatable."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from itertools import cycle

from cryptography.hazmat.primitives.asymmetric import rsa

from jukicard.card.ports import RSA_EXPONENT, DerivedKeys

_PRIMES = "data/rsa-2048-primes.txt"


@lru_cache(maxsize=1)
def pool() -> tuple[rsa.RSAPrivateKey, ...]:
    """Return the keys of the pool, in their order: anybody can know them."""
    primes = [int(line, 16) for line in files("jukicard.testing").joinpath(_PRIMES).read_text("ascii").split()]
    return tuple(_key(p, q) for p, q in zip(primes[::2], primes[1::2], strict=True))


def _key(p: int, q: int) -> rsa.RSAPrivateKey:
    d = rsa.rsa_recover_private_exponent(RSA_EXPONENT, p, q)
    public = rsa.RSAPublicNumbers(RSA_EXPONENT, p * q)
    return rsa.RSAPrivateNumbers(
        p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q), public
    ).private_key()


class FixedKeys(DerivedKeys):
    """A chip's key generation that takes its RSA keys from the pool, one after another."""

    def __init__(self) -> None:
        self._keys = cycle(pool())

    def rsa_2048(self) -> rsa.RSAPrivateKey:
        """See KeyGeneration."""
        return next(self._keys)
