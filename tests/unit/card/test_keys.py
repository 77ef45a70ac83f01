"""EXTERNAL and INTERNAL AUTHENTICATE, security environments, signatures; how keys and passwords are made."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.applets.folder.client import FolderClient, is_signature
from jukicard.card.access import Facts, holds
from jukicard.card.keypairs import from_scalar
from jukicard.iso7816.access import SessionKey
from jukicard.iso7816.apdu import ResponseAPDU
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.tlv import Tlv, parse_one
from jukicard.securechannel.kdf import aes_cmac
from jukicard.securechannel.keyproof import external_message, internal_message
from jukicard.securechannel.scp11 import decode_point
from tests.support import chips, folders
from tests.support.chips import Chip, say
from tests.support.folders import (
    ALWAYS,
    BLOCKED_KEY,
    FOLDER,
    KEY,
    KEY_VALUE,
    KEYED,
    OWNER,
    PASSWORD,
    PASSWORD_VALUE,
    PRIVATE,
    SCALAR,
    SIGNATURE_KEY,
    URL,
    rules,
)

DIGEST = hashlib.sha256(b"a message").digest()


@pytest.fixture
def chip() -> Chip:
    return folders.furnished()


def challenge(connection: CardConnection, size: int | None = 16) -> bytes:
    return say(connection, 0, 0x84, ne=size, sw=0x9000).data


def proof(value: bytes, reference: int = KEY, key: bytes = KEY_VALUE) -> bytes:
    return aes_cmac(key, external_message(bytes(FOLDER), reference, value))


def prove(connection: CardConnection, cryptogram: bytes, reference: int = KEY) -> int:
    return say(connection, 0, 0x82, 0, reference, cryptogram).sw


def keyed(connection: CardConnection) -> int:
    """Whether the file that wants the key is read."""
    return say(connection, 0, 0xB0, 0x80 | KEYED, 0).sw


# --- EXTERNAL AUTHENTICATE


def test_a_proved_key_opens_what_its_rule_guards(chip: Chip) -> None:
    assert keyed(chip) == 0x6982
    assert prove(chip, proof(challenge(chip))) == 0x9000
    assert keyed(chip) == 0x9000
    folders.client(chip)
    assert keyed(chip) == 0x6982


@pytest.mark.parametrize("size", [None, 8, 16, 255, 256])
def test_challenges_of_8_bytes_and_more(chip: Chip, size: int | None) -> None:
    value = challenge(chip, size)
    assert len(value) == (size or 8)
    assert prove(chip, proof(value)) == 0x9000


@pytest.mark.parametrize("size", [1, 4, 7])
def test_a_shorter_one_is_none_and_takes_the_place_of_the_one_before(chip: Chip, size: int) -> None:
    long = challenge(chip)
    short = challenge(chip, size)
    before = chip.cells
    assert prove(chip, proof(short)) == 0x6985
    assert prove(chip, proof(long)) == 0x6985
    assert chip.cells == before


def test_a_challenge_answers_for_one_command_whatever_becomes_of_it(chip: Chip) -> None:
    value = challenge(chip)
    assert prove(chip, proof(value)) == 0x9000
    assert prove(chip, proof(value)) == 0x6985  # replayed
    for reference, sw in ((0x99, 0x6A88), (BLOCKED_KEY, 0x6983), (0x00, 0x6985)):  # the environment names no key
        value = challenge(chip)
        assert prove(chip, proof(value, reference), reference) == sw
        assert prove(chip, proof(value)) == 0x6985
    value = challenge(chip)
    assert prove(chip, bytes(16)) == 0x63C2
    assert prove(chip, proof(value)) == 0x6985
    value = challenge(chip)
    assert prove(chip, proof(value)) == 0x9000


def test_other_commands_leave_the_challenge_and_a_new_one_takes_its_place(chip: Chip) -> None:
    first = challenge(chip)
    say(chip, 0, 0xB0, 0x81, 0, sw=0x9000)
    say(chip, 0, 0xA4, 0x00, 0x0C, b"\x0a\x00", sw=0x9000)
    say(chip, 0, 0x88, 0, KEY, bytes(8), sw=0x9000)
    assert prove(chip, b"short") == 0x6700  # not even the form of the command
    assert prove(chip, proof(first)) == 0x9000
    first = challenge(chip)
    second = challenge(chip)
    assert prove(chip, proof(first)) == 0x63C2
    second = challenge(chip)
    assert prove(chip, proof(second)) == 0x9000


def test_what_forgets_a_challenge(chip: Chip) -> None:
    def reset() -> None:
        chip.reset()
        chip.select(FOLDER)

    def through_another_channel() -> None:
        chip.open_channel(1)
        assert chip.ask("01 84 00 00 10").sw == 0x9000

    def by_a_session() -> None:
        chip.scp03(chips.CITY_KEYS)

    for forget in (reset, lambda: chip.select(FOLDER), by_a_session):
        value = challenge(chip)
        forget()
        before = chip.cells
        assert prove(chip, proof(value)) == 0x6985
        assert chip.cells == before
    chip.select(FOLDER)
    value = challenge(chip)
    through_another_channel()
    assert prove(chip, proof(value)) == 0x9000  # each channel has its own


def test_a_challenge_goes_with_its_channel() -> None:
    chip = folders.furnished()
    chip.reset()
    chip.open_channel(1)
    chip.select(FOLDER, 1)
    value = chip.ask("01 84 00 00 10").data
    assert chip.ask("00 70 80 01").sw == 0x9000
    chip.open_channel(1)
    chip.select(FOLDER, 1)
    assert say(chip, 1, 0x82, 0, KEY, proof(value)).sw == 0x6985


def test_wrong_proofs_are_counted_durably_and_lose_what_was_proved(chip: Chip) -> None:
    assert prove(chip, proof(challenge(chip))) == 0x9000
    challenge(chip)
    assert prove(chip, bytes(16)) == 0x63C2
    assert keyed(chip) == 0x6982
    again = Chip(chip.cells, 2)
    again.select(FOLDER)
    answers = []
    for _ in range(3):
        challenge(again)
        answers.append(prove(again, bytes(16)))
    assert answers == [0x63C1, 0x63C0, 0x6983]
    assert prove(again, proof(challenge(again))) == 0x6983
    folders.owner(again).import_secret_key(KEY, KEY_VALUE)
    folders.client(again)
    assert prove(again, proof(challenge(again))) == 0x9000


def test_a_try_is_spent_before_the_comparison(chip: Chip) -> None:
    value = challenge(chip)
    chip.store.commits.clear()
    assert prove(chip, proof(value)) == 0x9000
    (spent, durable), (restored, relaxed) = chip.store.commits
    assert (list(spent.values()), durable) == ([b"\x02"], True)
    assert (list(restored.values()), relaxed) == ([b"\x03"], False)
    chip.store.cut = lambda _number: True
    assert prove(chip, proof(challenge(chip))) == 0x6581
    assert keyed(chip) != 0x9000


@pytest.mark.parametrize(
    "forged",
    [
        lambda value: aes_cmac(KEY_VALUE, value),
        lambda value: aes_cmac(KEY_VALUE, internal_message(bytes(FOLDER), KEY, value)),
        lambda value: proof(value, KEY + 1),
        lambda value: aes_cmac(KEY_VALUE, external_message(bytes(chips.LIBRARY), KEY, value)),
        lambda value: proof(value, key=bytes(16)),
        lambda value: proof(value)[:15] + b"\0",
    ],
    ids=["bare", "the card's own direction", "another reference", "another application", "another key", "a byte"],
)
def test_only_the_message_itself_is_taken(chip: Chip, forged: Callable[[bytes], bytes]) -> None:
    assert prove(chip, forged(challenge(chip))) == 0x63C2


def test_the_cards_own_proof_is_never_one_for_it(chip: Chip) -> None:
    value = challenge(chip)
    reflected = say(chip, 0, 0x88, 0, KEY, value, 256, sw=0x9000).data
    assert prove(chip, reflected) == 0x63C2


def test_a_proof_in_the_clear_beside_a_session_counts_for_neither(chip: Chip) -> None:
    session = chip.scp03(chips.CITY_KEYS)
    assert prove(chip, proof(challenge(chip))) == 0x9000
    assert keyed(session) == 0x6982
    assert keyed(chip) == 0x6982
    assert prove(session, proof(challenge(session))) == 0x9000
    assert keyed(session) == 0x9000
    assert keyed(chip) == 0x6982
    session = chip.scp03(chips.CITY_KEYS)
    assert keyed(session) == 0x6982


def test_a_challenge_belongs_to_its_session(chip: Chip) -> None:
    """Somebody who asks for one in the clear makes the session's proof fail, and costs it no try."""
    session = chip.scp03(chips.CITY_KEYS)
    value = challenge(session)
    other = challenge(chip)
    before = chip.cells
    assert prove(session, proof(value)) == 0x6985
    challenge(session)
    assert prove(chip, proof(other)) == 0x6985
    assert chip.cells == before


