from __future__ import annotations

import pytest

from jukicard.iso7816.cla import ClassByte, SecureMessaging

NONE, GP, ISO, ISO_HEADER = SecureMessaging


def expected(cla):
    """Channel, chaining and secure messaging from the tables of ISO/IEC 7816-4, written as bit strings."""
    bits = f"{cla:08b}"
    if bits == "11111111" or bits[1:3] == "01":
        return 0, False, NONE
    if bits[1] == "1":
        secured = (GP if bits[0] == "1" else ISO) if bits[2] == "1" else NONE
        return 4 + int(bits[4:], 2), bits[3] == "1", secured
    return int(bits[6:], 2), bits[3] == "1", {"00": NONE, "01": GP, "10": ISO, "11": ISO_HEADER}[bits[4:6]]


@pytest.mark.parametrize("cla", range(256), ids="{:02X}".format)
def test_all_class_bytes(cla):
    parsed = ClassByte.parse(cla)
    assert parsed is ClassByte.parse(cla)
    assert (parsed.channel, parsed.chaining, parsed.secure_messaging) == expected(cla)
    assert [parsed.interindustry, parsed.proprietary, parsed.reserved, parsed.invalid].count(True) == 1
    assert parsed.invalid == (cla == 0xFF)
    assert parsed.reserved == (cla in range(0x20, 0x40) or cla in range(0xA0, 0xC0))
    if parsed.interindustry or parsed.proprietary:
        assert parsed.plain == (0x80 if parsed.proprietary else 0x00)
        rebuilt = ClassByte.build(
            proprietary=parsed.proprietary,
            channel=parsed.channel,
            chaining=parsed.chaining,
            secure_messaging=parsed.secure_messaging,
        )
        assert rebuilt == cla
    else:
        assert parsed.plain == cla


@pytest.mark.parametrize(
    ("cla", "what"),
    [
        (0x00, {}),
        (0x0C, {"secure_messaging": ISO_HEADER}),
        (0x12, {"channel": 2, "chaining": True}),
        (0x40, {"channel": 4}),
        (0x6F, {"channel": 19, "secure_messaging": ISO}),
        (0x80, {"proprietary": True}),
        (0x84, {"proprietary": True, "secure_messaging": GP}),
        (0x94, {"proprietary": True, "secure_messaging": GP, "chaining": True}),
        (0xE1, {"proprietary": True, "channel": 5, "secure_messaging": GP}),
    ],
)
def test_known_bytes(cla, what):
    assert ClassByte.build(**what) == cla


@pytest.mark.parametrize("cla", [-1, 256])
def test_no_class_byte(cla):
    with pytest.raises(ValueError, match="0 to 255"):
        ClassByte.parse(cla)


@pytest.mark.parametrize(
    "what",
    [
        {"channel": -1},
        {"channel": 20},
        {"channel": 4, "secure_messaging": GP},
        {"channel": 4, "secure_messaging": ISO_HEADER},
        {"channel": 4, "proprietary": True, "secure_messaging": ISO},
        {"channel": 19, "proprietary": True, "chaining": True, "secure_messaging": GP},
    ],
)
def test_impossible_bytes(what):
    with pytest.raises(ValueError, match=r"channel|FF"):
        ClassByte.build(**what)
