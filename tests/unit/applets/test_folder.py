"""The folder as an application: how it is installed, whose it is, and that nobody else reaches into it."""

from __future__ import annotations

import hashlib

import pytest

from jukicard.applets.folder import layout
from jukicard.applets.folder.applet import FolderApplet
from jukicard.applets.folder.client import df, ef, record_ef
from jukicard.applets.folder.rules import APPLICATION
from jukicard.card.files.quota import Quota
from jukicard.card.transaction import Area, Transaction
from jukicard.iso7816.access import AccessMode, Password
from jukicard.iso7816.access import Right as RightHeld
from jukicard.iso7816.errors import AuthenticationFailed, CardStatusError, PasswordWrong
from jukicard.iso7816.tlv import Tlv, parse_one
from jukicard.securechannel.authorization import Right
from jukicard.securechannel.signatures import HASHED, is_signed_by
from tests.support import chips, folders
from tests.support.chips import Chip, say
from tests.support.folders import ALWAYS, ANYTHING, FOLDER, OWNER, rules


def instance_of(chip: Chip) -> str:
    """The prefix of the folder's cells."""
    return max(cell[:7] for cell in chip.cells if cell.startswith("a/"))


def test_it_is_empty_when_it_is_installed() -> None:
    chip = folders.empty()
    cells = {cell.removeprefix(instance_of(chip)) for cell in chip.cells if cell.startswith(instance_of(chip))}
    assert cells == {"df", "q"}
    shown = parse_one(chip.select(FOLDER).data).children
    assert [tlv.tag for tlv in shown] == [0x84, 0x82, 0x8A, 0xAB]
    assert [tlv.value for tlv in shown] == [bytes(FOLDER), b"\x38", b"\x05", APPLICATION.encode()]
    quota = Quota(Area(Transaction(chip.store), instance_of(chip)))
    assert (quota.limit, quota.used) == (layout.DEFAULT_QUOTA, 0)


def test_it_stands_in_ef_dir() -> None:
    chip = folders.empty()
    chip.select(chips.ISSUER)
    entry = Tlv.build(0x61, Tlv(0x4F, bytes(FOLDER)), Tlv(0x50, b"Folder")).encode()
    assert entry in say(chip, 0, 0xB0, 0x9E, 0, ne=256, sw=0x9000).data


def test_installation_parameters() -> None:
    own = Tlv(0xAB, ANYTHING.encode()).encode()
    chip = folders.empty(b"\x80\x03\x01\x00\x00" + own)
    assert parse_one(chip.select(FOLDER).data).children[3].value == ANYTHING.encode()
    assert Quota(Area(Transaction(chip.store), instance_of(chip))).limit == 0x10000


@pytest.mark.parametrize(
    "parameters", ["8000", "80050000000001", "AB01FF", "AB028000", "820101", "80010180 0102", "8001", "00"]
)
def test_other_parameters_are_refused_and_leave_nothing(parameters: str) -> None:
    chip = chips.active().chip()
    before = chip.cells
    folders.install(chip, bytes.fromhex(parameters), sw=0x6A80)
    assert {cell for cell in chip.cells if before.get(cell) != chip.cells[cell]} <= {c for c in before if "/seq/" in c}


def test_it_goes_without_a_trace() -> None:
    chip = folders.furnished()
    prefix = instance_of(chip)
    chip.select(chips.CITY_DOMAIN)
    name = bytes((len(bytes(FOLDER)),)) + bytes(FOLDER)
    say(chip.scp03(chips.CITY_KEYS), 0x80, 0xE4, 0, 0, b"\x4f" + name, 256, sw=0x9000)
    assert not [cell for cell in chip.cells if cell.startswith(prefix)]
    assert chip.select(FOLDER).sw == 0x6A82


def test_nothing_is_stored_by_store_data() -> None:
    chip = folders.empty()
    chip.select(chips.CITY_DOMAIN)
    session = chip.scp03(chips.CITY_KEYS)
    name = bytes((len(bytes(FOLDER)),)) + bytes(FOLDER)
    say(session, 0x80, 0xE6, 0x20, 0x00, b"\0\0" + name + b"\0\0\0", sw=0x9000)
    say(session, 0x80, 0xE2, 0x90, 0x00, b"data", sw=0x6985)


