"""Certificate chains: what is accepted, what each refusal is for."""

from __future__ import annotations

import re

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from jukicard.securechannel.authorization import OID, Right, Role, TerminalAuthorization
from jukicard.securechannel.certificates import (
    MAX_CHAIN,
    CertificateError,
    ChainVerifier,
    LeafUsage,
    verify_chain,
)
from tests.support.chains import Draft, authority, day, key_usage, leaf, name, private_key

ROOT, MIDDLE, TERMINAL, STRANGER = (private_key(number) for number in (2, 3, 4, 5))
ANCHOR = ROOT.public_key()
SHA384 = bytes.fromhex("300a06082a8648ce3d040303")  # the algorithm ecdsa-with-SHA384

NATIONAL = TerminalAuthorization(Role.CS, frozenset(Right), "*")
COUNTER = TerminalAuthorization(Role.COUNTER, frozenset({Right.IDENTIFY, Right.MATCH}), "99201")

CA = authority("middle", "root", MIDDLE, authorization=NATIONAL)
LEAF = leaf("terminal", "middle", TERMINAL, COUNTER)
GOOD = (CA.signed(ROOT), LEAF.signed(MIDDLE))


def verify(*chain: bytes, today: int | None = 20250601) -> ChainVerifier:
    return verify_chain(ANCHOR, chain, today=today)


def refuse(reason: str, *chain: bytes, today: int | None = 20250601) -> None:
    with pytest.raises(CertificateError, match=re.escape(reason)) as caught:
        verify(*chain, today=today)
    assert caught.value.reason == str(caught.value)


def refuse_leaf(reason: str, draft: Draft) -> None:
    refuse(reason, GOOD[0], draft.signed(MIDDLE))


def refuse_ca(reason: str, draft: Draft) -> None:
    refuse(reason, draft.signed(ROOT), GOOD[1])


def test_a_good_chain() -> None:
    verifier = verify(*GOOD)
    assert verifier.complete
    assert verifier.public_key == TERMINAL.public_key()
    assert verifier.authorization == COUNTER
    assert verifier.certificate.serial_number == 1
    assert verifier.latest_ca_start == 20240101


def test_a_leaf_right_under_the_anchor() -> None:
    verifier = verify(leaf("terminal", "root", TERMINAL, COUNTER).signed(ROOT))
    assert verifier.authorization == COUNTER
    assert verifier.latest_ca_start is None


def test_nothing_is_known_before_the_leaf() -> None:
    verifier = ChainVerifier(ANCHOR, today=None)
    verifier.add(GOOD[0], False)
    assert not verifier.complete
    for read in (
        lambda: verifier.public_key,
        lambda: verifier.authorization,
        lambda: verifier.certificate,
    ):
        with pytest.raises(CertificateError, match="not complete"):
            read()
    with pytest.raises(CertificateError, match="empty"):
        verify()


def test_an_error_or_the_leaf_closes_the_chain() -> None:
    for first in (GOOD[0], GOOD[1][:-1]):
        verifier = ChainVerifier(ANCHOR, today=None)
        with pytest.raises(CertificateError):
            verifier.add(first if first != GOOD[0] else GOOD[1], False)
        with pytest.raises(CertificateError, match="closed"):
            verifier.add(GOOD[0], False)
        assert not verifier.complete
    with pytest.raises(CertificateError, match="closed"):
        verify(*GOOD).add(GOOD[1], True)


def test_an_anchor_is_a_p256_key() -> None:
    with pytest.raises(ValueError, match="P-256"):
        ChainVerifier(ec.derive_private_key(2, ec.SECP384R1()).public_key(), today=None)


def test_signatures() -> None:
    refuse("signature is wrong", CA.signed(STRANGER), GOOD[1])
    refuse("signature is wrong", GOOD[0], LEAF.signed(STRANGER))
    refuse("signature is wrong", GOOD[0], LEAF.signed(ROOT))
    refuse("not ECDSA with SHA-256", GOOD[0], LEAF.signed(MIDDLE, hashes.SHA384()))
    refuse("signature is wrong", GOOD[0], GOOD[1][:-1] + bytes((GOOD[1][-1] ^ 1,)))


