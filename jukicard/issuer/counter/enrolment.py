"""Certificates of the JPKI at the counter: the card makes its keys, the CA certifies them, all of it is read back.

The application on the chip is made anew each time: what an earlier enrolment left, whole or interrupted, goes with it.
The books have a certificate before the chip does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from jukicard.applets.gp.client import DomainClient
from jukicard.applets.gp.layout import ISSUER_DOMAIN_AID
from jukicard.applets.jpki.client import JpkiClient
from jukicard.applets.jpki.layout import JPKI_AID, PROFILES, Form, Profile, Usage
from jukicard.applets.jpki.records import TokenInfo
from jukicard.iso7816.errors import CardStatusError, HostError, TransportError
from jukicard.iso7816.status import StatusWord
from jukicard.issuer.counter.issueraccess import IssuerAccess
from jukicard.issuer.errors import CardRefused, RuleRefused
from jukicard.issuer.jpki.attributes import ResidentAttributes
from jukicard.issuer.jpki.authority import CertificateAuthority
from jukicard.issuer.jpki.profile import certificate_ends
from jukicard.issuer.jpki.register import IssuedCertificate, certified, current_register, revoke
from jukicard.issuer.jpki.request import certification_request
from jukicard.issuer.jpki.verification import CertificateRefused, verify_certificate
from jukicard.issuer.ledger.cards import CardState
from jukicard.issuer.ledger.details import RevocationReason
from jukicard.issuer.ledger.rules import Event
from jukicard.issuer.line.chipwork import MismatchError
from jukicard.issuer.records.resident import ResidentRecord

Clock = Callable[[], datetime]
Passwords = Mapping[Usage, Callable[[], str]]
CHALLENGE_SIZE = 32


@dataclass(frozen=True, slots=True)
class Application:
    """What a holder applies for: a profile's certificates, with the items of the record.

    `renew`: certificates that are still good are replaced.
    """

    record: ResidentRecord
    profile: Profile
    renew: bool = False


class Enrolment:
    """The counter's work on one card."""

    def __init__(self, access: IssuerAccess, ca: CertificateAuthority, clock: Clock) -> None:
        self._access = access
        self._ca = ca
        self._clock = clock
        self._authority = access.authority
        self._dialogue = access.dialogue
        self._connection = access.connection

    def enrol(self, application: Application, passwords: Passwords) -> tuple[IssuedCertificate, ...]:
        """Make the card's keys and certificates, and return what the books have of them now.

        The passwords are asked for when nothing hinders any more.  RuleRefused where the record is another person's, or
        the card has certificates that are good; CardRefused for a card of another municipality, and where the chip
        deviates: its new certificates are revoked then.  TransportError: interrupted, to be done again with the same
        passwords; what was complete already is then only read back.
        """
        with self._connection.transaction():
            card = self._checked(application)
            complete = self._is_complete(card, application)
            chosen = {usage: passwords[usage]().encode() for usage in PROFILES[application.profile]}
            if complete:
                return self._finished(card, application, chosen)
            try:
                self._revoke_all_but(card, PROFILES[application.profile])
                self._install(card, application.profile)
                self._personalise(card, application, chosen)
                self._read_back(card, application, chosen)
            except TransportError:
                raise
            except HostError as error:
                raise self._given_up(card, error) from error
        return self._good(card)

    def _checked(self, application: Application) -> CardState:
        card = self._access.card()
        record, authority = application.record, self._authority
        if authority.code_digest(record.resident_code) != card.code_digest:
            raise RuleRefused(f"{record.label} is not the record of the holder of card {card.serial}")
        if not card.endorsements and card.is_of_another(authority.person_digest(record)):
            raise RuleRefused(
                f"{record.label} has another name, birth date or sex than card {card.serial} was issued for; "
                f"if the name has changed, enter that first (juki card endorse {card.serial} --field name)"
            )
        return card

    def _is_complete(self, card: CardState, application: Application) -> bool:
        """Whether an enrolment of today has come to its end but for the reading back.  RuleRefused for older ones."""
        good = [one for one in self._good(card) if one.expires >= self._dialogue.today]
        if not good or application.renew or not self._is_enrolled():
            return False
        usages = {one.usage for one in good if one.issued == self._dialogue.today}
        if usages != set(PROFILES[application.profile]):
            raise RuleRefused(
                f"card {card.serial} has a {good[0].usage} certificate that is good until {good[0].expires}; "
                "to replace it: --renew"
            )
        return True

    def _finished(
        self, card: CardState, application: Application, passwords: Mapping[Usage, bytes]
    ) -> tuple[IssuedCertificate, ...]:
        """Read back what an earlier run completed.  RuleRefused where it is not what is applied for now."""
        try:
            self._read_back(card, application, passwords)
        except MismatchError as error:
            raise RuleRefused(f"card {card.serial}: {error}; to make its certificates anew: --renew") from error
        return self._good(card)

    def _good(self, card: CardState) -> tuple[IssuedCertificate, ...]:
        return tuple(one for one in self._certificates(card) if one.revocation is None)

    def _certificates(self, card: CardState) -> tuple[IssuedCertificate, ...]:
        return current_register(self._authority.ledger).of_card(card.serial)

    def _is_enrolled(self) -> bool:
        """Whether the application on the chip is there and complete: before that, only its owner reads in it."""
        client = JpkiClient(self._connection)
        try:
            client.select()
            return bool(client.usages())
        except CardStatusError as error:
            if error.sw in (StatusWord.FILE_NOT_FOUND, StatusWord.SECURITY_NOT_SATISFIED):
                return False
            raise

    def _revoke_all_but(self, card: CardState, usages: Iterable[Usage]) -> None:
        """Revoke the certificates whose keys go and are not made anew; a successor supersedes each of the others."""
        for one in self._certificates(card):
            if one.usage not in usages and not one.is_final:
                revoke(
                    self._authority.ledger, self._clock(), RevocationReason.CESSATION_OF_OPERATION, number=one.number
                )

    def _install(self, card: CardState, profile: Profile) -> None:
        domain = self._access.open(card, DomainClient(self._connection, ISSUER_DOMAIN_AID))
        if JPKI_AID in {entry.aid for entry in domain.status(0x40)}:
            domain.delete(JPKI_AID)
        domain.install(JPKI_AID, JPKI_AID, parameters=bytes((profile,)))

    def _personalise(self, card: CardState, application: Application, passwords: Mapping[Usage, bytes]) -> None:
        client = self._access.open(card, JpkiClient(self._connection))
        usages = PROFILES[application.profile]
        for usage in Usage:
            ca = self._ca.ca_certificate(usage if usage in usages else Usage.SIGNATURE)
            certificate = self._certify(card, application, usage, client) if usage in usages else ca
            client.write_certificates(usage, certificate, ca)
        for usage, password in passwords.items():
            client.set_password(usage, password)
        client.write_token(TokenInfo.of(application.profile, card.serial), usages)
        client.activate()

    def _certify(self, card: CardState, application: Application, usage: Usage, client: JpkiClient) -> bytes:
        key = client.generate_key(usage)
        request = certification_request(key, lambda message: client.sign_as_owner(usage, message))
        today = self._dialogue.today
        attributes = ResidentAttributes.from_record(application.record)
        last_day = certificate_ends(application.profile, today, card.expires)
        certificate = self._ca.issue(usage, request, attributes, today, last_day)
        self._authority.ledger.append(card.serial, Event.CERTIFIED, self._clock(), certified(certificate, usage))
        return certificate

    def _read_back(self, card: CardState, application: Application, passwords: Mapping[Usage, bytes]) -> None:
        """Use the card as its holder will: read everything, and let each key sign.  MismatchError."""
        client = JpkiClient(self._connection)
        client.select()
        usages = PROFILES[application.profile]
        token = TokenInfo.of(application.profile, card.serial)
        if client.token_info() != token or client.usages() != frozenset(usages):
            raise MismatchError("the card does not tell the token information that was written")
        for usage in usages:
            client.verify(usage, passwords[usage])
            certificate = client.certificate(usage)
            if client.ca_certificate(usage) != self._ca.ca_certificate(usage):
                raise MismatchError(f"the card has another CA certificate for {usage}")
            self._check_certificate(card, application, usage, certificate)
            self._check_key(client, usage, certificate)
        client.select()

    def _check_certificate(self, card: CardState, application: Application, usage: Usage, certificate: bytes) -> None:
        """Verify a certificate as anybody will, and that it is the one in the books, with the record's items."""
        try:
            verify_certificate(certificate, (self._ca.ca_certificate(usage),), usage, self._clock())
        except CertificateRefused as error:
            raise MismatchError(f"the {usage} certificate on the card: {error}") from error
        if certified(certificate, usage)["certificate"] not in {one.number for one in self._good(card)}:
            raise MismatchError(f"the card has another {usage} certificate than the books")
        named = usage is Usage.SIGNATURE
        if named and ResidentAttributes.read(certificate) != ResidentAttributes.from_record(application.record):
            raise MismatchError("the signature certificate on the card is not about the record's person")

    def _check_key(self, client: JpkiClient, usage: Usage, certificate: bytes) -> None:
        challenge = self._access.random(CHALLENGE_SIZE)
        key = x509.load_der_x509_certificate(certificate).public_key()
        try:
            if not isinstance(key, RSAPublicKey):
                raise MismatchError(f"the {usage} certificate on the card is about another kind of key")
            key.verify(client.sign(usage, challenge, Form.HASHED), challenge, PKCS1v15(), SHA256())
        except InvalidSignature:
            raise MismatchError(f"the card's {usage} key is not that of its certificate") from None

    def _given_up(self, card: CardState, error: HostError) -> CardRefused:
        """Revoke what was certified for a chip that deviated."""
        if any(not one.is_final for one in self._certificates(card)):
            revoke(self._authority.ledger, self._clock(), RevocationReason.CESSATION_OF_OPERATION, card=card.serial)
        return CardRefused(f"card {card.serial}: {error}; certificates made for it are revoked")
