"""INSTALL in all its forms but loading, DELETE, GET STATUS, SET STATUS: who may, and what becomes of it."""

from __future__ import annotations

import pytest

from jukicard.applets.gp import layout as gp
from jukicard.applets.gp.content import states
from jukicard.applets.gp.tokens import install_fields
from jukicard.applets.library import layout as library
from jukicard.card.registry import ISSUER_DOMAIN, CardState, Contents, Entry
from jukicard.iso7816.aid import AID
from jukicard.iso7816.errors import CardStatusError
from jukicard.iso7816.limits import Limits
from jukicard.iso7816.tlv import Tlv, parse_tlvs
from tests.support import chips, content, loaded
from tests.support.chains import private_key
from tests.support.chips import Chip, say
from tests.support.content import DOMAIN, PROVIDER, SECOND, SERVICE

STRANGER = private_key(3299)
OTHER = AID(b"\xf0other")


@pytest.fixture
def chip() -> Chip:
    return content.with_code()


def refused(sw: int) -> pytest.RaisesExc[CardStatusError]:
    return pytest.raises(CardStatusError, match=f"{sw:04X}")


def entry(chip: Chip, aid: AID) -> Entry:
    found = Contents.parse(chip.cells["registry"]).by_aid(bytes(aid))
    assert found is not None
    return found


# --- INSTALL of what is in ROM, where a municipality approves


@pytest.mark.parametrize(
    ("signed", "sw"),
    [
        (b"", 0x6985),
        (content.of_rom(key=STRANGER), 0x6982),
        (content.of_rom(gp.DOMAIN_MODULE), 0x6A80),
        (content.approval(bytes(32), gp.LOAD_FILE, 0), 0x6A80),
        (content.of_rom(purpose="広告"), 0x6985),
        (content.of_rom(city="99201"), 0x6A80),
        (content.of_rom(limits=Limits(0x30001, 0)), 0x6A84),
    ],
)
def test_an_application_in_rom_needs_an_approval(chip: Chip, signed: bytes, sw: int) -> None:
    city = content.client(chip)
    before = chip.cells
    with refused(sw):
        city.install(library.MODULE, SECOND, approval=signed)
    assert chip.cells == before


def test_an_approved_application_in_rom_gets_what_was_approved(chip: Chip) -> None:
    city = content.client(chip)
    city.install(library.MODULE, SECOND, approval=content.of_rom())
    assert entry(chip, SECOND).granted == content.LIMITS
    assert chip.select(SECOND).sw == 0x9000


def test_an_application_of_a_load_file_needs_no_second_approval(chip: Chip) -> None:
    assert entry(chip, SERVICE).granted == content.LIMITS
    city = content.client(chip)
    with refused(0x6A80):
        city.install(loaded.MODULE, SECOND, load_file=loaded.FILE, approval=content.of_rom())
    with refused(0x6A88):
        city.install(loaded.SECOND_MODULE, SECOND, load_file=loaded.FILE)


def test_a_load_file_is_its_domains_alone(chip: Chip) -> None:
    for domain in (content.plain, content.issuer):
        with refused(0x6A88):
            domain(chip).install(loaded.MODULE, SECOND, load_file=loaded.FILE)


# --- quotas


def test_a_quota_lowers_what_was_approved_and_never_raises_it(chip: Chip) -> None:
    city = content.client(chip)
    with refused(0x6A84):
        city.install(loaded.MODULE, SECOND, load_file=loaded.FILE, storage=0x8001)
    with refused(0x6A84):
        city.install(loaded.MODULE, SECOND, load_file=loaded.FILE, volatile=0x10001)
    city.install(loaded.MODULE, SECOND, load_file=loaded.FILE, storage=40, volatile=0x10000)
    assert entry(chip, SECOND).granted == Limits(40, 0x10000, content.LIMITS.rights)
    chip.select(SECOND)
    assert chip.ask(b"\0\x12\0\0\x19" + bytes(25)).sw == 0x6A84
    assert chip.ask(b"\0\x12\0\0\x18" + bytes(24)).sw == 0x9000


def test_a_quota_of_an_application_that_nobody_approved() -> None:
    chip = content.unsecured()
    content.plain(chip).install(library.MODULE, SECOND, storage=0x1000)
    assert entry(chip, SECOND).granted == Limits(0x1000, 0xFFFFFFFF)


