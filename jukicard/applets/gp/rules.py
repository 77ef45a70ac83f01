"""The fixed rules of the security domains' own commands."""

from __future__ import annotations

from jukicard.applets.gp.layout import KID_SCP03
from jukicard.card.commands import Fixed
from jukicard.iso7816.access import AllOf, CommandMac, SessionKey

MANAGEMENT = Fixed(AllOf(SessionKey(KID_SCP03), CommandMac()), "an SCP03 session with C-MAC")
"""Keys, content and data of a domain belong to whoever holds its SCP03 keys.  No terminal's right stands for them."""
