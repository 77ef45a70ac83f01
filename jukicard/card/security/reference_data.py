"""PUT DATA in its form with data objects (ISO/IEC 7816-4, INS DB): how the host makes passwords and keys, and gives
keys their values.

ISO/IEC 7816 names no command for that.  This is the one that widely used cards take: what is to be made is described by
control parameters 62, and a key's value comes in an extended header list 4D.  A password's first value is set by CHANGE
REFERENCE DATA.
"""

from __future__ import annotations

from jukicard.card.commands import INTERINDUSTRY, Guarded, On, command, data, only
from jukicard.card.context import Context
from jukicard.card.errors import CardError
from jukicard.card.files.control import control_parameters, incorrect, rules_in
from jukicard.card.files.dataobjects import application_df
from jukicard.card.files.quota import Quota
from jukicard.card.objects import LifeCycle
from jukicard.card.security.keypairs import KeyPair, KeyPairSpec, from_scalar, is_scalar
from jukicard.card.security.passwords import PasswordSpec
from jukicard.card.security.secretkeys import EXTERNAL, INTERNAL, SecretKey, SecretKeySpec
from jukicard.iso7816.access import AccessRules
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv, TlvError, parse_one, parse_tlvs

_LIMITS, _ALPHABET, _AUTHENTICATION, _RULES, _SIGNATURE = 0x80, 0x81, 0xA4, 0xAB, 0xB6
_KNOWN = frozenset((_LIMITS, _ALPHABET, _AUTHENTICATION, _RULES, _SIGNATURE))
_PASSWORD_USAGE, _SIGNING_USAGE = 0x08, 0x40
_DIGITS = b"0123456789"
_LONGEST_PASSWORD = 64
_VALUE_SIZE = 32
"""What a key's value is counted as."""

_HEADER_LIST, _KEY_TEMPLATE, _KEY_DATA, _SECRET = 0x4D, 0x7F48, 0x5F48, 0x92


def _creates(cmd: CommandAPDU) -> bool:
    return cmd.data[:1] == b"\x62"


def _addressed(cmd: CommandAPDU, ctx: Context) -> Guarded:
    """Return the application's DF where something is made; the key where its value is put in."""
    if _creates(cmd):
        return application_df(cmd, ctx)
    template, _ = _header_list(cmd.data)
    reference = template.value[2]
    return _key_pair_or_secret(ctx, template.tag, reference)


def _key_pair_or_secret(ctx: Context, template: int, reference: int) -> KeyPair | SecretKey:
    if template == _SIGNATURE:
        return ctx.key_pairs.by_reference(reference)
    return ctx.secret_keys.by_reference(reference)