def test_a_password_in_the_clear_beside_a_session_counts_for_neither(chip: Chip) -> None:
    session = chip.scp03(chips.CITY_KEYS)
    assert chips.verify(chip, PASSWORD_VALUE) == 0x9000
    assert say(session, 0, 0xB0, 0x80 | PRIVATE, 0).sw == 0x6982
    assert say(chip, 0, 0xB0, 0x80 | PRIVATE, 0).sw == 0x6982
    assert chips.verify(session, PASSWORD_VALUE) == 0x9000
    assert say(session, 0, 0xB0, 0x80 | PRIVATE, 0).sw == 0x9000


def test_nothing_proved_in_an_unfinished_handshake_counts(chip: Chip) -> None:
    assert say(chip, 0x80, 0x50, 0, 0, bytes(8), sw=0x9000)
    assert prove(chip, proof(challenge(chip))) == 0x9000
    assert keyed(chip) == 0x6982


def test_one_condition_for_sessions_and_for_keys() -> None:
    assert holds(SessionKey(0x91), Facts(authenticated=frozenset((0x91,))))
    assert not holds(SessionKey(0x91), Facts(authenticated=frozenset((0x92,)), session_key=0x11))
    assert not holds(SessionKey(0x11), Facts(authenticated=frozenset((0x91,))))


