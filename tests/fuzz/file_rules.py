"""What the rows on files do, as the reference model tells it.

Written from docs/card-profile.md and importing nothing of the card's code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from tests.fuzz.facts import Entry, tlv
from tests.fuzz.model import ANY_FILE, ISSUER, OK, Call, Channel, Expectation, Model, Unsure, area, unknown
from tests.fuzz.proofs import (
    CARD,
    CERTIFICATES,
    CODE,
    DEACTIVATED,
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
    RECORD_SIZE,
    SERVICE,
    STATUS,
    Proof,
    content,
    expired,
    proof,
)
from tests.fuzz.wire import refuse


class FileFact(NamedTuple):
    sfi: int
    size: int
    records: bool = False


FILES = {
    "juki": {
        CODE: FileFact(1, 11),
        CERTIFICATES: FileFact(2, 2048),
        CARD: FileFact(6, 31),
        STATUS: FileFact(7, 6),
    },
    "library": {PATRON: FileFact(1, 10), LOANS: FileFact(2, RECORD_SIZE * MAX_RECORDS, True)},
    "issuer": {EF_DIR: FileFact(0x1E, 0), EF_ATR: FileFact(0x01, 0)},
}


def files_of(model: Model, entry: Entry) -> str | None:
    """Which files an application has: a key of FILES, "none", or None where the model does not know it."""
    kind = model.kind(entry)
    if kind == "domain":
        return "issuer" if entry.instance == ISSUER else "none"
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
        step = RECORD_SIZE + 2
        return [self.content[at + 2 : at + step] for at in range(0, len(self.content), step)]


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
    if known[fid].records != records:
        refuse(0x6981)
    stored = computed(model, fid) if call.entry.instance == ISSUER else content(model, call.entry, fid)
    return Target(fid, known[fid], f"{area(call.entry.instance)}f/{fid:04x}/", stored)


def computed(model: Model, fid: int) -> bytes:
    """EF.DIR and EF.ATR/INFO."""
    if fid == EF_DIR:
        return b"".join(
            tlv(0x61, tlv(0x4F, entry.aid) + tlv(0x50, model.modules[entry.module].label))
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
    ne = call.cmd.ne or (65536 if call.cmd.extended else 256)
    data = target.content[offset : offset + ne]
    short = call.cmd.ne not in (None, 256, 65536) and len(data) < ne
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
    if len(call.cmd.data) != RECORD_SIZE:
        refuse(0x6700)
    found[call.cmd.p1 - 1] = call.cmd.data
    return Expectation(OK, changes={target.cell + "d": _joined(found)}, then=then)


def append_record(model: Model, call: Call) -> Expectation:
    if call.cmd.p2 & 7 or call.cmd.p1:
        return unknown(model, call)
    target, then = _records(model, call, "append")
    if len(call.cmd.data) != RECORD_SIZE:
        refuse(0x6700)
    found = target.records
    if len(found) >= MAX_RECORDS:
        refuse(0x6A84)
    return Expectation(OK, changes={target.cell + "d": _joined([*found, call.cmd.data])}, then=then)


def _joined(records: list[bytes]) -> bytes:
    return b"".join(len(record).to_bytes(2) + record for record in records)
