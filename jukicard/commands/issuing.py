"""Issuing a card, whoever asks for it: the command line or a program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from jukicard.commands.session import Session
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.errors import TransportError
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.errors import FaceMismatch, FaceUnwritten, RuleRefused
from jukicard.issuer.faces.choices import FaceChoices
from jukicard.issuer.faces.look import FaceLook
from jukicard.issuer.ledger.cards import CardState
from jukicard.issuer.ledger.rules import Status
from jukicard.issuer.line.facework import FaceWork, images_of, prepared
from jukicard.issuer.line.orders import place_order, unfinished_order
from jukicard.issuer.line.personalise import Order, Personaliser, check_blank
from jukicard.issuer.line.plan import FACE_STEP, Operation
from jukicard.issuer.municipal.services import Service, services_named
from jukicard.issuer.records.expiry import expiry_date
from jukicard.issuer.records.resident import ResidentRecord
from jukicard.reader.chips import create_chip
from jukicard.reader.spec import CARD_SUFFIX, EmulatorSpec

if TYPE_CHECKING:
    from jukicard.issuer.faces.face import PreparedFace

FACE_ENDINGS = {"face_pdf": ".pdf", "face_png": ".png", "face_back_png": "-back.png", "face_json": ".json"}
RESUME = "The card is unfinished: give the same command again to finish it."


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be issued: a checked record, from which day, with which services, and its face, ready to be drawn."""

    record: ResidentRecord
    issued_on: date
    expires: date
    services: tuple[Service, ...]
    look: FaceLook
    face: PreparedFace
    choices: FaceChoices


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


def wish(
    session: Session,
    authority: Authority,
    record: ResidentRecord,
    services: tuple[str, ...],
    day: date,
    look: FaceLook = FaceLook(),  # noqa: B008 - it is frozen
    choices: FaceChoices | None = None,
) -> Wish:
    """Check services, dates and face: with the record, all that can be refused before anything is touched."""
    chosen = services_named(services)
    expires = expiry_date(day, record.stay_until)
    if expires < session.world.today:
        raise RuleRefused(f"a card issued on {day} would have expired on {expires}")
    decided = choices or FaceChoices.of(record)
    return Wish(record, day, expires, chosen, look, prepared(authority, record, expires, look, decided), decided)


def onto(
    session: Session,
    authority: Authority,
    wish: Wish,
    connection: CardConnection,
    watch: Watch,
    out: Path | None = None,
) -> CardState:
    """Make the chip that is there the card, and its face's files in the folder `out`, if there is one.

    The chip is looked at before anything is entered into the books.
    """
    if out is not None:
        _check_confirmed(wish)
    with connection.transaction():
        order = unfinished_order(authority, wish.record, wish.services)
        if order is None:
            check_blank(authority.ledger, connection)
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
        order = _resumed_or_placed(session, authority, wish, order, watch)
        face = _face_work(authority, wish, order, out)
        return _personalise(session, authority, connection, order, watch, wish, face)


def into_folder(session: Session, authority: Authority, wish: Wish, out: Path, watch: Watch) -> tuple[CardState, Path]:
    """Make the card in a card file of its own, `out`/SERIAL.juki, its face beside it; return its state and the file."""
    _check_confirmed(wish)
    key = session.storage_key()
    unfinished = unfinished_order(authority, wish.record, wish.services)
    out.mkdir(parents=True, exist_ok=True)
    order = _resumed_or_placed(session, authority, wish, unfinished, watch)
    face = _face_work(authority, wish, order, out)
    path = out / f"{order.serial}{CARD_SUFFIX}"
    if not path.exists():
        begun = authority.ledger.card(order.serial)
        if begun.status is not Status.ORDERED:
            raise RuleRefused(
                f"card {order.serial} was begun elsewhere: {path} is not there. Name its folder or reader"
            )
        create_chip(path, key, random=session.world.chip_random)
    with session.card(EmulatorSpec(path)) as connection:
        return _personalise(session, authority, connection, order, watch, wish, face), path


def face_files(state: CardState, out: Path | None) -> dict[str, Path | None]:
    """Return where a card's face is, by the names of facts: None for what was not made, or in another folder."""
    made = out if FACE_STEP in state.steps_done else None
    paths = {name: made and made / f"{state.serial}{ending}" for name, ending in FACE_ENDINGS.items()}
    return {name: path if path is not None and path.exists() else None for name, path in paths.items()}


def _check_confirmed(wish: Wish) -> None:
    """Braille is embossed from a reading that somebody confirmed, and from no other."""
    if wish.record.braille and wish.choices.braille is None:
        raise RuleRefused(
            f"{wish.record.label}: wants braille, whose reading nobody has confirmed: --braille-reading KANA does"
        )


def _face_work(authority: Authority, wish: Wish, order: Order, out: Path | None) -> FaceWork | None:
    """Return what makes the face's files.  An order that was begun on another day has another expiry to print."""
    if out is None:
        return None
    face = wish.face
    if order.expires != wish.expires:
        face = prepared(authority, wish.record, order.expires, wish.look, wish.choices)
    return FaceWork(face, wish.look, out)


def _resumed_or_placed(
    session: Session, authority: Authority, wish: Wish, unfinished: Order | None, watch: Watch
) -> Order:
    if unfinished is None:
        now = session.world.now()
        return place_order(authority, wish.record, wish.services, issued_on=wish.issued_on, now=now)
    watch.resuming(unfinished.serial)
    return unfinished


def _personalise(
    session: Session,
    authority: Authority,
    connection: CardConnection,
    order: Order,
    watch: Watch,
    wish: Wish,
    face: FaceWork | None,
) -> CardState:
    done = authority.ledger.card(order.serial).steps_done
    random, now = session.world.random, session.world.now
    images = None if face is not None else images_of(wish.face, wish.look)
    personaliser = Personaliser(authority, connection, order, random, now, face, images=images)
    total = len(personaliser.operations()) - len(done)
    try:
        with watch.steps(order.serial, total) as began:
            return personaliser.run(began)
    except (TransportError, FaceMismatch, FaceUnwritten) as error:
        error.add_note(RESUME)
        raise
