"""The CAs of a home: made when first needed, by one of several processes; lists and answers by the books."""

from __future__ import annotations

import datetime as dt
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from jukicard.applets.jpki.layout import Usage
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.counter.books import endorse, void_all
from jukicard.issuer.counter.lifecycle import Change, change_card
from jukicard.issuer.errors import HomeDamaged, KeyStoreLocked, RuleRefused
from jukicard.issuer.jpki.authority import CertificateAuthority, ca_file, ca_label
from jukicard.issuer.jpki.register import certificate_number, certified, current_register, revoke
from jukicard.issuer.jpki.revocation import Crl
from jukicard.issuer.jpki.verification import CertificateRefused, verify_certificate
from jukicard.issuer.ledger.details import Cause, Endorsement, RevocationReason
from jukicard.issuer.ledger.rules import Event
from tests.support.chips import randomness
from tests.support.issued import AUTHORITY_PASSWORD, TODAY, Office, Offices, Stage
from tests.support.jpki import ATTRIBUTES, AUTHENTICATION, SIGNATURE, request_of, rsa_key

END = dt.date(2029, 11, 20)
R = RevocationReason


@pytest.fixture(scope="module")
def template(offices: Offices, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An office with an active card, whose CAs are made: keys of RSA take their time."""
    folder = tmp_path_factory.mktemp("jpki")
    office = offices.at(Stage.ACTIVE, folder)
    for usage in Usage:
        CertificateAuthority(office.authority, TODAY, randomness("ca")).ca_certificate(usage)
    office.close()
    return office.home


@pytest.fixture
def office(template: Path, tmp_path: Path) -> Iterator[Office]:
    shutil.copytree(template, tmp_path / "home")
    made = Office(tmp_path / "home", {})
    yield made
    made.close()


@pytest.fixture
def ca(office: Office) -> CertificateAuthority:
    return CertificateAuthority(office.authority, TODAY, randomness("issuing"))


def issue(office: Office, ca: CertificateAuthority, usage: Usage = SIGNATURE) -> bytes:
    """A certificate of the office's one card, entered into the books."""
    der = ca.issue(usage, request_of(rsa_key(usage.value)), ATTRIBUTES, TODAY, END)
    office.authority.ledger.append(office.card_state.serial, Event.CERTIFIED, office.clock(), certified(der, usage))
    return der


def number(der: bytes) -> str:
    return certificate_number(x509.load_der_x509_certificate(der).serial_number)


def test_a_ca_is_made_when_it_is_first_needed(offices: Offices, tmp_path: Path) -> None:
    office = offices.at(Stage.BLANK, tmp_path)
    with Authority.open(office.home) as locked, pytest.raises(KeyStoreLocked):
        CertificateAuthority(locked, TODAY, randomness("x")).ca_certificate(SIGNATURE)
    assert not ca_file(office.home, SIGNATURE).exists()
    made = CertificateAuthority(office.authority, TODAY, randomness("x")).ca_certificate(SIGNATURE)
    assert stat.S_IMODE(ca_file(office.home, SIGNATURE).stat().st_mode) == 0o644
    assert "jpki-signature-ca" in office.authority.keys.labels()
    assert "jpki-authentication-ca" not in office.authority.keys.labels()
    record = office.home / "ceremonies" / f"{TODAY}-jpki-signature-ca.md"
    assert office.authority.keys.describe("jpki-signature-ca").fingerprint in record.read_text(encoding="utf-8")
    later = CertificateAuthority(office.authority, TODAY + dt.timedelta(400), randomness("y"))
    assert later.ca_certificate(SIGNATURE) == made
    with Authority.open(office.home) as locked:
        assert CertificateAuthority(locked, TODAY, randomness("z")).ca_certificate(SIGNATURE) == made
    office.close()


def test_an_interrupted_making_is_taken_up(offices: Offices, tmp_path: Path) -> None:
    """The key was made, and then the power failed."""
    office = offices.at(Stage.BLANK, tmp_path)
    key = office.authority.keys.create_rsa(ca_label(SIGNATURE))
    made = CertificateAuthority(office.authority, TODAY, randomness("x")).ca_certificate(SIGNATURE)
    assert x509.load_der_x509_certificate(made).public_key() == key
    office.close()


RACING = """
import datetime, os, sys
from pathlib import Path
from jukicard.applets.jpki.layout import Usage
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.jpki.authority import CertificateAuthority

with Authority.open(Path(sys.argv[1]), sys.stdin.readline().strip()) as authority:
    print("ready", flush=True)
    sys.stdin.readline()
    ca = CertificateAuthority(authority, datetime.date(2026, 11, 21), os.urandom)
    print(ca.ca_certificate(Usage.SIGNATURE).hex())
"""


def test_two_processes_make_one(offices: Offices, tmp_path: Path) -> None:
    office = offices.at(Stage.BLANK, tmp_path)
    command = [sys.executable, "-c", RACING, str(office.home)]
    racing = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for process in racing:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(AUTHORITY_PASSWORD + "\n")
        process.stdin.flush()
        assert process.stdout.readline() == "ready\n"
    for process in racing:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    certificates = {process.communicate(timeout=60)[0].strip() for process in racing}
    assert [process.returncode for process in racing] == [0, 0, 0]
    assert len(certificates) == 1
    assert certificates == {
        CertificateAuthority(office.authority, TODAY, randomness("x")).ca_certificate(SIGNATURE).hex()
    }
    office.close()


def test_a_file_that_is_not_the_cas_is_told(office: Office, ca: CertificateAuthority) -> None:
    path = ca_file(office.home, SIGNATURE)
    genuine = path.read_bytes()
    path.write_bytes(ca_file(office.home, AUTHENTICATION).read_bytes())
    with pytest.raises(RuleRefused, match="not about its key"):
        issue(office, ca)
    path.write_bytes(genuine * 2)
    with pytest.raises(HomeDamaged, match="more than one"):
        ca.ca_certificate(SIGNATURE)
    path.write_bytes(b"")
    with pytest.raises(HomeDamaged):
        ca.ca_certificate(SIGNATURE)


def test_certificates_in_the_books_are_verified_by_them(office: Office, ca: CertificateAuthority) -> None:
    for usage in Usage:
        der = issue(office, ca, usage)
        sources = [ca.books(usage), Crl.load(ca.crl(usage, office.clock()))]
        trust = [ca.ca_certificate(one) for one in Usage]
        found = verify_certificate(der, trust, usage, office.clock(), sources)
        assert found.revocation is not None
        assert "books" in found.revocation
        assert "list" in found.revocation


def test_a_certificate_that_is_not_in_the_books_is_not_known(office: Office, ca: CertificateAuthority) -> None:
    stray = ca.issue(SIGNATURE, request_of(rsa_key("stray")), ATTRIBUTES, TODAY, END)
    with pytest.raises(CertificateRefused, match="no such certificate"):
        verify_certificate(stray, [ca.ca_certificate(SIGNATURE)], SIGNATURE, office.clock(), [ca.books(SIGNATURE)])
    assert status(office, ca, stray) is ocsp.OCSPCertStatus.UNKNOWN


def status(office: Office, ca: CertificateAuthority, der: bytes, usage: Usage = SIGNATURE) -> ocsp.OCSPCertStatus:
    pair = (x509.load_der_x509_certificate(one) for one in (der, ca.ca_certificate(usage)))
    request = ocsp.OCSPRequestBuilder().add_certificate(*pair, SHA256()).build().public_bytes(Encoding.DER)
    response = ocsp.load_der_ocsp_response(ca.ocsp_response(usage, request, office.clock()))
    return response.certificate_status


def listed(office: Office, ca: CertificateAuthority, usage: Usage) -> dict[str, str | None]:
    """From the numbers in a CA's list to the reasons."""
    found: dict[str, str | None] = {}
    for entry in x509.load_der_x509_crl(ca.crl(usage, office.clock())):
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason if entry.extensions else None
        found[certificate_number(entry.serial_number)] = None if reason is None else reason.name
    return found


@pytest.mark.parametrize(("field", "voids"), [("name", True), ("address", True), ("alias", False)])
def test_a_change_of_name_or_address_voids_the_signature_certificate(
    office: Office, ca: CertificateAuthority, field: str, voids: bool
) -> None:
    signature, authentication = (issue(office, ca, usage) for usage in Usage)
    assert status(office, ca, signature) is ocsp.OCSPCertStatus.GOOD
    endorse(office.authority, office.card_state.serial, Endorsement(field), office.clock)
    assert listed(office, ca, SIGNATURE) == ({number(signature): "affiliation_changed"} if voids else {})
    assert listed(office, ca, AUTHENTICATION) == {}
    assert (status(office, ca, signature) is ocsp.OCSPCertStatus.REVOKED) is voids
    assert status(office, ca, authentication, AUTHENTICATION) is ocsp.OCSPCertStatus.GOOD


def test_a_suspended_cards_certificates_are_on_hold_until_it_is_resumed(
    office: Office, ca: CertificateAuthority
) -> None:
    der, serial = issue(office, ca), office.card_state.serial
    change_card(office.authority, serial, Change.SUSPEND, office.clock)
    assert listed(office, ca, SIGNATURE) == {number(der): "certificate_hold"}
    change_card(office.authority, serial, Change.RESUME, office.clock)
    assert listed(office, ca, SIGNATURE) == {}
    change_card(office.authority, serial, Change.SUSPEND, office.clock)
    void_all(office.authority, [serial], Cause.LOST, office.clock)
    assert listed(office, ca, SIGNATURE) == {number(der): "key_compromise"}


def test_a_later_certificate_supersedes(office: Office, ca: CertificateAuthority) -> None:
    first, second = issue(office, ca), issue(office, ca)
    assert listed(office, ca, SIGNATURE) == {number(first): "superseded"}
    assert status(office, ca, second) is ocsp.OCSPCertStatus.GOOD


def test_the_office_revokes_one_or_all_of_a_card(office: Office, ca: CertificateAuthority) -> None:
    signature, authentication = (issue(office, ca, usage) for usage in Usage)
    ledger, serial = office.authority.ledger, office.card_state.serial
    (done,) = revoke(ledger, office.clock(), R.KEY_COMPROMISE, number=number(signature))
    assert done.revocation is not None
    assert (done.number, done.revocation.reason) == (number(signature), R.KEY_COMPROMISE)
    before = ledger.head()
    for refused in (
        {"number": number(signature)},
        {"number": "00"},
        {"number": number(authentication), "card": "799201000000009"},
        {"card": "799201000000009"},
    ):
        with pytest.raises(RuleRefused):
            revoke(ledger, office.clock(), R.KEY_COMPROMISE, **refused)
    for reason in set(RevocationReason) - {R.KEY_COMPROMISE, R.AFFILIATION_CHANGED, R.CESSATION_OF_OPERATION}:
        with pytest.raises(RuleRefused, match="no reason of an office"):
            revoke(ledger, office.clock(), reason, card=serial)
    assert ledger.head() == before
    (other,) = revoke(ledger, office.clock(), R.CESSATION_OF_OPERATION, card=serial)
    assert other.number == number(authentication)
    with pytest.raises(RuleRefused, match="no certificate that could"):
        revoke(ledger, office.clock(), R.CESSATION_OF_OPERATION, card=serial)
    assert all(one.is_final for one in current_register(ledger))
    ledger.verify()


def test_nothing_personal_is_in_the_books(office: Office, ca: CertificateAuthority) -> None:
    issue(office, ca)
    (entry,) = office.authority.ledger.stream(events_of=[Event.CERTIFIED])
    assert set(entry.detail) == {"certificate", "usage", "issued", "expires"}
