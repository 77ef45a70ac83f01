"""Certificate chains under a bare P-256 key as trust anchor, one certificate at a time (RFC 5280 6.1).

The chip gets a terminal's certificates top-down, the leaf last, one command each; the host verifies a
card's chain with the same code. There is no clock: the caller gives the date, if it has one.

What is demanded of every certificate: X.509 v3, ECDSA with SHA-256 by the key above it, a P-256 key, issuer
and subject linked by name (the same bytes) and (if present) by key identifier and serial number, key usage
present, a start not after the end, the end not before the date, no critical extension that is not understood
here. Of an authority: basic constraints, key usage keyCertSign, and room in the path lengths above. Of the
leaf: to be no authority, and the usage asked for.

What is deliberately not: a start date in the past, as the date given may lag behind. Certificate policies
are understood as RFC 5280 does where every policy will do: they restrict nothing (GlobalPlatform's SCP11
certificates carry them critical); with qualifiers, critical ones are refused.

The date moves within the chain: a verified authority that started later than the date given proves that the
date is not before that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final, TypeAlias, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID

from jukicard.iso7816.tlv import Tlv, parse_one
from jukicard.securechannel.authorization import OID, AuthorizationError, TerminalAuthorization
from jukicard.securechannel.scp11 import decode_point, encode_point

_Kind = TypeVar("_Kind", bound=x509.ExtensionType)
_Extensions: TypeAlias = Mapping[x509.ObjectIdentifier, x509.Extension[x509.ExtensionType]]

Date: TypeAlias = int
"""A day (UTC) as a number: 20250131 is 31 January 2025."""

MAX_CHAIN: Final = 8
"""Certificates in a chain at most, the leaf included."""

_ECDSA_SHA256: Final = Tlv(0x30, bytes.fromhex("06082A8648CE3D040302"))
_AUTHORIZATION_OID: Final = x509.ObjectIdentifier(OID)
_UNDERSTOOD: Final = frozenset(
    (
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.CERTIFICATE_POLICIES,
        _AUTHORIZATION_OID,
    )
)
_UNREADABLE: Final = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


class CertificateError(Exception):
    """A certificate is not of the chain or cannot be read; `reason` says why, without its content."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class LeafUsage(Enum):
    """The key usage that a chain's leaf must have."""

    KEY_AGREEMENT = "key_agreement"
    DIGITAL_SIGNATURE = "digital_signature"


@dataclass(frozen=True, slots=True)
class _Certificate:
    """What verification needs of a certificate, all read at once, so that nothing fails to parse later."""

    parsed: x509.Certificate
    key: EllipticCurvePublicKey
    serial: int
    issuer: bytes
    subject: bytes
    start: Date
    end: Date
    is_authority: bool
    path_length: int | None
    usage: x509.KeyUsage
    subject_key_id: bytes | None
    authority_key_id: x509.AuthorityKeyIdentifier | None
    authorization: TerminalAuthorization | None


