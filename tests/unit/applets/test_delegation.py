"""Delegated management: what an outside provider may do with the municipality's tokens, and what proves it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jukicard.applets.gp import layout as gp
from jukicard.applets.gp.client import DomainClient
from jukicard.applets.gp.tokens import Confirmation, install_fields, receipt, token_message
from jukicard.applets.library import layout as library
from jukicard.iso7816.aid import AID
from jukicard.iso7816.errors import CardStatusError
from jukicard.iso7816.tlv import Tlv
from tests.support import chips, content, loaded
from tests.support.chains import private_key
from tests.support.chips import Chip, say
from tests.support.content import DOMAIN, PROVIDER, SECOND, SERVICE, TOKEN_KEY, token

BLOCK = loaded.block().encode()
NUMBERS = b"JUKI" + bytes.fromhex("0000000000000001")


@pytest.fixture
def chip() -> Chip:
    return content.card()


def refused(sw: int) -> pytest.RaisesExc[CardStatusError]:
    return pytest.raises(CardStatusError, match=f"{sw:04X}")


def check(confirmation: object, counter: int, *names: AID, identifier: bytes = b"") -> None:
    assert isinstance(confirmation, Confirmation)
    assert (confirmation.counter, confirmation.unique, confirmation.identifier) == (counter, NUMBERS, identifier)
    assert confirmation.receipt == receipt(content.RECEIPT_KEY, confirmation.told, *map(bytes, names))


def test_a_provider_does_everything_with_tokens_and_gets_receipts(chip: Chip) -> None:
    provider = content.provider(chip)
    check(content.bring(provider, BLOCK, sign=token), 1, loaded.FILE, PROVIDER)
    installed = provider.install(loaded.MODULE, SERVICE, load_file=loaded.FILE, selectable=False, sign=token)
    check(installed, 2, loaded.FILE, SERVICE)
    check(provider.make_selectable(SERVICE, sign=token), 3, loaded.FILE, SERVICE)
    assert chip.select(SERVICE).sw == 0x9000
    provider = content.provider(chip)
    check(provider.update_registry(SERVICE, 0, sign=token), 4, PROVIDER, SERVICE)
    check(provider.extradite(SERVICE, DOMAIN, sign=token), 5, PROVIDER, SERVICE, DOMAIN)
    content.client(chip).extradite(SERVICE, PROVIDER)
    provider = content.provider(chip)
    check(provider.delete(SERVICE, sign=token), 6, SERVICE)
    check(provider.delete(loaded.FILE, related=True, sign=token), 7, loaded.FILE)
    rom = provider.install(library.MODULE, SECOND, approval=content.of_rom(), sign=token)
    check(rom, 8, gp.LOAD_FILE, SECOND)


def changes(domain: DomainClient, sign: Callable[[bytes], bytes] | None) -> list[Callable[[], object]]:
    return [
        lambda: domain.install_for_load(AID(b"\xf0more"), sign=sign),
        lambda: domain.install(loaded.MODULE, SECOND, load_file=loaded.FILE, sign=sign),
        lambda: domain.install(library.MODULE, SECOND, approval=content.of_rom(), sign=sign),
        lambda: domain.make_selectable(SERVICE, sign=sign),
        lambda: domain.extradite(SERVICE, DOMAIN, sign=sign),
        lambda: domain.update_registry(SERVICE, 0, sign=sign),
        lambda: domain.delete(SERVICE, sign=sign),
        lambda: domain.delete(loaded.FILE, related=True, sign=sign),
    ]


@pytest.mark.parametrize(
    ("sign", "sw"),
    [
        (None, 0x6985),
        (lambda message: bytes(64), 0x6982),
        (lambda message: token(message)[:-1], 0x6982),
        (lambda message: content.signature(private_key(3299), message), 0x6982),
        (lambda message: content.signature(content.APPROVAL_KEY, message), 0x6982),
        (lambda message: token(message + b"\0"), 0x6982),
        (lambda message: token(b"\x04" + message[1:]), 0x6982),
        (lambda message: token(message[:2] + message[3:]), 0x6982),
    ],
)
def test_without_the_right_token_nothing_changes(chip: Chip, sign: Callable[[bytes], bytes] | None, sw: int) -> None:
    provider = content.provider(chip)
    content.bring(provider, BLOCK, sign=token)
    provider.install(loaded.MODULE, SERVICE, load_file=loaded.FILE, selectable=False, sign=token)
    before = chip.cells
    for change in changes(provider, sign):
        with refused(sw):
            change()
    assert chip.cells == before


def test_a_provider_brings_only_what_the_municipality_approved(chip: Chip) -> None:
    provider = content.provider(chip)
    whole = content.structure(BLOCK, None)
    provider.install_for_load(loaded.FILE, approval=content.approval(whole.digest), sign=token)
    with refused(0x6985):
        provider.load(whole.encode())
    provider.install_for_load(loaded.FILE, sign=token)
    with refused(0x6985):
        provider.load(content.structure(BLOCK).encode())
    with refused(0x6985):
        provider.install(library.MODULE, SERVICE, sign=token)


def test_who_loses_the_right_to_manage_in_mid_load_does_not_finish(chip: Chip) -> None:
    """Found by the fuzzer: what the announcement was allowed by was not asked for again at the last block."""
    whole = content.structure(BLOCK)
    approval = content.approval(whole.digest)
    provider = content.provider(chip)
    provider.install_for_load(loaded.FILE, approval=approval, sign=token)
    chip.open_channel(1)
    assert chip.select(DOMAIN, 1).sw == 0x9000
    city = chip.scp03(content.KEYS, channel=1)
    say(city, 0x81, 0xE6, 0x40, 0, install_fields(b"", b"", bytes(PROVIDER), b"\x80", b"", b""), 256, sw=0x9000)
    with refused(0x6985):
        provider.load(whole.encode())
    say(city, 0x81, 0xE6, 0x40, 0, install_fields(b"", b"", bytes(PROVIDER), b"\xa0\0\0", b"", b""), 256, sw=0x9000)
    with refused(0x6985):  # nor later: the load has ended
        provider.load(whole.encode())


def test_a_provider_has_no_domains_below_it(chip: Chip) -> None:
    with refused(0x6985):
        content.provider(chip).install(gp.DOMAIN_MODULE, SECOND, 0x800000, storage=10, volatile=0, sign=token)


def test_a_token_is_not_expected_of_who_manages_by_itself() -> None:
    chip = content.with_code()
    city = content.client(chip)
    for change in changes(city, token):
        with refused(0x6A80):
            change()
    with refused(0x6A80):
        city.delete(SERVICE, control=b"\x93\x01\x01")


def test_a_token_may_be_for_one_card_and_has_a_name(chip: Chip) -> None:
    provider = content.provider(chip)
    here = Tlv(0x42, b"JUKI").encode() + Tlv(0x45, NUMBERS[4:]).encode() + Tlv(0x5F20, b"shop").encode()
    named = here + Tlv(0x93, b"\x01\x02").encode()
    approved = content.of_rom()
    confirmation = provider.install(library.MODULE, SERVICE, approval=approved, control=named, sign=token)
    check(confirmation, 1, gp.LOAD_FILE, SERVICE, identifier=b"\x01\x02")
    check(content.bring(provider, BLOCK, control=named, sign=token), 2, loaded.FILE, PROVIDER, identifier=b"\x01\x02")
    check(provider.delete(SERVICE, control=named, sign=token), 3, SERVICE, identifier=b"\x01\x02")
    for control in (Tlv(0x45, bytes(8)), Tlv(0x42, b"JUKY"), Tlv(0x45)):
        with refused(0x6985):
            provider.install(library.MODULE, SERVICE, approval=approved, control=control.encode(), sign=token)
    for other in (b"\x80\x01\x01", b"\x45", here + here):
        with refused(0x6A80):
            provider.install(library.MODULE, SERVICE, approval=approved, control=other, sign=token)


def test_who_manages_by_itself_gets_no_receipt(chip: Chip) -> None:
    """Though it has the key, and the issuer's domain, too."""
    content.issuer(chip).put_aes_key(gp.KID_RECEIPT, 1, content.encrypted(bytes(16), chips.ISSUER_KEYS.dek))
    before = {name for name in chip.cells if name.endswith("/receipts")}
    assert content.bring(content.client(chip), BLOCK) is None
    assert {name for name in chip.cells if name.endswith("/receipts")} == before == set()


