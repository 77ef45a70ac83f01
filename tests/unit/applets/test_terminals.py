"""Terminals and their certificates: which right opens what, where, until when, and under which anchor."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jukicard.applets.gp.layout import KID_TERMINAL_ANCHOR, TAG_ALLOW_LIST, TAG_CERTIFICATE_SERIAL
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.errors import AuthenticationFailed
from jukicard.iso7816.tlv import Tlv
from jukicard.securechannel.authorization import Right
from jukicard.securechannel.host import LocalTerminalKey, SecureConnection, open_scp11a
from jukicard.securechannel.scp11 import decode_point
from tests.support import chips
from tests.support.chains import private_key
from tests.support.chips import ALL_RIGHTS, CITY, CODE, ESTIMATE, OTHER_CITY, Chip, read_code, say, terminal, verify

Use = Callable[[CardConnection], int]


def suspend(session: CardConnection) -> int:
    return say(session, 0, 0x04).sw


def match(session: CardConnection) -> int:
    return say(session, 0, 0x33, 0x81, 0, CODE).sw


def identify(session: CardConnection) -> int:
    assert verify(session) == 0x9000
    return read_code(session).sw


def take_over(session: CardConnection) -> int:
    """Enter this city, or if that is not the terminal's, the other one."""
    answer = say(session, 0, 0xDA, 1, 7, CITY.encode()).sw
    return answer if answer == 0x9000 else say(session, 0, 0xDA, 1, 7, OTHER_CITY.encode()).sw


USES: dict[Right, tuple[str, Use]] = {
    Right.IDENTIFY: ("active", identify),
    Right.SET_INITIAL_PASSWORD: ("delivered", lambda session: say(session, 0, 0x24, 1, 0x81, b"4711").sw),
    Right.RESET_PASSWORD: ("active", lambda session: say(session, 0, 0x2C, 2, 0x81, b"4711").sw),
    Right.SUSPEND: ("active", suspend),
    Right.RESUME: ("suspended", lambda session: say(session, 0, 0x44).sw),
    Right.VOID: ("active", lambda session: say(session, 0, 0xE6).sw),
    Right.MOVE: ("active", take_over),
    Right.MATCH: ("active", match),
}
LOCAL = tuple(right for right in USES if right not in (Right.IDENTIFY, Right.MOVE))
AFTER_A_MOVE = USES.keys() - {Right.SET_INITIAL_PASSWORD, Right.MOVE}


def chip_in(state: str) -> Chip:
    chip = (chips.delivered() if state == "delivered" else chips.active()).chip()
    if state == "suspended":
        assert suspend(session(chip, terminal(Right.SUSPEND))) == 0x9000
    return chip


def session(chip: Chip, key: LocalTerminalKey) -> SecureConnection:
    assert chip.select(chips.JUKI).sw == 0x9000
    return chip.scp11a(key, chips.delivered().juki_11a)


def service(chip: Chip, key: LocalTerminalKey) -> SecureConnection:
    assert chip.select(chips.LIBRARY).sw == 0x9000
    return chip.scp11a(key, chips.delivered().city_11a)


def refused(chip: Chip, key: LocalTerminalKey, step: str = "terminal certificate") -> bool:
    with pytest.raises(AuthenticationFailed) as caught:
        session(chip, key)
    assert chip.ask("00 B0 86 00 00").sw == 0x6982
    return caught.value.step == step


@pytest.mark.parametrize("right", USES, ids=lambda right: right.name)
def test_each_right_opens_its_command_and_no_other_right_does(right: Right) -> None:
    state, use = USES[right]
    without = chip_in(state)
    opened = session(without, terminal(*sorted(ALL_RIGHTS - {right})))
    before = without.cells
    assert use(opened) == 0x6982
    assert without.cells == before
    assert use(session(chip_in(state), terminal(right))) == 0x9000


@pytest.mark.parametrize("right", USES, ids=lambda right: right.name)
def test_scp03_of_the_issuer_has_none_of_the_rights_after_personalisation(right: Right) -> None:
    state, use = USES[right]
    chip = chip_in(state)
    chip.select(chips.JUKI)
    assert use(chip.scp03(chips.JUKI_KEYS)) == 0x6982


@pytest.mark.parametrize("right", USES, ids=lambda right: right.name)
def test_a_certificate_without_the_extension_grants_nothing(right: Right) -> None:
    state, use = USES[right]
    assert use(session(chip_in(state), terminal(authorized=False))) == 0x6982


