"""What a folder must never do, as the reference model tells it.

Its rows are not predicted one by one: its owner makes what is in it, under any rules.  Told is what security needs:
which cells a row may touch, when a password or key may count as proved and its tries may rise, that a challenge serves
once, and that nobody gets a file's content who does not meet the rule for reading it.

Written from docs/card-profile.md and importing nothing of the card's code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from tests.fuzz.facts import Fact, objects
from tests.fuzz.model import DOCUMENTED, OK, Call, Expectation, Model, area

REFUSALS = frozenset(sw for sw in DOCUMENTED if 0x64 <= sw >> 8 <= 0x6F)
TRIES_TOLD = frozenset(range(0x63C0, 0x63D0))
INITIAL = 0x03
WINDOW, FEWEST_VALUES = 8, 5
"""So many bytes of a content, with so many different values among them, are told apart from chance."""
READING = frozenset((0x33, 0xA2, 0xB0, 0xB1, 0xB2))
_MESSAGE = b"jukicard EXTERNAL AUTHENTICATE 1\0"


class Touch(NamedTuple):
    """The cells that a row may change: their beginning in the application's area, and their end."""

    below: tuple[str, ...]
    ends: tuple[str, ...] = ("",)
    renews: bool = False
    """Whether its success gives tries back."""


_CONTENT, _LIFE = Touch(("f/",), ("/d",)), Touch(("f/", "df"), ("/h", "df"))
TOUCHES = {
    "COMPARE BINARY": Touch(("f/",), ("/c",), renews=True),
    "CREATE FILE": Touch(("f/", "s/", "q")),
    "DELETE FILE": Touch(("f/", "s/", "q")),
    "PUT DATA": Touch(("o/", "q")),
    "PUT DATA (password, key)": Touch(("p/", "y/", "k/", "q"), renews=True),
    "GENERATE ASYMMETRIC KEY PAIR": Touch(("k/",), ("/v",)),
    "CHANGE REFERENCE DATA": Touch(("p/",), ("/v", "/t"), renews=True),
    "CHANGE REFERENCE DATA (new only)": Touch(("p/",), ("/v", "/t"), renews=True),
    "RESET RETRY COUNTER": Touch(("p/",), ("/v", "/t"), renews=True),
    "VERIFY": Touch(("p/",), ("/t",), renews=True),
    "EXTERNAL AUTHENTICATE": Touch(("y/",), ("/t",), renews=True),
    **dict.fromkeys(("UPDATE BINARY", "UPDATE BINARY (offset objects)", "UPDATE RECORD", "APPEND RECORD"), _CONTENT),
    **dict.fromkeys(("ERASE BINARY", "ERASE BINARY (offset objects)"), _CONTENT),
    **dict.fromkeys(("ACTIVATE FILE", "DEACTIVATE FILE", "TERMINATE EF", "TERMINATE DF"), _LIFE),
}


def held(model: Model, call: Call) -> Expectation:
    """Any documented answer, without what is hidden; changes only where the row has any business."""
    touch = TOUCHES.get(call.row.name, Touch((), ()))
    own = area(call.entry.instance)

    def objection(sw: int, changes: Mapping[str, Fact | None]) -> str:
        for cell, new in changes.items():
            counts = cell.endswith(("/t", "/c"))
            if not cell.endswith(touch.ends) or (sw >> 8 == 0x63 and not counts):
                return f"changes {cell}"
            if counts and _rises(model.cells.get(cell), new) and not (touch.renews and sw == 0x9000):
                return f"gives tries back in {cell}"
        return ""

    return Expectation(
        DOCUMENTED,
        None,
        None if call.row.writes else {},
        tuple(own + name for name in touch.below),
        objection=objection,
        hidden=lambda: hidden(model, call),
    )


def _rises(old: Fact | None, new: Fact | None) -> bool:
    return new is not None and old is not None and new > old


# --- passwords and keys


def _counts(call: Call) -> bool:
    """What is proved in the clear beside a session, or in a handshake, counts for nothing."""
    session = call.session
    return session is call.channel.session and (session is None or session.authenticated)


