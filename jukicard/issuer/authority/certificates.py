"""X.509 certificates of the TEST hierarchy (RFC 5280), encoded here (DER) and signed through the key store port.

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
from datetime import date
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from asn1crypto import core, pem  # type: ignore[import-untyped]
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.x509.oid import NameOID

from jukicard.iso7816.tlv import Tlv
from jukicard.issuer.authority.permissions import OID as PERMISSIONS_OID
from jukicard.issuer.authority.permissions import Permission, encode_permissions
from jukicard.issuer.errors import CertificateProfileError
from jukicard.issuer.keys.keystore import KeyStore, Randomness
from jukicard.securechannel.authorization import OID as AUTHORIZATION_OID
from jukicard.securechannel.authorization import TerminalAuthorization

SERIAL_SIZE = 16
_FIRST_GENERALIZED_YEAR = 2050  # RFC 5280, 4.1.2.5
_UPPER_BOUND = 64  # of names, RFC 5280 appendix A.1

_BIT_STRING, _OCTET_STRING, _SEQUENCE, _SET = 0x03, 0x04, 0x30, 0x31
_UTF8_STRING, _PRINTABLE_STRING, _UTC_TIME, _GENERALIZED_TIME = 0x0C, 0x13, 0x17, 0x18
_V3 = bytes.fromhex("A003020102")
_ECDSA_SHA256 = bytes.fromhex("300A06082A8648CE3D040302")
_TRUE = bytes.fromhex("0101FF")
_COUNTRY, _ORGANIZATION, _UNIT, _COMMON_NAME, _SERIAL_NUMBER = (
    bytes.fromhex(f"06035504{n}") for n in ("06", "0A", "0B", "03", "05")
)
_BASIC_CONSTRAINTS, _KEY_USAGE, _SUBJECT_KEY, _AUTHORITY_KEY = (
    bytes.fromhex(f"0603551D{n}") for n in ("13", "0F", "0E", "23")
)
_AUTHORIZATION: bytes = core.ObjectIdentifier(AUTHORIZATION_OID).dump()
_PERMISSIONS: bytes = core.ObjectIdentifier(PERMISSIONS_OID).dump()
_USAGE_BITS = {"digital_signature": 0x80, "key_agreement": 0x08, "key_cert_sign": 0x04, "crl_sign": 0x02}
_PRINTABLE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?")
_READ_PARTS = (
    NameOID.COMMON_NAME,
    NameOID.ORGANIZATION_NAME,
    NameOID.ORGANIZATIONAL_UNIT_NAME,
    NameOID.SERIAL_NUMBER,
)


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
LEDGER_SEAL = Profile(ca=False, path_length=None, key_usage=frozenset({"digital_signature"}))
FACE_SIGNING = Profile(ca=False, path_length=None, key_usage=frozenset({"digital_signature"}))
CARD_CHANNEL = Profile(ca=False, path_length=None, key_usage=frozenset({"key_agreement"}))
OPERATOR = Profile(ca=False, path_length=None, key_usage=frozenset({"digital_signature"}), operator=True)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a certificate is about: common name, organisation, city code as its unit, card serial."""

    common_name: str
    organization: str | None = None
    city_code: str | None = None
    serial: str | None = None

    def name(self) -> bytes:
        """The distinguished name, DER.

        Raises CertificateProfileError for a part that has not 1 to 64 characters, or a serial that is not printable
        (X.680, 41.4).
        """
        parts = (
            (_SERIAL_NUMBER, _PRINTABLE_STRING, self.serial),
            (_COUNTRY, _PRINTABLE_STRING, "JP"),
            (_ORGANIZATION, _UTF8_STRING, self.organization),
            (_UNIT, _UTF8_STRING, self.city_code),
            (_COMMON_NAME, _UTF8_STRING, self.common_name),
        )
        given = [(kind, form, value) for kind, form, value in parts if value is not None]
        if any(not 1 <= len(value) <= _UPPER_BOUND for _, _, value in given):
            raise CertificateProfileError(f"each part of a name must have 1 to {_UPPER_BOUND} characters")
        if self.serial is not None and not _PRINTABLE.issuperset(self.serial):
            raise CertificateProfileError("a serial has the characters of a PrintableString only")
        named = (Tlv.build(_SET, Tlv.build(_SEQUENCE, kind, Tlv(form, value.encode()))) for kind, form, value in given)
        return Tlv.build(_SEQUENCE, *named).encode()

    @classmethod
    @lru_cache(maxsize=64)
    def read(cls, certificate: bytes) -> Subject:
        """The subject of a DER certificate. Raises CertificateProfileError if it is none of this form."""
        try:
            name = x509.load_der_x509_certificate(certificate).subject
            parts = [[attribute.value for attribute in name.get_attributes_for_oid(kind)] for kind in _READ_PARTS]
        except ValueError:
            parts = []
        if not parts or len(parts[0]) != 1 or any(len(part) > 1 for part in parts):
            raise CertificateProfileError("not a certificate of this hierarchy")
        common_name, *others = parts
        return cls(str(common_name[0]), *(str(part[0]) if part else None for part in others))


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
    issuer = _issuer_of(signer, request)
    serial = bytearray(random(SERIAL_SIZE))
    serial[0] = serial[0] & 0x7F | 0x40
    to_be_signed = Tlv.build(
        _SEQUENCE,
        _V3,
        Tlv(0x02, bytes(serial)),
        _ECDSA_SHA256,
        issuer.name,
        Tlv.build(_SEQUENCE, _time(request.not_before, "000000Z"), _time(request.not_after, "235959Z")),
        request.subject.name(),
        _public_der(request.public_key),
        Tlv.build(0xA3, _extensions(request, issuer.key_identifier)),
    ).encode()
    signature = signer.keys.sign(signer.label, to_be_signed)
    return Tlv.build(_SEQUENCE, to_be_signed, _ECDSA_SHA256, Tlv(_BIT_STRING, b"\0" + signature)).encode()


