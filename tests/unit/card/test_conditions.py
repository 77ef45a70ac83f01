"""What facts meet which condition, one by one."""

from __future__ import annotations

import pytest

from jukicard.card.security.conditions import Facts, holds
from jukicard.iso7816.access import (
    AllOf,
    Always,
    AnyOf,
    CommandEnc,
    CommandMac,
    Condition,
    Never,
    Not,
    Password,
    ResponseEnc,
    ResponseMac,
    Right,
    SessionKey,
)
from jukicard.iso7816.tlv import Tlv

MET_BY = [
    (Password(0x81), Facts(passwords=frozenset({0x81}))),
    (Right(3), Facts(rights=frozenset({3}))),
    (SessionKey(0x11), Facts(session_key=0x11)),
    (CommandMac(), Facts(command_mac=True)),
    (CommandEnc(), Facts(command_enc=True)),
    (ResponseMac(), Facts(response_mac=True)),
    (ResponseEnc(), Facts(response_enc=True)),
]
CONDITIONS = [condition for condition, _ in MET_BY]


class Unknown(Condition):
    """A condition that this chip knows nothing of."""

    def to_tlv(self) -> Tlv:
        return Tlv(0x99)


@pytest.mark.parametrize(("condition", "facts"), MET_BY, ids=lambda value: type(value).__name__)
def test_each_condition_is_met_by_its_own_fact_and_by_no_other(condition: Condition, facts: Facts) -> None:
    assert holds(condition, facts)
    assert not holds(Not(condition), facts)
    assert not holds(condition, Facts())
    for other in CONDITIONS:
        assert holds(other, facts) is (other is condition)


def test_other_numbers_are_other_facts() -> None:
    everything = Facts(frozenset({1}), frozenset({2}), 3, True, True, True, True)
    for condition in (Password(2), Right(1), SessionKey(1), SessionKey(0)):
        assert not holds(condition, everything)
        assert not holds(condition, Facts())


@pytest.mark.parametrize("facts", [Facts(), Facts(command_mac=True)])
def test_always_never_and_what_the_chip_does_not_know(facts: Facts) -> None:
    assert holds(Always(), facts) is True
    assert holds(Never(), facts) is False
    assert holds(Unknown(), facts) is False


def test_all_of_and_any_of() -> None:
    facts = Facts(command_mac=True)
    for first, second, together, either in (
        (Always(), CommandMac(), True, True),
        (Never(), CommandMac(), False, True),
        (Always(), CommandEnc(), False, True),
        (Never(), CommandEnc(), False, False),
    ):
        assert holds(AllOf(first, second), facts) is together
        assert holds(AnyOf(first, second), facts) is either


def test_facts_are_a_value_that_nobody_can_change() -> None:
    facts = Facts()
    with pytest.raises(AttributeError):
        facts.command_mac = True  # type: ignore[misc]
    assert facts == Facts(frozenset(), frozenset(), None, False, False, False, False)
