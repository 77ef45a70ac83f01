"""Command chaining and response chaining: what arrives, what goes out in how many pieces, and what ends either."""

from __future__ import annotations

import pytest

from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.securechannel.host import SecureConnection
from tests.support import chips
from tests.support.chips import Chip, say
from tests.support.probe import Probe, given, probed, sealed_messages, told

TELL, GIVE, GET_RESPONSE = 0x10, 0x12, 0xC0
EVERYTHING = 65536


@pytest.fixture
def chip() -> Chip:
    return probed()


@pytest.fixture
def session(chip: Chip) -> SecureConnection:
    return chip.scp03(chips.CITY_KEYS)


def link(chip: Chip, data: bytes, ins: int = TELL, p1: int = 0, p2: int = 0, cla: int = 0x10) -> int:
    return chip.ask(CommandAPDU(cla, ins, p1, p2, data).encode()).sw


def last(chip: Chip, data: bytes, p1: int = 0, p2: int = 0, *, extended: bool = False) -> ResponseAPDU:
    return chip.ask(CommandAPDU(0x00, TELL, p1, p2, data, 256, extended).encode())


def give(chip: Chip, size: int, ne: int | None = None, *, extended: bool = False, p1: int = 0) -> ResponseAPDU:
    return chip.ask(CommandAPDU(0x00, GIVE, p1, 0, size.to_bytes(3), ne, extended).encode())


def rest(chip: Chip, ne: int) -> ResponseAPDU:
    return chip.ask(CommandAPDU(0x00, GET_RESPONSE, 0, 0, b"", ne).encode())


# --- commands in links


@pytest.mark.parametrize("sizes", [(1, 1), (200, 56), (200, 55), (255, 255, 255), (40000, 25535)])
def test_a_chain_arrives_as_one_command_in_the_form_that_its_length_asks_for(
    chip: Chip, sizes: tuple[int, ...]
) -> None:
    whole = given(sum(sizes))
    at = 0
    for size in sizes[:-1]:
        assert link(chip, whole[at : at + size]) == 0x9000
        at += size
    arrived = told(last(chip, whole[at:]))
    assert arrived["nc"] == len(whole)
    assert arrived["ends"] == (whole[:4] + whole[-4:]).hex()
    assert arrived["extended"] is (len(whole) > 255)


def test_a_short_chain_is_a_short_command_whatever_form_its_last_link_had(chip: Chip) -> None:
    link(chip, b"begin")
    assert told(last(chip, b"end", extended=True))["extended"] is False


def test_a_single_extended_command_stays_one(chip: Chip) -> None:
    assert told(last(chip, b"whole", extended=True))["extended"] is True


def test_a_chain_of_more_than_65535_bytes_is_6700_and_over(chip: Chip) -> None:
    assert link(chip, bytes(40000)) == 0x9000
    assert last(chip, bytes(25536), extended=True).sw == 0x6700
    assert told(last(chip, b"next"))["nc"] == 4


def test_a_link_that_makes_a_chain_too_long_ends_it(chip: Chip) -> None:
    assert link(chip, bytes(40000)) == 0x9000
    assert link(chip, bytes(25536)) == 0x6700
    assert told(last(chip, b"next"))["nc"] == 4


@pytest.mark.parametrize("other", [{"p1": 1}, {"p2": 1}])
def test_a_last_link_with_other_parameters_is_a_command_of_its_own(chip: Chip, other: dict[str, int]) -> None:
    link(chip, b"begin")
    arrived = told(last(chip, b"own", **other))  # type: ignore[arg-type]
    assert (arrived["nc"], arrived["p1p2"]) == (3, [other.get("p1", 0), other.get("p2", 0)])
    assert told(last(chip, b"next"))["nc"] == 4


def test_a_link_of_another_command_begins_a_chain_of_its_own(chip: Chip) -> None:
    link(chip, b"begin")
    assert link(chip, b"other", p2=7) == 0x9000
    assert told(last(chip, b"end", p2=7))["nc"] == 8


def test_the_last_link_of_another_class_is_a_command_of_its_own(chip: Chip) -> None:
    link(chip, b"begin")
    arrived = told(chip.ask(CommandAPDU(0x80, TELL, 0, 0, b"own", 256).encode()))
    assert (arrived["cla"], arrived["nc"]) == (0x80, 3)


@pytest.mark.parametrize(
    ("ins", "p1", "sw"), [(0x11, 0, 0x6D00), (TELL, 2, 0x6A86), (0xA4, 0x7F, 0x6A86)], ids=["ins", "p1", "select"]
)
def test_a_chain_of_a_command_that_is_not_there_is_refused_at_its_first_link(
    chip: Chip, ins: int, p1: int, sw: int
) -> None:
    assert link(chip, b"begin", ins, p1) == sw
    assert chip.card.refusal is not None
    assert told(last(chip, b"own"))["nc"] == 3


def test_a_refused_first_link_abandons_the_chain_before_it(chip: Chip) -> None:
    assert link(chip, b"begin") == 0x9000
    assert link(chip, b"other", 0x11) == 0x6D00
    assert told(last(chip, b"own"))["nc"] == 3


def test_each_logical_channel_collects_its_own_chain(chip: Chip) -> None:
    chip.open_channel(1)
    assert chip.select(Probe.module, 1).sw == 0x9000
    assert link(chip, b"basic") == 0x9000
    assert link(chip, b"other channel", cla=0x11) == 0x9000
    assert told(last(chip, b"end"))["nc"] == 8
    arrived = told(chip.ask(CommandAPDU(0x01, TELL, 0, 0, b"end", 256).encode()))
    assert (arrived["cla"], arrived["nc"]) == (0x00, 16)


