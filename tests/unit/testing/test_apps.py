"""Loaded applications on specimen cards: the fixture, and what it says when it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from jukicard.applets.gp.layout import JUKI_DOMAIN_AID
from jukicard.card.errors import CardError
from jukicard.iso7816.aid import AID
from jukicard.iso7816.limits import Limits
from jukicard.sdk.project import ProjectError
from jukicard.testing.apps import LoadedApplication
from jukicard.testing.offices import blank_cells
from jukicard.testing.plugin import MakeApp

EXAMPLES = Path(__file__).parents[3] / "examples" / "apps"
GREETING = b"Hello from a loaded application\x90\x00"
GREET = bytes.fromhex("00100000")


def test_a_specimen_with_an_application_that_is_selected(juki_app: MakeApp) -> None:
    card = juki_app(EXAMPLES / "hello")
    assert card.transmit(GREET) == GREETING
    assert card.authenticate().password_ok  # and it is the card that it was
    assert juki_app(EXAMPLES / "hello", contactless=True).transmit(GREET) == GREETING


def test_a_blank_chip_has_it_in_the_issuers_domain(juki_app: MakeApp) -> None:
    assert juki_app(EXAMPLES / "hello", kind="blank").transmit(GREET) == GREETING


def test_its_parameters_are_its_installations(juki_app: MakeApp) -> None:
    card = juki_app(EXAMPLES / "counter", b"1234")
    assert card.transmit(bytes.fromhex("002000010431323334")).hex() == "9000"
    with pytest.raises(CardError) as caught:
        juki_app(EXAMPLES / "counter", b"12")
    assert caught.value.sw == 0x6A80


def test_what_cannot_be_put_on_a_card(tmp_path: Path) -> None:
    hello = LoadedApplication.of(EXAMPLES / "hello")
    with pytest.raises(ValueError, match="no security domain"):
        hello.on(blank_cells(), JUKI_DOMAIN_AID)
    with pytest.raises(ProjectError):
        LoadedApplication.of(tmp_path)
    small = LoadedApplication(hello.block, hello.load_file, hello.aid, Limits(100, 100))
    with pytest.raises(CardError) as caught:
        small.on(blank_cells(), AID.from_hex("A000000151000000"))
    assert caught.value.sw == 0x6A84
