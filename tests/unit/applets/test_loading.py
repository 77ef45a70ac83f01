"""What may be loaded: INSTALL [for load], LOAD, DAP Verification, approvals, purposes."""

from __future__ import annotations

import pytest

from jukicard.applets import catalogue
from jukicard.applets.gp import layout as gp
from jukicard.applets.gp.client import DomainClient, block_size
from jukicard.applets.gp.loadfile import Dap, LoadFileStructure
from jukicard.applets.library import layout as library
from jukicard.card.code import Rom
from jukicard.card.errors import Step
from jukicard.card.ports import Interface
from jukicard.card.registry import Contents
from jukicard.iso7816.aid import AID
from jukicard.iso7816.connection import ApduLimits
from jukicard.iso7816.errors import CardStatusError
from jukicard.iso7816.limits import ApplicationRight, Limits
from tests.support import chips, content, loaded
from tests.support.chains import private_key
from tests.support.chips import Chip, say
from tests.support.content import CITY, DOMAIN, SERVICE, approval, structure

BLOCK = loaded.block().encode()
STRANGER = private_key(3299)


@pytest.fixture
def chip() -> Chip:
    return content.card()


def refused(sw: int) -> pytest.RaisesExc[CardStatusError]:
    return pytest.raises(CardStatusError, match=f"{sw:04X}")


def load(domain: DomainClient, whole: LoadFileStructure, signed: bytes, aid: AID = loaded.FILE) -> None:
    domain.install_for_load(aid, approval=signed)
    domain.load(whole.encode())


def digest(data_block: bytes = BLOCK) -> bytes:
    return structure(data_block).digest


def registry(chip: Chip) -> Contents:
    return Contents.parse(chip.cells["registry"])


# --- the way in


def test_an_approved_load_file_becomes_code_that_runs(chip: Chip) -> None:
    city = content.client(chip)
    assert content.bring(city, BLOCK) is None
    city.install(loaded.MODULE, SERVICE, load_file=loaded.FILE)
    assert chip.select(SERVICE).sw == 0x9000
    assert [chip.ask("00 10 00 00 00").data for _ in range(2)] == [b"\0\1", b"\0\2"]
    (file,) = registry(chip).load_files
    assert (file.version, file.digest, file.limits, file.modules) == (1, digest(), content.LIMITS, (loaded.MODULE,))
    assert chip.cells[file.area + "code"] == BLOCK
    chip.reset()
    chip.select(SERVICE)
    assert chip.ask("00 10 00 00 00").data == b"\0\3"


def test_a_load_file_comes_in_blocks_in_one_commit(chip: Chip) -> None:
    city = content.client(chip)
    block = loaded.block(1, 3000).encode()
    whole = structure(block)
    city.install_for_load(loaded.FILE, approval=approval(whole.digest))
    chip.store.commits.clear()
    pieces = [whole.encode()[start : start + 700] for start in range(0, len(whole.encode()), 700)]
    for number, piece in enumerate(pieces[:-1]):
        say(city.connection, 0x80, 0xE8, 0x00, number, piece, sw=0x9000)
    assert not chip.store.commits
    say(city.connection, 0x80, 0xE8, 0x80, len(pieces) - 1, pieces[-1], sw=0x9000)
    assert len(chip.store.commits) == 1
    assert block in chip.cells.values()


def test_a_load_of_256_blocks_is_the_longest(chip: Chip) -> None:
    city = content.client(chip)
    whole = structure(loaded.block(1, 255 - 200).encode()).encode()
    assert len(whole) < 256
    for count, sw in ((256, 0x9000), (257, 0x6985)):
        city = content.client(chip)
        city.install_for_load(AID(b"\xf0long%03d" % count), approval=b"")
        for number in range(255):
            say(city.connection, 0x80, 0xE8, 0x00, number, b"\0", sw=0x9000)
        if count == 257:
            say(city.connection, 0x80, 0xE8, 0x00, 255, b"\0", sw=0x9000)
            assert say(city.connection, 0x80, 0xE8, 0x80, 0, b"\0").sw == sw
        else:
            assert say(city.connection, 0x80, 0xE8, 0x80, 255, b"\0").sw == 0x6A80  # it is all there, and no load file


@pytest.mark.parametrize("number", [1, 255])
def test_a_block_out_of_turn_ends_the_load(chip: Chip, number: int) -> None:
    city = content.client(chip)
    city.install_for_load(loaded.FILE, approval=approval(digest()))
    assert say(city.connection, 0x80, 0xE8, 0x00, number, b"\xe2").sw == 0x6985
    assert say(city.connection, 0x80, 0xE8, 0x80, 0, structure(BLOCK).encode()).sw == 0x6985


