"""What the rows of security domains do, as the reference model tells it.

Handshakes, sessions, terminals' rights and life cycles are told in full.  Of the rows that put keys, install, delete
and store, the way in is told in full (session, card state), and then which status words are possible and which cells
may change.

Written from docs/card-profile.md and importing nothing of the card's code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from tests.fuzz.content_rules import CONTENT_RULES
from tests.fuzz.face_block import PERSONALISED
from tests.fuzz.facts import Entry, objects
from tests.fuzz.gates import gate, management, supervision
from tests.fuzz.model import ISSUER, OK, TERMINATED, Call, Chain, Expectation, Grant, Model, Session, area
from tests.fuzz.wire import Refused, refuse

ANCHOR, SCP03, SCP11A, SCP11B = 0x10, 0x01, 0x11, 0x13
FULL, MAX_SEQUENCE, MAX_CHAIN = 0x33, 0xFFFFFF, 8
TRANSITIONS = {0x01: (0x07,), 0x07: (0x0F,), 0x0F: (0x7F,), 0x7F: (0x0F,)}
SECURITY_DOMAIN, GLOBAL_LOCK, WITH_APPLICATIONS = 0x800000, 0x000800, 0x60
MUNICIPAL = bytes.fromhex("F04A554B4902")
DIGITS = frozenset(b"0123456789")
IDENTITY = (0x42, 0x45, 0x9F7F, 0xF0, 0xF2, 0xF7, 0x5F51)
"""What the issuer's domain stores and every domain tells."""

_P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B


class Certificate(NamedTuple):
    """A certificate that verifies under the key `signer`; keys are points.  `rights` None: no authorization."""

    signer: bytes
    key: bytes
    is_authority: bool
    start: int
    end: int
    serial: int
    rights: frozenset[int] | None
    city: str


def city_of(domain: bytes) -> str | None:
    """The municipality in a municipal domain's name."""
    return domain[6:].hex()[:5] if domain.startswith(MUNICIPAL) and len(domain) == 9 else None


def newest_estimate(model: Model, domain: int) -> int | None:
    """The newest date that a domain's own anchors know."""
    prefix = area(domain) + "day/"
    days = [int(model.cells[cell].hex()) for cell in model.under(prefix)]
    return max(days, default=None)


def keys_in_force(model: Model, entry: Entry) -> tuple[str, list[tuple[int, int]]]:
    """The area and the (kid, kvn) of a domain's keys; its parent's as long as it has none."""
    while True:
        prefix = area(entry.instance) + "key/"
        found = model.under(prefix)
        if found or entry.domain == entry.instance:
            pairs = [(int(kid, 16), int(kvn, 16)) for kid, kvn in (cell.split("/")[3:] for cell in found)]
            return area(entry.instance), pairs
        entry = model.entry(entry.domain)


def _find(pairs: list[tuple[int, int]], kid: int, kvn: int) -> int:
    for pair in pairs:
        if pair[0] == kid and kvn in (0, pair[1]):
            return pair[1]
    raise Refused(0x6A88)


# --- handshakes


def initialize_update(model: Model, call: Call) -> Expectation:
    channel = call.channel
    channel.end_session()
    where, pairs = keys_in_force(model, call.entry)
    kvn = _find(pairs, SCP03, call.cmd.p1)
    cell = f"{where}seq/01/{kvn:02x}"
    counters = model.cells.get(cell, bytes(4))
    assert isinstance(counters, bytes)
    sequence = int.from_bytes(counters[:3]) + 1
    if sequence > MAX_SEQUENCE:
        refuse(0x6985)

    key_set = model.cells[f"{where}key/01/{kvn:02x}"]

    def then(_sw: int) -> None:
        channel.session = Session(SCP03, kvn, 0x01, authenticated=False, key_set=key_set)

    written = sequence.to_bytes(3) + bytes((min(255, counters[3] + 1),))
    return Expectation(OK, 32, {cell: written}, then=then)


def external_authenticate(model: Model, call: Call) -> Expectation:
    session, level = call.session, call.cmd.p1
    if session is None or session.authenticated or session.kid != SCP03:
        refuse(0x6985)
    if session.expected != call.cmd.data:
        call.channel.end_session()
        return Expectation(frozenset((0x6300,)))
    where, _ = keys_in_force(model, call.entry)
    if model.cells.get(f"{where}key/01/{session.kvn:02x}") != session.key_set:
        call.channel.end_session()
        refuse(0x6A88)
    cell = f"{where}seq/01/{session.kvn:02x}"
    counters = model.cells.get(cell, bytes(4))
    assert isinstance(counters, bytes)

    def then(_sw: int) -> None:
        session.authenticated, session.level = True, level

    return Expectation(OK, changes={cell: counters[:3] + b"\0"}, then=then)


