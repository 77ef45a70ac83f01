"""Who may do what in a folder, as long as its owner has not said otherwise.

The owner is whoever opens an SCP03 session with the keys of the municipality's domain, everything protected.
"""

from __future__ import annotations

from jukicard.applets.gp.layout import KID_SCP03
from jukicard.iso7816.access import (
    AccessMode,
    AccessRules,
    AllOf,
    Always,
    CommandEnc,
    CommandMac,
    ModeDo,
    ResponseEnc,
    ResponseMac,
    SessionKey,
)

OWNER = AllOf(SessionKey(KID_SCP03), CommandMac(), CommandEnc(), ResponseMac(), ResponseEnc())

_OF_DF = (
    AccessMode.CREATE_EF
    | AccessMode.CREATE_DF
    | AccessMode.DELETE_CHILD
    | AccessMode.ACTIVATE
    | AccessMode.DEACTIVATE
    | AccessMode.TERMINATE
)

APPLICATION = AccessRules(
    (
        (ModeDo.modes(_OF_DF), OWNER),
        (ModeDo.header(ins=0xDA), OWNER),
        (ModeDo.header(ins=0xDB), OWNER),
        (ModeDo.header(ins=0xCA), Always()),
        (ModeDo.header(ins=0xCB), Always()),
    )
)
"""Of the application's own DF: the owner makes and removes what is in it; anybody gets its data objects."""

INITIAL = AccessRules(
    (
        (
            ModeDo.modes(
                AccessMode.READ | AccessMode.UPDATE | AccessMode.WRITE | AccessMode.ACTIVATE | AccessMode.DELETE
            ),
            OWNER,
        ),
    )
)
"""Of a file that was created in its initialisation state: the owner fills it, and activates it."""
