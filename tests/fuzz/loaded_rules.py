"""What the locker does, a loaded application (tests/support/apps/locker), as the reference model tells it.

Written from docs/loaded-applications.md and importing nothing of the card's code.  Its memory is volatile: the PIN that
was shown counts until another application is selected, the code traps, or what it wrote does not fit.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from tests.fuzz.facts import Entry
from tests.fuzz.model import ANYTHING, OK, Call, Expectation, Model, area
from tests.fuzz.proofs import proof
from tests.fuzz.wire import Refused, refuse

LONGEST, MOST, TRIES, AMPLE = 256, 64, 3, 2
"""Bytes of a command's data and of a thing; tries; so many programs have the memory that they need in a domain that the
card was issued with."""
MADE_HERE = b"\xf0fuzz"
"""How the AIDs of domains begin that a case installs."""
COUNTER, THING, PASSWORD, KEY = "w/c/0001", "w/f/0001", "p/01/", "01/v"
NO_ROOM, STOPPED = 0x6A84, 0x6400

Rule = Callable[[Model, Call], Expectation]


def command(*sizes: int, p1: int = 0, p2: int | None = 0) -> Callable[[Rule], Rule]:
    """A command with data of these sizes (all, without any), P1 up to this, and this P2 (None: every one)."""

    def with_limits(does: Rule) -> Rule:
        def fitting(model: Model, call: Call) -> Expectation:
            size = len(call.cmd.data)
            if size > LONGEST:
                refuse(0x6700)
            if call.cmd.p1 > p1 or p2 not in (None, call.cmd.p2):
                refuse(0x6A86)
            if sizes and size not in sizes:
                refuse(0x6700)
            return does(model, call)

        def rule(model: Model, call: Call) -> Expectation:
            try:
                expected = fitting(model, call)
            except Refused as refused:  # by the code, which may not have the memory to begin with
                expected = Expectation(frozenset((refused.sw,)))
            return ends(model, call, expected)

        return rule

    return with_limits


def ends(model: Model, call: Call, expected: Expectation) -> Expectation:
    """Without room, in the store or for its memory, nothing stays, and what it remembers is gone."""
    others = [one for one in model.channels if one is not None and one is not call.channel]
    entries = [entry for one in others for entry in model.registry if entry.instance == one.application]
    programs = [entry for entry in entries if entry.domain == call.entry.domain and model.kind(entry) == "locker"]
    if len(programs) >= AMPLE or _is_made_here(model, call.entry.domain):
        expected.sws |= {NO_ROOM}
    if NO_ROOM not in expected.sws:
        return expected
    changes, then = expected.changes, expected.then
    expected.changes, expected.areas = None, (area(call.entry.instance),)

    def objection(sw: int, changed: object) -> str:
        assert isinstance(changed, dict)
        other = [name for name, new in changed.items() if changes.get(name) not in (new, ANYTHING)] if changes else []
        return f"changes {other} otherwise than the model" if other else ""

    def settle(sw: int) -> None:
        if sw == NO_ROOM:
            call.channel.remembers = False
        elif then is not None:
            then(sw)

    expected.objection, expected.then = objection, settle
    return expected


def _is_made_here(model: Model, domain: int) -> bool:
    """Whether a case has installed that domain, perhaps with limits that no program fits in."""
    return any(entry.instance == domain and entry.aid.startswith(MADE_HERE) for entry in model.registry)


def _own(model: Model, entry: Entry, name: str, default: bytes = b"") -> bytes:
    found = model.cells.get(area(entry.instance) + name, default)
    assert isinstance(found, bytes)
    return found


def _kept(thing: bytes) -> bytes:
    return (bytes((len(thing),)) + thing).ljust(1 + MOST, b"\0")


def _counted(model: Model, call: Call, amount: int) -> dict[str, object]:
    """The counter's change; refused below 0."""
    value = int.from_bytes(_own(model, call.entry, COUNTER)) + amount
    if value < 0:
        refuse(0x6985)
    return {area(call.entry.instance) + COUNTER: value.to_bytes(8)}


def _with_counter(model: Model, call: Call, thing: bytes, amount: int) -> Expectation:
    """File and counter together; a counter that is new takes room."""
    own = area(call.entry.instance)
    sws = OK if own + COUNTER in model.cells else OK | {NO_ROOM}
    return Expectation(sws, changes={**_counted(model, call, amount), own + THING: _kept(thing)})


def _with_pin(call: Call) -> None:
    if not call.channel.remembers:
        refuse(0x6982)


