"""What the face-verification application does, as the reference model tells it.

Written from docs/face-verification.md and importing nothing of the card's code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.fuzz import internal_rules
from tests.fuzz.face_block import BIRTH, FACE
from tests.fuzz.facts import Entry
from tests.fuzz.internal_rules import verified
from tests.fuzz.model import Call, Expectation, Model, area
from tests.fuzz.wire import refuse

OPENERS = {"A": {FACE: 0x93}, "B": {FACE: 0x92, BIRTH: 0x91}}
"""The reference number that opens a file, by the face's version; the other files are free."""


def version(model: Model, entry: Entry) -> str:
    """A or B, or none while the application is empty."""
    own = area(entry.instance)
    if f"{own}f/{FACE:04x}/h" not in model.cells:
        return "none"
    return "B" if f"{own}f/{BIRTH:04x}/h" in model.cells else "A"


def may(model: Model, call: Call, fid: int, mode: str) -> bool:
    """The rule of a file."""
    opener = OPENERS[version(model, call.entry)].get(fid)
    return mode == "read" and (opener is None or opener in verified(call))


def reset_counter(model: Model, call: Call) -> Expectation:
    """The tries alone: nobody changes a reference number."""
    internal_rules.find(model, call, call.cmd.p2)
    if call.cmd.p1 != 0x03:
        refuse(0x6982)
    return internal_rules.reset_counter(model, call)


FACE_RULES: Mapping[str, Callable[[Model, Call], Expectation]] = {
    "VERIFY (internal EF)": internal_rules.verify,
    "RESET RETRY COUNTER": reset_counter,
}
"""What its own rows do, and those that other applications have under the same names."""
