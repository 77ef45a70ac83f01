"""The OCSP responder, asked by openssl and by another library."""

from __future__ import annotations

import base64
import http.client
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from asn1crypto import ocsp as asn1  # type: ignore[import-untyped]
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from hypothesis import given, settings
from hypothesis import strategies as st

from jukicard.issuer.jpki.ocsp import MAX_CERTIFICATES, MAX_REQUEST_BYTES, respond
from jukicard.issuer.jpki.register import IssuedCertificate, certificate_number
from jukicard.issuer.ledger.details import RevocationReason
from jukicard.testing.ocsp import OcspServer
from tests.support.jpki import NOW, TestCa, entered, openssl, revoked, write_pem

Respond = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def leaves(ca: TestCa) -> dict[str, bytes]:
    return {name: ca.issue(seed=name) for name in ("good", "revoked", "held", "never issued")}


@pytest.fixture(scope="module")
def responder(ca: TestCa, leaves: dict[str, bytes]) -> Respond:
    known = {
        "good": entered(leaves["good"]),
        "revoked": entered(leaves["revoked"], revoked(RevocationReason.SUPERSEDED)),
        "held": entered(leaves["held"], revoked(RevocationReason.CERTIFICATE_HOLD)),
    }
    issued = {one.number: one for one in known.values()}

    def lookup(number: int) -> IssuedCertificate | None:
        return issued.get(certificate_number(number))

    return lambda request: respond(ca.signer, request, lookup, NOW)


@pytest.fixture
def server(responder: Respond) -> Iterator[OcspServer]:
    with OcspServer(responder) as running:
        yield running


def request(ca: bytes, leaf: bytes, *, digest: HashAlgorithm | None = None, nonce: bytes | None = None) -> bytes:
    pair = x509.load_der_x509_certificate(leaf), x509.load_der_x509_certificate(ca)
    builder = ocsp.OCSPRequestBuilder().add_certificate(*pair, digest or SHA256())
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("name", "status"),
    [("good", b": good"), ("revoked", b": revoked"), ("held", b": revoked"), ("never issued", b": unknown")],
)
def test_openssl_asks_it_over_http(
    ca: TestCa, leaves: dict[str, bytes], server: OcspServer, tmp_path: Path, name: str, status: bytes
) -> None:
    issuer, leaf = write_pem(tmp_path / "ca.pem", ca.certificate), write_pem(tmp_path / "leaf.pem", leaves[name])
    # The response's times are the test's, not openssl's: the age it would refuse is no part of this.
    options = ("-validity_period", "999999999", "-attime", str(int(NOW.timestamp())))
    asked = ("-issuer", issuer, "-cert", leaf, "-CAfile", issuer, "-url", server.url, "-nonce", *options)
    answer = openssl("ocsp", *asked).stdout
    assert b"Response verify OK" in answer
    assert status in answer
    assert (b"Reason: superseded" in answer) is (name == "revoked")
    assert (b"Reason: certificateHold" in answer) is (name == "held")


@pytest.mark.parametrize("digest", [SHA1(), SHA256(), SHA384(), SHA512()])
def test_it_is_asked_by_any_usual_hash(
    ca: TestCa, leaves: dict[str, bytes], responder: Respond, digest: HashAlgorithm
) -> None:
    answer = ocsp.load_der_ocsp_response(responder(request(ca.certificate, leaves["good"], digest=digest)))
    assert answer.certificate_status is ocsp.OCSPCertStatus.GOOD
    assert isinstance(answer.hash_algorithm, type(digest))
    assert answer.next_update_utc is not None
    assert (answer.this_update_utc, answer.produced_at_utc) == (NOW, NOW)


def test_another_ca_of_the_same_name_is_not_its_business(
    other_ca: TestCa, leaves: dict[str, bytes], responder: Respond
) -> None:
    answer = ocsp.load_der_ocsp_response(responder(request(other_ca.certificate, leaves["good"])))
    assert answer.certificate_status is ocsp.OCSPCertStatus.UNKNOWN


@given(st.binary(min_size=1, max_size=128))
@settings(max_examples=20, deadline=None)
def test_a_nonce_is_echoed(ca: TestCa, leaves: dict[str, bytes], responder: Respond, nonce: bytes) -> None:
    answer = ocsp.load_der_ocsp_response(responder(request(ca.certificate, leaves["good"], nonce=nonce)))
    assert answer.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == nonce


def malformed(response: bytes) -> bool:
    return ocsp.load_der_ocsp_response(response).response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST


@given(st.binary(max_size=200))
@settings(max_examples=50, deadline=None)
def test_what_is_no_request_is_told_so(responder: Respond, noise: bytes) -> None:
    assert malformed(responder(noise))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_spoilt_request_gets_an_answer_too(
    ca: TestCa, leaves: dict[str, bytes], responder: Respond, data: st.DataObject
) -> None:
    spoilt = bytearray(request(ca.certificate, leaves["good"], nonce=b"12345678"))
    place = data.draw(st.integers(0, len(spoilt) - 1))
    spoilt[place] ^= data.draw(st.integers(1, 255))
    ocsp.load_der_ocsp_response(responder(bytes(spoilt)))


def test_too_long_a_nonce_too_many_certificates_and_too_many_bytes_are_refused(
    ca: TestCa, leaves: dict[str, bytes], responder: Respond
) -> None:
    assert malformed(responder(request(ca.certificate, leaves["good"], nonce=bytes(129))))
    one = asn1.OCSPRequest.load(request(ca.certificate, leaves["good"]))["tbs_request"]["request_list"][0]
    for count, refused in ((MAX_CERTIFICATES, False), (MAX_CERTIFICATES + 1, True), (0, True)):
        many = asn1.OCSPRequest({"tbs_request": {"request_list": [one] * count}}).dump()
        assert malformed(responder(many)) is refused
    assert malformed(responder(bytes(MAX_REQUEST_BYTES + 1)))


def test_the_server_takes_get_and_refuses_what_is_too_long(
    ca: TestCa, leaves: dict[str, bytes], server: OcspServer
) -> None:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=10)
    asked = request(ca.certificate, leaves["good"])
    connection.request("GET", "/" + quote(base64.b64encode(asked), safe=""))
    response = connection.getresponse()
    assert response.getheader("Content-Type") == "application/ocsp-response"
    answer = ocsp.load_der_ocsp_response(response.read())
    assert answer.certificate_status is ocsp.OCSPCertStatus.GOOD
    for method, path, headers, status in (
        ("GET", "/!!", {}, 400),
        ("POST", "/", {"Content-Length": str(MAX_REQUEST_BYTES + 1)}, 413),
    ):
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=10)
        connection.request(method, path, headers=headers)
        assert connection.getresponse().status == status
