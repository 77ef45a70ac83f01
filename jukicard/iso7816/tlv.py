"""BER-TLV data objects, strictly (ISO/IEC 7816-4; ISO/IEC 8825-1).

Tags have one to three bytes and keep them, as an integer: 0x84, 0x5F49, 0xBF21. ISO/IEC 7816-4 excludes
second tag bytes below 1F, but the cards of this family use such tags (FF10, DF11), so they are read; only a
second byte of 80 (a leading zero) is refused. Lengths are definite, have at most four bytes (83 xx xx xx) and
the minimal form. A first tag byte 00 is no object but padding, refused unless the caller asks to skip it.

The value of a constructed object is parsed when it is asked for (`children`): GlobalPlatform has objects such
as B0 (a bare elliptic-curve point) whose tags have the constructed bit and whose values are no data objects.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

MAX_LENGTH = 0xFFFFFF


class TlvError(ValueError):
    """The bytes are no well-formed BER-TLV, or the values cannot be put into it.

    Never contains value bytes.
    """


class Tlv(NamedTuple):
    """One data object: `tag` (an integer of 1 to 3 bytes), `value` (at most 16777215 bytes).

    The representation shows the length, never the value: it may be a key.
    """

    tag: int
    value: bytes = b""

    @classmethod
    def build(cls, tag: int, *parts: Tlv | bytes) -> Tlv:
        """An object whose value is the parts in their order, data objects encoded.

        TlvError for an impossible tag.
        """
        encode_tag(tag)
        return cls(tag, b"".join([part.encode() if isinstance(part, Tlv) else part for part in parts]))

    def encode(self) -> bytes:
        """Tag, minimal length, value; TlvError if tag or length is impossible."""
        tag, value = self
        length = len(value)
        if length < 0x80:
            return b"%b%c%b" % (encode_tag(tag), length, value)
        return encode_tag(tag) + encode_length(length) + value

    @property
    def constructed(self) -> bool:
        """Whether the tag says that the value consists of data objects."""
        return encode_tag(self.tag)[0] & 0x20 != 0

    @property
    def children(self) -> tuple[Tlv, ...]:
        """The data objects in the value, order and duplicates kept.

        TlvError if it is primitive or malformed.
        """
        if not self.constructed:
            raise TlvError(f"tag {self.tag:X} is primitive")
        return parse_tlvs(self.value)

    def __repr__(self) -> str:
        return f"Tlv({self.tag:X}, {len(self.value)} bytes)"


@lru_cache(maxsize=1024)
def encode_tag(tag: int) -> bytes:
    """The tag's 1 to 3 bytes; TlvError if the integer is no tag."""
    if not 0 < tag <= 0xFFFFFF:
        raise TlvError(f"a tag has 1 to 3 bytes, not {tag:X}")
    raw = tag.to_bytes((tag.bit_length() + 7) // 8, "big")
    if _take_tag(raw + b"\x00", 0) != (tag, len(raw)):
        raise TlvError(f"{tag:X} is no BER-TLV tag")
    return raw


def encode_length(length: int) -> bytes:
    """The minimal length field, 1 to 4 bytes; TlvError beyond 16777215."""
    if length < 0x80:
        return bytes((length,))
    if length > MAX_LENGTH:
        raise TlvError(f"a value has at most {MAX_LENGTH} bytes, not {length}")
    size = (length.bit_length() + 7) // 8
    return bytes((0x80 | size,)) + length.to_bytes(size, "big")


def parse_tlvs(data: bytes, *, max_depth: int | None = None, padding: bytes = b"") -> tuple[Tlv, ...]:
    """All data objects in `data`, top level; the whole input must be consumed, else TlvError.

    `max_depth`: if given, the values of constructed objects are checked too, all the way down, and more
    levels than this below the top are refused. `padding`: byte values skipped before, between and after the
    top objects (ISO/IEC 7816-4 allows 00 and FF; with FF among them, tags that begin with FF cannot be read).
    """
    found = []
    position, end = 0, len(data)
    while position < end:
        if data[position] in padding:
            position += 1
            continue
        item, position = _take(data, position)
        found.append(item)
    if max_depth is not None:
        _check_depth(found, max_depth)
    return tuple(found)


def parse_one(data: bytes) -> Tlv:
    """The only data object in `data`, nothing after it; else TlvError."""
    item, position = _take(data, 0)
    if position != len(data):
        raise TlvError(f"{len(data) - position} bytes after the data object {item.tag:X}")
    return item


def take_one(data: bytes) -> tuple[Tlv, bytes]:
    """The first data object in `data` and the bytes after it; TlvError if there is none."""
    item, position = _take(data, 0)
    return item, data[position:]


def find(tlvs: Iterable[Tlv], tag: int) -> Tlv | None:
    """The object with this tag among `tlvs` (one level), None if absent; TlvError if there are several."""
    found = [item for item in tlvs if item.tag == tag]
    if len(found) > 1:
        raise TlvError(f"data object {tag:X} occurs {len(found)} times")
    return found[0] if found else None


def _take(data: bytes, position: int) -> tuple[Tlv, int]:
    start = position + 2
    tag, length = head if len(head := data[position:start]) == 2 else (0, 0)
    if not tag or tag & 0x1F == 0x1F or length >= 0x80:  # all but one byte each
        tag, position = _take_tag(data, position)
        length, start = _take_length(data, position)
    end = start + length
    if end > len(data):
        raise TlvError(f"data object {tag:X} of {length} bytes is cut off after {len(data) - start}")
    return Tlv(tag, data[start:end]), end


def _take_tag(data: bytes, position: int) -> tuple[int, int]:
    try:
        tag = data[position]
        if tag == 0:
            raise TlvError("padding where a data object is expected")
        if tag & 0x1F != 0x1F:
            return tag, position + 1
        second = data[position + 1]
        if second < 0x80:
            return tag << 8 | second, position + 2
        third = data[position + 2]
    except IndexError:
        raise TlvError("a tag is cut off") from None
    if second == 0x80 or third >= 0x80:
        raise TlvError("a tag has a leading zero or more than 3 bytes")
    return tag << 16 | second << 8 | third, position + 3


def _take_length(data: bytes, position: int) -> tuple[int, int]:
    if position >= len(data):
        raise TlvError("a length is missing")
    first = data[position]
    if first < 0x80:
        return first, position + 1
    size = first & 0x7F
    if not 1 <= size <= 3:
        raise TlvError("a length is indefinite or has more than 3 further bytes")
    end = position + 1 + size
    if end > len(data):
        raise TlvError("a length is cut off")
    length = int.from_bytes(data[position + 1 : end], "big")
    if length < 0x80 or length >> 8 * (size - 1) == 0:
        raise TlvError("a length is not in its minimal form")
    return length, end


def _check_depth(items: Iterable[Tlv], max_depth: int) -> None:
    level = [item for item in items if item.constructed and item.value]
    for _ in range(max_depth):
        if not level:
            return
        level = [child for item in level for child in item.children if child.constructed and child.value]
    if level:
        raise TlvError(f"data objects nested more than {max_depth} deep")
