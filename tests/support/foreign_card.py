"""A card that is not ours: a GlobalPlatform card with a public ATR, a PIN that anybody can block, and a diary."""

from __future__ import annotations

from jukicard.card.ports import Interface

ATR = bytes.fromhex("3BF81300008131FE454A434F5076323431B7")
"""An NXP JCOP 2.4.1 card's, as pcsc-tools lists it (`smartcard_list.txt`)."""

ISSUER_DOMAIN = bytes.fromhex("A000000151000000")
FCI = bytes.fromhex("6F108408A000000151000000A5049F6501FF")
OBJECTS = {
    (0x00, 0x42): bytes.fromhex("4208 1122334455667788"),
    (0x00, 0x45): bytes.fromhex("4508 8877665544332211"),
    (0x00, 0xE0): bytes.fromhex("E012 C00401FF8010 C00402FF8010 C00403FF8010"),
    (0x00, 0x66): bytes.fromhex("660C 730A 06072A864886FC6B01 6000"),
}
HARMLESS = {0x84, 0xA4, 0xB0, 0xB2, 0xC0, 0xCA, 0xCB}
"""GET CHALLENGE, SELECT, READ BINARY, READ RECORD, GET RESPONSE, GET DATA: what looks without touching."""


class ForeignCard:
    """Implements `Chip`. Every VERIFY costs a try, an empty one too, as on cards that do so.

    `commands` holds every command received, `harmful` those that could change something; `tries` starts with 3.
    """

    def __init__(self) -> None:
        self.commands: list[bytes] = []
        self.tries = 3

    @property
    def harmful(self) -> list[bytes]:
        return [command for command in self.commands if len(command) < 4 or command[1] not in HARMLESS]

    def power_on(self, interface: Interface) -> bytes:
        return ATR

    def reset(self) -> bytes:
        return ATR

    def power_off(self) -> None:
        """Nothing volatile is kept."""

    def transmit(self, command: bytes) -> bytes:
        self.commands.append(bytes(command))
        if len(command) < 4:
            return b"\x67\x00"
        ins, p1, p2 = command[1:4]
        if ins == 0xA4:
            return self._select(command)
        if ins == 0xCA:
            content = OBJECTS.get((p1, p2))
            return b"\x6a\x88" if content is None else content + b"\x90\x00"
        if ins == 0x20:
            self.tries = max(0, self.tries - 1)
            return bytes([0x63, 0xC0 | self.tries])
        return b"\x6d\x00"

    def _select(self, command: bytes) -> bytes:
        name = command[5 : 5 + command[4]] if len(command) > 5 else b""
        if command[2] == 0x04 and ISSUER_DOMAIN.startswith(name):
            return FCI + b"\x90\x00"
        return b"\x6a\x82"
