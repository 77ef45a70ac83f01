"""What is entered of cards that nobody needs to hold: changes on the back, destruction, many made void at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime

from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.errors import RuleRefused
from jukicard.issuer.ledger.cards import CardState
from jukicard.issuer.ledger.details import Cause, Endorsement
from jukicard.issuer.ledger.group import Group
from jukicard.issuer.ledger.rules import TRANSITIONS, Event, Status

Clock = Callable[[], datetime]

MAX_ENDORSEMENTS = 4
"""Changes that the back has room for: our rule, since the field's size differed from one municipality to another."""


@dataclass(frozen=True, slots=True)
class MadeVoid:
    """What many cards' voiding has come to, by serials: those made void now, and those that were so before."""

    voided: tuple[str, ...]
    already: tuple[str, ...]


def endorse(authority: Authority, serial: str, field: Endorsement, clock: Clock) -> CardState:
    """Enter that a change was written and sealed on an active card's back (追記).

    RuleRefused for a card that is not active, has expired, or has no room left on its back; LedgerError for an unknown
    one.
    """
    now = clock()
    with authority.ledger.writing() as group:
        card = group.card(serial)
        standing = card.standing(now.astimezone().date())
        if standing != Status.ACTIVE:
            raise RuleRefused(f"card {serial} is {standing}: only an active card's back is written on")
        if card.endorsements >= MAX_ENDORSEMENTS:
            raise RuleRefused(
                f"the back of card {serial} is full after {card.endorsements} changes: let its holder apply for a "
                f"replacement (juki application receive RECORD --kind renewal --replaces {serial})"
            )
        return group.append(serial, Event.ENDORSED, now, {"field": field.value})


def destroy(authority: Authority, serial: str, clock: Clock) -> CardState:
    """Enter that a void or spoilt card was destroyed. RuleRefused for any other, LedgerError for an unknown one."""
    with authority.ledger.writing() as group:
        status = group.card(serial).status
        if status not in TRANSITIONS[Event.DESTROYED].sources:
            raise RuleRefused(f"card {serial} is {status}: only a void or spoilt card is destroyed")
        return group.append(serial, Event.DESTROYED, clock())


def void_all(
    authority: Authority, serials: Iterable[str], cause: Cause, clock: Clock, reason: str | None = None
) -> MadeVoid:
    """Make many cards void in one group, all or none; their chips are told when they are at hand.

    RuleRefused names every card that cannot be made void; LedgerError one that the books do not know.
    """
    detail = {"cause": cause.value} if reason is None else {"cause": cause.value, "reason": reason}
    now = clock()
    with authority.ledger.writing() as group:
        cards = [group.card(serial) for serial in dict.fromkeys(serials)]
        _check_voidable(cards)
        return _void(group, cards, now, detail)


def void_expired(authority: Authority, today: date, clock: Clock) -> MadeVoid:
    """Make all cards void whose last day lies before `today`, with that cause, in one group."""
    now = clock()
    with authority.ledger.writing() as group:
        cards = [group.card(card.serial) for card in authority.ledger.past_last_day(today)]
        return _void(group, cards, now, {"cause": Cause.EXPIRED.value})


def _check_voidable(cards: Iterable[CardState]) -> None:
    sources = TRANSITIONS[Event.VOIDED].sources
    wrong = [f"card {card.serial} is {card.status}" for card in cards if card.status not in {Status.VOID, *sources}]
    if wrong:
        raise RuleRefused("none was made void, since some cannot be:\n" + "\n".join(wrong))


def _void(group: Group, cards: Iterable[CardState], now: datetime, detail: dict[str, str]) -> MadeVoid:
    voided, already = [], []
    for card in cards:
        if card.status is Status.VOID:
            already.append(card.serial)
        else:
            group.append(card.serial, Event.VOIDED, now, detail)
            voided.append(card.serial)
    return MadeVoid(tuple(voided), tuple(already))
