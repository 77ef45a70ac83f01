"""Secure channel sessions: what ends them, and that nothing is inherited from one to another."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.errors import AuthenticationFailed
from jukicard.iso7816.wrappers import ResponseChaining
from jukicard.securechannel.authorization import Right
from jukicard.securechannel.host import SecureConnection, open_scp11a
from jukicard.securechannel.messages import HostMessages, SecurityLevel
from jukicard.securechannel.scp03 import (
    TRANSPORT_KEYS,
    InitializeUpdateResponse,
    derive_session_keys,
    host_cryptogram,
)
from jukicard.securechannel.scp11 import decode_point
from tests.support import chips
from tests.support.chips import CODE, Chip, juki_session, read_code, say, verify

CODE_FILE = "00 B0 81 00 00"


@pytest.fixture
def chip() -> Chip:
    return chips.active().chip()


@pytest.fixture
def session(chip: Chip) -> SecureConnection:
    """A terminal to which the code is readable."""
    opened = juki_session(chip, Right.IDENTIFY)
    assert verify(opened) == 0x9000
    assert read_code(opened).data == CODE
    return opened


def still_open(session: SecureConnection) -> bool:
    """Whether the session lives and the code is readable in it."""
    try:
        return read_code(session).data == CODE
    except AuthenticationFailed:
        return False


def test_the_code_never_crosses_in_the_clear(chip: Chip, session: SecureConnection) -> None:
    assert read_code(session).data == CODE
    assert not any(CODE in answer for _, answer in chip.exchanges)
    assert not any(chips.PASSWORD in command for command, _ in chip.exchanges)


def test_a_plain_command_has_none_of_the_sessions_facts(chip: Chip, session: SecureConnection) -> None:
    assert chip.ask(CODE_FILE).sw == 0x6982
    assert chip.ask("00 B0 86 00 00").sw == 0x6982
    assert chip.ask("00 20 00 81 04 32353830").sw == 0x6982
    assert chip.ask("00 04 00 00").sw == 0x6982
    assert still_open(session)


def test_free_plain_commands_leave_the_session_alone(chip: Chip, session: SecureConnection) -> None:
    for command in (
        "00 20 00 81",
        "00 84 00 00 08",
        "00 A4 00 0C 02 0001",
        "80 CA 00 66 00",
        "00 70 00 01",
        "00 C0 00 00 00",
    ):
        chip.ask(command)
        assert still_open(session), command


def test_a_plain_get_response_fetches_the_rest_and_does_not_end_the_session(chip: Chip) -> None:
    chip.select(chips.JUKI)
    session = open_scp11a(
        ResponseChaining(chip),
        kvn=chips.KVN,
        card_public_key=decode_point(chips.active().juki_11a),
        terminal=chips.terminal(Right.IDENTIFY),
        anchor_kvn=chips.KVN,
        ephemeral=chip.ephemeral(),
    )
    assert verify(session) == 0x9000
    chip.exchanges.clear()
    assert len(say(session, 0x00, 0xB0, 0x82, 0x00, ne=256, sw=0x9000).data) == 256
    assert [command[1] for command, _ in chip.exchanges] == [0xB0, 0xC0]  # 272 + 8 bytes in two pieces
    assert chip.exchanges[1][0][0] == 0x00
    assert still_open(session)


def test_select_of_an_application_ends_the_session(chip: Chip, session: SecureConnection) -> None:
    for aid in (chips.JUKI, chips.LIBRARY, chips.ISSUER):
        fresh = juki_session(chip, Right.IDENTIFY)
        assert verify(fresh) == 0x9000
        assert chip.select(aid).sw == 0x9000
        chip.select(chips.JUKI)
        assert chip.ask(CODE_FILE).sw == 0x6982
        assert not still_open(fresh)


@pytest.mark.parametrize(
    ("command", "sw"),
    [
        ("00 A4 04 00 05 F0F1F2F3F4", 0x6A82),
        ("00 A4 04 00 07 F04A554B490002", 0x6A82),
        ("00 A4 05 00", 0x6A86),
        ("00 A4 04 01", 0x6A86),
        ("00 A4 04 00 11" + "00" * 17, 0x6700),
        ("00 A4 00 00 02 3F00", 0x6A82),
        ("00 A4 02 0C 02 0003", 0x6A82),
    ],
)
def test_a_failed_select_changes_nothing(chip: Chip, session: SecureConnection, command: str, sw: int) -> None:
    assert say(session, 0, 0xA4, 0x02, 0x0C, b"\0\1").sw == 0x9000
    assert chip.ask(command).sw == sw
    assert still_open(session)
    assert say(session, 0, 0xB0, 0x00, 0x00, ne=256).data == CODE  # the current file, too


def test_a_select_refused_for_multi_selection_changes_nothing(chip: Chip, session: SecureConnection) -> None:
    chip.open_channel(1)
    assert chip.select(chips.JUKI, 1).sw == 0x6985
    assert chip.select(chips.LIBRARY, 1).sw == 0x9000
    assert still_open(session)


def test_select_of_a_file_leaves_the_session(chip: Chip, session: SecureConnection) -> None:
    assert chip.ask("00 A4 00 00 02 0001").sw == 0x9000
    assert say(session, 0, 0xB0, 0x00, 0x00, ne=256).data == CODE


def test_a_reset_ends_everything(chip: Chip, session: SecureConnection) -> None:
    chip.open_channel(1)
    chip.reset()
    assert chip.ask("00 B0 86 00 00").sw == 0x6A82  # the issuer's domain is selected
    chip.select(chips.JUKI)
    assert chip.ask(CODE_FILE).sw == 0x6982
    assert chip.ask("04 B0 81 00 08 0000000000000000").sw == 0x6982
    assert chip.ask("01 84 00 00 08").sw == 0x6881


def test_power_off_and_on_ends_everything(chip: Chip, session: SecureConnection) -> None:
    chip.card.power_off()
    chip.card.power_on()
    chip.select(chips.JUKI)
    assert chip.ask(CODE_FILE).sw == 0x6982
    assert not still_open(session)


@pytest.mark.parametrize("damage", ["mac", "data", "header", "short", "replayed"])
def test_a_secure_messaging_error_ends_the_session(chip: Chip, session: SecureConnection, damage: str) -> None:
    say(session, 0, 0x20, 0x00, 0x81, chips.PASSWORD, sw=0x9000)
    raw = bytearray(chip.exchanges[-1][0])
    if damage == "mac":
        raw[-1] ^= 1
    elif damage == "data":
        raw[5] ^= 1
    elif damage == "header":
        raw[3] ^= 1
    elif damage == "short":
        raw = bytearray(raw[:4]) + b"\x07" + raw[-7:]
    assert chip.ask(bytes(raw)).sw == 0x6988
    assert chip.ask(CODE_FILE).sw == 0x6982
    assert chip.ask("00 B0 86 00 00").sw == 0x6982
    assert chip.ask(bytes(raw)).sw == 0x6982
    assert read_code(session).sw == 0x6982
    assert chip.ask("00 20 00 81").sw == 0x63C3


def test_a_new_handshake_inherits_nothing(chip: Chip, session: SecureConnection) -> None:
    second = chip.scp11a(chips.terminal(Right.IDENTIFY), chips.active().juki_11a)
    assert read_code(second).sw == 0x6982
    assert verify(second) == 0x9000
    assert read_code(second).data == CODE
    third = chip.scp11a(chips.terminal(Right.MATCH), chips.active().juki_11a)
    assert verify(third) == 0x9000
    assert read_code(third).sw == 0x6982
    assert not still_open(session)


def test_rights_are_not_inherited_by_an_scp11b_or_scp03_session(chip: Chip, session: SecureConnection) -> None:
    other = chip.scp11b(chips.active().juki_11b)
    assert read_code(other).sw == 0x6982
    assert say(other, 0, 0xB0, 0x86, 0, ne=256).sw == 0x6982
    other = chip.scp03(chips.JUKI_KEYS)
    assert verify(other) == 0x9000
    assert read_code(other).sw == 0x6982


def test_scp11a_follows_only_its_own_certificates(chip: Chip) -> None:
    """The chain that one handshake used up opens no second one."""
    juki_session(chip, Right.IDENTIFY)
    handshake = chip.exchanges[-1][0]
    assert handshake[1] == 0x82
    assert chip.ask(handshake).sw == 0x6985
    assert chip.ask(CODE_FILE).sw == 0x6982


@pytest.mark.parametrize(
    "between",
    [
        lambda chip: chip.select(chips.JUKI),
        lambda chip: chip.reset() or chip.select(chips.JUKI),
        lambda chip: chip.ask("80 50 00 00 08 0000000000000000"),
        lambda chip: chip.ask("80 2A 01 10 02 3000"),
    ],
    ids=["select", "reset", "scp03", "another chain"],
)
def test_certificates_are_forgotten(chip: Chip, between: Callable[[Chip], object]) -> None:
    issued = chips.active()
    chip.select(chips.JUKI)
    terminal = chips.terminal(Right.IDENTIFY)
    ca, leaf = terminal.certificates
    assert chip.ask(CommandAPDU(0x80, 0x2A, chips.KVN, 0x90, ca).encode()).sw == 0x9000
    assert chip.ask(CommandAPDU(0x80, 0x2A, chips.KVN, 0x10, leaf).encode()).sw == 0x9000
    between(chip)
    donor = issued.chip()
    juki_session(donor, Right.IDENTIFY)
    assert chip.ask(donor.exchanges[-1][0]).sw == 0x6985


def test_a_chain_without_its_leaf_opens_nothing(chip: Chip) -> None:
    chip.select(chips.JUKI)
    ca, _ = chips.terminal(Right.IDENTIFY).certificates
    assert chip.ask(CommandAPDU(0x80, 0x2A, chips.KVN, 0x90, ca).encode()).sw == 0x9000
    donor = chips.active().chip()
    juki_session(donor, Right.IDENTIFY)
    assert chip.ask(donor.exchanges[-1][0]).sw == 0x6985


def test_a_second_logical_channel_inherits_nothing(chip: Chip, session: SecureConnection) -> None:
    for number in (1, 2, 3):
        chip.open_channel(number)
        assert chip.select(chips.JUKI, number).sw == 0x6985
        assert chip.ask(bytes((number, 0xB0, 0x86, 0, 0))).sw == 0x6A82  # the issuer's domain is selected there
        secured = bytes((number | 0x04, 0xB0, 0x81, 0, 8)) + bytes(8)
        assert chip.ask(secured).sw == 0x6982
    assert still_open(session)


def test_a_session_does_not_follow_its_application_to_another_channel(chip: Chip, session: SecureConnection) -> None:
    chip.open_channel(1)
    chip.select(chips.ISSUER)
    assert chip.select(chips.JUKI, 1).sw == 0x9000
    assert chip.ask("01 B0 81 00 00").sw == 0x6982
    assert chip.ask("05 B0 81 00 08 0000000000000000").sw == 0x6982
    chip.ask("01 70 80 00")
    chip.select(chips.JUKI)
    assert chip.ask(CODE_FILE).sw == 0x6982


def test_a_closed_channel_takes_its_session_along(chip: Chip) -> None:
    chip.open_channel(1)
    session = juki_session(chip, Right.IDENTIFY, channel=1)
    assert verify(session, cla=1) == 0x9000
    assert read_code(session, 1).data == CODE
    assert chip.ask("00 70 80 01").sw == 0x9000
    chip.open_channel(1)
    assert chip.select(chips.JUKI, 1).sw == 0x9000
    assert chip.ask("01 B0 81 00 00").sw == 0x6982


def test_two_channels_have_two_sessions(chip: Chip, session: SecureConnection) -> None:
    chip.open_channel(2)
    other = chips.library_session(chip, 2)
    assert verify(other, cla=2) == 0x9000
    assert still_open(session)
    assert verify(session) == 0x9000
    assert say(other, 2, 0xB0, 0x81, 0, ne=256).data == chips.PATRON


# --- handshakes that were not finished


def begin(
    chip: Chip, challenge: bytes = bytes(8), keys: object = chips.JUKI_KEYS, channel: int = 0
) -> tuple[HostMessages, bytes]:
    """INITIALIZE UPDATE: the host's messages, and the host cryptogram that would finish the handshake."""
    answer = chip.ask(bytes((0x80 | channel, 0x50, 0, 0, 8)) + challenge)
    assert answer.sw == 0x9000
    update = InitializeUpdateResponse.parse(answer.data)
    context = challenge + update.challenge
    session_keys = derive_session_keys(keys, context)
    return HostMessages(session_keys, SecurityLevel.C_MAC), host_cryptogram(session_keys, context)


