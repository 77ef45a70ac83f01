"""Headers of files, passwords and keys: the stored form, the FCP, and which rules are in force when."""

from __future__ import annotations

import pytest

from jukicard.card.errors import CardError
from jukicard.card.files.structures import FileKind, FileSpec
from jukicard.card.objects import Header, LifeCycle
from jukicard.card.security.keypairs import KeyPairs, KeyPairSpec, from_scalar, scalar
from jukicard.card.security.passwords import Passwords, PasswordSpec
from jukicard.card.store import MemoryStore
from jukicard.card.transaction import Area, Transaction, area_prefix
from jukicard.iso7816.access import NEVER, AccessMode, AccessRules, Always, ModeDo, Never
from jukicard.iso7816.tlv import Tlv

INITIAL = AccessRules(((ModeDo.modes(AccessMode.UPDATE), Always()),))
OPERATIONAL = AccessRules(((ModeDo.modes(AccessMode.READ), Never()),))


def header(life_cycle: LifeCycle) -> Header:
    return Header((Tlv(0x80, b"\x00\x10"), Tlv(0x83, b"\x00\x01")), life_cycle, INITIAL, OPERATIONAL)


@pytest.fixture
def area() -> Area:
    return Area(Transaction(MemoryStore()), area_prefix(1))


def test_the_stored_form_is_the_one_that_cards_out_there_have() -> None:
    stored = bytes.fromhex("6208 80020010 83020001 8A0105 AB05 8001029000 AB05 8001019700")
    assert header(LifeCycle.ACTIVATED).encode() == stored
    assert Header.parse(stored) == header(LifeCycle.ACTIVATED)


@pytest.mark.parametrize(
    ("life_cycle", "code", "rules"),
    [
        (LifeCycle.INITIALISATION, "03", "8001029000"),
        (LifeCycle.DEACTIVATED, "04", "8001019700"),
        (LifeCycle.ACTIVATED, "05", "8001019700"),
        (LifeCycle.TERMINATED, "0C", "8001019700"),
    ],
)
def test_the_fcp_shows_the_state_and_the_rules_in_force(life_cycle: LifeCycle, code: str, rules: str) -> None:
    """ISO/IEC 7816-4, life cycle status byte and control parameters."""
    shown = header(life_cycle)
    assert shown.fcp() == bytes.fromhex(f"6212 80020010 83020001 8A01{code} AB05 {rules}")
    assert shown.rules.encode().hex() == rules.lower()
    assert header(LifeCycle.INITIALISATION).with_life_cycle(life_cycle) == shown
    assert Header.parse(shown.encode()) == shown


def test_a_parameter_is_found_by_its_tag() -> None:
    assert header(LifeCycle.ACTIVATED).parameter(0x83) == b"\x00\x01"
    assert header(LifeCycle.ACTIVATED).parameter(0x84) is None


def test_headers_are_values_that_nobody_can_change() -> None:
    one = header(LifeCycle.ACTIVATED)
    with pytest.raises(AttributeError):
        one.life_cycle = LifeCycle.INITIALISATION  # type: ignore[misc]
    assert len({one, header(LifeCycle.ACTIVATED), header(LifeCycle.TERMINATED)}) == 2


# --- key pairs


def test_a_key_pair_is_made_once_and_found_again(area: Area) -> None:
    pairs = KeyPairs(area)
    made = pairs.create(KeyPairSpec(0x82, INITIAL, OPERATIONAL), LifeCycle.INITIALISATION)
    assert made.header == Header((Tlv(0x83, b"\x82"),), LifeCycle.INITIALISATION, INITIAL, OPERATIONAL)
    for pair in (made, pairs.by_reference(0x82)):
        assert (pair.reference, pair.header) == (0x82, made.header)
        with pytest.raises(CardError) as caught:
            pair.private_key()
        assert caught.value.sw == 0x6984
    made.store(from_scalar(b"\x00" * 31 + b"\x07"))
    assert scalar(pairs.by_reference(0x82).private_key()) == b"\x00" * 31 + b"\x07"
    with pytest.raises(CardError) as caught:
        pairs.by_reference(0x82).store(from_scalar(b"\x01" * 32))
    assert caught.value.sw == 0x6985
    assert scalar(made.private_key()) == b"\x00" * 31 + b"\x07"
    assert list(area.cells()) == ["k/82/h", "k/82/v"]


