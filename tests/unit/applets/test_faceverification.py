"""The face-verification application: what opens what, tries, personalisation, and the codec of its records."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jukicard.applets.faceverification import layout
from jukicard.applets.faceverification.personalisation import Personalisation
from jukicard.applets.faceverification.records import BasicRecord, BirthRecord, FaceRecord, FaceRecordError
from jukicard.applets.gp.layout import LOAD_FILE
from jukicard.applets.gp.tokens import install_fields
from jukicard.iso7816.errors import CardStatusError, PasswordBlocked, PasswordWrong
from jukicard.iso7816.tlv import Tlv, parse_tlvs
from tests.support import chips, facechips
from tests.support.chips import Chip, say
from tests.support.facechips import FACE_A, FACE_B, PERSONALISATION_A, PERSONALISATION_B, POINT, SIGNATURE

SELECT_EF = (0x00, 0xA4, 0x02, 0x0C)


def a() -> Chip:
    return Chip(facechips.face_a(), 1)


def b() -> Chip:
    return Chip(facechips.face_b(), 1)


def refused(sw: int, action: object, *values: object) -> None:
    with pytest.raises(CardStatusError) as caught:
        action(*values)  # type: ignore[operator]
    assert caught.value.sw == sw


def test_the_reference_number_of_face_a_opens_the_face_and_nothing_else_is_there() -> None:
    chip = a()
    client = facechips.client(chip)
    refused(0x6982, client.face)
    client.verify_number(layout.NUMBER_A, "20360331")
    assert client.face() == FACE_A
    assert client.basic() == PERSONALISATION_A.basic
    assert client.signer_certificates() == facechips.CERTIFICATES
    refused(0x6A82, client.birth)
    for number in (layout.BIRTH_NUMBER, layout.NUMBER_B):
        refused(0x6A88, client.verify_number, number, "0" * 6)
        assert chip.ask(bytes((*SELECT_EF, 2)) + number.to_bytes(2)).sw == 0x6A82


def test_each_reference_number_of_face_b_opens_its_own_record() -> None:
    client = facechips.client(b())
    client.verify_number(layout.BIRTH_NUMBER, "400403")
    assert client.birth() == PERSONALISATION_B.birth
    refused(0x6982, client.face)
    client.verify_number(layout.NUMBER_B, "20360331400403")
    assert client.face() == FACE_B
    refused(0x6A88, client.verify_number, layout.NUMBER_A, "20360331")


def test_selecting_the_application_again_forgets_what_was_verified() -> None:
    client = facechips.client(b())
    client.verify_number(layout.NUMBER_B, "20360331400403")
    client.select()
    refused(0x6982, client.face)


def test_a_card_of_the_family_is_spoken_to_in_the_familys_way() -> None:
    chip = a()
    say(chip, 0x00, 0xA4, 0x04, 0x0C, bytes(facechips.FACE), sw=0x9000)
    say(chip, *SELECT_EF, bytes.fromhex("0002"), sw=0x9000)
    assert chip.ask("00 B0 00 00 00").sw == 0x6982
    say(chip, *SELECT_EF, bytes.fromhex("0013"), sw=0x9000)
    assert chip.ask("00 20 00 80").sw == 0x63CA
    say(chip, 0x00, 0x20, 0x00, 0x80, facechips.NUMBER_A, sw=0x9000)
    say(chip, *SELECT_EF, bytes.fromhex("0002"), sw=0x9000)
    answer = chip.ask("00 B0 00 00 FF")
    assert (answer.sw, answer.data) == (0x9000, FACE_A.encode()[:255])
    size = len(FACE_A.encode())
    assert chip.ask(bytes((0x00, 0xB0, *(size + 1).to_bytes(2), 0x00))).sw == 0x6B00
    assert chip.ask(bytes((0x00, 0xB0, *(size - 1).to_bytes(2), 0x10))).sw == 0x9000


def test_ten_wrong_numbers_block_and_the_issuer_unblocks() -> None:
    chip = b()
    client = facechips.client(chip)
    for left in range(9, -1, -1):
        with pytest.raises(PasswordWrong) as caught:
            client.verify_number(layout.NUMBER_B, "20360331400404")
        assert caught.value.tries_left == left
    with pytest.raises(PasswordBlocked) as blocked:
        client.verify_number(layout.NUMBER_B, "20360331400403")
    assert blocked.value.sw == 0x6984
    refused(0x6982, client.unblock, layout.NUMBER_B)
    owner = facechips.session(chip)
    say(owner, 0x00, 0x2C, 0x02, layout.reference(layout.NUMBER_B), b"20360331400404", sw=0x6982)
    say(owner, 0x00, 0x2C, 0x03, layout.reference(layout.NUMBER_B), sw=0x9000)
    client = facechips.client(chip)
    client.verify_number(layout.NUMBER_B, "20360331400403")
    assert client.face() == FACE_B


def test_the_issuer_renews_a_record_and_a_card_keeps_its_version() -> None:
    chip = Chip(facechips.blocked(), 1)
    domain = facechips.domain(chip)
    domain.personalize(facechips.FACE)
    renewed = replace(PERSONALISATION_B, face=replace(FACE_B, address=b"a longer picture of another address"))
    domain.store_data(renewed.encode())
    client = facechips.client(chip)
    client.verify_number(layout.NUMBER_B, "20360331400403")
    assert client.face() == renewed.face
    domain = facechips.domain(chip)
    domain.personalize(facechips.FACE)
    refused(0x6985, domain.store_data, PERSONALISATION_A.encode())


@pytest.mark.parametrize("size", [0, 1, 60, 400])
def test_blocks_that_are_not_understood_leave_the_application_as_it_was(size: int) -> None:
    chip = Chip(facechips.installed(), 1)
    domain = facechips.domain(chip)
    domain.personalize(facechips.FACE)
    before = chip.cells
    refused(0x6A80, domain.store_data, PERSONALISATION_B.encode()[: -1 - size])
    assert chip.cells == before


def with_object(whole: bytes, tag: int, value: bytes) -> bytes:
    """The block with another value in one object."""
    return b"".join((item if item.tag != tag else Tlv(tag, value)).encode() for item in parse_tlvs(whole))


LATER = b"20360401"


@pytest.mark.parametrize(
    ("version", "objects"),
    [
        ("A", {0x93: LATER}),
        ("A", {0x93: b"2036033a"}),
        ("A", {0x7F21: b""}),
        ("A", {0x7F21: b"\x04\x01\x01"}),
        ("B", {0x92: LATER + b"400403"}),
        ("B", {0x91: b"400404"}),
        ("B", {0x91: b"40040", 0x92: b"2036033140040"}),
        ("B", {0x91: b"4004033", 0x92: b"203603314004033"}),
        ("B", {0x91: b"40040a", 0x92: b"2036033140040a"}),
        ("B", {0x91: b"40040\xb2", 0x92: b"2036033140040\xb2"}),
    ],
)
def test_numbers_and_certificates_are_those_of_the_face(version: str, objects: dict[int, bytes]) -> None:
    whole = (PERSONALISATION_A if version == "A" else PERSONALISATION_B).encode()
    for tag, value in objects.items():
        whole = with_object(whole, tag, value)
    with pytest.raises(FaceRecordError):
        Personalisation.parse(whole)


def test_an_object_that_is_there_twice_is_refused() -> None:
    whole = PERSONALISATION_A.encode()
    for item in parse_tlvs(whole):
        with pytest.raises(FaceRecordError):
            Personalisation.parse(whole + item.encode())


def test_nothing_personal_is_shown_when_a_personalisation_is_printed() -> None:
    shown = repr(PERSONALISATION_B)
    for personal in ("19650403", "400403", "picture", "certificates", "birth"):
        assert personal not in shown


def test_a_reference_number_is_an_internal_ef() -> None:
    domain = facechips.domain(chip := Chip(facechips.installed(), 1))
    domain.personalize(facechips.FACE)
    domain.store_data(PERSONALISATION_B.encode())
    chip.select(facechips.FACE)
    for number in (b"\x00\x11", b"\x00\x12"):
        say(chip, *SELECT_EF, number, sw=0x9000)
        assert chip.ask("00 20 00 80").sw == 0x63CA
        assert chip.ask("00 B0 00 00 00").sw == 0x6981


def test_an_a_card_takes_nothing_of_bs() -> None:
    """The chip itself refuses it: a record of B's, B's reference numbers, B's parts in the face record."""
    domain = facechips.domain(Chip(facechips.installed(), 1))
    domain.personalize(facechips.FACE)
    whole = PERSONALISATION_A.encode()
    birth = PERSONALISATION_B.birth
    assert birth is not None
    for more in (birth.encode(), Tlv(0x91, b"400403").encode(), Tlv(0x92, facechips.NUMBER_B).encode()):
        refused(0x6A80, domain.store_data, whole + more)
    domain.store_data(whole)


