"""The commands on transparent files (ISO/IEC 7816-4, data unit handling), for any applet that has files.

With an even instruction P1-P2 hold an offset, or a short identifier and an offset of one byte, and the data field is
plain; with an odd one P1-P2 name the file, and offsets and data are data objects.
"""

from __future__ import annotations

from typing import ClassVar

from jukicard.card.commands import ANY, INTERINDUSTRY, NO_DATA, Length, On, command, data, where
from jukicard.card.context import Context
from jukicard.card.errors import CardError
from jukicard.card.files import selection
from jukicard.card.files.records import RecordCommands
from jukicard.card.files.structures import File, FileKind
from jukicard.iso7816.access import AccessMode
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv, TlvError, encode_length, parse_tlvs

_BINARY_P1 = where(lambda p1: p1 < 0x80 or 0x81 <= p1 <= 0x9E, "00-7F offset, 81-9E SFI")
_SPEC = "ISO/IEC 7816-4, data unit handling"
_OFFSET, _DATA = 0x54, 0x53
_TRANSPARENT = FileKind.TRANSPARENT  # looked up once: in an enumeration that takes ten times as long


def _binary(cmd: CommandAPDU, ctx: Context) -> File:
    return _transparent(selection.by_sfi(ctx, cmd.p1 & 0x1F if cmd.p1 & 0x80 else 0))


def _named(cmd: CommandAPDU, ctx: Context) -> File:
    """Return the file of an odd instruction: P1-P2 are 0000 (the current EF), a short identifier, or a FID."""
    name = cmd.p1 << 8 | cmd.p2
    return _transparent(selection.by_sfi(ctx, name) if name <= 30 else selection.by_fid(ctx, name))


def _transparent(file: File) -> File:
    if file.kind is not _TRANSPARENT:
        raise CardError(StatusWord.INCOMPATIBLE_FILE, "the file has no data units")
    return file


def _offset(cmd: CommandAPDU, file: File) -> int:
    return _inside(file, cmd.p2 if cmd.p1 & 0x80 else cmd.p1 << 8 | cmd.p2)


def _inside(file: File, offset: int) -> int:
    if offset > file.size:
        raise CardError(StatusWord.WRONG_P1P2, f"offset {offset} is beyond the file's {file.size} bytes")
    return offset


def _expected(cmd: CommandAPDU) -> tuple[int, bool]:
    """Return how many bytes are asked for, and whether that was an exact number rather than "all there are"."""
    if cmd.ne is None:
        return (65536 if cmd.extended else 256), False
    return cmd.ne, cmd.ne not in (256, 65536)


def _objects(cmd: CommandAPDU) -> tuple[Tlv, ...]:
    try:
        return parse_tlvs(cmd.data)
    except TlvError as error:
        raise CardError(StatusWord.INCORRECT_DATA, str(error)) from None


def _offset_of(tlv: Tlv, file: File) -> int:
    """Return the value of an offset data object: 1 to 3 bytes, and in the file."""
    if tlv.tag != _OFFSET or not 1 <= len(tlv.value) <= 3:
        raise CardError(StatusWord.INCORRECT_DATA, "an offset is data object 54 of 1 to 3 bytes")
    return _inside(file, int.from_bytes(tlv.value))


def _write(file: File, offset: int, content: bytes) -> None:
    """Overwrite bytes; all of them lie inside the file, or none is written (6A84)."""
    end = offset + len(content)
    if end > file.size:
        raise CardError(StatusWord.NOT_ENOUGH_MEMORY, f"the data end at {end}, the file at {file.size}")
    old = file.content
    file.write(old[:offset] + content + old[end:])


def _erase(file: File, start: int, end: int) -> ResponseAPDU:
    """Set the bytes from `start` to before `end` to their erased state, 00."""
    if end <= start:
        raise CardError(StatusWord.INCORRECT_DATA, "the end of what is erased lies before its start")
    _write(file, start, bytes(end - start))
    return ResponseAPDU()


