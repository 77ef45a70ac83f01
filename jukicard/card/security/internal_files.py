"""Passwords and keys addressed as the cards of the JPKI family do it (JICSAP's way): SELECT makes an internal EF
current, and the command after it, with P2 = 80, means the password or key that the EF stands for; P2 = 80 | short
identifier means it without a selection.

An internal EF with short identifier s stands for the object with reference 80 | s of its application.
"""

from __future__ import annotations

from jukicard.card.commands import INTERINDUSTRY, On, command, data, only, where
from jukicard.card.context import Context
from jukicard.card.errors import CardError
from jukicard.card.files.selection import current_file
from jukicard.card.files.structures import FileKind
from jukicard.card.security.password_commands import ResetRetryCounter, prove, target_password
from jukicard.card.security.passwords import Password
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord

CURRENT = 0x80
INTERNAL_P2 = where(lambda p2: 0x80 <= p2 <= 0x9E, "80 the current EF, 81-9E SFI")


def internal_reference(ctx: Context, p2: int) -> int:
    """Return the reference (81 to 9E) that P2 means; 6986 where no EF is current, 6981 where it is no internal one."""
    if p2 != CURRENT:
        return p2
    file = current_file(ctx)
    if file.kind is not FileKind.INTERNAL:
        raise CardError(StatusWord.INCOMPATIBLE_FILE, f"file {file.fid:04X} is neither password nor key")
    return CURRENT | file.sfi


def _password(cmd: CommandAPDU, ctx: Context) -> Password:
    return ctx.passwords.by_reference(internal_reference(ctx, cmd.p2))


class InternalNumbers(ResetRetryCounter):
    """VERIFY of a password as an internal EF, with the answers of that family of cards; nobody changes it."""

    @command(
        INTERINDUSTRY,
        ins=0x20,
        p2=INTERNAL_P2,
        length=data(0, 64),
        access=On(_password, None, "the password, to verify; an empty VERIFY is free", free_when_empty=True),
        writes=True,
        spec="JICSAP IC card specification; ISO/IEC 7816-4, basic security handling",
        name="VERIFY (internal EF)",
    )
    def verify(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Compare with the password: 9000, or 63Cx with the tries left; once there are none, 6984.

        Without data always 63Cx, whatever was verified, blocked or never set, and no try is spent.
        """
        password = target_password(ctx)
        if not cmd.data:
            return ResponseAPDU(b"", StatusWord.with_tries(password.tries.left))
        if not password.tries.left:
            ctx.channel.security.verified.discard(password.reference)
            raise CardError(StatusWord.REFERENCE_DATA_UNUSABLE, "no tries are left")
        return prove(ctx, password, cmd.data)


class InternalPasswords(InternalNumbers):
    """The same with CHANGE REFERENCE DATA."""

    @command(
        INTERINDUSTRY,
        ins=0x24,
        p1=only(0x01),
        p2=INTERNAL_P2,
        length=data(1, 64),
        access=On(_password, None, "the password, to change"),
        writes=True,
        spec="JICSAP IC card specification; ISO/IEC 7816-4, basic security handling",
        name="CHANGE REFERENCE DATA (internal EF)",
    )
    def change_reference_data(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Set the password anew, for whom its rule allows it; it has to be verified again then."""
        password = target_password(ctx)
        password.set(cmd.data)
        ctx.channel.security.verified.discard(password.reference)
        return ResponseAPDU()