def test_one_encoding_only() -> None:
    inner = LEAF.signed(MIDDLE).replace(bytes.fromhex("300a06082a8648ce3d040302"), SHA384, 1)
    refuse("not ECDSA with SHA-256", GOOD[0], resign(inner, MIDDLE))
    # a signature whose last bit is zero may be said to have an unused bit, and reads the same
    made = (LEAF.but(serial=serial).signed(MIDDLE) for serial in range(1, 100))
    even = next(der for der in made if not der[-1] & 1)
    size = len(x509.load_der_x509_certificate(even).signature)
    unused = even[: -size - 1] + b"\x01" + even[-size:]
    assert x509.load_der_x509_certificate(unused).signature == even[-size:]
    refuse("unused bits", GOOD[0], unused)


def test_order_and_completeness() -> None:
    refuse("signature is wrong", *reversed(GOOD))
    refuse("signature is wrong", GOOD[1])
    refuse("the last certificate is an authority's", GOOD[0])
    refuse("not an authority's", GOOD[0], GOOD[1], GOOD[1])


def test_names_and_identifiers_link() -> None:
    refuse_leaf("issuer is not the subject above", LEAF.but(issuer="Middle"))
    own = x509.SubjectKeyIdentifier(b"middle's")
    with_own = CA.extended(own).signed(ROOT)
    verify(with_own, LEAF.extended(x509.AuthorityKeyIdentifier(b"middle's", None, None)).signed(MIDDLE))
    other = LEAF.extended(x509.AuthorityKeyIdentifier(b"another", None, None))
    refuse("key identifier", with_own, other.signed(MIDDLE))
    verify(GOOD[0], other.signed(MIDDLE))  # nothing to compare with
    by_serial = x509.AuthorityKeyIdentifier(None, [x509.DirectoryName(name("root"))], 7)
    refuse_leaf("serial number is another one's", LEAF.extended(by_serial))
    verify(CA.but(serial=7).signed(ROOT), LEAF.extended(by_serial).signed(MIDDLE))


def test_basic_constraints() -> None:
    refuse_ca("not an authority's", CA.but(constraints=None))
    refuse_ca("not an authority's", CA.but(constraints=x509.BasicConstraints(ca=False, path_length=None)))
    refuse_leaf("is an authority's", LEAF.but(constraints=x509.BasicConstraints(ca=True, path_length=0)))
    plain = LEAF.but(constraints=x509.BasicConstraints(ca=False, path_length=None))
    assert verify(GOOD[0], plain.signed(MIDDLE)).complete


def chain_of(path_lengths: list[int | None]) -> list[bytes]:
    """Authorities with these path lengths, one below the other, and a leaf."""
    chain, signer, issuer = [], ROOT, "root"
    for number, path_length in enumerate(path_lengths):
        key, subject = private_key(100 + number), f"ca {number}"
        chain.append(authority(subject, issuer, key, path_length).signed(signer))
        signer, issuer = key, subject
    return [*chain, leaf("terminal", issuer, TERMINAL).signed(signer)]


@pytest.mark.parametrize("lengths", [[0], [1, 0], [1, None], [None, 0], [5, 1, 0], [2, 2, 2], [None, None, None]])
def test_path_lengths_that_suffice(lengths: list[int | None]) -> None:
    assert verify(*chain_of(lengths)).complete


@pytest.mark.parametrize("lengths", [[0, 0], [0, None], [1, 0, None], [1, 5, None], [5, 0, 5], [None, 0, 0]])
def test_path_lengths_that_do_not(lengths: list[int | None]) -> None:
    refuse("path length", *chain_of(lengths))


def test_length_of_chains() -> None:
    assert verify(*chain_of([None] * (MAX_CHAIN - 1))).complete
    refuse("at most", *chain_of([None] * MAX_CHAIN))


def test_key_usage() -> None:
    refuse_ca("no key usage", CA.but(usage=None))
    refuse_ca("may not sign certificates", CA.but(usage=key_usage("crl_sign", "digital_signature")))
    refuse_leaf("no key usage", LEAF.but(usage=None))
    refuse_leaf("key usage does not fit", LEAF.but(usage=key_usage("digital_signature")))
    signer = leaf("terminal", "middle", TERMINAL, usage="digital_signature").signed(MIDDLE)
    verify_chain(ANCHOR, [GOOD[0], signer], today=None, usage=LeafUsage.DIGITAL_SIGNATURE)
    with pytest.raises(CertificateError, match="does not fit"):
        verify_chain(ANCHOR, GOOD, today=None, usage=LeafUsage.DIGITAL_SIGNATURE)


