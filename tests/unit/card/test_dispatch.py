"""One command from its arrival to its commit: the order of the checks, and what secure messaging covers."""

from __future__ import annotations

import pytest

from jukicard.applets import catalogue
from jukicard.applets.gp.applet import SecurityDomain
from jukicard.card.code import Code
from jukicard.card.context import Context, Services, require_domain
from jukicard.card.dispatch import find_row
from jukicard.card.errors import CardError, Step
from jukicard.card.memory import Memory
from jukicard.card.ports import Interface, Ports
from jukicard.card.registry import ISSUER_DOMAIN, Registry
from jukicard.card.routing import Routing
from jukicard.card.system_commands import System
from jukicard.card.transaction import Transaction, UndeclaredWriteError
from jukicard.card.volatile import Channel, Volatile
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.securechannel.messages import SecurityLevel
from jukicard.testing.seeds import randomness
from tests.support import chips
from tests.support.chips import Chip, say
from tests.support.probe import Probe, probed, sealed_messages, told


@pytest.fixture
def chip() -> Chip:
    return probed()


TELL = CommandAPDU(0x00, 0x10, 0, 0, b"abc", 256)


# --- the order of the checks


@pytest.mark.parametrize(
    ("command", "sw", "step", "row"),
    [
        ("00", 0x6700, Step.FORM, None),
        ("20 84 00 00 08", 0x6E00, Step.CHANNEL, None),
        ("FF 84 00 00 08", 0x6E00, Step.CHANNEL, None),
        ("03 84 00 00 08", 0x6881, Step.CHANNEL, None),
        ("40 84 00 00 08", 0x6881, Step.CHANNEL, None),
        ("4F 84 00 00 08", 0x6881, Step.CHANNEL, None),
        ("08 84 00 00 08", 0x6882, Step.SECURE_MESSAGING, None),
        ("04 84 00 00 08", 0x6982, Step.SECURE_MESSAGING, None),
        ("00 11 00 00", 0x6D00, Step.INSTRUCTION, None),
        ("00 84 01 00 01 00", 0x6A86, Step.PARAMETERS, None),  # P1 before the length
        ("00 84 00 01 01 00", 0x6A86, Step.PARAMETERS, None),
        ("00 84 00 00 01 00", 0x6700, Step.LENGTH, "GET CHALLENGE"),
        ("00 12 00 00 02 0000", 0x6700, Step.LENGTH, "GIVE"),
        ("00 12 00 00 04 00000000", 0x6700, Step.LENGTH, "GIVE"),
        ("00 70 80 00", 0x6A81, Step.COMMAND, "MANAGE CHANNEL (close)"),
        ("80 82 33 00 08 0000000000000000", 0x6985, Step.COMMAND, "EXTERNAL AUTHENTICATE"),
    ],
)
def test_a_command_is_refused_by_the_first_check_that_it_does_not_pass(
    chip: Chip, command: str, sw: int, step: Step, row: str | None
) -> None:
    chip.ask("00 10 00 00")  # the row of the command before is no longer this one's
    assert chip.card.refusal is None
    answer = chip.ask(command)
    refusal = chip.card.refusal
    assert refusal is not None
    assert (answer.sw, refusal.sw, refusal.step) == (sw, sw, step)
    assert (refusal.row and refusal.row.name) == row
    assert answer.data == b""


def test_the_length_is_checked_before_the_access_rule() -> None:
    chip = chips.active().chip()
    chip.select(chips.JUKI)
    assert chip.ask("00 D6 81 00").sw == 0x6700
    assert chip.ask("00 D6 81 00 01 00").sw == 0x6982
    assert chip.card.refusal is not None
    assert chip.card.refusal.step is Step.ACCESS


def test_a_refused_command_leaves_nothing_in_the_store(chip: Chip) -> None:
    before = chip.cells
    for command in ("00 84 00 00 01 00", "80 82 33 00 08 0000000000000000", "80 E2 90 00 01 00"):
        assert chip.ask(command).sw != 0x9000
    assert chip.cells == before


@pytest.mark.parametrize("cla", [0x00, 0x01, 0x02, 0x03, 0x80, 0x81, 0x83])
def test_a_handler_sees_the_plain_class_on_whatever_channel(chip: Chip, cla: int) -> None:
    for number in (1, 2, 3):
        chip.open_channel(number)
        chip.select(Probe.module, number)
    assert told(chip.ask(TELL._replace(cla=cla).encode()))["cla"] == cla & 0x80
    session = chip.scp03(chips.CITY_KEYS, channel=cla & 3)
    arrived = told(say(session, cla, 0x10, data=b"abc", ne=256))
    assert (arrived["cla"], arrived["secured"]) == (cla & 0x80, True)


# --- in whose name


def dispatched(chip: Chip, cmd: CommandAPDU, channel: Channel | None = None) -> Context:
    """The context in which a command would run; by default with the probe selected on the basic channel."""
    code = Code(catalogue.rom((Probe,)), chip.store)
    instance = Registry(Transaction(chip.store)).by_aid(bytes(Probe.module))
    assert instance is not None
    volatile = Volatile.at_reset(instance.instance)
    ports = Ports(randomness(1))
    services = Services(
        ports, code, chip.store, Memory(chip.store), Routing(chip.store, code), Interface.CONTACT, volatile
    )
    ctx = find_row(cmd, None, channel or volatile.basic, services)
    assert services.row is ctx.row
    return ctx


def test_an_applications_command_runs_in_its_own_name_and_sees_no_registry(chip: Chip) -> None:
    ctx = dispatched(chip, CommandAPDU(0x00, 0x10, 0, 0))
    assert type(ctx) is Context
    assert isinstance(ctx.applet, Probe)
    assert ctx.entry.aid == ctx.selected.aid == Probe.module
    with pytest.raises(CardError) as caught:
        require_domain(ctx)
    assert caught.value.sw == 0x6985


