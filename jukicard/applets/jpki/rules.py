"""Who may do what in the JPKI application.

The first set of each object holds until personalisation is closed, the second from then on.
"""

from __future__ import annotations

from jukicard.applets.jpki.layout import Credential
from jukicard.applets.service.rules import OWNER, rules
from jukicard.iso7816.access import AccessMode, AccessRules, Always, ModeDo, Password

_READ_WRITE = AccessMode.READ | AccessMode.UPDATE

FILE_INITIAL = rules((_READ_WRITE, OWNER))
FREE = rules((AccessMode.READ, Always()))
INTERNAL = AccessRules()
"""Of an internal EF: what is allowed stands with the password or key that it is about."""
KEY_INITIAL = rules((ModeDo.header(ins=0x47), OWNER), (ModeDo.header(ins=0x2A), OWNER))
"""Of a key before: its owner has it made, and has a certification request signed with it."""
PASSWORD_INITIAL = rules((ModeDo.header(ins=0x24, p1=0x01), OWNER))
APPLICATION_INITIAL = rules((AccessMode.ACTIVATE, OWNER))
APPLICATION = AccessRules()


def certificate(credential: Credential) -> AccessRules:
    """Of the certificate: free to read, or after the password where it names its holder."""
    return _after_password(credential, AccessMode.READ) if credential.private else FREE


def key(credential: Credential) -> AccessRules:
    """Of the key: to use after its own password."""
    return _after_password(credential, ModeDo.header(ins=0x2A))


def password(credential: Credential) -> AccessRules:
    """Of the password: anybody tries it; its holder changes it; the office gives back its tries, with the keys of the
    domain.
    """
    return rules(
        (ModeDo.header(ins=0x20), Always()),
        (ModeDo.header(ins=0x24, p1=0x01), Password(credential.password_reference)),
        (ModeDo.header(ins=0x2C), OWNER),
    )


def _after_password(credential: Credential, what: ModeDo | AccessMode) -> AccessRules:
    return rules((what, Password(credential.password_reference)))
