"""Chips with a folder in the city's domain: empty, and furnished with files, keys, passwords under all kinds of rules.

The folder is built by its own client, as its owner would do it.
"""

from __future__ import annotations

from functools import lru_cache

from jukicard.applets.folder import layout
from jukicard.applets.folder.client import FolderClient, df, ef, record_ef
from jukicard.applets.folder.rules import APPLICATION, OWNER
from jukicard.applets.gp.layout import municipal_service_aid
from jukicard.card.applet import Applet
from jukicard.iso7816.access import AccessMode, AccessRules, Always, Condition, ModeDo, Password, SessionKey
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.tlv import Tlv, encode_length
from jukicard.iso7816.wrappers import standard
from jukicard.securechannel.host import StaticKeyring
from jukicard.securechannel.kdf import aes_cmac
from jukicard.securechannel.keyproof import external_message
from jukicard.testing.seeds import randomness
from tests.support import chips
from tests.support.chips import Chip, say

FOLDER = municipal_service_aid(chips.CITY, layout.SERVICE_NUMBER)

NOTICE, PRIVATE, KEYED, DEACTIVATED, TERMINATED, OPEN, COUNTED, UNFINISHED = range(0x0001, 0x0009)
"""EFs of the application's own DF; the short identifiers are the same."""
NEST, NESTED = (0x0A00, 0x0A01, 0x0A02, 0x0A03), 0x0004
"""DFs inside one another, and an EF in each of them."""
WORKBENCH = 0x0B00
"""A DF in which anybody creates and deletes."""
PASSWORD, KEY, BLOCKED_KEY, SIGNATURE_KEY, HOLDERS_KEY = 0x81, 0x91, 0x92, 0x93, 0x94
PASSWORD_VALUE, KEY_VALUE, SCALAR = b"2580", bytes(range(0x40, 0x50)), bytes(range(1, 33))
FREE_TAG, ENVIRONMENT, URL = 0x00C1, 0x007B, 0x5F50

ALWAYS = Always()


def rules(*entries: tuple[AccessMode | int | ModeDo, Condition]) -> AccessRules:
    """Access rules from modes, instructions (whole numbers) and header patterns."""
    parts = []
    for what, condition in entries:
        if isinstance(what, AccessMode):
            what = ModeDo.modes(what)
        parts.append((ModeDo.header(ins=what) if isinstance(what, int) else what, condition))
    return AccessRules(tuple(parts))


MODES = AccessMode.READ | AccessMode.UPDATE | AccessMode.WRITE
LIFE = AccessMode.ACTIVATE | AccessMode.DEACTIVATE | AccessMode.TERMINATE | AccessMode.DELETE
ANYTHING = rules((MODES | LIFE, ALWAYS))
READABLE = rules((AccessMode.READ, ALWAYS), (AccessMode.UPDATE | LIFE, OWNER))
OWN_RULES = AccessRules((*rules((ModeDo.header(ins=0xDA, p1=0x00, p2=FREE_TAG), ALWAYS)).entries, *APPLICATION.entries))


def install(chip: Chip, parameters: bytes = b"", sw: int = 0x9000) -> None:
    """Install a folder in the city's domain, with the value of C9."""
    chip.select(chips.CITY_DOMAIN)
    session = chip.scp03(chips.CITY_KEYS)
    specific = Tlv(0xC9, parameters).encode() if parameters else b""
    data = chips.install_data(layout.MODULE, FOLDER)[:-2]
    say(session, 0x80, 0xE6, 0x0C, 0x00, data + encode_length(len(specific)) + specific + b"\0", 256, sw=sw)


def client(chip: Chip) -> FolderClient:
    """The folder's client, in the clear, with the folder selected."""
    folder = FolderClient(standard(chip), chips.CITY)
    folder.select()
    return folder


def owner(chip: Chip, seed: object = "owner") -> FolderClient:
    """The folder's client in the owner's session."""
    folder = client(chip)
    folder.open_scp03(StaticKeyring(chips.CITY_KEYS), randomness(seed)(8))
    return folder


@lru_cache(maxsize=4)
def _empty_cells(parameters: bytes) -> dict[str, bytes]:
    chip = chips.active().chip("folder")
    install(chip, parameters)
    return chip.cells


def empty(parameters: bytes = b"", seed: object = 1) -> Chip:
    """An active chip with a folder as it was installed, selected."""
    chip = Chip(_empty_cells(parameters), seed)
    assert chip.select(FOLDER).sw == 0x9000
    return chip


@lru_cache(maxsize=1)
def furnished_cells() -> dict[str, bytes]:
    """The cells of the furnished chip."""
    chip = empty(Tlv(layout.TAG_RULES, OWN_RULES.encode()).encode(), "furnishing")
    folder = owner(chip)
    _make_files(folder)
    _make_keys(folder)
    folder.put_data_object(URL, b"https://folder.example/")
    folder.put_data_object(ENVIRONMENT, bytes.fromhex("800101 A406 830191 9501C0 B603 840193"))
    plain = client(chip)
    say(plain.connection, 0, 0x84, ne=8, sw=0x9000)
    say(plain.connection, 0, 0x82, 0, BLOCKED_KEY, bytes(16), sw=0x63C0)
    return chip.cells


