"""What the dialogues in `tests/conformance/sessions` name: cards, fresh for each, and the secure channel sessions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from jukicard.card.card import Card
from jukicard.card.ports import Ports
from jukicard.card.store import MemoryStore
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.wrappers import standard
from jukicard.reader.recording import Dialogue, Open, Opener, parse_dialogue
from jukicard.securechannel.authorization import Right
from jukicard.securechannel.host import (
    LocalTerminalKey,
    SecureConnection,
    StaticKeyring,
    open_scp03,
    open_scp11a,
    open_scp11b,
)
from jukicard.securechannel.kdf import aes_cmac
from jukicard.securechannel.keyproof import external_message
from jukicard.securechannel.scp03 import TRANSPORT_KEYS, StaticKeys
from jukicard.securechannel.scp11 import decode_point
from jukicard.testing.rsakeys import FixedKeys
from jukicard.testing.seeds import randomness
from tests.support import chips, content, facechips, folders, jpkichips, operatorchips, services
from tests.support.chains import private_key
from tests.support.chips import CITY_KEYS, ISSUER_KEYS, JUKI_KEYS, OTHER_CITY, say, service_terminal, terminal

FOLDER = Path(__file__).parents[1] / "conformance" / "sessions"
FILES = sorted(FOLDER.glob("*.dialogue"))
_FIRST_LINE = re.compile(r"# Card: ([a-z' ]+)\. Sessions: ([a-z0-9-]+(?:, [a-z0-9-]+)*)\.")

CARDS: Mapping[str, Callable[[], Mapping[str, bytes]]] = {
    "blank": lambda: chips.blank().cells,
    "in personalisation": lambda: chips.in_personalisation().cells,
    "delivered": lambda: chips.delivered().cells,
    "active": lambda: chips.active().cells,
    "folder": folders.furnished_cells,
    "services": services.ready,
    "approving": content.loaded_cells,
    "new operator": operatorchips.in_personalisation,
    "new jpki": jpkichips.nearly_written,
    "face": facechips.face_b,
}
"""The cells of each card (chips.py, folders.py, services.py, content.py and the modules called …chips.py here)."""

LEVELS = {"": 0x33, "-mac": 0x01, "-mac-enc": 0x03, "-mac-rmac": 0x11, "-mac-enc-rmac": 0x13}
"""What follows the name of a key set says how messages are protected; nothing: both ways, encrypted."""
_KEY_SETS = {"transport": TRANSPORT_KEYS, "issuer-keys": ISSUER_KEYS, "juki-keys": JUKI_KEYS, "city-keys": CITY_KEYS}
_KEY_SETS |= {"approving-keys": content.KEYS, "provider-keys": content.PROVIDER_KEYS}

_COUNTER = (Right.SET_INITIAL_PASSWORD, Right.RESET_PASSWORD, Right.SUSPEND, Right.RESUME, Right.VOID)
_TERMINALS = {
    "counter": terminal(*_COUNTER),
    "identifier": terminal(Right.IDENTIFY),
    "matcher": terminal(Right.MATCH),
    "other-city": terminal(*_COUNTER, Right.MOVE, Right.MATCH, city=OTHER_CITY),
    "no-city": terminal(*Right, city="*"),
    "no-rights": terminal(authorized=False),
}
_SERVICES = {
    "service": service_terminal(),
    "service-elsewhere": service_terminal(OTHER_CITY),
    "kiosk": services.kiosk(),
    "kiosk-elsewhere": services.kiosk(OTHER_CITY),
    "shop": services.shop(),
    "shop-elsewhere": services.shop(OTHER_CITY),
    "no-municipal-right": services.nobody(),
}


def _by_keys(connection: CardConnection, keys: StaticKeys, level: int) -> SecureConnection:
    challenge = randomness("a host's challenge")(8)
    return open_scp03(standard(connection), StaticKeyring(keys), level=level, host_challenge=challenge)


def _by_certificates(connection: CardConnection, key: LocalTerminalKey, point: str) -> SecureConnection:
    return open_scp11a(
        standard(connection),
        kvn=chips.KVN,
        card_public_key=decode_point(getattr(chips.active(), point)),
        terminal=key,
        anchor_kvn=chips.KVN,
        ephemeral=private_key(4000),
    )


def _as_anybody(connection: CardConnection, point: str) -> SecureConnection:
    key = decode_point(getattr(chips.active(), point))
    return open_scp11b(standard(connection), kvn=chips.KVN, card_public_key=key, ephemeral=private_key(4000))


def _proving_a_key(connection: CardConnection) -> SecureConnection:
    """The owner's session at the folder, in which key 91 has been proved as well."""
    session = _by_keys(connection, CITY_KEYS, LEVELS[""])
    challenge = say(session, 0x00, 0x84, ne=8, sw=0x9000).data
    message = external_message(bytes(folders.FOLDER), folders.KEY, challenge)
    say(session, 0x00, 0x82, 0x00, folders.KEY, aes_cmac(folders.KEY_VALUE, message), sw=0x9000)
    return session


OPENERS: Mapping[str, Opener] = {
    **{
        name + suffix: partial(_by_keys, keys=keys, level=level)
        for name, keys in _KEY_SETS.items()
        for suffix, level in LEVELS.items()
    },
    **{name: partial(_by_certificates, key=key, point="juki_11a") for name, key in _TERMINALS.items()},
    **{name: partial(_by_certificates, key=key, point="city_11a") for name, key in _SERVICES.items()},
    "anyone": partial(_as_anybody, point="juki_11b"),
    "city-keys-and-key-91": _proving_a_key,
}
"""The sessions by name: by a domain's SCP03 keys; a terminal's, by certificates (SCP11a); anybody's (SCP11b)."""


def dialogue_in(path: Path) -> Dialogue:
    """The dialogue in a file."""
    return parse_dialogue(path.read_text(), path.name)


def head(path: Path) -> tuple[str, frozenset[str]]:
    """Which card a file is for, and which sessions it says that it opens."""
    match = _FIRST_LINE.fullmatch(path.read_text().splitlines()[0])
    assert match, f"{path.name}: its first line must say for which card it is and which sessions it opens"
    return match[1], frozenset(match[2].split(", "))


def opened(dialogue: Dialogue) -> frozenset[str]:
    """Which sessions a dialogue opens."""
    return frozenset(step.name for step in dialogue.steps if isinstance(step, Open))


def fresh_card(path: Path) -> Card:
    """A card as the file wants it."""
    store = MemoryStore(CARDS[head(path)[0]]())
    return Card(store, chips.rom(), Ports(randomness("card"), keys=FixedKeys(), strict=True))
