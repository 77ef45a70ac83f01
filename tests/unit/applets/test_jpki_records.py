"""The contents of the JPKI application's EFs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jukicard.applets.jpki.layout import Profile, Usage
from jukicard.applets.jpki.records import RecordError, TokenInfo, encode_presence, parse_presence

TEXT = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=32)
"""Printable ASCII without the blank, which fills the fields up."""


def test_the_token_information_byte_by_byte() -> None:
    """Offsets and values as published for EF 0006 of a real card (docs/jpki.md)."""
    content = TokenInfo("JPKIAPICCTOKEN2", "someone", "E16R01NJ", "1234567890123456").encode()
    assert len(content) == 160
    assert content[:32] == b"JPKIAPICCTOKEN2".ljust(32)
    assert content[64:80] == b"E16R01NJ".ljust(16)
    assert content[80:96] == b"1234567890123456"
    assert content[96:100].hex() == "0000040d"
    assert [int.from_bytes(content[at : at + 4]) for at in range(100, 124, 4)] == [1, 0, 1, 0, 16, 6]
    assert content[124:140] == b"\xff" * 16
    assert content[140:] == b"0301" + b"9" * 16


@given(TEXT, TEXT, TEXT.filter(lambda text: len(text) <= 16), st.from_regex("[0-9]{16}", fullmatch=True))
def test_token_information_is_read_as_it_was_written(label: str, maker: str, model: str, serial: str) -> None:
    token = TokenInfo(label, maker, model, serial)
    assert TokenInfo.parse(token.encode()) == token


@given(st.binary(max_size=200) | st.binary(min_size=160, max_size=160))
def test_reading_token_information_is_total(content: bytes) -> None:
    try:
        token = TokenInfo.parse(content)
    except RecordError:
        return
    assert token.encode()[:96] == content[:96].replace(b"\0", b" ") or b"\0" in content[:96]


@pytest.mark.parametrize("profile", Profile)
def test_a_label_names_its_profile(profile: Profile) -> None:
    assert TokenInfo.of(profile, "799201000000001").profile is profile
    assert TokenInfo("another", "", "", "").profile is None


def test_a_serial_has_15_digits() -> None:
    with pytest.raises(ValueError, match="15 digits"):
        TokenInfo.of(Profile.JUKI, "7992010000001")


@pytest.mark.parametrize(
    ("usages", "content"),
    [(set(), "000000"), ({Usage.SIGNATURE}, "8F0000"), ({Usage.AUTHENTICATION}, "008F00"), (set(Usage), "8F8F00")],
)
def test_which_certificates_there_are(usages: set[Usage], content: str) -> None:
    assert encode_presence(usages).hex().upper() == content
    assert parse_presence(bytes.fromhex(content)) == usages


@pytest.mark.parametrize("content", [b"", b"\x8f\x8f", bytes(4)])
def test_presence_has_three_bytes(content: bytes) -> None:
    with pytest.raises(RecordError):
        parse_presence(content)
