"""A host's view of a security domain: one method per command; refusals are exceptions (`iso7816.errors`).

A client drives a connection that already chains commands and collects responses (`iso7816.wrappers.standard`).  After a
handshake it goes on through the secure channel; `select` begins again in the clear.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.applets.gp import layout
from jukicard.applets.gp.approval import TAG_PURPOSES
from jukicard.applets.gp.statuses import LoadFileEntry, StatusEntry, load_file_entries, status_entries
from jukicard.applets.gp.tokens import (
    TAG_CONTROL,
    TAG_SPECIFIC,
    TAG_TOKEN,
    Confirmation,
    Sign,
    install_fields,
    quotas,
    token_message,
)
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.connection import ApduLimits, CardConnection, send
from jukicard.iso7816.errors import CardStatusError, MalformedResponse, PasswordBlocked, check
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv, TlvError, parse_one, parse_tlvs
from jukicard.securechannel.host import Keyring, SecureConnection, TerminalKey, open_scp03, open_scp11a, open_scp11b
from jukicard.securechannel.messages import SecurityLevel
from jukicard.securechannel.scp11 import KeyAgreementError, decode_point, encode_point

Listed = TypeVar("Listed")

ALL = 256
"""Ne of a command that takes whatever there is."""

LONG = 0x1000
"""The same where that may well be longer than a short response, on any connection for extended ones; one for short ones
takes it in pieces."""

LONGEST_BLOCK = 0x4000
"""Bytes of a load file in one LOAD, at most."""

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

    def verify_internal(self, p2: int, password: bytes) -> None:
        """Prove a password that is an internal EF (`p2`: 80 the current one, else its reference).

        PasswordWrong tells the tries left, PasswordBlocked that there are none: of such a password 6984 says that.
        """
        try:
            self.command(CommandAPDU(0x00, 0x20, 0x00, p2, password), "VERIFY")
        except CardStatusError as error:
            if error.sw is StatusWord.REFERENCE_DATA_UNUSABLE:
                raise PasswordBlocked(error.sw, "VERIFY") from None
            raise

    def get_data(self, tag: int, selector: bytes = b"", *, ne: int = ALL) -> bytes | None:
        """Return the whole data object of the domain with this tag (1 or 2 bytes), or None where there is none.

        `ne`: the bytes that are expected at most in one response (1 to 65536).
        """
        command = CommandAPDU(0x80, 0xCA, tag >> 8, tag & 0xFF, selector, ne)
        response = send(self.connection, command)
        if response.sw is StatusWord.REFERENCE_NOT_FOUND:
            return None
        return check(response, f"GET DATA {tag:04X}").data

    def certificates(self, kid: int, kvn: int) -> tuple[bytes, ...]:
        """Return the certificates (DER, leaf last) of a channel key; none where none are stored."""
        selector = Tlv.build(layout.TAG_CONTROL_REFERENCE, Tlv(layout.TAG_KEY_REFERENCE, bytes((kid, kvn)))).encode()
        stored = self.get_data(layout.TAG_CERTIFICATES, selector, ne=LONG)
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
class EncryptedKey:
    """One AES key for PUT KEY: length in bytes, cryptogram under the session's DEK, check value (3 bytes)."""

    size: int
    cryptogram: bytes
    check_value: bytes


def _key_field(key: EncryptedKey) -> bytes:
    value = bytes((key.size,)) + key.cryptogram
    return bytes((layout.KEY_TYPE_AES, len(value))) + value + bytes((len(key.check_value),)) + key.check_value


