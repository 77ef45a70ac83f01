"""What the FCP shows is what is enforced: the rules are read from the wire, and evaluated here anew.

This module has its own reading of AB (ISO/IEC 7816-4, expanded format; docs: card profile, access rules) and takes
nothing of it from the code under test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from jukicard.iso7816.aid import AID
from jukicard.iso7816.connection import CardConnection
from jukicard.securechannel.authorization import Right
from tests.support import bench as b
from tests.support import chips
from tests.support.bench import bench
from tests.support.chips import Chip, say, terminal

Objects = list[tuple[int, bytes]]


def objects(data: bytes) -> Objects:
    """BER-TLV with tags of one or two bytes and lengths below 256."""
    found, position = [], 0
    while position < len(data):
        tag = data[position]
        position += 1
        if tag & 0x1F == 0x1F:
            tag = tag << 8 | data[position]
            position += 1
        length = data[position]
        position += 1
        if length == 0x81:
            length = data[position]
            position += 1
        found.append((tag, data[position : position + length]))
        position += length
    return found


@dataclass(frozen=True)
class Way:
    """What holds on one way of talking to the card."""

    passwords: set[int] = field(default_factory=set)
    rights: set[int] = field(default_factory=set)
    kid: int | None = None
    level: int = 0

    def meets(self, tag: int, value: bytes) -> bool:
        parts = objects(value) if tag & 0x20 else []
        if tag == 0x90:
            return True
        if tag == 0x97:
            return False
        if tag == 0xA0:
            return any(self.meets(*part) for part in parts)
        if tag == 0xAF:
            return all(self.meets(*part) for part in parts)
        if tag == 0xA7:
            return not self.meets(*parts[0])
        usage = dict(parts)[0x95][0]
        if tag == 0xB4:
            return bool(self.level & (0x01 if usage == 0x10 else 0x10))
        if tag == 0xB8:
            return bool(self.level & (0x02 if usage == 0x10 else 0x20))
        assert tag == 0xA4
        (kind, number), _ = parts
        if kind == 0x5F4C:
            return number[0] in self.rights
        return number[0] in self.passwords if usage == 0x08 else number[0] == self.kid

    def allowed(self, rules: bytes, mode: int, header: bytes) -> bool:
        """Header patterns first, then access modes; what is not allowed is forbidden."""
        pairs = list(zip(objects(rules)[::2], objects(rules)[1::2], strict=True))
        for (tag, pattern), condition in pairs:
            bits = [bit for bit in (8, 4, 2, 1) if tag & bit]
            named = bytes(header[{8: 0, 4: 1, 2: 2, 1: 3}[bit]] for bit in bits)
            if tag != 0x80 and named == pattern:
                return self.meets(*condition)
        for (tag, modes), condition in pairs:
            if tag == 0x80 and modes[0] & mode:
                return self.meets(*condition)
        return False


Opener = Callable[[Chip], CardConnection]
RIGHTS = (Right.IDENTIFY, Right.SUSPEND, Right.MUNICIPAL_SERVICE)


def ways(aid: AID, root: object, keys: object, point_a: bytes, point_b: bytes) -> Iterator[tuple[str, Opener, Way]]:
    def plain(chip: Chip) -> CardConnection:
        chip.select(aid)
        return chip

    def scp03(level: int) -> Opener:
        return lambda chip: (chip.select(aid), chip.scp03(keys, level))[1]  # type: ignore[arg-type]

    def scp11a(rights: tuple[Right, ...]) -> Opener:
        key = terminal(*rights, root=root)  # type: ignore[arg-type]
        return lambda chip: (chip.select(aid), chip.scp11a(key, point_a))[1]

    yield "plain", plain, Way()
    for level in (0x01, 0x03, 0x11, 0x13, 0x33):
        yield f"scp03 {level:02X}", scp03(level), Way(kid=0x01, level=level)
    yield "scp11b", lambda chip: (chip.select(aid), chip.scp11b(point_b))[1], Way(kid=0x13, level=0x33)
    for rights in ((), *((right,) for right in RIGHTS), RIGHTS):
        yield f"scp11a {rights}", scp11a(rights), Way(rights=set(map(int, rights)), kid=0x11, level=0x33)


ISSUED = chips.active()
BENCH_WAYS = list(ways(b.AID_BENCH, chips.CITY_ROOT, chips.CITY_KEYS, ISSUED.city_11a, ISSUED.city_11b))
JUKI_WAYS = list(ways(chips.JUKI, chips.NATIONAL_ROOT, chips.JUKI_KEYS, ISSUED.juki_11a, ISSUED.juki_11b))


def shown_rules(chip: Chip, fid: int) -> bytes:
    answer = say(chip, 0, 0xA4, 0x02, 0x04, fid.to_bytes(2, "big"), 256, sw=0x9000)
    ((tag, parameters),) = objects(answer.data)
    assert tag == 0x62
    return dict(objects(parameters))[0xAB]


def check(chip: Chip, connection: CardConnection, way: Way, fid: int) -> bool:
    """Read and update a file as this way of talking; the answers must be those that its rules demand."""
    rules = shown_rules(chip, fid)
    expected = way.allowed(rules, 0x01, bytes((0, 0xB0, 0, 0)))
    answer = say(connection, 0, 0xB0, 0, 0, ne=256)
    assert answer.sw == (0x9000 if expected else 0x6982), f"read {fid:04X}"
    may_update = way.allowed(rules, 0x02, bytes((0, 0xD6, 0, 0)))
    assert say(connection, 0, 0xD6, 0, 0, b"\x55").sw == (0x9000 if may_update else 0x6982), f"update {fid:04X}"
    return expected


@pytest.mark.parametrize("verified", [False, True], ids=["", "password"])
@pytest.mark.parametrize(("name", "opener", "way"), BENCH_WAYS, ids=[name for name, _, _ in BENCH_WAYS])
def test_the_rules_shown_are_the_rules_enforced(name: str, opener: Opener, way: Way, verified: bool) -> None:
    chip = bench()
    connection = opener(chip)
    if verified:
        assert say(connection, 0, 0x20, 0, 0x81, b.BENCH_PASSWORD).sw == 0x9000
        way = Way({0x81}, way.rights, way.kid, way.level)
    answers = {check(chip, connection, way, fid) for fid in (*b.RULED, b.BY_HEADER, b.WITHOUT_RULES)}
    assert answers == {True, False}


def test_every_condition_is_met_on_some_way_and_not_on_another() -> None:
    """Else the test before could not tell a rule from its opposite."""
    chip = bench()
    for number, fid in enumerate(b.RULED):
        rules = shown_rules(chip, fid)
        both = {
            Way(passwords, way.rights, way.kid, way.level).allowed(rules, 0x01, bytes((0, 0xB0, 0, 0)))
            for _, _, way in BENCH_WAYS
            for passwords in (set(), {0x81})
        }
        constant = {0: {True}, 1: {False}, 3: {False}}  # always, never, a password that does not exist
        assert both == constant.get(number, {True, False})


@pytest.mark.parametrize("verified", [False, True], ids=["", "password"])
@pytest.mark.parametrize(("name", "opener", "way"), JUKI_WAYS, ids=[name for name, _, _ in JUKI_WAYS])
def test_the_juki_applications_files_are_guarded_as_they_show(
    name: str, opener: Opener, way: Way, verified: bool
) -> None:
    chip = ISSUED.chip()
    connection = opener(chip)
    if verified and chips.verify(connection) == 0x9000:
        way = Way({0x81}, way.rights, way.kid, way.level)
    for fid in (0x0001, 0x0002, 0x0006, 0x0007):
        check(chip, connection, way, fid)


def test_a_header_rule_wins_over_the_access_mode() -> None:
    chip = bench()
    say(chip, 0, 0xA4, 0x02, 0x0C, b.BY_HEADER.to_bytes(2, "big"), sw=0x9000)
    assert say(chip, 0, 0xB0, 0, 0, ne=256).sw == 0x9000
    assert say(chip, 0, 0xB0, 0, 1, ne=256).sw == 0x6982
    assert say(chip, 0, 0x33, 0, 0, bytes(2)).sw == 0x6982


def test_a_plain_command_beside_a_session_meets_nothing_but_always() -> None:
    chip = bench()
    session = chip.scp11a(terminal(*RIGHTS, root=chips.CITY_ROOT), ISSUED.city_11a)
    assert say(session, 0, 0x20, 0, 0x81, b.BENCH_PASSWORD).sw == 0x9000
    for fid in b.RULED:
        check(chip, chip, Way(), fid)


def test_select_of_the_juki_application_shows_the_rules_of_its_life() -> None:
    chip = ISSUED.chip()
    answer = chip.select(chips.JUKI)
    ((_, parameters),) = objects(answer.data)
    rules = dict(objects(parameters))[0xAB]
    for right, mode, ins in ((Right.SUSPEND, 0x08, 0x04), (Right.RESUME, 0x10, 0x44), (Right.VOID, 0x20, 0xE6)):
        header = bytes((0, ins, 0, 0))
        assert Way(rights={right}, kid=0x11, level=0x33).allowed(rules, mode, header)
        assert not Way(rights=set(range(10)) - {right}, kid=0x11, level=0x33).allowed(rules, mode, header)