class ReadBinary:
    """READ BINARY alone, for applications whose files only the card itself writes."""

    end_of_file: ClassVar[StatusWord] = StatusWord.END_OF_FILE
    """What is answered where the file ends before the number of bytes asked for."""

    @command(
        INTERINDUSTRY,
        ins=0xB0,
        p1=_BINARY_P1,
        p2=ANY,
        length=NO_DATA,
        access=On(_binary, AccessMode.READ, "the file, to read"),
        writes=False,
        spec=_SPEC,
    )
    def read_binary(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Read from a transparent file.  6282 (in some applications 9000) where it ends before the number of bytes
        asked for; 6B00 at its end already, where hosts that read until they are stopped must be stopped.
        """
        file = _target(ctx)
        offset = _offset(cmd, file)
        if offset == file.size:
            raise CardError(StatusWord.WRONG_P1P2, f"offset {offset} is the file's end")
        expected, exact = _expected(cmd)
        content = file.content[offset : offset + expected]
        if exact and len(content) < expected:
            return ResponseAPDU(content, self.end_of_file)
        return ResponseAPDU(content)


class UpdateBinary:
    """UPDATE BINARY."""

    @command(
        INTERINDUSTRY,
        ins=0xD6,
        p1=_BINARY_P1,
        p2=ANY,
        length=data(1),
        access=On(_binary, AccessMode.UPDATE, "the file, to update"),
        writes=True,
        spec=_SPEC,
    )
    def update_binary(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Overwrite bytes of a transparent file; all of them lie inside the file, or none is written (6A84)."""
        file = _target(ctx)
        _write(file, _offset(cmd, file), cmd.data)
        return ResponseAPDU()


class CompareBinary:
    """COMPARE BINARY, of whole files only."""

    @command(
        INTERINDUSTRY,
        ins=0x33,
        p1=_BINARY_P1,
        p2=ANY,
        length=data(1),
        access=On(_binary, AccessMode.READ, "the file, to compare"),
        writes=True,
        spec=_SPEC,
    )
    def compare_binary(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Say whether a transparent file's whole content is the data: 9000 or 6300, 63Cx where the file counts its
        tries.
        """
        file = _target(ctx)
        offset, counter = _offset(cmd, file), file.compare_counter
        if not self.is_comparable(file, offset, len(cmd.data)):
            raise CardError(StatusWord.WRONG_LENGTH, "this part of the file is not compared")
        left = counter.spend() if counter else 0
        if not file.matches(cmd.data, offset):
            return ResponseAPDU(b"", StatusWord.with_tries(left) if counter else StatusWord.NO_MATCH)
        if counter:
            counter.give_back()
        return ResponseAPDU()

    def is_comparable(self, file: File, offset: int, size: int) -> bool:
        """Return whether so many bytes from an offset on may be compared: only all of them."""
        return offset == 0 and size == file.size


class CompareParts(CompareBinary):
    """COMPARE BINARY, of any part of a file that does not count its tries.

    One that does is compared as a whole only: piece by piece it could be guessed.
    """

    def is_comparable(self, file: File, offset: int, size: int) -> bool:
        """Return whether so many bytes from an offset on may be compared."""
        return super().is_comparable(file, offset, size) or not (file.compare_tries or offset + size > file.size)


class FileCommands(ReadBinary, UpdateBinary, CompareBinary, RecordCommands):
    """READ, UPDATE and COMPARE BINARY; READ, UPDATE and APPEND RECORD."""


class EraseBinary:
    """ERASE BINARY."""

    @command(
        INTERINDUSTRY,
        ins=0x0E,
        p1=_BINARY_P1,
        p2=ANY,
        length=Length(0, 2),
        access=On(_binary, AccessMode.UPDATE, "the file, to erase"),
        writes=True,
        spec=_SPEC,
    )
    def erase_binary(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Erase from the offset on to the end of the file, or to before the offset in the data (1 or 2 bytes)."""
        file = _target(ctx)
        end = _inside(file, int.from_bytes(cmd.data)) if cmd.data else file.size
        return _erase(file, _offset(cmd, file), end)

    @command(
        INTERINDUSTRY,
        ins=0x0F,
        p1=ANY,
        p2=ANY,
        length=Length(0, 10),
        access=On(_named, AccessMode.UPDATE, "the file, to erase"),
        writes=True,
        spec=_SPEC,
        name="ERASE BINARY (offset objects)",
    )
    def erase_binary_by_objects(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Erase from the first offset object on (without: the whole file), to before the second one or to the end."""
        file = _target(ctx)
        offsets = [_offset_of(tlv, file) for tlv in _objects(cmd)]
        if len(offsets) > 2:
            raise CardError(StatusWord.INCORRECT_DATA, "there are two offsets at most")
        start, end = (*offsets, *(0, file.size)[len(offsets) :])
        return _erase(file, start, end)


class BinaryByObjects:
    """READ and UPDATE BINARY with offset data objects: also what lies beyond byte 32767, also files named by FID."""

    @command(
        INTERINDUSTRY,
        ins=0xB1,
        p1=ANY,
        p2=ANY,
        length=data(3, 5),
        access=On(_named, AccessMode.READ, "the file, to read"),
        writes=False,
        spec=_SPEC,
        name="READ BINARY (offset objects)",
    )
    def read_binary_by_objects(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Read from the offset 54 on: 53 with as much as fits into Le.  6282 where the file ends before an exact Le."""
        file = _target(ctx)
        objects = _objects(cmd)
        if len(objects) != 1:
            raise CardError(StatusWord.INCORRECT_DATA, "the data are one offset object")
        offset = _offset_of(objects[0], file)
        expected, exact = _expected(cmd)
        room = _room(expected)
        content = file.content[offset : offset + room]
        short = exact and len(content) < room
        return ResponseAPDU(Tlv(_DATA, content).encode(), StatusWord.END_OF_FILE if short else StatusWord.OK)

    @command(
        INTERINDUSTRY,
        ins=0xD7,
        p1=ANY,
        p2=ANY,
        length=data(6),
        access=On(_named, AccessMode.UPDATE, "the file, to update"),
        writes=True,
        spec=_SPEC,
        name="UPDATE BINARY (offset objects)",
    )
    def update_binary_by_objects(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Overwrite from the offset 54 on with the value of 53 or 73; all inside the file, or nothing (6A84)."""
        file = _target(ctx)
        match _objects(cmd):
            case (offset, Tlv(tag=0x53 | 0x73, value=content)) if content:
                _write(file, _offset_of(offset, file), content)
                return ResponseAPDU()
        raise CardError(StatusWord.INCORRECT_DATA, "the data are an offset object 54 and the new bytes in 53 or 73")


def _room(expected: int) -> int:
    """Return how many bytes of content a data object 53 of at most `expected` bytes can have."""
    for room in range(expected - 2, expected - 5, -1):
        if room >= 0 and 1 + len(encode_length(room)) + room <= expected:
            return room
    raise CardError(StatusWord.WRONG_LENGTH, "Le is too short for a data object")


def _target(ctx: Context) -> File:
    target = ctx.target
    assert isinstance(target, File)  # noqa: S101  the locators of this module return nothing else
    return target