def test_a_key_pair_that_is_not_there_is_6a88(area: Area) -> None:
    with pytest.raises(CardError) as caught:
        KeyPairs(area).by_reference(0x01)
    assert caught.value.sw == 0x6A88


# --- life cycles that are kept


def test_a_life_cycle_is_kept_with_the_object(area: Area) -> None:
    pair = KeyPairs(area).create(KeyPairSpec(0x01, INITIAL, OPERATIONAL), LifeCycle.INITIALISATION)
    pair.set_life_cycle(LifeCycle.ACTIVATED)
    spec = PasswordSpec(0x81, INITIAL, OPERATIONAL, 4, 8, 3)
    password = Passwords(area).create(spec, LifeCycle.INITIALISATION)
    password.set_life_cycle(LifeCycle.TERMINATED)
    for kept, found, state in (
        (pair, KeyPairs(area).by_reference(0x01), LifeCycle.ACTIVATED),
        (password, Passwords(area).by_reference(0x81), LifeCycle.TERMINATED),
    ):
        assert kept.header == found.header
        assert found.header.life_cycle is state


# --- passwords


def test_a_password_is_what_its_parameters_say(area: Area) -> None:
    spec = PasswordSpec(0x81, INITIAL, OPERATIONAL, 2, 5, 7, alphabet=b"abc")
    stored = bytes.fromhex("620D 830181 8003020507 8103616263 8A0103 AB05 8001029000 AB05 8001019700")
    assert spec.header(LifeCycle.INITIALISATION).encode() == stored
    password = Passwords(area).create(spec, LifeCycle.INITIALISATION)
    assert (password.tries.left, password.tries.maximum, password.is_set) == (7, 7, False)
    for refused in (b"a", b"aaaaaa", b"abd", b""):
        with pytest.raises(CardError) as caught:
            password.set(refused)
        assert caught.value.sw == 0x6A80
    assert not password.is_set
    for allowed in (b"ab", b"abcab"):
        password.set(allowed)
        assert password.compare(allowed)


def test_a_candidate_of_an_impossible_length_costs_nothing_while_there_are_tries(area: Area) -> None:
    password = Passwords(area).create(PasswordSpec(1, INITIAL, OPERATIONAL, 2, 5, 2), LifeCycle.ACTIVATED)
    area.spend("p/01/v", b"123")
    for candidate in (b"1", b"123456"):
        with pytest.raises(CardError) as caught:
            password.compare(candidate)
        assert caught.value.sw == 0x6A80
    assert [password.compare(b"12"), password.compare(b"12345")] == [False, False]
    assert (password.tries.left, password.status()) == (0, 0x63C0)
    for candidate in (b"1", b"123"):
        with pytest.raises(CardError) as caught:
            password.compare(candidate)
        assert caught.value.sw == 0x6983
    password.set(b"1234")
    assert (password.tries.left, password.status()) == (2, 0x63C2)
    assert password.compare(b"1234")


def test_what_lacks_its_parameters_grants_nothing(area: Area) -> None:
    """A password whose stored header is without lengths and alphabet can be neither set nor compared."""
    bare = Header((Tlv(0x83, b"\x01"),), LifeCycle.ACTIVATED, INITIAL, OPERATIONAL)
    area.write("p/01/h", bare.encode())
    password = Passwords(area).by_reference(1)
    assert password.tries.left == 0
    with pytest.raises(CardError) as caught:
        password.set(b"1")
    assert caught.value.sw == 0x6A80


def test_what_an_object_shall_be_is_a_value_that_nobody_can_change() -> None:
    for wanted, name in (
        (KeyPairSpec(1, INITIAL, OPERATIONAL), "operational"),
        (PasswordSpec(1, INITIAL, OPERATIONAL, 4, 4, 3), "tries"),
        (FileSpec(1, FileKind.TRANSPARENT, INITIAL, OPERATIONAL), "initial"),
    ):
        assert len({wanted, wanted}) == 1
        with pytest.raises(AttributeError):
            setattr(wanted, name, NEVER)


def test_a_password_without_an_alphabet_takes_no_character(area: Area) -> None:
    bare = Header((Tlv(0x83, b"\x01"), Tlv(0x80, b"\x01\x04\x03")), LifeCycle.ACTIVATED, INITIAL, OPERATIONAL)
    area.write("p/01/h", bare.encode())
    with pytest.raises(CardError) as caught:
        Passwords(area).by_reference(1).set(b"1")
    assert caught.value.sw == 0x6A80
