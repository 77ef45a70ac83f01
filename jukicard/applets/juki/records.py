"""The contents of the Juki application's files, and what its authentication key signs: one codec for both ends."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

PROFILE_VERSION = "01"
_SIGNED_PREFIX = b"jukicard INTERNAL AUTHENTICATE 1\x00"


class CardState(IntEnum):
    """First byte of EF.STATUS: the card's life as the municipality sees it."""

    PERSONALISATION = 0
    DELIVERED_LOCKED = 1
    ACTIVE = 2
    SUSPENDED = 3
    VOID = 4

    @property
    def label(self) -> str:
        """The state in words: `active`, `delivered locked`, …"""
        return self.name.lower().replace("_", " ")


class RecordError(ValueError):
    """A file's content is not what the profile says.  The message never contains it."""


@dataclass(frozen=True, slots=True)
class CardData:
    """EF.CARD, 31 ASCII bytes: serial (15 digits), city code (5), expiry (YYYYMMDD), face (A or B), profile version
    (2).
    """

    serial: str
    city_code: str
    expires: str
    face: str
    version: str = PROFILE_VERSION

    SIZE = 31

    def __post_init__(self) -> None:
        digits = (self.serial, 15), (self.city_code, 5), (self.expires, 8), (self.version, 2)
        if any(len(text) != size or not (text.isascii() and text.isdigit()) for text, size in digits):
            raise RecordError("serial, city code, expiry and version are 15, 5, 8 and 2 digits")
        if self.face not in ("A", "B"):
            raise RecordError("the face version is A or B")

    def encode(self) -> bytes:
        """Return the file's content."""
        return f"{self.serial}{self.city_code}{self.expires}{self.face}{self.version}".encode()

    @classmethod
    def parse(cls, content: bytes) -> CardData:
        """Read the file's content, or raise `RecordError`."""
        if len(content) != cls.SIZE or not content.isascii():
            raise RecordError("EF.CARD has 31 ASCII bytes")
        text = content.decode("ascii")
        return cls(text[:15], text[15:20], text[20:28], text[28], text[29:])


def expiry_in(content: bytes) -> int | None:
    """Return the expiry (YYYYMMDD) in the content of EF.CARD, None before it is written."""
    digits = content[20:28]
    return int(digits) if len(content) == CardData.SIZE and digits.isdigit() else None


def city_in(status: bytes, card: bytes) -> str | None:
    """Return the code of the municipality that the contents of EF.STATUS and EF.CARD name, None before they do."""
    for digits in (status[1:], card[15:20] if len(card) == CardData.SIZE else b""):
        if len(digits) == 5 and digits.isdigit():
            return digits.decode("ascii")
    return None


@dataclass(frozen=True, slots=True)
class CardStatus:
    """EF.STATUS, 6 bytes: the state, and the code of the municipality that took the card over (5 digits), or five zero
    bytes.
    """

    state: CardState
    moved_to: str | None = None

    SIZE = 6

    def __post_init__(self) -> None:
        if self.moved_to is not None and not is_city_code(self.moved_to):
            raise RecordError("a city code has 5 digits")

    def encode(self) -> bytes:
        """Return the file's content."""
        return bytes((self.state,)) + (self.moved_to.encode() if self.moved_to else bytes(5))

    @classmethod
    def parse(cls, content: bytes) -> CardStatus:
        """Read the file's content, or raise `RecordError`."""
        if len(content) != cls.SIZE:
            raise RecordError("EF.STATUS has 6 bytes")
        try:
            moved = content[1:].decode("ascii") if any(content[1:]) else None
            return cls(CardState(content[0]), moved)
        except ValueError:
            raise RecordError("EF.STATUS holds an unknown state or city") from None


def is_city_code(text: str) -> bool:
    """Return whether a text is a municipality code of 5 digits."""
    return len(text) == 5 and text.isascii() and text.isdigit()


def is_resident_code(content: bytes) -> bool:
    """Return whether bytes have the form of a resident code: 11 ASCII digits.

    The check digit is the issuer's business.
    """
    return len(content) == 11 and content.isascii() and content.isdigit()


def authentication_message(challenge: bytes) -> bytes:
    """Return what the authentication key signs (ECDSA, SHA-256) for a challenge: it can be taken for nothing else."""
    return _SIGNED_PREFIX + challenge