def test_what_a_domain_reserves_is_taken_from_the_one_above() -> None:
    chip = content.unsecured()
    city = content.client(chip)
    used = entry(chip, DOMAIN).limits
    assert used == Limits(0x30000, 0x80000)
    before = chip.cells
    for quotas in ({"storage": 0x20000}, {"storage": 0x100, "volatile": 0x60001}, {}):
        with refused(0x6A84):
            city.install(gp.DOMAIN_MODULE, OTHER, content.DELEGATED, **quotas)
    assert chip.cells == before
    city.install(gp.DOMAIN_MODULE, OTHER, content.DELEGATED, storage=0x1F000, volatile=0x60000)
    with refused(0x6A84):  # what is reserved is not there for the domain's own, even while nothing lies in it
        content.bring(city, loaded.block(3, 5000).encode(), signed=_approval(loaded.block(3, 5000).encode(), 3))


def _approval(data_block: bytes, version: int) -> bytes:
    return content.approval(content.structure(data_block).digest, loaded.FILE, version)


@pytest.mark.parametrize("system", ["EF03C80101", "EF05C803010000", "EF04C6020100", "EF08C8020001C8020001", "EF01C8"])
def test_malformed_quotas_are_6a80(chip: Chip, system: str) -> None:
    city = content.client(chip)
    names = (bytes(gp.LOAD_FILE), bytes(gp.DOMAIN_MODULE), bytes(OTHER), b"\xa0", bytes.fromhex(system), b"")
    data = b"".join(bytes((len(name),)) + name for name in names)
    assert say(city.connection, 0x80, 0xE6, 0x0C, 0, data).sw == 0x6A80


# --- privileges


@pytest.mark.parametrize(
    ("privileges", "sw"),
    [
        (0x800000, 0x9000),
        (0xA00000, 0x9000),
        (0xC00000, 0x6985),  # DAP Verification is the issuer's to give
        (0x804000, 0x6985),
        (0x880000, 0x6985),
        (0x200000, 0x6985),
        (0x000000, 0x6985),  # it is a domain
    ],
)
def test_a_municipality_has_providers_domains_below_it(chip: Chip, privileges: int, sw: int) -> None:
    city = content.client(chip)
    if sw == 0x9000:
        city.install(gp.DOMAIN_MODULE, OTHER, privileges, storage=0x100, volatile=0)
    else:
        with refused(sw):
            city.install(gp.DOMAIN_MODULE, OTHER, privileges, storage=0x100, volatile=0)


@pytest.mark.parametrize("privileges", [0x800000, 0x400000, 0x200000, 0x004000, 0x100000, 0x000800])
def test_a_municipal_application_has_no_privileges(chip: Chip, privileges: int) -> None:
    with refused(0x6985):
        content.client(chip).install(loaded.MODULE, SECOND, privileges, load_file=loaded.FILE)


def test_the_issuer_gives_what_can_go_together() -> None:
    issuer = content.issuer(content.unsecured())
    issuer.install(gp.DOMAIN_MODULE, OTHER, 0xC04000)
    for privileges in (0xA04000, 0x404000, 0x004000):
        with refused(0x6985):
            issuer.install(gp.DOMAIN_MODULE, AID(b"\xf0third"), privileges)
    issuer.install(library.MODULE, SECOND, 0x040000)
    with refused(0x6985):
        issuer.install(library.MODULE, AID(b"\xf0third"), 0x400000)


def test_a_domain_without_management_changes_nothing(chip: Chip) -> None:
    city = content.client(chip)
    city.install(gp.DOMAIN_MODULE, OTHER, 0x800000, storage=0x1000, volatile=0)
    content.client(chip, OTHER, content.KEYS).put_key_set(1, content.key_set(content.PROVIDER_KEYS, content.KEYS.dek))
    domain = content.client(chip, OTHER, content.PROVIDER_KEYS)
    before = chip.cells
    for change in (
        lambda: domain.install(library.MODULE, SECOND, approval=content.of_rom(), sign=content.token),
        lambda: domain.install_for_load(OTHER, sign=content.token),
        lambda: domain.make_selectable(SECOND),
        lambda: domain.extradite(SECOND, DOMAIN),
        lambda: domain.update_registry(SECOND, 0),
        lambda: domain.delete(SECOND),
    ):
        with refused(0x6985):
            change()
    assert chip.cells == before


# --- registry update


