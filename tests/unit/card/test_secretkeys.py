"""Secret keys as objects of an area: what is stored of them, and what they are for."""

from __future__ import annotations

import pytest

from jukicard.card.errors import CardError
from jukicard.card.objects import LifeCycle
from jukicard.card.security.secretkeys import EXTERNAL, INTERNAL, SecretKey, SecretKeys, SecretKeySpec
from jukicard.card.store import MemoryStore
from jukicard.card.transaction import Area, Transaction
from jukicard.iso7816.access import ALWAYS, AccessMode, AccessRules, ModeDo
from jukicard.securechannel.kdf import aes_cmac

RULES = AccessRules(((ModeDo.modes(AccessMode.READ), ALWAYS),))
VALUE, MESSAGE = bytes(range(16)), b"a message"


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def made(store: MemoryStore, usage: int = EXTERNAL | INTERNAL, tries: int = 3) -> SecretKey:
    """A key without a value."""
    transaction = Transaction(store)
    spec = SecretKeySpec(0x91, usage, tries, AccessRules(), RULES)
    SecretKeys(Area(transaction, "a/")).create(spec, LifeCycle.ACTIVATED)
    transaction.commit()
    return SecretKeys(Area(Transaction(store), "a/")).by_reference(0x91)


def test_a_key_is_found_again_as_it_was_made(store: MemoryStore) -> None:
    key = made(store)
    assert key.reference == 0x91
    assert key.header.parameter(0xA4) == bytes.fromhex("830191 9501C0")
    assert key.header.parameter(0x80) == b"\x03"
    assert key.header.life_cycle is LifeCycle.ACTIVATED
    assert key.header.rules == RULES
    assert list(store.cells()) == ["a/y/91/h"]
    with pytest.raises(CardError) as caught:
        SecretKeys(Area(Transaction(store), "a/")).by_reference(0x92)
    assert caught.value.sw == 0x6A88


def test_what_a_key_is_to_be_nobody_can_change() -> None:
    spec = SecretKeySpec(0x91, EXTERNAL, 3, AccessRules(), RULES)
    with pytest.raises(AttributeError):
        spec.tries = 15  # type: ignore[misc]


@pytest.mark.parametrize(("usage", "proves", "proved"), [(0x40, True, False), (0x80, False, True), (0xC0, True, True)])
def test_a_key_does_what_it_is_for(store: MemoryStore, usage: int, proves: bool, proved: bool) -> None:
    key = made(store, usage)
    key.set(VALUE)
    cryptogram = aes_cmac(VALUE, MESSAGE)
    for use, allowed in ((lambda: key.prove(MESSAGE), proves), (lambda: key.is_proved_by(cryptogram, MESSAGE), proved)):
        if allowed:
            assert use() in (cryptogram, True)
            continue
        with pytest.raises(CardError) as caught:
            use()
        assert caught.value.sw == 0x6985


def test_a_key_without_a_value_is_6984_and_costs_no_try(store: MemoryStore) -> None:
    key = made(store)
    for use in (lambda: key.prove(MESSAGE), lambda: key.is_proved_by(bytes(16), MESSAGE)):
        with pytest.raises(CardError) as caught:
            use()
        assert caught.value.sw == 0x6984
    assert list(store.cells()) == ["a/y/91/h"]


@pytest.mark.parametrize("size", [0, 15, 17, 31, 33])
def test_a_value_of_another_size_is_6a80(store: MemoryStore, size: int) -> None:
    with pytest.raises(CardError) as caught:
        made(store).set(bytes(size))
    assert caught.value.sw == 0x6A80


def test_a_wrong_proof_costs_a_try_and_a_new_value_gives_all_back(store: MemoryStore) -> None:
    def proves(cryptogram: bytes) -> bool:
        """One command."""
        transaction = Transaction(store)
        answer = SecretKeys(Area(transaction, "a/")).by_reference(0x91).is_proved_by(cryptogram, MESSAGE)
        transaction.commit()
        return answer

    def put_in(value: bytes) -> None:
        transaction = Transaction(store)
        SecretKeys(Area(transaction, "a/")).by_reference(0x91).set(value)
        transaction.commit()

    made(store, tries=2)
    put_in(VALUE)
    right, wrong = aes_cmac(VALUE, MESSAGE), bytes(16)
    assert [proves(each) for each in (wrong, right, wrong, wrong)] == [False, True, False, False]
    with pytest.raises(CardError) as caught:
        proves(right)
    assert caught.value.sw == 0x6983
    put_in(VALUE)
    assert proves(right) is True
