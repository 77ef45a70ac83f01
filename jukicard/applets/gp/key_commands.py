"""PUT KEY, key generation and DELETE (GP 2.3.1, 11.8 and 11.2; Amendment F, 7.1; key generation in the form public
hosts speak).
"""

from __future__ import annotations

from jukicard.applets.gp.content.states import move
from jukicard.applets.gp.fields import FieldReader
from jukicard.applets.gp.keystore import DomainKeys, KeyReference
from jukicard.applets.gp.layout import (
    CURVE_P256,
    KEY_TYPE_AES,
    KEY_TYPE_EC_PARAMETERS,
    KEY_TYPE_EC_PRIVATE,
    KEY_TYPE_EC_PUBLIC,
    KID_APPROVAL,
    KID_RECEIPT,
    KID_SCP03,
    KID_SCP11A,
    KID_SCP11B,
    KID_TERMINAL_ANCHOR,
    KID_TOKEN,
    TRANSPORT_KVN,
)
from jukicard.applets.gp.rules import MANAGEMENT
from jukicard.card.commands import ANY, PROPRIETARY, command, data, only
from jukicard.card.context import Context, DomainContext, require_domain
from jukicard.card.errors import CardError
from jukicard.card.registry import ApplicationState
from jukicard.card.security.keypairs import from_scalar, is_scalar
from jukicard.card.volatile import Session
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv
from jukicard.securechannel.scp03 import StaticKeys, decrypt_sensitive, key_check_value
from jukicard.securechannel.scp11 import KeyAgreementError, decode_point, encode_point

_AES_SIZES = (16, 24, 32)
_PUBLIC_KIDS = (KID_TERMINAL_ANCHOR, KID_APPROVAL, KID_TOKEN)
_EC_KIDS = only(*_PUBLIC_KIDS, KID_SCP11A, KID_SCP11B)


