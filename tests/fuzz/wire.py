"""Command APDUs as the reference model reads them, importing nothing of the card's code."""

from __future__ import annotations

from typing import NamedTuple, NoReturn


class Refused(Exception):  # noqa: N818 - it is the model's way to say so, no error
    """The command is refused with this status word."""

    def __init__(self, sw: int) -> None:
        super().__init__(f"{sw:04X}")
        self.sw = sw


class Command(NamedTuple):
    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes
    ne: int | None
    extended: bool


def covered(cmd: Command) -> tuple[object, ...]:
    """What a command's MAC covers: header without channel and chaining, the form of Lc, the data with the MAC."""
    return cmd.cla & 0x80, cmd.ins, cmd.p1, cmd.p2, cmd.extended or len(cmd.data) > 255, cmd.data


def refuse(sw: int) -> NoReturn:
    raise Refused(sw)


def parse(raw: bytes) -> Command:
    """The seven cases of ISO/IEC 7816-3, 12.1.3; 6700 for anything else."""
    size = len(raw)
    if size < 4:
        refuse(0x6700)
    cla, ins, p1, p2 = raw[:4]
    if size == 4:
        return Command(cla, ins, p1, p2, b"", None, False)
    first = raw[4]
    if size == 5:
        return Command(cla, ins, p1, p2, b"", first or 256, False)
    if first:
        if size - 5 == first:
            return Command(cla, ins, p1, p2, raw[5:], None, False)
        if size - 6 == first:
            return Command(cla, ins, p1, p2, raw[5:-1], raw[-1] or 256, False)
        refuse(0x6700)
    if size < 7:
        refuse(0x6700)
    length = int.from_bytes(raw[5:7])
    if size == 7:
        return Command(cla, ins, p1, p2, b"", length or 65536, True)
    if length and size == 7 + length:
        return Command(cla, ins, p1, p2, raw[7:], None, True)
    if length and size == 9 + length:
        return Command(cla, ins, p1, p2, raw[7:-2], int.from_bytes(raw[-2:]) or 65536, True)
    refuse(0x6700)
