"""No point is made or lost between cards: under power cuts at every step on either side, replays and swaps."""

from __future__ import annotations

from contextlib import suppress

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from jukicard.applets.points.layout import CREDIT, DEBIT
from jukicard.applets.points.records import Held, Order
from jukicard.applets.points.transfer import recover, transfer
from jukicard.iso7816.errors import CardRemoved, HostError
from tests.support import services
from tests.support.purses import Bench

FAULTS = ("before", "commit", "after")
AMOUNT = 120


def steps() -> int:
    """How many commands a payment takes, on both cards together."""
    bench = Bench()
    assert transfer(bench.clients[1], bench.clients[2], AMOUNT)
    assert bench.balances == [380, 620]
    assert (bench.held(1), bench.received(2)) == (None, [])
    return bench.commands


STEPS = steps()
TWICE = [(at, again) for at in range(STEPS) for again in range(at % 3, STEPS, 3)]


def cut(bench: Bench, at: int, fault: str) -> None:
    bench.fault = lambda number: fault if number == at else None


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("at", range(STEPS))
def test_a_payment_cut_anywhere_is_brought_to_its_end(at: int, fault: str) -> None:
    bench = Bench()
    cut(bench, at, fault)
    with pytest.raises(CardRemoved):
        transfer(bench.clients[1], bench.clients[2], AMOUNT)
    assert bench.total == 1000
    bench.fault = lambda _: None
    bench.power_on()
    accepted = recover(bench.clients[1], bench.clients[2])
    assert bench.balances in ([500, 500], [380, 620])
    assert accepted is not False
    assert (bench.held(1), bench.received(2)) == (None, [])
    assert recover(bench.clients[1], bench.clients[2]) is None
    assert transfer(bench.clients[2], bench.clients[1], 1)
    assert sum(bench.balances) == 1000


@pytest.mark.parametrize("second", FAULTS)
@pytest.mark.parametrize("first", FAULTS)
def test_a_recovery_that_is_cut_is_recovered(first: str, second: str) -> None:
    for at, again in TWICE:
        bench = Bench()
        cut(bench, at, first)
        with pytest.raises(CardRemoved):
            transfer(bench.clients[1], bench.clients[2], AMOUNT)
        bench.power_on()
        cut(bench, again, second)
        with suppress(CardRemoved):
            recover(bench.clients[1], bench.clients[2])
        assert bench.total == 1000
        bench.fault = lambda _: None
        bench.power_on()
        recover(bench.clients[1], bench.clients[2])
        assert bench.balances in ([500, 500], [380, 620])
        assert (bench.held(1), bench.received(2)) == (None, [])


def test_a_voucher_given_again_is_credited_once_even_after_it_was_forgotten() -> None:
    bench = Bench()
    payer, payee = bench.clients[1], bench.clients[2]
    entry, invitation = payee.invite(services.member_number(1), AMOUNT)
    voucher = payer.pay(bench.member(2), entry, AMOUNT, invitation)
    held = bench.held(1)
    assert held is not None
    decision = payee.receive(bench.member(1), voucher, held)
    assert decision[0]
    for accept in (True, False, True):
        assert payee.receive(bench.member(1), voucher, held, accept=accept) == decision
    finished = payer.finish(decision)
    payee.confirm(bench.member(1), finished)
    again = payee.receive(bench.member(1), voucher, held)
    assert again[0] is False  # of no use: the payer has finished that payment
    with pytest.raises(HostError):
        payer.finish(again)
    payer.pay(bench.member(2), *(lambda found: (found[0], AMOUNT, found[1]))(payee.invite(b"member\0\1", AMOUNT)))
    for old in (decision, again):
        with pytest.raises(HostError):
            payer.finish(old)
    assert bench.total == 1000


def test_an_old_word_of_what_is_finished_does_not_make_a_later_payment_forgotten() -> None:
    bench = Bench()
    payer, payee = bench.clients[1], bench.clients[2]
    old = payer.finished()
    entry, invitation = payee.invite(services.member_number(1), AMOUNT)
    voucher = payer.pay(bench.member(2), entry, AMOUNT, invitation)
    held = bench.held(1)
    assert held is not None
    decision = payee.receive(bench.member(1), voucher, held)
    payee.confirm(bench.member(1), old)
    assert payee.receive(bench.member(1), voucher, held) == decision
    payee.confirm(bench.member(1), payer.finished())
    assert payee.receive(bench.member(1), voucher, held) == decision
    assert recover(payer, payee) is True
    assert bench.received(2) == []
    assert bench.balances == [380, 620]


