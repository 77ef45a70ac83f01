"""MANAGE SECURITY ENVIRONMENT, signatures, key pairs."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.card.security.keypairs import from_scalar
from jukicard.iso7816.apdu import ResponseAPDU
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.tlv import parse_one
from jukicard.securechannel.scp11 import decode_point, encode_point
from jukicard.securechannel.signatures import HASHED, is_signed_by
from tests.support import chips, folders
from tests.support.chips import Chip, say
from tests.support.folders import (
    ALWAYS,
    FOLDER,
    OWNER,
    PASSWORD_VALUE,
    SCALAR,
    SIGNATURE_KEY,
    challenge,
    import_of,
    proof,
    prove,
    put,
    rules,
)

DIGEST = hashlib.sha256(b"a message").digest()


@pytest.fixture
def chip() -> Chip:
    return folders.furnished()


# --- MANAGE SECURITY ENVIRONMENT


def set_environment(connection: CardConnection, p1: int, template: int, objects: str) -> int:
    return say(connection, 0, 0x22, p1, template, bytes.fromhex(objects)).sw


def sign(connection: CardConnection) -> ResponseAPDU:
    return say(connection, 0, 0x2A, 0x9E, 0x9A, DIGEST, 256)


def test_set_names_the_keys_that_are_used(chip: Chip) -> None:
    assert sign(chip).sw == 0x6985
    assert set_environment(chip, 0x41, 0xB6, "840193") == 0x9000
    assert sign(chip).sw == 0x9000
    assert prove(chip, proof(challenge(chip)), 0) == 0x6985
    assert set_environment(chip, 0x81, 0xA4, "830191") == 0x9000
    assert prove(chip, proof(challenge(chip)), 0) == 0x9000
    assert say(chip, 0, 0x88, 0, 0, bytes(8)).sw == 0x6985
    assert set_environment(chip, 0x41, 0xA4, "840191") == 0x9000
    assert say(chip, 0, 0x88, 0, 0, bytes(8)).sw == 0x9000
    assert sign(chip).sw == 0x9000  # what was set before is kept
    assert set_environment(chip, 0xC1, 0xA4, "830192") == 0x9000
    assert say(chip, 0, 0x88, 0, 0, bytes(8)).sw == 0x6982


@pytest.mark.parametrize(
    ("p1", "template", "objects", "sw"),
    [
        (0x41, 0xB6, "840195", 0x6A88),
        (0x41, 0xB6, "840191", 0x6A88),
        (0x81, 0xA4, "830193", 0x6A88),
        (0x41, 0xB6, "800193", 0x6A80),
        (0x41, 0xB6, "8400 00", 0x6A80),
        (0x41, 0xB6, "8402 93", 0x6A80),
        (0x41, 0xB6, "", 0x6700),
        (0x41, 0xB6, "840193 00", 0x6700),
        (0x01, 0xB6, "840193", 0x6A86),
        (0x41, 0xB8, "840193", 0x6A86),
        (0xF2, 0x01, "", 0x6A86),
        (0xF4, 0x01, "", 0x6A86),
    ],
)
def test_set_refuses(chip: Chip, p1: int, template: int, objects: str, sw: int) -> None:
    set_environment(chip, 0x41, 0xB6, "840193")
    assert set_environment(chip, p1, template, objects) == sw
    assert sign(chip).sw == 0x9000


def test_restore(chip: Chip) -> None:
    assert say(chip, 0, 0x22, 0xF3, 0x01).sw == 0x9000
    assert sign(chip).sw == 0x9000
    assert prove(chip, proof(challenge(chip)), 0) == 0x9000
    assert say(chip, 0, 0x88, 0, 0, bytes(8)).sw == 0x9000
    assert say(chip, 0, 0x22, 0xF3, 0x02).sw == 0x6A88
    assert sign(chip).sw == 0x9000
    assert say(chip, 0, 0x22, 0xF3, 0x00).sw == 0x9000
    assert sign(chip).sw == 0x6985


@pytest.mark.parametrize(
    ("stored", "sw"),
    [
        ("800101 B603840193", 0x9000),
        ("800101 B606840193950140", 0x9000),
        ("800101", 0x9000),
        ("800102 B603840193", 0x6A88),
        ("810101 B603840193", 0x6A88),
        ("800101 B603840199", 0x6A88),
        ("800101 B803840193", 0x6A80),
        ("800101 B606840193960140", 0x6A80),
    ],
)
def test_restore_reads_data_object_7b(stored: str, sw: int) -> None:
    chip = folders.furnished()
    folders.owner(chip).put_data_object(0x7B, bytes.fromhex(stored))
    chip.select(FOLDER)
    assert say(chip, 0, 0x22, 0xF3, 0x01).sw == sw


def test_without_a_stored_environment_there_is_only_the_empty_one() -> None:
    chip = folders.empty()
    assert say(chip, 0, 0x22, 0xF3, 0x01).sw == 0x6A88
    assert say(chip, 0, 0x22, 0xF3, 0x00).sw == 0x9000


def test_an_environment_belongs_to_its_session_and_to_the_selection(chip: Chip) -> None:
    set_environment(chip, 0x41, 0xB6, "840193")
    session = chip.scp03(chips.CITY_KEYS)
    assert sign(session).sw == 0x6985
    set_environment(session, 0x41, 0xB6, "840193")
    assert sign(session).sw == 0x9000
    assert sign(chip).sw == 0x6985
    set_environment(chip, 0x41, 0xB6, "840194")  # somebody else, in the clear: never in the session
    assert sign(session).sw == 0x6985
    chip.select(FOLDER)
    set_environment(chip, 0x41, 0xB6, "840193")
    chip.select(FOLDER)
    assert sign(chip).sw == 0x6985


def test_an_environment_that_is_set_beside_a_session_takes_nothing_over_from_it(chip: Chip) -> None:
    session = chip.scp03(chips.CITY_KEYS)
    assert set_environment(session, 0xC1, 0xA4, "830191") == 0x9000
    assert say(session, 0, 0x88, data=bytes(8), ne=256).sw == 0x9000
    assert set_environment(chip, 0x41, 0xB6, "840193") == 0x9000
    assert sign(chip).sw == 0x9000
    assert say(chip, 0, 0x88, data=bytes(8), ne=256).sw == 0x6985


# --- signatures and key pairs


def test_signatures(chip: Chip) -> None:
    set_environment(chip, 0x41, 0xB6, "840193")
    signature = sign(chip).data
    assert is_signed_by(from_scalar(SCALAR).public_key(), signature, DIGEST, HASHED)
    assert not is_signed_by(from_scalar(SCALAR).public_key(), signature, bytes(32), HASHED)
    assert sign(chip).data == signature
    for size in (0, 20, 31, 33):
        assert say(chip, 0, 0x2A, 0x9E, 0x9A, bytes(size)).sw == 0x6700
    for p1, p2 in ((0x9E, 0x9B), (0x00, 0xA8), (0x90, 0x80), (0x80, 0x86)):
        assert say(chip, 0, 0x2A, p1, p2, DIGEST).sw == 0x6A86


def test_the_holders_key_signs_with_the_password(chip: Chip) -> None:
    set_environment(chip, 0x41, 0xB6, "840194")
    assert sign(chip).sw == 0x6982
    assert chips.verify(chip, PASSWORD_VALUE) == 0x9000
    assert sign(chip).sw == 0x9000
    answer = say(chip, 0, 0x47, 0x81, 0, bytes.fromhex("B603840194"), 256, sw=0x9000).data
    key = decode_point(parse_one(answer).children[0].value)
    assert is_signed_by(key, sign(chip).data, DIGEST, HASHED)


def test_a_key_pair_is_generated_or_imported_once(chip: Chip) -> None:
    folder = folders.owner(chip)
    reading = bytes.fromhex("B603840195")
    folder.make_signature_key(0x95, rules((0x47, OWNER), (0xDB, OWNER), (0x2A, ALWAYS)))
    assert say(folder.connection, 0, 0x47, 0x81, 0, reading).sw == 0x6984
    key = folder.generate_signature_key(0x95)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert is_signed_by(key, folder.sign(0x95, DIGEST), DIGEST, HASHED)
    assert say(folder.connection, 0, 0x47, 0x80, 0, reading).sw == 0x6985
    for reference in (0x95, SIGNATURE_KEY):
        before = chip.cells
        assert put(folder, import_of(0xB6, 0x84, reference, SCALAR)) == 0x6985
        assert chip.cells == before
    assert say(chip, 0, 0x47, 0x80, 0, bytes.fromhex("B603840193")).sw == 0x6982


@pytest.mark.parametrize(
    "name",
    ["A403 840193", "B603 830193", "B602 8400", "B604 84020093", "B606 840193 840194", "B603840193 00", "B6", "00"],
)
@pytest.mark.parametrize("p1", [0x80, 0x81])
def test_a_key_pair_is_named_in_one_way_only(chip: Chip, p1: int, name: str) -> None:
    folder = folders.owner(chip)
    assert say(folder.connection, 0, 0x47, p1, 0, bytes.fromhex(name)).sw == 0x6A80


def test_a_public_key_is_answered_as_the_standard_says(chip: Chip) -> None:
    answer = say(chip, 0, 0x47, 0x81, 0, bytes.fromhex("B603840193"), 256, sw=0x9000).data
    assert answer == bytes.fromhex("7F4943 8641") + encode_point(from_scalar(SCALAR).public_key())
