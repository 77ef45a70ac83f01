"""INSTALL, DELETE, GET STATUS and SET STATUS (GP 2.3.1, chapter 11), for applications whose code is in ROM."""

from __future__ import annotations

from collections.abc import Iterator

from jukicard.applets.gp.fields import FieldReader
from jukicard.applets.gp.key_commands import delete_keys
from jukicard.applets.gp.keystore import DomainKeys
from jukicard.applets.gp.rules import MANAGEMENT, SUPERVISION
from jukicard.card.commands import PROPRIETARY, command, data, only, where
from jukicard.card.context import Context, DomainContext, require_domain
from jukicard.card.errors import CardError
from jukicard.card.registry import ISSUER_DOMAIN, LOCKED, ApplicationState, CardState, Entry, Privilege
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv, TlvError, parse_tlvs

_INSTALL_ONLY, _INSTALL_SELECTABLE = 0x04, 0x0C
_LISTING_SIZE = 220
CARD_TRANSITIONS = {
    CardState.OP_READY: (CardState.INITIALIZED,),
    CardState.INITIALIZED: (CardState.SECURED,),
    CardState.SECURED: (CardState.CARD_LOCKED,),
    CardState.CARD_LOCKED: (CardState.SECURED,),
    CardState.TERMINATED: (),
}
"""From each state of the card, the states that SET STATUS may move it to (GP 2.3.1, figure 5-1); to TERMINATED from
every one.
"""


