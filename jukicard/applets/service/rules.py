"""Conditions that the rules of the municipal services are made of.

`OFFICE`: a terminal of the municipality with the right `municipal-service`; `HOLDER`: anybody at a terminal under the
municipality's root, so that a password never crosses in the clear; `OWNER`: who has the domain's SCP03 keys.
"""

from __future__ import annotations

from jukicard.applets.gp.layout import KID_SCP03, KID_SCP11A
from jukicard.iso7816.access import (
    AccessMode,
    AccessRules,
    AllOf,
    CommandEnc,
    CommandMac,
    Condition,
    ModeDo,
    Password,
    ResponseEnc,
    ResponseMac,
    SessionKey,
)
from jukicard.iso7816.access import Right as RightHeld
from jukicard.securechannel.authorization import Right

OWNER = AllOf(SessionKey(KID_SCP03), CommandMac(), CommandEnc(), ResponseMac(), ResponseEnc())
HOLDER = AllOf(SessionKey(KID_SCP11A), CommandMac(), CommandEnc())
OFFICE = AllOf(RightHeld(Right.MUNICIPAL_SERVICE), CommandMac(), CommandEnc())


def terminal(right: Right) -> Condition:
    """The terminal has a right in this municipality, and its command is protected against change."""
    return AllOf(RightHeld(right), CommandMac())


def private(right: Right, password: int) -> Condition:
    """The same, with the holder's password verified and both ways encrypted where there is anything to see."""
    return AllOf(RightHeld(right), Password(password), CommandMac(), ResponseMac(), ResponseEnc())


def rules(*entries: tuple[ModeDo | AccessMode, Condition]) -> AccessRules:
    """Put access rules together from access modes and command headers."""
    return AccessRules(
        tuple((ModeDo.modes(what) if isinstance(what, AccessMode) else what, condition) for what, condition in entries)
    )


PASSWORD = rules(
    (ModeDo.header(ins=0x20), HOLDER),
    (ModeDo.header(ins=0x24, p1=0x00), HOLDER),
    (ModeDo.header(ins=0x24, p1=0x01), OFFICE),
    (ModeDo.header(ins=0x2C), OFFICE),
)
"""Of a service's password: its holder verifies and changes it, the office sets and resets it."""

KEY_PAIR = rules((ModeDo.header(ins=0x47, p1=0x80), OWNER), (ModeDo.header(ins=0x47, p1=0x81), OWNER))
"""Of a service's key pair: the owner lets the card generate it, once, and reads its public key."""
