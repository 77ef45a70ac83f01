"""Dialogues: what a host says to a card and what the card answers, as text that people can read and write.

    # Selecting the issuer's domain.
    reset 3B *
    > 00 A4 04 00 08 A0 00 00 01 51 00 00 00
    < 6F .. 84 08 A0 00 00 01 51 00 00 00
      * 90 00
    open issuer
    >> 80 F2 80 02 02 4F 00 00
    << E3 * 90 00

`reset` resets the card; an ATR pattern may follow. `>` is a command, `<` the pattern its answer must match,
status word included: two hex digits are a byte, `..` is any one byte, `*` any number of bytes. An indented
line continues the one above. `#` begins a comment. Spaces between bytes are optional.

`open NAME` opens a secure channel session of which whoever plays the dialogue knows how (keys, certificates). `>>` is
a command that is sent in it: what stands here is the plain command, and behind `<<` the plain answer; protecting
the one and opening the other is the session's business. A reset or another `open` ends it.

A recording holds everything that crossed the wire, passwords in the clear included: it is for tests.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from jukicard.iso7816.connection import ApduLimits, CardConnection, ConnectionWrapper
from jukicard.iso7816.errors import HostError

_TOKEN: Final = re.compile(r"[0-9A-Fa-f]{2}|\.\.|\*")
_ANY_BYTE: Final = ".."
_ANY_BYTES: Final = "*"
_SIGN: Final = re.compile(r">>?|<<?|reset\b|open\b")
_ANSWER_TO: Final = {">": "<", ">>": "<<"}
_NO_OPENERS: Final[Mapping[str, Opener]] = MappingProxyType({})


class DialogueError(ValueError):
    """A dialogue's text is not well formed; the message gives its name and line."""


class DialogueMismatch(AssertionError):  # noqa: N818 - it says what happened
    """A card answered something else than the dialogue says; the message shows where, and both answers."""


class ReplayError(HostError):
    """The host said something else than the recorded dialogue."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Bytes with wildcards. Each token is a byte in two upper-case hex digits, `..`, or `*`."""

    tokens: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Parse the notation of the module; ValueError for anything else."""
        tokens = []
        for word in text.split():
            position = 0
            while position < len(word):
                match = _TOKEN.match(word, position)
                if match is None:
                    raise ValueError(f"{word[position : position + 2]!r} is neither a byte, nor '..', nor '*'")
                tokens.append(match.group().upper())
                position = match.end()
        return cls(tuple(tokens))

    @classmethod
    def exactly(cls, data: bytes) -> Pattern:
        """The pattern that only `data` matches."""
        return cls(tuple(f"{byte:02X}" for byte in data))

    @property
    def literal(self) -> bytes | None:
        """The only bytes that match, None if there are wildcards."""
        if _ANY_BYTE in self.tokens or _ANY_BYTES in self.tokens:
            return None
        return bytes.fromhex("".join(self.tokens))

    def matches(self, data: bytes) -> bool:
        """Whether `data`, all of it, fits."""
        return re.fullmatch(b"".join(map(_expression, self.tokens)), data, re.DOTALL) is not None

    def difference(self, data: bytes) -> str | None:
        """Where `data` does not fit, in words; None if it fits."""
        if self.matches(data):
            return None
        for index, (token, byte) in enumerate(zip(self.tokens, data, strict=False)):
            if token == _ANY_BYTES:
                return f"the bytes from offset {index} on do not fit"
            if not _fits(token, byte):
                return f"the byte at offset {index} is {byte:02X}, not {token}"
        fixed = sum(token != _ANY_BYTES for token in self.tokens)
        return f"it has {len(data)} bytes, not {fixed}{' or more' if _ANY_BYTES in self.tokens else ''}"

    def __str__(self) -> str:
        return " ".join(self.tokens)


@dataclass(frozen=True, slots=True)
class Reset:
    """A reset of the card, and what its ATR must match. `line` is the line in the text, from 1 (0: none)."""

    atr: Pattern = Pattern((_ANY_BYTES,))
    line: int = 0


@dataclass(frozen=True, slots=True)
class Open:
    """The opening of a secure channel session by its name. `line` is the line in the text, from 1 (0: none)."""

    name: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Exchange:
    """A command and what its answer must match; in a session both are plain.

    `line` is the command's line in the text, from 1 (0: none). `secured`: it is sent in the session opened last.
    """

    command: bytes
    response: Pattern
    line: int = 0
    secured: bool = False


Step = Reset | Open | Exchange

Opener = Callable[[CardConnection], CardConnection]
"""Opens a session over a connection to the card, with the application that is selected."""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A named sequence of resets and exchanges."""

    name: str
    steps: tuple[Step, ...]


