"""The fixed rules of the security domains' own commands."""

from __future__ import annotations

from dataclasses import dataclass

from jukicard.applets.gp.layout import KID_SCP03
from jukicard.card.commands import Access, Fixed
from jukicard.card.context import Context, require_domain
from jukicard.card.errors import CardError
from jukicard.card.registry import CardState
from jukicard.iso7816.access import AllOf, CommandMac, SessionKey
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.status import StatusWord


@dataclass(frozen=True, slots=True)
class WhileUnlocked:
    """A rule that also wants the card not to be locked (GP 2.3.1, 5.1.1.4: no content management in CARD_LOCKED)."""

    rule: Access

    @property
    def text(self) -> str:
        """The rule in words."""
        return f"{self.rule.text}, unless the card is locked"

    def authorise(self, cmd: CommandAPDU, ctx: Context) -> None:
        """Check the rule, then the card's state (6985)."""
        self.rule.authorise(cmd, ctx)
        if require_domain(ctx).registry.card_state is CardState.CARD_LOCKED:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "the card is locked")


SUPERVISION = Fixed(AllOf(SessionKey(KID_SCP03), CommandMac()), "an SCP03 session with C-MAC")
"""The card's state, and what there is on it, are the business of whoever holds a domain's SCP03 keys, locked or not."""

MANAGEMENT = WhileUnlocked(SUPERVISION)
"""Keys, content and data of a domain belong to whoever holds its SCP03 keys.  No terminal's right stands for them."""
