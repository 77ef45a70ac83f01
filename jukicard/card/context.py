"""What a command handler is given: its own application's cells, its logical channel, and nothing of anybody else's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jukicard.card.errors import CardError
from jukicard.card.files.structures import Files
from jukicard.card.ports import Interface, Ports
from jukicard.card.registry import ISSUER_DOMAIN, Entry, LoadFile, Registry
from jukicard.card.security.conditions import NOTHING, Facts, Rights
from jukicard.card.security.keypairs import KeyPairs
from jukicard.card.security.passwords import Passwords
from jukicard.card.security.secretkeys import SecretKeys
from jukicard.card.transaction import Area, Transaction, area_prefix
from jukicard.card.volatile import Channel, Program, Session, Volatile
from jukicard.iso7816.aid import AID
from jukicard.iso7816.limits import ApplicationRight
from jukicard.iso7816.status import StatusWord
from jukicard.securechannel.messages import LEVELS

if TYPE_CHECKING:
    from jukicard.card.applet import Applet
    from jukicard.card.code import Code
    from jukicard.card.commands import Guarded, Row
    from jukicard.card.explain import Refusal
    from jukicard.card.memory import Memory
    from jukicard.card.routing import Routing
    from jukicard.card.store import Store


_FILES, _PASSWORDS, _SIGN, _MAC = (
    int(right)
    for right in (ApplicationRight.FILES, ApplicationRight.PASSWORDS, ApplicationRight.SIGN, ApplicationRight.MAC)
)
_ISSUER_AREA = area_prefix(ISSUER_DOMAIN)


@dataclass(slots=True)
class Services:
    """What one powered chip shares among its commands.

    `row` is that of the command under way, once it was found; `refusal` why the last command was refused, if it was.
    """

    ports: Ports
    code: Code
    store: Store
    memory: Memory
    routing: Routing
    interface: Interface
    volatile: Volatile
    row: Row | None = None
    refusal: Refusal | None = None


class Context:
    """One command on its way through one application.

    `entry` is the application whose code runs and whose cells `area` reaches; `selected` the one that is selected on
    the channel: another one where an application hands a command on to its security domain.  `session` is the secure
    channel session under which this very command came, or None.
    """

    __slots__ = (
        "_area",
        "_services",
        "_success",
        "_transaction",
        "applet",
        "channel",
        "entry",
        "row",
        "selected",
        "session",
        "target",
    )

    row: Row
    target: Guarded

    def __init__(
        self,
        services: Services,
        transaction: Transaction,
        channel: Channel,
        applet: Applet,
        entry: Entry,
        selected: Entry,
        session: Session | None,
    ) -> None:
        self._services = services
        self._transaction = transaction
        self.channel = channel
        self.applet = applet
        self.entry = entry
        self.selected = selected
        self.session = session
        self._area: Area | None = None
        self._success: tuple[Callable[[], None], ...] = ()

    @property
    def area(self) -> Area:
        """The application's cells."""
        if self._area is None:
            self._area = Area(self._transaction, self.entry.area)
        return self._area

    def require(self, right: int) -> None:
        """Refuse (6985) what the application's approval does not let it use."""
        if not self.entry.rights & right:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "the application's approval does not let it do that")

    def start(self, program: Program) -> None:
        """Let loaded code begin its work on this channel; 6A84 where its domain has not enough volatile memory left."""
        here = self.channel
        others = (channel.program for channel in self._services.volatile.channels if channel and channel is not here)
        taken = sum(other.memory for other in others if other and other.domain == program.domain)
        domain = self._domain()
        reserved = sum(below.limits.memory for below in domain.registry.contents.domains_below(domain.entry))
        if taken + reserved + program.memory > domain.entry.limits.memory:
            raise CardError(StatusWord.NOT_ENOUGH_MEMORY, "more volatile memory than the security domain has left")
        here.program = program

    @property
    def files(self) -> Files:
        """The application's files."""
        self.require(_FILES)
        return self.applet.files(self)

    @property
    def passwords(self) -> Passwords:
        """The application's passwords."""
        self.require(_PASSWORDS)
        return Passwords(self.area)

    @property
    def key_pairs(self) -> KeyPairs:
        """The application's key pairs."""
        self.require(_SIGN)
        return KeyPairs(self.area)

    @property
    def secret_keys(self) -> SecretKeys:
        """The application's secret keys."""
        self.require(_MAC)
        return SecretKeys(self.area)

    @property
    def ports(self) -> Ports:
        """The chip's ports."""
        return self._services.ports

    @property
    def interface(self) -> Interface:
        """The interface that this session uses."""
        return self._services.interface

    @property
    def counts(self) -> bool:
        """Whether the command belongs to the channel's session, or there is none: only then it has what was proved
        there, and what it proves is added to it.
        """
        return self.session is self.channel.session and (self.session is None or self.session.authenticated)

    @property
    def facts(self) -> Facts:
        """What holds for this command.

        A command outside the channel's session is given none of the session's facts.
        """
        session = self.session
        if not self.counts:
            return NOTHING
        passwords = frozenset(self.channel.security.verified)
        authenticated = frozenset(self.channel.security.authenticated)
        if session is None:
            return Facts(passwords=passwords, authenticated=authenticated)
        rights = Rights(lambda: self.applet.rights(self, session))
        return Facts(passwords, rights, session.kid, *_PROTECTION[session.level], authenticated)

    def on_success(self, action: Callable[[], None]) -> None:
        """Do something volatile (grant a right, make a file current) once the command's writes are committed, and only
        then.
        """
        self._success = (*self._success, action)

    def complete(self) -> None:
        """Commit the command's writes, then let what it gained take effect."""
        self._transaction.commit()
        for action in self._success:
            action()

    @property
    def domain_aid(self) -> AID:
        """The AID of the security domain that the running application belongs to."""
        return self._domain().entry.aid

    @property
    def date_estimate(self) -> int | None:
        """The date (YYYYMMDD) as far as the application's security domain knows it, or None."""
        domain = self._domain()
        return domain.applet.date_estimate(domain)

    @property
    def domain_key_identifiers(self) -> frozenset[int]:
        """The key identifiers (KID) that the application's security domain has keys of its own for."""
        domain = self._domain()
        return domain.applet.key_identifiers(domain)

    def _domain(self) -> DomainContext:
        entry = Registry(self._transaction).by_instance(self.entry.domain)
        applet = self._services.code.applet(entry)
        return DomainContext(self._services, self._transaction, self.channel, applet, entry, self.selected, None)


