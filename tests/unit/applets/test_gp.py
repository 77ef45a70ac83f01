"""Security domains: keys, content, data, and what they tell of themselves."""

from __future__ import annotations

import pytest

from jukicard.applets.gp import layout
from jukicard.applets.juki.applet import JukiApplet
from jukicard.applets.library.applet import LibraryApplet
from jukicard.card.registry import CardState
from jukicard.iso7816.aid import AID
from jukicard.iso7816.errors import AuthenticationFailed
from jukicard.iso7816.tlv import Tlv, parse_one, parse_tlvs
from jukicard.securechannel.host import SecureConnection
from jukicard.securechannel.scp03 import TRANSPORT_KEYS, StaticKeys, encrypt_sensitive, key_check_value
from jukicard.securechannel.scp11 import encode_point
from tests.support import chips
from tests.support.chains import private_key
from tests.support.chips import Chip, key_set_data, say, static_keys

NEW = static_keys("new")
DEK = TRANSPORT_KEYS.dek


@pytest.fixture
def chip() -> Chip:
    return chips.blank()


@pytest.fixture
def session(chip: Chip) -> SecureConnection:
    return chip.scp03(TRANSPORT_KEYS)


def key_information(chip: Chip) -> list[str]:
    return [tlv.value.hex() for tlv in parse_tlvs(say(chip, 0, 0xCA, 0, 0xE0, ne=256, sw=0x9000).data)]


def put(session: SecureConnection, data: bytes, old: int = 0, kid: int = 0x81) -> int:
    return say(session, 0x80, 0xD8, old, kid, data).sw


def delete(session: SecureConnection, data: str, p2: int = 0) -> int:
    return say(session, 0x80, 0xE4, 0, p2, bytes.fromhex(data)).sw


# --- AES key sets


@pytest.mark.parametrize("old", [0x00, 0xFF])
def test_the_first_key_set_put_removes_the_transport_keys(chip: Chip, session: SecureConnection, old: int) -> None:
    assert key_information(chip) == ["01ff8810", "02ff8810", "03ff8810"]
    answer = say(session, 0x80, 0xD8, old, 0x81, key_set_data(1, NEW, DEK), 256, sw=0x9000)
    assert answer.data == b"\x01" + b"".join(key_check_value(key) for key in (NEW.enc, NEW.mac, NEW.dek))
    assert key_information(chip) == ["01018810", "02018810", "03018810"]
    with pytest.raises(AuthenticationFailed, match="card cryptogram"):
        chip.scp03(TRANSPORT_KEYS)
    assert chip.ask("80 50 FF 00 08 0000000000000000").sw == 0x6A88
    assert say(chip.scp03(NEW), 0x80, 0xF2, 0x80, 2, b"\x4f\0").sw == 0x9000
    assert not any(DEK in value for value in chip.cells.values())


@pytest.mark.parametrize("size", [16, 24, 32])
def test_aes_keys_of_every_length_open_a_session(chip: Chip, session: SecureConnection, size: int) -> None:
    keys = static_keys("sized", size)
    parts = [bytes((1,))]
    for key in (keys.enc, keys.mac, keys.dek):  # GlobalPlatform's form: the key's length before the cryptogram
        sealed = bytes((size,)) + encrypt_sensitive(DEK, key + bytes(-size % 16))
        parts.append(bytes((0x88, len(sealed))) + sealed + b"\x03" + key_check_value(key))
    assert put(session, b"".join(parts)) == 0x9000
    assert key_information(chip)[0] == f"010188{size:02x}"
    assert say(chip.scp03(keys), 0x80, 0xF2, 0x80, 2, b"\x4f\0").sw == 0x9000


def mixed(enc: bytes, mac: bytes, dek: bytes) -> bytes:
    keys = (enc, mac, dek)
    parts = (bytes((0x88, len(k))) + encrypt_sensitive(DEK, k) + b"\x03" + key_check_value(k) for k in keys)
    return b"\x01" + b"".join(parts)


