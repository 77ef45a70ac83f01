from __future__ import annotations

import pytest

from jukicard.iso7816.access import (
    MAX_DEPTH,
    AccessMode,
    AccessRuleError,
    AccessRules,
    AllOf,
    Always,
    AnyOf,
    CommandEnc,
    CommandMac,
    ModeDo,
    Never,
    Not,
    Password,
    ResponseEnc,
    ResponseMac,
    Right,
    SessionKey,
)

READ_BINARY = bytes.fromhex("00B00000")

# Card profile, section 7, and the standard's tags for the expanded format.
CONDITIONS = [
    (Always(), "9000"),
    (Never(), "9700"),
    (Password(0x81), "A406 830181 950108"),
    (Right(7), "A407 5F4C0107 950180"),
    (SessionKey(0x11), "A406 830111 950180"),
    (CommandMac(), "B403 950110"),
    (CommandEnc(), "B803 950110"),
    (ResponseMac(), "B403 950120"),
    (ResponseEnc(), "B803 950120"),
    (AllOf(Always(), Never()), "AF04 9000 9700"),
    (AnyOf(CommandMac(), AllOf(Always())), "A009 B403950110 AF02 9000"),
    (Not(Password(1)), "A708 A406 830101 950108"),
]


@pytest.mark.parametrize(("condition", "text"), CONDITIONS, ids=lambda v: v if isinstance(v, str) else "")
def test_conditions_both_ways(condition, text):
    assert condition.encode() == bytes.fromhex(text)
    rules = AccessRules.parse(bytes.fromhex("800101" + text))
    assert rules == AccessRules(((ModeDo.modes(AccessMode.READ), condition),))
    assert rules.encode() == bytes.fromhex("800101" + text)


def test_the_resident_codes_rule():
    """EF.CODE: right `identify`, password, and protected both ways; update never."""
    rules = AccessRules(
        (
            (
                ModeDo.modes(AccessMode.READ),
                AllOf(Right(0), Password(0x81), CommandMac(), ResponseMac(), ResponseEnc()),
            ),
            (ModeDo.modes(AccessMode.UPDATE | AccessMode.DELETE), Never()),
        )
    )
    assert rules.encode() == bytes.fromhex(
        "800101 AF20 A4075F4C0100950180 A406830181950108 B403950110 B403950120 B803950120 800142 9700"
    )
    assert AccessRules.parse(rules.encode()) == rules
    assert rules.condition_for(AccessMode.READ, READ_BINARY) == rules.entries[0][1]
    assert rules.condition_for(AccessMode.DELETE, bytes.fromhex("00E40000")) == Never()


@pytest.mark.parametrize(
    "text",
    [
        "800101",  # no condition
        "9000",  # no access mode
        "800101 9000 9000",  # two conditions
        "800101 800102 9000 9000",
        "9000 800101",
        "800100 9000",  # no mode at all
        "800180 9000",  # b8 of the mode byte: another meaning
        "80020101 9000",
        "8000 9000",
        "84 00 9000",  # header pattern without its byte
        "84 02 2020 9000",
        "8C 01 00 9000",
        "90 00 9000",
        "9F01 01 01 9000",
        "800101 900100",  # ALWAYS with a value
        "800101 970100",
        "800101 9E00",  # a security condition byte: not in this profile
        "800101 A400",
        "800101 A403 830181",
        "800101 A403 950108",
        "800101 A406 830181 950110",
        "800101 A406 950108 830181",  # another order
        "800101 A407 83020181 950108",
        "800101 A405 8300 950108",
        "800101 A407 830181 95020808",
        "800101 A409 830181 950108 800101",
        "800101 A408 5F4C020007 950180",
        "800101 A407 5F4C0107 950108",
        "800101 B400",
        "800101 B403 950130",  # both directions at once
        "800101 B406 950110 950120",
        "800101 B403 830110",
        "800101 B603 950110",
        "800101 A000",
        "800101 AF00",
        "800101 A700",
        "800101 A704 9000 9700",
        "800101 AF03 9000",  # malformed TLV
        "800101 A003 900000",
        "800101 9000 00",
        "800101 90",
    ],
)
def test_what_is_not_understood_is_refused(text):
    with pytest.raises(AccessRuleError):
        AccessRules.parse(bytes.fromhex(text))


def nested(depth):
    condition = Always()
    for _ in range(depth):
        condition = Not(condition)
    return condition


