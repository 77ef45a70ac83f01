"""The port to the register of residents, which a communication server (CS) can stand behind; and a table in its place.

What it tells of a resident code are the four items (四情報): name, birth date, sex and address.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Protocol

from jukicard.issuer.errors import Problem, RecordError
from jukicard.issuer.records.codes import ResidentCode
from jukicard.issuer.records.resident import FIELDS, Face, RecordRules, ResidentRecord, Sex, comparable
from jukicard.issuer.records.table import read_table

_NEEDED = frozenset(f.name for f in FIELDS if f.required)


@dataclass(frozen=True, slots=True)
class RegisterEntry:
    """The four items. Its representation shows none of them."""

    name: str = field(repr=False)
    birth_date: date = field(repr=False)
    sex: Sex = field(repr=False)
    address: str = field(repr=False)

    @classmethod
    def of(cls, record: ResidentRecord) -> RegisterEntry:
        """The four items of a record."""
        return cls(record.name, record.birth_date, record.sex, record.address)

    def differences(self, other: RegisterEntry) -> tuple[str, ...]:
        """Which items another entry has otherwise, by their field names; only writing them differently does not
        count (`comparable`).
        """
        same = {
            "name": comparable(self.name) == comparable(other.name),
            "birth_date": self.birth_date == other.birth_date,
            "sex": self.sex is other.sex,
            "address": comparable(self.address) == comparable(other.address),
        }
        return tuple(item for item, is_same in same.items() if not is_same)


class Register(Protocol):
    """Whoever knows the residents by their codes."""

    def find(self, code: ResidentCode) -> RegisterEntry | None:
        """Return the four items of a code; None if nobody has it.

        Whoever answers over a network raises IssuerError where there is no answer.
        """


class CsvRegister:
    """A CSV file of residents as the register: of any municipality, without face and photo.

    RecordError if the file cannot be trusted, or has a code twice; a row is checked when it is asked for.
    """

    def __init__(self, path: Path, today: date) -> None:
        self._table = read_table(path)
        self._rules = RecordRules(today, face=Face.A)
        self._rows: dict[str, int] = {}
        for number in range(1, len(self._table.rows) + 1):
            label, row = self._table.mapping(number)
            code = unicodedata.normalize("NFKC", row["resident_code"]).strip()
            if self._rows.setdefault(code, number) != number:
                raise RecordError([Problem(label, "resident_code", "stands in another row, too")])

    def find(self, code: ResidentCode) -> RegisterEntry | None:
        """See `Register`. RecordError if the row is at fault."""
        number = self._rows.get(code.reveal())
        if number is None:
            return None
        label, row = self._table.mapping(number)
        needed = {name: value for name, value in row.items() if name in _NEEDED}
        record = ResidentRecord.from_mapping(needed, self._rules, label=label, folder=Path())
        return RegisterEntry.of(record)
