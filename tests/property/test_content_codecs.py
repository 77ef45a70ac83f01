"""Approvals, load files and confirmations: what is made is read again, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jukicard.applets.gp.approval import (
    Approval,
    ApprovalError,
    read_approval,
    rom_digest,
    sign_form,
    verify_approval,
)
from jukicard.applets.gp.loadfile import Dap, DataBlock, LoadFileError, LoadFileStructure, Module
from jukicard.applets.gp.tokens import Confirmation, install_fields
from jukicard.iso7816.aid import AID
from jukicard.iso7816.limits import ALL_RIGHTS, ApplicationRight, Limits
from jukicard.iso7816.tlv import Tlv, parse_tlvs
from jukicard.securechannel.signatures import is_signed_by
from tests.support import content
from tests.support.chains import private_key

KEY, STRANGER = content.APPROVAL_KEY, private_key(3299)

aids = st.binary(min_size=5, max_size=16).map(AID)
sizes = st.integers(0, 0xFFFFFFFF)
limits = st.builds(Limits, sizes, sizes, st.integers(0, int(ALL_RIGHTS)).map(ApplicationRight))
purposes = st.text(min_size=1, max_size=8).filter(lambda text: 1 <= len(text.encode("utf-8", "replace")) <= 32)
purposes = purposes.filter(lambda text: not any(0xD800 <= ord(letter) <= 0xDFFF for letter in text))
approvals = st.builds(
    Approval,
    aids,
    st.integers(0, 0xFFFF),
    purposes,
    st.binary(min_size=32, max_size=32),
    limits,
    st.from_regex(r"\A[0-9]{5}\Z"),
)
labels = st.text("abcdefgh ", min_size=1, max_size=16)
modules = st.builds(Module, aids, labels, st.integers(0, 255), st.binary(max_size=300))
blocks = st.builds(
    DataBlock,
    st.integers(0, 0xFFFF),
    st.lists(modules, min_size=1, max_size=3, unique_by=lambda module: module.aid).map(tuple),
)
structures = st.builds(
    LoadFileStructure,
    st.lists(st.builds(Dap, aids, st.binary(max_size=70)), max_size=3).map(tuple),
    st.binary(max_size=400),
)
confirmations = st.builds(
    Confirmation,
    st.binary(min_size=16, max_size=16),
    st.integers(0, 0xFFFF),
    st.binary(max_size=20),
    st.binary(max_size=20),
)


@given(approvals)
def test_an_approval_is_read_as_it_was_made(approval: Approval) -> None:
    assert Approval.decode(parse_tlvs(approval.encode())[0]) == approval
    assert read_approval(sign_form(approval, bytes(64))) == (approval, bytes(64))


def test_an_approval_verifies_under_the_key_that_signed_it_and_no_other() -> None:
    signed = content.of_rom()
    assert verify_approval(signed, KEY.public_key()).purpose == content.PURPOSES[0]
    with pytest.raises(ApprovalError, match="does not verify"):
        verify_approval(signed, STRANGER.public_key())


def test_no_byte_of_a_signed_approval_can_be_changed() -> None:
    signed = content.of_rom()
    for position in range(len(signed)):
        for bit in (1, 0x80):
            spoilt = signed[:position] + bytes((signed[position] ^ bit,)) + signed[position + 1 :]
            with pytest.raises(ApprovalError):
                verify_approval(spoilt, KEY.public_key())
    for end in range(len(signed)):
        with pytest.raises(ApprovalError):
            read_approval(signed[:end])


def test_a_dap_signature_is_no_approval_and_an_approval_no_dap() -> None:
    """One key makes both; neither message can be taken for the other."""
    signed = content.of_rom()
    approval, signature = read_approval(signed)
    assert not is_signed_by(KEY.public_key(), signature, approval.digest)
    dap = content.signature(KEY, approval.digest)
    with pytest.raises(ApprovalError):
        verify_approval(sign_form(approval, dap), KEY.public_key())


def _altered(**changes: Tlv | None) -> bytes:
    """A signed form whose BF61 has other children."""
    approval, signature = read_approval(content.of_rom())
    children = {f"x{child.tag:02x}": child for child in parse_tlvs(approval.encode())[0].children}
    kept = [tlv for tlv in {**children, **changes}.values() if tlv is not None]
    return Tlv.build(0xBF61, *kept).encode() + Tlv(0x5F37, signature).encode()


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"\xbf\x61\0",
        content.of_rom() + b"\0",
        content.of_rom()[:-1],
        content.of_rom()[-67:] + content.of_rom()[:-67],  # the other way round
        _altered(x80=Tlv(0x80, b"\x02")),
        _altered(x4f=Tlv(0x4F, b"four")),
        _altered(x81=Tlv(0x81, b"\x01")),
        _altered(x81=Tlv(0x81, b"\0\0\1")),
        _altered(x82=Tlv(0x82, b"")),
        _altered(x82=Tlv(0x82, b"a" * 33)),
        _altered(x82=Tlv(0x82, b"\xff")),
        _altered(x83=Tlv(0x83, bytes(31))),
        _altered(x84=Tlv(0x84, bytes(9))),
        _altered(x84=Tlv(0x84, bytes(8) + b"\x04\x00")),  # a right that there is not
        _altered(x85=None),
        _altered(x86=Tlv(0x86, b"")),
    ],
)
def test_what_is_no_approval_is_refused(stored: bytes) -> None:
    with pytest.raises(ApprovalError):
        read_approval(stored)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    parsers: list[tuple[Callable[[bytes], object], type[Exception]]] = [
        (read_approval, ApprovalError),
        (DataBlock.parse, LoadFileError),
        (LoadFileStructure.parse, LoadFileError),
        (Confirmation.parse, ValueError),
    ]
    for parse, error in parsers:
        try:
            parse(data)
        except error:
            continue


def test_a_module_in_rom_is_approved_by_its_names() -> None:
    one, other = AID(b"\xf0file1"), AID(b"\xf0file2")
    digests = {rom_digest(one, one), rom_digest(one, other), rom_digest(other, one), rom_digest(other, other)}
    assert len(digests) == 4
    assert {len(digest) for digest in digests} == {32}


@given(blocks)
def test_a_data_block_is_read_as_it_was_made(block: DataBlock) -> None:
    assert DataBlock.parse(block.encode()) == block


@given(structures)
def test_a_load_file_is_read_as_it_was_made(structure: LoadFileStructure) -> None:
    assert LoadFileStructure.parse(structure.encode()) == structure
    assert LoadFileStructure((), structure.data_block).digest == structure.digest


GOOD = DataBlock(1, (Module(AID(b"\xf0one" + b"12"), "one", 1, b"code"),)).encode()


@pytest.mark.parametrize(
    "value",
    [
        b"",
        GOOD[:4],  # a version, and no module
        GOOD[4:],  # a module, and no version
        GOOD + GOOD[4:],  # two of one name
        GOOD.replace(b"\xc0\x02", b"\xc0\x01", 1),
        GOOD.replace(b"\x50\x03one", b"\x50\x00"),
        GOOD.replace(b"\x50\x03one", b"\x51\x03one"),
        GOOD.replace(b"\xc1\x01\x01", b"\xc1\x02\x00\x01"),
        GOOD[:-1],
        GOOD + b"\0",
        b"\xc0\x03\0\0\1" + GOOD[4:],
    ],
)
def test_what_is_no_data_block_is_refused(value: bytes) -> None:
    with pytest.raises(LoadFileError):
        DataBlock.parse(value)


def test_a_label_has_one_to_sixteen_bytes() -> None:
    for size in (0, 17):
        block = DataBlock(1, (Module(AID(b"\xf0one12"), "a" * size, 1, b""),))
        with pytest.raises(LoadFileError):
            DataBlock.parse(block.encode())
    block = DataBlock(1, (Module(AID(b"\xf0one12"), "a" * 16, 1, b""),))
    assert DataBlock.parse(block.encode()) == block


@pytest.mark.parametrize(
    "data",
    [
        "",
        "C5020000",
        "C4000000",
        "C400 C400",
        "E200 C400",
        "E20A 4F04AABBCCDD C30101 00 C400",
        "C400 E2094F05AABBCCDDEEC300",
    ],
)
def test_what_is_no_load_file_is_refused(data: str) -> None:
    with pytest.raises(LoadFileError):
        LoadFileStructure.parse(bytes.fromhex(data))


@given(confirmations)
def test_a_confirmation_is_read_as_it_was_made(confirmation: Confirmation) -> None:
    assert Confirmation.parse(confirmation.encode()) == confirmation


@given(st.lists(st.sampled_from((0, 1, 127, 128, 255, 256, 1000)), max_size=6))
def test_fields_of_install_have_ber_lengths(lengths: list[int]) -> None:
    joined = install_fields(*(bytes(length) for length in lengths))
    heads = sum(1 if length < 128 else 2 if length < 256 else 3 for length in lengths)
    assert len(joined) == sum(lengths) + heads
