"""The library card: loans of several libraries, the life of a loan's record, lost books, and cards of older layouts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from jukicard.applets.library.client import LibraryClient
from jukicard.applets.library.layout import MAX_LOANS, PASSWORD
from jukicard.applets.library.records import Loan, LoanError, LoanState
from jukicard.iso7816.errors import CardStatusError
from jukicard.iso7816.wrappers import standard
from jukicard.securechannel.scp11 import decode_point
from tests.support import chips
from tests.support.chains import private_key
from tests.support.chips import Chip

DUE = "20260801"
GOLDEN = Path(__file__).parents[2] / "golden" / "cardfile" / "schema-1-active.json"


def client(chip: Chip, *, verified: bool = True) -> LibraryClient:
    found = LibraryClient(standard(chip), chips.CITY)
    found.select()
    found.open_scp11a(chips.service_terminal(), decode_point(chips.active().city_11a), private_key(4000))
    if verified:
        found.verify(PASSWORD, chips.PASSWORD)
    return found


def loan(number: int, library: str = "0001") -> Loan:
    return Loan(f"978{number:010d}", DUE, library)


def refused(sw: int, action: object, *values: object) -> None:
    with pytest.raises(CardStatusError) as caught:
        action(*values)  # type: ignore[operator]
    assert caught.value.sw == sw


def test_libraries_are_told_apart_by_their_codes() -> None:
    library = client(chips.active().chip())
    assert library.loans() == []
    loans = [loan(1), loan(1, "0002"), loan(2, "0002")]
    for one in loans:
        library.lend(one)
    assert library.loans() == loans
    refused(0x6985, library.lend, loan(1, "0002"))
    library.take_back(2, loans[1])
    assert library.loans()[1] == replace(loans[1], state=LoanState.RETURNED)
    library.lend(loan(1, "0002"))
    assert [one.library for one in library.loans()] == ["0001", "0002", "0002", "0002"]


STATES = list(LoanState)
STEPS = {("L", "L"), ("L", "R"), ("L", "X"), ("X", "S")}


@pytest.mark.parametrize("after", STATES)
@pytest.mark.parametrize("before", STATES)
def test_a_record_takes_no_step_but_those_of_a_loans_life(before: LoanState, after: LoanState) -> None:
    library = client(chips.active().chip())
    one = loan(1)
    library.lend(one)
    for state in {"L": "", "R": "R", "X": "X", "S": "XS"}[before.value]:
        library._move(1, replace(one, state=LoanState(state)), "on the way")
    target = replace(one, state=after)
    if (before.value, after.value) in STEPS:
        library._move(1, target, "step")
        assert library.loans() == [target]
    else:
        refused(0x6985, library._move, 1, target, "step")
        assert library.loans() == [replace(one, state=before)]


def test_item_library_and_date_are_kept() -> None:
    library = client(chips.active().chip())
    one = loan(1)
    library.lend(one)
    for other in (
        replace(one, item=loan(2).item),
        replace(one, library="0002"),
        replace(one, due="20260731"),
        replace(one, due="20260901", state=LoanState.RETURNED),
    ):
        refused(0x6985, library._move, 1, other, "changing a loan")
    library.renew(1, one, "20260901")
    assert library.loans() == [replace(one, due="20260901")]


def test_a_lost_book_is_settled_with_its_holder_and_two_stop_lending() -> None:
    chip = chips.active().chip()
    library = client(chip)
    library.lend(loan(1))
    library.lose(1, loan(1))
    library.lend(loan(9))
    library.lend(loan(2))
    library.lose(3, loan(2))
    refused(0x6985, library.lend, loan(3))
    refused(0x6985, library.lend, loan(1))  # a lost item is not lent again beside its record
    without = client(chip, verified=False)
    refused(0x6985, without.take_back, 1, loan(1))
    refused(0x6982, without.settle, 1, loan(1))
    library = client(chip)
    library.settle(1, loan(1))
    library.lend(loan(3))


def test_a_full_file_uses_the_first_record_again_that_is_over() -> None:
    library = client(chips.active().chip())
    for number in range(MAX_LOANS):
        library.lend(loan(number))
    refused(0x6A84, library.lend, loan(99))
    library.lose(4, loan(3))
    refused(0x6A84, library.lend, loan(99))
    library.take_back(8, loan(7))
    library.take_back(6, loan(5))
    library.lend(loan(99))
    assert library.loans()[5] == loan(99)
    assert len(library.loans()) == MAX_LOANS
    library.settle(4, loan(3))
    library.lend(loan(98))
    assert library.loans()[3] == loan(98)


@pytest.mark.parametrize("record", [b"", b"0" * 25 + b"L" + b"0", b"0" * 25 + b"Q", b"x" * 25 + b"L", b"\xff" * 26])
def test_what_is_no_loan_is_no_loan(record: bytes) -> None:
    with pytest.raises(LoanError):
        Loan.parse(record)


def _loans(cells: dict[str, str], descriptor: str) -> str:
    """The one cell that holds the control parameters of an EF.LOANS with that file descriptor."""
    (found,) = (cell for cell, content in cells.items() if cell.endswith("f/0002/h") and descriptor in content.lower())
    return found


def test_a_card_of_the_older_layout_goes_on_without_library_codes() -> None:
    """The golden card's library was installed when records had 22 bytes."""
    golden = json.loads(GOLDEN.read_text())["cells"]
    cells = chips.active().cells
    header = bytes.fromhex(golden[_loans(golden, "82050241001614")])
    ours = _loans({cell: content.hex() for cell, content in cells.items()}, "82050241001a14")
    library = client(Chip({**cells, ours: header}, 1))
    one = Loan("9780000000001", DUE)
    refused(0x6700, library.lend, loan(1))
    library.lend(one)
    library.lend(Loan("9780000000002", DUE))
    library.take_back(1, one)
    assert [(found.state, found.library) for found in library.loans()] == [
        (LoanState.RETURNED, ""),
        (LoanState.LENT, ""),
    ]
    library.lose(2, library.loans()[1])
    refused(0x6985, library.take_back, 2, library.loans()[1])
