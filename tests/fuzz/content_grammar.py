"""What a domain's owner says about content: load files, approvals, tokens; and what becomes of applications."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from jukicard.applets.gp import layout as gp
from jukicard.applets.gp.tokens import install_fields, quotas, token_message
from jukicard.applets.juki import layout as juki
from jukicard.applets.library import layout as library
from jukicard.iso7816.aid import AID
from jukicard.iso7816.tlv import Tlv
from tests.fuzz.face_block import PERSONALISED
from tests.support import chips, content, loaded, locker

if TYPE_CHECKING:
    from tests.fuzz.grammar import Grammar

Body = tuple[int, int, bytes, int | None]

NEW_NAMES = tuple(b"\xf0fuzz" + bytes((number,)) for number in range(4))
NEW_FILES = tuple(b"\xf0file" + bytes((number,)) for number in range(4))
"""Under which names load files come; every other one is a locker's."""
WASM = b"\0asm\1\0\0\0"
HEAD = 79
"""The size of a DAP block, with which a load file begins."""
SECURITY_DOMAIN, VERIFIES, DELEGATED, MANAGES = 0x800000, 0x400000, 0x200000, 0x004000
_KEYS = (content.APPROVAL_KEY, content.TOKEN_KEY)
_DOMAIN = b"\x80\x40\x00", b"\xa0\x00\x00", b"\x80"
MODULES = ((gp.DOMAIN_MODULE, b"\x80\x40\x00"), (juki.JUKI_AID, b"\0"), (library.MODULE, b"\0"))


def _verified(g: Grammar) -> bool:
    """Whether somebody approves for the domain at hand."""
    entry = g.entry
    while not entry.privileges & VERIFIES and entry.domain != entry.instance:
        entry = g.world.model.entry(entry.domain)
    return bool(entry.privileges & VERIFIES)


def _installation(g: Grammar, p1: int, fields: bytes) -> Body:
    """Fields of INSTALL, and the token where one is wanted."""
    token = b""
    if g.entry.privileges & DELEGATED and g.chance(0.93):
        token = content.signature(_KEYS[g.chance(0.8)], token_message(p1, 0, fields))
    elif g.chance(0.02):
        token = bytes(64)
    return p1, 0, fields + install_fields(token), 256


@lru_cache(maxsize=64)
def _of_rom(module: AID, purpose: str) -> bytes:
    return content.of_rom(module, purpose=purpose)


@lru_cache(maxsize=64)
def _of_file(number: int, purpose: str) -> tuple[bytes, bytes]:
    """A load file as LOAD brings it, and its approval."""
    block = locker.block() if number % 2 else loaded.block(number, 40 * number)
    whole = content.structure(block.encode())
    return whole.encode(), content.approval(whole.digest, AID(NEW_FILES[number]), block.version, purpose=purpose)


def _purpose(g: Grammar) -> str:
    return content.PURPOSES[0] if g.chance(0.93) else "広告"


def announce(g: Grammar) -> Body:
    number = g.rng.randrange(len(NEW_FILES))
    whole, approval = _of_file(number, _purpose(g))
    target = b"" if g.chance(0.9) else g.rng.choice(g.world.model.registry).aid
    stated = b"" if g.chance(0.7) else g.rng.randbytes(32)
    if g.chance(0.15):
        approval = approval[:-1] + bytes((approval[-1] ^ 1,))
    parameters = approval if _verified(g) == g.chance(0.95) else b""
    size = quotas(code=len(whole) if g.chance(0.9) else 0x7FFFFFFF) if g.chance(0.3) else b""
    return _installation(g, 0x02, install_fields(NEW_FILES[number], target, stated, b"", parameters + size))


def load(g: Grammar) -> Body:
    """The whole load file that was announced on this channel, or its first part."""
    announced = g.channel.loading if g.channel is not None else None
    name = announced[1 : 1 + announced[0]] if announced else b""
    number = NEW_FILES.index(name) if name in NEW_FILES else g.rng.randrange(len(NEW_FILES))
    whole, _ = _of_file(number, content.PURPOSES[0])
    if g.channel is not None and announced and g.channel.blocks:
        return 0x80, g.channel.blocks, whole[len(g.channel.brought) :] or b"\0", 256
    if g.chance(0.2):
        spoilt = bytearray(whole)
        size = len(whole)
        if g.chance(0.5):
            size = HEAD
        elif WASM in whole and not _verified(g):  # the model knows no other code than the locker's
            size = whole.index(WASM) + len(WASM)
        spoilt[g.rng.randrange(size)] ^= 1 << g.rng.randrange(8)
        whole = bytes(spoilt)
    if g.chance(0.08):
        return 0x00, 0, whole[: g.rng.randint(1, len(whole))], 256
    return 0x80, int(g.chance(0.05)), whole, 256


