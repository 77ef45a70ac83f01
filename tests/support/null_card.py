"""A chip that does next to nothing: the floor for measurements and the opposite of a surprise in tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from jukicard.card.ports import Interface

ATR = bytes.fromhex("3BE000FF8131FE4514")
CONTACTLESS_ATR = bytes.fromhex("3B8880010000 14E0B3819100 5E")
ISD = bytes.fromhex("A000000151000000")

SELECT_ISD = bytes.fromhex("00A4040008") + ISD
GET_CHALLENGE = bytes.fromhex("0084000008")
COUNT = bytes.fromhex("80EC000001")
"""Answers how many commands it has had since power-on or reset (one byte, this one included)."""


@dataclass
class NullCard:
    """Knows SELECT of the ISD (else 6A82), GET CHALLENGE, READ BINARY, 80 EC (count), 80 EE (echo).

    `hooks` maps an instruction byte to a function that may answer in the card's place: to pull the card in
    mid-command, to answer nonsense. `events` keeps what happened to the power.
    """

    hooks: dict[int, Callable[[bytes], bytes | None]] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    commands: int = 0
    powered: bool = False

    def power_on(self, interface: Interface) -> bytes:
        self.events.append(f"on {interface.value}")
        self.powered = True
        self.commands = 0
        self._atr = ATR if interface is Interface.CONTACT else CONTACTLESS_ATR
        return self._atr

    def reset(self) -> bytes:
        assert self.powered, "reset without power"
        self.events.append("reset")
        self.commands = 0
        return self._atr

    def power_off(self) -> None:
        self.events.append("off")
        self.powered = False

    def transmit(self, command: bytes) -> bytes:
        assert self.powered, "command without power"
        self.commands += 1
        if len(command) < 4:
            return b"\x67\x00"
        hook = self.hooks.get(command[1])
        answer = hook(command) if hook is not None else None
        return self._answer(command) if answer is None else answer

    def _answer(self, command: bytes) -> bytes:
        ins = command[1]
        if ins == 0xA4:
            return b"\x90\x00" if command[5:13] == ISD else b"\x6a\x82"
        if ins in (0x84, 0xB0):
            return bytes(_expected(command)) + b"\x90\x00"
        if ins == 0xEC:
            return bytes([self.commands & 0xFF]) + b"\x90\x00"
        if ins == 0xEE:
            return command[7:] + b"\x90\x00" if command[4:5] == b"\x00" else command[5:] + b"\x90\x00"
        return b"\x6d\x00"


def _expected(command: bytes) -> int:
    """Ne of a case-2 command."""
    if len(command) == 5:
        return command[4] or 256
    if len(command) == 7:
        return int.from_bytes(command[5:7], "big") or 65_536
    return 0
