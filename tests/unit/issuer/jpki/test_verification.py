"""Genuine certificates pass; forged, expired and revoked ones are refused, each by the check that is meant for it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import pytest
from asn1crypto import x509 as asn1  # type: ignore[import-untyped]
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from jukicard.applets.jpki.layout import Usage
from jukicard.issuer.jpki.profile import POLICY_ARC
from jukicard.issuer.jpki.verification import CertificateRefused, Check, VerifiedCertificate, verify_certificate
from tests.support.jpki import AUTHENTICATION, NOW, SIGNATURE, Forger, TestCa, make_ca, rsa_key

DAY = dt.timedelta(days=1)


@pytest.fixture(scope="module")
def forger(ca: TestCa, leaf: bytes) -> Forger:
    """Signs with the CA's own key whatever one likes: what a check refuses is then only that."""
    return Forger(leaf, private_key(ca))


def private_key(ca: TestCa) -> rsa.RSAPrivateKey:
    return ca.signer.keys._rsa_private(ca.signer.label)  # type: ignore[attr-defined,no-any-return]


def verify(leaf: bytes, *trust: TestCa | bytes, usage: Usage = SIGNATURE, at: dt.datetime = NOW) -> VerifiedCertificate:
    certificates = [one if isinstance(one, bytes) else one.certificate for one in trust]
    return verify_certificate(leaf, certificates, usage, at)


def refused(check: Check, leaf: bytes, *trust: TestCa | bytes, at: dt.datetime = NOW, **given: Usage) -> str:
    with pytest.raises(CertificateRefused) as caught:
        verify(leaf, *trust, at=at, **given)
    assert caught.value.check is check, caught.value
    assert caught.value.exit_code == 1
    return str(caught.value)


def test_genuine_ones_pass(ca: TestCa, authentication_ca: TestCa, leaf: bytes) -> None:
    found = verify(leaf, authentication_ca, ca)
    assert (found.certificate, found.ca, found.usage, found.revocation) == (leaf, ca.certificate, SIGNATURE, None)
    own = authentication_ca.issue()
    assert verify(own, authentication_ca, ca, usage=AUTHENTICATION).ca == authentication_ca.certificate


def test_a_forgery_that_changes_nothing_passes(ca: TestCa, forger: Forger) -> None:
    """So that the forgeries below are refused for what they change."""
    verify(forger.forge(), ca)
    verify(Forger(forger.model, forger.key, SHA384()).forge(), ca)


def test_no_ca_or_one_of_another_name(ca: TestCa, authentication_ca: TestCa, leaf: bytes) -> None:
    refused(Check.ISSUER, leaf)
    refused(Check.ISSUER, leaf, authentication_ca)


def test_another_ca_of_the_same_name(ca: TestCa, other_ca: TestCa, leaf: bytes) -> None:
    refused(Check.SIGNATURE, leaf, other_ca)
    verify(leaf, other_ca, ca)
    refused(Check.SIGNATURE, other_ca.issue(), ca)


