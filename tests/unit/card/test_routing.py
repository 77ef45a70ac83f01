"""Whose table answers a command: the application's, its domain's, the card's; and what locking does to each."""

from __future__ import annotations

from typing import ClassVar

import pytest

from jukicard.applets import catalogue
from jukicard.card.applet import Applet
from jukicard.card.card import Card
from jukicard.card.code import Code
from jukicard.card.commands import BOTH, FREE, INTERINDUSTRY, NO_DATA, PROPRIETARY, command
from jukicard.card.context import Context
from jukicard.card.errors import CardError, Step
from jukicard.card.ports import Ports
from jukicard.card.registry import ISSUER_DOMAIN
from jukicard.card.routing import Place, Routing
from jukicard.card.store import MemoryStore
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.testing.seeds import randomness
from tests.support import chips
from tests.support.chips import Chip, say
from tests.support.probe import Probe, probed

JUKI = 4
"""Its instance number: after the three domains."""


class Masking(Applet):
    """Has commands of its own where the card and the domain have theirs."""

    load_file: ClassVar[AID] = AID(b"\xf0tests")
    module: ClassVar[AID] = AID(b"\xf0masking")
    label: ClassVar[str] = "Masking"

    @command(INTERINDUSTRY, ins=0x84, length=NO_DATA, access=FREE, writes=False, spec="-")
    def get_challenge(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        return ResponseAPDU(b"own challenge")

    @command(PROPRIETARY, ins=0xCA, length=NO_DATA, access=FREE, writes=False, spec="-")
    def get_data(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        return ResponseAPDU(b"own data")

    @command(BOTH, ins=0x10, length=NO_DATA, access=FREE, writes=False, spec="-")
    def both(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        return ResponseAPDU(bytes((cmd.cla,)))


def masking() -> Chip:
    chip = chips.blank(1, 0, Masking)
    data = chips.install_data(Masking.module, Masking.module, load_file=Masking.load_file)
    say(chip.scp03(chips.TRANSPORT_KEYS), 0x80, 0xE6, 0x0C, 0, data, sw=0x9000)
    assert chip.select(Masking.module).sw == 0x9000
    return chip


def refused(chip: Chip, command: str) -> tuple[int, Step]:
    sw = chip.ask(command).sw
    assert chip.card.refusal is not None
    return sw, chip.card.refusal.step


# --- whose table


def test_what_an_application_has_neither_the_card_nor_the_domain_sees() -> None:
    chip = masking()
    assert chip.ask("00 84 00 00 00").data == b"own challenge"
    assert chip.ask("80 CA 00 00 00").data == b"own data"
    assert [chip.ask(bytes((cla, 0x10, 0, 0, 0))).data for cla in (0x00, 0x80)] == [b"\x00", b"\x80"]
    chip.select(chips.ISSUER)
    assert len(chip.ask("00 84 00 00 08").data) == 8


def test_what_is_forwarded_goes_to_the_domain_in_its_own_class_only() -> None:
    chip = probed()
    assert chip.ask("80 CA 00 66 00").sw == 0x9000
    assert chip.ask("80 50 00 00 08 0000000000000000").sw == 0x9000
    # A command of the domain alone is none of the application's, in whatever class: nothing tells that it exists.
    assert refused(chip, "00 CA 00 66 00") == (0x6D00, Step.INSTRUCTION)
    assert refused(chip, "00 50 00 00") == (0x6D00, Step.INSTRUCTION)
    assert refused(chip, "80 D8 00 81") == (0x6D00, Step.INSTRUCTION)


def test_an_instruction_of_the_other_class_is_6e00() -> None:
    chip = probed()
    assert refused(chip, "80 84 00 00 08") == (0x6E00, Step.INSTRUCTION)
    assert refused(chip, "80 12 00 00") == (0x6E00, Step.INSTRUCTION)
    assert refused(chip, "00 11 00 00") == (0x6D00, Step.INSTRUCTION)
    chip.select(chips.CITY_DOMAIN)
    assert refused(chip, "00 D8 00 81") == (0x6E00, Step.INSTRUCTION)


def test_a_forwarded_command_runs_with_the_domains_keys_and_for_the_application() -> None:
    chip = probed()
    session = chip.scp03(chips.CITY_KEYS)  # not the issuer's
    assert say(session, 0x00, 0x10, ne=256).sw == 0x9000


# --- what is remembered


def routing(store: MemoryStore) -> Routing:
    return Routing(store, Code(catalogue.rom(), store))


def test_a_route_is_worked_out_once_for_each_application() -> None:
    routes = routing(MemoryStore(chips.delivered().cells))
    juki, issuer = routes.route(JUKI), routes.route(ISSUER_DOMAIN)
    assert (juki.selected.aid, juki.owners[Place.DOMAIN].entry.aid) == (chips.JUKI, chips.JUKI_DOMAIN)
    assert (issuer.selected.aid, issuer.owners[Place.DOMAIN].entry.aid) == (chips.ISSUER, chips.ISSUER)
    assert routes.route(JUKI) is juki
    assert routes.route(ISSUER_DOMAIN) is issuer


def test_a_change_of_the_registry_is_noticed_at_once() -> None:
    store = MemoryStore(chips.delivered().cells)
    routes = routing(store)
    before = routes.route(JUKI)
    assert before.usable
    locked = Chip(chips.delivered().cells)
    locked.select(chips.JUKI_DOMAIN)
    say(locked.scp03(chips.JUKI_KEYS), 0x80, 0xF0, 0x40, 0x80, bytes(chips.JUKI), sw=0x9000)
    store.commit({"registry": locked.cells["registry"]})
    after = routes.route(JUKI)
    assert not after.usable
    assert after.domain_usable
    assert routes.route(JUKI) is after


def test_an_application_that_is_not_there_has_no_route() -> None:
    with pytest.raises(CardError) as caught:
        routing(MemoryStore(chips.delivered().cells)).route(77)
    assert (caught.value.sw, caught.value.step) == (0x6985, Step.APPLICATION)


def test_a_chip_with_an_empty_store_refuses_everything() -> None:
    card = Card(MemoryStore(), catalogue.rom(), Ports(randomness(1), strict=True))
    card.power_on()
    for command_bytes in ("00A4040000", "0084000008", "8050000008" + "00" * 8):
        assert card.transmit(bytes.fromhex(command_bytes)) == b"\x69\x85"
        assert card.refusal is not None
        assert card.refusal.step is Step.APPLICATION


def test_the_rows_of_a_command_come_with_whose_they_are() -> None:
    route = routing(MemoryStore(chips.delivered().cells)).route(JUKI)
    for cla, ins, place in ((0x00, 0xB0, Place.APPLICATION), (0x80, 0xCA, Place.DOMAIN), (0x00, 0xA4, Place.CARD)):
        found = route.find(CommandAPDU(cla, ins, 0, 0))
        assert found.place is place
        assert {row.ins for row in found.rows} == {ins}
    assert len(route.find(CommandAPDU(0x00, 0xA4, 0, 0)).rows) == 3


# --- locked while it is selected


def set_status(chip: Chip, p1: int, p2: int, keys: object, aid: AID | None = None) -> None:
    say(chip.scp03(keys), 0x80, 0xF0, p1, p2, bytes(aid) if aid else b"", sw=0x9000)  # type: ignore[arg-type]


@pytest.fixture
def chip() -> Chip:
    """The probe is selected on channel 1, the issuer's domain on the basic one."""
    chip = probed()
    chip.open_channel(1)
    assert chip.select(Probe.module, 1).sw == 0x9000
    chip.select(chips.ISSUER)
    return chip


GIVE_2 = "01 12 00 00 03 000002 00"


def test_the_cards_own_commands_go_on_where_the_application_is_locked(chip: Chip) -> None:
    assert chip.ask(GIVE_2).data == bytes(2)
    chip.select(chips.CITY_DOMAIN)
    set_status(chip, 0x40, 0x80, chips.CITY_KEYS, Probe.module)
    assert refused(chip, GIVE_2) == (0x6985, Step.APPLICATION)
    assert refused(chip, "01 11 00 00") == (0x6985, Step.APPLICATION)  # whether it exists is not told
    assert refused(chip, "81 CA 00 66 00") == (0x6985, Step.APPLICATION)
    assert len(chip.ask("01 84 00 00 08").data) == 8
    assert chip.ask("01 A4 00 0C 02 0001").sw == 0x6985
    assert chip.select(chips.ISSUER, 1).sw == 0x9000


def test_an_application_goes_on_where_its_domain_is_locked_and_the_domain_does_not(chip: Chip) -> None:
    assert chip.ask("81 CA 00 66 00").sw == 0x9000
    set_status(chip, 0x40, 0x80, chips.TRANSPORT_KEYS, chips.CITY_DOMAIN)
    assert refused(chip, "81 CA 00 66 00") == (0x6985, Step.APPLICATION)
    assert chip.ask(GIVE_2).data == bytes(2)
    assert len(chip.ask("01 84 00 00 08").data) == 8
    assert refused(chip, "01 11 00 00") == (0x6D00, Step.INSTRUCTION)


def test_a_terminated_card_answers_select_and_nothing_else(chip: Chip) -> None:
    set_status(chip, 0x80, 0xFF, chips.TRANSPORT_KEYS)
    for command_text in (GIVE_2, "01 84 00 00 08", "01 11 00 00", "00 84 00 00 08", "80 CA 00 66 00", "00 C0 00 00 00"):
        assert refused(chip, command_text) == (0x6985, Step.APPLICATION)
    assert chip.select(chips.ISSUER).sw == 0x9000
    assert chip.ask("01 A4 04 00 00").sw == 0x9000
    assert chip.select(Probe.module).sw == 0x6A82
