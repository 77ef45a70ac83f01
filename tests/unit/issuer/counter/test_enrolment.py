"""Enrolment for the JPKI at the counter: interrupted anywhere, refused, on a chip that deviates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from jukicard.applets.jpki.client import JpkiClient
from jukicard.applets.jpki.layout import JPKI_AID, PROFILES, Profile, Usage
from jukicard.applets.juki.client import JukiClient
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.errors import CardRemoved
from jukicard.iso7816.wrappers import ConnectionWrapper, standard
from jukicard.issuer.counter.authentication import CardDialogue
from jukicard.issuer.counter.enrolment import Application, Enrolment
from jukicard.issuer.counter.issueraccess import IssuerAccess
from jukicard.issuer.errors import CardRefused, IssuerError, RuleRefused, WrongCard
from jukicard.issuer.jpki.authority import CertificateAuthority
from jukicard.issuer.jpki.register import IssuedCertificate, current_register, revoke
from jukicard.issuer.jpki.verification import verify_certificate
from jukicard.issuer.ledger.details import Cause, Endorsement, RevocationReason
from jukicard.issuer.ledger.rules import Event
from jukicard.testing.readers import PulledReader
from tests.support.issued import TODAY, Office, Offices, Stage, clock
from tests.support.jpkichips import PASSWORDS

COMMANDS = 60
"""An enrolment with both keys takes some more."""


@pytest.fixture(scope="module")
def offices(tmp_path_factory: pytest.TempPathFactory) -> Offices:
    return Offices(tmp_path_factory.mktemp("offices"))


@pytest.fixture
def office(offices: Offices, tmp_path: Path) -> Iterator[Office]:
    office = offices.at(Stage.ACTIVE, tmp_path)
    yield office
    office.close()


def access(office: Office, connection: CardConnection) -> IssuerAccess:
    return IssuerAccess(office.authority, office.dialogue(connection), office.setting.randomness("enrolment"))


def enrol(
    office: Office, connection: CardConnection, profile: Profile = Profile.MYNUMBER, *, renew: bool = False
) -> tuple[IssuedCertificate, ...]:
    passwords = {usage: PASSWORDS[usage].decode for usage in Usage}
    ca = CertificateAuthority(office.authority, TODAY, office.setting.randomness("CA"))
    enrolment = Enrolment(access(office, connection), ca, office.clock)
    return enrolment.enrol(Application(office.record, profile, renew), passwords)


def good(office: Office) -> list[Usage]:
    """What the books have good certificates for."""
    register = current_register(office.authority.ledger)
    return sorted(one.usage for one in register.of_card(office.card_state.serial) if one.revocation is None)


def works(office: Office, connection: CardConnection, profile: Profile) -> None:
    """The holder's software reads what the CA has certified, and signs with it."""
    client = JpkiClient(standard(connection))
    client.select()
    ca = CertificateAuthority(office.authority, TODAY, office.setting.randomness("ca"))
    for usage in PROFILES[profile]:
        client.verify(usage, PASSWORDS[usage])
        verify_certificate(client.certificate(usage), (ca.ca_certificate(usage),), usage, office.clock())
        assert len(client.sign(usage, b"\x30")) == 256


@pytest.mark.parametrize("profile", Profile)
def test_what_is_enrolled_works(office: Office, profile: Profile) -> None:
    with office.emulator() as connection:
        made = enrol(office, connection, profile)
        assert {one.usage for one in made} == set(PROFILES[profile])
        works(office, connection, profile)
    events = [entry.event for entry in office.authority.ledger.entries() if entry.event is Event.CERTIFIED]
    assert len(events) == len(made)


@pytest.mark.parametrize("at", range(1, COMMANDS, 5))
def test_an_interrupted_enrolment_is_done_again(office: Office, at: int) -> None:
    with office.emulator() as connection:
        pulled = PulledReader(connection, at, executed=at % 2 == 0)
        with pytest.raises(CardRemoved):
            enrol(office, pulled)
        pulled.reset()
        enrol(office, pulled)
        works(office, connection, Profile.MYNUMBER)
    assert good(office) == sorted(Usage)