GOOD = key_set_data(1, NEW, DEK)


@pytest.mark.parametrize(
    "data",
    [
        mixed(bytes(16), bytes(32), bytes(16)),  # three lengths
        GOOD[:-1] + bytes((GOOD[-1] ^ 1,)),  # a check value
        GOOD[:-1],  # cut off
        GOOD + b"\0",
        b"\x00" + GOOD[1:],  # key versions
        b"\x80" + GOOD[1:],
        b"\xff" + GOOD[1:],
        GOOD.replace(b"\x88\x10", b"\x80\x10"),  # the type
        GOOD[:23],  # one key
        b"\x01\x88\x00\x00\x88\x00\x00\x88\x00\x00",
        b"\x01\x88\x01\x10\x00",
    ],
)
def test_a_malformed_key_set_is_6a80_and_changes_nothing(chip: Chip, session: SecureConnection, data: bytes) -> None:
    before = chip.cells
    assert put(session, data) == 0x6A80
    assert chip.cells == before
    assert put(session, GOOD) == 0x9000


def test_key_versions_are_replaced_only_where_they_are(chip: Chip, session: SecureConnection) -> None:
    assert put(session, GOOD) == 0x9000
    session = chip.scp03(NEW)
    again = key_set_data(1, static_keys("again"), NEW.dek)
    assert put(session, again) == 0x6A80  # version 1 exists
    assert put(session, again, old=5) == 0x6A88  # there is no version 5
    assert put(session, again, old=1) == 0x9000
    session = chip.scp03(static_keys("again"))
    assert put(session, key_set_data(2, NEW, static_keys("again").dek)) == 0x9000
    assert len(key_information(chip)) == 6
    assert say(chip.scp03(NEW, kvn=2), 0x80, 0xF2, 0x80, 2, b"\x4f\0").sw == 0x9000


def test_keys_are_put_at_no_lower_level_than_c_mac(chip: Chip) -> None:
    assert put(chip.scp03(TRANSPORT_KEYS, 0x01), GOOD) == 0x9000


def test_a_cut_while_keys_are_put_leaves_the_old_ones(chip: Chip, session: SecureConnection) -> None:
    before = chip.cells
    chip.store.cut = lambda _number: True
    assert put(session, GOOD) == 0x6581
    assert chip.cells == before
    chip.store.cut = lambda _number: False
    assert put(chip.scp03(TRANSPORT_KEYS), GOOD) == 0x9000


# --- EC keys


def test_ec_keys_are_put_and_generated_and_listed(chip: Chip, session: SecureConnection) -> None:
    chips.put_anchor(session, chips.NATIONAL_ROOT)
    secret = private_key(77)
    scalar = encrypt_sensitive(DEK, secret.private_numbers().private_value.to_bytes(32, "big"))
    assert put(session, b"\x01\xb1\x20" + scalar + b"\xf0\x01\0\0", kid=0x13) == 0x9000
    point = chips.generate_key(session, 0x11)
    assert len(point) == 65
    listed = key_information(chip)
    assert listed[3:] == ["1001b041f000", "1101b120f000", "1301b120f000"]
    opened = chip.scp11b(encode_point(secret.public_key()))
    assert say(opened, 0, 0xCA, 0, 0x66, ne=256).sw == 0x9000


