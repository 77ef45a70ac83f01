"""Why a command was refused, for the people on the host side of the emulator: which check, which rule, which byte of
which FCP, what was missing, and what would satisfy it.

Nothing of this crosses the wire.  It names no password, no key and no content: what is missing, not what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from jukicard.card.errors import Step
from jukicard.card.objects import Header, LifeCycle
from jukicard.card.security.conditions import NOTHING, Facts, holds
from jukicard.iso7816.access import (
    AllOf,
    Always,
    AnyOf,
    CommandEnc,
    CommandMac,
    Condition,
    Never,
    Not,
    Password,
    ResponseEnc,
    ResponseMac,
    Right,
    SessionKey,
)
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv, encode_length
from jukicard.securechannel.authorization import Right as TerminalRight

if TYPE_CHECKING:
    from jukicard.card.commands import Blame, Row


class NeedKind(Enum):
    """What kind of thing is needed."""

    PASSWORD = "password"  # noqa: S105  a kind of condition
    RIGHT = "right"
    SESSION = "session"
    COMMAND_MAC = "command-mac"
    COMMAND_ENC = "command-enc"
    RESPONSE_MAC = "response-mac"
    RESPONSE_ENC = "response-enc"
    LIFE_CYCLE = "life-cycle"


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that is missing.

    `value`: the reference of a password, the number of a right, the key identifier of a session, a life cycle status;
    None for the others.  `absent`: it must not be there (the rule says "not").
    """

    kind: NeedKind
    value: int | None = None
    absent: bool = False

    def __str__(self) -> str:
        text = _WORDS[self.kind](self.value or 0)
        return f"no {text}" if self.absent else text


Alternative = tuple[Need, ...]


@dataclass(frozen=True, slots=True)
class RuleText:
    """The rule that stood against a command, where it is stored.

    `fcp` is the object's FCP (empty where the rule is the command's own), `offset` and `length` the bytes of it that
    decided: the condition, the whole AB object where none of its entries fits the command, or the life cycle status.
    `alternatives` are the sets of things of which each would do; none at all: nothing will.
    """

    text: str
    fcp: bytes
    offset: int
    length: int
    alternatives: tuple[Alternative, ...]


class Refusal(NamedTuple):
    """A refused command, as the chip's own host may know it.

    `row` is that of the command, where it was found; `blame` what stood against it, where that was a rule.
    """

    sw: StatusWord
    step: Step
    reason: str
    row: Row | None = None
    blame: Blame | None = None

    @property
    def rule(self) -> RuleText | None:
        """The rule that was not met, or None where the command was refused for another reason."""
        return _rule(self.blame) if self.blame is not None else None

    @property
    def remedy(self) -> str:
        """What would have to be different, in words; empty where the chip cannot tell."""
        rule = self.rule
        if rule is not None:
            ways = [" and ".join(map(str, way)) or "the command in the clear" for way in rule.alternatives]
            return "; or ".join(ways) if ways else "nothing: this is never allowed"
        if self.row is not None and self.step is Step.LENGTH:
            return f"{self.row.length.minimum} to {self.row.length.maximum} bytes of data"
        return _REMEDIES.get(self.step, _REMEDIES_BY_STATUS.get(self.sw, ""))


_SESSIONS: dict[int, str] = {
    0x01: "the domain's keys (SCP03)",
    0x11: "a terminal's certificate (SCP11a)",
    0x13: "the card's own key (SCP11b)",
}
_WORDS: dict[NeedKind, Callable[[int], str]] = {
    NeedKind.PASSWORD: lambda ref: f"password {ref:02X} verified in the same session (00 20 00 {ref:02X})",
    NeedKind.RIGHT: lambda number: f"a terminal with the right {_right(number)} (SCP11a)",
    NeedKind.SESSION: lambda kid: f"a session opened with {_SESSIONS.get(kid, f'key {kid:02X}')}",
    NeedKind.COMMAND_MAC: lambda _: "C-MAC on the command",
    NeedKind.COMMAND_ENC: lambda _: "C-ENC on the command",
    NeedKind.RESPONSE_MAC: lambda _: "R-MAC on the response",
    NeedKind.RESPONSE_ENC: lambda _: "R-ENC on the response",
    NeedKind.LIFE_CYCLE: lambda status: f"life cycle status {status:02X} (ACTIVATE)",
}
_REMEDIES = {
    Step.FORM: "4 header bytes, and Lc, data and Le that fit the length of the command",
    Step.CHANNEL: "MANAGE CHANNEL opens a logical channel; the class byte names it",
    Step.SECURE_MESSAGING: "a new session: INITIALIZE UPDATE and EXTERNAL AUTHENTICATE, or SCP11",
    Step.INSTRUCTION: "another application, or the other class: the command reference lists what each one has",
    Step.PARAMETERS: "P1-P2 as the command reference lists them",
    Step.APPLICATION: "SET STATUS unlocks; what is terminated stays so",
}
_REMEDIES_BY_STATUS = {
    StatusWord.NO_CURRENT_EF: "SELECT of a file, or a short file identifier in the command",
    StatusWord.FILE_NOT_FOUND: "a name or identifier that exists here",
    StatusWord.REFERENCE_NOT_FOUND: "a reference that exists here",
    StatusWord.RECORD_NOT_FOUND: "a record that exists",
    StatusWord.BLOCKED: "a terminal that may reset the tries",
    StatusWord.REFERENCE_DATA_UNUSABLE: "a value: nothing was set or generated yet",
    StatusWord.INCOMPATIBLE_FILE: "a file of the other structure",
    StatusWord.NOT_ENOUGH_MEMORY: "less data, or more room",
}
_LEAVES = {
    CommandMac: NeedKind.COMMAND_MAC,
    CommandEnc: NeedKind.COMMAND_ENC,
    ResponseMac: NeedKind.RESPONSE_MAC,
    ResponseEnc: NeedKind.RESPONSE_ENC,
}


