"""Evaluation of access conditions (the AB security attributes of ISO/IEC 7816-4) against the facts of one command."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Facts:
    """What holds while one command runs.  A command outside a secure channel session has none of a session's facts.

    `session_key` is the key identifier (KID) that opened the session: 01 SCP03, 11 SCP11a, 13 SCP11b; None without one.
    `authenticated` are the references (81-9F) of the application's keys that EXTERNAL AUTHENTICATE proved.
    """

    passwords: frozenset[int] = frozenset()
    rights: frozenset[int] = frozenset()
    session_key: int | None = None
    command_mac: bool = False
    command_enc: bool = False
    response_mac: bool = False
    response_enc: bool = False
    authenticated: frozenset[int] = frozenset()


NOTHING = Facts()


def holds(condition: Condition, facts: Facts) -> bool:
    """Return whether `condition` is met by `facts`.  What is not known to be met is not met."""
    match condition:
        case Always():
            return True
        case AllOf(conditions=parts):
            return bool(parts) and all(holds(part, facts) for part in parts)
        case AnyOf(conditions=parts):
            return any(holds(part, facts) for part in parts)
        case Not(condition=part):
            return not holds(part, facts)
        case Password(ref=reference):
            return reference in facts.passwords
        case Right(number=number):
            return number in facts.rights
        case SessionKey(kid=kid):
            return facts.session_key == kid or kid in facts.authenticated
        case CommandMac():
            return facts.command_mac
        case CommandEnc():
            return facts.command_enc
        case ResponseMac():
            return facts.response_mac
        case ResponseEnc():
            return facts.response_enc
        case Never():
            return False
    return False
