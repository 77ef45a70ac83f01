"""Groups of entries, whoever's database they lie in: whole or not at all, signed, sealed; one card for each person."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.issuer.errors import CardHeld, CodeTaken, LedgerDamaged, LedgerError, TransitionRefused
from jukicard.issuer.ledger.chain import UNATTENDED
from jukicard.issuer.ledger.details import Cause, Kind
from jukicard.issuer.ledger.group import AUTHORITY, SEAL_EVERY, CardTerms, Group, Resident
from jukicard.issuer.ledger.ledger import Ledger
from jukicard.issuer.ledger.rules import BooksEvent, Event, Status

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)
TERMS = CardTerms("99201", "A", date(2026, 11, 28), date(2036, 11, 27))
TARO, HANAKO = Resident("aa" * 32, "ab" * 32), Resident("ba" * 32, "bb" * 32)
LINE = (
    (Event.BOUND, {"chip": "0A"}),
    (Event.PERSONALISING, {}),
    (Event.READ_BACK, {}),
    (Event.CLOSED, {}),
    (Event.AWAITING_HANDOVER, {}),
)


class Operator:
    """An operator's card, as the books see it."""

    def __init__(self, number: int) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.actor = f"699201{number:09d}"

    def sign(self, message: bytes) -> bytes:
        return self.key.sign(message, ec.ECDSA(hashes.SHA256()))


ONE, OTHER, CITY = Operator(1), Operator(2), Operator(0)


def trust(signer: str) -> ec.EllipticCurvePublicKey | None:
    keys = {ONE.actor: ONE, OTHER.actor: OTHER, AUTHORITY: CITY}
    return keys[signer].key.public_key() if signer in keys else None


def make(group: Group, serial: str, *, handed_over: bool = True) -> None:
    for event, detail in LINE:
        group.append(serial, event, NOW, detail)
    if handed_over:
        group.append(serial, Event.HANDOVER_STARTED, NOW)
        group.hand_over(serial, NOW)


def applied(books: Ledger, kind: Kind, replaces: str | None = None, resident: Resident = TARO) -> str:
    with books.writing() as group:
        serial = group.apply(TERMS, resident, kind, NOW, replaces)
        group.append(serial, Event.EXAMINED, NOW)
        group.append(serial, Event.IDENTIFIED, NOW, {"document": "passport"})
        return serial


def active(books: Ledger, resident: Resident = TARO) -> str:
    with books.writing() as group:
        serial = group.order(TERMS, resident, NOW)
        make(group, serial)
    return serial


def test_a_group_is_written_whole_or_not_at_all(books: Ledger) -> None:
    def broken() -> None:
        with books.writing() as group:
            make(group, group.order(TERMS, TARO, NOW))
            group.append("799201000000009", Event.BOUND, NOW, {"chip": "0B"})

    with pytest.raises(TransitionRefused):
        broken()
    assert books.entries() == books.cards() == ()
    serial = active(books)
    assert serial == "799201000000001"
    assert len(books.entries(serial)) == len(LINE) + 3
    assert books.verify() == books.head()
    assert books.counts() == {Status.ACTIVE: 1}


def test_entries_say_who_wrote_them(books: Ledger) -> None:
    active(books)
    books.signer = ONE
    active(books, HANAKO)
    actors = [entry.actor for entry in books.entries()]
    half = len(actors) // 2
    assert actors == [UNATTENDED] * half + [ONE.actor] * half
    found = books.inspect(None, trust)
    assert (found.unattended, found.sealed) == (half, 0)


def test_a_group_has_one_signature(books: Ledger) -> None:
    for number, signer in enumerate((ONE, OTHER, ONE), 1):
        books.signer = signer
        active(books, Resident(f"{number:064x}", None))
    with books.database.reading() as connection:
        signers = connection.execute(sa.text("SELECT signer FROM signatures ORDER BY last")).scalars().all()
    assert signers == [ONE.actor, OTHER.actor, ONE.actor]
    assert books.verify(books.head(), trust)


def test_whoever_signed_must_be_known(books: Ledger) -> None:
    books.signer = Operator(9)
    active(books)
    assert books.verify()
    with pytest.raises(LedgerDamaged, match="699201000000009, whom this authority does not know"):
        books.verify(None, trust)


def test_a_signature_by_another_key_is_found(books: Ledger) -> None:
    impostor = Operator(1)
    books.signer = impostor
    active(books)
    with pytest.raises(LedgerDamaged, match="signature of 699201000000001 at entry 8 does not verify"):
        books.verify(None, trust)


class Silent(Operator):
    def sign(self, message: bytes) -> bytes:
        raise LedgerError("the operator's card was taken away")


def test_without_the_signature_nothing_is_written(books: Ledger) -> None:
    books.signer = Silent(1)
    with pytest.raises(LedgerError, match="taken away"):
        active(books)
    assert books.entries() == ()


def test_the_authority_seals_by_the_hundreds_and_when_asked(books: Ledger) -> None:
    books.sealer = CITY.sign
    with books.writing() as group:
        for number in range(SEAL_EVERY + 1):
            group.order(TERMS, Resident(f"{number:064x}", None), NOW)
    assert books.inspect(None, trust).sealed == SEAL_EVERY + 1
    active(books)
    assert books.inspect(None, trust).sealed == SEAL_EVERY + 1
    assert books.seal() == books.seal() == books.head()
    assert books.inspect(None, trust).sealed == SEAL_EVERY + 1 + len(LINE) + 3