def test_a_face_has_all_of_bs_parts_or_none() -> None:
    for missing in ("birth", "sex", "address", "photo"):
        with pytest.raises(FaceRecordError):
            replace(FACE_B, **{missing: None})
        with pytest.raises(FaceRecordError):
            replace(FACE_A, **{missing: getattr(FACE_B, missing)})
    with pytest.raises(FaceRecordError):
        replace(PERSONALISATION_A, birth_date="400403")
    with pytest.raises(FaceRecordError):
        replace(PERSONALISATION_A, basic=PERSONALISATION_B.basic)


def test_the_table_says_where_each_part_stands() -> None:
    for face in (FACE_A, FACE_B):
        content = face.encode()
        table = content[content.index(b"\xdf\x21\x10") + 3 :][:16]
        offsets = [int.from_bytes(table[i : i + 2]) for i in range(0, 16, 2)]
        tags = [content[offset : offset + 2].hex() if offset else None for offset in offsets]
        whole = ["df22", "df23", "df24", "df25", "df26", "df27", "df28", "df29"]
        absent = () if face is FACE_B else (0, 1, 4, 5)
        assert tags == [None if number in absent else tag for number, tag in enumerate(whole)]


def test_the_message_is_three_hashes_over_the_encoded_parts() -> None:
    key = Tlv(0xDF24, b"\x86\x41" + POINT).encode()
    first = b"\xdf\x22\x0819650403" + b"\xdf\x23\x011" + key + b"\xdf\x29\x0820360331"
    pictures = b"\xdf\x25\x15a picture of the name" + b"\xdf\x26\x18a picture of the address"
    photo = Tlv(0xDF27, FACE_B.photo or b"").encode()
    assert FACE_B.message == b"".join(sha256(part).digest() for part in (first, pictures, photo))
    assert FACE_A.message[64:] == sha256(b"").digest()