def test_a_domains_own_command_runs_in_its_name_and_sees_the_registry(chip: Chip) -> None:
    ctx = dispatched(chip, CommandAPDU(0x80, 0xF2, 0x80, 2), Channel(1, ISSUER_DOMAIN))
    assert require_domain(ctx) is ctx
    assert isinstance(ctx.applet, SecurityDomain)
    assert ctx.entry.aid == ctx.selected.aid == chips.ISSUER


def test_a_forwarded_command_runs_in_the_domains_name(chip: Chip) -> None:
    ctx = dispatched(chip, CommandAPDU(0x80, 0xCA, 0, 0x66))
    assert require_domain(ctx) is ctx
    assert isinstance(ctx.applet, SecurityDomain)
    assert (ctx.entry.aid, ctx.selected.aid) == (chips.CITY_DOMAIN, Probe.module)


def test_the_cards_own_command_runs_in_the_name_of_what_is_selected_and_sees_the_registry(chip: Chip) -> None:
    ctx = dispatched(chip, CommandAPDU(0x00, 0x84, 0, 0))
    assert require_domain(ctx) is ctx
    assert isinstance(ctx.applet, System)
    assert ctx.entry.aid == ctx.selected.aid == Probe.module


def test_only_a_row_that_declares_writes_gets_a_store_that_it_can_write(chip: Chip) -> None:
    dispatched(chip, CommandAPDU(0x80, 0xE2, 0x90, 0), Channel(1, ISSUER_DOMAIN)).area.spend("x", b"y")
    assert chip.cells["a/0001/x"] == b"y"
    with pytest.raises(UndeclaredWriteError):
        dispatched(chip, CommandAPDU(0x00, 0x10, 0, 0)).area.spend("x", b"y")


# --- what secure messaging covers


def test_a_response_in_a_session_is_protected(chip: Chip) -> None:
    messages = sealed_messages(chip)
    answer = chip.ask(messages.wrap(TELL).encode())
    assert b"secured" not in answer.data
    assert told(messages.unwrap(answer))["nc"] == 3


@pytest.mark.parametrize("level", [0x01, 0x33])
def test_the_answer_to_a_command_that_ends_its_session_is_bare(chip: Chip, level: int) -> None:
    """The keys that would protect it are gone."""
    messages = sealed_messages(chip, SecurityLevel(level))
    name = bytes(Probe.module)
    answer = chip.ask(messages.wrap(CommandAPDU(0x00, 0xA4, 0x04, 0x00, name, 256)).encode())
    assert answer.sw == 0x9000
    assert answer == chip.select(Probe.module)
    assert chip.ask("04 10 00 00 08 0000000000000000").sw == 0x6982


def test_the_answer_to_a_command_that_opens_the_next_session_is_bare(chip: Chip) -> None:
    messages = sealed_messages(chip)
    answer = chip.ask(messages.wrap(CommandAPDU(0x80, 0x50, 0, 0, bytes(8), 256)).encode())
    assert (len(answer.data), answer.sw) == (32, 0x9000)
    assert answer.data[10:13] == b"\x01\x03\x70"  # key version, SCP03, its options


def test_a_failure_in_a_session_is_bare_and_the_session_goes_on(chip: Chip) -> None:
    messages = sealed_messages(chip)
    answer = chip.ask(messages.wrap(CommandAPDU(0x00, 0x12, 0, 0, bytes(4))).encode())
    assert answer == ResponseAPDU(b"", chips.StatusWord.WRONG_LENGTH)
    messages.unwrap(answer)
    assert told(messages.unwrap(chip.ask(messages.wrap(TELL).encode())))["nc"] == 3


def test_in_a_handshake_no_command_but_external_authenticate_is_looked_at(chip: Chip) -> None:
    chip.ask("80 50 00 00 08 0000000000000000")
    assert chip.ask("04 10 00 00 08 0000000000000000").sw == 0x6982
    assert chip.card.refusal is not None
    assert chip.card.refusal.step is Step.SECURE_MESSAGING
    assert "handshake" in chip.card.refusal.reason
    assert chip.ask("84 82 33 00 10" + "00" * 16).sw == 0x6982  # the handshake is over
    assert "no secure channel" in chip.card.refusal.reason


def test_external_authenticate_with_a_wrong_mac_ends_the_handshake(chip: Chip) -> None:
    chip.ask("80 50 00 00 08 0000000000000000")
    assert chip.ask("84 82 33 00 10" + "00" * 16).sw == 0x6988
    assert chip.card.refusal is not None
    assert chip.card.refusal.step is Step.SECURE_MESSAGING
    assert chip.ask("84 82 33 00 10" + "00" * 16).sw == 0x6982


def test_a_wrong_mac_ends_the_session_and_runs_nothing(chip: Chip) -> None:
    messages = sealed_messages(chip)
    wrapped = messages.wrap(TELL)
    damaged = wrapped._replace(data=wrapped.data[:-1] + bytes((wrapped.data[-1] ^ 1,)))
    assert chip.ask(damaged.encode()) == ResponseAPDU(b"", chips.StatusWord.SM_OBJECTS_INCORRECT)
    assert chip.ask(wrapped.encode()).sw == 0x6982


def test_the_mac_is_checked_before_the_instruction(chip: Chip) -> None:
    sealed_messages(chip)
    assert chip.ask("04 11 00 00 08 0000000000000000").sw == 0x6988


def test_a_chip_that_was_switched_on_has_refused_nothing(chip: Chip) -> None:
    chip.ask("00 11 00 00")
    assert chip.card.refusal is not None
    chip.reset()
    assert chip.card.refusal is None
