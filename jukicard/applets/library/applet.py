"""The library card on the chip: a patron's number, loan records, and a password of its own.

It lives in a municipality's domain and knows nothing of the Juki area: not its code, not its password, not that it is
there.
"""

from __future__ import annotations

from typing import ClassVar

from jukicard.applets.gp.layout import KID_SCP11A, LOAD_FILE
from jukicard.applets.gp.municipal import MunicipalService
from jukicard.applets.library import layout
from jukicard.applets.library.records import Loan, is_patron_number
from jukicard.card.context import Context
from jukicard.card.errors import CardError
from jukicard.card.files.commands import CompareBinary, ReadBinary
from jukicard.card.files.records import RecordCommands
from jukicard.card.files.structures import FileKind, FileSpec
from jukicard.card.objects import LifeCycle
from jukicard.card.security.password_commands import PasswordCommands
from jukicard.card.security.passwords import PasswordSpec
from jukicard.iso7816.access import (
    AccessMode,
    AccessRules,
    AllOf,
    CommandEnc,
    CommandMac,
    ModeDo,
    Password,
    ResponseEnc,
    ResponseMac,
    SessionKey,
)
from jukicard.iso7816.access import Right as RightHeld
from jukicard.iso7816.aid import AID
from jukicard.iso7816.status import StatusWord
from jukicard.securechannel.authorization import Right

_SERVICE = AllOf(RightHeld(Right.MUNICIPAL_SERVICE), CommandMac())
_PRIVATE = AllOf(
    RightHeld(Right.MUNICIPAL_SERVICE), Password(layout.PASSWORD), CommandMac(), ResponseMac(), ResponseEnc()
)
_HOLDER = AllOf(SessionKey(KID_SCP11A), CommandMac(), CommandEnc())
_OFFICE = AllOf(RightHeld(Right.MUNICIPAL_SERVICE), CommandMac(), CommandEnc())

PATRON_RULES = AccessRules(((ModeDo.modes(AccessMode.READ), _SERVICE),))
LOAN_RULES = AccessRules(
    (
        (ModeDo.modes(AccessMode.READ | AccessMode.WRITE), _PRIVATE),
        (ModeDo.modes(AccessMode.UPDATE), _SERVICE),
    )
)
PASSWORD_RULES = AccessRules(
    (
        (ModeDo.header(ins=0x20), _HOLDER),
        (ModeDo.header(ins=0x24, p1=0x00), _HOLDER),
        (ModeDo.header(ins=0x24, p1=0x01), _OFFICE),
        (ModeDo.header(ins=0x2C), _OFFICE),
    )
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
