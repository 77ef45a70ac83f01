"""EF.DIR and EF.ATR/INFO (ISO/IEC 7816-4): files below the issuer's domain that are computed from what is true at
the moment.
"""

from __future__ import annotations

from collections.abc import Iterator

from jukicard.card.context import DomainContext
from jukicard.card.files.structures import File, FileKind, Files, FileSpec
from jukicard.card.objects import LifeCycle
from jukicard.card.transaction import Area
from jukicard.iso7816.access import AccessMode, AccessRules, Always, ModeDo
from jukicard.iso7816.tlv import Tlv

EF_DIR, EF_ATR = 0x2F00, 0x2F01
_SFI = {0x1E: EF_DIR, 0x01: EF_ATR}
_READ_ALWAYS = AccessRules(((ModeDo.modes(AccessMode.READ), Always()),))

CARD_SERVICE_DATA = 0xF9
"""Applications by full and partial name, EF.DIR and EF.ATR/INFO, both read by READ BINARY, no MF."""

CARD_CAPABILITIES = bytes((0xF7, 0x31, 0xFB))
"""Selection by name (full, partial), path, FID, SFI; records by number and identifier; data units of one byte;
chaining, extended length with its limits in EF.ATR/INFO; four logical channels numbered by the card or by the host.
"""

LONGEST_COMMAND, LONGEST_RESPONSE = 0xFFFF, 0xFFFF


class ComputedFile(File):
    """A transparent file whose content is not stored."""

    __slots__ = ("_content",)

    def __init__(self, area: Area, fid: int, sfi: int, content: bytes) -> None:
        spec = FileSpec(fid, FileKind.TRANSPARENT, _READ_ALWAYS, _READ_ALWAYS, sfi, size=len(content))
        super().__init__(area, (fid,), spec.header(LifeCycle.ACTIVATED))
        self._content = content

    @property
    def content(self) -> bytes:
        """The whole content."""
        return self._content


class IssuerFiles(Files):
    """The files of the issuer's domain."""

    __slots__ = ("_ctx",)

    def __init__(self, ctx: DomainContext) -> None:
        super().__init__(ctx.area)
        self._ctx = ctx

    def by_fid(self, fid: int) -> File:
        """Return EF.DIR or EF.ATR/INFO; 6A82 for any other."""
        if fid == EF_DIR:
            return ComputedFile(self._area, fid, 0x1E, directory(self._ctx))
        if fid == EF_ATR:
            return ComputedFile(self._area, fid, 0x01, atr_information())
        return super().by_fid(fid)

    def by_sfi(self, sfi: int) -> File:
        """Return the file with that short identifier, or refuse with 6A82."""
        return self.by_fid(_SFI[sfi]) if sfi in _SFI else super().by_sfi(sfi)

    def all(self) -> Iterator[File]:
        """Yield both."""
        yield from (self.by_fid(fid) for fid in _SFI.values())


def directory(ctx: DomainContext) -> bytes:
    """Return the content of EF.DIR: one 61 {4F AID, 50 label} for each application that can be selected and is no
    domain.
    """
    templates = (
        Tlv.build(0x61, Tlv(0x4F, bytes(entry.aid)), Tlv(0x50, ctx.code.applet(entry).label.encode()))
        for entry in ctx.registry
        if entry.is_selectable and not entry.is_domain
    )
    return b"".join(template.encode() for template in templates)


def atr_information() -> bytes:
    """Return the content of EF.ATR/INFO: card service data, card capabilities, extended length information."""
    limits = (Tlv(0x02, limit.to_bytes(3)) for limit in (LONGEST_COMMAND, LONGEST_RESPONSE))
    objects = (Tlv(0x43, bytes((CARD_SERVICE_DATA,))), Tlv(0x47, CARD_CAPABILITIES), Tlv.build(0x7F66, *limits))
    return b"".join(tlv.encode() for tlv in objects)
