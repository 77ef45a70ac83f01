"""One area of the card does not reach another: files, passwords, domains; on every channel and with every role."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import pytest

from jukicard.applets.gp.layout import municipal_service_aid
from jukicard.applets.juki.applet import JukiApplet
from jukicard.applets.library.applet import LibraryApplet
from jukicard.iso7816.aid import AID
from jukicard.iso7816.errors import AuthenticationFailed
from jukicard.iso7816.tlv import parse_tlvs
from jukicard.securechannel.authorization import Role
from jukicard.securechannel.host import SecureConnection
from tests.support import chips, facechips, jpkichips
from tests.support.chips import ALL_RIGHTS, CODE, PASSWORD, PATRON, Chip, say, terminal, verify

ISSUED = chips.active()
JUKI_AREA, LIBRARY_AREA, JPKI_AREA = "a/0004/", "a/0005/", "a/0006/"
FACE_AREA = JPKI_AREA
"""On another card."""


def test_the_areas_are_where_this_module_thinks() -> None:
    cells = ISSUED.cells
    assert CODE in [value for name, value in cells.items() if name.startswith(JUKI_AREA)]
    assert PATRON in [value for name, value in cells.items() if name.startswith(LIBRARY_AREA)]
    jpki = [value for name, value in jpkichips.active().items() if name.startswith(JPKI_AREA)]
    assert set(jpkichips.PASSWORDS.values()) <= set(jpki)
    faces = [value for name, value in facechips.face_b().items() if name.startswith(FACE_AREA)]
    assert {facechips.FACE_B.encode(), facechips.NUMBER_B} <= set(faces)


def jpki_commands(cla: int) -> Iterator[tuple[int, int, int, int, bytes]]:
    """The same as the JPKI application has it: files that are current, passwords and keys among them."""
    for fid in range(0x20):
        yield cla, 0xA4, 0x02, 0x0C, fid.to_bytes(2)
        yield cla, 0xB0, 0, 0, b""
        yield cla | 0x80, 0x2A, 0x00, 0x80, bytes(32)
    for reference in range(0x80, 0x9F):
        yield cla | 0x80, 0x2A, 0x02, reference, bytes(32)
        yield cla, 0x47, 0x81, 0x00, bytes((0xB6, 3, 0x84, 1, reference))
        yield cla, 0x24, 0x01, reference, b"9999"
        yield cla, 0x20, 0x00, reference, b"ZZZZ99"
        yield cla, 0x20, 0x00, reference, PASSWORD


def sessions(chip: Chip, aid: AID, channel: int) -> Iterator[tuple[str, SecureConnection]]:
    """Every session that anybody can have with an application: each role with all rights, SCP11b, the domain's keys."""
    juki = aid == chips.JUKI
    root = chips.NATIONAL_ROOT if juki else chips.CITY_ROOT
    for role in Role:
        chip.select(aid, channel)
        key = terminal(*sorted(ALL_RIGHTS), root=root, role=role)
        yield role.value, chip.scp11a(key, ISSUED.juki_11a if juki else ISSUED.city_11a, channel)
    chip.select(aid, channel)
    yield "scp11b", chip.scp11b(ISSUED.juki_11b if juki else ISSUED.city_11b, channel)
    yield "scp03", chip.scp03(chips.JUKI_KEYS if juki else chips.CITY_KEYS, channel=channel)


