"""What the chip's host is told of a refusal: whoever does what it says gets through, and nobody else is told."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from jukicard.card.errors import Step
from jukicard.card.explain import Alternative, NeedKind, Refusal, in_words
from jukicard.iso7816.access import AccessRules
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.connection import CardConnection, send
from jukicard.securechannel.authorization import Right
from tests.support import bench, chips
from tests.support.chips import Chip

READ = CommandAPDU(0x00, 0xB0, 0x00, 0x00, b"", 1)
UPDATE = CommandAPDU(0x00, 0xD6, 0x00, 0x00, b"\x01")
SCP03, SCP11A, SCP11B = 0x01, 0x11, 0x13
LEVEL_BITS = {
    NeedKind.COMMAND_MAC: 0x01,
    NeedKind.COMMAND_ENC: 0x02,
    NeedKind.RESPONSE_MAC: 0x10,
    NeedKind.RESPONSE_ENC: 0x20,
}


def refusal_of(chip: Chip, command: CommandAPDU) -> Refusal:
    assert send(chip, command).sw == 0x6982
    refusal = chip.card.refusal
    assert refusal is not None
    return refusal


def values(way: Alternative, kind: NeedKind, *, absent: bool = False) -> set[int]:
    return {need.value or 0 for need in way if need.kind is kind and need.absent is absent}


def session_for(way: Alternative) -> tuple[int, int] | None:
    """Which key opens a session that gives all that is asked for, and nothing that must be absent, at which level."""
    wanted = sum(bit for kind, bit in LEVEL_BITS.items() if values(way, kind))
    unwanted = sum(bit for kind, bit in LEVEL_BITS.items() if values(way, kind, absent=True))
    if not (wanted or values(way, NeedKind.SESSION) or values(way, NeedKind.RIGHT)):
        return None
    kinds = values(way, NeedKind.SESSION) or ({SCP11A} if values(way, NeedKind.RIGHT) else {SCP03, SCP11A})
    kid = min(kinds - values(way, NeedKind.SESSION, absent=True))
    levels = (0x01, 0x03, 0x11, 0x13, 0x33) if kid == SCP03 else (0x33,)
    return kid, next(level for level in levels if level & wanted == wanted and not level & unwanted)


def satisfy(chip: Chip, way: Alternative) -> CardConnection:
    """Do what an explanation says, with the bench selected."""
    chip.select(bench.AID_BENCH)
    opened = session_for(way)
    connection: CardConnection = chip
    if opened is not None:
        kid, level = opened
        rights = [Right(number) for number in values(way, NeedKind.RIGHT)]
        if kid == SCP03:
            connection = chip.scp03(chips.CITY_KEYS, level)
        elif kid == SCP11A:
            terminal = chips.terminal(*rights, city=chips.CITY, root=chips.CITY_ROOT)
            connection = chip.scp11a(terminal, chips.active().city_11a)
        else:
            connection = chip.scp11b(chips.active().city_11b)
    for reference in values(way, NeedKind.PASSWORD):
        chips.say(connection, 0x00, 0x20, 0x00, reference, bench.BENCH_PASSWORD, sw=0x9000)
    return connection


def possible(ways: Iterable[Alternative]) -> list[Alternative]:
    """The bench has one password; what asks for another cannot be tried."""
    return [way for way in ways if values(way, NeedKind.PASSWORD) <= {0x81}]


@pytest.mark.parametrize("command", [READ, UPDATE], ids=["read", "update"])
@pytest.mark.parametrize("fid", bench.RULED, ids=hex)
def test_whoever_does_what_the_explanation_says_gets_through(fid: int, command: CommandAPDU) -> None:
    condition = bench.CONDITIONS[(fid - bench.RULED[0] + (command is UPDATE)) % len(bench.CONDITIONS)]
    chip = bench.bench()
    chips.say(chip, 0x00, 0xA4, 0x02, 0x0C, fid.to_bytes(2), sw=0x9000)
    if send(chip, command).sw == 0x9000:
        assert chip.card.refusal is None
        chip = bench.bench()
        connection: CardConnection = chip.scp03(chips.CITY_KEYS, 0x01)
        chips.say(connection, 0x00, 0xA4, 0x02, 0x0C, fid.to_bytes(2), sw=0x9000)
        if send(connection, command).sw == 0x9000:
            return  # Always, or what neither a plain command nor an SCP03 session lacks
    refusal = chip.card.refusal
    assert refusal is not None
    assert refusal.rule is not None
    assert refusal.rule.text == in_words(condition)
    ways = refusal.rule.alternatives
    if not ways:
        assert "never" in refusal.rule.text
        assert refusal.remedy == "nothing: this is never allowed"
        return
    for way in possible(ways):
        fresh = bench.bench()
        connection = satisfy(fresh, way)
        chips.say(connection, 0x00, 0xA4, 0x02, 0x0C, fid.to_bytes(2), sw=0x9000)
        assert send(connection, command).sw == 0x9000, f"{way} was not enough for {refusal.rule.text}"


def test_nearly_all_conditions_of_the_bench_can_be_tried() -> None:
    tried = 0
    for number, fid in enumerate(bench.RULED):
        chip = bench.bench()
        chips.say(chip, 0x00, 0xA4, 0x02, 0x0C, fid.to_bytes(2), sw=0x9000)
        if send(chip, READ).sw != 0x9000:
            refusal = chip.card.refusal
            assert refusal is not None, number
            assert refusal.rule is not None
            tried += bool(possible(refusal.rule.alternatives))
    assert tried >= 14


@pytest.mark.parametrize("way_without", range(5))
def test_each_thing_that_is_asked_for_is_needed(way_without: int) -> None:
    """The resident code: a right, a password, three kinds of protection; without any one of them it stays closed."""
    chip = chips.active().chip()
    chip.select(chips.JUKI)
    refusal = refusal_of(chip, CommandAPDU(0x00, 0xB0, 0x81, 0x00, b"", 11))
    assert refusal.rule is not None
    (way,) = refusal.rule.alternatives
    assert [need.kind for need in way] == [
        NeedKind.RIGHT,
        NeedKind.PASSWORD,
        NeedKind.COMMAND_MAC,
        NeedKind.RESPONSE_MAC,
        NeedKind.RESPONSE_ENC,
    ]
    kept = [need for number, need in enumerate(way) if number != way_without]
    rights = [Right.IDENTIFY] if any(need.kind is NeedKind.RIGHT for need in kept) else [Right.MATCH]
    session = chips.juki_session(chip, *rights)
    if any(need.kind is NeedKind.PASSWORD for need in kept):
        assert chips.verify(session) == 0x9000
    if way_without >= 2:  # the session protects; the command comes beside it
        assert chips.read_code(chip).sw == 0x6982
    expected = 0x9000 if way_without >= 2 else 0x6982
    assert chips.read_code(session).sw == expected


def test_the_bytes_pointed_at_are_the_rule_and_the_fcp_is_the_one_that_is_shown() -> None:
    chip = chips.active().chip()
    chip.select(chips.JUKI)
    for sfi, command in ((0x81, 0xB0), (0x86, 0xB0), (0x81, 0x33), (0x87, 0xB0)):
        data = chips.CODE if command == 0x33 else b""
        refusal = refusal_of(chip, CommandAPDU(0x00, command, sfi, 0x00, data, None if data else 1))
        rule = refusal.rule
        assert rule is not None
        shown = chip.ask(CommandAPDU(0x00, 0xA4, 0x02, 0x04, bytes((0x00, sfi & 0x1F)), 256).encode())
        assert rule.fcp == shown.data
        pointed_at = rule.fcp[rule.offset : rule.offset + rule.length]
        assert in_words(AccessRules.parse(b"\x80\x01\x01" + pointed_at).entries[0][1]) == rule.text


def test_where_no_entry_fits_the_whole_of_the_rules_is_pointed_at() -> None:
    chip = chips.active().chip()
    chip.select(chips.JUKI)
    refusal = refusal_of(chip, CommandAPDU(0x00, 0xD6, 0x82, 0x00, b"\0"))
    rule = refusal.rule
    assert rule is not None
    assert (rule.text, rule.alternatives) == ("never", ())
    assert rule.fcp[rule.offset] == 0xAB
    assert rule.offset + rule.length == len(rule.fcp)


def test_a_life_cycle_refusal_points_at_the_status() -> None:
    chip = bench.bench()
    chips.say(chip, 0x00, 0xA4, 0x02, 0x0C, bench.DEACTIVATED.to_bytes(2), sw=0x9000)
    assert send(chip, READ).sw == 0x6985
    refusal = chip.card.refusal
    assert refusal is not None
    assert refusal.step is Step.LIFE_CYCLE
    rule = refusal.rule
    assert rule is not None
    assert rule.fcp[rule.offset - 2 : rule.offset + 1] == b"\x8a\x01\x04"
    assert [(need.kind, need.value) for (need,) in rule.alternatives] == [(NeedKind.LIFE_CYCLE, 5)]


@pytest.mark.parametrize(
    ("command", "step"),
    [
        ("00", Step.FORM),
        ("01 84 00 00 08", Step.CHANNEL),
        ("FF 84 00 00 08", Step.CHANNEL),
        ("0C 84 00 00 08", Step.SECURE_MESSAGING),
        ("04 84 00 00 08", Step.SECURE_MESSAGING),
        ("00 77 00 00", Step.INSTRUCTION),
        ("80 84 00 00 08", Step.INSTRUCTION),
        ("00 84 00 01 08", Step.PARAMETERS),
        ("00 84 00 00 01 FF 08", Step.LENGTH),
        ("80 F2 80 02 02 4F 00 00", Step.ACCESS),
        ("00 C0 00 00 08", Step.COMMAND),
    ],
)
def test_each_refusal_names_its_step_and_what_would_do(command: str, step: Step) -> None:
    chip = chips.active().chip()
    answer = chip.ask(command)
    refusal = chip.card.refusal
    assert refusal is not None
    assert (refusal.sw, refusal.step) == (answer.sw, step)
    assert refusal.reason
    assert chip.ask("00 84 00 00 08").sw == 0x9000
    assert chip.card.refusal is None


def test_a_new_session_is_said_to_need_the_password_again() -> None:
    """A password verified outside a session does not count in one: the explanation does not leave it out."""
    chip = bench.bench()
    chips.say(chip, 0x00, 0x20, 0x00, 0x81, bench.BENCH_PASSWORD, sw=0x9000)
    fid = bench.RULED[0] + 13  # AllOf(Password(0x81), ResponseEnc())
    chips.say(chip, 0x00, 0xA4, 0x02, 0x0C, fid.to_bytes(2), sw=0x9000)
    rule = refusal_of(chip, READ).rule
    assert rule is not None
    assert [[need.kind for need in way] for way in rule.alternatives] == [[NeedKind.PASSWORD, NeedKind.RESPONSE_ENC]]
