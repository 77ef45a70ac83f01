"""Chapter 6: a municipal service lives on the same card, with its own keys, password and records."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta

from jukicard.applets.library import layout
from jukicard.applets.library.client import LibraryClient
from jukicard.applets.library.records import Loan, LoanState
from jukicard.commands.demo.desk import Desk
from jukicard.commands.demo.narrator import Narrator
from jukicard.commands.demo.scene import CITY, Scene
from jukicard.iso7816.wrappers import standard
from jukicard.issuer.authority.terminals import Area
from jukicard.issuer.line.provers import card_channel_key, ephemeral_key

LIBRARY_TERMINAL = "municipal-service"
_BOOK, _CENTRAL = "9784000000000", "0001"


def library_client(scene: Scene, desk: Desk) -> LibraryClient:
    """Select the library card on the desk."""
    client = LibraryClient(standard(desk.connection), CITY.code)
    client.select()
    return client


def open_as(scene: Scene, client: LibraryClient, terminal: str) -> None:
    """Open a channel to the library card as a terminal of the municipality, after the card's certificate verified."""
    key = card_channel_key(client, scene.authority, today=scene.today, area=Area.MUNICIPAL).public_key
    client.open_scp11a(scene.authority.terminal_key(terminal), key, ephemeral_key(os.urandom))


def library(scene: Scene, narrator: Narrator) -> None:
    """The library's terminal and the holder use the library card."""
    narrator.chapter("A municipal service on the same card: the library (図書館サービス)")
    password = scene.passwords.library.encode()
    with scene.on_desk("6-library") as desk:
        narrator.step("Card and library terminal, under the municipality's own root")
        client = library_client(scene, desk)
        open_as(scene, client, LIBRARY_TERMINAL)
        number = client.patron_number()
        narrator.proof(
            f"patron {number}, which tells nothing of the card's serial",
            holds=number == scene.authority.patron_number(scene.order.serial),
        )

        narrator.step("The holder chooses a password for the library, another one")
        client.set_initial_password(layout.PASSWORD, password)
        client.verify(layout.PASSWORD, password)
        narrator.proof("set and verified, over the encrypted channel")

        narrator.step("A book is lent, and taken back")
        due = f"{scene.today + timedelta(days=14):%Y%m%d}"
        loan = Loan(_BOOK, due, _CENTRAL)
        client.lend(loan)
        narrator.proof(f"on the card: {_BOOK}, due {due}", holds=client.loans() == [loan])
        client.take_back(1, loan)
        narrator.proof("on the card: returned", holds=client.loans() == [replace(loan, state=LoanState.RETURNED)])