def commands(cla: int) -> Iterator[tuple[int, int, int, int, bytes]]:
    """Reading, writing, comparing and guessing, for every file and password that there could be."""
    for sfi in range(1, 31):
        yield cla, 0xB0, 0x80 | sfi, 0, b""
        yield cla, 0xD6, 0x80 | sfi, 0, b"\x55"
        yield cla, 0x33, 0x80 | sfi, 0, CODE
        yield cla, 0xB2, 1, sfi << 3 | 4, b""
        yield cla, 0xDC, 1, sfi << 3 | 4, bytes(26)
        yield cla, 0xE2, 0, sfi << 3, bytes(26)
    for fid in (0x0001, 0x0002, 0x0006, 0x0007, 0x2F00, 0x3F00):
        yield cla, 0xA4, 0x00, 0x04, fid.to_bytes(2, "big")
        yield cla, 0xA4, 0x02, 0x0C, fid.to_bytes(2, "big")
        yield cla, 0xB0, 0, 0, b""
    for reference, data in product((0x01, 0x81, 0x82, 0x91), (b"", PASSWORD, b"9999")):
        yield cla, 0x20, 0, reference, data
        yield cla, 0x2C, 3, reference, b""
    for tag in (0x42, 0x45, 0x66, 0xC1, 0xE0, 0x9F7F, 0xBF21, 0xFF33, 0xFF34, 0x0107, 0x0101):
        yield cla | 0x80, 0xCA, tag >> 8, tag & 0xFF, b""
        yield cla, 0xCA, tag >> 8, tag & 0xFF, b""


@pytest.mark.parametrize("channel", range(4))
@pytest.mark.parametrize(
    ("aid", "own", "others", "secret"),
    [(chips.JUKI, JUKI_AREA, LIBRARY_AREA, PATRON), (chips.LIBRARY, LIBRARY_AREA, JUKI_AREA, CODE)],
    ids=["juki", "library"],
)
def test_no_command_in_one_application_reaches_the_others(
    aid: AID, own: str, others: str, secret: bytes, channel: int
) -> None:
    chip = ISSUED.chip()
    if channel:
        chip.open_channel(channel)
    before = {name: value for name, value in chip.cells.items() if name.startswith(others)}
    for who, session in sessions(chip, aid, channel):
        if who not in ("scp11b", "scp03"):
            assert verify(session, cla=channel) == 0x9000
        for cla, ins, p1, p2, data in commands(channel):
            answer = say(session, cla, ins, p1, p2, data, 256)
            assert secret not in answer.data, f"{who}: {ins:02X}"
            if ins == 0x20 and data == b"9999":
                say(session, channel, 0x20, 0, 0x81, PASSWORD)
    after = {name: value for name, value in chip.cells.items() if name.startswith(others)}
    assert after == before
    changed = {name for name, value in chip.cells.items() if ISSUED.cells.get(name) != value}
    assert all(name.startswith(own) or "/seq/" in name for name in changed)


@pytest.mark.parametrize("channel", range(4))
@pytest.mark.parametrize("secured", [False, True], ids=["in the clear", "scp03"])
def test_no_command_in_the_jpki_application_reaches_another(channel: int, *, secured: bool) -> None:
    chip = Chip(jpkichips.active(), 1)
    if channel:
        chip.open_channel(channel)
    before = chip.cells
    chip.select(jpkichips.JPKI, channel)
    host = chip.scp03(chips.ISSUER_KEYS, channel=channel) if secured else chip
    for usage, password in jpkichips.PASSWORDS.items():
        say(host, channel, 0x20, 0, jpkichips.CREDENTIALS[usage].password_reference, password, sw=0x9000)
    for cla, ins, p1, p2, data in (*commands(channel), *jpki_commands(channel)):
        answer = say(host, cla, ins, p1, p2, data, 256)
        assert CODE not in answer.data
        assert PATRON not in answer.data
    changed = {name for name, value in chip.cells.items() if before.get(name) != value}
    assert changed
    assert all(name.startswith(JPKI_AREA) or "/seq/" in name for name in changed)


@pytest.mark.parametrize("channel", range(4))
@pytest.mark.parametrize("aid", [chips.JUKI, chips.LIBRARY], ids=["juki", "library"])
def test_no_command_in_another_application_reaches_the_jpki_one(aid: AID, channel: int) -> None:
    chip = Chip(jpkichips.active(), 1)
    if channel:
        chip.open_channel(channel)
    own = {name: value for name, value in chip.cells.items() if name.startswith(JPKI_AREA)}
    certificate = jpkichips.CERTIFICATES[jpkichips.SIGN][0]
    for who, session in sessions(chip, aid, channel):
        for cla, ins, p1, p2, data in (*commands(channel), *jpki_commands(channel)):
            answer = say(session, cla, ins, p1, p2, data, 256)
            assert certificate[:32] not in answer.data, f"{who}: {ins:02X}"
            assert len(answer.data) < 256 or ins != 0x2A
    assert {name: value for name, value in chip.cells.items() if name.startswith(JPKI_AREA)} == own