@pytest.mark.parametrize("city", [OTHER_CITY, "*"])
@pytest.mark.parametrize("right", USES, ids=lambda right: right.name)
def test_away_from_home_only_the_nationwide_rights_hold(right: Right, city: str) -> None:
    state, use = USES[right]
    answer = use(session(chip_in(state), terminal(*sorted(ALL_RIGHTS), city=city)))
    assert answer == (0x6982 if right in LOCAL else 0x9000)


@pytest.mark.parametrize("right", USES, ids=lambda right: right.name)
def test_a_ca_of_another_city_can_make_no_terminal_of_this_one(right: Right) -> None:
    state, use = USES[right]
    key = terminal(*sorted(ALL_RIGHTS), ca_city=OTHER_CITY)
    assert use(session(chip_in(state), key)) == 0x6982


@pytest.mark.parametrize("right", sorted(AFTER_A_MOVE), ids=lambda right: right.name)
def test_after_a_move_the_new_city_has_the_local_rights_and_the_old_one_lost_them(right: Right) -> None:
    state, use = USES[right]
    for city, expected in ((OTHER_CITY, 0x9000), (CITY, 0x6982 if right in LOCAL else 0x9000)):
        chip = chip_in("active")
        assert USES[Right.MOVE][1](session(chip, terminal(Right.MOVE, city=OTHER_CITY))) == 0x9000
        if state == "suspended":
            assert suspend(session(chip, terminal(Right.SUSPEND, city=OTHER_CITY))) == 0x9000
        assert use(session(chip, terminal(right, city=city))) == expected


def test_a_terminal_takes_cards_over_for_its_own_city_only() -> None:
    chip = chips.active().chip()
    before = chip.cells
    opened = session(chip, terminal(Right.MOVE))
    assert say(opened, 0, 0xDA, 1, 7, OTHER_CITY.encode()).sw == 0x6982
    assert chip.cells == before


@pytest.mark.parametrize("root", [chips.CITY_ROOT, private_key(9)], ids=["the city's", "nobody's"])
def test_another_anchor_is_refused_in_the_juki_domain(root: object) -> None:
    assert refused(chips.active().chip(), terminal(Right.IDENTIFY, root=root))  # type: ignore[arg-type]


@pytest.mark.parametrize("root", [chips.NATIONAL_ROOT, private_key(9)], ids=["the nation's", "nobody's"])
def test_another_anchor_is_refused_in_the_citys_domain(root: object) -> None:
    chip = chips.active().chip()
    with pytest.raises(AuthenticationFailed) as caught:
        service(chip, terminal(Right.MUNICIPAL_SERVICE, root=root))  # type: ignore[arg-type]
    assert caught.value.step == "terminal certificate"
    assert chip.ask("00 B0 81 00 00").sw == 0x6982


def test_a_terminal_without_its_private_key_gets_no_session() -> None:
    """The certificates of a terminal are public: whoever shows them needs its key to talk in the session."""
    chip = chips.active().chip()
    thief = LocalTerminalKey(private_key(9), terminal(Right.IDENTIFY).certificates)
    with pytest.raises(AuthenticationFailed) as caught:
        session(chip, thief)
    assert caught.value.step == "receipt"
    assert chip.ask("04 B0 81 00 08 0000000000000000").sw == 0x6988


# --- dates


def day_cells(chip: Chip) -> dict[str, str]:
    return {name: value.hex() for name, value in chip.cells.items() if "/day/" in name}


def anchor_days(chip: Chip) -> tuple[str, str]:
    """The estimates of the Juki domain's and of the city domain's anchor."""
    juki, city = (value for _, value in sorted(day_cells(chip).items()))
    return juki, city


def test_an_expired_terminal_is_refused_by_the_estimate() -> None:
    assert refused(chips.active().chip(), terminal(Right.IDENTIFY, end=20240531))
    assert identify(session(chips.active().chip(), terminal(Right.IDENTIFY, end=ESTIMATE))) == 0x9000


def test_a_later_ca_moves_the_estimate_and_so_expires_older_terminals() -> None:
    chip = chips.active().chip()
    old = terminal(Right.IDENTIFY, end=20250630)
    session(chip, old)
    session(chip, terminal(ca_start=20250701))
    assert anchor_days(chip) == ("20250701", str(ESTIMATE))
    assert refused(chip, old)
    chip = Chip(chip.cells, seed=3)
    assert refused(chip, old)


