"""The commands on elementary files (ISO/IEC 7816-4, data unit handling and record handling), for any applet that has
files.
"""

from __future__ import annotations

from jukicard.card.commands import INTERINDUSTRY, NO_DATA, On, command, data, span, where
from jukicard.card.context import Context
from jukicard.card.counters import TryCounter
from jukicard.card.errors import CardError
from jukicard.card.files import File, FileKind
from jukicard.iso7816.access import AccessMode
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord

_BINARY_P1 = where(lambda p1: p1 < 0x80 or 0x81 <= p1 <= 0x9E, "00-7F offset, 81-9E SFI")
_RECORD_P2 = where(lambda p2: p2 >> 3 <= 30 and p2 & 7 in (4, 5), "SFI | 04, 05")
_ONE_RECORD_P2 = where(lambda p2: p2 >> 3 <= 30 and p2 & 7 == 4, "SFI | 04")
_APPEND_P2 = where(lambda p2: p2 >> 3 <= 30 and p2 & 7 == 0, "SFI")
_RECORD_P1 = span(0x01, 0xFE)


def find_file(ctx: Context, sfi: int) -> File:
    """Return the file with that SFI and make it current if the command succeeds; 0 means the current one (6986
    without).
    """
    if sfi:
        file = ctx.files.by_sfi(sfi)
        ctx.on_success(lambda: setattr(ctx.channel, "current_file", file.fid))
        return file
    if ctx.channel.current_file is None:
        raise CardError(StatusWord.NO_CURRENT_EF, "no file is selected")
    return ctx.files.by_fid(ctx.channel.current_file)


def _binary(cmd: CommandAPDU, ctx: Context) -> File:
    file = find_file(ctx, cmd.p1 & 0x1F if cmd.p1 & 0x80 else 0)
    if file.kind is not FileKind.TRANSPARENT:
        raise CardError(StatusWord.INCOMPATIBLE_FILE, "the file has records")
    return file


def _records(cmd: CommandAPDU, ctx: Context) -> File:
    file = find_file(ctx, cmd.p2 >> 3)
    if file.kind is FileKind.TRANSPARENT:
        raise CardError(StatusWord.INCOMPATIBLE_FILE, "the file has no records")
    return file


def _offset(cmd: CommandAPDU, file: File) -> int:
    offset = cmd.p2 if cmd.p1 & 0x80 else cmd.p1 << 8 | cmd.p2
    if offset > file.size:
        raise CardError(StatusWord.WRONG_P1P2, f"offset {offset} is beyond the file's {file.size} bytes")
    return offset


def _expected(cmd: CommandAPDU) -> tuple[int, bool]:
    """Return how many bytes are asked for, and whether that was an exact number rather than "all there are"."""
    if cmd.ne is None:
        return (65536 if cmd.extended else 256), False
    return cmd.ne, cmd.ne not in (256, 65536)


