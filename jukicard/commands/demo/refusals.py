"""Chapter 7, first part: what the genuine card refuses to wrong holders and wrong terminals."""

from __future__ import annotations

import os
from datetime import timedelta

from jukicard.applets.gp.client import ApplicationClient
from jukicard.applets.gp.layout import KID_SCP11B
from jukicard.commands.demo.desk import Desk, Refusal
from jukicard.commands.demo.library import LIBRARY_TERMINAL, library_client, open_as
from jukicard.commands.demo.narrator import Narrator
from jukicard.commands.demo.scene import Scene
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.terminals import Area
from jukicard.issuer.counter.authentication import COUNTER_TERMINAL, CardDialogue, authenticate
from jukicard.issuer.line.plan import CHANNEL_KVN
from jukicard.issuer.line.provers import card_channel_key, certified, ephemeral_key
from jukicard.securechannel.authorization import Role
from jukicard.securechannel.certificates import LeafUsage
from jukicard.securechannel.host import TerminalKey

KIOSK, OLD_COUNTER = "kiosk", "old-counter"
READING_THE_CODE = "reading the resident code"
TERMINAL_CERTIFICATE = "terminal certificate"
_RULE_NOT_MET = "READ BINARY: the rule of the file, to read is not met"
_WRONG_SIGNATURE = "terminal certificate: the signature is wrong"


def wrong_password(scene: Scene, narrator: Narrator) -> None:
    """A wrong password costs a try, and the right one gives it back."""
    with scene.on_desk("7-wrong-password") as desk:
        desk.must_fail(
            narrator,
            "A wrong password",
            lambda: authenticate(scene.dialogue(desk), scene.passwords.wrong),
            Refusal("VERIFY", 0x63C2, "2 tries left"),
        )
        tries = scene.tries_left(desk)
        narrator.proof(f"the card says: {tries} tries left", holds=tries == 2)
        authenticate(scene.dialogue(desk), scene.passwords.holder)
        tries = scene.tries_left(desk)
        narrator.proof(f"after the right password: {tries} tries", holds=tries == 3)


def wrong_terminals(scene: Scene, narrator: Narrator, forger: Authority) -> None:
    """A terminal without the right, one of another anchor, one that has expired."""
    scene.authority.new_terminal(KIOSK, Role.KIOSK, (), not_before=scene.today)
    with scene.on_desk("7-terminals") as desk:
        dialogue = scene.dialogue(desk, KIOSK)
        desk.must_fail(
            narrator,
            "A terminal without the right `identify`",
            lambda: authenticate(dialogue, scene.passwords.holder),
            Refusal(READING_THE_CODE, 0x6982, _RULE_NOT_MET),
        )
        narrator.proof("card, terminal and password were accepted before that", holds=dialogue.result.password_ok)
        desk.must_fail(
            narrator,
            "A terminal of another anchor: every right, under a root of its own",
            lambda: _open_as(scene, scene.dialogue(desk), forger.terminal_key(COUNTER_TERMINAL)),
            Refusal(TERMINAL_CERTIFICATE, 0x6982, _WRONG_SIGNATURE),
        )
        _expired_terminal(scene, narrator, desk)


def _expired_terminal(scene: Scene, narrator: Narrator, desk: Desk) -> None:
    yesterday = scene.today - timedelta(days=1)
    rights = scene.authority.terminal(COUNTER_TERMINAL).authorization.rights
    scene.authority.new_terminal(
        OLD_COUNTER, Role.COUNTER, rights, not_before=yesterday - timedelta(days=365), not_after=yesterday
    )
    dialogue = scene.dialogue(desk, OLD_COUNTER)
    desk.must_fail(
        narrator,
        f"A terminal that expired on {yesterday}, by the card's own estimate",
        lambda: authenticate(dialogue, scene.passwords.holder),
        Refusal(TERMINAL_CERTIFICATE, 0x6982, "terminal certificate: expired"),
    )


def without_a_channel(scene: Scene, narrator: Narrator) -> None:
    """The code is not read in the clear, nor by anybody, nor without the password."""
    with scene.on_desk("7-without-a-channel") as desk:
        client = scene.dialogue(desk).client
        client.select()
        refused = Refusal(READING_THE_CODE, 0x6982, _RULE_NOT_MET)
        desk.must_fail(narrator, "Reading the resident code without a channel", client.resident_code, refused)
        _open_anonymously(scene, client)
        desk.must_fail(
            narrator,
            "Reading it over SCP11b: encrypted, but anybody may open it",
            client.resident_code,
            refused,
        )
        client.select()
        dialogue = scene.dialogue(desk)
        dialogue.prove_card()
        dialogue.open_channel()
        desk.must_fail(
            narrator,
            "Reading it as a counter terminal, without the password",
            dialogue.read_code,
            refused,
        )


def wrong_area(scene: Scene, narrator: Narrator) -> None:
    """Juki terminals mean nothing to the municipal service, and its terminals nothing to the Juki application."""
    with scene.on_desk("7-areas") as desk:
        library = library_client(scene, desk)
        refused = Refusal(TERMINAL_CERTIFICATE, 0x6982, _WRONG_SIGNATURE)
        desk.must_fail(
            narrator,
            "A Juki terminal at the library card",
            lambda: open_as(scene, library, COUNTER_TERMINAL),
            refused,
        )
        desk.must_fail(
            narrator,
            "The library's terminal at the Juki application (住基AP)",
            lambda: authenticate(scene.dialogue(desk, LIBRARY_TERMINAL), scene.passwords.holder),
            refused,
        )


def _open_as(scene: Scene, dialogue: CardDialogue, terminal: TerminalKey) -> None:
    """Prove the card to a terminal and try to open its channel with a key and certificates from elsewhere."""
    dialogue.prove_card()
    key = card_channel_key(dialogue.client, scene.authority, today=scene.today).public_key
    dialogue.client.open_scp11a(terminal, key, ephemeral_key(os.urandom))


def _open_anonymously(scene: Scene, client: ApplicationClient) -> None:
    chain = client.certificates(KID_SCP11B, CHANNEL_KVN)
    key = certified(scene.authority, Area.JUKI, chain, LeafUsage.KEY_AGREEMENT, scene.today)
    client.open_scp11b(key.public_key, ephemeral_key(os.urandom))
