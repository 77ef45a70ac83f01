"""Sources of revocation: a CRL (RFC 5280, 6.3), an OCSP response (RFC 6960, 3.2), a CA's own books."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from jukicard.issuer.jpki.register import IssuedCertificate
from jukicard.issuer.jpki.verification import (
    CertificateRefused,
    Check,
    check_signature,
    find_extension,
)
from jukicard.issuer.ledger.details import RevocationReason

_HOLD = x509.ReasonFlags.certificate_hold


@dataclass(frozen=True, slots=True)
class Crl:
    """A revocation list. Made by `load`."""

    parsed: x509.CertificateRevocationList = field(repr=False)

    @classmethod
    def load(cls, encoded: bytes) -> Crl:
        """Read a list, DER or PEM. CertificateRefused if it is none."""
        is_pem = encoded.lstrip().startswith(b"-----BEGIN")
        try:
            parsed = (x509.load_pem_x509_crl if is_pem else x509.load_der_x509_crl)(encoded)
            for part in ("extensions", "issuer", "last_update_utc", "next_update_utc"):
                getattr(parsed, part)  # they are read only when asked for: here, so that nothing fails later
            for entry in parsed:
                _ = entry.extensions
        except (ValueError, x509.DuplicateExtension) as error:
            raise CertificateRefused(Check.REVOCATION, "there is no revocation list that can be read") from error
        return cls(parsed)

    def covers(self, leaf: x509.Certificate, ca: x509.Certificate) -> bool:
        """Whether it is that CA's, and of one of the certificate's distribution points."""
        return self.parsed.issuer == ca.subject and self._is_of_its_point(leaf)

    def check(self, leaf: x509.Certificate, ca: x509.Certificate, at: datetime) -> str:
        """See RevocationSource. The list must be fresh at that time, or a later one that still has the certificate."""
        self._check_own(ca)
        made, next_one = self.parsed.last_update_utc, self.parsed.next_update_utc
        if next_one is None or at > next_one:
            raise CertificateRefused(Check.REVOCATION, f"the revocation list was good until {next_one}")
        if made > max(at, leaf.not_valid_after_utc):
            raise CertificateRefused(Check.REVOCATION, f"the revocation list is of {made}, when it told of it no more")
        entry = self.parsed.get_revoked_certificate_by_serial_number(leaf.serial_number)
        if entry is not None and entry.revocation_date_utc <= at:
            reason = find_extension(entry.extensions, x509.CRLReason)
            _refuse(entry.revocation_date_utc, None if reason is None else reason.reason)
        return f"revocation list of {made}"

    def _check_own(self, ca: x509.Certificate) -> None:
        usage = find_extension(ca.extensions, x509.KeyUsage)
        if usage is None or not usage.crl_sign:
            raise CertificateRefused(Check.REVOCATION, "the CA may not sign revocation lists (keyUsage)")
        signed = self.parsed.tbs_certlist_bytes
        check_signature(ca, self.parsed.signature_algorithm_oid, self.parsed.signature, signed, Check.REVOCATION)
        above = find_extension(self.parsed.extensions, x509.AuthorityKeyIdentifier)
        own = find_extension(ca.extensions, x509.SubjectKeyIdentifier)
        if above is not None and own is not None and above.key_identifier not in (None, own.digest):
            raise CertificateRefused(Check.REVOCATION, "the revocation list is of another key of the CA")
        for extension in self.parsed.extensions:
            if extension.critical and not isinstance(extension.value, x509.IssuingDistributionPoint):
                raise CertificateRefused(
                    Check.REVOCATION, f"the list has a critical extension {extension.oid.dotted_string}"
                )

    def _is_of_its_point(self, leaf: x509.Certificate) -> bool:
        """Whether a list for some certificates only is for this one (RFC 5280, 6.3.3 b)."""
        part = find_extension(self.parsed.extensions, x509.IssuingDistributionPoint)
        if part is None:
            return True
        if (
            part.indirect_crl
            or part.only_some_reasons
            or part.only_contains_ca_certs
            or part.only_contains_attribute_certs
        ):
            return False
        if part.full_name is None:
            return part.relative_name is None
        points = find_extension(leaf.extensions, x509.CRLDistributionPoints) or ()
        return any(name in part.full_name for point in points for name in point.full_name or ())


@dataclass(frozen=True, slots=True)
class Ocsp:
    """An OCSP response. Made by `load`; `nonce` is what the request had, and the response must have then."""

    parsed: ocsp.OCSPResponse = field(repr=False)
    nonce: bytes | None = None

    @classmethod
    def load(cls, encoded: bytes, nonce: bytes | None = None) -> Ocsp:
        """Read a response (DER) that answers. CertificateRefused if it is none."""
        try:
            parsed = ocsp.load_der_ocsp_response(encoded)
            status = parsed.response_status
            if status is ocsp.OCSPResponseStatus.SUCCESSFUL:
                _read_all(parsed)
        except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
            raise CertificateRefused(Check.REVOCATION, "there is no OCSP response that can be read") from error
        if status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise CertificateRefused(Check.REVOCATION, f"the OCSP responder answers {status.name}")
        return cls(parsed, nonce)

    def covers(self, leaf: x509.Certificate, ca: x509.Certificate) -> bool:
        """Whether it has an answer about that certificate of that CA."""
        return self._answer(leaf, ca) is not None

    def check(self, leaf: x509.Certificate, ca: x509.Certificate, at: datetime) -> str:
        """See RevocationSource."""
        self._check_own(ca, at)
        answer = self._answer(leaf, ca)
        if answer is None:
            raise CertificateRefused(Check.REVOCATION, "the OCSP response is about other certificates")
        made, next_one = answer.this_update_utc, answer.next_update_utc
        if made > at or (next_one is not None and at > next_one):
            raise CertificateRefused(Check.REVOCATION, f"the OCSP response is good from {made} to {next_one}")
        if answer.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
            raise CertificateRefused(Check.REVOCATION, "the OCSP responder knows of no such certificate")
        if answer.certificate_status is ocsp.OCSPCertStatus.REVOKED:
            _refuse(answer.revocation_time_utc or made, answer.revocation_reason)
        return f"OCSP response of {made}"

    def _answer(self, leaf: x509.Certificate, ca: x509.Certificate) -> ocsp.OCSPSingleResponse | None:
        for answer in self.parsed.responses:
            asked = ocsp.OCSPRequestBuilder().add_certificate(leaf, ca, answer.hash_algorithm).build()
            wanted = (asked.serial_number, asked.issuer_name_hash, asked.issuer_key_hash)
            if (answer.serial_number, answer.issuer_name_hash, answer.issuer_key_hash) == wanted:
                return answer
        return None

    def _check_own(self, ca: x509.Certificate, at: datetime) -> None:
        """It is signed by the CA, or by a responder that the CA has certified for that (RFC 6960, 4.2.2.2)."""
        signer = ca
        for delegate in self.parsed.certificates:
            purposes = find_extension(delegate.extensions, x509.ExtendedKeyUsage) or ()
            if ExtendedKeyUsageOID.OCSP_SIGNING in purposes and delegate.issuer == ca.subject:
                check_signature(
                    ca,
                    delegate.signature_algorithm_oid,
                    delegate.signature,
                    delegate.tbs_certificate_bytes,
                    Check.REVOCATION,
                )
                if not delegate.not_valid_before_utc <= at <= delegate.not_valid_after_utc:
                    raise CertificateRefused(Check.REVOCATION, "the OCSP responder's certificate is not valid")
                signer = delegate
        signed = self.parsed.tbs_response_bytes
        check_signature(signer, self.parsed.signature_algorithm_oid, self.parsed.signature, signed, Check.REVOCATION)
        answered = find_extension(self.parsed.extensions, x509.OCSPNonce)
        if self.nonce is not None and (answered is None or answered.nonce != self.nonce):
            raise CertificateRefused(Check.REVOCATION, "the OCSP response is an answer to another request (nonce)")


def _read_all(response: ocsp.OCSPResponse) -> None:
    """Read what is read only when asked for, so that nothing fails later. ValueError, UnsupportedAlgorithm, …"""
    _ = response.extensions
    for delegate in response.certificates:
        _ = delegate.extensions, delegate.issuer, delegate.not_valid_before_utc, delegate.not_valid_after_utc
        delegate.public_key()
    for answer in response.responses:
        _ = answer.hash_algorithm, answer.certificate_status, answer.this_update_utc, answer.next_update_utc
        _ = answer.revocation_time_utc, answer.revocation_reason


@dataclass(frozen=True, slots=True)
class Books:
    """What a CA knows of its own certificates: `ca` is its certificate (DER), `lookup` goes by serial number."""

    ca: bytes
    lookup: Callable[[int], IssuedCertificate | None]

    def covers(self, leaf: x509.Certificate, ca: x509.Certificate) -> bool:
        """Whether it is that CA."""
        return ca == x509.load_der_x509_certificate(self.ca)

    def check(self, leaf: x509.Certificate, ca: x509.Certificate, at: datetime) -> str:
        """See RevocationSource. A certificate that the books do not have was not issued here."""
        found = self.lookup(leaf.serial_number)
        if found is None:
            raise CertificateRefused(Check.REVOCATION, "the CA's books have no such certificate")
        if found.revocation is not None and found.revocation.at <= at:
            is_hold = found.revocation.reason is RevocationReason.CERTIFICATE_HOLD
            _refuse(found.revocation.at, _HOLD if is_hold else None, found.revocation.reason)
        return "the CA's books"


def _refuse(since: datetime, reason: x509.ReasonFlags | None, words: str | None = None) -> None:
    said = words or ("" if reason is None else reason.value)
    why = f" ({said})" if said else ""
    if reason is _HOLD:
        raise CertificateRefused(Check.REVOCATION, f"it is on hold since {since}{why}")
    raise CertificateRefused(Check.REVOCATION, f"it is revoked since {since}{why}")
