"""What the chip must answer, said a second time and as simply as can be: the wire, the channels, the way to a command.

Written from docs/card-profile.md, and importing nothing of the card's code.  The command tables come in as data
(`RowFact`): they are the command reference, and new rows join by themselves.  What the rows do is told again in
`tests/fuzz/rules.py`, for the rows that this model knows; of any other it only demands that it keeps to the limits.

`Model.expect` tells, before a command is sent, what it may answer and change; `Model.settle` is told what came.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.fuzz.facts import Entry, Fact, LoadFile, facts
from tests.fuzz.wire import Command, Refused, covered, parse, refuse

ANYTHING = object()
"""A cell's new content that only the chip knows: a key that it made."""
ISSUER, SYSTEM = 1, "card"
KNOWN = frozenset(("juki", "library", "vending", "points", "operator", "domain", "locker", "jpki", "face", "shared"))
"""The applications that this model knows."""
ANY_FILE = -1
"""The current file, after a row that the model does not know."""
CHANNELS, MAX_CHAINED, MAX_RESPONSE = 4, 65535, 65533
CARD_LOCKED, TERMINATED = 0x7F, 0xFF

OK = frozenset((0x9000,))
_SINGLE = (0x9000, 0x6200, 0x6282, 0x6283, 0x6285, 0x6300, 0x6310, 0x6700, 0x6B00, 0x6D00, 0x6E00, 0x6881, 0x6882)
DOCUMENTED = frozenset((*_SINGLE, *range(0x6981, 0x6989), *range(0x6A80, 0x6A8B), *range(0x63C0, 0x63D0)))
"""The status words that the profile knows: whatever a row answers that the model does not know is one of them."""


class Unsure(Exception):  # noqa: N818 - it is the model's way to say so, no error
    """What the command does depends on what a row has done that the model does not know."""


class RowFact(NamedTuple):
    """One row of a command table as data. `key` tells rows apart that have one name."""

    key: str
    name: str
    classes: int
    ins: int
    p1: int
    p2: int
    minimum: int
    maximum: int
    writes: bool


class Module(NamedTuple):
    """What the ROM says of a module."""

    kind: str
    label: bytes
    is_domain: bool
    multi_selectable: bool
    forwarded: frozenset[int]


@dataclass(slots=True)
class Grant:
    """What a certificate chain grants: rights (None where it has no authorization) in a municipality."""

    rights: frozenset[int] | None
    city: str = ""


@dataclass(slots=True)
class Session:
    """A secure channel session or the handshake towards one.

    `expected` is the host cryptogram that finishes a handshake, `key_set` the stored keys that it began with;
    `following` the one message that the host has made and not yet sent: (what the MAC covers, the plain data); `host`
    its owner.
    """

    kid: int
    kvn: int
    level: int
    authenticated: bool
    grant: Grant | None = None
    expected: bytes | None = None
    key_set: object = None
    following: tuple[tuple[object, ...], bytes] | None = None
    host: object = None


@dataclass(slots=True)
class Chain:
    """Certificates shown so far: domain and version of the anchor, those taken, the estimate of the date meanwhile."""

    domain: int
    kvn: int
    today: int | None
    shown: list[Any] = field(default_factory=list)
    complete: bool = False


@dataclass(slots=True)
class Channel:
    number: int
    application: int
    current: int | None = None
    session: Session | None = None
    verified: set[int] = field(default_factory=set)
    authenticated: set[int] = field(default_factory=set)
    challenge: tuple[bytes | None, Session | None] | None = None
    names_key: bool = False
    chain: Chain | None = None
    personalises: int | None = None
    loading: bytes | None = None
    brought: bytes = b""
    remembers: bool = False
    """Whether the loaded code at work has seen the PIN: it outlives the session."""
    blocks: int = 0
    partial: Command | None = None
    pending: tuple[bytes | int | None, frozenset[int], bytes] | None = None
    """What GET RESPONSE will give: content, or its length, or None where only the chip knows; its status; `told`."""

    def end_session(self) -> None:
        self.session = self.chain = self.personalises = self.challenge = self.loading = None
        self.verified, self.authenticated, self.names_key = set(), set(), False

    def select(self, application: int) -> None:
        self.application, self.current, self.remembers = application, None, False
        self.end_session()


