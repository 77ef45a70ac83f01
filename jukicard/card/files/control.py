"""The control parameters of a file that is to be created (ISO/IEC 7816-4, DO 62), read strictly: what is not understood
is refused, not ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jukicard.card.errors import CardError
from jukicard.card.files.structures import DATA_CODING, MAX_RECORDS, FileKind, Files, FileSpec
from jukicard.card.objects import LifeCycle
from jukicard.iso7816.access import AccessRuleError, AccessRules
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import TlvError, parse_one

RESERVED = frozenset((0x0000, 0x3F00, 0x3FFF, 0xFFFF))
"""File identifiers that name no file of an application."""

MAX_SIZE = 0xFFFF
_SIZE, _DESCRIPTOR, _FID, _SFI, _LIFE_CYCLE, _PROPRIETARY, _RULES = 0x80, 0x82, 0x83, 0x88, 0x8A, 0xA5, 0xAB


def incorrect(reason: str) -> CardError:
    """Return the refusal of parameters: 6A80."""
    return CardError(StatusWord.INCORRECT_DATA, reason)


def control_parameters(encoded: bytes, known: frozenset[int]) -> dict[int, bytes]:
    """Return the values in a template 62 by their tags: only `known` ones, each once (6A80)."""
    try:
        template = parse_one(encoded)
        parts = template.children
    except TlvError as error:
        raise incorrect(str(error)) from None
    values = {part.tag: part.value for part in parts}
    if template.tag != 0x62 or len(values) != len(parts) or values.keys() - known:
        raise incorrect("the data are one template 62 of parameters that are known, each once")
    return values


def rules_in(values: Mapping[int, bytes]) -> AccessRules:
    """Return the access rules AB among control parameters; none where there are none.  6A80 if not understood."""
    try:
        return AccessRules.parse(values.get(_RULES, b""))
    except AccessRuleError as error:
        raise incorrect(f"access rules: {error}") from None


def creates_directory(encoded: bytes) -> bool:
    """Return whether the data of CREATE FILE ask for a DF."""
    try:
        return any(part.tag == _DESCRIPTOR and part.value[:1] == b"\x38" for part in parse_one(encoded).children)
    except TlvError:
        return False


@dataclass(frozen=True, slots=True)
class NewFile:
    """What CREATE FILE asks for."""

    spec: FileSpec
    life_cycle: LifeCycle

    @classmethod
    def parse(cls, encoded: bytes, initial: AccessRules, files: Files) -> NewFile:
        """Read the parameters of a file that shall lie among `files`; 6A80, or 6A84 for more than 65,535 bytes.

        For an EF: 82 descriptor, 83 identifier, 80 size (of a transparent one), 88 short identifier (empty: none;
        absent: the low five bits of the identifier, if they are one and free), A5 {C0 tries of COMPARE}; for a DF: 82
        and 83.  For both: 8A life cycle status (03 initialisation, under the rules `initial`; 05, as without it,
        activated), AB access rules.
        """
        values = control_parameters(encoded, _KNOWN)
        kind, record_size, records = _structure(values.get(_DESCRIPTOR, b""))
        fid = int.from_bytes(_exact(values, _FID, 2))
        if fid in RESERVED or files.path[-1:] == (fid,):
            raise incorrect(f"{fid:04X} can be no file here")
        life_cycle = LifeCycle(values.get(_LIFE_CYCLE, b"\x05")[0]) if _is_status(values) else None
        if life_cycle is None:
            raise incorrect("a file begins in its initialisation state or activated")
        if kind is FileKind.DIRECTORY:
            if values.keys() & {_SIZE, _SFI, _PROPRIETARY}:
                raise incorrect("a DF has neither size nor short identifier")
            return cls(FileSpec(fid, kind, initial, rules_in(values)), life_cycle)
        size = _size(values, kind, record_size * records)
        spec = FileSpec(
            fid,
            kind,
            initial,
            rules_in(values),
            sfi=_short_identifier(values, fid, files),
            size=size if kind is FileKind.TRANSPARENT else 0,
            record_size=record_size,
            records=records,
            compare_tries=_compare_tries(values, kind),
        )
        return cls(spec, life_cycle)


_KNOWN = frozenset((_SIZE, _DESCRIPTOR, _FID, _SFI, _LIFE_CYCLE, _PROPRIETARY, _RULES))


def _exact(values: Mapping[int, bytes], tag: int, size: int) -> bytes:
    value = values.get(tag, b"")
    if len(value) != size:
        raise incorrect(f"parameter {tag:02X} has {size} bytes")
    return value


def _is_status(values: Mapping[int, bytes]) -> bool:
    return values.get(_LIFE_CYCLE, b"\x05") in (b"\x03", b"\x05")


def _structure(descriptor: bytes) -> tuple[FileKind, int, int]:
    """Return kind, record size and number of records that a descriptor (DO 82) says."""
    try:
        kind = FileKind(descriptor[0])
    except (IndexError, ValueError):
        raise incorrect("an unknown kind of file") from None
    if kind in (FileKind.TRANSPARENT, FileKind.DIRECTORY):
        if descriptor[1:] not in (b"", DATA_CODING):
            raise incorrect("data units have one byte")
        return kind, 0, 0
    if len(descriptor) != 5 or descriptor[1:2] != DATA_CODING:
        raise incorrect("an EF of records: kind, 41, record size (2 bytes), number of records (1 byte)")
    record_size, records = int.from_bytes(descriptor[2:4]), descriptor[4]
    if not record_size or not 1 <= records <= MAX_RECORDS:
        raise incorrect("an EF has 1 to 254 records of 1 byte or more")
    return kind, record_size, records


def _size(values: Mapping[int, bytes], kind: FileKind, of_records: int) -> int:
    size = int.from_bytes(values.get(_SIZE, b"")) or of_records
    if not size or (kind is not FileKind.TRANSPARENT and size != of_records):
        raise incorrect("the size is missing, or is not that of all records")
    if size > MAX_SIZE:
        raise CardError(StatusWord.NOT_ENOUGH_MEMORY, f"a file has {MAX_SIZE} bytes at most")
    return size


def _short_identifier(values: Mapping[int, bytes], fid: int, files: Files) -> int | None:
    if _SFI not in values:
        implied = fid & 0x1F
        return implied if 1 <= implied <= 30 and not files.has_sfi(implied) else None
    if not values[_SFI]:
        return None
    encoded = _exact(values, _SFI, 1)[0]
    if encoded & 7 or not 1 <= encoded >> 3 <= 30:
        raise incorrect("a short identifier is 1 to 30, in the upper five bits")
    return encoded >> 3


def _compare_tries(values: Mapping[int, bytes], kind: FileKind) -> int:
    value = values.get(_PROPRIETARY)
    if value is None:
        return 0
    if len(value) != 3 or value[:2] != b"\xc0\x01" or not 1 <= value[2] <= 15 or kind is not FileKind.TRANSPARENT:
        raise incorrect("A5 is {C0 01 tries}, 1 to 15, of a transparent file")
    return value[2]
