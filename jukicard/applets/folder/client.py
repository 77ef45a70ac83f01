"""A host's view of a folder: one method per command; refusals are exceptions (`iso7816.errors`).

Files are described by their control parameters (DO 62), which `ef`, `record_ef` and `df` put together.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.constant_time import bytes_eq

from jukicard.applets.folder import layout
from jukicard.applets.gp.client import ALL, PasswordClient
from jukicard.applets.gp.layout import municipal_service_aid
from jukicard.iso7816.access import AccessRules
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.errors import AuthenticationFailed, MalformedResponse
from jukicard.iso7816.tlv import Tlv, TlvError, parse_one
from jukicard.securechannel.kdf import aes_cmac
from jukicard.securechannel.keyproof import external_message, internal_message
from jukicard.securechannel.scp11 import KeyAgreementError, decode_point

CHALLENGE_SIZE = 16
_DIRECTORY, _TRANSPARENT = b"\x38", b"\x01"
_PASSWORD, _AUTHENTICATING, _SIGNING = b"\x08", b"\xc0", b"\x40"


def ef(fid: int, size: int, rules: AccessRules, *, sfi: int | None = None, compare_tries: int = 0) -> Tlv:
    """Return the control parameters of a transparent EF; `sfi` 1-30, `compare_tries` 1-15 or 0 for no bound."""
    extra = (Tlv.build(0xA5, Tlv(0xC0, bytes((compare_tries,)))),) if compare_tries else ()
    return _parameters(fid, _TRANSPARENT, rules, Tlv(0x80, size.to_bytes(2)), _sfi(sfi), *extra)


def record_ef(
    fid: int, kind: int, record_size: int, records: int, rules: AccessRules, *, sfi: int | None = None
) -> Tlv:
    """Return the control parameters of an EF of records; `kind` 02 linear fixed, 04 linear variable, 06 cyclic."""
    descriptor = bytes((kind, 0x41)) + record_size.to_bytes(2) + bytes((records,))
    return _parameters(fid, descriptor, rules, _sfi(sfi))


def df(fid: int, rules: AccessRules) -> Tlv:
    """Return the control parameters of a DF."""
    return _parameters(fid, _DIRECTORY, rules)


def _parameters(fid: int, descriptor: bytes, rules: AccessRules, *further: Tlv) -> Tlv:
    name = Tlv(0x83, fid.to_bytes(2))
    return Tlv.build(0x62, Tlv(0x82, descriptor), name, *further, Tlv(0xAB, rules.encode()))


def _sfi(sfi: int | None) -> Tlv:
    return Tlv(0x88, bytes((sfi << 3,)) if sfi else b"")


class FolderClient(PasswordClient):
    """The folder of a municipality (`city_code`, 5 digits)."""

    def __init__(self, connection: CardConnection, city_code: str) -> None:
        super().__init__(connection, municipal_service_aid(city_code, layout.SERVICE_NUMBER))

    # files

    def create(self, parameters: Tlv) -> None:
        """Create a file in the current DF; it becomes the current one."""
        self.command(CommandAPDU(0x00, 0xE0, 0x00, 0x00, parameters.encode()), "CREATE FILE")

    def delete(self, fid: int) -> None:
        """Delete a file in the current DF, a DF with all that is in it."""
        self.command(CommandAPDU(0x00, 0xE4, 0x00, 0x00, fid.to_bytes(2)), f"DELETE FILE {fid:04X}")

    def select_path(self, *path: int) -> bytes:
        """Select a file by its path from the application's own DF (no FID at all: that one); return its FCP."""
        name = b"".join(fid.to_bytes(2) for fid in (0x3FFF, *path))
        return self.command(CommandAPDU(0x00, 0xA4, 0x08, 0x04, name, ALL), "SELECT by path").data

    def read(self, sfi: int = 0, offset: int = 0) -> bytes:
        """Read up to 256 bytes of an EF (0: the current one), with a short identifier from an offset below 256."""
        p1, p2 = (0x80 | sfi, offset) if sfi else divmod(offset, 256)
        return self.command(CommandAPDU(0x00, 0xB0, p1, p2, ne=ALL), "READ BINARY").data

    def update(self, content: bytes, sfi: int = 0, offset: int = 0) -> None:
        """Overwrite bytes of an EF (0: the current one), with a short identifier from an offset below 256."""
        p1, p2 = (0x80 | sfi, offset) if sfi else divmod(offset, 256)
        self.command(CommandAPDU(0x00, 0xD6, p1, p2, content), "UPDATE BINARY")

    def append(self, record: bytes, sfi: int = 0) -> None:
        """Append a record to an EF (0: the current one)."""
        self.command(CommandAPDU(0x00, 0xE2, 0x00, sfi << 3, record), "APPEND RECORD")

    def record(self, number: int, sfi: int = 0) -> bytes:
        """Read a record of an EF (0: the current one) by its number, from 1."""
        return self.command(CommandAPDU(0x00, 0xB2, number, sfi << 3 | 4, ne=ALL), "READ RECORD").data

    def put_data_object(self, tag: int, value: bytes) -> None:
        """Store a data object of the application; no value removes it."""
        self.command(CommandAPDU(0x00, 0xDA, tag >> 8, tag & 0xFF, value), f"PUT DATA {tag:04X}")

    def data_object(self, tag: int) -> bytes:
        """Return the value of a data object of the application."""
        return self.command(CommandAPDU(0x00, 0xCA, tag >> 8, tag & 0xFF, ne=ALL), f"GET DATA {tag:04X}").data

    # passwords and keys

    def make_password(self, reference: int, minimum: int, maximum: int, tries: int, rules: AccessRules) -> None:
        """Make a password of digits (81-9F), which has no value yet."""
        template = _template(0xA4, 0x83, reference, _PASSWORD)
        self._make(template, rules, Tlv(0x80, bytes((minimum, maximum, tries))))

    def make_secret_key(self, reference: int, tries: int, rules: AccessRules) -> None:
        """Make an AES key (81-9F) for EXTERNAL and INTERNAL AUTHENTICATE, which has no value yet."""
        self._make(_template(0xA4, 0x83, reference, _AUTHENTICATING), rules, Tlv(0x80, bytes((tries,))))

    def make_signature_key(self, reference: int, rules: AccessRules) -> None:
        """Make a P-256 key pair (81-9F) for signatures, which is not generated yet."""
        self._make(_template(0xB6, 0x84, reference, _SIGNING), rules)

    def _make(self, template: Tlv, rules: AccessRules, *limits: Tlv) -> None:
        self._put(Tlv.build(0x62, template, *limits, Tlv(0xAB, rules.encode())))

    def import_secret_key(self, reference: int, value: bytes) -> None:
        """Give an AES key its value; the session must encrypt."""
        self._import(_template(0xA4, 0x83, reference), value)

    def import_signature_key(self, reference: int, scalar: bytes) -> None:
        """Give a key pair its private key, made elsewhere; the session must encrypt."""
        self._import(_template(0xB6, 0x84, reference), scalar)

    def _import(self, template: Tlv, value: bytes) -> None:
        lengths = Tlv(0x7F48, bytes((0x92, len(value))))
        self._put(Tlv.build(0x4D, template, lengths, Tlv(0x5F48, value)))

    def _put(self, data_object: Tlv) -> None:
        self.command(CommandAPDU(0x00, 0xDB, 0x3F, 0xFF, data_object.encode()), "PUT DATA (password, key)")

    def generate_signature_key(self, reference: int) -> ec.EllipticCurvePublicKey:
        """Let the card generate a key pair, once, and return its public key."""
        template = _template(0xB6, 0x84, reference).encode()
        answer = self.command(CommandAPDU(0x00, 0x47, 0x80, 0x00, template, ALL), "GENERATE ASYMMETRIC KEY PAIR").data
        try:
            return decode_point(parse_one(answer).children[0].value)
        except (TlvError, KeyAgreementError, IndexError):
            raise MalformedResponse("GENERATE ASYMMETRIC KEY PAIR: no public key in the answer") from None

    def prove_key(self, reference: int, key: bytes) -> None:
        """Prove an AES key to the card (EXTERNAL AUTHENTICATE), for a challenge of its own."""
        challenge = self.command(CommandAPDU(0x00, 0x84, 0x00, 0x00, ne=CHALLENGE_SIZE), "GET CHALLENGE").data
        cryptogram = aes_cmac(key, external_message(bytes(self.aid), reference, challenge))
        self.command(CommandAPDU(0x00, 0x82, 0x00, reference, cryptogram), "EXTERNAL AUTHENTICATE")

    def authenticate_card(self, reference: int, key: bytes, challenge: bytes) -> None:
        """Let the card prove an AES key for a fresh challenge of 8 bytes or more (INTERNAL AUTHENTICATE), or raise."""
        command = CommandAPDU(0x00, 0x88, 0x00, reference, challenge, ALL)
        cryptogram = self.command(command, "INTERNAL AUTHENTICATE").data
        if not bytes_eq(cryptogram, aes_cmac(key, internal_message(bytes(self.aid), reference, challenge))):
            raise AuthenticationFailed("card authentication", "the card has not this key")

    def sign(self, reference: int, digest: bytes) -> bytes:
        """Choose a signature key and sign a SHA-256 hash with it: r and s, 64 bytes."""
        name = Tlv(0x84, bytes((reference,))).encode()
        self.command(CommandAPDU(0x00, 0x22, 0x41, 0xB6, name), "MANAGE SECURITY ENVIRONMENT")
        return self.command(CommandAPDU(0x00, 0x2A, 0x9E, 0x9A, digest, ALL), "COMPUTE DIGITAL SIGNATURE").data


def _template(tag: int, name: int, reference: int, usage: bytes = b"") -> Tlv:
    parts = (Tlv(name, bytes((reference,))), Tlv(0x95, usage)) if usage else (Tlv(name, bytes((reference,))),)
    return Tlv.build(tag, *parts)