FACE_NUMBERS = {0x91: facechips.BIRTH_NUMBER, 0x92: facechips.NUMBER_B}


def face_commands(cla: int) -> Iterator[tuple[int, int, int, int, bytes]]:
    """The same as the face-verification application has it: internal EFs, numbers, tries."""
    for fid in (*range(0x05), *range(0x10, 0x14)):
        yield cla, 0xA4, 0x02, 0x0C, fid.to_bytes(2)
        yield cla, 0xB0, 0, 0, b""
        yield cla, 0x20, 0x00, 0x80, facechips.NUMBER_B
    for reference in range(0x80, 0x9F):
        yield cla, 0x2C, 0x03, reference, b""
        for number in (*FACE_NUMBERS.values(), facechips.WRONG_NUMBER_B):
            yield cla, 0x20, 0x00, reference, number


@pytest.mark.parametrize("channel", range(4))
@pytest.mark.parametrize("aid", [facechips.FACE, facechips.SHARED], ids=["face", "shared"])
@pytest.mark.parametrize("secured", [False, True], ids=["in the clear", "scp03"])
def test_no_command_in_the_face_applications_reaches_another(aid: AID, channel: int, *, secured: bool) -> None:
    chip = Chip(facechips.face_b(), 1)
    if channel:
        chip.open_channel(channel)
    before = chip.cells
    chip.select(aid, channel)
    host = chip.scp03(chips.ISSUER_KEYS, channel=channel) if secured else chip
    if aid == facechips.FACE:
        for reference, number in FACE_NUMBERS.items():
            say(host, channel, 0x20, 0, reference, number, sw=0x9000)
    for cla, ins, p1, p2, data in (*commands(channel), *face_commands(channel)):
        answer = say(host, cla, ins, p1, p2, data, 256)
        assert CODE not in answer.data
        assert PATRON not in answer.data
    changed = {name for name, value in chip.cells.items() if before.get(name) != value}
    assert bool(changed) == (secured or aid == facechips.FACE)
    own = FACE_AREA if aid == facechips.FACE else "a/0007/"
    assert all(name.startswith(own) or "/seq/" in name for name in changed)


@pytest.mark.parametrize("channel", range(4))
@pytest.mark.parametrize("aid", [chips.JUKI, chips.LIBRARY], ids=["juki", "library"])
def test_no_command_in_another_application_reaches_the_face(aid: AID, channel: int) -> None:
    chip = Chip(facechips.face_b(), 1)
    if channel:
        chip.open_channel(channel)
    own = {name: value for name, value in chip.cells.items() if name.startswith(FACE_AREA)}
    photo, birth = facechips.FACE_B.photo, facechips.FACE_B.birth
    assert photo is not None
    assert birth is not None
    for who, session in sessions(chip, aid, channel):
        for cla, ins, p1, p2, data in (*commands(channel), *face_commands(channel)):
            answer = say(session, cla, ins, p1, p2, data, 256)
            assert photo[:32] not in answer.data, f"{who}: {ins:02X}"
            assert birth.encode() not in answer.data, f"{who}: {ins:02X}"
    assert {name: value for name, value in chip.cells.items() if name.startswith(FACE_AREA)} == own


