"""Access rules in the expanded format (ISO/IEC 7816-4; the value of tag AB), as a pure codec.

A value is a list of pairs: one access mode data object (80, a mode byte; 81 to 8F, a command header), then
one condition:

| condition        | encoding                 |
|------------------|--------------------------|
| Always, Never    | 90 00, 97 00             |
| Password(ref)    | A4 {83 ref, 95 08}       |
| Right(number)    | A4 {5F4C number, 95 80}  |
| SessionKey(key)  | A4 {83 key, 95 80}       |
| CommandMac       | B4 {95 10}               |
| CommandEnc       | B8 {95 10}               |
| ResponseMac      | B4 {95 20}               |
| ResponseEnc      | B8 {95 20}               |
| AnyOf, AllOf     | A0 {...}, AF {...}       |
| Not              | A7 {one condition}       |

Right and SessionKey are this project's use of the authentication template: the number of a right in a
terminal's authorization, and the key that was proved: the kind of key (KID, below 80) that opened the secure channel,
or (81 to 9F) a key of the application that EXTERNAL AUTHENTICATE proved. All else in a value is
refused: a rule that is not understood must not be enforced in part. Evaluating conditions is the card's
business, not this module's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntFlag
from functools import lru_cache

from jukicard.iso7816.cla import CLASS_BYTES
from jukicard.iso7816.tlv import Tlv, TlvError, parse_tlvs

MAX_DEPTH = 8
"""Levels of AnyOf, AllOf and Not inside one another."""


class AccessRuleError(ValueError):
    """The bytes are no access rules of this profile, or the values cannot be put into them."""


class AccessMode(IntFlag):
    """What a command wants to do with a file or object: bits of the mode byte.

    The lowest three have other names for DFs: DELETE_CHILD, CREATE_EF, CREATE_DF.
    """

    READ = 0x01
    UPDATE = 0x02
    WRITE = 0x04
    DEACTIVATE = 0x08
    ACTIVATE = 0x10
    TERMINATE = 0x20
    DELETE = 0x40
    DELETE_CHILD = 0x01
    CREATE_EF = 0x02
    CREATE_DF = 0x04


class Condition(ABC):
    """A security condition: a value, compared and hashed by what it says."""

    __slots__ = ()

    @abstractmethod
    def to_tlv(self) -> Tlv:
        """The condition as a data object; AccessRuleError for a number outside one byte."""

    def encode(self) -> bytes:
        """The condition's bytes; AccessRuleError for a number outside one byte."""
        return self.to_tlv().encode()


@dataclass(frozen=True, slots=True)
class Always(Condition):
    """Everybody may."""

    def to_tlv(self) -> Tlv:
        """See Condition."""
        return Tlv(0x90)


@dataclass(frozen=True, slots=True)
class Never(Condition):
    """Nobody may, ever."""

    def to_tlv(self) -> Tlv:
        """See Condition."""
        return Tlv(0x97)


@dataclass(frozen=True, slots=True)
class Password(Condition):
    """The password with this reference (0..255) has been verified."""

    ref: int

    def to_tlv(self) -> Tlv:
        """See Condition."""
        return Tlv.build(0xA4, Tlv(0x83, _byte(self.ref)), Tlv(0x95, b"\x08"))


@dataclass(frozen=True, slots=True)
class Right(Condition):
    """The terminal proved an authorization with the right of this number (0..255)."""

    number: int

    def to_tlv(self) -> Tlv:
        """See Condition."""
        return Tlv.build(0xA4, Tlv(0x5F4C, _byte(self.number)), Tlv(0x95, b"\x80"))


@dataclass(frozen=True, slots=True)
class SessionKey(Condition):
    """The secure channel was opened with a key of this kind (key identifier, 0..127), or a key of the application with
    this reference (129..159) was proved by EXTERNAL AUTHENTICATE.
    """

    kid: int

    def to_tlv(self) -> Tlv:
        """See Condition."""
        return Tlv.build(0xA4, Tlv(0x83, _byte(self.kid)), Tlv(0x95, b"\x80"))


@dataclass(frozen=True, slots=True)
class CommandMac(Condition):
    """The command carried a verified MAC."""

    def to_tlv(self) -> Tlv:
        """See Condition."""
        return Tlv(0xB4, b"\x95\x01\x10")


@dataclass(frozen=True, slots=True)
class CommandEnc(Condition):
    """The command was encrypted."""

    def to_tlv(self) -> Tlv:
        """See Condition."""
        return Tlv(0xB8, b"\x95\x01\x10")


