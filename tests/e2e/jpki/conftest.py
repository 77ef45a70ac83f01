"""One reader for all tests of a module; each test gets a card of its own in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jukicard.applets.jpki.layout import Profile
from jukicard.card.store import MemoryStore
from tests.support.inserted import inserted
from tests.support.jpkicards import ExchangedChip, HeldCard, cells, new_card
from tests.support.pcscd import PrivatePcscd


@pytest.fixture(scope="module")
def reader() -> Iterator[tuple[PrivatePcscd, ExchangedChip]]:
    """A private pcscd's reader, and the chip in it."""
    chip = ExchangedChip(new_card(MemoryStore(cells(Profile.JUKI))))
    with PrivatePcscd() as pcscd, inserted(pcscd, chip, settle_seconds=0):
        yield pcscd, chip


@pytest.fixture
def hold(reader: tuple[PrivatePcscd, ExchangedChip], tmp_path: Path) -> Callable[[Profile], HeldCard]:
    """Puts a new card of a profile into the reader."""

    def put(profile: Profile) -> HeldCard:
        card = HeldCard(*reader, profile, tmp_path)
        card.configure_opensc()
        return card

    return put
