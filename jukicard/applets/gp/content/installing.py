"""INSTALL [for install], [for make selectable], [for personalization] (GP 2.3.1, 11.5)."""

from __future__ import annotations

from jukicard.applets.gp.approval import rom_digest
from jukicard.applets.gp.content.approvals import approved, verifier_of
from jukicard.applets.gp.content.authority import authorise, confirm
from jukicard.applets.gp.content.fields import (
    APPROVAL,
    LONGEST_INSTALL,
    InstallFields,
    Parameters,
    application_named,
    own,
    to_aid,
    to_privileges,
)
from jukicard.applets.gp.content.states import move
from jukicard.applets.gp.rules import MANAGEMENT
from jukicard.applets.gp.tokens import TAG_SPECIFIC, TAG_STORAGE_QUOTA, TAG_SYSTEM, TAG_VOLATILE_QUOTA
from jukicard.card.applet import Applet
from jukicard.card.commands import PROPRIETARY, command, data, only
from jukicard.card.context import Context, DomainContext, require_domain
from jukicard.card.errors import CardError
from jukicard.card.registry import DOMAIN_LIMITS, ISSUER_DOMAIN, LOCKED, UNLIMITED, ApplicationState, Privilege
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.limits import Limits
from jukicard.iso7816.status import StatusWord

_INSTALL_ONLY, _INSTALL_SELECTABLE = 0x04, 0x0C
_ROM_VERSION = 0
_QUOTAS = (TAG_VOLATILE_QUOTA, TAG_STORAGE_QUOTA)
_OF_DOMAINS = Privilege.DAP_VERIFICATION | Privilege.DELEGATED_MANAGEMENT | Privilege.AUTHORIZED_MANAGEMENT
_BELOW_A_DOMAIN = Privilege.SECURITY_DOMAIN | Privilege.DELEGATED_MANAGEMENT
"""What another domain than the issuer's may give: it has a provider's domain below it, and no privilege to hand on."""


class Installing:
    """How an application is made of code."""

    @command(
        PROPRIETARY,
        ins=0xE6,
        p1=only(_INSTALL_ONLY, _INSTALL_SELECTABLE),
        length=data(1, LONGEST_INSTALL),
        access=MANAGEMENT,
        writes=True,
        spec="GP 2.3.1, 11.5",
        name="INSTALL [for install (and make selectable)]",
    )
    def install_application(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Install an application under this domain: of a module in ROM, or in a load file of this domain's.

        Where DAP Verification holds, a module in ROM needs an approval in the parameters (BF61, 5F37); a load file has
        brought its own.  EF holds quotas: what a domain reserves, or what an application gets of what was approved.
        """
        domain = require_domain(ctx)
        fields = InstallFields.read(cmd)
        load_file, module, aid = to_aid(fields.first), to_aid(fields.second), to_aid(fields.third)
        privileges = to_privileges(fields.privileges)
        known = (TAG_SPECIFIC, TAG_SYSTEM, *APPROVAL)
        parameters = Parameters.read(fields.parameters, known=known, system=_QUOTAS)
        applet = _module(domain, load_file, module)
        check_privileges(domain, privileges, is_domain=applet.is_domain)
        mandate = authorise(domain, fields.message, fields.token, parameters.control)
        granted = _granted(domain, load_file, applet, parameters)
        state = ApplicationState.SELECTABLE if cmd.p1 == _INSTALL_SELECTABLE else ApplicationState.INSTALLED
        entry = domain.registry.add(aid, load_file, module, ctx.entry.instance, privileges, state, granted)
        applet.install(domain.inside(entry), parameters.specific)
        return confirm(domain, mandate, load_file, aid)

    @command(
        PROPRIETARY,
        ins=0xE6,
        p1=only(0x08),
        length=data(1, LONGEST_INSTALL),
        access=MANAGEMENT,
        writes=True,
        spec="GP 2.3.1, 11.5",
        name="INSTALL [for make selectable]",
    )
    def make_selectable(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Make an application of this domain selectable that was only installed."""
        domain = require_domain(ctx)
        fields = InstallFields.read(cmd)
        name = application_named(fields)
        parameters = Parameters.read(fields.parameters, known=())
        mandate = authorise(domain, fields.message, fields.token, parameters.control)
        entry = own(domain, name)
        if entry.state & LOCKED:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "only SET STATUS unlocks it")
        move(domain, entry, ApplicationState.SELECTABLE)
        return confirm(domain, mandate, entry.load_file, entry.aid)

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
        fields = InstallFields.read(cmd)
        name = application_named(fields)
        if fields.parameters or fields.token:
            raise CardError(StatusWord.INCORRECT_DATA, "no parameters and no token are expected here")
        entry = own(domain, name)
        ctx.on_success(lambda: setattr(ctx.channel, "personalises", entry.instance))
        return ResponseAPDU(b"\0")


