"""Verifying a certificate of the JPKI: directly below a CA that is trusted, valid, for that use, not revoked.

Each check has a name; the one error, `CertificateRefused`, says which of them failed. Primitives are `cryptography`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, SignatureAlgorithmOID

from jukicard.applets.jpki.layout import Usage
from jukicard.issuer.errors import RuleRefused
from jukicard.issuer.jpki.profile import PROFILES, Profile

E = TypeVar("E", bound=x509.ExtensionType)

MIN_RSA_BITS: Final = 2048
_CLIENT = frozenset({ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE})
_UNDERSTOOD = (
    x509.KeyUsage,
    x509.BasicConstraints,
    x509.CertificatePolicies,
    x509.AuthorityKeyIdentifier,
    x509.SubjectKeyIdentifier,
    x509.SubjectAlternativeName,
    x509.IssuerAlternativeName,
    x509.CRLDistributionPoints,
    x509.ExtendedKeyUsage,
)
_USAGE_BITS = {"digital_signature": "digital_signature", "non_repudiation": "content_commitment"}


class Check(StrEnum):
    """What is checked, in this order."""

    FORM = "form"
    ISSUER = "issuer"
    ALGORITHM = "algorithm"
    SIGNATURE = "signature"
    CA = "CA"
    KEY_IDENTIFIER = "key identifier"
    CA_VALIDITY = "validity of the CA"
    VALIDITY = "validity"
    BASIC_CONSTRAINTS = "basic constraints"
    KEY_USAGE = "key usage"
    POLICY = "policy"
    EXTENSIONS = "extensions"
    REVOCATION = "revocation"


class CertificateRefused(RuleRefused):
    """A certificate that must not be relied on; `check` says why."""

    def __init__(self, check: Check, reason: str) -> None:
        super().__init__(f"{check}: {reason}")
        self.check = check


class RevocationSource(Protocol):
    """What tells whether a certificate is revoked: a CRL, an OCSP response, a CA's own books."""

    def covers(self, leaf: x509.Certificate, ca: x509.Certificate) -> bool:
        """Whether it says anything about that certificate; nothing of it is trusted yet."""

    def check(self, leaf: x509.Certificate, ca: x509.Certificate, at: datetime) -> str:
        """Return by what the certificate is known as good at that time. CertificateRefused if it is not, or if the
        source itself is not to be trusted.
        """


@dataclass(frozen=True, slots=True)
class VerifiedCertificate:
    """A certificate that passed all checks: what it is for, itself and its CA's (DER).

    `revocation` says by what it is known as not revoked, None where nothing was given that could tell.
    """

    usage: Usage
    certificate: bytes
    ca: bytes
    revocation: str | None


def verify_certificate(
    leaf: bytes,
    trust: Iterable[bytes],
    usage: Usage,
    at: datetime,
    revocation: Sequence[RevocationSource] = (),
) -> VerifiedCertificate:
    """Verify a certificate (DER) for a use at a time (with its zone) below one of the trusted CA certificates (DER).

    Where sources of revocation are given, one of them must be about this certificate. CertificateRefused.
    """
    certificate = _load(leaf)
    ca = _issuer(certificate, tuple(map(_load, trust)))
    _check_ca(ca)
    _check_identifiers(certificate, ca)
    _check_validity(ca, at, Check.CA_VALIDITY)
    _check_validity(certificate, at, Check.VALIDITY)
    _check_leaf(certificate, PROFILES[usage])
    known_by = _check_revocation(certificate, ca, at, revocation)
    return VerifiedCertificate(usage, leaf, ca.public_bytes(Encoding.DER), known_by)


def check_signature(
    ca: x509.Certificate, algorithm: x509.ObjectIdentifier, signature: bytes, signed: bytes, check: Check
) -> None:
    """Verify what a CA signed with RSASSA-PKCS1-v1_5. CertificateRefused: a weak algorithm or key, or not its."""
    digest = _digest(algorithm)
    key = ca.public_key()
    if not isinstance(key, RSAPublicKey) or key.key_size < MIN_RSA_BITS:
        raise CertificateRefused(Check.ALGORITHM, f"the CA's key is no RSA key of {MIN_RSA_BITS} bits or more")
    try:
        key.verify(signature, signed, PKCS1v15(), digest)
    except InvalidSignature:
        raise CertificateRefused(check, "the CA that it names has not signed it") from None


def find_extension(extensions: x509.Extensions, kind: type[E]) -> E | None:
    """The value of an extension, or None."""
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _load(der: bytes) -> x509.Certificate:
    try:
        certificate = x509.load_der_x509_certificate(der)
        for part in ("extensions", "issuer", "subject", "not_valid_before_utc", "not_valid_after_utc"):
            getattr(certificate, part)  # they are read only when asked for: here, so that nothing fails later
        certificate.public_key()
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise CertificateRefused(Check.FORM, "it is no X.509 certificate that can be read") from error
    if certificate.version is not x509.Version.v3 or certificate.serial_number <= 0:
        raise CertificateRefused(Check.FORM, "it is no X.509 v3 certificate with a positive serial number")
    return certificate


