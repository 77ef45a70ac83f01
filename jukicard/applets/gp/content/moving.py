"""INSTALL [for extradition] and [for registry update] (GP 2.3.1, 9.4, 9.6 and 11.5)."""

from __future__ import annotations

from dataclasses import replace

from jukicard.applets.gp.content.approvals import verifier_of
from jukicard.applets.gp.content.authority import authorise, confirm
from jukicard.applets.gp.content.fields import LONGEST_INSTALL, InstallFields, Parameters, own, to_privileges
from jukicard.applets.gp.content.installing import check_privileges
from jukicard.applets.gp.rules import MANAGEMENT
from jukicard.card.commands import PROPRIETARY, command, data, only
from jukicard.card.context import Context, DomainContext, require_domain
from jukicard.card.errors import CardError
from jukicard.card.registry import CardState, Entry, Privilege
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord


class Moving:
    """What becomes of an application's place and privileges after it was installed."""

    @command(
        PROPRIETARY,
        ins=0xE6,
        p1=only(0x10),
        length=data(1, LONGEST_INSTALL),
        access=MANAGEMENT,
        writes=True,
        spec="GP 2.3.1, 11.5",
        name="INSTALL [for extradition]",
    )
    def extradite(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Give an application of this domain to another domain, with its files, keys and passwords.

        Both must be approved for by the same domain; or by none, as long as the card is not SECURED (6985).
        """
        domain = require_domain(ctx)
        fields = InstallFields.read(cmd)
        if fields.second or fields.privileges:
            raise CardError(StatusWord.INCORRECT_DATA, "only a domain and an application are named here")
        parameters = Parameters.read(fields.parameters, known=())
        mandate = authorise(domain, fields.message, fields.token, parameters.control)
        entry = own(domain, fields.third)
        target = domain.registry.by_aid(fields.first)
        if target is None or not target.is_domain:
            raise CardError(StatusWord.REFERENCE_NOT_FOUND, "no such security domain")
        _check_way(domain, entry, target)
        domain.registry.change(replace(entry, domain=target.instance))
        return confirm(domain, mandate, ctx.entry.aid, entry.aid, target.aid)

    @command(
        PROPRIETARY,
        ins=0xE6,
        p1=only(0x40),
        length=data(1, LONGEST_INSTALL),
        access=MANAGEMENT,
        writes=True,
        spec="GP 2.3.1, 11.5",
        name="INSTALL [for registry update]",
    )
    def update_registry(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Give an application of this domain other privileges, of those that it could be installed with.

        DAP Verification is not taken away once the card is SECURED (6985).
        """
        domain = require_domain(ctx)
        fields = InstallFields.read(cmd)
        if fields.first or fields.second:
            raise CardError(StatusWord.INCORRECT_DATA, "only the application is named here")
        privileges = to_privileges(fields.privileges)
        parameters = Parameters.read(fields.parameters, known=())
        mandate = authorise(domain, fields.message, fields.token, parameters.control)
        entry = own(domain, fields.third)
        check_privileges(domain, privileges, is_domain=entry.is_domain)
        given_up = entry.privileges & ~privileges
        if Privilege.DAP_VERIFICATION in given_up and domain.registry.card_state >= CardState.SECURED:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "a card in use goes on verifying")
        domain.registry.change(replace(entry, privileges=privileges))
        return confirm(domain, mandate, ctx.entry.aid, entry.aid)


def _check_way(ctx: DomainContext, entry: Entry, target: Entry) -> None:
    here, there = verifier_of(ctx, ctx.entry), verifier_of(ctx, target)
    secured = ctx.registry.card_state >= CardState.SECURED
    if here != there or (here is None and secured):
        raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "nobody has approved the application for that domain")
    if entry.is_domain or target.instance == ctx.entry.instance or not ctx.registry.is_usable(target):
        raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "it cannot be moved there")
    if ctx.volatile.selected(entry.instance, ctx.channel):
        raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "the application is selected on a logical channel")