def test_a_reference_number_counts_for_nothing_in_another_application() -> None:
    chip = Chip(facechips.face_b(), 1)
    chip.open_channel(1)
    juki = chips.juki_session(chip, *sorted(ALL_RIGHTS), channel=1)
    chip.select(facechips.FACE)
    for reference, number in FACE_NUMBERS.items():
        say(chip, 0x00, 0x20, 0, reference, number, sw=0x9000)
    assert chips.read_code(juki, cla=1).sw == 0x6982
    assert verify(juki, cla=1) == 0x9000
    assert chip.select(facechips.SHARED).sw == 0x9000
    assert chip.select(facechips.FACE).sw == 0x9000
    for sfi in (0x81, 0x82):
        say(chip, 0x00, 0xB0, sfi, 0, ne=256, sw=0x6982)


def test_a_password_of_jpki_and_one_of_another_application_count_for_nothing_in_each_other() -> None:
    chip = Chip(jpkichips.active(), 1)
    chip.open_channel(1)
    juki = chips.juki_session(chip, *sorted(ALL_RIGHTS), channel=1)
    chip.select(jpkichips.JPKI)
    for usage, password in jpkichips.PASSWORDS.items():
        say(chip, 0x00, 0x20, 0, jpkichips.CREDENTIALS[usage].password_reference, password, sw=0x9000)
    assert chips.read_code(juki, cla=1).sw == 0x6982
    assert verify(juki, cla=1) == 0x9000
    assert chips.read_code(juki, cla=1).data == CODE
    assert chip.select(jpkichips.JPKI).sw == 0x9000
    say(chip, 0x80, 0x2A, 0, 0, bytes(32), 256, sw=0x6982)
    say(chip, 0x00, 0xB0, 0x81, 0, ne=256, sw=0x6982)


@pytest.mark.parametrize("channel", range(4))
def test_a_terminal_of_one_area_gets_no_session_in_the_other(channel: int) -> None:
    chip = ISSUED.chip()
    if channel:
        chip.open_channel(channel)
    for role in Role:
        for aid, root, point in (
            (chips.JUKI, chips.CITY_ROOT, ISSUED.juki_11a),
            (chips.LIBRARY, chips.NATIONAL_ROOT, ISSUED.city_11a),
        ):
            chip.select(aid, channel)
            with pytest.raises(AuthenticationFailed):
                chip.scp11a(terminal(*sorted(ALL_RIGHTS), root=root, role=role), point, channel)


@pytest.mark.parametrize(
    ("aid", "keys"),
    [
        (chips.JUKI, chips.CITY_KEYS),
        (chips.JUKI, chips.ISSUER_KEYS),
        (chips.LIBRARY, chips.JUKI_KEYS),
        (chips.LIBRARY, chips.ISSUER_KEYS),
        (chips.JUKI_DOMAIN, chips.ISSUER_KEYS),
        (chips.CITY_DOMAIN, chips.JUKI_KEYS),
        (chips.ISSUER, chips.JUKI_KEYS),
        (jpkichips.JPKI, chips.JUKI_KEYS),
        (jpkichips.JPKI, chips.CITY_KEYS),
        (facechips.FACE, chips.JUKI_KEYS),
        (facechips.FACE, chips.CITY_KEYS),
        (facechips.SHARED, chips.JUKI_KEYS),
    ],
)
def test_keys_open_their_own_domain_only(aid: AID, keys: object) -> None:
    chip = Chip(jpkichips.active() if aid == jpkichips.JPKI else facechips.face_b(), 1)
    assert chip.select(aid).sw == 0x9000
    with pytest.raises((AuthenticationFailed, ValueError)):
        chip.scp03(keys)  # type: ignore[arg-type]


def test_a_password_of_one_application_counts_for_nothing_in_the_other() -> None:
    chip = ISSUED.chip()
    chip.open_channel(1)
    library = chips.library_session(chip, 1)
    assert verify(library, cla=1) == 0x9000
    juki = chips.juki_session(chip, *sorted(ALL_RIGHTS))
    assert chips.read_code(juki).sw == 0x6982
    assert verify(juki) == 0x9000
    chip.ask("01 70 80 00")
    assert chips.read_code(juki).data == CODE