def test_dates() -> None:
    short = LEAF.but(end=20250601)
    assert verify(GOOD[0], short.signed(MIDDLE), today=20250601).complete
    refuse("expired", GOOD[0], short.signed(MIDDLE), today=20250602)
    refuse("expired", CA.but(end=20250531).signed(ROOT), GOOD[1])
    assert verify(GOOD[0], short.signed(MIDDLE), today=None).complete
    # the estimate lags: a start in its future is normal
    assert verify(*GOOD, today=20200101).complete
    backwards = LEAF.but(end=20241231).signed(MIDDLE).replace(b"241231000000Z", b"231231000000Z")
    refuse("ends before it starts", GOOD[0], resign(backwards, MIDDLE), today=None)


def resign(der: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    """Sign changed contents anew: what the certificate builder would not make."""
    tbs = x509.load_der_x509_certificate(der).tbs_certificate_bytes
    signature = key.sign(tbs, ec.ECDSA(hashes.SHA256()))
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    bits = b"\x03" + bytes((len(signature) + 1, 0)) + signature
    body = tbs + algorithm + bits
    return b"\x30\x82" + len(body).to_bytes(2, "big") + body


def test_the_date_moves_within_the_chain() -> None:
    newer = CA.but(start=20280101, end=20301231)
    outlived = LEAF.but(end=20271231)
    refuse("expired", newer.signed(ROOT), outlived.signed(MIDDLE))
    assert verify(newer.signed(ROOT), outlived.signed(MIDDLE), today=None).complete
    assert verify(newer.signed(ROOT), LEAF.signed(MIDDLE)).latest_ca_start == 20280101


def test_only_verified_authorities_move_the_date() -> None:
    verifier = ChainVerifier(ANCHOR, today=20250601)
    with pytest.raises(CertificateError):
        verifier.add(CA.but(start=20280101).signed(STRANGER), False)
    assert verifier.latest_ca_start is None
    late_leaf = LEAF.but(start=20290101)
    assert verify(GOOD[0], late_leaf.signed(MIDDLE)).latest_ca_start == 20240101


def test_unknown_critical_extensions() -> None:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.25.1"), b"\x05\x00")
    refuse_leaf("2.25.1", LEAF.extended(unknown, critical=True))
    refuse_ca("2.25.1", CA.extended(unknown, critical=True))
    assert verify(GOOD[0], LEAF.extended(unknown).signed(MIDDLE)).complete
    constraints = x509.NameConstraints([x509.DirectoryName(name("x"))], None)
    refuse_ca("not understood", CA.extended(constraints, critical=True))


def test_critical_policies_of_the_globalplatform_profile() -> None:
    # SCP11 certificates carry them critical (GP Amendment F): 1.2.840.114283.100.0.10.2.1.x
    policy = x509.ObjectIdentifier("1.2.840.114283.100.0.10.2.1.0")
    plain = x509.CertificatePolicies([x509.PolicyInformation(policy, None)])
    chain = (
        CA.extended(plain, critical=True).signed(ROOT),
        LEAF.extended(plain, critical=True).signed(MIDDLE),
    )
    assert verify(*chain).complete
    qualified = x509.CertificatePolicies([x509.PolicyInformation(policy, ["https://cps.example"])])
    refuse_leaf("qualifiers", LEAF.extended(qualified, critical=True))
    assert verify(GOOD[0], LEAF.extended(qualified).signed(MIDDLE)).complete


def test_rights_are_the_intersection() -> None:
    ca_rights = TerminalAuthorization(Role.CS, frozenset({Right.IDENTIFY, Right.VOID}), "*")
    verifier = verify(CA.but(authorization=ca_rights).signed(ROOT), GOOD[1])
    assert verifier.authorization == TerminalAuthorization(Role.COUNTER, frozenset({Right.IDENTIFY}), "99201")
    elsewhere = TerminalAuthorization(Role.CS, frozenset(Right), "99202")
    other_city = verify(CA.but(authorization=elsewhere).signed(ROOT), GOOD[1]).authorization
    assert other_city is not None
    assert not other_city.rights


def test_without_the_extension_there_is_no_right() -> None:
    assert verify(GOOD[0], LEAF.but(authorization=None).signed(MIDDLE)).authorization is None
    assert verify(CA.but(authorization=None).signed(ROOT), GOOD[1]).authorization is None


def test_the_anchors_own_certificate_may_be_sent_and_limits_nothing_by_silence() -> None:
    own = authority("root", "root", ROOT)
    assert verify(own.signed(ROOT), *GOOD).authorization == COUNTER
    limited = own.but(authorization=TerminalAuthorization(Role.CS, frozenset({Right.MATCH}), "*"))
    limited_chain = verify(limited.signed(ROOT), *GOOD).authorization
    assert limited_chain is not None
    assert limited_chain.rights == {Right.MATCH}
    # the same key again further down is an authority like any other
    again = authority("root", "root", ROOT)
    assert verify(own.signed(ROOT), again.signed(ROOT), *GOOD).authorization is None


def test_an_unreadable_authorization_is_refused() -> None:
    broken = x509.UnrecognizedExtension(x509.ObjectIdentifier(OID), b"\x30\x00")
    refuse_leaf("authorization cannot be read", LEAF.but(authorization=None).extended(broken))


def test_other_keys_are_refused() -> None:
    other = ec.derive_private_key(7, ec.SECP384R1()).public_key()
    refuse_leaf("not a P-256 key", LEAF.but(key=other))
    refuse_ca("not a P-256 key", CA.but(key=other))


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_serial_numbers_are_positive() -> None:
    one = LEAF.signed(MIDDLE)
    assert one.count(b"\x02\x01\x01\x30") == 1
    for serial in (b"\x00", b"\xff"):
        other = resign(one.replace(b"\x02\x01\x01\x30", b"\x02\x01" + serial + b"\x30"), MIDDLE)
        with pytest.raises(CertificateError, match=r"serial number|cannot be read"):  # as the library's version has it
            verify(GOOD[0], other)


def test_an_extension_occurs_once() -> None:
    # two private extensions, 2.25.1 and 2.25.2, of which the second is made into the first
    draft = LEAF
    for arc in (1, 2):
        draft = draft.extended(x509.UnrecognizedExtension(x509.ObjectIdentifier(f"2.25.{arc}"), b"\x05\x00"))
    assert verify(GOOD[0], draft.signed(MIDDLE)).complete
    doubled = draft.signed(MIDDLE).replace(b"\x06\x02\x69\x02", b"\x06\x02\x69\x01")
    refuse("cannot be read", GOOD[0], resign(doubled, MIDDLE))


def test_bytes_that_are_no_certificate() -> None:
    for der in (b"", b"\x30\x00", GOOD[0][:-1], GOOD[0] + b"\x00", b"\x00" * 300):
        refuse("cannot be read", der)


def test_version_1_is_refused() -> None:
    der = x509.load_der_x509_certificate(Draft("terminal", "root", TERMINAL.public_key()).signed(ROOT)).public_bytes(
        Encoding.DER
    )
    tbs = x509.load_der_x509_certificate(der).tbs_certificate_bytes
    content = tbs[3:] if tbs[1] == 0x81 else tbs[4:]
    assert content[:5].hex() == "a003020102"
    shorter = content[5:]
    old_tbs = b"\x30\x81" + bytes((len(shorter),)) + shorter
    signature = ROOT.sign(old_tbs, ec.ECDSA(hashes.SHA256()))
    body = old_tbs + bytes.fromhex("300a06082a8648ce3d040302") + b"\x03" + bytes((len(signature) + 1, 0)) + signature
    old = b"\x30\x82" + len(body).to_bytes(2, "big") + body
    refuse("v3", old)


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@given(st.integers(0, len(GOOD[1]) - 1), st.integers(1, 0xFF), st.binary(max_size=64))
def test_a_changed_certificate_is_always_a_certificate_error(position: int, mask: int, noise: bytes) -> None:
    changed = bytearray(GOOD[1])
    changed[position] ^= mask
    for der in (bytes(changed), noise):
        verifier = ChainVerifier(MIDDLE.public_key(), today=20250601)
        with pytest.raises(CertificateError):
            verifier.add(der, True)


def test_day_helper_is_what_the_verifier_reads() -> None:
    assert day(20240131).isoformat().startswith("2024-01-31")
