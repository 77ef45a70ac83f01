"""The commands on records (ISO/IEC 7816-4, record handling), for any applet that has files of records.

A record is named by its number, or by its identifier, which is its first byte (a record that is a SIMPLE-TLV object).
The record pointer belongs to the logical channel: naming by identifier, appending and searching move it, naming by
number does not, and a file that becomes current has none.
"""

from __future__ import annotations

from collections.abc import Sequence

from jukicard.card.commands import INTERINDUSTRY, NO_DATA, On, command, data, span, where
from jukicard.card.context import Context
from jukicard.card.errors import CardError
from jukicard.card.files import selection
from jukicard.card.files.structures import File, FileKind
from jukicard.iso7816.access import AccessMode
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord

_RECORD_P1 = span(0x00, 0xFE)
_READ_P2 = where(lambda p2: p2 >> 3 <= 30 and p2 & 7 != 7, "SFI | 00-03 by identifier, 04-06 by number")
_ONE_RECORD_P2 = where(lambda p2: p2 >> 3 <= 30 and p2 & 7 <= 4, "SFI | 00-03 by identifier, 04 by number")
_SEARCH_P2 = where(lambda p2: p2 >> 3 <= 30 and 4 <= p2 & 7 <= 6, "SFI | 04, 05 simple, 06 enhanced")
_APPEND_P2 = where(lambda p2: p2 >> 3 <= 30 and p2 & 7 == 0, "SFI")
_SPEC = "ISO/IEC 7816-4, record handling"

FIRST, LAST, NEXT, PREVIOUS, NUMBER, TO_LAST, FROM_LAST = range(7)
"""P2, bits 3 to 1."""

FORWARD, BACKWARD, FORWARD_FROM_NEXT, BACKWARD_FROM_PREVIOUS = range(4)
"""Bits 2 and 1 of the first byte of an enhanced search."""


def _records(cmd: CommandAPDU, ctx: Context) -> File:
    file = selection.by_sfi(ctx, cmd.p2 >> 3)
    if not file.has_records:
        raise CardError(StatusWord.INCOMPATIBLE_FILE, "the file has no records")
    return file


def _pointer(cmd: CommandAPDU, ctx: Context) -> int | None:
    """Return the record pointer; a short identifier makes the file current anew, so that there is none."""
    return None if cmd.p2 >> 3 else ctx.channel.current_record


def _point_to(ctx: Context, number: int) -> None:
    ctx.on_success(lambda: setattr(ctx.channel, "current_record", number))


def by_number(records: Sequence[bytes], p1: int, pointer: int | None) -> int:
    """Return the number that P1 names, 00 being the record pointer; 6A83 where there is no such record."""
    number = p1 or pointer
    if number is None or number > len(records):
        raise CardError(StatusWord.RECORD_NOT_FOUND, f"no record {p1}")
    return number


def with_identifier(records: Sequence[bytes], identifier: int) -> list[int]:
    """Return the numbers of the records with that identifier (1-254), in rising order; 0 is any."""
    return [number for number, record in enumerate(records, 1) if not identifier or record[0] == identifier]


def occurrence(records: Sequence[bytes], identifier: int, mode: int, pointer: int | None) -> int:
    """Return the number of the first, last, next or previous record with that identifier; 6A83 where there is none.

    Without a record pointer the next one is the first, and the previous one the last.
    """
    numbers = with_identifier(records, identifier)
    if pointer and mode == NEXT:
        numbers = [number for number in numbers if number > pointer]
    elif pointer and mode == PREVIOUS:
        numbers = [number for number in numbers if number < pointer]
    if not numbers:
        raise CardError(StatusWord.RECORD_NOT_FOUND, f"no such record with identifier {identifier:02X}")
    return numbers[0] if mode in (FIRST, NEXT) else numbers[-1]