@pytest.mark.parametrize(
    ("kid", "data"),
    [
        (0x10, b"\x01\xb1\x20" + bytes(32) + b"\xf0\x01\0\0"),  # an anchor is a public key
        (0x11, b"\x01\xb0\x41" + encode_point(private_key(5).public_key()) + b"\xf0\x01\0\0"),
        (0x10, b"\x01\xb0\x41\x04" + bytes(64) + b"\xf0\x01\0\0"),  # not on the curve
        (0x10, b"\x01\xb0\x41" + encode_point(private_key(5).public_key()) + b"\xf0\x01\x03\0"),  # another curve
        (0x11, b"\x01\xb1\x1f" + bytes(31) + b"\xf0\x01\0\0"),
        (0x11, b"\x01\xb1\x20" + encrypt_sensitive(DEK, bytes(32)) + b"\xf0\x01\0\0"),  # zero
        (0x11, b"\x01\xb1\x20" + encrypt_sensitive(DEK, b"\xff" * 32) + b"\xf0\x01\0\0"),  # beyond the order
        (0x11, b"\x01\xb1\x20" + encrypt_sensitive(DEK, b"\x01" * 32) + b"\xf0\x01\0\x03abc"),
    ],
)
def test_a_malformed_ec_key_is_6a80_and_changes_nothing(
    session: SecureConnection, chip: Chip, kid: int, data: bytes
) -> None:
    before = chip.cells
    assert put(session, data, kid=kid) == 0x6A80
    assert chip.cells == before


@pytest.mark.parametrize("data", ["01F00103", "01F00000", "00F00100", "80F00100"])
def test_a_malformed_generation_is_6a80(session: SecureConnection, data: str) -> None:
    assert say(session, 0x80, 0xF1, 0, 0x11, bytes.fromhex(data)).sw == 0x6A80


def test_a_replaced_key_loses_its_certificates_and_dates(chip: Chip, session: SecureConnection) -> None:
    chips.put_anchor(session, chips.NATIONAL_ROOT)
    chips.store_estimate(session, 20300101)
    assert any("/day/" in name for name in chip.cells)
    point = encode_point(chips.CITY_ROOT.public_key())
    assert put(session, b"\x02\xb0\x41" + point + b"\xf0\x01\0\0", old=1, kid=0x10) == 0x9000
    assert not any("/day/" in name for name in chip.cells)


# --- DELETE key


def test_a_domain_keeps_an_scp03_key_set(chip: Chip, session: SecureConnection) -> None:
    """Without one nobody could manage it any more, whatever EC keys it has."""
    chips.put_anchor(session, chips.NATIONAL_ROOT)
    chips.generate_key(session, 0x11)
    before = chip.cells
    for data in ("D00101", "D201FF", "D00101D201FF"):
        assert delete(session, data) == 0x6985
    assert chip.cells == before
    assert delete(session, "D00110") == 0x9000
    assert delete(session, "D20101") == 0x9000
    assert len(key_information(chip)) == 3
    assert delete(session, "D201FF", p2=1) == 0x9000
    assert chip.ask("80 50 00 00 08 0000000000000000").sw == 0x6A88


@pytest.mark.parametrize("data", ["D00113", "D20105", "D00111D20102"])
def test_a_key_that_is_not_there_is_6a88(session: SecureConnection, data: str) -> None:
    assert delete(session, data) == 0x6A88


@pytest.mark.parametrize("data", ["D000", "D0020101", "D10101", "D00101D00102", "4F", "4F0041", "00"])
def test_a_malformed_delete_is_6a80(session: SecureConnection, data: str) -> None:
    assert delete(session, data) == 0x6A80


# --- a domain that has no keys of its own


def test_a_domain_uses_its_parents_keys_until_its_first_own(chip: Chip, session: SecureConnection) -> None:
    domain = chips.CITY_DOMAIN
    chips.install(session, layout.DOMAIN_MODULE, domain, b"\x80\x40\x00")
    chip.select(domain)
    assert key_information(chip) == ["01ff8810", "02ff8810", "03ff8810"]
    own = chip.scp03(TRANSPORT_KEYS)
    assert say(own, 0x80, 0xF1, 0, 0x11, bytes.fromhex("01F00100")).sw == 0x6985  # its first key is a key set
    assert say(own, 0x80, 0xF2, 0x40, 2, b"\x4f\0", 256).data.count(b"\x9f\x70\x01\x07") == 1
    assert put(own, GOOD) == 0x9000
    with pytest.raises(AuthenticationFailed):
        chip.scp03(TRANSPORT_KEYS)
    listed = say(chip.scp03(NEW), 0x80, 0xF2, 0x40, 2, b"\x4f\0", 256).data
    assert b"\x9f\x70\x01\x0f" in listed
    chip.select(chips.ISSUER)
    assert say(chip.scp03(TRANSPORT_KEYS), 0x80, 0xF2, 0x80, 2, b"\x4f\0").sw == 0x9000  # the parent's are still there


