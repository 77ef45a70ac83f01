"""Load files (GP 2.3.1, 11.6.2.1): DAP blocks, then the data block; and what this project puts into a data block.

```
E2 { 4F AID of the verifying security domain, C3 its signature over the data block's SHA-256 }   any number of times
C4 data block = C0 version of the load file (2 bytes)
                E5 { 4F AID of a module, 50 its label, C1 host interface's version (1 byte), C2 code }  once or more
```
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from jukicard.iso7816.aid import AID
from jukicard.iso7816.tlv import Tlv, TlvError, parse_tlvs

TAG_DAP_BLOCK, TAG_DATA_BLOCK = 0xE2, 0xC4
_DOMAIN, _SIGNATURE = 0x4F, 0xC3
_VERSION, _MODULE, _AID, _LABEL, _INTERFACE, _CODE = 0xC0, 0xE5, 0x4F, 0x50, 0xC1, 0xC2
LONGEST_LABEL = 16


class LoadFileError(ValueError):
    """The bytes are no load file of this form."""


@dataclass(frozen=True, slots=True)
class Module:
    """One module: `label` has 1-16 bytes in UTF-8, `interface` is the version of the host interface it was made for."""

    aid: AID
    label: str
    interface: int
    code: bytes


@dataclass(frozen=True, slots=True)
class DataBlock:
    """A load file data block: `version` 0-65535, and its modules."""

    version: int
    modules: tuple[Module, ...]

    def encode(self) -> bytes:
        """Return the value of C4."""
        parts = [Tlv(_VERSION, self.version.to_bytes(2))]
        for module in self.modules:
            interface = Tlv(_INTERFACE, bytes((module.interface,)))
            named = (Tlv(_AID, bytes(module.aid)), Tlv(_LABEL, module.label.encode()))
            parts.append(Tlv.build(_MODULE, *named, interface, Tlv(_CODE, module.code)))
        return b"".join(part.encode() for part in parts)

    @classmethod
    def parse(cls, value: bytes) -> DataBlock:
        """Read the value of C4; LoadFileError for what `encode` does not make, two modules of one AID included."""
        try:
            version, *modules = parse_tlvs(value)
            found = cls(int.from_bytes(version.value), tuple(_module(tlv) for tlv in modules))
            sound = found.encode() == value
        except (ValueError, OverflowError):  # a TlvError is a ValueError
            sound = False
        if not sound or not found.modules or len({module.aid for module in found.modules}) != len(found.modules):
            raise LoadFileError("not a load file data block of this profile")
        return found


def _module(tlv: Tlv) -> Module:
    aid, label, interface, code = (child.value for child in tlv.children)
    if not 1 <= len(label) <= LONGEST_LABEL:
        raise LoadFileError("a module's label has 1 to 16 bytes")
    return Module(AID(aid), label.decode(), int.from_bytes(interface), code)


@dataclass(frozen=True, slots=True)
class Dap:
    """A DAP block: the security domain that verifies it, and the signature."""

    domain: AID
    signature: bytes


@dataclass(frozen=True, slots=True)
class LoadFileStructure:
    """What LOAD carries: DAP blocks, and the data block."""

    daps: tuple[Dap, ...]
    data_block: bytes

    def encode(self) -> bytes:
        """Return the bytes that LOAD carries, in pieces."""
        pairs = [(Tlv(_DOMAIN, bytes(dap.domain)), Tlv(_SIGNATURE, dap.signature)) for dap in self.daps]
        parts = (*(Tlv.build(TAG_DAP_BLOCK, *pair) for pair in pairs), Tlv(TAG_DATA_BLOCK, self.data_block))
        return b"".join(part.encode() for part in parts)

    @classmethod
    def parse(cls, data: bytes) -> LoadFileStructure:
        """Read a load file; LoadFileError for another form."""
        try:
            *daps, block = parse_tlvs(data)
            pairs = [tuple(child.value for child in dap.children) for dap in daps]
            found = cls(tuple(Dap(AID(domain), signature) for domain, signature in pairs), block.value)
        except (TlvError, ValueError):
            raise LoadFileError("not a load file: DAP blocks E2, then C4") from None
        if found.encode() != data:
            raise LoadFileError("not a load file: DAP blocks E2, then C4")
        return found

    @property
    def digest(self) -> bytes:
        """The load file data block hash (SHA-256)."""
        return sha256(self.data_block).digest()