def test_the_receipt_counter_has_two_bytes(chip: Chip) -> None:
    content.bring(content.provider(chip), BLOCK, sign=token)
    assert [value for name, value in chip.cells.items() if name.endswith("/receipts")] == [b"\0\1"]


def test_without_a_receipt_key_a_change_is_confirmed_by_nothing(chip: Chip) -> None:
    city = content.client(chip)
    say(city.connection, 0x80, 0xE4, 0, 0, bytes((0xD0, 1, gp.KID_RECEIPT)), sw=0x9000)
    assert content.bring(content.provider(chip), BLOCK, sign=token) is None


def test_without_a_token_key_a_provider_does_nothing(chip: Chip) -> None:
    city = content.client(chip)
    say(city.connection, 0x80, 0xE4, 0, 0, bytes((0xD0, 1, gp.KID_TOKEN)), sw=0x9000)
    with refused(0x6985):
        content.provider(chip).install_for_load(loaded.FILE, sign=token)


def test_the_receipt_counter_ends(chip: Chip) -> None:
    area = next(name[:7] for name in chip.cells if name.endswith("key/22/01"))
    last = Chip({**chip.cells, area + "receipts": b"\xff\xfe"})
    provider = content.provider(last)
    check(content.bring(provider, BLOCK, sign=token), 0xFFFF, loaded.FILE, PROVIDER)
    before = last.cells
    with refused(0x6985):
        provider.delete(loaded.FILE, sign=token)
    assert last.cells == before


