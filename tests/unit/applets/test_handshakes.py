"""The card's end of a handshake: how long it waits, in which order it must come, and what ends it."""

from __future__ import annotations

import pytest

from jukicard.applets.gp import layout as gp
from jukicard.applets.gp.channel_commands import delay_after
from jukicard.applets.gp.layout import KID_SCP11A, KID_SCP11B
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.securechannel.authorization import Right
from jukicard.securechannel.scp03 import TRANSPORT_KEYS
from jukicard.securechannel.scp11 import KeyAgreementRequest, Variant
from tests.support import chips
from tests.support.chains import leaf, private_key
from tests.support.chips import Chip, say

INITIALIZE_UPDATE = "80 50 00 00 08 0000000000000000"


def test_four_attempts_are_free_then_the_wait_doubles_up_to_five_seconds() -> None:
    expected = [0.0, 0.0, 0.0, 0.0, 0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert [delay_after(attempts) for attempts in range(13)] == pytest.approx(expected)
    assert delay_after(255) == 5.0  # no more attempts are counted


def test_an_attempt_waits_for_those_before_it_and_not_for_itself() -> None:
    chip = chips.blank()
    for _ in range(7):
        assert chip.ask(INITIALIZE_UPDATE).sw == 0x9000
    assert chip.delays == pytest.approx([0.0, 0.0, 0.0, 0.0, 0.0, 0.1, 0.2])


def test_external_authenticate_needs_a_handshake_of_its_own() -> None:
    chip = chips.blank()
    plain = CommandAPDU(0x80, 0x82, 0x33, 0, bytes(8)).encode()
    assert chip.ask(plain).sw == 0x6985
    session = chip.scp03(TRANSPORT_KEYS)
    assert say(session, 0x80, 0x82, 0x33, 0, bytes(8)).sw == 0x6985
    assert say(session, 0x80, 0xF2, 0x80, 0x02, b"\x4f\0").sw == 0x9000


def test_in_a_session_of_scp11_nobody_authenticates_by_scp03() -> None:
    chip = chips.active().chip()
    session = chips.juki_session(chip)
    assert say(session, 0x80, 0x82, 0x33, 0, bytes(8)).sw == 0x6985


# --- SCP11, message by message


def request(variant: Variant) -> bytes:
    return KeyAgreementRequest(variant, private_key(77).public_key()).encode()


def show(chip: Chip, *certificates: bytes) -> list[int]:
    """Show certificates, the last of them as the leaf; what the card says to each."""
    more = [0x90] * (len(certificates) - 1) + [0x10]
    commands = zip(certificates, more, strict=True)
    return [say(chip, 0x80, 0x2A, chips.KVN, p2, certificate).sw for certificate, p2 in commands]


def agree(chip: Chip, variant: Variant, data: bytes | None = None) -> int:
    ins, kid = (0x82, KID_SCP11A) if variant is Variant.SCP11A else (0x88, KID_SCP11B)
    return say(chip, 0x80, ins, chips.KVN, kid, request(variant) if data is None else data, 256).sw


@pytest.fixture
def chip() -> Chip:
    """An issued chip with the Juki application selected."""
    chip = chips.active().chip()
    chip.select(chips.JUKI)
    return chip


@pytest.fixture
def certificates() -> tuple[bytes, ...]:
    return chips.terminal(Right.IDENTIFY).certificates


def test_certificates_lead_to_a_session_once(chip: Chip, certificates: tuple[bytes, ...]) -> None:
    assert agree(chip, Variant.SCP11A) == 0x6985
    assert show(chip, *certificates) == [0x9000, 0x9000]
    assert agree(chip, Variant.SCP11A) == 0x9000
    assert agree(chip, Variant.SCP11A) == 0x6985


def test_a_chain_without_its_leaf_leads_to_no_session(chip: Chip, certificates: tuple[bytes, ...]) -> None:
    assert say(chip, 0x80, 0x2A, chips.KVN, 0x90, certificates[0]).sw == 0x9000
    assert agree(chip, Variant.SCP11A) == 0x6985


def test_a_complete_chain_can_be_shown_again(chip: Chip, certificates: tuple[bytes, ...]) -> None:
    for _ in range(2):
        assert show(chip, *certificates) == [0x9000, 0x9000]
    assert agree(chip, Variant.SCP11A) == 0x9000


def test_a_failed_key_agreement_uses_the_certificates_up(chip: Chip, certificates: tuple[bytes, ...]) -> None:
    for wrong in (b"\xa6\x00", request(Variant.SCP11B)):
        assert show(chip, *certificates) == [0x9000, 0x9000]
        assert agree(chip, Variant.SCP11A, wrong) == 0x6A80
        assert agree(chip, Variant.SCP11A) == 0x6985


def test_the_parameters_ask_for_the_variant_of_the_command(chip: Chip) -> None:
    assert agree(chip, Variant.SCP11B, request(Variant.SCP11A)) == 0x6A80
    assert agree(chip, Variant.SCP11B) == 0x9000


@pytest.mark.parametrize(
    ("command", "sw"),
    [
        (CommandAPDU(0x80, 0x50, 0x55, 0, bytes(8)), 0x6A88),
        (CommandAPDU(0x80, 0x2A, chips.KVN, 0x10, b"no certificate"), 0x6982),
        (CommandAPDU(0x80, 0x82, chips.KVN, KID_SCP11A, b"no agreement"), 0x6985),
        (CommandAPDU(0x80, 0x88, chips.KVN, KID_SCP11B, b"no agreement"), 0x6A80),
    ],
    ids=["INITIALIZE UPDATE", "certificate", "SCP11a", "SCP11b"],
)
def test_a_new_handshake_ends_the_session_before_it_even_if_it_fails(command: CommandAPDU, sw: int) -> None:
    chip = chips.active().chip()
    session = chips.juki_session(chip)
    free = (0x00, 0xB0, 0x82, 0x00)
    assert say(session, *free, ne=16).sw == 0x9000
    assert chip.ask(command.encode()).sw == sw
    assert say(session, *free, ne=16).sw == 0x6982  # there is no session that it could belong to


def test_a_domain_without_keys_uses_those_of_the_domain_above_it() -> None:
    chip = chips.blank()
    issuer = chip.scp03(TRANSPORT_KEYS)
    chips.install(issuer, gp.DOMAIN_MODULE, chips.JUKI_DOMAIN, b"\x80\x40\x00")
    chip.select(chips.JUKI_DOMAIN)
    session = chip.scp03(TRANSPORT_KEYS)
    assert say(session, 0x80, 0xF2, 0x40, 0x02, b"\x4f\0").sw in (0x9000, 0x6A88)


def test_a_ca_that_begins_on_the_day_of_the_estimate_writes_nothing() -> None:
    chip = chips.active().chip()
    chip.select(chips.JUKI)
    chip.store.commits.clear()
    certificates = chips.terminal(Right.IDENTIFY, ca_start=chips.ESTIMATE, start=chips.ESTIMATE).certificates
    assert show(chip, *certificates) == [0x9000, 0x9000]
    assert chip.store.commits == []


def test_a_terminal_right_below_the_anchor_is_accepted_and_moves_no_date() -> None:
    """Only CAs move the estimate, and here there is none."""
    chip = chips.active().chip()
    chip.select(chips.JUKI)
    chip.store.commits.clear()
    own = leaf("Terminal", "Root", private_key(3004)).but(start=20270101, end=20291231).signed(chips.NATIONAL_ROOT)
    assert show(chip, own) == [0x9000]
    assert chip.store.commits == []


@pytest.mark.parametrize(
    ("ins", "p1", "p2", "allowed"),
    [
        (0x50, 0x00, 0x00, (8, 8)),
        (0x82, 0x33, 0x00, (8, 8)),
        (0x2A, chips.KVN, 0x10, (1, 4096)),
        (0x82, chips.KVN, KID_SCP11A, (1, 255)),
        (0x88, chips.KVN, KID_SCP11B, (1, 255)),
    ],
)
def test_the_lengths_of_handshake_commands(chip: Chip, ins: int, p1: int, p2: int, allowed: tuple[int, int]) -> None:
    shortest, longest = allowed
    told = {nc: say(chip, 0x80, ins, p1, p2, bytes(nc)).sw for nc in (shortest - 1, shortest, longest, longest + 1)}
    assert [nc for nc, sw in told.items() if sw == 0x6700] == [shortest - 1, longest + 1]


@pytest.mark.parametrize(("ins", "allowed"), [(0x2A, {0x00, 0x10, 0x80, 0x90})])
def test_the_parameters_of_a_certificates_command(chip: Chip, ins: int, allowed: set[int]) -> None:
    """P2 names the anchor's key identifier, or leaves it out; b8 says that more follow."""
    assert {p2 for p2 in range(256) if say(chip, 0x80, ins, 0, p2, b"x").sw != 0x6A86} == allowed