def test_the_estimate_never_goes_back() -> None:
    chip = chips.active().chip()
    session(chip, terminal(ca_start=20250701))
    session(chip, terminal(ca_start=20200101))
    assert anchor_days(chip)[0] == "20250701"
    chip.select(chips.JUKI_DOMAIN)
    chips.store_estimate(chip.scp03(chips.JUKI_KEYS), 20250630, sw=0x6985)
    assert anchor_days(chip)[0] == "20250701"


def test_a_leafs_own_start_moves_nothing() -> None:
    chip = chips.active().chip()
    session(chip, terminal(start=20280101))
    assert anchor_days(chip) == (str(ESTIMATE), str(ESTIMATE))


def test_a_ca_that_does_not_verify_or_stands_alone_moves_nothing() -> None:
    chip = chips.active().chip()
    assert refused(chip, terminal(ca_start=20280101, root=private_key(9)))
    assert refused(chip, terminal(ca_start=20280101, end=20270101))  # its leaf does not verify
    ca, _ = terminal(ca_start=20280101).certificates
    chip.select(chips.JUKI)
    assert chip.ask(b"\x80\x2a\x01\x90\x00" + len(ca).to_bytes(2) + ca).sw == 0x9000
    assert anchor_days(chip) == (str(ESTIMATE), str(ESTIMATE))


def test_a_municipal_ca_dated_2099_expires_nobody_on_the_juki_side() -> None:
    chip = chips.active().chip()
    service(chip, terminal(Right.MUNICIPAL_SERVICE, root=chips.CITY_ROOT, ca_start=20990101, end=20991231))
    assert anchor_days(chip) == (str(ESTIMATE), "20990101")
    assert identify(session(chip, terminal(Right.IDENTIFY))) == 0x9000
    with pytest.raises(AuthenticationFailed):
        service(chip, chips.service_terminal())


def test_a_national_ca_moves_nothing_in_the_city() -> None:
    chip = chips.active().chip()
    session(chip, terminal(Right.IDENTIFY, ca_start=20280101))
    assert anchor_days(chip) == ("20280101", str(ESTIMATE))


def second_anchor(chip: Chip, root: int = 3999) -> LocalTerminalKey:
    """Give the Juki domain another anchor, version 2, without a date; a terminal under it that ended long ago."""
    chip.select(chips.JUKI_DOMAIN)
    chips.put_anchor(chip.scp03(chips.JUKI_KEYS), private_key(root), kvn=2)
    return terminal(Right.IDENTIFY, root=private_key(root), start=20190101, end=20200101, ca_start=20190101)


def session_under(chip: Chip, anchor_kvn: int, key: LocalTerminalKey) -> SecureConnection:
    chip.select(chips.JUKI)
    return open_scp11a(
        chip,
        kvn=chips.KVN,
        card_public_key=decode_point(chips.active().juki_11a),
        terminal=key,
        anchor_kvn=anchor_kvn,
        ephemeral=chip.ephemeral(),
    )


def test_before_an_anchor_has_an_estimate_dates_are_not_judged_nor_learnt() -> None:
    chip = chips.active().chip()
    key = second_anchor(chip)
    assert identify(session_under(chip, 2, key)) == 0x9000
    session_under(chip, 2, terminal(root=private_key(3999), ca_start=20500101, end=20991231))
    assert anchor_days(chip) == (str(ESTIMATE), str(ESTIMATE))
    assert identify(session_under(chip, 2, key)) == 0x9000
    with pytest.raises(AuthenticationFailed):
        session_under(chip, 1, key)


def test_a_chain_begun_under_one_anchor_does_not_go_on_under_another() -> None:
    chip = chips.active().chip()
    key = second_anchor(chip)
    ca, leaf = key.certificates
    chip.select(chips.JUKI)
    assert chip.ask(b"\x80\x2a\x02\x90\x00" + len(ca).to_bytes(2) + ca).sw == 0x9000
    assert chip.ask(b"\x80\x2a\x01\x10\x00" + len(leaf).to_bytes(2) + leaf).sw == 0x6982


# --- the allow-list


def allow(chip: Chip, *serials: int, kvn: int = chips.KVN) -> None:
    chip.select(chips.JUKI_DOMAIN)
    objects = (Tlv(TAG_CERTIFICATE_SERIAL, serial.to_bytes(2)) for serial in serials)
    chips.store_for_key(chip.scp03(chips.JUKI_KEYS), KID_TERMINAL_ANCHOR, Tlv.build(TAG_ALLOW_LIST, *objects), kvn)


