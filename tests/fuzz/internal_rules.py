"""Passwords as internal EFs, as the reference model tells it: of the JPKI and the face-verification application.

Written from docs/jpki.md and docs/face-verification.md and importing nothing of the card's code.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.fuzz.model import ANY_FILE, OK, Call, Expectation, Model, Unsure, area
from tests.fuzz.proofs import DIGITS, INITIAL, proof
from tests.fuzz.wire import refuse

CURRENT = 0x80


class Password(NamedTuple):
    """What a password may be, and how often it may be missed."""

    least: int
    most: int
    tries: int
    alphabet: frozenset[int] = DIGITS


PASSWORDS = {
    "jpki": {
        0x9B: Password(6, 16, 5, DIGITS | frozenset(range(ord("A"), ord("Z") + 1))),
        0x98: Password(4, 4, 3),
    },
    "face": {0x91: Password(6, 6, 10), 0x92: Password(14, 14, 10), 0x93: Password(8, 8, 10)},
}
"""By kind of application and reference."""
INTERNAL = {"jpki": frozenset((0x17, 0x18, 0x1A, 0x1B)), "face": frozenset((0x11, 0x12, 0x13))}
"""The internal EFs by FID."""


def verified(call: Call) -> set[int]:
    """The passwords that count for the command: none of the session's in the clear beside it, or in a handshake."""
    session = call.session
    counts = session is call.channel.session and (session is None or session.authenticated)
    return call.channel.verified if counts else set()


def reference(model: Model, call: Call) -> int:
    """What P2 means: an internal EF by its SFI, or the current one."""
    if call.cmd.p2 != CURRENT:
        return call.cmd.p2
    fid = call.channel.current
    if fid is None:
        refuse(0x6986)
    if fid == ANY_FILE:
        raise Unsure
    if fid not in INTERNAL[model.kind(call.entry)]:
        refuse(0x6981)
    return CURRENT | fid


class Found(NamedTuple):
    """A password as it is stored."""

    reference: int
    cell: str
    fact: Password
    initial: bool
    value: bytes | None
    left: int


def find(model: Model, call: Call, number: int) -> Found:
    """The password with that reference; 6A88 where there is none."""
    cell = f"{area(call.entry.instance)}p/{number:02x}/"
    if cell + "h" not in model.cells:
        refuse(0x6A88)
    fact = PASSWORDS[model.kind(call.entry)][number]
    left = model.cells.get(cell + "t", bytes((fact.tries,)))[0]
    return Found(number, cell, fact, model.cells[cell + "h"] == INITIAL, model.cells.get(cell + "v"), left)


def verify(model: Model, call: Call) -> Expectation:
    found, guess = find(model, call, reference(model, call)), call.cmd.data
    if not guess:
        return Expectation(frozenset((0x63C0 | found.left,)))
    if found.initial:
        refuse(0x6982)
    call.channel.verified.discard(found.reference)
    if found.value is None or not found.left:
        refuse(0x6984)
    if not found.fact.least <= len(guess) <= found.fact.most:
        refuse(0x6A80)
    if guess != found.value:
        left = found.left - 1
        return Expectation(frozenset((0x63C0 | left,)), changes={found.cell + "t": bytes((left,))})
    counts = verified(call) is call.channel.verified

    def then(_sw: int) -> None:
        if counts:
            call.channel.verified.add(found.reference)

    return Expectation(OK, changes={found.cell + "t": bytes((found.fact.tries,))}, then=then)


def reset_counter(model: Model, call: Call) -> Expectation:
    found, new = find(model, call, call.cmd.p2), call.cmd.data
    if found.initial or not proof(model, call).personalises:
        refuse(0x6982)
    if bool(new) != (call.cmd.p1 == 0x02):
        refuse(0x6700)
    if found.value is None:
        refuse(0x6984)
    call.channel.verified.discard(found.reference)
    return put(call, found, new or found.value)


def put(call: Call, found: Found, value: bytes) -> Expectation:
    """A new value with all its tries; it has to be verified again."""
    fact = found.fact
    if not fact.least <= len(value) <= fact.most or not fact.alphabet.issuperset(value):
        refuse(0x6A80)
    changes = {found.cell + "v": value, found.cell + "t": bytes((fact.tries,))}
    return Expectation(OK, changes=changes, then=lambda _sw: call.channel.verified.discard(found.reference))