class DomainContext(Context):
    """The context of security domains and of the card's own commands: they see the registry, too."""

    __slots__ = ()

    @property
    def registry(self) -> Registry:
        """The registry of the card."""
        return Registry(self._transaction)

    @property
    def code(self) -> Code:
        """The code that this chip can run."""
        return self._services.code

    @property
    def volatile(self) -> Volatile:
        """The volatile state of all logical channels."""
        return self._services.volatile

    @property
    def issuer_area(self) -> Area:
        """The cells of the issuer security domain, which every card has."""
        return Area(self._transaction, _ISSUER_AREA)

    def area_of(self, entry: Entry | LoadFile) -> Area:
        """Return the cells of another application or of a load file: for domains, on behalf of what is below them."""
        return Area(self._transaction, entry.area)

    def inside(self, entry: Entry) -> Context:
        """Return a context in which another application's own code runs, for its installation or selection."""
        applet = self.code.applet(entry)
        kind = DomainContext if entry.is_domain else Context
        return kind(self._services, self._transaction, self.channel, applet, entry, entry, None)


_PROTECTION: dict[int, tuple[bool, bool, bool, bool]] = {
    level: (bool(level & 0x01), bool(level & 0x02), bool(level & 0x10), bool(level & 0x20)) for level in LEVELS
}
"""For each security level: whether commands bear a MAC, are encrypted, responses bear a MAC, are encrypted."""


def require_domain(ctx: Context) -> DomainContext:
    """Return `ctx` as the context of a security domain; 6985 where it is an application's."""
    if not isinstance(ctx, DomainContext):
        raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "only a security domain does that")
    return ctx