# --- INTERNAL AUTHENTICATE


def test_the_card_proves_its_key(chip: Chip) -> None:
    for size in (8, 16, 255):
        value = bytes(size)
        answer = say(chip, 0, 0x88, 0, KEY, value, 256)
        assert answer == ResponseAPDU(aes_cmac(KEY_VALUE, internal_message(bytes(FOLDER), KEY, value)))
    for size in (0, 7):
        assert say(chip, 0, 0x88, 0, KEY, bytes(size)).sw == 0x6700
    assert say(chip, 0, 0x88, 0, BLOCKED_KEY, bytes(8)).sw == 0x6982
    assert say(chip, 0, 0x88, 0, SIGNATURE_KEY, bytes(8)).sw == 0x6A88


def test_keys_for_one_direction_only() -> None:
    chip = folders.empty()
    folder = folders.owner(chip)
    anybody = rules((0x82, ALWAYS), (0x88, ALWAYS), (0xDB, OWNER)).encode()
    for reference, usage in ((0x85, b"\x80"), (0x86, b"\x40")):
        template = Tlv.build(0xA4, Tlv(0x83, bytes((reference,))), Tlv(0x95, usage))
        data = Tlv.build(0x62, template, Tlv(0x80, b"\x03"), Tlv(0xAB, anybody)).encode()
        say(folder.connection, 0, 0xDB, 0x3F, 0xFF, data, sw=0x9000)
        assert say(folder.connection, 0, 0x88, 0, reference, bytes(8)).sw == (0x6984 if usage == b"\x40" else 0x6985)
        folder.import_secret_key(reference, KEY_VALUE)
    chip.select(FOLDER)
    assert prove(chip, proof(challenge(chip), 0x85), 0x85) == 0x9000
    assert prove(chip, proof(challenge(chip), 0x86), 0x86) == 0x6985
    assert say(chip, 0, 0x88, 0, 0x85, bytes(8)).sw == 0x6985
    assert say(chip, 0, 0x88, 0, 0x86, bytes(8)).sw == 0x9000


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


# --- signatures and key pairs


def test_signatures(chip: Chip) -> None:
    set_environment(chip, 0x41, 0xB6, "840193")
    signature = sign(chip).data
    assert is_signature(from_scalar(SCALAR).public_key(), signature, DIGEST)
    assert not is_signature(from_scalar(SCALAR).public_key(), signature, bytes(32))
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
    assert is_signature(key, sign(chip).data, DIGEST)


