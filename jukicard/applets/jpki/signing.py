"""The forms of signature that the JPKI application makes, by P1."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo, Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

from jukicard.applets.jpki.layout import HASH_SIZE, LONGEST_VERBATIM, Form

_PADDED = padding.PKCS1v15()
_PSS = padding.PSS(padding.MGF1(SHA256()), HASH_SIZE)
_MAKE: Final[dict[Form, Callable[[rsa.RSAPrivateKey, bytes], bytes]]] = {
    Form.VERBATIM: lambda key, data: key.sign(data, _PADDED, NoDigestInfo()),
    Form.BARE_HASH: lambda key, data: key.sign(sha256(data).digest(), _PADDED, NoDigestInfo()),
    Form.PREHASHED: lambda key, data: key.sign(data, _PADDED, Prehashed(SHA256())),
    Form.HASHED: lambda key, data: key.sign(data, _PADDED, SHA256()),
    Form.PSS_PREHASHED: lambda key, data: key.sign(data, _PSS, Prehashed(SHA256())),
    Form.PSS: lambda key, data: key.sign(data, _PSS, SHA256()),
}
_SIZES: Final = {
    Form.VERBATIM: range(LONGEST_VERBATIM + 1),
    Form.PREHASHED: (HASH_SIZE,),
    Form.PSS_PREHASHED: (HASH_SIZE,),
}


def takes(form: Form, size: int) -> bool:
    """Return whether a form takes data of that many bytes (1 at least)."""
    return form not in _SIZES or size in _SIZES[form]


def sign(key: rsa.RSAPrivateKey, form: Form, data: bytes) -> bytes:
    """Return the signature (256 bytes) over data of a length that the form takes."""
    return _MAKE[form](key, data)
