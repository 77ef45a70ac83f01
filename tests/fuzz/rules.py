"""What each row does, as the reference model tells it: the card's own commands, files, passwords, the applications.

Written from docs/card-profile.md and importing nothing of the card's code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from tests.fuzz.domain_rules import DOMAIN_RULES, city_of, newest_estimate
from tests.fuzz.facts import Entry, tlv
from tests.fuzz.model import (
    ANYTHING,
    CARD_LOCKED,
    CHANNELS,
    ISSUER,
    OK,
    SYSTEM,
    Call,
    Channel,
    Expectation,
    Model,
    area,
    refuse,
    unknown,
)

IDENTIFY, SET_INITIAL, RESET, SUSPEND, RESUME, VOID, MOVE, MATCH, _, SERVICE = range(10)
NATIONWIDE = frozenset((IDENTIFY, MOVE))
SCP03, SCP11A = 0x01, 0x11
INITIAL, DEACTIVATED, ACTIVATED, ENDED = 0x03, 0x04, 0x05, 0x0C
DELIVERED, ACTIVE, SUSPENDED, VOIDED = range(1, 5)
PASSWORD, KEY = 0x81, 0x82
CODE, CERTIFICATES, CARD, STATUS, PATRON, LOANS = 0x0001, 0x0002, 0x0006, 0x0007, 0x0001, 0x0002
EF_DIR, EF_ATR = 0x2F00, 0x2F01
MATCH_TRIES, TRIES, RECORD_SIZE, MAX_RECORDS = 5, 3, 22, 20
DIGITS = frozenset(b"0123456789")


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


@dataclass(slots=True)
class Proof:
    """What is proved for one command: nothing, without a session."""

    kid: int | None = None
    rights: frozenset[int] = frozenset()
    level: int = 0
    verified: bool = False

    def has(self, right: int | None = None, level: int = 0x01) -> bool:
        return (right is None or right in self.rights) and self.level & level == level

    @property
    def personalises(self) -> bool:
        return self.kid == SCP03 and self.level == 0x33

    @property
    def in_session(self) -> bool:
        return self.kid in (SCP03, SCP11A)


def proof(model: Model, call: Call) -> Proof:
    """What holds for the command: nothing in the clear, nothing of a session that is no longer the channel's."""
    session = call.session
    if session is None or session is not call.channel.session or not session.authenticated:
        return Proof()
    rights: frozenset[int] = frozenset()
    grant = session.grant
    if grant is not None and grant.rights is not None:
        kind = model.kind(call.entry)
        if kind == "juki":
            rights = grant.rights if grant.city == municipality(model, call.entry) else grant.rights & NATIONWIDE
        elif kind == "library" and grant.city == city_of(model.entry(call.entry.domain).aid):
            rights = grant.rights
    return Proof(session.kid, rights, session.level, PASSWORD in call.channel.verified)


def content(model: Model, entry: Entry, fid: int) -> bytes:
    found = model.cells.get(f"{area(entry.instance)}f/{fid:04x}/d", b"")
    assert isinstance(found, bytes)
    return found


def card_data(model: Model, entry: Entry) -> tuple[str, int] | None:
    """City code and expiry of EF.CARD, or None while it is not written."""
    data = content(model, entry, CARD)
    numbers = data[:28] + data[29:]
    if len(data) != 31 or not DIGITS.issuperset(numbers) or data[28:29] not in (b"A", b"B"):
        return None
    return data[15:20].decode(), int(data[20:28])


def municipality(model: Model, entry: Entry) -> str:
    moved = content(model, entry, STATUS)[1:]
    if any(moved):
        return moved.decode()
    data = card_data(model, entry)
    return data[0] if data else ""


def expired(model: Model, entry: Entry) -> bool:
    estimate, data = newest_estimate(model, entry.domain), card_data(model, entry)
    return estimate is not None and data is not None and estimate > data[1]


# --- the card's own commands


def select_application(model: Model, call: Call) -> Expectation:
    name, p2 = call.cmd.data, call.cmd.p2
    registry = model.registry
    matches = [entry for entry in registry if entry.is_selectable] if model.card_state < CARD_LOCKED else [registry[0]]
    matches = [entry for entry in matches if entry.aid.startswith(name)]
    if p2 & 0x02:
        instances = [entry.instance for entry in matches]
        if call.channel.application in instances:
            matches = matches[instances.index(call.channel.application) + 1 :]
    if not matches:
        refuse(0x6A82)
    chosen = matches[0]
    if not model.modules[chosen.module].multi_selectable and any(
        other is not None and other is not call.channel and other.application == chosen.instance
        for other in model.channels
    ):
        refuse(0x6985)
    data = b"" if p2 & 0x0C == 0x0C else None
    return Expectation(OK, data, then=lambda _sw: call.channel.select(chosen.instance))


