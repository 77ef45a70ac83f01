"""The library card on the chip: a patron's number, loan records, and a password of its own.

It lives in a municipality's domain and knows nothing of the Juki area: not its code, not its password, not that it is
there.
"""

from __future__ import annotations

from typing import ClassVar

from jukicard.applets.gp.layout import LOAD_FILE
from jukicard.applets.library import layout
from jukicard.applets.library.records import TRANSITIONS, Loan, LoanError, LoanState, is_patron_number
from jukicard.applets.service.applet import MunicipalService
from jukicard.applets.service.rules import PASSWORD as PASSWORD_RULES
from jukicard.applets.service.rules import private, rules, terminal
from jukicard.card.context import Context
from jukicard.card.errors import CardError
from jukicard.card.files.commands import CompareBinary, ReadBinary
from jukicard.card.files.records import RecordCommands
from jukicard.card.files.structures import File, FileKind, FileSpec
from jukicard.card.objects import LifeCycle
from jukicard.card.security.password_commands import PasswordCommands
from jukicard.card.security.passwords import PasswordSpec
from jukicard.iso7816.access import AccessMode, AccessRules
from jukicard.iso7816.aid import AID
from jukicard.iso7816.status import StatusWord
from jukicard.securechannel.authorization import Right

PATRON_RULES = rules((AccessMode.READ, terminal(Right.MUNICIPAL_SERVICE)))
LOAN_RULES = rules(
    (AccessMode.READ | AccessMode.WRITE, private(Right.MUNICIPAL_SERVICE, layout.PASSWORD)),
    (AccessMode.UPDATE, terminal(Right.MUNICIPAL_SERVICE)),
)
_NONE = AccessRules()
_FILES = (
    FileSpec(layout.EF_PATRON, FileKind.TRANSPARENT, _NONE, PATRON_RULES, sfi=0x01, size=layout.PATRON_SIZE),
    FileSpec(
        layout.EF_LOANS,
        FileKind.LINEAR_FIXED,
        _NONE,
        LOAN_RULES,
        sfi=0x02,
        record_size=Loan.SIZE,
        records=layout.MAX_LOANS,
    ),
)
_PASSWORD = PasswordSpec(
    layout.PASSWORD, _NONE, PASSWORD_RULES, layout.PASSWORD_DIGITS, layout.PASSWORD_DIGITS, layout.PASSWORD_TRIES
)


class LibraryApplet(ReadBinary, CompareBinary, RecordCommands, PasswordCommands, MunicipalService):
    """A library card."""

    load_file: ClassVar[AID] = LOAD_FILE
    module: ClassVar[AID] = layout.MODULE
    label: ClassVar[str] = "Library"

    def install(self, ctx: Context, parameters: bytes) -> None:
        """Create the files and the password, ready for use."""
        super().install(ctx, parameters)
        for spec in _FILES:
            ctx.files.create(spec, LifeCycle.ACTIVATED)
        ctx.passwords.create(_PASSWORD, LifeCycle.ACTIVATED)

    def store_data(self, ctx: Context, block: bytes) -> None:
        """Take the patron's number, 10 ASCII digits, once.

        The same number again is taken as well: an issue that was interrupted here is resumed.
        """
        patron = ctx.files.by_fid(layout.EF_PATRON)
        if not is_patron_number(block):
            raise CardError(StatusWord.INCORRECT_DATA, "a patron's number has 10 digits")
        if any(patron.content) and not patron.matches(block):
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "another patron's number has been written")
        patron.write(block)

    def add_record(self, ctx: Context, file: File, record: bytes) -> int:
        """Lend: in a new record, or in the first whose loan is over; 6A84 where all are in use.

        6985 for what is no new loan, for an item that the card has already, and while too many books are lost.
        """
        file.check_length(record)
        loan, records = _loan(record), file.records
        loans = [_loan(old) for old in records]
        if loan.state is not LoanState.LENT:
            raise _refused("a loan begins as lent")
        if any(old.is_of(loan) and not old.is_over for old in loans):
            raise _refused("that item is lent to this card, or lost")
        if sum(old.state is LoanState.LOST for old in loans) >= layout.MAX_LOST:
            raise _refused(f"{layout.MAX_LOST} books are lost")
        for number, old in enumerate(loans if len(records) >= file.max_records else [], 1):
            if old.is_over:
                records[number - 1] = record
                file.write_records(records)
                return number
        return file.append(record)

    def check_update(self, ctx: Context, file: File, old: bytes, new: bytes) -> None:
        """Refuse (6985) what is no step in a loan's life; (6982) to settle a lost book without the holder's password.

        Item and library stay; the date moves with a renewal only.
        """
        before, after = _loan(old), _loan(new)
        if not before.is_of(after) or after.state not in TRANSITIONS[before.state]:
            raise _refused(f"a loan does not become {after.state.name} so")
        if after.state is not LoanState.LENT and after.due != before.due:
            raise _refused("only a renewal moves the date")
        if after.due < before.due:
            raise _refused("a renewal does not shorten a loan")
        if after.state is LoanState.SETTLED and layout.PASSWORD not in ctx.facts.passwords:
            raise CardError(StatusWord.SECURITY_NOT_SATISFIED, "a lost book is settled with its holder")


def _loan(record: bytes) -> Loan:
    try:
        return Loan.parse(record)
    except LoanError as error:
        raise CardError(StatusWord.INCORRECT_DATA, str(error)) from None


def _refused(reason: str) -> CardError:
    return CardError(StatusWord.CONDITIONS_NOT_SATISFIED, reason)