def test_a_key_pair_is_generated_or_imported_once(chip: Chip) -> None:
    folder = folders.owner(chip)
    reading = bytes.fromhex("B603840195")
    folder.make_signature_key(0x95, rules((0x47, OWNER), (0xDB, OWNER), (0x2A, ALWAYS)))
    assert say(folder.connection, 0, 0x47, 0x81, 0, reading).sw == 0x6984
    key = folder.generate_signature_key(0x95)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert is_signature(key, folder.sign(0x95, DIGEST), DIGEST)
    assert say(folder.connection, 0, 0x47, 0x80, 0, reading).sw == 0x6985
    for reference in (0x95, SIGNATURE_KEY):
        before = chip.cells
        assert put(folder, import_of(0xB6, 0x84, reference, SCALAR)) == 0x6985
        assert chip.cells == before
    assert say(chip, 0, 0x47, 0x80, 0, bytes.fromhex("B603840193")).sw == 0x6982


# --- how passwords and keys are made


def put(folder: FolderClient | Chip, data: bytes) -> int:
    connection = folder.connection if isinstance(folder, FolderClient) else folder
    return say(connection, 0, 0xDB, 0x3F, 0xFF, data).sw


def import_of(tag: int, name: int, reference: int, value: bytes, length: int | None = None) -> bytes:
    template = Tlv.build(tag, Tlv(name, bytes((reference,))))
    lengths = Tlv(0x7F48, bytes((0x92, len(value) if length is None else length)))
    return Tlv.build(0x4D, template, lengths, Tlv(0x5F48, value)).encode()


def test_only_the_owner_makes_and_imports(chip: Chip) -> None:
    before = chip.cells
    made = bytes.fromhex("62 0D A406 830185 950108 80 03 040803")
    assert put(chip, made) == 0x6982
    assert put(chip, import_of(0xA4, 0x83, KEY, bytes(16))) == 0x6982
    assert put(chip, import_of(0xB6, 0x84, SIGNATURE_KEY, SCALAR)) == 0x6982
    assert chip.cells == before
    assert put(folders.owner(chip), made) == 0x9000


def test_a_keys_value_comes_encrypted_whatever_its_rule_says() -> None:
    chip = folders.empty()
    folder = folders.owner(chip)
    folder.make_secret_key(0x85, 3, rules((0xDB, ALWAYS), (0x88, ALWAYS)))
    chip.select(FOLDER)
    assert put(chip, import_of(0xA4, 0x83, 0x85, KEY_VALUE)) == 0x6982
    session = chip.scp03(chips.CITY_KEYS, level=0x11)
    data = import_of(0xA4, 0x83, 0x85, KEY_VALUE)
    assert say(session, 0, 0xDB, 0x3F, 0xFF, data).sw == 0x6982
    assert say(chip, 0, 0x88, 0, 0x85, bytes(8)).sw == 0x6984
    chip.select(FOLDER)
    session = chip.scp03(chips.CITY_KEYS, level=0x03)
    assert say(session, 0, 0xDB, 0x3F, 0xFF, data).sw == 0x9000


@pytest.mark.parametrize("size", [16, 24, 32])
def test_sizes_of_secret_keys(size: int) -> None:
    chip = folders.empty()
    folder = folders.owner(chip)
    folder.make_secret_key(0x85, 3, rules((0xDB, OWNER), (0x88, ALWAYS), (0x82, ALWAYS)))
    for wrong in (0, 8, 15, 17, 33):
        assert put(folder, import_of(0xA4, 0x83, 0x85, bytes(wrong))) == 0x6A80
    folder.import_secret_key(0x85, bytes(size))
    folder.authenticate_card(0x85, bytes(size), bytes(16))
    folder.prove_key(0x85, bytes(size))