def test_a_load_dies_with_its_session(chip: Chip) -> None:
    city = content.client(chip)
    city.install_for_load(loaded.FILE, approval=approval(digest()))
    before = chip.cells
    city = content.client(chip)
    assert say(city.connection, 0x80, 0xE8, 0x80, 0, structure(BLOCK).encode()).sw == 0x6985
    assert "registry" in chip.cells
    assert before["registry"] == chip.cells["registry"]


def test_a_load_in_the_clear_is_refused_and_the_announced_one_goes_on(chip: Chip) -> None:
    city = content.client(chip)
    city.install_for_load(loaded.FILE, approval=approval(digest()))
    assert say(chip, 0x80, 0xE8, 0x80, 0, structure(BLOCK).encode()).sw == 0x6982
    city.load(structure(BLOCK).encode())


def test_a_cut_during_the_last_block_leaves_nothing_of_it(chip: Chip) -> None:
    city = content.client(chip)
    city.install_for_load(loaded.FILE, approval=approval(digest()))
    before = chip.cells
    chip.store.cut = lambda _number: True
    with refused(0x6581):
        city.load(structure(BLOCK).encode())
    assert chip.cells == before


def test_a_chip_without_a_loader_takes_no_code(chip: Chip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chip.card, "_rom", Rom(catalogue.BUILT_IN))
    chip.reset()
    city = content.client(chip)
    with refused(0x6A81):
        content.bring(city, BLOCK)
    assert not registry(chip).load_files


# --- who says what may come in


@pytest.mark.parametrize(
    ("whole", "sw"),
    [
        (structure(BLOCK, None), 0x6985),  # nobody signed it
        (structure(BLOCK, STRANGER), 0x6982),
        (structure(BLOCK, domain=chips.CITY_DOMAIN), 0x6985),  # for another domain to verify
        (LoadFileStructure((Dap(DOMAIN, bytes(64)),), BLOCK), 0x6982),
        (LoadFileStructure((Dap(DOMAIN, b"short"),), BLOCK), 0x6982),
        (LoadFileStructure(structure(BLOCK).daps * 2, BLOCK), 0x6985),
        (LoadFileStructure(structure(loaded.block(2).encode()).daps, BLOCK), 0x6982),  # for another block
    ],
)
def test_dap_verification(chip: Chip, whole: LoadFileStructure, sw: int) -> None:
    before = chip.cells
    city = content.client(chip)
    with refused(sw):
        load(city, whole, approval(digest()))
    assert chip.cells["registry"] == before["registry"]
    assert BLOCK not in chip.cells.values()


def test_a_dap_block_of_another_domain_may_stand_beside_the_right_one(chip: Chip) -> None:
    other = Dap(chips.JUKI_DOMAIN, bytes(64))
    load(content.client(chip), LoadFileStructure((other, *structure(BLOCK).daps), BLOCK), approval(digest()))


@pytest.mark.parametrize(
    ("signed", "sw"),
    [
        (b"", 0x6985),
        (approval(digest(), key=STRANGER), 0x6982),
        (approval(digest())[:-1] + b"\0", 0x6982),
        (approval(digest(loaded.block(2).encode())), 0x6A80),  # tampered with after it was approved
        (approval(digest(), AID(b"\xf0other")), 0x6A80),
        (approval(digest(), version=2), 0x6A80),
        (approval(digest(), city="99201"), 0x6A80),
        (approval(digest(), purpose="広告"), 0x6985),  # the ordinance does not list it
        (approval(digest(), limits=Limits(len(BLOCK) - 1, 0)), 0x6A84),
        (approval(digest(), limits=Limits(0x30001, 0)), 0x6A84),  # more than the domain has
        (approval(digest(), limits=Limits(0x8000, 0x80001)), 0x6A84),
        (approval(digest())[: -64 - 3], 0x6A80),
        (approval(digest()).replace(b"\x80\x01\x01", b"\x80\x01\x02"), 0x6A80),
        (content.of_rom(), 0x6A80),
    ],
)
def test_an_approval_that_does_not_fit_is_refused_and_nothing_stays(chip: Chip, signed: bytes, sw: int) -> None:
    city = content.client(chip)
    before = chip.cells
    with refused(sw):
        load(city, structure(BLOCK), signed)
    assert chip.cells == before


@pytest.mark.parametrize("limits", [Limits(len(BLOCK), 0x80000), Limits(0x30000, 0)])
def test_limits_that_just_fit_are_taken(chip: Chip, limits: Limits) -> None:
    load(content.client(chip), structure(BLOCK), approval(digest(), limits=limits))


