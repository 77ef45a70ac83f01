"""Certificate revocation lists: X.509 v2, complete, signed by the CA itself (RFC 5280, 5).

A certificate that was on hold and is good again is simply not in the next list: `removeFromCRL` belongs to delta lists,
which there are none of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from asn1crypto import crl  # type: ignore[import-untyped]
from asn1crypto import x509 as asn1

from jukicard.issuer.jpki.certificates import CaSigner, algorithm, x509_time
from jukicard.issuer.jpki.profile import last_moment
from jukicard.issuer.jpki.register import IssuedCertificate
from jukicard.issuer.ledger.details import RevocationReason

LIFETIME: Final = timedelta(days=1)
"""How long a list is valid: it is made anew every day, as the real ones are."""
CRL_REASONS: Final[Mapping[RevocationReason, str | None]] = {
    RevocationReason.UNSPECIFIED: None,  # RFC 5280, 5.3.1: the extension is absent instead
    RevocationReason.KEY_COMPROMISE: "key_compromise",
    RevocationReason.AFFILIATION_CHANGED: "affiliation_changed",
    RevocationReason.SUPERSEDED: "superseded",
    RevocationReason.CESSATION_OF_OPERATION: "cessation_of_operation",
    RevocationReason.CERTIFICATE_HOLD: "certificate_hold",
}
"""The reasons as asn1crypto names them."""


def build_crl(ca: CaSigner, certificates: Iterable[IssuedCertificate], now: datetime) -> bytes:
    """Sign the list of those certificates that are revoked or on hold at `now`, DER.

    The list's number is the second it was made in, so that later lists have higher numbers without anybody counting. A
    revoked certificate stays in it for one list after its last day (RFC 5280, 3.3).
    """
    now = now.replace(microsecond=0)
    issuer = asn1.Certificate.load(ca.certificate)
    listed = [one for one in certificates if one.revocation is not None and now <= last_moment(one.expires) + LIFETIME]
    body: dict[str, Any] = {
        "version": "v2",
        "signature": algorithm(),
        "issuer": issuer.subject,
        "this_update": x509_time(now),
        "next_update": x509_time(now + LIFETIME),
        "crl_extensions": [
            {"extn_id": "authority_key_identifier", "extn_value": {"key_identifier": issuer.key_identifier}},
            {"extn_id": "crl_number", "extn_value": int(now.timestamp())},
        ],
    }
    if listed:  # RFC 5280, 5.1.2.6: an empty list of revoked certificates is absent
        body["revoked_certificates"] = [_entry(one) for one in listed]
    signed = crl.TbsCertList(body)
    encoded: bytes = crl.CertificateList(
        {"tbs_cert_list": signed, "signature_algorithm": algorithm(), "signature": ca.sign(signed.dump())}
    ).dump()
    return encoded


def _entry(certificate: IssuedCertificate) -> dict[str, Any]:
    revocation = certificate.revocation
    assert revocation is not None  # noqa: S101 - the caller has chosen those that are revoked
    reason = CRL_REASONS[revocation.reason]
    since = x509_time(revocation.at)
    entry: dict[str, Any] = {"user_certificate": int(certificate.number, 16), "revocation_date": since}
    if reason is not None:
        entry["crl_entry_extensions"] = [{"extn_id": "crl_reason", "extn_value": reason}]
    return entry