@dataclass(slots=True)
class Call:
    """One command on its way through one application's row."""

    channel: Channel
    entry: Entry
    selected: Entry
    row: RowFact
    cmd: Command
    session: Session | None


@dataclass(slots=True)
class Expectation:
    """What a command may answer.

    `data`: exactly these in plain, an int: so many, None: the chip's business.  `changes`: exactly these, None: any
    in `areas` (prefixes of cells).  `then`: what becomes of the model for the status word that came; `learn`: what
    it takes from the plain data.  `proves`: whether the plain data are right of which the size alone is foretold, asked
    when the changes are in.  `objection`: what is wrong with the status word and the changes together, if anything;
    `hidden`: what must not be in the data; `told`: what may be, beside what only the chip knows.
    """

    sws: frozenset[int]
    data: bytes | int | None = b""
    changes: dict[str, object] | None = field(default_factory=dict)
    areas: tuple[str, ...] = ()
    then: Callable[[int], None] | None = None
    learn: Callable[[bytes], None] | None = None
    proves: Callable[[bytes], bool] | None = None
    objection: Callable[[int, Mapping[str, Fact | None]], str] | None = None
    hidden: Callable[[], frozenset[bytes]] | None = None
    told: bytes = b""
    row: RowFact | None = None
    session: Session | None = None
    protected: bool = False
    limit: int = 256
    channel: Channel | None = None
    link: bool = False


