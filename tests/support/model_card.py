"""A small APDU-level card for tests of connections: it honours Le, chains both ways, and keeps count."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.connection import ApduLimits
from jukicard.iso7816.status import StatusWord


class ModelCard:
    """A connection straight to such a card.

    `84` GET CHALLENGE: Ne bytes, each time others. `B0` READ BINARY of `content`. `CB` gives the reversed command
    data, whole, by 61xx and GET RESPONSE if need be. `DB` stores data. `20` VERIFY: 63C3 without data, and strict
    about Le. `executed` counts commands per instruction, a chain as one.
    """

    def __init__(self) -> None:
        self.atr = bytes.fromhex("3BE000FF8131FE4514")
        self.limits = ApduLimits.EXTENDED
        self.content = bytes(i * 11 & 0xFF for i in range(700))
        self.stored = b""
        self.executed: dict[int, int] = {}
        self._chain = b""
        self._rest = b""

    def transmit(self, command: bytes) -> bytes:
        cmd = CommandAPDU.parse(command)
        if cmd.ins == 0xC0:
            return self._give(self._rest, cmd.ne or 256).encode()
        self._rest = b""
        if cmd.cla & 0x10:
            self._chain += cmd.data
            return b"\x90\x00"
        cmd, self._chain = cmd._replace(data=self._chain + cmd.data), b""
        self.executed[cmd.ins] = self.executed.get(cmd.ins, 0) + 1
        return self._answer(cmd).encode()

    def _answer(self, cmd: CommandAPDU) -> ResponseAPDU:
        ne = cmd.ne or 256
        match cmd.ins:
            case 0x20 if cmd.ne is not None:
                self.executed[0x20] -= 1
                return ResponseAPDU(sw=StatusWord.WRONG_LENGTH)
            case 0x20:
                return ResponseAPDU(sw=StatusWord.OK if cmd.data else StatusWord.with_tries(3))
            case 0x84:
                return ResponseAPDU(bytes((self.executed[0x84],)) * ne)
            case 0xB0:
                found = self.content[cmd.p1 << 8 | cmd.p2 :][:ne]
                return ResponseAPDU(found, StatusWord.OK if len(found) == ne else StatusWord.END_OF_FILE)
            case 0xCB:
                return self._give(cmd.data[::-1], ne)
            case 0xDB:
                self.stored = cmd.data
                return ResponseAPDU()
        return ResponseAPDU(sw=StatusWord.INS_NOT_SUPPORTED)

    def _give(self, data: bytes, ne: int) -> ResponseAPDU:
        self._rest = data[ne:]
        sw = StatusWord.with_available(len(self._rest)) if self._rest else StatusWord.OK
        return ResponseAPDU(data[:ne], sw)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        yield

    def reset(self) -> None:
        self._chain = self._rest = b""

    def close(self) -> None:
        pass