def test_a_strangers_ca_that_copies_the_genuine_one(ca: TestCa, leaf: bytes) -> None:
    """Same names, same key identifiers, same serial numbers: everything but the key."""
    refused(Check.SIGNATURE, Forger(leaf, rsa_key("stranger")).forge(), ca)


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_any_byte_that_is_changed_is_noticed(ca: TestCa, leaf: bytes, data: st.DataObject) -> None:
    spoilt = bytearray(leaf)
    spoilt[data.draw(st.integers(0, len(leaf) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CertificateRefused):
        verify(bytes(spoilt), ca)


@pytest.mark.parametrize("wrong", [b"", b"\x30\x00", b"certificate", bytes(100)])
def test_what_is_no_certificate(ca: TestCa, leaf: bytes, wrong: bytes) -> None:
    refused(Check.FORM, wrong, ca)
    refused(Check.FORM, leaf, wrong)
    refused(Check.FORM, leaf[:-1], ca)
    refused(Check.FORM, leaf + b"\0", ca)


def test_a_leaf_as_ca(ca: TestCa, leaf: bytes) -> None:
    """A resident's key signs a certificate below the resident's own."""
    below = Forger(leaf, rsa_key("holder")).forge(issuer=x509.load_der_x509_certificate(leaf).subject)
    refused(Check.ISSUER, below, ca)
    refused(Check.CA, below, leaf)


@pytest.mark.parametrize(
    "extension",
    [
        x509.BasicConstraints(ca=False, path_length=None),
        x509.KeyUsage(*[True, True, False, False, False, False, True, False, False]),
    ],
)
def test_a_ca_that_is_none(ca: TestCa, leaf: bytes, extension: x509.ExtensionType) -> None:
    spoilt = Forger(ca.certificate, private_key(ca)).forge(with_=[(extension, True)])
    refused(Check.CA, leaf, spoilt)


@pytest.mark.parametrize("missing", [x509.BasicConstraints, x509.KeyUsage])
def test_a_ca_that_does_not_say_so(ca: TestCa, leaf: bytes, missing: type[x509.ExtensionType]) -> None:
    refused(Check.CA, leaf, Forger(ca.certificate, private_key(ca)).forge(without=[missing]))


def test_validity_to_the_second(ca: TestCa, leaf: bytes) -> None:
    read = x509.load_der_x509_certificate(leaf)
    begin, end, second = read.not_valid_before_utc, read.not_valid_after_utc, dt.timedelta(seconds=1)
    verify(leaf, ca, at=begin)
    verify(leaf, ca, at=end)
    assert "begins only" in refused(Check.CA_VALIDITY, leaf, ca, at=begin - second)
    assert "ended" in refused(Check.VALIDITY, leaf, ca, at=end + second)
    later = ca.issue(first=dt.date(2027, 1, 1), seed="later")
    assert "begins only" in refused(Check.VALIDITY, later, ca)


def test_an_expired_ca(leaf: bytes, tmp_path: Path) -> None:
    old = make_ca(tmp_path, "old", today=dt.date(2006, 1, 1))
    below = old.issue(first=dt.date(2025, 1, 1), last=dt.date(2025, 12, 31))
    verify(below, old, at=dt.datetime(2025, 6, 1, tzinfo=dt.UTC))
    longer = Forger(leaf, private_key(old)).forge(
        issuer=x509.load_der_x509_certificate(old.certificate).subject,
        with_=[(authority_key(old.certificate), False)],
    )
    refused(Check.CA_VALIDITY, longer, old)


def authority_key(ca: bytes) -> x509.AuthorityKeyIdentifier:
    own = x509.load_der_x509_certificate(ca).extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own.value)


def test_swapped_and_missing_key_identifiers(ca: TestCa, other_ca: TestCa, forger: Forger) -> None:
    swapped = forger.forge(with_=[(authority_key(other_ca.certificate), False)])
    refused(Check.KEY_IDENTIFIER, swapped, ca)
    refused(Check.KEY_IDENTIFIER, forger.forge(without=[x509.AuthorityKeyIdentifier]), ca)
    name = [x509.DirectoryName(x509.load_der_x509_certificate(ca.certificate).issuer)]
    for serial, passes in ((x509.load_der_x509_certificate(ca.certificate).serial_number, True), (1, False)):
        own = authority_key(ca.certificate).key_identifier
        named = forger.forge(with_=[(x509.AuthorityKeyIdentifier(own, name, serial), False)])
        if passes:
            verify(named, ca)
        else:
            refused(Check.KEY_IDENTIFIER, named, ca)


def test_a_resident_who_is_a_ca(ca: TestCa, forger: Forger) -> None:
    forged = forger.forge(with_=[(x509.BasicConstraints(ca=True, path_length=None), True)])
    refused(Check.BASIC_CONSTRAINTS, forged, ca)
    verify(forger.forge(without=[x509.BasicConstraints]), ca)


@pytest.mark.parametrize("bits", [(True, False), (False, True), (False, False)])
def test_a_key_that_is_for_something_else(ca: TestCa, forger: Forger, bits: tuple[bool, bool]) -> None:
    usage = x509.KeyUsage(*bits, True, False, False, False, False, False, False)
    refused(Check.KEY_USAGE, forger.forge(with_=[(usage, True)]), ca)
    refused(Check.KEY_USAGE, forger.forge(without=[x509.KeyUsage]), ca)


def test_each_certificate_serves_its_own_use_only(ca: TestCa, authentication_ca: TestCa, leaf: bytes) -> None:
    refused(Check.POLICY, leaf, ca, usage=AUTHENTICATION)
    refused(Check.KEY_USAGE, authentication_ca.issue(), authentication_ca, usage=SIGNATURE)


@pytest.mark.parametrize(
    ("purposes", "passes"),
    [
        ([ExtendedKeyUsageOID.CLIENT_AUTH], True),
        ([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE], True),
        ([ExtendedKeyUsageOID.SERVER_AUTH], False),
    ],
)
def test_extended_key_usage_of_an_authentication_certificate(
    authentication_ca: TestCa, purposes: Sequence[x509.ObjectIdentifier], passes: bool
) -> None:
    forger = Forger(authentication_ca.issue(), private_key(authentication_ca))
    forged = forger.forge(with_=[(x509.ExtendedKeyUsage(purposes), False)])
    if passes:
        verify(forged, authentication_ca, usage=AUTHENTICATION)
    else:
        refused(Check.KEY_USAGE, forged, authentication_ca, usage=AUTHENTICATION)


@pytest.mark.parametrize(
    ("policy", "passes"),
    [
        (f"{POLICY_ARC}.1.20", True),  # as in production
        (f"{POLICY_ARC}.0.20", True),  # as in the JPKI's own test environment
        (f"{POLICY_ARC}.1", True),
        (f"{POLICY_ARC}.1.40", True),  # of certificates in a telephone
        (f"{POLICY_ARC}.3.30", False),
        (f"{POLICY_ARC}.10", False),
        (f"{POLICY_ARC}", False),
        ("2.5.29.32.0", False),
    ],
)
def test_policies(ca: TestCa, forger: Forger, policy: str, passes: bool) -> None:
    stated = x509.PolicyInformation(x509.ObjectIdentifier(policy), ["http://cps.invalid/"])
    forged = forger.forge(with_=[(x509.CertificatePolicies([stated]), True)])
    if passes:
        verify(forged, ca)
    else:
        refused(Check.POLICY, forged, ca)
    refused(Check.POLICY, forger.forge(without=[x509.CertificatePolicies]), ca)


def test_critical_extensions_that_nobody_understands(ca: TestCa, forger: Forger) -> None:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.25.1"), b"\x05\x00")
    verify(forger.forge(with_=[(unknown, False)]), ca)
    refused(Check.EXTENSIONS, forger.forge(with_=[(unknown, True)]), ca)
    constraints = x509.NameConstraints([x509.DNSName("example")], None)
    refused(Check.EXTENSIONS, forger.forge(with_=[(constraints, True)]), ca)


def test_weak_algorithms(ca: TestCa, forger: Forger, leaf: bytes) -> None:
    refused(Check.ALGORITHM, forger.forge(public_key=rsa.generate_private_key(65537, 1024).public_key()), ca)
    elliptic = ec.derive_private_key(7, ec.SECP256R1()).public_key()
    refused(Check.ALGORITHM, forger.forge(public_key=elliptic), ca)  # type: ignore[arg-type]
    weak = rsa.generate_private_key(65537, 1024)
    small = Forger(ca.certificate, weak).forge(public_key=weak.public_key())
    refused(Check.ALGORITHM, Forger(leaf, weak).forge(), small)


def test_sha1_and_md5_are_refused(ca: TestCa, leaf: bytes) -> None:
    parsed = asn1.Certificate.load(leaf)
    for algorithm in ("sha1_rsa", "md5_rsa"):
        parsed["signature_algorithm"] = {"algorithm": algorithm, "parameters": None}
        parsed["tbs_certificate"]["signature"] = {"algorithm": algorithm, "parameters": None}
        refused(Check.ALGORITHM, parsed.dump(force=True), ca)