@pytest.mark.parametrize(
    "data",
    [
        "62 00",
        "62 0D A406 830180 950108 80 03 040803",
        "62 0D A406 8301A0 950108 80 03 040803",
        "62 0D A406 830101 950108 80 03 040803",
        "62 0D A406 830185 950118 80 03 040803",
        "62 0D A406 840185 950108 80 03 040803",
        "62 0A A403 830185 80 03 040803",
        "62 08 A406 830185 950108",
        "62 0C A406 830185 950108 80 02 0408",
        "62 0D A406 830185 950108 80 03 000803",
        "62 0D A406 830185 950108 80 03 090803",
        "62 0D A406 830185 950108 80 03 044103",
        "62 0D A406 830185 950108 80 03 040800",
        "62 0D A406 830185 950108 80 03 040810",
        "62 0F A406 830185 950108 80 03 040803 8100",
        "62 0B A406 830185 950180 80 01 00",
        "62 0B A406 830185 950180 80 01 10",
        "62 0D A406 830185 950180 80 03 040803",
        "62 0E A406 830185 950180 80 01 03 81 01 30",
        "62 08 A406 830185 950180",
        "62 08 B606 830185 950140",
        "62 08 B606 840185 950180",
        "62 0B B606 840185 950140 80 01 03",
        "62 10 B606 840185 950140 A406 830185 950140",
        "62 0B B606 840185 950140 AB01FF",
        "62 0B B606 840185 950140 84 01 00",
        "63 00",
    ],
)
def test_what_is_no_password_and_no_key_is_6a80(chip: Chip, data: str) -> None:
    folder = folders.owner(chip)
    before = chip.cells
    assert put(folder, bytes.fromhex(data)) == 0x6A80
    assert chip.cells == before


@pytest.mark.parametrize(
    ("data", "sw"),
    [
        (import_of(0xA4, 0x83, 0x99, bytes(16)), 0x6A88),
        (import_of(0xB6, 0x84, 0x99, SCALAR), 0x6A88),
        (import_of(0xA4, 0x83, SIGNATURE_KEY, bytes(16)), 0x6A88),
        (import_of(0xA4, 0x84, KEY, bytes(16)), 0x6A80),
        (import_of(0xB8, 0x84, KEY, bytes(16)), 0x6A80),
        (import_of(0xA4, 0x83, KEY, bytes(16), 15), 0x6A80),
        (bytes.fromhex("4D 05 A403 830191"), 0x6A80),
        (bytes.fromhex("4D 0B A403 830191 7F48029200 5F4800")[:-1], 0x6A80),
    ],
)
def test_imports_that_are_refused(chip: Chip, data: bytes, sw: int) -> None:
    folder = folders.owner(chip)
    before = chip.cells
    assert put(folder, data) == sw
    assert chip.cells == before


@pytest.mark.parametrize("scalar", [bytes(32), b"\xff" * 32, bytes(31), bytes(33)], ids=["zero", "large", "31", "33"])
def test_scalars_that_are_none(chip: Chip, scalar: bytes) -> None:
    folder = folders.owner(chip)
    folder.make_signature_key(0x95, rules((0xDB, OWNER)))
    assert put(folder, import_of(0xB6, 0x84, 0x95, scalar)) == 0x6A80


def test_a_reference_is_taken_once_whatever_it_is(chip: Chip) -> None:
    folder = folders.owner(chip)
    before = chip.cells
    for reference in (PASSWORD, KEY, SIGNATURE_KEY):
        for head in ("62 0D A406 8301{:02X} 950108 80 03 040803", "62 0B A406 8301{:02X} 950180 80 01 03"):
            assert put(folder, bytes.fromhex(head.format(reference))) == 0x6A89
        assert put(folder, bytes.fromhex(f"62 08 B606 8401{reference:02X} 950140")) == 0x6A89
    assert chip.cells == before


def test_a_password_with_an_alphabet(chip: Chip) -> None:
    folder = folders.owner(chip)
    rule = rules((0x20, ALWAYS), (0x24, OWNER)).encode()
    template = bytes.fromhex("A406 830185 950108 8003 040603 8102 6162")
    data = Tlv.build(0x62, template, Tlv(0xAB, rule)).encode()
    assert put(folder, data) == 0x9000
    for wrong in (b"abc", b"abcd", b"1234", b"aaaaaaa"):
        assert say(folder.connection, 0, 0x24, 0x01, 0x85, wrong).sw == 0x6A80
    assert say(folder.connection, 0, 0x24, 0x01, 0x85, b"abba").sw == 0x9000
    assert say(chip, 0, 0x20, 0x00, 0x85, b"abba").sw == 0x9000


def test_keys_and_passwords_count_against_the_quota() -> None:
    chip = folders.empty(b"\x80\x01\x50")
    folder = folders.owner(chip)
    folder.make_password(0x81, 4, 8, 3, rules((0x20, ALWAYS)))
    before = chip.cells
    assert put(folder, bytes.fromhex("62 0B A406 830185 950180 80 01 03")) == 0x6A84
    assert chip.cells == before


