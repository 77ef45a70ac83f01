"""Certificate chains for tests: any field of a certificate may be made wrong."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from jukicard.securechannel.authorization import OID, TerminalAuthorization

KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def private_key(number: int) -> ec.EllipticCurvePrivateKey:
    """The P-256 key with this number: the same in every run."""
    return ec.derive_private_key(number, ec.SECP256R1())


def key_usage(*names: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in names for name in KEY_USAGES})


def day(number: int) -> datetime.datetime:
    return datetime.datetime(number // 10000, number // 100 % 100, number % 100, tzinfo=datetime.UTC)


def name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])


@dataclass(frozen=True)
class Draft:
    """A certificate before it is signed. `constraints`, `usage` and `authorization` are left out if None."""

    subject: str
    issuer: str
    key: ec.EllipticCurvePublicKey
    start: int = 20240101
    end: int = 20291231
    serial: int = 1
    constraints: x509.BasicConstraints | None = None
    usage: x509.KeyUsage | None = None
    authorization: TerminalAuthorization | None = None
    extra: Sequence[tuple[x509.ExtensionType, bool]] = field(default=())

    def but(self, **changes: object) -> Draft:
        return replace(self, **changes)  # type: ignore[arg-type]

    def extended(self, value: x509.ExtensionType, *, critical: bool = False) -> Draft:
        return replace(self, extra=(*self.extra, (value, critical)))

    def signed(self, key: ec.EllipticCurvePrivateKey, algorithm: hashes.SHA256 | hashes.SHA384 | None = None) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(self.subject))
            .issuer_name(name(self.issuer))
            .public_key(self.key)
            .serial_number(self.serial)
            .not_valid_before(day(self.start))
            .not_valid_after(day(self.end))
        )
        if self.constraints is not None:
            builder = builder.add_extension(self.constraints, critical=True)
        if self.usage is not None:
            builder = builder.add_extension(self.usage, critical=True)
        if self.authorization is not None:
            private = x509.UnrecognizedExtension(x509.ObjectIdentifier(OID), self.authorization.encode())
            builder = builder.add_extension(private, critical=False)
        for value, critical in self.extra:
            builder = builder.add_extension(value, critical=critical)
        signed = builder.sign(key, algorithm or hashes.SHA256(), ecdsa_deterministic=True)
        return signed.public_bytes(Encoding.DER)


def authority(
    subject: str,
    issuer: str,
    key: ec.EllipticCurvePrivateKey,
    path_length: int | None = None,
    authorization: TerminalAuthorization | None = None,
) -> Draft:
    """A CA certificate."""
    return Draft(
        subject,
        issuer,
        key.public_key(),
        constraints=x509.BasicConstraints(ca=True, path_length=path_length),
        usage=key_usage("key_cert_sign", "crl_sign"),
        authorization=authorization,
    )


def leaf(
    subject: str,
    issuer: str,
    key: ec.EllipticCurvePrivateKey,
    authorization: TerminalAuthorization | None = None,
    usage: str = "key_agreement",
) -> Draft:
    """An end entity's certificate."""
    return Draft(subject, issuer, key.public_key(), usage=key_usage(usage), authorization=authorization)
