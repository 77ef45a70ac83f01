"""What a command's context tells its handler: the facts that hold for it, its domain's affairs, its success."""

from __future__ import annotations

import pytest

from jukicard.applets import catalogue
from jukicard.applets.gp.layout import KID_SCP11A
from jukicard.card.code import Code
from jukicard.card.context import Context, DomainContext, Services
from jukicard.card.errors import StoreError
from jukicard.card.memory import Memory
from jukicard.card.ports import Interface, Ports
from jukicard.card.registry import Entry, Registry
from jukicard.card.routing import Routing
from jukicard.card.security.conditions import NOTHING, Facts
from jukicard.card.transaction import Transaction
from jukicard.card.volatile import Channel, Session, Volatile
from jukicard.iso7816.aid import AID
from jukicard.securechannel.authorization import Right, Role, TerminalAuthorization
from jukicard.securechannel.messages import LEVELS, CardMessages, SecurityLevel
from jukicard.securechannel.scp03 import SessionKeys
from jukicard.testing.seeds import randomness
from tests.support import chips
from tests.support.chips import WatchedStore

KEYS = SessionKeys(bytes(16), bytes(16), bytes(16))
AUTHORIZATION = TerminalAuthorization(Role.COUNTER, frozenset({Right.IDENTIFY}), chips.CITY)


def session(level: SecurityLevel = SecurityLevel.FULL, *, authenticated: bool = True) -> Session:
    messages = CardMessages(KEYS, level)
    return Session(KID_SCP11A, 1, 2, messages, level, authenticated, AUTHORIZATION)


class Bench:
    """A delivered chip, and contexts of its applications on the basic channel."""

    def __init__(self) -> None:
        self.store = WatchedStore(chips.delivered().cells)
        self.transaction = Transaction(self.store)
        self.registry = Registry(self.transaction)
        rom = catalogue.rom()
        volatile = Volatile.at_reset(self.entry(chips.JUKI).instance)
        ports = Ports(randomness(1))
        code = Code(rom, self.store)
        routing = Routing(self.store, code)
        self.services = Services(ports, code, self.store, Memory(self.store), routing, Interface.CONTACTLESS, volatile)
        self.channel = volatile.basic

    def entry(self, aid: AID) -> Entry:
        found = self.registry.by_aid(bytes(aid))
        assert found is not None
        return found

    def context(self, under: Session | None = None, aid: AID = chips.JUKI) -> Context:
        entry = self.entry(aid)
        applet = self.services.code.applet(entry)
        kind = DomainContext if entry.is_domain else Context
        return kind(self.services, self.transaction, self.channel, applet, entry, entry, under)


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def channel(bench: Bench) -> Channel:
    """The basic channel, on which a password and a key were proved."""
    bench.channel.security.verified.add(0x81)
    bench.channel.security.authenticated.add(0x91)
    return bench.channel


# --- facts


def test_without_a_session_a_command_has_what_was_proved_on_its_channel(bench: Bench, channel: Channel) -> None:
    ctx = bench.context()
    assert ctx.counts is True
    assert ctx.facts == Facts(passwords=frozenset({0x81}), authenticated=frozenset({0x91}))


def test_a_plain_command_beside_a_session_has_nothing(bench: Bench, channel: Channel) -> None:
    channel.session = session()
    ctx = bench.context()
    assert ctx.counts is False
    assert ctx.facts is NOTHING


def test_a_command_in_the_channels_session_has_its_facts(bench: Bench, channel: Channel) -> None:
    channel.session = session()
    ctx = bench.context(channel.session)
    assert ctx.counts is True
    facts = ctx.facts
    assert [number for number in range(256) if number in facts.rights] == [Right.IDENTIFY]
    without = facts._replace(rights=frozenset())
    assert without == Facts(frozenset({0x81}), frozenset(), 0x11, True, True, True, True, frozenset({0x91}))


