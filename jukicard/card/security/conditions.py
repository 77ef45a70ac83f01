"""Evaluation of access conditions (the AB security attributes of ISO/IEC 7816-4) against the facts of one command."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any, NamedTuple

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


class Rights:
    """A terminal's rights, worked out when a rule first asks for one: most rules ask for none."""

    __slots__ = ("_find", "_found")

    def __init__(self, find: Callable[[], Container[int]]) -> None:
        self._find = find
        self._found: Container[int] | None = None

    def __contains__(self, number: object) -> bool:
        if self._found is None:
            self._found = self._find()
        return number in self._found


class Facts(NamedTuple):
    """What holds while one command runs.  A command outside a secure channel session has none of a session's facts.

    `session_key` is the key identifier (KID) that opened the session: 01 SCP03, 11 SCP11a, 13 SCP11b; None without one.
    `authenticated` are the references (81-9F) of the application's keys that EXTERNAL AUTHENTICATE proved.
    """

    passwords: frozenset[int] = frozenset()
    rights: Container[int] = frozenset()
    session_key: int | None = None
    command_mac: bool = False
    command_enc: bool = False
    response_mac: bool = False
    response_enc: bool = False
    authenticated: frozenset[int] = frozenset()


NOTHING = Facts()

_Test = Callable[[Any, Facts], bool]


def _all(condition: AllOf, facts: Facts) -> bool:
    for part in condition.conditions:  # noqa: SIM110  a generator for each rule costs more than the tests in it
        if not holds(part, facts):
            return False
    return True


def _any(condition: AnyOf, facts: Facts) -> bool:
    for part in condition.conditions:  # noqa: SIM110  the same
        if holds(part, facts):
            return True
    return False


_TESTS: dict[type[Condition], _Test] = {
    Always: lambda _, __: True,
    Never: lambda _, __: False,
    AllOf: _all,
    AnyOf: _any,
    Not: lambda condition, facts: not holds(condition.condition, facts),
    Password: lambda condition, facts: condition.ref in facts.passwords,
    Right: lambda condition, facts: condition.number in facts.rights,
    SessionKey: lambda condition, facts: facts.session_key == condition.kid or condition.kid in facts.authenticated,
    CommandMac: lambda _, facts: facts.command_mac,
    CommandEnc: lambda _, facts: facts.command_enc,
    ResponseMac: lambda _, facts: facts.response_mac,
    ResponseEnc: lambda _, facts: facts.response_enc,
}


def holds(condition: Condition, facts: Facts) -> bool:
    """Return whether `condition` is met by `facts`.  What is not known to be met is not met."""
    test = _TESTS.get(type(condition))
    return test is not None and test(condition, facts)