def select_file(model: Model, call: Call) -> Expectation:
    if call.cmd.p1 not in (0x00, 0x02) or call.cmd.p2 not in (0x00, 0x04, 0x0C):
        return unknown(model, call)
    if len(call.cmd.data) != 2:
        refuse(0x6A82)
    entry = call.selected
    if not model.usable(entry):
        refuse(0x6985)
    fid = int.from_bytes(call.cmd.data)
    kind = files_of(model, entry)
    if kind is None:
        return unknown(model, call)
    if fid not in FILES.get(kind, {}):
        refuse(0x6A82)
    return Expectation(OK, b"" if call.cmd.p2 == 0x0C else None, then=lambda _sw: _make_current(call.channel, fid))


def open_channel(model: Model, call: Call) -> Expectation:
    free = [number for number in range(1, CHANNELS) if model.channels[number] is None]
    wanted = call.cmd.p2 or (free[0] if free else 0)
    if wanted not in free:
        refuse(0x6A81)
    application = call.selected.instance if call.channel.number else ISSUER
    if not model.modules[model.entry(application).module].multi_selectable:
        refuse(0x6985)

    def then(_sw: int) -> None:
        model.channels[wanted] = Channel(wanted, application)

    return Expectation(OK, b"" if call.cmd.p2 else bytes((wanted,)), then=then)


def close_channel(model: Model, call: Call) -> Expectation:
    number = call.cmd.p2 or call.channel.number
    if number == 0:
        refuse(0x6A81)
    if model.channels[number] is None:
        return Expectation(frozenset((0x6200,)))

    def then(_sw: int) -> None:
        model.channels[number] = None

    return Expectation(OK, then=then)


def get_challenge(model: Model, call: Call) -> Expectation:
    count = 8 if call.cmd.ne is None else call.cmd.ne
    if count > 256:
        refuse(0x6700)
    return Expectation(OK, count)


def get_response(model: Model, call: Call) -> Expectation:
    waiting, call.channel.pending = call.channel.pending, call.channel.pending
    if waiting is None:
        refuse(0x6985)

    def then(_sw: int) -> None:
        call.channel.pending = None

    return Expectation(waiting[1], waiting[0], then=then)


# --- files


def files_of(model: Model, entry: Entry) -> str | None:
    """Which files an application has: a key of FILES, "none", or None for an application that the model does not know."""
    kind = model.kind(entry)
    if kind == "domain":
        return "issuer" if entry.instance == ISSUER else "none"
    return kind if kind in FILES else None


def _make_current(channel: Channel, fid: int) -> None:
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
    return bytes.fromhex("4301F9 4703D631FB 7F660A 020300FFFF 020300FFFF")


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
    return target, (lambda _sw: _make_current(call.channel, target.fid)) if cmd.p1 & 0x80 else None


def _records(model: Model, call: Call, mode: str) -> tuple[Target, Callable[[int], None] | None]:
    sfi = call.cmd.p2 >> 3
    target = _file(model, call, sfi, records=True)
    _may(model, call, target, mode)
    return target, (lambda _sw: _make_current(call.channel, target.fid)) if sfi else None


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
    left = model.cells.get(target.cell + "c", bytes((MATCH_TRIES,)))[0]  # type: ignore[index]
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


# --- passwords


def _password(model: Model, call: Call, needed: Callable[[Proof, bool], bool]) -> tuple[str, bytes | None, int]:
    """Find the password, check its life cycle and the rule; its cells' prefix, its value, the tries left."""
    cell = _password_cell(call)
    juki = model.kind(call.entry) == "juki"
    life = model.cells[cell + "h"]
    if life in (DEACTIVATED, ENDED) or (juki and expired(model, call.entry)):
        refuse(0x6985)
    if life == INITIAL or not needed(proof(model, call), juki):
        refuse(0x6982)
    return cell, *_state(model, cell)


def _password_cell(call: Call) -> str:
    if call.cmd.p2 != PASSWORD:
        refuse(0x6A88)
    return f"{area(call.entry.instance)}p/{PASSWORD:02x}/"


def _state(model: Model, cell: str) -> tuple[bytes | None, int]:
    value, left = model.cells.get(cell + "v"), model.cells.get(cell + "t", bytes((TRIES,)))
    return value, left[0]  # type: ignore[return-value, index]


def _holder(proved: Proof, juki: bool) -> bool:
    """A holder at a terminal: the password never crosses in the clear."""
    return (proved.in_session if juki else proved.kid == SCP11A) and proved.has(None, 0x03)


def _allowed(value: bytes) -> bool:
    return len(value) == 4 and DIGITS.issuperset(value)


