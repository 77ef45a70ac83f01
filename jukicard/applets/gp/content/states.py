"""SET STATUS, and the life cycles with their tables of allowed transitions (GP 2.3.1, chapter 5 and 11.10)."""

from __future__ import annotations

from collections.abc import Iterable

from jukicard.applets.gp.content.fields import own
from jukicard.applets.gp.rules import MANAGEMENT, SUPERVISION
from jukicard.card.commands import PROPRIETARY, command, data, only, where
from jukicard.card.context import Context, DomainContext, require_domain
from jukicard.card.errors import CardError
from jukicard.card.registry import ISSUER_DOMAIN, LOCKED, ApplicationState, CardState, Entry, Privilege
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord

CARD_TRANSITIONS = {
    CardState.OP_READY: (CardState.INITIALIZED, CardState.TERMINATED),
    CardState.INITIALIZED: (CardState.SECURED, CardState.TERMINATED),
    CardState.SECURED: (CardState.CARD_LOCKED, CardState.TERMINATED),
    CardState.CARD_LOCKED: (CardState.SECURED, CardState.TERMINATED),
    CardState.TERMINATED: (CardState.TERMINATED,),
}
"""From each state of the card, the states that SET STATUS may move it to (GP 2.3.1, figure 5-1)."""

_INSTALLED, _SELECTABLE, _PERSONALIZED = ApplicationState
APPLICATION_TRANSITIONS: dict[int, tuple[int, ...]] = {
    _INSTALLED: (_SELECTABLE, _INSTALLED | LOCKED),
    _SELECTABLE: (_SELECTABLE | LOCKED,),
    _INSTALLED | LOCKED: (_INSTALLED,),
    _SELECTABLE | LOCKED: (_SELECTABLE,),
}
"""From each state of an application, its next ones (GP 2.3.1, figure 5-2): made selectable once, locked and unlocked at
any time.  What it is beyond that, an application keeps in its own cells.
"""

DOMAIN_TRANSITIONS: dict[int, tuple[int, ...]] = {
    **APPLICATION_TRANSITIONS,
    _SELECTABLE: (_PERSONALIZED, _SELECTABLE | LOCKED),
    _PERSONALIZED: (_PERSONALIZED | LOCKED,),
    _PERSONALIZED | LOCKED: (_PERSONALIZED,),
}
"""The same for a security domain (GP 2.3.1, figure 5-3), which its first keys make PERSONALIZED."""

_ONE, _DOMAIN_WITH_APPLICATIONS = 0x40, 0x60


def move(ctx: DomainContext, entry: Entry, state: int) -> None:
    """Move an application or domain to another state; 6985 where its table does not have the transition."""
    table = DOMAIN_TRANSITIONS if entry.is_domain else APPLICATION_TRANSITIONS
    if state not in table[entry.state]:
        reason = f"no transition from {entry.state:02X} to {state:02X}"
        raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, reason)
    ctx.registry.set_state(entry, state)


class States:
    """How the card, its domains and its applications go from one state to the next."""

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
        if ctx.entry.instance != ISSUER_DOMAIN or wanted not in CARD_TRANSITIONS[present]:
            raise CardError(
                StatusWord.CONDITIONS_NOT_SATISFIED, f"no transition from {present.name} to {wanted.name} here"
            )
        domain.registry.set_state(domain.registry.by_instance(ISSUER_DOMAIN), wanted)
        return ResponseAPDU()

    @command(
        PROPRIETARY,
        ins=0xF0,
        p1=only(_ONE, _DOMAIN_WITH_APPLICATIONS),
        p2=where(lambda p2: p2 & 0x7F in (0x00, 0x03, 0x07, 0x0F), "b8 set: LOCKED, b8 clear: unlocked"),
        length=data(5, 16),
        access=MANAGEMENT,
        writes=True,
        spec="GP 2.3.1, 11.10",
        name="SET STATUS (application)",
    )
    def set_application_status(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Lock (P2 b8 = 1) or unlock an application of this domain; its own state is kept below the lock.

        With Global Lock, any application but the issuer's domain.  A locked domain opens no sessions and verifies
        nothing, for its applications neither; P1 = 60: they are locked or unlocked with it.
        """
        domain = require_domain(ctx)
        entry = _lockable(domain, cmd.data)
        for one in (entry, *_applications(domain, entry, cmd.p1)):
            state = one.state | LOCKED if cmd.p2 & LOCKED else one.state & ~LOCKED
            if state != one.state:
                move(domain, one, state)
        return ResponseAPDU()


def _lockable(ctx: DomainContext, name: bytes) -> Entry:
    entry = ctx.registry.by_aid(name)
    if entry and entry.instance != ISSUER_DOMAIN and Privilege.GLOBAL_LOCK in ctx.entry.privileges:
        return entry
    return own(ctx, name)


def _applications(ctx: DomainContext, entry: Entry, p1: int) -> Iterable[Entry]:
    if p1 == _ONE:
        return ()
    if not entry.is_domain:
        raise CardError(StatusWord.INCORRECT_DATA, "P1 = 60 is for a security domain with its applications")
    return [other for other in ctx.registry if other.domain == entry.instance]
