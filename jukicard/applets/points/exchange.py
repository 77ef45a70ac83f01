"""Payments from one card to another through a terminal that neither trusts (docs/services.md has the proof).

The payee invites, the payer pays, the payee receives, the payer finishes, the payee is told so.  At every moment a
payment's points are in exactly one place: the payer's balance, held by the payer, or the payee's balance.  Each command
can be given again: it answers the same, and moves nothing twice.
"""

from __future__ import annotations

from dataclasses import replace

from jukicard.applets.points import layout
from jukicard.applets.points.records import Held, Member, Payment, Received, finished_message
from jukicard.applets.points.state import PurseState, check_signature, not_genuine, purse_file, refused
from jukicard.card.commands import PROPRIETARY, Length, On, command, data, only
from jukicard.card.context import Context
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.securechannel.scp11 import decode_point
from jukicard.securechannel.signatures import SIGNATURE_SIZE

_SPEC = "docs/services.md, community points"
_INVITE = layout.MEMBER_SIZE + 4
_SIGNED_MEMBER = Member.SIZE + SIGNATURE_SIZE
_PAY, _RECEIVE, _CONFIRM = _SIGNED_MEMBER + 8, _SIGNED_MEMBER + 12, _SIGNED_MEMBER + 4
_FINISH = 1 + SIGNATURE_SIZE


