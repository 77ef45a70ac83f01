"""The contents of the library card's files: one codec for both ends, and the life of a loan's record."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class LoanError(ValueError):
    """A loan record is not what the profile says."""


class LoanState(StrEnum):
    """How a loan stands.  That it is overdue is no state: the host compares the date."""

    LENT = "L"
    RETURNED = "R"
    LOST = "X"
    SETTLED = "S"


TRANSITIONS: dict[LoanState, frozenset[LoanState]] = {
    LoanState.LENT: frozenset({LoanState.LENT, LoanState.RETURNED, LoanState.LOST}),
    LoanState.LOST: frozenset({LoanState.SETTLED}),
    LoanState.RETURNED: frozenset(),
    LoanState.SETTLED: frozenset(),
}
"""From each state to which others: a renewal leaves a loan lent, and a lost book is never just returned."""


@dataclass(frozen=True, slots=True)
class Loan:
    """One record of EF.LOANS in ASCII: the library (4 digits), the item (13 digits), when it is due (YYYYMMDD), and
    the state: 26 bytes.  A card installed before libraries had codes has records of 22 bytes, `library` being empty.
    """

    item: str
    due: str
    library: str = ""
    state: LoanState = LoanState.LENT

    SIZE = 26
    OLD_SIZE = 22

    def __post_init__(self) -> None:
        for text, sizes in ((self.item, (13,)), (self.due, (8,)), (self.library, (0, 4))):
            if len(text) not in sizes or not (text.isascii() and (text or "0").isdigit()):
                raise LoanError("an item has 13 digits, a date 8, a library 4 (or none on an older card)")

    @property
    def is_over(self) -> bool:
        """Whether its record may be used for another loan."""
        return self.state in (LoanState.RETURNED, LoanState.SETTLED)

    def is_of(self, other: Loan) -> bool:
        """Return whether both are of the same item of the same library."""
        return (self.item, self.library) == (other.item, other.library)

    def encode(self) -> bytes:
        """Return the record."""
        return f"{self.library}{self.item}{self.due}{self.state.value}".encode()

    @classmethod
    def parse(cls, record: bytes) -> Loan:
        """Read a record of either size, or raise `LoanError`."""
        if len(record) not in (cls.SIZE, cls.OLD_SIZE) or not record.isascii():
            raise LoanError("a loan record has 26 ASCII bytes, or 22 on an older card")
        text = record.decode("ascii")
        try:
            state = LoanState(text[-1])
        except ValueError:
            raise LoanError("a loan is L lent, R returned, X lost or S settled") from None
        return cls(text[-22:-9], text[-9:-1], text[:-22], state)

    @classmethod
    def parse_all(cls, records: bytes) -> list[Loan]:
        """Read records of one size in a row, or raise `LoanError`: each ends with its first byte that is no digit."""
        size = len(records) - len(records.lstrip(b"0123456789")) + 1
        return [cls.parse(records[start : start + size]) for start in range(0, len(records), size)]


def is_patron_number(content: bytes) -> bool:
    """Return whether bytes are a patron's number: 10 ASCII digits."""
    return len(content) == 10 and content.isascii() and content.isdigit()
