"""Certificates of the JPKI, encoded (DER) and signed through the key store port: RSA-2048, SHA-256 (RFC 5280).

Serial numbers are 16 random bytes, positive: they tell nothing of how many there are, and no two processes need to
agree on the next one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Any, Final

from asn1crypto import algos, core, keys  # type: ignore[import-untyped]
from asn1crypto import x509 as asn1
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from jukicard.issuer.errors import CertificateProfileError
from jukicard.issuer.jpki.attributes import ResidentAttributes
from jukicard.issuer.jpki.profile import (
    CA_YEARS,
    DISTRIBUTION_POINTS,
    ORGANIZATION,
    Profile,
    first_moment,
    governor,
    last_moment,
)
from jukicard.issuer.keys.keystore import RSA_BITS, RSA_EXPONENT, KeyStore, Randomness
from jukicard.issuer.records.expiry import last_day as last_day_of_term

SIGNATURE_ALGORITHM: Final = "sha256_rsa"
SERIAL_SIZE: Final = 16
_HOLDER_SIZE = 12
_FIRST_GENERALIZED_YEAR = 2050  # RFC 5280, 4.1.2.5


@dataclass(frozen=True, slots=True)
class CaSigner:
    """A CA that signs: the label of its RSA key in a store, and its certificate (DER)."""

    keys: KeyStore
    label: str
    certificate: bytes

    def sign(self, data: bytes) -> bytes:
        """RSASSA-PKCS1-v1_5 with SHA-256, 256 bytes."""
        return self.keys.sign_rsa(self.label, data)


@dataclass(frozen=True, slots=True)
class EndRequest:
    """What is to be certified for a resident: the card's RSA key, valid from one day in Japan to the end of another.

    `city_name` stands in a certificate with attributes only, which must then be given.
    """

    profile: Profile
    public_key: RSAPublicKey
    first_day: date
    last_day: date
    city_name: str
    attributes: ResidentAttributes | None = None


def self_signed(
    keys_: KeyStore, label: str, profile: Profile, city_code: str, today: date, random: Randomness
) -> bytes:
    """Sign a CA's own certificate, DER: valid for `CA_YEARS` from today on."""
    name = ca_name(profile, city_code)
    public_key = keys_.rsa_public_key(label)
    identifier = key_identifier(public_key)
    extensions = (
        _extension("basic_constraints", {"ca": True}, critical=True),
        _extension("key_usage", {"key_cert_sign", "crl_sign"}, critical=True),
        _extension("key_identifier", identifier),
        _extension("authority_key_identifier", {"key_identifier": identifier}),
    )
    body = _body(name, name, public_key, (today, last_day_of_term(today, CA_YEARS)), extensions, random)
    return _signed(body, keys_.sign_rsa(label, body.dump()))


def issue(ca: CaSigner, request: EndRequest, random: Randomness) -> bytes:
    """Sign a resident's certificate and return it as DER, whose length takes two bytes (`30 82 hh ll`).

    CertificateProfileError for a key that is no RSA-2048 key with exponent 65537, attributes that do not belong there
    or are missing, and days outside of the CA's own.
    """
    issuer = asn1.Certificate.load(ca.certificate)
    _check(request, issuer)
    body = _body(
        issuer.subject,
        _subject(request, random),
        request.public_key,
        (request.first_day, request.last_day),
        _end_extensions(request, issuer),
        random,
    )
    return _signed(body, ca.sign(body.dump()))


def ca_name(profile: Profile, city_code: str) -> Any:
    """The distinguished name of a CA (asn1crypto Name)."""
    units = (profile.unit, governor(city_code))
    return _name(("country_name", "JP"), ("organization_name", ORGANIZATION), *_units(units))


def key_identifier(public_key: RSAPublicKey) -> bytes:
    """Subject key identifier: the first 160 bits of SHA-256 over the RSAPublicKey, DER (RFC 7093, method 1)."""
    return sha256(public_key.public_bytes(Encoding.DER, PublicFormat.PKCS1)).digest()[:20]


def algorithm() -> Any:
    """The AlgorithmIdentifier of sha256WithRSAEncryption, with NULL (RFC 4055, 5)."""
    return algos.SignedDigestAlgorithm({"algorithm": SIGNATURE_ALGORITHM, "parameters": core.Null()})


