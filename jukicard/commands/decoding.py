"""Data objects for the eye: a tree with the names of the tags that are known."""

from __future__ import annotations

from collections.abc import Iterator

from jukicard.iso7816.tlv import Tlv, TlvError, parse_tlvs

MAX_DEPTH = 8
SHOWN_BYTES = 48

# ISO/IEC 7816-4:2020 tables 10, 11 and 12.2; GlobalPlatform Card Specification 2.3.1, 7.4, 11.1, 11.3, 11.4 and
# annex H.2; Amendment F for BF21. Tags whose meaning depends on where they stand have the most usual one.
NAMES = {
    0x42: "issuer identification number",
    0x43: "card service data",
    0x45: "card image number",
    0x47: "card capabilities",
    0x4F: "application identifier",
    0x50: "application label",
    0x61: "application template",
    0x62: "file control parameters",
    0x66: "card data",
    0x6F: "file control information",
    0x73: "card recognition data",
    0x7F21: "certificate",
    0x7F49: "public key",
    0x7F66: "extended length information",
    0x80: "number of data bytes",
    0x82: "file descriptor",
    0x83: "file identifier",
    0x84: "DF name",
    0x86: "public key",
    0x88: "short file identifier",
    0x8A: "life cycle status",
    0xA5: "proprietary information",
    0xAB: "access rules, expanded format",
    0xB0: "EC public key",
    0xBF21: "certificates",
    0xC0: "key information",
    0xC1: "sequence counter",
    0xC5: "privileges",
    0xE0: "key information template",
    0xE3: "registry entry",
    0x9F65: "longest command data",
    0x9F70: "life cycle state",
    0x9F7F: "production data",
}


def describe(data: bytes) -> Iterator[str]:
    """Yield the lines of the tree; nothing where the bytes are no data objects."""
    try:
        objects = parse_tlvs(data)
    except TlvError:
        return
    yield from _tree(objects, 0)


def _tree(objects: tuple[Tlv, ...], depth: int) -> Iterator[str]:
    for item in objects:
        inside = _children(item) if depth < MAX_DEPTH else ()
        name = NAMES.get(item.tag, "")
        value = "" if inside else _value(item.value)
        yield "  ".join(part for part in (f"{'  ' * depth}{item.tag:02X}", name, value) if part)
        yield from _tree(inside, depth + 1)


def _children(item: Tlv) -> tuple[Tlv, ...]:
    """Return what is inside, if it is constructed in truth: B0 of GlobalPlatform is not, nor are certificates shown."""
    if item.tag == 0xBF21 or not item.constructed:
        return ()
    try:
        return item.children
    except TlvError:
        return ()


def _value(value: bytes) -> str:
    text = value.decode("ascii") if value.isascii() else ""
    if len(value) > 3 and text.isprintable() and text:
        return repr(text)
    more = f" … ({len(value)} bytes)" if len(value) > SHOWN_BYTES else ""
    return value[:SHOWN_BYTES].hex(" ").upper() + more