# --- INSTALL

ANOTHER = AID(b"\xf0another")


@pytest.mark.parametrize(
    ("module", "aid", "privileges", "sw"),
    [
        (LibraryApplet.module, ANOTHER, b"\x00", 0x9000),
        (LibraryApplet.module, ANOTHER, b"\x00\x00\x00", 0x9000),
        (LibraryApplet.module, ANOTHER, b"", 0x6A80),
        (LibraryApplet.module, ANOTHER, b"\0\0", 0x6A80),
        (LibraryApplet.module, ANOTHER, b"\x01", 0x6A80),  # mandated DAP verification: unknown here
        (LibraryApplet.module, ANOTHER, b"\x00\x00\x01", 0x6A80),
        (LibraryApplet.module, ANOTHER, b"\x80", 0x6985),  # it is no domain
        (layout.DOMAIN_MODULE, ANOTHER, b"\x00", 0x6985),  # and this is one
        (LibraryApplet.module, chips.ISSUER, b"\x00", 0x6A80),  # the name is taken
        (AID(b"\xf0nothing"), ANOTHER, b"\x00", 0x6A88),
    ],
)
def test_install(chip: Chip, session: SecureConnection, module: AID, aid: AID, privileges: bytes, sw: int) -> None:
    before = chip.cells
    chips.install(session, module, aid, privileges, sw=sw)
    assert (chip.cells == before) is (sw != 0x9000)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x05\x01",
        chips.install_data(LibraryApplet.module, ANOTHER)[:-1],
        chips.install_data(LibraryApplet.module, ANOTHER) + b"\0",
        chips.install_data(LibraryApplet.module, ANOTHER)[:-2] + b"\x02\xc8\x00\x00",
        chips.install_data(LibraryApplet.module, ANOTHER)[:-2] + b"\x03\xc9\x01\x00\x00",
        chips.install_data(LibraryApplet.module, ANOTHER)[:-1] + b"\x01\x00",
        chips.install_data(LibraryApplet.module, ANOTHER)
        .replace(bytes(ANOTHER), b"1234")
        .replace(b"\x081234", b"\x041234"),
    ],
)
def test_a_malformed_install_changes_nothing(chip: Chip, session: SecureConnection, data: bytes) -> None:
    before = chip.cells
    assert say(session, 0x80, 0xE6, 0x0C, 0, data).sw in (0x6A80, 0x6700)
    assert chip.cells == before


def test_another_load_file_does_not_have_the_module(session: SecureConnection) -> None:
    data = chips.install_data(LibraryApplet.module, ANOTHER, load_file=AID(b"\xf0other"))
    assert say(session, 0x80, 0xE6, 0x0C, 0, data).sw == 0x6A88


def test_what_is_only_installed_is_selected_after_it_was_made_selectable(chip: Chip, session: SecureConnection) -> None:
    say(session, 0x80, 0xE6, 0x04, 0, chips.install_data(LibraryApplet.module, ANOTHER), sw=0x9000)
    assert chip.ask(b"\0\xa4\4\0\x08" + bytes(ANOTHER)).sw == 0x6A82
    assert bytes(ANOTHER) not in say(chip, 0, 0xB0, 0x9E, 0).data
    session = chip.scp03(TRANSPORT_KEYS)
    name = b"\0\0\x08" + bytes(ANOTHER) + b"\0\0\0"
    say(session, 0x80, 0xE6, 0x08, 0, name, sw=0x9000)
    assert say(session, 0x80, 0xE6, 0x08, 0, name).sw == 0x6985
    assert bytes(ANOTHER) in say(chip, 0, 0xB0, 0x9E, 0).data
    assert chip.select(ANOTHER).sw == 0x9000


