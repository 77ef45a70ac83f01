"""What holds for one command, as the reference model tells it: session, rights, password, the card's city and date.

Written from docs/card-profile.md and importing nothing of the card's code.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.fuzz.domain_rules import city_of, newest_estimate
from tests.fuzz.facts import Entry
from tests.fuzz.model import Call, Model, area

IDENTIFY, SET_INITIAL, RESET, SUSPEND, RESUME, VOID, MOVE, MATCH, _, SERVICE, VENDING, POINTS = range(12)
NATIONWIDE = frozenset((IDENTIFY, MOVE))
SCP03, SCP11A = 0x01, 0x11
INITIAL, DEACTIVATED, ACTIVATED, ENDED = 0x03, 0x04, 0x05, 0x0C
DELIVERED, ACTIVE, SUSPENDED, VOIDED = range(1, 5)
PASSWORD, KEY = 0x81, 0x82
CODE, CERTIFICATES, CARD, STATUS, PATRON, LOANS = 0x0001, 0x0002, 0x0006, 0x0007, 0x0001, 0x0002
EF_DIR, EF_ATR = 0x2F00, 0x2F01
MATCH_TRIES, TRIES, OPERATOR_TRIES, RECORD_SIZE, MAX_RECORDS = 5, 3, 5, 26, 20
DIGITS = frozenset(b"0123456789")
NATIONAL = frozenset(("juki", "operator"))
"""The applications in the Juki domain."""


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
        if kind in NATIONAL:
            rights = grant.rights if grant.city == municipality(model, call.entry) else grant.rights & NATIONWIDE
        elif kind in ("library", "vending", "points") and grant.city == city_of(model.entry(call.entry.domain).aid):
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


def serial_city(model: Model, entry: Entry) -> str:
    """The municipality in the serial of an operator's card, nothing while there is none."""
    serial = content(model, entry, CARD)
    return serial[1:6].decode() if DIGITS.issuperset(serial) and serial[:1] == b"6" else ""


def municipality(model: Model, entry: Entry) -> str:
    if model.kind(entry) == "operator":
        return serial_city(model, entry)
    moved = content(model, entry, STATUS)[1:]
    if any(moved):
        return moved.decode()
    data = card_data(model, entry)
    return data[0] if data else ""


def expired(model: Model, entry: Entry) -> bool:
    estimate, data = newest_estimate(model, entry.domain), card_data(model, entry)
    return estimate is not None and data is not None and estimate > data[1]


def status_with(model: Model, call: Call, state: int) -> dict[str, object]:
    moved = content(model, call.entry, STATUS)[1:]
    return {f"{area(call.entry.instance)}f/{STATUS:04x}/d": bytes((state,)) + moved}
