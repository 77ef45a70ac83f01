"""The Juki application's life: personalisation, delivered locked, active, suspended, void; and an expired card."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from jukicard.applets.juki import layout
from jukicard.applets.juki.records import CardState, CardStatus, authentication_message
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.tlv import parse_one
from jukicard.securechannel.authorization import Right
from jukicard.securechannel.host import SecureConnection
from jukicard.securechannel.scp11 import decode_point
from tests.support import chips
from tests.support.chips import (
    ALL_RIGHTS,
    CARD_DATA,
    CITY,
    CODE,
    PASSWORD,
    Chip,
    juki_session,
    read_code,
    say,
    terminal,
    verify,
)

GENERATE = bytes.fromhex("B603840182")


def personalising(chip: Chip, level: int = 0x33) -> SecureConnection:
    chip.select(chips.JUKI)
    return chip.scp03(chips.JUKI_KEYS, level)


def official(chip: Chip, *, city: str = CITY) -> SecureConnection:
    """A terminal with every right."""
    return juki_session(chip, *sorted(ALL_RIGHTS), city=city)


def state(chip: Chip, city: str = CITY) -> CardState:
    return CardStatus.parse(say(official(chip, city=city), 0, 0xB0, 0x87, 0, ne=256, sw=0x9000).data).state


def suspend(session: CardConnection) -> int:
    return say(session, 0, 0x04).sw


def resume(session: CardConnection) -> int:
    return say(session, 0, 0x44).sw


def void(session: CardConnection) -> int:
    return say(session, 0, 0xE6).sw


def set_initial(session: CardConnection) -> int:
    return say(session, 0, 0x24, 0x01, 0x81, PASSWORD).sw


def move(session: CardConnection, city: bytes = CITY.encode()) -> int:
    return say(session, 0, 0xDA, 0x01, 0x07, city).sw


# --- personalisation

WRITES: dict[str, tuple[int, int, int, bytes]] = {
    "code": (0xD6, 0x81, 0x00, CODE),
    "card": (0xD6, 0x86, 0x00, CARD_DATA),
    "certificates": (0xD6, 0x82, 0x00, b"certificates"),
    "key": (0x47, 0x80, 0x00, GENERATE),
}


@pytest.mark.parametrize("missing", WRITES)
def test_personalisation_is_not_closed_while_something_is_missing(missing: str) -> None:
    chip = chips.in_personalisation()
    session = personalising(chip)
    for name, (ins, p1, p2, data) in WRITES.items():
        if name != missing:
            say(session, 0, ins, p1, p2, data, 256, sw=0x9000)
    before = chip.cells
    assert resume(session) in (0x6985, 0x6984)
    assert chip.cells == before
    ins, p1, p2, data = WRITES[missing]
    say(session, 0, ins, p1, p2, data, 256, sw=0x9000)
    assert resume(session) == 0x9000


@pytest.mark.parametrize("kid", [0x10, 0x11, 0x13])
def test_personalisation_is_not_closed_while_the_domain_lacks_a_key(kid: int) -> None:
    chip = chips.in_personalisation()
    chips.write_juki(personalising(chip))
    whole = chip.cells
    chip.select(chips.JUKI_DOMAIN)
    assert say(chip.scp03(chips.JUKI_KEYS), 0x80, 0xE4, 0, 0, bytes((0xD0, 1, kid))).sw == 0x9000
    assert resume(personalising(chip)) == 0x6985
    assert resume(personalising(Chip(whole, seed=2))) == 0x9000


@pytest.mark.parametrize(
    ("sfi", "content"),
    [
        (0x81, b"1234567890"),
        (0x81, b"1234567890x"),
        (0x81, bytes(11)),
        (0x86, CARD_DATA[:-1] + b"x"),
        (0x86, CARD_DATA.replace(b"B", b"C")),
    ],
)
def test_personalisation_is_not_closed_with_malformed_content(sfi: int, content: bytes) -> None:
    chip = chips.in_personalisation()
    session = personalising(chip)
    chips.write_juki(session)
    if sfi == 0x81:
        say(session, 0, 0xD6, 0x81, 0, bytes(11), sw=0x9000)
    say(session, 0, 0xD6, sfi, 0, content, sw=0x9000)
    assert resume(session) == 0x6985


@pytest.mark.parametrize("level", [0x01, 0x03, 0x11, 0x13])
def test_personalisation_demands_full_protection(level: int) -> None:
    chip = chips.in_personalisation()
    session = personalising(chip, level)
    before = chip.cells
    for ins, p1, p2, data in WRITES.values():
        assert say(session, 0, ins, p1, p2, data).sw == 0x6982
    assert say(session, 0, 0xB0, 0x81, 0, ne=256).sw == 0x6982
    assert resume(session) == 0x6982
    assert chip.cells == before


def test_no_terminal_has_a_say_in_personalisation() -> None:
    chip = chips.in_personalisation()
    session = official(chip)
    for ins, p1, p2, data in WRITES.values():
        assert say(session, 0, ins, p1, p2, data).sw == 0x6982
    for use in (suspend, resume, void, set_initial, move):
        assert use(session) == 0x6982
    for sfi in (0x81, 0x86, 0x87):
        assert say(session, 0, 0xB0, sfi, 0, ne=256).sw == 0x6982


def test_what_was_written_can_be_read_back_until_it_is_closed() -> None:
    chip = chips.in_personalisation()
    session = personalising(chip)
    chips.write_juki(session)
    assert read_code(session).data == CODE
    assert say(session, 0, 0xB0, 0x86, 0, ne=256).data == CARD_DATA
    assert resume(session) == 0x9000
    assert read_code(session).sw == 0x6982
    assert say(session, 0, 0xB0, 0x86, 0, ne=256).data == CARD_DATA


def test_closing_is_one_way() -> None:
    chip = chips.delivered().chip()
    before = chip.cells
    for session in (opening(chip) for opening in (personalising, official)):
        for name, (ins, p1, p2, data) in WRITES.items():
            assert say(session, 0, ins, p1, p2, data).sw in (0x6982, 0x6985), name
        assert say(session, 0, 0xD6, 0x87, 0, bytes(6)).sw == 0x6982
        assert resume(session) in (0x6982, 0x6985)
    changed = {name for name, value in chip.cells.items() if before.get(name) != value}
    assert all("/seq/" in name for name in changed), changed


def test_the_key_pair_is_generated_once() -> None:
    chip = chips.in_personalisation()
    session = personalising(chip)
    first = say(session, 0, 0x47, 0x80, 0, GENERATE, 256, sw=0x9000).data
    cells = {name: value for name, value in chip.cells.items() if "/k/" in name}
    assert say(session, 0, 0x47, 0x80, 0, GENERATE, 256).sw == 0x6985
    assert {name: value for name, value in chip.cells.items() if "/k/" in name} == cells
    assert first


@pytest.mark.parametrize(
    "data", ["B6", "B600", "B603840183", "B603830182", "B403840182", "B60484028200", "84 0182", "B603840182B603840182"]
)
def test_a_malformed_or_unknown_key_reference_is_refused(data: str) -> None:
    session = personalising(chips.in_personalisation())
    assert say(session, 0, 0x47, 0x80, 0, bytes.fromhex(data)).sw in (0x6A80, 0x6A88)


@pytest.mark.parametrize("chip_of", [chips.delivered, chips.active])
def test_the_card_proves_itself_to_everybody(chip_of: Callable[[], chips.Issued]) -> None:
    issued = chip_of()
    chip = issued.chip()
    chip.select(chips.JUKI)
    challenge = bytes(range(16))
    signature = say(chip, 0, 0x88, 0, 0x82, challenge, 256, sw=0x9000).data
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    public = decode_point(issued.authentication)
    public.verify(encode_dss_signature(r, s), authentication_message(challenge), ec.ECDSA(hashes.SHA256()))
    assert say(chip, 0, 0x88, 0, 0x82, challenge[:15]).sw == 0x6700


def test_the_key_cannot_be_used_before_it_is_certified() -> None:
    chip = chips.in_personalisation()
    session = personalising(chip)
    say(session, 0, 0x47, 0x80, 0, GENERATE, 256, sw=0x9000)
    assert say(session, 0, 0x88, 0, 0x82, bytes(16)).sw == 0x6982
    assert say(chip, 0, 0x88, 0, 0x82, bytes(16)).sw == 0x6982


# --- the states and the ways between them


def at(wanted: CardState) -> Chip:
    if wanted is CardState.DELIVERED_LOCKED:
        return chips.delivered().chip()
    chip = chips.active().chip()
    steps = {CardState.SUSPENDED: suspend, CardState.VOID: void}
    if wanted in steps:
        assert steps[wanted](official(chip)) == 0x9000
    return chip


STEPS: dict[str, Callable[[CardConnection], int]] = {
    "suspend": suspend,
    "resume": resume,
    "void": void,
    "set initial password": set_initial,
    "move": move,
}
WAYS = {
    (CardState.DELIVERED_LOCKED, "set initial password"): CardState.ACTIVE,
    (CardState.DELIVERED_LOCKED, "void"): CardState.VOID,
    (CardState.ACTIVE, "suspend"): CardState.SUSPENDED,
    (CardState.ACTIVE, "void"): CardState.VOID,
    (CardState.ACTIVE, "move"): CardState.ACTIVE,
    (CardState.SUSPENDED, "resume"): CardState.ACTIVE,
    (CardState.SUSPENDED, "void"): CardState.VOID,
}
STATES = (CardState.DELIVERED_LOCKED, CardState.ACTIVE, CardState.SUSPENDED, CardState.VOID)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("start", STATES, ids=lambda s: s.label)
def test_every_step_from_every_state(start: CardState, step: str) -> None:
    chip = at(start)
    assert state(chip) is start
    session = official(chip)
    before = chip.cells
    answer = STEPS[step](session)
    wanted = WAYS.get((start, step))
    if wanted is None:
        assert answer in (0x6985, 0x6982), f"{answer:04X}"
        assert chip.cells == before
        assert state(chip) is start
        return
    assert answer == 0x9000
    again = Chip(chip.cells, seed=7)
    assert state(again) is wanted


@pytest.mark.parametrize("start", STATES, ids=lambda s: s.label)
def test_the_password_and_the_code_in_every_state(start: CardState) -> None:
    chip = at(start)
    session = official(chip)
    expected = {
        CardState.DELIVERED_LOCKED: (0x6984, 0x6982, 0x6984, 0x9000),
        CardState.ACTIVE: (0x9000, 0x9000, 0x9000, 0x9000),
        CardState.SUSPENDED: (0x6985,) * 4,
        CardState.VOID: (0x6985,) * 4,
    }[start]
    found = (
        verify(session),
        read_code(session).sw,
        say(session, 0, 0x2C, 0x03, 0x81).sw,
        say(session, 0, 0x33, 0x81, 0, CODE).sw,
    )
    assert found == expected


@pytest.mark.parametrize("start", STATES, ids=lambda s: s.label)
def test_card_and_status_are_readable_in_every_state_in_a_session_only(start: CardState) -> None:
    chip = at(start)
    for session in (chip_session(chip) for chip_session in (juki_session, personalising)):
        assert say(session, 0, 0xB0, 0x86, 0, ne=256).data == CARD_DATA
        assert say(session, 0, 0xB0, 0x87, 0, ne=256).data[0] == start
        assert say(chip, 0, 0xB0, 0x86, 0, ne=256).sw == 0x6982
    chip.select(chips.JUKI)
    other = chip.scp11b(chips.active().juki_11b)
    assert say(other, 0, 0xB0, 0x86, 0, ne=256).sw == 0x6982
    assert say(other, 0, 0xB0, 0x87, 0, ne=256).sw == 0x6982
    assert say(chip, 0, 0xB0, 0x82, 0, ne=256).sw == 0x9000


def test_suspending_takes_the_verification_of_the_very_session() -> None:
    chip = chips.active().chip()
    session = official(chip)
    assert verify(session) == 0x9000
    assert suspend(session) == 0x9000
    assert read_code(session).sw == 0x6985
    assert resume(session) == 0x9000
    assert read_code(session).sw == 0x6982
    assert verify(session) == 0x9000
    assert read_code(session).data == CODE


def test_a_resumed_card_keeps_its_tries() -> None:
    chip = chips.active().chip()
    session = official(chip)
    assert verify(session, chips.WRONG_PASSWORD) == 0x63C2
    suspend(session)
    resume(session)
    assert verify(session, b"") == 0x63C2


def test_the_initial_password_is_set_once() -> None:
    chip = chips.active().chip()
    session = official(chip)
    assert say(session, 0, 0x24, 0x01, 0x81, b"1111").sw == 0x6985
    assert verify(session) == 0x9000


@pytest.mark.parametrize("password", [b"123", b"12345", b"12a4", bytes(4)])
def test_an_initial_password_that_is_not_allowed_changes_nothing(password: bytes) -> None:
    chip = chips.delivered().chip()
    session = official(chip)
    before = chip.cells
    assert say(session, 0, 0x24, 0x01, 0x81, password).sw == 0x6A80
    assert chip.cells == before


@pytest.mark.parametrize("city", [b"9920", b"992021", b"9920x", b"*    ", bytes(5), b"\xff" * 5])
def test_a_move_enters_a_city_code_and_nothing_else(city: bytes) -> None:
    chip = chips.active().chip()
    session = official(chip)
    before = chip.cells
    assert move(session, city) in (0x6700, 0x6A80)
    assert chip.cells == before


def test_a_step_and_the_state_that_it_shows_are_one_write() -> None:
    """A power cut leaves the old state or the new one."""
    for step, start in ((suspend, CardState.ACTIVE), (void, CardState.ACTIVE), (resume, CardState.SUSPENDED)):
        chip = at(start)
        session = official(chip)
        chip.store.commits.clear()
        assert step(session) == 0x9000
        assert len(chip.store.commits) == 1
        chip = at(start)
        session = official(chip)
        before = chip.cells
        chip.store.cut = lambda _number: True
        assert step(session) == 0x6581
        assert chip.cells == before


# --- expiry


def expired_chip() -> Chip:
    chip = chips.active().chip()
    chip.select(chips.JUKI)
    chip.scp11a(terminal(ca_start=chips.EXPIRES + 1, end=20991231), chips.active().juki_11a)
    return chip


def test_an_expired_card_refuses_the_password_and_the_code_but_tells_what_it_is() -> None:
    chip = expired_chip()
    key = terminal(*sorted(ALL_RIGHTS), end=20991231)
    chip.select(chips.JUKI)
    session = chip.scp11a(key, chips.active().juki_11a)
    assert verify(session) == 0x6985
    assert verify(session, b"") == 0x63C3
    assert read_code(session).sw == 0x6985
    assert say(session, 0, 0x33, 0x81, 0, CODE).sw == 0x6985
    assert say(session, 0, 0x24, 0, 0x81, PASSWORD + b"1111").sw == 0x6985
    assert say(session, 0, 0x2C, 0x03, 0x81).sw == 0x6985
    assert say(session, 0, 0xB0, 0x86, 0, ne=256).data == CARD_DATA
    assert say(session, 0, 0xB0, 0x87, 0, ne=256).data[0] == CardState.ACTIVE


def test_a_card_is_good_on_its_last_day() -> None:
    chip = chips.active().chip()
    chip.select(chips.JUKI)
    key = terminal(Right.IDENTIFY, ca_start=chips.EXPIRES, end=20991231)
    session = chip.scp11a(key, chips.active().juki_11a)
    assert verify(session) == 0x9000
    assert read_code(session).data == CODE


def test_a_session_does_not_outlive_the_expiry() -> None:
    chip = expired_chip()
    chip.select(chips.JUKI)
    assert read_code(chip).sw in (0x6982, 0x6985)


# --- match without reading


def test_match_tells_yes_or_no_with_five_tries_of_its_own() -> None:
    chip = chips.delivered().chip()
    session = juki_session(chip, Right.MATCH)
    wrong = b"12345678911"
    assert [say(session, 0, 0x33, 0x81, 0, data).sw for data in (wrong, wrong, CODE)] == [0x63C4, 0x63C3, 0x9000]
    answers = [say(session, 0, 0x33, 0x81, 0, wrong).sw for _ in range(6)]
    assert answers == [0x63C4, 0x63C3, 0x63C2, 0x63C1, 0x63C0, 0x6983]
    assert say(session, 0, 0x33, 0x81, 0, CODE).sw == 0x6983
    again = Chip(chip.cells, seed=4)
    assert say(juki_session(again, Right.MATCH), 0, 0x33, 0x81, 0, CODE).sw == 0x6983
    assert read_code(session).sw == 0x6982


@pytest.mark.parametrize(("p1", "p2", "data"), [(0x81, 1, CODE[1:]), (0x81, 0, CODE[:1]), (0x81, 0, CODE + b"0")])
def test_match_compares_the_whole_code_only(p1: int, p2: int, data: bytes) -> None:
    """A comparison of parts would find the code digit by digit."""
    chip = chips.active().chip()
    session = juki_session(chip, Right.MATCH)
    chip.store.commits.clear()
    assert say(session, 0, 0x33, p1, p2, data).sw == 0x6700
    assert not chip.store.commits


def test_the_matching_try_is_spent_before_the_comparison() -> None:
    chip = chips.active().chip()
    session = juki_session(chip, Right.MATCH)
    chip.store.commits.clear()
    assert say(session, 0, 0x33, 0x81, 0, CODE).sw == 0x9000
    (spent, durable), _ = chip.store.commits
    assert (list(spent.values()), durable) == ([b"\x04"], True)
    chip.store.cut = lambda _number: True
    assert say(session, 0, 0x33, 0x81, 0, CODE).sw == 0x6581


def test_the_public_key_told_is_the_one_that_signs() -> None:
    chip = chips.in_personalisation()
    session = personalising(chip)
    told = parse_one(say(session, 0, 0x47, 0x80, 0, GENERATE, 256, sw=0x9000).data)
    assert told.tag == 0x7F49
    assert len(told.children[0].value) == 65
    assert layout.AUTHENTICATION_KEY == 0x82
