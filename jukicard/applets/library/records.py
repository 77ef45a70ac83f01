"""The contents of the library card's files: one codec for both ends."""

from __future__ import annotations

from dataclasses import dataclass


class LoanError(ValueError):
    """A loan record is not what the profile says."""


@dataclass(frozen=True, slots=True)
class Loan:
    """One record of EF.LOANS, 22 ASCII bytes: the item (13 digits), when it is due (YYYYMMDD), L lent or R returned."""

    item: str
    due: str
    returned: bool = False

    SIZE = 22

    def __post_init__(self) -> None:
        for text, size in ((self.item, 13), (self.due, 8)):
            if len(text) != size or not (text.isascii() and text.isdigit()):
                raise LoanError("an item has 13 digits, a date 8")

    def encode(self) -> bytes:
        """Return the record."""
        return f"{self.item}{self.due}{'R' if self.returned else 'L'}".encode()

    @classmethod
    def parse(cls, record: bytes) -> Loan:
        """Read a record, or raise `LoanError`."""
        if len(record) != cls.SIZE or not record.isascii() or record[21:] not in (b"L", b"R"):
            raise LoanError("a loan record has 22 ASCII bytes, the last one L or R")
        text = record.decode("ascii")
        return cls(text[:13], text[13:21], text[21] == "R")


def is_patron_number(content: bytes) -> bool:
    """Return whether bytes are a patron's number: 10 ASCII digits."""
    return len(content) == 10 and content.isascii() and content.isdigit()