class Model:
    """One powered chip."""

    def __init__(
        self, cells: Mapping[str, bytes], tables: Mapping[str, list[RowFact]], modules: Mapping[bytes, Module]
    ):
        from tests.fuzz import folder_rules, rules

        self.rules: Mapping[str, Callable[[Model, Call], Expectation]] = rules.RULES
        self.others: Mapping[str, Mapping[str, Callable[[Model, Call], Expectation]]] = rules.OTHER_RULES
        self.held_only = {"folder": (folder_rules.FOLDER_RULES, folder_rules.held)}
        self.cells: dict[str, Any] = facts(cells)
        self.modules = modules
        self.tables: dict[str, dict[tuple[bool, int], list[RowFact]]] = {}
        self.own_rows = {row.key for row in tables[SYSTEM]}
        for kind, rows in tables.items():
            table = self.tables[kind] = {}
            for row in rows:
                for proprietary, flag in ((False, 1), (True, 2)):
                    if row.classes & flag:
                        table.setdefault((proprietary, row.ins), []).append(row)
        self.certificates: Mapping[bytes, Any] = {}
        self.channels: list[Channel | None] = []
        self.stored: Callable[[str], bytes | None] = cells.get
        self.version = 0
        self._under: dict[str, list[str]] = {}
        self.hidden: tuple[Any, ...] = ()
        self.reset()

    def reset(self) -> None:
        self.channels = [Channel(0, ISSUER), None, None, None]

    # what is stored

    @property
    def registry(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.cells["registry"][1:] if isinstance(entry, Entry))

    @property
    def load_files(self) -> tuple[LoadFile, ...]:
        return tuple(file for file in self.cells["registry"][1:] if isinstance(file, LoadFile))

    def entry(self, instance: int) -> Entry:
        for entry in self.registry:
            if entry.instance == instance:
                return entry
        raise Refused(0x6985)

    @property
    def card_state(self) -> int:
        return self.registry[0].state

    def usable(self, entry: Entry) -> bool:
        return entry.instance == ISSUER or (entry.is_selectable and self.card_state < CARD_LOCKED)

    def module(self, entry: Entry) -> Module:
        """What an application is made of.  A load file may give its code any name: what it is, its bytes say."""
        known = self.modules.get(entry.module)
        if known is not None:
            return known
        file = next(file for file in self.load_files if file.aid == entry.load_file)
        code = self.cells[f"{area(file.instance)}code"]
        kind = "locker" if b"\0asm" in code else "counter"
        return next(module for module in self.modules.values() if module.kind == kind)

    def kind(self, entry: Entry) -> str:
        return self.module(entry).kind

    def under(self, prefix: str) -> list[str]:
        """The names of the cells that begin so, sorted."""
        found = self._under.get(prefix)
        if found is None:
            found = self._under[prefix] = sorted(cell for cell in self.cells if cell.startswith(prefix))
        return found

    # one command

    def expect(self, raw: bytes) -> Expectation:
        """What `raw` may answer. What it does at once, whatever becomes of it, is done to the model here."""
        try:
            cmd = parse(raw)
            cla = cmd.cla
            if cla == 0xFF or cla & 0x60 == 0x20:
                refuse(0x6E00)
            channel = None if cla & 0x40 else self.channels[cla & 3]
            if channel is None:
                refuse(0x6881)
            if cla & 0x08:
                refuse(0x6882)
            return self._on(channel, cmd, bool(cla & 0x04), bool(cla & 0x10))
        except Refused as refused:
            return Expectation(frozenset((refused.sw,)))

    def _on(self, channel: Channel, cmd: Command, secured: bool, chaining: bool) -> Expectation:
        plain = cmd._replace(cla=cmd.cla & 0x80)
        if cmd.ins == 0xC0 and not cmd.cla & 0x94:
            channel.partial = None
            return self._run(channel, plain, cmd, None)
        channel.pending = None
        whole = self._collect(channel, cmd, chaining)
        if whole is None:
            return Expectation(OK, link=True)
        session = None
        if secured:
            session, whole = self._unwrap(channel, whole)
        return self._run(channel, whole._replace(cla=cmd.cla & 0x80), cmd, session)

    def _collect(self, channel: Channel, cmd: Command, chaining: bool) -> Command | None:
        partial, channel.partial = channel.partial, None
        cla = cmd.cla & ~0x10
        if partial is not None and partial[:4] == (cla, *cmd[1:4]):
            size = len(partial.data) + len(cmd.data)
            if size > MAX_CHAINED:
                refuse(0x6700)
            cmd = Command(*partial[:4], partial.data + cmd.data, cmd.ne, size > 255)
        elif chaining:
            cmd = cmd._replace(cla=cla)
            self.route(channel, cmd._replace(cla=cla & 0x80))
        if not chaining:
            return cmd
        channel.partial = cmd
        return None

    def _unwrap(self, channel: Channel, cmd: Command) -> tuple[Session, Command]:
        session = channel.session
        if session is None:
            refuse(0x6982)
        if not session.authenticated and cmd.ins != 0x82:
            channel.end_session()
            refuse(0x6982)
        following, session.following = session.following, None
        if following is None or following[0] != covered(cmd):
            channel.end_session()
            refuse(0x6988)
        return session, cmd._replace(data=following[1])

    def route(self, channel: Channel, cmd: Command) -> tuple[RowFact, Entry, Entry]:
        """The row for a command, the application that runs it, and the one selected; or the refusal."""
        if self.card_state == TERMINATED and cmd.ins != 0xA4:
            refuse(0x6985)
        selected = self.entry(channel.application)
        key = (bool(cmd.cla & 0x80), cmd.ins)
        places = self._places(key, selected)
        for kind, entry in places:
            rows = self.tables[kind].get(key)
            if rows:
                for row in rows:
                    if row.p1 >> cmd.p1 & 1 and row.p2 >> cmd.p2 & 1:
                        return row, entry, selected
                refuse(0x6A86)
        other = (not key[0], key[1])
        raise Refused(0x6E00 if any(self.tables[kind].get(other) for kind, _ in places) else 0x6D00)

    def _places(self, key: tuple[bool, int], selected: Entry) -> list[tuple[str, Entry]]:
        if not self.usable(selected):
            if key not in self.tables[SYSTEM]:
                refuse(0x6985)
            return [(SYSTEM, selected)]
        module = self.module(selected)
        places = [(module.kind, selected)]
        if key[0] and key[1] in module.forwarded and not module.is_domain:
            domain = self.entry(selected.domain)
            if not self.usable(domain):
                refuse(0x6985)
            places.append((self.kind(domain), domain))
        return [*places, (SYSTEM, selected)]

    def _run(self, channel: Channel, cmd: Command, last: Command, session: Session | None) -> Expectation:
        """What the row answers to the whole plain command; `last`: the APDU that its answer goes to."""
        protected = session is not None and session.authenticated
        row: RowFact | None = None
        try:
            row, entry, selected = self.route(channel, cmd)
            if not row.minimum <= len(cmd.data) <= row.maximum:
                refuse(0x6700)
            call = Call(channel, entry, selected, row, cmd, session)
            expected = self._told(call)
        except Refused as refused:
            expected = Expectation(frozenset((refused.sw,)))
        expected.row = row
        expected.session, expected.protected = session, protected
        expected.channel = channel
        limit = 65536 if last.extended else 256
        if last.ne is not None and session is None:
            limit = last.ne
        expected.limit = min(limit, MAX_RESPONSE)
        return expected

    def _told(self, call: Call) -> Expectation:
        own, kind = call.row.key in self.own_rows, self.kind(call.entry)
        if not own and kind in self.held_only:
            rules, held = self.held_only[kind]
            return rules.get(call.row.name, held)(self, call)
        rule = self.rules.get(call.row.name)
        if not own:
            rule = self.others.get(kind, {}).get(call.row.name, rule)
        if rule is None or not (own or kind in KNOWN):
            return unknown(self, call)
        try:
            return rule(self, call)
        except Unsure:
            return unknown(self, call)

    def settle(self, expected: Expectation, answer: bytes, changes: Mapping[str, Fact | None]) -> None:
        """Take in what came, after it was found to be as expected: cells, and what waits for GET RESPONSE."""
        self.version += bool(changes)
        for cell, content in changes.items():
            if (content is None) == (cell in self.cells):
                self._under.clear()
            if content is None:
                self.cells.pop(cell, None)
            else:
                self.cells[cell] = content
        sw = int.from_bytes(answer[-2:])
        more = sw >> 8 == 0x61
        if expected.then is not None:
            expected.then(next(iter(expected.sws)) if more and len(expected.sws) == 1 else 0x9000 if more else sw)
        if more and expected.channel is not None:
            sws = expected.sws if len(expected.sws) == 1 else DOCUMENTED
            expected.channel.pending = (_rest(expected), sws, readable(expected))