# --- data objects


def test_data_objects_are_put_got_and_removed(chip: Chip) -> None:
    folder = folders.owner(chip)
    before = chip.cells
    for tag, value in ((0x00C2, b"a"), (0x5F51, b"long" * 100), (0x7F60, bytes.fromhex("800101"))):
        folder.put_data_object(tag, value)
        assert folder.data_object(tag) == value
        assert chip.ask(bytes((0, 0xCA, tag >> 8, tag & 0xFF, 0, 0, 0))).data == value
        folder.put_data_object(tag, b"\x80\x00")
        assert folder.data_object(tag) == b"\x80\x00"
        folder.put_data_object(tag, b"")
        assert chip.ask(bytes((0, 0xCA, tag >> 8, tag & 0xFF))).sw == 0x6A88
    assert chip.cells == {**before, **{cell: value for cell, value in chip.cells.items() if "/seq/" in cell}}


def test_the_rules_of_the_application_are_those_of_its_data_objects(chip: Chip) -> None:
    before = chip.cells
    assert say(chip, 0, 0xDA, 0x00, 0xC2, b"x").sw == 0x6982
    assert say(chip, 0, 0xDA, URL >> 8, URL & 0xFF).sw == 0x6982
    assert chip.cells == before
    assert say(chip, 0, 0xDA, 0x00, 0xC1, b"x").sw == 0x9000  # this one tag is anybody's
    assert say(chip, 0, 0xCA, 0x00, 0xC1, ne=256) == ResponseAPDU(b"x")


@pytest.mark.parametrize("tag", [0x0000, 0x003F, 0x00FF, 0x0100, 0x0200, 0x3FFF, 0x4000, 0x6E01, 0x5F80, 0xFFFF])
def test_what_is_no_tag(chip: Chip, tag: int) -> None:
    folder = folders.owner(chip)
    assert say(chip, 0, 0xCA, tag >> 8, tag & 0xFF).sw == 0x6A86
    assert say(folder.connection, 0, 0xDA, tag >> 8, tag & 0xFF, b"x").sw == 0x6A86


def test_a_constructed_object_holds_objects(chip: Chip) -> None:
    folder = folders.owner(chip)
    for tag in (0x0073, 0x7F60):
        assert say(folder.connection, 0, 0xDA, tag >> 8, tag & 0xFF, b"\x80\x05x").sw == 0x6A80
        assert say(folder.connection, 0, 0xDA, tag >> 8, tag & 0xFF, b"\x80\x01x").sw == 0x9000


def test_a_tag_list_gets_whole_objects(chip: Chip) -> None:
    url, environment = b"https://folder.example/", bytes.fromhex("800101A4068301919501C0B603840193")

    def get(tags: str) -> ResponseAPDU:
        data = bytes.fromhex(tags)
        return say(chip, 0, 0xCB, 0x3F, 0xFF, data, 256)

    assert get("5C 02 5F50").data == b"\x5f\x50" + bytes((len(url),)) + url
    both = Tlv(0x7B, environment).encode() + Tlv(0x5F50, url).encode()
    assert get("5C 03 7B 5F50").data == both
    assert get("5C 05 C2 7B C3 5F50").data == both
    assert get("5C 01 C2").sw == 0x6A88
    for wrong in ("5C 02 5F", "5D 01 7B", "5C 02 5F80", "5C 01 00", "5C 01 7B 00"):
        assert get(wrong).sw == 0x6A80
    assert say(chip, 0, 0xCB, 0x2F, 0x00, b"\x5c\x01\x7b").sw == 0x6A86


def test_data_objects_count_against_the_quota() -> None:
    chip = folders.empty(b"\x80\x02\x00\x40")
    folder = folders.owner(chip)
    folder.put_data_object(0x00C1, bytes(60))
    before = chip.cells
    for tag, size in ((0x00C2, 1), (0x00C1, 61)):
        assert say(folder.connection, 0, 0xDA, 0, tag, bytes(size)).sw == 0x6A84
    assert chip.cells == before
    folder.put_data_object(0x00C1, bytes(10))
    folder.put_data_object(0x00C2, bytes(40))