class ChainVerifier:
    """One chain in the making: `add` each certificate top-down, then read the results.

    An error, or the leaf, ends it; any `add` after that raises CertificateError.
    """

    def __init__(
        self,
        anchor: EllipticCurvePublicKey,
        *,
        today: Date | None,
        usage: LeafUsage = LeafUsage.KEY_AGREEMENT,
    ) -> None:
        """Start under `anchor`, a P-256 key (ValueError otherwise).

        `today` is the date as far as it is known; None means that dates are not judged. `usage` is what the
        leaf must be for.
        """
        if anchor.curve.name != SECP256R1.name:
            raise ValueError("a trust anchor is a P-256 key")
        self._anchor = anchor
        self._usage = usage
        self._today = today
        self._above: _Certificate | None = None
        self._authorities_left: int | None = None
        self._authorizations: list[TerminalAuthorization | None] = []
        self._latest_ca_start: Date | None = None
        self._count = 0
        self._leaf: _Certificate | None = None
        self._open = True

    def add(self, der: bytes, last: bool) -> None:
        """Verify the next certificate, the leaf if `last`; CertificateError if anything is wrong."""
        if not self._open:
            raise CertificateError("the chain is closed")
        self._open = False  # until everything has been checked
        self._count += 1
        if self._count > MAX_CHAIN:
            raise CertificateError(f"a chain has at most {MAX_CHAIN} certificates")
        certificate = _read(der)
        self._check_link(certificate)
        self._check_dates(certificate)
        if last:
            self._check_leaf(certificate)
            self._leaf = certificate
            self._authorizations.append(certificate.authorization)
        else:
            self._check_authority(certificate)
            self._descend(certificate)
            self._open = True

    @property
    def complete(self) -> bool:
        """Whether the leaf has been verified."""
        return self._leaf is not None

    @property
    def public_key(self) -> EllipticCurvePublicKey:
        """The leaf's key; CertificateError before the chain is complete."""
        return self._verified_leaf().key

    @property
    def certificate(self) -> x509.Certificate:
        """The leaf, for its serial number and subject; CertificateError before the chain is complete."""
        return self._verified_leaf().parsed

    @property
    def authorization(self) -> TerminalAuthorization | None:
        """What the leaf's holder may do; CertificateError before the chain is complete.

        The intersection along the chain. None if the leaf or an authority above it has no authorization,
        which grants no right. The anchor's own certificate, should it be part of the chain, need not have
        one.
        """
        self._verified_leaf()
        granted = self._authorizations[-1]
        for above in reversed(self._authorizations[:-1]):
            if granted is None or above is None:
                return None
            granted = granted.intersect(above)
        return granted

    @property
    def latest_ca_start(self) -> Date | None:
        """The newest start date among the authorities verified so far, None without any.

        The only source from which a chip without a clock may move its estimate of the date forward.
        """
        return self._latest_ca_start

    def _verified_leaf(self) -> _Certificate:
        if self._leaf is None:
            raise CertificateError("the chain is not complete")
        return self._leaf

    def _check_link(self, certificate: _Certificate) -> None:
        above = self._above
        self._check_signature(certificate, self._anchor if above is None else above.key)
        if above is None:
            return
        if certificate.issuer != above.subject:
            raise CertificateError("the issuer is not the subject above")
        link = certificate.authority_key_id
        if link is None:
            return
        if link.key_identifier and above.subject_key_id and link.key_identifier != above.subject_key_id:
            raise CertificateError("the authority key identifier is another one's")
        if link.authority_cert_serial_number not in (None, above.serial):
            raise CertificateError("the authority's serial number is another one's")

    def _check_signature(self, certificate: _Certificate, key: EllipticCurvePublicKey) -> None:
        _check_signature(certificate.parsed, key)

    def _check_dates(self, certificate: _Certificate) -> None:
        if self._today is not None and certificate.end < self._today:
            raise CertificateError("expired")

    def _check_leaf(self, certificate: _Certificate) -> None:
        if certificate.is_authority:
            raise CertificateError("the last certificate is an authority's")
        if not getattr(certificate.usage, self._usage.value):
            raise CertificateError("the key usage does not fit")

    def _check_authority(self, certificate: _Certificate) -> None:
        if not certificate.is_authority:
            raise CertificateError("a certificate above the last is not an authority's")
        if not certificate.usage.key_cert_sign:
            raise CertificateError("an authority may not sign certificates")
        if self._authorities_left == 0:
            raise CertificateError("the path length is exceeded")

    def _descend(self, certificate: _Certificate) -> None:
        left = None if self._authorities_left is None else self._authorities_left - 1
        lengths = [length for length in (left, certificate.path_length) if length is not None]
        self._authorities_left = min(lengths, default=None)
        is_anchor = self._above is None and certificate.key == self._anchor
        if certificate.authorization is not None or not is_anchor:
            self._authorizations.append(certificate.authorization)
        self._latest_ca_start = max(self._latest_ca_start or certificate.start, certificate.start)
        if self._today is not None:
            self._today = max(self._today, certificate.start)
        self._above = certificate


class _HostVerifier(ChainVerifier):
    """The same for a host, which sees the same few authorities above all the cards there are.

    That an authority's certificate was signed by a key is found out once in a process; everything else is checked each
    time, and so is every leaf's signature.  A chip has no such memory of what other chips have verified.
    """

    def _check_signature(self, certificate: _Certificate, key: EllipticCurvePublicKey) -> None:
        if not certificate.is_authority:
            super()._check_signature(certificate, key)
        elif not _is_signed_authority(encode_point(key), certificate.parsed.public_bytes(Encoding.DER)):
            raise CertificateError("the signature is wrong")


@lru_cache(maxsize=64)
def _is_signed_authority(above: bytes, der: bytes) -> bool:
    try:
        _check_signature(_read(der).parsed, decode_point(above))
    except CertificateError:
        return False
    return True


