"""Elementary files: transparent, linear with fixed or variable records, cyclic (ISO/IEC 7816-4, data structures)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from cryptography.hazmat.primitives.constant_time import bytes_eq

from jukicard.card.errors import CardError
from jukicard.card.objects import Header, LifeCycle
from jukicard.card.transaction import Area
from jukicard.iso7816.access import AccessRules
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv, parse_tlvs

MAX_RECORDS = 254


class FileKind(IntEnum):
    """File descriptor byte (ISO/IEC 7816-4, DO 82): working EF and its structure."""

    TRANSPARENT = 0x01
    LINEAR_FIXED = 0x02
    LINEAR_VARIABLE = 0x04
    CYCLIC = 0x06


@dataclass(frozen=True, slots=True)
class FileSpec:
    """What a new file shall be.

    `size` is the number of content bytes of a transparent file; `record_size` the length of a record (the longest one
    in a variable file), `records` how many fit (1-254).  `sfi` 1-30, or None.  `compare_tries` (1-15) bounds how often
    COMPARE may miss; 0 is no bound.
    """

    fid: int
    kind: FileKind
    initial: AccessRules
    operational: AccessRules
    sfi: int | None = None
    size: int = 0
    record_size: int = 0
    records: int = 0
    compare_tries: int = 0

    def header(self, life_cycle: LifeCycle) -> Header:
        """Return the header that such a file has."""
        descriptor = bytes((self.kind,))
        if self.kind is not FileKind.TRANSPARENT:
            descriptor += b"\x41" + self.record_size.to_bytes(2) + bytes((self.records,))
        parameters = [
            Tlv(0x80, (self.size or self.record_size * self.records).to_bytes(2)),
            Tlv(0x82, descriptor),
            Tlv(0x83, self.fid.to_bytes(2)),
            Tlv(0x88, bytes((self.sfi << 3,)) if self.sfi else b""),
        ]
        if self.compare_tries:
            parameters.append(Tlv.build(0xA5, Tlv(0xC0, bytes((self.compare_tries,)))))
        return Header(tuple(parameters), life_cycle, self.initial, self.operational)


class File:
    """One EF of the application whose area it lies in."""

    __slots__ = ("_area", "fid", "header")

    def __init__(self, area: Area, fid: int, header: Header) -> None:
        self._area = area
        self.fid = fid
        self.header = header

    @property
    def kind(self) -> FileKind:
        """The file's structure."""
        descriptor = self.header.parameter(0x82)
        return FileKind(descriptor[0]) if descriptor else FileKind.TRANSPARENT

    @property
    def size(self) -> int:
        """The number of content bytes (DO 80)."""
        return int.from_bytes(self.header.parameter(0x80) or b"")

    @property
    def content(self) -> bytes:
        """The whole content of a transparent file."""
        return self._area.read(_content_cell(self.fid)) or b""

    def write(self, content: bytes) -> None:
        """Replace the content of a transparent file; its length is the file's size."""
        self._area.write(_content_cell(self.fid), content)

    def matches(self, candidate: bytes) -> bool:
        """Return whether the whole content is `candidate`, in constant time for candidates of the right length."""
        return bytes_eq(self.content, candidate)

    @property
    def compare_tries(self) -> int:
        """How often COMPARE may miss, or 0 where that is not bounded."""
        proprietary = self.header.parameter(0xA5)
        return parse_tlvs(proprietary)[0].value[0] if proprietary else 0

    @property
    def record_size(self) -> int:
        """The length of a record; in a variable file of the longest one."""
        return int.from_bytes((self.header.parameter(0x82) or b"")[2:4])

    @property
    def max_records(self) -> int:
        """How many records fit."""
        return (self.header.parameter(0x82) or bytes(5))[4]

    @property
    def records(self) -> list[bytes]:
        """The records in the order of their numbers: by creation, and in a cyclic file the newest first."""
        return list(_split_records(self.content))

    def write_records(self, records: Sequence[bytes]) -> None:
        """Replace all records."""
        self.write(b"".join(len(record).to_bytes(2) + record for record in records))

    def append(self, record: bytes) -> None:
        """Add a record; a full cyclic file loses its oldest.  6A84 where a linear one is full."""
        records = self.records
        self.check_length(record)
        if self.kind is FileKind.CYCLIC:
            records = [record, *records][: self.max_records]
        elif len(records) >= self.max_records:
            raise CardError(StatusWord.NOT_ENOUGH_MEMORY, f"file {self.fid:04X} holds its {self.max_records} records")
        else:
            records.append(record)
        self.write_records(records)

    def check_length(self, record: bytes) -> None:
        """Refuse a record that does not have the file's record length (6700)."""
        exact = self.kind is not FileKind.LINEAR_VARIABLE
        if len(record) > self.record_size or (exact and len(record) != self.record_size):
            raise CardError(
                StatusWord.WRONG_LENGTH, f"a record of {len(record)} bytes; the file has {self.record_size}"
            )

    def set_life_cycle(self, life_cycle: LifeCycle) -> None:
        """Move the file to another life cycle status."""
        self.header = self.header.with_life_cycle(life_cycle)
        self._area.write(_header_cell(self.fid), self.header.encode())


class Files:
    """The files of one area."""

    __slots__ = ("_area",)

    def __init__(self, area: Area) -> None:
        self._area = area

    def create(self, spec: FileSpec, life_cycle: LifeCycle) -> File:
        """Create a file, filled with zeros or without records.  6A89 where the FID or SFI is taken."""
        taken = self._area.read(_header_cell(spec.fid)) or (spec.sfi and self._area.read(_sfi_cell(spec.sfi)))
        if taken:
            raise CardError(StatusWord.FILE_EXISTS, f"file {spec.fid:04X} or its short identifier exists")
        header = spec.header(life_cycle)
        self._area.write(_header_cell(spec.fid), header.encode())
        if spec.sfi:
            self._area.write(_sfi_cell(spec.sfi), spec.fid.to_bytes(2))
        if spec.kind is FileKind.TRANSPARENT:
            self._area.write(_content_cell(spec.fid), bytes(spec.size))
        return File(self._area, spec.fid, header)

    def by_fid(self, fid: int) -> File:
        """Return the file with that identifier, or refuse with 6A82."""
        stored = self._area.read(_header_cell(fid))
        if stored is None:
            raise CardError(StatusWord.FILE_NOT_FOUND, f"no file {fid:04X} in this application")
        return File(self._area, fid, Header.parse(stored))

    def by_sfi(self, sfi: int) -> File:
        """Return the file with that short identifier (1-30), or refuse with 6A82."""
        fid = self._area.read(_sfi_cell(sfi))
        if fid is None:
            raise CardError(StatusWord.FILE_NOT_FOUND, f"no file with short identifier {sfi:02X} in this application")
        return self.by_fid(int.from_bytes(fid))

    def all(self) -> Iterator[File]:
        """Yield every file of the area."""
        for cell in self._area.cells("f/"):
            if cell.endswith("/h"):
                yield self.by_fid(int(cell[2:6], 16))


def _header_cell(fid: int) -> str:
    return f"f/{fid:04x}/h"


def _content_cell(fid: int) -> str:
    return f"f/{fid:04x}/d"


def _sfi_cell(sfi: int) -> str:
    return f"s/{sfi:02x}"


def _split_records(stored: bytes) -> Iterator[bytes]:
    position = 0
    while position < len(stored):
        start = position + 2
        position = start + int.from_bytes(stored[position:start])
        yield stored[start:position]
