"""Revocation lists, as openssl reads and judges them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from asn1crypto import core, crl  # type: ignore[import-untyped]
from cryptography import x509

from jukicard.issuer.jpki.crl import CRL_REASONS, LIFETIME, build_crl
from jukicard.issuer.ledger.details import RevocationReason
from tests.support.jpki import LAST, NOW, TestCa, entered, openssl, revoked, write_pem

R = RevocationReason


def test_openssl_verifies_it(ca: TestCa, other_ca: TestCa, tmp_path: Path) -> None:
    path = tmp_path / "ca.crl"
    path.write_bytes(build_crl(ca.signer, [], NOW))
    assert b"verify OK" in openssl("crl", "-in", path, "-CAfile", write_pem(tmp_path / "a", ca.certificate)).stdout
    wrong = openssl("crl", "-in", path, "-CAfile", write_pem(tmp_path / "b", other_ca.certificate)).stdout
    assert b"verify OK" not in wrong


def test_it_says_what_it_must(ca: TestCa, leaf: bytes, tmp_path: Path) -> None:
    path = tmp_path / "ca.crl"
    since = NOW - dt.timedelta(hours=1)
    path.write_bytes(build_crl(ca.signer, [entered(leaf, revoked(R.KEY_COMPROMISE, since))], NOW))
    text = openssl("crl", "-in", path, "-noout", "-text").stdout.decode()
    for expected in (
        "Version 2 (0x1)",
        "Signature Algorithm: sha256WithRSAEncryption",
        "Last Update: Nov 22 03:04:05 2026 GMT",
        "Next Update: Nov 23 03:04:05 2026 GMT",
        "X509v3 CRL Number:",
        "Revocation Date: Nov 22 02:04:05 2026 GMT",
        "Key Compromise",
    ):
        assert expected in text


@pytest.mark.parametrize("reason", R)
def test_openssl_refuses_what_is_listed_and_nothing_else(
    ca: TestCa, leaf: bytes, tmp_path: Path, reason: RevocationReason
) -> None:
    other = ca.issue(seed="another")
    path = tmp_path / "ca.crl"
    path.write_bytes(build_crl(ca.signer, [entered(leaf, revoked(reason)), entered(other)], NOW))
    pem = tmp_path / "crl.pem"
    assert openssl("crl", "-in", path, "-out", pem).returncode == 0
    at = str(int(NOW.timestamp()) + 60)
    options = ("-x509_strict", "-crl_check", "-attime", at, "-CRLfile", pem)
    options = (*options, "-CAfile", write_pem(tmp_path / "ca.pem", ca.certificate))
    refused = openssl("verify", *options, write_pem(tmp_path / "leaf.pem", leaf))
    assert b"certificate revoked" in refused.stdout
    accepted = openssl("verify", *options, write_pem(tmp_path / "other.pem", other))
    assert accepted.stdout.endswith(b": OK\n")


@pytest.mark.parametrize("reason", R)
def test_reasons_are_those_of_the_standard_and_unspecified_is_none(
    ca: TestCa, leaf: bytes, reason: RevocationReason
) -> None:
    (entry,) = x509.load_der_x509_crl(build_crl(ca.signer, [entered(leaf, revoked(reason))], NOW))
    if reason is R.UNSPECIFIED:
        assert len(entry.extensions) == 0
    else:
        found = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
        assert found.name == reason.name.lower() == CRL_REASONS[reason]


def test_an_empty_list_has_no_entries_member(ca: TestCa) -> None:
    parsed = crl.CertificateList.load(build_crl(ca.signer, [], NOW))
    assert isinstance(parsed["tbs_cert_list"]["revoked_certificates"], core.Void)


def test_an_expired_certificate_is_listed_once_more_and_then_no_longer(ca: TestCa, leaf: bytes) -> None:
    end = dt.datetime(LAST.year, LAST.month, LAST.day, 14, 59, 59, tzinfo=dt.UTC)
    one = entered(leaf, revoked(R.SUPERSEDED))
    counts = {
        after: len(x509.load_der_x509_crl(build_crl(ca.signer, [one], end + after)))
        for after in (dt.timedelta(), LIFETIME, LIFETIME + dt.timedelta(seconds=1))
    }
    assert list(counts.values()) == [1, 1, 0]


def test_later_lists_have_higher_numbers(ca: TestCa) -> None:
    numbers = [
        x509.load_der_x509_crl(build_crl(ca.signer, [], NOW + dt.timedelta(seconds=after)))
        .extensions.get_extension_for_class(x509.CRLNumber)
        .value.crl_number
        for after in (0, 1, 100)
    ]
    assert numbers == sorted(set(numbers))
