"""What the Juki application's own rows do, as the reference model tells it.

Written from docs/card-profile.md and importing nothing of the card's code.
"""

from __future__ import annotations

from tests.fuzz import operator_rules
from tests.fuzz.model import ANYTHING, OK, Call, Expectation, Model, area
from tests.fuzz.proofs import (
    ACTIVATED,
    ACTIVE,
    CARD,
    CERTIFICATES,
    CODE,
    DEACTIVATED,
    DELIVERED,
    DIGITS,
    ENDED,
    INITIAL,
    KEY,
    MOVE,
    NATIONAL,
    PASSWORD,
    RESUME,
    STATUS,
    SUSPEND,
    SUSPENDED,
    VOID,
    VOIDED,
    card_data,
    content,
    proof,
    status_with,
)
from tests.fuzz.wire import refuse


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
_REST = (*(f"f/{fid:04x}/h" for fid in (CERTIFICATES, CARD, STATUS)), f"k/{KEY:02x}/h")


def activate(model: Model, call: Call) -> Expectation:
    if model.kind(call.entry) == "operator":
        return operator_rules.activate(model, call)
    life = _life(model, call, RESUME, reviving=True)
    if life == INITIAL:
        _complete(model, call)
    elif life != DEACTIVATED:
        refuse(0x6985)
    moved = _moved(call, ACTIVATED, *_GUARDED, *_REST)
    return Expectation(OK, changes={**moved, **status_with(model, call, DELIVERED if life == INITIAL else ACTIVE)})


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
    if not {"10", "11", "13"} <= {cell.split("/")[3] for cell in model.under(own)}:
        refuse(0x6985)


def _end(model: Model, call: Call, life: int, state: int) -> Expectation:
    call.channel.verified.discard(PASSWORD)
    return Expectation(OK, changes={**_moved(call, life, *_GUARDED), **status_with(model, call, state)})


def deactivate(model: Model, call: Call) -> Expectation:
    _life(model, call, SUSPEND, reviving=False)
    if content(model, call.entry, STATUS)[0] != ACTIVE:
        refuse(0x6985)
    return _end(model, call, DEACTIVATED, SUSPENDED)


def terminate(model: Model, call: Call) -> Expectation:
    _life(model, call, VOID, reviving=True)
    if model.kind(call.entry) == "operator":
        return operator_rules.terminated(model, call)
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
    if model.cells[cell + "h"] == ENDED:
        refuse(0x6985)
    closed = model.kind(call.entry) in NATIONAL and model.cells[cell + "h"] != INITIAL
    if closed or not proof(model, call).personalises:
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