def test_a_card_runs_out_of_instance_numbers_aloud(chip: Chip) -> None:
    registry = chip.cells["registry"]
    counter = Tlv(0x80, b"\0\2").encode()
    assert registry.startswith(counter)
    last = Chip({**chip.cells, "registry": Tlv(0x80, b"\xff\xfe").encode() + registry[len(counter) :]})
    session = last.scp03(TRANSPORT_KEYS)
    chips.install(session, LibraryApplet.module, ANOTHER)
    chips.install(session, LibraryApplet.module, AID(b"\xf0yetanother"), sw=0x6A84)


# --- GET STATUS


def listing(session: SecureConnection, scope: int, name: bytes = b"") -> list[bytes]:
    """All entries, page by page."""
    criterion = b"\x4f" + bytes((len(name),)) + name
    answer = say(session, 0x80, 0xF2, scope, 2, criterion, 256)
    pages = [answer.data]
    while answer.sw == 0x6310:
        answer = say(session, 0x80, 0xF2, scope, 3, criterion, 256)
        pages.append(answer.data)
    assert answer.sw in (0x9000, 0x6A88)
    return [tlv.value for page in pages for tlv in parse_tlvs(page)]


def test_get_status_lists_everything_in_pages(chip: Chip, session: SecureConnection) -> None:
    names = [AID(b"\xf0app%02d" % number) for number in range(12)]
    for name in names:
        chips.install(session, JukiApplet.module, name)
    listed = [parse_tlvs(entry)[0].value for entry in listing(session, 0x40)]
    assert listed == [bytes(name) for name in names]
    assert len(listing(session, 0x40, b"\xf0app0")) == 10
    assert len(listing(session, 0x80)) == 1
    assert listing(session, 0x80, b"\xf0") == []
    assert say(session, 0x80, 0xF2, 0x40, 3, b"\x4f\0").sw == 0x6A88
    modules = parse_tlvs(listing(session, 0x10)[0])
    assert next(tlv.value for tlv in modules if tlv.tag == 0x84) == bytes(layout.DOMAIN_MODULE)


def test_a_listing_does_not_outlive_its_session(chip: Chip, session: SecureConnection) -> None:
    for number in range(12):
        chips.install(session, JukiApplet.module, AID(b"\xf0app%02d" % number))
    assert say(session, 0x80, 0xF2, 0x40, 2, b"\x4f\0", 256).sw == 0x6310
    session = chip.scp03(TRANSPORT_KEYS)
    assert say(session, 0x80, 0xF2, 0x40, 3, b"\x4f\0").sw == 0x6A88


# --- the card's life cycle

ALLOWED = {(0x01, 0x07), (0x07, 0x0F), (0x0F, 0x7F), (0x7F, 0x0F)}
PATHS = {0x01: (), 0x07: (0x07,), 0x0F: (0x07, 0x0F), 0x7F: (0x07, 0x0F, 0x7F)}


@pytest.mark.parametrize("target", [state.value for state in CardState])
@pytest.mark.parametrize("start", PATHS)
def test_the_cards_life_cycle(start: int, target: int) -> None:
    chip = chips.blank()
    session = chip.scp03(TRANSPORT_KEYS)
    for step in PATHS[start]:
        say(session, 0x80, 0xF0, 0x80, step, sw=0x9000)
    answer = say(session, 0x80, 0xF0, 0x80, target).sw
    assert answer == (0x9000 if (start, target) in ALLOWED or target == 0xFF else 0x6985)


# --- GET DATA and STORE DATA