def key_identifier(public_key: EllipticCurvePublicKey) -> bytes:
    """Subject key identifier: the first 160 bits of SHA-256 over the public point (RFC 7093, method 1)."""
    point = public_key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return sha256(point).digest()[:20]


def first_valid_day(certificate: bytes) -> date:
    """The day on which a DER certificate begins. Raises CertificateProfileError if that cannot be read."""
    return _loaded(certificate).not_valid_before_utc.date()


def last_valid_day(certificate: bytes) -> date:
    """The day on which a DER certificate ends. Raises CertificateProfileError if that cannot be read."""
    return _loaded(certificate).not_valid_after_utc.date()


def _loaded(certificate: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(certificate)
    except ValueError:
        raise CertificateProfileError("not a certificate with a first and a last day") from None


def to_pem(certificates: tuple[bytes, ...]) -> bytes:
    """Certificates one after another, in the order given."""
    return b"".join(pem.armor("CERTIFICATE", der) for der in certificates)


@lru_cache(maxsize=64)
def from_pem(text: bytes) -> tuple[bytes, ...]:
    """The DER certificates of a PEM text, at least one. Raises CertificateProfileError."""
    try:
        found = tuple(der for kind, _, der in pem.unarmor(text, multiple=True) if kind == "CERTIFICATE")
        for der in found:
            asn1.Certificate.load(der, strict=True)
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


class _Issuer(NamedTuple):
    """Who signs, as the certificate below says it: its name (DER), and its key identifier."""

    name: bytes
    key_identifier: bytes


class _Authority(NamedTuple):
    """What an authority's own certificate says: itself as an issuer, its public key (DER), and what it may sign."""

    issuer: _Issuer
    public_key: bytes
    certifies: bool
    path_length: int | None
    last_day: date


@lru_cache(maxsize=64)
def _authority(certificate: bytes) -> _Authority:
    """Read an authority's certificate (DER), once: an issuing line signs with the same one again and again."""
    read = asn1.Certificate.load(certificate)
    return _Authority(
        issuer=_Issuer(read.subject.dump(), read.key_identifier),
        public_key=read.public_key.dump(),
        certifies=bool(read.ca) and "key_cert_sign" in read.key_usage_value.native,
        path_length=read.max_path_length,
        last_day=last_valid_day(certificate),
    )


def _issuer_of(signer: Signer, request: Request) -> _Issuer:
    """The signer as an issuer, if it may sign this."""
    own_key = signer.keys.public_key(signer.label)
    if signer.certificate is None:
        if request.public_key != own_key or not request.profile.ca:
            raise CertificateProfileError("only a CA certifies itself")
        return _Issuer(request.subject.name(), key_identifier(own_key))
    above = _authority(signer.certificate)
    if above.public_key != _public_der(own_key):
        raise CertificateProfileError("the signer's certificate is not about the signer's key")
    if not above.certifies:
        raise CertificateProfileError("the signer is no CA")
    if request.profile.ca and above.path_length == 0:
        raise CertificateProfileError("the signer may not certify further CAs")
    if request.not_after > above.last_day:
        raise CertificateProfileError(f"it would outlive its issuer, which ends on {above.last_day}")
    return above.issuer


def _time(day: date, time: str) -> Tlv:
    if day.year >= _FIRST_GENERALIZED_YEAR:
        return Tlv(_GENERALIZED_TIME, f"{day:%Y%m%d}{time}".encode())
    return Tlv(_UTC_TIME, f"{day:%y%m%d}{time}".encode())


def _extensions(request: Request, issuer_key_identifier: bytes) -> Tlv:
    own, above = Tlv(_OCTET_STRING, key_identifier(request.public_key)), Tlv(0x80, issuer_key_identifier)
    extensions = [
        *_constraints(request.profile),
        _extension(_SUBJECT_KEY, own),
        _extension(_AUTHORITY_KEY, Tlv.build(_SEQUENCE, above)),
    ]
    if request.authorization is not None:
        extensions.append(_extension(_AUTHORIZATION, request.authorization.encode()))
    if request.permissions is not None:
        extensions.append(_extension(_PERMISSIONS, encode_permissions(request.permissions)))
    return Tlv.build(_SEQUENCE, *extensions)


@lru_cache(maxsize=16)
def _constraints(profile: Profile) -> tuple[Tlv, Tlv]:
    """The critical extensions, which are the same in every certificate of a profile: basic constraints, key usage."""
    constraints = [_TRUE] if profile.ca else []
    if profile.path_length is not None:
        constraints.append(Tlv(0x02, bytes((profile.path_length,))).encode())
    bits = sum(_USAGE_BITS[usage] for usage in profile.key_usage)
    unused = (bits & -bits).bit_length() - 1  # DER: no zeros at the end of a named bit list (X.690, 11.2.2)
    return (
        _extension(_BASIC_CONSTRAINTS, Tlv.build(_SEQUENCE, *constraints), critical=_TRUE),
        _extension(_KEY_USAGE, Tlv(_BIT_STRING, bytes((unused, bits))), critical=_TRUE),
    )


def _extension(identifier: bytes, value: Tlv | bytes, *, critical: bytes = b"") -> Tlv:
    """An extension; `critical` is TRUE encoded, or nothing where it is FALSE, the default (X.690, 11.5)."""
    return Tlv.build(_SEQUENCE, identifier, critical, Tlv.build(_OCTET_STRING, value))
