"""X.509 certificates of the TEST hierarchy (RFC 5280), built with asn1crypto and signed through the key
store port.

One mechanism, `issue`, and a table of profiles. The hierarchy:

* national root → terminal CA of a municipality (says where and which rights at most) → terminals
* national root → card CA of a municipality → a card's authentication and channel keys in the Juki domain, and the
  signature keys of its operators' cards
* municipality's own root → its service terminals, and a card's keys in the municipal domain

A card's subject carries its serial (serialNumber, 2.5.4.5) and the city code (organizationalUnitName).
Terminals' chains carry TerminalAuthorization, cards' chains never do: a terminal's key cannot pose as a
card's. What an operator may do stands in the certificate of the operator card's signature key, and in no other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from hashlib import sha256

from asn1crypto import pem, x509  # type: ignore[import-untyped]
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from jukicard.issuer.authority.permissions import OID as PERMISSIONS_OID
from jukicard.issuer.authority.permissions import Permission, encode_permissions
from jukicard.issuer.errors import CertificateProfileError
from jukicard.issuer.keys.keystore import KeyStore, Randomness
from jukicard.securechannel.authorization import OID as AUTHORIZATION_OID
from jukicard.securechannel.authorization import TerminalAuthorization

SERIAL_SIZE = 16
_FIRST_GENERALIZED_YEAR = 2050  # RFC 5280, 4.1.2.5
_UPPER_BOUND = 64  # of names, RFC 5280 appendix A.1


@dataclass(frozen=True, slots=True)
class Profile:
    """What a kind of certificate says: CA or not, CAs allowed below it (None: any number), key usage bits.

    `terminal`: it must carry a TerminalAuthorization; `operator`: it must carry permissions.  The others must not.
    """

    ca: bool
    path_length: int | None
    key_usage: frozenset[str]
    terminal: bool = False
    operator: bool = False


_CA_USAGE = frozenset({"key_cert_sign", "crl_sign"})

ROOT = Profile(ca=True, path_length=None, key_usage=_CA_USAGE)
TERMINAL_CA = Profile(ca=True, path_length=0, key_usage=_CA_USAGE, terminal=True)
CARD_CA = Profile(ca=True, path_length=0, key_usage=_CA_USAGE)
TERMINAL = Profile(ca=False, path_length=None, key_usage=frozenset({"key_agreement"}), terminal=True)
CARD_AUTHENTICATION = Profile(ca=False, path_length=None, key_usage=frozenset({"digital_signature"}))
CARD_CHANNEL = Profile(ca=False, path_length=None, key_usage=frozenset({"key_agreement"}))
OPERATOR = Profile(ca=False, path_length=None, key_usage=frozenset({"digital_signature"}), operator=True)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a certificate is about: common name, organisation, city code as its unit, card serial."""

    common_name: str
    organization: str | None = None
    city_code: str | None = None
    serial: str | None = None

    def name(self) -> x509.Name:
        """The distinguished name. Raises CertificateProfileError for a part of more than 64 characters."""
        parts = {
            "country_name": "JP",
            "organization_name": self.organization,
            "organizational_unit_name": self.city_code,
            "common_name": self.common_name,
            "serial_number": self.serial,
        }
        given = {key: value for key, value in parts.items() if value is not None}
        if any(not 1 <= len(value) <= _UPPER_BOUND for value in given.values()):
            raise CertificateProfileError(f"each part of a name must have 1 to {_UPPER_BOUND} characters")
        return x509.Name.build(given)

    @classmethod
    def read(cls, certificate: bytes) -> Subject:
        """The subject of a DER certificate. Raises CertificateProfileError if it is none of this form."""
        names = ("common_name", "organization_name", "organizational_unit_name", "serial_number")
        try:
            parts = x509.Certificate.load(certificate, strict=True).subject.native
            values = [parts.get(name) for name in names]
        except (ValueError, AttributeError, TypeError):
            values = [None]
        if not isinstance(values[0], str) or not all(isinstance(v, str) for v in values if v is not None):
            raise CertificateProfileError("not a certificate of this hierarchy")
        return cls(*values)


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be certified: valid from the first second of `not_before` to the last of `not_after`."""

    profile: Profile
    subject: Subject
    public_key: EllipticCurvePublicKey
    not_before: date
    not_after: date
    authorization: TerminalAuthorization | None = None
    permissions: frozenset[Permission] | None = None


@dataclass(frozen=True, slots=True)
class Signer:
    """Who certifies: a key in a store, and its CA certificate (DER); None while it signs its own."""

    keys: KeyStore
    label: str
    certificate: bytes | None = None


def issue(signer: Signer, request: Request, random: Randomness) -> bytes:
    """Sign a certificate and return it as DER.

    The serial number is 16 random bytes, positive. Raises CertificateProfileError if the request
    contradicts its profile, or what the signer's own certificate allows.
    """
    _check_request(request)
    issuer, key_identifier = _issuer_of(signer, request)
    serial = bytearray(random(SERIAL_SIZE))
    serial[0] = serial[0] & 0x7F | 0x40
    algorithm = {"algorithm": "sha256_ecdsa"}
    to_be_signed = x509.TbsCertificate(
        {
            "version": "v3",
            "serial_number": int.from_bytes(serial, "big"),
            "signature": algorithm,
            "issuer": issuer,
            "validity": {
                "not_before": _time(datetime.combine(request.not_before, time(0, 0, 0), UTC)),
                "not_after": _time(datetime.combine(request.not_after, time(23, 59, 59), UTC)),
            },
            "subject": request.subject.name(),
            "subject_public_key_info": x509.PublicKeyInfo.load(_public_der(request.public_key)),
            "extensions": _extensions(request, key_identifier),
        }
    )
    signature = signer.keys.sign(signer.label, to_be_signed.dump())
    certificate = x509.Certificate(
        {"tbs_certificate": to_be_signed, "signature_algorithm": algorithm, "signature_value": signature}
    )
    return bytes(certificate.dump())


def key_identifier(public_key: EllipticCurvePublicKey) -> bytes:
    """Subject key identifier: the first 160 bits of SHA-256 over the public point (RFC 7093, method 1)."""
    point = public_key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return sha256(point).digest()[:20]


def last_valid_day(certificate: bytes) -> date:
    """The day on which a DER certificate ends. Raises CertificateProfileError if that cannot be read."""
    try:
        end = x509.Certificate.load(certificate).not_valid_after
    except (ValueError, AttributeError, TypeError, OverflowError):
        end = None
    if not isinstance(end, datetime):
        raise CertificateProfileError("not a certificate with a last day")
    return end.date()


def to_pem(certificates: tuple[bytes, ...]) -> bytes:
    """Certificates one after another, in the order given."""
    return b"".join(pem.armor("CERTIFICATE", der) for der in certificates)


def from_pem(text: bytes) -> tuple[bytes, ...]:
    """The DER certificates of a PEM text, at least one. Raises CertificateProfileError."""
    try:
        found = tuple(der for kind, _, der in pem.unarmor(text, multiple=True) if kind == "CERTIFICATE")
        for der in found:
            x509.Certificate.load(der, strict=True)
    except ValueError:
        found = ()
    if not found:
        raise CertificateProfileError("no certificate in PEM")
    return found


def _public_der(public_key: EllipticCurvePublicKey) -> bytes:
    return public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _check_request(request: Request) -> None:
    if request.not_after < request.not_before:
        raise CertificateProfileError(f"it would end on {request.not_after}, before it begins")
    if request.profile.terminal and request.authorization is None:
        raise CertificateProfileError("a terminal's certificate says what the terminal may do")
    if not request.profile.terminal and request.authorization is not None:
        raise CertificateProfileError("only a terminal's certificate carries rights")
    if request.profile.operator and not request.permissions:
        raise CertificateProfileError("an operator's certificate says what the operator may do")
    if not request.profile.operator and request.permissions is not None:
        raise CertificateProfileError("only an operator's certificate carries permissions")


def _issuer_of(signer: Signer, request: Request) -> tuple[x509.Name, bytes]:
    """The issuer's name and key identifier, if it may sign this."""
    own_key = signer.keys.public_key(signer.label)
    if signer.certificate is None:
        if request.public_key != own_key or not request.profile.ca:
            raise CertificateProfileError("only a CA certifies itself")
        return request.subject.name(), key_identifier(own_key)
    above = x509.Certificate.load(signer.certificate)
    if above.public_key.dump() != _public_der(own_key):
        raise CertificateProfileError("the signer's certificate is not about the signer's key")
    if not above.ca or "key_cert_sign" not in above.key_usage_value.native:
        raise CertificateProfileError("the signer is no CA")
    if request.profile.ca and above.max_path_length == 0:
        raise CertificateProfileError("the signer may not certify further CAs")
    if request.not_after > last_valid_day(signer.certificate):
        raise CertificateProfileError(
            f"it would outlive its issuer, which ends on {last_valid_day(signer.certificate)}"
        )
    return above.subject, above.key_identifier


def _time(moment: datetime) -> x509.Time:
    kind = "general_time" if moment.year >= _FIRST_GENERALIZED_YEAR else "utc_time"
    return x509.Time(name=kind, value=moment)


def _extensions(request: Request, issuer_key_identifier: bytes) -> list[dict[str, object]]:
    constraints: dict[str, object] = {"ca": request.profile.ca}
    if request.profile.path_length is not None:
        constraints["path_len_constraint"] = request.profile.path_length
    extensions: list[dict[str, object]] = [
        _extension("basic_constraints", constraints, critical=True),
        _extension("key_usage", set(request.profile.key_usage), critical=True),
        _extension("key_identifier", key_identifier(request.public_key)),
        _extension("authority_key_identifier", {"key_identifier": issuer_key_identifier}),
    ]
    if request.authorization is not None:
        extensions.append(_extension(AUTHORIZATION_OID, request.authorization.encode()))
    if request.permissions is not None:
        extensions.append(_extension(PERMISSIONS_OID, encode_permissions(request.permissions)))
    return extensions


def _extension(identifier: str, value: object, *, critical: bool = False) -> dict[str, object]:
    return {"extn_id": identifier, "critical": critical, "extn_value": value}