def test_with_an_allow_list_only_those_on_it_are_let_in() -> None:
    chip = chips.active().chip()
    allow(chip, 100, 0x1234)
    assert identify(session(chip, terminal(Right.IDENTIFY, serial=0x1234))) == 0x9000
    for serial in (7, 0x34, 0x123400, 99):
        assert refused(chip, terminal(Right.IDENTIFY, serial=serial))
    allow(chip)  # an empty list is none
    assert identify(session(chip, terminal(Right.IDENTIFY, serial=7))) == 0x9000


def test_who_is_not_on_the_allow_list_moves_no_date() -> None:
    chip = chips.active().chip()
    allow(chip, 100)
    assert refused(chip, terminal(ca_start=20280101, serial=7))
    assert anchor_days(chip)[0] == str(ESTIMATE)


def test_an_allow_list_binds_its_own_anchor_only() -> None:
    chip = chips.active().chip()
    key = second_anchor(chip)
    allow(chip, 100)
    assert identify(session_under(chip, 2, key)) == 0x9000
    assert refused(chip, terminal(Right.IDENTIFY))


# --- the library


def loans(opened: CardConnection) -> int:
    return say(opened, 0, 0xE2, 0, 0x10, b"0001" + b"9784000000000" + b"20240701" + b"L").sw


@pytest.mark.parametrize("city", [OTHER_CITY, "*"])
def test_the_library_serves_terminals_of_its_own_city_only(city: str) -> None:
    chip = chips.active().chip()
    opened = service(chip, terminal(*sorted(ALL_RIGHTS), city=city, root=chips.CITY_ROOT))
    assert say(opened, 0, 0xB0, 0x81, 0, ne=256).sw == 0x6982
    assert verify(opened) == 0x9000
    assert loans(opened) == 0x6982


def test_the_library_needs_its_right_and_the_holders_password() -> None:
    chip = chips.active().chip()
    rights = sorted(ALL_RIGHTS - {Right.MUNICIPAL_SERVICE})
    opened = service(chip, terminal(*rights, root=chips.CITY_ROOT))
    assert verify(opened) == 0x9000
    assert loans(opened) == 0x6982
    opened = service(chip, chips.service_terminal())
    assert say(opened, 0, 0xB0, 0x81, 0, ne=256).data == chips.PATRON
    assert loans(opened) == 0x6982
    assert verify(opened) == 0x9000
    assert loans(opened) == 0x9000
    assert say(opened, 0, 0xB2, 1, 0x14, ne=256).data.endswith(b"L")
    chip.reset()
    chip.select(chips.LIBRARY)
    assert say(chip, 0, 0xB2, 1, 0x14, ne=256).sw == 0x6982


# --- content management


@pytest.mark.parametrize("kind", ["scp11a", "scp11b"])
def test_a_certificate_session_manages_no_content_and_puts_no_keys(kind: str) -> None:
    issued = chips.active()
    chip = issued.chip()
    assert chip.select(chips.CITY_DOMAIN).sw == 0x9000
    if kind == "scp11a":
        opened = chip.scp11a(terminal(*sorted(ALL_RIGHTS), root=chips.CITY_ROOT), issued.city_11a)
    else:
        opened = chip.scp11b(issued.city_11b)
    before = chip.cells
    aid = bytes(chips.LIBRARY)
    for ins, p1, p2, data in (
        (0xD8, 0x01, 0x81, chips.key_set_data(1, chips.CITY_KEYS, chips.CITY_KEYS.dek)),
        (0xD8, 0x00, 0x10, b"\x05\xb0\x41" + chips.active().city_11a + b"\xf0\x01\0\0"),
        (0xF1, 0x00, 0x11, b"\x05\xf0\x01\0"),
        (0xE4, 0x00, 0x00, b"\x4f" + bytes((len(aid),)) + aid),
        (0xE4, 0x00, 0x01, b"\xd2\x01\x01"),
        (0xE2, 0x90, 0x00, bytes.fromhex("A604830210015F250420300101")),
        (0xE6, 0x20, 0x00, b"\0\0" + bytes((len(aid),)) + aid + b"\0\0\0"),
        (0xF0, 0x40, 0x80, aid),
        (0xF2, 0x40, 0x02, b"\x4f\0"),
    ):
        assert say(opened, 0x80, ins, p1, p2, data).sw == 0x6982
    assert chip.cells == before
