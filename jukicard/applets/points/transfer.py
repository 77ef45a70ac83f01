"""What a terminal between two cards does: begin a payment, and bring one to its end that was interrupted anywhere.

The terminal needs no memory: all that a recovery must know is on the cards.  Both clients have a session with the
holder's password verified at the payer.
"""

from __future__ import annotations

from jukicard.applets.points.client import PointsClient
from jukicard.iso7816.errors import CardStatusError
from jukicard.iso7816.status import StatusWord

_CANNOT = (StatusWord.CONDITIONS_NOT_SATISFIED, StatusWord.NOT_ENOUGH_MEMORY)


def transfer(payer: PointsClient, payee: PointsClient, amount: int) -> bool:
    """Pay an amount from card to card; whether the payee accepted it.  CardStatusError: refused, nothing has moved.

    TransportError: interrupted; `recover` brings it to its end, then or later.
    """
    entry, invitation = payee.invite(payer.member().number, amount)
    payer.pay(payee.member(), entry, amount, invitation)
    return bool(recover(payer, payee))


def recover(payer: PointsClient, payee: PointsClient) -> bool | None:
    """Bring the payer's payment under way to its end, at its payee; whether it was accepted, None where there is none.

    CardStatusError (6A80) where the other card is not the payee; nothing has moved then.
    """
    member, held = payer.member(), payer.held()
    if held is None:
        payee.confirm(member, payer.finished())
        return None
    voucher = payer.voucher()
    try:
        decision = payee.receive(member, voucher, held)
    except CardStatusError as error:
        if error.sw not in _CANNOT:
            raise
        decision = payee.receive(member, voucher, held, accept=False)
    payee.confirm(member, payer.finish(decision))
    return decision[0]
