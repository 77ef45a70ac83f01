"""Issuing a card, whoever asks for it: the command line or a program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from jukicard.commands.completion import CARD_SUFFIX
from jukicard.commands.session import Session
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.errors import TransportError
from jukicard.issuer.authority import Authority
from jukicard.issuer.errors import RuleRefused
from jukicard.issuer.expiry import expiry_date
from jukicard.issuer.ledgerrules import CardState, Status
from jukicard.issuer.orders import place_order, unfinished_order
from jukicard.issuer.personalise import Order, Personaliser, check_blank
from jukicard.issuer.plan import Operation
from jukicard.issuer.records import ResidentRecord
from jukicard.issuer.services import Service, services_named
from jukicard.reader.chips import create_chip
from jukicard.reader.spec import EmulatorSpec

RESUME = "The card is unfinished: give the same command again to finish it."


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be issued: a checked record, from which day, with which services."""

    record: ResidentRecord
    issued_on: date
    services: tuple[Service, ...]


@contextmanager
def unwatched(serial: str, total: int) -> Iterator[Callable[[Operation], None]]:
    """Look away while the operations are carried out."""
    yield lambda operation: None


@dataclass(frozen=True, slots=True)
class Watch:
    """Who watches an issue: `resuming` is told the serial of a card that is taken up again; `steps`, given serial and
    number of operations, yields what is called as each operation begins.
    """

    resuming: Callable[[str], None] = lambda serial: None
    steps: Callable[[str, int], AbstractContextManager[Callable[[Operation], None]]] = unwatched


def wish(session: Session, record: ResidentRecord, services: tuple[str, ...], day: date) -> Wish:
    """Check services and dates: with the record, all that can be refused before anything is touched."""
    chosen = services_named(services)
    expires = expiry_date(day, record.stay_until)
    if expires < session.world.today:
        raise RuleRefused(f"a card issued on {day} would have expired on {expires}")
    return Wish(record, day, chosen)


def onto(session: Session, authority: Authority, wish: Wish, connection: CardConnection, watch: Watch) -> CardState:
    """Make the chip that is there the card.  It is looked at before anything is entered into the books."""
    with connection.transaction():
        order = unfinished_order(authority, wish.record, wish.services)
        if order is None:
            check_blank(authority, connection)
        order = _resumed_or_placed(session, authority, wish, order, watch)
        return _personalise(session, authority, connection, order, watch)


def into_folder(session: Session, authority: Authority, wish: Wish, out: Path, watch: Watch) -> tuple[CardState, Path]:
    """Make the card in a card file of its own, `out`/SERIAL.juki; return its state and the file."""
    key = session.storage_key()
    unfinished = unfinished_order(authority, wish.record, wish.services)
    out.mkdir(parents=True, exist_ok=True)
    order = _resumed_or_placed(session, authority, wish, unfinished, watch)
    path = out / f"{order.serial}{CARD_SUFFIX}"
    if not path.exists():
        begun = authority.ledger.card(order.serial)
        if begun.status is not Status.ORDERED:
            raise RuleRefused(
                f"card {order.serial} was begun elsewhere: {path} is not there. Name its folder or reader"
            )
        create_chip(path, key, random=session.world.chip_random)
    with session.card(EmulatorSpec(path)) as connection:
        return _personalise(session, authority, connection, order, watch), path


def _resumed_or_placed(
    session: Session, authority: Authority, wish: Wish, unfinished: Order | None, watch: Watch
) -> Order:
    if unfinished is None:
        now = session.world.now()
        return place_order(authority, wish.record, wish.services, issued_on=wish.issued_on, now=now)
    watch.resuming(unfinished.serial)
    return unfinished


def _personalise(
    session: Session, authority: Authority, connection: CardConnection, order: Order, watch: Watch
) -> CardState:
    done = authority.ledger.card(order.serial).steps_done
    personaliser = Personaliser(authority, connection, order, session.world.random, session.world.now)
    total = len(personaliser.operations()) - len(done)
    try:
        with watch.steps(order.serial, total) as began:
            return personaliser.run(began)
    except TransportError as error:
        error.add_note(RESUME)
        raise
