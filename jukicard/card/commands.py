"""Commands as tables: each handler states its class, instruction, parameters, length, access and source in one place.

The dispatcher, the command reference in the documentation and the generic tests all read these rows and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Flag
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self, TypeVar

from jukicard.card.errors import CardError, Step
from jukicard.card.objects import LifeCycle
from jukicard.card.security.conditions import Facts, holds
from jukicard.iso7816.access import ALWAYS, AccessMode, AccessRules, Condition
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord

if TYPE_CHECKING:
    from jukicard.card.context import Context


class Classes(Flag):
    """Which classes of CLA a row answers to."""

    INTERINDUSTRY = 1
    PROPRIETARY = 2
    BOTH = 3


INTERINDUSTRY = Classes.INTERINDUSTRY
PROPRIETARY = Classes.PROPRIETARY
BOTH = Classes.BOTH


class ByteSet(frozenset[int]):
    """The values that P1 or P2 may have, with their `text` for the documentation."""

    text: str

    def __new__(cls, values: Iterable[int], text: str) -> Self:
        """Name the bytes in `values` (0-255)."""
        made = super().__new__(cls, values)
        made.text = text
        return made


def only(*values: int) -> ByteSet:
    """Exactly these values."""
    return ByteSet(values, ", ".join(f"{value:02X}" for value in values))


def span(low: int, high: int) -> ByteSet:
    """All values from `low` to `high`, both included."""
    return ByteSet(range(low, high + 1), f"{low:02X}-{high:02X}")


def where(test: Callable[[int], bool], text: str) -> ByteSet:
    """All values for which `test` is true."""
    return ByteSet(filter(test, range(256)), text)


ZERO = only(0)
ANY = span(0x00, 0xFF)


@dataclass(frozen=True, slots=True)
class Length:
    """How many command data bytes a row takes."""

    minimum: int
    maximum: int


NO_DATA = Length(0, 0)
ANY_DATA = Length(0, 65535)


def data(minimum: int, maximum: int = 65535) -> Length:
    """From `minimum` to `maximum` bytes."""
    return Length(minimum, maximum)


class Guarded(Protocol):
    """An object with access rules of its own: a file, a password, a key pair, an application."""

    @property
    def header(self) -> GuardedHeader:
        """Its control parameters."""


class GuardedHeader(Protocol):
    """What access control needs to know of an object."""

    @property
    def rules(self) -> AccessRules:
        """The access rules in force."""

    @property
    def life_cycle(self) -> LifeCycle:
        """The life cycle status."""


class Blame(NamedTuple):
    """What stood against a command: an access rule that was not met, or (without a condition) a life cycle status.

    `header` are the control parameters of the object addressed, `mode` and `command` (CLA INS P1 P2) what its rules
    were asked for; all None where the rule is the command's own.  `facts` is what held instead.
    """

    condition: Condition | None
    facts: Facts
    header: GuardedHeader | None = None
    mode: AccessMode | None = None
    command: bytes | None = None


class Access(Protocol):
    """How a row decides who may use it."""

    @property
    def text(self) -> str:
        """The rule in words, for the documentation."""

    def authorise(self, cmd: CommandAPDU, ctx: Context) -> None:
        """Find what is addressed, check its life cycle and its rule; refuse with a `CardError`."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """A rule of the command itself, where no object is addressed."""

    condition: Condition
    text: str

    def authorise(self, cmd: CommandAPDU, ctx: Context) -> None:
        """Check the fixed condition (6982)."""
        if self.condition is ALWAYS:
            return
        facts = ctx.facts
        if not holds(self.condition, facts):
            reason = f"{ctx.row.name} needs: {self.text}"
            raise CardError(StatusWord.SECURITY_NOT_SATISFIED, reason, Step.ACCESS, Blame(self.condition, facts))


FREE = Fixed(ALWAYS, "always")


@dataclass(frozen=True, slots=True)
class On:
    """The rule of the object that the command addresses, for an access mode or for the command's own header."""

    locate: Callable[[CommandAPDU, Context], Guarded]
    mode: AccessMode | None
    text: str
    free_when_empty: bool = False

    def authorise(self, cmd: CommandAPDU, ctx: Context) -> None:
        """Find the object (6A82, 6A88, 6986), check its life cycle (6985) and its rule (6982)."""
        target = self.locate(cmd, ctx)
        ctx.target = target
        if self.free_when_empty and not cmd.data:
            return
        ctx.applet.check_life_cycle(ctx, target, self.mode)
        condition = target.header.rules.condition_for(self.mode, cmd[:4])
        if condition is ALWAYS:
            return
        facts = ctx.facts
        if not holds(condition, facts):
            reason = f"{ctx.row.name}: the rule of {self.text} is not met"
            blame = Blame(condition, facts, target.header, self.mode, cmd.header)
            raise CardError(StatusWord.SECURITY_NOT_SATISFIED, reason, Step.ACCESS, blame)