def install(g: Grammar) -> Body:
    verified, own = _verified(g), g.entry.instance
    files = [file for file in g.world.model.load_files if file.domain == own]
    names = (*NEW_NAMES, bytes(chips.JUKI_DOMAIN), bytes(chips.CITY_DOMAIN), bytes(chips.JUKI), bytes(chips.LIBRARY))
    name, p1 = g.rng.choice(names), g.rng.choice((0x0C, 0x0C, 0x04))
    if files and g.chance(0.5):
        file = g.rng.choice(files)
        parameters = Tlv(0xC9, locker.PIN).encode() if file.module == bytes(locker.MODULE) and g.chance(0.95) else b""
        parameters += quotas(storage=g.rng.choice((400, 1500))) if g.chance(0.3) else b""
        return _installation(g, p1, install_fields(file.aid, file.module, name, b"\0", parameters))
    module, privileges = g.rng.choice(MODULES)
    domain = module == gp.DOMAIN_MODULE
    if domain and (own != 1 or g.chance(0.3)):
        privileges = g.rng.choice(_DOMAIN)
    if g.chance(0.08):
        privileges = g.rng.choice((b"\0", b"\x80\x40\x00", b"\x01\x02", b"\xff\xff\xff"))
    parameters = b"" if domain or not verified else _of_rom(module, _purpose(g))
    if domain and g.chance(0.9 if own != 1 else 0.3):
        parameters += quotas(storage=g.rng.choice((0x400, 0x1000, 0x7FFFFFFF)), volatile=g.rng.choice((0, 0x400)))
    return _installation(g, p1, install_fields(bytes(gp.LOAD_FILE), bytes(module), name, privileges, parameters))


def make_selectable(g: Grammar) -> Body:
    waiting = [entry.aid for entry in g.below if entry.state == 0x03]
    name = g.rng.choice(waiting) if waiting else g.name_below()
    return _installation(g, 0x08, install_fields(b"", b"", name, b"", b""))


def personalize(g: Grammar) -> Body:
    faces = [entry.aid for entry in g.below if g.world.model.kind(entry) in PERSONALISED]
    name = g.rng.choice(faces) if faces and g.chance(0.6) else g.name_below()
    return 0x20, 0, install_fields(b"", b"", name, b"", b"", b""), 256


def extradite(g: Grammar) -> Body:
    domains = [entry.aid for entry in g.world.model.registry if entry.privileges & SECURITY_DOMAIN]
    movable = [entry.aid for entry in g.below if not entry.privileges & SECURITY_DOMAIN]
    name = g.rng.choice(movable) if movable and g.chance(0.9) else g.name_below()
    return _installation(g, 0x10, install_fields(g.rng.choice(domains), b"", name, b"", b""))


def update_registry(g: Grammar) -> Body:
    names = {entry.aid: entry.privileges for entry in g.below}
    name = g.name_below()
    privileges = names.get(name, 0)
    if g.chance(0.4):
        privileges = g.rng.choice((0, privileges & ~(1 << g.rng.randrange(24)), 0xA00000, 0x800000, 0xC04000))
    return _installation(g, 0x40, install_fields(b"", b"", name, privileges.to_bytes(3), b""))


def delete(g: Grammar) -> Body:
    if g.chance(0.6):
        files = [file.aid for file in g.world.model.load_files if file.domain == g.entry.instance]
        name = g.rng.choice(files) if files and g.chance(0.3) else g.name_below(mine=g.chance(0.97))
        fields, p2 = Tlv(0x4F, name).encode(), 0x80 if g.chance(0.4) else 0x00
        if g.entry.privileges & DELEGATED and g.chance(0.9):
            fields += Tlv(0x9E, content.token(token_message(0, p2, fields))).encode()
        return 0, p2, fields, 256
    kid = bytes((0xD0, 1, g.rng.choice((1, 0x10, 0x11, 0x13, 0x22))))
    kvn = bytes((0xD2, 1, g.rng.choice((2, 3, 0x7F, 1))))
    return 0, int(g.chance(0.05)), kvn if g.chance(0.2) else kid + kvn, 256


def set_application_status(g: Grammar) -> Body:
    locked = [entry for entry in g.below if entry.state & 0x80]
    if locked and g.chance(0.8):
        entry = g.rng.choice(locked)
        return 0x60 if entry.privileges & SECURITY_DOMAIN else 0x40, 0x07, entry.aid, None
    name = g.name_below() if g.chance(0.9) else g.rng.choice(g.world.model.registry).aid
    return 0x60 if g.chance(0.2) else 0x40, g.rng.choice((0x80, 0x87, 0x07)), name, None


def purposes(g: Grammar) -> bytes:
    """A list of purposes for STORE DATA, mostly with the one that the approvals are for."""
    listed = (content.PURPOSES[0], "駐輪場") if g.chance(0.8) else ("駐輪場",)
    return Tlv.build(0xBF62, *(Tlv(0x82, purpose.encode()) for purpose in listed)).encode()


def count(g: Grammar) -> Body:
    return 0, 0, b"\0" if g.chance(0.1) else b"", g.rng.choice((2, 256, None))


def keep(g: Grammar) -> Body:
    return 0, 0, g.rng.randbytes(g.rng.choice((1, 20, 300, 0, 0x8000))), None


CONTENT_BODIES: dict[str, Callable[[Grammar], Body]] = {
    "INSTALL [for load]": announce,
    "LOAD": load,
    "INSTALL [for install (and make selectable)]": install,
    "INSTALL [for make selectable]": make_selectable,
    "INSTALL [for personalization]": personalize,
    "INSTALL [for extradition]": extradite,
    "INSTALL [for registry update]": update_registry,
    "DELETE": delete,
    "SET STATUS (application)": set_application_status,
    "COUNT": count,
    "KEEP": keep,
}