def test_a_domain_is_named_or_left_out(chip: Chip) -> None:
    city = content.client(chip)
    city.install_for_load(loaded.FILE, domain=DOMAIN, approval=approval(digest()))
    city.load(structure(BLOCK).encode())


def test_a_name_that_is_taken_meanwhile_is_6a80(chip: Chip) -> None:
    city = content.client(chip)
    city.install_for_load(loaded.FILE, approval=approval(digest()))
    chip.open_channel(1)
    chip.select(chips.ISSUER, 1)
    issuer = chip.scp03(chips.ISSUER_KEYS, channel=1)
    say(issuer, 0x81, 0xE6, 0x0C, 0, chips.install_data(library.MODULE, loaded.FILE), sw=0x9000)
    with refused(0x6A80):
        city.load(structure(BLOCK).encode())


def test_a_domain_without_a_list_of_purposes_takes_nothing(chip: Chip) -> None:
    city = content.client(chip)
    city.store_purposes([])
    with refused(0x6985):
        load(city, structure(BLOCK), approval(digest()))


def test_the_longest_purposes_are_taken(chip: Chip) -> None:
    city = content.client(chip)
    longest = [f"{number:02d}" + "a" * 30 for number in range(60)] + ["b" * 6]
    assert sum(len(purpose) + 2 for purpose in longest) == 2048
    city.store_purposes(longest)
    assert city.purposes() == tuple(longest)
    with refused(0x6A80):
        city.store_purposes([*longest[:-1], "b" * 7])


def test_every_version_of_the_approval_key_counts_until_it_is_deleted(chip: Chip) -> None:
    city = content.client(chip)
    city.put_public(gp.KID_APPROVAL, 2, STRANGER.public_key())
    load(city, structure(BLOCK), approval(digest(), key=STRANGER))
    say(city.connection, 0x80, 0xE4, 0, 0, bytes((0xD0, 1, gp.KID_APPROVAL)), sw=0x9000)
    block = loaded.block(2).encode()
    with refused(0x6985):  # no key is left
        load(city, structure(block), approval(digest(block), AID(b"\xf0next"), 2), AID(b"\xf0next"))


def test_the_list_of_purposes_is_replaced_as_a_whole(chip: Chip) -> None:
    city = content.client(chip)
    assert city.purposes() == content.PURPOSES
    city.store_purposes(["駐輪場"])
    with refused(0x6985):
        load(city, structure(BLOCK), approval(digest()))
    city.store_purposes([])
    assert city.purposes() == ()
    assert say(chip, 0x80, 0xCA, 0xBF, 0x62).sw == 0x6A88
    city.store_purposes(["図書館"])
    load(city, structure(BLOCK), approval(digest()))
    assert DomainClient(chip, DOMAIN).purposes() == ("図書館",)  # anybody may read what the ordinance says


@pytest.mark.parametrize(
    "value",
    [
        "BF6204 820100 00",
        "BF6202 8200",
        "BF6203 830141",
        "BF6206 820141 820141",
        "BF6203 8201FF",
        "BF6223 8221" + "41" * 33,
        "BF6203 820141 BF6203 820142",
        "BF6202 8201",
    ],
)
def test_a_malformed_list_of_purposes_is_6a80(chip: Chip, value: str) -> None:
    city = content.client(chip)
    before = chip.cells
    assert say(city.connection, 0x80, 0xE2, 0x90, 0, bytes.fromhex(value)).sw == 0x6A80
    assert chip.cells == before


def test_another_domains_purposes_are_not_its_own(chip: Chip) -> None:
    chip.select(chips.CITY_DOMAIN)
    assert say(chip, 0x80, 0xCA, 0xBF, 0x62).sw == 0x6A88


# --- domains that verify nothing


def test_before_the_card_is_secured_a_domain_without_dap_loads_by_itself() -> None:
    chip = content.unsecured()
    city = content.plain(chip)
    load(city, structure(BLOCK, None), b"")
    (file,) = registry(chip).load_files
    assert file.limits == Limits(0xFFFFFFFF, 0xFFFFFFFF)


def test_an_approval_that_nobody_asks_for_is_refused() -> None:
    with refused(0x6A80):
        load(content.plain(content.unsecured()), structure(BLOCK), approval(digest()))


def test_a_secured_card_takes_only_what_a_domain_has_approved(chip: Chip) -> None:
    for domain in (content.plain, content.issuer):
        with refused(0x6985):
            domain(chip).install_for_load(loaded.FILE)