@pytest.mark.parametrize("level", sorted(LEVELS))
def test_the_level_of_a_session_tells_how_its_messages_are_protected(bench: Bench, level: SecurityLevel) -> None:
    bench.channel.session = session(level)
    facts = bench.context(bench.channel.session).facts
    told = (facts.command_mac, facts.command_enc, facts.response_mac, facts.response_enc)
    order = (SecurityLevel.C_MAC, SecurityLevel.C_DECRYPTION, SecurityLevel.R_MAC, SecurityLevel.R_ENCRYPTION)
    assert told == tuple(part in level for part in order)


def test_a_handshake_has_nothing(bench: Bench, channel: Channel) -> None:
    channel.session = session(authenticated=False)
    ctx = bench.context(channel.session)
    assert ctx.counts is False
    assert ctx.facts is NOTHING


@pytest.mark.parametrize("present", [None, session()], ids=["none", "another"])
def test_a_command_of_a_session_that_is_over_has_nothing(
    bench: Bench, channel: Channel, present: Session | None
) -> None:
    channel.session = present
    ctx = bench.context(session())
    assert ctx.counts is False
    assert ctx.facts is NOTHING


# --- what is around it


def test_an_application_is_told_of_its_own_domain(bench: Bench) -> None:
    ctx = bench.context()
    assert ctx.domain_aid == chips.JUKI_DOMAIN
    assert ctx.date_estimate == chips.ESTIMATE
    assert ctx.domain_key_identifiers == frozenset({0x01, 0x10, 0x11, 0x13})
    assert bench.context(aid=chips.LIBRARY).domain_aid == chips.CITY_DOMAIN
    assert bench.context(aid=chips.JUKI_DOMAIN).domain_aid == chips.ISSUER


def test_a_command_reaches_the_cells_of_its_own_application(bench: Bench) -> None:
    for aid in (chips.JUKI, chips.LIBRARY):
        ctx = bench.context(aid=aid)
        ctx.area.write("x", bytes(aid))
        assert bench.transaction.read(f"{bench.entry(aid).area}x") == bytes(aid)
        assert ctx.passwords.by_reference(0x81).header == ctx.passwords.by_reference(0x81).header
    domain = bench.context(aid=chips.ISSUER)
    assert isinstance(domain, DomainContext)
    assert domain.area_of(bench.entry(chips.JUKI)).read("x") == bytes(chips.JUKI)


def test_what_the_chip_shares(bench: Bench) -> None:
    ctx = bench.context(aid=chips.ISSUER)
    assert isinstance(ctx, DomainContext)
    assert ctx.interface is Interface.CONTACTLESS
    assert ctx.ports is bench.services.ports
    assert ctx.code is bench.services.code
    assert ctx.volatile is bench.services.volatile
    assert list(ctx.registry) == list(bench.registry)


@pytest.mark.parametrize(
    ("aid", "kind"), [(chips.JUKI, Context), (chips.LIBRARY, Context), (chips.CITY_DOMAIN, DomainContext)]
)
def test_inside_another_application_its_own_code_runs_outside_any_session(
    bench: Bench, aid: AID, kind: type[Context]
) -> None:
    bench.channel.session = session()
    domain = bench.context(bench.channel.session, chips.ISSUER)
    assert isinstance(domain, DomainContext)
    inside = domain.inside(bench.entry(aid))
    assert type(inside) is kind
    assert inside.entry == inside.selected == bench.entry(aid)
    assert inside.applet is bench.services.code.applet(bench.entry(aid))
    assert inside.session is None
    assert inside.facts is NOTHING


# --- success


def test_what_a_command_gained_takes_effect_once_its_writes_are_committed(bench: Bench) -> None:
    ctx = bench.context()
    seen: list[tuple[str, int]] = []
    for name in ("first", "second"):
        ctx.on_success(lambda name=name: seen.append((name, len(bench.store.commits))))  # type: ignore[misc]
    ctx.area.write("x", b"y")
    assert seen == []
    ctx.complete()
    assert seen == [("first", 1), ("second", 1)]


def test_what_could_not_be_committed_gains_nothing(bench: Bench) -> None:
    ctx = bench.context()
    seen: list[int] = []
    ctx.on_success(lambda: seen.append(1))
    ctx.area.write("x", b"y")
    bench.store.cut = lambda _number: True
    with pytest.raises(StoreError):
        ctx.complete()
    assert seen == []
