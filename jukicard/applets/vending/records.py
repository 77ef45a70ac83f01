"""The contents of the vending service's files and what its card signs: one codec for both ends."""

from __future__ import annotations

from dataclasses import dataclass

_CONTEXT = b"jukicard vending statement 1\0"
CHALLENGE_SIZE = 16
NAMES = {0x01: "resident-record", 0x02: "seal-registration", 0x03: "tax"}
"""Usual certificates (住民票の写し, 印鑑登録証明書, 課税証明書); a type may have any other number."""


class VendingError(ValueError):
    """A record or a request is not what the profile says."""


@dataclass(frozen=True, slots=True)
class CertificateType:
    """One record of EF.TYPES, 4 bytes: the number of the type (1-255), whether it may be issued (01) or is blocked
    (00), and how many are left to be issued (0-65535).
    """

    number: int
    left: int
    usable: bool = True

    SIZE = 4

    def __post_init__(self) -> None:
        if not (1 <= self.number <= 0xFF and 0 <= self.left <= 0xFFFF):
            raise VendingError("a type has a number of 1 to 255 and 0 to 65535 left")

    @property
    def name(self) -> str:
        """What it is called, or its number in hexadecimal."""
        return NAMES.get(self.number, f"{self.number:02x}")

    def encode(self) -> bytes:
        """Return the record."""
        return bytes((self.number, self.usable)) + self.left.to_bytes(2)

    @classmethod
    def parse(cls, record: bytes) -> CertificateType:
        """Read a record, or raise `VendingError`."""
        if len(record) != cls.SIZE or record[1] > 1:
            raise VendingError("a type has 4 bytes, the second 00 or 01")
        return cls(record[0], int.from_bytes(record[2:]), bool(record[1]))

    @classmethod
    def parse_all(cls, records: bytes) -> list[CertificateType]:
        """Read records in a row, or raise `VendingError`."""
        return [cls.parse(records[start : start + cls.SIZE]) for start in range(0, len(records), cls.SIZE)]


@dataclass(frozen=True, slots=True)
class Request:
    """What a kiosk asks for, 29 bytes: a type, the day (YYYYMMDD), its own number (8 characters of ASCII), and a
    challenge of its server (16 bytes).
    """

    type: int
    day: str
    kiosk: str
    challenge: bytes

    SIZE = 1 + 4 + 8 + CHALLENGE_SIZE

    def __post_init__(self) -> None:
        if not 1 <= self.type <= 0xFF or len(self.challenge) != CHALLENGE_SIZE:
            raise VendingError("a request has a type of 1 to 255 and a challenge of 16 bytes")
        if len(self.day) != 8 or not (self.day.isascii() and self.day.isdigit()):
            raise VendingError("a day is written YYYYMMDD")
        if len(self.kiosk) != 8 or not (self.kiosk.isascii() and self.kiosk.isalnum()):
            raise VendingError("a kiosk's number has 8 letters and digits")

    def encode(self) -> bytes:
        """Return the data of the command."""
        return bytes((self.type,)) + bytes.fromhex(self.day) + self.kiosk.encode() + self.challenge

    @classmethod
    def parse(cls, data: bytes) -> Request:
        """Read the data of the command, or raise `VendingError`."""
        if len(data) != cls.SIZE:
            raise VendingError(f"a request has {cls.SIZE} bytes")
        return cls(data[0], data[1:5].hex(), data[5:13].decode("ascii", "replace"), data[13:])


@dataclass(frozen=True, slots=True)
class Issue:
    """One record of EF.AUDIT, 33 bytes: the number of the issue on this card (from 1), and the request."""

    number: int
    request: Request

    SIZE = 4 + Request.SIZE

    def encode(self) -> bytes:
        """Return the record."""
        return self.number.to_bytes(4) + self.request.encode()

    @classmethod
    def parse(cls, record: bytes) -> Issue:
        """Read a record, or raise `VendingError`."""
        if len(record) != cls.SIZE:
            raise VendingError(f"a record of an issue has {cls.SIZE} bytes")
        return cls(int.from_bytes(record[:4]), Request.parse(record[4:]))

    def message(self, application: bytes) -> bytes:
        """Return what the card signs for it; `application` is the AID of the service's instance."""
        return _CONTEXT + bytes((len(application),)) + application + self.encode()