@given(st.sampled_from(["expires", "birth", "sex", "name", "address", "photo", "public_key"]))
def test_every_part_is_covered_by_the_signature(part: str) -> None:
    others = {"expires": "20360401", "birth": "19650404", "sex": "2", "public_key": b"\x04" + bytes(64)}
    changed = replace(FACE_B, **{part: others.get(part, b"another picture")})  # type: ignore[arg-type]
    assert changed.message != FACE_B.message


@given(st.binary(min_size=1, max_size=3000), st.binary(min_size=1, max_size=300), st.booleans())
def test_records_survive_their_encoding(name: bytes, photo: bytes, on_b: bool) -> None:
    face = replace(FACE_B, name=name, photo=photo) if on_b else replace(FACE_A, name=name)
    assert FaceRecord.parse(face.encode()) == face
    whole = replace(PERSONALISATION_B if on_b else PERSONALISATION_A, face=face)
    assert Personalisation.parse(whole.encode()) == whole


@given(st.sampled_from([FACE_A.encode(), FACE_B.encode()]), st.data())
def test_a_spoilt_record_is_refused_or_another_one(content: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(content) - 1))
    spoilt = bytearray(content)
    spoilt[place] ^= data.draw(st.integers(1, 255))
    try:
        found = FaceRecord.parse(bytes(spoilt))
    except FaceRecordError:
        return
    assert found.encode() == bytes(spoilt)


@given(st.binary(max_size=200))
def test_parsers_are_total(content: bytes) -> None:
    for parse in (FaceRecord.parse, BirthRecord.parse, BasicRecord.parse, Personalisation.parse):
        with pytest.raises(FaceRecordError):
            parse(content)


