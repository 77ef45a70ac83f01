"""`juki jpki verify`, `revoke` and `crl`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cryptography import x509

from jukicard.applets.jpki.layout import Usage
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.jpki.authority import CertificateAuthority, ca_file
from jukicard.issuer.jpki.cms import sign_detached
from jukicard.issuer.jpki.register import certified
from jukicard.issuer.ledger.rules import Event
from tests.support.chips import randomness
from tests.support.desk import Desk
from tests.support.issued import AUTHORITY_PASSWORD, TODAY, Offices, Stage, clock
from tests.support.jpki import ATTRIBUTES, SIGNATURE, Forger, card_signer, openssl, request_of, rsa_key

CONTENT = b"I agree."


@pytest.fixture(scope="module")
def template(offices: Offices, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A desk whose active card has a signature certificate, and a contract signed with it."""
    folder = tmp_path_factory.mktemp("signed")
    desk = Desk.at(offices, Stage.ACTIVE, folder)
    now = clock(50)
    with Authority.open(desk.home, AUTHORITY_PASSWORD, random=randomness("desk")) as authority:
        ca = CertificateAuthority(authority, TODAY, randomness("ca"))
        last = TODAY.replace(year=2029)
        der = ca.issue(SIGNATURE, request_of(rsa_key("holder")), ATTRIBUTES, TODAY, last)
        (card,) = authority.ledger.cards()
        authority.ledger.append(card.serial, Event.CERTIFIED, now(), certified(der, SIGNATURE))
    (folder / "contract").write_bytes(CONTENT)
    (folder / "contract.p7s").write_bytes(sign_detached(CONTENT, der, now(), card_signer("holder")))
    (folder / "leaf.der").write_bytes(der)
    return folder


@pytest.fixture
def desk(template: Path, tmp_path: Path) -> Desk:
    shutil.copytree(template, tmp_path / "desk")
    return Desk(tmp_path / "desk", tmp_path / "desk" / "home")


def arguments(desk: Desk, *more: str | Path) -> list[str]:
    signature = ["--signature", str(desk.folder / "contract.p7s"), *map(str, more)]
    return ["jpki", "verify", str(desk.folder / "contract"), *signature]


def test_a_signature_verifies_by_the_homes_own_ca_and_books(desk: Desk) -> None:
    facts = desk.facts(*arguments(desk))
    assert (facts["name"], facts["birth"], facts["birth_date"]) == ("見本　太郎", "319650403", "1965-04-03")
    assert (facts["name_substituted"], facts["not_revoked_by"]) == ("00000", "the CA's books")
    assert {"signature", "issuer", "validity", "key usage", "revocation"} < set(facts["checks"])
    plain = desk.run(*arguments(desk))
    assert plain.exit_code == 0
    assert "架空県見本市中央町１番２号" in plain.output


def test_with_a_ca_and_a_list_no_home_is_needed(desk: Desk) -> None:
    listed = desk.folder / "ca.crl"
    made = desk.facts("jpki", "crl", "--out", str(listed), *desk.authority)
    assert (made["revoked"], made["usage"]) == (0, "signature")
    shutil.copy(ca_file(desk.home, SIGNATURE), desk.folder / "ca.pem")
    elsewhere = Desk(desk.folder, desk.folder / "nowhere")
    facts = elsewhere.facts(*arguments(desk, "--ca", desk.folder / "ca.pem", "--crl", listed))
    assert facts["not_revoked_by"].startswith("revocation list of 2026-11-21")
    without = elsewhere.facts(*arguments(desk, "--ca", desk.folder / "ca.pem"))
    assert "not checked" in without["not_revoked_by"]
    assert "revocation" not in without["checks"]
    der = x509.load_pem_x509_certificate((desk.folder / "ca.pem").read_bytes())
    openssl("x509", "-in", desk.folder / "ca.pem", "-outform", "DER", "-out", desk.folder / "ca.der")
    assert elsewhere.run(*arguments(desk, "--ca", desk.folder / "ca.der")).exit_code == 0
    assert der.subject.rfc4514_string().startswith("OU=TEST")


