"""What a header pattern and a mode byte never grant, and the values' own limits."""

from __future__ import annotations

import pytest

from jukicard.iso7816.access import (
    AccessMode,
    AccessRuleError,
    AccessRules,
    AllOf,
    Always,
    AnyOf,
    CommandEnc,
    CommandMac,
    Condition,
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


def test_a_header_pattern_grants_no_access_mode_whatever_bits_its_bytes_have() -> None:
    for value in (0x01, 0x7F, 0xFF):
        rules = AccessRules(((ModeDo.header(ins=value), Always()),))
        assert rules.condition_for(AccessMode.READ, READ_BINARY) == Never()


def test_a_command_without_an_access_mode_is_granted_nothing_by_mode_bytes() -> None:
    rules = AccessRules(((ModeDo.modes(AccessMode(0x7F)), Always()),))
    assert rules.condition_for(AccessMode(0), READ_BINARY) == Never()
    assert rules.condition_for(None, READ_BINARY) == Never()


@pytest.mark.parametrize("header", [b"", b"\x00\xb0\x00", b"\x00\xb0\x00\x00\x00"])
def test_a_command_header_has_four_bytes(header: bytes) -> None:
    with pytest.raises(ValueError, match="values to unpack"):
        AccessRules(((ModeDo.header(p2=0), Always()),)).condition_for(None, header)


def test_a_pattern_of_no_byte_is_refused() -> None:
    with pytest.raises(AccessRuleError):
        ModeDo.header()


@pytest.mark.parametrize(("name", "position"), [("ins", 1), ("p1", 2), ("p2", 3)])
@pytest.mark.parametrize("value", [0x00, 0x20, 0xFF])
def test_every_bit_of_a_named_header_byte_counts_and_no_other_byte_does(name: str, position: int, value: int) -> None:
    rules = AccessRules(((ModeDo.header(**{name: value}), Always()),))
    for others in (0x00, 0xFF):
        header = bytearray((0x00, others, others, others))
        header[position] = value
        assert rules.condition_for(None, bytes(header)) == Always()
        for bit in range(8):
            header[position] = value ^ 1 << bit
            assert rules.condition_for(None, bytes(header)) == Never()


def test_access_modes_are_the_bits_of_the_standards_mode_byte() -> None:
    """ISO/IEC 7816-4, access mode byte for EFs; DELETE is b7."""
    in_order = (
        AccessMode.READ,
        AccessMode.UPDATE,
        AccessMode.WRITE,
        AccessMode.DEACTIVATE,
        AccessMode.ACTIVATE,
        AccessMode.TERMINATE,
        AccessMode.DELETE,
    )
    assert [int(mode) for mode in in_order] == [1 << bit for bit in range(7)]


CONDITIONS = (
    *(Always(), Never(), CommandMac(), CommandEnc(), ResponseMac(), ResponseEnc()),
    *(Password(1), Right(1), SessionKey(1), AllOf(Always()), AnyOf(Always()), Not(Always())),
)


def test_conditions_and_rules_are_values_that_nobody_can_change() -> None:
    entry = ModeDo.modes(AccessMode.READ)
    rules = AccessRules(((entry, Always()),))
    values = (*CONDITIONS, entry, rules)
    assert len(set(values)) == len(values)
    for value in values:
        for name in ("ref", "number", "kid", "conditions", "condition", "tag", "entries"):
            if hasattr(value, name):
                with pytest.raises(AttributeError):
                    setattr(value, name, getattr(value, name))


def test_conditions_are_nested_eight_deep_and_no_deeper() -> None:
    def nested(depth: int) -> bytes:
        condition: Condition = Always()
        for _ in range(depth):
            condition = Not(condition)
        return b"\x80\x01\x01" + condition.encode()

    assert AccessRules.parse(nested(8)).encode() == nested(8)
    with pytest.raises(AccessRuleError, match="deep"):
        AccessRules.parse(nested(9))


def test_access_modes_of_a_df_share_the_lowest_bits() -> None:
    """ISO/IEC 7816-4, access mode byte for DFs."""
    modes = (AccessMode.DELETE_CHILD, AccessMode.CREATE_EF, AccessMode.CREATE_DF)
    assert [int(mode) for mode in modes] == [0x01, 0x02, 0x04]
