"""A library terminal's view of the library card: one method per command."""

from __future__ import annotations

from dataclasses import replace

from jukicard.applets.gp.client import ALL, PasswordClient
from jukicard.applets.gp.layout import municipal_service_aid
from jukicard.applets.library import layout
from jukicard.applets.library.records import Loan, LoanError, LoanState, is_patron_number
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.connection import CardConnection, send
from jukicard.iso7816.errors import MalformedResponse, check
from jukicard.iso7816.status import StatusWord

_SFI = 0x02 << 3


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
        self.command(CommandAPDU(0x00, 0xE2, 0x00, _SFI, loan.encode()), "appending a loan")

    def take_back(self, number: int, loan: Loan) -> None:
        """Mark loan record `number` (from 1) as returned, for a service terminal."""
        self._move(number, replace(loan, state=LoanState.RETURNED), "taking back")

    def renew(self, number: int, loan: Loan, due: str) -> None:
        """Lend the item of record `number` for longer, until `due` (YYYYMMDD), for a service terminal."""
        self._move(number, replace(loan, due=due), "renewing a loan")

    def lose(self, number: int, loan: Loan) -> None:
        """Mark the item of record `number` as lost, for a service terminal."""
        self._move(number, replace(loan, state=LoanState.LOST), "marking a book as lost")

    def settle(self, number: int, loan: Loan) -> None:
        """Mark the lost item of record `number` as settled (replaced, paid or found), with the holder's password."""
        self._move(number, replace(loan, state=LoanState.SETTLED), "settling a lost book")

    def _move(self, number: int, loan: Loan, what: str) -> None:
        self.command(CommandAPDU(0x00, 0xDC, number, _SFI | 4, loan.encode()), what)

    def loans(self) -> list[Loan]:
        """Read all loan records, for a service terminal, with the holder's password verified."""
        response = send(self.connection, CommandAPDU(0x00, 0xB2, 0x01, _SFI | 5, ne=ALL))
        if response.sw is StatusWord.RECORD_NOT_FOUND:
            return []
        records = check(response, "reading the loans").data
        try:
            return Loan.parse_all(records)
        except LoanError as error:
            raise MalformedResponse(f"EF.LOANS: {error}") from None
