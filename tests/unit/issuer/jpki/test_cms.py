"""Detached signatures: openssl accepts them, and whatever is changed about one is noticed."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from asn1crypto import cms as asn1  # type: ignore[import-untyped]
from asn1crypto import pem
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder
from hypothesis import given, settings
from hypothesis import strategies as st

from jukicard.issuer.jpki.cms import MAX_SIGNATURE_BYTES, SignatureRefused, digest_info, sign_detached, verify_detached
from tests.support.jpki import NOW, Forger, TestCa, card_signer, openssl, rsa_key, write_pem

CONTENT = b"A contract.\r\nWith two lines and no end"


@pytest.fixture(scope="module")
def message(leaf: bytes) -> bytes:
    return sign_detached(CONTENT, leaf, NOW, card_signer("holder"))


def judged(tmp_path: Path, ca: TestCa, message: bytes, content: bytes, *more: str) -> bytes:
    """What openssl says of a signature."""
    signature, file = tmp_path / "contract.p7s", tmp_path / "contract"
    signature.write_bytes(message)
    file.write_bytes(content)
    authority = write_pem(tmp_path / "ca.pem", ca.certificate)
    options = ("-inform", "DER", "-binary", "-purpose", "any", "-attime", str(int(NOW.timestamp())), *more)
    return openssl(
        "cms", "-verify", *options, "-in", signature, "-content", file, "-CAfile", authority, "-out", tmp_path / "out"
    ).stdout


@pytest.mark.parametrize("options", [(), ("-cades",)])
def test_openssl_accepts_it(ca: TestCa, message: bytes, tmp_path: Path, options: tuple[str, ...]) -> None:
    """Also as CAdES-BES, whose signed attributes it checks besides."""
    assert b"Verification successful" in judged(tmp_path, ca, message, CONTENT, *options)


def test_openssl_refuses_what_we_refuse(ca: TestCa, message: bytes, tmp_path: Path) -> None:
    assert b"Verification successful" not in judged(tmp_path, ca, message, CONTENT + b"!")
    with pytest.raises(SignatureRefused, match="not what was signed"):
        verify_detached(message, CONTENT + b"!")


def test_what_it_says(leaf: bytes, message: bytes) -> None:
    signed = verify_detached(message, CONTENT)
    assert (signed.certificate, signed.signing_time) == (leaf, NOW)


def test_pem_is_read_too(leaf: bytes, message: bytes) -> None:
    assert verify_detached(pem.armor("PKCS7", message), CONTENT).certificate == leaf
    assert verify_detached(pem.armor("CMS", message), CONTENT).certificate == leaf


@given(st.binary(max_size=2000), st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2060, 1, 1)))
@settings(max_examples=25, deadline=None)
def test_any_content_at_any_time(leaf: bytes, content: bytes, moment: dt.datetime) -> None:
    moment = moment.replace(tzinfo=dt.UTC)
    signed = verify_detached(sign_detached(content, leaf, moment, card_signer("holder")), content)
    assert signed.signing_time == moment.replace(microsecond=0)


def test_the_card_gets_a_digest_info() -> None:
    """RFC 8017, 9.2, note 1."""
    expected = bytes.fromhex("3031300d060960864801650304020105000420") + bytes(range(32))
    assert digest_info(bytes(range(32))) == expected


def test_a_card_that_signs_with_another_key_is_noticed_at_once(leaf: bytes) -> None:
    with pytest.raises(SignatureRefused, match="has not signed it"):
        sign_detached(CONTENT, leaf, NOW, card_signer("somebody else"))


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_no_byte_can_be_changed(leaf: bytes, message: bytes, data: st.DataObject) -> None:
    spoilt = bytearray(message)
    spoilt[data.draw(st.integers(0, len(message) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        signed = verify_detached(bytes(spoilt), CONTENT)
    except SignatureRefused:
        return
    # What is left are versions and parameters that nothing depends on.
    assert (signed.certificate, signed.signing_time) == (leaf, NOW)


def changed(message: bytes) -> tuple[asn1.ContentInfo, asn1.SignerInfo]:
    parsed = asn1.ContentInfo.load(message)
    return parsed, parsed["content"]["signer_infos"][0]


@pytest.mark.parametrize("kind", ["content_type", "message_digest", "signing_time", "signing_certificate_v2"])
def test_no_attribute_can_be_left_out_or_doubled(message: bytes, kind: str) -> None:
    for count in (0, 2):
        parsed, info = changed(message)
        kept = [one for one in info["signed_attrs"] if one["type"].native != kind]
        own = [one for one in info["signed_attrs"] if one["type"].native == kind]
        info["signed_attrs"] = asn1.CMSAttributes([*kept, *own * count])
        with pytest.raises(SignatureRefused):
            verify_detached(parsed.dump(force=True), CONTENT)


def test_another_time_is_noticed(message: bytes) -> None:
    assert message.count(b"261122030405Z") == 1
    with pytest.raises(SignatureRefused, match="has not signed it"):
        verify_detached(message.replace(b"261122030405Z", b"251122030405Z"), CONTENT)


def test_another_signers_signature_under_this_name(ca: TestCa, leaf: bytes, message: bytes) -> None:
    theirs = ca.issue("somebody else", seed="theirs")
    parsed, info = changed(message)
    _, other = changed(sign_detached(CONTENT, theirs, NOW, card_signer("somebody else")))
    info["signature"] = other["signature"].native
    with pytest.raises(SignatureRefused, match="has not signed it"):
        verify_detached(parsed.dump(force=True), CONTENT)


def swapped(message: bytes, certificate: bytes) -> bytes:
    parsed = asn1.ContentInfo.load(message)
    read = asn1.CertificateChoices(name="certificate", value=asn1.Certificate.load(certificate))
    parsed["content"]["certificates"] = [read]
    encoded: bytes = parsed.dump(force=True)
    return encoded


def test_a_certificate_swapped_for_another_of_the_same_key(ca: TestCa, leaf: bytes, message: bytes) -> None:
    """An earlier certificate of the same key, or one that a CA has made with the same issuer and number."""
    with pytest.raises(SignatureRefused, match="does not come with"):
        verify_detached(swapped(message, ca.issue(seed="later")), CONTENT)
    twin = Forger(leaf, rsa_key("stranger")).forge()
    with pytest.raises(SignatureRefused, match="another certificate"):
        verify_detached(swapped(message, twin), CONTENT)


def test_others_signatures_are_not_taken_for_ours(leaf: bytes, message: bytes) -> None:
    """Of another library: with its content inside, without the attribute that binds the certificate."""
    certificate = x509.load_der_x509_certificate(leaf)
    builder = PKCS7SignatureBuilder().set_data(CONTENT).add_signer(certificate, rsa_key("holder"), SHA256())
    attached = builder.sign(Encoding.DER, [PKCS7Options.Binary])
    with pytest.raises(SignatureRefused, match="content of its own"):
        verify_detached(attached, CONTENT)
    detached = builder.sign(Encoding.DER, [PKCS7Options.Binary, PKCS7Options.DetachedSignature])
    with pytest.raises(SignatureRefused):
        verify_detached(detached, CONTENT)


@pytest.mark.parametrize("noise", [b"", b"0", bytes(100), b"-----BEGIN CMS-----\n", b"0" * (MAX_SIGNATURE_BYTES + 1)])
def test_what_is_no_signature(noise: bytes) -> None:
    with pytest.raises(SignatureRefused):
        verify_detached(noise, CONTENT)


def test_several_signers_are_not_one(message: bytes) -> None:
    parsed, info = changed(message)
    parsed["content"]["signer_infos"] = [info, info]
    with pytest.raises(SignatureRefused, match="one signer"):
        verify_detached(parsed.dump(force=True), CONTENT)


def test_weak_digests_are_refused(message: bytes) -> None:
    parsed, info = changed(message)
    info["digest_algorithm"] = {"algorithm": "sha1"}
    with pytest.raises(SignatureRefused, match="SHA-256"):
        verify_detached(parsed.dump(force=True), CONTENT)


def test_openssls_own_cades_signature_is_accepted(ca: TestCa, leaf: bytes, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_bytes(rsa_key("holder").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "contract").write_bytes(CONTENT)
    made = openssl(
        "cms",
        "-sign",
        "-cades",
        "-binary",
        "-md",
        "sha256",
        "-outform",
        "DER",
        "-in",
        tmp_path / "contract",
        "-signer",
        write_pem(tmp_path / "leaf.pem", leaf),
        "-inkey",
        key,
        "-out",
        tmp_path / "contract.p7s",
    )
    assert made.returncode == 0, made.stdout
    assert verify_detached((tmp_path / "contract.p7s").read_bytes(), CONTENT).certificate == leaf
