"""Files: transparent EFs, EFs with linear (fixed, variable) or cyclic records, DFs (ISO/IEC 7816-4, data structures).

A file's cells lie below those of the DF that it is in; so a DF goes with all that is in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from cryptography.hazmat.primitives.constant_time import bytes_eq

from jukicard.card.errors import CardError
from jukicard.card.objects import Header, LifeCycle
from jukicard.card.security.counters import TryCounter
from jukicard.card.transaction import Area
from jukicard.iso7816.access import AccessRules
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv, parse_tlvs

MAX_RECORDS = 254
MAX_DEPTH = 4
"""DFs inside one another below an application's own DF."""


DATA_CODING = b"\x41"
"""Data coding byte: data units of one byte."""


class FileKind(IntEnum):
    """File descriptor byte (ISO/IEC 7816-4, DO 82): a DF, a working EF and its structure, or an internal EF.

    An internal EF stands for a password or a key of the application, and holds nothing itself: it is selected so that
    the command after it means that password or key (JICSAP's way).
    """

    TRANSPARENT = 0x01
    LINEAR_FIXED = 0x02
    LINEAR_VARIABLE = 0x04
    CYCLIC = 0x06
    INTERNAL = 0x08
    DIRECTORY = 0x38


_KINDS = {kind.value: kind for kind in FileKind}
_SFI_CELLS = tuple(f"s/{sfi:02x}" for sfi in range(0x20))


@dataclass(frozen=True, slots=True)
class FileSpec:
    """What a new file shall be.

    A DF has only `fid` and rules, an internal EF its `sfi` besides.  `size` is the number of content bytes of a
    transparent file; `record_size` the length of a record (the longest one in a variable file), `records` how many fit
    (1-254).  `sfi` 1-30, or None.  `compare_tries` (1-15) bounds how often COMPARE may miss; 0 is no bound.
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
        return Header(tuple(self._parameters()), life_cycle, self.initial, self.operational)

    @property
    def capacity(self) -> int:
        """How many content bytes it may hold."""
        return self.size or self.record_size * self.records

    def _parameters(self) -> Iterator[Tlv]:
        descriptor, identifier = bytes((self.kind,)), Tlv(0x83, self.fid.to_bytes(2))
        if self.kind is FileKind.DIRECTORY:
            yield from (Tlv(0x82, descriptor), identifier)
            return
        if self.kind not in (FileKind.TRANSPARENT, FileKind.INTERNAL):
            descriptor += DATA_CODING + self.record_size.to_bytes(2) + bytes((self.records,))
        if self.kind is not FileKind.INTERNAL:
            yield Tlv(0x80, self.capacity.to_bytes(2))
        yield from (Tlv(0x82, descriptor), identifier)
        yield Tlv(0x88, bytes((self.sfi << 3,)) if self.sfi else b"")
        if self.compare_tries:
            yield Tlv.build(0xA5, Tlv(0xC0, bytes((self.compare_tries,))))


class File:
    """One EF or DF of the application whose area it lies in; `path` leads to it from the application's own DF.

    `kind` is its structure, by the file descriptor byte (DO 82).
    """

    __slots__ = ("_area", "_cells", "fid", "header", "kind", "path")

    def __init__(self, area: Area, path: tuple[int, ...], header: Header) -> None:
        self._area = area
        self._cells = cells_below(path)
        self.fid = path[-1]
        self.header = header
        self.path = path
        descriptor = header.parameter(0x82)
        self.kind = _KINDS[descriptor[0]] if descriptor else FileKind.TRANSPARENT

    @property
    def has_records(self) -> bool:
        """Whether it is an EF of records."""
        return self.kind in (FileKind.LINEAR_FIXED, FileKind.LINEAR_VARIABLE, FileKind.CYCLIC)

    @property
    def sfi(self) -> int:
        """The short identifier (DO 88), 0 where it has none."""
        return (self.header.parameter(0x88) or b"\0")[0] >> 3

    @property
    def size(self) -> int:
        """The number of content bytes (DO 80)."""
        return int.from_bytes(self.header.parameter(0x80) or b"")

    @property
    def content(self) -> bytes:
        """The whole content of a transparent file."""
        return self._area.read(self._cells + "d") or b""

    def write(self, content: bytes) -> None:
        """Replace the content of a transparent file; its length is the file's size."""
        self._area.write(self._cells + "d", content)

    def matches(self, candidate: bytes, offset: int = 0) -> bool:
        """Return whether the content goes on with `candidate` from an offset on, compared in constant time."""
        return bytes_eq(self.content[offset : offset + len(candidate)], candidate)

    @property
    def compare_tries(self) -> int:
        """How often COMPARE may miss, or 0 where that is not bounded."""
        proprietary = self.header.parameter(0xA5)
        return parse_tlvs(proprietary)[0].value[0] if proprietary else 0

    @property
    def compare_counter(self) -> TryCounter | None:
        """The counter of COMPARE on a file that has one (DO A5 {C0 tries} of its parameters)."""
        maximum = self.compare_tries
        return TryCounter(self._area, self._cells + "c", maximum) if maximum else None

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

    def append(self, record: bytes) -> int:
        """Add a record and return its number; a full cyclic file loses its oldest.  6A84 where a linear one is full."""
        records = self.records
        self.check_length(record)
        if self.kind is FileKind.CYCLIC:
            records = [record, *records][: self.max_records]
        elif len(records) >= self.max_records:
            raise CardError(StatusWord.NOT_ENOUGH_MEMORY, f"file {self.fid:04X} holds its {self.max_records} records")
        else:
            records.append(record)
        self.write_records(records)
        return 1 if self.kind is FileKind.CYCLIC else len(records)

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
        self._area.write(self._cells + "h", self.header.encode())