def test_whatever_is_wrong_is_1_and_says_which_check(desk: Desk) -> None:
    wrong = desk.folder / "contract"
    wrong.write_bytes(CONTENT + b"!")
    result = desk.run(*arguments(desk))
    assert (result.exit_code, "not what was signed" in result.output) == (1, True)
    wrong.write_bytes(CONTENT)
    of_the_ca = "validity of the CA"
    for day, check in (("2026-11-20", of_the_ca), ("2029-11-22", "validity"), ("2050-01-01", of_the_ca)):
        result = desk.run(*arguments(desk, "--at", day))
        assert (result.exit_code, f"{check}: it" in result.output) == (1, True), result.output
        assert "見本　太郎" not in result.output
    forged = Forger((desk.folder / "leaf.der").read_bytes(), rsa_key("stranger")).forge()
    (desk.folder / "contract.p7s").write_bytes(sign_detached(CONTENT, forged, clock(55)(), card_signer("holder")))
    result = desk.run(*arguments(desk), "--json")
    assert (result.exit_code, "signature: the CA" in result.output) == (1, True)


def test_an_unreadable_ca_and_a_home_without_one(desk: Desk, offices: Offices, tmp_path: Path) -> None:
    (desk.folder / "bad.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    assert desk.run(*arguments(desk, "--ca", desk.folder / "bad.pem")).exit_code == 2
    (desk.folder / "bad.der").write_bytes(b"nothing")
    assert desk.run(*arguments(desk, "--ca", desk.folder / "bad.der")).exit_code == 1
    assert desk.run(*arguments(desk, "--crl", desk.folder / "bad.der")).exit_code == 1
    other = Desk(desk.folder, offices.at(Stage.BLANK, tmp_path / "other").home)
    result = other.run(*arguments(desk))
    assert (result.exit_code, "--ca FILE" in result.output) == (2, True)


def test_a_revoked_certificate_is_refused_and_listed(desk: Desk) -> None:
    with Authority.open(desk.home) as authority:
        (card,) = authority.ledger.cards()
    done = desk.facts("jpki", "revoke", card.serial, "--reason", "key-compromise")
    assert (done["card"], done["usages"], done["reason"]) == (card.serial, ["signature"], "key-compromise")
    result = desk.run(*arguments(desk))
    assert (result.exit_code, "revocation: it is revoked since" in result.output) == (1, True)
    made = desk.facts("jpki", "crl", "--out", str(desk.folder / "ca.crl"), *desk.authority)
    assert made["revoked"] == 1
    text = openssl("crl", "-in", desk.folder / "ca.crl", "-noout", "-text").stdout.decode()
    assert done["revoked"][0].upper() in text
    again = desk.run("jpki", "revoke", "--certificate", done["revoked"][0], "--reason", "key-compromise")
    assert (again.exit_code, "revoked already" in again.output) == (1, True)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ([], 2),
        (["--certificate", "xyz"], 2),
        (["--certificate", "00:0A"], 1),
        (["799201000000009"], 1),
    ],
)
def test_what_cannot_be_revoked(desk: Desk, given: list[str], code: int) -> None:
    assert desk.run("jpki", "revoke", *given, "--reason", "key-compromise").exit_code == code


def test_the_other_cas_list_is_its_own(desk: Desk) -> None:
    path = desk.folder / "authentication.crl"
    usage = Usage.AUTHENTICATION.value
    made = desk.facts("jpki", "crl", "--usage", usage, "--out", str(path), *desk.authority)
    assert (made["revoked"], made["usage"]) == (0, usage)
    assert "JPKI for user authentication" in x509.load_der_x509_crl(path.read_bytes()).issuer.rfc4514_string()
    assert desk.run("jpki", "crl", "--out", str(desk.folder / "no" / "list.crl"), *desk.authority).exit_code == 6
