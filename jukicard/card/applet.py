"""What an application on the card is made of."""

from __future__ import annotations

from typing import ClassVar

from jukicard.card.commands import Blame, CommandTable, Guarded
from jukicard.card.context import Context
from jukicard.card.errors import CardError, Step
from jukicard.card.files.structures import Files
from jukicard.card.objects import LifeCycle
from jukicard.card.security.conditions import NOTHING
from jukicard.card.volatile import Session
from jukicard.iso7816.access import AccessMode
from jukicard.iso7816.aid import AID
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv

# Looked up once: in an enumeration that takes ten times as long, and every command asks for them.
_DEACTIVATED, _TERMINATED = LifeCycle.DEACTIVATED, LifeCycle.TERMINATED
_REVIVING = AccessMode.ACTIVATE | AccessMode.TERMINATE | AccessMode.DELETE


class Applet:
    """The code of one application: a command table and a few hooks, without any state of its own.

    What must last lies in the application's cells (`Context.area`), what must not on its logical channel.  `forwarded`
    are the instructions of class 8x that the application hands to its security domain; `label` stands in EF.DIR.
    """

    load_file: ClassVar[AID]
    module: ClassVar[AID]
    label: ClassVar[str]
    forwarded: ClassVar[frozenset[int]] = frozenset((0x50, 0x82, 0x88, 0x2A, 0xE2, 0xCA))
    multi_selectable: ClassVar[bool] = False
    is_domain: ClassVar[bool] = False
    table: ClassVar[CommandTable]

    def __init_subclass__(cls) -> None:
        """Collect the command table; two rows that collide raise `TypeError` here."""
        super().__init_subclass__()
        cls.table = CommandTable.of(cls)

    def install(self, ctx: Context, parameters: bytes) -> None:
        """Create what a new instance needs.

        `parameters`: the value of C9 in INSTALL; refuse with 6A80 what is not understood.
        """
        if parameters:
            raise CardError(StatusWord.INCORRECT_DATA, f"{self.label} takes no installation parameters")

    def files(self, ctx: Context) -> Files:
        """Return the instance's files: by default those in its cells."""
        return Files(ctx.area)

    def file_control(self, ctx: Context) -> tuple[Tlv, ...]:
        """Return the data objects that the answer to SELECT carries besides the AID."""
        return ()

    def store_data(self, ctx: Context, block: bytes) -> None:
        """Take one block of STORE DATA that its domain hands on (INSTALL [for personalization]); by default none is
        taken.
        """
        raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, f"{self.label} is not personalised by STORE DATA")

    def rights(self, ctx: Context, session: Session) -> frozenset[int]:
        """Return the terminal rights that hold here: by default all those of the session's certificate chain."""
        authorization = session.authorization
        return frozenset(authorization.rights) if authorization else frozenset()

    def date_estimate(self, ctx: Context) -> int | None:
        """Return the date (YYYYMMDD) as far as a security domain knows it; other applications know none."""
        return None

    def key_identifiers(self, ctx: Context) -> frozenset[int]:
        """Return the identifiers of a security domain's own keys; other applications have none."""
        return frozenset()

    def check_life_cycle(self, ctx: Context, target: Guarded, mode: AccessMode | None) -> None:
        """Refuse (6985) what the life cycle of the object addressed does not allow."""
        life_cycle = target.header.life_cycle
        if life_cycle is _DEACTIVATED and not (mode and mode & _REVIVING):
            raise out_of_life("the object is deactivated", target)
        if life_cycle is _TERMINATED and not (mode and mode & AccessMode.DELETE):
            raise out_of_life("the object is terminated", target)


def out_of_life(reason: str, target: Guarded) -> CardError:
    """Return the refusal (6985) of an object whose life cycle does not allow what is asked."""
    blame = Blame(None, NOTHING, target.header)
    return CardError(StatusWord.CONDITIONS_NOT_SATISFIED, reason, Step.LIFE_CYCLE, blame)
