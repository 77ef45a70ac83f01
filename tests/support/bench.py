"""An applet that has a file of every kind and under every rule, for tests of the card's files and access control."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar

from jukicard.card.applet import Applet
from jukicard.card.context import Context
from jukicard.card.files.commands import FileCommands
from jukicard.card.files.structures import FileKind, FileSpec
from jukicard.card.objects import LifeCycle
from jukicard.card.security.password_commands import PasswordCommands
from jukicard.card.security.passwords import PasswordSpec
from jukicard.iso7816.access import (
    AccessMode,
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
from jukicard.iso7816.aid import AID
from tests.support import chips
from tests.support.chips import Chip

AID_BENCH = AID(b"\xf0bench")
LOAD_FILE = AID(b"\xf0tests")
BENCH_PASSWORD = b"1357"

EVERYTHING = AccessRules(((ModeDo.modes(AccessMode.READ | AccessMode.UPDATE | AccessMode.WRITE), Always()),))
TRANSPARENT, FIXED, VARIABLE, CYCLIC, LONG, COUNTED, HUGE = range(0x0101, 0x0108)
FILES = (
    FileSpec(TRANSPARENT, FileKind.TRANSPARENT, EVERYTHING, EVERYTHING, sfi=1, size=40),
    FileSpec(FIXED, FileKind.LINEAR_FIXED, EVERYTHING, EVERYTHING, sfi=2, record_size=4, records=3),
    FileSpec(VARIABLE, FileKind.LINEAR_VARIABLE, EVERYTHING, EVERYTHING, sfi=3, record_size=8, records=3),
    FileSpec(CYCLIC, FileKind.CYCLIC, EVERYTHING, EVERYTHING, sfi=4, record_size=4, records=3),
    FileSpec(LONG, FileKind.TRANSPARENT, EVERYTHING, EVERYTHING, size=600),
    FileSpec(COUNTED, FileKind.TRANSPARENT, EVERYTHING, EVERYTHING, sfi=6, size=4, compare_tries=5),
    FileSpec(HUGE, FileKind.TRANSPARENT, EVERYTHING, EVERYTHING, sfi=30, size=0xFFFF),
)
CONDITIONS: tuple[Condition, ...] = (
    Always(),
    Never(),
    Password(0x81),
    Password(0x82),
    Right(9),
    Right(0),
    SessionKey(0x01),
    SessionKey(0x11),
    SessionKey(0x13),
    CommandMac(),
    CommandEnc(),
    ResponseMac(),
    ResponseEnc(),
    AllOf(Password(0x81), ResponseEnc()),
    AllOf(Right(9), Right(0)),
    AnyOf(Never(), Right(3), SessionKey(0x13)),
    AnyOf(Password(0x81), Right(9)),
    Not(SessionKey(0x01)),
    AllOf(Not(Password(0x81)), CommandMac()),
    Not(AnyOf(CommandEnc(), Password(0x81))),
)
RULED = range(0x0200, 0x0200 + len(CONDITIONS))
"""Files to be read under one condition each, and updated under the next one."""
BY_HEADER, WITHOUT_RULES, INITIAL, DEACTIVATED, TERMINATED = range(0x0300, 0x0305)


def _rules(number: int) -> AccessRules:
    following = CONDITIONS[(number + 1) % len(CONDITIONS)]
    return AccessRules(
        ((ModeDo.modes(AccessMode.READ), CONDITIONS[number]), (ModeDo.modes(AccessMode.UPDATE), following))
    )


READ_ONLY = AccessRules(((ModeDo.modes(AccessMode.READ), Always()),))
HEADER_RULES = AccessRules(
    (
        (ModeDo.modes(AccessMode.READ | AccessMode.UPDATE), Always()),
        (ModeDo.header(ins=0xB0, p1=0x00, p2=0x01), Never()),
        (ModeDo.header(ins=0x33), Never()),
    )
)
SPECIAL = (
    (BY_HEADER, HEADER_RULES, HEADER_RULES, LifeCycle.ACTIVATED),
    (WITHOUT_RULES, EVERYTHING, AccessRules(), LifeCycle.ACTIVATED),
    (INITIAL, EVERYTHING, READ_ONLY, LifeCycle.INITIALISATION),
    (DEACTIVATED, EVERYTHING, EVERYTHING, LifeCycle.DEACTIVATED),
    (TERMINATED, EVERYTHING, EVERYTHING, LifeCycle.TERMINATED),
)


class Bench(FileCommands, PasswordCommands, Applet):
    """Files under all kinds of rules."""

    load_file: ClassVar[AID] = LOAD_FILE
    module: ClassVar[AID] = AID_BENCH
    label: ClassVar[str] = "Bench"

    def install(self, ctx: Context, parameters: bytes) -> None:
        super().install(ctx, parameters)
        for spec in FILES:
            ctx.files.create(spec, LifeCycle.ACTIVATED)
        for number, fid in enumerate(RULED):
            rules = _rules(number)
            ctx.files.create(FileSpec(fid, FileKind.TRANSPARENT, rules, rules, size=2), LifeCycle.ACTIVATED)
        for fid, initial, operational, life_cycle in SPECIAL:
            ctx.files.create(FileSpec(fid, FileKind.TRANSPARENT, initial, operational, size=2), life_cycle)
        anybody = AccessRules(((ModeDo.header(ins=0x20), Always()), (ModeDo.header(ins=0x24), Always())))
        spec = PasswordSpec(0x81, anybody, anybody, 4, 8, 3)
        ctx.passwords.create(spec, LifeCycle.ACTIVATED).set(BENCH_PASSWORD)


@lru_cache(maxsize=1)
def _cells() -> dict[str, bytes]:
    chip = chips.active().chip("bench", Bench)
    chip.select(chips.CITY_DOMAIN)
    session = chip.scp03(chips.CITY_KEYS)
    data = chips.install_data(AID_BENCH, AID_BENCH, load_file=LOAD_FILE)
    chips.say(session, 0x80, 0xE6, 0x0C, 0x00, data, sw=0x9000)
    return chip.cells


def bench(seed: object = 1) -> Chip:
    """An active chip with the bench in the city's domain, selected."""
    chip = Chip(_cells(), seed, Bench)
    assert chip.select(AID_BENCH).sw == 0x9000
    return chip
