"""A municipality's approval of an application: what it approves, for which purpose, and with which rights.

```
BF61 { 80 version of this format (01)
       4F AID of the load file          81 its version (2 bytes)
       82 the ordinance's purpose (UTF-8, 1-32 bytes)
       83 SHA-256 of the load file data block; for a load file in ROM: see `rom_digest`
       84 limits: storage (4 bytes), volatile memory (4), rights (2)
       85 the municipality (5 digits) }
5F37 signature: ECDSA, P-256, SHA-256, r and s in 32 bytes each, over `jukicard APPROVAL 1`, 00, and BF61
```

The same key (KID 20 of the domain) signs DAP blocks: their message, 32 bytes, is never that of an approval.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.iso7816.aid import AID
from jukicard.iso7816.limits import Limits
from jukicard.iso7816.tlv import Tlv, parse_tlvs
from jukicard.securechannel.signatures import SIGNATURE_SIZE, is_signed_by

TAG_APPROVAL = 0xBF61
TAG_SIGNATURE = 0x5F37
TAG_PURPOSES = 0xBF62
"""In a domain: the purposes that its ordinance allows, each an 82."""
LONGEST_PURPOSE = 32
_FORMAT = b"\x01"
_CONTEXT = b"jukicard APPROVAL 1\0"
_ROM_CONTEXT = b"jukicard ROM 1\0"


class ApprovalError(ValueError):
    """The bytes are no approval, or it is not signed by whom they say."""


@dataclass(frozen=True, slots=True)
class Approval:
    """What one approval says.  `version` is 0-65535, `digest` 32 bytes, `municipality` 5 digits."""

    load_file: AID
    version: int
    purpose: str
    digest: bytes
    limits: Limits
    municipality: str

    def encode(self) -> bytes:
        """Return BF61."""
        return Tlv.build(
            TAG_APPROVAL,
            Tlv(0x80, _FORMAT),
            Tlv(0x4F, bytes(self.load_file)),
            Tlv(0x81, self.version.to_bytes(2)),
            Tlv(0x82, self.purpose.encode()),
            Tlv(0x83, self.digest),
            Tlv(0x84, self.limits.encode()),
            Tlv(0x85, self.municipality.encode()),
        ).encode()

    @property
    def message(self) -> bytes:
        """What is signed."""
        return _CONTEXT + self.encode()

    @classmethod
    def decode(cls, approval: Tlv) -> Approval:
        """Read BF61; ApprovalError for what `encode` does not make."""
        try:
            _, aid, version, purpose, digest, limits, city = (child.value for child in approval.children)
            found = cls(
                AID(aid),
                int.from_bytes(version),
                purpose.decode(),
                digest,
                Limits.decode(limits),
                city.decode(),
            )
            if found.encode() != approval.encode():
                raise ApprovalError("an approval in another form")
        except (ValueError, OverflowError) as error:  # a TlvError is a ValueError
            raise ApprovalError(f"not an approval: {error}") from None
        if not 1 <= len(purpose) <= LONGEST_PURPOSE or len(digest) != 32:
            raise ApprovalError("an approval has a purpose of 1 to 32 bytes and a digest of 32")
        return found


def sign_form(approval: Approval, signature: bytes) -> bytes:
    """Return an approval with its signature (64 bytes), as it is handed to a card."""
    return approval.encode() + Tlv(TAG_SIGNATURE, signature).encode()


def read_approval(stored: bytes) -> tuple[Approval, bytes]:
    """Read an approval with its signature, as `sign_form` made it, and return both; nothing is verified."""
    try:
        approval, signature = parse_tlvs(stored)
    except ValueError:  # a TlvError is a ValueError
        raise ApprovalError("an approval is BF61 and 5F37") from None
    if approval.tag != TAG_APPROVAL or signature.tag != TAG_SIGNATURE or len(signature.value) != SIGNATURE_SIZE:
        raise ApprovalError("an approval is BF61 and 5F37")
    return Approval.decode(approval), signature.value


def verify_approval(stored: bytes, key: ec.EllipticCurvePublicKey) -> Approval:
    """Read an approval with its signature, and verify it; ApprovalError otherwise."""
    found, signature = read_approval(stored)
    if not is_signed_by(key, signature, found.message):
        raise ApprovalError("the signature does not verify")
    return found


def rom_digest(load_file: AID, module: AID) -> bytes:
    """Return what stands for the digest in the approval of a module in ROM, which a card cannot hash: its name."""
    return sha256(_ROM_CONTEXT + Tlv(0x4F, bytes(load_file)).encode() + Tlv(0x84, bytes(module)).encode()).digest()