def _rest(expected: Expectation) -> bytes | int | None:
    size = wire_size(expected)
    if size is None:
        return None
    if isinstance(expected.data, bytes) and not protects(expected):
        return expected.data[expected.limit :]
    return size - expected.limit


def protects(expected: Expectation) -> bool:
    """Whether the response travels protected: the session held, and still does."""
    session = expected.session
    if session is None or not expected.protected or expected.channel is None:
        return False
    return bool(session.level & 0x10) and expected.channel.session is session


def readable(expected: Expectation) -> bytes:
    """What of the data that the model knows travels so that everybody can read it."""
    if not isinstance(expected.data, bytes):
        return expected.told
    encrypted = protects(expected) and expected.session is not None and expected.session.level & 0x20
    return b"" if encrypted else expected.data


def wire_size(expected: Expectation) -> int | None:
    """How many bytes of data the response has before it is cut to Le; None where only the chip knows."""
    if expected.data is None:
        return None
    size = expected.data if isinstance(expected.data, int) else len(expected.data)
    if protects(expected):
        if size and expected.session is not None and expected.session.level & 0x20:
            size += 16 - size % 16
        size += 8
    return size


def unknown(model: Model, call: Call) -> Expectation:
    """A row that this model does not know: any documented answer, its own application's cells, any file current."""
    areas = (area(call.entry.instance), "registry") if call.row.writes else ()

    def then(sw: int) -> None:
        if sw >> 8 in (0x90, 0x62, 0x63):
            call.channel.current = ANY_FILE  # perhaps

    return Expectation(DOCUMENTED, None, None if call.row.writes else {}, areas, then)


def area(instance: int) -> str:
    return f"a/{instance:04x}/"
