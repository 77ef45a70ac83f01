"""Residents' records in a CSV file, as municipal systems export them: UTF-8 or CP932, headers in either language.

A table is read as a whole before any row of it is used: what its encoding, quoting or header gets wrong might shift
values from one column, or one resident, to another. Rows are counted from 1, the first resident; lines as an editor
counts them. Like those of `records`, no message contains a value.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from jukicard.issuer.errors import Problem, RecordError
from jukicard.issuer.records.resident import (
    FIELD_BY_NAME,
    FIELDS,
    RecordRules,
    ResidentRecord,
    file_error,
    read_limited,
    safe_field_name,
)

MAX_CSV_BYTES = 32 << 20

_BOM = "\N{BYTE ORDER MARK}"
_LINE_END = re.compile(r"\r\n|\r|\n")
_KANA_OR_KANJI = re.compile("[\u3041-\u30ff\u4e00-\u9fff]")
# What Python's CP932 lets pass although the code page has no such characters: single bytes 80, A0, FD to FF.
_NOT_CP932 = re.compile("[\x80\xa0\uf8f0-\uf8f3]")
_ALWAYS_NEEDED = tuple(f.name for f in FIELDS if f.required)


@dataclass(frozen=True, slots=True)
class Row:
    """One resident's row: the line of the file on which it starts, its values in the order of the columns."""

    line: int
    values: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class RecordTable:
    """A CSV file of residents: its path, its columns' field names (English), its rows."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...] = field(repr=False)

    def record(self, number: int, rules: RecordRules) -> ResidentRecord:
        """Check a row, 1 being the first resident's. Photo paths start at the file. RecordError with all faults."""
        label, mapping = self.mapping(number)
        return ResidentRecord.from_mapping(mapping, rules, label=label, folder=self.path.parent)

    def mapping(self, number: int) -> tuple[str, dict[str, str]]:
        """Return a row as it stands there: its name in messages, its values by field name. RecordError."""
        if not 1 <= number <= len(self.rows):
            raise file_error(self.path.name, f"has {_residents(len(self.rows))}, no row {number}")
        return row_mapping(self.path, self.columns, self.rows[number - 1])