class Files:
    """The files that lie directly in one DF: in an application's own, or in the one that `path` leads to from there."""

    __slots__ = ("_area", "_cells", "path")

    def __init__(self, area: Area, path: tuple[int, ...] = ()) -> None:
        self._area = area
        self._cells = cells_below(path)
        self.path = path

    def inside(self, path: tuple[int, ...]) -> Files:
        """Return the files in the DF at the end of a path from here, which must lead there; from here itself: these."""
        return Files(self._area, (*self.path, *path)) if path else self

    def along(self, path: tuple[int, ...]) -> Iterator[File]:
        """Yield what a path from here leads through, down to its end (6A82 where it leads nowhere)."""
        files = self
        for position, fid in enumerate(path, 1):
            file = files.by_fid(fid)
            if position < len(path) and file.kind is not FileKind.DIRECTORY:
                raise CardError(StatusWord.FILE_NOT_FOUND, f"file {fid:04X} is no DF")
            yield file
            files = files.inside((fid,))

    def create(self, spec: FileSpec, life_cycle: LifeCycle) -> File:
        """Create a file, filled with zeros or without records.  6A89 where the FID or SFI is taken."""
        cells = self._cells_of(spec.fid)
        if self._area.read(cells + "h") or (spec.sfi and self.has_sfi(spec.sfi)):
            raise CardError(StatusWord.FILE_EXISTS, f"file {spec.fid:04X} or its short identifier exists")
        header = spec.header(life_cycle)
        self._area.write(cells + "h", header.encode())
        if spec.sfi:
            self._area.write(self._cells + _SFI_CELLS[spec.sfi], spec.fid.to_bytes(2))
        if spec.kind is FileKind.TRANSPARENT:
            self._area.write(cells + "d", bytes(spec.size))
        return File(self._area, (*self.path, spec.fid), header)

    def delete(self, file: File) -> None:
        """Delete a file that lies here, a DF with all that is in it: no cell is left."""
        for cell in self._area.cells(self._cells_of(file.fid)):
            self._area.write(cell, None)
        sfi = file.header.parameter(0x88)
        if sfi:
            self._area.write(self._cells + _SFI_CELLS[sfi[0] >> 3], None)

    def by_fid(self, fid: int) -> File:
        """Return the file with that identifier, or refuse with 6A82."""
        file = (*self.path, fid)
        stored = self._area.read(cells_below(file) + "h")
        if stored is None:
            raise CardError(StatusWord.FILE_NOT_FOUND, f"no file {fid:04X} here")
        return File(self._area, file, Header.parse(stored))

    def has_sfi(self, sfi: int) -> bool:
        """Return whether a file has that short identifier."""
        return self._area.read(self._cells + _SFI_CELLS[sfi]) is not None

    def by_sfi(self, sfi: int) -> File:
        """Return the file with that short identifier (1-30), or refuse with 6A82."""
        fid = self._area.read(self._cells + _SFI_CELLS[sfi])
        if fid is None:
            raise CardError(StatusWord.FILE_NOT_FOUND, f"no file with short identifier {sfi:02X} here")
        return self.by_fid(int.from_bytes(fid))

    def all(self) -> Iterator[File]:
        """Yield every file that lies directly here."""
        start = len(self._cells) + 2
        for cell in self._area.cells(self._cells + "f/"):
            if cell[start + 4 :] == "/h":
                yield self.by_fid(int(cell[start : start + 4], 16))

    def _cells_of(self, fid: int) -> str:
        return cells_below((*self.path, fid))


@lru_cache(maxsize=4096)
def cells_below(path: tuple[int, ...]) -> str:
    """Return the prefix of all cells of the file at the end of a path from the application's own DF."""
    return "".join(f"f/{fid:04x}/" for fid in path)


def _split_records(stored: bytes) -> Iterator[bytes]:
    position = 0
    while position < len(stored):
        start = position + 2
        position = start + int.from_bytes(stored[position:start])
        yield stored[start:position]