def test_only_a_wholly_protected_session_of_its_own_domain_is_its_owners() -> None:
    chip = folders.empty()
    new = ef(1, 4, ANYTHING).encode()
    for level in (0x01, 0x03, 0x11, 0x13):
        chip.select(FOLDER)
        assert say(chip.scp03(chips.CITY_KEYS, level), 0, 0xE0, data=new).sw == 0x6982
    chip.select(FOLDER)
    with pytest.raises(Exception, match="cryptogram"):
        chip.scp03(chips.JUKI_KEYS)
    chip.select(FOLDER)
    session = chip.scp11a(chips.service_terminal(), chips.active().city_11a)
    assert say(session, 0, 0xE0, data=new).sw == 0x6982
    chip.select(FOLDER)
    assert say(chip.scp03(chips.CITY_KEYS), 0, 0xE0, data=new).sw == 0x9000


def test_a_terminals_right_holds_for_its_own_city_only() -> None:
    chip = folders.empty()
    guarded = rules((AccessMode.READ, RightHeld(Right.MUNICIPAL_SERVICE)), (AccessMode.UPDATE, OWNER))
    folders.owner(chip).create(ef(1, 4, guarded, sfi=1))
    for city, sw in ((chips.CITY, 0x9000), (chips.OTHER_CITY, 0x6982)):
        chip.select(FOLDER)
        session = chip.scp11a(chips.service_terminal(city), chips.active().city_11a)
        assert say(session, 0, 0xB0, 0x81, 0).sw == sw


def test_what_is_proved_here_is_worth_nothing_elsewhere_and_the_reverse() -> None:
    chip = folders.furnished()
    assert chips.verify(chip, folders.PASSWORD_VALUE) == 0x9000
    chip.select(chips.LIBRARY)
    assert say(chip, 0, 0xB2, 1, 0x14).sw == 0x6982
    chip.select(FOLDER)
    assert say(chip, 0, 0xB0, 0x80 | folders.PRIVATE, 0).sw == 0x6982


def test_it_has_the_commands_of_the_page() -> None:
    """The instructions of its table: what it does not have is not there."""
    assert sorted({row.ins for row in FolderApplet.table.rows}) == [
        *(0x04, 0x0E, 0x0F, 0x20, 0x22, 0x24, 0x2A, 0x2C, 0x33, 0x44, 0x47, 0x82, 0x88, 0xA2, 0xB0, 0xB1, 0xB2),
        *(0xCA, 0xCB, 0xD6, 0xD7, 0xDA, 0xDB, 0xDC, 0xE0, 0xE2, 0xE4, 0xE6, 0xE8),
    ]


def test_a_service_from_its_making_to_its_use() -> None:
    """A swimming pool's pass: the owner makes it, the holder and the gate use it."""
    chip = folders.empty()
    owner = folders.owner(chip)
    owner.make_password(0x81, 4, 4, 3, rules((0x20, ALWAYS), (0x24, OWNER)))
    owner.set_initial_password(0x81, b"4711")
    gate_key = bytes(range(16))
    owner.make_secret_key(0x91, 3, rules((0x82, ALWAYS), (0x88, ALWAYS), (0xDB, OWNER)))
    owner.import_secret_key(0x91, gate_key)
    owner.make_signature_key(0x92, rules((0x47, OWNER), (0x2A, Password(0x81))))
    public = owner.generate_signature_key(0x92)
    owner.create(df(0x0100, rules((AccessMode.CREATE_EF, OWNER))))
    owner.create(record_ef(0x0001, 0x06, 8, 3, rules((AccessMode.READ | AccessMode.WRITE, ALWAYS)), sfi=1))
    owner.select_path()
    owner.put_data_object(0x5F50, b"pool")

    holder = folders.client(chip)
    assert holder.data_object(0x5F50) == b"pool"
    holder.select_path(0x0100, 0x0001)
    for day in (b"20260101", b"20260102", b"20260103", b"20260104"):
        holder.append(day)
    assert [holder.record(number) for number in (1, 2, 3)] == [b"20260104", b"20260103", b"20260102"]
    holder.prove_key(0x91, gate_key)
    holder.authenticate_card(0x91, gate_key, bytes(16))
    with pytest.raises(AuthenticationFailed):
        holder.authenticate_card(0x91, bytes(16), bytes(16))
    digest = hashlib.sha256(b"I have been here").digest()
    with pytest.raises(CardStatusError):
        holder.sign(0x92, digest)
    with pytest.raises(PasswordWrong):
        holder.verify(0x81, b"0000")
    holder.verify(0x81, b"4711")
    assert is_signed_by(public, holder.sign(0x92, digest), digest, HASHED)
    assert not is_signed_by(public, holder.sign(0x92, digest)[:-1], digest, HASHED)

    owner = folders.owner(chip)
    owner.delete(0x0100)
    with pytest.raises(CardStatusError):
        folders.client(chip).select_path(0x0100)
