"""The records of the shared application, which are SIMPLE-TLV objects: one codec for both ends."""

from __future__ import annotations

from dataclasses import dataclass

_TAG = 0x01
_KEY_REFERENCE_SIZE = 16


class SharedRecordError(ValueError):
    """A record is not what the profile says."""


@dataclass(frozen=True, slots=True)
class CardInformation:
    """EF 0001, record 1, `01 1C` and 28 digits: serial (15), municipality (5), expiry (YYYYMMDD)."""

    serial: str
    city_code: str
    expires: str

    SIZE = 30

    def __post_init__(self) -> None:
        for text, size in ((self.serial, 15), (self.city_code, 5), (self.expires, 8)):
            if len(text) != size or not (text.isascii() and text.isdigit()):
                raise SharedRecordError("serial, municipality and expiry have 15, 5 and 8 digits")

    @property
    def key_reference(self) -> bytes:
        """The municipality's key reference, 16 bytes: its code in ASCII, filled up with zeros."""
        return self.city_code.encode().ljust(_KEY_REFERENCE_SIZE, b"\0")

    def encode(self) -> bytes:
        """Return the record."""
        return _simple_tlv(f"{self.serial}{self.city_code}{self.expires}".encode())

    def encode_key_reference(self) -> bytes:
        """Return record 1 of EF 0002."""
        return _simple_tlv(self.key_reference)

    @classmethod
    def parse(cls, record: bytes) -> CardInformation:
        """Read the record, or raise SharedRecordError."""
        text = record[2:].decode("ascii", "replace")
        if len(record) != cls.SIZE or record[:2] != bytes((_TAG, cls.SIZE - 2)):
            raise SharedRecordError("the card information is 01 1C and 28 digits")
        return cls(text[:15], text[15:20], text[20:])


def _simple_tlv(value: bytes) -> bytes:
    return bytes((_TAG, len(value))) + value
