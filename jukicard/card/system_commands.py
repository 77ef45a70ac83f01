"""The commands that the card itself answers, whatever application is selected: SELECT, MANAGE CHANNEL, GET CHALLENGE,
GET RESPONSE.
"""

from __future__ import annotations

from jukicard.card.applet import Applet
from jukicard.card.commands import FREE, INTERINDUSTRY, NO_DATA, command, data, only, span
from jukicard.card.context import Context, DomainContext, require_domain
from jukicard.card.errors import CardError
from jukicard.card.files import selection
from jukicard.card.files.structures import MAX_DEPTH
from jukicard.card.ports import Interface
from jukicard.card.registry import ISSUER_DOMAIN, Entry
from jukicard.card.volatile import CHANNELS, Challenge, Channel
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.limits import ApplicationRight
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv

MINIMUM_CHALLENGE = 8
"""Bytes of the shortest challenge that EXTERNAL AUTHENTICATE accepts an answer to."""

_FCI, _FCP, _FMD, _NOTHING = 0x00, 0x04, 0x08, 0x0C
_FILE_P2 = only(_FCI, _FCP, _FMD, _NOTHING)
MAX_PATH = 2 * (MAX_DEPTH + 2)
"""Bytes of the longest path: 3FFF, the DFs, an EF."""


_INTERFACE_RIGHTS = {
    Interface.CONTACT: int(ApplicationRight.CONTACT),
    Interface.CONTACTLESS: int(ApplicationRight.CONTACTLESS),
}