def parse_dialogue(text: str, name: str = "dialogue") -> Dialogue:
    """Parse the notation of the module. DialogueError names the line of the first fault."""
    steps: list[Step] = []
    command: tuple[int, str, bytes] | None = None
    for line, sign, rest in _logical_lines(text, name):
        try:
            if command is not None:
                if sign != _ANSWER_TO[command[1]]:
                    raise ValueError(f"a command's answer ('{_ANSWER_TO[command[1]]}') must follow it")
                steps.append(Exchange(command[2], _response_pattern(rest), command[0], command[1] == ">>"))
                command = None
            elif sign in _ANSWER_TO:
                command = line, sign, _command_bytes(rest)
            else:
                steps.append(_other_step(line, sign, rest))
        except ValueError as error:
            raise DialogueError(f"{name}, line {line}: {error}") from None
    if command is not None:
        raise DialogueError(f"{name}, line {command[0]}: the last command has no answer ('{_ANSWER_TO[command[1]]}')")
    return Dialogue(name, tuple(steps))


def _other_step(line: int, sign: str, rest: str) -> Step:
    if sign == "reset":
        return Reset(Pattern.parse(rest or _ANY_BYTES), line)
    if sign == "open":
        if not re.fullmatch(r"[a-z0-9-]+", rest):
            raise ValueError("a session has a name of small letters, digits and hyphens")
        return Open(rest, line)
    raise ValueError(f"an answer ('{sign}') without a command")


def format_dialogue(dialogue: Dialogue) -> str:
    """The dialogue as text; `parse_dialogue` gives an equal one back, but for the line numbers."""
    lines = []
    for step in dialogue.steps:
        match step:
            case Reset():
                lines.append(f"reset {step.atr}")
            case Open():
                lines.append(f"open {step.name}")
            case Exchange():
                sign = ">>" if step.secured else ">"
                lines += [f"{sign} {step.command.hex(' ').upper()}", f"{_ANSWER_TO[sign]} {step.response}"]
    return "".join(line + "\n" for line in lines)


def play(dialogue: Dialogue, connection: CardConnection, openers: Mapping[str, Opener] = _NO_OPENERS) -> None:
    """Say the dialogue's part to the card, in one transaction; DialogueMismatch at the first difference.

    The card is not reset unless the dialogue says so. `openers` open the sessions that it names; DialogueError for one
    that is not among them, or where a command wants one and none is open. Errors of the connection pass.
    """
    session: CardConnection | None = None
    with connection.transaction():
        for step in dialogue.steps:
            match step:
                case Reset():
                    connection.reset()
                    session = None
                    _compare(dialogue, step.line, "reset", step.atr, connection.atr)
                case Open():
                    if step.name not in openers:
                        raise DialogueError(f"{dialogue.name}, line {step.line}: nobody knows a session {step.name!r}")
                    session = openers[step.name](connection)
                case Exchange():
                    way = session if step.secured else connection
                    if way is None:
                        raise DialogueError(f"{dialogue.name}, line {step.line}: no session is open")
                    said = f"{'>>' if step.secured else '>'} {step.command.hex(' ').upper()}"
                    _compare(dialogue, step.line, said, step.response, way.transmit(step.command))


class Recorder(ConnectionWrapper):
    """Records what passes through it. A command that got no answer is not recorded."""

    def __init__(self, inner: CardConnection) -> None:
        super().__init__(inner)
        self._steps: list[Step] = []

    def transmit(self, command: bytes) -> bytes:
        """See CardConnection."""
        response = self.inner.transmit(command)
        self._steps.append(Exchange(bytes(command), Pattern.exactly(response)))
        return response

    def reset(self) -> None:
        """See CardConnection."""
        self.inner.reset()
        self._steps.append(Reset(Pattern.exactly(self.inner.atr)))

    def dialogue(self, name: str = "recording") -> Dialogue:
        """What has passed so far."""
        return Dialogue(name, tuple(self._steps))


