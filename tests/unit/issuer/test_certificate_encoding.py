"""Certificates are encoded by hand: held against asn1crypto's encoder, byte for byte, for whatever may stand in one."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest
from asn1crypto import x509  # type: ignore[import-untyped]
from cryptography import x509 as other
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from jukicard.issuer.authority import certificates as c
from jukicard.issuer.errors import CertificateProfileError
from jukicard.issuer.keys.keystore import KeyStore
from jukicard.securechannel.authorization import OID, Right, Role, TerminalAuthorization

SIGNATURE = bytes.fromhex("3006020101020102")
PROFILES = (c.ROOT, c.TERMINAL_CA, c.CARD_CA, c.TERMINAL, c.CARD_AUTHENTICATION, c.CARD_CHANNEL)
AUTHORIZATION = TerminalAuthorization(Role.COUNTER, frozenset({Right.IDENTIFY, Right.VOID}), "99201")
PRINTABLE = "ABCXYZabcxyz0189 '()+,-./:=?"


class OneKey:
    """A key store of one key, whose signature is always the same."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self.key = key

    def public_key(self, label: str) -> ec.EllipticCurvePublicKey:
        return self.key.public_key()

    def sign(self, label: str, data: bytes) -> bytes:
        return SIGNATURE


def key(scalar: int) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(scalar, ec.SECP256R1())


def signer(certificate: bytes | None) -> c.Signer:
    store: KeyStore = OneKey(key(1))  # type: ignore[assignment]  # the two methods that are used
    return c.Signer(store, "ca", certificate)


ROOT_SUBJECT = c.Subject("TEST 根", "国", None, None)
ROOT = c.issue(
    signer(None),
    c.Request(c.ROOT, ROOT_SUBJECT, key(1).public_key(), date(2000, 1, 1), date(2199, 12, 31)),
    lambda size: b"\x01" * size,
)


def expected(request: c.Request, serial: bytes) -> bytes:
    """The same certificate by asn1crypto, from the standard's own terms."""
    public = request.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    above = x509.Certificate.load(ROOT)
    constraints: dict[str, object] = {"ca": request.profile.ca}
    if request.profile.path_length is not None:
        constraints["path_len_constraint"] = request.profile.path_length
    extensions: list[tuple[str, bool, object]] = [
        ("basic_constraints", True, constraints),
        ("key_usage", True, set(request.profile.key_usage)),
        ("key_identifier", False, c.key_identifier(request.public_key)),
        ("authority_key_identifier", False, {"key_identifier": above.key_identifier}),
    ]
    if request.authorization is not None:
        extensions.append((OID, False, request.authorization.encode()))
    algorithm = {"algorithm": "sha256_ecdsa"}
    to_be_signed = x509.TbsCertificate(
        {
            "version": "v3",
            "serial_number": int.from_bytes(serial),
            "signature": algorithm,
            "issuer": above.subject,
            "validity": {
                "not_before": moment(datetime.combine(request.not_before, time(0, 0, 0), UTC)),
                "not_after": moment(datetime.combine(request.not_after, time(23, 59, 59), UTC)),
            },
            "subject": name(request.subject),
            "subject_public_key_info": x509.PublicKeyInfo.load(public),
            "extensions": [{"extn_id": i, "critical": critical, "extn_value": v} for i, critical, v in extensions],
        }
    )
    parts = {"tbs_certificate": to_be_signed, "signature_algorithm": algorithm, "signature_value": SIGNATURE}
    return bytes(x509.Certificate(parts).dump())


def name(subject: c.Subject) -> x509.Name:
    parts = {
        "country_name": "JP",
        "organization_name": subject.organization,
        "organizational_unit_name": subject.city_code,
        "common_name": subject.common_name,
        "serial_number": subject.serial,
    }
    return x509.Name.build({key: value for key, value in parts.items() if value is not None})


def moment(when: datetime) -> x509.Time:
    return x509.Time(name="general_time" if when.year >= 2050 else "utc_time", value=when)


TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=64)
DAYS = st.dates(date(1990, 1, 1), date(2190, 12, 31))


@settings(max_examples=50)
@given(
    profile=st.sampled_from(PROFILES),
    subject=st.builds(
        c.Subject, TEXTS, st.none() | TEXTS, st.none() | TEXTS, st.none() | st.text(PRINTABLE, min_size=1, max_size=64)
    ),
    days=st.tuples(DAYS, DAYS),
    scalar=st.integers(1, 1 << 255),
    serial=st.binary(min_size=16, max_size=16),
)
def test_every_certificate_is_what_an_encoder_of_the_standard_makes(
    profile: c.Profile, subject: c.Subject, days: tuple[date, date], scalar: int, serial: bytes
) -> None:
    authorization = AUTHORIZATION if profile.terminal else None
    request = c.Request(profile, subject, key(scalar).public_key(), min(days), max(days), authorization)
    made = c.issue(signer(ROOT), request, lambda size: serial)
    assert made == expected(request, bytes((serial[0] & 0x7F | 0x40,)) + serial[1:])
    read = other.load_der_x509_certificate(made)
    assert read.public_key() == request.public_key
    assert (read.not_valid_before_utc.date(), read.not_valid_after_utc.date()) == (min(days), max(days))
    assert len(read.extensions) == 4 + profile.terminal
    assert c.Subject.read(made) == subject


@pytest.mark.parametrize("serial", ["", "市", "a@b", "0" * 65])
def test_a_serial_that_no_certificate_can_carry_is_refused(serial: str) -> None:
    with pytest.raises(CertificateProfileError):
        c.Subject("card", serial=serial).name()