def test_an_application_is_on_one_channel_at_a_time() -> None:
    chip = ISSUED.chip()
    for number in (1, 2, 3):
        chip.open_channel(number)
    for aid in (chips.JUKI, chips.LIBRARY):
        assert chip.select(aid, 1).sw == 0x9000
        for number in (0, 2, 3):
            assert chip.select(aid, number).sw == 0x6985
        assert chip.select(aid, 1).sw == 0x9000
        assert chip.ask("01 70 00 00 01").sw in (0x6A81, 0x6985)
    assert chip.select(chips.ISSUER, 2).sw == 0x9000
    assert chip.select(chips.ISSUER, 0).sw == 0x9000
    chip.ask("00 70 80 03")
    assert chip.select(chips.JUKI, 1).sw == 0x9000
    assert chip.ask("01 70 00 03").sw == 0x6985  # it would be on two


def test_the_issuer_cannot_manage_what_lies_in_another_domain() -> None:
    chip = ISSUED.chip()
    session = chip.scp03(chips.ISSUER_KEYS)
    before = chip.cells
    for aid in (chips.JUKI, chips.LIBRARY):
        name = bytes((len(bytes(aid)),)) + bytes(aid)
        assert say(session, 0x80, 0xE4, 0, 0, b"\x4f" + name).sw == 0x6A88
        assert say(session, 0x80, 0xE6, 0x20, 0, b"\0\0" + name + b"\0\0\0").sw == 0x6A88
    assert chip.cells == before


def test_a_city_manages_its_own_and_nothing_else() -> None:
    chip = ISSUED.chip()
    chip.select(chips.CITY_DOMAIN)
    session = chip.scp03(chips.CITY_KEYS)
    before = chip.cells
    for aid in (chips.JUKI, chips.JUKI_DOMAIN, chips.ISSUER, chips.CITY_DOMAIN):
        name = bytes((len(bytes(aid)),)) + bytes(aid)
        assert say(session, 0x80, 0xE4, 0, 0, b"\x4f" + name).sw == 0x6A88
        assert say(session, 0x80, 0xF0, 0x40, 0x80, bytes(aid)).sw == 0x6A88
    for state in (0x07, 0x0F, 0x7F, 0xFF):
        assert say(session, 0x80, 0xF0, 0x80, state).sw == 0x6985
    chips.install(session, LibraryApplet.module, chips.LIBRARY, sw=0x6A80)  # the name is taken
    domain = LibraryApplet.module
    assert say(session, 0x80, 0xE6, 0x0C, 0, chips.install_data(domain, AID(b"12345"), b"\x80\0\0")).sw == 0x6985
    assert chip.cells == before
    listed = say(session, 0x80, 0xF2, 0x40, 0x02, b"\x4f\0", 256, sw=0x9000).data
    names = {entry.children[0].value for entry in parse_tlvs(listed)}
    assert names == {bytes(chips.CITY_DOMAIN), bytes(chips.LIBRARY)}


def test_a_juki_application_in_a_citys_domain_is_another_one() -> None:
    chip = ISSUED.chip()
    chip.select(chips.CITY_DOMAIN)
    other = municipal_service_aid(chips.CITY, 99)
    chips.install(chip.scp03(chips.CITY_KEYS), JukiApplet.module, other)
    assert chip.select(other).sw == 0x9000
    session = chip.scp03(chips.CITY_KEYS)
    assert say(session, 0, 0xB0, 0x81, 0, ne=256).data == bytes(11)
    assert {name: value for name, value in chip.cells.items() if name.startswith(JUKI_AREA)} == {
        name: value for name, value in ISSUED.cells.items() if name.startswith(JUKI_AREA)
    }


def delete_library(chip: Chip) -> int:
    chip.select(chips.CITY_DOMAIN)
    session = chip.scp03(chips.CITY_KEYS)
    name = bytes((len(bytes(chips.LIBRARY)),)) + bytes(chips.LIBRARY)
    return say(session, 0x80, 0xE4, 0, 0, b"\x4f" + name).sw


