"""What the rows on passwords do, as the reference model tells it.

Written from docs/card-profile.md and importing nothing of the card's code.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.fuzz.model import OK, Call, Expectation, Model, area
from tests.fuzz.proofs import (
    ACTIVE,
    DEACTIVATED,
    DIGITS,
    ENDED,
    INITIAL,
    NATIONAL,
    OPERATOR_TRIES,
    PASSWORD,
    RESET,
    SCP11A,
    SERVICE,
    SET_INITIAL,
    TRIES,
    Proof,
    expired,
    proof,
    status_with,
)
from tests.fuzz.wire import refuse

PRINTABLE = frozenset(range(0x20, 0x7F))


def _password(model: Model, call: Call, needed: Callable[[Proof, bool], bool]) -> tuple[str, bytes | None, int]:
    """Find the password, check its life cycle and the rule; its cells' prefix, its value, the tries left."""
    cell = _password_cell(call)
    kind = model.kind(call.entry)
    life = model.cells[cell + "h"]
    if life in (DEACTIVATED, ENDED) or (kind == "juki" and expired(model, call.entry)):
        refuse(0x6985)
    if life == INITIAL or not needed(proof(model, call), kind in NATIONAL):
        refuse(0x6982)
    return cell, *_state(model, call, cell)


def _password_cell(call: Call) -> str:
    if call.cmd.p2 != PASSWORD:
        refuse(0x6A88)
    return f"{area(call.entry.instance)}p/{PASSWORD:02x}/"


def _tries(model: Model, call: Call) -> bytes:
    return bytes((OPERATOR_TRIES if model.kind(call.entry) == "operator" else TRIES,))


def _state(model: Model, call: Call, cell: str) -> tuple[bytes | None, int]:
    value, left = model.cells.get(cell + "v"), model.cells.get(cell + "t", _tries(model, call))
    return value, left[0]


def _holder(proved: Proof, juki: bool) -> bool:
    """A holder at a terminal: the password never crosses in the clear."""
    return (proved.in_session if juki else proved.kid == SCP11A) and proved.has(None, 0x03)


def _fits(call: Call, model: Model, value: bytes) -> bool:
    least, most = {"vending": (4, 8), "operator": (6, 16)}.get(model.kind(call.entry), (4, 4))
    return least <= len(value) <= most


def _allowed(call: Call, model: Model, value: bytes) -> bool:
    alphabet = PRINTABLE if model.kind(call.entry) == "operator" else DIGITS
    return _fits(call, model, value) and alphabet.issuperset(value)


def _compare(call: Call, model: Model, cell: str, value: bytes | None, left: int, guess: bytes) -> Expectation | None:
    """What a wrong guess is answered, or None for the right one."""
    if value is None:
        refuse(0x6984)
    if left and not _fits(call, model, guess):
        refuse(0x6A80)
    if left == 0:
        refuse(0x6983)
    if guess == value:
        return None
    return Expectation(frozenset((0x63C0 | left - 1,)), changes={cell + "t": bytes((left - 1,))})


def verify(model: Model, call: Call) -> Expectation:
    if not call.cmd.data:
        value, left = _state(model, call, _password_cell(call))
        return Expectation(frozenset((0x6984 if value is None else 0x63C0 | left,)))
    cell, value, left = _password(model, call, _holder)
    verified = call.channel.verified
    verified.discard(PASSWORD)
    refused = _compare(call, model, cell, value, left, call.cmd.data)
    if refused:
        return refused
    return Expectation(OK, changes={cell + "t": _tries(model, call)}, then=lambda _sw: verified.add(PASSWORD))


def change(model: Model, call: Call) -> Expectation:
    cell, value, left = _password(model, call, _holder)
    data = call.cmd.data
    if len(data) % 2:
        refuse(0x6700)
    old, new = data[: len(data) // 2], data[len(data) // 2 :]
    call.channel.verified.discard(PASSWORD)
    if value is not None and left and not _allowed(call, model, new):
        refuse(0x6A80)
    return _compare(call, model, cell, value, left, old) or _set(model, call, cell, new)


def _set(model: Model, call: Call, cell: str, value: bytes) -> Expectation:
    return Expectation(OK, changes={cell + "v": value, cell + "t": _tries(model, call)})


def set_new(model: Model, call: Call) -> Expectation:
    if model.kind(call.entry) == "operator":
        return _set_operators(model, call)
    right = SET_INITIAL if model.kind(call.entry) == "juki" else SERVICE
    cell, value, _ = _password(model, call, lambda proved, _: proved.has(right, 0x03))
    juki = model.kind(call.entry) == "juki"
    if juki and value is not None:
        refuse(0x6985)
    if not _allowed(call, model, call.cmd.data):
        refuse(0x6A80)
    expected = _set(model, call, cell, call.cmd.data)
    if juki and expected.changes is not None:
        expected.changes.update(status_with(model, call, ACTIVE))
    return expected


def _set_operators(model: Model, call: Call) -> Expectation:
    """The first password by a terminal's right; another one with the old one verified."""

    def allowed(proved: Proof, _: bool) -> bool:
        return proved.has(SET_INITIAL, 0x03) or (logged_in(proved))

    cell, value, _ = _password(model, call, allowed)
    verified = call.channel.verified
    if value is not None and PASSWORD not in verified:
        refuse(0x6985)
    if not _allowed(call, model, call.cmd.data):
        refuse(0x6A80)
    expected = _set(model, call, cell, call.cmd.data)
    assert expected.changes is not None
    expected.changes.update(status_with(model, call, ACTIVE))
    expected.then = lambda _sw: verified.discard(PASSWORD)
    return expected


def logged_in(proved: Proof) -> bool:
    """An operator with the password verified, encrypted towards the card."""
    return proved.in_session and proved.has(None, 0x03) and proved.verified


def reset_counter(model: Model, call: Call) -> Expectation:
    right = RESET if model.kind(call.entry) in NATIONAL else SERVICE
    cell, value, _ = _password(model, call, lambda proved, _: proved.has(right, 0x03))
    data = call.cmd.data
    if bool(data) != (call.cmd.p1 == 0x02):
        refuse(0x6700)
    if value is None:
        refuse(0x6984)
    call.channel.verified.discard(PASSWORD)
    if data and not _allowed(call, model, data):
        refuse(0x6A80)
    return _set(model, call, cell, data or value)