class ReplayConnection:
    """A connection to nothing but a recorded dialogue: the host must say exactly what is in it, in order."""

    def __init__(self, dialogue: Dialogue, atr: bytes = b"", limits: ApduLimits = ApduLimits.EXTENDED) -> None:
        """DialogueError if an answer has wildcards, or was given in a session: then nobody knows what to answer."""
        for step in dialogue.steps:
            if isinstance(step, Open) or (isinstance(step, Exchange) and step.secured):
                raise DialogueError(f"{dialogue.name}, line {step.line}: what was said in a session cannot be replayed")
            if isinstance(step, Exchange) and step.response.literal is None:
                raise DialogueError(f"{dialogue.name}, line {step.line}: an answer with wildcards cannot be replayed")
        self._name = dialogue.name
        self._steps = list(reversed(dialogue.steps))
        self._atr = atr
        self._limits = limits

    @property
    def atr(self) -> bytes:
        """The ATR given, or that of the last reset where the dialogue tells it."""
        return self._atr

    @property
    def limits(self) -> ApduLimits:
        """The limits given."""
        return self._limits

    def transmit(self, command: bytes) -> bytes:
        """The recorded answer; ReplayError if this is not the next recorded command."""
        step = self._next()
        if not isinstance(step, Exchange) or step.command != command:
            raise ReplayError(f"{self._name}: not the command that was recorded{_at(step)}")
        answer = step.response.literal
        assert answer is not None  # noqa: S101 - seen to by __init__
        return answer

    def reset(self) -> None:
        """See CardConnection; ReplayError if no reset was recorded here."""
        step = self._next()
        if not isinstance(step, Reset):
            raise ReplayError(f"{self._name}: a reset that was not recorded{_at(step)}")
        self._atr = step.atr.literal or self._atr

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """See CardConnection."""
        yield

    def close(self) -> None:
        """See CardConnection."""

    @property
    def finished(self) -> bool:
        """Whether everything recorded has been said."""
        return not self._steps

    def _next(self) -> Step:
        if not self._steps:
            raise ReplayError(f"{self._name}: the recording has ended")
        return self._steps.pop()


def _logical_lines(text: str, name: str) -> Iterator[tuple[int, str, str]]:
    """(number, sign, rest) of each line that says something, continuations joined."""
    pending: tuple[int, str, str] | None = None
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.split("#", 1)[0].rstrip()
        if not line:
            continue
        if line[0].isspace():
            if pending is None:
                raise DialogueError(f"{name}, line {number}: an indented line continues another, and there is none")
            pending = pending[0], pending[1], f"{pending[2]} {line.strip()}"
            continue
        if pending is not None:
            yield pending
        pending = number, *_split_sign(line, number, name)
    if pending is not None:
        yield pending


def _split_sign(line: str, number: int, name: str) -> tuple[str, str]:
    match = _SIGN.match(line)
    if match is None:
        raise DialogueError(f"{name}, line {number}: a line begins with 'reset', 'open', '>', '<', '#' or a space")
    return match.group(), line[match.end() :].strip()


def _command_bytes(text: str) -> bytes:
    command = Pattern.parse(text).literal
    if not command:
        raise ValueError("a command is made of bytes, without wildcards, and at least one")
    return command


def _response_pattern(text: str) -> Pattern:
    pattern = Pattern.parse(text)
    if not pattern.tokens:
        raise ValueError("an answer has at least a status word")
    return pattern


def _expression(token: str) -> bytes:
    if token == _ANY_BYTE:
        return b"."
    if token == _ANY_BYTES:
        return b".*"
    return re.escape(bytes.fromhex(token))


def _fits(token: str, byte: int) -> bool:
    return token in (_ANY_BYTE, _ANY_BYTES) or int(token, 16) == byte


def _compare(dialogue: Dialogue, line: int, said: str, expected: Pattern, actual: bytes) -> None:
    difference = expected.difference(actual)
    if difference is not None:
        status = expected.tokens[-2:]
        if said.startswith(">") and len(actual) >= 2 and not all(map(_fits, status, actual[-2:])):
            difference = f"the status word is {actual[-2:].hex(' ').upper()}, not {' '.join(status)}"
        raise DialogueMismatch(
            f"{dialogue.name}, line {line}: {difference}\n  {said}\n"
            f"  expected {expected}\n  answered {actual.hex(' ').upper()}"
        )


def _at(step: Step) -> str:
    return f" in line {step.line}" if step.line else ""