class RecordFile:
    """A CSV file of any number of residents, read row by row, as often as it is asked.

    Beyond 32 MB it must be UTF-8: telling encodings apart takes the whole text.  RecordError as for a table.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._text: str | None = None
        if _size(path) <= MAX_CSV_BYTES:
            self._text = _decode(path, read_limited(path, MAX_CSV_BYTES))
        header = next(self._lines(), None)
        if header is None:
            raise file_error(path.name, "is empty: the first line names the fields")
        self.columns = _columns(_label(path, header.line), header.values)

    def rows(self) -> Iterator[Row]:
        """The residents' rows."""
        lines = self._lines()
        next(lines, None)
        return lines

    def record(self, row: Row, rules: RecordRules) -> ResidentRecord:
        """Check a row. Photo paths start at the file. RecordError with all faults."""
        label, mapping = row_mapping(self.path, self.columns, row)
        return ResidentRecord.from_mapping(mapping, rules, label=label, folder=self.path.parent)

    def digest(self) -> str:
        """SHA-256 of the file, hex."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _lines(self) -> Iterator[Row]:
        if self._text is not None:
            yield from _checked(self.path, _rows(self.path, io.StringIO(self._text, newline="")))
            return
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as file:
                yield from _checked(self.path, _rows(self.path, file))
        except UnicodeDecodeError:
            limit = f"{MAX_CSV_BYTES >> 20} MB"
            raise file_error(self.path.name, f"is not UTF-8, which a file of more than {limit} must be") from None


def row_mapping(path: Path, columns: tuple[str, ...], row: Row) -> tuple[str, dict[str, str]]:
    """Return a row as it stands there: its name in messages, its values by field name. RecordError."""
    label = _label(path, row.line)
    if len(row.values) != len(columns):
        counted = f"has {len(row.values)} columns, and the header {len(columns)}"
        raise RecordError([Problem(label, "(row)", counted)])
    return label, dict(zip(columns, row.values, strict=True))


def read_table(path: Path) -> RecordTable:
    """Read a CSV file. Raises RecordError where the file as a whole cannot be trusted, naming file and line."""
    text = _decode(path, read_limited(path, MAX_CSV_BYTES))
    if "\0" in text:
        raise _fault(path, _line_of(text, text.index("\0")), "(file)", "contains a NUL byte")
    rows = _rows(path, io.StringIO(text, newline=""))
    header = next(rows, None)
    if header is None:
        raise file_error(path.name, "is empty: the first line names the fields")
    columns = _columns(_label(path, header.line), header.values)
    return RecordTable(path, columns, tuple(rows))


def load_csv(path: Path, rules: RecordRules, number: int | None = None) -> ResidentRecord:
    """Read one record from a CSV file: that of the row, which may go unsaid if there is only one. RecordError."""
    table = read_table(path)
    if number is None and len(table.rows) != 1:
        raise file_error(path.name, f"has {_residents(len(table.rows))}: which row is meant?")
    return table.record(1 if number is None else number, rules)


def _decode(path: Path, raw: bytes) -> str:
    """UTF-8, else CP932.

    What CP932 makes of broken UTF-8, or of EUC-JP, may be text too, of other characters.  A file whose UTF-8 reads as
    Japanese up to its first fault is UTF-8, one that reads as EUC-JP to its end is that: CP932 text never looks so.
    """
    try:
        return raw.decode("utf-8").removeprefix(_BOM)
    except UnicodeDecodeError as error:
        utf8 = error
    before = raw[: utf8.start].decode("utf-8")
    if before.startswith(_BOM) or _KANA_OR_KANJI.search(before):
        raise _fault(path, _line_of(before), "(file)", "is not UTF-8 from here on") from None
    if _is_euc(raw):
        raise file_error(path.name, "is EUC-JP, and must be UTF-8 or CP932")
    try:
        text = raw.decode("cp932")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("cp932")
        raise _fault(path, _line_of(before), "(file)", "is neither UTF-8 nor CP932") from None
    if strange := _NOT_CP932.search(text):
        raise _fault(path, _line_of(text, strange.start()), "(file)", "is neither UTF-8 nor CP932")
    return text


def _is_euc(raw: bytes) -> bool:
    try:
        raw.decode("euc_jp")
    except UnicodeDecodeError:
        return False
    return True


def _checked(path: Path, rows: Iterator[Row]) -> Iterator[Row]:
    for row in rows:
        if any("\0" in value for value in row.values):
            raise _fault(path, row.line, "(file)", "contains a NUL byte")
        yield row


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return 0  # reading it says what is wrong


def _rows(path: Path, text: TextIO) -> Iterator[Row]:
    """The rows that are not blank, the header first."""
    reader = csv.reader(text, strict=True)
    line = 1
    try:
        for values in reader:
            if any(value.strip() for value in values):
                yield Row(line, tuple(values))
            line = reader.line_num + 1
    except csv.Error as error:
        raise _fault(path, line, "(row)", f"is no CSV: {error}") from None


def _columns(label: str, header: tuple[str, ...]) -> tuple[str, ...]:
    """The English names of the columns, or all that is wrong with them."""
    names = [unicodedata.normalize("NFKC", name).strip() for name in header]
    known = [FIELD_BY_NAME[name].name for name in names if name in FIELD_BY_NAME]
    if not known:  # and nothing of it is repeated: it will be the first resident
        raise RecordError([Problem(label, "(header)", "names no field of a record: is it missing?")])
    problems = [
        Problem(label, safe_field_name(name), f"is not a field of a record (column {number})")
        for number, name in enumerate(names, 1)
        if name not in FIELD_BY_NAME
    ]
    problems += [Problem(label, name, "is given twice") for name in dict.fromkeys(known) if known.count(name) > 1]
    problems += [Problem(label, name, "is missing") for name in _ALWAYS_NEEDED if name not in known]
    if problems:
        raise RecordError(problems)
    return tuple(known)


def _residents(count: int) -> str:
    return "1 resident" if count == 1 else f"{count or 'no'} residents"


def _line_of(text: str, position: int | None = None) -> int:
    return 1 + len(_LINE_END.findall(text, 0, len(text) if position is None else position))


def _label(path: Path, line: int) -> str:
    return f"{path.name} line {line}"


def _fault(path: Path, line: int, where: str, reason: str) -> RecordError:
    return RecordError([Problem(_label(path, line), where, reason)])