def _compare(call: Call, cell: str, value: bytes | None, left: int, guess: bytes) -> Expectation | None:
    """What a wrong guess is answered, or None for the right one."""
    if value is None:
        refuse(0x6984)
    if left and len(guess) != 4:
        refuse(0x6A80)
    if left == 0:
        refuse(0x6983)
    if guess == value:
        return None
    return Expectation(frozenset((0x63C0 | left - 1,)), changes={cell + "t": bytes((left - 1,))})


def verify(model: Model, call: Call) -> Expectation:
    if not call.cmd.data:
        value, left = _state(model, _password_cell(call))
        return Expectation(frozenset((0x6984 if value is None else 0x63C0 | left,)))
    cell, value, left = _password(model, call, _holder)
    verified = call.channel.verified
    verified.discard(PASSWORD)
    refused = _compare(call, cell, value, left, call.cmd.data)
    if refused:
        return refused
    return Expectation(OK, changes={cell + "t": bytes((TRIES,))}, then=lambda _sw: verified.add(PASSWORD))


def change(model: Model, call: Call) -> Expectation:
    cell, value, left = _password(model, call, _holder)
    data = call.cmd.data
    if len(data) % 2:
        refuse(0x6700)
    old, new = data[: len(data) // 2], data[len(data) // 2 :]
    call.channel.verified.discard(PASSWORD)
    if value is not None and left and not _allowed(new):
        refuse(0x6A80)
    return _compare(call, cell, value, left, old) or _set(cell, new)


def _set(cell: str, value: bytes) -> Expectation:
    return Expectation(OK, changes={cell + "v": value, cell + "t": bytes((TRIES,))})


def set_new(model: Model, call: Call) -> Expectation:
    right = SET_INITIAL if model.kind(call.entry) == "juki" else SERVICE
    cell, value, _ = _password(model, call, lambda proved, _: proved.has(right, 0x03))
    juki = model.kind(call.entry) == "juki"
    if juki and value is not None:
        refuse(0x6985)
    if not _allowed(call.cmd.data):
        refuse(0x6A80)
    expected = _set(cell, call.cmd.data)
    if juki and expected.changes is not None:
        expected.changes.update(_status(model, call, ACTIVE))
    return expected


def reset_counter(model: Model, call: Call) -> Expectation:
    right = RESET if model.kind(call.entry) == "juki" else SERVICE
    cell, value, _ = _password(model, call, lambda proved, _: proved.has(right, 0x03))
    data = call.cmd.data
    if bool(data) != (call.cmd.p1 == 0x02):
        refuse(0x6700)
    if value is None:
        refuse(0x6984)
    call.channel.verified.discard(PASSWORD)
    if data and not _allowed(data):
        refuse(0x6A80)
    return _set(cell, data or value)


# --- the Juki application


def _status(model: Model, call: Call, state: int) -> dict[str, object]:
    moved = content(model, call.entry, STATUS)[1:]
    return {f"{area(call.entry.instance)}f/{STATUS:04x}/d": bytes((state,)) + moved}


def _life(model: Model, call: Call, right: int, *, reviving: bool) -> int:
    """The application's life cycle, if the terminal may move it."""
    life = model.cells[area(call.entry.instance) + "df"]
    assert isinstance(life, int)
    if life == ENDED or (life == DEACTIVATED and not reviving):
        refuse(0x6985)
    proved = proof(model, call)
    personalising = right == RESUME and proved.personalises
    if not (personalising if life == INITIAL else proved.has(right)):
        refuse(0x6982)
    return life


def _moved(call: Call, life: int, *objects: str) -> dict[str, object]:
    return {area(call.entry.instance) + name: life for name in objects}


_GUARDED = ("df", f"f/{CODE:04x}/h", f"p/{PASSWORD:02x}/h")
_REST = tuple(f"f/{fid:04x}/h" for fid in (CERTIFICATES, CARD, STATUS)) + (f"k/{KEY:02x}/h",)


def activate(model: Model, call: Call) -> Expectation:
    life = _life(model, call, RESUME, reviving=True)
    if life == INITIAL:
        _complete(model, call)
    elif life != DEACTIVATED:
        refuse(0x6985)
    moved = _moved(call, ACTIVATED, *_GUARDED, *_REST)
    return Expectation(OK, changes={**moved, **_status(model, call, DELIVERED if life == INITIAL else ACTIVE)})


def _complete(model: Model, call: Call) -> None:
    """Nothing may be missing when personalisation is closed."""
    entry = call.entry
    code = content(model, entry, CODE)
    written = card_data(model, entry) and DIGITS.issuperset(code) and any(content(model, entry, CERTIFICATES))
    if not written:
        refuse(0x6985)
    if f"{area(entry.instance)}k/{KEY:02x}/v" not in model.cells:
        refuse(0x6984)
    own = area(entry.domain) + "key/"
    if not {"10", "11", "13"} <= {cell.split("/")[3] for cell in model.cells if cell.startswith(own)}:
        refuse(0x6985)


def _end(model: Model, call: Call, life: int, state: int) -> Expectation:
    call.channel.verified.discard(PASSWORD)
    return Expectation(OK, changes={**_moved(call, life, *_GUARDED), **_status(model, call, state)})


def deactivate(model: Model, call: Call) -> Expectation:
    _life(model, call, SUSPEND, reviving=False)
    if content(model, call.entry, STATUS)[0] != ACTIVE:
        refuse(0x6985)
    return _end(model, call, DEACTIVATED, SUSPENDED)


def terminate(model: Model, call: Call) -> Expectation:
    _life(model, call, VOID, reviving=True)
    return _end(model, call, ENDED, VOIDED)


def move(model: Model, call: Call) -> Expectation:
    cell = f"{area(call.entry.instance)}f/{STATUS:04x}/"
    if model.cells[cell + "h"] == INITIAL or not proof(model, call).has(MOVE):
        refuse(0x6982)
    state = content(model, call.entry, STATUS)[0]
    if state != ACTIVE:
        refuse(0x6985)
    if not DIGITS.issuperset(call.cmd.data):
        refuse(0x6A80)
    grant = call.session.grant if call.session else None
    if grant is None or grant.city not in (call.cmd.data.decode(), "*"):
        refuse(0x6982)
    return Expectation(OK, changes={cell + "d": bytes((state,)) + call.cmd.data})


def _key_pair(model: Model, call: Call) -> str:
    data = call.cmd.data
    if len(data) != 5 or data[:4] != b"\xb6\x03\x84\x01":
        refuse(0x6A80)
    if data[4] != KEY:
        refuse(0x6A88)
    cell = f"{area(call.entry.instance)}k/{KEY:02x}/"
    if model.cells[cell + "h"] != INITIAL or not proof(model, call).personalises:
        refuse(0x6982)
    return cell


def generate(model: Model, call: Call) -> Expectation:
    cell = _key_pair(model, call)
    if cell + "v" in model.cells:
        refuse(0x6985)
    return Expectation(OK, 70, changes={cell + "v": ANYTHING})


def read_public_key(model: Model, call: Call) -> Expectation:
    if _key_pair(model, call) + "v" not in model.cells:
        refuse(0x6984)
    return Expectation(OK, 70)


def internal_authenticate(model: Model, call: Call) -> Expectation:
    cell = f"{area(call.entry.instance)}k/{KEY:02x}/"
    if model.cells[cell + "h"] == INITIAL:
        refuse(0x6982)
    if cell + "v" not in model.cells:
        refuse(0x6984)
    return Expectation(OK, 64)


def _for_known(rule: Callable[[Model, Call], Expectation]) -> Callable[[Model, Call], Expectation]:
    """A rule for rows that other applications may share, whose files and passwords this model does not know."""

    def known(model: Model, call: Call) -> Expectation:
        return unknown(model, call) if model.kind(call.entry) not in ("juki", "library", "domain") else rule(model, call)

    return known


SHARED = {
    "READ BINARY": read_binary,
    "UPDATE BINARY": update_binary,
    "COMPARE BINARY": compare_binary,
    "READ RECORD": read_record,
    "UPDATE RECORD": update_record,
    "APPEND RECORD": append_record,
    "VERIFY": verify,
    "CHANGE REFERENCE DATA": change,
    "CHANGE REFERENCE DATA (new only)": set_new,
    "RESET RETRY COUNTER": reset_counter,
}
RULES: dict[str, Callable[[Model, Call], Expectation]] = {
    "SELECT (application)": select_application,
    "SELECT (file)": select_file,
    "MANAGE CHANNEL (open)": open_channel,
    "MANAGE CHANNEL (close)": close_channel,
    "GET CHALLENGE": get_challenge,
    "GET RESPONSE": get_response,
    **{name: _for_known(rule) for name, rule in SHARED.items()},
    "CHANGE REFERENCE DATA (initial password)": set_new,
    "ACTIVATE FILE (application)": activate,
    "DEACTIVATE FILE (application)": deactivate,
    "TERMINATE DF (application)": terminate,
    "PUT DATA (new municipality)": move,
    "GENERATE ASYMMETRIC KEY PAIR": generate,
    "GENERATE ASYMMETRIC KEY PAIR (read public key)": read_public_key,
    "INTERNAL AUTHENTICATE": internal_authenticate,
    **DOMAIN_RULES,
}
assert SYSTEM