def test_a_handshake_that_was_not_finished_gives_nothing(chip: Chip) -> None:
    chip.select(chips.JUKI)
    messages, _ = begin(chip)
    assert chip.ask("00 B0 86 00 00").sw == 0x6982
    assert chip.ask(messages.wrap(CommandAPDU(0x00, 0xB0, 0x86, 0x00, b"", 256)).encode()).sw == 0x6982
    assert chip.ask("00 B0 86 00 00").sw == 0x6982


def test_after_any_other_command_the_handshake_cannot_be_finished(chip: Chip) -> None:
    chip.select(chips.JUKI)
    messages, proof = begin(chip)
    chip.ask(messages.wrap(CommandAPDU(0x00, 0xB0, 0x86, 0x00)).encode())
    messages.unwrap(chips.ResponseAPDU())
    assert chip.ask(messages.wrap(CommandAPDU(0x80, 0x82, 0x33, 0x00, proof)).encode()).sw == 0x6982


def test_a_wrong_host_cryptogram_is_6300_and_ends_the_handshake(chip: Chip) -> None:
    chip.select(chips.JUKI)
    messages, proof = begin(chip)
    wrong = bytes((proof[0] ^ 1,)) + proof[1:]
    chip.ask(messages.wrap(CommandAPDU(0x80, 0x82, 0x33, 0x00, wrong)).encode())
    assert chip.exchanges[-1][1] == b"\x63\x00"
    messages.unwrap(chips.ResponseAPDU())
    assert chip.ask(messages.wrap(CommandAPDU(0x80, 0x82, 0x33, 0x00, proof)).encode()).sw == 0x6982
    assert chip.ask("00 B0 86 00 00").sw == 0x6982


