"""What the operator application's own rows do, as the reference model tells it.

Written from docs/operators.md and importing nothing of the card's code.
"""

from __future__ import annotations

from tests.fuzz.model import OK, Call, Expectation, Model, area
from tests.fuzz.password_rules import logged_in
from tests.fuzz.proofs import (
    ACTIVATED,
    CARD,
    CERTIFICATES,
    DELIVERED,
    ENDED,
    INITIAL,
    KEY,
    PASSWORD,
    STATUS,
    VOIDED,
    content,
    proof,
    serial_city,
    status_with,
)
from tests.fuzz.wire import refuse

_GUARDED = ("df", f"p/{PASSWORD:02x}/h", f"k/{KEY:02x}/h")
_FILES = tuple(f"f/{fid:04x}/h" for fid in (CERTIFICATES, CARD, STATUS))


def activate(model: Model, call: Call) -> Expectation:
    own, entry = area(call.entry.instance), call.entry
    life = model.cells[own + "df"]
    if life == ENDED:
        refuse(0x6985)
    if life != INITIAL or not proof(model, call).personalises:
        refuse(0x6982)
    if not serial_city(model, entry) or not any(content(model, entry, CERTIFICATES)):
        refuse(0x6985)
    if f"{own}k/{KEY:02x}/v" not in model.cells:
        refuse(0x6984)
    if not {"10", "11"} <= {cell.split("/")[3] for cell in model.under(area(entry.domain) + "key/")}:
        refuse(0x6985)
    moved = {own + name: ACTIVATED for name in (*_GUARDED, *_FILES)}
    return Expectation(OK, changes={**moved, **status_with(model, call, DELIVERED)})


def terminated(model: Model, call: Call) -> Expectation:
    call.channel.verified.discard(PASSWORD)
    moved = {area(call.entry.instance) + name: ENDED for name in _GUARDED}
    return Expectation(OK, changes={**moved, **status_with(model, call, VOIDED)})


def sign(model: Model, call: Call) -> Expectation:
    cell = f"{area(call.entry.instance)}k/{KEY:02x}/"
    if model.cells[cell + "h"] == ENDED:
        refuse(0x6985)
    if model.cells[cell + "h"] == INITIAL or not logged_in(proof(model, call)):
        refuse(0x6982)
    return Expectation(OK, 64)
