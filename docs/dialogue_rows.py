"""Which dialogues of tests/conformance come to which row of the command tables, read from their text alone.

A command belongs to a row by its class, instruction and P1-P2, and by the application that is selected on its logical
channel, which is followed from one SELECT by name to the next. What a handshake says (`open`) is not in the text, and
links of a chain say nothing yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from jukicard.applets.catalogue import rom
from jukicard.applets.gp.layout import ISSUER_DOMAIN_AID, MUNICIPAL_SERVICE_PREFIX
from jukicard.card.applet import Applet
from jukicard.card.commands import Row
from jukicard.card.routing import SYSTEM
from jukicard.iso7816.apdu import ApduError, CommandAPDU
from jukicard.iso7816.cla import ClassByte, SecureMessaging
from jukicard.reader.recording import Dialogue, Exchange, Open, Pattern, Reset, parse_dialogue

_SELECT, _MANAGE_CHANNEL, _BY_NAME = 0xA4, 0x70, 0x04
_ANSWERED_NAME = re.compile(r"(?:6F|62|64) .. 84 ([0-9A-F]{2}) (.*)")
_FIRST_LINE = re.compile(r"# Card: (.+?)\. (?:Readers|Sessions): ")
_ROM = rom()
_DOMAIN, *_OTHERS = _ROM
_MET, _REFUSED = frozenset(("90", "61", "62", "63")), frozenset(("67", "69", "6A"))


@dataclass
class Reached:
    """The names of the dialogues in which a row's command is met, and in which it is refused."""

    met: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class DialogueFile:
    """A dialogue file: a short name, its path below tests/conformance, its card, what it says of itself, and itself."""

    name: str
    path: str
    card: str
    theme: str
    dialogue: Dialogue


def dialogue_files(folder: Path) -> list[DialogueFile]:
    """Return the dialogues below a folder: 01, 02, …, and in its folder `sessions` S01, S02, …"""
    found = []
    for prefix, where in (("", folder), ("S", folder / "sessions")):
        for path in sorted(where.glob("*.dialogue")):
            text = path.read_text()
            first, *rest = text.splitlines()
            match = _FIRST_LINE.match(first)
            if match is None:
                raise ValueError(f"{path.name}: its first line does not say for which card it is")
            dialogue = parse_dialogue(text, path.name)
            shown = path.relative_to(folder).as_posix()
            found.append(DialogueFile(prefix + path.name[:2], shown, match[1], _theme(rest), dialogue))
    return found


def rows_reached(files: list[DialogueFile]) -> dict[tuple[type[Applet], str], Reached]:
    """Return for each row, named by its applet's class and its own name, which of the dialogues come to it."""
    reached: dict[tuple[type[Applet], str], Reached] = {}
    for file in files:
        for owner, row, status in _walk(file.dialogue):
            entry = reached.setdefault((type(owner), row.name), Reached())
            names = entry.met if status in _MET else entry.refused if status in _REFUSED else None
            if names is not None and file.name not in names:
                names.append(file.name)
    return reached


def _theme(lines: list[str]) -> str:
    """Return the comment that a file begins with."""
    words = []
    for line in lines:
        if not line.startswith("# "):
            break
        words.append(line[2:])
    return " ".join(words)


def _walk(dialogue: Dialogue) -> Iterator[tuple[Applet, Row, str]]:
    """Yield whose row each command comes to, that row, and the first byte of the status word."""
    selected: dict[int, Applet] = {}
    for step in dialogue.steps:
        match step:
            case Reset():
                selected = {}
            case Open():
                pass
            case Exchange():
                yield from _rows(step, selected)


def _rows(step: Exchange, selected: dict[int, Applet]) -> Iterator[tuple[Applet, Row, str]]:
    try:
        cmd = CommandAPDU.parse(step.command)
    except ApduError:
        return
    cla, status = ClassByte.parse(cmd.cla), step.response.tokens[-2]
    if cla.reserved or cla.invalid or cla.chaining or cla.secure_messaging is not SecureMessaging.NONE:
        return
    applet = selected.get(cla.channel, _DOMAIN)
    for owner in (applet, *([_DOMAIN] if cla.proprietary and cmd.ins in applet.forwarded else []), SYSTEM):
        rows = owner.table.find(cla.plain, cmd.ins)
        if rows:
            yield from ((owner, row, status) for row in rows if row.accepts(cmd))
            break
    if status == "90" and cla.interindustry:
        if cmd.ins == _SELECT and cmd.p1 == _BY_NAME:
            selected[cla.channel] = _applet(_name(cmd, step.response))
        elif cmd.ins == _MANAGE_CHANNEL:
            selected.pop(cmd.p2, None)


def _name(cmd: CommandAPDU, answer: Pattern) -> bytes:
    """Return the name of the application that SELECT found: as the answer tells it, or else as it was asked for."""
    match = _ANSWERED_NAME.match(str(answer))
    if match is None:
        return cmd.data or bytes(ISSUER_DOMAIN_AID)
    return bytes.fromhex(match[2][: 3 * int(match[1], 16)])


def _applet(name: bytes) -> Applet:
    module = name[:6] + name[-2:] if name.startswith(MUNICIPAL_SERVICE_PREFIX) else name
    return next((applet for applet in _OTHERS if bytes(applet.module) == module), _DOMAIN)