def _cells(call: Call, kind: str) -> str:
    return f"{area(call.entry.instance)}{kind}/{call.cmd.p2:02x}/"


def _outcomes(left: Fact | None, *, right: bool) -> frozenset[int]:
    """The status words after a comparison with the tries left before it (None: as many as there are)."""
    if left == b"\0":
        return REFUSALS
    if right:
        return OK | REFUSALS
    return REFUSALS | (TRIES_TOLD if left is None else {0x63C0 | left[0] - 1})


def verify(model: Model, call: Call) -> Expectation:
    expected = held(model, call)
    expected.data = b""
    cell, guess = _cells(call, "p"), call.cmd.data
    if not guess:
        expected.sws, expected.changes = REFUSALS | TRIES_TOLD, {}
        return expected
    expected.sws = _outcomes(model.cells.get(cell + "t"), right=model.cells.get(cell + "v") == guess)
    expected.areas = (cell,)
    expected.then = lambda sw: _proved(call, call.channel.verified, call.cmd.p2, sw)
    return expected


def _proved(call: Call, proved: set[int], reference: int, sw: int) -> None:
    if sw == 0x9000 and _counts(call):
        proved.add(reference)
    elif sw >> 8 == 0x63:
        proved.discard(reference)


def change(model: Model, call: Call) -> Expectation:
    expected = held(model, call)
    expected.data = b""
    cell, data = _cells(call, "p"), call.cmd.data
    right = model.cells.get(cell + "v") == data[: len(data) // 2]
    expected.sws = _outcomes(model.cells.get(cell + "t"), right=right)
    expected.areas = (cell,)
    expected.then = lambda sw: _forgotten(call, sw)
    return expected


def replace(model: Model, call: Call) -> Expectation:
    """A new password, or all tries for the old one, without a comparison."""
    expected = held(model, call)
    expected.sws, expected.data, expected.areas = OK | REFUSALS, b"", (_cells(call, "p"),)
    if call.row.name == "RESET RETRY COUNTER":
        expected.then = lambda sw: _forgotten(call, sw)
    return expected


def _forgotten(call: Call, sw: int) -> None:
    if sw >> 8 in (0x90, 0x63):
        call.channel.verified.discard(call.cmd.p2)


def external_authenticate(model: Model, call: Call) -> Expectation:
    expected = held(model, call)
    expected.data = b""
    challenge, call.channel.challenge = call.channel.challenge, None
    if challenge is None or challenge[1] is not call.session:
        expected.sws, expected.changes = REFUSALS, {}
        return expected
    own = area(call.entry.instance)
    named = [call.cmd.p2] if call.cmd.p2 else range(0x81, 0xA0)
    keys = {reference: model.cells.get(f"{own}y/{reference:02x}/v") for reference in named}
    value = challenge[0]
    if value is None:
        return expected  # it never reached its host
    right = [ref for ref, key in keys.items() if key and cryptogram(key, call.entry.aid, ref, value) == call.cmd.data]
    if call.cmd.p2:
        expected.sws = _outcomes(model.cells.get(_cells(call, "y") + "t"), right=bool(right))
        expected.areas = (_cells(call, "y"),)
    elif not right:
        expected.sws = REFUSALS | TRIES_TOLD

    def then(sw: int) -> None:
        for reference in right or [call.cmd.p2]:
            _proved(call, call.channel.authenticated, reference, sw)

    expected.then = then
    return expected


def cryptogram(key: bytes, aid: bytes, reference: int, challenge: bytes) -> bytes:
    """What proves a key to the application."""
    mac = CMAC(AES(key))
    mac.update(_MESSAGE + bytes((len(aid),)) + aid + bytes((reference,)) + challenge)
    return mac.finalize()


def name_keys(model: Model, call: Call) -> Expectation:
    expected = held(model, call)

    def then(sw: int) -> None:
        if sw == 0x9000:
            call.channel.names_key = call.cmd.p1 == 0xF3 or call.cmd.p2 == 0xB6

    expected.then = then
    return expected


# --- what is hidden


class Facts(NamedTuple):
    """What is proved for a command, rather too much than too little."""

    passwords: frozenset[int] = frozenset()
    keys: frozenset[int] = frozenset()
    rights: frozenset[int] = frozenset()
    level: int = 0


def hidden(model: Model, call: Call) -> frozenset[bytes]:
    """Pieces of the files' contents that the command may not tell."""
    proved = _facts(call)
    known = model.hidden
    if known[:3] != (call.entry.instance, model.version, proved):
        known = model.hidden = (call.entry.instance, model.version, proved, _hidden(model, call, proved))
    return known[3]


def _facts(call: Call) -> Facts:
    session, channel = call.session, call.channel
    if not _counts(call):
        return Facts()
    rights, level, kids = frozenset[int](), 0, frozenset[int]()
    if session is not None:
        level, kids = session.level, frozenset((session.kid,))
        rights = session.grant.rights or rights if session.grant else rights
    return Facts(frozenset(channel.verified), kids | channel.authenticated, rights, level)


def _hidden(model: Model, call: Call, proved: Facts) -> frozenset[bytes]:
    own = area(call.entry.instance)
    shut: set[bytes] = set()
    told: list[bytes] = []
    for cell in [name for name in model.under(own) if name.endswith("/d")]:
        content, header = model.cells[cell], model.stored(cell[:-1] + "h") or b""
        if any(_met(condition, proved) for condition in reading_conditions(header)):
            told.append(content)
        else:
            shut |= pieces(content)
    told += [model.cells[cell] for cell in model.under(own + "o/")]
    return frozenset(shut.difference(*map(pieces, told)))


@lru_cache(maxsize=1024)
def pieces(content: bytes) -> frozenset[bytes]:
    """The pieces of a content that no chance makes."""
    every = (content[at : at + WINDOW] for at in range(len(content) - WINDOW + 1))
    return frozenset(piece for piece in every if len(set(piece)) >= FEWEST_VALUES)


Condition = tuple[int, bytes]


@lru_cache(maxsize=1024)
def reading_conditions(header: bytes) -> tuple[Condition, ...]:
    """The conditions in a file's control parameters, as stored, one of which must be met to read it."""
    _, (_, life), *rules = objects(header)
    parts = list(objects(rules[0][1] if life[0] == INITIAL else rules[1][1]))
    entries = zip(parts[::2], parts[1::2], strict=True)
    return tuple(condition for (tag, value), condition in entries if _is_about_reading(tag, value))


def _is_about_reading(tag: int, value: bytes) -> bool:
    if tag == 0x80:
        return bool(value[0] & 0x01)
    return not tag & 4 or value[1 if tag & 8 else 0] in READING


_LEVELS = {(0xB4, 0x10): 0x01, (0xB8, 0x10): 0x02, (0xB4, 0x20): 0x10, (0xB8, 0x20): 0x20}
_NESTED: dict[int, Callable[..., bool]] = {0xAF: all, 0xA0: any}


def _met(condition: Condition, proved: Facts) -> bool:
    """Whether a security condition may be met."""
    tag, value = condition
    if tag in _NESTED:
        return _NESTED[tag](_met(part, proved) for part in objects(value))
    parts = dict(objects(value)) if tag in (0xA4, 0xB4, 0xB8) else {}
    if tag in (0xB4, 0xB8):
        return bool(proved.level & _LEVELS[tag, parts[0x95][0]])
    if tag != 0xA4:
        return tag != 0x97  # always; or "not", whatever it is about
    if 0x5F4C in parts:
        return parts[0x5F4C][0] in proved.rights
    return parts[0x83][0] in (proved.passwords if parts[0x95] == b"\x08" else proved.keys)


FOLDER_RULES: dict[str, Callable[[Model, Call], Expectation]] = {
    "VERIFY": verify,
    "CHANGE REFERENCE DATA": change,
    "CHANGE REFERENCE DATA (new only)": replace,
    "RESET RETRY COUNTER": replace,
    "EXTERNAL AUTHENTICATE": external_authenticate,
    "MANAGE SECURITY ENVIRONMENT (SET)": name_keys,
    "MANAGE SECURITY ENVIRONMENT (RESTORE)": name_keys,
}
"""By the row's name; the others are only held to the limits."""