def test_privileges_are_taken_away_and_given_as_at_installation() -> None:
    chip = content.unsecured()
    issuer = content.issuer(chip)
    issuer.update_registry(DOMAIN, 0x804000)
    assert entry(chip, DOMAIN).privileges == 0x804000
    issuer.update_registry(DOMAIN, 0xC04000)
    for privileges in (0x404000, 0xE04000, 0x000000):
        with refused(0x6985):
            issuer.update_registry(DOMAIN, privileges)
    city = content.client(chip)
    city.update_registry(PROVIDER, 0x800000)
    with refused(0x6985):
        city.update_registry(PROVIDER, 0x804000)
    with refused(0x6A88):
        city.update_registry(chips.JUKI, 0)
    with refused(0x6A88):
        content.issuer(chip).update_registry(chips.LIBRARY, 0)


def test_a_card_in_use_goes_on_verifying(chip: Chip) -> None:
    issuer = content.issuer(chip)
    with refused(0x6985):
        issuer.update_registry(DOMAIN, 0x804000)
    issuer.update_registry(DOMAIN, 0xC00000)


# --- extradition


def test_an_application_moves_with_its_data_between_domains_of_one_approval(chip: Chip) -> None:
    chip.select(SERVICE)
    chip.ask("00 10 00 00 00")
    city = content.client(chip)
    city.extradite(SERVICE, PROVIDER)
    assert entry(chip, SERVICE).domain == entry(chip, PROVIDER).instance
    chip.select(SERVICE)
    assert chip.ask("00 10 00 00 00").data == b"\0\2"
    chip.scp03(content.PROVIDER_KEYS)  # its domain's channel is the provider's now
    with refused(0x6A88):
        content.client(chip).delete(SERVICE)
    with refused(0x6985):  # the load file is in use, by what is not this domain's any more
        content.client(chip).delete(loaded.FILE, related=True)
    provider = content.provider(chip)
    provider.extradite(SERVICE, DOMAIN, sign=content.token)
    content.client(chip).delete(loaded.FILE, related=True)


@pytest.mark.parametrize("target", [chips.CITY_DOMAIN, chips.ISSUER, chips.JUKI_DOMAIN, DOMAIN])
def test_an_approved_application_goes_to_nobody_else(chip: Chip, target: AID) -> None:
    with refused(0x6985):
        content.client(chip).extradite(SERVICE, target)


def test_what_nobody_approved_goes_into_no_approving_domain() -> None:
    for make, sw in ((content.unsecured, 0x9000), (content.card, 0x6985)):
        chip = make()
        with refused(0x6985):
            content.plain(chip).extradite(chips.LIBRARY, DOMAIN)
        if sw == 0x9000:
            content.plain(chip).extradite(chips.LIBRARY, chips.JUKI_DOMAIN)
        else:
            with refused(sw):
                content.plain(chip).extradite(chips.LIBRARY, chips.JUKI_DOMAIN)


def test_extradition_names_what_there_is(chip: Chip) -> None:
    city = content.client(chip)
    with refused(0x6A88):
        city.extradite(SERVICE, AID(b"\xf0nobody"))
    with refused(0x6A88):
        city.extradite(SERVICE, chips.LIBRARY)
    with refused(0x6A88):
        city.extradite(chips.LIBRARY, PROVIDER)
    with refused(0x6985):
        city.extradite(PROVIDER, DOMAIN)
    city.set_status(PROVIDER, locked=True)
    with refused(0x6985):
        city.extradite(SERVICE, PROVIDER)
    city.set_status(PROVIDER, locked=False)
    chip.open_channel(1)
    chip.select(SERVICE, 1)
    with refused(0x6985):
        city.extradite(SERVICE, PROVIDER)


def test_a_domain_is_not_extradited(chip: Chip) -> None:
    city = content.client(chip)
    city.install(gp.DOMAIN_MODULE, OTHER, content.DELEGATED, storage=0x200, volatile=0)
    with refused(0x6985):
        city.extradite(PROVIDER, OTHER)


@pytest.mark.parametrize("p1", [0x10, 0x40])
def test_fields_that_a_form_does_not_have_are_6a80(chip: Chip, p1: int) -> None:
    """Extradition names a domain and an application, a registry update an application and privileges."""
    city = content.client(chip)
    good = [bytes(PROVIDER) if p1 == 0x10 else b"", b"", bytes(SERVICE), b"" if p1 == 0x10 else b"\0", b"", b""]
    before = chip.cells
    for position, spare in ((1, b"x"), *([(3, b"\0")] if p1 == 0x10 else [(0, bytes(PROVIDER))])):
        spoilt = [*good[:position], spare, *good[position + 1 :]]
        assert say(city.connection, 0x80, 0xE6, p1, 0, install_fields(*spoilt)).sw == 0x6A80
    assert chip.cells == before
    assert say(city.connection, 0x80, 0xE6, p1, 0, install_fields(*good)).sw == 0x9000


