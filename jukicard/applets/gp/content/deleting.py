"""DELETE (GP 2.3.1, 11.2)."""

from __future__ import annotations

from jukicard.applets.gp.content.authority import Mandate, authorise, confirm
from jukicard.applets.gp.content.fields import by_tag, own
from jukicard.applets.gp.key_commands import delete_keys
from jukicard.applets.gp.keystore import DomainKeys
from jukicard.applets.gp.rules import MANAGEMENT
from jukicard.applets.gp.tokens import TAG_CONTROL, TAG_TOKEN, token_message
from jukicard.card.commands import PROPRIETARY, command, data, only
from jukicard.card.context import Context, DomainContext, require_domain
from jukicard.card.errors import CardError
from jukicard.card.registry import Entry, LoadFile
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv

_NAME, _KEY_IDENTIFIER, _KEY_VERSION = 0x4F, 0xD0, 0xD2
_ALONE, _LAST_KEYS_TOO, _RELATED_TOO = 0x00, 0x01, 0x80


class Deleting:
    """How content and keys leave the card."""

    @command(
        PROPRIETARY,
        ins=0xE4,
        p2=only(_ALONE, _LAST_KEYS_TOO, _RELATED_TOO),
        length=data(1, 255),
        access=MANAGEMENT,
        writes=True,
        spec="GP 2.3.1, 11.2",
    )
    def delete(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Delete an application or a load file of this domain (4F; B6 and 9E: a token), without a trace; P2 = 80: a
        load file with all applications made of it.

        Or keys (D0 identifier, D2 version; P2 = 01: the last ones, too).
        """
        domain = require_domain(ctx)
        fields = by_tag(cmd.data)
        if _NAME in fields:
            return _delete_content(domain, cmd, fields)
        if not fields or set(fields) - {_KEY_IDENTIFIER, _KEY_VERSION} or any(len(key) != 1 for key in fields.values()):
            raise CardError(StatusWord.INCORRECT_DATA, "4F names an application or load file, D0 and D2 name keys")
        kid, kvn = (fields[tag][0] if tag in fields else None for tag in (_KEY_IDENTIFIER, _KEY_VERSION))
        delete_keys(DomainKeys(ctx.area), kid, kvn, last_too=cmd.p2 == _LAST_KEYS_TOO)
        return ResponseAPDU()


def _delete_content(ctx: DomainContext, cmd: CommandAPDU, fields: dict[int, bytes]) -> ResponseAPDU:
    name, token = fields[_NAME], fields.get(TAG_TOKEN, b"")
    if set(fields) - {_NAME, TAG_CONTROL, TAG_TOKEN} or (TAG_TOKEN in fields and list(fields)[-1] != TAG_TOKEN):
        raise CardError(StatusWord.INCORRECT_DATA, "content is named by 4F, then come B6 and the token 9E")
    before_token = cmd.data[: len(cmd.data) - (len(Tlv(TAG_TOKEN, token).encode()) if TAG_TOKEN in fields else 0)]
    mandate = authorise(ctx, token_message(cmd.p1, cmd.p2, before_token), token, fields.get(TAG_CONTROL))
    file = ctx.registry.contents.load_file(name)
    if file is not None and file.domain == ctx.entry.instance:
        return _delete_load_file(ctx, file, mandate, related_too=cmd.p2 == _RELATED_TOO)
    entry = own(ctx, name)
    _delete_application(ctx, entry)
    return confirm(ctx, mandate, entry.aid)


def _delete_load_file(ctx: DomainContext, file: LoadFile, mandate: Mandate, *, related_too: bool) -> ResponseAPDU:
    """Delete a load file; 6985 where applications are made of it, unless they go with it and are this domain's."""
    made = [entry for entry in ctx.registry if entry.load_file == file.aid]
    if made and not (related_too and all(entry.domain == file.domain for entry in made)):
        raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "applications are made of this load file")
    for entry in made:
        _delete_application(ctx, entry)
    ctx.registry.remove_load_file(file)
    return confirm(ctx, mandate, file.aid)


def _delete_application(ctx: DomainContext, entry: Entry) -> None:
    contents = ctx.registry.contents
    inside = [other.domain for other in contents.entries] + [file.domain for file in contents.load_files]
    if entry.instance in inside:
        raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "the domain still has applications or load files")
    if ctx.volatile.selected(entry.instance, ctx.channel):
        raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "the application is selected on a logical channel")
    ctx.registry.remove(entry)
