"""The commands of a loaded application, and how it comes: the locker (tests/support/apps/locker)."""

from __future__ import annotations

from functools import lru_cache

from jukicard.applets.gp.applet import SecurityDomain
from jukicard.applets.wasm.applet import LoadedApplet
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.errors import CardStatusError
from tests.powercuts.cards import Cells
from tests.powercuts.registry import Sending, flow, row
from tests.powercuts.rows_content import approving, last
from tests.support import chips, content, locker
from tests.support.chips import Chip, say

COMMAND = "a loaded application's command"
WRONG, NEW = b"9999", b"1470258"


@lru_cache(maxsize=1)
def with_a_thing() -> Cells:
    """Handed over, with a locker that has something in it; one try of its PIN was used up."""
    chip = Chip(locker.on(chips.active().cells, "power cuts"), "a thing")
    chip.select(locker.LOCKER)
    say(chip, 0, locker.PUT, data=b"the old thing", sw=0x9000)
    say(chip, 0, locker.VERIFY, 0, 1, WRONG, sw=0x63C2)
    return chip.cells


@lru_cache(maxsize=1)
def with_its_load_file() -> Cells:
    """The approving municipality's card, with the locker's load file and no application of it."""
    chip = Chip(approving(), "a load file")
    _load(chip)
    return chip.cells


def _load(chip: Chip) -> None:
    content.bring(content.client(chip), locker.block().encode(), locker.FILE)


def _in_locker(chip: Chip, ins: int, data: bytes = b"", p1: int = 0, p2: int = 0, *, pin: bool = False) -> Sending:
    assert chip.select(locker.LOCKER).sw == 0x9000
    if pin:
        say(chip, 0, locker.VERIFY, 0, 1, locker.PIN, sw=0x9000)
    return chip, CommandAPDU(0x00, ins, p1, p2, data)


@row(LoadedApplet, COMMAND, on=with_a_thing)
def of_file_and_counter_together(chip: Chip) -> Sending:
    return _in_locker(chip, locker.PUT, b"the new thing")


@row(LoadedApplet, COMMAND, on=with_a_thing)
def that_subtracts(chip: Chip) -> Sending:
    return _in_locker(chip, locker.TAKE, b"\1")


@row(LoadedApplet, COMMAND, on=with_a_thing, sw=0x6985)
def that_writes_and_then_refuses(chip: Chip) -> Sending:
    return _in_locker(chip, locker.TAKE, b"\2")


@row(LoadedApplet, COMMAND, on=with_a_thing, sw=0x6400)
def that_writes_and_then_traps(chip: Chip) -> Sending:
    return _in_locker(chip, locker.TRAP)


@row(LoadedApplet, COMMAND, on=with_a_thing)
def that_verifies(chip: Chip) -> Sending:
    return _in_locker(chip, locker.VERIFY, locker.PIN, 0, 1)


@row(LoadedApplet, COMMAND, on=with_a_thing, sw=0x63C1)
def that_misses(chip: Chip) -> Sending:
    return _in_locker(chip, locker.VERIFY, WRONG, 0, 1)


@row(LoadedApplet, COMMAND, on=with_a_thing)
def that_changes_a_password(chip: Chip) -> Sending:
    return _in_locker(chip, locker.CHANGE, NEW, pin=True)


@row(LoadedApplet, COMMAND, on=with_a_thing)
def that_creates_a_file(chip: Chip) -> Sending:
    return _in_locker(chip, locker.STORE, b"\1\0", 0, 5)


@row(LoadedApplet, COMMAND, on=with_a_thing, sw=0x6A84)
def that_floods_its_storage(chip: Chip) -> Sending:
    return _in_locker(chip, locker.STORE, b"\xff\xff", 0, 5)


@row(SecurityDomain, "LOAD", on=approving)
def of_real_code(chip: Chip) -> Sending:
    return last(content.client(chip), lambda d: content.bring(d, locker.block().encode(), locker.FILE), 1)


@row(SecurityDomain, "INSTALL [for install (and make selectable)]", on=with_its_load_file)
def of_real_code_that_makes_its_keys(chip: Chip) -> Sending:
    return last(
        content.client(chip),
        lambda d: d.install(locker.MODULE, locker.LOCKER, parameters=locker.PIN, load_file=locker.FILE),
    )


def _opens(chip: Chip) -> None:
    assert chip.select(locker.LOCKER).sw == 0x9000
    say(chip, 0, locker.VERIFY, 0, 1, locker.PIN, sw=0x9000)
    assert say(chip, 0, locker.LOOK, ne=256, sw=0x9000).data == b"a thing"
    assert say(chip, 0, locker.SIGN, data=b"a message", ne=256, sw=0x9000).data


@flow("loading, installing and using real code", on=approving, done=_opens)
def from_nothing_to_a_thing_in_the_locker(chip: Chip) -> None:
    """LOAD, INSTALL with keys made on the chip, and the first command: the list tells how far it came."""
    city = content.client(chip)
    if locker.FILE not in {file.aid for file in city.load_files()}:
        _load(chip)
    try:
        content.client(chip).install(locker.MODULE, locker.LOCKER, parameters=locker.PIN, load_file=locker.FILE)
    except CardStatusError as refused:
        if refused.sw != 0x6A80:  # it is there
            raise
    chip.select(locker.LOCKER)
    say(chip, 0, locker.PUT, data=b"a thing", sw=0x9000)
