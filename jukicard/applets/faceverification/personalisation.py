"""What the face-verification application is personalised with: the one block of STORE DATA, for both ends.

Data objects in this order: FF10 (on face B only), FF20, FF30, 7F21 (certificates), then the reference numbers, each
under the reference that VERIFY has for it: 91 and 92 on face B, 93 on face A.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jukicard.applets.faceverification import layout
from jukicard.applets.faceverification.records import BasicRecord, BirthRecord, FaceRecord, FaceRecordError
from jukicard.iso7816.tlv import Tlv, TlvError, parse_tlvs

DIGITS = {layout.BIRTH_NUMBER: 6, layout.NUMBER_B: 14, layout.NUMBER_A: 8}
"""How many digits each reference number has."""
_NUMBERS = {"A": (layout.NUMBER_A,), "B": (layout.BIRTH_NUMBER, layout.NUMBER_B)}


@dataclass(frozen=True, slots=True)
class Personalisation:
    """All that the application holds.

    `certificates` are those of the key that signs faces (DER, leaf last); `birth_date` is the birth date as the
    reference number has it: six digits, year of the era, month, day (of foreigners two digits of the Gregorian year),
    on face B only.
    """

    face: FaceRecord
    basic: BasicRecord
    certificates: tuple[bytes, ...] = field(repr=False)
    birth: BirthRecord | None = field(default=None, repr=False)
    birth_date: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        on_b = self.face.version == "B"
        if self.basic.face != self.face.version or on_b != (self.birth is not None) or on_b != bool(self.birth_date):
            raise FaceRecordError("a birth record and its reference number are for face B, and for face B only")
        if not self.certificates:
            raise FaceRecordError("the certificates are missing")

    @property
    def numbers(self) -> Mapping[int, str]:
        """The reference numbers by their files: the expiry, on face B with the birth date behind it, and that alone."""
        if self.birth_date is None:
            return {layout.NUMBER_A: self.face.expires}
        return {layout.BIRTH_NUMBER: self.birth_date, layout.NUMBER_B: self.face.expires + self.birth_date}

    def files(self) -> dict[int, bytes]:
        """Return the content of each file that there is."""
        birth = {} if self.birth is None else {layout.EF_BIRTH: self.birth.encode()}
        return {
            **birth,
            layout.EF_FACE: self.face.encode(),
            layout.EF_BASIC: self.basic.encode(),
            layout.EF_CERTIFICATES: b"".join(self.certificates),
        }

    def encode(self) -> bytes:
        """Return the block.  FaceRecordError where it is longer than the card takes."""
        files = self.files()
        files[layout.EF_CERTIFICATES] = Tlv(layout.TAG_CERTIFICATES, files[layout.EF_CERTIFICATES]).encode()
        numbers = (Tlv(layout.reference(file), text.encode()).encode() for file, text in self.numbers.items())
        block = b"".join((*files.values(), *numbers))
        if len(block) > layout.LONGEST_BLOCK:
            raise FaceRecordError(f"the face and its certificates have more than {layout.LONGEST_BLOCK} bytes")
        return block

    @classmethod
    def parse(cls, block: bytes) -> Personalisation:
        """Read the block, or raise FaceRecordError: what is not of the face's version is refused."""
        try:
            objects = parse_tlvs(block)
            values = {item.tag: item for item in objects}
            if len(values) != len(objects):
                raise FaceRecordError("an object is there twice")
            certificates = tuple(one.encode() for one in parse_tlvs(_taken(values, layout.TAG_CERTIFICATES).value))
        except TlvError as error:
            raise FaceRecordError(str(error)) from None
        if any(certificate[0] != 0x30 for certificate in certificates):
            raise FaceRecordError("something among the certificates is none")
        face = FaceRecord.parse(_taken(values, layout.TAG_FACE_RECORD).encode())
        basic = BasicRecord.parse(_taken(values, layout.TAG_BASIC_RECORD).encode())
        numbers = {file: _digits(values, file) for file in _NUMBERS[face.version]}
        found = values.pop(layout.TAG_BIRTH_RECORD, None)
        birth = None if found is None else BirthRecord.parse(found.encode())
        made = cls(face, basic, certificates, birth, numbers.get(layout.BIRTH_NUMBER))
        if values or made.numbers != numbers:
            raise FaceRecordError("the reference numbers are not those of the face, or there is something else")
        return made


def _taken(values: dict[int, Tlv], tag: int) -> Tlv:
    if tag not in values:
        raise FaceRecordError(f"{tag:X} is missing")
    return values.pop(tag)


def _digits(values: dict[int, Tlv], file: int) -> str:
    digits = _taken(values, layout.reference(file)).value
    if len(digits) != DIGITS[file] or not digits.isdigit():
        raise FaceRecordError(f"reference number {file:04X} has {DIGITS[file]} digits")
    return digits.decode("ascii")
