"""What only the municipality that issued a card can do on its chip, at the counter: with the issuer's domain's keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from jukicard.applets.faceverification.client import FaceVerificationClient
from jukicard.applets.gp.client import ApplicationClient
from jukicard.applets.jpki.client import JpkiClient
from jukicard.applets.jpki.layout import Usage
from jukicard.iso7816.connection import CardConnection
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.counter.authentication import CardDialogue
from jukicard.issuer.errors import CardRefused
from jukicard.issuer.keys.keystore import Randomness
from jukicard.issuer.ledger.cards import CardState
from jukicard.issuer.line.cardkeys import CardKeyring

C = TypeVar("C", bound=ApplicationClient)


class IssuerAccess:
    """The issuer at one card, which a terminal's dialogue finds to be genuine and active; `random` is the host's."""

    def __init__(self, authority: Authority, dialogue: CardDialogue, random: Randomness) -> None:
        self.authority = authority
        self.dialogue = dialogue
        self.random = random

    @property
    def connection(self) -> CardConnection:
        """The card's."""
        return self.dialogue.client.base

    def card(self) -> CardState:
        """Make the card prove itself, and return what the books have of it.  CardRefused for another municipality's."""
        self.dialogue.usable_card()
        card = self.dialogue.result.books
        if card is None:
            raise CardRefused("only the municipality that issued the card has its keys")
        return card

    def open(self, card: CardState, client: C) -> C:
        """Select an application and open an SCP03 session with the issuer's keys of this very chip."""
        client.select()
        client.open_scp03(CardKeyring(self.authority, chip=card.chip), self.random(8))
        return client

    def unblock_password(self, usage: Usage, password: Callable[[], str]) -> str:
        """Set a password of the JPKI anew and give back its tries, the holder being there; return the card's serial."""
        with self.connection.transaction():
            card = self.card()
            client = self.open(card, JpkiClient(self.connection))
            client.reset_password(usage, password().encode())
        return card.serial

    def unblock_face(self) -> str:
        """Give back the tries of the reference numbers of the card's face, and return the card's serial."""
        with self.connection.transaction():
            card = self.card()
            client = self.open(card, FaceVerificationClient(self.connection))
            for number in client.basic().numbers:
                client.unblock(number)
        return card.serial