@dataclass(frozen=True, slots=True)
class ResponseMac(Condition):
    """The response will carry a MAC."""

    def to_tlv(self) -> Tlv:
        """See Condition."""
        return Tlv(0xB4, b"\x95\x01\x20")


@dataclass(frozen=True, slots=True)
class ResponseEnc(Condition):
    """The response will be encrypted."""

    def to_tlv(self) -> Tlv:
        """See Condition."""
        return Tlv(0xB8, b"\x95\x01\x20")


@dataclass(frozen=True, slots=True)
class AllOf(Condition):
    """Every one of `conditions` holds; ValueError for none at all."""

    conditions: tuple[Condition, ...]

    def __init__(self, *conditions: Condition) -> None:
        if not conditions:
            raise ValueError("AllOf nothing would always hold")
        object.__setattr__(self, "conditions", conditions)

    def to_tlv(self) -> Tlv:
        """See Condition."""
        return Tlv.build(0xAF, *(condition.to_tlv() for condition in self.conditions))


@dataclass(frozen=True, slots=True)
class AnyOf(Condition):
    """At least one of `conditions` holds; ValueError for none at all."""

    conditions: tuple[Condition, ...]

    def __init__(self, *conditions: Condition) -> None:
        if not conditions:
            raise ValueError("AnyOf nothing would never hold: say Never")
        object.__setattr__(self, "conditions", conditions)

    def to_tlv(self) -> Tlv:
        """See Condition."""
        return Tlv.build(0xA0, *(condition.to_tlv() for condition in self.conditions))


@dataclass(frozen=True, slots=True)
class Not(Condition):
    """`condition` does not hold."""

    condition: Condition

    def to_tlv(self) -> Tlv:
        """See Condition."""
        return Tlv.build(0xA7, self.condition.to_tlv())


ALWAYS = Always()
NEVER = Never()


@dataclass(frozen=True, slots=True)
class ModeDo:
    """What an entry is about: access modes (tag 80), or a command header (tags 81 to 8F).

    For tag 80 `value` is one byte of AccessMode bits, 01..7F. For the others the tag's low bits name the
    header bytes that `value` holds, in their order: b4 CLA, b3 INS, b2 P1, b1 P2 (`84`/`20` is INS 20,
    `87`/`CA 00 66` one GET DATA). A CLA is compared with channel, chaining and secure messaging cleared on
    both sides.
    """

    tag: int
    value: bytes

    @classmethod
    def modes(cls, modes: AccessMode) -> ModeDo:
        """For these access modes, at least one; AccessRuleError for none."""
        return cls(0x80, bytes((modes,)))

    @classmethod
    def header(
        cls, *, cla: int | None = None, ins: int | None = None, p1: int | None = None, p2: int | None = None
    ) -> ModeDo:
        """For commands with these header bytes, at least one given; None is any. AccessRuleError for none."""
        tag, value = 0x80, b""
        for bit, part in ((8, cla), (4, ins), (2, p1), (1, p2)):
            if part is not None:
                tag |= bit
                value += _byte(part)
        return cls(tag, value)

    def __post_init__(self) -> None:
        if not 0x80 <= self.tag <= 0x8F:
            raise AccessRuleError(f"{self.tag:X} is no access mode data object")
        wanted = 1 if self.tag == 0x80 else (self.tag & 0x0F).bit_count()
        if len(self.value) != wanted:
            raise AccessRuleError(f"access mode {self.tag:X} has {wanted} bytes, not {len(self.value)}")
        if self.tag == 0x80 and not 0 < self.value[0] < 0x80:
            raise AccessRuleError(f"{self.value[0]:02X} is no access mode byte")

    def pattern(self) -> tuple[int, int]:
        """The header pattern as two 32-bit numbers, mask and value: a header fits if its masked bytes are the value."""
        mask, wanted = 0, bytearray(4)
        values = iter(self.value)
        for position, bit in enumerate((8, 4, 2, 1)):
            if self.tag & bit:
                mask |= 0xFF << 8 * (3 - position)
                wanted[position] = next(values)
        return mask, _comparable(wanted) & mask


