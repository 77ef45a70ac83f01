"""Certificates, read back by another library than the one that built them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from jukicard.issuer.authority import certificates as c
from jukicard.issuer.errors import CertificateProfileError
from jukicard.issuer.keys.filekeystore import FileKeyStore
from jukicard.issuer.keys.keystore import KeyUse
from jukicard.securechannel import authorization as a

TODAY = date(2026, 11, 21)
RIGHTS = a.TerminalAuthorization(a.Role.COUNTER, frozenset({a.Right.IDENTIFY, a.Right.VOID}), "99201")


def randomness() -> Callable[[int], bytes]:
    state = [0]

    def random(size: int) -> bytes:
        state[0] += 1
        return hashlib.shake_256(state[0].to_bytes(4, "big")).digest(size)

    return random


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> FileKeyStore:
    path: Path = tmp_path_factory.mktemp("keys") / "keys.json"
    store = FileKeyStore.create(path, "password", randomness())
    for label in ("root", "ca", "card-ca"):
        store.create_ec(label, KeyUse.SIGN)
    for label in ("terminal", "card"):
        store.create_ec(label, KeyUse.AGREE)
    return store


def request(keys: FileKeyStore, label: str, profile: c.Profile, **changes: object) -> c.Request:
    base = c.Request(
        profile=profile,
        subject=c.Subject(f"TEST {label}", "見本市", "99201"),
        public_key=keys.public_key(label),
        not_before=TODAY,
        not_after=date(2036, 11, 20),
        authorization=RIGHTS if profile.terminal else None,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def root(keys: FileKeyStore) -> c.Signer:
    der = c.issue(c.Signer(keys, "root"), request(keys, "root", c.ROOT, not_after=date(2056, 1, 1)), randomness())
    return c.Signer(keys, "root", der)


@pytest.fixture(scope="module")
def terminal_ca(keys: FileKeyStore, root: c.Signer) -> c.Signer:
    return c.Signer(keys, "ca", c.issue(root, request(keys, "ca", c.TERMINAL_CA), randomness()))


def load(signer: c.Signer) -> x509.Certificate:
    assert signer.certificate is not None
    return x509.load_der_x509_certificate(signer.certificate)


def test_chain_verifies_with_another_library(root: c.Signer, terminal_ca: c.Signer, keys: FileKeyStore) -> None:
    leaf = x509.load_der_x509_certificate(c.issue(terminal_ca, request(keys, "terminal", c.TERMINAL), randomness()))
    load(root).verify_directly_issued_by(load(root))
    load(terminal_ca).verify_directly_issued_by(load(root))
    leaf.verify_directly_issued_by(load(terminal_ca))
    with pytest.raises(ValueError, match="Issuer"):
        leaf.verify_directly_issued_by(load(root))
    assert isinstance(leaf.signature_hash_algorithm, hashes.SHA256)
    assert leaf.public_key() == keys.public_key("terminal")


@pytest.mark.parametrize(
    ("profile", "label", "ca", "path_length", "usage"),
    [
        (c.TERMINAL_CA, "ca", True, 0, {"key_cert_sign", "crl_sign"}),
        (c.CARD_CA, "card-ca", True, 0, {"key_cert_sign", "crl_sign"}),
        (c.TERMINAL, "terminal", False, None, {"key_agreement"}),
        (c.CARD_AUTHENTICATION, "card", False, None, {"digital_signature"}),
        (c.CARD_CHANNEL, "card", False, None, {"key_agreement"}),
    ],
)
def test_profiles(
    root: c.Signer,
    keys: FileKeyStore,
    profile: c.Profile,
    label: str,
    ca: bool,
    path_length: int | None,
    usage: set[str],
) -> None:
    made = x509.load_der_x509_certificate(c.issue(root, request(keys, label, profile), randomness()))
    assert made.version is x509.Version.v3
    constraints = made.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (ca, path_length)
    key_usage = made.extensions.get_extension_for_class(x509.KeyUsage)
    assert key_usage.critical
    bits = (
        "digital_signature",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "key_encipherment",
        "content_commitment",
    )
    assert {bit for bit in bits if getattr(key_usage.value, bit)} == usage
    own = made.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    above = made.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    assert not own.critical
    assert not above.critical
    assert own.value.digest == c.key_identifier(keys.public_key(label))
    assert above.value.key_identifier == c.key_identifier(keys.public_key("root"))
    unrecognized = [e for e in made.extensions if isinstance(e.value, x509.UnrecognizedExtension)]
    assert len(unrecognized) == (1 if profile.terminal else 0)
    for extension in unrecognized:
        assert extension.oid.dotted_string == a.OID
        assert not extension.critical
        assert isinstance(extension.value, x509.UnrecognizedExtension)
        assert a.TerminalAuthorization.decode(extension.value.value) == RIGHTS


def test_root_has_no_path_length(root: c.Signer) -> None:
    constraints = load(root).extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, None)


def test_validity_is_whole_days_in_the_right_time_form(keys: FileKeyStore, root: c.Signer) -> None:
    made = load(root)
    assert made.not_valid_before_utc == datetime(2026, 11, 21, 0, 0, 0, tzinfo=UTC)
    assert made.not_valid_after_utc == datetime(2056, 1, 1, 23, 59, 59, tzinfo=UTC)
    assert root.certificate is not None
    assert b"\x17\x0d261121000000Z" in root.certificate  # UTCTime to 2049, RFC 5280 4.1.2.5
    assert b"\x18\x0f20560101235959Z" in root.certificate  # GeneralizedTime from 2050


def test_serial_numbers_are_positive_and_fill_sixteen_bytes(keys: FileKeyStore) -> None:
    numbers = set()
    for pattern in (b"\x00", b"\xff", b"\x80", b"\x3f"):

        def fixed(size: int, pattern: bytes = pattern) -> bytes:
            return pattern * size

        der = c.issue(c.Signer(keys, "root"), request(keys, "root", c.ROOT), fixed)
        number = x509.load_der_x509_certificate(der).serial_number
        assert number > 0
        assert len(number.to_bytes(16, "big")) == 16
        assert number.bit_length() == 127
        numbers.add(number)
    assert len(numbers) == 4


def test_subject_of_a_card(keys: FileKeyStore, root: c.Signer) -> None:
    subject = c.Subject("Juki card 799201000000001", "見本市", "99201", "799201000000001")
    der = c.issue(root, request(keys, "card", c.CARD_CHANNEL, subject=subject), randomness())
    name = x509.load_der_x509_certificate(der).subject
    assert name.get_attributes_for_oid(NameOID.SERIAL_NUMBER)[0].value == "799201000000001"
    assert name.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)[0].value == "99201"
    assert name.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "見本市"
    assert name.get_attributes_for_oid(NameOID.COUNTRY_NAME)[0].value == "JP"
    assert c.Subject.read(der) == subject


@pytest.mark.parametrize("der", [b"", b"\x30\x00", b"\x30\x82", bytes(100)])
def test_subjects_of_what_is_no_certificate(der: bytes) -> None:
    with pytest.raises(CertificateProfileError):
        c.Subject.read(der)


def test_what_must_not_be_signed(keys: FileKeyStore, root: c.Signer, terminal_ca: c.Signer) -> None:
    leaf = c.issue(terminal_ca, request(keys, "terminal", c.TERMINAL), randomness())
    refused = [
        (root, request(keys, "ca", c.CARD_CA, not_after=date(2056, 1, 2)), "outlive"),
        (root, request(keys, "ca", c.CARD_CA, not_after=date(2026, 11, 20)), "before it begins"),
        (root, request(keys, "terminal", c.TERMINAL, authorization=None), "may do"),
        (root, request(keys, "card", c.CARD_CHANNEL, authorization=RIGHTS), "carries rights"),
        (root, request(keys, "card", c.CARD_CHANNEL, subject=c.Subject("x" * 65)), "64"),
        (terminal_ca, request(keys, "card-ca", c.CARD_CA), "further CAs"),
        (c.Signer(keys, "terminal", leaf), request(keys, "card", c.CARD_CHANNEL), "no CA"),
        (c.Signer(keys, "card-ca", root.certificate), request(keys, "card", c.CARD_CHANNEL), "signer's key"),
        (c.Signer(keys, "root"), request(keys, "ca", c.ROOT), "itself"),
        (c.Signer(keys, "card"), request(keys, "card", c.CARD_CHANNEL), "itself"),
    ]
    for signer, bad, reason in refused:
        with pytest.raises(CertificateProfileError, match=reason):
            c.issue(signer, bad, randomness())


def test_pem_round_trip(root: c.Signer, terminal_ca: c.Signer) -> None:
    assert root.certificate is not None
    assert terminal_ca.certificate is not None
    chain = (terminal_ca.certificate, root.certificate)
    assert c.from_pem(c.to_pem(chain)) == chain
    assert len(x509.load_pem_x509_certificates(c.to_pem(chain))) == 2


@pytest.mark.parametrize("text", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_pem_without_certificates(text: bytes) -> None:
    with pytest.raises(CertificateProfileError, match="no certificate"):
        c.from_pem(text)