def _check(request: EndRequest, issuer: Any) -> None:
    if request.public_key.key_size != RSA_BITS or request.public_key.public_numbers().e != RSA_EXPONENT:
        raise CertificateProfileError(f"a card's key is an RSA key of {RSA_BITS} bits with exponent {RSA_EXPONENT}")
    if request.profile.has_attributes is (request.attributes is None):
        raise CertificateProfileError("a signature certificate carries the four items, no other one does")
    if request.last_day < request.first_day:
        raise CertificateProfileError(f"it would end on {request.last_day}, before it begins")
    if first_moment(request.first_day) < issuer.not_valid_before or last_moment(request.last_day) > (
        issuer.not_valid_after
    ):
        raise CertificateProfileError("it would be valid when its CA is not")


def _subject(request: EndRequest, random: Randomness) -> Any:
    localities = (("locality_name", request.city_name),) if request.profile.has_attributes else ()
    return _name(("country_name", "JP"), *localities, ("common_name", random(_HOLDER_SIZE).hex().upper()))


def _end_extensions(request: EndRequest, issuer: Any) -> tuple[Any, ...]:
    profile = request.profile
    points = _name(
        ("country_name", "JP"),
        ("organization_name", ORGANIZATION),
        *_units((profile.unit, DISTRIBUTION_POINTS, *issuer.subject.native["organizational_unit_name"][1:])),
    )
    general = asn1.GeneralName(name="directory_name", value=points)
    names: tuple[Any, ...] = ()
    if request.attributes is not None:
        names = (_extension("subject_alt_name", asn1.GeneralNames.load(request.attributes.encode())),)
    return (
        _extension("key_usage", set(profile.key_usage), critical=True),
        *names,
        _extension("certificate_policies", [{"policy_identifier": profile.policy}], critical=True),
        _extension(
            "crl_distribution_points",
            [{"distribution_point": asn1.DistributionPointName(name="full_name", value=asn1.GeneralNames([general]))}],
        ),
        _extension("basic_constraints", {"ca": False}),
        _extension("authority_key_identifier", {"key_identifier": issuer.key_identifier}),
        _extension("key_identifier", key_identifier(request.public_key)),
    )


def _body(
    issuer: Any,
    subject: Any,
    public_key: RSAPublicKey,
    days: tuple[date, date],
    extensions: Iterable[Any],
    random: Randomness,
) -> Any:
    serial = bytearray(random(SERIAL_SIZE))
    serial[0] = serial[0] & 0x7F | 0x40
    return asn1.TbsCertificate(
        {
            "version": "v3",
            "serial_number": int.from_bytes(serial),
            "signature": algorithm(),
            "issuer": issuer,
            "validity": {"not_before": x509_time(first_moment(days[0])), "not_after": x509_time(last_moment(days[1]))},
            "subject": subject,
            "subject_public_key_info": keys.PublicKeyInfo.load(
                public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            ),
            "extensions": list(extensions),
        }
    )


def _signed(body: Any, signature: bytes) -> bytes:
    certificate = {"tbs_certificate": body, "signature_algorithm": algorithm(), "signature_value": signature}
    encoded: bytes = asn1.Certificate(certificate).dump()
    return encoded


def x509_time(moment: datetime) -> Any:
    """A time as certificates and lists have it, to the second: UTCTime before 2050 (RFC 5280, 4.1.2.5)."""
    moment = moment.replace(microsecond=0)
    kind = "general_time" if moment.year >= _FIRST_GENERALIZED_YEAR else "utc_time"
    return asn1.Time(name=kind, value=moment)


def _units(names: Iterable[str]) -> Iterable[tuple[str, str]]:
    return (("organizational_unit_name", name) for name in names)


def _name(*parts: tuple[str, str]) -> Any:
    """A distinguished name whose parts stand in this order, one in each RDN; country codes are PrintableString."""
    relative = [
        asn1.RelativeDistinguishedName(
            [
                {
                    "type": kind,
                    "value": asn1.DirectoryString(
                        name="printable_string" if kind == "country_name" else "utf8_string", value=value
                    ),
                }
            ]
        )
        for kind, value in parts
    ]
    return asn1.Name(name="", value=asn1.RDNSequence(relative))


def _extension(identifier: str, value: Any, *, critical: bool = False) -> Any:
    return asn1.Extension({"extn_id": identifier, "critical": critical, "extn_value": value})