def _make_files(folder: FolderClient) -> None:
    folder.create(ef(NOTICE, 32, READABLE, sfi=1))
    folder.update(b"jukicard folder: a public notice")
    with_password = rules((AccessMode.READ | AccessMode.UPDATE, Password(PASSWORD)))
    folder.create(ef(PRIVATE, 16, with_password, sfi=2))
    folder.create(ef(KEYED, 16, rules((AccessMode.READ | AccessMode.UPDATE, SessionKey(KEY))), sfi=3))
    for fid, ins in ((DEACTIVATED, 0x04), (TERMINATED, 0xE8)):
        folder.create(ef(fid, 8, ANYTHING, sfi=fid))
        say(folder.connection, 0, ins, sw=0x9000)
    folder.create(ef(OPEN, 8, ANYTHING, sfi=OPEN))
    folder.create(ef(COUNTED, 4, ANYTHING, sfi=COUNTED, compare_tries=3))
    parameters = ef(UNFINISHED, 8, ANYTHING, sfi=UNFINISHED)
    folder.create(Tlv.build(0x62, *parameters.children, Tlv(0x8A, b"\x03")))
    inside = rules((AccessMode.CREATE_EF | AccessMode.CREATE_DF, OWNER))
    for depth, fid in enumerate(NEST, 1):
        folder.create(df(fid, inside))
        folder.create(ef(NESTED, 8, READABLE, sfi=4))
        folder.update(b"depth %d " % depth)
    folder.select_path()
    folder.create(df(WORKBENCH, ANYTHING))


def _make_keys(folder: FolderClient) -> None:
    folder.make_password(
        PASSWORD, 4, 8, 3, rules((0x20, ALWAYS), (ModeDo.header(ins=0x24, p1=0), ALWAYS), (0x24, OWNER))
    )
    folder.set_initial_password(PASSWORD, PASSWORD_VALUE)
    folder.make_secret_key(KEY, 3, rules((0x82, ALWAYS), (0x88, ALWAYS), (0xDB, OWNER)))
    folder.make_secret_key(BLOCKED_KEY, 1, rules((0x82, ALWAYS), (0xDB, OWNER)))
    for key in (KEY, BLOCKED_KEY):
        folder.import_secret_key(key, KEY_VALUE)
    public = ModeDo.header(ins=0x47, p1=0x81)
    folder.make_signature_key(SIGNATURE_KEY, rules((0x2A, ALWAYS), (public, ALWAYS), (0xDB, OWNER)))
    folder.import_signature_key(SIGNATURE_KEY, SCALAR)
    folder.make_signature_key(HOLDERS_KEY, rules((0x2A, Password(PASSWORD)), (public, ALWAYS), (0x47, OWNER)))
    folder.generate_signature_key(HOLDERS_KEY)


@lru_cache(maxsize=1)
def _owners_cells() -> dict[str, bytes]:
    own = rules((MODES | LIFE, OWNER), *((ins, OWNER) for ins in (0xCA, 0xCB, 0xDA, 0xDB)))
    chip = empty(Tlv(layout.TAG_RULES, own.encode()).encode(), "owner's")
    folder = owner(chip)
    nobody = rules((MODES | LIFE, OWNER))
    folder.create(ef(0x0001, 32, nobody, sfi=1))
    folder.create(record_ef(0x0002, 0x02, 4, 4, nobody, sfi=2))
    folder.append(b"\x01one")
    folder.select_path()
    keys = rules(*((ins, OWNER) for ins in (0x20, 0x24, 0x2C, 0x47, 0x82, 0x88, 0xDB)))
    folder.make_password(0x81, 4, 8, 3, keys)
    folder.set_initial_password(0x81, PASSWORD_VALUE)
    folder.make_signature_key(0x82, keys)
    folder.make_secret_key(0x83, 3, keys)
    folder.import_secret_key(0x83, KEY_VALUE)
    return chip.cells


def owners(seed: object = 1) -> Chip:
    """An active chip with a folder in which the owner alone may do anything, selected."""
    chip = Chip(_owners_cells(), seed)
    assert chip.select(FOLDER).sw == 0x9000
    return chip


KEY_IMPORT = bytes.fromhex("4D1D A403830191 7F48029210 5F4810") + KEY_VALUE
"""The data field that puts key 91's value in."""


def furnished(seed: object = 1, *further: type[Applet]) -> Chip:
    """An active chip with a furnished folder, selected."""
    chip = Chip(furnished_cells(), seed, *further)
    assert chip.select(FOLDER).sw == 0x9000
    return chip


# --- what hosts say


def challenge(connection: CardConnection, size: int | None = 16) -> bytes:
    return say(connection, 0, 0x84, ne=size, sw=0x9000).data


def proof(value: bytes, reference: int = KEY, key: bytes = KEY_VALUE) -> bytes:
    return aes_cmac(key, external_message(bytes(FOLDER), reference, value))


def prove(connection: CardConnection, cryptogram: bytes, reference: int = KEY) -> int:
    return say(connection, 0, 0x82, 0, reference, cryptogram).sw


def put(folder: FolderClient | Chip, data: bytes) -> int:
    connection = folder.connection if isinstance(folder, FolderClient) else folder
    return say(connection, 0, 0xDB, 0x3F, 0xFF, data).sw


def import_of(tag: int, name: int, reference: int, value: bytes, length: int | None = None) -> bytes:
    template = Tlv.build(tag, Tlv(name, bytes((reference,))))
    lengths = Tlv(0x7F48, bytes((0x92, len(value) if length is None else length)))
    return Tlv.build(0x4D, template, lengths, Tlv(0x5F48, value)).encode()
