"""A library terminal's view of the library card: one method per command."""

from __future__ import annotations

from jukicard.applets.gp.client import ALL, PasswordClient
from jukicard.applets.gp.layout import municipal_service_aid
from jukicard.applets.library import layout
from jukicard.applets.library.records import Loan, LoanError, is_patron_number
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.connection import CardConnection, send
from jukicard.iso7816.errors import MalformedResponse, check
from jukicard.iso7816.status import StatusWord


class LibraryClient(PasswordClient):
    """The library card of a municipality (`city_code`, 5 digits)."""

    def __init__(self, connection: CardConnection, city_code: str) -> None:
        super().__init__(connection, municipal_service_aid(city_code, layout.SERVICE_NUMBER))

    def patron_number(self) -> str:
        """Read the patron's number (10 digits), for a service terminal."""
        number = self.command(CommandAPDU(0x00, 0xB0, 0x81, 0x00, ne=ALL), "reading the patron's number").data
        if not is_patron_number(number):
            raise MalformedResponse("EF.PATRON: a patron's number has 10 digits")
        return number.decode("ascii")

    def lend(self, loan: Loan) -> None:
        """Append a loan, for a service terminal, with the holder's password verified."""
        self.command(CommandAPDU(0x00, 0xE2, 0x00, 0x02 << 3, loan.encode()), "appending a loan")

    def take_back(self, number: int, loan: Loan) -> None:
        """Mark loan record `number` (from 1) as returned, for a service terminal."""
        returned = Loan(loan.item, loan.due, returned=True)
        self.command(CommandAPDU(0x00, 0xDC, number, 0x02 << 3 | 4, returned.encode()), "updating a loan")

    def loans(self) -> list[Loan]:
        """Read all loan records, for a service terminal, with the holder's password verified."""
        response = send(self.connection, CommandAPDU(0x00, 0xB2, 0x01, 0x02 << 3 | 5, ne=ALL))
        if response.sw is StatusWord.RECORD_NOT_FOUND:
            return []
        records = check(response, "reading the loans").data
        try:
            return [Loan.parse(records[start : start + Loan.SIZE]) for start in range(0, len(records), Loan.SIZE)]
        except LoanError as error:
            raise MalformedResponse(f"EF.LOANS: {error}") from None
