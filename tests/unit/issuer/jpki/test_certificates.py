"""The profile of the certificates, as openssl and another library read it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from jukicard.applets.jpki.layout import Profile
from jukicard.issuer.errors import CertificateProfileError
from jukicard.issuer.jpki import certificates as c
from jukicard.issuer.jpki.profile import PROFILES, certificate_ends
from tests.support.chips import randomness
from tests.support.jpki import (
    ATTRIBUTES,
    AUTHENTICATION,
    CITY_NAME,
    FIRST,
    LAST,
    SIGNATURE,
    TestCa,
    openssl,
    rsa_key,
    write_pem,
)

SIGNATURE_TEXT = (
    "Version: 3 (0x2)",
    "Signature Algorithm: sha256WithRSAEncryption",
    "Issuer: C = JP, O = JPKI, OU = JPKI for digital signature, OU = TEST Governor of Prefecture 99",
    "Not Before: Nov 20 15:00:00 2026 GMT",
    "Not After : Nov 20 14:59:59 2029 GMT",
    "X509v3 Key Usage: critical\n                Digital Signature, Non Repudiation\n",
    "X509v3 Certificate Policies: critical\n                Policy: 1.2.392.200149.8.5.1.1.20\n",
    "DirName:C = JP, O = JPKI, OU = JPKI for digital signature, OU = CRL Distribution Points, OU = TEST Governor",
    "X509v3 Basic Constraints: \n                CA:FALSE\n",
    "othername: 1.2.392.200149.8.5.5.2::00000, othername: 1.2.392.200149.8.5.5.6::00000000000",
    "othername: 1.2.392.200149.8.5.5.4::319650403, othername: 1.2.392.200149.8.5.5.3::1",
    f"Subject: C=JP, L={CITY_NAME}, CN=",
)
AUTHENTICATION_TEXT = (
    "Issuer: C = JP, O = JPKI, OU = JPKI for user authentication, OU = TEST Governor of Prefecture 99",
    "X509v3 Key Usage: critical\n                Digital Signature\n",
    "Policy: 1.2.392.200149.8.5.1.3.30",
    "Subject: C=JP, CN=",
)


def as_text(path: Path) -> str:
    plain = openssl("x509", "-in", path, "-noout", "-text", "-nameopt", "utf8,sep_comma_plus_space,space_eq").stdout
    return plain.decode()


def test_a_signature_certificate_is_what_openssl_reads(leaf: bytes, tmp_path: Path) -> None:
    text = as_text(write_pem(tmp_path / "leaf.pem", leaf)).replace("Subject: C = JP, L = ", "Subject: C=JP, L=")
    text = text.replace(", CN = ", ", CN=")
    for expected in SIGNATURE_TEXT:
        assert expected in text


def test_an_authentication_certificate_says_nothing_of_the_person(authentication_ca: TestCa, tmp_path: Path) -> None:
    leaf = authentication_ca.issue()
    text = as_text(write_pem(tmp_path / "leaf.pem", leaf)).replace("Subject: C = JP, CN = ", "Subject: C=JP, CN=")
    for expected in AUTHENTICATION_TEXT:
        assert expected in text
    assert "othername" not in text
    assert CITY_NAME.encode() not in leaf


@pytest.mark.parametrize("usage", [SIGNATURE, AUTHENTICATION])
def test_openssl_verifies_it_strictly_below_its_ca(
    ca: TestCa, authentication_ca: TestCa, tmp_path: Path, usage: object
) -> None:
    issuer = ca if usage is SIGNATURE else authentication_ca
    files = write_pem(tmp_path / "ca.pem", issuer.certificate), write_pem(tmp_path / "leaf.pem", issuer.issue())
    at = str(int(dt.datetime(2026, 11, 22, tzinfo=dt.UTC).timestamp()))
    result = openssl("verify", "-x509_strict", "-attime", at, "-CAfile", *files)
    assert result.stdout.endswith(b": OK\n"), result.stdout


def test_the_ca_certifies_itself(ca: TestCa, other_ca: TestCa) -> None:
    read = x509.load_der_x509_certificate(ca.certificate)
    read.verify_directly_issued_by(read)
    constraints = read.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, None)
    usage = read.extensions.get_extension_for_class(x509.KeyUsage)
    assert (usage.critical, usage.value.key_cert_sign, usage.value.crl_sign) == (True, True, True)
    assert not usage.value.digital_signature
    assert "TEST" in read.subject.rfc4514_string()
    other = x509.load_der_x509_certificate(other_ca.certificate)
    assert (read.subject, read.serial_number == other.serial_number) == (other.subject, False)
    assert read.not_valid_after_utc == dt.datetime(2046, 11, 20, 14, 59, 59, tzinfo=dt.UTC)


def test_the_encoding_begins_as_cards_readers_expect(ca: TestCa, authentication_ca: TestCa) -> None:
    for der in (ca.certificate, ca.issue(), authentication_ca.issue()):
        assert der[:2] == bytes.fromhex("3082")
        assert int.from_bytes(der[2:4]) + 4 == len(der)


def test_the_same_randomness_gives_the_same_certificate_and_another_another(ca: TestCa) -> None:
    assert ca.issue(seed=1) == ca.issue(seed=1)
    one, two = (x509.load_der_x509_certificate(ca.issue(seed=seed)) for seed in (1, 2))
    assert one.serial_number != two.serial_number
    assert one.subject != two.subject
    assert one.serial_number.bit_length() == 127


def test_after_2049_the_days_are_written_with_four_digits(ca: TestCa, tmp_path: Path) -> None:
    keys, profile = ca.signer.keys, PROFILES[SIGNATURE]
    der = c.self_signed(keys, ca.signer.label, profile, "99201", dt.date(2031, 1, 1), randomness("late"))
    assert b"20501231145959Z" in der
    assert b"310101" not in der
    assert b"301231150000Z" in der
    late = c.CaSigner(keys, ca.signer.label, der)
    request = c.EndRequest(
        profile, rsa_key("holder").public_key(), dt.date(2050, 1, 1), dt.date(2050, 12, 31), CITY_NAME, ATTRIBUTES
    )
    read = x509.load_der_x509_certificate(c.issue(late, request, randomness("leaf")))
    assert read.not_valid_after_utc == dt.datetime(2050, 12, 31, 14, 59, 59, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"last_day": dt.date(2026, 11, 20)}, "before it begins"),
        ({"last_day": dt.date(2046, 11, 21)}, "its CA is not"),
        ({"first_day": dt.date(2026, 11, 20)}, "its CA is not"),
        ({"attributes": None}, "four items"),
        ({"profile": PROFILES[AUTHENTICATION]}, "four items"),
        ({"public_key": rsa.generate_private_key(65537, 3072).public_key()}, "2048 bits"),
        ({"public_key": rsa.generate_private_key(3, 2048).public_key()}, "65537"),
    ],
)
def test_what_the_profile_does_not_allow_is_not_signed(ca: TestCa, change: dict[str, object], why: str) -> None:
    given = {
        "profile": PROFILES[SIGNATURE],
        "public_key": rsa_key("holder").public_key(),
        "first_day": FIRST,
        "last_day": LAST,
        "city_name": CITY_NAME,
        "attributes": ATTRIBUTES,
    }
    with pytest.raises(CertificateProfileError, match=why):
        c.issue(ca.signer, c.EndRequest(**{**given, **change}), randomness("leaf"))  # type: ignore[arg-type]


def test_terms() -> None:
    card_expires = dt.date(2036, 11, 20)
    assert certificate_ends(Profile.JUKI, FIRST, card_expires) == dt.date(2029, 11, 20)
    assert certificate_ends(Profile.MYNUMBER, FIRST, card_expires) == dt.date(2031, 11, 20)
    assert certificate_ends(Profile.MYNUMBER, FIRST, dt.date(2027, 1, 5)) == dt.date(2027, 1, 5)