@command(0)
def count(model: Model, call: Call) -> Expectation:
    return Expectation(OK, _own(model, call.entry, COUNTER, bytes(8))[4:])


@command(*range(1, MOST + 1))
def put(model: Model, call: Call) -> Expectation:
    return _with_counter(model, call, call.cmd.data, 1)


@command(0)
def look(model: Model, call: Call) -> Expectation:
    _with_pin(call)
    kept = _own(model, call.entry, THING)
    return Expectation(OK, kept[1 : 1 + kept[0]])


@command()
def change(model: Model, call: Call) -> Expectation:
    _with_pin(call)
    if not 4 <= len(call.cmd.data) <= 8:
        refuse(0x6A80)
    own = area(call.entry.instance) + PASSWORD
    return Expectation(OK, changes={own + "v": call.cmd.data, own + "t": bytes((TRIES,))})


@command(1)
def take(model: Model, call: Call) -> Expectation:
    return _with_counter(model, call, b"", -call.cmd.data[0])


@command(0)
def draw(model: Model, call: Call) -> Expectation:
    return Expectation(OK, 8, changes={area(call.entry.instance) + THING: ANYTHING})


@command()
def seal(model: Model, call: Call) -> Expectation:
    mac = CMAC(AES(_own(model, call.entry, "y/" + KEY)))
    mac.update(call.cmd.data)
    return Expectation(OK, mac.finalize())


@command()
def sign(model: Model, call: Call) -> Expectation:
    key = ec.derive_private_key(int.from_bytes(_own(model, call.entry, "k/" + KEY)), ec.SECP256R1())
    made = key.sign(call.cmd.data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    return Expectation(OK, b"".join(number.to_bytes(32) for number in decode_dss_signature(made)))


@command(p2=1)
def verify(model: Model, call: Call) -> Expectation:
    guess, own = call.cmd.data, area(call.entry.instance) + PASSWORD
    left = _own(model, call.entry, PASSWORD + "t", bytes((TRIES,)))[0]
    call.channel.remembers = False
    if not left:
        refuse(0x6983)
    if not 4 <= len(guess) <= 8:
        refuse(0x6A80)
    if guess != _own(model, call.entry, PASSWORD + "v"):
        return Expectation(frozenset((0x63C0 | left - 1,)), changes={own + "t": bytes((left - 1,))})

    def then(_sw: int) -> None:
        call.channel.remembers = True

    return Expectation(OK, changes={own + "t": bytes((TRIES,))}, then=then)


@command(0)
def take_time(_model: Model, _call: Call) -> Expectation:
    return Expectation(OK)


@command(0)
def who(model: Model, call: Call) -> Expectation:
    """In the clear nobody; in a session its level and key, and then role and right."""
    proved = proof(model, call)
    if proved.kid is None:
        return Expectation(OK, bytes(4))
    return Expectation(OK, 4)


@command(0, p1=2)
def trap(_model: Model, call: Call) -> Expectation:
    call.channel.remembers = False
    refuse(STOPPED)


@command(p1=1, p2=None)
def store(model: Model, call: Call) -> Expectation:
    cell = f"{area(call.entry.instance)}w/f/{0x100 + call.cmd.p2:04x}"
    data, there = call.cmd.data, f"{area(call.entry.instance)}w/f/{0x100 + call.cmd.p2:04x}" in model.cells
    if len(data) != (0 if call.cmd.p1 else 2):
        refuse(0x6700)
    if call.cmd.p1:
        if not there:
            refuse(0x6A88)
        return Expectation(OK, changes={cell: None})
    size = int.from_bytes(data)
    if there or not size:
        refuse(0x6A80)
    return Expectation(OK | {NO_ROOM}, changes={cell: bytes(size)})


@command(p1=255, p2=None)
def other(model: Model, call: Call) -> Expectation:
    """Any instruction that the locker does not know: it tells what it sees of the header."""
    if call.cmd.p1 != call.cmd.p2:
        refuse(0x6D00)
    return Expectation(OK, bytes(call.cmd[:4]))


LOADED_RULES: dict[str, Rule] = {
    "LOCKER COUNT": count,
    "LOCKER PUT": put,
    "LOCKER LOOK": look,
    "LOCKER CHANGE": change,
    "LOCKER TAKE": take,
    "LOCKER DRAW": draw,
    "LOCKER SEAL": seal,
    "LOCKER SIGN": sign,
    "LOCKER VERIFY": verify,
    "LOCKER TIME": take_time,
    "LOCKER WHO": who,
    "LOCKER TRAP": trap,
    "LOCKER STORE": store,
    "a loaded application's command": other,
}