class SystemCommands:
    """Interindustry commands of the card operating system."""

    @command(
        INTERINDUSTRY,
        ins=0xA4,
        p1=only(0x04),
        p2=only(0x00, 0x02, 0x04, 0x06, 0x08, 0x0A, 0x0C, 0x0E),
        length=data(0, 16),
        access=FREE,
        writes=False,
        spec="ISO/IEC 7816-4, selection; GP 2.3.1, 11.9",
        name="SELECT (application)",
    )
    def select_application(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Select an application by its full or partial name; no name is the issuer security domain's.

        P2 = x2 asks for the next match.

        A success ends the channel's session and everything that was proved in it; a failure changes nothing.
        """
        system = require_domain(ctx)
        entry = _choose(cmd, system)
        if not entry.rights & _INTERFACE_RIGHTS[ctx.interface]:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "the application was not approved for this interface")
        applet = system.code.applet(entry)
        if not applet.multi_selectable and system.volatile.selected(entry.instance, system.channel):
            raise CardError(
                StatusWord.CONDITIONS_NOT_SATISFIED, "the application is selected on another logical channel"
            )
        ctx.on_success(lambda: ctx.channel.select(entry.instance))
        return _application_answer(system, entry, cmd.p2)

    @command(
        INTERINDUSTRY,
        ins=0xA4,
        p1=only(selection.BY_FID, selection.CHILD_DF, selection.CHILD_EF, selection.PARENT),
        p2=_FILE_P2,
        length=data(0, 2),
        access=FREE,
        writes=False,
        spec="ISO/IEC 7816-4, selection",
        name="SELECT (file)",
    )
    def select_file(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Select an EF or DF in the current DF by its identifier, or the DF around it (P1 = 03, no data).

        There is no MF: 3F00 is 6A82.  The session goes on.  A deactivated or terminated file is selected like any
        other: DO 8A of its control parameters tells.
        """
        return _select_file(cmd, ctx)

    @command(
        INTERINDUSTRY,
        ins=0xA4,
        p1=only(selection.FROM_APPLICATION, selection.FROM_CURRENT),
        p2=_FILE_P2,
        length=data(2, MAX_PATH),
        access=FREE,
        writes=False,
        spec="ISO/IEC 7816-4, selection",
        name="SELECT (path)",
    )
    def select_path(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Select an EF or DF by its path from the application's own DF (P1 = 08), or from the current one (09).

        The standard begins P1 = 08 at the MF.  There is none here: a path begins at the application's DF, which may be
        named at its head as 3FFF; alone, that selects it.
        """
        return _select_file(cmd, ctx)

    @command(
        INTERINDUSTRY,
        ins=0x70,
        p1=only(0x00),
        p2=span(0x00, 0x03),
        length=NO_DATA,
        access=FREE,
        writes=False,
        spec="ISO/IEC 7816-4:2020, 5.4.2; GP 2.3.1, 11.7",
        name="MANAGE CHANNEL (open)",
    )
    def open_channel(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Open the logical channel P2, or with P2 = 00 the first free one, whose number is answered.

        On a channel opened from the basic one the issuer security domain is selected, else what is selected on the
        channel it came from.
        """
        system = require_domain(ctx)
        channels = system.volatile.channels
        free = [number for number in range(1, CHANNELS) if channels[number] is None]
        number = cmd.p2 or (free[0] if free else 0)
        if number not in free:
            raise CardError(StatusWord.FUNCTION_NOT_SUPPORTED, "no such logical channel is free")
        application = system.selected.instance if ctx.channel.number else ISSUER_DOMAIN
        if not system.code.applet(system.registry.by_instance(application)).multi_selectable:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "the application cannot be on two logical channels")
        channels[number] = Channel(number, application)
        return ResponseAPDU(b"" if cmd.p2 else bytes((number,)))

    @command(
        INTERINDUSTRY,
        ins=0x70,
        p1=only(0x80),
        p2=span(0x00, 0x03),
        length=NO_DATA,
        access=FREE,
        writes=False,
        spec="ISO/IEC 7816-4:2020, 5.4.2",
        name="MANAGE CHANNEL (close)",
    )
    def close_channel(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Close the logical channel P2 (00: the one that the command came on), with all that is volatile on it.

        The basic channel stays open (6A81); one that is closed already is 6200.
        """
        channels = require_domain(ctx).volatile.channels
        number = cmd.p2 or ctx.channel.number
        if number == 0:
            raise CardError(StatusWord.FUNCTION_NOT_SUPPORTED, "the basic logical channel is never closed")
        if channels[number] is None:
            return ResponseAPDU(b"", StatusWord.WARNING)
        channels[number] = None
        return ResponseAPDU()

    @command(
        INTERINDUSTRY,
        ins=0x84,
        length=NO_DATA,
        access=FREE,
        writes=False,
        spec="ISO/IEC 7816-4, basic security handling",
    )
    def get_challenge(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Return 1-256 random bytes, 8 where Le is absent.

        8 or more are the challenge for the next EXTERNAL AUTHENTICATE on this logical channel, in this session: until
        then, until the next GET CHALLENGE, or until an application is selected or the session ends.
        """
        count = MINIMUM_CHALLENGE if cmd.ne is None else cmd.ne
        if count > 256:
            raise CardError(StatusWord.WRONG_LENGTH, "a challenge has 256 bytes at most")
        value = ctx.ports.random(count)
        challenge = Challenge(value, ctx.session) if count >= MINIMUM_CHALLENGE else None
        ctx.on_success(lambda: setattr(ctx.channel, "challenge", challenge))
        return ResponseAPDU(value)

    @command(
        INTERINDUSTRY,
        ins=0xC0,
        length=NO_DATA,
        access=FREE,
        writes=False,
        spec="ISO/IEC 7816-4:2020, 5.3.4",
    )
    def get_response(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Return the next part of a response that was announced by 61xx.

        6985 where none is waiting; it ends no session.
        """
        if not ctx.channel.pending:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "no response is waiting")
        return ResponseAPDU(ctx.channel.pending, ctx.channel.pending_sw)


def _application_answer(ctx: DomainContext, entry: Entry, p2: int) -> ResponseAPDU:
    """Return what SELECT answers for an application's own DF: FCI, FCP, FMD or nothing."""
    form = p2 & _NOTHING
    if form == _NOTHING:
        return ResponseAPDU()
    name, applet = Tlv(0x84, bytes(entry.aid)), ctx.code.applet(entry)
    if form == _FMD:
        return ResponseAPDU(Tlv.build(0x64, name, Tlv(0x50, applet.label.encode())).encode())
    tag = 0x6F if form == _FCI else 0x62
    return ResponseAPDU(Tlv.build(tag, name, *applet.file_control(ctx.inside(entry))).encode())


def _select_file(cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
    system = require_domain(ctx)
    if not system.registry.is_usable(system.selected):
        raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "the application is locked")
    file = selection.find(system.inside(system.selected), cmd.p1, cmd.data)
    selection.select(ctx, file)
    if file is None:
        return _application_answer(system, system.selected, cmd.p2)
    match cmd.p2:
        case 0x00:
            return ResponseAPDU(Tlv(0x6F, file.header.fcp()).encode())
        case 0x04:
            return ResponseAPDU(file.header.fcp())
        case 0x08:
            return ResponseAPDU(Tlv(0x64).encode())
    return ResponseAPDU()


def _choose(cmd: CommandAPDU, ctx: DomainContext) -> Entry:
    """Return the application with this full name, else the first one whose name begins so; or the next one."""
    contents = ctx.registry.contents
    named = contents.by_aid(cmd.data)
    if named is not None and not cmd.p2 & 0x02 and contents.is_usable(named):
        return named
    begun = (entry for entry in contents.entries if entry.aid.value.startswith(cmd.data))
    matches = [entry for entry in begun if contents.is_usable(entry)]
    if cmd.p2 & 0x02:
        instances = [entry.instance for entry in matches]
        current = ctx.selected.instance
        matches = matches[instances.index(current) + 1 :] if current in instances else matches
    if not matches:
        raise CardError(StatusWord.FILE_NOT_FOUND, "no selectable application has this name")
    return matches[0]


class System(SystemCommands, Applet):
    """The card's own command table, in the form that the dispatcher knows.  It is in no ROM and cannot be installed."""

    label = "card"