@dataclass(frozen=True, slots=True)
class AccessRules:
    """The rules of one file or object, in the order in which they are tried."""

    entries: tuple[tuple[ModeDo, Condition], ...] = ()
    _patterns: tuple[tuple[int, int, int], ...] = field(init=False, repr=False, compare=False)
    _modes: tuple[tuple[int, int], ...] = field(init=False, repr=False, compare=False)
    _encoded: bytes | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        """Sort the entries by kind: rules are read once and asked for often."""
        numbered = [(number, do) for number, (do, _) in enumerate(self.entries)]
        patterns = tuple((*do.pattern(), number) for number, do in numbered if do.tag != 0x80)
        modes = tuple((do.value[0], number) for number, do in numbered if do.tag == 0x80)
        object.__setattr__(self, "_patterns", patterns)
        object.__setattr__(self, "_modes", modes)

    @classmethod
    def parse(cls, value: bytes) -> AccessRules:
        """Read the value of an AB object; AccessRuleError if any part of it is not understood.

        Results are cached. No bytes at all are no rules: everything is refused.
        """
        return _parse(bytes(value))

    def encode(self) -> bytes:
        """The value for an AB object.

        AccessRuleError for a number outside one byte or conditions nested too deep.
        """
        if self._encoded is None:
            pairs = [Tlv(do.tag, do.value).encode() + condition.encode() for do, condition in self.entries]
            encoded = b"".join(pairs)
            if _parse(encoded) != self:
                raise AccessRuleError("these rules do not survive their encoding")
            object.__setattr__(self, "_encoded", encoded)
        return self._encoded or b""

    def condition_for(self, mode: AccessMode | None, header: Sequence[int]) -> Condition:
        """The condition for a command that asks for `mode` (None: for no mode) with this 4-byte header.

        The first header pattern that matches wins; then the first mode byte that has the mode; without
        either: Never.
        """
        number = self.entry_for(mode, header)
        return NEVER if number is None else self.entries[number][1]

    def entry_for(self, mode: AccessMode | None, header: Sequence[int]) -> int | None:
        """The number (from 0) of the entry whose condition that is, None where there is none."""
        if self._patterns:
            comparable = _comparable(header)
            for mask, wanted, number in self._patterns:
                if comparable & mask == wanted:
                    return number
        wanted_modes = int(mode or 0)
        if wanted_modes:
            for modes, number in self._modes:
                if modes & wanted_modes == wanted_modes:
                    return number
        return None


def _comparable(header: Sequence[int]) -> int:
    """A command header as a number, the class byte without channel, chaining and secure messaging."""
    cla, ins, p1, p2 = header
    return CLASS_BYTES[cla].plain << 24 | ins << 16 | p1 << 8 | p2


def _byte(number: int) -> bytes:
    if not 0 <= number <= 0xFF:
        raise AccessRuleError(f"{number} does not fit one byte")
    return bytes((number,))


@lru_cache(maxsize=4096)
def _parse(value: bytes) -> AccessRules:
    try:
        objects = parse_tlvs(value)
        if len(objects) % 2:
            raise AccessRuleError("every access mode is followed by exactly one condition")
        pairs = zip(objects[::2], objects[1::2], strict=True)
        return AccessRules(tuple((ModeDo(do.tag, do.value), _condition(sc, MAX_DEPTH)) for do, sc in pairs))
    except TlvError as error:
        raise AccessRuleError(str(error)) from error


_LEAVES = (ALWAYS, NEVER, CommandMac(), CommandEnc(), ResponseMac(), ResponseEnc())
_LEAF_OF = {leaf.to_tlv(): leaf for leaf in _LEAVES}


def _condition(item: Tlv, depth: int) -> Condition:
    if leaf := _LEAF_OF.get(item):
        return leaf
    if item.tag == 0xA4:
        return _authentication(item)
    if item.tag not in (0xA0, 0xA7, 0xAF):
        raise AccessRuleError(f"security condition {item.tag:X} is unknown, or its value is")
    if not depth:
        raise AccessRuleError(f"security conditions nested more than {MAX_DEPTH} deep")
    parts = [_condition(child, depth - 1) for child in item.children]
    if not parts:
        raise AccessRuleError(f"security condition {item.tag:X} is empty")
    if item.tag == 0xA0:
        return AnyOf(*parts)
    if item.tag == 0xAF:
        return AllOf(*parts)
    if len(parts) != 1:
        raise AccessRuleError("security condition A7 negates exactly one condition")
    return Not(parts[0])


def _authentication(item: Tlv) -> Condition:
    match item.children:
        case (Tlv(tag=0x83, value=ref), Tlv(tag=0x95, value=b"\x08")) if len(ref) == 1:
            return Password(ref[0])
        case (Tlv(tag=0x83, value=kid), Tlv(tag=0x95, value=b"\x80")) if len(kid) == 1:
            return SessionKey(kid[0])
        case (Tlv(tag=0x5F4C, value=number), Tlv(tag=0x95, value=b"\x80")) if len(number) == 1:
            return Right(number[0])
    raise AccessRuleError("an authentication template that this profile does not know")