class Terminal(RuleBasedStateMachine):
    """A terminal that keeps every message and gives any of them to any card, in any order, while power is cut."""

    invitations = Bundle("invitations")
    vouchers = Bundle("vouchers")
    decisions = Bundle("decisions")
    finishes = Bundle("finishes")
    cards = st.integers(1, 3)
    amounts = st.sampled_from((1, 2, 7, 7, 120, 499, 900))
    rarely = st.sampled_from((False,) * 5 + (True,))
    faults = st.sampled_from((*[None] * 12, *FAULTS))

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(3)
        self.ordered = 1500
        self.orders: list[tuple[int, Order]] = []

    def ask(self, fault, action):
        """What came of a command, perhaps struck by a fault; nothing where it was refused or lost."""
        cut(self.bench, self.bench.commands, fault) if fault else None
        try:
            return action()
        except CardRemoved:
            self.bench.fault = lambda _: None
            self.bench.power_on()
        except HostError:
            pass
        finally:
            self.bench.fault = lambda _: None
        return None

    @initialize(target=invitations, payer=cards, payee=cards, amount=amounts)
    def begins(self, payer: int, payee: int, amount: int):
        return self.invites(payer, payee, amount, None)

    @rule(target=invitations, payer=cards, payee=cards, amount=amounts, fault=faults)
    def invites(self, payer: int, payee: int, amount: int, fault: str | None):
        client = self.bench.clients[payee]
        found = self.ask(fault, lambda: client.invite(services.member_number(payer), amount))
        return (payer, payee, amount, *found) if found else multiple()

    @rule(target=vouchers, invitation=invitations, payer=cards, payee=cards, fault=faults, swapped=rarely)
    def pays(self, invitation, payer: int, payee: int, fault: str | None, *, swapped: bool):
        if not swapped:
            payer, payee = invitation[:2]
        _, _, amount, entry, signature = invitation
        member = self.bench.member(payee)
        found = self.ask(fault, lambda: self.bench.clients[payer].pay(member, entry, amount, signature))
        return (payer, payee, found, Held(member.number, member.point, entry, amount)) if found else multiple()

    @rule(target=vouchers, payer=cards)
    def asks_for_the_voucher(self, payer: int):
        found, held = self.ask(None, self.bench.clients[payer].voucher), self.bench.held(payer)
        if not found or held is None:
            return multiple()
        payee = next(number for number in (1, 2, 3) if services.member_number(number) == held.payee)
        return payer, payee, found, held

    @rule(target=decisions, voucher=vouchers, at=cards, refuse=rarely, swapped=rarely, fault=faults)
    def receives(self, voucher, at: int, *, refuse: bool, swapped: bool, fault: str | None):
        payer, payee, signed, held = voucher
        client, member = self.bench.clients[at if swapped else payee], self.bench.member(payer)
        found = self.ask(fault, lambda: client.receive(member, signed, held, accept=not refuse))
        return (payer, found) if found else multiple()

    @rule(target=finishes, decision=decisions, at=cards, swapped=rarely, turned=rarely, fault=faults)
    def finishes_it(self, decision, at: int, *, swapped: bool, turned: bool, fault: str | None):
        payer, (accepted, signature) = decision
        payer = at if swapped else payer
        found = self.ask(fault, lambda: self.bench.clients[payer].finish((accepted ^ turned, signature)))
        return (payer, found) if found else multiple()

    @rule(target=finishes, payer=cards)
    def asks_what_is_finished(self, payer: int):
        found = self.ask(None, self.bench.clients[payer].finished)
        return (payer, found) if found else multiple()

    @rule(finish=finishes, at=cards, fault=faults)
    def confirms(self, finish, at: int, fault: str | None) -> None:
        payer, signed = finish
        self.ask(fault, lambda: self.bench.clients[at].confirm(self.bench.member(payer), signed))

    @rule(at=cards, direction=st.sampled_from((CREDIT, DEBIT)), amount=amounts, fault=faults)
    def orders_it(self, at: int, direction: int, amount: int, fault: str | None) -> None:
        before = self.bench.purse(at)
        order = Order(direction, before.sequence + 1, amount, b"a shop..")
        self.orders.append((at, order))
        self.carries_out(at, order, fault)

    @rule(at=cards, number=st.integers(0, 100), fault=faults)
    def repeats_an_order(self, at: int, number: int, fault: str | None) -> None:
        if self.orders:
            to, order = self.orders[number % len(self.orders)]
            self.carries_out(at, order, fault, to)

    def carries_out(self, at: int, order: Order, fault: str | None, to: int = 0) -> None:
        before = self.bench.purse(at)
        signature = services.signed(order, to or at)
        self.ask(fault, lambda: self.bench.clients[at].carry_out(order, signature, self.bench.member(at)))
        after = self.bench.purse(at)
        change = order.amount if order.direction == CREDIT else -order.amount
        assert after.balance - before.balance in (0, change)
        if after.balance != before.balance:
            assert (to or at) == at
            assert order.sequence == before.sequence + 1
        self.ordered += after.balance - before.balance

    @rule()
    def loses_power(self) -> None:
        self.bench.power_on()

    @invariant()
    def no_point_is_made_or_lost(self) -> None:
        assert self.bench.total == self.ordered
        for number in self.bench.cells:
            purse, held = self.bench.purse(number), self.bench.held(number)
            assert 0 <= purse.balance + (held.amount if held else 0) <= purse.limit

    def teardown(self) -> None:
        """Whatever was left open is brought to its end by a terminal that knows nothing of what went before."""
        self.bench.power_on()
        for payer in self.bench.cells:
            held = self.bench.held(payer)
            if held is not None:
                payee = next(n for n in self.bench.cells if services.member_number(n) == held.payee)
                recover(self.bench.clients[payer], self.bench.clients[payee])
                assert self.bench.held(payer) is None
        assert sum(self.bench.balances) == self.ordered


TestTerminal = Terminal.TestCase
TestTerminal.settings = settings(
    max_examples=20, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
