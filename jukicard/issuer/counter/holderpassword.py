"""The holder's password: changed by its holder, or set anew at the municipal office, in person."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from jukicard.applets.juki.layout import PASSWORD
from jukicard.applets.juki.records import CardData
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.counter.authentication import CardDialogue
from jukicard.issuer.errors import CardRefused
from jukicard.issuer.ledger.rules import Event
from jukicard.securechannel.authorization import Right

Ask = Callable[[], str]


def change_password(dialogue: CardDialogue, old: Ask, new: Ask) -> CardData:
    """Replace the password by the holder's will, and return whose card it is.

    The passwords are asked for only when the card has proved itself and can be used.  PasswordWrong for a wrong old
    one tells the tries left; the books have no part in it.
    """
    with dialogue.client.base.transaction():
        card = dialogue.usable_card()
        given = old()
        dialogue.client.change_password(PASSWORD, given.encode(), new().encode())
    return card


def reset_password(authority: Authority, dialogue: CardDialogue, new: Ask, clock: Callable[[], datetime]) -> CardData:
    """Set a new password and give back all tries, for a terminal with the right `reset-password`.

    The books note that it was begun and that it was done; one that was interrupted is finished by doing it again.
    CardRefused for another municipality's card, or one that is not active.
    """
    with dialogue.client.base.transaction():
        dialogue.require(Right.RESET_PASSWORD)
        card = dialogue.usable_card()
        municipality = dialogue.result.municipality
        if municipality != authority.city.code:
            raise CardRefused(f"only the municipality of the card, {municipality}, sets its password anew")
        chosen = new()
        authority.ledger.append(card.serial, Event.PASSWORD_RESET_STARTED, clock())
        dialogue.client.reset_password(PASSWORD, chosen.encode())
        authority.ledger.append(card.serial, Event.PASSWORD_RESET, clock())
    return card