class ReadRecord:
    """READ RECORD alone, for applications whose records only the card itself writes."""

    @command(
        INTERINDUSTRY,
        ins=0xB2,
        p1=_RECORD_P1,
        p2=_READ_P2,
        length=NO_DATA,
        access=On(_records, AccessMode.READ, "the file, to read"),
        writes=False,
        spec=_SPEC,
    )
    def read_record(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Read one record, all from record P1 to the last (P2 = x5), or all from the last to record P1 (x6).

        6A83 where there is none.
        """
        records, mode = _target(ctx).records, cmd.p2 & 7
        if mode < NUMBER:
            number = occurrence(records, cmd.p1, mode, _pointer(cmd, ctx))
            _point_to(ctx, number)
            return ResponseAPDU(records[number - 1])
        number = by_number(records, cmd.p1, _pointer(cmd, ctx))
        if mode == NUMBER:
            return ResponseAPDU(records[number - 1])
        chosen = records[number - 1 :]
        return ResponseAPDU(b"".join(chosen if mode == TO_LAST else reversed(chosen)))


class RecordCommands(ReadRecord):
    """READ, UPDATE and APPEND RECORD."""

    @command(
        INTERINDUSTRY,
        ins=0xDC,
        p1=_RECORD_P1,
        p2=_ONE_RECORD_P2,
        length=data(1),
        access=On(_records, AccessMode.UPDATE, "the file, to update"),
        writes=True,
        spec=_SPEC,
    )
    def update_record(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Replace one record.  6A83 where there is none, 6700 where the length is not the file's.

        In a cyclic file the previous record (P2 = x3) is the oldest, which becomes the newest, as by APPEND RECORD.
        """
        file, mode = _target(ctx), cmd.p2 & 7
        if mode == PREVIOUS and file.kind is FileKind.CYCLIC:
            _point_to(ctx, file.append(cmd.data))
            return ResponseAPDU()
        records = file.records
        if mode == NUMBER:
            number = by_number(records, cmd.p1, _pointer(cmd, ctx))
        else:
            number = occurrence(records, cmd.p1, mode, _pointer(cmd, ctx))
            _point_to(ctx, number)
        file.check_length(cmd.data)
        self.check_update(ctx, file, records[number - 1], cmd.data)
        records[number - 1] = cmd.data
        file.write_records(records)
        return ResponseAPDU()

    def check_update(self, ctx: Context, file: File, old: bytes, new: bytes) -> None:
        """Refuse a new content that the application does not let a record have after the old one; by default none."""

    @command(
        INTERINDUSTRY,
        ins=0xE2,
        p2=_APPEND_P2,
        length=data(1),
        access=On(_records, AccessMode.WRITE, "the file, to append"),
        writes=True,
        spec=_SPEC,
    )
    def append_record(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Add a record: the last one of a linear file (6A84 when it is full), the first one of a cyclic file."""
        _point_to(ctx, self.add_record(ctx, _target(ctx), cmd.data))
        return ResponseAPDU()

    def add_record(self, ctx: Context, file: File, record: bytes) -> int:
        """Add a record to a file and return its number; applications that have rules of their own say where."""
        return file.append(record)


class SearchRecord:
    """SEARCH RECORD."""

    @command(
        INTERINDUSTRY,
        ins=0xA2,
        p1=_RECORD_P1,
        p2=_SEARCH_P2,
        length=data(1, 255),
        access=On(_records, AccessMode.READ, "the file, to search"),
        writes=False,
        spec=_SPEC,
    )
    def search_record(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Return the numbers (one byte each) of the records that contain the string, in the order of the search.

        Simple: forward (P2 = x4) or backward (x5) from record P1, in any place of a record.  Enhanced (x6): the first
        two data bytes say how.  The pointer goes to the first record found; 6282 where none is.
        """
        records, pointer = _target(ctx).records, _pointer(cmd, ctx)
        if cmd.p2 & 7 == FROM_LAST:
            if len(cmd.data) < 3:
                raise CardError(StatusWord.WRONG_LENGTH, "an enhanced search has two bytes before its string")
            numbers = _candidates(records, cmd.data[:1], cmd.p1, pointer)
            found = [number for number in numbers if _matches(records[number - 1], cmd.data)]
        else:
            backward = cmd.p2 & 7 == TO_LAST
            numbers = _in_order(records, by_number(records, cmd.p1, pointer), BACKWARD if backward else FORWARD)
            found = [number for number in numbers if cmd.data in records[number - 1]]
        if not found:
            return ResponseAPDU(b"", StatusWord.END_OF_FILE)
        _point_to(ctx, found[0])
        return ResponseAPDU(bytes(found))


def _in_order(records: Sequence[bytes], start: int, direction: int) -> list[int]:
    """Return record numbers from `start`, or from the one beside it, to the end of the file in a direction."""
    match direction:
        case 0 | 2:
            return list(range(start + (direction == FORWARD_FROM_NEXT), len(records) + 1))
        case _:
            return list(range(start - (direction == BACKWARD_FROM_PREVIOUS), 0, -1))


def _candidates(records: Sequence[bytes], indication: bytes, p1: int, pointer: int | None) -> list[int]:
    """Return the numbers of the records that an enhanced search looks at, in its order.

    Bit 3 of the indication: P1 is a record number; else a record identifier, and only the records that have it count.
    """
    how, direction = indication[0], indication[0] & 3
    if how & 0xF0:
        raise CardError(StatusWord.INCORRECT_DATA, "an unknown kind of enhanced search")
    if how & 0x04:
        return _in_order(records, by_number(records, p1, pointer), direction)
    wanted = set(with_identifier(records, p1))
    start = occurrence(records, p1, direction, pointer)
    return [number for number in _in_order(records, start, direction & 1) if number in wanted]


def _matches(record: bytes, data_field: bytes) -> bool:
    """Return whether a record contains the string of an enhanced search, from where its second byte says: from an
    offset on, or (bit 4 of the first) from behind the first byte of that value.
    """
    how, where_from, string = data_field[0], data_field[1], data_field[2:]
    if how & 0x08:
        _, found, rest = record.partition(bytes((where_from,)))
        return bool(found) and string in rest
    return string in record[where_from:]


def _target(ctx: Context) -> File:
    target = ctx.target
    assert isinstance(target, File)  # noqa: S101  the locators of this module return nothing else
    return target
