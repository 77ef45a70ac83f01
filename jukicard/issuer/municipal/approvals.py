"""Approving applications: what the municipality signs, so that its cards take them.

An application file is a load file (`applets/gp/loadfile.py`) as the developer built it.  An approved one has the
municipality's DAP block in it, and before it the approval with its signature: all that a card asks for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jukicard.applets.gp.approval import (
    TAG_APPROVAL,
    TAG_SIGNATURE,
    Approval,
    ApprovalError,
    rom_digest,
    sign_form,
    verify_approval,
)
from jukicard.applets.gp.layout import LOAD_FILE, municipal_domain_aid
from jukicard.applets.gp.loadfile import Dap, DataBlock, LoadFileError, LoadFileStructure
from jukicard.iso7816.aid import AID
from jukicard.iso7816.limits import Limits
from jukicard.iso7816.tlv import Tlv, TlvError, parse_tlvs
from jukicard.issuer.errors import RuleRefused
from jukicard.issuer.municipal.ordinance import purposes
from jukicard.securechannel.signatures import from_der

if TYPE_CHECKING:
    from jukicard.issuer.authority.authority import Authority


class NotAnApplication(RuleRefused):
    """The file is no application, or not one that was approved."""


@dataclass(frozen=True, slots=True)
class Application:
    """An application file: `load_file` is its AID, `approval` (with the signature) and DAP blocks are there once it was
    approved.
    """

    structure: LoadFileStructure
    data_block: DataBlock
    approval: bytes = b""

    @classmethod
    def parse(cls, content: bytes) -> Application:
        """Read an application file; NotAnApplication."""
        try:
            approval, rest = _split(content)
            structure = LoadFileStructure.parse(rest)
            return cls(structure, DataBlock.parse(structure.data_block), approval)
        except (LoadFileError, TlvError) as error:
            raise NotAnApplication(f"not an application file: {error}") from None

    def encode(self) -> bytes:
        """Return the file's content."""
        return self.approval + self.structure.encode()

    @property
    def load_file(self) -> AID:
        """The load file's AID: that of its first module without the last byte."""
        return AID(bytes(self.data_block.modules[0].aid)[:-1])

    def approved_by(self, authority: Authority) -> Approval:
        """Return what the municipality approved; NotAnApplication where it did not, or something else."""
        try:
            found = verify_approval(self.approval, authority.approval_key)
        except ApprovalError as error:
            raise NotAnApplication(f"the municipality has not approved this: {error}") from None
        if found.digest != self.structure.digest:
            raise NotAnApplication("the municipality has approved another code under this name")
        return found


def approve(authority: Authority, application: Application, purpose: str, limits: Limits) -> Application:
    """Approve an application for a purpose of the ordinance, with these rights.  RuleRefused."""
    structure = application.structure
    domain = municipal_domain_aid(authority.city.code)
    version = application.data_block.version
    approval = _signed(authority, application.load_file, version, purpose, structure.digest, limits)
    dap = Dap(domain, from_der(authority.sign_approval(structure.digest)))
    return Application(LoadFileStructure((dap,), structure.data_block), application.data_block, approval)


def approve_rom(authority: Authority, module: AID, purpose: str, limits: Limits) -> bytes:
    """Return the approval, with its signature, of a module in the ROM of our chips."""
    return _signed(authority, LOAD_FILE, 0, purpose, rom_digest(LOAD_FILE, module), limits)


def _signed(authority: Authority, load_file: AID, version: int, purpose: str, digest: bytes, limits: Limits) -> bytes:
    listed = purposes(authority.home)
    if purpose not in listed:
        raise RuleRefused(f"the ordinance does not list the purpose {purpose!r}; it lists: {', '.join(listed)}")
    approval = Approval(load_file, version, purpose, digest, limits, authority.city.code)
    return sign_form(approval, from_der(authority.sign_approval(approval.message)))


def _split(content: bytes) -> tuple[bytes, bytes]:
    objects = parse_tlvs(content)
    tags = tuple(tlv.tag for tlv in objects[:2])
    if tags != (TAG_APPROVAL, TAG_SIGNATURE):
        return b"", content
    approval = b"".join(tlv.encode() for tlv in objects[:2])
    return approval, _encoded(objects[2:])


def _encoded(objects: tuple[Tlv, ...]) -> bytes:
    return b"".join(tlv.encode() for tlv in objects)
