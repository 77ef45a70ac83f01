"""Detached signatures: CMS SignedData (RFC 5652) with the signer's certificate, made by a key that is elsewhere.

Signed attributes: contentType, messageDigest, signingTime, signingCertificateV2 (RFC 5035), which binds the signature
to the one certificate. The algorithm is sha256WithRSAEncryption: what a JPKI key signs is a DigestInfo.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from asn1crypto import algos, cms, core, pem, tsp  # type: ignore[import-untyped]
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from jukicard.issuer.errors import RuleRefused
from jukicard.issuer.jpki.certificates import x509_time

MAX_SIGNATURE_BYTES: Final = 1 << 20
_ATTRIBUTES = ("content_type", "message_digest", "signing_time", "signing_certificate_v2")
_SIGNED_ATTRIBUTES_TAG = b"\x31"  # RFC 5652, 5.4: SET OF, not the implicit [0] that stands in the message

DigestSigner = Callable[[bytes], bytes]
"""From a DigestInfo (SHA-256, 51 bytes, DER) to its PKCS #1 v1.5 signature, 256 bytes."""


class SignatureRefused(RuleRefused):
    """A signature that is none of this content, or cannot be read."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What a signature says that verifies: the signer's certificate (DER), not verified yet, and the time claimed."""

    certificate: bytes = field(repr=False)
    signing_time: datetime


def sign_detached(content: bytes, certificate: bytes, signing_time: datetime, sign: DigestSigner) -> bytes:
    """Sign a content and return the CMS message, DER. `certificate` (DER) is the one of the key that `sign` uses.

    SignatureRefused if what `sign` returns is no signature by that key.
    """
    signer = asn1.Certificate.load(certificate)
    attributes = cms.CMSAttributes(
        [
            {"type": "content_type", "values": ["data"]},
            {"type": "message_digest", "values": [hashlib.sha256(content).digest()]},
            {"type": "signing_time", "values": [cms.Time.load(x509_time(signing_time).dump())]},
            {"type": "signing_certificate_v2", "values": [_signing_certificate(signer, certificate)]},
        ]
    )
    signed = attributes.dump()
    signature = sign(digest_info(hashlib.sha256(signed).digest()))
    _verify(certificate, signature, signed)
    info = {
        "version": "v1",
        "sid": cms.SignerIdentifier(name="issuer_and_serial_number", value=_identifier(signer)),
        "digest_algorithm": {"algorithm": "sha256"},
        "signed_attrs": attributes,
        "signature_algorithm": {"algorithm": "sha256_rsa", "parameters": core.Null()},
        "signature": signature,
    }
    message = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [{"algorithm": "sha256"}],
            "encap_content_info": {"content_type": "data"},
            "certificates": [cms.CertificateChoices(name="certificate", value=signer)],
            "signer_infos": [info],
        }
    )
    encoded: bytes = cms.ContentInfo({"content_type": "signed_data", "content": message}).dump()
    return encoded


def verify_detached(message: bytes, content: bytes) -> Signed:
    """Verify that a CMS message (DER or PEM) is one signer's signature of the content.

    Content, attributes and certificate are bound to each other then; whether the certificate is to be trusted is
    `verify_certificate`'s business. SignatureRefused.
    """
    try:
        info, certificates = _read(message)
        attributes = {attribute["type"].native: attribute["values"] for attribute in info["signed_attrs"]}
        signed = _SIGNED_ATTRIBUTES_TAG + info["signed_attrs"].dump()[1:]
        if len(attributes) != len(info["signed_attrs"]) or any(len(attributes[name]) != 1 for name in _ATTRIBUTES):
            raise SignatureRefused("the signature has not the signed attributes that it must have, each once")
        certificate = _signer(info, certificates, attributes["signing_certificate_v2"][0])
        digest, kind = attributes["message_digest"][0].native, attributes["content_type"][0].native
        signing_time, signature = attributes["signing_time"][0].native, info["signature"].native
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise SignatureRefused("there is no CMS signature that can be read") from error
    if kind != "data" or not hmac.compare_digest(digest, hashlib.sha256(content).digest()):
        raise SignatureRefused("the content is not what was signed")
    _verify(certificate, signature, signed)
    return Signed(certificate, signing_time)


def digest_info(digest: bytes) -> bytes:
    """A DigestInfo with SHA-256 (RFC 8017, 9.2), 51 bytes."""
    encoded: bytes = algos.DigestInfo(
        {"digest_algorithm": {"algorithm": "sha256", "parameters": core.Null()}, "digest": digest}
    ).dump()
    return encoded


def _read(message: bytes) -> tuple[Any, list[bytes]]:
    """The one signer's info, and the certificates (DER). SignatureRefused, ValueError."""
    if len(message) > MAX_SIGNATURE_BYTES:
        raise SignatureRefused(f"a signature has {MAX_SIGNATURE_BYTES} bytes at most")
    if pem.detect(message):
        message = pem.unarmor(message)[2]
    parsed = cms.ContentInfo.load(message, strict=True)
    if parsed["content_type"].native != "signed_data":
        raise SignatureRefused("it is no signature (CMS SignedData)")
    data = parsed["content"]
    if data["encap_content_info"]["content"].native is not None:
        raise SignatureRefused("the signature has a content of its own: it is not a detached one")
    if len(data["signer_infos"]) != 1:
        raise SignatureRefused("the signature is not one signer's")
    info = data["signer_infos"][0]
    algorithms = (info["digest_algorithm"]["algorithm"].native, info["signature_algorithm"]["algorithm"].native)
    if algorithms not in (("sha256", "sha256_rsa"), ("sha256", "rsassa_pkcs1v15")):
        raise SignatureRefused("it is not signed with RSA (PKCS #1 v1.5) and SHA-256")
    return info, [choice.chosen.dump() for choice in data["certificates"] if choice.name == "certificate"]


def _signer(info: Any, certificates: list[bytes], bound: Any) -> bytes:
    """The certificate that the signer's identifier and the signed attribute both name."""
    wanted = bound["certs"][0]
    algorithm = wanted["hash_algorithm"]["algorithm"].native
    for der in certificates:
        read = asn1.Certificate.load(der)
        if info["sid"].name != "issuer_and_serial_number" or info["sid"].chosen.dump() != _identifier(read).dump():
            continue
        if algorithm == "sha256" and hashlib.sha256(der).digest() == wanted["cert_hash"].native:
            return der
        raise SignatureRefused("the signature was made with another certificate than the one that comes with it")
    raise SignatureRefused("the signer's certificate does not come with the signature")


def _identifier(certificate: Any) -> Any:
    return cms.IssuerAndSerialNumber({"issuer": certificate.issuer, "serial_number": certificate.serial_number})


def _signing_certificate(signer: Any, certificate: bytes) -> Any:
    issuer = asn1.GeneralName(name="directory_name", value=signer.issuer)
    identifier = tsp.ESSCertIDv2(
        {
            "cert_hash": hashlib.sha256(certificate).digest(),
            "issuer_serial": {"issuer": [issuer], "serial_number": signer.serial_number},
        }
    )
    return tsp.SigningCertificateV2({"certs": [identifier]})


def _verify(certificate: bytes, signature: bytes, signed: bytes) -> None:
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
        if not isinstance(key, RSAPublicKey):
            raise SignatureRefused("the signer's key is no RSA key")
        key.verify(signature, signed, PKCS1v15(), SHA256())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SignatureRefused("the signer's certificate cannot be read") from error
    except InvalidSignature:
        raise SignatureRefused("the key of that certificate has not signed it") from None