def test_depth_is_bounded():
    deepest = AccessRules(((ModeDo.modes(AccessMode.READ), nested(MAX_DEPTH)),))
    assert AccessRules.parse(deepest.encode()) == deepest
    too_deep = b"\x80\x01\x01" + nested(MAX_DEPTH + 1).encode()
    with pytest.raises(AccessRuleError, match="deep"):
        AccessRules.parse(too_deep)
    with pytest.raises(AccessRuleError, match="deep"):
        AccessRules(((ModeDo.modes(AccessMode.READ), nested(MAX_DEPTH + 1)),)).encode()


def test_without_rules_everything_is_refused():
    rules = AccessRules.parse(b"")
    assert rules == AccessRules()
    for mode in AccessMode:
        assert rules.condition_for(mode, READ_BINARY) == Never()
    assert rules.condition_for(None, READ_BINARY) == Never()


def rules_with(*entries):
    return AccessRules.parse(AccessRules(entries).encode())


def test_the_first_mode_byte_with_the_mode_counts():
    rules = rules_with(
        (ModeDo.modes(AccessMode.UPDATE), Never()),
        (ModeDo.modes(AccessMode.READ | AccessMode.UPDATE), Password(1)),
        (ModeDo.modes(AccessMode.READ), Always()),
    )
    assert rules.condition_for(AccessMode.READ, READ_BINARY) == Password(1)
    assert rules.condition_for(AccessMode.UPDATE, READ_BINARY) == Never()
    assert rules.condition_for(AccessMode.WRITE, READ_BINARY) == Never()
    # Two modes at once need an entry that has both; none at all has no entry.
    assert rules.condition_for(AccessMode.READ | AccessMode.UPDATE, READ_BINARY) == Password(1)
    assert rules.condition_for(AccessMode.READ | AccessMode.WRITE, READ_BINARY) == Never()
    assert rules.condition_for(AccessMode(0), READ_BINARY) == Never()
    assert rules.condition_for(None, READ_BINARY) == Never()


def test_a_header_pattern_wins_over_mode_bytes():
    rules = rules_with(
        (ModeDo.modes(AccessMode.READ), Always()),
        (ModeDo.header(ins=0xB0), Password(2)),
    )
    assert rules.condition_for(AccessMode.READ, READ_BINARY) == Password(2)
    assert rules.condition_for(None, READ_BINARY) == Password(2)
    assert rules.condition_for(AccessMode.READ, bytes.fromhex("00B20104")) == Always()


@pytest.mark.parametrize(
    ("pattern", "encoding", "matching", "others"),
    [
        ({"ins": 0x20}, "840120", ["00200081", "0C200000", "80200000"], ["00210081", "00002000"]),
        (
            {"cla": 0x00, "ins": 0x20},
            "8C020020",
            ["00200081", "0C20FFFF", "41200000"],
            ["80200081", "A0200081"],
        ),
        ({"cla": 0x84, "ins": 0xE2}, "8C0284E2", ["80E20000", "94E20000"], ["00E20000"]),
        (
            {"ins": 0xCA, "p1": 0, "p2": 0x66},
            "8703CA0066",
            ["00CA0066", "80CA0066"],
            ["00CA0067", "00CA0166"],
        ),
        ({"p2": 0x81}, "810181", ["00200081", "00240081"], ["00208100"]),
        ({"p1": 0x01}, "820101", ["00240181"], ["00240001"]),
        ({"cla": 0, "ins": 1, "p1": 2, "p2": 3}, "8F0400010203", ["00010203"], ["00010204"]),
    ],
)
def test_header_patterns(pattern, encoding, matching, others):
    do = ModeDo.header(**pattern)
    rules = AccessRules(((do, Always()),))
    assert rules.encode() == bytes.fromhex(encoding + "9000")
    assert AccessRules.parse(rules.encode()) == rules
    for header in matching:
        assert rules.condition_for(None, bytes.fromhex(header)) == Always()
    for header in others:
        assert rules.condition_for(None, bytes.fromhex(header)) == Never()


def test_values_that_cannot_be_encoded():
    for condition in (Password(256), Right(-1), SessionKey(300)):
        with pytest.raises(AccessRuleError):
            condition.encode()
    with pytest.raises(AccessRuleError):
        ModeDo.header()
    with pytest.raises(AccessRuleError):
        ModeDo.header(ins=256)
    with pytest.raises(AccessRuleError):
        ModeDo.modes(AccessMode(0))
    with pytest.raises(AccessRuleError):
        ModeDo(0x90, b"")
    for empty in (AllOf, AnyOf):
        with pytest.raises(ValueError, match="nothing"):
            empty()


def test_conditions_are_values():
    assert AllOf(Always(), Password(1)) == AllOf(Always(), Password(1))
    assert AllOf(Always()) != AnyOf(Always())
    assert Password(1) != SessionKey(1)
    assert len({Not(Right(1)), Not(Right(1)), Not(Right(2))}) == 2
