"""GET DATA and STORE DATA (GP 2.3.1, 11.3 and 11.11; Amendment F, 7.3 and 7.4)."""

from __future__ import annotations

from jukicard.applets.gp import layout
from jukicard.applets.gp.approval import TAG_PURPOSES
from jukicard.applets.gp.channel_commands import keys_in_force
from jukicard.applets.gp.content.approvals import PURPOSES_CELL, store_purposes
from jukicard.applets.gp.identity import identity, identity_cell
from jukicard.applets.gp.keystore import DomainKeys, KeyReference
from jukicard.applets.gp.rules import MANAGEMENT
from jukicard.card.commands import ANY, BOTH, FREE, command, data, only
from jukicard.card.context import Context, DomainContext, require_domain
from jukicard.card.errors import CardError
from jukicard.card.registry import ISSUER_DOMAIN
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv, TlvError, parse_tlvs

RECOGNITION = bytes.fromhex(
    "733C"
    "06072A864886FC6B01"  # GlobalPlatform
    "600C060A2A864886FC6B02020301"  # version 2.3.1
    "630906072A864886FC6B03"  # issuer and card are identified by 42 and 45
    "640B06092A864886FC6B040370"  # SCP03, i = 70
    "640B06092A864886FC6B041103"  # SCP11, a and b
)
"""Card recognition data (GP 2.3.1, H.2): the value of 66."""

_LONGEST_MONTHS = {f"{month:02d}": 29 if month == 2 else 30 if month in (4, 6, 9, 11) else 31 for month in range(1, 13)}
_IDENTITY = (
    layout.TAG_ISSUER_NUMBER,
    layout.TAG_CARD_NUMBER,
    layout.TAG_PRODUCTION,
    layout.TAG_CITY_CODE,
    layout.TAG_EXPIRES,
    layout.TAG_CITY_KEY_REFERENCE,
    layout.TAG_CONTACT_ATR,
)


