"""Terminal, card and holder prove themselves to each other, one step after the other, each with its proof."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date

from jukicard.applets.juki.client import JukiClient
from jukicard.applets.juki.layout import PASSWORD
from jukicard.applets.juki.records import CardData, CardState, CardStatus
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.errors import AuthenticationFailed, MalformedResponse
from jukicard.iso7816.wrappers import standard
from jukicard.issuer.authority import Authority
from jukicard.issuer.codes import ResidentCode
from jukicard.issuer.errors import CardRefused
from jukicard.issuer.keystore import Randomness
from jukicard.issuer.provers import (
    CertifiedKey,
    card_authentication_key,
    card_channel_key,
    ephemeral_key,
)

CHALLENGE_SIZE = 32
COUNTER_TERMINAL = "counter"


@dataclass(frozen=True, slots=True)
class Proof:
    """One step that has succeeded: its name, and what it rests on."""

    step: str
    proof: str


Report = Callable[[Proof], None]


@dataclass(frozen=True, slots=True)
class Authentication:
    """What an authentication has established so far."""

    card_genuine: bool = False
    terminal_accepted: bool = False
    password_ok: bool = False
    resident_code: ResidentCode | None = field(default=None, repr=False)
    card: CardData | None = None
    status: CardStatus | None = None


class CardDialogue:
    """A terminal's dialogue with a card; each method is a step, and needs those before it.

    Every step raises `AuthenticationFailed` with its own name, or an error of the card's or the transport's, and
    reports its proof.
    """

    def __init__(
        self,
        authority: Authority,
        connection: CardConnection,
        random: Randomness,
        *,
        today: date,
        terminal: str = COUNTER_TERMINAL,
        report: Report = lambda proof: None,
    ) -> None:
        self.client = JukiClient(standard(connection))
        self.result = Authentication()
        self._authority = authority
        self._random = random
        self._today = today
        self._terminal = terminal
        self._report = report
        self._certified: CertifiedKey | None = None

    def prove_card(self) -> None:
        """Card certificate and card authentication: certificates under the national root, then a fresh challenge
        signed.
        """
        self.client.select()
        key = card_authentication_key(self.client, self._authority, today=self._today)
        self._report(
            Proof("card certificate", f"card {key.serial} of {key.city_code}, certified under the national root")
        )
        self.client.authenticate_card(self._random(CHALLENGE_SIZE), key.public_key)
        self._certified = key
        self.result = replace(self.result, card_genuine=True)
        self._report(Proof("card authentication", "a fresh challenge, signed by the chip's own key (ECDSA P-256)"))

    def open_channel(self) -> None:
        """Terminal authentication and channel: SCP11a, with the terminal's certificates and both sides' keys."""
        channel = card_channel_key(self.client, self._authority, today=self._today)
        if self._certified is None or (channel.serial, channel.city_code) != (
            self._certified.serial,
            self._certified.city_code,
        ):
            raise AuthenticationFailed("card certificate", "the channel key is another card's")
        terminal = self._authority.terminal_key(self._terminal)
        self.client.open_scp11a(terminal, channel.public_key, ephemeral_key(self._random))
        self.result = replace(self.result, terminal_accepted=True)
        self._report(
            Proof("terminal authentication", f"the card verified terminal {self._terminal!r} and its certificates")
        )
        self._report(
            Proof("secure channel", "SCP11a: the card's receipt verifies; commands and responses are encrypted")
        )

    def check_card(self) -> None:
        """Card data: what the card says of itself in the channel agrees with its certificate."""
        card, status = self.client.card_data(), self.client.status()
        self.result = replace(self.result, card=card, status=status)
        certified = self._certified
        if certified is None or (card.serial, card.city_code) != (certified.serial, certified.city_code):
            raise AuthenticationFailed("card data", "serial or city are not those of the card's certificate")
        self._report(Proof("card data", f"serial and city agree with the certificate; valid until {card.expires}"))

    def check_usable(self) -> None:
        """Card status: refuse a card that is not active, or has expired (exit code 1)."""
        card, status = self.result.card, self.result.status
        if card is None or status is None:
            raise AuthenticationFailed("card status", "the card has not told its state")
        if status.state is not CardState.ACTIVE:
            raise CardRefused(f"card status: the card is {status.state.label}")
        if f"{self._today:%Y%m%d}" > card.expires:
            raise CardRefused(f"card status: the card expired on {card.expires}")
        self._report(Proof("card status", status.state.label))

    def verify_password(self, password: str) -> None:
        """Holder: the password, in the channel.  PasswordWrong tells the tries left."""
        self.client.verify(PASSWORD, password.encode())
        self.result = replace(self.result, password_ok=True)
        self._report(Proof("password", "verified by the chip, over the encrypted channel"))

    def read_code(self) -> ResidentCode:
        """Resident code: read in the channel; its check digit is right."""
        try:
            code = ResidentCode.parse(self.client.resident_code().decode("ascii"))
        except ValueError as error:
            raise MalformedResponse(f"the resident code on the card: {error}") from None
        self.result = replace(self.result, resident_code=code)
        self._report(Proof("resident code", "read over the encrypted channel; its check digit is right"))
        return code


def authenticate(dialogue: CardDialogue, password: str | Callable[[], str]) -> Authentication:
    """Go through all steps; `password` is asked for only when the card has proved itself and can be used."""
    with dialogue.client.base.transaction():
        dialogue.prove_card()
        dialogue.open_channel()
        dialogue.check_card()
        dialogue.check_usable()
        dialogue.verify_password(password if isinstance(password, str) else password())
        dialogue.read_code()
    return dialogue.result
