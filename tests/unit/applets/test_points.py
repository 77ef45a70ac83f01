"""Community points: orders that are signed, done once and receipted; who may do what; invitations and refusals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from jukicard.applets.gp.client import DomainClient
from jukicard.applets.points.client import PointsClient
from jukicard.applets.points.layout import (
    CREDIT,
    DEBIT,
    INS_CONFIRM,
    INS_FINISH,
    INS_INVITE,
    INS_ORDER,
    INS_RECEIVE,
    MAX_RECEIVED,
    MODULE,
)
from jukicard.applets.points.records import Held, Order, PointsError, Purse, Received
from jukicard.applets.points.transfer import recover, transfer
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.errors import AuthenticationFailed, CardStatusError
from jukicard.iso7816.wrappers import standard
from jukicard.securechannel.host import StaticKeyring
from jukicard.securechannel.signatures import from_der, is_signed_by
from tests.support import chips, services
from tests.support.chips import Chip, say
from tests.support.purses import Bench
from tests.support.services import BALANCE, LIMIT, PIN, member_number, points_client, shop, signed

SHOP_REFERENCE = b"a shop.."


def order(direction: int, amount: int, sequence: int = 2) -> Order:
    return Order(direction, sequence, amount, SHOP_REFERENCE)


def refused(sw: int, action: Callable[..., object], *values: object) -> None:
    with pytest.raises(CardStatusError) as caught:
        action(*values)
    assert caught.value.sw == sw


def do(client: PointsClient, one: Order, number: int = 1) -> int:
    return client.carry_out(one, signed(one, number), client.member())


def test_orders_move_the_balance_within_its_limits_and_are_receipted() -> None:
    client = points_client(services.chip(), shop(), pin=PIN)
    assert do(client, order(CREDIT, 100)) == BALANCE + 100
    assert do(client, order(DEBIT, 600, 3)) == 0
    refused(0x6985, do, client, order(DEBIT, 1, 4))
    assert do(client, order(CREDIT, LIMIT, 4)) == LIMIT
    refused(0x6985, do, client, order(CREDIT, 1, 5))
    assert client.purse().sequence == 4


def test_an_order_is_done_once_and_answered_the_same_again() -> None:
    chip = services.chip()
    client = points_client(chip, shop(), pin=PIN)
    one = order(CREDIT, 100)
    assert [do(client, one) for _ in range(3)] == [600, 600, 600]
    do(client, order(DEBIT, 50, 3))
    refused(0x6985, do, client, one)  # replayed later
    refused(0x6985, do, client, order(CREDIT, 100, 5))  # not the next
    refused(0x6985, do, client, replace(order(DEBIT, 50, 3), reference=b"another."))
    client = points_client(chip, shop(), pin=PIN)
    assert do(client, order(DEBIT, 50, 3)) == 550
    assert client.purse().balance == 550


def test_an_order_is_the_centres_and_for_this_card() -> None:
    client = points_client(services.chip(), shop(), pin=PIN)
    one, member = order(CREDIT, 100), client.member()
    stranger = from_der(services.STRANGER.sign(one.message(member.number), services.ECDSA))
    for signature in (signed(one, 2), signed(order(DEBIT, 100)), signed(order(CREDIT, 101)), stranger, bytes(64)):
        refused(0x6A80, client.carry_out, one, signature, member)
    assert client.purse().balance == BALANCE


def test_a_receipt_of_another_key_is_not_taken() -> None:
    client = points_client(services.chip(), shop())
    other = points_client(services.chip(2), shop(), 2).member()
    one = order(CREDIT, 1)
    with pytest.raises(AuthenticationFailed):
        client.carry_out(one, signed(one), replace(other, number=member_number(1)))


@pytest.mark.parametrize("terminal", [chips.service_terminal(), services.kiosk(), services.nobody(), shop("99202")])
def test_orders_are_for_shops_of_this_municipality(terminal: object) -> None:
    client = points_client(services.chip(), terminal, pin=PIN)  # type: ignore[arg-type]
    refused(0x6982, do, client, order(CREDIT, 1))
    refused(0x6982, do, client, order(DEBIT, 1))


def test_a_debit_and_a_payment_want_the_holders_password() -> None:
    chip = services.chip()
    client = points_client(chip, shop())
    do(client, order(CREDIT, 1))
    refused(0x6982, do, client, order(DEBIT, 1, 3))
    refused(0x6982, client.pay, client.member(), 0, 1, bytes(64))
    refused(0x6982, client.voucher)
    refused(0x6982, client.held)
    assert client.purse().balance == BALANCE + 1
    refused(0x6982, points_client(chip, services.nobody()).purse)


def test_nothing_is_done_in_the_clear_or_by_the_domains_owner() -> None:
    chip = services.chip()
    chip.select(services.POINTS)
    one = order(CREDIT, 1)
    for connection in (chip, chip.scp03(chips.CITY_KEYS)):
        say(connection, 0x80, 0x30, CREDIT, 0, one.encode() + signed(one), 256, sw=0x6982)
        say(connection, 0x80, 0x38, 0, 0, b"", 256, sw=0x6982)
        say(connection, 0x00, 0xB0, 0x83, 0, b"", 256, sw=0x6982)


def test_a_payment_to_a_full_purse_is_not_begun_or_is_paid_back() -> None:
    bench = Bench()
    payer, payee = bench.clients[1], bench.clients[2]
    refused(0x6985, transfer, payer, payee, 501)
    entry, invitation = payee.invite(member_number(1), 400)
    full = Order(CREDIT, 2, 500, SHOP_REFERENCE)
    payee.carry_out(full, signed(full, 2), bench.member(2))
    payer.pay(bench.member(2), entry, 400, invitation)
    assert recover(payer, payee) is False
    assert bench.balances == [500, 1000]
    refused(0x6985, payee.invite, member_number(1), 1)


def test_an_invitation_is_for_one_payer_and_amount_and_of_a_member() -> None:
    bench = Bench(3)
    payee = bench.clients[2]
    entry, invitation = payee.invite(member_number(1), 10)
    for client, amount, number in (
        (bench.clients[3], 10, entry),
        (bench.clients[1], 11, entry),
        (bench.clients[1], 10, entry + 1),
    ):
        refused(0x6A80, client.pay, bench.member(2), number, amount, invitation)
    forged = replace(bench.member(2), signature=bytes(64))
    refused(0x6A80, bench.clients[1].pay, forged, entry, 10, invitation)
    refused(0x6A80, payee.invite, member_number(2), 10)
    refused(0x6A80, payee.invite, member_number(1), 0)
    refused(0x6A80, payee.pay, bench.member(2), entry, 10, invitation)
    say(bench.clients[1].connection, 0x80, 0x34, 0, 0, b"short", 256, sw=0x6A80)
    say(bench.clients[1].connection, 0x80, 0x38, 0, 0, b"short", 256, sw=0x6985)


def test_more_than_the_balance_is_not_paid_and_one_payment_at_a_time() -> None:
    bench = Bench(3)
    bench.clients[2].invite(member_number(1), 500)
    spend = Order(DEBIT, 2, 100, SHOP_REFERENCE)
    bench.clients[1].carry_out(spend, signed(spend), bench.member(1))
    entry, invitation = bench.clients[2].invite(member_number(1), 401)
    refused(0x6985, bench.clients[1].pay, bench.member(2), entry, 401, invitation)
    entry, invitation = bench.clients[2].invite(member_number(1), 5)
    voucher = bench.clients[1].pay(bench.member(2), entry, 5, invitation)
    assert bench.clients[1].pay(bench.member(2), entry, 5, invitation) == voucher == bench.clients[1].voucher()
    entry, invitation = bench.clients[3].invite(member_number(1), 5)
    refused(0x6985, bench.clients[1].pay, bench.member(3), entry, 5, invitation)
    refused(0x6A80, recover, bench.clients[1], bench.clients[3])
    assert recover(bench.clients[1], bench.clients[2]) is True
    refused(0x6985, bench.clients[1].voucher)


def test_two_payers_with_one_invitation_number_do_not_both_get_through() -> None:
    bench = Bench(3)
    payee = bench.clients[2]
    vouchers = {}
    for payer in (1, 3):
        entry, invitation = payee.invite(member_number(payer), 5)
        vouchers[payer] = bench.clients[payer].pay(bench.member(2), entry, 5, invitation)
    assert recover(bench.clients[1], payee) is True
    assert recover(bench.clients[3], payee) is False
    assert bench.balances == [495, 505, 500]


def test_the_signed_word_of_what_is_finished_is_the_payers_own() -> None:
    bench = Bench(3)
    transfer(bench.clients[1], bench.clients[2], 5)
    number, signature = bench.clients[1].finished()
    bench.clients[2].confirm(bench.member(1), (number, signature))
    refused(0x6A80, bench.clients[2].confirm, bench.member(3), (number, signature))
    refused(0x6A80, bench.clients[2].confirm, bench.member(1), (number + 1, signature))


def test_a_payee_remembers_so_many_payments_that_are_not_confirmed() -> None:
    entries = [Received(b"stranger"[:7] + bytes((n,)), 1, n, 1) for n in range(MAX_RECEIVED)]
    chip = Chip(services.ready(2), 1)
    cell = next(cell for cell, content in chip.cells.items() if cell.endswith("f/0001/d") and content[:6] == b"member")
    bench = Bench()
    bench.chips[2].store.commit({cell.replace("0001", "0005"): Received.encode_all(entries)})
    assert transfer(bench.clients[1], bench.clients[2], 5) is False
    assert bench.balances == [500, 500]
    assert bench.received(2) == entries


def test_an_office_sets_the_password_and_the_purse_is_personalised_once() -> None:
    chip = services.chip()
    office = points_client(chip, chips.service_terminal())
    office.reset_password(0x81, b"1234")
    points_client(chip, shop(), pin=b"1234")

    def personalise(block: bytes) -> int:
        chip.select(chips.CITY_DOMAIN)
        session = chip.scp03(chips.CITY_KEYS)
        name = bytes(services.POINTS)
        say(session, 0x80, 0xE6, 0x20, 0, b"\0\0" + bytes((len(name),)) + name + b"\0\0\0", sw=0x9000)
        return say(session, 0x80, 0xE2, 0x90, 0, block).sw

    point = points_client(chip, shop()).member().point
    before = chip.cells
    assert personalise(services.points_block(point, 1)) == 0x9000
    assert personalise(services.points_block(point, 2)) == 0x6985
    assert personalise(services.points_block(points_client(services.chip(2), shop(), 2).member().point, 1)) == 0x6A80
    assert personalise(services.points_block(point, 1)[:-1]) == 0x6A80
    assert {cell for cell in before if "f/000" in cell and before[cell] != chip.cells[cell]} == set()


def test_contents_are_read_back_as_written_and_nothing_else() -> None:
    purse = Purse(1, 2, 3, 4, 5, order(DEBIT, 7))
    assert Purse.parse(purse.encode()) == purse
    held = Held(b"payee..8", bytes(65), 3, 4)
    assert Held.parse(held.encode()) == held
    assert Held.parse(Held.NONE) is None
    for parse in (Purse.parse, Held.parse, Received.parse_all):
        with pytest.raises(PointsError):
            parse(b"")
    for wrong in ((3, 1, 1, SHOP_REFERENCE), (CREDIT, 1, 0, SHOP_REFERENCE), (CREDIT, 1, 1, b"")):
        with pytest.raises(PointsError):
            Order(*wrong)  # type: ignore[arg-type]
    assert not is_signed_by(services.CENTRE.public_key(), bytes(63), b"")


@pytest.mark.parametrize(
    ("ins", "p1", "size"),
    [(INS_ORDER, CREDIT, 80), (INS_INVITE, 0, 12), (INS_RECEIVE, 0, 213), (INS_FINISH, 0, 0), (INS_CONFIRM, 0, 205)],
)
def test_a_purse_that_is_nobodys_yet_does_nothing(ins: int, p1: int, size: int) -> None:
    chip = chips.active().chip()
    domain = DomainClient(standard(chip), chips.CITY_DOMAIN)
    domain.select()
    domain.open_scp03(StaticKeyring(chips.keys_of("city", 1)), bytes(8))
    domain.install(MODULE, services.POINTS)
    client = points_client(chip, shop())
    before = chip.cells
    refused(0x6985, client.command, CommandAPDU(0x80, ins, p1, 0x00, bytes(size), 256), "anything")
    assert chip.cells == before