def test_a_host_cryptogram_without_a_mac_opens_nothing(chip: Chip) -> None:
    chip.select(chips.JUKI)
    _, proof = begin(chip)
    assert chip.ask(b"\x80\x82\x33\x00\x08" + proof).sw == 0x6985
    assert chip.ask(b"\x84\x82\x33\x00\x10" + proof + bytes(8)).sw == 0x6988
    assert chip.ask("00 B0 86 00 00").sw == 0x6982


def test_the_answer_to_external_authenticate_is_bare_at_every_level(chip: Chip) -> None:
    """Amendment D 7.1.2: it has no data field; the level it asks for begins with the next command."""
    for level in (0x01, 0x03, 0x11, 0x13, 0x33):
        chip.select(chips.JUKI)
        session = chip.scp03(chips.JUKI_KEYS, level)
        assert chip.exchanges[-1][1] == b"\x90\x00"
        assert say(session, 0, 0xB0, 0x86, 0, ne=256).data == chips.CARD_DATA


@pytest.mark.parametrize("level", [0x00, 0x02, 0x10, 0x23, 0x30, 0xFF])
def test_there_is_no_session_at_an_undefined_level(chip: Chip, level: int) -> None:
    chip.select(chips.JUKI)
    messages, proof = begin(chip)
    assert chip.ask(messages.wrap(CommandAPDU(0x80, 0x82, level, 0x00, proof)).encode()).sw == 0x6A86
    assert chip.ask("00 B0 86 00 00").sw == 0x6982


