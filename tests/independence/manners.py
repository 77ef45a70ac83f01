"""Which steps each side may take, so that nothing shows but what must not: see `listed`.

What a side may say is decided from the bytes and from what is selected; whether it is refused is the card's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from jukicard.card.registry import Contents
from tests.fuzz.facts import Entry
from tests.fuzz.wire import Command, Refused, parse
from tests.fuzz.world import Step, World
from tests.independence.secrets import HIDDEN_FILES, HIDDEN_NAMES, SHARING, SHOWN_FILES, SHOWN_NAMES, Setup, contents_of

SELECT, CHANNEL, INSTALL, DELETE, STATUS, LOAD, LIST = 0xA4, 0x70, 0xE6, 0xE4, 0xF0, 0xE8, 0xF2
INITIALIZE, CERTIFICATE, READ, READ_ODD = 0x50, 0x2A, 0xB0, 0xB1
CONTENT = frozenset((INSTALL, DELETE, STATUS, LOAD))
CHANNELS = 4
FOR_LOAD = 0x02
"""P1 of INSTALL [for load], whose second field names a domain."""
FOR_EXTRADITION = 0x10
SECURED = 0x0F
LATER_TERMINALS = frozenset(("later", "library later", "expiring"))

Said = tuple[int, Command]
"""A logical channel and the plain command that a step says on it."""


def said(step: Step, world: World) -> Iterator[Said]:
    """The commands of a step; not those that are no command at all: the card answers 6700 and that is all."""
    name, *arguments = step
    if name == "secure":
        cla, ins, p1, p2, data, ne, extended = arguments[1]
        yield arguments[0], Command(cla, ins, p1, p2, data, ne, extended)
    elif name == "raw":
        for raw in arguments:
            try:
                cmd = parse(raw)
            except Refused:
                continue
            yield (-1 if cmd.cla & 0x40 or cmd.cla & 0x60 == 0x20 else cmd.cla & 3), cmd


def _numbers(step: Step, world: World) -> Iterator[int]:
    """The logical channels that a step uses; -1: none that there is."""
    if step[0] == "raw":
        yield from (number for number, _ in said(step, world))
    else:
        yield step[1]


def _by_name(cmd: Command) -> bool:
    return cmd.ins == SELECT and cmd.p1 == 0x04 and not cmd.cla & 0x80


def _in_links(cmd: Command) -> bool:
    """Whether a chain begins here that ends in a command which names an application."""
    return bool(cmd.cla & 0x10) and (cmd.ins in CONTENT or cmd.ins == SELECT)


def names_in(cmd: Command) -> list[bytes]:
    """The names in INSTALL but for that of a module: load file or domain, and application."""
    fields, rest = [], cmd.data
    while rest and len(rest) > rest[0]:
        fields.append(rest[1 : 1 + rest[0]])
        rest = rest[1 + rest[0] :]
    return fields[:2] if cmd.p1 & FOR_LOAD else fields[:1] + fields[2:3]


def selected(world: World, number: int) -> Entry | None:
    """What is selected on a logical channel, or None where it is closed or the application is gone."""
    channel = world.model.channels[number]
    if channel is None:
        return None
    return next((entry for entry in world.model.registry if entry.instance == channel.application), None)


class Manners:
    """The rules for both sides of a pair of cards; `channels` are the secret side's at the moment."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.secret = setup.secret
        self.channels = setup.channels
        self.ancestors = self.secret.ancestors(contents_of(setup.cells(0))) | self.secret.ancestors(
            contents_of(setup.cells(1))
        )

    def is_secret(self, world: World, entry: Entry) -> bool:
        """Whether an application of a card is on the secret side."""
        contents = self.contents(world)
        return self.secret.holds(contents.by_instance(entry.instance), contents)

    @staticmethod
    def contents(world: World) -> Contents:
        return contents_of({"registry": world.store.read("registry") or b""})

    # --- the side that is compared

    def shown_may(self, step: Step, worlds: tuple[World, World]) -> bool:
        """Whether the side that is compared may take a step; it takes it on both cards."""
        if step[0] in ("reset", "power"):
            return True
        if step[0] == "hand":
            return self._may_hand(step[1], step[2], worlds)
        if any(number in self.channels for number in _numbers(step, worlds[0])):
            return False
        return all(self._shown_may_say(number, cmd, worlds) for number, cmd in said(step, worlds[0]))

    def _may_hand(self, number: int, name: bytes, worlds: tuple[World, World]) -> bool:
        """Whether a logical channel may pass from one side to the other: see `HalfSecretCard.do_hand`."""
        if worlds[0].model.channels[number] is None:
            return False
        if number not in self.channels:
            return name == b"" and len(self.channels) < CHANNELS - 1
        shown = all(any(bytes(e.aid) == name for e in self.contents(world).entries) for world in worlds)
        return shown and name not in self._secret_names(worlds) and len(self.channels) > 1

    def _shown_may_say(self, number: int, cmd: Command, worlds: tuple[World, World]) -> bool:
        names = self._secret_names(worlds)
        if _in_links(cmd):
            return False
        if _by_name(cmd):
            first = not cmd.data and not cmd.p2 & 0x02
            return first or not any(name.startswith(cmd.data) for name in names)
        if cmd.ins == INSTALL and names.intersection(names_in(cmd)):
            return False
        if cmd.ins in (DELETE, STATUS, LOAD) and any(name in cmd.data for name in names):
            return False
        return not self.setup.registry or number < 0 or not self._lists(number, cmd, worlds[0])

    def _secret_names(self, worlds: tuple[World, World]) -> frozenset[bytes]:
        present = {
            bytes(entry.aid)
            for contents in map(self.contents, worlds)
            for entry in contents.entries
            if self.secret.holds(entry, contents)
        }
        loaded = {name for world in worlds for name in self.secret.load_files(self.contents(world))}
        return frozenset((*self.secret.names, *HIDDEN_NAMES, *HIDDEN_FILES, *present, *loaded))

    def _lists(self, number: int, cmd: Command, world: World) -> bool:
        """Whether a command may tell which applications there are."""
        entry = selected(world, number)
        if entry is None:
            return False
        if cmd.ins == DELETE:
            return any(name in cmd.data for name in self.ancestors)
        if cmd.ins == LIST:
            return entry.instance == 1 or entry.aid in self.ancestors
        return entry.instance == 1 and cmd.ins in (READ, READ_ODD, SELECT)

    # --- the secret side

    def hidden_may(self, step: Step, world: World) -> bool:
        """Whether the secret side may take a step on one of the cards."""
        if step[0] not in ("raw", "secure", "scp03", "scp11a", "scp11b", "finish"):
            return False
        if self.secret.kind in SHARING and (step[0] == "scp03" or (step[0] == "scp11a" and step[2] in LATER_TERMINALS)):
            return False
        for number in _numbers(step, world):
            if number not in self.channels or world.model.channels[number] is None:
                return False
            entry = selected(world, number)
            if not self._selects(step, world) and (entry is None or not self.is_secret(world, entry)):
                return False
        return all(self._hidden_may_say(cmd, world) for _, cmd in said(step, world))

    def _selects(self, step: Step, world: World) -> bool:
        commands = [cmd for _, cmd in said(step, world)]
        return len(commands) == 1 and _by_name(commands[0])

    def _hidden_may_say(self, cmd: Command, world: World) -> bool:
        if cmd.ins == CHANNEL or _in_links(cmd):
            return False
        if _by_name(cmd):
            return not cmd.p2 & 0x02 and cmd.data in self.targets(world)
        if cmd.ins in CONTENT and not self._hidden_may_manage(cmd, world):
            return False
        proprietary = bool(cmd.cla & 0x80)
        return not (self.secret.kind in SHARING and proprietary and cmd.ins in (INITIALIZE, CERTIFICATE))

    def _hidden_may_manage(self, cmd: Command, world: World) -> bool:
        if cmd.ins == DELETE and cmd.p2 & 0x01:
            return False
        if not self.setup.registry:
            return cmd.ins == DELETE and cmd.data[:1] in (b"\xd0", b"\xd2")
        if cmd.ins != INSTALL:
            return True
        names = names_in(cmd)
        if cmd.p1 & FOR_EXTRADITION and world.model.card_state < SECURED and names[:1] != []:
            return names[0] in self.targets(world)
        return not {*SHOWN_NAMES, *SHOWN_FILES}.intersection(names)

    def targets(self, world: World) -> list[bytes]:
        """The names of the applications on the secret side of one card."""
        contents = self.contents(world)
        return [bytes(entry.aid) for entry in contents.entries if self.secret.holds(entry, contents)]


May = Callable[[Step], bool]
