"""`juki stock` and the commands that keep the books in order, at a desk."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.issuer.authority import certificates as x
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.permissions import CHANGE_CARD
from jukicard.issuer.authority.terminals import Area
from jukicard.issuer.ledger.group import CardTerms, Resident
from jukicard.issuer.ledger.rules import Event
from jukicard.testing.seeds import randomness
from tests.support.desk import Desk
from tests.support.issued import AUTHORITY_PASSWORD, CHIP_NUMBER, CITY, TODAY

SERIAL = "799201000000001"
OPERATOR = "699201000000001"
GOLDEN = Path(__file__).parents[2] / "golden" / "ledger" / "v0001.sqlite"
CHIP = f"{CHIP_NUMBER:016d}"
BOX = ("--first", f"{CHIP_NUMBER:016d}", "--last", f"{CHIP_NUMBER + 9:016d}")
OTHER_BOX = ("--first", f"{CHIP_NUMBER + 100:016d}", "--last", f"{CHIP_NUMBER + 109:016d}")


def issue(desk: Desk) -> tuple[str, ...]:
    return ("issue", desk.record, "--reader", desk.reader, *desk.authority)


# --- stock


def test_a_delivery_from_its_receipt_to_the_evenings_count(blank: Desk) -> None:
    assert blank.run("stock", "list").stdout == "No deliveries.\n"
    facts = blank.facts("stock", "receive", "box-1", *BOX)
    chips = f"{CHIP}-{CHIP_NUMBER + 9:016d}"
    assert facts == {"delivery": "box-1", "received": 10, "chips": [chips], "discarded": []}
    last = f"{CHIP_NUMBER + 9:016d}"
    one = ("--first", last, "--last", last)
    assert blank.facts("stock", "discard", "box-1", *one, "--reason", "bent")["discarded"] == [last]
    assert blank.run(*issue(blank)).exit_code == 0
    assert blank.facts("stock", "count", "box-1", "8") == {"delivery": "box-1", "counted": 8, "in_stock": 8}
    assert blank.facts("stock", "list")["deliveries"] == [
        {
            "delivery": "box-1",
            "received": 10,
            "issued": 1,
            "spoilt": 0,
            "cancelled": 0,
            "discarded": 1,
            "in_work": 0,
            "in_stock": 8,
            "counted": 8,
            "counted_on": TODAY.isoformat(),
            "in_stock_then": 8,
        }
    ]
    assert blank.run("stock", "list").stdout.splitlines()[1].split()[:8] == [
        "box-1",
        "10",
        "1",
        "0",
        "0",
        "1",
        "0",
        "8",
    ]
    found = blank.facts("ledger", "reconcile")
    assert (found["balanced"], found["differences"]) == (True, [])
    assert blank.run("ledger", "reconcile").stdout.endswith("Balanced.\n")


def test_numbers_from_a_file(blank: Desk) -> None:
    file = blank.folder / "chips.txt"
    file.write_text(f"{CHIP}\n\n{CHIP_NUMBER + 5:016d}-{CHIP_NUMBER + 6:016d}\n")
    assert blank.facts("stock", "receive", "box-1", "--chips", str(file))["received"] == 3
    file.write_text(f"{CHIP}\n12\n")
    error = blank.facts("stock", "receive", "box-2", "--chips", str(file), code=1)["error"]
    assert "line 2: neither a chip's number" in error["message"]
    for words in ((), ("--first", CHIP), ("--chips", str(file), *BOX)):
        assert blank.run("stock", "receive", "box-3", *words).exit_code == 2
    assert blank.run("stock", "discard", "box-1", *BOX, "--reason", "Taro 7").exit_code == 2


def test_a_home_that_keeps_stock_takes_no_chip_from_elsewhere(blank: Desk) -> None:
    blank.facts("stock", "receive", "box-2", *OTHER_BOX)
    error = blank.facts(*issue(blank), code=1)["error"]
    assert f"chip {CHIP} is in no delivery" in error["message"]
    assert "juki stock receive" in error["message"]
    blank.facts("stock", "receive", "box-1", *BOX)
    blank.facts("stock", "discard", "box-1", "--first", CHIP, "--last", CHIP, "--reason", "bent")
    error = blank.facts(*issue(blank), code=1)["error"]
    assert "was discarded: take another chip" in error["message"]
    assert [str(entry.event) for entry in blank.ledger()] == ["blanks-received"] * 2 + ["blanks-discarded"]


# --- reconciliation and statistics


def test_differences_are_explained_or_not(blank: Desk) -> None:
    blank.facts("stock", "receive", "box-1", *BOX)
    blank.run(*issue(blank))
    with Authority.open(blank.home) as authority:
        begun = authority.ledger.order(
            CardTerms("99201", "A", TODAY, TODAY), Resident("ab" * 32, None), blank.world.now()
        )
        authority.ledger.append(begun, Event.BOUND, blank.world.now(), {"chip": f"{CHIP_NUMBER + 1:016d}"})
    found = blank.facts("ledger", "reconcile")
    (difference,) = found["differences"]
    assert (difference["why"], difference["serial"], difference["status"]) == ("in-work", begun, "bound")
    assert "juki issue with the same record goes on" in difference["next"]
    assert f"card {begun}, chip {CHIP_NUMBER + 1:016d}" in blank.run("ledger", "reconcile").stdout
    blank.run("stock", "count", "box-1", "7")
    found = blank.facts("ledger", "reconcile", code=1)
    (wrong,) = [each for each in found["differences"] if not each["explained"]]
    assert (wrong["why"], wrong["by"], wrong["delivery"], wrong["since_entry"]) == ("count-differs", -1, "box-1", 1)
    result = blank.run("ledger", "reconcile")
    assert result.exit_code == 1
    assert f"entry {len(blank.ledger())}: the count by hand differs by -1, since entry 1" in result.stdout
    assert result.stdout.endswith("Not balanced: 1 not explained.\n")


def test_one_day_and_one_delivery(blank: Desk) -> None:
    blank.facts("stock", "receive", "box-1", *BOX)
    blank.facts("stock", "receive", "box-2", *OTHER_BOX)
    found = blank.facts("ledger", "reconcile", "--delivery", "box-2", "--day", TODAY.isoformat())
    assert [line["delivery"] for line in found["deliveries"]] == ["box-2"]
    (day,) = found["days"]
    assert (day["day"], day["received"], day["stock_before"], day["stock_after"]) == (TODAY.isoformat(), 10, 0, 10)
    assert found["operators"][0]["operator"] == "unattended"
    later = blank.facts("ledger", "reconcile", "--day", "2026-12-31")["days"]
    assert [(line["day"], line["stock_before"], line["received"]) for line in later] == [("2026-12-31", 20, 0)]
    earlier = blank.facts("ledger", "reconcile", "--day", "2026-11-01")
    assert (earlier["deliveries"], earlier["balanced"]) == ([], True)
    assert blank.run("ledger", "reconcile", "--delivery", "box-3").exit_code == 1


def test_a_home_without_stock_reconciles(active: Desk) -> None:
    result = active.run("ledger", "reconcile")
    assert result.exit_code == 0
    assert "keeps no stock" in result.stdout
    assert "1 chips were bound before" in result.stdout


def test_statistics(active: Desk) -> None:
    (month,) = active.facts("ledger", "statistics", "--year", "2026")["months"]
    assert (month["month"], month["issued"], month["handed_over"], month["valid"]) == (
        "2026-11",
        {"A": 1, "B": 0},
        1,
        1,
    )
    assert active.facts("ledger", "statistics", "--year", "2025") == {"months": []}
    lines = dict(line.rsplit(None, 1) for line in active.run("ledger", "statistics").stdout.splitlines()[1:])
    assert (lines["issued: A"], lines["valid"], lines["void: lost"]) == ("1", "1", "0")


# --- seals, signatures, upgrades


def test_the_head_is_sealed_and_kept(active: Desk) -> None:
    sealed = active.facts("ledger", "seal", *active.authority)
    entries = len(active.ledger())
    assert sealed["sealed_up_to"] == entries
    assert sealed["head"].startswith(f"{entries}:")
    active.enter(Event.SUSPENDED)
    words = ("verify", "--head", sealed["head"], "--sealed", str(entries))
    found = active.facts("ledger", *words)
    assert (found["sealed_up_to"], found["unattended"], found["continues"]) == (entries, entries + 1, True)
    raw = sqlite3.connect(active.home / "ledger.sqlite")
    raw.executescript("DROP TRIGGER signatures_no_delete; DELETE FROM signatures")
    raw.close()
    error = active.facts("ledger", *words, code=6)["error"]
    assert f"sealed the entries up to {entries}, and now its last seal is that of entry 0" in error["message"]
    assert active.facts("ledger", "seal", "--authority-password-file", str(wrong(active)), code=4)


def wrong(desk: Desk) -> Path:
    path = desk.folder / "wrong-authority.txt"
    path.touch(0o600)
    path.write_text("nonsense\n")
    return path


class Card:
    """An operator's card, certified by the home's card CA."""

    actor = OPERATOR

    def __init__(self, authority: Authority, folder: Path) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        subject = x.Subject("operator", CITY.name, CITY.code, OPERATOR)
        rights = frozenset({CHANGE_CARD})
        request = x.Request(x.OPERATOR, subject, self.key.public_key(), TODAY, TODAY, permissions=rights)
        leaf = x.issue(authority.card_signer(Area.JUKI), request, randomness("operator"))
        folder.mkdir(parents=True)
        (folder / f"{OPERATOR}.pem").write_bytes(x.to_pem((*authority.card_authorities(Area.JUKI), leaf)))

    def sign(self, message: bytes) -> bytes:
        return self.key.sign(message, ec.ECDSA(hashes.SHA256()))


def signed(desk: Desk, folder: str = "operators") -> Card:
    with Authority.open(desk.home, AUTHORITY_PASSWORD) as authority:
        card = Card(authority, desk.home / folder)
        authority.ledger.signer = card
        authority.ledger.append(SERIAL, Event.SUSPENDED, desk.world.now())
    return card


@pytest.mark.parametrize("folder", ["operators", "operators/revoked"])
def test_operators_signatures_are_verified_by_the_homes_certificates(active: Desk, folder: str) -> None:
    signed(active, folder)
    entries = len(active.ledger())
    assert active.facts("ledger", "verify")["unattended"] == entries - 1
    raw = sqlite3.connect(active.home / "ledger.sqlite")
    raw.executescript("DROP TRIGGER signatures_no_update; UPDATE signatures SET signature = '3006020101020101'")
    raw.close()
    error = active.facts("ledger", "verify", code=6)["error"]
    assert f"signature of {OPERATOR} at entry {entries} does not verify" in error["message"]


def test_operators_of_nobodys_certificates_do_not_count(active: Desk) -> None:
    signed(active)
    shutil.move(active.home / "operators", active.home / "elsewhere")
    error = active.facts("ledger", "verify", code=6)["error"]
    assert f"signed by {OPERATOR}, whom this authority does not know" in error["message"]


def test_books_of_the_first_version_are_brought_up_to_date_with_a_copy_beside_them(blank: Desk) -> None:
    books = blank.home / "ledger.sqlite"
    for each in blank.home.glob("ledger.sqlite*"):
        each.unlink()
    shutil.copy(GOLDEN, books)
    books.chmod(0o600)
    assert "juki ledger migrate" in blank.facts("ledger", "list", code=6)["error"]["message"]
    copy = blank.home / "ledger.sqlite.0001.bak"
    assert blank.facts("ledger", "migrate") == {"before": "0001", "after": "0002", "copy": str(copy)}
    assert copy.stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(copy) as raw:
        assert raw.execute("SELECT count(*) FROM events").fetchone() == (18,)
    raw.close()
    assert blank.facts("ledger", "migrate") == {"before": "0002", "after": "0002", "copy": None}
    assert blank.facts("ledger", "verify")["entries"] == 18
    raw = sqlite3.connect(books)
    raw.execute("UPDATE alembic_version SET version_num = '9999'").connection.commit()
    raw.close()
    assert "newer than this program" in blank.facts("ledger", "migrate", code=6)["error"]["message"]
    assert blank.run("ledger", "migrate", "--role", "writer").exit_code == 2


def test_the_table_of_cards_is_made_anew(active: Desk) -> None:
    raw = sqlite3.connect(active.home / "ledger.sqlite")
    raw.execute("UPDATE cards SET status = 'void'").connection.commit()
    raw.close()
    assert "table of cards" in active.facts("ledger", "verify", code=6)["error"]["message"]
    assert active.facts("ledger", "rebuild")["entries"] == len(active.ledger())
    assert active.facts("ledger", "verify")["entries"] == len(active.ledger())
