"""What a card's chip holds of its face, and tells everybody of the card: made from the same record as the printed face,
and compared with it from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING

from jukicard.applets.faceverification import layout
from jukicard.applets.faceverification.client import FaceVerificationClient
from jukicard.applets.faceverification.personalisation import Personalisation
from jukicard.applets.faceverification.records import (
    FEMALE,
    MALE,
    POINT_SIZE,
    BasicRecord,
    BirthRecord,
    FaceRecord,
    FaceRecordError,
)
from jukicard.applets.gp.client import DomainClient
from jukicard.applets.gp.layout import (
    ISSUER_DOMAIN_AID,
    TAG_CITY_CODE,
    TAG_CITY_KEY_REFERENCE,
    TAG_CONTACT_ATR,
    TAG_EXPIRES,
)
from jukicard.applets.shared.client import SharedClient
from jukicard.applets.shared.records import CardInformation
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.tlv import Tlv
from jukicard.issuer.authority.facesigner import FaceSigner
from jukicard.issuer.errors import Problem, RecordError
from jukicard.issuer.faces.data import birth_digits
from jukicard.issuer.line.chipwork import MismatchError
from jukicard.issuer.records.resident import Face, ResidentRecord, Sex
from jukicard.securechannel.signatures import SIGNATURE_SIZE, is_signed_by

if TYPE_CHECKING:
    from jukicard.issuer.faces.chipimages import FaceImages

CONTACT_ATR = bytes.fromhex("E000FF8131FE4514")
"""The real card's, without TS."""
_ANY_POINT = b"\x04" + bytes(POINT_SIZE - 1)
_SEX = {Sex.MALE: MALE, Sex.FEMALE: FEMALE}


@dataclass
class ChipFace:
    """One card's: its resident's record, the pictures of its face, its serial and expiry, and what signs faces.

    RecordError where the pictures need more room than the chip has.
    """

    record: ResidentRecord = field(repr=False)
    images: FaceImages
    serial: str
    expires: date
    signer: FaceSigner

    def __post_init__(self) -> None:
        """See to it that there is room, whatever key and signatures will be."""
        try:
            self._signed(_ANY_POINT, lambda message: bytes(SIGNATURE_SIZE)).encode()
        except FaceRecordError as error:
            raise RecordError([Problem(self.record.label, "face", str(error))]) from None

    def personalisation(self, point: bytes) -> Personalisation:
        """Return what the face-verification application gets; `point` is the Juki application's public key."""
        return self._signed(point, self.signer.sign)

    def _signed(self, point: bytes, sign: Callable[[bytes], bytes]) -> Personalisation:
        face, birth = self._unsigned(point)
        if birth is not None:
            birth = replace(birth, signature=sign(birth.message))
        return Personalisation(
            replace(face, signature=sign(face.message)),
            self._basic,
            self.signer.certificates,
            birth,
            None if birth is None else birth_digits(self.record),
        )

    @cached_property
    def information(self) -> CardInformation:
        """What the shared application gets."""
        return CardInformation(self.serial, self.record.city_code, f"{self.expires:%Y%m%d}")

    @cached_property
    def objects(self) -> Mapping[int, bytes]:
        """What the issuer's domain tells everybody, by tags of GET DATA."""
        information = self.information
        return {
            TAG_CITY_CODE: information.city_code.encode(),
            TAG_EXPIRES: information.expires.encode(),
            TAG_CITY_KEY_REFERENCE: information.key_reference,
            TAG_CONTACT_ATR: CONTACT_ATR,
        }

    def check(self, connection: CardConnection, point: bytes) -> None:
        """Read it all back, as anybody does who has the face at hand; MismatchError where something differs."""
        self._check_face(connection, point)
        shared = SharedClient(connection)
        shared.select()
        if shared.card_information() != self.information:
            raise MismatchError("the shared application tells of another card")
        domain = DomainClient(connection, ISSUER_DOMAIN_AID)
        domain.select()
        for tag, value in self.objects.items():
            if domain.get_data(tag) != Tlv(tag, value).encode():
                raise MismatchError(f"data object {tag:02X} is not what was stored")

    def _check_face(self, connection: CardConnection, point: bytes) -> None:
        client = FaceVerificationClient(connection)
        client.select()
        wanted, wanted_birth = self._unsigned(point)
        if client.basic() != self._basic or client.signer_certificates() != self.signer.certificates:
            raise MismatchError("the chip holds another face's basic data")
        expires = f"{self.expires:%Y%m%d}"
        number = expires if wanted_birth is None else expires + birth_digits(self.record)
        client.verify_number(self._basic.number, number)
        face = client.face()
        is_signed = is_signed_by(self.signer.public_key, face.signature, face.message)
        if replace(face, signature=b"") != wanted or not is_signed:
            raise MismatchError("the chip does not hold what the face prints")
        if wanted_birth is not None:
            client.verify_number(layout.BIRTH_NUMBER, birth_digits(self.record))
            birth = client.birth()
            is_signed = is_signed_by(self.signer.public_key, birth.signature, birth.message)
            if replace(birth, signature=b"") != wanted_birth or not is_signed:
                raise MismatchError("the chip does not hold the record's birth date")

    @cached_property
    def _basic(self) -> BasicRecord:
        return BasicRecord(self.record.face.value, self.signer.key_id, self.record.city_code)

    def _unsigned(self, point: bytes) -> tuple[FaceRecord, BirthRecord | None]:
        record, images, expires = self.record, self.images, f"{self.expires:%Y%m%d}"
        if record.face is Face.A:
            return FaceRecord(point, expires, images.name), None
        born = f"{record.birth_date:%Y%m%d}"
        face = FaceRecord(point, expires, images.name, born, _SEX[record.sex], images.address, images.photo)
        return face, BirthRecord(born, point)
