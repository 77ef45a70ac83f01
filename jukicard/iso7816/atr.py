"""The answer to reset (ISO/IEC 7816-3, 8.2), its historical bytes (ISO/IEC 7816-4), contactless pseudo-ATRs.

A contactless card has no ATR; PC/SC part 3 puts `3B 8n 80 01`, n bytes that the card sent, and a check byte
in its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import xor

from jukicard.iso7816.status import StatusWord

_FI = (372, 372, 558, 744, 1116, 1488, 1860, None, None, 512, 768, 1024, 1536, 2048, None, None)
_DI = (None, 1, 2, 4, 8, 16, 32, 64, 12, 20, None, None, None, None, None, None)
_TA, _TB, _TC, _TD = 0x10, 0x20, 0x40, 0x80
_STATUS_TAG = 8


class AtrError(ValueError):
    """The bytes are no ATR, ATS or historical bytes, or the values cannot be put into them."""


@dataclass(frozen=True, slots=True)
class InterfaceBytes:
    """One group TAi TBi TCi, absent bytes None.

    `protocol`: the T that TD(i-1) announced (0..15), None in the first group.
    """

    protocol: int | None = None
    ta: int | None = None
    tb: int | None = None
    tc: int | None = None


@dataclass(frozen=True, slots=True)
class Atr:
    """An answer to reset. TD bytes and TCK are not values: they follow from the groups.

    `groups`: the first without a protocol, each further one with it. `historical`: 0 to 15 bytes.
    `inverse`: TS is 3F in place of 3B.
    """

    groups: tuple[InterfaceBytes, ...] = (InterfaceBytes(),)
    historical: bytes = b""
    inverse: bool = False

    @classmethod
    def parse(cls, raw: bytes) -> Atr:
        """Read 2 to 33 bytes, TCK checked where there must be one; AtrError for anything else."""
        if not 2 <= len(raw) <= 33 or raw[0] not in (0x3B, 0x3F):
            raise AtrError("an ATR has 2 to 33 bytes and begins with 3B or 3F")
        groups, end = _parse_groups(raw)
        protocols = {group.protocol for group in groups[1:]}
        body_end = end + (raw[1] & 0x0F)
        total = body_end + (1 if protocols - {0} else 0)
        if len(raw) != total:
            raise AtrError(f"this ATR should have {total} bytes, not {len(raw)}")
        if total > body_end and reduce(xor, raw[1:]) != 0:
            raise AtrError("the check byte TCK is wrong")
        return cls(groups, raw[end:body_end], raw[0] == 0x3F)

    def encode(self) -> bytes:
        """The bytes, TCK where a protocol other than T=0 is announced; AtrError for values out of range."""
        if not self.groups or self.groups[0].protocol is not None or len(self.historical) > 15:
            raise AtrError("an ATR has a first group without protocol, and at most 15 historical bytes")
        low = len(self.historical)
        body = bytearray()
        for index, group in enumerate(self.groups):
            if index:
                low = -1 if group.protocol is None else group.protocol
            more = index + 1 < len(self.groups)
            _append_group(body, group, low, more)
        body += self.historical
        if any(group.protocol for group in self.groups):
            body.append(reduce(xor, body))
        if len(body) > 32:
            raise AtrError(f"an ATR has at most 33 bytes, not {len(body) + 1}")
        return (b"\x3f" if self.inverse else b"\x3b") + body

    @property
    def protocols(self) -> tuple[int, ...]:
        """The transmission protocols T offered, in their order, each once; (0,) if none is announced."""
        announced = dict.fromkeys(group.protocol for group in self.groups[1:])
        return tuple(t for t in announced if t is not None and t != 15) or (0,)

    @property
    def fi(self) -> int | None:
        """The clock rate conversion integer Fi of TA1, 372 by default, None for a reserved code."""
        ta = self.groups[0].ta
        return 372 if ta is None else _FI[ta >> 4]

    @property
    def di(self) -> int | None:
        """The baud rate adjustment integer Di of TA1, 1 by default, None for a reserved code."""
        ta = self.groups[0].ta
        return 1 if ta is None else _DI[ta & 0x0F]

    @property
    def extra_guard_time(self) -> int:
        """TC1: extra guard time N in elementary time units, 0 by default; 255 has its own meaning."""
        return self.groups[0].tc or 0

    @property
    def ifsc(self) -> int:
        """T=1: the longest information field that the card takes, in bytes; 32 by default."""
        ta = self._first_for_t1("ta")
        return 32 if ta is None else ta

    @property
    def bwi(self) -> int:
        """T=1: block waiting time integer, 4 by default."""
        tb = self._first_for_t1("tb")
        return 4 if tb is None else tb >> 4

    @property
    def cwi(self) -> int:
        """T=1: character waiting time integer, 13 by default."""
        tb = self._first_for_t1("tb")
        return 13 if tb is None else tb & 0x0F

    def _first_for_t1(self, name: str) -> int | None:
        # Specific to T=1: the first of their kind in a group from the third on (ISO/IEC 7816-3, 11.4.2).
        values = (getattr(group, name) for group in self.groups[2:] if group.protocol == 1)
        return next((value for value in values if value is not None), None)


@dataclass(frozen=True, slots=True)
class HistoricalBytes:
    """Historical bytes by their category indicator (ISO/IEC 7816-4).

    `category`: 00 or 80 (compact-TLV `objects`, pairs of tag 0..15 and 0..15 bytes; 00 ends with a `status`
    of 3 bytes), 10 (`status` is the one-byte DIR data reference), or another (81-8F reserved, the rest
    proprietary: `status` is all that follows). In category 80 the status is the object of tag 8.
    """

    category: int
    objects: tuple[tuple[int, bytes], ...] = ()
    status: bytes = b""

    @classmethod
    def parse(cls, raw: bytes) -> HistoricalBytes:
        """Read 1 to 15 bytes; AtrError for what contradicts its category."""
        if not 1 <= len(raw) <= 15:
            raise AtrError(f"there are 1 to 15 historical bytes, not {len(raw)}")
        category, rest = raw[0], raw[1:]
        if category == 0x80:
            return cls(category, _parse_compact(rest))
        if category == 0x00:
            if len(rest) < 3:
                raise AtrError("category 00 ends with a status indicator of 3 bytes")
            return cls(category, _parse_compact(rest[:-3]), rest[-3:])
        if category == 0x10 and len(rest) != 1:
            raise AtrError("category 10 has one byte, the DIR data reference")
        return cls(category, (), rest)

    def encode(self) -> bytes:
        """The bytes; AtrError for what `parse` would not read back so."""
        if not 0 <= self.category <= 0xFF:
            raise AtrError(f"a category indicator is 0 to 255, not {self.category}")
        raw = bytearray((self.category,))
        for tag, value in self.objects:
            if not 0 <= tag <= 15 or len(value) > 15:
                raise AtrError("a compact-TLV object has a tag of 0 to 15 and at most 15 bytes")
            raw.append(tag << 4 | len(value))
            raw += value
        raw += self.status
        encoded = bytes(raw)
        if HistoricalBytes.parse(encoded) != self:
            raise AtrError("these historical bytes contradict their category")
        return encoded

    def find(self, tag: int) -> bytes | None:
        """The first compact-TLV object of this tag (1 country, 3 services, 7 capabilities), or None."""
        return next((value for found, value in self.objects if found == tag), None)

    @property
    def life_cycle(self) -> int | None:
        """The card's life cycle status byte if it is told."""
        status = self._indicator()
        return status[0] if len(status) in (1, 3) else None

    @property
    def status_word(self) -> StatusWord | None:
        """The status word if it is told."""
        status = self._indicator()
        return StatusWord(int.from_bytes(status[-2:], "big")) if len(status) in (2, 3) else None

    def _indicator(self) -> bytes:
        if self.category == 0x80:
            return self.find(_STATUS_TAG) or b""
        return self.status if self.category == 0x00 else b""


