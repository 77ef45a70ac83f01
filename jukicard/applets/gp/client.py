"""A host's view of a security domain: one method per command; refusals are exceptions (`iso7816.errors`).

A client drives a connection that already chains commands and collects responses (`iso7816.wrappers.standard`).  After a
handshake it goes on through the secure channel; `select` begins again in the clear.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.applets.gp import layout
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.connection import CardConnection, send
from jukicard.iso7816.errors import CardStatusError, MalformedResponse, check
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv, TlvError, parse_one, parse_tlvs
from jukicard.securechannel.host import Keyring, SecureConnection, TerminalKey, open_scp03, open_scp11a, open_scp11b
from jukicard.securechannel.messages import SecurityLevel
from jukicard.securechannel.scp11 import KeyAgreementError, decode_point, encode_point

ALL = 256
"""Ne of a command that takes whatever there is."""

MAX_STATUS_ANSWERS = 64
"""Answers to GET STATUS for one list, each with an entry at least: more than any card of this profile gives."""


class ApplicationClient:
    """What the clients of all applications share: selection, secure channels through the domain, checked commands."""

    def __init__(self, connection: CardConnection, aid: AID) -> None:
        self.aid = aid
        self.base = connection
        self.connection = connection

    def select(self) -> bytes:
        """Select the application, in the clear, and return its FCI.  A session that was open has ended."""
        self.connection = self.base
        name = bytes(self.aid)
        return self.command(CommandAPDU(0x00, 0xA4, 0x04, 0x00, name, ALL), f"SELECT {self.aid}").data

    def command(self, command: CommandAPDU, what: str) -> ResponseAPDU:
        """Send a command through whatever channel is open; anything but 9000 raises, with `what` was attempted."""
        return check(send(self.connection, command), what)

    def get_data(self, tag: int, selector: bytes = b"") -> bytes | None:
        """Return the whole data object of the domain with this tag (1 or 2 bytes), or None where there is none."""
        command = CommandAPDU(0x80, 0xCA, tag >> 8, tag & 0xFF, selector, ALL)
        response = send(self.connection, command)
        if response.sw is StatusWord.REFERENCE_NOT_FOUND:
            return None
        return check(response, f"GET DATA {tag:04X}").data

    def certificates(self, kid: int, kvn: int) -> tuple[bytes, ...]:
        """Return the certificates (DER, leaf last) of a channel key; none where none are stored."""
        selector = Tlv.build(layout.TAG_CONTROL_REFERENCE, Tlv(layout.TAG_KEY_REFERENCE, bytes((kid, kvn)))).encode()
        stored = self.get_data(layout.TAG_CERTIFICATES, selector)
        if stored is None:
            return ()
        return tuple(certificate.encode() for certificate in _children(stored, layout.TAG_CERTIFICATES))

    def key_references(self) -> frozenset[tuple[int, int]]:
        """Return identifier and version of every key in force in the domain."""
        stored = self.get_data(layout.TAG_KEY_INFORMATION)
        keys = () if stored is None else _children(stored, layout.TAG_KEY_INFORMATION)
        if any(len(key.value) < 2 for key in keys):
            raise MalformedResponse("GET DATA E0: not a key information template")
        return frozenset((key.value[0], key.value[1]) for key in keys)

    def open_scp03(
        self, keyring: Keyring, host_challenge: bytes, *, kvn: int = 0, level: int = SecurityLevel.FULL
    ) -> SecureConnection:
        """Open an SCP03 session with the domain's keys of version `kvn` (0: the first); `host_challenge` is 8 fresh
        random bytes.
        """
        self.connection = self.base
        self.connection = secure = open_scp03(self.base, keyring, kvn=kvn, level=level, host_challenge=host_challenge)
        return secure

    def open_scp11a(
        self,
        terminal: TerminalKey,
        card_key: ec.EllipticCurvePublicKey,
        ephemeral: ec.EllipticCurvePrivateKey,
        *,
        kvn: int = 0,
        anchor_kvn: int = 0,
    ) -> SecureConnection:
        """Open an SCP11a session as a terminal; `card_key` is the card's certified key of KID 11, `ephemeral` a fresh
        key.
        """
        self.connection = self.base
        self.connection = secure = open_scp11a(
            self.base, kvn=kvn, card_public_key=card_key, terminal=terminal, anchor_kvn=anchor_kvn, ephemeral=ephemeral
        )
        return secure

    def open_scp11b(
        self, card_key: ec.EllipticCurvePublicKey, ephemeral: ec.EllipticCurvePrivateKey, *, kvn: int = 0
    ) -> SecureConnection:
        """Open an SCP11b session: only the card proves itself, by its key of KID 13."""
        self.connection = self.base
        self.connection = secure = open_scp11b(self.base, kvn=kvn, card_public_key=card_key, ephemeral=ephemeral)
        return secure


class PasswordClient(ApplicationClient):
    """The commands on an application's password, the same for every application that has one."""

    def password_tries(self, reference: int) -> int | None:
        """Return the tries left, at no cost; None while no password is set."""
        response = send(self.connection, CommandAPDU(0x00, 0x20, 0x00, reference))
        if response.sw is StatusWord.REFERENCE_DATA_UNUSABLE:
            return None
        if response.sw.tries_left is None:
            raise CardStatusError(response.sw, "query of the password's tries")
        return response.sw.tries_left

    def verify(self, reference: int, password: bytes) -> None:
        """Prove the holder's password; `PasswordWrong` tells the tries left, `PasswordBlocked` that there are none."""
        self.command(CommandAPDU(0x00, 0x20, 0x00, reference, password), "VERIFY")

    def change_password(self, reference: int, old: bytes, new: bytes) -> None:
        """Replace the password by the holder's will; a wrong old one costs a try."""
        self.command(CommandAPDU(0x00, 0x24, 0x00, reference, old + new), "CHANGE REFERENCE DATA")

    def set_initial_password(self, reference: int, password: bytes) -> None:
        """Set the first password, for a terminal with the right to."""
        self.command(CommandAPDU(0x00, 0x24, 0x01, reference, password), "setting the initial password")

    def reset_password(self, reference: int, password: bytes) -> None:
        """Set a new password and give back all tries, for a terminal with the right to."""
        self.command(CommandAPDU(0x00, 0x2C, 0x02, reference, password), "RESET RETRY COUNTER")