class DataCommands:
    """What a domain tells everybody, and what its owner stores in it."""

    @command(
        BOTH,
        ins=0xCA,
        p1=ANY,
        p2=ANY,
        length=data(0, 255),
        access=FREE,
        writes=False,
        spec="GP 2.3.1, 11.3; Amendment F 1.4, 7.2",
    )
    def get_data(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Return the object whose tag is P1-P2: with an interindustry class its value only, with class 8x the whole.

        6A88: absent.
        """
        tag = cmd.p1 << 8 | cmd.p2
        value = _read(tag, cmd.data, require_domain(ctx))
        if value is None:
            raise CardError(StatusWord.REFERENCE_NOT_FOUND, f"no data object {tag:04X}")
        return ResponseAPDU(Tlv(tag, value).encode() if cmd.cla & 0x80 else value)

    @command(
        BOTH,
        ins=0xE2,
        p1=only(0x80, 0x90),
        length=data(1, 16384),
        access=MANAGEMENT,
        writes=True,
        spec="GP 2.3.1, 11.11; Amendment F 1.4, 7.3",
        name="STORE DATA",
    )
    def store_objects(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Store data objects in the domain, in one block; or, after INSTALL [for personalization], in the application
        named there.
        """
        domain = require_domain(ctx)
        target = ctx.channel.personalises
        if target is not None:
            inside = domain.inside(domain.registry.by_instance(target))
            inside.applet.store_data(inside, cmd.data)
            return ResponseAPDU()
        try:
            objects = parse_tlvs(cmd.data)
            _store(objects, domain)
        except TlvError as error:
            raise CardError(StatusWord.INCORRECT_DATA, str(error)) from None
        return ResponseAPDU()


def _read(tag: int, selector: bytes, ctx: DomainContext) -> bytes | None:
    keys = keys_in_force(ctx)
    match tag:
        case _ if tag in _IDENTITY:
            return identity(ctx, tag)
        case layout.TAG_RECOGNITION:
            return RECOGNITION
        case layout.TAG_KEY_INFORMATION:
            return keys.information()
        case layout.TAG_SEQUENCE_COUNTER:
            return keys.sequence(keys.find(layout.KID_SCP03, 0)).to_bytes(3)
        case layout.TAG_CERTIFICATES:
            return keys.attribute("crt", _selected_key(selector))
        case layout.TAG_TERMINAL_CA_IDENTIFIERS:
            return _ca_identifiers(keys, terminals=True)
        case layout.TAG_CARD_CA_IDENTIFIERS:
            return _ca_identifiers(keys, terminals=False)
        case _ if tag == TAG_PURPOSES:
            return ctx.area.read(PURPOSES_CELL)
    return None


def _selected_key(selector: bytes) -> KeyReference:
    try:
        (reference,) = parse_tlvs(selector)
        (key,) = reference.children
    except (TlvError, ValueError):
        raise CardError(StatusWord.INCORRECT_DATA, "a key is named as A6 {83 02 kid kvn}") from None
    if reference.tag != layout.TAG_CONTROL_REFERENCE:
        raise CardError(StatusWord.INCORRECT_DATA, "a key is named as A6 {83 02 kid kvn}")
    return _key_reference(key)


def _key_reference(tlv: Tlv) -> KeyReference:
    if tlv.tag != layout.TAG_KEY_REFERENCE or len(tlv.value) != 2:
        raise CardError(StatusWord.INCORRECT_DATA, "a key reference is 83 02 kid kvn")
    return KeyReference(*tlv.value)


def _ca_identifiers(keys: DomainKeys, *, terminals: bool) -> bytes | None:
    parts = [
        Tlv(layout.TAG_ISSUER_NUMBER, identifier).encode() + Tlv(layout.TAG_KEY_REFERENCE, bytes(reference)).encode()
        for reference, identifier in keys.with_attribute("ski")
        if (reference.kid == layout.KID_TERMINAL_ANCHOR) == terminals
    ]
    return b"".join(parts) or None


def _store(objects: tuple[Tlv, ...], ctx: DomainContext) -> None:
    """Store what a block holds: identity objects, the list of purposes, or `A6 {…}` followed by what belongs to the key
    that it names.
    """
    first = objects[0]
    if ctx.entry.instance == ISSUER_DOMAIN and all(item.tag in _IDENTITY for item in objects):
        for item in objects:
            ctx.area.write(identity_cell(item.tag), item.value)
        return
    if first.tag == TAG_PURPOSES and len(objects) == 1:
        store_purposes(ctx, first.value)
        return
    if first.tag != layout.TAG_CONTROL_REFERENCE:
        raise CardError(StatusWord.INCORRECT_DATA, f"no data object {first.tag:X} is stored here")
    keys = DomainKeys(ctx.area)
    if len(objects) == 1:
        _store_ca_identifier(first.children, keys)
    elif len(objects) == 2 and len(first.children) == 1:
        reference = _key_reference(first.children[0])
        kind, value = _attribute(objects[1])
        if kind == "day":
            _check_estimate(value, reference, keys)
        keys.set_attribute(kind, reference, value or None)
    else:
        raise CardError(StatusWord.INCORRECT_DATA, "one object is stored for one key at a time")


def _store_ca_identifier(fields: tuple[Tlv, ...], keys: DomainKeys) -> None:
    """Store the identifier of the CA of a key: A6 {80 kind, 42 identifier, 83 key}."""
    if tuple(field.tag for field in fields) != (layout.TAG_CA_KIND, layout.TAG_ISSUER_NUMBER, layout.TAG_KEY_REFERENCE):
        raise CardError(StatusWord.INCORRECT_DATA, "a CA identifier is A6 {80, 42, 83}")
    keys.set_attribute("ski", _key_reference(fields[2]), fields[1].value or None)


def _check_estimate(value: bytes, reference: KeyReference, keys: DomainKeys) -> None:
    """Refuse a date estimate that is no date, of a key that is no anchor (6A80), or that goes back (6985)."""
    digits = value.hex()
    day, month = (int(digits[6:]), digits[4:6]) if len(digits) == 8 and digits.isdigit() else (0, "")
    if not 1 <= day <= _LONGEST_MONTHS.get(month, 0):
        raise CardError(StatusWord.INCORRECT_DATA, "a date is YYYYMMDD in four BCD bytes")
    if reference.kid != layout.KID_TERMINAL_ANCHOR:
        raise CardError(StatusWord.INCORRECT_DATA, "only a trust anchor has a date estimate")
    if value < (keys.attribute("day", reference) or b""):
        raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "an anchor's date estimate only moves forward")


def _attribute(tlv: Tlv) -> tuple[str, bytes]:
    if tlv.tag == layout.TAG_CERTIFICATES:
        if any(certificate.tag != 0x30 for certificate in parse_tlvs(tlv.value)):
            raise CardError(StatusWord.INCORRECT_DATA, "BF21 holds X.509 certificates")
        return "crt", tlv.value
    if tlv.tag == layout.TAG_ALLOW_LIST:
        if any(serial.tag != layout.TAG_CERTIFICATE_SERIAL for serial in parse_tlvs(tlv.value)):
            raise CardError(StatusWord.INCORRECT_DATA, "70 holds certificate serial numbers 93")
        return "alw", tlv.value
    if tlv.tag == layout.TAG_DATE_ESTIMATE:
        return "day", tlv.value
    raise CardError(StatusWord.INCORRECT_DATA, f"no data object {tlv.tag:X} is stored for a key")
