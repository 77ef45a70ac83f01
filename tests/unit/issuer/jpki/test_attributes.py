"""The four items in a certificate: substitutes, eras, and the way there and back."""

from __future__ import annotations

import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID
from hypothesis import given, settings
from hypothesis import strategies as st

from jukicard.issuer.errors import CertificateProfileError
from jukicard.issuer.jpki.attributes import ResidentAttributes, encode_birth, substitute
from jukicard.issuer.records.resident import RecordRules, load_json
from tests.support.issued import RECORD
from tests.support.jpki import ATTRIBUTES, FIRST, rsa_key

BEGIN = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "written", "flags"),
    [
        ("見本　太郎", "見本　太郎", "00000"),
        ("髙橋　誠", "高橋　誠", "1000"),  # U+9AD9 is in neither JIS X 0208 nor JIS X 0212
        ("葛\U000e0101西", "葛西", "10"),  # another shape of 葛, by a variation selector
        ("德川", "徳川", "10"),
        ("濵邉", "濵邉", "00"),  # U+6FF5 is JIS X 0212's
        ("\ue000田", "●田", "10"),  # 外字
        ("１－２ 3-4～", "１－２ 3-4～", "00000000"),
        ("ﾀﾛｳ", "ﾀﾛｳ", "000"),
        ("𠀋", "●", "1"),
        ("\ufe00一", "一", "0"),
    ],
)
def test_substitutes(text: str, written: str, flags: str) -> None:
    assert substitute(text) == (written, flags)


@given(st.text(max_size=40))
def test_each_character_has_its_flag_and_only_jis_is_written(text: str) -> None:
    written, flags = substitute(text)
    assert len(written) == len(flags)
    assert substitute(written) == (written, "0" * len(written))


@pytest.mark.parametrize(
    ("day", "written"),
    [
        (dt.date(1912, 7, 29), "119120729"),
        (dt.date(1912, 7, 30), "219120730"),
        (dt.date(1965, 4, 3), "319650403"),
        (dt.date(1989, 1, 7), "319890107"),
        (dt.date(1989, 1, 8), "419890108"),
        (dt.date(2019, 5, 1), "520190501"),
        (dt.date(1872, 12, 31), "018721231"),
    ],
)
def test_birth_dates_have_their_eras_number(day: dt.date, written: str) -> None:
    assert encode_birth(day) == written


@given(st.dates(dt.date(1850, 1, 1), dt.date(2100, 1, 1)))
def test_a_birth_date_is_read_back(day: dt.date) -> None:
    items = ResidentAttributes("a", "0", "3", encode_birth(day), "b", "0")
    assert items.birth_date == day


def test_a_birth_date_that_is_not_known_is_no_day() -> None:
    assert ResidentAttributes("a", "0", "1", "319650000", "b", "0").birth_date is None


def test_a_record_becomes_the_items_of_its_certificate() -> None:
    record = load_json(RECORD, RecordRules(FIRST))
    items = ResidentAttributes.from_record(record)
    assert (items.sex, items.birth_date) == ("1", record.birth_date)
    assert (items.name, set(items.name_substituted)) == (record.name, {"0"})
    assert record.name not in repr(items)
    assert record.address not in repr(items)


def test_they_are_read_from_the_certificate(leaf: bytes) -> None:
    assert ResidentAttributes.read(leaf) == ATTRIBUTES


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(TEXT, TEXT, st.sampled_from("123"), st.from_regex(r"[0-5][0-9]{8}", fullmatch=True))
@settings(max_examples=25, deadline=None)
def test_any_items_come_back(name: str, address: str, sex: str, birth: str) -> None:
    flags = ["".join("01"[ord(char) % 2] for char in text) for text in (name, address)]
    items = ResidentAttributes(name, flags[0], sex, birth, address, flags[1])
    encoded = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, items.encode())
    assert ResidentAttributes.read(bare(encoded)) == items


def bare(*extensions: x509.ExtensionType) -> bytes:
    """A certificate with these extensions only."""
    name = x509.Name([])
    builder = x509.CertificateBuilder(name, name, rsa_key("ca").public_key(), 1, BEGIN, BEGIN)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(rsa_key("ca"), SHA256()).public_bytes(Encoding.DER)


def names(*drop: int) -> list[x509.OtherName]:
    """The six names in a certificate's order, without those."""
    from_der = x509.load_der_x509_certificate(
        bare(x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, ATTRIBUTES.encode()))
    )
    value = from_der.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [name for number, name in enumerate(value.get_values_for_type(x509.OtherName)) if number not in drop]


def test_the_six_stand_in_the_order_of_real_certificates() -> None:
    assert [name.type_id.dotted_string.rpartition(".")[2] for name in names()] == ["1", "4", "3", "5", "2", "6"]
    assert all(name.type_id.dotted_string.startswith("1.2.392.200149.8.5.5.") for name in names())
    assert {name.value[0] for name in names()} == {0x0C}  # UTF8String


@pytest.mark.parametrize("number", range(6))
def test_a_certificate_that_lacks_one_or_has_it_twice_is_refused(number: int) -> None:
    for wrong in (names(number), [*names(), names()[number]]):
        with pytest.raises(CertificateProfileError, match="four items"):
            ResidentAttributes.read(bare(x509.SubjectAlternativeName(wrong)))


def test_what_is_no_text_is_refused() -> None:
    oid = names()[0].type_id
    for value in (b"\x0c\x02\xff\xff", b"\x02\x01\x05"):
        wrong = x509.SubjectAlternativeName([x509.OtherName(oid, value), *names(0)])
        with pytest.raises(CertificateProfileError, match="cannot be read"):
            ResidentAttributes.read(bare(wrong))
    with pytest.raises(CertificateProfileError, match="not there"):
        ResidentAttributes.read(bare())


@pytest.mark.parametrize(
    "wrong",
    [
        ("名", "00", "1", "319650403", "所", "0"),
        ("名", "2", "1", "319650403", "所", "0"),
        ("", "", "1", "319650403", "所", "0"),
        ("名", "0", "0", "319650403", "所", "0"),
        ("名", "0", "1", "619650403", "所", "0"),
        ("名", "0", "1", "3650403", "所", "0"),
        ("名", "0", "1", "319650403", "所", ""),
    ],
)
def test_other_forms_are_refused(wrong: tuple[str, ...]) -> None:
    with pytest.raises(CertificateProfileError):
        ResidentAttributes(*wrong)
