"""EXTERNAL and INTERNAL AUTHENTICATE: challenges, proofs, tries, and in which session they count."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jukicard.card.security.conditions import Facts, holds
from jukicard.iso7816.access import SessionKey
from jukicard.iso7816.apdu import ResponseAPDU
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.tlv import Tlv
from jukicard.securechannel.kdf import aes_cmac
from jukicard.securechannel.keyproof import external_message, internal_message
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
    PASSWORD_VALUE,
    PRIVATE,
    SIGNATURE_KEY,
    challenge,
    proof,
    prove,
    rules,
)


@pytest.fixture
def chip() -> Chip:
    return folders.furnished()


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
    for size in (0, 7, 256):
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


@pytest.mark.parametrize("ins", [0x82, 0x88])
def test_keys_have_the_references_81_to_9f(chip: Chip, ins: int) -> None:
    for reference, sw in ((0x80, 0x6A86), (0x81, 0x6A88), (0x9F, 0x6A88), (0xA0, 0x6A86), (0x01, 0x6A86)):
        assert say(chip, 0, ins, 0, reference, bytes(16)).sw == sw
    assert say(chip, 0, ins, 0, 0, bytes(16)).sw == 0x6985  # no environment names one
