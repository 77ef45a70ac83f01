"""GET STATUS (GP 2.3.1, 11.4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from jukicard.applets.gp.content.fields import by_tag
from jukicard.applets.gp.rules import SUPERVISION
from jukicard.card.commands import PROPRIETARY, command, data, only
from jukicard.card.context import Context, DomainContext, require_domain
from jukicard.card.errors import CardError
from jukicard.card.registry import ISSUER_DOMAIN, Contents, Entry
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv, TlvError, encode_tag

_ISSUER, _APPLICATIONS, _LOAD_FILES, _MODULES_TOO = 0x80, 0x40, 0x20, 0x10
_FIRST, _NEXT = 0x02, 0x03
_LISTING_SIZE = 220
_NAME, _TAG_LIST = 0x4F, 0x5C
_STATE, _PRIVILEGES, _LOAD_FILE, _VERSION, _MODULE, _DOMAIN = 0x9F70, 0xC5, 0xC4, 0xCE, 0x84, 0xCC
_LOADED = b"\x01"
_ROM_VERSION = 0


class Listing:
    """What there is on the card, as far as a domain may see it."""

    @command(
        PROPRIETARY,
        ins=0xF2,
        p1=only(_ISSUER, _APPLICATIONS, _LOAD_FILES, _MODULES_TOO),
        p2=only(_FIRST, _NEXT),
        length=data(2, 255),
        access=SUPERVISION,
        writes=False,
        spec="GP 2.3.1, 11.4",
    )
    def get_status(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """List this domain and what is below it (the issuer's: everything), in E3 templates; 5C: with these tags only.

        6310: more comes with P2 = 03.

        P1 80: the issuer's domain, 40: applications and domains, 20: load files, 10: load files with their modules.
        """
        domain = require_domain(ctx)
        criteria = by_tag(cmd.data)
        if _NAME not in criteria or set(criteria) - {_NAME, _TAG_LIST}:
            raise CardError(StatusWord.INCORRECT_DATA, "4F holds the AID or its first bytes, or nothing; 5C tags")
        wanted = _tags(criteria[_TAG_LIST]) if _TAG_LIST in criteria else None
        parts = ctx.channel.listing if cmd.p2 == _NEXT else _list(cmd.p1, criteria[_NAME], wanted, domain)
        if not parts:
            raise CardError(StatusWord.REFERENCE_NOT_FOUND, "nothing to list")
        answer = b""
        while parts and (not answer or len(answer) + len(parts[0]) <= _LISTING_SIZE):
            answer, parts = answer + parts[0], parts[1:]
        ctx.on_success(lambda: setattr(ctx.channel, "listing", parts))
        return ResponseAPDU(answer, StatusWord.MORE_DATA_AVAILABLE if parts else StatusWord.OK)


def _tags(stored: bytes) -> frozenset[int]:
    """Read a tag list (ISO/IEC 7816-4): tags one after another."""
    tags, position = set(), 0
    while position < len(stored):
        size = 1
        if stored[position] & 0x1F == 0x1F:
            size = 2 if stored[position + 1 : position + 2] < b"\x80" else 3
        tag = int.from_bytes(stored[position : position + size])
        try:
            sound = encode_tag(tag) == stored[position : position + size]
        except TlvError:
            sound = False
        if not sound:
            raise CardError(StatusWord.INCORRECT_DATA, "5C is a list of tags")
        tags.add(tag)
        position += size
    return frozenset(tags)


def _list(scope: int, name: bytes, wanted: frozenset[int] | None, ctx: DomainContext) -> tuple[bytes, ...]:
    entries = _applications if scope in (_ISSUER, _APPLICATIONS) else _load_files
    found = ([tlv for tlv in parts if wanted is None or tlv.tag in wanted] for parts in entries(scope, name, ctx))
    return tuple(Tlv.build(0xE3, *parts).encode() for parts in found)


def _visible(contents: Contents, domain: Entry, number: int) -> bool:
    """Return whether the instance `number` is a domain itself or lies below it."""
    while number != domain.instance:
        if number == ISSUER_DOMAIN:
            return False
        number = contents.by_instance(number).domain
    return True


def _applications(scope: int, name: bytes, ctx: DomainContext) -> Iterator[list[Tlv]]:
    contents = ctx.registry.contents
    for entry in contents.entries:
        asked = (entry.instance == ISSUER_DOMAIN) == (scope == _ISSUER) and bytes(entry.aid).startswith(name)
        if asked and _visible(contents, ctx.entry, entry.instance):
            yield [
                Tlv(_NAME, bytes(entry.aid)),
                Tlv(_STATE, bytes((entry.state,))),
                Tlv(_PRIVILEGES, entry.privileges.to_bytes(3)),
                Tlv(_LOAD_FILE, bytes(entry.load_file)),
                Tlv(_DOMAIN, bytes(contents.by_instance(entry.domain).aid)),
            ]


def _load_files(scope: int, name: bytes, ctx: DomainContext) -> Iterator[list[Tlv]]:
    """Yield what is in ROM, which everybody sees and is the issuer's, then what was loaded."""
    contents = ctx.registry.contents
    in_rom: dict[AID, list[AID]] = {}
    for applet in ctx.code.rom:
        in_rom.setdefault(applet.load_file, []).append(applet.module)
    files: list[tuple[AID, int, int, Iterable[AID]]] = [
        (load_file, _ROM_VERSION, ISSUER_DOMAIN, modules) for load_file, modules in in_rom.items()
    ]
    files += [
        (file.aid, file.version, file.domain, file.modules)
        for file in contents.load_files
        if _visible(contents, ctx.entry, file.domain)
    ]
    for load_file, version, domain, modules in files:
        if bytes(load_file).startswith(name):
            yield [
                Tlv(_NAME, bytes(load_file)),
                Tlv(_STATE, _LOADED),
                Tlv(_VERSION, version.to_bytes(2)),
                *(Tlv(_MODULE, bytes(module)) for module in modules if scope == _MODULES_TOO),
                Tlv(_DOMAIN, bytes(contents.by_instance(domain).aid)),
            ]
