"""An OCSP responder's logic (RFC 6960): the DER request in, the DER response out. The CA itself signs.

A certificate that this CA has not issued is `unknown`. A nonce is echoed (RFC 9654). What is no request, or asks about
too many certificates, gets a response that says so and is not signed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from asn1crypto import core, ocsp  # type: ignore[import-untyped]
from asn1crypto import x509 as asn1

from jukicard.issuer.jpki.certificates import CaSigner, algorithm
from jukicard.issuer.jpki.crl import CRL_REASONS, LIFETIME
from jukicard.issuer.jpki.register import IssuedCertificate

MAX_REQUEST_BYTES: Final = 16_384
MAX_CERTIFICATES: Final = 64
MAX_NONCE_BYTES: Final = 128
_HASHES = {"sha1": hashlib.sha1, "sha256": hashlib.sha256, "sha384": hashlib.sha384, "sha512": hashlib.sha512}

Lookup = Callable[[int], IssuedCertificate | None]
"""From a serial number to the certificate that this CA has issued with it, None if it has none."""


def respond(ca: CaSigner, request: bytes, lookup: Lookup, now: datetime) -> bytes:
    """Answer a request: an OCSPResponse, DER, whatever the request is."""
    try:
        asked, nonce = _read(request)
    except (ValueError, TypeError, KeyError):
        return _failure("malformed_request")
    now = now.replace(microsecond=0)
    issuer = asn1.Certificate.load(ca.certificate)
    extensions = [] if nonce is None else [{"extn_id": "nonce", "extn_value": core.OctetString(nonce)}]
    body = ocsp.ResponseData(
        {
            "responder_id": ocsp.ResponderId(name="by_key", value=issuer.public_key.sha1),
            "produced_at": now,
            "responses": [_answer(one, issuer, lookup, now) for one in asked],
            **({"response_extensions": extensions} if extensions else {}),
        }
    )
    basic = ocsp.BasicOCSPResponse(
        {"tbs_response_data": body, "signature_algorithm": algorithm(), "signature": ca.sign(body.dump())}
    )
    response = {
        "response_status": "successful",
        "response_bytes": {"response_type": "basic_ocsp_response", "response": core.ParsableOctetString(basic.dump())},
    }
    encoded: bytes = ocsp.OCSPResponse(response).dump()
    return encoded


def _read(request: bytes) -> tuple[list[Any], bytes | None]:
    """The certificates asked about, and the nonce. ValueError, TypeError or KeyError for what is no request."""
    if len(request) > MAX_REQUEST_BYTES:
        raise ValueError("too long")
    parsed = ocsp.OCSPRequest.load(request, strict=True)
    parsed.native  # noqa: B018 - asn1crypto reads lazily: everything is read here, or refused
    body = parsed["tbs_request"]
    asked = [one["req_cert"] for one in body["request_list"]]
    nonce = None if parsed.nonce_value is None else parsed.nonce_value.native
    if not 1 <= len(asked) <= MAX_CERTIFICATES or (nonce is not None and not 1 <= len(nonce) <= MAX_NONCE_BYTES):
        raise ValueError("too many")
    for one in asked:  # what is asked is repeated in the answer, which has to be readable
        algorithm_of = one["hash_algorithm"]
        if algorithm_of["algorithm"].native not in _HASHES or algorithm_of["parameters"].native is not None:
            raise ValueError("a hash that no client uses")
    if any(extension["critical"].native for extension in body["request_extensions"] or ()):
        raise ValueError("an extension that must be understood")
    return asked, nonce


def _answer(asked: Any, issuer: Any, lookup: Lookup, now: datetime) -> Any:
    found = lookup(asked["serial_number"].native) if _is_about(asked, issuer) else None
    return {
        "cert_id": asked,
        "cert_status": _status(found),
        "this_update": now,
        "next_update": now + LIFETIME,
    }


def _is_about(asked: Any, issuer: Any) -> bool:
    """Whether a CertID names this CA: the hashes of its name and of its key."""
    digest = _HASHES[asked["hash_algorithm"]["algorithm"].native]
    key = bytes(issuer.public_key["public_key"])
    named = (asked["issuer_name_hash"].native, asked["issuer_key_hash"].native)
    return named == (digest(issuer.subject.dump()).digest(), digest(key).digest())


def _status(found: IssuedCertificate | None) -> Any:
    if found is None:
        return ocsp.CertStatus(name="unknown", value=core.Null())
    if found.revocation is None:
        return ocsp.CertStatus(name="good", value=core.Null())
    revoked: dict[str, Any] = {"revocation_time": found.revocation.at.replace(microsecond=0)}
    reason = CRL_REASONS[found.revocation.reason]
    if reason is not None:
        revoked["revocation_reason"] = reason
    return ocsp.CertStatus(name="revoked", value=ocsp.RevokedInfo(revoked))


def _failure(status: str) -> bytes:
    encoded: bytes = ocsp.OCSPResponse({"response_status": status}).dump()
    return encoded