def test_good_certificates_are_replaced_only_if_that_is_wanted(office: Office) -> None:
    with office.emulator() as connection:
        (first,) = enrol(office, connection, Profile.JUKI)
        assert enrol(office, connection, Profile.JUKI) == (first,)  # as if it had been interrupted at its end
        tomorrow = TODAY + timedelta(days=1)
        office.setting, office.clock = replace(office.setting, day=tomorrow), clock(0, tomorrow)
        with pytest.raises(RuleRefused, match="to replace it: --renew"):
            enrol(office, connection, Profile.JUKI)
        (second,) = enrol(office, connection, Profile.JUKI, renew=True)
        works(office, connection, Profile.JUKI)
    register = current_register(office.authority.ledger)
    before, after = register.of_card(office.card_state.serial)
    assert (before.number, after.number) == (first.number, second.number)
    assert before.revocation is not None
    assert before.revocation.reason is RevocationReason.SUPERSEDED
    assert after.revocation is None


def test_a_key_that_is_not_made_anew_takes_its_certificate_along(office: Office) -> None:
    with office.emulator() as connection:
        enrol(office, connection, Profile.MYNUMBER)
        enrol(office, connection, Profile.JUKI, renew=True)
    assert good(office) == [Usage.SIGNATURE]


def test_a_revoked_certificate_needs_no_renewal(office: Office) -> None:
    with office.emulator() as connection:
        enrol(office, connection)
        office.authority.ledger.append(
            office.card_state.serial, Event.ENDORSED, office.clock(), {"field": Endorsement.ADDRESS.value}
        )
        assert good(office) == [Usage.AUTHENTICATION]
        enrol(office, connection, renew=True)
    assert good(office) == sorted(Usage)


def test_another_persons_record_is_refused(office: Office) -> None:
    own = office.record
    with office.emulator() as connection:
        before = office.cells
        for other in (replace(own, name="住基 次郎"), replace(own, birth_date=own.birth_date.replace(year=1966))):
            office.record = other
            with pytest.raises(RuleRefused, match="has another name, birth date or sex"):
                enrol(office, connection)
    assert good(office) == []
    assert "jpki" not in str(before)


def test_a_changed_name_is_certified_once_it_is_on_the_back(office: Office) -> None:
    office.record = replace(office.record, name="見本 太郎")
    with office.emulator() as connection:
        with pytest.raises(RuleRefused, match="juki card endorse"):
            enrol(office, connection)
        office.authority.ledger.append(
            office.card_state.serial, Event.ENDORSED, office.clock(), {"field": Endorsement.NAME.value}
        )
        enrol(office, connection, Profile.JUKI)
    assert good(office) == [Usage.SIGNATURE]


@pytest.mark.parametrize("event", [Event.SUSPENDED, Event.VOIDED])
def test_only_an_active_card_is_enrolled(office: Office, event: Event) -> None:
    detail = {"cause": Cause.LOST.value} if event is Event.VOIDED else None
    office.authority.ledger.append(office.card_state.serial, event, office.clock(), detail)
    with office.emulator() as connection, pytest.raises(CardRefused, match="in the ledger card"):
        enrol(office, connection)


class FalseSigner(ConnectionWrapper):
    """A chip whose signatures are wrong in one bit."""

    def transmit(self, command: bytes) -> bytes:
        answer = self.inner.transmit(command)
        return bytes((answer[0] ^ 1,)) + answer[1:] if command[:2] == b"\x80\x2a" and len(answer) == 258 else answer