def test_an_extradited_application_counts_in_the_new_domains_reserve(chip: Chip) -> None:
    city = content.client(chip)
    city.install(gp.DOMAIN_MODULE, OTHER, content.DELEGATED, storage=0x200, volatile=0)
    chip.select(SERVICE)
    say(chip, 0, 0x12, 0, 0, bytes(0x300), sw=0x9000)
    before = chip.cells
    city = content.client(chip)
    with refused(0x6A84):
        city.extradite(SERVICE, OTHER)
    assert entry(chip, SERVICE).domain == entry(chip, DOMAIN).instance
    assert before["registry"] == chip.cells["registry"]


# --- DELETE


def test_a_load_file_in_use_is_deleted_with_what_is_made_of_it(chip: Chip) -> None:
    city = content.client(chip)
    block = next(value for name, value in chip.cells.items() if name.endswith("/code"))
    city.install(loaded.MODULE, SECOND, load_file=loaded.FILE)
    chip.select(SERVICE)
    say(chip, 0, 0x12, 0, 0, b"a secret of the service", sw=0x9000)
    areas = {entry(chip, aid).area for aid in (SERVICE, SECOND)}
    areas.add(Contents.parse(chip.cells["registry"]).load_files[0].area)
    city = content.client(chip)
    with refused(0x6985):
        city.delete(loaded.FILE)
    chip.store.commits.clear()
    city.delete(loaded.FILE, related=True)
    assert len(chip.store.commits) == 1
    cells = chip.cells
    assert not [name for name in cells if name[:7] in areas]
    everything = b"".join(cells.values())
    traces = (
        block,
        b"a secret of the service",
        bytes(SERVICE),
        bytes(SECOND),
        bytes(loaded.FILE),
        bytes(loaded.MODULE),
    )
    assert not any(trace in everything for trace in traces)
    assert chip.select(SERVICE).sw == 0x6A82
    with refused(0x6A88):
        city = content.client(chip)
        city.install(loaded.MODULE, SERVICE, load_file=loaded.FILE)


def test_a_load_file_that_nothing_is_made_of_is_deleted_alone(chip: Chip) -> None:
    city = content.client(chip)
    city.delete(SERVICE)
    city.delete(loaded.FILE)
    assert not Contents.parse(chip.cells["registry"]).load_files
    content.bring(content.client(chip), loaded.block().encode())


def test_what_is_selected_on_a_channel_is_not_deleted_with_its_load_file(chip: Chip) -> None:
    chip.open_channel(1)
    chip.select(SERVICE, 1)
    before = chip.cells
    city = content.client(chip)
    with refused(0x6985):
        city.delete(loaded.FILE, related=True)
    assert {**before, **{n: v for n, v in chip.cells.items() if "/seq/" in n}} == chip.cells


def test_a_load_file_is_deleted_by_its_domain_alone(chip: Chip) -> None:
    for domain in (content.plain, content.issuer):
        with refused(0x6A88):
            domain(chip).delete(loaded.FILE, related=True)


def test_a_domain_with_load_files_is_not_deleted() -> None:
    chip = content.card()
    provider = content.provider(chip)
    block = loaded.block().encode()
    content.bring(provider, block, sign=content.token)
    with refused(0x6985):
        content.client(chip).delete(PROVIDER)
    content.provider(chip).delete(loaded.FILE, sign=content.token)
    content.client(chip).delete(PROVIDER)


@pytest.mark.parametrize(
    "data", ["4F07F06C6F61646564 B600", "9E00 4F07F06C6F61646564", "4F07F06C6F61646564 9E0101", "4F00 D00101"]
)
def test_a_malformed_deletion_is_6a80(chip: Chip, data: str) -> None:
    city = content.client(chip)
    assert say(city.connection, 0x80, 0xE4, 0, 0, bytes.fromhex(data)).sw == 0x6A80


# --- GET STATUS


def names(listed: list[object]) -> set[AID]:
    return {one.aid for one in listed}  # type: ignore[attr-defined]


