"""Identifying a card's holder (本人確認): card and holder prove themselves, and the code leads to the four items."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.counter.authentication import Authentication, CardDialogue, authenticate
from jukicard.issuer.errors import CardRefused, RuleRefused
from jukicard.issuer.ledger.rules import BooksEvent, Event
from jukicard.issuer.records.register import Register, RegisterEntry


@dataclass(frozen=True, slots=True)
class Identification:
    """A holder, identified: what the card has proved, and the four items that the register has of its code."""

    authentication: Authentication
    person: RegisterEntry = field(repr=False)


def identify(
    authority: Authority,
    dialogue: CardDialogue,
    password: str | Callable[[], str],
    register: Register,
    purpose: str,
    clock: Callable[[], datetime],
) -> Identification:
    """Authenticate card and holder, and look the code up in the register.

    The books know of it before the register is asked: which card, when, for what `purpose` (a few words, no names); a
    card of another municipality stands there by its serial. RuleRefused where the register does not have the code.
    """
    found = authenticate(dialogue, password)
    card, code = found.card, found.resident_code
    if card is None or code is None:
        raise CardRefused("the card has not told whose it is")
    with authority.ledger.writing() as group:
        if found.books is None:
            group.note(card.serial, BooksEvent.FOREIGN_LOOKED_UP, clock(), {"purpose": purpose})
        else:
            group.append(card.serial, Event.LOOKED_UP, clock(), {"purpose": purpose})
    person = register.find(code)
    if person is None:
        raise RuleRefused(f"the register has nobody with the resident code of card {card.serial}")
    return Identification(found, person)
