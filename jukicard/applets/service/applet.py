"""What the applications in a municipality's domain have in common."""

from __future__ import annotations

from jukicard.applets.gp.layout import city_of
from jukicard.card.applet import Applet
from jukicard.card.context import Context
from jukicard.card.volatile import Session


class MunicipalService(Applet):
    """An application in a municipality's domain: terminals of other municipalities have no rights there."""

    def rights(self, ctx: Context, session: Session) -> frozenset[int]:
        """Return the terminal's rights, if it is the municipality's own in whose domain this service lies."""
        authorization = session.authorization
        if authorization is None or authorization.municipality != city_of(ctx.domain_aid):
            return frozenset()
        return frozenset(authorization.rights)