def verify_chain(
    anchor: EllipticCurvePublicKey,
    chain: Sequence[bytes],
    *,
    today: Date | None,
    usage: LeafUsage = LeafUsage.KEY_AGREEMENT,
) -> ChainVerifier:
    """Verify a whole chain for a host, top-down, the leaf last: the complete verifier, or CertificateError."""
    verifier = _HostVerifier(anchor, today=today, usage=usage)
    for number, der in enumerate(chain, start=1):
        verifier.add(der, last=number == len(chain))
    if not verifier.complete:
        raise CertificateError("the chain is empty")
    return verifier


@lru_cache(maxsize=64)
def _read(der: bytes) -> _Certificate:
    """Parse strictly; CertificateError for what cannot be read or is never allowed.

    What was read is remembered: a terminal shows the same certificates to every card.  That they were signed is no part
    of it, and is verified each time.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        if certificate.version is not x509.Version.v3:
            raise CertificateError("not an X.509 v3 certificate")
        issuer, subject = _names_in_frame(der)
        found = _collect(certificate, issuer, subject)
    except _UNREADABLE:
        raise CertificateError("the certificate cannot be read") from None
    if found.start > found.end:
        raise CertificateError("the certificate ends before it starts")
    if found.serial <= 0:
        raise CertificateError("the serial number is not positive")
    return found


def _names_in_frame(der: bytes) -> tuple[bytes, bytes]:
    """Demand one algorithm inside and outside (RFC 5280 4.1.1.2), and a signature of whole bytes; return issuer and
    subject as they are encoded.

    The parser lets both pass, and nothing signed covers what stands outside.
    """
    contents, outer, signature = parse_one(der).children
    _, _, inner, issuer, _, subject, *_ = contents.children  # version (v3 always has it), serial number, algorithm
    if not inner == outer == _ECDSA_SHA256:
        raise CertificateError("the signature is not ECDSA with SHA-256")
    if signature.value[0] != 0:
        raise CertificateError("the signature has unused bits")
    return issuer.value, subject.value


def _collect(certificate: x509.Certificate, issuer: bytes, subject: bytes) -> _Certificate:
    key = certificate.public_key()
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise CertificateError("the certified key is not a P-256 key")
    extensions = {extension.oid: extension for extension in certificate.extensions}
    _check_critical(extensions.values())
    usage = _value(extensions, x509.KeyUsage)
    if usage is None:
        raise CertificateError("there is no key usage")
    constraints = _value(extensions, x509.BasicConstraints)
    identifier = _value(extensions, x509.SubjectKeyIdentifier)
    start, end = (
        moment.year * 10000 + moment.month * 100 + moment.day
        for moment in (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    )
    return _Certificate(
        parsed=certificate,
        key=key,
        serial=certificate.serial_number,
        issuer=issuer,
        subject=subject,
        start=start,
        end=end,
        is_authority=constraints is not None and constraints.ca,
        path_length=None if constraints is None else constraints.path_length,
        usage=usage,
        subject_key_id=None if identifier is None else identifier.digest,
        authority_key_id=_value(extensions, x509.AuthorityKeyIdentifier),
        authorization=_authorization(extensions),
    )


def _value(extensions: _Extensions, kind: type[_Kind]) -> _Kind | None:
    """Return the extension of that kind; an identifier stands for one kind only."""
    extension = extensions.get(kind.oid)
    if extension is None:
        return None
    assert isinstance(extension.value, kind)  # noqa: S101
    return extension.value


def _check_critical(extensions: Iterable[x509.Extension[x509.ExtensionType]]) -> None:
    for extension in extensions:
        if not extension.critical:
            continue
        if extension.oid not in _UNDERSTOOD:
            raise CertificateError(f"critical extension {extension.oid.dotted_string} is not understood")
        policies = extension.value
        if isinstance(policies, x509.CertificatePolicies) and any(p.policy_qualifiers for p in policies):
            raise CertificateError("qualifiers of a critical certificate policy are not understood")


def _authorization(extensions: _Extensions) -> TerminalAuthorization | None:
    extension = extensions.get(_AUTHORIZATION_OID)
    if extension is None:
        return None
    try:
        return TerminalAuthorization.decode(extension.value.public_bytes())
    except AuthorizationError:
        raise CertificateError("the terminal authorization cannot be read") from None


def _check_signature(certificate: x509.Certificate, key: EllipticCurvePublicKey) -> None:
    try:
        key.verify(certificate.signature, certificate.tbs_certificate_bytes, ECDSA(SHA256()))
    except InvalidSignature:
        raise CertificateError("the signature is wrong") from None