def _right(number: int) -> str:
    try:
        return TerminalRight(number).name.lower().replace("_", "-")
    except ValueError:
        return f"number {number}"


def _rule(blame: Blame) -> RuleText:
    fcp = blame.header.fcp() if isinstance(blame.header, Header) else b""
    if blame.condition is None:
        return _life_cycle(blame.header, fcp)
    offset, length = _place(blame, fcp)
    return RuleText(in_words(blame.condition), fcp, offset, length, _ways(blame.condition, blame.facts))


def _life_cycle(header: object, fcp: bytes) -> RuleText:
    """Point at the status: the value of 8A, which stands before the rules."""
    assert isinstance(header, Header)  # noqa: S101  only objects on the card have a life cycle
    text = f"life cycle status {header.life_cycle:02X}, {header.life_cycle.name.lower()}"
    offset = fcp.index(bytes((0x8A, 0x01, header.life_cycle))) + 2
    ways = ((Need(NeedKind.LIFE_CYCLE, LifeCycle.ACTIVATED),),) if header.life_cycle is LifeCycle.DEACTIVATED else ()
    return RuleText(text, fcp, offset, 1, ways)


def _place(blame: Blame, fcp: bytes) -> tuple[int, int]:
    """Return where in the FCP the condition stands that was asked for, and its length."""
    header = blame.header
    if header is None or blame.command is None or not fcp:
        return 0, 0
    rules = header.rules.encode()
    start = len(fcp) - len(rules)  # AB comes last
    number = header.rules.entry_for(blame.mode, blame.command)
    if number is None:
        start -= 1 + len(encode_length(len(rules)))
        return start, len(fcp) - start
    before = b"".join(Tlv(do.tag, do.value).encode() + sc.encode() for do, sc in header.rules.entries[:number])
    do, condition = header.rules.entries[number]
    return start + len(before) + len(Tlv(do.tag, do.value).encode()), len(condition.encode())


def in_words(condition: Condition) -> str:
    """Return a condition in words."""
    match condition:
        case Always():
            return "always"
        case Never():
            return "never"
        case AllOf(conditions=parts):
            return "(" + " and ".join(map(in_words, parts)) + ")"
        case AnyOf(conditions=parts):
            return "(" + " or ".join(map(in_words, parts)) + ")"
        case Not(condition=part):
            return f"not {in_words(part)}"
    return str(_need(condition, absent=False))


def _need(condition: Condition, *, absent: bool) -> Need:
    match condition:
        case Password(ref=reference):
            return Need(NeedKind.PASSWORD, reference, absent)
        case Right(number=number):
            return Need(NeedKind.RIGHT, number, absent)
        case SessionKey(kid=kid):
            return Need(NeedKind.SESSION, kid, absent)
    return Need(_LEAVES[type(condition)], None, absent)


def _ways(condition: Condition, facts: Facts) -> tuple[Alternative, ...]:
    """Return what would do.

    A password can be added to what holds now.  Whatever concerns the session takes a new one, in which nothing of the
    old one holds; an empty way is the command in the clear, outside of any session.
    """
    added = [way for way in _alternatives(condition, facts, wanted=True) if all(map(_can_be_added, way))]
    return tuple(_smallest([*added, *_alternatives(condition, NOTHING, wanted=True)]))


def _can_be_added(need: Need) -> bool:
    return need.kind is NeedKind.PASSWORD and not need.absent


def _alternatives(condition: Condition, facts: Facts, *, wanted: bool) -> list[Alternative]:
    """Return the smallest sets of things, beside `facts`, that make a condition true (or false, if that is wanted)."""
    match condition:
        case Always() | Never():
            return [()] if isinstance(condition, Always) is wanted else []
        case Not(condition=part):
            return _alternatives(part, facts, wanted=not wanted)
        case AllOf(conditions=parts) | AnyOf(conditions=parts):
            each = [_alternatives(part, facts, wanted=wanted) for part in parts]
            if isinstance(condition, AllOf) is wanted:
                ways = [_joined(combination) for combination in product(*each)]
            else:
                ways = [way for several in each for way in several]
            return _smallest(way for way in ways if _possible(way))
    return [()] if holds(condition, facts) is wanted else [(_need(condition, absent=not wanted),)]


def _joined(ways: Iterable[Alternative]) -> Alternative:
    return tuple(dict.fromkeys(need for way in ways for need in way))


def _possible(way: Alternative) -> bool:
    """A session is opened with one kind of key, and nothing is both there and absent."""
    kinds = {need.value for need in way if need.kind is NeedKind.SESSION and not need.absent}
    wanted = {(need.kind, need.value) for need in way if not need.absent}
    return len(kinds) <= 1 and not any((need.kind, need.value) in wanted for need in way if need.absent)


def _smallest(ways: Iterable[Alternative]) -> list[Alternative]:
    """Leave out what asks for more than another does."""
    distinct = sorted(dict.fromkeys(ways), key=len)
    return [
        way for number, way in enumerate(distinct) if not any(set(other) <= set(way) for other in distinct[:number])
    ]