class OldCertificate(ConnectionWrapper):
    """A chip that gives another certificate than was written: a bit in its middle differs."""

    here = False

    def transmit(self, command: bytes) -> bytes:
        answer = self.inner.transmit(command)
        if command[:3] == b"\x00\xa4\x04":
            self.here = bytes(JPKI_AID) in command
        read = self.here and command[:2] == b"\x00\xb0" and len(answer) > 200
        return answer[:100] + bytes((answer[100] ^ 1,)) + answer[101:] if read else answer


@pytest.mark.parametrize("deviates", [FalseSigner, OldCertificate])
def test_what_does_not_read_back_is_revoked(office: Office, deviates: type[ConnectionWrapper]) -> None:
    with office.emulator() as connection:
        with pytest.raises(IssuerError):
            enrol(office, deviates(connection), Profile.JUKI)
        assert good(office) == []
        enrol(office, connection, Profile.JUKI)
    assert good(office) == [Usage.SIGNATURE]


def test_a_certificate_whose_signature_is_spoilt_is_not_taken(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = JpkiClient.certificate

    def spoilt(self: JpkiClient, usage: Usage) -> bytes:
        whole = honest(self, usage)
        return whole[:-1] + bytes((whole[-1] ^ 1,))

    monkeypatch.setattr(JpkiClient, "certificate", spoilt)
    with office.emulator() as connection, pytest.raises(CardRefused, match="signature"):
        enrol(office, connection, Profile.JUKI)
    assert good(office) == []


def test_another_cas_certificate_is_not_taken(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JpkiClient, "ca_certificate", lambda _self, _usage: b"another")
    with office.emulator() as connection, pytest.raises(CardRefused, match="another CA certificate"):
        enrol(office, connection, Profile.JUKI)
    assert good(office) == []


def test_only_the_municipality_that_issued_a_card_enrols_it(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The books say nothing of a card that moved here: its keys are with the municipality that issued it."""
    monkeypatch.setattr(CardDialogue, "check_books", lambda _self: None)
    with office.emulator() as connection, pytest.raises(CardRefused, match="only the municipality"):
        enrol(office, connection, Profile.JUKI)


def test_a_chip_that_was_exchanged_meanwhile_gets_nothing(office: Office) -> None:
    with office.emulator() as connection:
        there = access(office, connection)
        begun = replace(there.card(), chip="0000000000009999")
        with pytest.raises(WrongCard):
            there.open(begun, JukiClient(there.connection))


def test_a_certificate_that_is_revoked_meanwhile_is_not_handed_out(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, serial = JpkiClient.activate, office.card_state.serial

    def slow(self: JpkiClient) -> None:
        honest(self)
        revoke(office.authority.ledger, office.clock(), RevocationReason.KEY_COMPROMISE, card=serial)

    monkeypatch.setattr(JpkiClient, "activate", slow)
    with office.emulator() as connection, pytest.raises(CardRefused, match="than the books"):
        enrol(office, connection, Profile.JUKI)


def test_what_is_complete_is_not_taken_for_another_record(office: Office) -> None:
    with office.emulator() as connection:
        enrol(office, connection, Profile.JUKI)
        office.record = replace(office.record, address="架空県見本市北町1番")
        with pytest.raises(RuleRefused, match=r"not about the record's person.*--renew"):
            enrol(office, connection, Profile.JUKI)
        (made,) = enrol(office, connection, Profile.JUKI, renew=True)
        works(office, connection, Profile.JUKI)
    assert made.revocation is None


def test_the_office_unblocks_a_password(office: Office) -> None:
    with office.emulator() as connection:
        enrol(office, connection)
        client = JpkiClient(standard(connection))
        client.select()
        for _ in range(3):
            with pytest.raises(Exception, match="VERIFY"):
                client.verify(Usage.AUTHENTICATION, b"9999")
        assert client.tries(Usage.AUTHENTICATION) == 0
        told = access(office, connection).unblock_password(Usage.AUTHENTICATION, lambda: "2468")
        assert told == office.card_state.serial
        client.select()
        client.verify(Usage.AUTHENTICATION, b"2468")
        assert client.tries(Usage.SIGNATURE) == 5
