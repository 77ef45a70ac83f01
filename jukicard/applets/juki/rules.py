"""Who may do what in the Juki application (card profile, section 5).

These rules are stored, shown and enforced as they stand here.

The first set of each object holds until personalisation is closed, the second from then on.
"""

from __future__ import annotations

from jukicard.applets.gp.layout import KID_SCP03, KID_SCP11A
from jukicard.applets.juki import layout
from jukicard.iso7816.access import (
    AccessMode,
    AccessRules,
    AllOf,
    Always,
    AnyOf,
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

PERSONALISING = AllOf(SessionKey(KID_SCP03), CommandMac(), CommandEnc(), ResponseMac(), ResponseEnc())
IN_SESSION = AnyOf(SessionKey(KID_SCP03), SessionKey(KID_SCP11A))
IDENTIFIED = AllOf(RightHeld(Right.IDENTIFY), Password(layout.PASSWORD), CommandMac(), ResponseMac(), ResponseEnc())
PROTECTED_SESSION = AllOf(IN_SESSION, CommandMac(), CommandEnc())


def terminal(right: Right, *protection: Condition) -> Condition:
    """The terminal has a right, and the command is protected against change at least."""
    return AllOf(RightHeld(right), CommandMac(), *protection)


def rules(*entries: tuple[ModeDo | AccessMode, Condition]) -> AccessRules:
    """Put access rules together from access modes and command headers."""
    return AccessRules(
        tuple((ModeDo.modes(what) if isinstance(what, AccessMode) else what, condition) for what, condition in entries)
    )


_WRITING = (AccessMode.READ | AccessMode.UPDATE, PERSONALISING)
_COMPARE = ModeDo.header(ins=0x33)

CODE_INITIAL = rules(_WRITING)
CODE = rules((_COMPARE, terminal(Right.MATCH, CommandEnc())), (AccessMode.READ, IDENTIFIED))
CERTIFICATES_INITIAL = rules((AccessMode.READ, Always()), (AccessMode.UPDATE, PERSONALISING))
CERTIFICATES = rules((AccessMode.READ, Always()))
CARD_INITIAL = rules(_WRITING)
CARD = rules((AccessMode.READ, IN_SESSION))
STATUS_INITIAL = rules((AccessMode.READ, PERSONALISING))
STATUS = rules((AccessMode.READ, IN_SESSION), (ModeDo.header(ins=0xDA), terminal(Right.MOVE)))

PASSWORD_INITIAL = AccessRules()
PASSWORD = rules(
    (ModeDo.header(ins=0x20), PROTECTED_SESSION),
    (ModeDo.header(ins=0x24, p1=0x00), PROTECTED_SESSION),
    (ModeDo.header(ins=0x24, p1=0x01), terminal(Right.SET_INITIAL_PASSWORD, CommandEnc())),
    (ModeDo.header(ins=0x2C), terminal(Right.RESET_PASSWORD, CommandEnc())),
)
KEY_INITIAL = rules((ModeDo.header(ins=0x47), PERSONALISING))
KEY = rules((ModeDo.header(ins=0x88), Always()))

APPLICATION_INITIAL = rules((AccessMode.ACTIVATE, PERSONALISING))
APPLICATION = rules(
    (AccessMode.DEACTIVATE, terminal(Right.SUSPEND)),
    (AccessMode.ACTIVATE, terminal(Right.RESUME)),
    (AccessMode.TERMINATE, terminal(Right.VOID)),
)
