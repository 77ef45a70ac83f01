"""What a card asks its CA for: a certification request (PKCS #10, RFC 2986), signed with the key that it is about.

It names nobody: whom the certificate is for, the counter says.
"""

from __future__ import annotations

from collections.abc import Callable

from asn1crypto import csr  # type: ignore[import-untyped]
from asn1crypto import x509 as asn1
from asn1crypto.keys import PublicKeyInfo  # type: ignore[import-untyped]
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from jukicard.issuer.errors import CertificateProfileError
from jukicard.issuer.jpki.certificates import algorithm

Sign = Callable[[bytes], bytes]
"""From a message to its signature (RSASSA-PKCS1-v1_5 with SHA-256)."""


def certification_request(public_key: RSAPublicKey, sign: Sign) -> bytes:
    """Make the request (DER) for a key; `sign` signs with its private part, wherever that is."""
    encoded = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    body = csr.CertificationRequestInfo(
        {
            "version": "v1",
            "subject": asn1.Name.build({}),
            "subject_pk_info": PublicKeyInfo.load(encoded),
            "attributes": [],
        }
    )
    request = {
        "certification_request_info": body,
        "signature_algorithm": algorithm(),
        "signature": sign(body.dump()),
    }
    whole: bytes = csr.CertificationRequest(request).dump()
    return whole


def requested_key(request: bytes) -> RSAPublicKey:
    """Return the key that a request (DER) is about.

    CertificateProfileError where there is no such request, or it is not signed with that key: who asks has to have it.
    """
    try:
        read = x509.load_der_x509_csr(request)
        key, proved = read.public_key(), read.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise CertificateProfileError("there is no certification request that can be read") from None
    if not proved:
        raise CertificateProfileError("the request is not signed with the key that it is about")
    if not isinstance(key, RSAPublicKey):
        raise CertificateProfileError("the request is not about an RSA key")
    return key