class KeyCommands:
    """What changes the keys of a domain, under an SCP03 session with the keys in force."""

    @command(
        PROPRIETARY,
        ins=0xD8,
        p1=ANY,
        p2=only(0x80 | KID_SCP03),
        length=data(4, 255),
        access=MANAGEMENT,
        writes=True,
        spec="GP 2.3.1, 11.8; Amendment D 1.2, 7.2",
        name="PUT KEY (AES key set)",
    )
    def put_key_set(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Store an SCP03 key set (ENC, MAC, DEK) in place of version P1, or with P1 = 00 as a new version.

        The first set put removes the transport keys (version FF); it makes a domain that used its parent's keys
        PERSONALIZED.
        """
        domain = require_domain(ctx)
        fields = FieldReader(cmd.data)
        reference = KeyReference(KID_SCP03, _new_version(fields.byte()))
        session = _session(ctx)
        values, checks = zip(*(_read_aes(fields, session) for _ in range(3)), strict=True)
        fields.end()
        if len({len(value) for value in values}) != 1:
            raise CardError(StatusWord.INCORRECT_DATA, "the keys of a set have one length")
        keys = DomainKeys(ctx.area)
        _replace(keys, cmd.p1, reference)
        transport = KeyReference(KID_SCP03, TRANSPORT_KVN)
        if transport in set(keys.references()):
            keys.delete(transport)
        keys.put_key_set(reference, StaticKeys(*values))
        _personalised(domain)
        return ResponseAPDU(bytes((reference.kvn,)) + b"".join(checks))

    @command(
        PROPRIETARY,
        ins=0xD8,
        p1=ANY,
        p2=_EC_KIDS,
        length=data(4, 255),
        access=MANAGEMENT,
        writes=True,
        spec="GP Amendment F 1.4, 7.1.1",
        name="PUT KEY (EC key)",
    )
    def put_ec_key(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Store a P-256 key: a public one (KID 10 trust anchor, 20 approvals and DAP blocks, 21 tokens), or a private
        one, encrypted under the session's DEK (KID 11, 13).
        """
        fields = FieldReader(cmd.data)
        reference = KeyReference(cmd.p2, _new_version(fields.byte()))
        kind, value = fields.tagged()
        curve = fields.tagged()
        if curve != (KEY_TYPE_EC_PARAMETERS, bytes((CURVE_P256,))) or fields.byte():
            raise CardError(StatusWord.INCORRECT_DATA, "only P-256 keys without a check value are taken")
        fields.end()
        keys = _own_keys(require_domain(ctx))
        _replace(keys, cmd.p1, reference)
        if kind != (KEY_TYPE_EC_PUBLIC if cmd.p2 in _PUBLIC_KIDS else KEY_TYPE_EC_PRIVATE):
            raise CardError(StatusWord.INCORRECT_DATA, f"a key of this type cannot have identifier {cmd.p2:02X}")
        if kind == KEY_TYPE_EC_PUBLIC:
            try:
                keys.put_public(reference, decode_point(value))
            except KeyAgreementError as error:
                raise CardError(StatusWord.INCORRECT_DATA, str(error)) from None
        else:
            keys.put_private(reference, from_scalar(_scalar(value, _session(ctx))))
        return ResponseAPDU(bytes((reference.kvn,)))

    @command(
        PROPRIETARY,
        ins=0xD8,
        p1=ANY,
        p2=only(KID_RECEIPT),
        length=data(4, 255),
        access=MANAGEMENT,
        writes=True,
        spec="GP 2.3.1, 11.8; Amendment D 1.2, 7.2",
        name="PUT KEY (AES key)",
    )
    def put_aes_key(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Store the AES key that makes receipts (KID 22), encrypted under the session's DEK."""
        fields = FieldReader(cmd.data)
        reference = KeyReference(cmd.p2, _new_version(fields.byte()))
        key, check = _read_aes(fields, _session(ctx))
        fields.end()
        keys = _own_keys(require_domain(ctx))
        _replace(keys, cmd.p1, reference)
        keys.put_secret(reference, key)
        return ResponseAPDU(bytes((reference.kvn,)) + check)

    @command(
        PROPRIETARY,
        ins=0xF1,
        p1=ANY,
        p2=only(KID_SCP11A, KID_SCP11B),
        length=data(4, 4),
        access=MANAGEMENT,
        writes=True,
        spec="the form that public hosts speak; GlobalPlatform has none",
        name="GENERATE EC KEY",
    )
    def generate_ec_key(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Generate a P-256 key pair on the chip, in place of version P1 (00: as a new one), and answer its public key
        B0.
        """
        fields = FieldReader(cmd.data)
        reference = KeyReference(cmd.p2, _new_version(fields.byte()))
        if fields.tagged() != (KEY_TYPE_EC_PARAMETERS, bytes((CURVE_P256,))):
            raise CardError(StatusWord.INCORRECT_DATA, "only P-256 keys are generated")
        fields.end()
        keys = _own_keys(require_domain(ctx))
        _replace(keys, cmd.p1, reference)
        key = ctx.ports.keys.ec_p256(ctx.ports.random)
        keys.put_private(reference, key)
        return ResponseAPDU(Tlv(KEY_TYPE_EC_PUBLIC, encode_point(key.public_key())).encode())


def delete_keys(keys: DomainKeys, kid: int | None, kvn: int | None, *, last_too: bool) -> None:
    """Delete all keys of that identifier and/or version (6A88 if there is none); the last SCP03 set only where that is
    said (6985).

    Without one nobody could manage the domain any more.
    """
    present = set(keys.references())
    chosen = {key for key in present if kid in (None, key.kid) and kvn in (None, key.kvn)}
    if not chosen:
        raise CardError(StatusWord.REFERENCE_NOT_FOUND, "no such key")
    if not last_too and not any(key.kid == KID_SCP03 for key in present - chosen):
        raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "this would delete the last SCP03 key set")
    for key in chosen:
        keys.delete(key)


def _own_keys(ctx: DomainContext) -> DomainKeys:
    """Return the domain's own keys.  Its first one is an SCP03 set (6985), or nobody could manage it afterwards."""
    keys = DomainKeys(ctx.area)
    if keys.is_empty:
        raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "the first key of a domain is its SCP03 key set")
    return keys


def _new_version(kvn: int) -> int:
    if not 0x01 <= kvn <= 0x7F:
        raise CardError(StatusWord.INCORRECT_DATA, "a key version is 01 to 7F")
    return kvn


def _replace(keys: DomainKeys, old_version: int, new: KeyReference) -> None:
    """Make room: drop the key that is replaced, which must exist (6A88); a new version must not (6A80)."""
    present = set(keys.references())
    if old_version:
        old = KeyReference(new.kid, old_version)
        if old not in present:
            raise CardError(
                StatusWord.REFERENCE_NOT_FOUND, f"no key {new.kid:02X} with version {old_version:02X} to replace"
            )
        present.discard(old)
        keys.delete(old)
    if new in present:
        raise CardError(StatusWord.INCORRECT_DATA, f"key {new.kid:02X} with version {new.kvn:02X} exists")


def _personalised(ctx: DomainContext) -> None:
    if ctx.entry.domain != ctx.entry.instance and ctx.entry.state == ApplicationState.SELECTABLE:
        move(ctx, ctx.entry, ApplicationState.PERSONALIZED)


def _session(ctx: Context) -> Session:
    if ctx.session is None or ctx.session.dek is None:
        raise CardError(StatusWord.SECURITY_NOT_SATISFIED, "keys are put under an SCP03 session")
    return ctx.session


def _read_aes(fields: FieldReader, session: Session) -> tuple[bytes, bytes]:
    """Read one AES key: `88 L cryptogram`, in the GlobalPlatform form with the key's length before the cryptogram, and
    its check value.
    """
    kind, value = fields.tagged()
    check = fields.lengthed()
    size = len(value)
    if size % 16 == 1:
        size, value = value[0], value[1:]
    if kind != KEY_TYPE_AES or size not in _AES_SIZES or len(value) != (size + 15) // 16 * 16:
        raise CardError(StatusWord.INCORRECT_DATA, "not an AES key")
    key = decrypt_sensitive(session.dek or b"", value)[:size]
    if check != key_check_value(key):
        raise CardError(StatusWord.INCORRECT_DATA, "a key check value does not fit")
    return key, check


def _scalar(value: bytes, session: Session) -> bytes:
    if len(value) != 32:
        raise CardError(StatusWord.INCORRECT_DATA, "not a P-256 private key")
    scalar = decrypt_sensitive(session.dek or b"", value)
    if not is_scalar(scalar):
        raise CardError(StatusWord.INCORRECT_DATA, "not a P-256 private key")
    return scalar