def verify_certificate(model: Model, call: Call) -> Expectation:
    channel, entry = call.channel, call.entry
    where, pairs = keys_in_force(model, entry)
    kvn = _find(pairs, ANCHOR, call.cmd.p1)
    chain = channel.chain
    channel.end_session()
    reference = f"{ANCHOR:02x}/{kvn:02x}"
    day = model.cells.get(f"{where}day/{reference}")
    estimate = int(day.hex()) if isinstance(day, bytes) and day else None
    if chain is None or chain.complete or (chain.domain, chain.kvn) != (entry.instance, kvn):
        chain = Chain(entry.instance, kvn, estimate)
    anchor = model.cells[f"{where}key/{reference}"]
    assert isinstance(anchor, bytes)
    last = not call.cmd.p2 & 0x80
    shown = model.certificates.get(call.cmd.data)
    if shown is None or not _takes(chain, shown, chain.shown[-1].key if chain.shown else anchor[2:], last=last):
        refuse(0x6982)
    changes: dict[str, object] = {}
    if last:
        changes = _accepted(model, chain, shown, where, reference, estimate)
    elif chain.today is not None:
        chain.today = max(chain.today, shown.start)
    chain.shown.append(shown)
    chain.complete = last

    def then(_sw: int) -> None:
        channel.chain = chain

    return Expectation(OK, changes=changes, then=then)


def _takes(chain: Chain, shown: Certificate, signer: bytes, *, last: bool) -> bool:
    in_time = chain.today is None or shown.end >= chain.today
    return len(chain.shown) < MAX_CHAIN and shown.signer == signer and in_time and shown.is_authority is not last


def _accepted(
    model: Model, chain: Chain, leaf: Certificate, where: str, reference: str, estimate: int | None
) -> dict[str, object]:
    """The allow-list must name the leaf, if there is one; the newest CA moves the estimate forward."""
    allowed = model.cells.get(f"{where}alw/{reference}")
    if isinstance(allowed, bytes) and allowed and leaf.serial not in _serials(allowed):
        refuse(0x6982)
    newest = max((authority.start for authority in chain.shown), default=0)
    if estimate is None or newest <= estimate:
        return {}
    return {f"{where}day/{reference}": bytes.fromhex(f"{newest:08d}")}


def _serials(allowed: bytes) -> set[int]:
    return {int.from_bytes(value) for _, value in objects(allowed)}


def granted(chain: Chain) -> Grant:
    """The intersection of a chain's authorizations."""
    leaf = chain.shown[-1]
    if any(shown.rights is None for shown in chain.shown):
        return Grant(None)
    rights, city = leaf.rights, leaf.city
    for above in reversed(chain.shown[:-1]):
        if above.city in ("*", city):
            rights &= above.rights
        elif city == "*":
            rights, city = rights & above.rights, above.city
        else:
            rights = frozenset()
    return Grant(rights, city)


def _agreement(model: Model, call: Call, variant: int, kid: int, grant: Grant | None) -> Expectation:
    _, pairs = keys_in_force(model, call.entry)
    kvn = _find(pairs, kid, call.cmd.p1)
    head = bytes((0xA6, 0x0D, 0x90, 0x02, 0x11, variant, 0x95, 1, 0x3C, 0x80, 1, 0x88, 0x81, 1, 0x10, 0x5F, 0x49, 65))
    data = call.cmd.data
    if len(data) != len(head) + 65 or not data.startswith(head) or not _on_curve(data[len(head) :]):
        refuse(0x6A80)

    def then(_sw: int) -> None:
        call.channel.end_session()
        call.channel.session = Session(kid, kvn, FULL, authenticated=True, grant=grant)

    return Expectation(OK, 86, then=then)


def _on_curve(point: bytes) -> bool:
    x, y = int.from_bytes(point[1:33]), int.from_bytes(point[33:])
    return point[0] == 4 and x < _P and y < _P and (y * y - x * x * x + 3 * x - _B) % _P == 0


def mutual_authenticate(model: Model, call: Call) -> Expectation:
    chain = call.channel.chain
    call.channel.end_session()
    if chain is None or not chain.complete or chain.domain != call.entry.instance:
        refuse(0x6985)
    return _agreement(model, call, 0x01, SCP11A, granted(chain))


def authenticate_card(model: Model, call: Call) -> Expectation:
    call.channel.end_session()
    return _agreement(model, call, 0x00, SCP11B, None)


# --- what the domain's owner does


_for_personalization = management(0x9000, 0x6A80, 0x6A88)


def personalize(model: Model, call: Call) -> Expectation:
    expected = _for_personalization(model, call)
    name = call.cmd.data[3 : 3 + call.cmd.data[2]] if len(call.cmd.data) > 2 else b""

    def then(sw: int) -> None:
        if sw == 0x9000:
            call.channel.personalises = next(e.instance for e in model.registry if e.aid == name)

    expected.then = then
    return expected


