"""The project's CAs of the JPKI with fixed keys, dates and randomness: their certificates are the same in every run."""

from __future__ import annotations

import datetime as dt
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from jukicard.applets.jpki.layout import Usage
from jukicard.issuer.jpki import certificates
from jukicard.issuer.jpki.certificates import CaSigner, EndRequest
from jukicard.issuer.jpki.profile import PROFILES
from jukicard.testing.rsakeys import pool
from jukicard.testing.seeds import randomness
from tests.support.chains import private_key
from tests.support.jpki import ATTRIBUTES, CITY_CODE, CITY_NAME

FIRST, LAST = dt.date(2020, 1, 1), dt.date(2039, 12, 30)
_CA_KEYS = dict(zip(Usage, pool()[2:4], strict=True))
_SERVER_KEY = private_key(5001)


class _Keys:
    """The two keys, as much of a key store as a CA uses."""

    def rsa_public_key(self, label: str) -> rsa.RSAPublicKey:
        return _CA_KEYS[Usage(label)].public_key()

    def sign_rsa(self, label: str, data: bytes) -> bytes:
        return _CA_KEYS[Usage(label)].sign(data, padding.PKCS1v15(), hashes.SHA256())


def ca_certificate(usage: Usage) -> bytes:
    """The certificate (DER) of the CA for keys of that usage."""
    return certificates.self_signed(_Keys(), usage, PROFILES[usage], CITY_CODE, FIRST, randomness((usage, "ca")))  # type: ignore[arg-type]


def certificate(usage: Usage, key: rsa.RSAPublicKey) -> bytes:
    """A holder's certificate (DER) for a key; that of the signature key carries the four items."""
    profile = PROFILES[usage]
    attributes = ATTRIBUTES if profile.has_attributes else None
    signer = CaSigner(_Keys(), usage, ca_certificate(usage))  # type: ignore[arg-type]
    return certificates.issue(signer, EndRequest(profile, key, FIRST, LAST, CITY_NAME, attributes), randomness(usage))


def server(usage: Usage) -> tuple[bytes, bytes]:
    """Key and certificate (PEM) of a TLS server on 127.0.0.1, below the CA for that usage."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    issuer = x509.load_der_x509_certificate(ca_certificate(usage)).subject
    builder = x509.CertificateBuilder(issuer, name, _SERVER_KEY.public_key(), serial_number=2000)
    days = [dt.datetime.combine(day, dt.time(12), dt.UTC) for day in (FIRST, LAST)]
    builder = builder.not_valid_before(days[0]).not_valid_after(days[1])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    signed = builder.sign(_CA_KEYS[usage], hashes.SHA256())
    key = _SERVER_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return key, signed.public_bytes(Encoding.PEM)


def as_pem(der: bytes) -> bytes:
    """A certificate as a PEM file has it."""
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
