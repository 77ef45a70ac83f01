"""The registry: what is entered, found, locked, removed; and what its bytes mean."""

from __future__ import annotations

import pytest

from jukicard.card.errors import CardError, Step
from jukicard.card.registry import (
    CELL,
    ISSUER_DOMAIN,
    LOCKED,
    ApplicationState,
    CardState,
    Contents,
    Entry,
    Privilege,
    Registry,
)
from jukicard.card.store import MemoryStore
from jukicard.card.transaction import Transaction
from jukicard.iso7816.aid import AID
from tests.support import chips

FILE, MODULE = AID(b"\xf0file"), AID(b"\xf0module")
ISSUER, FIRST, SECOND = AID(b"\xf0issuer"), AID(b"\xf0first"), AID(b"\xf0second")
NO_PRIVILEGE = Privilege(0)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def registry(store: MemoryStore) -> Registry:
    """A registry with the issuer's domain and two applications in it."""
    made = Registry(Transaction(store))
    made.add(ISSUER, FILE, MODULE, None, Privilege.SECURITY_DOMAIN, CardState.OP_READY)
    made.add(FIRST, FILE, MODULE, ISSUER_DOMAIN, NO_PRIVILEGE, ApplicationState.SELECTABLE)
    made.add(SECOND, FILE, MODULE, 2, Privilege.GLOBAL_DELETE, ApplicationState.INSTALLED)
    return made


def test_an_empty_chip_has_an_empty_registry(store: MemoryStore) -> None:
    registry = Registry(Transaction(store))
    assert list(registry) == []
    assert registry.by_aid(bytes(ISSUER)) is None
    assert registry.card_state is CardState.OP_READY
    assert registry.contents.next_instance == ISSUER_DOMAIN == 1


def test_entries_are_found_again_as_they_were_made(registry: Registry) -> None:
    issuer, first, second = registry
    assert issuer == Entry(1, ISSUER, FILE, MODULE, 1, Privilege.SECURITY_DOMAIN, 0x01)
    assert first == Entry(2, FIRST, FILE, MODULE, 1, NO_PRIVILEGE, 0x07)
    assert second == Entry(3, SECOND, FILE, MODULE, 2, Privilege.GLOBAL_DELETE, 0x03)
    for entry in registry:
        assert registry.by_instance(entry.instance) == registry.by_aid(bytes(entry.aid)) == entry
        assert Entry.decode(entry.encode()) == entry
    assert (issuer.is_domain, first.is_domain, second.is_domain) == (True, False, False)
    assert (issuer.area, second.area) == ("a/0001/", "a/0003/")
    assert registry.contents.next_instance == 4


def test_what_follows_from_an_entry_is_not_part_of_what_it_shows(registry: Registry) -> None:
    for name in ("is_domain", "is_selectable", "area="):
        assert name not in repr(registry.by_instance(2))


def test_an_entry_is_a_value_that_nobody_can_change(registry: Registry) -> None:
    entry = registry.by_instance(2)
    with pytest.raises(AttributeError):
        entry.state = 0x80  # type: ignore[misc]
    assert hash(entry) == hash(Entry(2, FIRST, FILE, MODULE, 1, NO_PRIVILEGE, 0x07))


def test_the_stored_form_stays_as_it_is_since_cards_are_out_with_it(registry: Registry) -> None:
    assert registry.by_instance(3).encode().encode() == bytes.fromhex(
        "E3 29 8002 0003 4F07 F07365636F6E64 C405 F066696C65 8407 F06D6F64756C65 8102 0002 C503 001000 8201 03"
    )


@pytest.mark.parametrize("aid", [ISSUER, FIRST, SECOND])
def test_a_name_is_entered_once(registry: Registry, aid: AID) -> None:
    with pytest.raises(CardError) as caught:
        registry.add(aid, FILE, MODULE, ISSUER_DOMAIN, NO_PRIVILEGE, ApplicationState.SELECTABLE)
    assert caught.value.sw == 0x6A80
    assert len(list(registry)) == 3


def test_an_application_that_is_gone_is_6985(registry: Registry) -> None:
    registry.remove(registry.by_instance(2))
    for instance in (0, 2, 4):
        with pytest.raises(CardError) as caught:
            registry.by_instance(instance)
        assert (caught.value.sw, caught.value.step) == (0x6985, Step.APPLICATION)


def test_an_instance_number_is_never_used_again(registry: Registry) -> None:
    registry.remove(registry.by_instance(3))
    assert [entry.instance for entry in registry] == [1, 2]
    again = registry.add(SECOND, FILE, MODULE, ISSUER_DOMAIN, NO_PRIVILEGE, ApplicationState.SELECTABLE)
    assert again.instance == 4


