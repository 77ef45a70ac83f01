"""The JPKI application (公的個人認証AP): names and numbers of its files, keys and passwords.

AID, files, passwords and commands are those of the real application, as published by projects that speak to it; what
nobody has published is decided here (docs: the JPKI application).  The short identifier of an EF is its FID.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

from jukicard.iso7816.aid import AID

JPKI_AID = AID.from_hex("D3 92 F0 00 26 01 00 00 00 01")

EF_TOKEN, EF_PRESENCE = 0x0006, 0x0008
TOKEN_SIZE, PRESENCE_SIZE = 160, 3
CERTIFICATE_SIZE = 3072
"""Bytes of an EF for a certificate: one with a name and an address as long as the record allows fits."""
HASH_SIZE, SIGNATURE_SIZE = 32, 256


class Usage(StrEnum):
    """What a key is for: 署名用 (signing documents) or 利用者証明用 (logging in)."""

    SIGNATURE = "signature"
    AUTHENTICATION = "authentication"


@dataclass(frozen=True, slots=True)
class Credential:
    """A key pair with what belongs to it: EFs of key, password, certificate and CA certificate (FID = SFI).

    The password has `minimum` to `maximum` characters of `alphabet` and so many tries.  `private`: the certificate is
    read after the password only, since it names its holder.
    """

    key: int
    password: int
    certificate: int
    ca_certificate: int
    minimum: int
    maximum: int
    alphabet: bytes
    tries: int
    private: bool

    @property
    def key_reference(self) -> int:
        """P2 that means the key."""
        return 0x80 | self.key

    @property
    def password_reference(self) -> int:
        """P2 that means the password."""
        return 0x80 | self.password


_DIGITS = b"0123456789"
CREDENTIALS: Final = {
    Usage.SIGNATURE: Credential(
        0x1A, 0x1B, 0x01, 0x02, 6, 16, _DIGITS + b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", tries=5, private=True
    ),
    Usage.AUTHENTICATION: Credential(0x17, 0x18, 0x0A, 0x0B, 4, 4, _DIGITS, tries=3, private=False),
}


class Profile(IntEnum):
    """Whose card it is like, as the installation parameter says (1 byte): the Juki card's or the My Number card's."""

    JUKI = 0x01
    MYNUMBER = 0x02


PROFILES: Final = {
    Profile.JUKI: (Usage.SIGNATURE,),
    Profile.MYNUMBER: (Usage.SIGNATURE, Usage.AUTHENTICATION),
}
"""The keys of a profile.

Passwords and certificate EFs of both exist in either, since clients ask for both and refuse a card without.  The EFs of
a key that is not there hold the CA certificate of the other one, which anybody may see.
"""


class Form(IntEnum):
    """P1 of COMPUTE DIGITAL SIGNATURE: what is done with the data before the private key is applied."""

    VERBATIM = 0x00
    """PKCS #1 v1.5 padding around the data as they are (1 to 245 bytes): clients bring a DigestInfo."""
    BARE_HASH = 0x01
    """The same around the SHA-256 of the data, without a DigestInfo."""
    PREHASHED = 0x02
    """RSASSA-PKCS1-v1_5 with SHA-256, the data being the hash."""
    HASHED = 0x03
    """RSASSA-PKCS1-v1_5 with SHA-256 of the data."""
    PSS_PREHASHED = 0x04
    """RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes, the data being the hash."""
    PSS = 0x05
    """The same with SHA-256 of the data."""


LONGEST_VERBATIM = SIGNATURE_SIZE - 11
DEFAULT_KEY = CREDENTIALS[Usage.SIGNATURE].key_reference
"""What P2 = 00 means: the key that both profiles have."""