def test_only_the_authority_seals(books: Ledger) -> None:
    active(books)
    with pytest.raises(LedgerError, match="not open"):
        books.seal()
    books.sealer = ONE.sign
    books.seal()
    with pytest.raises(LedgerDamaged, match="signature of authority"):
        books.verify(None, trust)


def test_other_things_than_cards(books: Ledger) -> None:
    with books.writing() as group:
        group.note("box-1", BooksEvent.BLANKS_RECEIVED, NOW, {"count": "100"})
    with pytest.raises(LedgerError, match="lacks count"), books.writing() as group:
        group.note("box-1", BooksEvent.BLANKS_COUNTED, NOW)
    (entry,) = books.entries("box-1")
    assert (entry.event, entry.detail) == (BooksEvent.BLANKS_RECEIVED, {"count": "100"})
    assert books.cards() == ()
    assert books.verify()


# --- one card for each person


def test_nobody_has_two_cards(books: Ledger) -> None:
    first = active(books)
    with pytest.raises(CardHeld, match=first):
        active(books)
    with pytest.raises(CardHeld, match=r"active"):
        applied(books, Kind.NEW)
    books.append(first, Event.VOIDED, NOW, {"cause": Cause.RETURNED})
    second = applied(books, Kind.NEW)
    with pytest.raises(CardHeld, match="confirmed"):
        applied(books, Kind.NEW)
    assert books.card(second).status is Status.CONFIRMED


def test_nobody_brings_a_second_card_along(books: Ledger) -> None:
    first = active(books)
    days = dict.fromkeys(("moved_out", "moved_in", "reported"), "2026-11-21")
    terms = CardTerms("99202", "A", TERMS.issued_on, TERMS.expires)
    with pytest.raises(CardHeld, match=first), books.writing() as group:
        group.take_over("799202000000001", terms, TARO, NOW, {**days, "moved_from": "99202"})
    stranger = Resident(TARO.code_digest, HANAKO.person_digest)
    with pytest.raises(CodeTaken), books.writing() as group:
        group.take_over("799202000000001", terms, stranger, NOW, {**days, "moved_from": "99202"})
    assert books.find("799202000000001") is None


def test_an_expired_card_hinders_nobody(books: Ledger) -> None:
    active(books)
    later = datetime(2036, 11, 28, tzinfo=UTC)
    terms = CardTerms("99201", "A", later.date(), date(2046, 11, 27))
    with books.writing() as group:
        assert group.order(terms, TARO, later)


@pytest.mark.parametrize("kind", [Kind.DAMAGED, Kind.RENEWAL])
def test_a_card_is_replaced_when_the_new_one_is_handed_over(books: Ledger, kind: Kind) -> None:
    old = active(books)
    new = applied(books, kind, old)
    with books.writing() as group:
        group.order_applied(new, TERMS.issued_on, TERMS.expires, NOW)
        make(group, new, handed_over=False)
    assert books.card(old).status is Status.ACTIVE
    with books.writing() as group:
        group.append(new, Event.HANDOVER_STARTED, NOW)
        group.hand_over(new, NOW)
    assert (books.card(old).status, books.card(new).status) == (Status.VOID, Status.ACTIVE)
    assert books.card(old).facts["cause"] == Cause.REPLACED
    assert books.card(old).facts["replaced_by"] == new


def test_a_lost_card_is_void_as_soon_as_another_is_ordered(books: Ledger) -> None:
    old = active(books)
    new = applied(books, Kind.LOST, old)
    assert books.card(old).status is Status.ACTIVE
    with books.writing() as group:
        group.order_applied(new, TERMS.issued_on, TERMS.expires, NOW)
    assert books.card(old).facts == {"cause": "lost", "replaced_by": new}
    assert books.verify()


def test_what_cannot_be_replaced(books: Ledger) -> None:
    old = active(books)
    for kind, replaces, resident, reason in (
        (Kind.NEW, old, TARO, "unless it is for a new one"),
        (Kind.LOST, None, TARO, "unless it is for a new one"),
        (Kind.LOST, old, HANAKO, "another person's"),
        (Kind.EXPIRED, old, TARO, "valid until 2036-11-27"),
        (Kind.LOST, "799201000000077", TARO, "has no card"),
    ):
        with pytest.raises(LedgerError, match=reason):
            applied(books, kind, replaces, resident)
    assert len(books.cards()) == 1


# --- two writers


WRITER = """
import sys
from datetime import date, datetime, timezone
from jukicard.issuer.ledger.group import CardTerms, Resident
from jukicard.issuer.ledger.ledger import Ledger
from pathlib import Path
place = sys.argv[1] if sys.argv[1].startswith("postgresql") else Path(sys.argv[1])
now = datetime(2026, 11, 28, tzinfo=timezone.utc)
with Ledger.open(place) as ledger:
    print("open", flush=True)
    for number in range(40):
        ledger.order(CardTerms("99201", "A", now.date(), date(2036, 11, 27)), Resident(f"{number:064x}", None), now)
"""


def test_two_processes_write_one_chain(books: Ledger, place: Path | str) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(place)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        for number in range(40):
            books.order(TERMS, Resident(f"{100 + number:064x}", None), NOW)
        assert other.wait(60) == 0
    serials = [entry.serial for entry in books.entries()]
    assert len(set(serials)) == len(serials) == 80
    assert books.verify() == books.head()
