"""Who may do what in the face-verification application: read what a reference number opens, verify, and, for whoever
has the issuer's keys, unblock.  Nobody changes a reference number.
"""

from __future__ import annotations

from jukicard.applets.faceverification import layout
from jukicard.applets.service.rules import OWNER, rules
from jukicard.iso7816.access import AccessMode, AccessRules, Always, ModeDo, Password


def opened_by(number: int) -> AccessRules:
    """Return the rules of a file that a reference number opens."""
    return rules((AccessMode.READ, Password(layout.reference(number))))


FREE = rules((AccessMode.READ, Always()))
NUMBER = rules((ModeDo.header(ins=0x20), Always()), (ModeDo.header(ins=0x2C, p1=0x03), OWNER))
