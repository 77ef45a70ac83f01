"""The pages of the documentation work as printed: each page's marked blocks, from an empty folder, in one shell."""

from __future__ import annotations

from pathlib import Path

import pytest

from jukicard.reader.chip import Interface
from jukicard.testing.inserted import inserted
from jukicard.testing.pcscd import PrivatePcscd
from tests.support.foreign_cards import ForeignCard, globalplatform
from tests.support.pages import ROOT, blocks, run_page

FOREIGN = ROOT / "docs" / "journeys" / "foreign-card.md"
PAGES = sorted((ROOT / "docs").rglob("*.md"))
RUNNING = [page for page in PAGES if blocks(page)]


class InReader:
    """A foreign card as a chip, to stand in the virtual reader."""

    def __init__(self, card: ForeignCard) -> None:
        self._card = card

    def power_on(self, interface: Interface) -> bytes:
        return self._card.atr

    def reset(self) -> bytes:
        self._card.reset()
        return self._card.atr

    def power_off(self) -> None:
        """Nothing volatile is kept."""

    def transmit(self, command: bytes) -> bytes:
        return self._card.transmit(command)


@pytest.mark.parametrize("page", [page for page in RUNNING if page != FOREIGN], ids=lambda page: page.stem)
def test_a_page_works_as_printed(page: Path, tmp_path: Path) -> None:
    if any(block.needs_pcscd for block in blocks(page)):
        with PrivatePcscd() as pcscd:
            run_page(page, tmp_path, pcscd)
    else:
        run_page(page, tmp_path)


def test_a_foreign_card_is_read_and_nothing_else(tmp_path: Path) -> None:
    card = globalplatform()
    with PrivatePcscd() as pcscd, inserted(pcscd, InReader(card)):
        run_page(FOREIGN, tmp_path, pcscd)
    assert len(card.commands) > 10, "the card was talked to"
    assert card.costly == [], "only what looks without touching: no try spent, nothing written"


def test_every_journey_runs_something() -> None:
    journeys = {page for page in PAGES if page.parent.name in {"journeys", "tutorials"} and page.stem != "index"}
    assert len(journeys) >= 10
    assert journeys <= set(RUNNING)
