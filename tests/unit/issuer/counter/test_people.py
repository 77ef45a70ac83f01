"""Personal data apart: sealed for one card, erased without a trace and without breaking the chain."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from jukicard.issuer.authority.people import PersonalData, open_personal, seal_personal
from jukicard.issuer.errors import HomeDamaged, TransitionRefused
from jukicard.issuer.keys.filekeystore import FileKeyStore
from jukicard.issuer.ledger.details import Kind
from jukicard.issuer.ledger.group import CardTerms, Resident
from jukicard.issuer.ledger.ledger import Ledger
from jukicard.issuer.ledger.rules import Event
from tests.support.chips import randomness

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)
TERMS = CardTerms("99201", "A", date(2026, 11, 28), date(2036, 11, 27))
DATA = PersonalData({"name": "住基　太郎", "resident_code": "41802639579"}, b"\xff\xd8 photo")
SERIAL, OTHER = "799201000000001", "799201000000002"
BLOB = bytes(range(1, 256)) * 40
"""What is kept, larger than a page: pages that only it fills must be wiped, too."""


def test_what_is_sealed_for_one_card_opens_for_it_alone(tmp_path: Path) -> None:
    keys = FileKeyStore.create(tmp_path / "keys.json", "a long password", randomness("keys"))
    sealed = seal_personal(keys, SERIAL, DATA, randomness("seal"))
    assert open_personal(keys, SERIAL, sealed) == DATA
    assert open_personal(keys, SERIAL, seal_personal(keys, SERIAL, PersonalData({}), randomness(1))).photo is None
    assert "太郎" not in repr(DATA)
    for serial, blob in ((OTHER, sealed), (SERIAL, sealed[:-1] + bytes((sealed[-1] ^ 1,))), (SERIAL, b"")):
        with pytest.raises(HomeDamaged, match="not what was sealed"):
            open_personal(keys, serial, blob)


def applied(ledger: Ledger, blob: bytes = BLOB) -> str:
    with ledger.writing() as group:
        serial = group.apply(TERMS, Resident("aa" * 32, "ab" * 32), Kind.NEW, NOW)
        group.keep(serial, date(2027, 11, 28), blob)
    return serial


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


def test_nothing_of_what_was_erased_stands_in_the_files(tmp_path: Path) -> None:
    with Ledger.create(tmp_path / "ledger.sqlite") as ledger:
        serial = applied(ledger)
        assert ledger.sealed(serial) == BLOB
        assert BLOB[:200] in on_disk(tmp_path)
        ledger.append(serial, Event.REFUSED, NOW, {"reason": "not a resident"})
        left = on_disk(tmp_path)
        assert ledger.sealed(serial) is None
        assert [entry.event for entry in ledger.entries()] == [Event.APPLIED, Event.REFUSED, Event.ERASED]
        ledger.verify()
    assert not any(BLOB[start : start + 24] in left for start in range(0, 255, 12))


@pytest.mark.parametrize("event", [Event.CANCELLED, Event.REFUSED])
def test_the_end_of_the_business_erases(tmp_path: Path, event: Event) -> None:
    with Ledger.create(tmp_path / "ledger.sqlite") as ledger:
        serial = applied(ledger)
        ledger.append(serial, event, NOW, {"reason": "no"})
        assert ledger.sealed(serial) is None


def test_what_is_kept_is_replaced_and_found_when_its_time_has_passed(tmp_path: Path) -> None:
    with Ledger.create(tmp_path / "ledger.sqlite") as ledger:
        serial = applied(ledger)
        with ledger.writing() as group:
            group.keep(serial, date(2026, 12, 31), b"other")
        assert ledger.sealed(serial) == b"other"
        assert ledger.kept_past(date(2026, 12, 31)) == ()
        assert ledger.kept_past(date(2027, 1, 1)) == (serial,)
        with pytest.raises(TransitionRefused), ledger.writing() as group:
            group.erase(serial, NOW)  # its business is open
        assert ledger.sealed(serial) == b"other"
        with ledger.writing() as group:
            assert not group.erase(OTHER, NOW)
