"""The shared application on the chip: the card's serial, municipality and expiry, for everybody."""

from __future__ import annotations

from typing import ClassVar

from jukicard.applets.gp.layout import LOAD_FILE
from jukicard.applets.service.rules import rules
from jukicard.applets.shared import layout
from jukicard.applets.shared.records import CardInformation, SharedRecordError
from jukicard.card.applet import Applet
from jukicard.card.context import Context
from jukicard.card.errors import CardError
from jukicard.card.files.records import ReadRecord
from jukicard.card.files.structures import FileKind, FileSpec
from jukicard.card.objects import LifeCycle
from jukicard.iso7816.access import AccessMode, AccessRules, Always
from jukicard.iso7816.aid import AID
from jukicard.iso7816.status import StatusWord

_FILES = tuple(
    FileSpec(
        fid,
        FileKind.LINEAR_VARIABLE,
        AccessRules(),
        rules((AccessMode.READ, Always())),
        sfi=fid,
        record_size=CardInformation.SIZE,
        records=1,
    )
    for fid in (layout.EF_CARD_INFORMATION, layout.EF_KEY_REFERENCE)
)


class SharedApplet(ReadRecord, Applet):
    """共通カードAP."""

    load_file: ClassVar[AID] = LOAD_FILE
    module: ClassVar[AID] = layout.SHARED_AID
    label: ClassVar[str] = "Shared"

    def install(self, ctx: Context, parameters: bytes) -> None:
        """Create the files, without records."""
        super().install(ctx, parameters)
        for spec in _FILES:
            ctx.files.create(spec, LifeCycle.ACTIVATED)

    def store_data(self, ctx: Context, block: bytes) -> None:
        """Take the card information (30 bytes), in place of what was there; 6A80 for anything else."""
        try:
            given = CardInformation.parse(block)
        except SharedRecordError as error:
            raise CardError(StatusWord.INCORRECT_DATA, str(error)) from None
        ctx.files.by_fid(layout.EF_CARD_INFORMATION).write_records([given.encode()])
        ctx.files.by_fid(layout.EF_KEY_REFERENCE).write_records([given.encode_key_reference()])