def test_get_data_answers_the_value_or_the_whole_by_its_class(chip: Chip) -> None:
    for tag in (0x42, 0x45, 0x66, 0xE0, 0x9F7F, 0xC1):
        value = say(chip, 0x00, 0xCA, tag >> 8, tag & 0xFF, ne=256, sw=0x9000).data
        whole = parse_one(say(chip, 0x80, 0xCA, tag >> 8, tag & 0xFF, ne=256, sw=0x9000).data)
        assert (whole.tag, whole.value) == (tag, value)
    for tag in (0x43, 0x9F7E, 0xFF33, 0xFF34, 0x0000):
        assert say(chip, 0x80, 0xCA, tag >> 8, tag & 0xFF).sw == 0x6A88
    assert say(chip, 0x80, 0xCA, 0xBF, 0x21, bytes.fromhex("A60483021101")).sw == 0x6A88
    assert say(chip, 0x80, 0xCA, 0xBF, 0x21, b"").sw == 0x6A80


def test_what_is_stored_is_told(chip: Chip, session: SecureConnection) -> None:
    say(session, 0x80, 0xE2, 0x90, 0, bytes.fromhex("42021234"), sw=0x9000)
    assert say(chip, 0, 0xCA, 0, 0x42).data == b"\x12\x34"
    chips.generate_key(session, 0x11)
    certificate = chips.terminal().certificates[0]
    chips.store_for_key(session, 0x11, Tlv(0xBF21, certificate))
    selector = bytes.fromhex("A60483021101")
    assert say(chip, 0, 0xCA, 0xBF, 0x21, selector, 65536).data == certificate
    say(session, 0x80, 0xE2, 0x90, 0, bytes.fromhex("A60B80010142021234 83021101".replace(" ", "")), sw=0x9000)
    assert say(chip, 0, 0xCA, 0xFF, 0x34).data == bytes.fromhex("4202123483021101")


@pytest.mark.parametrize(
    "data",
    [
        "43021234",
        "4202123499021234",
        "A6",
        "A600",
        "A60483021101",
        "A6048302110130023000",
        "A604830211019F7F0101",
        "A60483021101BF21028000",
        "A6048302110170028000",
        "A604830211015F250420301301",
        "A604830211015F25042030010A",
        "A604830211015F2503203001",
        "A604830211015F2504203001015F250420300101",
        "A607830211018302110170005F2500",
    ],
)
def test_malformed_data_objects_are_6a80(chip: Chip, session: SecureConnection, data: str) -> None:
    chips.generate_key(session, 0x11)
    before = chip.cells
    assert say(session, 0x80, 0xE2, 0x90, 0, bytes.fromhex(data)).sw == 0x6A80
    assert chip.cells == before


def test_nothing_is_stored_beside_a_key_that_is_not_there(session: SecureConnection) -> None:
    chips.store_for_key(session, 0x11, Tlv(0xBF21, b""), sw=0x6A88)


def test_the_issuers_numbers_are_stored_in_the_issuers_domain_only() -> None:
    chip = chips.active().chip()
    chip.select(chips.CITY_DOMAIN)
    session = chip.scp03(chips.CITY_KEYS)
    assert say(session, 0x80, 0xE2, 0x90, 0, bytes.fromhex("42021234")).sw == 0x6A80


def test_the_sequence_counter_told_is_that_of_the_handshakes(chip: Chip, session: SecureConnection) -> None:
    assert say(chip, 0, 0xCA, 0, 0xC1).data == b"\0\0\1"
    chip.scp03(TRANSPORT_KEYS)
    assert say(chip, 0, 0xCA, 0, 0xC1).data == b"\0\0\2"


# --- EF.DIR and EF.ATR/INFO tell the truth


def test_ef_dir_names_what_can_be_selected() -> None:
    chip = chips.active().chip()
    directory = say(chip, 0, 0xB0, 0x9E, 0, ne=65536, sw=0x9000).data
    names = [parse_tlvs(entry.value)[0].value for entry in parse_tlvs(directory)]
    assert names == [bytes(chips.JUKI), bytes(chips.LIBRARY)]
    for name in names:
        assert chip.select(AID(name)).sw == 0x9000
    assert len(say(chips.blank(), 0, 0xB0, 0x9E, 0).data) == 0


