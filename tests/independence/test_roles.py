"""A terminal has the rights that its whole chain allows, and none by its role alone.

That a terminal of one area gets no session in the other, whatever its role: tests/unit/applets/test_isolation.py.
"""

from __future__ import annotations

import pytest

from jukicard.securechannel.authorization import Right, Role, TerminalAuthorization
from jukicard.securechannel.host import LocalTerminalKey
from tests.support import chips
from tests.support.chains import authority, leaf, private_key
from tests.support.chips import ALL_RIGHTS, CITY, CODE, Chip, say

ISSUED = chips.active()
_CA_KEY, _TERMINAL_KEY = private_key(4001), private_key(4002)


def chain(role: Role, above: frozenset[Right], own: frozenset[Right], *, municipal: bool) -> LocalTerminalKey:
    """A terminal with the rights `own` below a CA with the rights `above`."""
    root = chips.CITY_ROOT if municipal else chips.NATIONAL_ROOT
    ca = authority("CA", "Root", _CA_KEY, authorization=TerminalAuthorization(role, above, "*")).signed(root)
    end = leaf("Terminal", "CA", _TERMINAL_KEY, TerminalAuthorization(role, own, CITY)).signed(_CA_KEY)
    return LocalTerminalKey(_TERMINAL_KEY, (ca, end))


def match(chip: Chip, key: LocalTerminalKey) -> int:
    chip.select(chips.JUKI)
    return say(chip.scp11a(key, ISSUED.juki_11a), 0, 0x33, 0x81, 0, CODE).sw


def suspend(chip: Chip, key: LocalTerminalKey) -> int:
    chip.select(chips.JUKI)
    return say(chip.scp11a(key, ISSUED.juki_11a), 0, 0x04).sw


def read_patron(chip: Chip, key: LocalTerminalKey) -> int:
    chip.select(chips.LIBRARY)
    return say(chip.scp11a(key, ISSUED.city_11a), 0, 0xB0, 0x81, 0, ne=256).sw


USES = ((Right.MATCH, match, False), (Right.SUSPEND, suspend, False), (Right.MUNICIPAL_SERVICE, read_patron, True))


@pytest.mark.parametrize("role", Role, ids=lambda role: role.value)
@pytest.mark.parametrize(("right", "use", "municipal"), USES, ids=lambda part: getattr(part, "__name__", ""))
def test_a_role_never_grants_more_than_its_chain_allows(role: Role, right: Right, use: object, municipal: bool) -> None:
    assert callable(use)
    only, but = frozenset((right,)), ALL_RIGHTS - {right}
    for above, own, sw in (
        (ALL_RIGHTS, only, 0x9000),
        (only, ALL_RIGHTS, 0x9000),
        (but, ALL_RIGHTS, 0x6982),
        (ALL_RIGHTS, but, 0x6982),
        (only, but, 0x6982),
        (frozenset[Right](), ALL_RIGHTS, 0x6982),
    ):
        assert use(ISSUED.chip(), chain(role, above, own, municipal=municipal)) == sw