def test_a_domain_sees_itself_and_what_is_below_it(chip: Chip) -> None:
    assert names(content.client(chip).status(0x40)) == {DOMAIN, PROVIDER, SERVICE}  # type: ignore[arg-type]
    assert names(content.provider(chip).status(0x40)) == {PROVIDER}  # type: ignore[arg-type]
    assert names(content.plain(chip).status(0x40)) == {chips.CITY_DOMAIN, chips.LIBRARY}  # type: ignore[arg-type]
    everything = names(content.issuer(chip).status(0x40))  # type: ignore[arg-type]
    assert everything == {chips.JUKI_DOMAIN, chips.CITY_DOMAIN, chips.JUKI, chips.LIBRARY, DOMAIN, PROVIDER, SERVICE}
    assert not content.client(chip).status(0x80)


def test_load_files_are_listed_with_their_modules(chip: Chip) -> None:
    city = content.client(chip)
    rom, file = city.load_files()
    assert (rom.aid, rom.version, rom.domain) == (gp.LOAD_FILE, 0, chips.ISSUER)
    assert gp.DOMAIN_MODULE in rom.modules
    assert (file.aid, file.version, file.modules, file.domain) == (loaded.FILE, 1, (loaded.MODULE,), DOMAIN)
    assert [one.modules for one in city.load_files(modules=False)] == [(), ()]
    assert [one.aid for one in city.load_files(bytes(loaded.FILE)[:3])] == [loaded.FILE]
    assert [one.aid for one in content.issuer(chip).load_files()] == [gp.LOAD_FILE, loaded.FILE]
    assert [one.aid for one in content.plain(chip).load_files()] == [gp.LOAD_FILE]


def test_an_application_is_listed_with_what_it_is_made_of_and_where_it_lies(chip: Chip) -> None:
    (listed,) = content.client(chip).status(0x40, bytes(SERVICE))
    assert (listed.load_file, listed.domain, listed.state, listed.privileges) == (loaded.FILE, DOMAIN, 0x07, bytes(3))


def test_a_list_of_tags_is_honoured(chip: Chip) -> None:
    city = content.client(chip)
    answer = say(city.connection, 0x80, 0xF2, 0x40, 2, b"\x4f\0" + bytes.fromhex("5C044F9F70CC"), 256, sw=0x9000)
    assert [tlv.tag for tlv in parse_tlvs(answer.data)[0].children] == [0x4F, 0x9F70, 0xCC]
    answer = say(city.connection, 0x80, 0xF2, 0x10, 2, b"\x4f\0" + bytes.fromhex("5C0184"), 256, sw=0x9000)
    assert {tlv.tag for template in parse_tlvs(answer.data) for tlv in template.children} == {0x84}
    assert say(city.connection, 0x80, 0xF2, 0x40, 2, b"\x4f\0\x5c\0", 256).data.count(b"\xe3\0") == 3


@pytest.mark.parametrize("criteria", ["4F005C019F", "4F005C03BF8180", "5C014F", "4F00D00101", "4F004F00", "4F005C0100"])
def test_malformed_criteria_are_6a80(chip: Chip, criteria: str) -> None:
    assert say(content.client(chip).connection, 0x80, 0xF2, 0x40, 2, bytes.fromhex(criteria)).sw == 0x6A80


def test_a_long_list_goes_on_with_the_next_occurrence(chip: Chip) -> None:
    city = content.client(chip)
    for number in range(8):
        city.install(loaded.MODULE, AID(b"\xf0many" + bytes((number,))), load_file=loaded.FILE)
    assert len(city.status(0x40)) == 11
    assert say(city.connection, 0x80, 0xF2, 0x40, 2, b"\x4f\0", 256).sw == 0x6310


# --- life cycles


def test_every_transition_of_the_tables_is_between_states_of_the_tables() -> None:
    for table in (states.APPLICATION_TRANSITIONS, states.DOMAIN_TRANSITIONS):
        assert {state for following in table.values() for state in following} <= set(table)
        for state, following in table.items():
            assert all(other ^ state == 0x80 or other > state for other in following)
    assert set(states.CARD_TRANSITIONS) == set(CardState)


def test_no_application_leaves_its_table(chip: Chip) -> None:
    city = content.client(chip)
    city.install(loaded.MODULE, SECOND, load_file=loaded.FILE, selectable=False)
    seen = [entry(chip, SECOND).state]
    for step in (
        lambda: city.set_status(SECOND, locked=True),
        lambda: city.set_status(SECOND, locked=False),
        lambda: city.make_selectable(SECOND),
        lambda: city.set_status(SECOND, locked=True),
        lambda: city.set_status(SECOND, locked=True),
        lambda: city.set_status(SECOND, locked=False),
    ):
        step()
        seen.append(entry(chip, SECOND).state)
    assert seen == [0x03, 0x83, 0x03, 0x07, 0x87, 0x87, 0x07]
    with refused(0x6985):
        city.make_selectable(SECOND)