def test_a_refused_change_costs_no_receipt(chip: Chip) -> None:
    provider = content.provider(chip)
    content.bring(provider, BLOCK, sign=token)
    with refused(0x6A80):
        provider.install(loaded.MODULE, PROVIDER, load_file=loaded.FILE, sign=token)
    check(provider.delete(loaded.FILE, sign=token), 2, loaded.FILE)


def test_the_message_of_a_token_has_the_length_as_lc() -> None:
    assert token_message(0x0C, 0x00, b"ab") == b"\x0c\x00\x02ab"
    assert token_message(0x0C, 0x00, bytes(255))[:3] == b"\x0c\x00\xff"
    assert token_message(0x0C, 0x00, bytes(256))[:5] == b"\x0c\x00\x00\x01\x00"


@pytest.mark.parametrize(
    "answer", ["01", "0100", "020100", "050401020304", "00 00", "17" + "10" + "00" * 16 + "0101 00 00"]
)
def test_what_is_no_confirmation_is_refused(answer: str) -> None:
    with pytest.raises(ValueError, match="not a confirmation"):
        Confirmation.parse(bytes.fromhex(answer))


def test_a_confirmation_is_read_as_it_was_made() -> None:
    made = Confirmation(bytes(range(16)), 7, b"unique", b"")
    assert Confirmation.parse(made.encode()) == made
    assert Confirmation.parse(b"\0") is None


def test_the_token_key_is_not_that_of_approvals() -> None:
    assert TOKEN_KEY.public_key() != content.APPROVAL_KEY.public_key()
    assert chips.CITY_DOMAIN != DOMAIN