class ExchangeCommands:
    """INVITE, PAY, RECEIVE, FINISH, CONFIRM."""

    @command(
        PROPRIETARY,
        ins=layout.INS_INVITE,
        length=data(_INVITE, _INVITE),
        access=On(purse_file, None, "EF.PURSE, to invite a payment"),
        writes=False,
        spec=_SPEC,
    )
    def invite_payment(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Payee: say that it would receive an amount (4 bytes) from a payer (its number, 8 bytes) now: the number of
        its next decision (4), signed (64).  6985 where the limit does not allow it.
        """
        state = PurseState(ctx)
        payer, amount = cmd.data[: layout.MEMBER_SIZE], int.from_bytes(cmd.data[layout.MEMBER_SIZE :])
        if payer == state.member.number or not amount:
            raise not_genuine("another member pays one point or more")
        if amount > state.room:
            raise refused("against the limit")
        payment = Payment(payer, 0, state.member.number, state.purse.decided, amount)
        return ResponseAPDU(payment.entry.to_bytes(4) + state.sign(payment.invitation))

    @command(
        PROPRIETARY,
        ins=layout.INS_PAY,
        length=Length(0, _PAY),
        access=On(purse_file, None, "EF.PURSE, to pay"),
        writes=True,
        spec=_SPEC,
    )
    def pay(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Payer: take the amount out of the balance and hold it for the payee who invited: payee (137 bytes), number
        of its decision, amount (4 each), invitation (64).  The answer is the voucher: the payment's number (4), signed
        (64).  Without data: the voucher of the payment under way.

        6A80: no invitation of a member; 6985: another payment is under way, or none, or not so much in the balance.
        """
        state = PurseState(ctx)
        if not cmd.data:
            return _voucher(state)
        if len(cmd.data) != _PAY:
            raise not_genuine("a payment has a payee, two numbers and an invitation")
        payee, key = state.other(cmd.data[: Member.SIZE])
        entry, amount = _numbers(cmd.data[Member.SIZE : -SIGNATURE_SIZE])
        wanted = Held(payee.number, payee.point, entry, amount)
        check_signature(key, cmd.data[-SIGNATURE_SIZE:], wanted.payment(state.member.number, 0).invitation)
        if state.held is None:
            if not 0 < amount <= state.purse.balance:
                raise refused("not so much in the balance")
            state.write(replace(state.purse, balance=state.purse.balance - amount, paid=state.purse.paid + 1))
            state.hold(wanted)
        elif state.held != wanted:
            raise refused("another payment is under way")
        return _voucher(state)

    @command(
        PROPRIETARY,
        ins=layout.INS_RECEIVE,
        p1=only(layout.ACCEPT, layout.REFUSE),
        length=data(_RECEIVE, _RECEIVE),
        access=On(purse_file, None, "EF.PURSE, to receive"),
        writes=True,
        spec=_SPEC,
    )
    def receive_payment(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Payee: decide on a voucher, for good: payer (137 bytes), payment's number, decision's number, amount (4
        each), signature (64).  P1 = 00: accept it; 01: refuse it.  The answer: 01 accepted or 00 refused, signed (64).

        Once it was decided, both say how.  6A80: no voucher of a member for this card; 6985: against the limit (refuse
        it then); 6A84: too many payments are not confirmed.
        """
        state = PurseState(ctx)
        payer, key = state.other(cmd.data[: Member.SIZE])
        number, entry, amount = _numbers(cmd.data[Member.SIZE : -SIGNATURE_SIZE])
        payment = Payment(payer.number, number, state.member.number, entry, amount)
        check_signature(key, cmd.data[-SIGNATURE_SIZE:], payment.voucher)
        if not amount or entry > state.purse.decided:
            raise not_genuine("no invitation of this card was for that")
        accepted = Received(payer.number, number, entry, amount)
        if entry == state.purse.decided:
            if cmd.p1 == layout.ACCEPT:
                _accept(state, accepted)
            else:
                state.write(replace(state.purse, decided=entry + 1))
        is_accepted = accepted in state.received
        return ResponseAPDU(bytes((is_accepted,)) + state.sign(payment.outcome(accepted=is_accepted)))

    @command(
        PROPRIETARY,
        ins=layout.INS_FINISH,
        length=Length(0, _FINISH),
        access=On(purse_file, None, "EF.PURSE, to finish a payment"),
        writes=True,
        spec=_SPEC,
    )
    def finish_payment(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Payer: take the payee's decision (1 and 64 bytes) on the payment under way: accepted, the points are gone;
        refused, they are back in the balance.  The answer, also to no data: the number up to which payments are
        finished (4), signed (64).

        6985: no payment is under way; 6A80: not the payee's decision on it.
        """
        state = PurseState(ctx)
        if cmd.data:
            held = state.held
            if held is None:
                raise refused("no payment is under way")
            if len(cmd.data) != _FINISH or cmd.data[0] > 1:
                raise not_genuine("a decision is 00 or 01 and a signature")
            payment = held.payment(state.member.number, state.purse.paid)
            check_signature(decode_point(held.point), cmd.data[1:], payment.outcome(accepted=bool(cmd.data[0])))
            if not cmd.data[0]:
                state.write(replace(state.purse, balance=state.purse.balance + held.amount))
            state.hold(None)
        number = state.finished
        return ResponseAPDU(number.to_bytes(4) + state.sign(finished_message(state.member.number, number)))

    @command(
        PROPRIETARY,
        ins=layout.INS_CONFIRM,
        length=data(_CONFIRM, _CONFIRM),
        access=On(purse_file, None, "EF.PURSE, to confirm a payment"),
        writes=True,
        spec=_SPEC,
    )
    def confirm_payment(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Payee: learn from a payer (137 bytes) up to which number (4, signed: 64) its payments are finished: what was
        accepted of them need not be remembered any more.
        """
        state = PurseState(ctx)
        payer, key = state.other(cmd.data[: Member.SIZE])
        (number,) = _numbers(cmd.data[Member.SIZE : -SIGNATURE_SIZE])
        check_signature(key, cmd.data[-SIGNATURE_SIZE:], finished_message(payer.number, number))
        kept = [one for one in state.received if one.payer != payer.number or one.number > number]
        if kept != state.received:
            state.remember(kept)
        return ResponseAPDU()


def _voucher(state: PurseState) -> ResponseAPDU:
    if state.held is None:
        raise refused("no payment is under way")
    number = state.purse.paid
    return ResponseAPDU(number.to_bytes(4) + state.sign(state.held.payment(state.member.number, number).voucher))


def _accept(state: PurseState, accepted: Received) -> None:
    """Credit a payment and remember it; an earlier one of the same payer is finished, or there were no later one."""
    if accepted.amount > state.room:
        raise refused("against the limit")
    state.remember([*(one for one in state.received if one.payer != accepted.payer), accepted])
    purse = state.purse
    state.write(replace(purse, balance=purse.balance + accepted.amount, decided=purse.decided + 1))


def _numbers(data_field: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(data_field[at : at + 4]) for at in range(0, len(data_field), 4))
