"""The rows of content management, put together."""

from __future__ import annotations

from jukicard.applets.gp.content.deleting import Deleting
from jukicard.applets.gp.content.installing import Installing
from jukicard.applets.gp.content.listing import Listing
from jukicard.applets.gp.content.loading import Loading
from jukicard.applets.gp.content.moving import Moving
from jukicard.applets.gp.content.states import States


class ContentCommands(Loading, Installing, Moving, Deleting, Listing, States):
    """What changes the registry, and what tells it."""