def contactless_type_b(application_data: bytes, protocol_info: bytes, mbli: int = 0) -> Atr:
    """The pseudo-ATR of a type B card (PC/SC part 3; ISO/IEC 14443-3, 7.9).

    `application_data` (4 bytes) and `protocol_info` (3 bytes) are from the ATQB, `mbli` (0..15), the maximum
    buffer length index, from the answer to ATTRIB. AtrError for other sizes.
    """
    if len(application_data) != 4 or len(protocol_info) != 3 or not 0 <= mbli <= 15:
        raise AtrError("type B: 4 bytes of application data, 3 of protocol info, MBLI 0 to 15")
    return _pseudo_atr(application_data + protocol_info + bytes((mbli << 4,)))


def contactless_type_a(ats: bytes) -> Atr:
    """The pseudo-ATR of a type A card from its ATS (TL T0 TA TB TC historical bytes; ISO/IEC 14443-4, 5.2).

    AtrError if the ATS contradicts its length byte, is cut off, or has more than 15 historical bytes.
    """
    if not ats or ats[0] != len(ats):
        raise AtrError("the length byte of the ATS is wrong")
    if len(ats) == 1:
        return _pseudo_atr(b"")
    start = 2 + (ats[1] & (_TA | _TB | _TC)).bit_count()
    if start > len(ats):
        raise AtrError("the interface bytes of the ATS are cut off")
    return _pseudo_atr(ats[start:])


def _pseudo_atr(historical: bytes) -> Atr:
    if len(historical) > 15:
        raise AtrError(f"an ATR has at most 15 historical bytes, not {len(historical)}")
    return Atr((InterfaceBytes(), InterfaceBytes(0), InterfaceBytes(1)), historical)


def _parse_groups(raw: bytes) -> tuple[tuple[InterfaceBytes, ...], int]:
    groups = []
    protocol = None
    indicator, position = raw[1], 2
    while True:
        values: list[int | None] = []
        for bit in (_TA, _TB, _TC, _TD):
            if not indicator & bit:
                values.append(None)
                continue
            if position >= len(raw):
                raise AtrError("the interface bytes are cut off")
            values.append(raw[position])
            position += 1
        ta, tb, tc, td = values
        groups.append(InterfaceBytes(protocol, ta, tb, tc))
        if td is None:
            return tuple(groups), position
        indicator, protocol = td, td & 0x0F


def _append_group(body: bytearray, group: InterfaceBytes, low: int, more: bool) -> None:
    values = ((_TA, group.ta), (_TB, group.tb), (_TC, group.tc))
    present = [(bit, value) for bit, value in values if value is not None]
    if not 0 <= low <= 15 or any(not 0 <= value <= 0xFF for _, value in present):
        raise AtrError("a protocol is 0 to 15, an interface byte 0 to 255")
    body.append(sum(bit for bit, _ in present) | (_TD if more else 0) | low)
    body += bytes(value for _, value in present)


def _parse_compact(raw: bytes) -> tuple[tuple[int, bytes], ...]:
    objects = []
    position = 0
    while position < len(raw):
        tag, length = raw[position] >> 4, raw[position] & 0x0F
        end = position + 1 + length
        if end > len(raw):
            raise AtrError(f"compact-TLV object {tag:X} is cut off")
        objects.append((tag, raw[position + 1 : end]))
        position = end
    return tuple(objects)