def test_the_limits_told_are_the_limits_kept(chip: Chip) -> None:
    objects = {tlv.tag: tlv for tlv in parse_tlvs(say(chip, 0, 0xB0, 0x81, 0, sw=0x9000).data)}
    longest_command, longest_response = (int.from_bytes(tlv.value, "big") for tlv in objects[0x7F66].children)
    assert chip.ask(b"\0\xb0\x81\0\0" + longest_response.to_bytes(2, "big")).sw in (0x9000, 0x6282)
    assert longest_command <= 65544
    assert objects[0x47].value[2] & 0x80  # chaining
    assert objects[0x47].value[2] & 0x40  # extended length
    assert objects[0x47].value[2] & 0x07 == 3  # four channels
    for number in (1, 2, 3):
        chip.open_channel(number)


def test_the_keys_of_a_chip_are_never_told() -> None:
    """No answer to anything in the clear holds a key of the chip."""
    chip = chips.active().chip()
    secrets = [
        part
        for keys in (chips.ISSUER_KEYS, chips.JUKI_KEYS, chips.CITY_KEYS)
        for part in (keys.enc, keys.mac, keys.dek)
    ]
    for aid in (chips.ISSUER, chips.JUKI_DOMAIN, chips.CITY_DOMAIN, chips.JUKI, chips.LIBRARY):
        chip.select(aid)
        for tag in (0x42, 0x45, 0x66, 0xC1, 0xE0, 0x9F7F, 0xFF33, 0xFF34):
            say(chip, 0x80, 0xCA, tag >> 8, tag & 0xFF)
        for kid in (0x01, 0x10, 0x11, 0x13):
            say(chip, 0x80, 0xCA, 0xBF, 0x21, bytes((0xA6, 4, 0x83, 2, kid, 1)))
    told = b"".join(answer for _, answer in chip.exchanges)
    assert not any(secret in told for secret in secrets)
    assert isinstance(chips.JUKI_KEYS, StaticKeys)


# --- a locked card


def test_a_locked_card_is_not_managed_until_it_is_unlocked(chip: Chip, session: SecureConnection) -> None:
    number = b"\x42\x01\x07"
    for state in (0x07, 0x0F, 0x7F):
        assert say(session, 0x80, 0xF0, 0x80, state).sw == 0x9000
    before = chip.cells
    assert put(session, key_set_data(1, NEW, DEK)) == 0x6985
    assert delete(session, "D0 01 01", 1) == 0x6985
    assert say(session, 0x80, 0xE2, 0x90, 0, number).sw == 0x6985
    assert say(session, 0x80, 0xE6, 0x0C, 0, chips.install_data(layout.DOMAIN_MODULE, AID(b"other"))).sw == 0x6985
    assert chip.cells == before
    assert say(session, 0x80, 0xF2, 0x80, 0x02, b"\x4f\x00").sw == 0x9000
    assert say(session, 0x80, 0xF0, 0x80, 0x0F).sw == 0x9000
    assert say(session, 0x80, 0xE2, 0x90, 0, number).sw == 0x9000


@pytest.mark.parametrize("date", [20270230, 20270431, 20271301, 20270100, 20270001])
def test_a_date_estimate_is_a_date(date: int) -> None:
    chip = chips.in_personalisation()
    chip.select(chips.JUKI_DOMAIN)
    chips.store_estimate(chip.scp03(chips.JUKI_KEYS), date, sw=0x6A80)


def test_only_an_anchor_has_a_date_estimate() -> None:
    chip = chips.in_personalisation()
    chip.select(chips.JUKI_DOMAIN)
    estimate = Tlv(layout.TAG_DATE_ESTIMATE, bytes.fromhex("20270101"))
    chips.store_for_key(chip.scp03(chips.JUKI_KEYS), layout.KID_SCP11A, estimate, sw=0x6A80)