def test_a_deleted_application_leaves_no_cell() -> None:
    chip = ISSUED.chip()
    library = chips.library_session(chip)
    assert verify(library) == 0x9000
    assert say(library, 0, 0xE2, 0, 0x10, b"0001" + b"9784000000000" + b"20240701" + b"L").sw == 0x9000
    assert any(name.startswith(LIBRARY_AREA) for name in chip.cells)
    chip.store.commits.clear()
    assert delete_library(chip) == 0x9000
    assert not any(name.startswith(LIBRARY_AREA) for name in chip.cells)
    assert not any(PATRON in value or b"9784000000000" in value for value in chip.cells.values())
    assert bytes(chips.LIBRARY) not in b"".join(chip.cells.values())
    assert chip.select(chips.LIBRARY).sw == 0x6A82
    chip.select(chips.ISSUER)
    assert bytes(chips.LIBRARY) not in say(chip, 0, 0xB0, 0x9E, 0, ne=256).data


def test_an_application_installed_again_finds_nothing_of_its_predecessor() -> None:
    chip = ISSUED.chip()
    assert delete_library(chip) == 0x9000
    session = chip.scp03(chips.CITY_KEYS)
    chips.install(session, LibraryApplet.module, chips.LIBRARY)
    assert not any(name.startswith(LIBRARY_AREA) for name in chip.cells)
    chip.select(chips.LIBRARY)
    assert chip.ask("00 20 00 81").sw == 0x6984
    library = chips.library_session(chip)
    assert say(library, 0, 0xB0, 0x81, 0, ne=256).data == bytes(10)


def test_an_application_in_use_is_not_deleted() -> None:
    chip = ISSUED.chip()
    chip.open_channel(1)
    library = chips.library_session(chip, 1)
    assert delete_library(chip) == 0x6985
    assert say(library, 1, 0xB0, 0x81, 0, ne=256).data == PATRON


def test_a_domain_with_applications_is_not_deleted() -> None:
    chip = ISSUED.chip()
    session = chip.scp03(chips.ISSUER_KEYS)
    name = bytes((len(bytes(chips.CITY_DOMAIN)),)) + bytes(chips.CITY_DOMAIN)
    assert say(session, 0x80, 0xE4, 0, 0, b"\x4f" + name).sw == 0x6985
    assert delete_library(chip) == 0x9000
    chip.reset()
    session = chip.scp03(chips.ISSUER_KEYS)
    assert say(session, 0x80, 0xE4, 0, 0, b"\x4f" + name).sw == 0x9000
    assert not any(name.startswith("a/0003/") for name in chip.cells)


def test_store_data_for_one_application_reaches_no_other() -> None:
    """INSTALL [for personalization] names the application; a session that ended takes that along."""
    chip = ISSUED.chip()
    chip.select(chips.CITY_DOMAIN)
    session = chip.scp03(chips.CITY_KEYS)
    name = bytes((len(bytes(chips.LIBRARY)),)) + bytes(chips.LIBRARY)
    say(session, 0x80, 0xE6, 0x20, 0, b"\0\0" + name + b"\0\0\0", sw=0x9000)
    assert say(session, 0x80, 0xE2, 0x90, 0, b"0000099999").sw == 0x6985  # written once, at issue
    session = chip.scp03(chips.CITY_KEYS)
    before = chip.cells
    assert say(session, 0x80, 0xE2, 0x90, 0, b"0000099999").sw == 0x6A80
    assert chip.cells == before


Change = Callable[[Chip], object]


@pytest.mark.parametrize("aid", [chips.JUKI, chips.LIBRARY], ids=["juki", "library"])
def test_content_commands_are_not_forwarded_by_applications(aid: AID) -> None:
    chip = ISSUED.chip()
    chip.select(aid)
    session = chip.scp03(chips.JUKI_KEYS if aid == chips.JUKI else chips.CITY_KEYS)
    for ins in (0xD8, 0xE4, 0xE6, 0xF0, 0xF1, 0xF2):
        assert say(session, 0x80, ins, 0x40, 0x02, b"\x4f\0").sw in (0x6D00, 0x6E00)
