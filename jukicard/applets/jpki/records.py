"""The contents of the JPKI application's EFs: one codec for both ends."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from jukicard.applets.jpki.layout import CREDENTIALS, PRESENCE_SIZE, PROFILES, TOKEN_SIZE, Profile, Usage

_PRESENT = 0x8F
_PRESENCE = (Usage.SIGNATURE, Usage.AUTHENTICATION)
_LABELS = {Profile.JUKI: "JPKIAPICCTOKEN", Profile.MYNUMBER: "JPKIAPICCTOKEN2"}
_MANUFACTURER, _MODEL = "jukicard TEST", "JUKICARD"
_SERIAL = re.compile(r"[0-9]{16}")
_TEXT = re.compile(r"[ -~]*")
_FLAGS = 0x0000040D
"""CKF_RNG, CKF_LOGIN_REQUIRED, CKF_USER_PIN_INITIALIZED, CKF_TOKEN_INITIALIZED."""
_UNAVAILABLE = 0xFFFFFFFF
_VERSIONS = b"0301"
_WIDTHS = (32, 32, 16, 16)


class RecordError(ValueError):
    """Bytes are not what the EF should hold."""


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """EF 0006, 160 bytes: PKCS #11's CK_TOKEN_INFO, its numbers as 32 bits big-endian, its texts filled up with blanks.

    `serial`: 16 digits.  ValueError for a text that is too long or not printable ASCII.
    """

    label: str
    manufacturer: str
    model: str
    serial: str

    def __post_init__(self) -> None:
        for text, width in zip(self._texts, _WIDTHS, strict=True):
            if len(text) > width or not _TEXT.fullmatch(text):
                raise ValueError(f"a text of EF 0006 is printable ASCII of {width} characters at most")

    @property
    def _texts(self) -> tuple[str, str, str, str]:
        return self.label, self.manufacturer, self.model, self.serial

    @classmethod
    def of(cls, profile: Profile, card_serial: str) -> TokenInfo:
        """Return what a card of ours says with its serial (15 digits), before which a 0 stands here."""
        serial = f"0{card_serial}"
        if not _SERIAL.fullmatch(serial):
            raise ValueError("a card's serial has 15 digits")
        return cls(_LABELS[profile], _MANUFACTURER, _MODEL, serial)

    @property
    def profile(self) -> Profile | None:
        """Which card's profile the label names, None where it is another one."""
        return next((profile for profile, label in _LABELS.items() if label == self.label), None)

    def encode(self) -> bytes:
        """Return the content of the EF."""
        password = CREDENTIALS[Usage.SIGNATURE]
        numbers = (_FLAGS, 1, 0, 1, 0, password.maximum, password.minimum, *(_UNAVAILABLE,) * 4)
        texts = b"".join(text.encode().ljust(width) for text, width in zip(self._texts, _WIDTHS, strict=True))
        return texts + b"".join(number.to_bytes(4) for number in numbers) + _VERSIONS + b"9" * 16

    @classmethod
    def parse(cls, content: bytes) -> TokenInfo:
        """Read it.  RecordError where it has another length or texts that are not printable ASCII."""
        if len(content) != TOKEN_SIZE:
            raise RecordError(f"EF 0006 has {TOKEN_SIZE} bytes, not {len(content)}")
        texts, position = [], 0
        for width in _WIDTHS:
            texts.append(content[position : position + width].rstrip(b" \0").decode("latin-1"))
            position += width
        try:
            return cls(*texts)
        except ValueError as error:
            raise RecordError(str(error)) from None


def encode_presence(usages: Iterable[Usage]) -> bytes:
    """Return the content of EF 0008 (3 bytes): which certificates the card has, signature and authentication."""
    there = frozenset(usages)
    return bytes(_PRESENT if usage in there else 0x00 for usage in _PRESENCE).ljust(PRESENCE_SIZE, b"\0")


def parse_presence(content: bytes) -> frozenset[Usage]:
    """Read it: a byte other than 00 says that there is one.  RecordError where it has another length."""
    if len(content) != PRESENCE_SIZE:
        raise RecordError(f"EF 0008 has {PRESENCE_SIZE} bytes, not {len(content)}")
    return frozenset(usage for usage, byte in zip(_PRESENCE, content, strict=False) if byte)


def profile_in(parameters: bytes) -> Profile:
    """Read the installation parameter.  RecordError for another one."""
    if len(parameters) != 1 or parameters[0] not in PROFILES:
        raise RecordError(
            "the JPKI application is installed with one byte: 01 like a Juki card, 02 like a My Number card"
        )
    return Profile(parameters[0])