@pytest.mark.parametrize("selectable", [False, True])
def test_a_locked_application_is_not_made_selectable(chip: Chip, selectable: bool) -> None:
    city = content.client(chip)
    city.install(loaded.MODULE, SECOND, load_file=loaded.FILE, selectable=selectable)
    city.set_status(SECOND, locked=True)
    before = chip.cells
    with refused(0x6985):
        city.make_selectable(SECOND)
    assert chip.cells == before


def test_the_issuer_locks_any_application_and_no_other_domain_does(chip: Chip) -> None:
    content.issuer(chip).set_status(SERVICE, locked=True)
    assert chip.select(SERVICE).sw == 0x6A82
    for aid in (SERVICE, chips.JUKI, DOMAIN):
        with refused(0x6A88):
            content.plain(chip).set_status(aid, locked=False)
    content.issuer(chip).set_status(SERVICE, locked=False)
    assert chip.select(SERVICE).sw == 0x9000
    with refused(0x6A88):
        content.issuer(chip).set_status(chips.ISSUER, locked=True)
    assert Contents.parse(chip.cells["registry"]).by_instance(ISSUER_DOMAIN).state == CardState.SECURED


def test_a_domain_is_locked_alone_or_with_its_applications(chip: Chip) -> None:
    issuer = content.issuer(chip)
    issuer.set_status(DOMAIN, locked=True)
    assert chip.select(DOMAIN).sw == 0x6A82
    assert chip.select(SERVICE).sw == 0x9000
    assert chip.ask("80 50 00 00 08 0000000000000000").sw == 0x6985  # its channel is closed to its applications
    content.issuer(chip).set_status(DOMAIN, locked=True, with_applications=True)
    assert chip.select(SERVICE).sw == 0x6A82
    assert chip.select(PROVIDER).sw == 0x6A82
    content.issuer(chip).set_status(DOMAIN, locked=False, with_applications=True)
    assert chip.select(SERVICE).sw == 0x9000
    with refused(0x6A80):
        content.issuer(chip).set_status(SERVICE, locked=True, with_applications=True)


# --- keys


def test_keys_for_approvals_tokens_and_receipts_open_no_session(chip: Chip) -> None:
    chip.select(DOMAIN)
    told = [tlv.value.hex() for tlv in parse_tlvs(say(chip, 0, 0xCA, 0, 0xE0, ne=256, sw=0x9000).data)]
    assert told[3:] == ["2001b041f000", "2101b041f000", "22018810"]
    for kid in (0x20, 0x21, 0x22):
        assert say(chip, 0x80, 0x2A, 1, kid, b"\x30").sw == 0x6A86
        assert say(chip, 0x80, 0x82, 1, kid, bytes(80)).sw == 0x6A86
    assert say(chip, 0x80, 0x2A, 1, 0x10, b"\x30").sw == 0x6A88
    assert say(chip, 0x80, 0x50, 1, 0, bytes(8)).sw == 0x9000


def test_a_receipt_key_is_replaced_and_its_check_value_counts(chip: Chip) -> None:
    city = content.client(chip)
    good = content.encrypted(bytes(16), content.KEYS.dek)
    with refused(0x6A80):
        city.put_aes_key(gp.KID_RECEIPT, 2, type(good)(16, good.cryptogram, b"bad"))
    with refused(0x6A80):
        city.put_aes_key(gp.KID_RECEIPT, 1, good)
    with refused(0x6A88):
        city.put_aes_key(gp.KID_RECEIPT, 2, good, replaces=3)
    city.put_aes_key(gp.KID_RECEIPT, 2, good, replaces=1)
    data = b"\x03" + Tlv(0x88, good.cryptogram).encode() + b"\x03" + good.check_value
    assert say(city.connection, 0x80, 0xD8, 0, 0x22, data + b"\0").sw == 0x6A80


def test_a_token_key_is_a_public_one(chip: Chip) -> None:
    city = content.client(chip)
    data = b"\x02\xb1\x20" + bytes(32) + b"\xf0\x01\0\0"
    for kid in (0x20, 0x21):
        assert say(city.connection, 0x80, 0xD8, 0, kid, data).sw == 0x6A80