def _digest(algorithm: x509.ObjectIdentifier) -> HashAlgorithm:
    strong: dict[x509.ObjectIdentifier, HashAlgorithm] = {
        SignatureAlgorithmOID.RSA_WITH_SHA256: SHA256(),
        SignatureAlgorithmOID.RSA_WITH_SHA384: SHA384(),
        SignatureAlgorithmOID.RSA_WITH_SHA512: SHA512(),
    }
    if algorithm not in strong:
        raise CertificateRefused(Check.ALGORITHM, "it is not signed with RSA (PKCS #1 v1.5) and SHA-256 or longer")
    return strong[algorithm]


def _issuer(certificate: x509.Certificate, trust: Sequence[x509.Certificate]) -> x509.Certificate:
    """The trusted CA that has signed it; of several with that name, the one whose key fits."""
    named = [ca for ca in trust if ca.subject == certificate.issuer]
    if not named:
        raise CertificateRefused(Check.ISSUER, "its issuer is none of the trusted CAs")
    refused: CertificateRefused | None = None
    for ca in named:
        try:
            check_signature(
                ca,
                certificate.signature_algorithm_oid,
                certificate.signature,
                certificate.tbs_certificate_bytes,
                Check.SIGNATURE,
            )
        except CertificateRefused as error:
            refused = error
        else:
            return ca
    assert refused is not None  # noqa: S101 - there was one at least, and it did not return
    raise refused


def _check_ca(ca: x509.Certificate) -> None:
    constraints = find_extension(ca.extensions, x509.BasicConstraints)
    usage = find_extension(ca.extensions, x509.KeyUsage)
    if constraints is None or not constraints.ca:
        raise CertificateRefused(Check.CA, "its issuer's certificate is not a CA's (basicConstraints)")
    if usage is None or not usage.key_cert_sign:
        raise CertificateRefused(Check.CA, "its issuer's key may not sign certificates (keyUsage)")


def _check_identifiers(certificate: x509.Certificate, ca: x509.Certificate) -> None:
    above = find_extension(certificate.extensions, x509.AuthorityKeyIdentifier)
    own = find_extension(ca.extensions, x509.SubjectKeyIdentifier)
    if above is None or own is None:
        raise CertificateRefused(Check.KEY_IDENTIFIER, "it, or its CA's certificate, has no key identifier")
    if above.key_identifier not in (None, own.digest):
        raise CertificateRefused(Check.KEY_IDENTIFIER, "it was issued by another key of that CA")
    if above.authority_cert_serial_number not in (None, ca.serial_number):
        raise CertificateRefused(Check.KEY_IDENTIFIER, "it was issued under another certificate of that CA")


def _check_validity(certificate: x509.Certificate, at: datetime, check: Check) -> None:
    if at < certificate.not_valid_before_utc:
        raise CertificateRefused(check, f"it begins only at {certificate.not_valid_before_utc}")
    if at > certificate.not_valid_after_utc:
        raise CertificateRefused(check, f"it ended at {certificate.not_valid_after_utc}")


def _check_leaf(certificate: x509.Certificate, profile: Profile) -> None:
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey) or key.key_size < MIN_RSA_BITS:
        raise CertificateRefused(Check.ALGORITHM, f"its key is no RSA key of {MIN_RSA_BITS} bits or more")
    constraints = find_extension(certificate.extensions, x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        raise CertificateRefused(Check.BASIC_CONSTRAINTS, "it is a CA's, and no resident's")
    usage = find_extension(certificate.extensions, x509.KeyUsage)
    if usage is None or not all(getattr(usage, _USAGE_BITS[bit]) for bit in profile.key_usage):
        raise CertificateRefused(Check.KEY_USAGE, f"its key is not for {profile.usage}")
    purposes = find_extension(certificate.extensions, x509.ExtendedKeyUsage)
    if profile.usage is Usage.AUTHENTICATION and purposes is not None and _CLIENT.isdisjoint(purposes):
        raise CertificateRefused(Check.KEY_USAGE, "its key is not for the authentication of a client")
    if not _has_policy(certificate, profile):
        raise CertificateRefused(
            Check.POLICY, f"it was not issued under the policy of certificates for {profile.usage}"
        )
    for extension in certificate.extensions:
        if extension.critical and not isinstance(extension.value, _UNDERSTOOD):
            raise CertificateRefused(Check.EXTENSIONS, f"it has a critical extension {extension.oid.dotted_string}")


def _has_policy(certificate: x509.Certificate, profile: Profile) -> bool:
    policies = find_extension(certificate.extensions, x509.CertificatePolicies) or ()
    found = (policy.policy_identifier.dotted_string for policy in policies)
    return any(f"{oid}.".startswith(f"{arc}.") for oid in found for arc in profile.policy_arcs)


def _check_revocation(
    certificate: x509.Certificate, ca: x509.Certificate, at: datetime, sources: Sequence[RevocationSource]
) -> str | None:
    if not sources:
        return None
    known_by = [source.check(certificate, ca, at) for source in sources if source.covers(certificate, ca)]
    if not known_by:
        raise CertificateRefused(Check.REVOCATION, "nothing that was given tells of its CA's revocations")
    return ", ".join(known_by)
