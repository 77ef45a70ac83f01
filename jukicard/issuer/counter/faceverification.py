"""Whether a card's face is genuine (券面事項確認): what the chip holds of it, the card's certificates and what the card
tells everybody are compared, and the chip proves that it is the one that they are about.

No key of the authority is needed, only its national root's certificate; and the reference number, which is printed on
the face.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from jukicard.applets.faceverification import layout
from jukicard.applets.faceverification.client import FaceVerificationClient
from jukicard.applets.faceverification.personalisation import DIGITS
from jukicard.applets.faceverification.records import BasicRecord, BirthRecord, FaceRecord
from jukicard.applets.gp.client import DomainClient
from jukicard.applets.gp.layout import ISSUER_DOMAIN_AID, TAG_CITY_CODE, TAG_EXPIRES
from jukicard.applets.juki.client import JukiClient
from jukicard.applets.shared.client import SharedClient
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.errors import AuthenticationFailed
from jukicard.iso7816.tlv import Tlv
from jukicard.iso7816.wrappers import standard
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.certificates import key_identifier
from jukicard.issuer.authority.facesigner import KEY_ID_SIZE, certified_signer
from jukicard.issuer.authority.terminals import Area
from jukicard.issuer.errors import RuleRefused
from jukicard.issuer.faces.data import short_date
from jukicard.issuer.keys.keystore import Randomness
from jukicard.issuer.line.provers import CertifiedKey, card_authentication_key
from jukicard.securechannel.certificates import CertificateError
from jukicard.securechannel.scp11 import encode_point
from jukicard.securechannel.signatures import is_signed_by

CHALLENGE_SIZE = 32


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One thing that differs: what (a few words), and why.  It tells no value."""

    what: str
    reason: str

    def __str__(self) -> str:
        return f"{self.what}: {self.reason}"


@dataclass(slots=True)
class VerifiedFace:
    """What a card's chip says of its face, and what of it does not hold.

    `record` is what it holds; `card` is what its certificate says, None where that does not verify.
    """

    basic: BasicRecord
    record: FaceRecord = field(repr=False)
    card: CertifiedKey | None = None
    disagreements: list[Disagreement] = field(default_factory=list)


class FaceVerification:
    """One verification of the card behind a connection; `number` gives the reference number, once the card has told its
    version of the face (A or B).
    """

    def __init__(self, authority: Authority, connection: CardConnection, random: Randomness, today: date) -> None:
        self._authority = authority
        self._stack = standard(connection)
        self._connection = connection
        self._random = random
        self._today = today

    def run(self, number: Callable[[str], str]) -> VerifiedFace:
        """Go through all of it.

        PasswordWrong (with the tries left) and PasswordBlocked, where the card does not take the reference number;
        RuleRefused for one that has not the right number of digits.
        """
        with self._connection.transaction():
            client = FaceVerificationClient(self._stack)
            client.select()
            basic = client.basic()
            digits = _checked(number(basic.face), basic)
            client.verify_number(basic.number, digits)
            found = VerifiedFace(basic, client.face())
            birth = None
            if found.record.birth is not None:
                client.verify_number(layout.BIRTH_NUMBER, digits[8:])
                birth = client.birth()
            found.disagreements += self._signatures(client, found, birth)
            found.disagreements += _numbers(found.record, digits)
            found.disagreements += self._chip(found)
            found.disagreements += self._told(found)
        return found

    def _signatures(
        self, client: FaceVerificationClient, found: VerifiedFace, birth: BirthRecord | None
    ) -> Iterator[Disagreement]:
        """Check who has signed, and that it is this that was signed."""
        anchor = self._authority.anchor(Area.JUKI)
        try:
            signer = certified_signer(anchor, client.signer_certificates(), self._today)
        except CertificateError as error:
            yield Disagreement("signer's certificate", str(error))
            return
        if key_identifier(signer.public_key)[:KEY_ID_SIZE] != found.basic.key_id:
            yield Disagreement("signer's key", "is another one than the basic record names")
        if signer.city_code != found.basic.city_code:
            yield Disagreement("municipality", "the basic record names another one than the signer's certificate")
        yield from _signed("face record", signer.public_key, found.record)
        if birth is not None:
            yield from _signed("birth record", signer.public_key, birth)
            if (birth.birth, birth.public_key) != (found.record.birth, found.record.public_key):
                yield Disagreement("birth record", "has another birth date or key than the face record")
        if found.basic.face != found.record.version:
            yield Disagreement("face record", f"is not of face {found.basic.face}, which the basic record names")

    def _chip(self, found: VerifiedFace) -> Iterator[Disagreement]:
        """Let the chip prove that it has the key that the face record names, and that its certificate is about."""
        client = JukiClient(self._stack)
        client.select()
        try:
            card = card_authentication_key(client, self._authority, today=self._today, expired_too=True)
            found.card = card
            client.authenticate_card(self._random(CHALLENGE_SIZE), card.public_key)
        except AuthenticationFailed as error:
            yield Disagreement(error.step, error.reason)
            return
        if encode_point(card.public_key) != found.record.public_key:
            yield Disagreement("chip", "the face record was made for another chip: it names another key")
        if card.city_code != found.basic.city_code:
            yield Disagreement("municipality", "the card's certificate names another one than the basic record")
        if f"{card.last_day:%Y%m%d}" != found.record.expires:
            yield Disagreement("expiry", "the card's certificate ends on another day than the face says")
        if f"{self._today:%Y%m%d}" > found.record.expires:
            yield Disagreement("expiry", f"the card expired on {found.record.expires}")

    def _told(self, found: VerifiedFace) -> Iterator[Disagreement]:
        """Compare what the card tells everybody."""
        shared = SharedClient(self._stack)
        shared.select()
        information = shared.card_information()
        if found.card is not None and information.serial != found.card.serial:
            yield Disagreement("shared application", "has another serial than the card's certificate")
        if information.city_code != found.basic.city_code or information.expires != found.record.expires:
            yield Disagreement("shared application", "has another municipality or expiry")
        domain = DomainClient(self._stack, ISSUER_DOMAIN_AID)
        domain.select()
        for tag, value in ((TAG_CITY_CODE, found.basic.city_code), (TAG_EXPIRES, found.record.expires)):
            if domain.get_data(tag) != Tlv(tag, value.encode()).encode():
                yield Disagreement(f"data object {tag:02X}", "is missing, or differs")


def _checked(number: str, basic: BasicRecord) -> str:
    wanted = DIGITS[basic.number]
    if len(number) != wanted or not (number.isascii() and number.isdigit()):
        parts = "the expiry" if wanted == 8 else "the expiry (8) and the birth date (6, year of the era)"
        raise RuleRefused(f"the reference number of a card of face {basic.face} has {wanted} digits: {parts}")
    return number


def _signed(what: str, key: EllipticCurvePublicKey, record: FaceRecord | BirthRecord) -> Iterator[Disagreement]:
    if not is_signed_by(key, record.signature, record.message):
        yield Disagreement(what, "its signature is not the municipality's: something in it was changed")


def _numbers(record: FaceRecord, digits: str) -> Iterator[Disagreement]:
    """Compare the reference number that the chip takes with the record that it opens."""
    if digits[:8] != record.expires:
        yield Disagreement("reference number", "has another expiry than the face record")
    if record.birth is None:
        return
    try:
        born = date.fromisoformat(record.birth)
        known = {short_date(born, gregorian=gregorian) for gregorian in (False, True)}
    except ValueError:
        known = set()
    if digits[8:] not in known:
        yield Disagreement("reference number", "has another birth date than the face record")