def test_what_is_too_long_is_refused_before_it_is_sent() -> None:
    with pytest.raises(FaceRecordError, match="more than 16384 bytes"):
        replace(FACE_A, name=bytes(layout.LONGEST_BLOCK)).encode()
    with pytest.raises(FaceRecordError, match="more than 16384 bytes"):
        replace(PERSONALISATION_A, certificates=(Tlv(0x30, bytes(16300)).encode(),)).encode()
    rest = len(PERSONALISATION_A.encode()) - sum(map(len, facechips.CERTIFICATES)) + 6
    longest = replace(PERSONALISATION_A, certificates=(Tlv(0x30, bytes(layout.LONGEST_BLOCK - rest)).encode(),))
    assert len(longest.encode()) == layout.LONGEST_BLOCK


def test_a_birth_record_keeps_its_form() -> None:
    record = BirthRecord("19650403", POINT, SIGNATURE)
    expected = "FF10 8194 DF11 08 3139363530343033 DF12 43 8641".replace(" ", "")
    assert record.encode().hex().upper().startswith(expected)
    assert BirthRecord.parse(record.encode()) == record
    assert len(record.message) != len(FACE_B.message)


def test_the_shared_application_tells_everybody() -> None:
    chip = a()
    say(chip, 0x00, 0xA4, 0x04, 0x0C, bytes(facechips.SHARED), sw=0x9000)
    say(chip, *SELECT_EF, bytes.fromhex("0001"), sw=0x9000)
    assert chip.ask("00 B2 01 04 00").data == b"\x01\x1c" + b"799201000000001" + b"99201" + b"20360331"
    assert chip.ask("00 B2 01 14 00").data == b"\x01\x10" + b"99201" + bytes(11)
    assert chip.ask("00 B2 02 0C 00").sw == 0x6A83
    domain = facechips.domain(chip)
    domain.personalize(facechips.SHARED)
    refused(0x6A80, domain.store_data, facechips.INFORMATION.encode()[:-1])
    refused(0x6A80, domain.store_data, facechips.INFORMATION.encode()[:-1] + b"x")


def test_the_shared_application_is_given_other_information_as_a_whole() -> None:
    chip = a()
    domain = facechips.domain(chip)
    domain.personalize(facechips.SHARED)
    domain.store_data(replace(facechips.INFORMATION, city_code="99202", expires="20370401").encode())
    chip.select(facechips.SHARED)
    assert chip.ask("00 B2 01 0C 00").data == b"\x01\x1c" + b"799201000000001" + b"99202" + b"20370401"
    assert chip.ask("00 B2 01 14 00").data == b"\x01\x10" + b"99202" + bytes(11)
    for fid in (1, 2):  # linear, variable, simple-TLV or not; 30 bytes at most, one record
        assert bytes.fromhex("8205 0441001E01") in say(chip, 0x00, 0xA4, 0x02, 0x04, fid.to_bytes(2), 256).data


def test_neither_application_takes_installation_parameters() -> None:
    chip = chips.active().chip("face")
    session = chip.scp03(chips.ISSUER_KEYS)
    for aid in (facechips.FACE, facechips.SHARED):
        for parameters, sw in ((b"\xc9\1\1", 0x6A80), (b"\xc9\0", 0x9000)):
            data = install_fields(bytes(LOAD_FILE), bytes(aid), bytes(aid), b"\0", parameters, b"")
            say(session, 0x80, 0xE6, 0x0C, 0, data, 256, sw=sw)


def test_the_issuers_domain_tells_what_was_stored() -> None:
    chip = Chip(chips.active().cells, 1)
    chip.select(chips.ISSUER)
    for tag in ("00F0", "00F2", "00F7", "00F8", "7F21", "5F51"):
        assert chip.ask(f"00 CA {tag} 00").sw == 0x6A88
    facechips.domain(chip).store_data(bytes.fromhex("F0053939323031 F2083230333630333331 5F5108E000FF8131FE4514"))
    chip.select(chips.ISSUER)
    assert chip.ask("00 CA 00 F0 00").data == b"99201"
    assert chip.ask("80 CA 00 F2 00").data == b"\xf2\x0820360331"
    assert chip.ask("00 CA 5F 51 00").data.hex() == "e000ff8131fe4514"


def test_other_domains_store_no_such_objects() -> None:
    chip = chips.active().chip("city")
    chip.select(chips.CITY_DOMAIN)
    say(chip.scp03(chips.CITY_KEYS), 0x80, 0xE2, 0x90, 0x00, b"\xf0\x0599201", sw=0x6A80)