def store_data(model: Model, call: Call) -> Expectation:
    gate(model, call)
    target = call.channel.personalises
    if target is None:
        own = area(call.entry.instance)
        kinds = ("crt/", "alw/", "ski/", "day/", "purposes") + (("id/",) if call.entry.instance == ISSUER else ())
        areas = tuple(own + kind for kind in kinds)
        return Expectation(frozenset((0x9000, 0x6A80, 0x6A88, 0x6985)), None, None, areas)
    entry = model.entry(target)
    if model.kind(entry) in ("vending", "points"):
        return Expectation(frozenset((0x9000, 0x6A80, 0x6984, 0x6985)), None, None, (area(target) + "f/",))
    data, kind = call.cmd.data, model.kind(entry)
    if kind in PERSONALISED:
        return PERSONALISED[kind](model, entry, data)
    if kind != "library":
        refuse(0x6985)
    cell = area(target) + "f/0001/d"
    patron = model.cells[cell]
    if len(data) != 10 or not DIGITS.issuperset(data):
        refuse(0x6A80)
    if any(patron) and patron != data:
        refuse(0x6985)
    return Expectation(OK, changes={cell: data})


def get_status(model: Model, call: Call) -> Expectation:
    supervision(model, call)
    return Expectation(frozenset((0x9000, 0x6310, 0x6A80, 0x6A88)), None)


def _moved(model: Model, states: Mapping[int, int]) -> dict[str, object]:
    """The registry with new states, by instance number."""
    following, *entries = model.cells["registry"]
    moved = (one._replace(state=states[one.instance]) if one.instance in states else one for one in entries)
    return {"registry": (following, *moved)}


def set_card_status(model: Model, call: Call) -> Expectation:
    supervision(model, call)
    wanted = call.cmd.p2
    if call.entry.instance != ISSUER or (wanted != TERMINATED and wanted not in TRANSITIONS.get(model.card_state, ())):
        refuse(0x6985)
    return Expectation(OK, changes=_moved(model, {ISSUER: wanted}))


def set_application_status(model: Model, call: Call) -> Expectation:
    gate(model, call)
    own, name, locks = call.entry, call.cmd.data, call.cmd.p2 & 0x80
    entry = next((e for e in model.registry if e.aid == name and e.instance != own.instance), None)
    if entry is None or entry.instance == ISSUER or (entry.domain != own.instance and not own.privileges & GLOBAL_LOCK):
        refuse(0x6A88)
    chosen = [entry]
    if call.cmd.p1 == WITH_APPLICATIONS:
        if not entry.privileges & SECURITY_DOMAIN:
            refuse(0x6A80)
        chosen += [other for other in model.registry if other.domain == entry.instance]
    states = {one.instance: one.state | 0x80 if locks else one.state & ~0x80 for one in chosen}
    return Expectation(OK, changes=_moved(model, states))


def get_data(model: Model, call: Call) -> Expectation:
    tag = call.cmd.p1 << 8 | call.cmd.p2
    where, pairs = keys_in_force(model, call.entry)
    if tag == 0xBF21:
        return Expectation(frozenset((0x9000, 0x6A80, 0x6A88)), None)
    if tag in IDENTITY:
        found = f"{area(ISSUER)}id/{tag:04x}" in model.cells
    elif tag in (0xFF33, 0xFF34):
        anchors, every = model.under(f"{where}ski/10/"), model.under(f"{where}ski/")
        found = bool(anchors if tag == 0xFF33 else len(every) > len(anchors))
    elif tag == 0xBF62:
        found = area(call.entry.instance) + "purposes" in model.cells
    elif tag == 0xC1:
        found = any(kid == SCP03 for kid, _ in pairs)
    else:
        found = tag in (0x66, 0xE0)
    return Expectation(OK, None) if found else refuse(0x6A88)


DOMAIN_RULES: dict[str, Callable[[Model, Call], Expectation]] = {
    "INITIALIZE UPDATE": initialize_update,
    "EXTERNAL AUTHENTICATE": external_authenticate,
    "PERFORM SECURITY OPERATION (verify certificate)": verify_certificate,
    "MUTUAL AUTHENTICATE (SCP11a)": mutual_authenticate,
    "INTERNAL AUTHENTICATE (SCP11b)": authenticate_card,
    "PUT KEY (AES key set)": management(0x9000, 0x6A80, 0x6A88, above=True, keys=True),
    "PUT KEY (EC key)": management(0x9000, 0x6A80, 0x6A88, 0x6985, keys=True),
    "GENERATE EC KEY": management(0x9000, 0x6A80, 0x6A88, 0x6985, keys=True),
    "PUT KEY (AES key)": management(0x9000, 0x6A80, 0x6A88, 0x6985, keys=True),
    **CONTENT_RULES,
    "INSTALL [for personalization]": personalize,
    "GET STATUS": get_status,
    "SET STATUS (card)": set_card_status,
    "SET STATUS (application)": set_application_status,
    "GET DATA": get_data,
    "STORE DATA": store_data,
}
