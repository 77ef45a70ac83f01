"""Unmodified yubikit manages a blank chip's issuer domain, in process and through pcscd, as by USB and as by NFC."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from yubikit.core import TRANSPORT
from yubikit.core.smartcard import ApduError, SmartCardConnection
from yubikit.core.smartcard.scp import KeyRef, Scp03KeyParams, Scp11KeyParams, ScpKid, StaticKeys
from yubikit.securitydomain import SecurityDomainSession

from jukicard.card.store import MemoryStore
from jukicard.reader.chip import Interface
from tests.support.chains import authority, leaf, private_key
from tests.support.inserted import inserted
from tests.support.issued import blank_cells, new_card
from tests.support.pcscd import PrivatePcscd
from tests.support.yubikit_host import InProcess, through_pcsc

NEW_KEYS = StaticKeys(b"\x11" * 16, b"\x22" * 16, b"\x33" * 16)
NEW_AES = KeyRef(ScpKid.SCP03, 0x02)
OWN_CA, OCE, FOREIGN_CA = private_key(501), private_key(502), private_key(503)
CA_REF, KEY_11A, KEY_11B = KeyRef(0x10, 0x03), KeyRef(ScpKid.SCP11a, 0x03), KeyRef(ScpKid.SCP11b, 0x03)
SKI = x509.SubjectKeyIdentifier.from_public_key(OWN_CA.public_key())
NEW_AES_INFORMATION = {KeyRef(kid, 0x02): {0x88: 16} for kid in (1, 2, 3)}
EC_PRIVATE, EC_PUBLIC = {0xB1: 32, 0xF0: 0}, {0xB0: 65, 0xF0: 0}

Session = Callable[[], SecurityDomainSession]


@pytest.fixture(params=["in process", "pcscd"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[TRANSPORT.USB, TRANSPORT.NFC], ids=["USB", "NFC"])
def connection(request: pytest.FixtureRequest, way: str) -> Iterator[SmartCardConnection]:
    """A blank chip, as yubikit reaches it."""
    transport: TRANSPORT = request.param
    chip = new_card(MemoryStore(blank_cells()))
    if way == "in process":
        yield InProcess(chip, transport)
        return
    pcscd: PrivatePcscd = request.getfixturevalue("real_pcscd")
    interface = Interface.CONTACT if transport is TRANSPORT.USB else Interface.CONTACTLESS
    with ExitStack() as stack:
        card = stack.enter_context(inserted(pcscd, chip, interface=interface))
        yield stack.enter_context(through_pcsc(card.reader_name, transport))


@pytest.fixture
def session(connection: SmartCardConnection) -> Session:
    """Selects the domain anew, in the clear."""
    return lambda: SecurityDomainSession(connection)


def managed(session: Session) -> SecurityDomainSession:
    """The domain under its new keys."""
    domain = session()
    domain.authenticate(Scp03KeyParams())
    domain.put_key(NEW_AES, NEW_KEYS)
    return with_new_keys(session)


def with_new_keys(session: Session) -> SecurityDomainSession:
    domain = session()
    domain.authenticate(Scp03KeyParams(NEW_AES, NEW_KEYS))
    return domain


def terminal_chain(ca: ec.EllipticCurvePrivateKey = OWN_CA, serial: int = 77) -> list[x509.Certificate]:
    """The certificate of the off-card entity, below a CA with subject and authority key identifiers."""
    key_identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.public_key())
    own_identifier = x509.SubjectKeyIdentifier.from_public_key(OCE.public_key())
    draft = leaf("OCE", "Own CA", OCE).but(serial=serial).extended(key_identifier).extended(own_identifier)
    return [x509.load_der_x509_certificate(draft.signed(ca))]


def test_new_aes_keys_take_the_place_of_the_default_ones(session: Session) -> None:
    domain = session()
    assert set(domain.get_key_information()) == {KeyRef(kid, 0xFF) for kid in (1, 2, 3)}
    domain.authenticate(Scp03KeyParams())
    domain.put_key(NEW_AES, NEW_KEYS)
    assert session().get_key_information() == NEW_AES_INFORMATION
    for reference in (KeyRef(1, 0), KeyRef(1, 0xFF), KeyRef(1, 2)):
        with pytest.raises(ValueError, match="Incorrect SCP parameters"):
            session().authenticate(Scp03KeyParams(reference))
    with_new_keys(session).put_key(KeyRef(1, 0x05), StaticKeys.default(), replace_kvn=2)
    session().authenticate(Scp03KeyParams(KeyRef(1, 0x05)))
    with pytest.raises(ValueError, match="Incorrect SCP parameters"):
        with_new_keys(session)


def test_the_card_recognition_data_tell_the_protocols(session: Session) -> None:
    recognition = session().get_card_recognition_data()
    for protocol in ("2a864886fc6b04 0370", "2a864886fc6b04 1103"):  # GP 2.3.1, H.2: {globalPlatform 4 scp i}
        assert bytes.fromhex(protocol) in recognition


def test_nothing_is_managed_without_a_session(session: Session) -> None:
    managed(session)
    domain = session()
    for attempt in (
        lambda: domain.store_ca_issuer(CA_REF, b"\x01" * 20),
        lambda: domain.delete_key(kvn=2, delete_last=True),
        lambda: domain.generate_ec_key(KEY_11B),
    ):
        with pytest.raises(ApduError) as refused:
            attempt()
        assert refused.value.sw == 0x6982


def test_ec_keys_are_put_and_generated_and_deleted(session: Session) -> None:
    domain = managed(session)
    generated = domain.generate_ec_key(KEY_11B)
    own = private_key(510)
    domain.put_key(KeyRef(ScpKid.SCP11b, 0x04), own)
    domain.put_key(CA_REF, OWN_CA.public_key())
    assert session().get_key_information() == NEW_AES_INFORMATION | {
        CA_REF: EC_PUBLIC,
        KEY_11B: EC_PRIVATE,
        KeyRef(0x13, 0x04): EC_PRIVATE,
    }
    for reference, public in ((KEY_11B, generated), (KeyRef(0x13, 0x04), own.public_key())):
        domain = session()
        domain.authenticate(Scp11KeyParams(reference, public))
        assert reference in domain.get_key_information()
    replaced = with_new_keys(session).generate_ec_key(KeyRef(ScpKid.SCP11b, 0x06), replace_kvn=3)
    assert replaced != generated
    session().authenticate(Scp11KeyParams(KeyRef(ScpKid.SCP11b, 0x06), replaced))
    domain = with_new_keys(session)
    domain.delete_key(kid=0x13, kvn=0x04)
    domain.delete_key(kid=0x13)
    domain.delete_key(kvn=CA_REF.kvn)
    assert domain.get_key_information() == NEW_AES_INFORMATION
    with pytest.raises(ApduError) as refused:
        domain.delete_key(kid=0x13)
    assert refused.value.sw == 0x6A88
    with pytest.raises(ApduError) as refused:
        domain.delete_key(kvn=2)
    assert refused.value.sw == 0x6985  # the last key set, and "delete last" was not said


def test_certificates_and_ca_identifiers_are_read_back(session: Session) -> None:
    domain = managed(session)
    public = domain.generate_ec_key(KEY_11B)
    domain.put_key(CA_REF, OWN_CA.public_key())
    ca = x509.load_der_x509_certificate(authority("Own CA", "Own CA", OWN_CA).extended(SKI).signed(OWN_CA))
    draft = leaf("Card", "Own CA", private_key(1)).but(key=public)
    bundle = [ca, x509.load_der_x509_certificate(draft.signed(OWN_CA))]
    domain.store_certificate_bundle(KEY_11B, bundle)
    domain.store_ca_issuer(CA_REF, SKI.digest)
    domain.store_ca_issuer(KEY_11B, b"\x0b" * 20)
    domain = session()
    assert domain.get_certificate_bundle(KEY_11B) == bundle
    assert domain.get_certificate_bundle(KEY_11A) == []
    assert domain.get_supported_ca_identifiers() == {CA_REF: SKI.digest, KEY_11B: b"\x0b" * 20}
    assert domain.get_supported_ca_identifiers(kloc=True) == {CA_REF: SKI.digest}
    assert domain.get_supported_ca_identifiers(klcc=True) == {KEY_11B: b"\x0b" * 20}
    domain = with_new_keys(session)
    domain.delete_key(kid=0x13)  # and with the key all that belonged to it
    assert domain.get_certificate_bundle(KEY_11B) == []
    assert domain.get_supported_ca_identifiers() == {CA_REF: SKI.digest}


def test_scp11b_authenticates_the_card_and_not_the_host(session: Session) -> None:
    public = managed(session).generate_ec_key(KEY_11B)
    with pytest.raises(InvalidSignature):  # the receipt is not of a card with that key
        session().authenticate(Scp11KeyParams(KEY_11B, private_key(99).public_key()))
    domain = session()
    domain.authenticate(Scp11KeyParams(KEY_11B, public))
    assert KEY_11B in domain.get_key_information()
    with pytest.raises(ApduError) as refused:
        domain.store_ca_issuer(CA_REF, b"\x01" * 20)
    assert refused.value.sw == 0x6982


def test_scp11a_authenticates_both_and_honours_the_allow_list(session: Session) -> None:
    domain = managed(session)
    public = domain.generate_ec_key(KEY_11A)
    domain.put_key(CA_REF, OWN_CA.public_key())
    domain.store_ca_issuer(CA_REF, SKI.digest)

    def parameters(chain: list[x509.Certificate], key: ec.EllipticCurvePrivateKey = OCE) -> Scp11KeyParams:
        return Scp11KeyParams(KEY_11A, public, CA_REF, key, chain)

    domain = session()
    domain.authenticate(parameters(terminal_chain()))
    assert KEY_11A in domain.get_key_information()
    with pytest.raises(ApduError) as refused:  # it has no right to manage the domain
        domain.delete_key(kid=0x11)
    assert refused.value.sw == 0x6982
    with pytest.raises(ApduError) as refused:
        session().authenticate(parameters(terminal_chain(FOREIGN_CA)))
    assert refused.value.sw == 0x6982
    with pytest.raises(InvalidSignature):  # who has the certificate and not its key: the receipts differ
        session().authenticate(parameters(terminal_chain(), private_key(504)))
    with_new_keys(session).store_allowlist(CA_REF, [4711, 0x80])
    for serial in (4711, 0x80):
        session().authenticate(parameters(terminal_chain(serial=serial)))
    with pytest.raises(ApduError) as refused:
        session().authenticate(parameters(terminal_chain(serial=77)))
    assert refused.value.sw == 0x6982
