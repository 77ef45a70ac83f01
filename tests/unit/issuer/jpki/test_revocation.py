"""What tells of revocations: lists, OCSP responses, the CA's own books; genuine, stale and forged ones."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from jukicard.issuer.jpki.crl import LIFETIME, build_crl
from jukicard.issuer.jpki.ocsp import respond
from jukicard.issuer.jpki.register import IssuedCertificate
from jukicard.issuer.jpki.revocation import Books, Crl, Ocsp
from jukicard.issuer.jpki.verification import CertificateRefused, Check, RevocationSource, verify_certificate
from jukicard.issuer.ledger.details import RevocationReason
from tests.support.jpki import LAST, NOW, SIGNATURE, Forger, TestCa, entered, revoked, rsa_key

R = RevocationReason
HOUR, SECOND = dt.timedelta(hours=1), dt.timedelta(seconds=1)


def private_key(ca: TestCa) -> rsa.RSAPrivateKey:
    return ca.signer.keys._rsa_private(ca.signer.label)  # type: ignore[attr-defined,no-any-return]


def verify(ca: TestCa, leaf: bytes, *sources: RevocationSource, at: dt.datetime = NOW) -> str | None:
    return verify_certificate(leaf, [ca.certificate], SIGNATURE, at, sources).revocation


def refused(ca: TestCa, leaf: bytes, *sources: RevocationSource, at: dt.datetime = NOW) -> str:
    with pytest.raises(CertificateRefused) as caught:
        verify(ca, leaf, *sources, at=at)
    assert caught.value.check is Check.REVOCATION, caught.value
    return str(caught.value)


def crl(ca: TestCa, *certificates: IssuedCertificate, at: dt.datetime = NOW) -> Crl:
    return Crl.load(build_crl(ca.signer, certificates, at))


def answer(ca: TestCa, leaf: bytes, known: IssuedCertificate | None, nonce: bytes | None = None) -> bytes:
    pair = x509.load_der_x509_certificate(leaf), x509.load_der_x509_certificate(ca.certificate)
    builder = ocsp.OCSPRequestBuilder().add_certificate(*pair, SHA256())
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return respond(ca.signer, builder.build().public_bytes(Encoding.DER), lambda number: known, NOW)


def sources(ca: TestCa, leaf: bytes, known: IssuedCertificate) -> list[RevocationSource]:
    return [crl(ca, known), Ocsp.load(answer(ca, leaf, known)), Books(ca.certificate, lambda number: known)]


def test_each_source_says_that_it_is_good(ca: TestCa, leaf: bytes) -> None:
    for source in sources(ca, leaf, entered(leaf)):
        assert verify(ca, leaf, source)


@pytest.mark.parametrize("reason", R)
def test_each_source_says_that_it_is_revoked(ca: TestCa, leaf: bytes, reason: RevocationReason) -> None:
    for source in sources(ca, leaf, entered(leaf, revoked(reason, NOW - HOUR))):
        said = refused(ca, leaf, source)
        assert ("on hold" in said) is (reason is R.CERTIFICATE_HOLD)


def test_one_source_that_refuses_is_enough(ca: TestCa, leaf: bytes) -> None:
    good = Books(ca.certificate, lambda number: entered(leaf))
    refused(ca, leaf, good, crl(ca, entered(leaf, revoked(R.SUPERSEDED, NOW - HOUR))))


def test_before_its_revocation_it_was_good(ca: TestCa, leaf: bytes) -> None:
    later = crl(ca, entered(leaf, revoked(R.KEY_COMPROMISE)), at=NOW + HOUR)
    assert verify(ca, leaf, later, at=NOW - SECOND)
    refused(ca, leaf, later, at=NOW)
    books = Books(ca.certificate, lambda number: entered(leaf, revoked(R.KEY_COMPROMISE)))
    assert verify(ca, leaf, books, at=NOW - SECOND)


def test_a_stale_list_and_one_made_after_the_certificate_had_left_the_lists(ca: TestCa, leaf: bytes) -> None:
    old = crl(ca)
    assert verify(ca, leaf, old, at=NOW + LIFETIME)
    assert "was good until" in refused(ca, leaf, old, at=NOW + LIFETIME + SECOND)
    end = dt.datetime(LAST.year, LAST.month, LAST.day, 14, 59, 59, tzinfo=dt.UTC)
    assert verify(ca, leaf, crl(ca, at=end))
    assert "no more" in refused(ca, leaf, crl(ca, at=end + SECOND))


def test_another_cas_list(ca: TestCa, other_ca: TestCa, authentication_ca: TestCa, leaf: bytes) -> None:
    assert "nothing that was given" in refused(ca, leaf, crl(authentication_ca))
    assert "has not signed it" in refused(ca, leaf, crl(other_ca))
    assert verify(ca, leaf, crl(authentication_ca), crl(ca))


def test_a_forged_list(ca: TestCa, leaf: bytes) -> None:
    """The revoked certificate is taken out, and the signature is left as it was; or a stranger signs."""
    genuine = build_crl(ca.signer, [entered(leaf, revoked(R.SUPERSEDED, NOW - HOUR))], NOW)
    number = x509.load_der_x509_certificate(leaf).serial_number.to_bytes(16)
    assert genuine.count(number) == 1
    refused(ca, leaf, Crl.load(genuine.replace(number, number[:-1] + bytes((number[-1] ^ 1,)))))
    refused(ca, leaf, Crl.load(foreign_crl(ca, rsa_key("stranger"))))


def foreign_crl(ca: TestCa, key: rsa.RSAPrivateKey, *extensions: tuple[x509.ExtensionType, bool]) -> bytes:
    name = x509.load_der_x509_certificate(ca.certificate).subject
    builder = x509.CertificateRevocationListBuilder(name, NOW, NOW + LIFETIME)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


def test_a_ca_that_may_sign_no_lists(ca: TestCa, leaf: bytes) -> None:
    usage = x509.KeyUsage(False, False, False, False, False, True, False, False, False)
    no_lists = Forger(ca.certificate, private_key(ca)).forge(with_=[(usage, True)])
    with pytest.raises(CertificateRefused, match="may not sign revocation lists"):
        verify_certificate(leaf, [no_lists], SIGNATURE, NOW, [crl(ca)])


POINT = x509.DirectoryName(x509.Name([]))


def part(**given: object) -> x509.IssuingDistributionPoint:
    members: dict[str, object] = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**{**members, **given})  # type: ignore[arg-type]


def own_point(leaf: bytes) -> list[x509.GeneralName]:
    points = x509.load_der_x509_certificate(leaf).extensions.get_extension_for_class(x509.CRLDistributionPoints)
    return list(points.value[0].full_name or ())


def test_a_list_for_some_certificates_is_of_those_only(ca: TestCa, leaf: bytes) -> None:
    """As real ones are: a list for each distribution point, named in a critical extension."""
    key = private_key(ca)
    for stated in (part(full_name=own_point(leaf)), part(only_contains_user_certs=True)):
        assert verify(ca, leaf, Crl.load(foreign_crl(ca, key, (stated, True))))
    for stated in (
        part(full_name=[x509.UniformResourceIdentifier("http://crl.invalid/")]),
        part(full_name=own_point(leaf), indirect_crl=True),
        part(only_contains_ca_certs=True),
        part(only_contains_attribute_certs=True),
        part(full_name=own_point(leaf), only_some_reasons=frozenset({x509.ReasonFlags.key_compromise})),
    ):
        assert "nothing that was given" in refused(ca, leaf, Crl.load(foreign_crl(ca, key, (stated, True))))


def test_a_list_with_a_critical_extension_that_nobody_understands(ca: TestCa, leaf: bytes) -> None:
    delta = foreign_crl(ca, private_key(ca), (x509.DeltaCRLIndicator(1), True))
    assert "critical extension 2.5.29.27" in refused(ca, leaf, Crl.load(delta))


def test_a_list_of_another_key_of_the_ca(ca: TestCa, other_ca: TestCa, leaf: bytes) -> None:
    own = x509.load_der_x509_certificate(other_ca.certificate).extensions.get_extension_for_class(
        x509.SubjectKeyIdentifier
    )
    wrong = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own.value)
    assert "another key" in refused(ca, leaf, Crl.load(foreign_crl(ca, private_key(ca), (wrong, False))))


@pytest.mark.parametrize("load", [Crl.load, Ocsp.load])
@pytest.mark.parametrize("noise", [b"", b"0", b"-----BEGIN X509 CRL-----\n", bytes(50)])
def test_what_is_neither_list_nor_response(load: Callable[[bytes], RevocationSource], noise: bytes) -> None:
    with pytest.raises(CertificateRefused, match="can be read"):
        load(noise)


def test_pem_lists(ca: TestCa, leaf: bytes) -> None:
    pem = x509.load_der_x509_crl(build_crl(ca.signer, [], NOW)).public_bytes(Encoding.PEM)
    assert verify(ca, leaf, Crl.load(pem))


def test_ocsp_unknown_stale_and_about_others(ca: TestCa, leaf: bytes) -> None:
    assert "knows of no such" in refused(ca, leaf, Ocsp.load(answer(ca, leaf, None)))
    good = Ocsp.load(answer(ca, leaf, entered(leaf)))
    assert verify(ca, leaf, good, at=NOW + LIFETIME)
    assert "is good from" in refused(ca, leaf, good, at=NOW + LIFETIME + SECOND)
    assert "is good from" in refused(ca, leaf, good, at=NOW - SECOND)
    other = ca.issue(seed="other")
    assert "nothing that was given" in refused(ca, leaf, Ocsp.load(answer(ca, other, entered(other))))


def test_ocsp_answers_another_request(ca: TestCa, leaf: bytes) -> None:
    known = entered(leaf)
    assert verify(ca, leaf, Ocsp.load(answer(ca, leaf, known, b"nonce 12"), b"nonce 12"))
    for response in (answer(ca, leaf, known, b"nonce 13"), answer(ca, leaf, known)):
        assert "another request" in refused(ca, leaf, Ocsp.load(response, b"nonce 12"))


def test_ocsp_that_does_not_answer() -> None:
    with pytest.raises(CertificateRefused, match="TRY_LATER"):
        Ocsp.load(
            ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(Encoding.DER)
        )


def test_forged_ocsp(ca: TestCa, leaf: bytes) -> None:
    stranger = rsa_key("stranger")
    copied = Forger(ca.certificate, stranger).forge(public_key=stranger.public_key())
    refused(ca, leaf, Ocsp.load(delegated(ca, leaf, stranger, copied)))
    genuine = answer(ca, leaf, entered(leaf))
    spoilt = genuine[:-1] + bytes((genuine[-1] ^ 1,))
    refused(ca, leaf, Ocsp.load(spoilt))


def delegated(ca: TestCa, leaf: bytes, key: rsa.RSAPrivateKey, responder: bytes) -> bytes:
    """A response that says that all is well, signed by whoever the certificate of the responder is about."""
    pair = x509.load_der_x509_certificate(leaf), x509.load_der_x509_certificate(ca.certificate)
    own = x509.load_der_x509_certificate(responder)
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(*pair, SHA256(), ocsp.OCSPCertStatus.GOOD, NOW, NOW + LIFETIME, None, None)
        .responder_id(ocsp.OCSPResponderEncoding.HASH, own)
        .certificates([own])
    )
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


def test_a_responder_that_the_ca_has_certified(ca: TestCa, leaf: bytes) -> None:
    key = rsa_key("responder")
    purpose = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False)
    genuine = Forger(leaf, private_key(ca)).forge(public_key=key.public_key(), with_=[purpose])
    assert verify(ca, leaf, Ocsp.load(delegated(ca, leaf, key, genuine)))
    for wrong in (
        Forger(leaf, private_key(ca)).forge(public_key=key.public_key()),
        Forger(leaf, rsa_key("stranger")).forge(public_key=key.public_key(), with_=[purpose]),
    ):
        refused(ca, leaf, Ocsp.load(delegated(ca, leaf, key, wrong)))
    expired = ca.issue("responder", last=dt.date(2026, 11, 21), seed="expired")
    expired = Forger(expired, private_key(ca)).forge(with_=[purpose])
    refused(ca, leaf, Ocsp.load(delegated(ca, leaf, key, expired)))


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_no_byte_of_a_list_or_a_response_can_be_changed(ca: TestCa, leaf: bytes, data: st.DataObject) -> None:
    known = entered(leaf, revoked(R.SUPERSEDED, NOW - HOUR))
    load, genuine = data.draw(
        st.sampled_from([(Crl.load, build_crl(ca.signer, [known], NOW)), (Ocsp.load, answer(ca, leaf, known))])
    )
    spoilt = bytearray(genuine)
    spoilt[data.draw(st.integers(0, len(spoilt) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CertificateRefused):
        verify(ca, leaf, load(bytes(spoilt)))


def test_books_of_another_ca_and_without_the_certificate(ca: TestCa, other_ca: TestCa, leaf: bytes) -> None:
    assert "nothing that was given" in refused(ca, leaf, Books(other_ca.certificate, lambda number: entered(leaf)))
    assert "no such certificate" in refused(ca, leaf, Books(ca.certificate, lambda number: None))
