"""A random walk of hosts over one card: what they do next, drawn from one seed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from random import Random

from jukicard.card.commands import BOTH, PROPRIETARY, Row
from jukicard.iso7816.apdu import CommandAPDU
from tests.fuzz.face_block import PERSONALISED as FACES
from tests.fuzz.face_grammar import NUMBERS, personalised
from tests.fuzz.face_rules import version
from tests.fuzz.facts import Entry
from tests.fuzz.folder_grammar import asleep
from tests.fuzz.grammar import BODIES, Grammar
from tests.fuzz.jpki_grammar import waits_for
from tests.fuzz.model import CARD_LOCKED, KNOWN, SYSTEM, Channel, area
from tests.fuzz.proofs import CARD, CERTIFICATES, CODE, DEACTIVATED, KEY, NATIONAL, SCP11A
from tests.fuzz.proofs import INITIAL as _INITIAL
from tests.fuzz.spoiling import spoilt
from tests.fuzz.tables import APPLETS, KINDS, ROWS, row_key
from tests.fuzz.weights import (
    CITY_TERMINALS,
    DEFAULT_WEIGHT,
    HANDSHAKES,
    INTEREST,
    JUKI_TERMINALS,
    LEVELS,
    SIGNING,
    START_WEIGHTS,
    SUITED,
    WEIGHTS,
)
from tests.fuzz.world import Host, Step, World, links
from tests.support import chips, content

_SELDOM = ("DELETE FILE", "DEACTIVATE FILE", "TERMINATE EF", "TERMINATE DF")
_UNSUITED_SHARE = 0.04
_ENOUGH_MADE, _MOST_LINKS = 20, 40
_WRITTEN = {"juki": (CODE, CERTIFICATES, CARD), "operator": (CERTIFICATES, CARD)}
"""The files that are written before personalisation is closed."""
_APPLET_OF = {kind: applet for applet, kind in KINDS.items()}
_APPROVING = frozenset((bytes(content.DOMAIN), bytes(content.PROVIDER)))
_TERMINAL_OF, _OWN_TERMINALS = {"vending": "kiosk", "points": "shop"}, 0.4
"""Whose terminals a service is for, and how often one of them comes."""
_IN_THE_CLEAR = {"jpki": 0.85, "face": 0.75, "shared": 0.75}
"""How often an application that is spoken to in the clear is taken as it is."""
_SESSIONS = {0x01: "SCP03", 0x11: "SCP11a", 0x13: "SCP11b"}

Choice = tuple[tuple[Row, ...], tuple[float, ...]]


def _weighted(kind: str, who: str) -> Choice:
    """The rows that a host may try where an application of this kind is selected, and how often each."""
    applet = _APPLET_OF[kind]
    rows = [*ROWS[SYSTEM], *ROWS[kind]]
    if not applet.is_domain:
        domain = next(one for one in APPLETS if one.is_domain)
        rows += [row for row in domain.table.rows if row.ins in applet.forwarded and row.classes & PROPRIETARY]
    suited = SUITED.get(f"{kind}, {who}")
    weights = []
    for row in rows:
        fits = row.name not in BODIES or (row.name in suited if suited else row.name not in HANDSHAKES)
        weight = WEIGHTS.get(row.name, DEFAULT_WEIGHT) * (1.0 if fits else _UNSUITED_SHARE)
        foreign = kind not in KNOWN and row in ROWS[kind]  # of that name other applications may have another row
        weights.append(max(weight, DEFAULT_WEIGHT) if foreign and row.name not in _SELDOM else weight)
    return tuple(rows), tuple(accumulate(weights))


_CHOICES = {
    (kind, who): _weighted(kind, who) for kind in _APPLET_OF for who in ("nobody", "personalising", *_SESSIONS.values())
}
_ROW_OF = {(kind, row.name): row for kind, rows in ROWS.items() for row in rows}
_EVERY_ROW = tuple({row_key(row): row for rows in ROWS.values() for row in rows}.values())


def start_of(rng: Random) -> str:
    """Which card a case is about."""
    return rng.choices(tuple(START_WEIGHTS), tuple(START_WEIGHTS.values()))[0]


class Walk:
    """Draws the steps of one case."""

    def __init__(self, rng: Random, world: World) -> None:
        self.rng = rng
        self.world = world
        self.grammar = Grammar(rng, world)
        self.last: bytes = b"\x00\xa4\x04\x00"

    def __iter__(self) -> Iterator[Step]:
        while True:
            yield self.step()

    def step(self) -> Step:
        """The next step."""
        rng = self.rng
        if step := self._about_a_waiting_answer():
            return step
        if self.world.handshakes and rng.random() < 0.1:
            return "finish", rng.choice(tuple(self.world.handshakes))
        number = self._channel()
        host = self.world.hosts[number]
        choice = rng.random()
        if host is None and choice < 0.6:
            return self._open(number)
        if choice < 0.915:
            return self._sensible(number, host)
        if choice < 0.93:
            return "raw", spoilt(rng, self._said_before())
        if choice < 0.94:
            return "raw", rng.randbytes(rng.choice((0, 1, 3, 4, 5, 6, 7, 9, 12, 40, 300)))
        if choice < 0.957:
            return self._anywhere(number)
        if choice < 0.97:
            return self._attack(number, host)
        if choice < 0.982:
            return self._chain(number)
        if choice < 0.985:
            return ("reset",)
        if choice < 0.987:
            return ("power",)
        return self._select(number)

    def _about_a_waiting_answer(self) -> Step | None:
        """Fetch what waits for GET RESPONSE, or take its ground away; fetch after a reset what is gone."""
        rng = self.rng
        if self.world.exchanges and not self.world.exchanges[-1][0]:
            return "raw", bytes((0, 0xC0, 0, 0, 0))
        if rng.random() < 0.5:
            return None
        for channel in self.world.model.channels:
            if channel is not None and channel.pending is not None:
                fetch = bytes((channel.number, 0xC0, 0, 0, rng.choice((0, 0, 0, 1, 200))))
                choice = rng.random()
                return ("reset",) if choice < 0.2 else ("power",) if choice < 0.25 else ("raw", fetch)
        return None

    def _channel(self) -> int:
        """A logical channel that is open, the one with a session first; rarely any."""
        rng = self.rng
        if rng.random() < 0.02:
            return rng.randrange(4) if rng.random() < 0.5 else 0
        opened = [channel.number for channel in self.world.model.channels if channel is not None]
        inside = [number for number in opened if self.world.hosts[number] is not None]
        return rng.choice(inside if inside and rng.random() < 0.92 else opened)

    # --- sessions

    def _select(self, number: int) -> Step:
        entry = self.rng.choices(self.world.model.registry, [self._interest(e) for e in self.world.model.registry])[0]
        return "raw", CommandAPDU(number, 0xA4, 0x04, 0x00, entry.aid, 256).encode()

    def _interest(self, entry: Entry) -> int:
        if entry.aid in _APPROVING:
            return 8
        return INTEREST.get(self.world.model.kind(entry), 15)

    def _open(self, number: int) -> Step:
        """Select something where nobody has, and open a session."""
        rng, world = self.rng, self.world
        channel = world.model.channels[number]
        if channel is None:
            return "raw", bytes((0, 0x70, 0, number))
        entry = world.selected(number)
        kind = world.model.kind(entry)
        if self._life(entry) != _INITIAL and rng.random() < _IN_THE_CLEAR.get(kind, 0.0):
            return self._sensible(number, None)
        if rng.random() < 0.35:
            return self._select(number)
        domain = entry if kind == "domain" else world.model.entry(entry.domain)
        choice = rng.random()
        personalising = kind == "domain" or self._life(entry) == _INITIAL
        if choice < (0.85 if personalising else 0.12 if kind in KNOWN - FACES.keys() else 0.5):
            return self._scp03(number)
        if choice < 0.94:
            municipal = domain.aid == bytes(chips.CITY_DOMAIN)
            terminal = rng.choice(CITY_TERMINALS if municipal else JUKI_TERMINALS)
            if rng.random() < _OWN_TERMINALS:
                terminal = _TERMINAL_OF.get(kind, terminal)
            return "scp11a", number, terminal, rng.randrange(8)
        return "scp11b", number, rng.randrange(8)

    def _life(self, entry: Entry) -> object:
        return self.world.model.cells.get(area(entry.instance) + "df")

    def _scp03(self, number: int) -> Step:
        rng = self.rng
        flaw = rng.choice(("open", "cryptogram")) if rng.random() < 0.06 else ""
        kvn = 0 if rng.random() < 0.9 else rng.choice((1, 2, 0xFF))
        return "scp03", number, kvn, rng.choice(LEVELS), rng.randbytes(8), flaw

    # --- commands

    def _sensible(self, number: int, host: Host | None) -> Step:
        """A command that the selected application knows, in the session if there is one."""
        rng = self.rng
        channel = self.world.model.channels[number]
        if channel is None:
            return "raw", bytes((number, 0xB0, 0, 0, 0))
        plain = self._command(channel, host)
        if host is None or rng.random() < 0.06:
            return "raw", self._remember(CommandAPDU(*plain))
        if rng.random() < 0.02:
            fewest = len(plain[4]) // _MOST_LINKS + 1
            return "secure", number, plain, "cut", min(255, max(fewest, rng.choice((1, 8, 100, 255))))
        return "secure", number, plain

    def _command(self, channel: Channel, host: Host | None) -> tuple[int, int, int, int, bytes, int | None, bool]:
        rng = self.rng
        model = self.world.model
        entry = model.entry(channel.application)
        kind = model.kind(entry)
        row = None
        if rng.random() < 0.3:
            row = _ROW_OF.get((kind, self._remedy(channel, entry, kind, host)))
        if row is None:
            who = "nobody" if host is None else _SESSIONS[host.kid]
            if kind in (*NATIONAL, "jpki") and who == "SCP03" and self._life(entry) == _INITIAL:
                who = "personalising"
            rows, weights = _CHOICES[kind, who]
            row = rng.choices(rows, cum_weights=weights)[0]
        return self._of_row(row, channel.number, entry, host, channel)

    def _remedy(self, channel: Channel, entry: Entry, kind: str, host: Host | None) -> str:
        """The row that gets a card going again, or further, where there is one."""
        if kind == "folder":
            return self._in_folder(channel, entry)
        if kind == "jpki":
            return self._in_jpki(channel, entry, host)
        if kind == "face":
            return self._with_a_face(channel, entry, host)
        if kind == "locker":
            return "" if channel.remembers else "LOCKER VERIFY"
        if host is None:
            return ""
        cells, own = self.world.model.cells, area(entry.instance)
        if kind == "domain":
            return self._in_domain(channel, entry)
        if kind in _WRITTEN and self._life(entry) == _INITIAL:
            return self._in_personalisation(kind, own)
        if host.kid != SCP11A:
            return ""
        if cells.get(own + "df") == DEACTIVATED:
            return "ACTIVATE FILE (application)"
        if own + "p/81/v" not in cells:
            return f"CHANGE REFERENCE DATA ({'initial password' if kind == 'juki' else 'new only'})"
        if cells.get(own + "p/81/t") == b"\0":
            return "RESET RETRY COUNTER"
        if not channel.verified:
            return "VERIFY"
        if kind == "operator":
            return SIGNING if self.rng.random() < 0.93 else "TERMINATE DF (application)"
        return "ISSUE CERTIFICATE" if kind == "vending" and self.rng.random() < 0.3 else ""

    def _in_personalisation(self, kind: str, own: str) -> str:
        """Write what is not written, and close."""
        cells = self.world.model.cells
        if not all(any(cells[f"{own}f/{fid:04x}/d"]) for fid in _WRITTEN[kind]):
            return "UPDATE BINARY"
        made = f"{own}k/{KEY:02x}/v" in cells
        return "ACTIVATE FILE (application)" if made else "GENERATE ASYMMETRIC KEY PAIR"

    def _in_jpki(self, channel: Channel, entry: Entry, host: Host | None) -> str:
        """Personalise; log in, and sign."""
        if self._life(entry) == _INITIAL:
            return waits_for(self.world.model.cells, area(entry.instance)) if host is not None else ""
        return "COMPUTE DIGITAL SIGNATURE" if channel.verified else "VERIFY (internal EF)"

    def _with_a_face(self, channel: Channel, entry: Entry, host: Host | None) -> str:
        """Give tries back; show what is on the face, and read."""
        cells = self.world.model.cells
        tries = (cells.get(f"{area(entry.instance)}p/{0x80 | number:02x}/t") for number in NUMBERS)
        if host is not None and b"\0" in tries:
            return "RESET RETRY COUNTER"
        return "READ BINARY" if channel.verified else "VERIFY (internal EF)"

    def _in_domain(self, channel: Channel, entry: Entry) -> str:
        """Unlock the card; bring to an end what was begun; personalise what is empty."""
        model = self.world.model
        if model.card_state == CARD_LOCKED:
            return "SET STATUS (card)"
        if channel.loading is not None:
            return "LOAD"
        if channel.personalises is not None:
            return "STORE DATA" if personalised(model, channel) in FACES else ""
        below = (one for one in model.registry if one.domain == entry.instance and model.kind(one) == "face")
        empty = any(version(model, one) == "none" for one in below)
        return "INSTALL [for personalization]" if empty and self.rng.random() < 0.4 else ""

    def _in_folder(self, channel: Channel, entry: Entry) -> str:
        """Use what was asked for: a challenge, an environment; fill an empty folder."""
        if channel.challenge is not None:
            return "EXTERNAL AUTHENTICATE"
        if channel.names_key:
            return SIGNING
        if asleep(self.world.model, entry) and self.rng.random() < 0.3:
            return "ACTIVATE FILE"
        own = area(entry.instance)
        made = sum(len(self.world.model.under(own + kind)) for kind in ("f/", "p/", "k/", "y/"))
        return self.rng.choice(("CREATE FILE", "PUT DATA (password, key)")) if made < _ENOUGH_MADE else ""

    def _of_row(
        self, row: Row, number: int, entry: Entry, host: Host | None, channel: Channel | None = None
    ) -> tuple[int, int, int, int, bytes, int | None, bool]:
        rng = self.rng
        p1, p2, data, ne = self.grammar.body(row, entry, host, channel)
        if ne is not None and rng.random() < 0.04:
            ne = rng.choice((1, 5, 16))
        proprietary = row.classes is PROPRIETARY or (row.classes is BOTH and rng.random() < 0.5)
        return (0x80 if proprietary else 0) | number, row.ins, p1, p2, data, ne, rng.random() < 0.04

    def _anywhere(self, number: int) -> Step:
        """A command of any row at all, whether the selected application knows it or not."""
        row = self.rng.choice(_EVERY_ROW)
        entry = self.world.model.registry[0]
        plain = self._of_row(row, number, entry, None)
        if self.world.hosts[number] is not None and self.rng.random() < 0.5:
            return "secure", number, plain
        return "raw", self._remember(CommandAPDU(*plain))

    def _remember(self, cmd: CommandAPDU) -> bytes:
        self.last = cmd.encode()
        return self.last

    # --- attacks

    def _said_before(self) -> bytes:
        exchanges = self.world.exchanges
        return self.rng.choice(exchanges[-40:])[0] if exchanges and self.rng.random() < 0.5 else self.last

    def _attack(self, number: int, host: Host | None) -> Step:
        """A protected message with a flipped bit, or twice; without a session an old one, or an invented one."""
        rng = self.rng
        channel = self.world.model.channels[number]
        if host is not None and channel is not None:
            plain = self._command(channel, host)
            return "secure", number, plain, rng.choice(("bit", "bit", "again")), rng.randrange(1 << 16)
        old = [raw for raw, _ in self.world.exchanges[-60:] if raw and raw[0] & 0x04]
        if old and rng.random() < 0.8:
            return "raw", rng.choice(old)
        return "raw", bytes((0x84 | number, 0xB0, 0x81, 0, 8)) + bytes(8)

    def _chain(self, number: int) -> Step:
        """A command in links, mostly to its end."""
        rng = self.rng
        channel = self.world.model.channels[number]
        if channel is None:
            return "raw", bytes((0x10 | number, 0xD6, 0, 0, 1, 0))
        cmd = CommandAPDU(*self._command(channel, None))
        parts = links(cmd.encode(), rng.choice((1, 5, 100, 255)))[:_MOST_LINKS]
        if rng.random() < 0.3:
            parts = parts[:-1] or parts
        return "raw", *parts