@pytest.mark.parametrize("size", [255 - 24, 255, 300, 1000])
def test_a_secured_chain_is_one_message(chip: Chip, session: SecureConnection, size: int) -> None:
    chip.exchanges.clear()
    arrived = told(say(session, 0, TELL, data=given(size), ne=256))
    assert (arrived["nc"], arrived["secured"]) == (size, True)


@pytest.mark.parametrize("split", [1, 100])
def test_a_secured_command_in_links_verifies_as_one(chip: Chip, split: int) -> None:
    messages = sealed_messages(chip)
    whole = messages.wrap(CommandAPDU(0x00, TELL, 0, 0, given(200), 256))
    first = whole._replace(cla=whole.cla | 0x10, data=whole.data[:split], ne=None)
    assert chip.ask(first.encode()) == ResponseAPDU()
    answer = chip.ask(whole._replace(data=whole.data[split:]).encode())
    assert told(messages.unwrap(answer))["nc"] == 200


def test_a_secured_command_after_an_abandoned_chain_is_verified_before_anything_else(chip: Chip) -> None:
    sealed_messages(chip)
    assert link(chip, b"begin") == 0x9000
    assert chip.ask("04 11 00 00 08 0000000000000000").sw == 0x6988


# --- responses in pieces


@pytest.mark.parametrize(
    ("size", "ne", "extended", "now", "sw"),
    [
        (256, None, False, 256, 0x9000),  # an absent Le takes all that fits the form
        (257, None, False, 256, 0x6101),
        (257, None, True, 257, 0x9000),
        (65533, None, True, 65533, 0x9000),
        (65534, None, True, 65533, 0x6101),
        (10, 10, False, 10, 0x9000),
        (11, 10, False, 10, 0x6101),
        (265, 10, False, 10, 0x61FF),
        (266, 10, False, 10, 0x6100),
        (300, 10, False, 10, 0x6100),
        (257, 256, False, 256, 0x6101),
        (257, 256, True, 256, 0x6101),
        (300, 299, True, 299, 0x6101),
        (65533, EVERYTHING, True, 65533, 0x9000),
        (65534, EVERYTHING, True, 65533, 0x6101),
        (66000, EVERYTHING, True, 65533, 0x6100),
    ],
)
def test_a_response_goes_as_far_as_le_and_the_form_allow(
    chip: Chip, size: int, ne: int | None, extended: bool, now: int, sw: int
) -> None:
    first = give(chip, size, ne, extended=extended)
    assert (len(first.data), first.sw) == (now, sw)
    pieces = [first.data]
    while size > sum(map(len, pieces)):
        pieces.append(rest(chip, 256).data)
    assert b"".join(pieces) == given(size)
    assert rest(chip, 256).sw == 0x6985


def test_the_status_word_comes_with_the_last_piece(chip: Chip) -> None:
    assert give(chip, 30, 10, p1=1).sw == 0x6114
    assert rest(chip, 10) == ResponseAPDU(given(30)[10:20], chips.StatusWord(0x610A))
    assert rest(chip, 10) == ResponseAPDU(given(30)[20:], chips.StatusWord(0x6282))


def test_a_get_response_that_is_refused_loses_nothing(chip: Chip) -> None:
    give(chip, 20, 10)
    assert chip.ask("00 C0 01 00 00").sw == 0x6A86
    assert chip.ask("00 C0 00 00 01 00").sw == 0x6700
    assert rest(chip, 256).data == given(20)[10:]


@pytest.mark.parametrize("command", ["00 84 00 00 08", "10 10 00 00 01 00", "80 C0 00 00 00", "00 11 00 00"])
def test_any_other_command_drops_what_is_waiting(chip: Chip, command: str) -> None:
    give(chip, 20, 10)
    chip.ask(command)
    assert rest(chip, 256).sw == 0x6985


def test_a_get_response_in_links_fetches_nothing(chip: Chip) -> None:
    give(chip, 20, 10)
    assert chip.ask("10 C0 00 00").data == b""
    assert chip.ask("00 C0 00 00 00").sw == 0x6985


def test_each_logical_channel_has_its_own_rest(chip: Chip) -> None:
    chip.open_channel(1)
    give(chip, 20, 10)
    assert chip.ask("01 C0 00 00 00").sw == 0x6985
    assert rest(chip, 256).data == given(20)[10:]


def test_a_get_response_abandons_a_chain(chip: Chip) -> None:
    link(chip, b"begin")
    assert rest(chip, 256).sw == 0x6985
    assert told(last(chip, b"own"))["nc"] == 3


def test_a_get_response_in_a_session_is_a_secured_command_like_any_other(chip: Chip, session: SecureConnection) -> None:
    give(chip, 20, 10)
    assert say(session, 0, GET_RESPONSE, ne=256).sw == 0x6985
    assert told(say(session, 0, TELL, ne=256))["secured"] is True


@pytest.mark.parametrize(("ne", "extended"), [(None, False), (1, False), (256, False), (1, True), (EVERYTHING, True)])
def test_in_a_session_the_form_alone_limits_a_response(chip: Chip, ne: int | None, extended: bool) -> None:
    """Le counts the plain data there (Amendment D, 6.2.4 to 6.2.7), and the protected ones are longer."""
    messages = sealed_messages(chip)
    wrapped = messages.wrap(CommandAPDU(0x00, GIVE, 0, 0, (300).to_bytes(3), ne, extended))
    sealed = chip.ask(wrapped.encode())
    data, sw = sealed
    assert (len(data), sw) == ((312, 0x9000) if extended else (256, 0x6138))
    if not extended:
        data, sw = data + rest(chip, 256).data, chips.StatusWord.OK
    assert messages.unwrap(ResponseAPDU(data, sw)).data == given(300)