def test_the_last_instance_number_is_fffe(registry: Registry, store: MemoryStore) -> None:
    contents = registry.contents
    registry._save(Contents(0xFFFE, contents.entries))
    assert registry.add(AID(b"\xf0last"), FILE, MODULE, 1, NO_PRIVILEGE, 7).instance == 0xFFFE
    with pytest.raises(CardError) as caught:
        registry.add(AID(b"\xf0onemore"), FILE, MODULE, 1, NO_PRIVILEGE, 7)
    assert caught.value.sw == 0x6A84


def test_a_state_is_changed_of_one_entry_alone(registry: Registry) -> None:
    registry.set_state(registry.by_instance(2), 0x87)
    assert [entry.state for entry in registry] == [0x01, 0x87, 0x03]
    assert registry.contents.next_instance == 4


def test_a_removed_application_takes_its_cells_along_and_no_others() -> None:
    kept = {"a/0001/x": b"1", "a/0003/x": b"3", "b": b""}
    store = MemoryStore({**kept, "a/0002/x": b"2", "a/0002/y/z": b""})
    transaction = Transaction(store)
    registry = Registry(transaction)
    for aid in (ISSUER, FIRST, SECOND):
        registry.add(aid, FILE, MODULE, 1, NO_PRIVILEGE, ApplicationState.SELECTABLE)
    registry.remove(registry.by_instance(2))
    transaction.commit()
    cells = store.snapshot()
    assert cells.keys() - {CELL} == kept.keys()
    assert cells[CELL].startswith(bytes.fromhex("8002 0004 E3"))  # the next instance number, then the entries


@pytest.mark.parametrize(
    ("state", "selectable"), [(0x03, False), (0x07, True), (0x0F, True), (0x83, False), (0x87, False), (0x8F, False)]
)
def test_an_application_is_selectable_once_made_so_and_while_it_is_not_locked(state: int, selectable: bool) -> None:
    assert Entry(2, FIRST, FILE, MODULE, 1, NO_PRIVILEGE, state).is_selectable is selectable
    issuer = Entry(ISSUER_DOMAIN, FIRST, FILE, MODULE, 1, NO_PRIVILEGE, state)
    assert issuer.is_selectable is True  # its state is the card's


@pytest.mark.parametrize("card", list(CardState))
def test_on_a_locked_card_the_issuers_domain_alone_is_usable(card: CardState) -> None:
    issuer = Entry(1, ISSUER, FILE, MODULE, 1, Privilege.SECURITY_DOMAIN, card)
    first = Entry(2, FIRST, FILE, MODULE, 1, NO_PRIVILEGE, 0x07)
    unfinished = Entry(3, SECOND, FILE, MODULE, 1, NO_PRIVILEGE, 0x03)
    contents = Contents(4, (issuer, first, unfinished))
    assert contents.card_state is card
    assert contents.is_usable(issuer) is True
    assert contents.is_usable(first) is (card in (CardState.OP_READY, CardState.INITIALIZED, CardState.SECURED))
    assert contents.is_usable(unfinished) is False


def test_a_command_sees_its_own_changes_of_the_registry_and_the_store_only_after_the_commit(store: MemoryStore) -> None:
    transaction = Transaction(store)
    registry = Registry(transaction)
    registry.add(ISSUER, FILE, MODULE, None, Privilege.SECURITY_DOMAIN, CardState.SECURED)
    assert registry.card_state is CardState.SECURED
    assert registry.is_usable(registry.by_instance(1)) is True
    assert list(Registry(Transaction(store))) == []
    transaction.commit()
    assert [entry.aid for entry in Registry(Transaction(store))] == [ISSUER]


def test_states_and_privileges_have_the_bits_of_the_specification() -> None:
    """GlobalPlatform 2.3.1, tables 11-4 to 11-7."""
    assert [state.value for state in CardState] == [0x01, 0x07, 0x0F, 0x7F, 0xFF]
    assert [state.value for state in ApplicationState] == [0x03, 0x07, 0x0F]
    assert LOCKED == 0x80
    bits = {
        "SECURITY_DOMAIN": 0x800000,
        "DAP_VERIFICATION": 0x400000,
        "DELEGATED_MANAGEMENT": 0x200000,
        "CARD_LOCK": 0x100000,
        "CARD_TERMINATE": 0x080000,
        "CARD_RESET": 0x040000,
        "CVM_MANAGEMENT": 0x020000,
        "TRUSTED_PATH": 0x008000,
        "AUTHORIZED_MANAGEMENT": 0x004000,
        "GLOBAL_DELETE": 0x001000,
        "GLOBAL_LOCK": 0x000800,
        "GLOBAL_REGISTRY": 0x000400,
    }
    assert {privilege.name: privilege.value for privilege in Privilege} == bits


def test_the_issuers_domain_is_entered_under_itself_on_a_real_chip() -> None:
    registry = Registry(Transaction(MemoryStore(chips.delivered().cells)))
    names = [entry.aid for entry in registry]
    assert names == [chips.ISSUER, chips.JUKI_DOMAIN, chips.CITY_DOMAIN, chips.JUKI, chips.LIBRARY]
    assert {entry.domain for entry in registry if entry.is_domain} == {1}
