"""Chapter 7, second part: forged cards, each built with the real chip code, each found out at its own step."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

from jukicard.commands.demo.desk import Refusal, card_on_desk
from jukicard.commands.demo.narrator import Narrator
from jukicard.commands.demo.scene import CITY, NEXT_CITY, Scene
from jukicard.commands.demo.workshop import forge
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.terminals import Area
from jukicard.issuer.counter.authentication import COUNTER_TERMINAL, authenticate
from jukicard.issuer.line.provers import card_channel_key, ephemeral_key
from jukicard.testing.forging import Forgery, certified_by, copied

COPIED = "forged-copied-certificates"


@dataclass(frozen=True, slots=True)
class ForgedCard:
    """A forged card of the story: its file's name, its title, what is on it, and where a terminal finds it out."""

    name: str
    title: str
    forgery: Callable[[Scene], Forgery]
    found_out: Refusal


def forged_cards(scene: Scene, narrator: Narrator, forger: Authority) -> None:
    """Make each forged card, and try to authenticate it as the genuine one."""
    next_city = Authority.init(
        scene.folder.next_city, NEXT_CITY, scene.passwords.authority, today=scene.today, national=scene.national
    )
    with next_city:
        copies, *others = _forged_cards(forger, next_city)
        _try(scene, narrator, copies, forger)
        _try_channel(scene, narrator, forger.storage_key)
        for card in others:
            _try(scene, narrator, card, forger)


def _forged_cards(forger: Authority, next_city: Authority) -> tuple[ForgedCard, ...]:
    # The next city's own CA key, in the hands of somebody who writes our city's code into what it signs.
    claims_our_city = Authority(next_city.home, replace(next_city.description, city=CITY), next_city.keys, os.urandom)
    return (
        ForgedCard(
            COPIED,
            "A forged card: the genuine card's certificates, beside keys of its own",
            copied_from,
            Refusal("card authentication", None, "the card has not the key of its certificate"),
        ),
        ForgedCard(
            "forged-own-ca",
            "A forged card: certified by a CA of the forger's own",
            lambda scene: certified(scene, forger),
            Refusal("card certificate", None, "the signature is wrong"),
        ),
        ForgedCard(
            "forged-next-city",
            f"Another city's chip as ours: {NEXT_CITY.code} certified it, EF.CARD says {CITY.code}",
            lambda scene: certified(scene, next_city),
            Refusal("card data", None, "serial or city are not those of the card's certificate"),
        ),
        ForgedCard(
            "forged-next-city-ca",
            f"The same, and {NEXT_CITY.code} wrote {CITY.code} into the certificate, too",
            lambda scene: certified(scene, claims_our_city),
            Refusal("card certificate", None, "it was issued by another municipality than it names"),
        ),
    )


def _try(scene: Scene, narrator: Narrator, card: ForgedCard, forger: Authority) -> None:
    path, trace = scene.forged(card.name), scene.trace(f"7-{card.name}")
    password = scene.passwords.impostor
    forge(path, card.forgery(scene), forger, password, trace)
    with card_on_desk(path, forger.storage_key, trace) as desk:
        dialogue = scene.dialogue(desk)
        desk.must_fail(narrator, card.title, lambda: authenticate(dialogue, password), card.found_out)


def _try_channel(scene: Scene, narrator: Narrator, storage_key: bytes) -> None:
    """Skip the challenge that finds the copied certificates out, and see that the channel does so, too."""
    with card_on_desk(scene.forged(COPIED), storage_key, scene.trace(f"7-{COPIED}")) as desk:
        client = scene.dialogue(desk).client
        client.select()
        key = card_channel_key(client, scene.authority, today=scene.today).public_key
        terminal = scene.authority.terminal_key(COUNTER_TERMINAL)
        desk.must_fail(
            narrator,
            "The same card, by a terminal that goes straight to the channel",
            lambda: client.open_scp11a(terminal, key, ephemeral_key(os.urandom)),
            Refusal("receipt", None, "the card has not proved that it holds its key"),
        )


def copied_from(scene: Scene) -> Forgery:
    """Copy what anybody may read from the genuine card."""
    with scene.on_desk("7-copying") as desk:
        return copied(scene.order.card_data, scene.authority.anchor(Area.JUKI), desk.connection)


def certified(scene: Scene, issuer: Authority) -> Forgery:
    """Have the chip's keys certified by somebody's card CA, under the genuine card's serial."""
    order, anchor = scene.order, scene.authority.anchor(Area.JUKI)
    return certified_by(issuer, order.card_data, anchor, not_before=scene.today, not_after=order.expires)