Handler = Callable[[Any, CommandAPDU, "Context"], ResponseAPDU]
H = TypeVar("H", bound=Handler)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a command table.

    `writes`: whether a success, or a failure, may leave something in the store that was not there before.  A row that
    says no and writes all the same is a bug (6F00); every row that says yes is tried under power cuts.
    """

    name: str
    classes: Classes
    ins: int
    p1: ByteSet
    p2: ByteSet
    length: Length
    access: Access
    writes: bool
    spec: str
    handler: Handler

    def accepts(self, cmd: CommandAPDU) -> bool:
        """Return whether P1 and P2 are this row's."""
        return cmd.p1 in self.p1 and cmd.p2 in self.p2

    def collides(self, other: Row) -> bool:
        """Return whether one command could belong to both rows."""
        return bool(
            self.ins == other.ins and self.classes & other.classes and self.p1 & other.p1 and self.p2 & other.p2
        )


def command(
    classes: Classes,
    *,
    ins: int,
    p1: ByteSet = ZERO,
    p2: ByteSet = ZERO,
    length: Length,
    access: Access,
    writes: bool,
    spec: str,
    name: str | None = None,
) -> Callable[[H], H]:
    """Make a method the handler of one row of its class's command table.

    There is no default for `access` and `writes`.
    """

    def mark(handler: H) -> H:
        title = name or handler.__name__.replace("_", " ").upper()
        row = Row(title, classes, ins, p1, p2, length, access, writes, spec, handler)
        handler.__row__ = row  # type: ignore[attr-defined]
        return handler

    return mark


class CommandTable:
    """The rows of one applet class, by class of CLA and instruction."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = tuple(rows)
        for number, row in enumerate(rows):
            for other in rows[:number]:
                if row.collides(other):
                    raise TypeError(f"rows {other.name!r} and {row.name!r} of one command table collide")
        self._by_key: dict[int, tuple[Row, ...]] = {}
        for row in rows:
            for cla, flag in ((0x00, INTERINDUSTRY), (0x80, PROPRIETARY)):
                if row.classes & flag:
                    key = row_key(cla, row.ins)
                    self._by_key[key] = (*self._by_key.get(key, ()), row)

    @classmethod
    def of(cls, owner: type) -> CommandTable:
        """Collect the rows of a class and its bases; a method that overrides another replaces its row."""
        rows = []
        for attribute in dir(owner):
            row = getattr(getattr(owner, attribute), "__row__", None)
            if isinstance(row, Row):
                rows.append(row)
        return cls(sorted(rows, key=lambda row: (row.ins, row.name)))

    def find(self, cla: int, ins: int) -> tuple[Row, ...]:
        """Return the rows for an instruction in the class of `cla`; none where it is not supported."""
        return self._by_key.get(row_key(cla, ins), ())


ROW_KEYS = 512


def row_key(cla: int, ins: int) -> int:
    """Return the number (0-511) of an instruction in the interindustry or proprietary class that `cla` belongs to."""
    return (cla & 0x80) << 1 | ins
