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
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.terminals import right_name
from jukicard.issuer.errors import CardRefused, RuleRefused
from jukicard.issuer.keys.keystore import Randomness
from jukicard.issuer.ledger.cards import CardState as LedgerState
from jukicard.issuer.ledger.rules import EXPIRED, Status
from jukicard.issuer.line.provers import (
    CertifiedKey,
    card_authentication_key,
    card_channel_key,
    ephemeral_key,
)
from jukicard.issuer.records.codes import ResidentCode
from jukicard.securechannel.authorization import Right

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
    """What an authentication has established so far.

    `status` is what the chip says of itself, `books` the card in the authority's ledger: None as long as it was not
    looked up, and for the cards of other municipalities, which that ledger cannot know, or knows no more.
    """

    card_genuine: bool = False
    terminal_accepted: bool = False
    password_ok: bool = False
    resident_code: ResidentCode | None = field(default=None, repr=False)
    card: CardData | None = None
    status: CardStatus | None = None
    books: LedgerState | None = None

    @property
    def municipality(self) -> str | None:
        """Whose card it is now: of the one that took it over, else of the one that issued it. None: it has not told."""
        if self.card is None or self.status is None:
            return None
        return self.status.moved_to or self.card.city_code

    def standing(self, today: date) -> str | None:
        """What the card is on a day, in a word: what the books say of it if they do not call it active, else the chip.

        None as long as the card has not told.
        """
        if self.card is None or self.status is None:
            return None
        in_books = None if self.books is None else self.books.standing(today)
        if in_books not in (None, Status.ACTIVE):
            return in_books
        if self.status.state is CardState.ACTIVE and has_expired(self.card, today):
            return EXPIRED
        return self.status.state.label


class CardDialogue:
    """A terminal's dialogue with a card; each method is a step, and needs those before it.

    An expired card can still prove which card it is; `check_books` and `check_usable` refuse to use it.

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
        self.today = today
        self._terminal = terminal
        self._report = report
        self._certified: CertifiedKey | None = None

    def require(self, right: Right) -> None:
        """Refuse (RuleRefused) what the terminal's certificate does not allow, before anything is begun."""
        if right not in self._authority.terminal(self._terminal).authorization.rights:
            raise RuleRefused(f"terminal {self._terminal!r} has no right {right_name(right)}")

    def prove_card(self) -> None:
        """Card certificate and card authentication: certificates under the national root, then a fresh challenge
        signed.
        """
        self.client.select()
        key = card_authentication_key(self.client, self._authority, today=self.today, expired_too=True)
        self._report(
            Proof("card certificate", f"card {key.serial} of {key.city_code}, certified under the national root")
        )
        self.client.authenticate_card(self._random(CHALLENGE_SIZE), key.public_key)
        self._certified = key
        self.result = replace(self.result, card_genuine=True)
        self._report(Proof("card authentication", "a fresh challenge, signed by the chip's own key (ECDSA P-256)"))

    def open_channel(self) -> None:
        """Terminal authentication and channel: SCP11a, with the terminal's certificates and both sides' keys."""
        channel = card_channel_key(self.client, self._authority, today=self.today, expired_too=True)
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

    @property
    def certified(self) -> CertifiedKey:
        """What the card's certificate says of it. AuthenticationFailed as long as the card has not proved itself."""
        if self._certified is None:
            raise AuthenticationFailed("card certificate", "the card has not proved itself")
        return self._certified

    def check_card(self) -> None:
        """Card data: what the card says of itself in the channel agrees with its certificate, its last day included."""
        card, status = self.client.card_data(), self.client.status()
        self.result = replace(self.result, card=card, status=status)
        certified = self._certified
        if certified is None or (card.serial, card.city_code) != (certified.serial, certified.city_code):
            raise AuthenticationFailed("card data", "serial or city are not those of the card's certificate")
        if card.expires != f"{certified.last_day:%Y%m%d}":
            raise AuthenticationFailed("card data", "its expiry is not that of the card's certificate")
        self._report(Proof("card data", f"serial, city and expiry agree with the certificate: until {card.expires}"))

    def check_books(self) -> None:
        """Books: refuse (exit code 1) a card of this municipality that its ledger does not have as active.

        Whose card it is, the chip says. One that has moved away is the new municipality's to judge; but as long as
        these books have it as theirs, they are asked, too: a suspended card does not get free by a move.
        """
        card, municipality = self.result.card, self.result.municipality
        if card is None:
            raise AuthenticationFailed("books", "the card has not told its serial")
        entered = self._authority.ledger.find(card.serial)
        gone = entered is None or entered.status is Status.MOVED_AWAY
        if gone and municipality != self._authority.city.code:
            self._report(Proof("books", f"not asked: a card of {municipality}, which only that city's books know"))
            return
        self.result = replace(self.result, books=entered)
        if entered is None:
            raise CardRefused(f"books: the ledger does not know card {card.serial}")
        standing = entered.standing(self.today)
        if standing == EXPIRED:
            raise CardRefused(f"books: card {card.serial} expired on {entered.expires}")
        if standing != Status.ACTIVE:
            raise CardRefused(f"books: in the ledger card {card.serial} is {standing.replace('-', ' ')}")
        if (card.expires, card.face) != (f"{entered.expires:%Y%m%d}", entered.face):
            raise CardRefused(f"books: in the ledger card {card.serial} has another expiry or face")
        self._report(Proof("books", f"in the ledger the card is active, until {entered.expires}"))

    def check_usable(self) -> None:
        """Card status: refuse a card that is not active, or has expired (exit code 1)."""
        card, status = self.result.card, self.result.status
        if card is None or status is None:
            raise AuthenticationFailed("card status", "the card has not told its state")
        if status.state is not CardState.ACTIVE:
            raise CardRefused(f"card status: the card is {status.state.label}")
        if has_expired(card, self.today):
            raise CardRefused(f"card status: the card expired on {card.expires}")
        self._report(Proof("card status", status.state.label))

    def usable_card(self) -> CardData:
        """Make the card prove itself, and refuse one that books or chip do not have as active: all steps before the
        holder's part.
        """
        self.prove_card()
        self.open_channel()
        self.check_card()
        self.check_books()
        self.check_usable()
        if self.result.card is None:
            raise CardRefused("the card has not told what it is")
        return self.result.card

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


def has_expired(card: CardData, today: date) -> bool:
    """Whether the last valid day that the card tells has passed."""
    return f"{today:%Y%m%d}" > card.expires


def authenticate(dialogue: CardDialogue, password: str | Callable[[], str]) -> Authentication:
    """Go through all steps; `password` is asked for only when the card has proved itself and can be used."""
    with dialogue.client.base.transaction():
        dialogue.usable_card()
        dialogue.verify_password(password if isinstance(password, str) else password())
        dialogue.read_code()
    return dialogue.result
