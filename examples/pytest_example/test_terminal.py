"""Tests of the terminal with specimen cards: `pip install jukicard pytest`, then `pytest`; nothing to set up."""

from __future__ import annotations

import pytest
from terminal import look_at

from jukicard import CardRemoved
from jukicard.testing.plugin import MakeCard


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("blank", "not a Juki card"),
        ("undelivered", "not handed over"),
        ("active", "3 tries left"),
        ("blocked", "blocked"),
    ],
)
def test_what_it_says(juki_card: MakeCard, kind: str, said: str) -> None:
    assert look_at(juki_card(kind).transmit) == said


def test_looking_costs_no_tries(juki_card: MakeCard) -> None:
    card = juki_card("active")
    assert {look_at(card.transmit) for _ in range(10)} == {"3 tries left"}


@pytest.mark.parametrize("command", [1, 2])
def test_a_card_that_is_pulled(juki_card: MakeCard, command: int) -> None:
    card = juki_card("active", pulled_at=command)
    with pytest.raises(CardRemoved):
        look_at(card.transmit)
    card.reset()  # it is put in again
    assert look_at(card.transmit) == "3 tries left"
