"""The class byte (ISO/IEC 7816-4; GlobalPlatform Card Specification 2.3.1, 11.1.4).

| bits      | meaning                                        | channel     | secure messaging | chaining |
|-----------|------------------------------------------------|-------------|------------------|----------|
| 000x xxxx | first interindustry                            | b2b1: 0-3   | b4b3             | b5       |
| 01xx xxxx | further interindustry                          | b4-b1: 4-19 | b6               | b5       |
| 100x xxxx | proprietary, as GlobalPlatform uses it         | b2b1: 0-3   | b4b3             | b5       |
| 11xx xxxx | the same for further channels                  | b4-b1: 4-19 | b6               | b5       |
| 001x xxxx, 101x xxxx | reserved, or of unknown structure   | -           | -                | -        |
| FF        | invalid                                        | -           | -                | -        |
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

CHAINING = 0x10


class SecureMessaging(Enum):
    """What a class byte says of secure messaging.

    With one bit only (channels 4 to 19), an interindustry class tells ISO_NO_HEADER, a proprietary one
    PROPRIETARY, which is GlobalPlatform's own format.
    """

    NONE = 0
    PROPRIETARY = 1
    ISO_NO_HEADER = 2
    ISO_HEADER = 3


@dataclass(frozen=True, slots=True)
class ClassByte:
    """A class byte, read. Exactly one of `interindustry`, `proprietary`, `reserved` and `invalid` is true.

    `value`: the byte, 0..255. `channel`: logical channel, 0..19. `plain`: the byte with channel, chaining and
    secure messaging cleared, 0x00 or 0x80. In reserved and invalid bytes those bits mean nothing: channel 0,
    no chaining, NONE, and `plain` is the byte itself.
    """

    value: int
    interindustry: bool
    proprietary: bool
    reserved: bool
    invalid: bool
    channel: int
    chaining: bool
    secure_messaging: SecureMessaging
    plain: int

    @classmethod
    def parse(cls, cla: int) -> ClassByte:
        """The one ClassByte of this value; ValueError outside 0..255."""
        if not 0 <= cla <= 0xFF:
            raise ValueError(f"a class byte is 0 to 255, not {cla}")
        return CLASS_BYTES[cla]

    @staticmethod
    def build(
        *,
        proprietary: bool = False,
        channel: int = 0,
        chaining: bool = False,
        secure_messaging: SecureMessaging = SecureMessaging.NONE,
    ) -> int:
        """The byte that `parse` reads back so. ValueError where there is none.

        There is none for channels outside 0..19, for a secure messaging that one bit cannot tell (channels
        4..19), and
        for the proprietary, chained, secured channel 19, which would be FF.
        """
        cla = 0x80 if proprietary else 0x00
        if 0 <= channel <= 3:
            cla |= secure_messaging.value << 2 | channel
        elif 4 <= channel <= 19:
            cla |= 0x40 | (channel - 4)
            if secure_messaging is not SecureMessaging.NONE:
                if secure_messaging is not _one_bit_messaging(proprietary):
                    raise ValueError(f"channel {channel} cannot tell {secure_messaging.name}")
                cla |= 0x20
        else:
            raise ValueError(f"logical channels are 0 to 19, not {channel}")
        if chaining:
            cla |= CHAINING
        if cla == 0xFF:
            raise ValueError("this class byte would be FF, which is invalid")
        return cla


def _one_bit_messaging(proprietary: bool) -> SecureMessaging:
    return SecureMessaging.PROPRIETARY if proprietary else SecureMessaging.ISO_NO_HEADER


def _decode(cla: int) -> ClassByte:
    proprietary = cla >= 0x80
    if cla == 0xFF or cla & 0x60 == 0x20:
        reserved = cla != 0xFF
        return ClassByte(cla, False, False, reserved, not reserved, 0, False, SecureMessaging.NONE, cla)
    if cla & 0x40:
        channel = 4 + (cla & 0x0F)
        messaging = _one_bit_messaging(proprietary) if cla & 0x20 else SecureMessaging.NONE
    else:
        channel = cla & 0x03
        messaging = SecureMessaging(cla >> 2 & 0x03)
    return ClassByte(
        value=cla,
        interindustry=not proprietary,
        proprietary=proprietary,
        reserved=False,
        invalid=False,
        channel=channel,
        chaining=bool(cla & CHAINING),
        secure_messaging=messaging,
        plain=cla & 0x80,
    )


CLASS_BYTES = tuple(_decode(cla) for cla in range(256))
"""Every class byte, read: what `ClassByte.parse` looks up."""
