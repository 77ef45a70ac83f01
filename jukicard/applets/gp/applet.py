"""The security domain (GP 2.3.1, chapter 7): the issuer's, the Juki domain and every municipality's are this one
module.
"""

from __future__ import annotations

from typing import ClassVar

from jukicard.applets.gp import layout
from jukicard.applets.gp.channel_commands import SecureChannelCommands
from jukicard.applets.gp.content.commands import ContentCommands
from jukicard.applets.gp.data_commands import RECOGNITION, DataCommands
from jukicard.applets.gp.information import IssuerFiles
from jukicard.applets.gp.key_commands import KeyCommands
from jukicard.applets.gp.keystore import DomainKeys
from jukicard.card.applet import Applet
from jukicard.card.context import Context, require_domain
from jukicard.card.files.commands import ReadBinary
from jukicard.card.files.structures import Files
from jukicard.card.registry import ISSUER_DOMAIN
from jukicard.iso7816.aid import AID
from jukicard.iso7816.tlv import Tlv

MAX_COMMAND_DATA = 0xFFFF


class SecurityDomain(SecureChannelCommands, KeyCommands, DataCommands, ContentCommands, ReadBinary, Applet):
    """A security domain: keys, secure channels, the applications below it."""

    load_file: ClassVar[AID] = layout.LOAD_FILE
    module: ClassVar[AID] = layout.DOMAIN_MODULE
    label: ClassVar[str] = "security domain"
    forwarded: ClassVar[frozenset[int]] = frozenset()
    multi_selectable: ClassVar[bool] = True
    is_domain: ClassVar[bool] = True

    def file_control(self, ctx: Context) -> tuple[Tlv, ...]:
        """Return A5 with the recognition data and the longest command data field (GP 2.3.1, 11.9.3.1)."""
        return (Tlv.build(0xA5, Tlv(0x73, RECOGNITION[2:]), Tlv(0x9F65, MAX_COMMAND_DATA.to_bytes(2))),)

    def date_estimate(self, ctx: Context) -> int | None:
        """Return the newest date estimate of the domain's own trust anchors."""
        return DomainKeys(ctx.area).newest_estimate

    def key_identifiers(self, ctx: Context) -> frozenset[int]:
        """Return the identifiers of the domain's own keys."""
        return frozenset(reference.kid for reference in DomainKeys(ctx.area).references())

    def files(self, ctx: Context) -> Files:
        """Return the domain's files: the issuer's has EF.DIR and EF.ATR/INFO, the others none."""
        return IssuerFiles(require_domain(ctx)) if ctx.entry.instance == ISSUER_DOMAIN else super().files(ctx)