class ContentCommands:
    """What changes the registry, and what tells it."""

    @command(
        PROPRIETARY,
        ins=0xE6,
        p1=only(_INSTALL_ONLY, _INSTALL_SELECTABLE),
        length=data(1, 255),
        access=MANAGEMENT,
        writes=True,
        spec="GP 2.3.1, 11.5",
        name="INSTALL [for install (and make selectable)]",
    )
    def install_application(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Install an application in ROM under this domain.  Only the issuer's domain installs further domains."""
        domain = require_domain(ctx)
        fields = FieldReader(cmd.data)
        load_file, module, aid = (_aid(fields.lengthed()) for _ in range(3))
        privileges = _privileges(fields.lengthed())
        parameters = _application_parameters(fields.lengthed())
        if fields.lengthed():
            raise CardError(StatusWord.INCORRECT_DATA, "no token is expected here")
        fields.end()
        applet = domain.code.module(load_file, module)
        is_domain = Privilege.SECURITY_DOMAIN in privileges
        if is_domain != applet.is_domain or (is_domain and ctx.entry.instance != ISSUER_DOMAIN):
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "these privileges cannot be given here")
        if Privilege.AUTHORIZED_MANAGEMENT not in ctx.entry.privileges:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "this domain does not manage content")
        state = ApplicationState.SELECTABLE if cmd.p1 == _INSTALL_SELECTABLE else ApplicationState.INSTALLED
        entry = domain.registry.add(aid, load_file, module, ctx.entry.instance, privileges, state)
        applet.install(domain.inside(entry), parameters)
        return ResponseAPDU(b"\0")

    @command(
        PROPRIETARY,
        ins=0xE6,
        p1=only(0x08),
        length=data(1, 255),
        access=MANAGEMENT,
        writes=True,
        spec="GP 2.3.1, 11.5",
        name="INSTALL [for make selectable]",
    )
    def make_selectable(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Make an application of this domain selectable that was only installed."""
        domain = require_domain(ctx)
        entry = _own(domain, _named(FieldReader(cmd.data)))
        if entry.state != ApplicationState.INSTALLED:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "it is selectable already")
        domain.registry.set_state(entry, ApplicationState.SELECTABLE)
        return ResponseAPDU(b"\0")

    @command(
        PROPRIETARY,
        ins=0xE6,
        p1=only(0x20),
        length=data(1, 255),
        access=MANAGEMENT,
        writes=False,
        spec="GP 2.3.1, 11.5",
        name="INSTALL [for personalization]",
    )
    def personalize(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Let the STORE DATA commands that follow in this session go to an application of this domain."""
        domain = require_domain(ctx)
        entry = _own(domain, _named(FieldReader(cmd.data)))
        ctx.on_success(lambda: setattr(ctx.channel, "personalises", entry.instance))
        return ResponseAPDU(b"\0")

    @command(
        PROPRIETARY,
        ins=0xE4,
        p2=only(0x00, 0x01),
        length=data(1, 255),
        access=MANAGEMENT,
        writes=True,
        spec="GP 2.3.1, 11.2",
    )
    def delete(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Delete an application of this domain (4F), without a trace; or keys (D0 identifier, D2 version; P2 = 01: the
        last ones, too).
        """
        domain = require_domain(ctx)
        fields = _fields(cmd.data)
        if set(fields) == {0x4F}:
            _delete_application(domain, fields[0x4F])
            return ResponseAPDU(b"\0")
        if not fields or set(fields) - {0xD0, 0xD2} or any(len(value) != 1 for value in fields.values()):
            raise CardError(StatusWord.INCORRECT_DATA, "4F names an application, D0 and D2 name keys")
        kid, kvn = (fields[tag][0] if tag in fields else None for tag in (0xD0, 0xD2))
        delete_keys(DomainKeys(ctx.area), kid, kvn, last_too=cmd.p2 == 0x01)
        return ResponseAPDU()

    @command(
        PROPRIETARY,
        ins=0xF2,
        p1=only(0x80, 0x40, 0x20, 0x10),
        p2=only(0x02, 0x03),
        length=data(2, 255),
        access=SUPERVISION,
        writes=False,
        spec="GP 2.3.1, 11.4",
    )
    def get_status(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """List this domain and what is below it (the issuer's: everything), in E3 templates.

        6310: more comes with P2 = 03.

        P1 80: the issuer's domain, 40: applications and domains, 20: load files, 10: load files with their modules.
        """
        domain = require_domain(ctx)
        name = _fields(cmd.data).get(0x4F)
        if name is None:
            raise CardError(StatusWord.INCORRECT_DATA, "4F holds the AID or its first bytes, or nothing")
        parts = ctx.channel.listing if cmd.p2 == 0x03 else tuple(_list(cmd.p1, name, domain))
        if not parts:
            raise CardError(StatusWord.REFERENCE_NOT_FOUND, "nothing to list")
        answer = b""
        while parts and (not answer or len(answer) + len(parts[0]) <= _LISTING_SIZE):
            answer, parts = answer + parts[0], parts[1:]
        ctx.on_success(lambda: setattr(ctx.channel, "listing", parts))
        return ResponseAPDU(answer, StatusWord.MORE_DATA_AVAILABLE if parts else StatusWord.OK)

    @command(
        PROPRIETARY,
        ins=0xF0,
        p1=only(0x80),
        p2=where(lambda p2: p2 in CARD_TRANSITIONS, "07 INITIALIZED, 0F SECURED, 7F CARD_LOCKED, FF TERMINATED"),
        length=data(0, 16),
        access=SUPERVISION,
        writes=True,
        spec="GP 2.3.1, 11.10",
        name="SET STATUS (card)",
    )
    def set_card_status(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Move the card to the state P2, from the issuer's domain, where the table of transitions allows it (6985)."""
        domain = require_domain(ctx)
        wanted, present = CardState(cmd.p2), domain.registry.card_state
        issuer = ctx.entry.instance == ISSUER_DOMAIN
        if not issuer or (wanted not in CARD_TRANSITIONS[present] and wanted is not CardState.TERMINATED):
            raise CardError(
                StatusWord.CONDITIONS_NOT_SATISFIED, f"no transition from {present.name} to {wanted.name} here"
            )
        domain.registry.set_state(domain.registry.by_instance(ISSUER_DOMAIN), wanted)
        return ResponseAPDU()

    @command(
        PROPRIETARY,
        ins=0xF0,
        p1=only(0x40),
        p2=where(lambda p2: p2 & 0x7F in (0x00, 0x03, 0x07, 0x0F), "b8 set: LOCKED, b8 clear: unlocked"),
        length=data(5, 16),
        access=MANAGEMENT,
        writes=True,
        spec="GP 2.3.1, 11.10",
        name="SET STATUS (application)",
    )
    def set_application_status(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Lock (P2 b8 = 1) or unlock an application of this domain; its own state is kept below the lock."""
        domain = require_domain(ctx)
        entry = _own(domain, cmd.data)
        state = entry.state | LOCKED if cmd.p2 & LOCKED else entry.state & ~LOCKED
        domain.registry.set_state(entry, state)
        return ResponseAPDU()


def _aid(name: bytes) -> AID:
    try:
        return AID(name)
    except ValueError as error:
        raise CardError(StatusWord.INCORRECT_DATA, str(error)) from None


def _privileges(stored: bytes) -> Privilege:
    if len(stored) not in (1, 3):
        raise CardError(StatusWord.INCORRECT_DATA, "privileges are one byte or three")
    value = int.from_bytes(stored.ljust(3, b"\0"))
    if value & ~sum(Privilege):
        raise CardError(StatusWord.INCORRECT_DATA, "a privilege that this card does not know")
    return Privilege(value)


def _application_parameters(stored: bytes) -> bytes:
    """Return the application's own installation parameters: the value of C9; no other object is known here."""
    if not stored:
        return b""
    fields = _fields(stored)
    if set(fields) != {0xC9}:
        raise CardError(StatusWord.INCORRECT_DATA, "installation parameters are C9 and nothing else")
    return fields[0xC9]


def _named(fields: FieldReader) -> bytes:
    """Read the application's AID from the fields that INSTALL has in these forms: all others are empty."""
    before, aid, after = (
        [fields.lengthed(), fields.lengthed()],
        fields.lengthed(),
        [fields.lengthed() for _ in range(3)],
    )
    fields.end()
    privileges, *rest = after
    if any(before) or any(rest) or privileges.strip(b"\0"):
        raise CardError(StatusWord.INCORRECT_DATA, "only the application is named here")
    return aid


def _fields(stored: bytes) -> dict[int, bytes]:
    try:
        objects = parse_tlvs(stored)
    except TlvError as error:
        raise CardError(StatusWord.INCORRECT_DATA, str(error)) from None
    fields = {tlv.tag: tlv.value for tlv in objects}
    if len(fields) != len(objects):
        raise CardError(StatusWord.INCORRECT_DATA, "a data object comes twice")
    return fields


def _own(ctx: DomainContext, aid: bytes) -> Entry:
    """Return an application below this domain by its full AID, or refuse with 6A88."""
    entry = ctx.registry.by_aid(aid)
    if entry is None or entry.domain != ctx.entry.instance or entry.instance == ctx.entry.instance:
        raise CardError(StatusWord.REFERENCE_NOT_FOUND, "no such application in this domain")
    return entry


def _delete_application(ctx: DomainContext, aid: bytes) -> None:
    entry = _own(ctx, aid)
    if any(other.domain == entry.instance for other in ctx.registry):
        raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "the domain still has applications")
    if ctx.volatile.selected(entry.instance, ctx.channel):
        raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "the application is selected on a logical channel")
    ctx.registry.remove(entry)


def _list(scope: int, name: bytes, ctx: DomainContext) -> Iterator[bytes]:
    if scope in (0x80, 0x40):
        yield from _list_applications(scope, name, ctx)
        return
    modules: dict[AID, list[AID]] = {}
    for applet in ctx.code.rom:
        modules.setdefault(applet.load_file, []).append(applet.module)
    for load_file, names in modules.items():
        if bytes(load_file).startswith(name):
            parts = [Tlv(0x4F, bytes(load_file)), Tlv(0x9F70, b"\x01")]
            parts += [Tlv(0x84, bytes(module)) for module in names] if scope == 0x10 else []
            yield Tlv.build(0xE3, *parts).encode()


def _list_applications(scope: int, name: bytes, ctx: DomainContext) -> Iterator[bytes]:
    everything = ctx.entry.instance == ISSUER_DOMAIN
    for entry in ctx.registry:
        visible = everything or ctx.entry.instance in (entry.instance, entry.domain)
        if visible and (entry.instance == ISSUER_DOMAIN) == (scope == 0x80) and bytes(entry.aid).startswith(name):
            yield Tlv.build(
                0xE3,
                Tlv(0x4F, bytes(entry.aid)),
                Tlv(0x9F70, bytes((entry.state,))),
                Tlv(0xC5, entry.privileges.to_bytes(3)),
                Tlv(0xC4, bytes(entry.load_file)),
                Tlv(0xCC, bytes(ctx.registry.by_instance(entry.domain).aid)),
            ).encode()