def test_a_card_that_is_secured_between_announcement_and_end_takes_it_no_more() -> None:
    chip = content.unsecured()
    city = content.plain(chip)
    city.install_for_load(loaded.FILE)
    chip.open_channel(1)
    chip.select(chips.ISSUER, 1)
    supervisor = chip.scp03(chips.ISSUER_KEYS, channel=1)
    for state in (0x07, 0x0F):
        say(supervisor, 0x81, 0xF0, 0x80, state, sw=0x9000)
    with refused(0x6985):
        city.load(structure(BLOCK, None).encode())


def test_the_domain_above_loads_into_the_one_below_and_no_further(chip: Chip) -> None:
    city = content.client(chip)
    city.install_for_load(loaded.FILE, domain=content.PROVIDER, approval=approval(digest()))
    city.load(structure(BLOCK).encode())
    (file,) = registry(chip).load_files
    assert file.domain == registry(chip).by_aid(bytes(content.PROVIDER)).instance  # type: ignore[union-attr]
    with refused(0x6A88):
        city.install_for_load(AID(b"\xf0other"), domain=chips.JUKI_DOMAIN)
    with refused(0x6A88):
        city.install_for_load(AID(b"\xf0other"), domain=AID(b"\xf0nobody"))
    with refused(0x6A80):
        content.plain(chip).install_for_load(AID(b"\xf0other"), domain=chips.LIBRARY)


def test_a_locked_domain_verifies_nothing_for_those_below_it(chip: Chip) -> None:
    content.issuer(chip).set_status(DOMAIN, locked=True)
    provider = content.provider(chip)
    with refused(0x6985):
        provider.install_for_load(loaded.FILE, approval=approval(digest()), sign=content.token)


# --- malformed


@pytest.mark.parametrize(
    "data",
    [
        "",
        "07F06C6F61646564",
        "07F06C6F61646564 00 00 00 00",
        "07F06C6F61646564 00 00 00 00 00 00",
        "07F06C6F61646564 00 1F" + "00" * 31 + "00 00 00",
        "07F06C6F61646564 00 00 01 00 00 00",
        "04F06C6F61 00 00 00 00 00",  # too short for an AID
        "07F06C6F61646564 00 00 00 02C900 00",
        "07F06C6F61646564 00 00 00 04EF02C700 00",
        "07F06C6F61646564 00 00 00 06EF04C8020001 00",
        "07F06C6F61646564 00 00 00 05EF03C60101 00",
        "07F06C6F61646564 00 00 00 02EF01 00",
        "07F06C6F61646564 00 00 00 00 0101",  # a token is not expected
        "07F06C6F61646564 00 00 00 02B600 00",
        "8107F06C6F61646564 00 00 00 00 00",  # a length that is not the shortest
        "820007F06C6F61646564 00 00 00 00 00",
        "80F06C6F61646564 00 00 00 00 00",
        "83000007F06C6F61646564 00 00 00 00 00",
    ],
)
def test_a_malformed_announcement_is_6a80(chip: Chip, data: str) -> None:
    city = content.client(chip)
    assert say(city.connection, 0x80, 0xE6, 0x02, 0, bytes.fromhex(data)).sw in (0x6A80, 0x6700)


@pytest.mark.parametrize(
    "whole",
    [
        b"\0",
        b"\xc4\x00",
        structure(BLOCK).encode()[:-1],
        structure(BLOCK).encode() + b"\0",
        structure(b"").encode(),
        structure(loaded.block(1, code=b"unknown").encode()).encode(),
    ],
)
def test_what_is_no_load_file_is_6a80(chip: Chip, whole: bytes) -> None:
    city = content.client(chip)
    before = chip.cells
    city.install_for_load(loaded.FILE, approval=approval(digest(loaded.block(1, code=b"unknown").encode())))
    with refused(0x6A80):
        city.load(whole)
    assert chip.cells == before


def test_the_data_block_is_the_one_that_was_announced(chip: Chip) -> None:
    for announced, sw in ((bytes(32), 0x6A80), (digest(), 0x9000)):
        city = content.client(chip)
        city.install_for_load(loaded.FILE, digest=announced, approval=approval(digest()))
        assert say(city.connection, 0x80, 0xE8, 0x80, 0, structure(BLOCK).encode()).sw == sw


@pytest.mark.parametrize("name", [SERVICE, loaded.FILE, gp.LOAD_FILE, chips.LIBRARY])
def test_a_name_that_is_taken_is_6a80(name: AID) -> None:
    with refused(0x6A80):
        content.client(content.with_code()).install_for_load(name)


# --- memory


