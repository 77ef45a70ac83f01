"""What the rows on files do, as the reference model tells it.

Written from docs/card-profile.md and importing nothing of the card's code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from tests.fuzz import face_rules, jpki_rules
from tests.fuzz.facts import Entry, tlv
from tests.fuzz.internal_rules import INTERNAL
from tests.fuzz.model import ANY_FILE, ISSUER, OK, Call, Channel, Expectation, Model, Unsure, area, unknown
from tests.fuzz.proofs import (
    CARD,
    CERTIFICATES,
    CODE,
    DEACTIVATED,
    DIGITS,
    EF_ATR,
    EF_DIR,
    ENDED,
    IDENTIFY,
    INITIAL,
    LOANS,
    MATCH,
    MATCH_TRIES,
    MAX_RECORDS,
    PATRON,
    POINTS,
    RECORD_SIZE,
    SERVICE,
    STATUS,
    VENDING,
    Proof,
    content,
    expired,
    proof,
)
from tests.fuzz.service_rules import AUDIT_SIZE, TYPE_SIZE, check_type, file_rule, joined, split
from tests.fuzz.wire import refuse

MAX_LOST = 2
ENDS_QUIETLY = frozenset(("jpki", "face"))
"""The applications that answer 9000 where a file ends before the number of bytes asked for."""


class FileFact(NamedTuple):
    sfi: int
    size: int
    record: int = 0
    most: int = 0
    internal: bool = False

    @property
    def records(self) -> bool:
        return bool(self.record)


_JPKI = {
    **{fid: FileFact(fid, size) for fid, size in jpki_rules.CONTENTS.items()},
    **{fid: FileFact(fid, 0, internal=True) for fid in INTERNAL["jpki"]},
}
_FACE = {
    **{fid: FileFact(fid, 0) for fid in range(0x01, 0x05)},
    **{fid: FileFact(fid, 0, internal=True) for fid in INTERNAL["face"]},
}
FILES = {
    "juki": {
        CODE: FileFact(1, 11),
        CERTIFICATES: FileFact(2, 2048),
        CARD: FileFact(6, 31),
        STATUS: FileFact(7, 6),
    },
    "operator": {CERTIFICATES: FileFact(2, 2048), CARD: FileFact(6, 15), STATUS: FileFact(7, 1)},
    "library": {PATRON: FileFact(1, 10), LOANS: FileFact(2, RECORD_SIZE * MAX_RECORDS, RECORD_SIZE, MAX_RECORDS)},
    "vending": {1: FileFact(1, 64, TYPE_SIZE, 16), 2: FileFact(2, 660, AUDIT_SIZE, 20), 3: FileFact(3, 2048)},
    "points": {fid: FileFact(fid, size) for fid, size in ((1, 137), (2, 65), (3, 37), (4, 81), (5, 320))},
    "jpki": _JPKI,
    "jpki, one key": {fid: fact for fid, fact in _JPKI.items() if fid != jpki_rules.SECOND_KEY},
    "face none": {},
    "face A": {fid: fact for fid, fact in _FACE.items() if fid not in (0x01, 0x11, 0x12)},
    "face B": {fid: fact for fid, fact in _FACE.items() if fid != 0x13},
    "shared": {1: FileFact(1, 30, 30, 1), 2: FileFact(2, 18, 18, 1)},
    "issuer": {EF_DIR: FileFact(0x1E, 0), EF_ATR: FileFact(0x01, 0)},
}


def files_of(model: Model, entry: Entry) -> str | None:
    """Which files an application has: a key of FILES, "none", or None where the model does not know it."""
    kind = model.kind(entry)
    if kind == "domain":
        return "issuer" if entry.instance == ISSUER else "none"
    if kind == "jpki" and not jpki_rules.has_second_key(model, entry):
        return "jpki, one key"
    if kind == "face":
        return f"face {face_rules.version(model, entry)}"
    return kind if kind in FILES else None


def make_current(channel: Channel, fid: int) -> None:
    channel.current = fid


@dataclass(slots=True)
class Target:
    """The file that a command addresses."""

    fid: int
    fact: FileFact
    cell: str
    content: bytes

    @property
    def records(self) -> list[bytes]:
        return split(self.content, self.fact.record)


def _file(model: Model, call: Call, sfi: int, *, records: bool) -> Target:
    known = FILES.get(files_of(model, call.entry) or "", {})
    if sfi:
        fid = next((fid for fid, fact in known.items() if fact.sfi == sfi), None)
        if fid is None:
            refuse(0x6A82)
    else:
        fid = call.channel.current
        if fid is None:
            refuse(0x6986)
        if fid == ANY_FILE:
            raise Unsure
    if known[fid].records != records or known[fid].internal:
        refuse(0x6981)
    stored = computed(model, fid) if call.entry.instance == ISSUER else content(model, call.entry, fid)
    return Target(fid, known[fid], f"{area(call.entry.instance)}f/{fid:04x}/", stored)


def computed(model: Model, fid: int) -> bytes:
    """EF.DIR and EF.ATR/INFO."""
    if fid == EF_DIR:
        return b"".join(
            tlv(0x61, tlv(0x4F, entry.aid) + tlv(0x50, model.module(entry).label))
            for entry in model.registry
            if entry.is_selectable and not entry.privileges & 0x800000
        )
    return bytes.fromhex("4301F9 4703F731FB 7F660A 020300FFFF 020300FFFF")


def _may(model: Model, call: Call, target: Target, mode: str) -> None:
    """Life cycle (6985), then the rule (6982), of a file."""
    if call.entry.instance == ISSUER:
        if mode != "read":
            refuse(0x6982)
        return
    proved = proof(model, call)
    if model.kind(call.entry) == "library":
        if not _library_rule(proved, target.fid, mode):
            refuse(0x6982)
        return
    if model.kind(call.entry) in ("vending", "points"):
        if not file_rule(model.kind(call.entry), proved, target.fid, mode, (SERVICE, VENDING, POINTS)):
            refuse(0x6982)
        return
    if model.kind(call.entry) == "jpki":
        if not jpki_rules.may(model, call, target.fid, mode):
            refuse(0x6982)
        return
    if model.kind(call.entry) == "face":
        if not face_rules.may(model, call, target.fid, mode):
            refuse(0x6982)
        return
    if model.kind(call.entry) == "shared":
        return  # everybody may read
    life = model.cells[target.cell + "h"]
    if life in (DEACTIVATED, ENDED) or (target.fid == CODE and expired(model, call.entry)):
        refuse(0x6985)
    rule = _personalisation_rule if life == INITIAL else _juki_rule
    if not rule(proved, target.fid, mode):
        refuse(0x6982)


def _personalisation_rule(proved: Proof, fid: int, mode: str) -> bool:
    reading = mode in ("read", "compare")
    if fid == CERTIFICATES and reading:
        return True
    return proved.personalises and (reading or (mode == "update" and fid != STATUS))


def _juki_rule(proved: Proof, fid: int, mode: str) -> bool:
    if fid == CODE and mode == "compare":
        return proved.has(MATCH, 0x03)
    if mode not in ("read", "compare"):
        return False
    if fid == CODE:
        return proved.has(IDENTIFY, 0x31) and proved.verified
    return fid == CERTIFICATES or proved.in_session


def _library_rule(proved: Proof, fid: int, mode: str) -> bool:
    if fid == PATRON:
        return mode in ("read", "compare") and proved.has(SERVICE)
    if mode == "update":
        return proved.has(SERVICE)
    return proved.has(SERVICE, 0x31) and proved.verified


def _binary(model: Model, call: Call, mode: str) -> tuple[Target, Callable[[int], None] | None]:
    cmd = call.cmd
    target = _file(model, call, cmd.p1 & 0x1F if cmd.p1 & 0x80 else 0, records=False)
    _may(model, call, target, mode)
    return target, (lambda _sw: make_current(call.channel, target.fid)) if cmd.p1 & 0x80 else None


def _records(model: Model, call: Call, mode: str) -> tuple[Target, Callable[[int], None] | None]:
    sfi = call.cmd.p2 >> 3
    target = _file(model, call, sfi, records=True)
    _may(model, call, target, mode)
    return target, (lambda _sw: make_current(call.channel, target.fid)) if sfi else None


def _offset(call: Call, size: int) -> int:
    offset = call.cmd.p2 if call.cmd.p1 & 0x80 else call.cmd.p1 << 8 | call.cmd.p2
    if offset > size:
        refuse(0x6B00)
    return offset


def read_binary(model: Model, call: Call) -> Expectation:
    target, then = _binary(model, call, "read")
    offset = _offset(call, len(target.content))
    if offset == len(target.content):
        refuse(0x6B00)
    ne = call.cmd.ne or (65536 if call.cmd.extended else 256)
    data = target.content[offset : offset + ne]
    short = call.cmd.ne not in (None, 256, 65536) and len(data) < ne and model.kind(call.entry) not in ENDS_QUIETLY
    return Expectation(frozenset((0x6282,)) if short else OK, data, then=then)


def update_binary(model: Model, call: Call) -> Expectation:
    target, then = _binary(model, call, "update")
    offset = _offset(call, target.fact.size)
    end = offset + len(call.cmd.data)
    if end > target.fact.size:
        refuse(0x6A84)
    written = target.content[:offset] + call.cmd.data + target.content[end:]
    return Expectation(OK, changes={target.cell + "d": written}, then=then)


def compare_binary(model: Model, call: Call) -> Expectation:
    target, then = _binary(model, call, "compare")
    if _offset(call, target.fact.size) or len(call.cmd.data) != target.fact.size:
        refuse(0x6700)
    equal = call.cmd.data == target.content
    if model.kind(call.entry) != "juki" or target.fid != CODE:
        return Expectation(OK if equal else frozenset((0x6300,)), then=then)
    left = model.cells.get(target.cell + "c", bytes((MATCH_TRIES,)))[0]
    if left == 0:
        refuse(0x6983)
    after = MATCH_TRIES if equal else left - 1
    sw = 0x9000 if equal else 0x63C0 | left - 1
    return Expectation(frozenset((sw,)), changes={target.cell + "c": bytes((after,))}, then=then)


def read_record(model: Model, call: Call) -> Expectation:
    if call.cmd.p2 & 7 not in (4, 5) or call.cmd.p1 == 0:
        return unknown(model, call)
    target, then = _records(model, call, "read")
    found = target.records[call.cmd.p1 - 1 :]
    if not found:
        refuse(0x6A83)
    return Expectation(OK, b"".join(found) if call.cmd.p2 & 1 else found[0], then=then)


def update_record(model: Model, call: Call) -> Expectation:
    if call.cmd.p2 & 7 != 4 or call.cmd.p1 == 0:
        return unknown(model, call)
    target, then = _records(model, call, "update")
    found = target.records
    if call.cmd.p1 > len(found):
        refuse(0x6A83)
    new = _of_size(call, target)
    old = found[call.cmd.p1 - 1]
    if model.kind(call.entry) == "library":
        _check_step(proof(model, call), old, new)
    else:
        check_type(old, new, [])
    found[call.cmd.p1 - 1] = new
    return Expectation(OK, changes={target.cell + "d": joined(found)}, then=then)


def append_record(model: Model, call: Call) -> Expectation:
    if call.cmd.p2 & 7 or call.cmd.p1:
        return unknown(model, call)
    target, then = _records(model, call, "append")
    new, found = _of_size(call, target), target.records
    free = len(found)
    if model.kind(call.entry) == "library":
        _check_loan(new)
        going = [one for one in found if one[-1:] in b"LX"]
        lost = sum(one[-1:] == b"X" for one in going)
        if new[-1:] != b"L" or any(one[:17] == new[:17] for one in going) or lost >= MAX_LOST:
            refuse(0x6985)
        if free >= target.fact.most:
            free = next((at for at, one in enumerate(found) if one[-1:] in b"RS"), free)
    else:
        check_type(None, new, [one[0] for one in found])
    if free >= target.fact.most:
        refuse(0x6A84)
    found[free : free + 1] = [new]
    return Expectation(OK, changes={target.cell + "d": joined(found)}, then=then)


def _of_size(call: Call, target: Target) -> bytes:
    if len(call.cmd.data) != target.fact.record:
        refuse(0x6700)
    return call.cmd.data


def _check_loan(record: bytes) -> None:
    if not DIGITS.issuperset(record[:-1]) or record[-1:] not in (b"L", b"R", b"X", b"S"):
        refuse(0x6A80)


def _check_step(proved: Proof, old: bytes, new: bytes) -> None:
    """A loan is renewed, returned or lost; a lost one is settled, with the holder."""
    _check_loan(new)
    if old[:17] != new[:17] or (old + new)[25::26] not in (b"LL", b"LR", b"LX", b"XS"):
        refuse(0x6985)
    if new[17:25] < old[17:25] or (new[-1:] != b"L" and new[17:25] != old[17:25]):
        refuse(0x6985)
    if new[-1:] == b"S" and not proved.verified:
        refuse(0x6982)