class DomainClient(ApplicationClient):
    """A security domain, managed by whoever holds its SCP03 keys."""

    def put_key_set(self, kvn: int, keys: Sequence[EncryptedKey], *, replaces: int = 0) -> None:
        """Put an SCP03 key set (ENC, MAC, DEK) as version `kvn`, in place of version `replaces` (0: as a new one)."""
        fields = bytes((kvn,)) + b"".join(map(_key_field, keys))
        response = self.command(CommandAPDU(0x80, 0xD8, replaces, 0x80 | layout.KID_SCP03, fields, ALL), "PUT KEY")
        if response.data != bytes((kvn,)) + b"".join(key.check_value for key in keys):
            raise MalformedResponse("PUT KEY: the card answers other check values")

    def put_public(self, kid: int, kvn: int, key: ec.EllipticCurvePublicKey, *, replaces: int = 0) -> None:
        """Put a public key: KID 10 terminals' certificates, 20 approvals and DAP blocks, 21 tokens."""
        point = encode_point(key)
        fields = bytes((kvn, layout.KEY_TYPE_EC_PUBLIC, len(point))) + point
        fields += bytes((layout.KEY_TYPE_EC_PARAMETERS, 1, layout.CURVE_P256, 0))
        self.command(CommandAPDU(0x80, 0xD8, replaces, kid, fields, ALL), f"PUT KEY {kid:02X}")

    def put_anchor(self, kvn: int, key: ec.EllipticCurvePublicKey, *, replaces: int = 0) -> None:
        """Put the public key that terminals' certificates are verified under (KID 10)."""
        self.put_public(layout.KID_TERMINAL_ANCHOR, kvn, key, replaces=replaces)

    def put_aes_key(self, kid: int, kvn: int, key: EncryptedKey, *, replaces: int = 0) -> None:
        """Put a single AES key: KID 22 makes receipts."""
        command = CommandAPDU(0x80, 0xD8, replaces, kid, bytes((kvn,)) + _key_field(key), ALL)
        told = bytes((kvn,)) + key.check_value
        if self.command(command, f"PUT KEY {kid:02X}").data != told:
            raise MalformedResponse("PUT KEY: the card answers another check value")

    def store_purposes(self, purposes: Sequence[str]) -> None:
        """Replace the list of purposes that the domain takes applications for (BF62); none: it takes none any more."""
        self.store_data(Tlv.build(TAG_PURPOSES, *(Tlv(0x82, purpose.encode()) for purpose in purposes)).encode())

    def purposes(self) -> tuple[str, ...]:
        """Return the list of purposes that the domain takes applications for; MalformedResponse for what is no text."""
        stored = self.get_data(TAG_PURPOSES)
        listed = () if stored is None else _children(stored, TAG_PURPOSES)
        try:
            purposes = tuple(purpose.value.decode() for purpose in listed)
        except UnicodeDecodeError:
            purposes = ("\0",)
        if not all(purpose.isprintable() for purpose in purposes):
            raise MalformedResponse("GET DATA BF62: not a list of purposes")
        return purposes

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

    def install_for_load(
        self,
        load_file: AID,
        *,
        domain: AID | None = None,
        digest: bytes = b"",
        approval: bytes = b"",
        code_size: int | None = None,
        control: bytes = b"",
        sign: Sign | None = None,
    ) -> None:
        """Announce a load file that `load` will bring: into `domain` (None: this one), with the SHA-256 of its data
        block and its signed approval (`approval.sign_form`), where they are asked for.

        `sign` makes the token of delegated management, `control` is the value of B6 that belongs to it; so everywhere
        in this class.
        """
        target = b"" if domain is None else bytes(domain)
        parameters = approval + quotas(code=code_size) + _control(control)
        self._install(0x02, f"INSTALL [for load] {load_file}", bytes(load_file), target, digest, b"", parameters, sign)

    def load(self, structure: bytes) -> Confirmation | None:
        """Bring the load file that was announced (`LoadFileStructure.encode`), in pieces that the connection carries.

        Return the receipt, if the card gives one.
        """
        size = block_size(self.connection.limits)
        blocks = [structure[start : start + size] for start in range(0, len(structure), size)] or [b""]
        for number, block in enumerate(blocks):
            last = number + 1 == len(blocks)
            command = CommandAPDU(0x80, 0xE8, 0x80 if last else 0x00, number & 0xFF, block, ALL)
            response = self.command(command, f"LOAD, block {number + 1} of {len(blocks)}")
        return _confirmation(response)

    def install(
        self,
        module: AID,
        aid: AID,
        privileges: int = 0,
        parameters: bytes = b"",
        *,
        load_file: AID = layout.LOAD_FILE,
        approval: bytes = b"",
        storage: int | None = None,
        volatile: int | None = None,
        selectable: bool = True,
        control: bytes = b"",
        sign: Sign | None = None,
    ) -> Confirmation | None:
        """Install an application of a module in ROM, or in a load file, and make it selectable if that is wanted.

        `privileges` are three bytes, as a number; `approval` is for a module in ROM, where the domain takes only what
        was approved; `storage` and `volatile` are quotas in bytes.
        """
        system = quotas(volatile=volatile, storage=storage)
        whole = Tlv(TAG_SPECIFIC, parameters).encode() + system + approval + _control(control)
        names = (bytes(load_file), bytes(module), bytes(aid), privileges.to_bytes(3))
        return self._install(0x0C if selectable else 0x04, f"INSTALL {aid}", *names, whole, sign)

    def make_selectable(self, aid: AID, *, control: bytes = b"", sign: Sign | None = None) -> Confirmation | None:
        """Make an application selectable that was only installed."""
        what = f"INSTALL [for make selectable] {aid}"
        return self._install(0x08, what, b"", b"", bytes(aid), b"\0", _control(control), sign)

    def extradite(
        self, aid: AID, domain: AID, *, control: bytes = b"", sign: Sign | None = None
    ) -> Confirmation | None:
        """Give an application of this domain to another one."""
        what = f"INSTALL [for extradition] {aid}"
        return self._install(0x10, what, bytes(domain), b"", bytes(aid), b"", _control(control), sign)

    def update_registry(
        self, aid: AID, privileges: int, *, control: bytes = b"", sign: Sign | None = None
    ) -> Confirmation | None:
        """Give an application of this domain other privileges: three bytes, as a number."""
        what = f"INSTALL [for registry update] {aid}"
        return self._install(0x40, what, b"", b"", bytes(aid), privileges.to_bytes(3), _control(control), sign)

    def _install(
        self,
        p1: int,
        what: str,
        first: bytes,
        second: bytes,
        third: bytes,
        privileges: bytes,
        parameters: bytes,
        sign: Sign | None,
    ) -> Confirmation | None:
        fields = install_fields(first, second, third, privileges, parameters)
        token = sign(token_message(p1, 0x00, fields)) if sign else b""
        return _confirmation(self.command(CommandAPDU(0x80, 0xE6, p1, 0x00, fields + install_fields(token), ALL), what))

    def delete(
        self, aid: AID, *, related: bool = False, control: bytes = b"", sign: Sign | None = None
    ) -> Confirmation | None:
        """Delete an application or a load file of this domain; `related`: with all applications made of it."""
        p2 = 0x80 if related else 0x00
        fields = Tlv(0x4F, bytes(aid)).encode() + _control(control)
        token = Tlv(TAG_TOKEN, sign(token_message(0x00, p2, fields))).encode() if sign else b""
        return _confirmation(self.command(CommandAPDU(0x80, 0xE4, 0x00, p2, fields + token, ALL), f"DELETE {aid}"))

    def personalize(self, aid: AID) -> None:
        """Let the next STORE DATA commands of this session go to an application of the domain."""
        fields = b"\0\0" + bytes((len(bytes(aid)),)) + bytes(aid) + b"\0\0\0"
        self.command(CommandAPDU(0x80, 0xE6, 0x20, 0x00, fields, ALL), f"INSTALL [for personalization] {aid}")

    def set_card_state(self, state: int) -> None:
        """Move the card to another life cycle state."""
        self.command(CommandAPDU(0x80, 0xF0, 0x80, state), f"SET STATUS {state:02X}")

    def set_status(self, aid: AID, *, locked: bool, with_applications: bool = False) -> None:
        """Lock or unlock an application or domain, a domain `with_applications` or alone."""
        p1, p2 = 0x60 if with_applications else 0x40, 0x80 if locked else 0x00
        self.command(CommandAPDU(0x80, 0xF0, p1, p2, bytes(aid)), f"SET STATUS {aid}")

    def status(self, scope: int, prefix: bytes = b"") -> list[StatusEntry]:
        """List what the domain may see: `scope` 80 the issuer's domain, 40 applications and domains; with AIDs that
        begin with `prefix`.

        MalformedResponse for a list without end.
        """
        return self._listed(scope, prefix, status_entries)

    def load_files(self, prefix: bytes = b"", *, modules: bool = True) -> list[LoadFileEntry]:
        """List the load files that the domain may see, those in ROM included, with their modules if wanted."""
        return self._listed(0x10 if modules else 0x20, prefix, load_file_entries)

    def _listed(self, scope: int, prefix: bytes, read: Callable[[bytes], list[Listed]]) -> list[Listed]:
        entries: list[Listed] = []
        criteria = Tlv(0x4F, prefix).encode()
        p2 = 0x02
        for _ in range(MAX_STATUS_ANSWERS):
            response = send(self.connection, CommandAPDU(0x80, 0xF2, scope, p2, criteria, ALL))
            if response.sw is StatusWord.REFERENCE_NOT_FOUND:
                return entries
            check(response, "GET STATUS", ok=(StatusWord.OK, StatusWord.MORE_DATA_AVAILABLE))
            found = read(response.data)
            entries += found
            if not found or response.sw is StatusWord.OK:
                return entries
            p2 = 0x03
        raise MalformedResponse(f"GET STATUS: a list that did not end after {MAX_STATUS_ANSWERS} answers")


def block_size(limits: ApduLimits) -> int:
    """Return how many bytes of a load file one LOAD carries, so that it is one command in secure messaging, too."""
    longest = limits.max_command - 9 if limits.extended else 255
    return min(LONGEST_BLOCK, longest - 24)


def _control(value: bytes) -> bytes:
    return Tlv(TAG_CONTROL, value).encode() if value else b""


def _confirmation(response: ResponseAPDU) -> Confirmation | None:
    try:
        return Confirmation.parse(response.data)
    except ValueError:
        raise MalformedResponse("the answer to a change of content is no confirmation") from None


def _children(stored: bytes, tag: int) -> tuple[Tlv, ...]:
    """Return what is in the one data object that GET DATA gives, if it is the one that was asked for."""
    try:
        found = parse_one(stored)
        if found.tag == tag:
            return found.children
    except TlvError:
        pass
    raise MalformedResponse(f"GET DATA {tag:X}: not that data object")