def test_more_code_than_the_domain_may_store_is_6a84(chip: Chip) -> None:
    city = content.client(chip)
    city.install_for_load(loaded.FILE, code_size=0x30000)
    with refused(0x6A84):
        city.install_for_load(loaded.FILE, code_size=0x30001)
    provider = content.provider(chip)
    provider.install_for_load(loaded.FILE, sign=content.token)
    assert say(provider.connection, 0x80, 0xE8, 0, 0, bytes(0x8000)).sw == 0x9000
    assert say(provider.connection, 0x80, 0xE8, 0, 1, bytes(0x8001)).sw == 0x6A84
    assert say(provider.connection, 0x80, 0xE8, 0, 1, bytes(1)).sw == 0x6985  # it has ended
    provider.install_for_load(loaded.FILE, sign=content.token)
    assert say(provider.connection, 0x80, 0xE8, 0, 0, bytes(0x8000)).sw == 0x9000
    assert say(provider.connection, 0x80, 0xE8, 0, 1, bytes(0x8000)).sw == 0x9000


def test_a_domain_that_is_full_takes_no_load_file(chip: Chip) -> None:
    provider = content.provider(chip)
    blocks = [loaded.block(number, 20000).encode() for number in range(4)]
    before: dict[str, bytes] = {}
    for number, block in enumerate(blocks):
        aid = AID(b"\xf0full" + bytes((number,)))
        whole, signed = structure(block), approval(digest(block), aid, number)
        provider.install_for_load(aid, approval=signed, sign=content.token)
        before = chip.cells
        if number == 3:
            with refused(0x6A84):
                provider.load(whole.encode())
        else:
            provider.load(whole.encode())
    assert chip.cells == before


# --- rights


def test_what_the_approval_grants_is_what_the_application_may_do(chip: Chip) -> None:
    city = content.client(chip)
    limits = Limits(0x1000, 0, ApplicationRight.COUNTERS | ApplicationRight.CONTACT)
    load(city, structure(BLOCK), approval(digest(), limits=limits))
    city.install(loaded.MODULE, SERVICE, load_file=loaded.FILE)
    chip.select(SERVICE)
    assert chip.ask("00 10 00 00 00").sw == 0x9000
    assert chip.ask("00 12 00 00 01 41").sw == 0x6985


def test_an_application_stores_no_more_than_was_approved() -> None:
    chip = content.with_code()
    chip.select(SERVICE)
    before = chip.cells
    assert say(chip, 0, 0x12, 0, 0, bytes(0x8000 - 16 + 1)).sw == 0x6A84
    assert chip.cells == before
    assert say(chip, 0, 0x12, 0, 0, bytes(0x8000 - 16)).sw == 0x9000
    assert chip.ask("00 10 00 00 00").sw == 0x6A84  # nothing is left


def test_an_application_is_selected_through_the_interfaces_that_were_approved(chip: Chip) -> None:
    city = content.client(chip)
    load(city, structure(BLOCK), approval(digest(), limits=Limits(0x1000, 0, ApplicationRight.CONTACTLESS)))
    city.install(loaded.MODULE, SERVICE, load_file=loaded.FILE)
    assert chip.select(SERVICE).sw == 0x6985
    chip.card.power_on(Interface.CONTACTLESS)
    assert chip.select(SERVICE).sw == 0x9000


def test_the_municipality_is_that_of_the_domains_name() -> None:
    assert gp.city_of(DOMAIN) == CITY


@pytest.mark.parametrize(("limits", "size"), [(ApduLimits.SHORT, 231), (ApduLimits.EXTENDED, 0x4000)])
def test_a_block_is_one_command_on_every_connection(limits: ApduLimits, size: int) -> None:
    assert block_size(limits) == size


@pytest.mark.parametrize(
    ("signed", "reason"),
    [
        (b"", "an approval is needed here"),
        (approval(digest(), key=STRANGER), "the signature does not verify"),
        (approval(digest(), purpose="広告"), "the ordinance does not list this purpose"),
        (approval(digest(), city="99201"), "the approval is another municipality's"),
        (approval(digest(), version=9), "the approval is for another load file"),
    ],
)
def test_the_chips_host_is_told_why_a_load_was_refused(chip: Chip, signed: bytes, reason: str) -> None:
    city = content.client(chip)
    city.install_for_load(loaded.FILE, approval=signed)
    with pytest.raises(CardStatusError):
        city.load(structure(BLOCK).encode())
    refusal = chip.card.refusal
    assert refusal is not None
    assert (refusal.reason, refusal.step, refusal.row.name if refusal.row else "") == (reason, Step.COMMAND, "LOAD")
