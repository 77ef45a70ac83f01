"""The forger's workshop of the demo: forged cards in card files, with their traces."""

from __future__ import annotations

import os
from pathlib import Path

from jukicard.commands.demo.desk import card_on_desk
from jukicard.issuer.authority.authority import Authority
from jukicard.reader.chips import create_chip
from jukicard.testing.forging import Forgery
from jukicard.testing.forging import forge as forge_onto


def forge(card: Path, forgery: Forgery, forger: Authority, password: str, trace: Path) -> None:
    """Make a forged card in a new card file: in the end it is active, with a password that the impostor knows."""
    create_chip(card, forger.storage_key)
    with card_on_desk(card, forger.storage_key, trace) as desk:
        forge_onto(desk.connection, forgery, forger, password, os.urandom)