def test_the_same_challenge_on_two_channels_gives_two_sessions(chip: Chip) -> None:
    """Else one channel's commands could be replayed on the other: a MAC does not tell the channel."""
    chip.reset()
    chip.open_channel(1)
    keys = chips.ISSUER_KEYS
    first, first_proof = begin(chip, keys=keys)
    _, second_proof = begin(chip, keys=keys, channel=1)
    assert first_proof != second_proof
    assert chip.ask(first.wrap(CommandAPDU(0x80, 0x82, 0x01, 0x00, first_proof)).encode()).sw == 0x9000
    copied = bytearray(chip.exchanges[-1][0])
    copied[0] |= 0x01
    assert chip.ask(bytes(copied)).sw in (0x6300, 0x6988)


def test_a_used_up_sequence_counter_refuses_the_handshake(chip: Chip) -> None:
    (cell,) = [name for name in chips.blank().cells if name.endswith("seq/01/ff")]
    cells = chips.blank().cells
    last = Chip({**cells, cell: b"\xff\xff\xfe" + cells[cell][3:]})
    assert say(last.scp03(TRANSPORT_KEYS), 0x80, 0xF2, 0x80, 0x02, b"\x4f\0").sw == 0x9000
    assert last.ask("80 50 00 00 08 0000000000000000").sw == 0x6985


# --- the delay after failed handshakes


