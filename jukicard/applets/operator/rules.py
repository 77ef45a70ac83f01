"""Who may do what in the operator application.

The first set of each object holds until personalisation is closed, the second from then on.
"""

from __future__ import annotations

from jukicard.applets.gp.layout import KID_SCP03, KID_SCP11A
from jukicard.applets.operator import layout
from jukicard.applets.service.rules import OWNER, rules, terminal
from jukicard.iso7816.access import (
    AccessMode,
    AccessRules,
    AllOf,
    Always,
    AnyOf,
    CommandEnc,
    CommandMac,
    ModeDo,
    Password,
    SessionKey,
)
from jukicard.iso7816.access import Right as RightHeld
from jukicard.securechannel.authorization import Right

IN_SESSION = AnyOf(SessionKey(KID_SCP03), SessionKey(KID_SCP11A))
PROTECTED_SESSION = AllOf(IN_SESSION, CommandMac(), CommandEnc())
LOGGED_IN = AllOf(IN_SESSION, CommandMac(), CommandEnc(), Password(layout.PASSWORD))

_WRITING = (AccessMode.READ | AccessMode.UPDATE, OWNER)

SERIAL_INITIAL = rules(_WRITING)
SERIAL = rules((AccessMode.READ, IN_SESSION))
CERTIFICATES_INITIAL = rules((AccessMode.READ, Always()), (AccessMode.UPDATE, OWNER))
CERTIFICATES = rules((AccessMode.READ, Always()))
STATUS_INITIAL = rules((AccessMode.READ, OWNER))
STATUS = rules((AccessMode.READ, IN_SESSION))

PASSWORD_INITIAL = AccessRules()
PASSWORD = rules(
    (ModeDo.header(ins=0x20), PROTECTED_SESSION),
    (ModeDo.header(ins=0x24, p1=0x00), PROTECTED_SESSION),
    (
        ModeDo.header(ins=0x24, p1=0x01),
        AnyOf(AllOf(RightHeld(Right.SET_INITIAL_PASSWORD), CommandMac(), CommandEnc()), LOGGED_IN),
    ),
    (ModeDo.header(ins=0x2C), AllOf(RightHeld(Right.RESET_PASSWORD), CommandMac(), CommandEnc())),
)
KEY_INITIAL = rules((ModeDo.header(ins=0x47), OWNER))
KEY = rules((ModeDo.header(ins=0x2A), LOGGED_IN))

APPLICATION_INITIAL = rules((AccessMode.ACTIVATE, OWNER))
APPLICATION = rules((AccessMode.TERMINATE, terminal(Right.VOID)))
