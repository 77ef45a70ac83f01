"""Handing a card over at the counter: its holder sets the password, which makes it active."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from jukicard.applets.juki.layout import PASSWORD
from jukicard.applets.juki.records import CardState
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.counter.authentication import CardDialogue
from jukicard.issuer.errors import CardRefused
from jukicard.issuer.ledger.cards import CardState as LedgerState
from jukicard.issuer.ledger.rules import Event, Status


def hand_over(
    authority: Authority, dialogue: CardDialogue, password: Callable[[], str], clock: Callable[[], datetime]
) -> LedgerState:
    """Make the card prove itself, set the holder's password, and enter it into the books as handed over.

    `password` is asked for only when the card is the one that it says and awaits its handover.  If the handover was
    interrupted after the card took the password, the same password finishes it.  CardRefused where the books or the
    card say otherwise.
    """
    with dialogue.client.base.transaction():
        return _hand_over(authority, dialogue, password, clock)


def _hand_over(
    authority: Authority, dialogue: CardDialogue, password: Callable[[], str], clock: Callable[[], datetime]
) -> LedgerState:
    dialogue.prove_card()
    dialogue.open_channel()
    dialogue.check_card()
    card, status = dialogue.result.card, dialogue.result.status
    if card is None or status is None:
        raise CardRefused("the card has not told what it is")
    entered = authority.ledger.find(card.serial)
    if entered is None:
        raise CardRefused(f"the ledger does not know card {card.serial} of {card.city_code}")
    if entered.status not in (Status.AWAITING_HANDOVER, Status.HANDING_OVER):
        raise CardRefused(f"in the ledger card {card.serial} is {entered.status}, not awaiting its handover")
    if entered.is_expired(dialogue.today):
        raise CardRefused(f"card {card.serial} expired on {entered.expires}, before it was handed over")
    chosen = password()
    authority.ledger.append(card.serial, Event.HANDOVER_STARTED, clock())
    if status.state is CardState.DELIVERED_LOCKED:
        dialogue.client.set_initial_password(PASSWORD, chosen.encode())
    dialogue.client.verify(PASSWORD, chosen.encode())
    with authority.ledger.writing() as group:
        return group.hand_over(card.serial, clock())