def test_the_card_answers_ever_more_slowly_after_failures_and_is_reset_by_a_success(chip: Chip) -> None:
    chip = chips.blank()
    for _ in range(12):
        assert chip.ask("80 50 00 00 08 0000000000000000").sw == 0x9000
    assert chip.delays == sorted(chip.delays)
    assert chip.delays[0] == 0
    assert 0 < chip.delays[6] < chip.delays[9]
    assert max(chip.delays) <= 5.0
    chip.reset()
    chip = Chip(chip.cells, seed=5)  # pulling the card does not help
    chip.scp03(TRANSPORT_KEYS)
    assert chip.delays[0] >= 1.0
    chip.delays.clear()
    chip.scp03(TRANSPORT_KEYS)
    assert chip.delays == [0.0]


def test_an_attempt_is_counted_before_it_is_answered() -> None:
    chip = chips.blank()
    chip.store.cut = lambda _number: True
    assert chip.ask("80 50 00 00 08 0000000000000000").sw == 0x6581
    assert chip.ask("80 50 00 00 08 0000000000000000").data == b""


def test_failed_handshakes_never_block_for_good() -> None:
    chip = chips.blank()
    for _ in range(300):
        chip.ask("80 50 00 00 08 0000000000000000")
    assert say(chip.scp03(TRANSPORT_KEYS), 0x80, 0xF2, 0x80, 0x02, b"\x4f\0").sw == 0x9000


# --- locking


def set_status(chip: Chip, p1: int, p2: int, aid: AID | None = None) -> None:
    keys = chips.ISSUER_KEYS
    say(chip.scp03(keys), 0x80, 0xF0, p1, p2, bytes(aid) if aid else b"", sw=0x9000)


def test_a_locked_card_stops_what_is_selected_on_another_channel(chip: Chip) -> None:
    chip.open_channel(1)
    session = juki_session(chip, Right.IDENTIFY, channel=1)
    assert verify(session, cla=1) == 0x9000
    chip.reset()
    chip.open_channel(1)
    session = juki_session(chip, Right.IDENTIFY, channel=1)
    assert verify(session, cla=1) == 0x9000
    for state in (0x07, 0x0F, 0x7F):
        set_status(chip, 0x80, state)
    assert read_code(session, 1).sw == 0x6985
    assert chip.ask("01 B0 82 00 00").sw == 0x6985
    assert chip.ask("81 50 00 00 08 0000000000000000").sw == 0x6985
    assert chip.select(chips.JUKI, 1).sw == 0x6A82
    set_status(chip, 0x80, 0x0F)
    assert chip.select(chips.JUKI, 1).sw == 0x9000


def test_a_locked_application_stops_on_its_channel_and_comes_back_unlocked(chip: Chip) -> None:
    chip.open_channel(1)
    session = chips.library_session(chip, 1)
    chip.select(chips.CITY_DOMAIN)
    domain = chip.scp03(chips.CITY_KEYS)
    say(domain, 0x80, 0xF0, 0x40, 0x80, bytes(chips.LIBRARY), sw=0x9000)
    assert say(session, 1, 0xB0, 0x81, 0, ne=256).sw == 0x6985
    assert chip.select(chips.LIBRARY, 1).sw == 0x6A82
    say(domain, 0x80, 0xF0, 0x40, 0x07, bytes(chips.LIBRARY), sw=0x9000)
    assert chip.select(chips.LIBRARY, 1).sw == 0x9000


def test_a_locked_domain_opens_no_channel_for_its_applications(chip: Chip) -> None:
    set_status(chip, 0x40, 0x80, chips.JUKI_DOMAIN)
    assert chip.select(chips.JUKI_DOMAIN).sw == 0x6A82
    assert chip.select(chips.JUKI).sw == 0x9000
    assert chip.ask("80 50 00 00 08 0000000000000000").sw == 0x6985
    assert chip.ask("00 B0 82 00 10").sw == 0x9000


def test_a_terminated_card_only_selects(chip: Chip) -> None:
    chip.open_channel(1)
    chip.select(chips.JUKI, 1)
    set_status(chip, 0x80, 0xFF)
    assert chip.ask("00 A4 04 00 00").sw == 0x9000
    for ins in set(range(256)) - {0xA4}:
        for cla in (0x00, 0x80, 0x01):
            assert chip.ask(bytes((cla, ins, 0, 0))).sw == 0x6985
