"""The fixed rules of the security domains' own commands."""

from __future__ import annotations

import pytest

from jukicard.applets.gp.rules import MANAGEMENT, SUPERVISION, WhileUnlocked


def test_rules_are_values_that_nobody_can_change() -> None:
    with pytest.raises(AttributeError):
        MANAGEMENT.rule = SUPERVISION  # type: ignore[misc]
    assert WhileUnlocked(SUPERVISION) == MANAGEMENT


def test_a_rule_says_what_it_wants() -> None:
    assert MANAGEMENT.text == "an SCP03 session with C-MAC, unless the card is locked"
