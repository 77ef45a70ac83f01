"""What a header pattern and a mode byte never grant, and the values' own limits."""

from __future__ import annotations

import pytest

from jukicard.iso7816.access import AccessMode, AccessRuleError, AccessRules, Always, ModeDo, Never, Password

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


def test_rules_are_values_that_nobody_can_change() -> None:
    rules = AccessRules(((ModeDo.modes(AccessMode.READ), Password(1)),))
    for value, name in ((rules, "entries"), (rules.entries[0][0], "value"), (rules.entries[0][1], "ref")):
        with pytest.raises(AttributeError):
            setattr(value, name, b"")


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
