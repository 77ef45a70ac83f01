"""Content management with real loaded code: the locker (tests/support/apps/locker)."""

from __future__ import annotations

import pytest

from jukicard.applets.wasm.layout import PAGE
from jukicard.card.registry import Contents
from jukicard.iso7816.aid import AID
from jukicard.iso7816.errors import CardStatusError
from jukicard.iso7816.limits import Limits
from tests.support import chips, content, locker
from tests.support.chips import Chip, say
from tests.support.content import DOMAIN, PROVIDER, approval, structure


def refused(sw: int) -> pytest.RaisesExc[CardStatusError]:
    return pytest.raises(CardStatusError, match=f"{sw:04X}")


def loaded_in(limits: Limits = content.LIMITS) -> Chip:
    """The approving municipality's card with the locker's load file."""
    chip = content.card("locker")
    block = locker.block().encode()
    content.bring(content.client(chip), block, locker.FILE, signed=signed(limits))
    return chip


def signed(limits: Limits) -> bytes:
    return approval(structure(locker.block().encode()).digest, locker.FILE, limits=limits)


def installed() -> Chip:
    chip = loaded_in()
    content.client(chip).install(locker.MODULE, locker.LOCKER, parameters=locker.PIN, load_file=locker.FILE)
    return chip


def domain_of(chip: Chip) -> int:
    program = chip.card._services.volatile.basic.program
    assert program is not None
    return program.domain


def instance(chip: Chip, aid: AID) -> int:
    return next(int(e.instance) for e in Contents.parse(chip.cells["registry"]).entries if e.aid == aid)


def test_a_module_that_needs_more_memory_than_was_approved_is_refused_when_it_is_loaded() -> None:
    assert loaded_in(content.LIMITS._replace(memory=PAGE))
    chip = content.card("locker")
    city = content.client(chip)
    before = chip.cells
    with refused(0x6A84):
        content.bring(city, locker.block().encode(), locker.FILE, signed=signed(Limits(0x8000, PAGE - 1)))
    assert chip.cells == before


def test_an_application_at_work_on_another_channel_is_not_moved() -> None:
    chip = installed()
    say(chip, 0, 0x70, 0, 1)
    say(chip, 1, 0xA4, 4, 0, bytes(locker.LOCKER), 256, sw=0x9000)
    say(chip, 1, locker.COUNT, ne=256, sw=0x9000)
    with refused(0x6985):
        content.client(chip).extradite(locker.LOCKER, PROVIDER)
    say(chip, 1, 0xA4, 4, 0, b"", 256, sw=0x9000)
    content.client(chip).extradite(locker.LOCKER, PROVIDER)


def test_what_runs_after_extradition_takes_the_new_domains_memory() -> None:
    chip = installed()
    for domain in (DOMAIN, PROVIDER):
        chip.select(locker.LOCKER)
        say(chip, 0, locker.COUNT, ne=256, sw=0x9000)
        assert domain_of(chip) == instance(chip, domain)
        if domain == DOMAIN:
            content.client(chip).extradite(locker.LOCKER, PROVIDER)
            assert chip.card._services.volatile.basic.program is None


def test_the_locker_is_what_the_walks_think_that_it_is() -> None:
    """A session is not what its memory lasts for."""
    chip = Chip(locker.on(chips.active().cells, 1))
    chip.select(locker.LOCKER)
    say(chip, 0, locker.PUT, data=b"a thing", sw=0x9000)
    say(chip, 0, locker.VERIFY, 0, 1, locker.PIN, sw=0x9000)
    session = chip.scp03(chips.CITY_KEYS)
    assert say(session, 0, locker.LOOK, ne=256, sw=0x9000).data == b"a thing"
    say(session, 0, locker.TRAP, sw=0x6400)
    say(session, 0, locker.LOOK, ne=256, sw=0x6982)
