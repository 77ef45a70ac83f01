"""Continued use of a card after its holder has moved (継続利用, since 9 July 2012).

The new municipality takes the card over, on its chip and in its books; the old one's books, told of it (転入通知), have
the card as moved away from then on. The rule is pure: `hindrances`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from jukicard.applets.juki.records import CardState as ChipState
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.certificates import first_valid_day
from jukicard.issuer.counter.authentication import CardDialogue
from jukicard.issuer.errors import CardRefused, RuleRefused
from jukicard.issuer.ledger.cards import CardState
from jukicard.issuer.ledger.group import CardTerms, Resident
from jukicard.issuer.ledger.rules import MOVE_STEP, Event, Status
from jukicard.securechannel.authorization import Right

Clock = Callable[[], datetime]

REPORT_AFTER_MOVING_IN = timedelta(days=14)
REPORT_AFTER_PLANNED_OUT = timedelta(days=30)
CONTINUE_AFTER_REPORT = timedelta(days=90)
"""The latest days that continued use allows, counted from the day after (municipalities' pages on 継続利用)."""


class Hindrance(StrEnum):
    """Why a card cannot be used on after a move, in words."""

    NOT_MOVED_YET = "the day of moving in lies after its report"
    REPORTED_LATER = "the report of moving in lies in the future"
    LATE_AFTER_MOVING_IN = "the move was reported more than 14 days after moving in"
    LATE_AFTER_PLANNED_OUT = "the move was reported more than 30 days after the day planned for moving out"
    LATE_AFTER_REPORT = "more than 90 days have passed since the move was reported"
    EXPIRED = "the card has expired"


@dataclass(frozen=True, slots=True)
class Move:
    """A holder's move: the day planned for moving out (転出予定日, as the old municipality was told), that of moving in
    (転入日), that of its report at the new municipality (転入届).
    """

    planned_out: date
    moved_in: date
    reported: date

    @property
    def details(self) -> dict[str, str]:
        """The move as an entry of the books has it."""
        days = {"moved_out": self.planned_out, "moved_in": self.moved_in, "reported": self.reported}
        return {name: day.isoformat() for name, day in days.items()}


def hindrances(move: Move, today: date, expires: date) -> tuple[Hindrance, ...]:
    """Return all that keeps a card with that last day from being used on, if it were decided today; nothing: it may."""
    found = {
        Hindrance.NOT_MOVED_YET: move.moved_in > move.reported,
        Hindrance.REPORTED_LATER: move.reported > today,
        Hindrance.LATE_AFTER_MOVING_IN: move.reported > move.moved_in + REPORT_AFTER_MOVING_IN,
        Hindrance.LATE_AFTER_PLANNED_OUT: move.reported > move.planned_out + REPORT_AFTER_PLANNED_OUT,
        Hindrance.LATE_AFTER_REPORT: today > move.reported + CONTINUE_AFTER_REPORT,
        Hindrance.EXPIRED: today > expires,
    }
    return tuple(hindrance for hindrance, applies in found.items() if applies)


def take_over(
    authority: Authority, dialogue: CardDialogue, password: Callable[[], str], move: Move, clock: Clock
) -> CardState:
    """Take a card over from the municipality that its holder has moved away from, for a terminal with the right `move`.

    Card and holder prove themselves first; then the books have the card as theirs, and its chip is told. Interrupted,
    it is finished by doing it again. RuleRefused with every hindrance; CardHeld where the resident has a card here;
    CardRefused where the card cannot be used, or is this municipality's already.
    """
    with dialogue.client.base.transaction():
        dialogue.require(Right.MOVE)
        dialogue.prove_card()
        dialogue.open_channel()
        dialogue.check_card()
        dialogue.check_books()
        dialogue.check_usable()
        before = _check(authority, dialogue, move)
        dialogue.verify_password(password())
        state = _entered(authority, dialogue, before, move, clock)
        dialogue.client.move(authority.city.code)
        if state.pending == MOVE_STEP:
            state = authority.ledger.append(state.serial, Event.STEP_DONE, clock(), {"step": MOVE_STEP})
    return state


def note_moved(authority: Authority, serial: str, city_code: str, move: Move, clock: Clock) -> CardState:
    """Enter, told by the new municipality (転入通知), that the holder of a card has moved there.

    RuleRefused where the card cannot be used on (it is then to be made void), is not active, or stays where it is;
    LedgerError for an unknown card.
    """
    now = clock()
    if city_code == authority.city.code:
        raise RuleRefused(f"card {serial} cannot move to {city_code}: that is this municipality")
    with authority.ledger.writing() as group:
        card = group.card(serial)
        _refuse_if(move, now.astimezone().date(), card.expires, serial)
        if card.status is not Status.ACTIVE:
            raise RuleRefused(f"card {serial} is {card.status}: only an active card moves")
        return group.append(serial, Event.MOVED, now, {**move.details, "moved_to": city_code})


def _check(authority: Authority, dialogue: CardDialogue, move: Move) -> CardState | None:
    """Refuse what is not to be taken over; return what the books have of the card, if they do."""
    card, status = dialogue.result.card, dialogue.result.status
    if card is None or status is None or status.state is not ChipState.ACTIVE:
        raise CardRefused("the card has not told that it is active")
    entered = authority.ledger.find(card.serial)
    if dialogue.result.municipality == authority.city.code and (entered is None or entered.pending != MOVE_STEP):
        raise CardRefused(f"card {card.serial} is this municipality's already: nothing was done")
    _refuse_if(move, dialogue.today, dialogue.certified.last_day, card.serial)
    return entered


def _refuse_if(move: Move, today: date, expires: date, serial: str) -> None:
    found = hindrances(move, today, expires)
    if found:
        raise RuleRefused(
            f"card {serial} cannot be used on: {'; '.join(found)}. The municipality that it was of makes it void "
            f"(juki card void {serial} --cause moved-away)"
        )


def _entered(
    authority: Authority, dialogue: CardDialogue, before: CardState | None, move: Move, clock: Clock
) -> CardState:
    """Enter the card as this municipality's, unless the books have it so."""
    if before is not None and before.status is Status.ACTIVE:
        return before
    card, certified, whence = dialogue.result.card, dialogue.certified, dialogue.result.municipality
    if card is None or whence is None:
        raise CardRefused("the card has not told what it is")
    resident = Resident(authority.code_digest(dialogue.read_code()), None)
    terms = CardTerms(card.city_code, card.face, first_valid_day(certified.certificate), certified.last_day)
    with authority.ledger.writing() as group:
        return group.take_over(card.serial, terms, resident, clock(), {**move.details, "moved_from": whence})
