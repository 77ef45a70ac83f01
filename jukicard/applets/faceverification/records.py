"""The contents of the face-verification application's files: one codec for both ends.

Dates are YYYYMMDD in ASCII.  What is signed, and that the public key is the Juki application's, is this project's
decision (docs: face verification).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from jukicard.applets.faceverification import layout
from jukicard.iso7816.tlv import Tlv, TlvError, encode_length, encode_tag, parse_one
from jukicard.securechannel.signatures import SIGNATURE_SIZE

POINT_SIZE, KEY_ID_SIZE = 65, 16
MALE, FEMALE = "1", "2"
"""JIS X 0303."""
LAYOUT, VERSION = b"JK", b"\x01"
_TAG_POINT = 0x86

_OFFSETS, _BIRTH, _SEX, _KEY, _NAME, _ADDRESS, _PHOTO, _SIGNATURE, _EXPIRES = range(0xDF21, 0xDF2A)
_PARTS = range(_BIRTH, _EXPIRES + 1)
_ONLY_B = (_BIRTH, _SEX, _ADDRESS, _PHOTO)
_HASHED = ((_BIRTH, _SEX, _KEY, _EXPIRES), (_NAME, _ADDRESS), (_PHOTO,))
"""Which parts go into which of the three hashes, in this order."""


class FaceRecordError(ValueError):
    """A record is not what the profile says.  The message never contains its content."""


@dataclass(frozen=True, slots=True)
class FaceRecord:
    """EF 0002, FF20: what the face prints, the chip's public key (65 bytes, uncompressed point), and the signature.

    `name` and `address` are pictures (PNG, one bit), `photo` is JPEG 2000, grey.  Face A has no birth, sex ("1" male,
    "2" female), address and photo; face B has all of them.
    """

    public_key: bytes = field(repr=False)
    expires: str
    name: bytes = field(repr=False)
    birth: str | None = field(default=None, repr=False)
    sex: str | None = field(default=None, repr=False)
    address: bytes | None = field(default=None, repr=False)
    photo: bytes | None = field(default=None, repr=False)
    signature: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        only_b = (self.birth, self.sex, self.address, self.photo)
        if None in only_b and any(part is not None for part in only_b):
            raise FaceRecordError("a face has birth date, sex, address and photo, or none of them")
        check_date(self.expires)
        if self.birth is not None:
            check_date(self.birth)
        if self.sex not in (None, MALE, FEMALE):
            raise FaceRecordError("the sex is 1 or 2")
        if not self.name or b"" in (self.address, self.photo):
            raise FaceRecordError("a picture is empty")

    @property
    def version(self) -> str:
        """A or B."""
        return "A" if self.birth is None else "B"

    @property
    def message(self) -> bytes:
        """What is signed (ECDSA, SHA-256): three hashes of 32 bytes, so that the signature can be checked by who has
        the hashes of the pictures only.
        """
        parts = self._parts()
        groups = (b"".join(parts[tag] for tag in tags if tag in parts) for tags in _HASHED)
        return b"".join(sha256(group).digest() for group in groups)

    def encode(self) -> bytes:
        """Return the file's content.  FaceRecordError where it is longer than the card takes."""
        parts = self._parts()
        table = _offsets({tag: len(part) for tag, part in parts.items()})
        return Tlv.build(
            layout.TAG_FACE_RECORD, Tlv(_OFFSETS, table), *(parts[t] for t in _PARTS if t in parts)
        ).encode()

    def _parts(self) -> dict[int, bytes]:
        """Return the parts that there are, encoded."""
        values = {
            _BIRTH: None if self.birth is None else self.birth.encode(),
            _SEX: None if self.sex is None else self.sex.encode(),
            _KEY: encode_key(self.public_key),
            _NAME: self.name,
            _ADDRESS: self.address,
            _PHOTO: self.photo,
            _SIGNATURE: self.signature,
            _EXPIRES: self.expires.encode(),
        }
        return {tag: Tlv(tag, value).encode() for tag, value in values.items() if value is not None}

    @classmethod
    def parse(cls, content: bytes) -> FaceRecord:
        """Read the file's content, or raise FaceRecordError: every part in its order, each where the table says."""
        found = _children(content, layout.TAG_FACE_RECORD)
        tags = [part.tag for part in found]
        wanted = [_OFFSETS, *(tag for tag in _PARTS if tag not in _ONLY_B or _BIRTH in tags)]
        if tags != wanted:
            raise FaceRecordError("the face's parts are not those of face A, nor of face B")
        values = {part.tag: part.value for part in found}
        if values.pop(_OFFSETS) != _offsets({part.tag: len(part.encode()) for part in found[1:]}):
            raise FaceRecordError("the table of offsets is not that of the parts")
        texts = {tag: _ascii(values[tag]) for tag in (_BIRTH, _SEX, _EXPIRES) if tag in values}
        return cls(
            decode_key(values[_KEY]),
            texts[_EXPIRES],
            values[_NAME],
            texts.get(_BIRTH),
            texts.get(_SEX),
            values.get(_ADDRESS),
            values.get(_PHOTO),
            _signature(values[_SIGNATURE]),
        )


