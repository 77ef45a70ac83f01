"""The commands on passwords (ISO/IEC 7816-4, basic security handling), for any applet that has passwords."""

from __future__ import annotations

from jukicard.card.commands import INTERINDUSTRY, On, command, data, only, where
from jukicard.card.context import Context
from jukicard.card.errors import CardError
from jukicard.card.security.passwords import Password
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord

PASSWORD_P2 = where(lambda p2: p2 & 0x60 == 0 and p2 & 0x1F != 0, "01-1F, 81-9F reference")


def find_password(cmd: CommandAPDU, ctx: Context) -> Password:
    """Return the password that P2 names, or refuse with 6A88."""
    return ctx.passwords.by_reference(cmd.p2)


class ResetRetryCounter:
    """RESET RETRY COUNTER."""

    @command(
        INTERINDUSTRY,
        ins=0x2C,
        p1=only(0x02, 0x03),
        p2=PASSWORD_P2,
        length=data(0, 64),
        access=On(find_password, None, "the password, to reset"),
        writes=True,
        spec="ISO/IEC 7816-4, basic security handling",
    )
    def reset_retry_counter(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Give back all tries: P1 = 02 with a new password, P1 = 03 (no data) with the old one kept.

        6984 where none was ever set.
        """
        password = target_password(ctx)
        if bool(cmd.data) != (cmd.p1 == 0x02):
            raise CardError(StatusWord.WRONG_LENGTH, "P1 = 02 takes the new password, P1 = 03 takes nothing")
        if not password.is_set:
            raise CardError(StatusWord.REFERENCE_DATA_UNUSABLE, "there is no password to reset")
        ctx.channel.security.verified.discard(password.reference)
        if cmd.data:
            password.set(cmd.data)
        else:
            password.tries.reset()
        return ResponseAPDU()


class PasswordCommands(ResetRetryCounter):
    """VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER."""

    @command(
        INTERINDUSTRY,
        ins=0x20,
        p2=PASSWORD_P2,
        length=data(0, 64),
        access=On(find_password, None, "the password, to verify; an empty VERIFY is free", free_when_empty=True),
        writes=True,
        spec="ISO/IEC 7816-4, basic security handling",
    )
    def verify(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Compare with the password: 9000, or 63Cx with the tries left.

        Without data only the tries are told, and none is spent.  In the clear beside a session it proves nothing: what
        counts in the session was proved in it.
        """
        password = target_password(ctx)
        return prove(ctx, password, cmd.data) if cmd.data else ResponseAPDU(b"", password.status())

    @command(
        INTERINDUSTRY,
        ins=0x24,
        p2=PASSWORD_P2,
        length=data(2, 128),
        access=On(find_password, None, "the password, to change"),
        writes=True,
        spec="ISO/IEC 7816-4, basic security handling",
    )
    def change_reference_data(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Replace the password: the old one, then the new one, of the same fixed length.

        A wrong old one costs a try.  A new one that is not allowed is refused before that (6A80), and costs nothing.
        """
        password = target_password(ctx)
        if len(cmd.data) % 2:
            raise CardError(StatusWord.WRONG_LENGTH, "the old and the new password have the same length")
        middle = len(cmd.data) // 2
        ctx.channel.security.verified.discard(password.reference)
        if password.is_set and password.tries.left:
            password.check(cmd.data[middle:])
        if not password.compare(cmd.data[:middle]):
            return ResponseAPDU(b"", password.status())
        password.set(cmd.data[middle:])
        return ResponseAPDU()

    @command(
        INTERINDUSTRY,
        ins=0x24,
        p1=only(0x01),
        p2=PASSWORD_P2,
        length=data(1, 64),
        access=On(find_password, None, "the password, to set"),
        writes=True,
        spec="ISO/IEC 7816-4, basic security handling",
        name="CHANGE REFERENCE DATA (new only)",
    )
    def set_reference_data(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Set the password without the old one, for whom the password's rule allows it."""
        password = target_password(ctx)
        password.set(cmd.data)
        return ResponseAPDU()


def prove(ctx: Context, password: Password, candidate: bytes) -> ResponseAPDU:
    """Compare, and let a match count from then on: 9000, or 63Cx with the tries left.  What counted before is gone."""
    verified = ctx.channel.security.verified
    verified.discard(password.reference)
    if not password.compare(candidate):
        return ResponseAPDU(b"", password.status())
    if ctx.counts:
        ctx.on_success(lambda: verified.add(password.reference))
    return ResponseAPDU()


def target_password(ctx: Context) -> Password:
    """Return the password that the command addresses."""
    target = ctx.target
    assert isinstance(target, Password)  # noqa: S101  the locator of these rows returns nothing else
    return target