class ReferenceDataCommands:
    """PUT DATA of passwords and keys."""

    @command(
        INTERINDUSTRY,
        ins=0xDB,
        p1=only(0x3F),
        p2=only(0xFF),
        length=data(2, 1024),
        access=On(_addressed, None, "the application, to make passwords and keys; the key, to give it a value"),
        writes=True,
        spec="ISO/IEC 7816-4, data object handling",
        name="PUT DATA (password, key)",
    )
    def put_reference_data(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Make a password or key (62), whose reference must be new (6A89); or store a key's value (4D), which must come
        encrypted (6982).

        62: `A4 {83 ref, 95 08}` with `80 {minimum, maximum, tries}` and perhaps `81` alphabet is a password;
        `A4 {83 ref, 95 80}` (or 40, or C0) with `80 {tries}` an AES key for EXTERNAL (or INTERNAL, or both)
        AUTHENTICATE; `B6 {84 ref, 95 40}` a P-256 key pair for signatures; `AB` holds its rules.  4D: `A4 {83 ref}` or
        `B6 {84 ref}`, `7F48 {92 length}`, `5F48 value`.
        """
        if _creates(cmd):
            _create(ctx, cmd.data)
            return ResponseAPDU()
        if not ctx.facts.command_enc:
            raise CardError(StatusWord.SECURITY_NOT_SATISFIED, "a key's value comes encrypted, or not at all")
        _, value = _header_list(cmd.data)
        target = ctx.target
        if isinstance(target, SecretKey):
            ctx.channel.security.authenticated.discard(target.reference)
            target.set(value)
        else:
            assert isinstance(target, KeyPair)  # noqa: S101  the locator returns nothing else
            if not is_scalar(value):
                raise incorrect("a private key is a scalar of P-256, 32 bytes")
            target.store(from_scalar(value))
        return ResponseAPDU()


def _create(ctx: Context, encoded: bytes) -> None:
    values = control_parameters(encoded, _KNOWN)
    template = _SIGNATURE if _SIGNATURE in values else _AUTHENTICATION
    reference, usage = _reference_and_usage(template, values.get(template, b""))
    _check_new(ctx, reference)
    rules = rules_in(values)
    given = values.keys() - {template, _RULES}
    if template == _SIGNATURE and usage == _SIGNING_USAGE and not given:
        pair = ctx.key_pairs.create(KeyPairSpec(reference, AccessRules(), rules), LifeCycle.ACTIVATED)
        size, header = _VALUE_SIZE, pair.header
    elif template == _AUTHENTICATION and usage == _PASSWORD_USAGE and _LIMITS in given:
        spec = _password(reference, values, rules)
        size, header = spec.maximum, ctx.passwords.create(spec, LifeCycle.ACTIVATED).header
    elif template == _AUTHENTICATION and usage in (EXTERNAL, INTERNAL, EXTERNAL | INTERNAL) and given == {_LIMITS}:
        tries = values[_LIMITS]
        if len(tries) != 1 or not 1 <= tries[0] <= 15:
            raise incorrect("a key has 1 to 15 tries")
        key = SecretKeySpec(reference, usage, tries[0], AccessRules(), rules)
        size, header = _VALUE_SIZE, ctx.secret_keys.create(key, LifeCycle.ACTIVATED).header
    else:
        raise incorrect("neither a password nor a key")
    Quota(ctx.area).charge(header.cost + size)


def _reference_and_usage(template: int, value: bytes) -> tuple[int, int]:
    try:
        parts = parse_tlvs(value)
    except TlvError as error:
        raise incorrect(str(error)) from None
    name = 0x84 if template == _SIGNATURE else 0x83
    match parts:
        case (Tlv(tag=tag, value=reference), Tlv(tag=0x95, value=usage)) if tag == name and len(usage) == 1:
            if len(reference) == 1 and 0x81 <= reference[0] <= 0x9F:
                return reference[0], usage[0]
    raise incorrect("a template names a reference, 81 to 9F, and its usage")


def _check_new(ctx: Context, reference: int) -> None:
    for find in (ctx.passwords.by_reference, ctx.secret_keys.by_reference, ctx.key_pairs.by_reference):
        try:
            find(reference)
        except CardError:
            continue
        raise CardError(StatusWord.FILE_EXISTS, f"reference {reference:02X} is taken")


def _password(reference: int, values: dict[int, bytes], rules: AccessRules) -> PasswordSpec:
    limits, alphabet = values[_LIMITS], values.get(_ALPHABET, _DIGITS)
    if len(limits) != 3 or not alphabet:
        raise incorrect("a password has a shortest and a longest length, tries and an alphabet")
    minimum, maximum, tries = limits
    if not (1 <= minimum <= maximum <= _LONGEST_PASSWORD and 1 <= tries <= 15):
        raise incorrect("a password has 1 to 64 characters and 1 to 15 tries")
    return PasswordSpec(reference, AccessRules(), rules, minimum, maximum, tries, alphabet)


def _header_list(encoded: bytes) -> tuple[Tlv, bytes]:
    """Return the template that names a key, and the key's value."""
    try:
        header_list = parse_one(encoded)
        template, lengths, value = parse_tlvs(header_list.value)
        (name,) = template.children
    except (TlvError, ValueError):
        raise incorrect("a key's value comes as 4D {template, 7F48, 5F48}") from None
    expected = Tlv(_KEY_TEMPLATE, bytes((_SECRET, len(value.value) & 0xFF)))
    named = {_AUTHENTICATION: 0x83, _SIGNATURE: 0x84}.get(template.tag)
    if header_list.tag != _HEADER_LIST or name.tag != named or len(name.value) != 1:
        raise incorrect("a key's value comes as 4D {template, 7F48, 5F48}")
    if value.tag != _KEY_DATA or lengths != expected:
        raise incorrect("7F48 {92 length} tells the length of 5F48")
    return template, value.value
