"""Command tables as data: parameters, lengths, rows, and who decides about access."""

from __future__ import annotations

import dataclasses

import pytest

from jukicard.card.commands import (
    ANY,
    ANY_DATA,
    BOTH,
    FREE,
    INTERINDUSTRY,
    NO_DATA,
    PROPRIETARY,
    ROW_KEYS,
    ZERO,
    Blame,
    Classes,
    CommandTable,
    Fixed,
    Guarded,
    Length,
    On,
    Row,
    command,
    data,
    only,
    row_key,
    span,
    where,
)
from jukicard.card.context import Context
from jukicard.card.errors import Step
from jukicard.card.security.conditions import NOTHING
from jukicard.iso7816.access import Never
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from tests.support import chips
from tests.support.chips import say
from tests.support.probe import SEALED, probed


def answer(self: object, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
    return ResponseAPDU()


def _nothing(cmd: CommandAPDU, ctx: Context) -> Guarded:
    raise NotImplementedError


def row(name: str = "ROW", classes: Classes = INTERINDUSTRY, ins: int = 0x10, p1: int = 0) -> Row:
    return Row(name, classes, ins, only(p1), ZERO, NO_DATA, FREE, False, "-", answer)


def test_sets_of_parameters_say_what_they_hold() -> None:
    assert (set(only(0, 0x81)), only(0, 0x81).text) == ({0, 0x81}, "00, 81")
    assert (set(span(0x0A, 0x0C)), span(0x0A, 0x0C).text) == ({10, 11, 12}, "0A-0C")
    assert set(where(lambda value: value > 0xFD or value < 1, "ends")) == {0x00, 0xFE, 0xFF}
    assert where(bool, "any but 00").text == "any but 00"
    assert (set(ZERO), ZERO.text) == ({0}, "00")
    assert (set(ANY), ANY.text) == (set(range(256)), "00-FF")


def test_lengths() -> None:
    assert Length(0, 0) == NO_DATA
    assert Length(0, 65535) == ANY_DATA
    assert data(8) == Length(8, 65535)
    assert data(8, 16) == Length(8, 16)


def test_the_classes_are_flags() -> None:
    assert Classes.BOTH == INTERINDUSTRY | PROPRIETARY
    assert not INTERINDUSTRY & PROPRIETARY


def test_each_instruction_of_each_class_has_a_number_of_its_own() -> None:
    numbers = [row_key(cla, ins) for cla in (0x00, 0x80) for ins in range(256)]
    assert sorted(numbers) == list(range(ROW_KEYS))
    assert row_key(0x0F, 0xB0) == row_key(0x00, 0xB0) == 0x0B0
    assert row_key(0xFF, 0xB0) == row_key(0x80, 0xB0) == 0x1B0


def test_a_table_finds_rows_by_class_and_instruction() -> None:
    here, there, both = row("A"), row("B", PROPRIETARY), row("C", BOTH, 0x11)
    more = row("D", p1=1)
    table = CommandTable([here, there, both, more])
    assert table.rows == (here, there, both, more)
    assert table.find(0x00, 0x10) == (here, more)
    assert table.find(0x80, 0x10) == (there,)
    assert table.find(0x00, 0x11) == table.find(0x80, 0x11) == (both,)
    assert table.find(0x00, 0x12) == table.find(0x80, 0x12) == ()


def test_every_pair_of_rows_is_looked_at() -> None:
    rows = [row("A"), row("B", ins=0x11), row("C", ins=0x12), row("D", ins=0x11)]
    with pytest.raises(TypeError, match="'B' and 'D'"):
        CommandTable(rows)


def test_a_row_accepts_its_own_parameters_only() -> None:
    one = row(p1=3)
    assert one.accepts(CommandAPDU(0, 0x10, 3, 0))
    assert not one.accepts(CommandAPDU(0, 0x10, 2, 0))
    assert not one.accepts(CommandAPDU(0, 0x10, 3, 1))


class _Base:
    @command(BOTH, ins=0x20, p1=only(1), length=data(1, 2), access=FREE, writes=True, spec="clause")
    def first_thing(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        return ResponseAPDU(b"first")

    @command(INTERINDUSTRY, ins=0x10, length=NO_DATA, access=FREE, writes=False, spec="-", name="GIVEN (name)")
    def second(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        return ResponseAPDU(b"second")

    def no_command(self) -> None:
        """Has no row."""


class _Derived(_Base):
    @command(INTERINDUSTRY, ins=0x12, length=NO_DATA, access=FREE, writes=False, spec="-")
    def second(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        return ResponseAPDU(b"other")


def test_a_decorated_method_is_a_row_of_its_class() -> None:
    second, first = CommandTable.of(_Base).rows
    assert (first.name, first.classes, first.ins, first.p1, first.p2) == ("FIRST THING", BOTH, 0x20, only(1), ZERO)
    assert (first.length, first.access, first.writes, first.spec) == (data(1, 2), FREE, True, "clause")
    assert first.handler is _Base.first_thing
    assert (second.name, second.writes) == ("GIVEN (name)", False)


def test_a_method_that_overrides_another_replaces_its_row() -> None:
    assert [(each.ins, each.name) for each in CommandTable.of(_Derived).rows] == [
        (0x12, "SECOND"),
        (0x20, "FIRST THING"),
    ]


def test_rows_stand_in_the_order_of_their_instructions_and_names() -> None:
    class Many:
        @command(INTERINDUSTRY, ins=0x11, p1=only(1), length=NO_DATA, access=FREE, writes=False, spec="-", name="B")
        def a(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
            return ResponseAPDU()

        @command(INTERINDUSTRY, ins=0x11, length=NO_DATA, access=FREE, writes=False, spec="-", name="A")
        def b(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
            return ResponseAPDU()

        @command(INTERINDUSTRY, ins=0x10, length=NO_DATA, access=FREE, writes=False, spec="-", name="C")
        def c(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
            return ResponseAPDU()

    assert [each.name for each in CommandTable.of(Many).rows] == ["C", "A", "B"]


@pytest.mark.parametrize(
    "value", [NO_DATA, FREE, On(_nothing, None, "it"), row()], ids=lambda value: type(value).__name__
)
def test_what_tables_are_made_of_nobody_can_change(value: Length | Fixed | On | Row) -> None:
    name = dataclasses.fields(value)[0].name
    with pytest.raises(AttributeError):
        setattr(value, name, None)


def test_a_rule_of_the_command_blames_no_object() -> None:
    blame = Blame(Never(), NOTHING)
    assert (blame.header, blame.mode, blame.command) == (None, None, None)
    assert Fixed(Never(), "nobody") != FREE


def test_a_fixed_rule_is_the_commands_own() -> None:
    chip = probed()
    command_bytes = CommandAPDU(0x00, 0x14, 0, 0, b"abc", 256)
    assert chip.ask(command_bytes.encode()).sw == 0x6982
    refusal = chip.card.refusal
    assert refusal is not None
    assert refusal.step is Step.ACCESS
    assert refusal.reason == "GUARDED needs: an encrypted command"
    assert refusal.blame == Blame(SEALED.condition, NOTHING)
    assert say(chip.scp03(chips.CITY_KEYS, 0x01), 0, 0x14, data=b"abc", ne=256).sw == 0x6982
    assert say(chip.scp03(chips.CITY_KEYS, 0x33), 0, 0x14, data=b"abc", ne=256).data == b"abc"