class ReadBinary:
    """READ BINARY alone, for applications whose files only the card itself writes."""

    @command(
        INTERINDUSTRY,
        ins=0xB0,
        p1=_BINARY_P1,
        p2=span(0x00, 0xFF),
        length=NO_DATA,
        access=On(_binary, AccessMode.READ, "the file, to read"),
        writes=False,
        spec="ISO/IEC 7816-4, data unit handling",
    )
    def read_binary(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Read from a transparent file.  6282 where it ends before the number of bytes asked for."""
        file = _target(ctx)
        offset = _offset(cmd, file)
        expected, exact = _expected(cmd)
        content = file.content[offset : offset + expected]
        short = exact and len(content) < expected
        return ResponseAPDU(content, StatusWord.END_OF_FILE if short else StatusWord.OK)


class FileCommands(ReadBinary):
    """READ, UPDATE and COMPARE BINARY; READ, UPDATE and APPEND RECORD."""

    @command(
        INTERINDUSTRY,
        ins=0xD6,
        p1=_BINARY_P1,
        p2=span(0x00, 0xFF),
        length=data(1),
        access=On(_binary, AccessMode.UPDATE, "the file, to update"),
        writes=True,
        spec="ISO/IEC 7816-4, data unit handling",
    )
    def update_binary(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Overwrite bytes of a transparent file; all of them lie inside the file, or none is written (6A84)."""
        file = _target(ctx)
        offset = _offset(cmd, file)
        end = offset + len(cmd.data)
        if end > file.size:
            raise CardError(StatusWord.NOT_ENOUGH_MEMORY, f"the data end at {end}, the file at {file.size}")
        content = file.content
        file.write(content[:offset] + cmd.data + content[end:])
        return ResponseAPDU()

    @command(
        INTERINDUSTRY,
        ins=0x33,
        p1=_BINARY_P1,
        p2=span(0x00, 0xFF),
        length=data(1),
        access=On(_binary, AccessMode.READ, "the file, to compare"),
        writes=True,
        spec="ISO/IEC 7816-4, data unit handling",
    )
    def compare_binary(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Say whether a transparent file's whole content is the data: 9000 or 6300, 63Cx where the file counts its
        tries.
        """
        file = _target(ctx)
        if _offset(cmd, file) or len(cmd.data) != file.size:
            raise CardError(StatusWord.WRONG_LENGTH, "only a file's whole content is compared")
        counter = compare_counter(ctx, file)
        left = counter.spend() if counter else 0
        if not file.matches(cmd.data):
            return ResponseAPDU(b"", StatusWord.with_tries(left) if counter else StatusWord.NO_MATCH)
        if counter:
            counter.give_back()
        return ResponseAPDU()

    @command(
        INTERINDUSTRY,
        ins=0xB2,
        p1=_RECORD_P1,
        p2=_RECORD_P2,
        length=NO_DATA,
        access=On(_records, AccessMode.READ, "the file, to read"),
        writes=False,
        spec="ISO/IEC 7816-4, record handling",
    )
    def read_record(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Read record P1, or with P2 = x5 all from record P1 to the last one.  6A83 where there is none."""
        records = _target(ctx).records[cmd.p1 - 1 :]
        if not records:
            raise CardError(StatusWord.RECORD_NOT_FOUND, f"no record {cmd.p1}")
        return ResponseAPDU(b"".join(records) if cmd.p2 & 1 else records[0])

    @command(
        INTERINDUSTRY,
        ins=0xDC,
        p1=_RECORD_P1,
        p2=_ONE_RECORD_P2,
        length=data(1),
        access=On(_records, AccessMode.UPDATE, "the file, to update"),
        writes=True,
        spec="ISO/IEC 7816-4, record handling",
    )
    def update_record(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Replace record P1.  6A83 where there is none, 6700 where the length is not the file's."""
        file = _target(ctx)
        records = file.records
        if cmd.p1 > len(records):
            raise CardError(StatusWord.RECORD_NOT_FOUND, f"no record {cmd.p1}")
        file.check_length(cmd.data)
        records[cmd.p1 - 1] = cmd.data
        file.write_records(records)
        return ResponseAPDU()

    @command(
        INTERINDUSTRY,
        ins=0xE2,
        p2=_APPEND_P2,
        length=data(1),
        access=On(_records, AccessMode.WRITE, "the file, to append"),
        writes=True,
        spec="ISO/IEC 7816-4, record handling",
    )
    def append_record(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Add a record: the last one of a linear file (6A84 when it is full), the first one of a cyclic file."""
        _target(ctx).append(cmd.data)
        return ResponseAPDU()


def _target(ctx: Context) -> File:
    target = ctx.target
    assert isinstance(target, File)  # noqa: S101  the locators of this module return nothing else
    return target


def compare_counter(ctx: Context, file: File) -> TryCounter | None:
    """Return the counter of COMPARE on a file that has one (DO A5 {C0 tries} of its parameters)."""
    maximum = file.compare_tries
    return TryCounter(ctx.area, f"f/{file.fid:04x}/c", maximum) if maximum else None