def check_privileges(ctx: DomainContext, privileges: Privilege, *, is_domain: bool) -> None:
    """Refuse (6985) privileges that this domain cannot give, or that such an application cannot have.

    The issuer's domain gives every one; a domain with DAP Verification and Authorized Management has domains below it
    with Delegated Management at most; all others have applications only, without privileges.
    """
    own_privileges, issuer = ctx.entry.privileges, ctx.entry.instance == ISSUER_DOMAIN
    verifying = Privilege.DAP_VERIFICATION | Privilege.AUTHORIZED_MANAGEMENT
    both = Privilege.DELEGATED_MANAGEMENT | Privilege.AUTHORIZED_MANAGEMENT
    impossible = (
        (Privilege.SECURITY_DOMAIN in privileges) != is_domain
        or (is_domain and not issuer and verifying not in own_privileges)
        or (privileges & ~_BELOW_A_DOMAIN and not issuer)
        or (privileges & _OF_DOMAINS and not is_domain)
        or both in privileges
    )
    if impossible:
        raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "these privileges cannot be given here")


def _module(ctx: DomainContext, load_file: AID, module: AID) -> Applet:
    """Return a module's applet; a load file of another domain is as good as none (6A88)."""
    file = ctx.registry.contents.load_file(bytes(load_file))
    if file is not None and file.domain != ctx.entry.instance:
        raise CardError(StatusWord.REFERENCE_NOT_FOUND, "the load file is another domain's")
    return ctx.code.module(load_file, module)


def _granted(ctx: DomainContext, load_file: AID, applet: Applet, parameters: Parameters) -> Limits | None:
    """Return the limits of a new application, None for the usual ones."""
    file = ctx.registry.contents.load_file(bytes(load_file))
    verifier = verifier_of(ctx, ctx.entry)
    if file is None and verifier is not None and not applet.is_domain:
        shown = (load_file, _ROM_VERSION, rom_digest(load_file, applet.module))
        granted: Limits | None = approved(ctx, ctx.entry, verifier, parameters.approval, shown)
    elif parameters.approval:
        raise CardError(StatusWord.INCORRECT_DATA, "no approval is expected here")
    else:
        granted = file.limits if file else None
    if not parameters.system:
        return granted
    return _within(granted, parameters.system, is_domain=applet.is_domain)


def _within(granted: Limits | None, quotas: dict[int, int], *, is_domain: bool) -> Limits:
    """Return the limits that quotas set: a domain's as they are, an application's within what was approved (6A84)."""
    usual = granted or (DOMAIN_LIMITS if is_domain else UNLIMITED)
    storage, memory = quotas.get(TAG_STORAGE_QUOTA, usual.storage), quotas.get(TAG_VOLATILE_QUOTA, usual.memory)
    if not is_domain and (storage > usual.storage or memory > usual.memory):
        raise CardError(StatusWord.NOT_ENOUGH_MEMORY, "a quota beyond what was approved")
    return Limits(storage, memory, usual.rights)
