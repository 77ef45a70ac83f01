"""The locker, a loaded application that uses all of the host interface; and cards that have it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from jukicard.applets.gp.layout import municipal_service_aid
from jukicard.applets.gp.loadfile import DataBlock
from jukicard.iso7816.aid import AID
from jukicard.sdk.building import build
from jukicard.sdk.project import Project
from jukicard.testing.apps import LoadedApplication
from jukicard.testing.seeds import randomness
from tests.support import chips

FOLDER = Path(__file__).parent / "apps" / "locker"
PROJECT = Project.read(FOLDER)
FILE, MODULE = PROJECT.load_file, PROJECT.module
LOCKER = municipal_service_aid(chips.CITY, 0x0201)
PIN = chips.PASSWORD
COUNT, PUT, LOOK, CHANGE, TAKE, DRAW, SEAL, SIGN, VERIFY, TIME, WHO, TRAP, STORE = range(0x10, 0x2A, 2)
"""Its instructions."""


@lru_cache(maxsize=1)
def block() -> DataBlock:
    """Its load file data block, built once."""
    return build(PROJECT)


def on(cells: Mapping[str, bytes], seed: object, domain: AID = chips.CITY_DOMAIN) -> dict[str, bytes]:
    """The cells of a card with the locker in a domain, nothing in it; other keys for each seed."""
    application = LoadedApplication(block(), FILE, LOCKER, PROJECT.limits, PIN)
    return application.on(cells, domain, randomness(("locker", seed)))