@dataclass(frozen=True, slots=True)
class BirthRecord:
    """EF 0001, FF10: the birth date and the chip's public key, signed; on face B only."""

    birth: str = field(repr=False)
    public_key: bytes = field(repr=False)
    signature: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        check_date(self.birth)

    @property
    def message(self) -> bytes:
        """What is signed: the first two parts as they are encoded, whose length no face record's message has."""
        return Tlv(0xDF11, self.birth.encode()).encode() + Tlv(0xDF12, encode_key(self.public_key)).encode()

    def encode(self) -> bytes:
        """Return the file's content."""
        return Tlv.build(layout.TAG_BIRTH_RECORD, self.message, Tlv(0xDF13, self.signature)).encode()

    @classmethod
    def parse(cls, content: bytes) -> BirthRecord:
        """Read the file's content, or raise FaceRecordError."""
        birth, key, signature = _exactly(content, layout.TAG_BIRTH_RECORD, (0xDF11, 0xDF12, 0xDF13))
        return cls(_ascii(birth), decode_key(key), _signature(signature))


@dataclass(frozen=True, slots=True)
class BasicRecord:
    """EF 0003, FF30: the face's version (A or B), the identifier of the key that signs faces (16 bytes), and the
    municipality that issued the card (5 digits).  Anybody may read it.
    """

    face: str
    key_id: bytes
    city_code: str

    def __post_init__(self) -> None:
        if self.face not in ("A", "B") or len(self.key_id) != KEY_ID_SIZE:
            raise FaceRecordError("the face version is A or B, and a key identifier has 16 bytes")
        if len(self.city_code) != 5 or not (self.city_code.isascii() and self.city_code.isdigit()):
            raise FaceRecordError("a municipality code has 5 digits")

    @property
    def number(self) -> int:
        """The file of the reference number that opens the face record."""
        return layout.NUMBER_A if self.face == "A" else layout.NUMBER_B

    @property
    def numbers(self) -> tuple[int, ...]:
        """The files of all reference numbers that a card of this version has."""
        return (self.number,) if self.face == "A" else (layout.BIRTH_NUMBER, self.number)

    def encode(self) -> bytes:
        """Return the file's content."""
        values = (LAYOUT + self.face.encode() + VERSION, self.key_id, VERSION, self.city_code.encode())
        parts = (Tlv(tag, value) for tag, value in enumerate(values, 0xDF31))
        return Tlv.build(layout.TAG_BASIC_RECORD, *parts).encode()

    @classmethod
    def parse(cls, content: bytes) -> BasicRecord:
        """Read the file's content, or raise FaceRecordError."""
        how, key_id, version, city = _exactly(content, layout.TAG_BASIC_RECORD, tuple(range(0xDF31, 0xDF35)))
        if how[:2] != LAYOUT or how[3:] != VERSION or version != VERSION:
            raise FaceRecordError("a layout that this version does not know")
        return cls(_ascii(how[2:3]), key_id, _ascii(city))


def check_date(text: str) -> None:
    """Refuse (FaceRecordError) what has not the form of a date: eight digits."""
    if len(text) != 8 or not (text.isascii() and text.isdigit()):
        raise FaceRecordError("a date has eight digits")


def encode_key(point: bytes) -> bytes:
    """Return a public key as the records have it; FaceRecordError for what is no uncompressed point of 65 bytes."""
    if len(point) != POINT_SIZE or point[0] != 0x04:
        raise FaceRecordError("a public key is an uncompressed point of 65 bytes")
    return Tlv(_TAG_POINT, point).encode()


def decode_key(encoded: bytes) -> bytes:
    """Return the point in a public key's object, or raise FaceRecordError."""
    try:
        found = parse_one(encoded)
    except TlvError as error:
        raise FaceRecordError(f"the public key: {error}") from None
    if found.tag != _TAG_POINT:
        raise FaceRecordError("the public key is of another kind")
    encode_key(found.value)
    return found.value


def _offsets(sizes: dict[int, int]) -> bytes:
    """Return the table: for each part its offset from the file's start, two bytes; 0000 for one that is not there.

    FaceRecordError where they are longer than the card takes.
    """
    table_size = len(encode_tag(_OFFSETS)) + 1 + 2 * len(_PARTS)
    length = table_size + sum(sizes.values())
    if length > layout.LONGEST_BLOCK:
        raise FaceRecordError(f"the face has more than {layout.LONGEST_BLOCK} bytes")
    position = len(encode_tag(layout.TAG_FACE_RECORD)) + len(encode_length(length)) + table_size
    table = b""
    for tag in _PARTS:
        table += (position if tag in sizes else 0).to_bytes(2)
        position += sizes.get(tag, 0)
    return table


def _children(content: bytes, tag: int) -> tuple[Tlv, ...]:
    try:
        found = parse_one(content)
        parts = found.children
    except TlvError as error:
        raise FaceRecordError(str(error)) from None
    if found.tag != tag:
        raise FaceRecordError(f"the record is no {tag:X}")
    return parts


def _exactly(content: bytes, tag: int, tags: Sequence[int]) -> tuple[bytes, ...]:
    """Return the values of a record's parts, which are these and no others."""
    parts = _children(content, tag)
    if tuple(part.tag for part in parts) != tuple(tags):
        raise FaceRecordError(f"the parts of {tag:X} are others than they should be")
    return tuple(part.value for part in parts)


def _signature(value: bytes) -> bytes:
    if len(value) not in (0, SIGNATURE_SIZE):
        raise FaceRecordError("a signature has 64 bytes")
    return value


def _ascii(value: bytes) -> str:
    if not value.isascii():
        raise FaceRecordError("a text is not ASCII")
    return value.decode("ascii")
