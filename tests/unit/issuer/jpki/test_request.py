"""Certification requests: openssl reads ours, and a key is certified only for whoever has it."""

from __future__ import annotations

import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from jukicard.issuer.errors import CertificateProfileError
from jukicard.issuer.jpki.request import certification_request, requested_key
from tests.support.jpki import request_of, rsa_key


def test_openssl_verifies_a_request() -> None:
    request = request_of(rsa_key("card"))
    command = ["openssl", "req", "-inform", "DER", "-noout", "-verify", "-subject"]
    done = subprocess.run(command, input=request, capture_output=True, check=True, timeout=20)
    assert b"verify OK" in done.stdout + done.stderr
    assert requested_key(request).public_numbers() == rsa_key("card").public_key().public_numbers()


def test_who_has_not_the_key_gets_no_certificate_for_it() -> None:
    foreign = rsa_key("another")
    request = certification_request(
        rsa_key("card").public_key(), lambda message: foreign.sign(message, padding.PKCS1v15(), hashes.SHA256())
    )
    with pytest.raises(CertificateProfileError, match="not signed with the key"):
        requested_key(request)


def test_another_kind_of_key_is_refused() -> None:
    key = ec.derive_private_key(1947, ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    with pytest.raises(CertificateProfileError, match="not about an RSA key"):
        requested_key(request.public_bytes(Encoding.DER))


@given(st.data())
def test_a_spoilt_request_is_refused_or_about_the_same_key(data: st.DataObject) -> None:
    """Its signature does not cover the parameters of its own algorithm, which are none."""
    spoilt = bytearray(request_of(rsa_key("card")))
    spoilt[data.draw(st.integers(0, len(spoilt) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        key = requested_key(bytes(spoilt))
    except CertificateProfileError:
        return
    assert key.public_numbers() == rsa_key("card").public_key().public_numbers()