@dataclass(frozen=True, slots=True)
class StatusEntry:
    """One application as GET STATUS lists it."""

    aid: AID
    state: int
    privileges: bytes


@dataclass(frozen=True, slots=True)
class EncryptedKey:
    """One AES key for PUT KEY: length in bytes, cryptogram under the session's DEK, check value (3 bytes)."""

    size: int
    cryptogram: bytes
    check_value: bytes


class DomainClient(ApplicationClient):
    """A security domain, managed by whoever holds its SCP03 keys."""

    def put_key_set(self, kvn: int, keys: Sequence[EncryptedKey], *, replaces: int = 0) -> None:
        """Put an SCP03 key set (ENC, MAC, DEK) as version `kvn`, in place of version `replaces` (0: as a new one)."""
        fields = bytes((kvn,))
        for key in keys:
            value = bytes((key.size,)) + key.cryptogram
            fields += (
                bytes((layout.KEY_TYPE_AES, len(value))) + value + bytes((len(key.check_value),)) + key.check_value
            )
        response = self.command(CommandAPDU(0x80, 0xD8, replaces, 0x80 | layout.KID_SCP03, fields, ALL), "PUT KEY")
        if response.data != bytes((kvn,)) + b"".join(key.check_value for key in keys):
            raise MalformedResponse("PUT KEY: the card answers other check values")

    def put_anchor(self, kvn: int, key: ec.EllipticCurvePublicKey, *, replaces: int = 0) -> None:
        """Put the public key that terminals' certificates are verified under (KID 10)."""
        point = encode_point(key)
        fields = bytes((kvn, layout.KEY_TYPE_EC_PUBLIC, len(point))) + point
        fields += bytes((layout.KEY_TYPE_EC_PARAMETERS, 1, layout.CURVE_P256, 0))
        self.command(CommandAPDU(0x80, 0xD8, replaces, layout.KID_TERMINAL_ANCHOR, fields, ALL), "PUT KEY (anchor)")

    def generate_key(self, kid: int, kvn: int, *, replaces: int = 0) -> ec.EllipticCurvePublicKey:
        """Let the card generate a channel key (KID 11 or 13) and return its public key."""
        fields = bytes((kvn, layout.KEY_TYPE_EC_PARAMETERS, 1, layout.CURVE_P256))
        response = self.command(CommandAPDU(0x80, 0xF1, replaces, kid, fields, ALL), f"generating key {kid:02X}")
        try:
            (answer,) = parse_tlvs(response.data)
            return decode_point(answer.value)
        except (TlvError, KeyAgreementError, ValueError):
            raise MalformedResponse("key generation: no public key in the answer") from None

    def store_certificates(self, kid: int, kvn: int, certificates: Sequence[bytes]) -> None:
        """Store the certificates of a channel key (DER, leaf last)."""
        self._store_for_key(kid, kvn, Tlv(layout.TAG_CERTIFICATES, b"".join(certificates)))

    def store_date(self, kvn: int, date: str) -> None:
        """Set the date estimate (YYYYMMDD) of the anchor of version `kvn`; it only moves forward."""
        self._store_for_key(layout.KID_TERMINAL_ANCHOR, kvn, Tlv(layout.TAG_DATE_ESTIMATE, bytes.fromhex(date)))

    def _store_for_key(self, kid: int, kvn: int, value: Tlv) -> None:
        key = Tlv.build(layout.TAG_CONTROL_REFERENCE, Tlv(layout.TAG_KEY_REFERENCE, bytes((kid, kvn))))
        self.store_data(key.encode() + value.encode())

    def store_data(self, block: bytes) -> None:
        """Store one block of data in the domain, or in the application that `personalize` named."""
        self.command(CommandAPDU(0x80, 0xE2, 0x90, 0x00, block), "STORE DATA")

    def install(self, module: AID, aid: AID, privileges: int = 0, parameters: bytes = b"") -> None:
        """Install an application in ROM and make it selectable; `privileges` are three bytes, as a number."""
        specific = Tlv(0xC9, parameters).encode()
        parts = (bytes(layout.LOAD_FILE), bytes(module), bytes(aid), privileges.to_bytes(3), specific, b"")
        fields = b"".join(bytes((len(part),)) + part for part in parts)
        self.command(CommandAPDU(0x80, 0xE6, 0x0C, 0x00, fields, ALL), f"INSTALL {aid}")

    def personalize(self, aid: AID) -> None:
        """Let the next STORE DATA commands of this session go to an application of the domain."""
        fields = b"\0\0" + bytes((len(bytes(aid)),)) + bytes(aid) + b"\0\0\0"
        self.command(CommandAPDU(0x80, 0xE6, 0x20, 0x00, fields, ALL), f"INSTALL [for personalization] {aid}")

    def set_card_state(self, state: int) -> None:
        """Move the card to another life cycle state."""
        self.command(CommandAPDU(0x80, 0xF0, 0x80, state), f"SET STATUS {state:02X}")

    def status(self, scope: int) -> list[StatusEntry]:
        """List what the domain may see: `scope` 80 the issuer's domain, 40 applications and domains.

        MalformedResponse for a list without end.
        """
        entries: list[StatusEntry] = []
        p2 = 0x02
        for _ in range(MAX_STATUS_ANSWERS):
            response = send(self.connection, CommandAPDU(0x80, 0xF2, scope, p2, b"\x4f\x00", ALL))
            if response.sw is StatusWord.REFERENCE_NOT_FOUND:
                return entries
            check(response, "GET STATUS", ok=(StatusWord.OK, StatusWord.MORE_DATA_AVAILABLE))
            found = _status_entries(response.data)
            entries += found
            if not found or response.sw is StatusWord.OK:
                return entries
            p2 = 0x03
        raise MalformedResponse(f"GET STATUS: a list that did not end after {MAX_STATUS_ANSWERS} answers")


def _children(stored: bytes, tag: int) -> tuple[Tlv, ...]:
    """Return what is in the one data object that GET DATA gives, if it is the one that was asked for."""
    try:
        found = parse_one(stored)
        if found.tag == tag:
            return found.children
    except TlvError:
        pass
    raise MalformedResponse(f"GET DATA {tag:X}: not that data object")


def _status_entries(data: bytes) -> list[StatusEntry]:
    try:
        templates = [{child.tag: child.value for child in template.children} for template in parse_tlvs(data)]
        return [StatusEntry(AID(fields[0x4F]), fields[0x9F70][0], fields[0xC5]) for fields in templates]
    except (KeyError, IndexError, ValueError):  # a TlvError is a ValueError
        raise MalformedResponse("GET STATUS: an entry lacks its AID, state or privileges") from None
